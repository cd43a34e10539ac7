/* What goes out with each segment of a document, so that rules can look at its header. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/epcis/parser.h"
#include "server/batch.h"
#include "server/document_facts.h"

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    return document_facts_new(document, context);
}

static struct document_facts *read_text(const char *text, size_t bytes)
{
    struct document_facts *facts = NULL;
    struct parser_sink sink = {.context = &facts, .document = take_document};
    struct parser *parser;
    ck_assert_int_eq(parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser), ERR_OK);
    ck_assert_int_eq(parser_feed(parser, text, bytes), ERR_OK);
    ck_assert_int_eq(parser_finish(parser), ERR_OK);
    parser_close(&parser);
    ck_assert_ptr_nonnull(facts);
    return facts;
}

START_TEST(xml_has_a_header)
{
    char text[16384];
    FILE *file = fopen(FIXTURES "/epcis/dscsa-xml12.xml", "r");
    ck_assert_ptr_nonnull(file);
    size_t bytes = fread(text, 1, sizeof text, file);
    fclose(file);
    ck_assert_uint_lt(bytes, sizeof text);
    struct document_facts *facts = read_text(text, bytes);
    const Epcis__Wire__V1__DocumentFacts *message = document_facts_message(facts);
    ck_assert_int_eq(message->format, EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_XML_1);
    ck_assert_int_eq(message->kind, EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT);
    ck_assert_str_eq(message->schema_version, "1.2");
    ck_assert(message->has_header);
    ck_assert_str_eq(message->sender, "urn:epc:id:sgln:9520000.00001.0");
    ck_assert_str_eq(message->sender_gln, "9520000000011");
    ck_assert_str_eq(message->receiver, "9520002000019");
    ck_assert_str_eq(message->receiver_gln, "9520002000019");
    ck_assert_str_eq(message->instance_identifier, "fixture-1");
    ck_assert_str_eq(message->type, "Events");
    ck_assert_str_eq(message->creation_date_and_time, "2025-01-06T08:00:00.000Z");
    ck_assert_ptr_null(message->transaction_statement); /* it stands in the event */
    ck_assert(!message->has_drop_shipment);
    ck_assert_str_eq(message->guideline_version, "");
    document_facts_release(&facts);
    ck_assert_ptr_null(facts);
}
END_TEST

#define XML_BEFORE                                                                                           \
    "<e:EPCISDocument xmlns:e='urn:epcglobal:epcis:xsd:1' xmlns:g='http://epcis.gs1us.org/hc/ns' "           \
    "schemaVersion='1.2' creationDate='2025-01-06T08:00:00Z'><EPCISHeader>"
#define XML_BEHIND "</EPCISHeader><EPCISBody><EventList></EventList></EPCISBody></e:EPCISDocument>"

START_TEST(what_the_guideline_adds_is_found_in_the_header)
{
    static const char text[] =
        XML_BEFORE "<g:guidelineVersion>GS1 US DSCSA R1.3</g:guidelineVersion>"
                   "<g:dscsaTransactionStatement><g:affirmTransactionStatement>true"
                   "</g:affirmTransactionStatement><g:legalNotice>All is well.</g:legalNotice>"
                   "</g:dscsaTransactionStatement><g:dropShipment>false</g:dropShipment>" XML_BEHIND;
    struct document_facts *facts = read_text(text, sizeof text - 1);
    const Epcis__Wire__V1__DocumentFacts *message = document_facts_message(facts);
    ck_assert(!message->has_header);
    ck_assert_str_eq(message->guideline_version, "GS1 US DSCSA R1.3");
    ck_assert(message->has_drop_shipment);
    ck_assert_str_eq(message->transaction_statement->affirm, "true");
    ck_assert_str_eq(message->transaction_statement->legal_notice, "All is well.");
    document_facts_release(&facts);
}
END_TEST

