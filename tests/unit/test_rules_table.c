/* The table of rules, and each stateless rule in every profile, with and without an override. */
#include "common/base/utf8.h"
#include "tests/unit/rules_checking.h"

#include "worker/rules/rules_print.h"

#define COUNT(list) (int)(sizeof(list) / sizeof(list)[0])

/* Severities in the profiles epcis, dscsa and strict: off, warn or reject. */
static const struct {
    enum rule rule;
    const char *code, *severities, *source;
    bool stateful;
} expected[] = {
    {RULE_SCHEMA_INVALID, "SCHEMA_INVALID", "RRR", "EP", false},
    {RULE_POISON_EVENT, "POISON_EVENT", "RRR", "", true},
    {RULE_TIME_INVALID, "TIME_INVALID", "RRR", "EP", false},
    {RULE_FUTURE_EVENT, "FUTURE_EVENT", "WRR", "", false},
    {RULE_STALE_EVENT, "STALE_EVENT", "-WW", "", false},
    {RULE_ACTION_INVALID, "ACTION_INVALID", "RRR", "EP", false},
    {RULE_CBV_UNKNOWN, "CBV_UNKNOWN", "WWR", "CBV", false},
    {RULE_GTIN_CHECK, "GTIN_CHECK", "RRR", "GS", false},
    {RULE_SGTIN_FORMAT, "SGTIN_FORMAT", "RRR", "TDS", false},
    {RULE_SERIAL_FORMAT, "SERIAL_FORMAT", "RRR", "GS TDS", false},
    {RULE_LOT_FORMAT, "LOT_FORMAT", "RRR", "GS", false},
    {RULE_EXPIRY_FORMAT, "EXPIRY_FORMAT", "RRR", "GS IG", false},
    {RULE_SSCC_FORMAT, "SSCC_FORMAT", "RRR", "GS TDS", false},
    {RULE_GLN_FORMAT, "GLN_FORMAT", "RRR", "GS TDS", false},
    {RULE_BT_GLN, "BT_GLN", "-WW", "CBV", false},
    {RULE_EPC_UNSUPPORTED, "EPC_UNSUPPORTED", "-WR", "IG", false},
    {RULE_NDC_MISMATCH, "NDC_MISMATCH", "-WR", "IG", true},
    {RULE_UNKNOWN_GTIN, "UNKNOWN_GTIN", "-WR", "", true},
    {RULE_UNKNOWN_GLN, "UNKNOWN_GLN", "-WR", "", true},
    {RULE_PARTNER_UNKNOWN, "PARTNER_UNKNOWN", "-WR", "FD", true},
    {RULE_PARTNER_INACTIVE, "PARTNER_INACTIVE", "RRR", "FD", true},
    {RULE_TI_INCOMPLETE, "TI_INCOMPLETE", "-WR", "FD IG", true},
    {RULE_SBDH_MISSING, "SBDH_MISSING", "-WR", "IG", false},
    {RULE_SBDH_INVALID, "SBDH_INVALID", "-WR", "IG", false},
    {RULE_PARTNER_MISMATCH, "PARTNER_MISMATCH", "WRR", "", false},
    {RULE_TS_MISSING, "TS_MISSING", "-WR", "FD IG", false},
    {RULE_COMMISSION_FIELDS, "COMMISSION_FIELDS", "-WR", "IG", false},
    {RULE_LOT_EXPIRY_MISSING, "LOT_EXPIRY_MISSING", "-RR", "IG", false},
    {RULE_ILMD_FORBIDDEN, "ILMD_FORBIDDEN", "WRR", "EP", false},
    {RULE_MIXED_EXPIRY, "MIXED_EXPIRY", "-RR", "", true},
    {RULE_SERIAL_REUSED, "SERIAL_REUSED", "-RR", "TDS FD", true},
    {RULE_SERIAL_REPEATED, "SERIAL_REPEATED", "WRR", "", false},
    {RULE_NOT_COMMISSIONED, "NOT_COMMISSIONED", "-WR", "IG", true},
    {RULE_NOT_COMMISSIONED_HERE, "NOT_COMMISSIONED", "-RR", "IG", true},
    {RULE_AGG_PARENT, "AGG_PARENT", "RRR", "EP", false},
    {RULE_AGG_CHILD, "AGG_CHILD", "RRR", "EP", false},
    {RULE_MULTI_PARENT, "MULTI_PARENT", "-RR", "IG", true},
    {RULE_AGG_CYCLE, "AGG_CYCLE", "-RR", "IG", true},
    {RULE_DISAGG_UNKNOWN, "DISAGG_UNKNOWN", "-WR", "", true},
    {RULE_PACK_INVERSION, "PACK_INVERSION", "-WR", "", true},
    {RULE_SHIP_FIELDS, "SHIP_FIELDS", "-WR", "IG", false},
    {RULE_PARTY_MISSING, "PARTY_MISSING", "-WR", "IG", false},
    {RULE_BT_MISSING, "BT_MISSING", "-WR", "IG", false},
    {RULE_TI_UNRESOLVED, "TI_UNRESOLVED", "-WR", "FD", true},
    {RULE_EXPIRED_SHIPPED, "EXPIRED_SHIPPED", "-RR", "FD", true},
    {RULE_DECOMM_SHIPPED, "DECOMM_SHIPPED", "-RR", "FD", true},
    {RULE_R13_MISSING, "R13_MISSING", "--W", "IG", false},
    {RULE_ERRDECL_ORPHAN, "ERRDECL_ORPHAN", "WWW", "EP", true},
    {RULE_EVENTID_CONFLICT, "EVENTID_CONFLICT", "RRR", "EP", true},
    {RULE_KEY_CONFLICT, "KEY_CONFLICT", "RRR", "", true},
    {RULE_RETURN_UNLINKED, "RETURN_UNLINKED", "-WW", "FD", true},
    {RULE_SENSOR_TIME, "SENSOR_TIME", "WWR", "EP", false},
};

