/* Rules on when an event happened and on the document it came in. */
#include "tests/unit/rules_checking.h"

enum { MINUTE_MS = 60 * 1000 };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

static Epcis__V1__Event *at_ms(int64_t after_receipt_ms)
{
    Epcis__V1__Event *event = commissioning();
    int64_t time_ms = context.received_ms + after_receipt_ms;
    event->event_time->seconds = time_ms / 1000;
    event->event_time->nanos = (uint32_t)(time_ms % 1000) * 1000000;
    return event;
}

START_TEST(the_future_begins_after_five_minutes)
{
    context.received_ms = SYNTHETIC_RECEIVED_MS;
    assert_clean(at_ms(0));
    assert_clean(at_ms(5 * MINUTE_MS));
    assert_one(at_ms(5 * MINUTE_MS + 1), "FUTURE_EVENT", "eventTime");
    context.received_ms = 0; /* not known */
    assert_clean(at_ms(SYNTHETIC_RECEIVED_MS));
}
END_TEST

START_TEST(an_event_is_stale_after_a_year)
{
    context.received_ms = SYNTHETIC_RECEIVED_MS;
    assert_clean(at_ms(-365 * day_ms + 1));
    assert_warning(at_ms(-365 * day_ms), "STALE_EVENT", "eventTime");
    Epcis__V1__Event *event = at_ms(-366 * day_ms);
    event->event_time->invalid_text = (char *)"soon";
    assert_one(event, "TIME_INVALID", "eventTime");
}
END_TEST

/* ---- sensors ---- */

static Epcis__V1__Time sensor_time;

static Epcis__V1__Event *with_sensor(int place)
{
    static Epcis__V1__SensorElement element, *elements[] = {&element};
    static Epcis__V1__SensorMetadata metadata;
    static Epcis__V1__SensorReport sensor_report, *reports[] = {&sensor_report};
    Epcis__V1__Time **const times[] = {&metadata.time, &metadata.start_time, &metadata.end_time,
                                       &sensor_report.time};
    epcis__v1__sensor_element__init(&element);
    epcis__v1__sensor_metadata__init(&metadata);
    epcis__v1__sensor_report__init(&sensor_report);
    element.sensor_metadata = &metadata;
    element.sensor_reports = reports;
    element.n_sensor_reports = 1;
    *times[place] = &sensor_time;
    Epcis__V1__Event *event = commissioning();
    event->sensor_element_list = elements;
    event->n_sensor_element_list = 1;
    epcis__v1__time__init(&sensor_time);
    sensor_time.seconds = event->event_time->seconds;
    sensor_time.nanos = event->event_time->nanos;
    return event;
}

static const char *const sensor_fields[] = {
    "sensorElementList[0].sensorMetadata.time", "sensorElementList[0].sensorMetadata.startTime",
    "sensorElementList[0].sensorMetadata.endTime", "sensorElementList[0].sensorReport[0].time"};

START_TEST(sensor_data_precedes_its_event)
{
    Epcis__V1__Event *event = with_sensor(_i);
    assert_clean(event);
    sensor_time.nanos = event->event_time->nanos + 1000;
    assert_warning(event, "SENSOR_TIME", sensor_fields[_i]);
    sensor_time.nanos = event->event_time->nanos;
    sensor_time.without_offset = true;
    assert_warning(event, "SENSOR_TIME", sensor_fields[_i]);
    sensor_time.without_offset = false;
    sensor_time.invalid_text = (char *)"noon";
    assert_one(event, "SCHEMA_INVALID", sensor_fields[_i]);
}
END_TEST

START_TEST(times_know_whether_they_had_an_offset)
{
    Epcis__V1__Time time;
    ck_assert_int_eq(event_time_parse("2025-01-06T08:00:00", &time), ERR_OK);
    ck_assert(time.without_offset);
    ck_assert_int_eq(event_time_parse("2025-01-06T08:00:00.5", &time), ERR_OK);
    ck_assert(time.without_offset);
    ck_assert_int_eq(event_time_parse("2025-01-06T08:00:00Z", &time), ERR_OK);
    ck_assert(!time.without_offset);
    ck_assert_int_eq(event_time_parse("2025-01-06T08:00:00+01:00", &time), ERR_OK);
    ck_assert(!time.without_offset);
}
END_TEST

/* ---- the header ---- */

