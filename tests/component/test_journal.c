/* The journal on a real disk: what is done is there after reopening, what is not done is not. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/capture_query.h"
#include "server/journal.h"
#include "server/journal_news.h"
#include "server/journal_wait.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"

static const uint64_t map_bytes = 256 << 20;

static void op_done(struct journal_op *op, enum err err)
{
    waiter_set(op->context, err);
}

static uint64_t received_count;
static void count_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context, (void)partition, (void)upload;
    ck_assert_uint_gt(number, 0);
    received_count++;
}

/* Sends `bytes` bytes that depend on `seed`, in steps of 100,000. */
static enum err send_document(struct ingest *ingest, unsigned seed, size_t bytes, struct receipt *receipt)
{
    struct ingest_document *document = NULL;
    ck_assert_int_eq(ingest_open(ingest, "", &document), ERR_OK);
    char *data = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)('a' + (i * 31 + seed + i / 977) % 26);
    enum err err = ERR_OK;
    for (size_t at = 0; at < bytes && !err; at += 100000)
        err = ingest_append(document, data + at, bytes - at < 100000 ? bytes - at : 100000);
    free(data);
    if (err) {
        ingest_abort(&document);
        return err;
    }
    return finish(&document, receipt);
}

START_TEST(documents_survive_reopening)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipts[3], again;
    const size_t sizes[3] = {1, 5000, 3500000};
    received_count = 0;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(send_document(ingest, i, sizes[i], &receipts[i]), ERR_OK);
    ck_assert_int_eq(send_document(ingest, 1, sizes[1], &again), ERR_OK);
    ck_assert(again.duplicate_document);
    ck_assert(!receipts[1].duplicate_document);
    ck_assert_mem_eq(again.capture_id, receipts[1].capture_id, UUID_BYTES);
    ck_assert_uint_eq(received_count, 3);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), sizes[0] + sizes[1] + sizes[2]);
    ingest_free(&ingest);
    journal_close(&journal);

    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), sizes[0] + sizes[1] + sizes[2]);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint64_t number = 0;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(journal_next_unfinished(journal, &number), ERR_OK);
        Epcis__Store__V1__CaptureRecord *record = NULL;
        ck_assert_int_eq(journal_capture(journal, number, &arena, &record), ERR_OK);
        ck_assert_mem_eq(record->capture_id.data, receipts[i].capture_id, UUID_BYTES);
        struct buffer bytes = {0};
        for (uint32_t piece = 0; piece < record->pieces; piece++)
            ck_assert_int_eq(journal_piece(journal, record->upload, piece, &bytes), ERR_OK);
        ck_assert_uint_eq(bytes.length, sizes[i]);
        uint8_t digest[DIGEST_BYTES];
        digest_of(bytes.data, bytes.length, digest);
        ck_assert_mem_eq(digest, receipts[i].document_sha256, DIGEST_BYTES);
        buffer_free(&bytes);
    }
    ck_assert_int_eq(journal_next_unfinished(journal, &number), ERR_NOT_FOUND);
    Epcis__V1__Capture *capture = NULL;
    ck_assert_int_eq(capture_get(journal, receipts[2].capture_id, &arena, &capture), ERR_OK);
    ck_assert_int_eq(capture->state, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RECEIVED);
    ck_assert_uint_eq(capture->receipt->document_bytes, sizes[2]);
    uint8_t unknown[UUID_BYTES] = {0};
    ck_assert_int_eq(capture_get(journal, unknown, &arena, &capture), ERR_NOT_FOUND);
    arena_free(&arena);
    journal_close(&journal);
}
END_TEST

START_TEST(cut_off_uploads_leave_nothing)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct ingest_document *document = NULL;
    char *data = calloc(1, 3 << 20);
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    ck_assert_int_eq(ingest_open(ingest, "", &document), ERR_OK);
    ck_assert_int_eq(ingest_append(document, data, 3 << 20), ERR_OK);
    ingest_abort(&document);
    ck_assert_ptr_null(document);
    uint64_t upload = journal_next_upload(journal) - 1, number = 0;
    ingest_free(&ingest);
    journal_close(&journal);

    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    struct buffer bytes = {0};
    ck_assert_int_eq(journal_piece(journal, upload, 0, &bytes), ERR_NOT_FOUND);
    ck_assert_int_eq(journal_next_unfinished(journal, &number), ERR_NOT_FOUND);
    journal_close(&journal);
    free(data);
}
END_TEST

START_TEST(a_second_server_is_refused)
{
    struct journal *journal = NULL, *second = NULL;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(journal_open(dir, map_bytes, &second), ERR_EXISTS);
    journal_close(&journal);
    ck_assert_int_eq(journal_open(dir, map_bytes, &second), ERR_OK);
    journal_close(&second);
}
END_TEST

