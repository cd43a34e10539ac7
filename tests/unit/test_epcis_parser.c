#include "tests/unit/epcis_reading.h"

static const char *const fixtures[] = {"extensions-xml20.xml", "dscsa-xml12.xml",   "kinds-xml20.xml",
                                       "query-xml12.xml",      "dscsa-json20.json", "kinds-json20.json",
                                       "bare-json20.json"};

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define OPEN                                                                                                 \
    "<e:EPCISDocument xmlns:e=\"urn:epcglobal:epcis:xsd:2\" xmlns:x=\"urn:x\" schemaVersion=\"2.0\" "        \
    "creationDate=\"2022-01-01T00:00:00Z\"><EPCISBody><EventList>"
#define CLOSE           "</EventList></EPCISBody></e:EPCISDocument>"
#define MINUTE          "<eventTime>2022-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>"
#define GOOD            "<ObjectEvent>" MINUTE "<epcList><epc>urn:x:1</epc></epcList><action>ADD</action></ObjectEvent>"
#define OBJECT(content) "<ObjectEvent>" MINUTE content "</ObjectEvent>"

static struct parser_limits limits_small(void)
{
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    limits.depth = 16;
    limits.attributes = 8;
    limits.text_bytes = 1000;
    limits.epcs = 5;
    limits.extension_nodes = 5;
    limits.event_bytes = 20000;
    limits.events = 5;
    return limits;
}

static void run_text(struct reading *reading, const struct parser_limits *limits, const char *text)
{
    struct parser_limits usual = PARSER_LIMITS_DEFAULT;
    reading_run(reading, limits ? limits : &usual, text, strlen(text), 4096);
}

static void check_pieces(const void *data, size_t bytes, const struct parser_limits *limits)
{
    static const size_t pieces[] = {1, 7, 1000};
    struct reading whole = {0};
    reading_run(&whole, limits, data, bytes, bytes ? bytes : 1);
    for (int i = 0; i < ROWS(pieces); i++) {
        struct reading pieced = {0};
        reading_run(&pieced, limits, data, bytes, pieces[i]);
        ck_assert_int_eq(pieced.err, whole.err);
        ck_assert_str_eq((char *)pieced.text.data, (char *)whole.text.data);
        if (whole.error.data)
            ck_assert_str_eq((char *)pieced.error.data, (char *)whole.error.data);
        reading_free(&pieced);
    }
    reading_free(&whole);
}

START_TEST(pieces_equal_the_whole)
{
    char path[512];
    size_t bytes;
    struct parser_limits limits = PARSER_LIMITS_DEFAULT, small = limits_small();
    snprintf(path, sizeof path, "%s/epcis/%s", FIXTURES, fixtures[_i]);
    char *data = reading_file(path, &bytes);
    check_pieces(data, bytes, &limits);
    check_pieces(data, bytes, &small);
    check_pieces(data, bytes * 2 / 3, &limits);
    free(data);
}
END_TEST

START_TEST(tells_where_events_stand)
{
    struct reading reading = {0};
    run_text(&reading, NULL, OPEN "\n\n" GOOD "\n <ObjectEvent\n/>" CLOSE);
    char expected[200];
    size_t first = strlen(OPEN) + 2, second = first + strlen(GOOD) + 2;
    snprintf(expected, sizeof expected, "event 0 line 3 at %zu+%zu\n", first, strlen(GOOD));
    ck_assert_ptr_nonnull(strstr((char *)reading.text.data, expected));
    snprintf(expected, sizeof expected, "event 1 line 4 at %zu+%zu\n", second, strlen("<ObjectEvent\n/>"));
    ck_assert_ptr_nonnull(strstr((char *)reading.text.data, expected));
    reading_free(&reading);
}
END_TEST

static const struct {
    const char *event;
    const char *error; /* part of it */
} refusals[] = {
    {"<StrangeEvent/>", "StrangeEvent is no event of EPCIS"},
    {"<x:StrangeEvent>text<ObjectEvent/></x:StrangeEvent>", "StrangeEvent is no event of EPCIS"},
    {OBJECT("<unknown/>"), "element unknown is not known in ObjectEvent"},
    {OBJECT("<unknown><deep><x:er>text</x:er></deep></unknown><action>ADD</action>"),
     "element unknown is not known"},
    {OBJECT("<extension><unknown/></extension>"), "element unknown is not known in extension"},
    {OBJECT("<readPoint><unknown/></readPoint>"), "/EventList/*[2]/readPoint/unknown"},
    {OBJECT("<epcList><x:foreign/></epcList>"), "element foreign is not known in epcList"},
    {OBJECT("<epcList><epc><x:foreign/></epc></epcList>"), "element foreign stands in epc: text alone"},
    {OBJECT("<action>ADD</action><action>ADD</action>"), "action stands here a second time"},
    {OBJECT("<bizStep>a</bizStep><bizStep>a</bizStep>"), "bizStep stands here a second time"},
    {OBJECT("<bizStep/><extension><bizStep/></extension>"), "bizStep stands here a second time"},
    {OBJECT("<eventTime>2022-01-01T00:00:00Z</eventTime>"), "eventTime stands here a second time"},
    {OBJECT("<epcList/><epcList/>"), "epcList stands here a second time"},
    {OBJECT("<readPoint/><readPoint/>"), "readPoint stands here a second time"},
    {OBJECT("<epcList>stray</epcList>"), "text stands in epcList"},
    {OBJECT("stray"), "text stands in ObjectEvent"},
    {OBJECT("<epcList bad=\"1\"/>"), "attribute bad is not known on epcList"},
    {OBJECT("<bizStep x:bad=\"1\">a</bizStep>"), "attribute bad is not known on bizStep"},
    {OBJECT("<action>ADD</action><epcList/>"), "epcList stands behind action: before it would be right"},
    {OBJECT("<x:own/><action>ADD</action>"), "action stands behind own: before it would be right"},
    {OBJECT("<readPoint><x:own/><id/></readPoint>"), "id stands behind own: before it would be right"},
    {OBJECT("<extension><quantityList/></extension><bizStep/>"), "bizStep stands behind quantityList"},
    {OBJECT("<persistentDisposition><set/><unset/></persistentDisposition>"), "unset stands behind set"},
    {OBJECT("<sourceList> </sourceList>"), "sourceList is empty: at least one entry would be right"},
    {OBJECT("<readPoint x:own='1'><id/></readPoint>"), "attribute own is not known on readPoint: none"},
    {OBJECT("<action>ADD</action><x:own/><epcList/><epcList/>"), "epcList stands here a second time"},
};

START_TEST(refuses_one_event_and_goes_on)
{
    struct reading reading = {0};
    char document[2000];
    snprintf(document, sizeof document, "%s%s%s%s%s", OPEN, GOOD, refusals[_i].event, GOOD, CLOSE);
    run_text(&reading, NULL, document);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.readable, 2);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_msg(strstr((char *)reading.error.data, refusals[_i].error) != NULL, "%s",
                  (char *)reading.error.data);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "would be right"));
    reading_free(&reading);
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    check_pieces(document, strlen(document), &limits);
}
END_TEST

static enum err count_noted(void *context, const struct parser_event *event)
{
    unsigned *noted = context;
    *noted += event->event && event->error;
    return ERR_OK;
}

static unsigned noted_between(const char *start, const char *event, const char *end)
{
    unsigned noted = 0;
    char document[2000];
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser_sink sink = {.context = &noted, .event = count_noted};
    struct parser *parser = NULL;
    int length = snprintf(document, sizeof document, "%s%s%s", start, event, end);
    ck_assert_int_eq(parser_open(&limits, &sink, &parser), ERR_OK);
    ck_assert_int_eq(parser_feed(parser, document, (size_t)length), ERR_OK);
    ck_assert_int_eq(parser_finish(parser), ERR_OK);
    parser_close(&parser);
    return noted;
}

