/* Dead letters that a person closes, over a real journal and store: what is closed stays closed, whoever asks
 * again and whatever crashes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/epcis/parser.h"
#include "common/store/store_txn.h"
#include "server/capture_query.h"
#include "server/dead_letter.h"
#include "server/journal_letter.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"
#include "tests/component/synthetic.h"

enum { MAP_BYTES = 256 << 20, LETTERS = 70, UNREADABLE = 70 };

static char journal_dir[96], store_url[96];
static struct dead_letters letters;
static struct arena arena;
static char why[DEAD_LETTER_WHY];
static const struct dead_letter_deed deed = {"Ada", "the label was read wrong"};

static void open_all(void)
{
    ck_assert_int_eq(store_open(store_url, MAP_BYTES, &letters.store), ERR_OK);
    ck_assert_int_eq(journal_open(journal_dir, MAP_BYTES, &letters.journal), ERR_OK);
    ck_assert_int_eq(ingest_init(letters.journal, NULL, ignore_received, NULL, &letters.ingest), ERR_OK);
}

static void close_all(void)
{
    journal_close(&letters.journal);
    ingest_free(&letters.ingest);
    store_close(&letters.store);
}

/* Any bytes: the converter is not here. */
static void send_original(uint8_t capture_id[UUID_BYTES])
{
    struct receipt receipt = send_bytes(letters.ingest, "original", 8, "0614141000005");
    memcpy(capture_id, receipt.capture_id, UUID_BYTES);
}

/* Of LETTERS dead letters the last holds no event. */
static void refuse_events(const uint8_t capture_id[UUID_BYTES])
{
    struct store_txn *txn;
    char text[UUID_TEXT + 1];
    static char *const serials[] = {"s1", NULL};
    Epcis__V1__Event *event =
        synthetic_commission(&arena, 0, "L1", "2027-01-31", (const char *const *)serials);
    uint8_t *packed = arena_alloc(&arena, epcis__v1__event__get_packed_size(event));
    ProtobufCBinaryData bytes = {epcis__v1__event__pack(event, packed), packed};
    uuid_text(capture_id, text);
    ck_assert_int_eq(store_begin(letters.store, &txn), ERR_OK);
    for (int i = 1; i <= LETTERS; i++) {
        Epcis__V1__Finding reason = EPCIS__V1__FINDING__INIT, *reasons[] = {&reason};
        Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
        Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
        reason.code = i % 2 ? "SERIAL_FORMAT" : "TIME_INVALID";
        letter.capture_id = text;
        letter.reasons = reasons;
        letter.n_reasons = 1;
        record.dead_letter = &letter;
        if (i != UNREADABLE)
            record.event = bytes;
        ck_assert_int_eq(store_dead_letter_append(txn, capture_id, &record), ERR_OK);
    }
    ck_assert_int_eq(store_commit(&txn), ERR_OK);
}

static void setup(void)
{
    uint8_t capture_id[UUID_BYTES];
    folder_make();
    snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
    snprintf(store_url, sizeof store_url, "lmdb:%s/store", dir);
    arena_init(&arena, 64 << 20);
    open_all();
    send_original(capture_id);
    refuse_events(capture_id);
}

static void teardown(void)
{
    close_all();
    arena_free(&arena);
    folder_remove();
}

static const Epcis__V1__DeadLetter *get(const char *id)
{
    Epcis__V1__GetDeadLetterResponse *response;
    ck_assert_int_eq(dead_letter_get(&letters, id, &arena, &response), ERR_OK);
    return response->dead_letter;
}

static const Epcis__V1__Capture *capture_of(const char *text)
{
    uint8_t capture_id[UUID_BYTES];
    Epcis__V1__Capture *capture;
    ck_assert_int_eq(uuid_parse(text, capture_id), ERR_OK);
    ck_assert_int_eq(capture_get(letters.journal, capture_id, &arena, &capture), ERR_OK);
    return capture;
}

static size_t count_documents(void)
{
    uint64_t number = 0;
    size_t count = 0;
    while (!journal_next_unfinished(letters.journal, &number))
        count++;
    return count;
}

static size_t count_open(const char *code)
{
    Epcis__V1__ListDeadLettersRequest request = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ListDeadLettersResponse *page;
    char cursor[STORE_CURSOR] = "";
    request.code = (char *)code;
    request.state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN;
    ck_assert_int_eq(dead_letter_list(&letters, &request, NULL, 1000, cursor, &arena, &page, why), ERR_OK);
    return page->n_dead_letters;
}

