/* What the guideline for DSCSA wants of commissioning and of shipping. */
#include <stdio.h>
#include <string.h>

#include "common/epcis/dscsa.h"
#include "common/epcis/event_text.h"
#include "worker/rules/check.h"

/* An errorDeclaration repeats the wrong event as it was. */
static bool is_step(const Epcis__V1__Event *event, const char *step)
{
    return strcmp(event->biz_step, step) == 0 && !event->error_declaration;
}

static const char *action_text(const Epcis__V1__Event *event)
{
    return event->action == EPCIS__V1__ACTION__ACTION_UNSPECIFIED ? event->action_text
                                                                  : event_action_name(event->action);
}

static void check_fields(const struct check *check, enum rule rule, const char *step, const char *action,
                         const char *disposition)
{
    const Epcis__V1__Event *event = check->event;
    if (strcmp(action_text(event), action) != 0)
        check_add(check, rule, "action", action_text(event), "is not that of %s: %s is right", step, action);
    if (strcmp(event->disposition, disposition) != 0)
        check_add(check, rule, "disposition", event->disposition, "is not that of %s: %s is right", step,
                  disposition);
    if (!event->read_point)
        check_add(check, rule, "readPoint", "", "is missing: %s tells where it happened", step);
}

void check_commissioning_fields(const struct check *check)
{
    static const char step[] = "commissioning";
    if (!is_step(check->event, step))
        return;
    check_fields(check, RULE_COMMISSION_FIELDS, step, "ADD", "active");
    if (!check->event->biz_location)
        check_add(check, RULE_COMMISSION_FIELDS, "bizLocation", "",
                  "is missing: %s tells where the items are afterwards", step);
}

/* ---- shipping ---- */

static const char shipping[] = "shipping";

void check_shipping_fields(const struct check *check)
{
    const Epcis__V1__Location *place = check->event->biz_location;
    if (!is_step(check->event, shipping))
        return;
    check_fields(check, RULE_SHIP_FIELDS, shipping, "OBSERVE", "in_transit");
    if (place)
        check_add(check, RULE_SHIP_FIELDS, "bizLocation", place->id,
                  "does not belong here: what is shipped is at no place until it is received");
}

static const char *source_of(const Epcis__V1__Event *event, const char *type)
{
    for (size_t i = 0; i < event->n_source_list; i++)
        if (strcmp(event->source_list[i]->type, type) == 0 && *event->source_list[i]->source)
            return event->source_list[i]->source;
    return "";
}

static const char *destination_of(const Epcis__V1__Event *event, const char *type)
{
    for (size_t i = 0; i < event->n_destination_list; i++)
        if (strcmp(event->destination_list[i]->type, type) == 0 && *event->destination_list[i]->destination)
            return event->destination_list[i]->destination;
    return "";
}

void check_parties(const struct check *check)
{
    static const char *const types[] = {"owning_party", "location"};
    if (!is_step(check->event, shipping))
        return;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!*source_of(check->event, types[i]))
            check_add(check, RULE_PARTY_MISSING, "sourceList", "", "has no %s: shipping names it", types[i]);
        if (!*destination_of(check->event, types[i]))
            check_add(check, RULE_PARTY_MISSING, "destinationList", "", "has no %s: shipping names it",
                      types[i]);
    }
}

/* Whether the transaction's identifier (CBV 8.5.2) holds the party's GLN; any GLN where that is not known.
 * The check digit is left to BT_GLN. */
static bool holds_gln(const char *id, const char *gln)
{
    static const char prefix[] = "urn:epcglobal:cbv:bt:";
    if (strncmp(id, prefix, sizeof prefix - 1) != 0)
        return false;
    id += sizeof prefix - 1;
    return strspn(id, "0123456789") == 13 && id[13] == ':' && (!*gln || memcmp(id, gln, 12) == 0);
}

static void check_transaction(const struct check *check, const char *type, const char *whose,
                              const char *party)
{
    const Epcis__V1__Event *event = check->event;
    char gln[14] = "", field[64] = "bizTransactionList";
    const char *value = "";
    if (gln_of(party, strlen(party), gln))
        gln[0] = '\0';
    for (size_t i = 0; i < event->n_biz_transaction_list; i++) {
        const Epcis__V1__BizTransaction *transaction = event->biz_transaction_list[i];
        if (strcmp(transaction->type, type) != 0)
            continue;
        if (holds_gln(transaction->biz_transaction, gln))
            return;
        value = transaction->biz_transaction;
        snprintf(field, sizeof field, "bizTransactionList[%zu]", i);
    }
    check_add(check, RULE_BT_MISSING, field, value,
              "is no %s with the %s's GLN: shipping has one, as urn:epcglobal:cbv:bt:%s:NUMBER", type, whose,
              *gln ? gln : "GLN");
}

void check_transactions(const struct check *check)
{
    if (!is_step(check->event, shipping))
        return;
    check_transaction(check, "po", "buyer", destination_of(check->event, "owning_party"));
    check_transaction(check, "desadv", "seller", source_of(check->event, "owning_party"));
}

/* ---- what stands in the event, or in the document's header for all its events ---- */

void check_statement(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    if (!is_step(event, shipping))
        return;
    const Epcis__Wire__V1__DocumentFacts *document = check->context->document;
    const char *affirm =
        dscsa_statement_text(event->extensions, event->n_extensions, "affirmTransactionStatement");
    const char *notice = dscsa_statement_text(event->extensions, event->n_extensions, "legalNotice");
    if (!affirm && document && document->transaction_statement) {
        affirm = document->transaction_statement->affirm;
        notice = document->transaction_statement->legal_notice;
    }
    if (!affirm) {
        check_add(check, RULE_TS_MISSING, "dscsaTransactionStatement", "",
                  "is missing: shipping carries the seller's transaction statement");
        return;
    }
    if (strcmp(affirm, "true") != 0 && strcmp(affirm, "1") != 0)
        check_add(check, RULE_TS_MISSING, "dscsaTransactionStatement.affirmTransactionStatement", affirm,
                  "does not affirm the statement: true is right");
    if (!*notice)
        check_add(check, RULE_TS_MISSING, "dscsaTransactionStatement.legalNotice", "",
                  "is missing: the statement is given in words");
}

void check_r13(const struct check *check)
{
    const Epcis__V1__Event *event = check->event;
    if (!is_step(event, shipping))
        return;
    const Epcis__Wire__V1__DocumentFacts *document = check->context->document;
    if (!(document && document->has_drop_shipment) &&
        !dscsa_find(event->extensions, event->n_extensions, "dropShipment"))
        check_add(check, RULE_R13_MISSING, "dropShipment", "",
                  "is missing: true or false is right, in the event or in the document's header");
    if (!(document && *document->guideline_version) &&
        !dscsa_find(event->extensions, event->n_extensions, "guidelineVersion"))
        check_add(check, RULE_R13_MISSING, "guidelineVersion", "",
                  "is missing: right is the version that the sender follows, such as GS1 US DSCSA R1.3");
}
