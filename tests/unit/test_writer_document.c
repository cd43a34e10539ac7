/* What of a document itself, around its events, is written in another syntax, and what is named because it
 * cannot be. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"

static enum err take_bytes(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return ERR_OK;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    return writer_document(context, document);
}

static enum err take_late(void *context, const Epcis__V1__Document *fields)
{
    return writer_late(context, fields);
}

static enum err take_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    const char *reason;
    enum err err = writer_vocabulary_element(context, element, &reason);
    return err == ERR_INPUT && reason ? ERR_OK : err;
}

static enum err take_event(void *context, const struct parser_event *event)
{
    const char *reason;
    ck_assert_msg(!event->error, "%s", event->error ? event->error->message : "");
    return writer_event(context, event->event, &reason);
}

/* The document in the format, with a NUL behind it; what was left out is appended to `left_out`. */
static struct buffer write_as(const char *text, enum writer_format format, struct buffer *left_out)
{
    struct buffer out = {0};
    struct writer *writer = NULL;
    struct parser *parser = NULL;
    ck_assert_int_eq(writer_open(format, take_bytes, &out, &writer), ERR_OK);
    struct parser_sink sink = {writer, take_document, take_element, take_event, take_late};
    ck_assert_int_eq(parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser), ERR_OK);
    enum err err = parser_feed(parser, text, strlen(text));
    if (!err)
        err = parser_finish(parser);
    ck_assert_msg(err == ERR_OK, "%s in %s", parser_error(parser)->message, text);
    if (writer_left_out(writer))
        buffer_append_text(left_out, writer_left_out(writer));
    ck_assert_int_eq(writer_finish(writer), ERR_OK);
    buffer_append(&out, "", 1);
    writer_close(&writer);
    parser_close(&parser);
    return out;
}

/* `wanted` stands in what is written, `reason` in what is left out, each NULL for nothing; read again it is
 * written in the same way. */
static void check(const char *text, enum writer_format format, const char *wanted, const char *reason)
{
    struct buffer left_out = {0}, none = {0};
    struct buffer out = write_as(text, format, &left_out);
    struct buffer again = write_as((char *)out.data, format, &none);
    buffer_append(&left_out, "", 1);
    if (wanted)
        ck_assert_msg(strstr((char *)out.data, wanted) != NULL, "wanted: %s\n%s", wanted, (char *)out.data);
    if (reason)
        ck_assert_msg(strstr((char *)left_out.data, reason) != NULL, "%s of %s", (char *)left_out.data, text);
    else
        ck_assert_str_eq((char *)left_out.data, "");
    ck_assert_uint_eq(none.length, 0);
    ck_assert_str_eq((char *)again.data, (char *)out.data);
    buffer_free(&left_out);
    buffer_free(&out);
    buffer_free(&again);
}

#define XML(root, header, behind_list, behind_body)                                                          \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:2' xmlns:x='urn:x' "                                  \
    "xmlns:sbdh='http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader' schemaVersion='2.0'" \
    " creationDate='2025-01-01T00:00:00Z' " root ">" header "<EPCISBody><EventList><ObjectEvent><eventTime>" \
    "2025-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList/>"            \
    "<action>OBSERVE</action></ObjectEvent></EventList>" behind_list "</EPCISBody>" behind_body              \
    "</e:EPCISDocument>"
#define QUERY(behind_body)                                                                                   \
    "<q:EPCISQueryDocument xmlns:q='urn:epcglobal:epcis-query:xsd:2' xmlns:x='urn:x' schemaVersion='2.0' "   \
    "creationDate='2025-01-01T00:00:00Z'><EPCISBody><q:QueryResults><queryName>SimpleEventQuery</queryName>" \
    "<subscriptionID>s1</subscriptionID><resultsBody><EventList/></resultsBody></q:QueryResults>"            \
    "</EPCISBody>" behind_body "</q:EPCISQueryDocument>"
#define CONTEXT                                                                                              \
    "\"@context\":[\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\",{\"x\":\"urn:x\","     \
    "\"b\":\"http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader\"}],"                     \
    "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\""
#define JSON(before, behind)                                                                                 \
    "{" CONTEXT before ",\"epcisBody\":{\"eventList\":[{\"type\":\"ObjectEvent\",\"eventTime\":"             \
    "\"2025-01-01T00:00:00Z\",\"eventTimeZoneOffset\":\"+00:00\",\"epcList\":[],\"action\":\"OBSERVE\"}]"    \
    "}" behind "}"
#define DATE          ",\"creationDate\":\"2025-01-01T00:00:00Z\""
#define HEADER(parts) ",\"epcisHeader\":{\"b:StandardBusinessDocumentHeader\":{" parts "}}"
#define PARTNERS      "\"b:Sender\":{\"b:Identifier\":\"1\"},\"b:Receiver\":{\"b:Identifier\":\"2\"}"

