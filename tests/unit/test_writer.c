/* What is written in another syntax reads back as the same events; compressed documents read as plain ones.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/inflate.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"

static const char *const documents[] = {"dscsa-xml12.xml",   "kinds-xml20.xml",   "extensions-xml20.xml",
                                        "query-xml12.xml",   "dscsa-json20.json", "kinds-json20.json",
                                        "header-xml20.xml",  "fields-xml20.xml",  "fields-xml12.xml",
                                        "fields-json20.json"};
enum { DOCUMENTS = sizeof documents / sizeof documents[0] };

static void read_file(const char *name, struct buffer *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/epcis/%s", FIXTURES, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    for (int c; (c = fgetc(file)) != EOF;) {
        uint8_t byte = (uint8_t)c;
        buffer_append(out, &byte, 1);
    }
    fclose(file);
}

/* One line an event, its hash; or that it could not be read. */
struct reading {
    struct event_hash *hash;
    struct buffer hashes;
    struct writer *writer;
    unsigned left_out;
};

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    struct reading *reading = context;
    return reading->writer ? writer_document(reading->writer, document) : ERR_OK;
}

static enum err take_late(void *context, const Epcis__V1__Document *fields)
{
    struct reading *reading = context;
    return reading->writer ? writer_late(reading->writer, fields) : ERR_OK;
}

static enum err take_vocabulary_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct reading *reading = context;
    const char *reason = NULL;
    if (!reading->writer)
        return ERR_OK;
    enum err err = writer_vocabulary_element(reading->writer, element, &reason);
    ck_assert((err == ERR_INPUT) == (reason != NULL));
    return err == ERR_INPUT ? ERR_OK : err;
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct reading *reading = context;
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    char text[EVENT_HASH_TEXT] = "unreadable";
    const char *reason = NULL;
    if (event->event && reading->writer) {
        enum err err = writer_event(reading->writer, event->event, &reason);
        ck_assert((err == ERR_INPUT) == (reason != NULL));
        if (err == ERR_INPUT) {
            reading->left_out++;
            return ERR_OK;
        }
        ck_assert_int_eq(err, ERR_OK);
    }
    if (event->event) {
        ck_assert_int_eq(event_hash_compute(reading->hash, event->event, hash, content), ERR_OK);
        event_hash_text(hash, text);
    }
    buffer_printf(&reading->hashes, "%s\n", text);
    return ERR_OK;
}

/* Reads `data` in pieces of `step` bytes; writes it again through reading->writer where there is one. */
static enum err read_all(struct reading *reading, const uint8_t *data, size_t bytes, size_t step,
                         uint64_t cap)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser_sink sink = {.context = reading,
                               .document = take_document,
                               .vocabulary_element = take_vocabulary_element,
                               .event = take_event,
                               .late = take_late};
    struct parser *parser = NULL;
    if (cap)
        limits.inflated_bytes = cap;
    reading->hash = event_hash_new();
    ck_assert_int_eq(parser_open(&limits, &sink, &parser), ERR_OK);
    enum err err = ERR_OK;
    for (size_t at = 0; at < bytes && !err; at += step)
        err = parser_feed(parser, data + at, bytes - at < step ? bytes - at : step);
    if (!err)
        err = parser_finish(parser);
    if (err)
        ck_assert_str_eq(parser_error(parser)->code, err == ERR_LIMIT ? "INFLATED_LIMIT" : "SCHEMA_INVALID");
    parser_close(&parser);
    event_hash_free(reading->hash);
    buffer_append(&reading->hashes, "", 1);
    return err;
}

static enum err collect(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return ERR_OK;
}

/* Appends the document in another syntax and returns the hashes of what was written. */
static struct buffer translate(const struct buffer *in, enum writer_format format, struct buffer *out)
{
    struct reading reading = {0};
    ck_assert_int_eq(writer_open(format, collect, out, &reading.writer), ERR_OK);
    ck_assert_int_eq(read_all(&reading, in->data, in->length, 64 * 1024, 0), ERR_OK);
    ck_assert_int_eq(writer_finish(reading.writer), ERR_OK);
    writer_close(&reading.writer);
    return reading.hashes;
}

