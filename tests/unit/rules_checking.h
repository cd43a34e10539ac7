/* One event through the rules, and what came of it. For the unit tests of the rules. */
#ifndef EPCISD_TESTS_RULES_CHECKING_H
#define EPCISD_TESTS_RULES_CHECKING_H

#include <check.h>

#include "tests/component/synthetic.h"
#include "worker/rules/rules.h"

static struct arena arena;
static struct rules *rules;
static struct rules_context context;
static struct rules_report report;
static struct rules_subject subject;

static inline void set_profile(enum rules_profile profile)
{
    struct rules_severities severities;
    rules_severities_init(&severities, profile);
    rules_free(rules);
    rules = rules_new(&severities);
}

static inline void setup(void)
{
    arena_init(&arena, 256 << 20);
    context = (struct rules_context){.partner = ""};
    set_profile(RULES_DSCSA);
}

static inline void teardown(void)
{
    rules_free(rules);
    rules = NULL;
    arena_free(&arena);
}

static inline void check(const Epcis__V1__Event *event)
{
    rules_report_init(&report, &arena);
    ck_assert_int_eq(rules_check(rules, &context, event, &arena, 32, &subject, &report), ERR_OK);
}

static inline void assert_clean(const Epcis__V1__Event *event)
{
    check(event);
    if (report.reason_count)
        ck_abort_msg("%s: %s", report.reasons[0]->code, report.reasons[0]->message);
    if (report.warning_count)
        ck_abort_msg("%s: %s", report.warnings[0]->code, report.warnings[0]->message);
}

static inline void assert_one(const Epcis__V1__Event *event, const char *code, const char *field)
{
    check(event);
    ck_assert_uint_eq(report.reason_count, 1);
    ck_assert_uint_eq(report.warning_count, 0);
    ck_assert_str_eq(report.reasons[0]->code, code);
    ck_assert_str_eq(report.reasons[0]->field, field);
    ck_assert_ptr_nonnull(strstr(report.reasons[0]->message, field));
    ck_assert_ptr_nonnull(strstr(report.reasons[0]->message, report.reasons[0]->value));
}

static inline void assert_warning(const Epcis__V1__Event *event, const char *code, const char *field)
{
    check(event);
    ck_assert_uint_eq(report.reason_count, 0);
    ck_assert_uint_eq(report.warning_count, 1);
    ck_assert_str_eq(report.warnings[0]->code, code);
    ck_assert_str_eq(report.warnings[0]->field, field);
}

static inline Epcis__V1__Event *commissioning(void)
{
    return synthetic_commission(&arena, 0, "LOT-1", "2027-01-31", (const char *const[]){"a", "b", "c", NULL});
}

static inline Epcis__V1__Event *event_of(Epcis__V1__EventType type, Epcis__V1__Action action)
{
    Epcis__V1__Event *event = synthetic_event(&arena, type, action, "packing", 0);
    event->parent_id = synthetic_sscc(&arena, 1);
    event->n_child_epcs = 1;
    event->child_epcs = synthetic_list(&arena, 1);
    event->child_epcs[0] = synthetic_sgtin(&arena, 10001, "a");
    return event;
}