static enum err resubmit(const char *id, const char *corrected, char capture_id[UUID_TEXT + 1])
{
    struct refusal refusal;
    return dead_letter_resubmit(&letters, id, &deed, corrected, corrected ? strlen(corrected) : 0, &arena,
                                capture_id, why, &refusal);
}

/* ---- one -------------------------------------------------------------------------------------------- */

START_TEST(what_is_closed_is_closed_for_good)
{
    char capture_id[UUID_TEXT + 1];
    ck_assert_int_eq(get("1")->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN);
    ck_assert_int_eq(resubmit("1", NULL, capture_id), ERR_OK);
    ck_assert_int_eq(dead_letter_discard(&letters, "2", &deed, &arena, why), ERR_OK);
    for (int reopened = 0; reopened < 2; reopened++) {
        const Epcis__V1__DeadLetter *letter = get("1");
        ck_assert_int_eq(letter->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED);
        ck_assert_uint_eq(letter->n_changes, 1);
        ck_assert_str_eq(letter->changes[0]->who, deed.who);
        ck_assert_str_eq(letter->changes[0]->why, deed.why);
        ck_assert_str_eq(letter->changes[0]->capture_id, capture_id);
        ck_assert_int_gt(letter->changes[0]->changed_ms, 0);
        ck_assert_str_eq(capture_of(capture_id)->resubmission_of, "1");
        ck_assert_str_eq(capture_of(capture_id)->receipt->partner, "0614141000005");
        letter = get("2");
        ck_assert_int_eq(letter->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED);
        ck_assert_str_eq(letter->changes[0]->who, deed.who);
        ck_assert_str_eq(letter->changes[0]->capture_id, "");
        ck_assert_str_eq(capture_of(letter->capture_id)->resubmission_of, "");

        char other[UUID_TEXT + 1];
        ck_assert_int_eq(resubmit("1", NULL, other), ERR_EXISTS);
        ck_assert_ptr_nonnull(strstr(why, "resubmitted"));
        ck_assert_int_eq(dead_letter_discard(&letters, "1", &deed, &arena, why), ERR_EXISTS);
        ck_assert_ptr_nonnull(strstr(why, "resubmitted"));
        ck_assert_int_eq(resubmit("2", NULL, other), ERR_EXISTS);
        ck_assert_ptr_nonnull(strstr(why, "discarded"));
        ck_assert_uint_eq(count_documents(), 2);
        close_all();
        open_all();
    }
    ck_assert_int_eq(resubmit("71", NULL, capture_id), ERR_NOT_FOUND);
    ck_assert_int_eq(dead_letter_discard(&letters, "71", &deed, &arena, why), ERR_NOT_FOUND);
    ck_assert_int_eq(dead_letter_discard(&letters, "x", &deed, &arena, why), ERR_NOT_FOUND);
}
END_TEST

START_TEST(the_same_event_twice_is_two_documents)
{
    char first[UUID_TEXT + 1], second[UUID_TEXT + 1];
    ck_assert_int_eq(resubmit("1", NULL, first), ERR_OK);
    ck_assert_int_eq(resubmit("2", NULL, second), ERR_OK);
    ck_assert_str_ne(first, second);
    ck_assert_str_ne(capture_of(first)->receipt->document_digest,
                     capture_of(second)->receipt->document_digest);
}
END_TEST

/* The transaction decides, not what was read before it. */
START_TEST(a_race_is_won_once)
{
    ck_assert_int_eq(dead_letter_discard(&letters, "5", &deed, &arena, why), ERR_OK);
    /* A document that says that it sends number 5 again, past all earlier checks. */
    struct receipt receipt;
    struct journal_letter letter = {.number = 5,
                                    .state = EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED,
                                    .who = "Bob",
                                    .why = "late"};
    struct ingest_document *document;
    size_t before = count_documents();
    ck_assert_int_eq(ingest_open(letters.ingest, "", &document), ERR_OK);
    ck_assert_int_eq(ingest_append(document, "again", 5), ERR_OK);
    ingest_resubmit(document, &letter);
    ck_assert_int_eq(finish(&document, &receipt), ERR_EXISTS);
    ck_assert_uint_eq(receipt.received_ms, 0); /* there is none */
    ck_assert_int_eq(letter.state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED);
    ck_assert_uint_eq(count_documents(), before);
    ck_assert_str_eq(get("5")->changes[0]->who, deed.who);
    ck_assert_uint_eq(get("5")->n_changes, 1);
}
END_TEST