static struct buffer hashes_of(const struct buffer *in, size_t step)
{
    struct reading reading = {0};
    ck_assert_int_eq(read_all(&reading, in->data, in->length, step, 0), ERR_OK);
    return reading.hashes;
}

START_TEST(what_is_written_reads_back)
{
    struct buffer source = {0};
    read_file(documents[_i], &source);
    for (int format = WRITER_JSON_2; format <= WRITER_XML_1; format++) {
        struct buffer written = {0}, again = {0};
        struct buffer wanted = translate(&source, (enum writer_format)format, &written);
        struct buffer got = hashes_of(&written, 7);
        ck_assert_str_eq((char *)got.data, (char *)wanted.data);
        /* and back to where it came from, through the other syntax */
        struct buffer first = translate(&written, WRITER_XML_2, &again);
        struct buffer back = hashes_of(&again, 64 * 1024);
        ck_assert_str_eq((char *)back.data, (char *)first.data);
        buffer_free(&written);
        buffer_free(&again);
        buffer_free(&wanted);
        buffer_free(&got);
        buffer_free(&first);
        buffer_free(&back);
    }
    buffer_free(&source);
}
END_TEST

START_TEST(an_event_that_cannot_be_said_is_named)
{
    static const char text[] = "<?xml version='1.0'?><epcis:EPCISDocument "
                               "xmlns:epcis='urn:epcglobal:epcis:xsd:1' schemaVersion='1.2' "
                               "creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><QuantityEvent><"
                               "eventTime>2025-01-01T00:00:00Z"
                               "</eventTime><eventTimeZoneOffset>+00:00</"
                               "eventTimeZoneOffset><epcClass>urn:epc:idpat:sgtin:0614141.107346.*"
                               "</epcClass><quantity>5</quantity></"
                               "QuantityEvent><ObjectEvent><eventTime>2025-01-01T00:00:00Z</eventTime>"
                               "<eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList/><action>OBSERVE</"
                               "action></ObjectEvent></EventList>"
                               "</EPCISBody></epcis:EPCISDocument>";
    const struct buffer source = {.data = (uint8_t *)(uintptr_t)text, .length = strlen(text)};
    for (int format = WRITER_JSON_2; format <= WRITER_XML_1; format++) {
        struct buffer written = {0};
        struct reading reading = {0};
        ck_assert_int_eq(writer_open((enum writer_format)format, collect, &written, &reading.writer), ERR_OK);
        ck_assert_int_eq(read_all(&reading, source.data, source.length, 64 * 1024, 0), ERR_OK);
        ck_assert_int_eq(writer_finish(reading.writer), ERR_OK);
        ck_assert_uint_eq(reading.left_out, format == WRITER_XML_1 ? 0 : 1);
        struct buffer got = hashes_of(&written, 64 * 1024);
        ck_assert_str_eq((char *)got.data, (char *)reading.hashes.data);
        writer_close(&reading.writer);
        buffer_free(&reading.hashes);
        buffer_free(&got);
        buffer_free(&written);
    }
}
END_TEST

#define XML_1_EVENT(root, inside)                                                                            \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' xmlns:x='urn:x' " root                             \
    " schemaVersion='1.2' creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><ObjectEvent>"           \
    "<eventTime>2025-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList/>" \
    "<action>OBSERVE</action>" inside "</ObjectEvent></EventList></EPCISBody></e:EPCISDocument>"
#define XSI "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"
#define XSD "xmlns:xsd='http://www.w3.org/2001/XMLSchema'"

/* Writes the text in the format and gives the hashes of both; how many events it could not say. */
static unsigned rewrite(const char *text, enum writer_format format, struct buffer *written)
{
    const struct buffer source = {.data = (uint8_t *)(uintptr_t)text, .length = strlen(text)};
    struct reading reading = {0};
    ck_assert_int_eq(writer_open(format, collect, written, &reading.writer), ERR_OK);
    ck_assert_int_eq(read_all(&reading, source.data, source.length, 64 * 1024, 0), ERR_OK);
    ck_assert_int_eq(writer_finish(reading.writer), ERR_OK);
    struct buffer got = hashes_of(written, 64 * 1024);
    ck_assert_str_eq((char *)got.data, (char *)reading.hashes.data);
    buffer_append(written, "", 1);
    writer_close(&reading.writer);
    buffer_free(&reading.hashes);
    buffer_free(&got);
    return reading.left_out;
}