static unsigned noted_in(const char *start, const char *event)
{
    return noted_between(start, event, CLOSE);
}

#define HEAD(version)                                                                                        \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:" version "' xmlns:x='urn:x'><EPCISBody><EventList>"

/* Each field's place is that of its version's schema; what is out of order is read all the same. */
START_TEST(tells_elements_that_are_out_of_order)
{
    static const char ilmd_first[] = "<ObjectEvent><ilmd/><persistentDisposition/></ObjectEvent>";
    static const char ilmd_last[] = "<ObjectEvent><persistentDisposition/><ilmd/></ObjectEvent>";
    static const char wrapped[] =
        "<ObjectEvent><eventTime/><baseExtension><eventID/><extension><later/>"
        "</extension></baseExtension><epcList/><extension><quantityList/><extension>"
        "<later/></extension></extension><x:own/></ObjectEvent>";
    static const char ilmd_first_1[] = "<ObjectEvent><extension><ilmd/><extension><persistentDisposition/></"
                                       "extension></extension></ObjectEvent>";
    static const char ilmd_last_1[] = "<ObjectEvent><extension><extension><persistentDisposition/></"
                                      "extension><ilmd/></extension></ObjectEvent>";
    ck_assert_uint_eq(noted_in(HEAD("2"), ilmd_first), 1);
    ck_assert_uint_eq(noted_in(HEAD("1"), ilmd_first_1), 0);
    ck_assert_uint_eq(noted_in(HEAD("2"), ilmd_last), 0);
    ck_assert_uint_eq(noted_in(HEAD("1"), ilmd_last_1), 1);
    ck_assert_uint_eq(noted_in(HEAD("1"), wrapped), 0);
    ck_assert_uint_eq(noted_in(HEAD("2"), "<AggregationEvent><childEPCs/><parentID/></AggregationEvent>"), 1);
    ck_assert_uint_eq(noted_in(HEAD("2"), "<ObjectEvent><eventTime/></ObjectEvent><ObjectEvent><eventTime/>"
                                          "</ObjectEvent>"),
                      0);
}
END_TEST

#define J_HEAD  "{\"@context\":[{\"x\":\"urn:x:\"}],\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","
#define J_OPEN  J_HEAD "\"epcisBody\":{\"eventList\":["
#define J_CLOSE "]}}"
#define J_GOOD                                                                                               \
    "{\"type\":\"ObjectEvent\",\"eventTime\":\"2022-01-01T00:00:00Z\",\"eventTimeZoneOffset\":\"+00:00\","   \
    "\"epcList\":[\"urn:x:1\"],\"action\":\"ADD\"}"
#define J_EVENT(content) "{\"type\":\"ObjectEvent\"," content "}"

/* Where nothing is lost by reading them all the same. */
START_TEST(tells_what_the_schemas_have_no_place_for)
{
    static const char certified[] =
        "<ObjectEvent><certificationInfo>a</certificationInfo><certificationInfo>b"
        "</certificationInfo></ObjectEvent>";
    static const char certified_1[] =
        "<ObjectEvent><baseExtension><extension><certificationInfo>a</certificationInfo><certificationInfo>b"
        "</certificationInfo></extension></baseExtension></ObjectEvent>";
    static const char report[] =
        "<ObjectEvent><sensorElementList><sensorElement><sensorReport><value>1</value>"
        "</sensorReport></sensorElement></sensorElementList></ObjectEvent>";
    static const char extended[] =
        "<ObjectEvent><quantityList><quantityElement><epcClass>a</epcClass><x:own/>"
        "</quantityElement></quantityList></ObjectEvent>";
    ck_assert_uint_eq(noted_in(HEAD("2"), certified), 1);
    ck_assert_uint_eq(noted_in(HEAD("1"), certified_1), 0);
    ck_assert_uint_eq(noted_in(HEAD("2"), extended), 1);
    ck_assert_uint_eq(noted_in(HEAD("2"), "<ObjectEvent><parentID>a</parentID></ObjectEvent>"), 1);
    ck_assert_uint_eq(noted_in(HEAD("2"), "<AggregationEvent><epcList/></AggregationEvent>"), 1);
    ck_assert_uint_eq(noted_in(HEAD("2"), report), 1);
    ck_assert_uint_eq(noted_between(J_OPEN, J_EVENT("\"parentID\":\"a\""), J_CLOSE), 1);
    ck_assert_uint_eq(noted_between(J_OPEN, J_EVENT("\"transformationID\":\"a\""), J_CLOSE), 1);
}
END_TEST

/* What came after 1.2 stands in its <extension> elements, and so many of them. */
static const struct {
    const char *event;
    unsigned noted;
} extended_1[] = {
    {"<ObjectEvent><extension><quantityList/><sourceList><source/></sourceList><ilmd/></extension></"
     "ObjectEvent>",
     0},
    {"<ObjectEvent><quantityList/></ObjectEvent>", 1},
    {"<ObjectEvent><sourceList><source/></sourceList></ObjectEvent>", 1},
    {"<ObjectEvent><ilmd/></ObjectEvent>", 1},
    {"<ObjectEvent><eventID>a</eventID></ObjectEvent>", 1},
    {"<ObjectEvent><baseExtension><eventID>a</eventID></baseExtension></ObjectEvent>", 0},
    {"<ObjectEvent><extension><persistentDisposition/></extension></ObjectEvent>", 1},
    {"<TransformationEvent/>", 1},
    {"<extension><TransformationEvent><ilmd/></TransformationEvent></extension>", 0},
    {"<extension><TransformationEvent><persistentDisposition/></TransformationEvent></extension>", 1},
    {"<extension><AssociationEvent/></extension>", 1},
    {"<extension><extension><AssociationEvent><sourceList><source/></sourceList></AssociationEvent></"
     "extension>"
     "</extension>",
     0},
};

START_TEST(tells_what_stands_outside_of_extensions)
{
    ck_assert_uint_eq(noted_in(HEAD("1"), extended_1[_i].event), extended_1[_i].noted);
}
END_TEST

#define EPC5  "<epc>1</epc><epc>2</epc><epc>3</epc><epc>4</epc><epc>5</epc>"
#define NODE5 "<x:a/><x:a/><x:a/><x:a/><x:a/>"

static const struct {
    const char *event;
    const char *error;
} event_caps[] = {
    {OBJECT("<epcList>" EPC5 "<epc>6</epc></epcList>"), "EPCS_LIMIT"},
    {OBJECT(NODE5 "<x:a/>"), "EXTENSION_LIMIT"},
    {OBJECT("<x:a><x:b x:c=\"1\" x:d=\"1\" x:e=\"1\"/>text<x:b/></x:a>"), "EXTENSION_LIMIT"},
};

START_TEST(caps_of_one_event)
{
    struct reading reading = {0};
    struct parser_limits limits = limits_small();
    char document[2000];
    snprintf(document, sizeof document, "%s%s%s%s%s", OPEN, GOOD, event_caps[_i].event, GOOD, CLOSE);
    run_text(&reading, &limits, document);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.readable, 2);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, event_caps[_i].error));
    reading_free(&reading);
}
END_TEST

START_TEST(just_within_the_caps)
{
    struct reading reading = {0};
    struct parser_limits limits = limits_small();
    run_text(&reading, &limits, OPEN OBJECT("<epcList>" EPC5 "</epcList>" NODE5) GOOD GOOD GOOD GOOD CLOSE);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.readable, 5);
    reading_free(&reading);
}
END_TEST

/* A document whose one event holds `count` times `piece` in `place`. */
static char *swollen(const char *before, const char *piece, size_t count, const char *after)
{
    struct buffer text = {0};
    buffer_append_text(&text, before);
    for (size_t i = 0; i < count; i++)
        buffer_append_text(&text, piece);
    buffer_append_text(&text, after);
    buffer_append(&text, "", 1);
    return (char *)text.data;
}

