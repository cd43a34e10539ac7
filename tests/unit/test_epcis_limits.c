/* Each cap of the parser, in both syntaxes: a document exactly at it is read, one over it is refused with the
 * cap's own code, and the events beside it go on where the cap is one of events. */
#include "epcis_reading.h"

#include "compressing.h"

#define XML_HEAD                                                                                             \
    "<e:EPCISDocument xmlns:e=\"urn:epcglobal:epcis:xsd:2\" xmlns:x=\"urn:x\" schemaVersion=\"2.0\" "        \
    "creationDate=\"2022-01-01T00:00:00Z\"><EPCISBody><EventList>"
#define XML_TAIL "</EventList></EPCISBody></e:EPCISDocument>"
#define JSON_HEAD                                                                                            \
    "{\"@context\":{\"x\":\"urn:x\"},\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","                  \
    "\"creationDate\":\"2022-01-01T00:00:00Z\",\"epcisBody\":{\"eventList\":["
#define JSON_TAIL "]}}"
#define XML_GOOD  "<ObjectEvent><action>ADD</action></ObjectEvent>"
#define JSON_GOOD "{\"type\":\"ObjectEvent\",\"action\":\"ADD\"}"

/* What an event that reaches `count` of something consists of. */
struct shape {
    const char *before, *each, *again, *between, *after; /* the first, and each further one */
    const char *closing;                                 /* one for each, too */
};

struct cap_case {
    const char *name, *code, *option;
    bool json, event; /* the cap refuses the event alone */
    uint64_t at;      /* the cap tried */
    size_t around;    /* of `at`, what stands there already: levels outside of the event's content */
    struct shape shape;
};

#define XML_EVENT(before, each, after, closing)                                                              \
    {                                                                                                        \
        "<ObjectEvent>" before, each, each, "", after "</ObjectEvent>", closing                              \
    }
#define JSON_EVENT(before, each, again, between, after, closing)                                             \
    {                                                                                                        \
        "{\"type\":\"ObjectEvent\"," before, each, again, between, after "}", closing                        \
    }

static const struct cap_case cases[] = {
    {"depth", "DEPTH_LIMIT", "--document-max-depth", false, false, 20, 4,
     XML_EVENT("", "<x:a>", "", "</x:a>")},
    {"depth", "DEPTH_LIMIT", "--document-max-depth", true, false, 20, 4,
     JSON_EVENT("", "\"x:a\":{", "\"x:a\":{", "", "", "}")},
    {"attributes", "ATTRIBUTES_LIMIT", "--element-max-attributes", false, false, 10, 0,
     XML_EVENT("<x:a", " x:b@='1'", "/>", "")},
    {"text", "TEXT_LIMIT", "--text-max-bytes", false, true, 2000, 0,
     XML_EVENT("<bizStep>", "a", "</bizStep>", "")},
    {"text of an attribute", "TEXT_LIMIT", "--text-max-bytes", false, true, 2000, 0,
     XML_EVENT("<x:a x:b='", "a", "'/>", "")},
    {"text", "TEXT_LIMIT", "--text-max-bytes", true, true, 2000, 0,
     JSON_EVENT("\"bizStep\":\"", "a", "a", "", "\"", "")},
    {"text of an extension", "TEXT_LIMIT", "--text-max-bytes", true, true, 2000, 0,
     JSON_EVENT("\"x:a\":\"", "a", "a", "", "\"", "")},
    {"epcs", "EPCS_LIMIT", "--event-max-epcs", false, true, 7, 0,
     XML_EVENT("<epcList>", "<epc>urn:x:1</epc>", "</epcList>", "")},
    {"epcs", "EPCS_LIMIT", "--event-max-epcs", true, true, 7, 0,
     JSON_EVENT("\"epcList\":[", "\"urn:x:1\"", "\"urn:x:1\"", ",", "]", "")},
    {"extensions", "EXTENSION_LIMIT", "--event-max-extensions", false, true, 9, 0,
     XML_EVENT("", "<x:a/>", "", "")},
    {"extensions", "EXTENSION_LIMIT", "--event-max-extensions", true, true, 9, 0,
     JSON_EVENT("", "\"x:a\":1", "\"x:a\":1", ",", "", "")},
};

