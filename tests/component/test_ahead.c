/* Documents that are read while they arrive, on a real journal: what comes out is what comes out of reading
 * them at their turn, byte for byte, whatever becomes of the spool; and what is let go of leaves nothing. */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/ahead.h"
#include "server/counters.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"
#include "tests/unit/compressing.h"

enum { DEADLINE_MS = 30000, EVENTS = 9000, NOW_MS = 1000000 };

static const struct parser_limits limits = PARSER_LIMITS_INIT;
static struct journal *journal;
static struct ingest *ingest;
static struct reading_tools tools;
static struct ahead ahead;

/* What the journal's thread told last. */
static atomic_ullong arriving_upload;
static atomic_uint arriving_pieces;

static void on_arriving(void *context, uint64_t upload, uint32_t pieces)
{
    (void)context;
    atomic_store(&arriving_upload, upload);
    atomic_store(&arriving_pieces, pieces);
}

static void setup(void)
{
    folder_make();
    atomic_store(&arriving_pieces, 0);
    ck_assert_int_eq(journal_open(dir, 256 << 20, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, ignore_received, NULL, &ingest), ERR_OK);
    ingest_tell_arriving(ingest, on_arriving);
    ck_assert_int_eq(reading_tools_init(&tools, journal, &limits, 16 << 20), ERR_OK);
    ahead_init(&ahead, &tools, dir, 0);
}

static void teardown(void)
{
    ahead_free(&ahead);
    reading_tools_free(&tools);
    ingest_free(&ingest);
    journal_close(&journal);
    folder_remove();
}

/* ---- documents -------------------------------------------------------------------------------------- */

enum kind {
    XML,
    XML_CUT_OFF,
    XML_MALFORMED,
    FULL_PIECES,
    JSON,
    MASTER_DATA_BEHIND,
    GZIP,
    KINDS,
    GZIP_REFUSED
};

static const char strange_event[] = "<StrangeEvent>what is this?</StrangeEvent>";
static const char xml_end[] = "</EventList></EPCISBody></epcis:EPCISDocument>";

/* What no compressor makes much shorter. */
static void append_noise(struct buffer *text)
{
    static uint32_t state = 1;
    char letters[450];
    for (size_t i = 0; i < sizeof letters; i++) {
        state = state * 1664525 + 1013904223;
        letters[i] = (char)('a' + (state >> 24) % 26);
    }
    buffer_append_text(text, "<!--");
    buffer_append(text, letters, sizeof letters);
    buffer_append_text(text, "-->");
}

static void append_xml(struct buffer *text, enum kind kind)
{
    bool noise = kind == GZIP || kind == GZIP_REFUSED;
    buffer_append_text(text,
                       "<?xml version=\"1.0\"?><epcis:EPCISDocument xmlns:epcis=\"urn:epcglobal:epcis:xsd:1\""
                       " schemaVersion=\"1.2\" creationDate=\"2025-01-01T00:00:00Z\"><EPCISHeader><extension>"
                       "<EPCISMasterData><VocabularyList><Vocabulary type=\"urn:epcglobal:epcis:vtype:"
                       "Location\"><VocabularyElementList>");
    for (int i = 0; i < 100; i++)
        buffer_printf(text,
                      "<VocabularyElement id=\"urn:epc:id:sgln:0614141.%05d.0\"><attribute id=\"urn:"
                      "epcglobal:cbv:mda#name\">Place</attribute></VocabularyElement>",
                      i);
    buffer_append_text(text, "</VocabularyElementList></Vocabulary></VocabularyList></EPCISMasterData>"
                             "</extension></EPCISHeader><EPCISBody><EventList>");
    for (int i = 0; i < EVENTS; i++) {
        if (i % 7 == 3 && kind != GZIP)
            buffer_append_text(text, strange_event);
        if (noise)
            append_noise(text);
        buffer_printf(text,
                      "<ObjectEvent><eventTime>2025-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00"
                      "</eventTimeZoneOffset><epcList><epc>urn:epc:id:sgtin:0614141.107346.%d</epc></epcList>"
                      "<action>OBSERVE</action><bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep>"
                      "<readPoint><id>urn:epc:id:sgln:0614141.%05d.0</id></readPoint></ObjectEvent>%s",
                      i, i % 100, kind == XML_MALFORMED && i == EVENTS / 3 ? "<ObjectEvent></wrong>" : "");
    }
    while (kind == FULL_PIECES && (text->length + sizeof xml_end - 1) % JOURNAL_PIECE_BYTES != 0)
        buffer_append_text(text, " ");
    if (kind != XML_CUT_OFF)
        buffer_append_text(text, xml_end);
}

