/* One content in many spellings: each reads as the same event, and has the same hash. */
#include "tests/unit/epcis_reading.h"

#define XML(rest)                                                                                            \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' xmlns:x='http://x.example.com/?a=1&amp;b=2' "      \
    "schemaVersion='2.0' creationDate='2025-01-06T08:00:00Z'><EPCISBody><EventList><ObjectEvent>"            \
    "<eventTime>2025-01-06T08:03:45.125Z</eventTime><eventTimeZoneOffset>-05:00</eventTimeZoneOffset>"       \
    "<epcList/><action>OBSERVE</action>" rest "</ObjectEvent></EventList></EPCISBody></e:EPCISDocument>"

#define JSON_TYPED(type, rest)                                                                               \
    "{\"@context\":[\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\","                     \
    "{\"x\":\"http://x.example.com/?a=1&b=2\"}],\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","       \
    "\"creationDate\":\"2025-01-06T08:00:00Z\",\"epcisBody\":{\"eventList\":[{\"type\":\"" type              \
    "\",\"eventTime\":\"2025-01-06T08:03:45.125Z\",\"eventTimeZoneOffset\":\"-05:00\",\"epcList\":[],"       \
    "\"action\":\"OBSERVE\"" rest "}]}}"
#define JSON(rest) JSON_TYPED("ObjectEvent", rest)

#define REPORT(attributes)                                                                                   \
    "<sensorElementList><sensorElement><sensorReport type='gs1:Temperature' " attributes                     \
    "/></sensorElement></sensorElementList>"
#define JSON_REPORT(members)                                                                                 \
    ",\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Temperature\"," members "}]}]"

static const struct {
    const char *one, *other;
} pairs[] = {
    {XML("<x:a b='&amp;&lt;&gt;&quot;&apos;&#38;'/>"), JSON(",\"x:a\":{\"b\":\"&<>\\\"'&\"}")},
    {XML(REPORT("stringValue='R&amp;D &amp;lt;'")), JSON(JSON_REPORT("\"stringValue\":\"R&D &lt;\""))},
    {XML(REPORT("value='.5' minValue='5.' maxValue='1e3' meanValue='-0' sDev='+007.50' percRank='1.5E-3'")),
     JSON(JSON_REPORT("\"value\":0.5,\"minValue\":5,\"maxValue\":1000,\"meanValue\":0,\"sDev\":7.5,"
                      "\"percRank\":0.0015"))},
    {JSON(""), JSON_TYPED("https://ref.gs1.org/epcis/ObjectEvent", "")},
    {JSON(""), JSON_TYPED("epcis:ObjectEvent", "")},
    {XML("<y:a xmlns:y='http://x.example.com/?a=1&#38;b=2'>1</y:a>"), JSON(",\"x:a\":\"1\"")},
};

static struct buffer prehash_of(const char *document)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct reading reading = {0};
    struct buffer prehash = {0};
    reading_run(&reading, &limits, document, strlen(document), 1000);
    ck_assert_msg(reading.err == ERR_OK && reading.readable == 1, "%s\n%s", document,
                  reading.error.data ? (const char *)reading.error.data : "");
    buffer_append(&prehash, reading.prehash.data, reading.prehash.length);
    reading_free(&reading);
    return prehash;
}

START_TEST(spellings_of_one_content)
{
    struct buffer one = prehash_of(pairs[_i].one), other = prehash_of(pairs[_i].other);
    ck_assert_str_eq((const char *)one.data, (const char *)other.data);
    buffer_free(&one);
    buffer_free(&other);
}
END_TEST

/* Each field of the standard, in whole documents. */
START_TEST(the_syntaxes_agree)
{
    static const char *const names[] = {"fields-xml20.xml", "fields-xml12.xml", "fields-json20.json"};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct reading readings[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        char path[512];
        size_t bytes;
        snprintf(path, sizeof path, "%s/epcis/%s", FIXTURES, names[i]);
        char *data = reading_file(path, &bytes);
        reading_run(&readings[i], &limits, data, bytes, 1000);
        ck_assert_int_eq(readings[i].err, ERR_OK);
        ck_assert_uint_eq(readings[i].readable, 4);
        ck_assert_str_eq((char *)readings[i].prehash.data, (char *)readings[0].prehash.data);
        free(data);
    }
    for (int i = 0; i < 3; i++)
        reading_free(&readings[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_spellings");
    TCase *tests = tcase_create("epcis_spellings");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, spellings_of_one_content, 0, sizeof pairs / sizeof pairs[0]);
    tcase_add_test(tests, the_syntaxes_agree);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
