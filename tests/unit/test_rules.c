/* One planted fault each: its code, its field, and nothing else. */
#include "tests/unit/rules_checking.h"

static void with_epc(Epcis__V1__Event *event, size_t index, const char *text)
{
    event->epc_list[index] = arena_copy(&arena, text, strlen(text));
}

static Epcis__V1__Event *with_lot(const char *lot, const char *expiry)
{
    return synthetic_commission(&arena, 0, lot, expiry, (const char *const[]){"a", NULL});
}

START_TEST(clean_events_give_nothing)
{
    assert_clean(commissioning());
    assert_clean(AGGREGATION(ADD));
    assert_clean(AGGREGATION(OBSERVE));
    assert_clean(AGGREGATION(DELETE));
    Epcis__V1__Event *all_out = AGGREGATION(DELETE);
    all_out->n_child_epcs = 0;
    assert_clean(all_out);
    Epcis__V1__Event *none = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                             EPCIS__V1__ACTION__ACTION_OBSERVE, "storing", 0);
    assert_clean(none);
    assert_clean(shipping());
    Epcis__V1__Event *transformation =
        synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION,
                        EPCIS__V1__ACTION__ACTION_UNSPECIFIED, "", 0);
    synthetic_ilmd(&arena, transformation, "lotNumber", "L1");
    assert_clean(transformation);
    Epcis__V1__Event *own = commissioning();
    own->biz_step = (char *)"https://example.com/steps/blessing";
    own->disposition = (char *)"urn:example:blessed";
    assert_clean(own);
}
END_TEST

START_TEST(clean_sscc_needs_no_lot)
{
    Epcis__V1__Event *event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              EPCIS__V1__ACTION__ACTION_ADD, "commissioning", 0);
    event->n_epc_list = 1;
    event->epc_list = synthetic_list(&arena, 1);
    event->epc_list[0] = synthetic_sscc(&arena, 5);
    assert_clean(event);
}
END_TEST

/* What the schemas demand of an event's parts. */
START_TEST(parts_missing_or_malformed)
{
    Epcis__V1__Location place = EPCIS__V1__LOCATION__INIT;
    Epcis__V1__Event *event = commissioning();
    event->read_point = &place;
    assert_one(event, "SCHEMA_INVALID", "readPoint.id");
    event = commissioning();
    event->biz_location = &place;
    assert_one(event, "SCHEMA_INVALID", "bizLocation.id");

    Epcis__V1__QuantityElement quantity = EPCIS__V1__QUANTITY_ELEMENT__INIT, *quantities[] = {&quantity};
    event = commissioning();
    event->quantity_list = quantities;
    event->n_quantity_list = 1;
    assert_one(event, "SCHEMA_INVALID", "quantityList[0].epcClass");
    quantity.epc_class = (char *)"urn:epc:class:lgtin:0614141.107346.LOT-1";
    assert_clean(event);
    static const char *const numbers[] = {"10", "-1.5", "+.5", "5.", "1E+3", "1e-3", "INF", "NaN"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        quantity.quantity = (char *)(uintptr_t)numbers[i];
        assert_clean(event);
    }
    static const char *const others[] = {"ten", ".", "1,5", "1e", "0x1F", "--1", "1 kg", "inf"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        quantity.quantity = (char *)(uintptr_t)others[i];
        assert_one(event, "SCHEMA_INVALID", "quantityList[0].quantity");
    }

    Epcis__V1__Source source = EPCIS__V1__SOURCE__INIT, *sources[] = {&source};
    Epcis__V1__Destination destination = EPCIS__V1__DESTINATION__INIT, *destinations[] = {&destination};
    source.source = destination.destination = (char *)"urn:epc:id:pgln:0614141.00000";
    event = commissioning();
    event->source_list = sources;
    event->n_source_list = 1;
    assert_one(event, "SCHEMA_INVALID", "sourceList[0].type");
    source.type = (char *)"owning_party";
    assert_clean(event);
    event->destination_list = destinations;
    event->n_destination_list = 1;
    assert_one(event, "SCHEMA_INVALID", "destinationList[0].type");

    Epcis__V1__SensorElement sensor = EPCIS__V1__SENSOR_ELEMENT__INIT, *sensors[] = {&sensor};
    event = commissioning();
    event->sensor_element_list = sensors;
    event->n_sensor_element_list = 1;
    assert_one(event, "SCHEMA_INVALID", "sensorElementList[0].sensorReport");
    Epcis__V1__SensorReport report = EPCIS__V1__SENSOR_REPORT__INIT, *reports[] = {&report};
    Epcis__V1__Time no_time = EPCIS__V1__TIME__INIT;
    no_time.invalid_text = (char *)"yesterday";
    sensor.sensor_reports = reports;
    sensor.n_sensor_reports = 1;
    assert_clean(event);
    report.max_value = (char *)"hot";
    assert_one(event, "SCHEMA_INVALID", "sensorElementList[0].sensorReport.maxValue");
    report.max_value = (char *)"";
    event = commissioning();
    event->record_time = &no_time;
    assert_one(event, "SCHEMA_INVALID", "recordTime");

    event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSACTION,
                            EPCIS__V1__ACTION__ACTION_OBSERVE, "storing", 0);
    assert_one(event, "SCHEMA_INVALID", "bizTransactionList");
}
END_TEST