START_TEST(the_table_says_what_was_agreed)
{
    ck_assert_int_eq(COUNT(expected), RULES);
    const struct rules_entry *rule = &rules_table[expected[_i].rule];
    ck_assert_str_eq(rule->code, expected[_i].code);
    ck_assert_str_eq(rule->source, expected[_i].source);
    ck_assert_int_eq(rule->stateful, expected[_i].stateful);
    ck_assert(!rule->stateful || !rule->check);
    for (int i = 0; i < RULES_PROFILES; i++)
        ck_assert_int_eq("-WR"[rule->severity[i]], expected[_i].severities[i]);
    ck_assert_int_eq(rule->meaning[strlen(rule->meaning) - 1], '.');
    ck_assert_int_eq(rule->remedy[strlen(rule->remedy) - 1], '.');
    ck_assert_str_eq(rules_table_find(rule->code)->code, rule->code);
}
END_TEST

/* ---- one event that breaks each stateless rule ---- */

static Epcis__V1__Event *with_epc(const char *epc)
{
    Epcis__V1__Event *event = commissioning();
    event->epc_list[0] = (char *)epc;
    return event;
}

static Epcis__V1__Event *at_receipt_and(int64_t seconds)
{
    Epcis__V1__Event *event = commissioning();
    context.received_ms = SYNTHETIC_RECEIVED_MS;
    event->event_time->seconds = SYNTHETIC_RECEIVED_MS / 1000 + seconds;
    return event;
}