START_TEST(extensions_of_the_document_are_kept)
{
    check(XML("",
              "<EPCISHeader><extension><extension><own>1<more/></own></extension></extension></EPCISHeader>",
              "", ""),
          WRITER_XML_2,
          "</EPCISBody>\n<extension><own>1<more></more></own></extension></epcis:EPCISDocument>", NULL);
    check(XML("", "", "<extension><own>1<more/></own></extension>", ""), WRITER_XML_1,
          "</EPCISBody>\n<extension><own>1<more></more></own></extension></epcis:EPCISDocument>", NULL);
    check(
        XML("", "", "", "<extension><own>1<more/></own></extension><x:own><x:a b='1'>2</x:a></x:own>"),
        WRITER_XML_2,
        "</EPCISBody>\n<extension><own>1<more></more></own></extension><x:own><x:a b=\"1\">2</x:a></x:own></",
        NULL);
    check(XML("",
              "<EPCISHeader><extension><extension><own>1<more/></own></extension></extension></EPCISHeader>",
              "", "<extension><own/></extension>"),
          WRITER_XML_2, "<extension><own>1<more></more></own><own></own></extension></", NULL);
    check(XML("x:c='d'", "<EPCISHeader><x:own><x:a b='1'>2</x:a></x:own></EPCISHeader>", "<x:own/>", ""),
          WRITER_XML_2, " x:c=\"d\">", NULL);
    check(QUERY("<x:own><x:a/></x:own>"), WRITER_XML_2,
          "</EPCISBody>\n<x:own><x:a></x:a></x:own></epcisq:EPCISQueryDocument>", NULL);
    check(QUERY("<x:own><x:a/></x:own>"), WRITER_JSON_2, "\"x:own\":{\"x:a\":\"\"}", NULL);
    check(XML("", "", "", "<x:own><x:a b='1'>2</x:a></x:own>"), WRITER_JSON_2,
          "]},\"x:own\":{\"x:a\":{\"#text\":\"2\",\"b\":\"1\"}}}", NULL);
    check(XML("", "", "", "<y:own xmlns:y='urn:y'/>"), WRITER_JSON_2, NULL, "declared nowhere before them");
    check(XML("", "", "", "<extension><own/></extension>"), WRITER_JSON_2, NULL, "without a namespace");
    check(XML("", "", "", "<x:own><x:a/>b</x:own>"), WRITER_JSON_2, NULL, "text between its elements");
    check(JSON(DATE, ",\"x:own\":{\"x:a\":[1,2]}"), WRITER_XML_2,
          "</EPCISBody>\n<x:own><x:a>1</x:a><x:a>2</x:a></x:own></", NULL);
}
END_TEST

/* Members of JSON have no order. */
START_TEST(what_stands_behind_the_events_is_kept_or_named)
{
    check(JSON("", DATE ",\"sender\":\"1\""), WRITER_JSON_2,
          "]},\"creationDate\":\"2025-01-01T00:00:00Z\",\"sender\":\"1\"}", NULL);
    check(JSON("", DATE), WRITER_XML_2, NULL, "creationDate, sender or the like behind the events");
    check(JSON(DATE, HEADER(PARTNERS)), WRITER_XML_2, NULL, "Header behind the events");
    check(JSON(DATE, ",\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[{\"type\":\"urn:v\","
                     "\"vocabularyElementList\":[{\"id\":\"urn:a\"}]}]}}"),
          WRITER_JSON_2, "\"action\":\"OBSERVE\"}]}}", NULL);
}
END_TEST

#define VOCABULARY(attribute)                                                                                \
    "<EPCISHeader><extension><EPCISMasterData><VocabularyList><Vocabulary type='urn:v'>"                     \
    "<VocabularyElementList><VocabularyElement id='urn:e'>" attribute "</VocabularyElement>"                 \
    "</VocabularyElementList></Vocabulary></VocabularyList></EPCISMasterData></extension></EPCISHeader>"

/* Its type in the XSDs is mixed. */
START_TEST(master_data_keeps_its_texts)
{
    check(XML("", VOCABULARY("<attribute id='urn:a' x:b='1'>2</attribute>"), "", ""), WRITER_XML_2,
          "<attribute id=\"urn:a\" x:b=\"1\">2</attribute>", NULL);
    check(XML("", VOCABULARY("<attribute id='urn:a' x:b='1'>2</attribute>"), "", ""), WRITER_JSON_2,
          "\"attribute\":{\"#text\":\"2\",\"x:b\":\"1\"}", NULL);
    check(XML("", VOCABULARY("<attribute id='urn:a'>1<x:b/>2<x:b/>3</attribute>"), "", ""), WRITER_XML_2,
          "<attribute id=\"urn:a\">1<x:b></x:b>2<x:b></x:b>3</attribute>", NULL);
    check(XML("", VOCABULARY("<attribute id='urn:a'>1<x:b/>2</attribute>"), "", ""), WRITER_JSON_2,
          "\"epcisBody\"", NULL);
}
END_TEST