START_TEST(time_missing_or_unreal)
{
    Epcis__V1__Event *event = commissioning();
    event->event_time = NULL;
    assert_one(event, "TIME_INVALID", "eventTime");
    event = commissioning();
    event->event_time->invalid_text = (char *)"2025-02-30T00:00:00Z";
    assert_one(event, "TIME_INVALID", "eventTime");
}
END_TEST

static const char *const bad_offsets[] = {"+25:00", "0500",   "-5:00",  "EST",    "+14:30",
                                          "",       "+05:60", "+05:0a", "+05:000"};

START_TEST(offset_malformed)
{
    Epcis__V1__Event *event = commissioning();
    event->event_time_zone_offset = (char *)bad_offsets[_i];
    assert_one(event, "TIME_INVALID", "eventTimeZoneOffset");
}
END_TEST

START_TEST(offset_at_the_limit)
{
    Epcis__V1__Event *event = commissioning();
    event->event_time_zone_offset = (char *)"+14:00";
    assert_clean(event);
    event->event_time_zone_offset = (char *)"-00:00";
    assert_clean(event);
}
END_TEST

START_TEST(action_unknown)
{
    Epcis__V1__Event *event = commissioning();
    event->biz_step = (char *)"";
    event->action = EPCIS__V1__ACTION__ACTION_UNSPECIFIED;
    event->action_text = (char *)"CREATE";
    assert_one(event, "ACTION_INVALID", "action");
    event = AGGREGATION(UNSPECIFIED);
    event->action_text = (char *)"REMOVE";
    assert_one(event, "ACTION_INVALID", "action");
    event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION,
                            EPCIS__V1__ACTION__ACTION_ADD, "", 0);
    assert_one(event, "ACTION_INVALID", "action");
}
END_TEST

static const struct {
    const char *epc, *code;
} bad_epcs[] = {
    {"urn:epc:id:sgtin:0614141.01000.s", "SGTIN_FORMAT"},
    {"urn:epc:id:sgtin:0614141.0100017.s", "SGTIN_FORMAT"},
    {"urn:epc:id:sgtin:0614141.010001.123456789012345678901", "SERIAL_FORMAT"},
    {"urn:epc:id:sgtin:0614141.010001.12345^7", "SERIAL_FORMAT"},
    {"https://id.gs1.org/01/00614141100018/21/a", "GTIN_CHECK"},
    {"https://id.gs1.org/01/006141411000190/21/a", "GTIN_CHECK"},
    {"https://id.gs1.org/01/00614141100019/21/12345^7", "SERIAL_FORMAT"},
    {"urn:epc:id:sscc:0614141.000000001", "SSCC_FORMAT"},
    {"urn:epc:id:sscc:0614141.000000000A", "SSCC_FORMAT"},
    {"https://id.gs1.org/00/006141410000000013", "SSCC_FORMAT"},
    {"https://id.gs1.org/00/00614141000000001", "SSCC_FORMAT"},
};

START_TEST(epc_malformed)
{
    Epcis__V1__Event *event = commissioning();
    with_epc(event, 1, bad_epcs[_i].epc);
    assert_one(event, bad_epcs[_i].code, "epcList[1]");
    ck_assert_str_eq(report.reasons[0]->value, bad_epcs[_i].epc);
}
END_TEST

START_TEST(parent_malformed)
{
    Epcis__V1__Event *event = AGGREGATION(ADD);
    event->parent_id = (char *)"urn:epc:id:sscc:0614141.00000001";
    assert_one(event, "SSCC_FORMAT", "parentID");
    event = AGGREGATION(ADD);
    event->child_epcs[0] = (char *)"urn:epc:id:sgtin:0614141.0100017.s";
    assert_one(event, "SGTIN_FORMAT", "childEPCs[0]");
}
END_TEST