static const struct {
    const char *before, *piece;
    size_t count;
    const char *after;
    enum err err; /* of the document */
    uint64_t refused;
    const char *error;
} swellings[] = {
    {OPEN "<ObjectEvent><bizStep>", "0123456789", 101, "</bizStep></ObjectEvent>" GOOD CLOSE, ERR_OK, 1,
     "TEXT_LIMIT"},
    {OPEN "<ObjectEvent><bizStep><![CDATA[", "0123456789", 101, "]]></bizStep></ObjectEvent>" GOOD CLOSE,
     ERR_OK, 1, "TEXT_LIMIT"},
    {OPEN "<ObjectEvent><x:a b=\"", "0123456789", 101, "\"/></ObjectEvent>" GOOD CLOSE, ERR_OK, 1,
     "TEXT_LIMIT"},
    {OPEN "<ObjectEvent><bizStep>", "0123456789", 90,
     "</bizStep><disposition>0123456789</disposition><x:b></x:b></ObjectEvent>" GOOD CLOSE, ERR_OK, 0, NULL},
    {OPEN, "<x:a>", 20, "", ERR_LIMIT, 0, "DEPTH_LIMIT"},
    {OPEN "<ObjectEvent>", "<x:a>", 20, "", ERR_LIMIT, 0, "DEPTH_LIMIT"},
    {OPEN "<ObjectEvent><bad/>", "<x:a>", 20, "", ERR_LIMIT, 0, "DEPTH_LIMIT"},
    {OPEN, GOOD, 6, CLOSE, ERR_LIMIT, 0, "EVENTS_LIMIT"},
    {OPEN "<ObjectEvent a='", "x' b", 1, "='1' c='' d='' e='' f='' g='' h='' i=''/>", ERR_LIMIT, 0,
     "ATTRIBUTES_LIMIT"},
};

START_TEST(caps_of_the_document)
{
    struct reading reading = {0};
    struct parser_limits limits = limits_small();
    char *document =
        swollen(swellings[_i].before, swellings[_i].piece, swellings[_i].count, swellings[_i].after);
    run_text(&reading, &limits, document);
    ck_assert_int_eq(reading.err, swellings[_i].err);
    if (swellings[_i].err == ERR_OK)
        ck_assert_uint_eq(reading.refused, swellings[_i].refused);
    if (swellings[_i].error)
        ck_assert_msg(strstr((char *)reading.error.data, swellings[_i].error) != NULL, "%s",
                      (char *)reading.error.data);
    reading_free(&reading);
    check_pieces(document, strlen(document), &limits);
    free(document);
}
END_TEST

START_TEST(memory_of_one_event_is_capped)
{
    struct reading reading = {0};
    struct parser_limits limits = limits_small();
    limits.text_bytes = 1 << 20;
    char *document =
        swollen(OPEN "<ObjectEvent><bizStep>", "0123456789", 3000, "</bizStep></ObjectEvent>" GOOD CLOSE);
    run_text(&reading, &limits, document);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_uint_eq(reading.readable, 1);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "20000 bytes"));
    reading_free(&reading);
    free(document);
}
END_TEST

static const struct {
    const char *document;
    uint64_t events; /* before the break */
    const char *error;
} breaks[] = {
    {"", 0, "empty"},
    {"   \n", 0, "empty"},
    {"not xml", 0, "neither XML nor JSON"},
    {"<?xml version=\"1.0\"?>", 0, "not well-formed"},
    {"<root/>", 0, "the root element is root"},
    {"<soap:Envelope xmlns:soap=\"urn:s\"/>", 0, "the root element is Envelope"},
    {"<x:ObjectEvent xmlns:x=\"urn:x\"/>", 0, "the root element is ObjectEvent"},
    {"<EPCISDocument schemaVersion=\"2.0\"/>", 0, "no namespace"},
    {"<e:EPCISDocument xmlns:e=\"urn:epcglobal:epcis:xsd:2\" schemaVersion=\"3.0\"/>", 0,
     "schemaVersion is \"3.0\""},
    {"<e:EPCISDocument xmlns:e=\"urn:epcglobal:epcis:xsd:2\"><EPCISBody>" GOOD
     "</EPCISBody></e:EPCISDocument>",
     0, "element ObjectEvent is not known in EPCISBody: EventList would be right"},
    {"<q:EPCISQueryDocument xmlns:q=\"urn:epcglobal:epcis-query:xsd:1\"><EPCISBody><GetQueryNamesResult/>"
     "</EPCISBody></q:EPCISQueryDocument>",
     0, "element GetQueryNamesResult is not known in EPCISBody: QueryResults would be right"},
    {OPEN GOOD, 1, "cut off inside EventList"},
    {OPEN GOOD "<ObjectEvent><eventTime>2022", 1, "cut off inside eventTime"},
    {OPEN GOOD "<ObjectEve", 1, "cut off inside"},
    {OPEN GOOD "<ObjectEvent></AggregationEvent>", 1, "not well-formed"},
    {OPEN GOOD CLOSE "<again/>", 1, "not well-formed"},
    {OPEN GOOD "&undefined;" CLOSE, 1, "none of XML's five"},
    {OPEN GOOD "<ObjectEvent><y:unbound/></ObjectEvent>" CLOSE, 1, "not well-formed"},
    {OPEN GOOD "<ObjectEvent><bizStep>\xff</bizStep></ObjectEvent>" CLOSE, 1, "not in the encoding that"},
    {OPEN GOOD "<ObjectEvent><bizStep>&#0;</bizStep></ObjectEvent>" CLOSE, 1, "not well-formed"},
    {"<!DOCTYPE x [<!ELEMENT x ANY>]>" OPEN GOOD CLOSE, 0, "document type declaration"},
    {"<!DOCTYPE x [<!ATTLIST x y CDATA \"z\">]>" OPEN GOOD CLOSE, 0, "document type declaration"},
    {"<!DOCTYPE x [<!NOTATION n SYSTEM \"n\">]>" OPEN GOOD CLOSE, 0, "document type declaration"},
    {"<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">"
     "<!ENTITY lol3 \"&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;\">]><lolz>&lol3;</lolz>",
     0, "document type declaration"},
    {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" OPEN CLOSE, 0, "document type declaration"},
    {OPEN "<x:a>a & b</x:a>" CLOSE, 0, "a bare & stands in a text"},
    {OPEN OBJECT("<bizStep>R&D</bizStep>") CLOSE, 0, "a bare & stands in a text"},
    {OPEN OBJECT("<bizStep>\xe4 </bizStep>") CLOSE, 0, "not in the encoding that the document declares"},
    {OPEN GOOD "</EventList></EPCISBody><EPCISBody/></e:EPCISDocument>", 1,
     "EPCISBody stands here a second time"},
    {"<?xml version=\"1.0\" encoding=\"EBCDIC-CP-US\"?>" OPEN CLOSE, 0, "not well-formed"},
    {"<?xml version=\"1.0\" encoding=\"windows-1250\"?>" OPEN CLOSE, 0,
     "encoding \"windows-1250\" is not read"},
    {"<?xml version=\"1.0\" encoding=\"nonsense\"?>" OPEN CLOSE, 0, "ncoding"},
};

START_TEST(breaks_end_the_document)
{
    struct reading reading = {0};
    run_text(&reading, NULL, breaks[_i].document);
    ck_assert_int_eq(reading.err, ERR_INPUT);
    ck_assert_uint_eq(reading.readable, breaks[_i].events);
    ck_assert_msg(strstr((char *)reading.error.data, breaks[_i].error) != NULL, "%s",
                  (char *)reading.error.data);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "SCHEMA_INVALID"));
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "would be right"));
    reading_free(&reading);
}
END_TEST