#define RESULTS(header, name, results)                                                                       \
    "<q:EPCISQueryDocument xmlns:q='urn:epcglobal:epcis-query:xsd:1' schemaVersion='1.2' "                   \
    "creationDate='2025-01-01T00:00:00Z'>" header "<EPCISBody><q:QueryResults><queryName>" name              \
    "</queryName><subscriptionID>s</subscriptionID><resultsBody>" results "</resultsBody></q:QueryResults>"  \
    "</EPCISBody></q:EPCISQueryDocument>"
#define LIST                                                                                                 \
    "<VocabularyList><Vocabulary type='urn:v'><VocabularyElementList><VocabularyElement id='urn:e'/>"        \
    "</VocabularyElementList></Vocabulary></VocabularyList>"

START_TEST(results_of_a_query_for_master_data_are_kept)
{
    static const char
        text[] = RESULTS("", "SimpleMasterDataQuery", LIST),
        empty[] = RESULTS("", "SimpleMasterDataQuery", "<VocabularyList/>"),
        written[] = "<queryName>SimpleMasterDataQuery</queryName><subscriptionID>s</subscriptionID>"
                    "<resultsBody><VocabularyList>\n<Vocabulary type=\"urn:v\"><VocabularyElementList>\n"
                    "<VocabularyElement id=\"urn:e\"></VocabularyElement>\n</VocabularyElementList>"
                    "</Vocabulary>\n</VocabularyList></resultsBody>";
    check(text, WRITER_XML_1, written, NULL);
    check(text, WRITER_XML_2, written, NULL);
    check(text, WRITER_JSON_2,
          "\"queryName\":\"SimpleMasterDataQuery\",\"subscriptionID\":\"s\",\"resultsBody\":{"
          "\"vocabularyList\":[\n"
          "{\"type\":\"urn:v\",\"vocabularyElementList\":[\n{\"id\":\"urn:e\"}]}],\"eventList\":[]}}}}",
          NULL);
    check(empty, WRITER_XML_1, "<resultsBody><VocabularyList></VocabularyList></resultsBody>", NULL);
}
END_TEST

/* It stands behind the master data of the header. */
START_TEST(a_query_with_master_data_keeps_its_name)
{
    static const char text[] = RESULTS("<EPCISHeader><extension><EPCISMasterData>" LIST
                                       "</EPCISMasterData></extension></EPCISHeader>",
                                       "Mine", "<EventList/>");
    check(text, WRITER_XML_2,
          "<queryName>Mine</queryName><subscriptionID>s</subscriptionID><resultsBody><EventList>", NULL);
    check(text, WRITER_JSON_2,
          "\"queryName\":\"Mine\",\"subscriptionID\":\"s\",\"resultsBody\":{\"eventList\":[", NULL);
}
END_TEST

/* What is late must not hang on whether there are events. */
START_TEST(documents_without_events_are_like_others)
{
    static const char empty[] = "{" CONTEXT DATE ",\"epcisBody\":{\"eventList\":[]},\"x:a\":\"1\"}";
    check(empty, WRITER_JSON_2, "]},\"x:a\":\"1\"}", NULL);
    check(empty, WRITER_XML_2, "</EPCISBody>\n<x:a>1</x:a></", NULL);
}
END_TEST

#define FIXED                                                                                                \
    "<sbdh:StandardBusinessDocumentHeader><sbdh:HeaderVersion>1.0</sbdh:HeaderVersion>"                      \
    "<sbdh:Sender><sbdh:Identifier>1</sbdh:Identifier></sbdh:Sender>"                                        \
    "<sbdh:Receiver><sbdh:Identifier>2</sbdh:Identifier></sbdh:Receiver><sbdh:DocumentIdentification>"       \
    "<sbdh:Standard>EPCglobal</sbdh:Standard><sbdh:TypeVersion>1.0</sbdh:TypeVersion>"                       \
    "<sbdh:InstanceIdentifier>i</sbdh:InstanceIdentifier><sbdh:Type>Events</sbdh:Type>"                      \
    "<sbdh:CreationDateAndTime>2025-01-01T00:00:00Z</sbdh:CreationDateAndTime>"                              \
    "</sbdh:DocumentIdentification></sbdh:StandardBusinessDocumentHeader></EPCISHeader>"