static void append_json_events(struct buffer *text)
{
    buffer_append_text(text, ",\"epcisBody\":{\"eventList\":[");
    for (int i = 0; i < EVENTS; i++)
        buffer_printf(text,
                      "%s{\"type\":\"ObjectEvent\",\"eventTime\":\"%s\",\"eventTimeZoneOffset\":\"+00:00\","
                      "\"action\":\"OBSERVE\",\"bizStep\":\"shipping\",\"readPoint\":{\"id\":"
                      "\"urn:epc:id:sgln:0614141.%05d.0\"},\"epcList\":["
                      "\"urn:epc:id:sgtin:0614141.107346.%d\",\"urn:epc:id:sgtin:0614141.107347.%d\"]}",
                      i ? "," : "", i % 7 == 3 ? "once" : "2025-01-01T00:00:00Z", i % 100, i, i);
    buffer_append_text(text, "]}");
}

static void append_json(struct buffer *text, enum kind kind)
{
    buffer_append_text(text, "{\"@context\":\"https://ref.gs1.org/standards/epcis/epcis-context.jsonld\","
                             "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","
                             "\"creationDate\":\"2025-01-01T00:00:00Z\"");
    if (kind == MASTER_DATA_BEHIND)
        append_json_events(text);
    buffer_append_text(text, ",\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[{\"type\":"
                             "\"urn:epcglobal:epcis:vtype:Location\",\"vocabularyElementList\":[");
    for (int i = 0; i < 100; i++)
        buffer_printf(text,
                      "%s{\"id\":\"urn:epc:id:sgln:0614141.%05d.0\",\"attributes\":[{\"id\":"
                      "\"cbvmda:name\",\"attribute\":\"Place\"}]}",
                      i ? "," : "", i);
    buffer_append_text(text, "]}]}}");
    if (kind == JSON)
        append_json_events(text);
    buffer_append_text(text, "}");
}

static struct buffer make_document(enum kind kind)
{
    struct buffer text = {0};
    if (kind == JSON || kind == MASTER_DATA_BEHIND)
        append_json(&text, kind);
    else
        append_xml(&text, kind);
    if (kind == GZIP || kind == GZIP_REFUSED) {
        struct buffer plain = text;
        text = compressed_gzip(plain.data, plain.length);
        buffer_free(&plain);
    }
    ck_assert_uint_gt(text.length, 2 * JOURNAL_PIECE_BYTES);
    return text;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static void wait_for_pieces(uint32_t pieces)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    while (atomic_load(&arriving_pieces) < pieces) {
        ck_assert_msg(clock_steady_ms() < end_ms, "not within %d ms", DEADLINE_MS);
        usleep(1000);
    }
}

/* Sends all of it but the seal, and waits until the full pieces are durable. */
static struct ingest_document *send_unsealed(const struct buffer *text, uint64_t *upload, uint32_t *pieces)
{
    struct ingest_document *document = NULL;
    atomic_store(&arriving_pieces, 0);
    ck_assert_int_eq(ingest_open(ingest, "0614141000012", &document), ERR_OK);
    ingest_set_streamed(document);
    ck_assert_int_eq(ingest_append(document, text->data, text->length), ERR_OK);
    *pieces = (uint32_t)(text->length / JOURNAL_PIECE_BYTES);
    wait_for_pieces(*pieces);
    *upload = atomic_load(&arriving_upload);
    return document;
}

/* All that a batch and the journal get of a document. */
static enum err collect(void *context, const struct batch_span *span, const struct batch_item *item)
{
    struct buffer *out = context;
    buffer_printf(out, "\n%llu %llu %u %llu %llu %s %s %lld %d %d ", (unsigned long long)span->number,
                  (unsigned long long)span->first_event, span->events, (unsigned long long)span->bytes_read,
                  (unsigned long long)item->line, span->partner, span->caller, (long long)span->received_ms,
                  span->terms.rollback, span->terms.validate_only);
    buffer_append(out, span->capture_id, UUID_BYTES);
    buffer_append(out, item->leaf, DIGEST_BYTES);
    buffer_append(out, item->data, item->bytes);
    if (span->facts)
        buffer_append_message(out, &document_facts_message(span->facts)->base);
    return ERR_OK;
}