START_TEST(errors_tell_path_and_line)
{
    struct reading reading = {0};
    run_text(&reading, NULL, OPEN GOOD "\n" OBJECT("<epcList>\n<epc/><epc>a<b/></epc></epcList>") CLOSE);
    ck_assert_msg(strstr((char *)reading.error.data,
                         "/e:EPCISDocument/EPCISBody/EventList/*[2]/epcList/epc[2]/b | line 3") != NULL,
                  "%s", (char *)reading.error.data);
    reading_free(&reading);
}
END_TEST

START_TEST(keeps_what_rules_shall_judge)
{
    struct reading reading = {0};
    run_text(&reading, NULL,
             OPEN "<ObjectEvent><eventTime>22-07-2026</eventTime><recordTime/><eventTimeZoneOffset>five"
                  "</eventTimeZoneOffset><epcList><epc/><epc> no epc </epc></epcList><action>OBSERV</action>"
                  "</ObjectEvent>" CLOSE);
    const Epcis__V1__Event *event = reading.last;
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_str_eq(event->event_time->invalid_text, "22-07-2026");
    ck_assert_ptr_null(event->record_time);
    ck_assert_int_eq(event->action, EPCIS__V1__ACTION__ACTION_UNSPECIFIED);
    ck_assert_str_eq(event->action_text, "OBSERV");
    ck_assert_uint_eq(event->n_epc_list, 2);
    ck_assert_str_eq(event->epc_list[0], "");
    ck_assert_str_eq(event->epc_list[1], "no epc");
    ck_assert_str_eq(event->event_time_zone_offset, "five");
    reading_free(&reading);
}
END_TEST

START_TEST(words_stand_bare)
{
    struct reading reading = {0};
    run_text(&reading, NULL,
             OPEN OBJECT("<bizStep>http://ref.gs1.org/cbv/BizStep-shipping</bizStep>"
                         "<disposition>urn:epcglobal:cbv:disp:in_transit</disposition>"
                         "<bizTransactionList><bizTransaction type=\"https://ref.gs1.org/cbv/BTT-po\">b"
                         "</bizTransaction></bizTransactionList>"
                         "<sourceList><source type=\"cbv:SDT-owning_party\">s</source></sourceList>"
                         "<destinationList><destination type=\"urn:own\">d</destination></destinationList>")
                 CLOSE);
    const Epcis__V1__Event *event = reading.last;
    ck_assert_str_eq(event->biz_step, "shipping");
    ck_assert_str_eq(event->disposition, "in_transit");
    ck_assert_str_eq(event->biz_transaction_list[0]->type, "po");
    ck_assert_str_eq(event->biz_transaction_list[0]->biz_transaction, "b");
    ck_assert_str_eq(event->source_list[0]->type, "owning_party");
    ck_assert_str_eq(event->destination_list[0]->type, "urn:own");
    reading_free(&reading);
    run_text(&reading, NULL,
             OPEN OBJECT("<bizStep>urn:epcglobal:cbv:disp:active</bizStep>"
                         "<disposition>urn:epcglobal:cbv:disp:</disposition>") CLOSE);
    ck_assert_str_eq(reading.last->biz_step, "urn:epcglobal:cbv:disp:active");
    ck_assert_str_eq(reading.last->disposition, "urn:epcglobal:cbv:disp:");
    reading_free(&reading);
}
END_TEST

START_TEST(extension_trees_keep_their_shape)
{
    static const struct {
        uint32_t depth;
        Epcis__V1__NodeKind kind;
        const char *uri, *local, *prefix, *text;
    } expected[] = {
        {0, EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT, "urn:x", "a", "x", ""},
        {1, EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE, "", "plain", "", "1"},
        {1, EPCIS__V1__NODE_KIND__NODE_KIND_ATTRIBUTE, "urn:x", "own", "x", "2"},
        {1, EPCIS__V1__NODE_KIND__NODE_KIND_TEXT, "", "", "", "before"},
        {1, EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT, "", "b", "", ""},
        {2, EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT, "urn:y", "c", "", "<deep>"},
        {1, EPCIS__V1__NODE_KIND__NODE_KIND_TEXT, "", "", "", "after"},
        {0, EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT, "urn:x", "d", "x", "x y"},
    };
    struct reading reading = {0};
    run_text(&reading, NULL,
             OPEN OBJECT(
                 "<x:a plain=\"1\" x:own=\"2\"> before <b> <c xmlns=\"urn:y\">&lt;deep<![CDATA[>]]></c></b>"
                 "after</x:a><x:d>x<!-- no --> y</x:d>") CLOSE);
    ck_assert_uint_eq(reading.last->n_extensions, ROWS(expected));
    for (int i = 0; i < ROWS(expected); i++) {
        const Epcis__V1__Node *node = reading.last->extensions[i];
        ck_assert_uint_eq(node->depth, expected[i].depth);
        ck_assert_int_eq(node->kind, expected[i].kind);
        ck_assert_str_eq(node->namespace_uri, expected[i].uri);
        ck_assert_str_eq(node->local_name, expected[i].local);
        ck_assert_str_eq(node->prefix, expected[i].prefix);
        ck_assert_str_eq(node->text, expected[i].text);
    }
    reading_free(&reading);
}
END_TEST

START_TEST(reads_header_and_master_data)
{
    size_t bytes;
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char *data = reading_file(FIXTURES "/epcis/dscsa-xml12.xml", &bytes);
    reading_run(&reading, &limits, data, bytes, bytes);
    const Epcis__V1__Document *document = reading.document;
    const Epcis__V1__StandardBusinessDocumentHeader *header = document->standard_business_document_header;
    ck_assert_int_eq(document->format, EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1);
    ck_assert_int_eq(document->kind, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT);
    ck_assert_str_eq(document->schema_version, "1.2");
    ck_assert_str_eq(document->creation_date, "2025-01-06T08:00:00.000Z");
    ck_assert_str_eq(header->header_version, "1.0");
    ck_assert_uint_eq(header->n_senders, 1);
    ck_assert_str_eq(header->senders[0]->identifier, "urn:epc:id:sgln:9520000.00001.0");
    ck_assert_str_eq(header->senders[0]->authority, "SGLN");
    ck_assert_str_eq(header->senders[0]->contacts[0]->email_address, "epcis@partner0.example");
    ck_assert_str_eq(header->senders[0]->contacts[0]->contact_type_identifier, "Seller");
    ck_assert_str_eq(header->receivers[0]->authority, "GLN");
    ck_assert_str_eq(header->instance_identifier, "fixture-1");
    ck_assert_str_eq(header->type, "Events");
    ck_assert_str_eq(header->multiple_type, "false");
    ck_assert_str_eq(header->creation_date_and_time, "2025-01-06T08:00:00.000Z");
    ck_assert_uint_eq(header->n_extensions, 2);
    ck_assert_str_eq(header->extensions[1]->local_name, "NumberOfItems");
    ck_assert_ptr_nonnull(strstr((char *)reading.text.data, "\nurn:epc:idpat:sgtin:9520000.010002.* "));
    ck_assert_ptr_nonnull(strstr((char *)reading.text.data, "\nurn:epc:id:sgln:9520000.00001.0 "));
    reading_free(&reading);
    free(data);
}
END_TEST

static enum err keep_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct buffer *text = context;
    buffer_printf(text, "%s %s", element->type, element->id);
    for (size_t i = 0; i < element->n_attributes; i++)
        buffer_printf(text, " %s=%s(%zu)", element->attributes[i]->id, element->attributes[i]->value,
                      element->attributes[i]->n_children);
    for (size_t i = 0; i < element->n_children; i++)
        buffer_printf(text, " >%s", element->children[i]);
    buffer_append_text(text, "\n");
    return ERR_OK;
}