static void write_version(uint32_t version)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    ck_assert_int_eq(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 4);
    ck_assert_int_eq(mdb_env_open(env, dir, 0, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    MDB_val key = {7, "version"}, value = {sizeof version, &version};
    ck_assert_int_eq(mdb_put(txn, meta, &key, &value, 0), 0);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

START_TEST(a_journal_of_another_version_is_left_alone)
{
    static const uint32_t versions[] = {99, 1};
    struct journal *journal = NULL;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    journal_close(&journal);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        write_version(versions[i]);
        ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_VERSION);
        ck_assert_ptr_null(journal);
    }
}
END_TEST

static uint8_t leaf_bytes[2 * DIGEST_BYTES] = {7};
static const struct buffer batch_leaves = {.data = leaf_bytes, .length = sizeof leaf_bytes};

/* Submits one closed batch over `count` items of document 1; `waiter` learns when it is recorded. */
static void submit_batch(struct journal *journal, uint64_t sequence, uint64_t first, uint32_t count,
                         struct journal_op *op, struct waiter *waiter)
{
    uint8_t id[DIGEST_BYTES] = {(uint8_t)sequence}, parent[DIGEST_BYTES] = {(uint8_t)(sequence - 1)};
    Epcis__Store__V1__BatchSpan span = EPCIS__STORE__V1__BATCH_SPAN__INIT, *spans[] = {&span};
    span.document_number = 1;
    span.first_event = first;
    span.events = count;
    span.count = count;
    Epcis__Store__V1__BatchRecord record = EPCIS__STORE__V1__BATCH_RECORD__INIT;
    record.batch_id = (ProtobufCBinaryData){sizeof id, id};
    record.parent_batch_id = (ProtobufCBinaryData){sizeof parent, parent};
    record.spans = spans;
    record.n_spans = 1;
    *op = (struct journal_op){
        .kind = JOURNAL_BATCH, .partition = 7, .sequence = sequence, .done = op_done, .context = waiter};
    buffer_append_message(&op->data, &record.base);
    op->leaves = &batch_leaves;
    journal_submit(journal, op);
}

static void record_batch(struct journal *journal, uint64_t sequence, uint64_t first, uint32_t count)
{
    struct journal_op op;
    struct waiter waiter = WAITER;
    submit_batch(journal, sequence, first, count, &op, &waiter);
    ck_assert_int_eq(waiter_wait(&waiter), ERR_OK);
    buffer_free(&op.data);
}

static enum err acknowledge(struct journal *journal, uint64_t sequence, struct journal_span_result result)
{
    struct journal_op op = {.kind = JOURNAL_ACKNOWLEDGED,
                            .partition = 7,
                            .sequence = sequence,
                            .results = &result,
                            .result_count = 1,
                            .decided_ms = 1700000000000 + (int64_t)sequence,
                            .rule_pack = "test"};
    buffer_append(&op.data, "\1\1\2\3", 4);
    enum err err = journal_wait(journal, &op);
    buffer_free(&op.data);
    return err;
}

START_TEST(acknowledgments_add_up_once)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipt;
    struct arena arena;
    Epcis__V1__Capture *capture = NULL;
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    ck_assert_int_eq(send_document(ingest, 0, 100, &receipt), ERR_OK);
    record_batch(journal, 1, 0, 10);
    record_batch(journal, 2, 10, 5);
    ck_assert_int_eq(acknowledge(journal, 1, (struct journal_span_result){8, 1, 1, 3}), ERR_OK);
    ck_assert_int_eq(acknowledge(journal, 1, (struct journal_span_result){8, 1, 1, 3}), ERR_OK);
    ck_assert_int_eq(capture_get(journal, receipt.capture_id, &arena, &capture), ERR_OK);
    ck_assert_uint_eq(capture->events, 15);
    ck_assert_uint_eq(capture->committed, 8);
    ck_assert_uint_eq(capture->warnings, 3);
    ck_assert_uint_eq(capture->batches, 1);
    ck_assert_int_eq(capture->state, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING);
    ck_assert_int_eq(acknowledge(journal, 2, (struct journal_span_result){4, 0, 0, 0}), ERR_OK);

    /* The last of the 15 items was the document's breaking off. */
    Epcis__V1__DocumentError error = EPCIS__V1__DOCUMENT_ERROR__INIT;
    error.code = (char *)"SCHEMA_INVALID";
    error.line = 99;
    struct journal_op op = {
        .kind = JOURNAL_CONVERTED, .number = 1, .events = 14, .items = 15, .error = &error};
    ck_assert_int_eq(journal_wait(journal, &op), ERR_OK);
    ck_assert_int_eq(capture_get(journal, receipt.capture_id, &arena, &capture), ERR_OK);
    ck_assert_int_eq(capture->state, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED);
    ck_assert_uint_eq(capture->error->line, 99);
    ck_assert_uint_eq(capture->committed + capture->duplicates + capture->dead_letters, capture->events);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), 0);

    Epcis__Store__V1__PartitionRecord *partition = NULL;
    ck_assert_int_eq(journal_partition(journal, 7, &arena, &partition), ERR_OK);
    ck_assert_uint_eq(partition->last_sequence, 2);
    ck_assert_uint_eq(partition->acknowledged_sequence, 2);
    char hex[DIGEST_HEX + 1]; /* worked out by another program from ledger.proto */
    digest_hex(partition->outcome_id.data, partition->outcome_id.len, hex);
    ck_assert_str_eq(hex, "811798c773c6544d9fe0e6bb69afde92f0360270ce3147243671c8a14d2ab00d");
    ck_assert_int_eq(journal_partition(journal, 8, &arena, &partition), ERR_NOT_FOUND);
    arena_free(&arena);
    ingest_free(&ingest);
    journal_close(&journal);
}
END_TEST