/* EPCIS 1.2 has a place for them, its innermost <extension>; JSON another one, locations. */
START_TEST(names_without_namespace_stay_where_they_may_stand)
{
    static const char event[] = XML_1_EVENT(
        "", "<extension><extension><sensorElementList><sensorElement><sensorReport "
            "type='Count'/><extension><own>1</own>"
            "</extension></sensorElement></sensorElementList><later>2</later></extension></extension>");
    static const char location[] =
        XML_1_EVENT("", "<readPoint><id>urn:x:1</id><extension><own>1</own></extension></readPoint>");
    for (int format = WRITER_JSON_2; format <= WRITER_XML_1; format++) {
        struct buffer first = {0}, second = {0};
        ck_assert_uint_eq(rewrite(event, (enum writer_format)format, &first), format == WRITER_XML_1 ? 0 : 1);
        ck_assert_uint_eq(rewrite(location, (enum writer_format)format, &second), 0);
        if (format == WRITER_XML_1)
            ck_assert(strstr((char *)first.data, "<later>2</later></extension></extension></ObjectEvent>"));
        buffer_free(&first);
        buffer_free(&second);
    }
}
END_TEST

#define XML_2_EVENT(inside)                                                                                  \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' xmlns:x='http://x.example.com/?a=1&amp;b=2' "      \
    "schemaVersion='2.0' creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><ObjectEvent>"            \
    "<eventTime>2025-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList/>" \
    "<action>OBSERVE</action>" inside "</ObjectEvent></EventList></EPCISBody></e:EPCISDocument>"
#define JSON_EVENT(context, members)                                                                         \
    "{\"@context\":[\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\"," context             \
    "],\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"epcisBody\":{\"eventList\":["                  \
    "{\"type\":\"ObjectEvent\",\"eventTime\":\"2025-01-01T00:00:00Z\",\"eventTimeZoneOffset\":\"+00:00\","   \
    "\"epcList\":[],\"action\":\"OBSERVE\"" members "}]}}"
#define QUANTITY(value)                                                                                      \
    "<quantityList><quantityElement><epcClass>urn:x:1</epcClass>" value "</quantityElement></quantityList>"

/* What one syntax says and another has no words, or other words, for. `left_out` by format; `text` stands in
 * what the format writes. */
