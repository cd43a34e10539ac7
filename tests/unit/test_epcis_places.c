/* Where errors in JSON stand: pointer, line and byte of the value that is wrong. */
#include "tests/unit/epcis_reading.h"

#define BODY(start, inside, end) start "\"epcisBody\":{\"eventList\":[\n" inside "]}" end
#define HEAD                                                                                                 \
    "{\"@context\":[{\"x\":\"urn:x:\"}],\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","               \
    "\"creationDate\":\"2025-01-01T00:00:00Z\",\n"
/* An event that is right, and one with the members. */
#define EVENTS(members)                                                                                      \
    "{\"type\":\"ObjectEvent\",\n\"epcList\":[]},\n"                                                         \
    "{\"type\":\"ObjectEvent\",\n\"epcList\":[\n\"urn:a\"\n],\n" members "\n}"
#define EVENT "/epcisBody/eventList/1"

/* The value stands behind the "^", which is not part of the document. */
static const struct {
    const char *members, *path;
} cases[] = {
    {"\"sensorElementList\":[{},\n{\"sensorReport\":[{\"type\":\"Count\"},\n"
     "{\"value\":1,\n\"type\":^[\"a\"]}]}]",
     EVENT "/sensorElementList/1/sensorReport/1/type"},
    {"\"sensorElementList\":[{\"sensorMetadata\":{},\"sensorReport\":[{\"type\":\"Count\",\"value\":^\"1\"}]}"
     "]",
     EVENT "/sensorElementList/0/sensorReport/0/value"},
    {"\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\"},\n^{\"value\":1}]}]",
     EVENT "/sensorElementList/0/sensorReport/1"},
    {"\"quantityList\":[{\"epcClass\":\"urn:a\"},{\"epcClass\":\"urn:b\",\"quantity\":^\"7\"}]",
     EVENT "/quantityList/1/quantity"},
    {"\"bizTransactionList\":[{\"bizTransaction\":\"urn:a\"},\n{\"type\":\"po\",\"x\\n\":^1}]",
     EVENT "/bizTransactionList/1/x\n"},
    {"\"sourceList\":[{\"type\":\"location\",\"source\":\"urn:a\",\"~own/s\":^{}}]",
     EVENT "/sourceList/0/~0own~1s"},
    {"\"certificationInfo\":[\"urn:a\",^true]", EVENT "/certificationInfo/1"},
    {"\"bizStep\":\"a\",\n\"x:a\":[{\"b\":[1,2]},{\"b\":null}],\"bizStep\":^\"b\"", EVENT "/bizStep"},
    {"\"bizStep\":^null", EVENT "/bizStep"},
    {"\"errorDeclaration\":^{}", EVENT "/errorDeclaration"},
    {"\"readPoint\":{\"id\":^12.5}", EVENT "/readPoint/id"},
    {"\"epcList\":^[\"urn:b\"]", EVENT "/epcList"},
};

static void check_error_within(const struct parser_limits *limits, const char *document, size_t piece,
                               const char *path, size_t line, size_t at)
{
    struct reading reading = {0};
    char wanted[300];
    reading_run(&reading, limits, document, strlen(document), piece);
    ck_assert_msg(reading.err == ERR_OK, "%s", document);
    ck_assert_uint_eq(reading.refused, 1);
    snprintf(wanted, sizeof wanted, "| %s | line %zu", path, line);
    const char *told = strstr((char *)reading.error.data, "| /");
    ck_assert_msg(told && strcmp(told, wanted) == 0, "piece %zu: %s\nwanted %s\n%s", piece,
                  (char *)reading.error.data, wanted, document);
    ck_assert_uint_eq(reading.error_offset, at);
    reading_free(&reading);
}

static void check_error(const char *document, size_t piece, const char *path, size_t line, size_t at)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    check_error_within(&limits, document, piece, path, line, at);
}