/* The states and first events of the news behind `number`, as "2:0 2:10 4:0 "; *number moves to the last. */
static enum err add_news(void *context, uint64_t number, const Epcis__Store__V1__NewsRecord *record)
{
    (void)number;
    buffer_printf(context, "%d:%d ", (int)record->state, (int)record->first_event);
    return ERR_OK;
}

static void check_news(struct journal *journal, uint64_t *number, const char *expected)
{
    struct buffer text = {0};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    enum err err = journal_news_read(journal, number, 100, &arena, add_news, &text);
    ck_assert_int_eq(err, expected[0] ? ERR_OK : ERR_NOT_FOUND);
    ck_assert_uint_eq(text.length, strlen(expected));
    ck_assert_int_eq(memcmp(text.data ? (char *)text.data : "", expected, text.length), 0);
    arena_free(&arena);
    buffer_free(&text);
}

static void check_range(struct journal *journal, uint64_t first, uint64_t last)
{
    uint64_t is_first, is_last;
    ck_assert_int_eq(journal_news_range(journal, &is_first, &is_last), ERR_OK);
    ck_assert_uint_eq(is_first, first);
    ck_assert_uint_eq(is_last, last);
}

START_TEST(news_come_once_and_go_with_the_documents)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipt;
    uint64_t number = 0, from_one = 1;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    check_range(journal, 1, 0);
    ck_assert_int_eq(send_document(ingest, 0, 100, &receipt), ERR_OK);
    record_batch(journal, 1, 0, 10);
    record_batch(journal, 2, 10, 5);
    check_news(journal, &number, "");
    ck_assert_int_eq(acknowledge(journal, 1, (struct journal_span_result){8, 1, 1, 3}), ERR_OK);
    ck_assert_int_eq(acknowledge(journal, 1, (struct journal_span_result){8, 1, 1, 3}), ERR_OK);
    check_news(journal, &number, "2:0 ");
    struct journal_op converted = {.kind = JOURNAL_CONVERTED, .number = 1, .events = 15, .items = 15};
    ck_assert_int_eq(journal_wait(journal, &converted), ERR_OK);
    check_news(journal, &number, "");
    ck_assert_int_eq(acknowledge(journal, 2, (struct journal_span_result){5, 0, 0, 0}), ERR_OK);
    check_news(journal, &number, "2:10 3:0 ");

    ck_assert_int_eq(send_document(ingest, 1, 100, &receipt), ERR_OK);
    Epcis__V1__CaptureCancellation cancellation = EPCIS__V1__CAPTURE_CANCELLATION__INIT;
    struct journal_op cancel = {.kind = JOURNAL_CANCEL, .number = 2, .cancellation = &cancellation};
    ck_assert_int_eq(journal_wait(journal, &cancel), ERR_OK);
    ingest_free(&ingest);
    journal_close(&journal);
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    check_news(journal, &number, "5:0 ");
    check_news(journal, &from_one, "2:10 3:0 5:0 ");
    check_range(journal, 1, 4);

    /* The last one stays, and with it the count. */
    struct journal_op prune = {.kind = JOURNAL_PRUNE, .number = 1, .before_ms = 1, .pruned_ms = 1};
    ck_assert_int_eq(journal_wait(journal, &prune), ERR_OK);
    check_range(journal, 1, 4);
    prune.before_ms = INT64_MAX;
    ck_assert_int_eq(journal_wait(journal, &prune), ERR_OK);
    check_range(journal, 4, 4);
    struct arena arena;
    struct buffer told = {0};
    arena_init(&arena, 1 << 20);
    number = 2; /* and 3, which follows, is gone */
    ck_assert_int_eq(journal_news_read(journal, &number, 100, &arena, add_news, &told), ERR_ORDER);
    ck_assert_uint_eq(number, 2);
    ck_assert_uint_eq(told.length, 0);
    arena_free(&arena);
    number = 3;
    check_news(journal, &number, "5:0 ");
    journal_close(&journal);
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    ck_assert_int_eq(send_document(ingest, 2, 100, &receipt), ERR_OK);
    cancel.number = 3;
    ck_assert_int_eq(journal_wait(journal, &cancel), ERR_OK);
    check_range(journal, 4, 5);
    ingest_free(&ingest);
    journal_close(&journal);
}
END_TEST