START_TEST(hands_on_vocabulary_elements)
{
    size_t bytes;
    char *data = reading_file(FIXTURES "/epcis/dscsa-xml12.xml", &bytes);
    struct buffer text = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct parser_sink sink = {.context = &text, .vocabulary_element = keep_element};
    struct parser *parser;
    ck_assert_int_eq(parser_open(&limits, &sink, &parser), ERR_OK);
    ck_assert_int_eq(parser_feed(parser, data, bytes), ERR_OK);
    ck_assert_int_eq(parser_finish(parser), ERR_OK);
    parser_close(&parser);
    buffer_append(&text, "", 1);
    ck_assert_str_eq(
        (char *)text.data,
        "urn:epcglobal:epcis:vtype:EPCClass urn:epc:idpat:sgtin:9520000.010002.* "
        "urn:epcglobal:cbv:mda#regulatedProductName=Example 10 mg(0) urn:example:structured=(1)\n"
        "urn:epcglobal:epcis:vtype:Location urn:epc:id:sgln:9520000.00001.0 "
        "urn:epcglobal:cbv:mda#name=Example Pharma Inc.(0) >urn:epc:id:sgln:9520000.00001.9 "
        ">urn:epc:id:sgln:9520000.00001.100\n");
    buffer_free(&text);
    free(data);
}
END_TEST

START_TEST(reads_query_documents_and_bare_events)
{
    size_t bytes;
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char *data = reading_file(FIXTURES "/epcis/query-xml12.xml", &bytes);
    reading_run(&reading, &limits, data, bytes, bytes);
    ck_assert_int_eq(reading.document->kind, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_QUERY_DOCUMENT);
    ck_assert_str_eq(reading.document->query_name, "SimpleEventQuery");
    ck_assert_str_eq(reading.document->subscription_id, "s1");
    ck_assert_uint_eq(reading.readable, 3);
    reading_free(&reading);
    free(data);
    run_text(&reading, NULL, "<ObjectEvent schemaVersion=\"2.0\">" MINUTE "</ObjectEvent>");
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_int_eq(reading.document->kind, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_EVENT);
    ck_assert_str_eq(reading.document->schema_version, "2.0");
    ck_assert_uint_eq(reading.readable, 1);
    reading_free(&reading);
}
END_TEST

/* The document in UTF-16, code points below 65536. */
static void append_utf16(struct buffer *out, const char *latin1, bool big)
{
    uint8_t mark[] = {big ? 0xfe : 0xff, big ? 0xff : 0xfe};
    buffer_append(out, mark, 2);
    for (; *latin1; latin1++) {
        uint8_t unit[] = {big ? 0 : (uint8_t)*latin1, big ? (uint8_t)*latin1 : 0};
        buffer_append(out, unit, 2);
    }
}

START_TEST(reads_other_encodings)
{
    static const char text[] =
        "<?xml version=\"1.0\" encoding=\"%s\"?>\n" OPEN OBJECT("<bizStep>a\xe4</bizStep>") CLOSE;
    static const char *const names[] = {"ISO-8859-1",   "latin1", "ISO-8859-15",
                                        "windows-1252", "UTF-16", "UTF-16"};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct buffer encoded = {0};
    struct reading reading = {0};
    char document[2000];
    snprintf(document, sizeof document, text, names[_i]);
    if (_i < 4)
        buffer_append_text(&encoded, document);
    else
        append_utf16(&encoded, document, _i == 4);
    reading_run(&reading, &limits, encoded.data, encoded.length, encoded.length);
    ck_assert_msg(reading.err == ERR_OK, "%s", reading.error.data ? (char *)reading.error.data : "");
    ck_assert_str_eq(reading.last->biz_step, "a\xc3\xa4");
    reading_free(&reading);
    check_pieces(encoded.data, encoded.length, &limits);
    buffer_free(&encoded);
}
END_TEST

START_TEST(byte_order_mark_of_utf8)
{
    static const char text[] = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>" OPEN GOOD CLOSE;
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    struct reading reading = {0};
    run_text(&reading, NULL, text);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.readable, 1);
    reading_free(&reading);
    check_pieces(text, sizeof text - 1, &limits);
}
END_TEST

START_TEST(the_sink_can_stop_it)
{
    struct reading reading = {.stop_after = 2};
    run_text(&reading, NULL, OPEN GOOD GOOD GOOD CLOSE);
    ck_assert_int_eq(reading.err, ERR_STOPPED);
    ck_assert_uint_eq(reading.readable, 2);
    reading_free(&reading);
}
END_TEST

/* Hostile in size: each must end quickly in an error, without much memory. */
START_TEST(many_attributes_end_quickly)
{
    struct buffer text = {0};
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    buffer_append_text(&text, OPEN "<ObjectEvent");
    for (int i = 0; i < 100000; i++)
        buffer_printf(&text, " a%d=\"\"", i);
    buffer_append_text(&text, "/>" CLOSE);
    reading_run(&reading, &limits, text.data, text.length, 65536);
    ck_assert_int_eq(reading.err, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "ATTRIBUTES_LIMIT"));
    reading_free(&reading);
    buffer_free(&text);
}
END_TEST

START_TEST(many_names_end_quickly)
{
    struct buffer text = {0};
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    buffer_append_text(&text, OPEN);
    for (int i = 0; i < 100000; i++)
        buffer_printf(&text, "<ObjectEvent><x:name%d/></ObjectEvent>", i);
    buffer_append_text(&text, CLOSE);
    reading_run(&reading, &limits, text.data, text.length, 65536);
    ck_assert_int_eq(reading.err, ERR_LIMIT);
    ck_assert_msg(strstr((char *)reading.error.data, "different names") != NULL, "%s",
                  (char *)reading.error.data);
    reading_free(&reading);
    buffer_free(&text);
}
END_TEST

static const char *const endless[] = {OPEN "<!-- ", OPEN "<?pi ", OPEN "<x", OPEN "<x a=\"", OPEN "</"};

START_TEST(endless_markup_ends)
{
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char *document = swollen(endless[_i], "0123456789abcdef", 1 << 18, "");
    reading_run(&reading, &limits, document, strlen(document), 65536);
    ck_assert_msg(reading.err == ERR_LIMIT || reading.err == ERR_INPUT, "%s", err_name(reading.err));
    reading_free(&reading);
    free(document);
}
END_TEST

/* ---- JSON ---- */

START_TEST(names_in_the_header_last)
{
    struct reading reading = {0};
    run_text(&reading, NULL,
             J_HEAD
             "\"epcisHeader\":{\"x:first\":\"1\",\"x:other\":\"2\"},\"epcisBody\":{\"eventList\":[" J_GOOD
                 J_CLOSE);
    ck_assert_msg(reading.err == ERR_OK, "%s", (char *)reading.error.data);
    ck_assert_uint_eq(reading.document->n_extensions, 2);
    ck_assert_str_eq(reading.document->extensions[0]->local_name, "first");
    ck_assert_str_eq(reading.document->extensions[1]->local_name, "other");
    reading_free(&reading);
}
END_TEST