START_TEST(epc_untraced)
{
    Epcis__V1__Event *event = commissioning();
    with_epc(event, 2, "urn:epc:id:grai:0614141.12345.400");
    assert_warning(event, "EPC_UNSUPPORTED", "epcList[2]");
}
END_TEST

START_TEST(epc_repeated)
{
    Epcis__V1__Event *event = commissioning();
    with_epc(event, 2, "https://id.gs1.org/01/00614141100019/21/a"); /* the first one, spelled otherwise */
    assert_one(event, "SERIAL_REPEATED", "epcList[2]");
    assert_clean(commissioning()); /* nothing is remembered */
    event = AGGREGATION(ADD);
    event->child_epcs[0] = event->parent_id;
    assert_one(event, "SERIAL_REPEATED", "childEPCs[0]");
    event = synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_TRANSFORMATION,
                            EPCIS__V1__ACTION__ACTION_UNSPECIFIED, "", 0);
    char *catalyst[] = {synthetic_sgtin(&arena, 10001, "a")};
    event->n_input_epc_list = event->n_output_epc_list = 1;
    event->input_epc_list = event->output_epc_list = catalyst;
    assert_clean(event);
}
END_TEST

START_TEST(epcs_many)
{
    enum { MANY = 200000 };
    Epcis__V1__Event *event = commissioning();
    event->n_epc_list = MANY;
    event->epc_list = synthetic_list(&arena, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        char serial[16];
        snprintf(serial, sizeof serial, "%u", i);
        event->epc_list[i] = synthetic_sgtin(&arena, 10001, serial);
    }
    assert_clean(event);
    event->epc_list[MANY - 1] = event->epc_list[0];
    assert_one(event, "SERIAL_REPEATED", "epcList[199999]");
    for (unsigned i = 0; i < MANY; i++)
        event->epc_list[i] = (char *)"urn:epc:id:sgtin:0614141.01000.s";
    check(event);
    ck_assert_uint_eq(report.reason_count, RULES_FINDINGS_MAX);
}
END_TEST

START_TEST(lot_malformed)
{
    assert_one(with_lot("123456789012345678901", "2027-01-31"), "LOT_FORMAT", "ilmd.lotNumber");
    assert_one(with_lot("L 1", "2027-01-31"), "LOT_FORMAT", "ilmd.lotNumber");
    assert_one(with_lot("L\xc3\x9c", "2027-01-31"), "LOT_FORMAT", "ilmd.lotNumber");
    assert_clean(with_lot("!\"%&'()*+,-./:;<=>?_", "2027-01-31"));
}
END_TEST

START_TEST(expiry_malformed)
{
    assert_one(with_lot("L1", "2027-02-30"), "EXPIRY_FORMAT", "ilmd.itemExpirationDate");
    assert_one(with_lot("L1", "soon"), "EXPIRY_FORMAT", "ilmd.itemExpirationDate");
    assert_clean(with_lot("L1", "270200"));
    ck_assert_uint_eq(subject.expiry_date, 20270228);
}
END_TEST

START_TEST(lot_or_expiry_missing)
{
    Epcis__V1__Event *event = commissioning();
    event->n_ilmd = 1;
    assert_one(event, "LOT_EXPIRY_MISSING", "ilmd.itemExpirationDate");
    event = commissioning();
    event->ilmd++;
    event->n_ilmd = 1;
    assert_one(event, "LOT_EXPIRY_MISSING", "ilmd.lotNumber");
    event->ilmd[0]->namespace_uri = (char *)"urn:example:other";
    check(event);
    ck_assert_uint_eq(report.reason_count, 2);
    event = commissioning();
    for (int i = 0; i < 2; i++)
        event->ilmd[i]->namespace_uri = (char *)"urn:epcglobal:cbv:mda:";
    assert_clean(event);
}
END_TEST

START_TEST(ilmd_where_none_belongs)
{
    Epcis__V1__Event *event = commissioning();
    event->action = EPCIS__V1__ACTION__ACTION_OBSERVE;
    event->biz_step = (char *)"storing";
    assert_one(event, "ILMD_FORBIDDEN", "ilmd");
    event = AGGREGATION(ADD);
    synthetic_ilmd(&arena, event, "lotNumber", "L1");
    assert_one(event, "ILMD_FORBIDDEN", "ilmd");
}
END_TEST

START_TEST(aggregation_incomplete)
{
    Epcis__V1__Event *event = AGGREGATION(ADD);
    event->parent_id = (char *)"";
    assert_one(event, "AGG_PARENT", "parentID");
    event = AGGREGATION(DELETE);
    event->parent_id = (char *)"";
    assert_one(event, "AGG_PARENT", "parentID");
    event = AGGREGATION(ADD);
    event->n_child_epcs = 0;
    assert_one(event, "AGG_CHILD", "childEPCs");
}
END_TEST