#define AGGREGATION(action)                                                                                  \
    event_of(EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION, EPCIS__V1__ACTION__ACTION_##action)

/* ---- a shipping event with all that the guideline wants ---- */

#define SELLER "urn:epc:id:sgln:0614141.00001.0"
#define BUYER  "urn:epc:id:sgln:0614142.00001.0"

static inline void add_transaction(Epcis__V1__Event *event, const char *type, const char *id)
{
    Epcis__V1__BizTransaction *transaction = arena_alloc(&arena, sizeof *transaction);
    epcis__v1__biz_transaction__init(transaction);
    transaction->type = (char *)type;
    transaction->biz_transaction = (char *)id;
    if (!event->biz_transaction_list)
        event->biz_transaction_list = arena_alloc(&arena, 8 * sizeof transaction);
    event->biz_transaction_list[event->n_biz_transaction_list++] = transaction;
}

static inline void add_parties(Epcis__V1__Event *event, const char *type)
{
    Epcis__V1__Source *source = arena_alloc(&arena, sizeof *source);
    Epcis__V1__Destination *destination = arena_alloc(&arena, sizeof *destination);
    epcis__v1__source__init(source);
    epcis__v1__destination__init(destination);
    source->type = destination->type = (char *)type;
    source->source = (char *)SELLER;
    destination->destination = (char *)BUYER;
    if (!event->source_list) {
        event->source_list = arena_alloc(&arena, 8 * sizeof source);
        event->destination_list = arena_alloc(&arena, 8 * sizeof destination);
    }
    event->source_list[event->n_source_list++] = source;
    event->destination_list[event->n_destination_list++] = destination;
}

/* An element of the guideline's namespace. */
static inline Epcis__V1__Node *guideline_node(uint32_t depth, const char *name, const char *text)
{
    Epcis__V1__Node *node = arena_alloc(&arena, sizeof *node);
    epcis__v1__node__init(node);
    node->depth = depth;
    node->kind = EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT;
    node->namespace_uri = (char *)"http://epcis.gs1us.org/hc/ns";
    node->local_name = (char *)name;
    node->text = (char *)text;
    return node;
}

static inline void add_extension(Epcis__V1__Event *event, uint32_t depth, const char *name, const char *text)
{
    if (!event->extensions)
        event->extensions = arena_alloc(&arena, 8 * sizeof *event->extensions);
    event->extensions[event->n_extensions++] = guideline_node(depth, name, text);
}

static inline Epcis__V1__Event *shipping(void)
{
    Epcis__V1__Event *event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              EPCIS__V1__ACTION__ACTION_OBSERVE, "shipping", 0);
    event->disposition = (char *)"in_transit";
    event->biz_location = NULL;
    event->n_epc_list = 1;
    event->epc_list = synthetic_list(&arena, 1);
    event->epc_list[0] = synthetic_sscc(&arena, 1);
    add_parties(event, "owning_party");
    add_parties(event, "location");
    add_transaction(event, "po", "urn:epcglobal:cbv:bt:0614142000011:PO1");
    add_transaction(event, "desadv", "urn:epcglobal:cbv:bt:0614141000012:ASN1");
    add_extension(event, 0, "dscsaTransactionStatement", "");
    add_extension(event, 1, "affirmTransactionStatement", "true");
    add_extension(event, 1, "legalNotice", "The seller complies.");
    add_extension(event, 0, "dropShipment", "false");
    add_extension(event, 0, "guidelineVersion", "GS1 US DSCSA R1.3");
    return event;
}

/* ---- a document of EPCIS 1.2 with all that the guideline wants ---- */

static inline Epcis__Wire__V1__DocumentFacts *document_facts(void)
{
    Epcis__Wire__V1__DocumentFacts *facts = arena_alloc(&arena, sizeof *facts);
    epcis__wire__v1__document_facts__init(facts);
    facts->format = EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1;
    facts->kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT;
    facts->has_header = true;
    facts->sender = (char *)SELLER;
    facts->sender_gln = (char *)"0614141000012";
    facts->receiver = (char *)BUYER;
    facts->receiver_gln = (char *)"0614142000011";
    facts->instance_identifier = (char *)"1";
    facts->type = (char *)"Events";
    facts->creation_date_and_time = (char *)"2025-01-06T08:00:00Z";
    return facts;
}

/* What the event's finding of that rule and field is; RULES_OFF: there is none. */
static inline enum rules_severity found(const Epcis__V1__Event *event, const char *code, const char *field)
{
    check(event);
    for (size_t i = 0; i < report.reason_count; i++)
        if (strcmp(report.reasons[i]->code, code) == 0 && strcmp(report.reasons[i]->field, field) == 0)
            return RULES_REJECT;
    for (size_t i = 0; i < report.warning_count; i++)
        if (strcmp(report.warnings[i]->code, code) == 0 && strcmp(report.warnings[i]->field, field) == 0)
            return RULES_WARN;
    return RULES_OFF;
}

#endif