static const struct {
    const char *event;
    const char *error;
} json_refusals[] = {
    {"{\"type\":\"StrangeEvent\"}", "StrangeEvent is no type of event: ObjectEvent"},
    {"{\"eventTime\":\"2022-01-01T00:00:00Z\"}", "type is missing in an event"},
    {"{\"type\":[\"ObjectEvent\"]}", "type is no text in an event"},
    {"7", "an entry of eventList is no object"},
    {"[]", "an entry of eventList is no object"},
    {J_EVENT("\"unknown\":[]"), "member unknown is not known in ObjectEvent"},
    {J_EVENT("\"unknown\":1"), "member unknown is not known in ObjectEvent"},
    {J_EVENT("\"readPoint\":[{\"id\":\"urn:a\"}]"), "readPoint is an array: an object would be right"},
    {J_EVENT("\"errorDeclaration\":{\"other\":1}"), "/epcisBody/eventList/1/errorDeclaration/other"},
    {J_EVENT("\"readPoint\":\"urn:x\""), "readPoint is a text: an object would be right"},
    {J_EVENT("\"epcList\":\"urn:x\""), "epcList is a text: an array would be right"},
    {J_EVENT("\"sourceList\":{\"type\":\"location\",\"source\":\"a\"}"), "sourceList is an object: an array"},
    {J_EVENT("\"epcList\":[{\"id\":1}]"), "an entry of epcList is an object: a text would be right"},
    {J_EVENT("\"bizTransactionList\":[\"urn:a\"]"), "an entry of bizTransactionList is a text: an object"},
    {J_EVENT("\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\",\"own\":{}}]},{\"sensorReport\":["
             "{\"type\":\"Count\",\"value\":{}}]}]"),
     "/epcisBody/eventList/1/sensorElementList/1/sensorReport/0/value"},
    {J_EVENT("\"BizStep\":\"a\""), "member BizStep is not known in ObjectEvent: bizStep would be right"},
    {J_EVENT("\"bizStep\":\"a\",\"bizStep\":\"b\""), "bizStep stands here a second time"},
    {J_EVENT("\"bizStep\":[\"a\",\"b\"]"), "bizStep stands here a second time"},
    {J_EVENT("\"epcList\":[],\"epcList\":[]"), "epcList stands here a second time"},
    {J_EVENT("\"bizStep\":\"a\\u0000b\""), "character NUL"},
    {J_EVENT("\"x:a\\u0000b\":1"), "character NUL"},
    {J_EVENT("\"bizStep\":\"a\\ude00b\""), "a text is no Unicode"},
    {J_EVENT("\"epcList\":[\"urn:a\",\"urn:\\u0000b\"]"), "character NUL"},
    {J_EVENT("\"epcList\":[\"urn:a\",\"urn:\\ude00\"]"), "a text is no Unicode"},
    {J_EVENT("\"epcList\":[\"urn:a\",\"urn:\xed\xa0\x80\"]"), "a text is no Unicode"},
    {J_EVENT("\"bizStep\":\"a\xed\xa0\x80\""), "a text is no Unicode"},
    {J_EVENT("\"bizStep\":\"\xc0\x80\""), "a text is no Unicode"},
    {J_EVENT("\"bizStep\":\"\xf4\x90\x80\x80\""), "a text is no Unicode"},
    {J_EVENT("\"x:a\":{\"b\":[\"\xf5\x80\x80\x80\"]}"), "a text is no Unicode"},
    {J_EVENT("\"x:a\xed\xa0\x80\":1"), "a text is no Unicode"},
    {J_EVENT("\"x:a\\ude00\":1"), "a text is no Unicode"},
};

START_TEST(json_refuses_one_event_and_goes_on)
{
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char document[2000];
    snprintf(document, sizeof document, "%s%s,%s,%s%s", J_OPEN, J_GOOD, json_refusals[_i].event, J_GOOD,
             J_CLOSE);
    run_text(&reading, NULL, document);
    ck_assert_msg(reading.err == ERR_OK, "%s", reading.error.data ? (char *)reading.error.data : "");
    ck_assert_uint_eq(reading.readable, 2);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_msg(strstr((char *)reading.error.data, json_refusals[_i].error) != NULL, "%s",
                  (char *)reading.error.data);
    reading_free(&reading);
    check_pieces(document, strlen(document), &limits);
}
END_TEST

/* Valid by their first half, told by their second: the schema's kinds of values. */
static const struct {
    const char *right, *wrong;
} json_kinds[] = {
    {"\"bizStep\":\"a\"", "\"bizStep\":1"},
    {"\"bizStep\":\"a\"", "\"bizStep\":null"},
    {"\"bizStep\":\"a\"", "\"bizStep\":[\"a\"]"},
    {"\"epcList\":[\"urn:a\"]", "\"epcList\":[\"urn:a\",1]"},
    {"\"epcList\":[]", "\"epcList\":null"},
    {"\"certificationInfo\":\"urn:a\"", "\"certificationInfo\":1"},
    {"\"certificationInfo\":[\"urn:a\",\"urn:b\"]", "\"certificationInfo\":[\"urn:a\",true]"},
    {"\"quantityList\":[{\"quantity\":1}]", "\"quantityList\":[{\"quantity\":\"1\"}]"},
    {"\"quantityList\":[{\"epcClass\":\"urn:a\"}]", "\"quantityList\":[{\"x:y\":\"1\"}]"},
    {"\"errorDeclaration\":{\"declarationTime\":\"2022-01-01T00:00:00Z\"}", "\"errorDeclaration\":{}"},
    {"\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\"}]}]",
     "\"sensorElementList\":[{\"sensorReport\":[{\"value\":1}]}]"},
    {"\"persistentDisposition\":{\"set\":[\"a\"]}", "\"persistentDisposition\":{\"set\":\"a\"}"},
    {"\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\",\"booleanValue\":true}]}]",
     "\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\",\"booleanValue\":\"true\"}]}]"},
    {"\"sensorElementList\":[{\"sensorReport\":[{\"type\":\"Count\",\"value\":1e3}]}]",
     "\"sensorElementList\":[{\"sensorReport\":{\"type\":\"Count\",\"value\":1e3}}]"},
};

START_TEST(json_tells_values_of_another_kind)
{
    char event[500];
    snprintf(event, sizeof event, "{\"type\":\"ObjectEvent\",%s}", json_kinds[_i].right);
    ck_assert_uint_eq(noted_between(J_OPEN, event, J_CLOSE), 0);
    snprintf(event, sizeof event, "{\"type\":\"ObjectEvent\",%s}", json_kinds[_i].wrong);
    ck_assert_uint_eq(noted_between(J_OPEN, event, J_CLOSE), 1);
}
END_TEST

/* However a list of texts is written: in an event, unless it is refused there, and in an extension. */
static const struct {
    const char *list, *texts;
    bool refused;
} lists_of_epcs[] = {
    {"[]", "", false},
    {"[\"a\"]", "a ", false},
    {"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]", "a b c d e f g h i ", false},
    {"[\"a\",1,\"b\",\"c\"]", "a 1 b c ", true},
    {"[\"a\",\"b\",[\"c\",\"d\"],\"e\"]", "a b c d e ", true},
    {"[[\"a\",\"b\"]]", "a b ", true},
    {"[\"a\",\" b\\n\",\"\\u0063\"]", "a b c ", false},
    {"[\"a\",\"\",\" \"]", "a   ", false},
};

START_TEST(json_reads_lists_of_epcs)
{
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char document[2000], listed[200] = "", own[200] = "";
    snprintf(document, sizeof document,
             J_OPEN J_EVENT("\"epcList\":%s") "," J_EVENT("\"x:own\":{\"childEPCs\":%s}") J_CLOSE,
             lists_of_epcs[_i].list, lists_of_epcs[_i].list);
    check_pieces(document, strlen(document), &limits);
    reading.stop_after = 1;
    run_text(&reading, NULL, document);
    ck_assert_uint_eq(reading.refused, lists_of_epcs[_i].refused);
    for (size_t i = 0; i < reading.last->n_epc_list; i++)
        sprintf(listed + strlen(listed), "%s ", reading.last->epc_list[i]);
    if (!lists_of_epcs[_i].refused)
        ck_assert_str_eq(listed, lists_of_epcs[_i].texts);
    reading_free(&reading);
    reading = (struct reading){0};
    run_text(&reading, NULL, document);
    for (size_t i = 0; i < reading.last->n_extensions; i++)
        if (reading.last->extensions[i]->depth == 1)
            sprintf(own + strlen(own), "%s ", reading.last->extensions[i]->text);
    ck_assert_str_eq(own, lists_of_epcs[_i].texts);
    reading_free(&reading);
}
END_TEST

/* Where a JSON name comes twice the last counts elsewhere; here a person is told. */
START_TEST(json_reads_an_event_with_two_ids)
{
    static const char event[] = J_EVENT("\"eventID\":\"urn:a\",\"eventID\":\"urn:b\"");
    ck_assert_uint_eq(noted_between(J_OPEN, event, J_CLOSE), 1);
    ck_assert_uint_eq(noted_between(J_OPEN, J_EVENT("\"eventID\":\"urn:a\""), J_CLOSE), 0);
}
END_TEST