START_TEST(places_malformed)
{
    Epcis__V1__Event *event = commissioning();
    Epcis__V1__Location place = EPCIS__V1__LOCATION__INIT;
    place.id = (char *)"https://id.gs1.org/414/0614141000013/254/9";
    event->read_point = &place;
    assert_one(event, "GLN_FORMAT", "readPoint");
    event = commissioning();
    place.id = (char *)"urn:epc:id:sgln:0614141.0001.0";
    event->biz_location = &place;
    assert_one(event, "GLN_FORMAT", "bizLocation");
}
END_TEST

START_TEST(parties_malformed)
{
    Epcis__V1__Event *event = commissioning();
    Epcis__V1__Source source = EPCIS__V1__SOURCE__INIT, *sources[] = {&source};
    source.type = (char *)"owning_party";
    source.source = (char *)"urn:epc:id:pgln:0614141.0001";
    event->source_list = sources;
    event->n_source_list = 1;
    assert_one(event, "GLN_FORMAT", "sourceList[0]");
    source.source = (char *)"urn:epc:id:pgln:0614141.00001";
    assert_clean(event);
    source.type = (char *)"owner";
    assert_warning(event, "CBV_UNKNOWN", "sourceList[0].type");
}
END_TEST

/* Whatever stood in its place in the event before. */
START_TEST(a_malformed_party_is_told_each_time)
{
    enum { PARTIES = 10 };
    static char good[] = "urn:epc:id:pgln:0614141.00001", bad[] = "urn:epc:id:pgln:0614141.0001", large[200];
    Epcis__V1__Event *event = commissioning();
    Epcis__V1__Source parties[PARTIES], *sources[PARTIES];
    char field[32];
    snprintf(large, sizeof large, "%s.%0150d", bad, 0);
    for (size_t i = 0; i < PARTIES; i++) {
        epcis__v1__source__init(&parties[i]);
        parties[i].type = (char *)"owning_party";
        parties[i].source = good;
        sources[i] = &parties[i];
    }
    event->source_list = sources;
    event->n_source_list = PARTIES;
    for (size_t i = 0; i < PARTIES; i++) {
        snprintf(field, sizeof field, "sourceList[%zu]", i);
        for (size_t k = 0; k < 4; k++) { /* bad, large, large, bad */
            parties[i].source = k % 3 ? large : bad;
            assert_one(event, "GLN_FORMAT", field);
        }
        parties[i].source = good;
        assert_clean(event);
    }
}
END_TEST

START_TEST(transaction_glns_are_told)
{
    Epcis__V1__Event *event = commissioning();
    Epcis__V1__BizTransaction transaction = EPCIS__V1__BIZ_TRANSACTION__INIT, *list[] = {&transaction};
    transaction.type = (char *)"po";
    transaction.biz_transaction = (char *)"urn:epcglobal:cbv:bt:0614141000006:PO1";
    event->biz_transaction_list = list;
    event->n_biz_transaction_list = 1;
    assert_warning(event, "BT_GLN", "bizTransactionList[0]");
    transaction.biz_transaction = (char *)"urn:epcglobal:cbv:bt:0614141000005:PO1";
    assert_clean(event);
    transaction.type = (char *)"order";
    assert_warning(event, "CBV_UNKNOWN", "bizTransactionList[0].type");
}
END_TEST

START_TEST(words_unknown)
{
    Epcis__V1__Event *event = commissioning();
    event->biz_step = (char *)"commisioning";
    assert_warning(event, "CBV_UNKNOWN", "bizStep");
    event = commissioning();
    event->biz_step = (char *)"storing";
    event->disposition = (char *)"Active";
    assert_warning(event, "CBV_UNKNOWN", "disposition");
    event->disposition = (char *)"https://ref.gs1.org/cbv/BizStep-storing"; /* GS1's word, of another list */
    assert_warning(event, "CBV_UNKNOWN", "disposition");
    event->disposition = (char *)"urn:epcglobal:cbv:btt:po";
    assert_warning(event, "CBV_UNKNOWN", "disposition");
    event->disposition = (char *)"no uri:x";
    assert_warning(event, "CBV_UNKNOWN", "disposition");
    event->disposition = (char *)"urn:";
    assert_warning(event, "CBV_UNKNOWN", "disposition");
    event->disposition = (char *)"urn:x";
    assert_clean(event);
    Epcis__V1__PersistentDisposition lasting = EPCIS__V1__PERSISTENT_DISPOSITION__INIT;
    char *words[] = {(char *)"recalled", (char *)"called"};
    lasting.n_set = lasting.n_unset = 1;
    lasting.set = lasting.unset = words;
    event->persistent_disposition = &lasting;
    assert_clean(event);
    lasting.set = words + 1;
    assert_warning(event, "CBV_UNKNOWN", "persistentDisposition.set[0]");
    lasting.set = words;
    lasting.unset = words + 1;
    assert_warning(event, "CBV_UNKNOWN", "persistentDisposition.unset[0]");
}
END_TEST