/* ---- what is sent ------------------------------------------------------------------------------------ */

START_TEST(without_a_readable_event_a_corrected_one_is_needed)
{
    char capture_id[UUID_TEXT + 1];
    static const char corrected[] =
        "{\"@context\":\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\","
        "\"type\":\"ObjectEvent\",\"eventTime\":\"2025-01-01T00:00:00Z\",\"eventTimeZoneOffset\":\"+00:00\","
        "\"epcList\":[\"urn:epc:id:sgtin:0614141.107346.1\"],\"action\":\"OBSERVE\"}";
    ck_assert_str_eq(get("70")->event_json, "");
    ck_assert_int_eq(resubmit("70", NULL, capture_id), ERR_ORDER);
    ck_assert_ptr_nonnull(strstr(why, "corrected"));
    ck_assert_int_eq(get("70")->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN);
    ck_assert_int_eq(resubmit("70", corrected, capture_id), ERR_OK);
    ck_assert_str_eq(capture_of(capture_id)->resubmission_of, "70");
}
END_TEST

START_TEST(a_correction_is_exactly_one_event)
{
#define HEAD                                                                                                 \
    "{\"@context\":\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\","                      \
    "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"epcisBody\":{\"eventList\":["
#define EVENT "{\"type\":\"ObjectEvent\",\"eventTime\":\"2025-01-01T00:00:00Z\",\"action\":\"OBSERVE\"}"
    static const struct {
        const char *corrected, *why;
    } wrong[] = {
        {HEAD "]}}", "no event"},   {HEAD EVENT "," EVENT "]}}", "second event"},
        {HEAD EVENT "]", "line 1"}, {HEAD "{\"type\":\"NoSuchEvent\"}]}}", "is no event"},
        {"<a/>", "SCHEMA_INVALID"}, {"no document", "SCHEMA_INVALID"},
    };
    char capture_id[UUID_TEXT + 1];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(resubmit("1", wrong[i].corrected, capture_id), ERR_INPUT);
        ck_assert_msg(strstr(why, wrong[i].why), "%s: %s", wrong[i].corrected, why);
    }
    ck_assert_int_eq(get("1")->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN);
    ck_assert_uint_eq(count_documents(), 1);
    ck_assert_int_eq(resubmit("1", HEAD EVENT "]}}", capture_id), ERR_OK);
}
END_TEST

/* What the parser makes of a document of one event. */
struct reading {
    size_t elements, extensions;
    char serial[16], sender[64], receiver[64], instance[64];
};

static enum err take_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    (void)element;
    ((struct reading *)context)->elements++;
    return ERR_OK;
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct reading *reading = context;
    ck_assert_ptr_nonnull(event->event);
    reading->extensions += event->event->n_extensions;
    snprintf(reading->serial, sizeof reading->serial, "%s", strrchr(event->event->epc_list[0], '.') + 1);
    return ERR_OK;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    struct reading *reading = context;
    snprintf(reading->sender, sizeof reading->sender, "%s", document->sender);
    snprintf(reading->receiver, sizeof reading->receiver, "%s", document->receiver);
    snprintf(reading->instance, sizeof reading->instance, "%s", document->instance_identifier);
    return ERR_OK;
}

static void read_back(const struct buffer *document, struct reading *out)
{
    struct parser_sink sink = {
        .context = out, .document = take_document, .vocabulary_element = take_element, .event = take_event};
    struct parser *parser;
    *out = (struct reading){0};
    ck_assert_int_eq(parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser), ERR_OK);
    ck_assert_int_eq(parser_feed(parser, document->data, document->length), ERR_OK);
    ck_assert_int_eq(parser_finish(parser), ERR_OK);
    parser_close(&parser);
}