static const struct {
    const char *document;
    uint64_t events;
    const char *error;
} json_breaks[] = {
    {"{", 0, "cut off"},
    {"[]", 0, "the document is an array"},
    {"{}", 0, "type is missing"},
    {"{\"type\":\"Other\"}", 0, "type is Other"},
    {"{\"type\":\"EPCISDocument\"}", 0, "no epcisBody"},
    {"{\"type\":\"EPCISDocument\",\"epcisHeader\":{}}", 0, "no epcisBody"},
    {"{\"type\":\"EPCISDocument\",\"epcisBody\":{\"eventList\":[]}}", 0, "no @context"},
    {"{\"@context\":[],\"type\":\"EPCISDocument\",\"schemaVersion\":\"3.0\",\"epcisBody\":{}}", 0,
     "schemaVersion"},
    {J_HEAD "\"epcisBody\":{\"events\":[]}}", 0, "events is not known in epcisBody"},
    {J_HEAD "\"epcisBody\":[]}", 0, "epcisBody is no object"},
    {J_HEAD "\"epcisBody\":null}", 0, "epcisBody is no object"},
    {J_HEAD "\"epcisBody\":{}}", 0, "epcisBody has no eventList"},
    {J_HEAD "\"epcisBody\":{\"x:a\":1}}", 0, "epcisBody has no eventList"},
    {J_HEAD "\"epcisBody\":{\"eventList\":null}}", 0, "eventList is no array"},
    {J_HEAD "\"epcisHeader\":null,\"epcisBody\":{\"eventList\":[]}}", 0, "epcisHeader is no object"},
    {"{\"epcisBody\":{},\"@context\":[],\"type\":\"EPCISDocument\"}", 0, "epcisBody has no eventList"},
    {"{\"@context\":[],\"type\":\"EPCISQueryDocument\",\"epcisBody\":{}}", 0,
     "epcisBody has no queryResults"},
    {"{\"@context\":[],\"type\":\"EPCISQueryDocument\",\"epcisBody\":{\"queryResults\":{\"queryName\":\"a\"}}"
     "}",
     0, "queryResults has no resultsBody"},
    {"{\"@context\":[],\"type\":\"EPCISQueryDocument\",\"epcisBody\":{\"queryResults\":{\"resultsBody\":{}}}"
     "}",
     0, "resultsBody has no eventList"},
    {"{\"@context\":null,\"type\":\"EPCISDocument\",\"epcisBody\":{\"eventList\":[]}}", 0, "no @context"},
    {"{\"@context\":7,\"type\":\"EPCISDocument\",\"epcisBody\":{\"eventList\":[]}}", 0, "no @context"},
    {J_HEAD "\"epcisBody\":{\"eventList\":{}}}", 0, "eventList is no array"},
    {J_HEAD "\"epcisBody\":{\"eventList\":1}}", 0, "eventList is no array"},
    {J_HEAD "\"epcisBody\":{\"eventList\":[]},\"epcisBody\":{}}", 0, "epcisBody stands here a second time"},
    {J_OPEN J_GOOD, 1, "cut off"},
    {J_OPEN J_GOOD ",", 1, "cut off"},
    {J_OPEN J_GOOD ",]}}", 1, "not well-formed JSON"},
    {J_OPEN J_GOOD J_CLOSE "x", 1, "not well-formed JSON"},
    {J_OPEN J_GOOD J_CLOSE "{}", 1, "not well-formed JSON"},
    {J_OPEN J_GOOD ",{\"type\":\"\xff\"}" J_CLOSE, 1, "not well-formed JSON"},
    {J_OPEN J_GOOD ",{/* */}" J_CLOSE, 1, "not well-formed JSON"},
    {J_OPEN J_GOOD ",{'type':1}" J_CLOSE, 1, "not well-formed JSON"},
};

START_TEST(json_breaks_end_the_document)
{
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    run_text(&reading, NULL, json_breaks[_i].document);
    ck_assert_int_eq(reading.err, ERR_INPUT);
    ck_assert_uint_eq(reading.readable, json_breaks[_i].events);
    ck_assert_msg(strstr((char *)reading.error.data, json_breaks[_i].error) != NULL, "%s",
                  (char *)reading.error.data);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "would be right"));
    reading_free(&reading);
    check_pieces(json_breaks[_i].document, strlen(json_breaks[_i].document), &limits);
}
END_TEST

static const struct {
    const char *before, *piece;
    size_t count;
    const char *after;
    enum err err;
    uint64_t refused;
    const char *error;
} json_swellings[] = {
    {J_OPEN "{\"type\":\"ObjectEvent\",\"bizStep\":\"", "0123456789", 101, "\"}," J_GOOD J_CLOSE, ERR_OK, 1,
     "TEXT_LIMIT"},
    {J_OPEN "{\"type\":\"ObjectEvent\",\"epcList\":[\"1\"", ",\"2\"", 5, "]}," J_GOOD J_CLOSE, ERR_OK, 1,
     "EPCS_LIMIT"},
    {J_OPEN "{\"type\":\"ObjectEvent\",\"x:a\":[1", ",2", 5, "]}," J_GOOD J_CLOSE, ERR_OK, 1,
     "EXTENSION_LIMIT"},
    {J_OPEN "{\"type\":\"ObjectEvent\",\"x:a\":[1", ",2", 5000, "]}," J_GOOD J_CLOSE, ERR_OK, 1,
     "EVENT_MEMORY_LIMIT"},
    {J_OPEN J_GOOD ",", "[", 20, "", ERR_LIMIT, 0, "DEPTH_LIMIT"},
    {J_OPEN J_GOOD, "," J_GOOD, 5, J_CLOSE, ERR_LIMIT, 0, "EVENTS_LIMIT"},
    {"{\"a\":[1", ",2", 5000, "]}", ERR_LIMIT, 0, "EVENT_MEMORY_LIMIT"},
    {"{\"a\":\"", "0123456789", 100000, "\"}", ERR_LIMIT, 0, "_LIMIT"},
};

START_TEST(json_caps)
{
    struct reading reading = {0};
    struct parser_limits limits = limits_small();
    char *document = swollen(json_swellings[_i].before, json_swellings[_i].piece, json_swellings[_i].count,
                             json_swellings[_i].after);
    run_text(&reading, &limits, document);
    ck_assert_msg(reading.err == json_swellings[_i].err, "%s", err_name(reading.err));
    ck_assert_uint_eq(reading.refused, json_swellings[_i].refused);
    ck_assert_msg(strstr((char *)reading.error.data, json_swellings[_i].error) != NULL, "%s",
                  (char *)reading.error.data);
    reading_free(&reading);
    free(document);
}
END_TEST

START_TEST(json_terms_are_capped)
{
    struct buffer text = {0};
    struct reading reading = {0};
    buffer_append_text(&text, J_OPEN J_GOOD ",{\"type\":\"ObjectEvent\",\"@context\":{\"a\":\"b\"");
    for (int i = 0; i < 300; i++)
        buffer_printf(&text, ",\"p%d\":\"urn:%d\"", i, i);
    buffer_append_text(&text, "}}," J_GOOD J_CLOSE);
    buffer_append(&text, "", 1);
    run_text(&reading, NULL, (char *)text.data);
    ck_assert_int_eq(reading.err, ERR_OK);
    ck_assert_uint_eq(reading.readable, 2);
    ck_assert_uint_eq(reading.refused, 1);
    ck_assert_ptr_nonnull(strstr((char *)reading.error.data, "256 terms"));
    reading_free(&reading);
    buffer_free(&text);
}
END_TEST