START_TEST(json_has_a_short_form)
{
    static const char text[] =
        "{\"@context\":\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\","
        "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"creationDate\":\"2025-01-06T08:00:00Z\","
        "\"sender\":\"urn:epc:id:sgln:9520000.00001.0\",\"receiver\":\"nobody\","
        "\"instanceIdentifier\":\"7\",\"epcisBody\":{\"eventList\":[]}}";
    struct document_facts *facts = read_text(text, sizeof text - 1);
    const Epcis__Wire__V1__DocumentFacts *message = document_facts_message(facts);
    ck_assert_int_eq(message->format, EPCIS__V1__DOCUMENT_FORMAT__DOCUMENT_FORMAT_JSON_2);
    ck_assert(!message->has_header);
    ck_assert_str_eq(message->sender_gln, "9520000000011");
    ck_assert_str_eq(message->receiver, "nobody");
    ck_assert_str_eq(message->receiver_gln, "");
    ck_assert_str_eq(message->instance_identifier, "7");
    ck_assert_str_eq(message->creation_date_and_time, "2025-01-06T08:00:00Z");
    document_facts_release(&facts);
}
END_TEST

START_TEST(of_several_senders_the_one_with_a_gln_counts)
{
    Epcis__V1__Partner partners[] = {EPCIS__V1__PARTNER__INIT, EPCIS__V1__PARTNER__INIT};
    Epcis__V1__Partner *senders[] = {&partners[0], &partners[1]};
    Epcis__V1__StandardBusinessDocumentHeader header = EPCIS__V1__STANDARD_BUSINESS_DOCUMENT_HEADER__INIT;
    Epcis__V1__Document document = EPCIS__V1__DOCUMENT__INIT;
    struct document_facts *facts;
    char longest[601] = "";
    for (int i = 0; i < 200; i++)
        memcpy(longest + 3 * i, "\xe2\x82\xac", 4);
    partners[0].identifier = (char *)"DUNS 12";
    partners[1].identifier = (char *)"9520000000011";
    header.senders = senders;
    header.n_senders = 2;
    header.type = longest;
    document.standard_business_document_header = &header;
    ck_assert_int_eq(document_facts_new(&document, &facts), ERR_OK);
    const Epcis__Wire__V1__DocumentFacts *message = document_facts_message(facts);
    ck_assert_str_eq(message->sender, "9520000000011");
    ck_assert_uint_eq(strlen(message->type), 255); /* cut between characters */
    document_facts_release(&facts);
    partners[1].identifier = (char *)"9520000000012";
    ck_assert_int_eq(document_facts_new(&document, &facts), ERR_OK);
    ck_assert_str_eq(document_facts_message(facts)->sender, "DUNS 12");
    ck_assert_str_eq(document_facts_message(facts)->sender_gln, "");
    document_facts_release(&facts);
}
END_TEST

START_TEST(each_segment_carries_them)
{
    static const uint8_t parent[DIGEST_BYTES];
    Epcis__V1__Document document = EPCIS__V1__DOCUMENT__INIT;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    Epcis__V1__Event event = EPCIS__V1__EVENT__INIT;
    struct batch_span spans[2] = {{.number = 1}, {.number = 2}};
    struct pack pack = {0};
    struct batch_item packed;
    document.sender = (char *)"9520000000011";
    ck_assert_int_eq(document_facts_new(&document, &spans[0].facts), ERR_OK);
    struct batch *batch = batch_new(1, 0);
    item.content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_EVENT;
    ck_assert_int_eq(batch_pack(&pack, &item, &event.base, &packed), ERR_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(batch_add(batch, &spans[i], &packed), ERR_OK);
    pack_free(&pack);
    document_facts_release(&spans[0].facts); /* the batch has a reference of its own */
    ck_assert_int_eq(batch_close(batch, 1, parent, NULL), ERR_OK);
    Epcis__Wire__V1__Batch *read =
        epcis__wire__v1__batch__unpack(NULL, batch->frame.length, batch->frame.data);
    ck_assert_ptr_nonnull(read);
    ck_assert_str_eq(read->segments[0]->document->sender_gln, "9520000000011");
    ck_assert_ptr_null(read->segments[1]->document);
    epcis__wire__v1__batch__free_unpacked(read, NULL);
    batch_free(batch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("document_facts");
    TCase *tests = tcase_create("document_facts");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, xml_has_a_header);
    tcase_add_test(tests, what_the_guideline_adds_is_found_in_the_header);
    tcase_add_test(tests, json_has_a_short_form);
    tcase_add_test(tests, of_several_senders_the_one_with_a_gln_counts);
    tcase_add_test(tests, each_segment_carries_them);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