#define WHO ",\"instanceIdentifier\":\"i\",\"sender\":\"1\",\"receiver\":\"2\""

START_TEST(the_business_header_is_completed_or_named)
{
    check(JSON(DATE WHO, ""), WRITER_XML_2, FIXED, NULL);
    check(JSON(DATE WHO HEADER(""), ""), WRITER_XML_2, FIXED, NULL);
    check(JSON(DATE ",\"instanceIdentifier\":\"i\"" HEADER(PARTNERS), ""), WRITER_XML_1, FIXED, NULL);
    check(JSON(DATE WHO HEADER("\"b:Sender\":[],\"b:DocumentIdentification\":\"text\""), ""), WRITER_XML_2,
          FIXED, NULL);
    check(JSON(DATE WHO HEADER("\"b:DocumentIdentification\":{\"b:CreationDateAndTime\":\"soon\"}"), ""),
          WRITER_XML_2, FIXED, "CreationDateAndTime that is no time");
    check(JSON(DATE WHO HEADER("\"b:DocumentIdentification\":{\"b:MultipleType\":\"some\"}"), ""),
          WRITER_XML_2, FIXED, "MultipleType");
    check(JSON(DATE WHO HEADER("\"b:Manifest\":{\"b:NumberOfItems\":1}"), ""), WRITER_XML_2, FIXED,
          "a Manifest");
    check(JSON(DATE HEADER("\"b:Receiver\":{\"b:Identifier\":\"2\"}"), ""), WRITER_XML_2, "\n<EPCISBody>",
          "without Sender");
    check(JSON(DATE HEADER("\"b:Sender\":{\"b:Identifier\":\"2\"}"), ""), WRITER_XML_2, NULL,
          "without Receiver");
    check(JSON(HEADER(PARTNERS), ""), WRITER_XML_2, NULL, "without CreationDateAndTime");
    check(JSON(DATE HEADER(
                   "\"b:Sender\":{\"b:Identifier\":\"1\",\"b:ContactInformation\":{\"b:FaxNumber\":\"3\"}},"
                   "\"b:Receiver\":{\"b:Identifier\":\"2\"}"),
               ""),
          WRITER_XML_2, "<sbdh:Contact></sbdh:Contact><sbdh:FaxNumber>3", NULL);
}
END_TEST

START_TEST(control_characters_outside_of_events_are_named)
{
    static const char *const documents[] = {
        JSON(DATE ",\"x:own\":\"a\\u0001b\"", ""),
        JSON(DATE ",\"x:own\":{\"x:a\":\"\\uffff\"}", ""),
        JSON(DATE, ",\"x:own\":\"a\\u0001b\""),
        JSON(",\"creationDate\":\"a\\u0001b\"", ""),
        JSON(DATE ",\"sender\":\"a\\u0001b\",\"receiver\":\"2\"", ""),
        JSON(DATE HEADER(
                 "\"b:Sender\":{\"b:Identifier\":\"a\\u0001b\"},\"b:Receiver\":{\"b:Identifier\":\"2\"}"),
             ""),
        JSON(DATE WHO HEADER(
                 "\"b:BusinessScope\":{\"b:Scope\":{\"b:Type\":\"a\\u0001b\",\"b:InstanceIdentifier\":1}}"),
             ""),
        JSON(DATE ",\"x:\\u0001\":\"a\"", ""),
        JSON(DATE ",\"x:20°\":\"a\"", ""),
    };
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        check(documents[i], WRITER_XML_2, NULL, "a");
    check("{\"@context\":{\"x\":\"urn:x\",\"y\":\"urn:\\u0001\"},\"type\":\"EPCISDocument\","
          "\"schemaVersion\":\"2.0\"" DATE ",\"epcisBody\":{\"eventList\":[]}}",
          WRITER_XML_2, "xmlns:x=\"urn:x\" schemaVersion", NULL);
    check(JSON(DATE ",\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[{\"type\":\"urn:\\u0001\","
                    "\"vocabularyElementList\":[{\"id\":\"urn:a\"}]}]}}",
               ""),
          WRITER_XML_2, "\n<EPCISBody>", NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer_document");
    TCase *tests = tcase_create("writer_document");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, extensions_of_the_document_are_kept);
    tcase_add_test(tests, what_stands_behind_the_events_is_kept_or_named);
    tcase_add_test(tests, master_data_keeps_its_texts);
    tcase_add_test(tests, results_of_a_query_for_master_data_are_kept);
    tcase_add_test(tests, a_query_with_master_data_keeps_its_name);
    tcase_add_test(tests, documents_without_events_are_like_others);
    tcase_add_test(tests, the_business_header_is_completed_or_named);
    tcase_add_test(tests, control_characters_outside_of_events_are_named);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