START_TEST(json_fills_document_and_nodes)
{
    size_t bytes;
    struct reading reading = {0};
    struct parser_limits limits = PARSER_LIMITS_DEFAULT;
    char *data = reading_file(FIXTURES "/epcis/kinds-json20.json", &bytes);
    reading_run(&reading, &limits, data, bytes, bytes);
    ck_assert_int_eq(reading.document->format, EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_JSON_2);
    ck_assert_int_eq(reading.document->kind, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT);
    ck_assert_str_eq(reading.document->sender, "urn:epc:id:sgln:9520000.00001.0");
    ck_assert_str_eq(reading.document->receiver, "9520002000019");
    ck_assert_str_eq(reading.document->instance_identifier, "i1");
    const Epcis__V1__Event *event = reading.last;
    ck_assert_uint_eq(event->n_extensions, 10);
    ck_assert_str_eq(event->extensions[1]->namespace_uri, "urn:own:");
    ck_assert_str_eq(event->extensions[1]->prefix, "own");
    ck_assert_str_eq(event->extensions[1]->text, "1");
    ck_assert_int_eq(event->extensions[1]->value_type, EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NUMBER);
    ck_assert(event->extensions[1]->in_array);
    ck_assert_int_eq(event->extensions[3]->value_type, EPCIS__V1__VALUE_TYPE__VALUE_TYPE_BOOLEAN);
    ck_assert_int_eq(event->extensions[4]->value_type, EPCIS__V1__VALUE_TYPE__VALUE_TYPE_NULL);
    ck_assert_str_eq(event->extensions[6]->namespace_uri, "urn:inner:");
    ck_assert_uint_eq(event->extensions[6]->depth, 1);
    ck_assert_str_eq(event->extensions[7]->local_name, "unknown:prefix");
    ck_assert_str_eq(event->extensions[8]->namespace_uri, "urn:x:");
    reading_free(&reading);
    free(data);
}
END_TEST

/* More keys than are kept, in every event again; one event means something else by one of them. */
START_TEST(json_reads_keys_with_prefixes)
{
    enum { KEYS = 80, EVENTS = 3, OTHER = 7 };
    struct buffer text = {0};
    buffer_append_text(&text, J_OPEN);
    for (int i = 0; i < EVENTS; i++) {
        buffer_printf(&text, "%s{\"type\":\"ObjectEvent\"", i > 0 ? "," : "");
        if (i == 1)
            buffer_append_text(&text, ",\"@context\":{\"cbvmda\":\"urn:own:\"}");
        for (int key = 0; key < KEYS; key++)
            buffer_printf(&text, ",\"%s:k%d\":\"%d\"", key == OTHER ? "none" : "cbvmda", key, key);
        buffer_append_text(&text, "}");
        buffer_append_text(&text, i < EVENTS - 1 ? "" : J_CLOSE);
        struct buffer whole = {0};
        struct reading reading = {0};
        buffer_append(&whole, text.data, text.length);
        buffer_append_text(&whole, i < EVENTS - 1 ? J_CLOSE : "");
        buffer_append(&whole, "", 1);
        run_text(&reading, NULL, (char *)whole.data);
        ck_assert_int_eq(reading.err, ERR_OK);
        ck_assert_uint_eq(reading.last->n_extensions, KEYS);
        for (int key = 0; key < KEYS; key++) {
            const Epcis__V1__Node *node = reading.last->extensions[key];
            char local[32];
            snprintf(local, sizeof local, "%sk%d", key == OTHER ? "none:" : "", key);
            ck_assert_str_eq(node->local_name, local);
            ck_assert_str_eq(node->prefix, key == OTHER ? "" : "cbvmda");
            ck_assert_str_eq(node->namespace_uri, key == OTHER ? ""
                                                  : i == 1     ? "urn:own:"
                                                               : "urn:epcglobal:cbv:mda:");
        }
        reading_free(&reading);
        buffer_free(&whole);
    }
    buffer_free(&text);
}
END_TEST

START_TEST(json_tells_where_events_stand)
{
    struct reading reading = {0};
    char expected[200];
    run_text(&reading, NULL, J_OPEN "\n\n" J_GOOD ",\n " J_GOOD J_CLOSE);
    size_t first = strlen(J_OPEN) + 2, second = first + strlen(J_GOOD) + 3;
    snprintf(expected, sizeof expected, "event 0 line 3 at %zu+%zu\n", first, strlen(J_GOOD));
    ck_assert_msg(strstr((char *)reading.text.data, expected) != NULL, "%s", (char *)reading.text.data);
    snprintf(expected, sizeof expected, "event 1 line 4 at %zu+%zu\n", second, strlen(J_GOOD));
    ck_assert_ptr_nonnull(strstr((char *)reading.text.data, expected));
    reading_free(&reading);
    /* The same where the context comes last. */
    run_text(&reading, NULL,
             "{\"epcisBody\":{\"eventList\":[\n" J_GOOD "]},\"type\":\"EPCISDocument\",\n\"@context\":[]}");
    snprintf(expected, sizeof expected, "event 0 line 2 at 28+%zu\n", strlen(J_GOOD));
    ck_assert_msg(strstr((char *)reading.text.data, expected) != NULL, "%s", (char *)reading.text.data);
    reading_free(&reading);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epcis_parser");
    TCase *tests = tcase_create("epcis_parser");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, pieces_equal_the_whole, 0, ROWS(fixtures));
    tcase_add_test(tests, tells_where_events_stand);
    tcase_add_test(tests, tells_elements_that_are_out_of_order);
    tcase_add_test(tests, tells_what_the_schemas_have_no_place_for);
    tcase_add_loop_test(tests, tells_what_stands_outside_of_extensions, 0, ROWS(extended_1));
    tcase_add_loop_test(tests, refuses_one_event_and_goes_on, 0, ROWS(refusals));
    tcase_add_loop_test(tests, caps_of_one_event, 0, ROWS(event_caps));
    tcase_add_test(tests, just_within_the_caps);
    tcase_add_loop_test(tests, caps_of_the_document, 0, ROWS(swellings));
    tcase_add_test(tests, memory_of_one_event_is_capped);
    tcase_add_loop_test(tests, breaks_end_the_document, 0, ROWS(breaks));
    tcase_add_test(tests, errors_tell_path_and_line);
    tcase_add_test(tests, keeps_what_rules_shall_judge);
    tcase_add_test(tests, words_stand_bare);
    tcase_add_test(tests, extension_trees_keep_their_shape);
    tcase_add_test(tests, reads_header_and_master_data);
    tcase_add_test(tests, hands_on_vocabulary_elements);
    tcase_add_test(tests, reads_query_documents_and_bare_events);
    tcase_add_loop_test(tests, reads_other_encodings, 0, 6);
    tcase_add_test(tests, byte_order_mark_of_utf8);
    tcase_add_test(tests, the_sink_can_stop_it);
    tcase_add_test(tests, many_attributes_end_quickly);
    tcase_add_test(tests, many_names_end_quickly);
    tcase_add_loop_test(tests, endless_markup_ends, 0, ROWS(endless));
    tcase_add_test(tests, json_reads_an_event_with_two_ids);
    tcase_add_loop_test(tests, json_tells_values_of_another_kind, 0, ROWS(json_kinds));
    tcase_add_loop_test(tests, json_reads_lists_of_epcs, 0, ROWS(lists_of_epcs));
    tcase_add_loop_test(tests, json_refuses_one_event_and_goes_on, 0, ROWS(json_refusals));
    tcase_add_loop_test(tests, json_breaks_end_the_document, 0, ROWS(json_breaks));
    tcase_add_loop_test(tests, json_caps, 0, ROWS(json_swellings));
    tcase_add_test(tests, json_terms_are_capped);
    tcase_add_test(tests, json_fills_document_and_nodes);
    tcase_add_test(tests, json_reads_keys_with_prefixes);
    tcase_add_test(tests, names_in_the_header_last);
    tcase_add_test(tests, json_tells_where_events_stand);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