static const struct {
    size_t member; /* of DocumentFacts */
    const char *value, *code, *field;
} header_faults[] = {
#define MEMBER(name) offsetof(Epcis__Wire__V1__DocumentFacts, name)
    {MEMBER(sender), "", "SBDH_MISSING", "EPCISHeader.Sender"},
    {MEMBER(sender_gln), "", "SBDH_INVALID", "EPCISHeader.Sender"},
    {MEMBER(receiver), "", "SBDH_MISSING", "EPCISHeader.Receiver"},
    {MEMBER(receiver_gln), "", "SBDH_INVALID", "EPCISHeader.Receiver"},
    {MEMBER(instance_identifier), "", "SBDH_MISSING", "EPCISHeader.InstanceIdentifier"},
    {MEMBER(type), "", "SBDH_MISSING", "EPCISHeader.Type"},
    {MEMBER(type), "events", "SBDH_INVALID", "EPCISHeader.Type"},
    {MEMBER(creation_date_and_time), "", "SBDH_MISSING", "EPCISHeader.CreationDateAndTime"},
    {MEMBER(creation_date_and_time), "2025-02-30T08:00:00Z", "SBDH_INVALID",
     "EPCISHeader.CreationDateAndTime"},
};

START_TEST(the_header_is_complete_and_right)
{
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    context.document = facts;
    assert_clean(commissioning());
    *(char **)((char *)facts + header_faults[_i].member) = (char *)header_faults[_i].value;
    assert_warning(commissioning(), header_faults[_i].code, header_faults[_i].field);
}
END_TEST

START_TEST(a_header_is_wanted_of_xml_1_alone)
{
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    context.document = facts;
    facts->has_header = false;
    assert_warning(commissioning(), "SBDH_MISSING", "EPCISHeader.StandardBusinessDocumentHeader");
    facts->kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT;
    assert_clean(commissioning());
    facts->kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT;
    facts->format = EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_2;
    assert_clean(commissioning());
    facts->format = EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_JSON_2;
    assert_clean(commissioning());
}
END_TEST

START_TEST(warnings_on_the_document_come_once)
{
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    context.document = facts;
    facts->has_header = false;
    context.event_index = 1;
    assert_clean(commissioning());
    set_profile(RULES_STRICT); /* a reason stands on every event */
    assert_one(commissioning(), "SBDH_MISSING", "EPCISHeader.StandardBusinessDocumentHeader");
}
END_TEST

START_TEST(the_sender_is_the_partner)
{
    context.document = document_facts();
    context.caller = "0614141000012";
    assert_clean(commissioning());
    context.caller = "0614142000011";
    assert_one(commissioning(), "PARTNER_MISMATCH", "EPCISHeader.Sender");
    Epcis__Wire__V1__PartnerFacts record = EPCIS__WIRE__V1__PARTNER_FACTS__INIT;
    char *glns[] = {(char *)"0614142000011", (char *)"0614141000012"};
    record.glns = glns;
    record.n_glns = 2;
    context.record = &record; /* it has two */
    assert_clean(commissioning());
    record.n_glns = 1;
    assert_one(commissioning(), "PARTNER_MISMATCH", "EPCISHeader.Sender");
    context.record = NULL;
    Epcis__Wire__V1__DocumentFacts *facts = document_facts();
    facts->format = EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_JSON_2; /* its short form counts as well */
    context.document = facts;
    assert_one(commissioning(), "PARTNER_MISMATCH", "EPCISHeader.Sender");
    facts->sender_gln = (char *)"";
    assert_clean(commissioning());
    facts->sender_gln = (char *)"0614141000012";
    context.caller = NULL;
    assert_clean(commissioning());
    context.document = NULL;
    context.caller = "0614142000011";
    assert_clean(commissioning());
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof(list)[0])

int main(void)
{
    Suite *suite = suite_create("rules_document");
    TCase *tests = tcase_create("rules_document");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, the_future_begins_after_five_minutes);
    tcase_add_test(tests, an_event_is_stale_after_a_year);
    tcase_add_loop_test(tests, sensor_data_precedes_its_event, 0, COUNT(sensor_fields));
    tcase_add_test(tests, times_know_whether_they_had_an_offset);
    tcase_add_loop_test(tests, the_header_is_complete_and_right, 0, COUNT(header_faults));
    tcase_add_test(tests, a_header_is_wanted_of_xml_1_alone);
    tcase_add_test(tests, warnings_on_the_document_come_once);
    tcase_add_test(tests, the_sender_is_the_partner);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