static Epcis__V1__Event *break_rule(enum rule rule)
{
    static Epcis__V1__Location place;
    Epcis__V1__Event *event = commissioning();
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    switch (rule) {
    case RULE_SCHEMA_INVALID:
        event->type = EPCIS__V1__EVENT_TYPE__EVENT_TYPE_UNSPECIFIED;
        return event;
    case RULE_TIME_INVALID:
        event->event_time = NULL;
        return event;
    case RULE_FUTURE_EVENT:
        return at_receipt_and(301);
    case RULE_STALE_EVENT:
        return at_receipt_and(-INT64_C(365) * 24 * 3600);
    case RULE_ACTION_INVALID:
        event->action = EPCIS__V1__ACTION__ACTION_UNSPECIFIED;
        return event;
    case RULE_CBV_UNKNOWN:
        event->biz_step = (char *)"commisioning";
        return event;
    case RULE_GTIN_CHECK:
        return with_epc("https://id.gs1.org/01/00614141100018/21/a");
    case RULE_SGTIN_FORMAT:
        return with_epc("urn:epc:id:sgtin:0614141.01000.s");
    case RULE_SERIAL_FORMAT:
        return with_epc("urn:epc:id:sgtin:0614141.010001.123456789012345678901");
    case RULE_SSCC_FORMAT:
        return with_epc("urn:epc:id:sscc:0614141.000000001");
    case RULE_EPC_UNSUPPORTED:
        return with_epc("urn:epc:id:grai:0614141.12345.400");
    case RULE_SERIAL_REPEATED:
        return with_epc(event->epc_list[1]);
    case RULE_LOT_FORMAT:
        event->ilmd[0]->text = (char *)"L 1";
        return event;
    case RULE_EXPIRY_FORMAT:
        event->ilmd[1]->text = (char *)"soon";
        return event;
    case RULE_LOT_EXPIRY_MISSING:
        event->n_ilmd = 1;
        return event;
    case RULE_ILMD_FORBIDDEN:
        event->action = EPCIS__V1__ACTION__ACTION_OBSERVE;
        return event;
    case RULE_GLN_FORMAT:
        epcis__v1__location__init(&place);
        place.id = (char *)"urn:epc:id:sgln:0614141.0001.0";
        event->read_point = &place;
        return event;
    case RULE_BT_GLN:
        add_transaction(event, "po", "urn:epcglobal:cbv:bt:0614141000019:PO1");
        return event;
    case RULE_AGG_PARENT:
        event = AGGREGATION(ADD);
        event->parent_id = (char *)"";
        return event;
    case RULE_AGG_CHILD:
        event = AGGREGATION(ADD);
        event->n_child_epcs = 0;
        return event;
    case RULE_SENSOR_TIME: {
        static Epcis__V1__Time time;
        static Epcis__V1__SensorMetadata metadata;
        static Epcis__V1__SensorElement element, *elements[] = {&element};
        epcis__v1__time__init(&time);
        epcis__v1__sensor_metadata__init(&metadata);
        epcis__v1__sensor_element__init(&element);
        time.without_offset = true;
        metadata.time = &time;
        element.sensor_metadata = &metadata;
        event->sensor_element_list = elements;
        event->n_sensor_element_list = 1;
        return event;
    }
    case RULE_COMMISSION_FIELDS:
        event->disposition = (char *)"in_progress";
        return event;
    case RULE_PARTNER_MISMATCH:
        context.document = facts;
        context.caller = facts->receiver_gln;
        return event;
    case RULE_SBDH_MISSING:
        context.document = facts;
        facts->has_header = false;
        return event;
    case RULE_SBDH_INVALID:
        context.document = facts;
        facts->type = (char *)"Orders";
        return event;
    case RULE_SHIP_FIELDS:
        event = shipping();
        event->disposition = (char *)"active";
        return event;
    case RULE_PARTY_MISSING:
        event = shipping();
        event->n_source_list = 1;
        return event;
    case RULE_BT_MISSING:
        event = shipping();
        event->n_biz_transaction_list = 1;
        return event;
    case RULE_TS_MISSING:
        event = shipping();
        event->n_extensions = 0;
        return event;
    case RULE_R13_MISSING:
        event = shipping();
        event->n_extensions = 3;
        return event;
    default:
        return NULL;
    }
}

static enum rules_severity severity_found(const Epcis__V1__Event *event, const char *code)
{
    check(event);
    for (size_t i = 0; i < report.reason_count; i++)
        if (strcmp(report.reasons[i]->code, code) == 0)
            return RULES_REJECT;
    for (size_t i = 0; i < report.warning_count; i++)
        if (strcmp(report.warnings[i]->code, code) == 0)
            return RULES_WARN;
    return RULES_OFF;
}

START_TEST(each_rule_is_as_severe_as_told)
{
    const struct rules_entry *rule = &rules_table[_i];
    Epcis__V1__Event *event = break_rule((enum rule)_i);
    ck_assert_int_eq(event == NULL, rule->stateful);
    for (int profile = 0; event && profile < RULES_PROFILES; profile++) {
        set_profile((enum rules_profile)profile);
        ck_assert_int_eq(severity_found(event, rule->code), rule->severity[profile]);
        for (int told = RULES_OFF; told <= RULES_REJECT; told++) {
            struct rules_severities severities;
            rules_severities_init(&severities, (enum rules_profile)profile);
            enum err err = rules_severities_set(&severities, rule->code, (enum rules_severity)told);
            ck_assert_int_eq(err, rule->fixed && told != RULES_REJECT ? ERR_INPUT : ERR_OK);
            context.severities = &severities;
            ck_assert_int_eq(severity_found(event, rule->code), err ? RULES_REJECT : told);
            context.severities = NULL;
        }
    }
}
END_TEST

START_TEST(findings_tell_source_and_remedy)
{
    check(break_rule(RULE_SERIAL_FORMAT));
    ck_assert_str_eq(report.reasons[0]->source, "GS TDS");
    ck_assert_ptr_eq(report.reasons[0]->remedy, rules_table[RULE_SERIAL_FORMAT].remedy);
}
END_TEST