static void read_to_end(struct reading **reading, struct buffer *out)
{
    const struct parser_error *broken = NULL;
    for (bool done = false; !done;)
        ck_assert_int_eq(reading_step(*reading, &done, &broken), ERR_OK);
    buffer_printf(out, "\n%llu %llu", (unsigned long long)(*reading)->items,
                  (unsigned long long)(*reading)->events);
    if (broken)
        buffer_printf(out, "\n%s %s %llu %llu", broken->code, broken->message,
                      (unsigned long long)broken->line, (unsigned long long)broken->byte_offset);
    reading_close(reading);
    ck_assert(!out->failed);
}

static Epcis__Store__V1__CaptureRecord *find_record(const struct receipt *receipt, struct arena *arena)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    ck_assert_int_eq(journal_capture_by_id(journal, receipt->capture_id, arena, &record), ERR_OK);
    return record;
}

/* Reads the document at its turn, with what was read ahead or without (NULL), and compares. */
static void check_same(const struct receipt *receipt, struct reading *was_read)
{
    struct buffer expected = {0}, found = {0};
    struct reading *reading = NULL;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const Epcis__Store__V1__CaptureRecord *record = find_record(receipt, &arena);
    const struct reading_sink sink = {.context = &expected, .item = collect};
    const struct reading_sink other = {.context = &found, .item = collect};
    ck_assert_int_eq(reading_open(&tools, &sink, receipt->journal_position, record, 0, &reading), ERR_OK);
    read_to_end(&reading, &expected);
    ck_assert_int_eq(reading_adopt(was_read, &other, receipt->journal_position, record), ERR_OK);
    read_to_end(&was_read, &found);
    ck_assert_uint_eq(found.length, expected.length);
    ck_assert(memcmp(found.data, expected.data, found.length) == 0);
    buffer_free(&expected);
    buffer_free(&found);
    arena_free(&arena);
}

/* Files without a name in the test's folder; the last of them. */
static int nameless_files(int *last)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], target[300] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof target - 1) < 0 || !strstr(target, dir) ||
            !strstr(target, "(deleted)"))
            continue;
        *last = atoi(entry->d_name);
        count++;
    }
    closedir(folder);
    return count;
}

/* Begins a document, and has all of it read that is there. */
static struct ingest_document *send_ahead(enum kind kind, uint64_t *upload, uint32_t *pieces)
{
    struct buffer text = make_document(kind);
    struct ingest_document *document = send_unsealed(&text, upload, pieces);
    for (uint32_t i = 1; i <= *pieces; i++) { /* as they come */
        ahead_arriving(&ahead, *upload, i, NOW_MS);
        while (ahead_step(&ahead))
            ;
    }
    buffer_free(&text);
    return document;
}

START_TEST(gives_the_same_items)
{
    struct receipt receipt;
    uint64_t upload, counted = counters_get(COUNTER_EVENTS_AHEAD);
    uint32_t pieces;
    int file;
    struct ingest_document *document = send_ahead((enum kind)_i, &upload, &pieces);
    ck_assert_int_eq(nameless_files(&file), 1);
    ck_assert_uint_gt(counters_get(COUNTER_EVENTS_AHEAD), counted + 1000);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    ahead_sealed(&ahead, upload, 1);
    struct reading *reading = ahead_take(&ahead, upload);
    ck_assert_ptr_nonnull(reading);
    ck_assert_int_eq(reading->piece < pieces, _i == XML_MALFORMED);
    ck_assert_int_eq(reading->ended != ERR_OK, _i == XML_MALFORMED);
    check_same(&receipt, reading);
    ck_assert_int_eq(nameless_files(&file), 0);
}
END_TEST

/* Places in a compressed document are not places in its bytes: what is quoted of a refused event, if
 * anything, is known once all of them are there. */