static const struct {
    const char *document;
    unsigned left_out[3];
    enum writer_format format;
    const char *text; /* NULL: any */
} translations[] = {
    {XML_2_EVENT(QUANTITY("<quantity>1.5e3</quantity>")),
     {0, 0, 0},
     WRITER_XML_1,
     "<quantity>1500</quantity>"},
    {XML_2_EVENT(QUANTITY("<quantity>1.5e3</quantity>")),
     {0, 0, 0},
     WRITER_XML_2,
     "<quantity>1.5e3</quantity>"},
    {XML_2_EVENT(QUANTITY("<quantity>.5</quantity>")), {0, 0, 0}, WRITER_JSON_2, "\"quantity\":0.5"},
    {XML_2_EVENT(QUANTITY("<quantity>INF</quantity>")), {1, 0, 1}, WRITER_XML_2, "INF"},
    {XML_2_EVENT(
         "<sensorElementList><sensorElement><sensorReport sDev='NaN'/></sensorElement></sensorElementList>"),
     {1, 0, 0},
     WRITER_XML_1,
     "NaN"},
    {XML_2_EVENT(QUANTITY("<x:own/>")), {1, 1, 1}, WRITER_XML_2, NULL},
    {XML_2_EVENT("<x:a b='&amp;amp;'/>"), {0, 0, 0}, WRITER_XML_2, "b=\"&amp;amp;\""},
    {XML_2_EVENT("<x:a xml:lang='de'>1</x:a>"), {0, 0, 0}, WRITER_XML_2, "xml:lang=\"de\""},
    {JSON_EVENT("{\"@vocab\":\"http://v.example.com/\",\"1 x\":\"http://x.example.com/\"}", ",\"1 x:a\":1"),
     {0, 0, 0},
     WRITER_XML_2,
     "ns1:a"},
    {JSON_EVENT("{\"l\":\"http://www.w3.org/XML/1998/namespace\"}", ",\"l:lang\":\"de\""),
     {0, 0, 0},
     WRITER_XML_2,
     "<xml:lang>de"},
    {JSON_EVENT("{\"x\":\"urn:x\"}", ",\"x:a\":\"a\\u0001b\""), {0, 1, 1}, WRITER_JSON_2, "\\u0001"},
    {JSON_EVENT("{\"x\":\"urn:x\"}", ",\"x:a\":\"\\uffff\""), {0, 1, 1}, WRITER_JSON_2, NULL},
    {JSON_EVENT("{\"x\":\"urn:x\"}", ",\"x:a\":\"\\t\\ud83d\\ude00\\ufffd.\""),
     {0, 0, 0},
     WRITER_XML_2,
     NULL},
    /* members have no order: an element's text may stand behind its attributes */
    {JSON_EVENT("{\"x\":\"urn:x\"}", ",\"x:a\":{\"b\":\"1\",\"#text\":\"2\"}"),
     {0, 0, 0},
     WRITER_JSON_2,
     "\"x:a\":{\"#text\":\"2\",\"b\":\"1\"}"},
    /* parts of events have an <extension> in both XSDs */
    {XML_2_EVENT(
         "<bizLocation><id>urn:x:1</id><extension><own>1</own></extension></bizLocation><sensorElementList>"
         "<sensorElement><sensorReport type='gs1:Count'/></sensorElement></sensorElementList>"),
     {0, 0, 0},
     WRITER_XML_1,
     "<extension><own>1</own></extension></bizLocation>"},
    {XML_2_EVENT("<sensorElementList><sensorElement><sensorReport type='gs1:Count'/><extension><own>1</own>"
                 "</extension></sensorElement></sensorElementList>"),
     {1, 0, 0},
     WRITER_XML_2,
     "<extension><own>1</own></extension></sensorElement>"},
    {"<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' schemaVersion='1.2' "
     "creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><QuantityEvent><eventTime>2025-01-01T00:00:"
     "00Z"
     "</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcClass>urn:x:1</epcClass><quantity>1"
     "</quantity><extension><own>1</own></extension></QuantityEvent></EventList></EPCISBody></"
     "e:EPCISDocument>",
     {1, 1, 0},
     WRITER_XML_1,
     "<quantity>1</quantity><extension><own>1</own></extension></QuantityEvent>"},
    /* without anything else that tells what it is about, JSON demands a list of EPCs */
    {XML_2_EVENT("<sensorElementList><sensorElement><sensorReport type='gs1:Count'/></sensorElement>"
                 "</sensorElementList>"),
     {0, 0, 0},
     WRITER_JSON_2,
     "\"epcList\":[]"},
    {"<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' schemaVersion='2.0' "
     "creationDate='2025-01-01T00:00:00Z'><EPCISBody><EventList><TransactionEvent><eventTime>2025-01-01T00:"
     "00:00Z"
     "</eventTime><eventTimeZoneOffset>+00:00</"
     "eventTimeZoneOffset><bizTransactionList><bizTransaction>urn:x:1"
     "</bizTransaction></bizTransactionList><epcList/><action>ADD</action></TransactionEvent></EventList>"
     "</EPCISBody></e:EPCISDocument>",
     {0, 0, 0},
     WRITER_JSON_2,
     "\"epcList\":[]"},
    /* words that the JSON schema does not list must be URIs there, and mean the same */
    {XML_2_EVENT("<bizStep>own_step</bizStep><disposition>urn:epcglobal:cbv:disp:own</disposition>"),
     {0, 0, 0},
     WRITER_JSON_2,
     "\"bizStep\":\"https://ref.gs1.org/cbv/BizStep-own_step\",\"disposition\":\"https://ref.gs1.org/cbv/"
     "Disp-own\""},
    {XML_2_EVENT("<bizStep>urn:x:step</bizStep><disposition>active</disposition>"),
     {0, 0, 0},
     WRITER_JSON_2,
     "\"bizStep\":\"urn:x:step\",\"disposition\":\"active\""},
    {XML_2_EVENT("<bizStep>own step</bizStep>"), {0, 0, 0}, WRITER_JSON_2, "\"bizStep\":\"own step\""},
    {XML_2_EVENT(
         "<bizTransactionList><bizTransaction type='own'>urn:x:1</bizTransaction></bizTransactionList>"
         "<sourceList><source type='location'>urn:x:1</source></sourceList><sensorElementList>"
         "<sensorElement><sensorReport type='gs1:Own' component='cbv:Comp-own'/>"
         "</sensorElement></sensorElementList><persistentDisposition><set>own</set></persistentDisposition>"),
     {0, 0, 0},
     WRITER_JSON_2,
     "\"persistentDisposition\":{\"set\":[\"https://ref.gs1.org/cbv/"
     "Disp-own\"]},\"bizTransactionList\":[{\"type\":"
     "\"https://ref.gs1.org/cbv/"
     "BTT-own\",\"bizTransaction\":\"urn:x:1\"}],\"sourceList\":[{\"type\":\"location\","
     "\"source\":\"urn:x:1\"}],\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"gs1:Own\",\"component\":"
     "\"https://ref.gs1.org/cbv/Comp-own\"}]}]"},
    {JSON_EVENT("{}", ",\"certificationInfo\":[\"urn:a\",\"urn:b\"]"),
     {0, 1, 0},
     WRITER_XML_1,
     "<certificationInfo>urn:b<"},
};