/* Of the original's head all that can be read comes along, wherever it is cut. */
START_TEST(as_it_is_comes_with_the_originals_head)
{
    static const char head[] =
        "<epcis:EPCISDocument xmlns:epcis=\"urn:epcglobal:epcis:xsd:1\" schemaVersion=\"1.2\" "
        "creationDate=\"2025-06-02T09:00:00Z\" xmlns:sbdh=\"http://www.unece.org/cefact/namespaces/"
        "StandardBusinessDocumentHeader\"><EPCISHeader><sbdh:StandardBusinessDocumentHeader><sbdh:Sender>"
        "<sbdh:Identifier>urn:epc:id:sgln:0614141.00001.0</sbdh:Identifier></sbdh:Sender><sbdh:Receiver>"
        "<sbdh:Identifier>urn:epc:id:sgln:0614142.00001.0</sbdh:Identifier></sbdh:Receiver>"
        "<sbdh:DocumentIdentification><sbdh:InstanceIdentifier>first</sbdh:InstanceIdentifier>"
        "</sbdh:DocumentIdentification></sbdh:StandardBusinessDocumentHeader><extension><EPCISMasterData>"
        "<VocabularyList><Vocabulary type=\"urn:epcglobal:epcis:vtype:Location\"><VocabularyElementList>"
        "<VocabularyElement id=\"urn:epc:id:sgln:0614141.00001.0\"/><VocabularyElement "
        "id=\"urn:epc:id:sgln:0614142.00001.0\"/></VocabularyElementList></Vocabulary></VocabularyList>"
        "</EPCISMasterData></extension></EPCISHeader><EPCISBody><EventList><ObjectEvent></ObjectEvent>";
    static const char *const serials[] = {"s1", NULL};
    Epcis__V1__Event *event = synthetic_commission(&arena, 0, "L1", "2027-01-31", serials);
    struct buffer out = {0};
    struct reading reading;
    char first[64];
    size_t bytes = sizeof head - 1;
    ck_assert_int_eq(dead_letter_document(event, head, bytes, &out, why), ERR_OK);
    read_back(&out, &reading);
    ck_assert_str_eq(reading.sender, "urn:epc:id:sgln:0614141.00001.0");
    ck_assert_str_eq(reading.receiver, "urn:epc:id:sgln:0614142.00001.0");
    ck_assert_str_ne(reading.instance, "first");
    ck_assert_uint_eq(reading.elements, 2);
    ck_assert_str_eq(reading.serial, "s1");
    strcpy(first, reading.instance);
    for (bytes = 0; bytes < sizeof head; bytes += 7) {
        buffer_clear(&out);
        ck_assert_int_eq(dead_letter_document(event, head, bytes, &out, why), ERR_OK);
        read_back(&out, &reading);
        ck_assert_str_eq(reading.serial, "s1");
        ck_assert_str_ne(reading.instance, first);
    }
    buffer_free(&out);
}
END_TEST

START_TEST(annotations_go_and_master_data_stays)
{
    static const char exported[] =
        "{\"@context\":[\"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\","
        "{\"epcisd\":\"urn:epcisd:dead-letter:\",\"own\":\"https://example.com/own/\"}],"
        "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\",\"creationDate\":\"2025-01-01T00:00:00Z\","
        "\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[{\"type\":\"urn:epcglobal:epcis:vtype:"
        "Location\",\"vocabularyElementList\":[{\"id\":\"urn:epc:id:sgln:0614141.00777.0\",\"attributes\":[]}"
        "]}"
        "]}},\"epcisBody\":{\"eventList\":[{\"type\":\"ObjectEvent\",\"eventTime\":\"2025-01-01T00:00:00Z\","
        "\"eventTimeZoneOffset\":\"+00:00\",\"epcList\":[\"urn:epc:id:sgtin:0614141.107346.77\"],"
        "\"action\":\"OBSERVE\",\"own:kept\":\"1\",\"epcisd:deadLetter\":{\"epcisd:reasons\":[{\"epcisd:"
        "code\":"
        "\"X\"}]},\"own:too\":\"2\"}]}}";
    struct buffer out = {0};
    struct reading reading;
    ck_assert_int_eq(dead_letter_document_corrected(exported, sizeof exported - 1, &out, why), ERR_OK);
    read_back(&out, &reading);
    ck_assert_uint_eq(reading.elements, 1);
    ck_assert_uint_eq(reading.extensions, 2);
    ck_assert_str_eq(reading.serial, "77");
    buffer_free(&out);
}
END_TEST

/* ---- many -------------------------------------------------------------------------------------------- */