/* In a process of its own, because a fault point is set for a whole process. */
static int with_fault(const char *fault, int (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        setenv("EPCISD_FAULT", fault, 1);
        fault_init();
        _exit(run());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static int send_one_with_failed_commit(void)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipt;
    struct refusal why;
    if (journal_open(dir, map_bytes, &journal) || ingest_init(journal, NULL, count_received, NULL, &ingest))
        return 1;
    if (send_document(ingest, 5, 1000, &receipt) != ERR_DISK)
        return 2;
    if (ingest_admit(ingest, &why) != ERR_DISK)
        return 3;
    for (int i = 0; ingest_admit(ingest, &why) && i < 1000; i++) /* until the probe succeeds */
        usleep(10000);
    if (send_document(ingest, 5, 1000, &receipt) || receipt.duplicate_document)
        return 4;
    ingest_free(&ingest);
    journal_close(&journal);
    return 0;
}

START_TEST(a_failed_commit_gives_no_receipt)
{
    int status = with_fault("journal.commit:1", send_one_with_failed_commit);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* A limit on the size of files stands for the full disk. */
static void let_files_grow(bool grow)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = grow ? limit.rlim_max : 1;
    signal(SIGXFSZ, grow ? SIG_DFL : SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_full_disk_refuses_documents_and_keeps_batches)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipt;
    struct journal_op op;
    struct waiter waiter = WAITER;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, count_received, NULL, &ingest), ERR_OK);
    ck_assert_int_eq(send_document(ingest, 0, 100, &receipt), ERR_OK);
    let_files_grow(false);
    submit_batch(journal, 1, 0, 10, &op, &waiter);
    while (!journal_health(journal))
        usleep(1000);
    /* This one was let in before the disk was known to be full: it must not wait for ever. */
    ck_assert_int_eq(send_document(ingest, 1, 100, &receipt), ERR_DISK);
    let_files_grow(true);
    ck_assert_int_eq(waiter_wait(&waiter), ERR_OK);
    buffer_free(&op.data);
    ck_assert_int_eq(send_document(ingest, 1, 100, &receipt), ERR_OK);
    ck_assert(!receipt.duplicate_document);
    ingest_free(&ingest);
    journal_close(&journal);
}
END_TEST

static int send_one_and_tell(void)
{
    struct journal *journal = NULL;
    struct ingest *ingest = NULL;
    struct receipt receipt;
    if (journal_open(dir, map_bytes, &journal) || ingest_init(journal, NULL, count_received, NULL, &ingest))
        return 1;
    return send_document(ingest, 9, 1000, &receipt) ? 2 : 0;
}

static bool has_document(void)
{
    struct journal *journal = NULL;
    uint64_t number = 0;
    ck_assert_int_eq(journal_open(dir, map_bytes, &journal), ERR_OK);
    bool found = journal_next_unfinished(journal, &number) == ERR_OK;
    journal_close(&journal);
    return found;
}

START_TEST(kill_before_commit_keeps_nothing_after_it_all)
{
    ck_assert(WIFSIGNALED(with_fault("journal.before_commit", send_one_and_tell)));
    ck_assert(!has_document());
    ck_assert(WIFSIGNALED(with_fault("journal.after_commit", send_one_and_tell)));
    ck_assert(has_document());
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, folder_make, folder_remove);
    tcase_add_test(tests, documents_survive_reopening);
    tcase_add_test(tests, cut_off_uploads_leave_nothing);
    tcase_add_test(tests, a_second_server_is_refused);
    tcase_add_test(tests, a_journal_of_another_version_is_left_alone);
    tcase_add_test(tests, acknowledgments_add_up_once);
    tcase_add_test(tests, news_come_once_and_go_with_the_documents);
    tcase_add_test(tests, a_failed_commit_gives_no_receipt);
    tcase_add_test(tests, a_full_disk_refuses_documents_and_keeps_batches);
    tcase_add_test(tests, kill_before_commit_keeps_nothing_after_it_all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