START_TEST(each_syntax_says_what_it_can)
{
    for (int format = WRITER_JSON_2; format <= WRITER_XML_1; format++) {
        struct buffer written = {0};
        ck_assert_uint_eq(rewrite(translations[_i].document, (enum writer_format)format, &written),
                          translations[_i].left_out[format]);
        if (format == (int)translations[_i].format && translations[_i].text)
            ck_assert_msg(strstr((char *)written.data, translations[_i].text) != NULL, "%s",
                          (char *)written.data);
        buffer_free(&written);
    }
}
END_TEST

START_TEST(schema_attributes_are_kept)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {XML_1_EVENT(XSI " " XSD, "<x:a xsi:type='xsd:string'>1</x:a>"),
         "<x:a xsi:type=\"xsd:string\">1</x:a>"},
        {XML_1_EVENT(XSD, "<x:a " XSI " xsi:type='xsd:string'>1</x:a>"),
         "<x:a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:string\">1</x:a>"},
        {XML_1_EVENT(XSI, "<x:a xsi:nil='true'/>"), "<x:a xsi:nil=\"true\"></x:a>"},
        {XML_1_EVENT(XSI, "<x:a " XSD " xsi:type='xsd:string'>1</x:a>"),
         "<x:a xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xsi:type=\"xsd:string\">1</x:a>"},
        {XML_1_EVENT(XSI,
                     "<x:b xmlns:t='urn:1'><x:a xmlns:t='urn:2' xsi:type='t:s'><x:c xsi:type='t:s'/></x:a>"
                     "<x:a xsi:type='t:s'/></x:b>"),
         "<x:b><x:a xmlns:t=\"urn:2\" xsi:type=\"t:s\"><x:c xsi:type=\"t:s\"></x:c></x:a>"
         "<x:a xmlns:t=\"urn:1\" xsi:type=\"t:s\"></x:a></x:b>"},
        /* a type without a prefix is of the default namespace, and of none without one */
        {XML_1_EVENT(XSI, "<x:a xmlns='urn:d' xsi:type='s'>1</x:a>"),
         "<x:a xmlns:ns1=\"urn:d\" xsi:type=\"ns1:s\">1</x:a>"},
        {XML_1_EVENT(XSI, "<x:a xsi:type='s'>1</x:a>"), "<x:a xsi:type=\"s\">1</x:a>"},
        /* the prefix may be another one's where it is written */
        {XML_1_EVENT(XSI " xmlns:t='urn:1'", "<x:a xmlns:t='urn:2' xsi:type='t:s'><t:b/></x:a>"),
         "<x:a xmlns:ns1=\"urn:2\" xsi:type=\"ns1:s\"><ns1:b></ns1:b></x:a>"},
        {XML_1_EVENT(XSI, "<x:a xsi:type='nowhere:s'>1</x:a>"), "<x:a>1</x:a>"},
        /* a prefix of one's own, as XML allows */
        {XML_1_EVENT("xmlns:xsi='urn:y'", "<xsi:a xsi:b='1'>1</xsi:a>"),
         "<ns1:a xmlns:ns1=\"urn:y\" ns1:b=\"1\">1</ns1:a>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int format = WRITER_XML_2; format <= WRITER_XML_1; format++) {
            struct buffer written = {0};
            ck_assert_uint_eq(rewrite(cases[i].text, (enum writer_format)format, &written), 0);
            ck_assert_msg(strstr((char *)written.data, cases[i].wanted), "case %zu: %s", i,
                          (char *)written.data);
            buffer_free(&written);
        }
        struct buffer written = {0};
        ck_assert_uint_eq(rewrite(cases[i].text, WRITER_JSON_2, &written), 0);
        ck_assert(!strstr((char *)written.data, "XMLSchema"));
        buffer_free(&written);
    }
}
END_TEST