START_TEST(classes_malformed)
{
    Epcis__V1__Event *event = commissioning();
    Epcis__V1__QuantityElement element = EPCIS__V1__QUANTITY_ELEMENT__INIT, *list[] = {&element};
    element.epc_class = (char *)"https://id.gs1.org/01/00614141100018/10/L1";
    event->quantity_list = list;
    event->n_quantity_list = 1;
    assert_one(event, "GTIN_CHECK", "quantityList[0].epcClass");
}
END_TEST

START_TEST(long_values_are_cut_between_characters)
{
    char offset[601] = "";
    for (int i = 0; i < 200; i++)
        memcpy(offset + 3 * i, "\xe2\x82\xac", 4);
    Epcis__V1__Event *event = commissioning();
    event->event_time_zone_offset = offset;
    check(event);
    ck_assert_uint_eq(strlen(report.reasons[0]->value), 255);
}
END_TEST

START_TEST(profiles_differ)
{
    Epcis__V1__Event *event = commissioning();
    event->n_ilmd = 0;
    event->disposition = (char *)"Active";
    set_profile(RULES_EPCIS);
    check(event);
    ck_assert_uint_eq(report.reason_count, 0);
    ck_assert_uint_eq(report.warning_count, 1);
    set_profile(RULES_STRICT);
    check(event);
    ck_assert_uint_eq(report.reason_count, 4); /* lot, expiry, the word, and commissioning is active */
}
END_TEST

START_TEST(an_arena_that_is_spent_is_told)
{
    struct arena small;
    arena_init(&small, 64);
    rules_report_init(&report, &small);
    ck_assert_int_eq(rules_check(rules, &context, commissioning(), &small, 32, &subject, &report), ERR_LIMIT);
    arena_free(&small);
}
END_TEST

static const char *const paths[][2] = {
    {"epcList[3]", "/epcList/epc[4]"},
    {"bizTransactionList[0]", "/bizTransactionList/bizTransaction[1]"},
    {"ilmd.lotNumber", "/ilmd/lotNumber"},
    {"eventTime", "/eventTime"},
    {"", ""},
};

START_TEST(fields_have_paths)
{
    char path[64];
    rules_field_path(paths[_i][0], path, sizeof path);
    ck_assert_str_eq(path, paths[_i][1]);
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof(list)[0])

int main(void)
{
    Suite *suite = suite_create("rules");
    TCase *tests = tcase_create("rules");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, clean_events_give_nothing);
    tcase_add_test(tests, clean_sscc_needs_no_lot);
    tcase_add_test(tests, parts_missing_or_malformed);
    tcase_add_test(tests, time_missing_or_unreal);
    tcase_add_loop_test(tests, offset_malformed, 0, COUNT(bad_offsets));
    tcase_add_test(tests, offset_at_the_limit);
    tcase_add_test(tests, action_unknown);
    tcase_add_loop_test(tests, epc_malformed, 0, COUNT(bad_epcs));
    tcase_add_test(tests, parent_malformed);
    tcase_add_test(tests, epc_untraced);
    tcase_add_test(tests, epc_repeated);
    tcase_add_test(tests, epcs_many);
    tcase_add_test(tests, lot_malformed);
    tcase_add_test(tests, expiry_malformed);
    tcase_add_test(tests, lot_or_expiry_missing);
    tcase_add_test(tests, ilmd_where_none_belongs);
    tcase_add_test(tests, aggregation_incomplete);
    tcase_add_test(tests, places_malformed);
    tcase_add_test(tests, parties_malformed);
    tcase_add_test(tests, a_malformed_party_is_told_each_time);
    tcase_add_test(tests, transaction_glns_are_told);
    tcase_add_test(tests, words_unknown);
    tcase_add_test(tests, classes_malformed);
    tcase_add_test(tests, long_values_are_cut_between_characters);
    tcase_add_test(tests, profiles_differ);
    tcase_add_test(tests, an_arena_that_is_spent_is_told);
    tcase_add_loop_test(tests, fields_have_paths, 0, COUNT(paths));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