static struct parser_limits limits_with(const char *option, uint64_t value)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    bool found = false;
#define SET(constant, field, usual, least, most, name, ...)                                                  \
    if (strcmp(option + 2, name) == 0) {                                                                     \
        limits.field = value;                                                                                \
        found = true;                                                                                        \
    }
    PARSER_LIMITS(SET)
#undef SET
    ck_assert_msg(found, "no option %s", option);
    return limits;
}

/* A good event, one with `count` of what the shape repeats, a good event. */
static struct buffer document_with(bool json, const struct shape *shape, size_t count)
{
    struct buffer out = {0};
    buffer_append_text(&out, json ? JSON_HEAD JSON_GOOD "," : XML_HEAD XML_GOOD);
    buffer_append_text(&out, shape->before);
    for (size_t i = 0; i < count; i++) {
        const char *text = i ? shape->again : shape->each, *number = strchr(text, '@');
        buffer_append_text(&out, i ? shape->between : "");
        if (number) /* names that differ */
            buffer_printf(&out, "%.*s%zu%s", (int)(number - text), text, i, number + 1);
        else
            buffer_append_text(&out, text);
    }
    for (size_t i = 0; i < count; i++)
        buffer_append_text(&out, shape->closing);
    buffer_append_text(&out, shape->after);
    buffer_append_text(&out, json ? "," JSON_GOOD JSON_TAIL : XML_GOOD XML_TAIL);
    return out;
}

static void check_read(const struct buffer *document, const struct parser_limits *limits, uint64_t events)
{
    struct reading reading = {0};
    reading_run(&reading, limits, document->data, document->length, 4096);
    ck_assert_msg(reading.err == ERR_OK, "%s", (char *)reading.error.data);
    ck_assert_msg(reading.refused == 0, "%s", (char *)reading.error.data);
    ck_assert_uint_eq(reading.readable, events);
    reading_free(&reading);
}

/* `events`: those that are read nevertheless. */
static void check_refused(const struct buffer *document, const char *code, const char *option,
                          const struct parser_limits *limits, uint64_t value, bool event, uint64_t events)
{
    struct reading reading = {0};
    char expected[64];
    reading_run(&reading, limits, document->data, document->length, 4096);
    const char *error = reading.error.data ? (const char *)reading.error.data : "nothing";
    ck_assert_msg(reading.err == (event ? ERR_OK : ERR_LIMIT), "%s: %s", err_name(reading.err), error);
    ck_assert_uint_eq(reading.refused, event);
    ck_assert_uint_eq(reading.readable, events);
    snprintf(expected, sizeof expected, "%s ", code);
    ck_assert_msg(strncmp(error, expected, strlen(expected)) == 0, "%s", error);
    snprintf(expected, sizeof expected, "at most %llu", (unsigned long long)value);
    ck_assert_msg(strstr(error, expected) != NULL, "%s", error);
    snprintf(expected, sizeof expected, "(%s)", option);
    ck_assert_msg(strstr(error, expected) != NULL, "%s", error);
    reading_free(&reading);
}

START_TEST(at_the_cap_and_over_it)
{
    const struct cap_case *tried = &cases[_i];
    struct parser_limits limits = limits_with(tried->option, tried->at);
    struct buffer at = document_with(tried->json, &tried->shape, tried->at - tried->around);
    struct buffer over = document_with(tried->json, &tried->shape, tried->at - tried->around + 1);
    check_read(&at, &limits, 3);
    check_refused(&over, tried->code, tried->option, &limits, tried->at, tried->event, tried->event ? 2 : 1);
    buffer_free(&at);
    buffer_free(&over);
}
END_TEST

START_TEST(number_of_events)
{
    static const struct shape shapes[] = {{XML_GOOD, XML_GOOD, XML_GOOD, "", "", ""},
                                          {JSON_GOOD ",", JSON_GOOD, JSON_GOOD, ",", "", ""}};
    struct buffer document = document_with(_i == 1, &shapes[_i], 2); /* and three around them */
    struct parser_limits limits = limits_with("--document-max-events", 5);
    check_read(&document, &limits, 5);
    limits.events = 4;
    check_refused(&document, "EVENTS_LIMIT", "--document-max-events", &limits, 4, false, 4);
    buffer_free(&document);
}
END_TEST