START_TEST(foreign_master_data_is_named)
{
    static const char text[] =
        "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' xmlns:x='urn:x' schemaVersion='2.0' "
        "creationDate='2025-01-01T00:00:00Z'><EPCISHeader><extension><EPCISMasterData><VocabularyList>"
        "<Vocabulary type='urn:v'><VocabularyElementList><VocabularyElement id='urn:plain'/>"
        "<VocabularyElement id='urn:foreign' x:own='1'/></VocabularyElementList></Vocabulary>"
        "</VocabularyList></EPCISMasterData></extension></EPCISHeader><EPCISBody><EventList/></EPCISBody>"
        "</e:EPCISDocument>";
    for (int format = WRITER_JSON_2; format <= WRITER_XML_2; format++) {
        struct buffer written = {0};
        rewrite(text, (enum writer_format)format, &written);
        ck_assert(strstr((char *)written.data, "urn:plain"));
        ck_assert((strstr((char *)written.data, "urn:foreign") != NULL) == (format == WRITER_XML_2));
        buffer_free(&written);
    }
}
END_TEST

/* Attributes come back from JSON as elements, so an element's text then stands before elements. */
START_TEST(text_before_elements_can_be_said_in_json)
{
    struct buffer first = {0}, xml = {0}, second = {0}, mixed = {0};
    ck_assert_uint_eq(rewrite(XML_1_EVENT("", "<x:a b='1'>2</x:a>"), WRITER_JSON_2, &first), 0);
    ck_assert_uint_eq(rewrite((char *)first.data, WRITER_XML_2, &xml), 0);
    ck_assert_uint_eq(rewrite((char *)xml.data, WRITER_JSON_2, &second), 0);
    ck_assert_str_eq((char *)second.data, (char *)first.data);
    ck_assert_uint_eq(rewrite(XML_1_EVENT("", "<x:a><x:b/>2</x:a>"), WRITER_JSON_2, &mixed), 1);
    buffer_free(&first);
    buffer_free(&xml);
    buffer_free(&second);
    buffer_free(&mixed);
}
END_TEST

/* ---- compression ---- */

static void pack(enum inflate_format format, const struct buffer *in, struct buffer *out)
{
    if (format == INFLATE_ZSTD) {
        size_t bound = ZSTD_compressBound(in->length);
        uint8_t *room = buffer_reserve(out, bound);
        out->length = ZSTD_compress(room, bound, in->data, in->length, 1);
        ck_assert(!ZSTD_isError(out->length));
        return;
    }
    z_stream stream = {.next_in = in->data, .avail_in = (uInt)in->length};
    ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uLong bound = deflateBound(&stream, in->length);
    stream.next_out = buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->length = bound - stream.avail_out;
    deflateEnd(&stream);
}

/* The texts are written as they are: a NUL stands behind them. */
static struct buffer written_of(const struct buffer *in, enum writer_format format)
{
    struct buffer out = {0}, hashes = translate(in, format, &out);
    buffer_append(&out, "", 1);
    out.length--;
    buffer_free(&hashes);
    return out;
}

/* Through JSON and back, the document is what it becomes without. */
static void check_way_through_json(const struct buffer *source, enum writer_format format)
{
    struct buffer json = written_of(source, WRITER_JSON_2), direct = written_of(source, format);
    struct buffer back = written_of(&json, format);
    ck_assert_str_eq((char *)back.data, (char *)direct.data);
    buffer_free(&json);
    buffer_free(&direct);
    buffer_free(&back);
}