/* The context may come first or last, and the pieces may end anywhere. */
START_TEST(errors_in_json_tell_the_value)
{
    static const size_t pieces[] = {1, 7, 100, 100000};
    char documents[2][2000];
    snprintf(documents[0], sizeof documents[0], BODY(HEAD, EVENTS("%s"), "}"), cases[_i].members);
    snprintf(documents[1], sizeof documents[1], BODY("{", EVENTS("%s"), ",\n%s\"x:y\":1}"), cases[_i].members,
             &HEAD[1]);
    for (int i = 0; i < 2; i++) {
        char *mark = strchr(documents[i], '^');
        size_t at = (size_t)(mark - documents[i]), line = 1;
        memmove(mark, mark + 1, strlen(mark));
        for (size_t j = 0; j < at; j++)
            line += documents[i][j] == '\n';
        for (int j = 0; j < 4; j++)
            check_error(documents[i], pieces[j], cases[_i].path, line, at);
    }
}
END_TEST

/* Lists of EPCs are read as a whole, until something in them is wrong. */
START_TEST(errors_in_lists_tell_the_epc)
{
    static const char document[] = BODY(HEAD,
                                        "{\"type\":\"ObjectEvent\",\"epcList\":[\"urn:a\",\n\"urn:"
                                        "01234567890123456789012345678901234567890\",\n\"urn:b\"]}",
                                        "}");
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    limits.text_bytes = 40;
    size_t at = (size_t)(strstr(document, "\"urn:0") - document);
    for (size_t piece = 1; piece < sizeof document; piece *= 7)
        check_error_within(&limits, document, piece, "/epcisBody/eventList/0/epcList/1", 4, at);
    limits.text_bytes = 100;
    limits.epcs = 2;
    at = (size_t)(strstr(document, "\"urn:b") - document);
    for (size_t piece = 1; piece < sizeof document; piece *= 7)
        check_error_within(&limits, document, piece, "/epcisBody/eventList/0/epcList/2", 5, at);
}
END_TEST

/* Longer than what is fed to the parser at once, and mostly white space. */
START_TEST(lines_of_long_events_are_counted)
{
    struct buffer text = {0};
    buffer_append_text(&text, BODY(HEAD, "{\"type\":\"ObjectEvent\",\"x:a\":[1", ""));
    text.length -= 2;
    for (int i = 0; i < 40000; i++)
        buffer_append_text(&text, i % 4 ? "\n" : ",\n2");
    buffer_append_text(&text, "],\"bizStep\":7,\"epcList\":[");
    size_t at = text.length - strlen("7,\"epcList\":[");
    for (int i = 0; i < 40000; i++)
        buffer_append_text(&text, i ? ",\n\"urn:a\"" : "\"urn:a\"");
    buffer_append_text(&text, "]}]}}");
    buffer_append(&text, "", 1);
    check_error((char *)text.data, 100000, "/epcisBody/eventList/0/bizStep", 40003, at);
    buffer_free(&text);
}
END_TEST

START_TEST(sensor_reports_in_xml_are_numbered_by_themselves)
{
    static const char document[] =
        "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' schemaVersion='2.0' "
        "creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><ObjectEvent><sensorElementList>"
        "<sensorElement/><sensorElement><sensorMetadata/><sensorReport/><sensorReport time='a'><b/>"
        "</sensorReport></sensorElement></sensorElementList></ObjectEvent></EventList></EPCISBody>"
        "</e:EPCISDocument>";
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct reading reading = {0};
    reading_run(&reading, &limits, document, strlen(document), 1000);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_msg(strstr((char *)reading.error.data,
                         "/*[1]/sensorElementList/sensorElement[2]/sensorReport[2]/b") != NULL,
                  "%s", (char *)reading.error.data);
    reading_free(&reading);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_places");
    TCase *tests = tcase_create("epcis_places");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, errors_in_json_tell_the_value, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tests, errors_in_lists_tell_the_epc);
    tcase_add_test(tests, lines_of_long_events_are_counted);
    tcase_add_test(tests, sensor_reports_in_xml_are_numbered_by_themselves);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