START_TEST(pages_close_what_is_open_and_fits)
{
    Epcis__V1__ListDeadLettersRequest filter = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ResubmitDeadLettersResponse *resubmitted;
    Epcis__V1__DiscardDeadLettersResponse *discarded;
    char cursor[STORE_CURSOR] = "", capture_id[UUID_TEXT + 1];
    filter.code = "SERIAL_FORMAT"; /* 35, of which one is closed by hand */
    ck_assert_int_eq(resubmit("3", NULL, capture_id), ERR_OK);
    ck_assert_int_eq(dead_letter_discard_page(&letters, &filter, 30, cursor, &deed, &arena, &discarded, why),
                     ERR_OK);
    ck_assert_uint_eq(discarded->n_dead_letter_ids, 30);
    ck_assert_str_ne(cursor, "");
    ck_assert_int_eq(dead_letter_discard_page(&letters, &filter, 30, cursor, &deed, &arena, &discarded, why),
                     ERR_OK);
    ck_assert_uint_eq(discarded->n_dead_letter_ids, 4);
    ck_assert_str_eq(cursor, "");
    ck_assert_uint_eq(count_open("SERIAL_FORMAT"), 0);

    ck_assert_uint_eq(count_open("TIME_INVALID"), 35);
    filter.code = "";
    struct refusal refusal;
    ck_assert_int_eq(dead_letter_resubmit_page(&letters, &filter, 1000, cursor, &deed, &arena, &resubmitted,
                                               why, &refusal),
                     ERR_OK);
    ck_assert_uint_eq(resubmitted->n_resubmissions, 34);
    ck_assert_uint_eq(resubmitted->n_left_open_ids, 1);
    ck_assert_str_eq(resubmitted->left_open_ids[0], "70");
    for (size_t i = 0; i < resubmitted->n_resubmissions; i++)
        ck_assert_str_eq(capture_of(resubmitted->resubmissions[i]->capture_id)->resubmission_of,
                         resubmitted->resubmissions[i]->dead_letter_id);
    ck_assert_uint_eq(count_open(""), 1);
    ck_assert_uint_eq(count_documents(), 1 + 1 + 34);
}
END_TEST

START_TEST(filters_that_cannot_be_are_refused)
{
    Epcis__V1__ListDeadLettersRequest request = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ListDeadLettersResponse *page;
    char cursor[STORE_CURSOR] = "";
    request.partner = "0614141000006";
    ck_assert_int_eq(dead_letter_list(&letters, &request, NULL, 10, cursor, &arena, &page, why), ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(why, "partner"));
    request.partner = "";
    request.gtin = "614141100019";
    ck_assert_int_eq(dead_letter_list(&letters, &request, NULL, 10, cursor, &arena, &page, why), ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(why, "gtin"));
    request.gtin = "";
    request.state = 4;
    ck_assert_int_eq(dead_letter_list(&letters, &request, NULL, 10, cursor, &arena, &page, why), ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(why, "state"));
    request.state = 0;
    strcpy(cursor, "abc");
    ck_assert_int_eq(dead_letter_list(&letters, &request, NULL, 10, cursor, &arena, &page, why), ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(why, "page_token"));
}
END_TEST

/* ---- crashes ----------------------------------------------------------------------------------------- */

static bool killed_at(const char *fault)
{
    close_all(); /* a fork inherits neither LMDB nor threads */
    pid_t child = fork();
    if (child == 0) {
        char capture_id[UUID_TEXT + 1];
        setenv("EPCISD_FAULT", fault, 1);
        open_all();
        fault_init();
        resubmit("1", NULL, capture_id);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    open_all();
    return WIFSIGNALED(status);
}

START_TEST(a_crash_leaves_both_or_neither)
{
    size_t before = count_documents();
    ck_assert(killed_at("journal.before_commit"));
    ck_assert_int_eq(get("1")->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN);
    ck_assert_uint_eq(count_documents(), before);
    ck_assert(killed_at("journal.after_commit"));
    ck_assert_int_eq(get("1")->state, EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED);
    ck_assert_uint_eq(count_documents(), before + 1);
    ck_assert_str_eq(capture_of(get("1")->changes[0]->capture_id)->resubmission_of, "1");
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("letters");
    TCase *tests = tcase_create("letters");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_closed_is_closed_for_good);
    tcase_add_test(tests, the_same_event_twice_is_two_documents);
    tcase_add_test(tests, a_race_is_won_once);
    tcase_add_test(tests, without_a_readable_event_a_corrected_one_is_needed);
    tcase_add_test(tests, a_correction_is_exactly_one_event);
    tcase_add_test(tests, as_it_is_comes_with_the_originals_head);
    tcase_add_test(tests, annotations_go_and_master_data_stays);
    tcase_add_test(tests, pages_close_what_is_open_and_fits);
    tcase_add_test(tests, filters_that_cannot_be_are_refused);
    tcase_add_test(tests, a_crash_leaves_both_or_neither);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