START_TEST(stateful_rules_take_the_context_they_are_in)
{
    struct rules_severities severities;
    rules_severities_init(&severities, RULES_DSCSA);
    ck_assert_int_eq(rules_severities_set(&severities, "NOT_COMMISSIONED", RULES_OFF), ERR_OK);
    rules_begin(rules, &context);
    ck_assert_int_eq(rules_severity(rules, RULE_NOT_COMMISSIONED), RULES_WARN);
    ck_assert_int_eq(rules_severity(rules, RULE_NOT_COMMISSIONED_HERE), RULES_REJECT);
    rules_report_init(&report, &arena);
    rules_add(rules, &report, RULE_NOT_COMMISSIONED_HERE, "epcList[0]", "x", "is new");
    ck_assert_uint_eq(report.reason_count, 1);
    context.severities = &severities;
    rules_begin(rules, &context);
    rules_add(rules, &report, RULE_NOT_COMMISSIONED_HERE, "epcList[0]", "x", "is new");
    rules_add(rules, &report, RULE_NOT_COMMISSIONED, "epcList[0]", "x", "is new");
    ck_assert_uint_eq(report.reason_count, 1);
    ck_assert_uint_eq(report.warning_count, 0);
}
END_TEST

START_TEST(overrides_are_read)
{
    struct rules_severities severities;
    rules_severities_init(&severities, RULES_DSCSA);
    ck_assert_int_eq(rules_severities_override(&severities, "FUTURE_EVENT=warn"), ERR_OK);
    ck_assert_int_eq(severities.of[RULE_FUTURE_EVENT], RULES_WARN);
    ck_assert_int_eq(rules_severities_override(&severities, "FUTURE_EVENT=off"), ERR_OK);
    ck_assert_int_eq(severities.of[RULE_FUTURE_EVENT], RULES_OFF);
    ck_assert_int_eq(rules_severities_override(&severities, "NO_SUCH_RULE=off"), ERR_NOT_FOUND);
    ck_assert_int_eq(rules_severities_override(&severities, "=off"), ERR_NOT_FOUND);
    ck_assert_int_eq(rules_severities_override(&severities, "FUTURE_EVENT=maybe"), ERR_INPUT);
    ck_assert_int_eq(rules_severities_override(&severities, "FUTURE_EVENT"), ERR_INPUT);
    ck_assert_int_eq(rules_severities_override(&severities, "KEY_CONFLICT=warn"), ERR_INPUT);
    ck_assert_int_eq(severities.of[RULE_KEY_CONFLICT], RULES_REJECT);
    char text[128];
    memset(text, 'X', sizeof text);
    memcpy(text + sizeof text - 5, "=off", 5);
    ck_assert_int_eq(rules_severities_override(&severities, text), ERR_INPUT);
}
END_TEST

START_TEST(the_table_is_printed)
{
    struct buffer out = {0};
    for (int json = 0; json < 2; json++) {
        rules_print(&out, json);
        buffer_append(&out, "", 1);
        const char *text = (const char *)out.data, *at = text;
        ck_assert_ptr_nonnull(strstr(text, rules_pack));
        for (int i = 0; i < RULES; i++) {
            at = strstr(at, rules_table[i].code); /* in their order */
            ck_assert_ptr_nonnull(at);
            at = strstr(at, rules_table[i].meaning);
            ck_assert_ptr_nonnull(at);
            at = strstr(at, rules_table[i].remedy);
            ck_assert_ptr_nonnull(at);
        }
        buffer_clear(&out);
    }
    buffer_free(&out);
}
END_TEST

/* A message is cut where it is too long, and so may be inside a character. */
START_TEST(findings_are_utf8)
{
    char text[1501] = "";
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    for (size_t shift = 0; shift < 3; shift++) {
        char message[2048];
        rules_report_init(&report, &arena);
        rules_add(rules, &report, RULE_LOT_FORMAT, "ilmd.lotNumber", &"aa"[2 - shift], "is not %s", text);
        ck_assert_uint_eq(report.reason_count, 1);
        snprintf(message, sizeof message, "%s", report.reasons[0]->message);
        ck_assert_uint_gt(strlen(message), 900);
        for (size_t i = 0, length; message[i]; i += length) {
            length = utf8_length((const unsigned char *)message + i);
            ck_assert_msg(length > 0, "no UTF-8 at byte %zu", i);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules_table");
    TCase *tests = tcase_create("rules_table");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, the_table_says_what_was_agreed, 0, COUNT(expected));
    tcase_add_loop_test(tests, each_rule_is_as_severe_as_told, 0, RULES);
    tcase_add_test(tests, findings_tell_source_and_remedy);
    tcase_add_test(tests, stateful_rules_take_the_context_they_are_in);
    tcase_add_test(tests, findings_are_utf8);
    tcase_add_test(tests, overrides_are_read);
    tcase_add_test(tests, the_table_is_printed);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