START_TEST(the_business_header_goes_through_json)
{
    static const char *const said[] = {
        "\"sender\":\"urn:epc:id:sgln:9520000.00001.0\",\"receiver\":\"9521000000010\",",
        "\"instanceIdentifier\":\"header-1\",\"epcisHeader\":{\"sbdh:StandardBusinessDocumentHeader\":{",
        "\"sbdh:Identifier\":{\"#text\":\"urn:epc:id:sgln:9520000.00001.0\",\"Authority\":\"SGLN\"}",
        "{\"sbdh:Identifier\":\"9520000000011\"}",
        "\"sbdh:TelephoneNumber\":\"+1-555-0101\"",
        "{\"sbdh:Contact\":\"Cyd\"}",
        "\"sbdh:TypeVersion\":\"1.1\"",
        "\"sbdh:MultipleType\":\"false\"",
        "\"sbdh:Manifest\":{\"sbdh:NumberOfItems\":\"1\"",
        "\"Recurrence\":\"1\"",
    };
    struct buffer source = {0};
    read_file("header-xml20.xml", &source);
    struct buffer json = written_of(&source, WRITER_JSON_2);
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        ck_assert_msg(strstr((char *)json.data, said[i]) != NULL, "%s in %s", said[i], (char *)json.data);
    check_way_through_json(&source, WRITER_XML_2);
    check_way_through_json(&source, WRITER_XML_1);
    buffer_free(&json);
    buffer_free(&source);
}
END_TEST

#define BUSINESS_HEADER(manifest, scope)                                                                     \
    "<sbdh:StandardBusinessDocumentHeader><sbdh:HeaderVersion>1.0</sbdh:HeaderVersion>"                      \
    "<sbdh:Sender><sbdh:Identifier>1</sbdh:Identifier></sbdh:Sender>"                                        \
    "<sbdh:Receiver><sbdh:Identifier Authority=\"GLN\">2</sbdh:Identifier></sbdh:Receiver>"                  \
    "<sbdh:DocumentIdentification><sbdh:Standard>EPCglobal</sbdh:Standard>"                                  \
    "<sbdh:TypeVersion>1.0</sbdh:TypeVersion><sbdh:InstanceIdentifier>i</sbdh:InstanceIdentifier>"           \
    "<sbdh:Type>Events</sbdh:Type><sbdh:CreationDateAndTime>2025-01-01T00:00:00Z</sbdh:CreationDateAndTime>" \
    "</sbdh:DocumentIdentification>" manifest scope "</sbdh:StandardBusinessDocumentHeader>"

/* Members have no order, the prefix is the writer's choice, and @context may come last. */
START_TEST(a_business_header_in_json_is_one)
{
    static const char text[] =
        "{\"epcisHeader\":{\"b:StandardBusinessDocumentHeader\":{\"b:BusinessScope\":{\"b:Scope\":{\"b:"
        "InstanceIdentifier\":\"s\",\"b:Type\":\"t\"}},"
        "\"b:Manifest\":{\"b:ManifestItem\":[{\"b:UniformResourceIdentifier\":\"urn:a\",\"b:"
        "MimeTypeQualifierCode\":"
        "\"x\"}],\"b:NumberOfItems\":1},\"b:DocumentIdentification\":{\"b:Type\":\"Events\",\"b:"
        "InstanceIdentifier\":\"i\"},"
        "\"b:Receiver\":{\"b:Identifier\":{\"Authority\":\"GLN\",\"#text\":\"2\"}},"
        "\"b:Sender\":[{\"b:Identifier\":\"1\"}],\"b:HeaderVersion\":\"1.0\"}},\"epcisBody\":{\"eventList\":["
        "]},"
        "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"creationDate\":\"2025-01-01T00:00:00Z\","
        "\"@context\":{\"b\":\"http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader\"}}";
    static const char wanted[] = "<EPCISHeader>" BUSINESS_HEADER(
        "<sbdh:Manifest><sbdh:NumberOfItems>1</"
        "sbdh:NumberOfItems><sbdh:ManifestItem><sbdh:MimeTypeQualifierCode>x"
        "</sbdh:MimeTypeQualifierCode><sbdh:UniformResourceIdentifier>urn:a</sbdh:UniformResourceIdentifier>"
        "</sbdh:ManifestItem></sbdh:Manifest>",
        "<sbdh:BusinessScope><sbdh:Scope><sbdh:Type>t</sbdh:Type><sbdh:InstanceIdentifier>s</"
        "sbdh:InstanceIdentifier></sbdh:Scope></sbdh:BusinessScope>") "</"
                                                                      "EPCISHeader>\n<"
                                                                      "EPCISBody>";
    struct buffer source = {.data = (uint8_t *)text, .length = sizeof text - 1};
    struct buffer xml = written_of(&source, WRITER_XML_2);
    ck_assert_msg(strstr((char *)xml.data, wanted) != NULL, "%s", (char *)xml.data);
    buffer_free(&xml);
}
END_TEST

