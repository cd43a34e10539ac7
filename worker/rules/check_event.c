/* Time, action, aggregation and CBV words. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/epcis/cbv.h"
#include "worker/rules/check.h"

/* `[+-]hh:mm`, at most 14:00 either way. */
static bool offset_ok(const char *text)
{
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    for (int i = 1; i < 6; i++)
        if (i != 3 && !isdigit((unsigned char)text[i]))
            return false;
    int hours = (text[1] - '0') * 10 + text[2] - '0', minutes = (text[4] - '0') * 10 + text[5] - '0';
    return minutes < 60 && hours * 60 + minutes <= 14 * 60;
}

void check_time(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    if (!event->event_time)
        check_add(check, RULE_TIME_INVALID, "eventTime", "",
                  "is missing: right is a date and time with its offset, such as 2025-01-06T08:03:45.125Z");
    else if (*event->event_time->invalid_text)
        check_add(check, RULE_TIME_INVALID, "eventTime", event->event_time->invalid_text,
                  "is no time: right is a real date and time with its offset, such as "
                  "2025-01-06T08:03:45.125Z");
    if (!offset_ok(event->event_time_zone_offset))
        check_add(check, RULE_TIME_INVALID, "eventTimeZoneOffset", event->event_time_zone_offset,
                  "is no offset: right is +hh:mm or -hh:mm, at most 14:00, such as -05:00");
}

void check_action(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    bool given = event->action != EPCIS__V1__ACTION__ACTION_UNSPECIFIED || *event->action_text;
    switch (event->type) {
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT:
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION:
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION:
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION:
        if (event->action == EPCIS__V1__ACTION__ACTION_UNSPECIFIED)
            check_add(check, RULE_ACTION_INVALID, "action", event->action_text,
                      "is no action: ADD, OBSERVE or DELETE is right");
        break;
    case EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION:
        if (given)
            check_add(check, RULE_ACTION_INVALID, "action", event->action_text,
                      "does not belong here: a TransformationEvent has none");
        break;
    default:
        break;
    }
}

void check_aggregation(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    bool add = event->action == EPCIS__V1__ACTION__ACTION_ADD;
    if (event->type != EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION &&
        event->type != EPCIS__V1__EVENT_TYPE__EVENT_TYPE_ASSOCIATION)
        return;
    if ((add || event->action == EPCIS__V1__ACTION__ACTION_DELETE) && !*event->parent_id)
        check_add(check, RULE_AGG_PARENT, "parentID", "",
                  "is missing: ADD and DELETE name the container that they change");
    if (add && event->n_child_epcs == 0 && event->n_child_quantity_list == 0)
        check_add(check, RULE_AGG_CHILD, "childEPCs", "",
                  "is missing: ADD names at least one EPC or quantity that goes into the container");
}

/* ---- words ---- */

#define LENGTH(list) (sizeof(list) / sizeof(list)[0])

/* A URI outside GS1's namespaces: in those only the CBV's words, which stand bare, mean anything. */
static bool is_own_uri(const char *word)
{
    static const char *const spaces[] = {"urn:epcglobal:cbv:", "https://ref.gs1.org/cbv/",
                                         "http://ref.gs1.org/cbv/", "cbv:"};
    for (size_t i = 0; i < LENGTH(spaces); i++)
        if (strncmp(word, spaces[i], strlen(spaces[i])) == 0)
            return false;
    size_t scheme = 0; /* RFC 3986 section 3.1 */
    while (isalnum((unsigned char)word[scheme]) || (word[scheme] && strchr("+-.", word[scheme])))
        scheme++;
    return isalpha((unsigned char)word[0]) && word[scheme] == ':' && word[scheme + 1];
}

static void check_word(const struct check *check, const char *word, enum cbv_family family,
                       const char *format, size_t index)
{
    /* Absent is fine. */
    if (!*word || cbv_lists(family, word) || is_own_uri(word))
        return;
    char field[64];
    const char *mark = strchr(format, '#');
    if (mark)
        snprintf(field, sizeof field, "%.*s%zu%s", (int)(mark - format), format, index, mark + 1);
    else
        snprintf(field, sizeof field, "%s", format);
    check_add(check, RULE_CBV_UNKNOWN, field, word,
              "is no word of CBV 2.0: a word of its list, or a full URI of one's own, is right");
}

void check_words(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    check_word(check, event->biz_step, CBV_BIZ_STEP, "bizStep", 0);
    check_word(check, event->disposition, CBV_DISPOSITION, "disposition", 0);
    const Epcis__V1__PersistentDisposition *lasting = event->persistent_disposition;
    for (size_t i = 0; lasting && i < lasting->n_set; i++)
        check_word(check, lasting->set[i], CBV_DISPOSITION, "persistentDisposition.set[#]", i);
    for (size_t i = 0; lasting && i < lasting->n_unset; i++)
        check_word(check, lasting->unset[i], CBV_DISPOSITION, "persistentDisposition.unset[#]", i);
    for (size_t i = 0; i < event->n_biz_transaction_list; i++)
        check_word(check, event->biz_transaction_list[i]->type, CBV_BIZ_TYPE, "bizTransactionList[#].type",
                   i);
    for (size_t i = 0; i < event->n_source_list; i++)
        check_word(check, event->source_list[i]->type, CBV_PARTY_TYPE, "sourceList[#].type", i);
    for (size_t i = 0; i < event->n_destination_list; i++)
        check_word(check, event->destination_list[i]->type, CBV_PARTY_TYPE, "destinationList[#].type", i);
}
