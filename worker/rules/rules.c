#include "worker/rules/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "worker/rules/check.h"

struct rules {
    struct rules_severities severities;
    struct rules_context context;
    struct rules_epc *epcs;
    size_t epc_capacity;
    struct repetition repetition;
    struct known_place known_places[KNOWN_PLACES];
    struct epc_key_stems stems;
};

struct rules *rules_new(const struct rules_severities *severities)
{
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules)
        rules->severities = *severities;
    return rules;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    free(rules->epcs);
    free(rules->repetition.slots);
    free(rules);
}

struct repetition *rules_repetition(struct rules *rules)
{
    return &rules->repetition;
}

struct known_place *rules_known_places(struct rules *rules)
{
    return rules->known_places;
}

void rules_begin(struct rules *rules, const struct rules_context *context)
{
    rules->context = *context;
}

enum rules_severity rules_severity(const struct rules *rules, enum rule rule)
{
    const struct rules_severities *own = rules->context.severities;
    return (enum rules_severity)(own ? own : &rules->severities)->of[rule];
}

const char *rules_list_name(enum rules_list list)
{
    static const char *const names[] = {"epcList", "parentID", "childEPCs", "inputEPCList", "outputEPCList"};
    return names[list];
}

/* ---- the subject ---- */

static enum err add_epc(struct rules *rules, struct rules_subject *subject, enum rules_list list,
                        size_t index, const char *text, struct arena *arena, size_t key_room)
{
    struct rules_epc *epc = &subject->epcs[subject->epc_count++];
    struct epc parsed;
    uint8_t key[EPC_KEY_MAX];
    size_t key_length = epc_key_next(&rules->stems, text, strlen(text), &parsed, key);
    *epc = (struct rules_epc){.text = text,
                              .list = list,
                              .index = (uint32_t)index,
                              .kind = parsed.kind,
                              .fault = parsed.fault,
                              .key_length = (uint8_t)(key_length - 1),
                              .key = arena_alloc(arena, key_length + key_room)};
    if (!epc->key)
        return ERR_LIMIT;
    memcpy(epc->key, key, key_length);
    if (parsed.kind == EPC_SGTIN)
        memcpy(epc->gtin, parsed.digits, sizeof epc->gtin);
    return ERR_OK;
}

static enum err add_epcs(struct rules *rules, struct rules_subject *subject, enum rules_list list,
                         char *const *texts, size_t count, struct arena *arena, size_t key_room)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = add_epc(rules, subject, list, i, texts[i], arena, key_room);
    return err;
}

static enum err collect_epcs(struct rules *rules, struct rules_subject *subject, struct arena *arena,
                             size_t key_room)
{
    const Epcis__V1__Event *event = subject->event;
    size_t count =
        1 + event->n_epc_list + event->n_child_epcs + event->n_input_epc_list + event->n_output_epc_list;
    if (count > rules->epc_capacity) {
        size_t capacity = count + count / 2;
        struct rules_epc *epcs = realloc(rules->epcs, capacity * sizeof *epcs);
        if (!epcs)
            return ERR_MEMORY;
        rules->epcs = epcs;
        rules->epc_capacity = capacity;
    }
    subject->epcs = rules->epcs;
    subject->epc_count = 0;
    enum err err = ERR_OK;
    if (*event->parent_id)
        err = add_epc(rules, subject, RULES_PARENT_ID, 0, event->parent_id, arena, key_room);
    if (!err)
        err = add_epcs(rules, subject, RULES_EPC_LIST, event->epc_list, event->n_epc_list, arena, key_room);
    if (!err)
        err = add_epcs(rules, subject, RULES_CHILD_EPCS, event->child_epcs, event->n_child_epcs, arena,
                       key_room);
    if (!err)
        err = add_epcs(rules, subject, RULES_INPUT_EPCS, event->input_epc_list, event->n_input_epc_list,
                       arena, key_room);
    if (!err)
        err = add_epcs(rules, subject, RULES_OUTPUT_EPCS, event->output_epc_list, event->n_output_epc_list,
                       arena, key_room);
    return err;
}

/* Text of the ILMD element of that name in CBV's master-data namespace, which documents spell with and
 * without its last colon. */
static const char *ilmd_text(const Epcis__V1__Event *event, const char *name)
{
    static const char space[] = "urn:epcglobal:cbv:mda";
    for (size_t i = 0; i < event->n_ilmd; i++) {
        const Epcis__V1__Node *node = event->ilmd[i];
        if (node->depth != 0 || node->kind != EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT ||
            strcmp(node->local_name, name) != 0 || strncmp(node->namespace_uri, space, sizeof space - 1) != 0)
            continue;
        const char *rest = node->namespace_uri + sizeof space - 1;
        if (!*rest || strcmp(rest, ":") == 0)
            return node->text;
    }
    return NULL;
}