/* In JSON these have neither an epcisHeader nor a sender. */
START_TEST(a_query_document_keeps_its_business_header)
{
    static const char text[] =
        "<q:EPCISQueryDocument xmlns:q='urn:epcglobal:epcis-query:xsd:2' schemaVersion='2.0' "
        "creationDate='2025-01-01T00:00:00Z' "
        "xmlns:sbdh='http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader'>"
        "<EPCISHeader>" BUSINESS_HEADER(
            "", "") "</EPCISHeader><EPCISBody><q:QueryResults>"
                    "<queryName>SimpleEventQuery</queryName><resultsBody><EventList/></resultsBody>"
                    "</q:QueryResults></EPCISBody></q:EPCISQueryDocument>";
    struct buffer source = {.data = (uint8_t *)text, .length = sizeof text - 1};
    struct buffer json = written_of(&source, WRITER_JSON_2);
    ck_assert(strstr((char *)json.data, ",\"sbdh:StandardBusinessDocumentHeader\":{") != NULL);
    ck_assert(strstr((char *)json.data, "\"sender\"") == NULL);
    ck_assert(strstr((char *)json.data, "epcisHeader") == NULL);
    check_way_through_json(&source, WRITER_XML_2);
    buffer_free(&json);
}
END_TEST

START_TEST(compressed_documents_read_as_plain_ones)
{
    const enum inflate_format formats[] = {INFLATE_GZIP, INFLATE_ZSTD};
    struct buffer source = {0};
    read_file("dscsa-xml12.xml", &source);
    struct buffer plain = hashes_of(&source, 64 * 1024);
    for (int i = 0; i < 2; i++) {
        struct buffer packed = {0};
        pack(formats[i], &source, &packed);
        const size_t steps[] = {1, 7, 64 * 1024};
        for (int j = 0; j < 3; j++) {
            struct buffer got = hashes_of(&packed, steps[j]);
            ck_assert_str_eq((char *)got.data, (char *)plain.data);
            buffer_free(&got);
        }
        struct reading cut = {0}, over = {0}, damaged = {0};
        ck_assert_int_eq(read_all(&cut, packed.data, packed.length - 3, 64, 0), ERR_INPUT);
        ck_assert_int_eq(read_all(&over, packed.data, packed.length, 64, source.length - 1), ERR_LIMIT);
        packed.data[2] ^= 0x55; /* in what tells the format */
        ck_assert_int_eq(read_all(&damaged, packed.data, packed.length, 64, 0), ERR_INPUT);
        buffer_free(&cut.hashes);
        buffer_free(&over.hashes);
        buffer_free(&damaged.hashes);
        buffer_free(&packed);
    }
    buffer_free(&plain);
    buffer_free(&source);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer");
    TCase *tests = tcase_create("writer");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_is_written_reads_back, 0, DOCUMENTS);
    tcase_add_test(tests, an_event_that_cannot_be_said_is_named);
    tcase_add_test(tests, names_without_namespace_stay_where_they_may_stand);
    tcase_add_loop_test(tests, each_syntax_says_what_it_can, 0, sizeof translations / sizeof translations[0]);
    tcase_add_test(tests, schema_attributes_are_kept);
    tcase_add_test(tests, foreign_master_data_is_named);
    tcase_add_test(tests, text_before_elements_can_be_said_in_json);
    tcase_add_test(tests, the_business_header_goes_through_json);
    tcase_add_test(tests, a_business_header_in_json_is_one);
    tcase_add_test(tests, a_query_document_keeps_its_business_header);
    tcase_add_test(tests, compressed_documents_read_as_plain_ones);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