/* How much an event takes is the parser's affair: the least cap under which it is read is looked for. */
START_TEST(memory_of_an_event)
{
    static const struct shape shapes[] = {
        XML_EVENT("<epcList>", "<epc>urn:x:1</epc>", "</epcList>", ""),
        JSON_EVENT("\"epcList\":[", "\"urn:x:1\"", "\"urn:x:1\"", ",", "]", "")};
    struct buffer document = document_with(_i == 1, &shapes[_i], 500);
    uint64_t refused = 4096, read = 1 << 20;
    while (read - refused > 1) {
        uint64_t middle = refused + (read - refused) / 2;
        struct parser_limits limits = limits_with("--event-max-bytes", middle);
        struct reading reading = {0};
        reading_run(&reading, &limits, document.data, document.length, 4096);
        ck_assert_int_eq(reading.err, ERR_OK);
        *(reading.refused ? &refused : &read) = middle;
        reading_free(&reading);
    }
    struct parser_limits limits = limits_with("--event-max-bytes", read);
    check_read(&document, &limits, 3);
    limits.event_bytes = refused;
    check_refused(&document, "EVENT_MEMORY_LIMIT", "--event-max-bytes", &limits, refused, true, 2);
    buffer_free(&document);
}
END_TEST

START_TEST(size_once_inflated)
{
    static const struct shape shapes[] = {XML_EVENT("<bizStep>", "a", "</bizStep>", ""),
                                          JSON_EVENT("\"bizStep\":\"", "a", "a", "", "\"", "")};
    struct buffer document = document_with(_i % 2, &shapes[_i % 2], 1000);
    struct buffer small = _i < 2 ? compressed_gzip(document.data, document.length)
                                 : compressed_zstd(document.data, document.length);
    struct parser_limits limits = limits_with("--inflated-max-bytes", document.length);
    check_read(&small, &limits, 3);
    limits.inflated_bytes = document.length - 1;
    check_refused(&small, "INFLATED_LIMIT", "--inflated-max-bytes", &limits, document.length - 1, false, 0);
    buffer_free(&small);
    buffer_free(&document);
}
END_TEST

/* What a document says is cut where it is told why it was refused, and so may be inside a character: each
 * text comes with one and with two bytes before the first. reading_error() looks at what is told. */
START_TEST(what_is_told_is_utf8)
{
    static const char *const documents[] = {
        "{\"type\":\"%s\",\"schemaVersion\":\"2.0\"}",
        "{\"type\":\"EPCISDocument\",\"schemaVersion\":\"%s\"}",
        "{\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"epcisBody\":{\"eventList\":[{\"type\":\"%"
        "s\"}]}}",
        "{\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"epcisBody\":{\"eventList\":[{\"type\":"
        "\"ObjectEvent\",\"eventTime\":\"%s\"}]}}",
        "{\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"epcisBody\":{\"eventList\":[{\"type\":"
        "\"ObjectEvent\",\"%s\":[[]]}]}}",
        "<%s/>",
        "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' schemaVersion='%s'/>",
        "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' schemaVersion='1.2'><EPCISBody><EventList>"
        "<ObjectEvent><%s/></ObjectEvent></EventList></EPCISBody></e:EPCISDocument>",
        "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' schemaVersion='1.2'></%s>",
    };
    struct buffer text = {0}, document = {0};
    buffer_printf(&text, "%.*s", 1 + _i % 2, "aa");
    for (int i = 0; i < 1500; i++)
        buffer_printf(&text, "\xe2\x82\xac");
    buffer_append(&text, "", 1);
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct reading reading = {0};
        struct parser_limits limits = PARSER_LIMITS_DEFAULT;
        const char *place = strstr(documents[i], "%s");
        buffer_clear(&document);
        buffer_printf(&document, "%.*s%s%s", (int)(place - documents[i]), documents[i],
                      (const char *)text.data, place + 2);
        reading_run(&reading, &limits, document.data, document.length, document.length);
        ck_assert_msg(reading.error.length > 0, "refused: %s", documents[i]);
        reading_free(&reading);
    }
    buffer_free(&document);
    buffer_free(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_limits");
    TCase *tests = tcase_create("limits");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, at_the_cap_and_over_it, 0, sizeof cases / sizeof cases[0]);
    tcase_add_loop_test(tests, number_of_events, 0, 2);
    tcase_add_loop_test(tests, memory_of_an_event, 0, 2);
    tcase_add_loop_test(tests, size_once_inflated, 0, 4);
    tcase_add_loop_test(tests, what_is_told_is_utf8, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