enum err rules_check(struct rules *rules, const struct rules_context *context, const Epcis__V1__Event *event,
                     struct arena *arena, size_t key_room, struct rules_subject *out,
                     struct rules_report *report)
{
    *out = (struct rules_subject){
        .event = event,
        .lot = ilmd_text(event, "lotNumber"),
        .expiry = ilmd_text(event, "itemExpirationDate"),
        .commissions = event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT &&
                       event->action == EPCIS__V1__ACTION__ACTION_ADD && !event->error_declaration,
    };
    if (out->expiry && gs1_date_parse(out->expiry, strlen(out->expiry), &out->expiry_date))
        out->expiry_date = 0;
    enum err err = collect_epcs(rules, out, arena, key_room);
    if (!err)
        err = repetition_begin(&rules->repetition, out->epc_count);
    if (err)
        return err;
    rules_begin(rules, context);
    struct check check = {rules, context, out, event, report};
    for (int i = 0; i < RULES; i++)
        if (rules_table[i].check)
            rules_table[i].check(&check);
    return report->failed ? ERR_LIMIT : ERR_OK;
}

/* ---- findings ---- */

void rules_report_init(struct rules_report *report, struct arena *arena)
{
    report->arena = arena;
    report->failed = false;
    report->reason_count = report->warning_count = 0;
}

/* At most RULES_VALUE_MAX bytes of `value`, cut before a UTF-8 character rather than within. */
static size_t cut_length(const char *value)
{
    size_t length = strnlen(value, RULES_VALUE_MAX + 1);
    if (length <= RULES_VALUE_MAX)
        return length;
    length = RULES_VALUE_MAX;
    while (length > 0 && ((unsigned char)value[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static bool of_document(enum rule rule)
{
    return rule >= RULE_PARTNER_INACTIVE && rule <= RULE_SBDH_INVALID;
}

static void add_finding(const struct rules *rules, struct rules_report *report, enum rule rule,
                        const char *field, const char *value, const char *format, va_list arguments)
{
    enum rules_severity severity = rules_severity(rules, rule);
    size_t *count = severity == RULES_REJECT ? &report->reason_count : &report->warning_count;
    bool told_before = severity == RULES_WARN && of_document(rule) && rules->context.event_index > 0;
    if (severity == RULES_OFF || told_before || *count == RULES_FINDINGS_MAX)
        return;
    char message[RULES_VALUE_MAX + 768];
    int cut = (int)cut_length(value);
    int length = snprintf(message, sizeof message, "%s '%.*s' ", field, cut, value);
    if (length > 0 && (size_t)length < sizeof message)
        vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
    utf8_mend(message); /* it may be cut */
    Epcis__V1__Finding *finding = arena_alloc(report->arena, sizeof *finding);
    if (finding) {
        epcis__v1__finding__init(finding);
        finding->code = (char *)rules_table[rule].code;
        finding->source = (char *)rules_table[rule].source;
        finding->remedy = (char *)rules_table[rule].remedy;
        finding->field = arena_copy(report->arena, field, strlen(field));
        finding->value = arena_copy(report->arena, value, (size_t)cut);
        finding->message = arena_copy(report->arena, message, strlen(message));
    }
    if (!finding || !finding->field || !finding->value || !finding->message) {
        report->failed = true;
        return;
    }
    (severity == RULES_REJECT ? report->reasons : report->warnings)[(*count)++] = finding;
}

void rules_add(const struct rules *rules, struct rules_report *report, enum rule rule, const char *field,
               const char *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_finding(rules, report, rule, field, value, format, arguments);
    va_end(arguments);
}

void rules_add_epc(const struct rules *rules, struct rules_report *report, enum rule rule,
                   const struct rules_epc *epc, const char *format, ...)
{
    char field[48];
    if (epc->list == RULES_PARENT_ID)
        snprintf(field, sizeof field, "%s", rules_list_name(epc->list));
    else
        snprintf(field, sizeof field, "%s[%u]", rules_list_name(epc->list), epc->index);
    va_list arguments;
    va_start(arguments, format);
    add_finding(rules, report, rule, field, epc->text, format, arguments);
    va_end(arguments);
}

/* What the members of a list are called in XML. */
static const char *member_name(const char *list, size_t length)
{
    static const char *const names[][2] = {
        {"bizTransactionList", "bizTransaction"},  {"sourceList", "source"},
        {"destinationList", "destination"},        {"quantityList", "quantityElement"},
        {"childQuantityList", "quantityElement"},  {"inputQuantityList", "quantityElement"},
        {"outputQuantityList", "quantityElement"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i][0]) == length && memcmp(names[i][0], list, length) == 0)
            return names[i][1];
    return "epc";
}

void rules_field_path(const char *field, char *out, size_t size)
{
    size_t name = strcspn(field, "[.");
    unsigned index;
    if (strcmp(field, "partner") == 0) /* the document's: no place in the event */
        snprintf(out, size, "%s", "");
    else if (field[name] == '[' && sscanf(field + name, "[%u]", &index) == 1)
        snprintf(out, size, "/%.*s/%s[%u]", (int)name, field, member_name(field, name), index + 1);
    else if (field[name] == '.')
        snprintf(out, size, "/%.*s/%s", (int)name, field, field + name + 1);
    else
        snprintf(out, size, "%s%s", *field ? "/" : "", field);
}