START_TEST(what_needs_later_bytes_waits_for_them)
{
    uint64_t upload, failures = counters_get(COUNTER_AHEAD_FAILED);
    uint32_t pieces;
    struct ingest_document *document = send_ahead(GZIP_REFUSED, &upload, &pieces);
    ck_assert_uint_eq(counters_get(COUNTER_AHEAD_FAILED), failures + 1); /* once, not with each piece */
    ck_assert_ptr_null(ahead_take(&ahead, upload));
    ingest_discard(&document);
}
END_TEST

/* ---- the disk --------------------------------------------------------------------------------------- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_full_disk_costs_nothing_but_time)
{
    struct buffer text = make_document(XML);
    uint64_t upload, failures = counters_get(COUNTER_AHEAD_FAILED);
    uint32_t pieces;
    int file;
    struct ingest_document *document = send_unsealed(&text, &upload, &pieces);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(100);
    ahead_arriving(&ahead, upload, pieces, NOW_MS);
    while (ahead_step(&ahead))
        ;
    limit_files(RLIM_INFINITY);
    ck_assert_uint_eq(counters_get(COUNTER_AHEAD_FAILED), failures + 1);
    ck_assert_int_eq(nameless_files(&file), 0);
    ahead_arriving(&ahead, upload, pieces, NOW_MS);
    ck_assert(!ahead_step(&ahead)); /* it is not tried again */
    ahead_sealed(&ahead, upload, 1);
    ck_assert_ptr_null(ahead_take(&ahead, upload));
    ingest_discard(&document);
    buffer_free(&text);
}
END_TEST

/* Also where a part of it is handed on already. */
START_TEST(what_cannot_be_read_back_is_read_again)
{
    struct receipt receipt;
    uint64_t upload, failures = counters_get(COUNTER_AHEAD_FAILED);
    uint32_t pieces;
    int file;
    struct ingest_document *document = send_ahead((enum kind)_i, &upload, &pieces);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    ck_assert_int_eq(nameless_files(&file), 1);
    ck_assert_int_eq(ftruncate(file, lseek(file, 0, SEEK_END) / 2), 0);
    check_same(&receipt, ahead_take(&ahead, upload));
    ck_assert_uint_eq(counters_get(COUNTER_AHEAD_FAILED), failures + 1);
    ck_assert_int_eq(nameless_files(&file), 0);
}
END_TEST

/* Nothing is read that would have to be kept where the disk is for others. */
START_TEST(leaves_the_disk_to_others)
{
    struct receipt receipt;
    uint64_t upload;
    uint32_t pieces;
    int file;
    ahead_init(&ahead, &tools, dir, UINT64_MAX);
    struct ingest_document *document = send_ahead(XML, &upload, &pieces);
    ck_assert_int_eq(nameless_files(&file), 0);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    struct reading *reading = ahead_take(&ahead, upload);
    ck_assert_uint_eq(reading->piece, 0);
    check_same(&receipt, reading);
}
END_TEST

/* ---- who is read, and how long ------------------------------------------------------------------------ */

static uint64_t events_ahead_of(uint64_t upload, int64_t now_ms)
{
    uint64_t counted = counters_get(COUNTER_EVENTS_AHEAD);
    ahead_arriving(&ahead, upload, 1, now_ms);
    while (ahead_step(&ahead))
        ;
    return counters_get(COUNTER_EVENTS_AHEAD) - counted;
}

START_TEST(an_upload_that_is_not_continued_leaves_nothing)
{
    uint64_t upload;
    uint32_t pieces;
    int file;
    int64_t wait_ms = 100000;
    struct ingest_document *document = send_ahead(XML, &upload, &pieces);
    ingest_abort(&document);
    ahead_expire(&ahead, NOW_MS + 1000, &wait_ms);
    ck_assert_int_eq(wait_ms, AHEAD_KEEP_MS - 1000);
    ck_assert_int_eq(nameless_files(&file), 1);
    ahead_expire(&ahead, NOW_MS + AHEAD_KEEP_MS, &wait_ms);
    ck_assert_int_eq(nameless_files(&file), 0);
    ck_assert_ptr_null(ahead_take(&ahead, upload));
}
END_TEST

/* As a duplicate's is once it is sealed. */
START_TEST(an_upload_that_is_gone_is_let_go_of)
{
    struct buffer text = make_document(XML);
    struct receipt receipt, again;
    uint64_t upload, failures = counters_get(COUNTER_AHEAD_FAILED);
    uint32_t pieces;
    int file;
    struct ingest_document *document = send_unsealed(&text, &upload, &pieces);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    document = send_unsealed(&text, &upload, &pieces);
    ahead_arriving(&ahead, upload, 1, NOW_MS);
    ck_assert(ahead_step(&ahead));
    ahead_arriving(&ahead, upload, pieces, NOW_MS);
    ck_assert_int_eq(finish(&document, &again), ERR_OK);
    ck_assert(again.duplicate_document);
    while (ahead_step(&ahead))
        ;
    ck_assert_int_eq(nameless_files(&file), 0);
    ck_assert_ptr_null(ahead_take(&ahead, upload));
    ck_assert_uint_eq(counters_get(COUNTER_AHEAD_FAILED), failures);
    buffer_free(&text);
}
END_TEST

START_TEST(places_are_few)
{
    struct buffer text = make_document(XML);
    struct ingest_document *documents[AHEAD_MAX + 1];
    uint64_t uploads[AHEAD_MAX + 1];
    uint32_t pieces;
    int file;
    for (int i = 0; i <= AHEAD_MAX; i++) {
        documents[i] = send_unsealed(&text, &uploads[i], &pieces);
        ck_assert_int_eq(events_ahead_of(uploads[i], NOW_MS + i) > 0, i < AHEAD_MAX);
    }
    ck_assert_int_eq(nameless_files(&file), AHEAD_MAX);
    ahead_sealed(&ahead, uploads[0], 7);
    int64_t later_ms = NOW_MS + 1 + AHEAD_YIELD_MS;
    ck_assert_uint_eq(events_ahead_of(uploads[AHEAD_MAX], later_ms - 1), 0);
    ck_assert_uint_gt(events_ahead_of(uploads[AHEAD_MAX], later_ms), 0); /* instead of the second one */
    ck_assert_uint_eq(events_ahead_of(uploads[1], later_ms), 0);
    ahead_expire(&ahead, later_ms + AHEAD_KEEP_MS, &(int64_t){0});
    ck_assert_int_eq(nameless_files(&file), 1); /* what is sealed stays */
    ahead_drop_partition(&ahead, 6);
    ck_assert_int_eq(nameless_files(&file), 1);
    ahead_drop_partition(&ahead, 7);
    ck_assert_int_eq(nameless_files(&file), 0);
    for (int i = 0; i <= AHEAD_MAX; i++)
        ingest_discard(&documents[i]);
    buffer_free(&text);
}
END_TEST

/* Of a document that is judged as a whole, or comes in one message, or short of a piece, nobody is told. */
START_TEST(only_full_pieces_of_streams_are_told)
{
    struct buffer text = make_document(XML);
    for (int i = 0; i < 4; i++) {
        struct ingest_document *document = NULL;
        struct receipt receipt;
        ck_assert_int_eq(ingest_open(ingest, "", &document), ERR_OK);
        if (i != 3)
            ingest_set_terms(document, (struct capture_terms){.rollback = i == 0, .validate_only = i == 1});
        if (i < 3)
            ingest_set_streamed(document);
        size_t bytes = i == 2 ? JOURNAL_PIECE_BYTES - 1 : 2 * JOURNAL_PIECE_BYTES;
        ck_assert_int_eq(ingest_append(document, text.data, bytes), ERR_OK);
        ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
        ck_assert_uint_eq(atomic_load(&arriving_pieces), 0);
    }
    buffer_free(&text);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("ahead");
    TCase *tests = tcase_create("ahead");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, gives_the_same_items, 0, KINDS);
    tcase_add_test(tests, what_needs_later_bytes_waits_for_them);
    tcase_add_test(tests, a_full_disk_costs_nothing_but_time);
    tcase_add_loop_test(tests, what_cannot_be_read_back_is_read_again, XML, JSON);
    tcase_add_test(tests, leaves_the_disk_to_others);
    tcase_add_test(tests, an_upload_that_is_not_continued_leaves_nothing);
    tcase_add_test(tests, an_upload_that_is_gone_is_let_go_of);
    tcase_add_test(tests, places_are_few);
    tcase_add_test(tests, only_full_pieces_of_streams_are_told);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
