/* Uploads that can be continued, on a real journal: over streams, over restarts, against each other. */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/journal.h"
#include "server/journal_wait.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"

enum { MAP_BYTES = 256 << 20, MIB = 1 << 20, DOCUMENT = 3 * MIB + 777 };

static struct journal *journal;
static struct ingest *ingest;
static char document[DOCUMENT];
static uint8_t document_sha256[DIGEST_BYTES];
static const uint8_t id[UUID_BYTES] = {1, 2, 3};

static void open_all(void)
{
    ck_assert_int_eq(journal_open(dir, MAP_BYTES, &journal), ERR_OK);
    ck_assert_int_eq(ingest_init(journal, NULL, ignore_received, NULL, &ingest), ERR_OK);
}

static void close_all(void)
{
    ingest_free(&ingest);
    journal_close(&journal);
}

static void reopen(void)
{
    close_all();
    open_all();
}

static void setup(void)
{
    folder_make();
    for (size_t i = 0; i < DOCUMENT; i++)
        document[i] = (char)('a' + (i * 31 + i / 977) % 26);
    digest_of(document, DOCUMENT, document_sha256);
    open_all();
}

static void teardown(void)
{
    close_all();
    folder_remove();
}

static void claimed(void *context, enum err err, struct ingest_document *claimed_document,
                    uint64_t held_bytes, const struct refusal *why)
{
    struct waiter *waiter = context;
    (void)why;
    waiter->document = claimed_document;
    waiter->held_bytes = held_bytes;
    waiter_set(waiter, err);
}

static enum err claim(const char *partner, uint64_t offset, struct ingest_document **out,
                      uint64_t *held_bytes)
{
    struct waiter waiter = WAITER;
    ck_assert_int_eq(ingest_claim(ingest, id, partner, offset, claimed, &waiter), ERR_OK);
    enum err err = waiter_wait(&waiter);
    *out = waiter.document;
    *held_bytes = waiter.held_bytes;
    return err;
}

/* Appends the document's bytes from `from` to `to`, in odd steps. */
static enum err append(struct ingest_document *upload, size_t from, size_t to)
{
    enum err err = ERR_OK;
    for (size_t at = from; at < to && !err; at += 99991)
        err = ingest_append(upload, document + at, to - at < 99991 ? to - at : 99991);
    return err;
}

static void check_whole(struct ingest_document **upload, bool duplicate, struct receipt *receipt)
{
    uint8_t digest[DIGEST_BYTES];
    ck_assert_uint_eq(ingest_length(*upload), DOCUMENT);
    ingest_digest(*upload, digest);
    ck_assert_mem_eq(digest, document_sha256, DIGEST_BYTES);
    ck_assert_int_eq(finish(upload, receipt), ERR_OK);
    ck_assert_int_eq(receipt->duplicate_document, duplicate);
    ck_assert_mem_eq(receipt->document_sha256, document_sha256, DIGEST_BYTES);
    ck_assert_uint_eq(receipt->document_bytes, DOCUMENT);
}

static void check_stored(const struct receipt *receipt)
{
    struct arena arena;
    struct buffer bytes = {0};
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(journal_capture_by_id(journal, receipt->capture_id, &arena, &record), ERR_OK);
    for (uint32_t i = 0; i < record->pieces; i++)
        ck_assert_int_eq(journal_piece(journal, record->upload, i, &bytes), ERR_OK);
    ck_assert_uint_eq(bytes.length, DOCUMENT);
    ck_assert_mem_eq(bytes.data, document, DOCUMENT);
    buffer_free(&bytes);
    arena_free(&arena);
}

START_TEST(goes_on_after_restarts)
{
    struct ingest_document *upload = NULL;
    struct receipt first, again;
    uint64_t held = 7;
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, 0);
    ck_assert_int_eq(append(upload, 0, MIB + 1234), ERR_OK);
    ingest_abort(&upload); /* the stream broke off: the part of a piece is gone */
    reopen();
    ck_assert_uint_eq(journal_unfinished_bytes(journal), MIB);
    ck_assert_int_eq(claim("", MIB, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, MIB);
    ck_assert_int_eq(append(upload, MIB, 2 * MIB + 99), ERR_OK);
    ingest_abort(&upload);
    reopen();
    ck_assert_int_eq(claim("", 2 * MIB + 1, &upload, &held), ERR_ORDER);
    ck_assert_uint_eq(held, 2 * MIB);
    ck_assert_ptr_null(upload);
    ck_assert_int_eq(claim("", 1000, &upload, &held), ERR_OK); /* more than needs be */
    ck_assert_int_eq(append(upload, 1000, DOCUMENT), ERR_OK);
    check_whole(&upload, false, &first);
    check_stored(&first);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), DOCUMENT);
    reopen();
    ck_assert_int_eq(claim("", DOCUMENT, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, DOCUMENT);
    check_whole(&upload, true, &again);
    ck_assert_mem_eq(first.capture_id, again.capture_id, UUID_BYTES);
    check_stored(&first);
}
END_TEST

START_TEST(later_stream_wins)
{
    struct ingest_document *older = NULL, *newer = NULL, *strange = NULL;
    struct receipt receipt;
    uint64_t held;
    ck_assert_int_eq(claim("", 0, &older, &held), ERR_OK);
    ck_assert_int_eq(append(older, 0, MIB), ERR_OK);
    ck_assert_int_eq(claim("", 0, &newer, &held), ERR_OK);
    ck_assert_uint_eq(held, MIB);
    ck_assert_int_eq(claim("0614141000005", 0, &strange, &held), ERR_OK);
    ck_assert_uint_eq(held, 0); /* of another partner: not the same */
    ingest_discard(&strange);
    static const char lies[2 * MIB];
    enum err err = ERR_OK;
    for (int i = 0; i < 100 && !err; i++) { /* told with a piece after the one that was refused */
        err = ingest_append(older, lies, sizeof lies);
        usleep(1000);
    }
    ck_assert_int_eq(err, ERR_EXISTS);
    ingest_abort(&older);
    ck_assert_int_eq(append(newer, 0, DOCUMENT), ERR_OK);
    check_whole(&newer, false, &receipt);
    check_stored(&receipt);
}
END_TEST

START_TEST(older_stream_cannot_finish)
{
    struct ingest_document *older = NULL, *newer = NULL;
    struct receipt receipt;
    uint64_t held;
    ck_assert_int_eq(claim("", 0, &older, &held), ERR_OK);
    ck_assert_int_eq(append(older, 0, DOCUMENT), ERR_OK);
    ck_assert_int_eq(claim("", 0, &newer, &held), ERR_OK);
    ck_assert_int_eq(finish(&older, &receipt), ERR_EXISTS);
    ck_assert_int_eq(append(newer, 0, DOCUMENT), ERR_OK);
    check_whole(&newer, false, &receipt);
}
END_TEST

static void op_done(struct journal_op *op, enum err err)
{
    waiter_set(op->context, err);
}

static enum err run_op(struct journal_op op)
{
    struct waiter waiter = WAITER;
    op.done = op_done;
    op.context = &waiter;
    journal_submit(journal, &op);
    return waiter_wait(&waiter);
}

/* Between a last, short piece and its seal comes a claim that is refused: it must not cost that piece. */
START_TEST(refused_claim_changes_nothing)
{
    struct journal_claim claim = {.key_bytes = UUID_BYTES, .open_max = 10}, refused;
    memcpy(claim.key, id, UUID_BYTES);
    claim.stream = journal_next_upload(journal);
    ck_assert_int_eq(run_op((struct journal_op){.kind = JOURNAL_CLAIM, .claim = &claim}), ERR_OK);
    struct journal_op piece = {
        .kind = JOURNAL_PIECE, .upload = claim.upload, .stream = claim.stream, .raw_bytes = 777};
    buffer_append(&piece.data, document, 777);
    ck_assert_int_eq(run_op(piece), ERR_OK);
    buffer_free(&piece.data);

    refused = claim;
    refused.stream = journal_next_upload(journal);
    refused.offset = 1;
    ck_assert_int_eq(run_op((struct journal_op){.kind = JOURNAL_CLAIM, .claim = &refused}), ERR_ORDER);
    ck_assert_uint_eq(refused.bytes, 0); /* a part of a piece is nothing to go on from */
    ck_assert_uint_eq(journal_unfinished_bytes(journal), 777);

    struct journal_document sealed_document = {
        .upload = claim.upload, .stream = claim.stream, .pieces = 1, .document_bytes = 777, .received_ms = 1};
    ck_assert_int_eq(run_op((struct journal_op){.kind = JOURNAL_SEAL, .document = &sealed_document}), ERR_OK);
    ck_assert_uint_eq(sealed_document.number, 1);
}
END_TEST

/* Begins an upload of the partner; where `number` is at most four, they are open at the same time. */
static enum err begin_of(const char *partner, uint8_t number, struct journal_claim *claimed)
{
    struct journal_claim *out = claimed;
    *out = (struct journal_claim){.open_max = 4, .stream = journal_next_upload(journal)};
    const uint8_t upload_id[UUID_BYTES] = {number};
    ck_assert_int_eq(ingest_upload_key(upload_id, partner, out->key, &out->key_bytes), ERR_OK);
    return run_op((struct journal_op){.kind = JOURNAL_CLAIM, .claim = out});
}

START_TEST(no_partner_begins_all_there_may_be)
{
    static const char one[] = "0614141000005", other[] = "0614141000012";
    struct journal_claim first, claim;
    ck_assert_int_eq(begin_of(one, 1, &first), ERR_OK);
    ck_assert_int_eq(begin_of(one, 2, &claim), ERR_OK);
    ck_assert_int_eq(begin_of(one, 3, &claim), ERR_FULL);
    ck_assert_int_eq(begin_of(one, 1, &claim), ERR_OK); /* goes on with what it began */
    ck_assert_int_eq(begin_of(other, 3, &claim), ERR_OK);
    reopen();
    ck_assert_int_eq(begin_of(one, 3, &claim), ERR_FULL);
    ck_assert_int_eq(begin_of(one, 1, &first), ERR_OK);
    ck_assert_int_eq(
        run_op((struct journal_op){.kind = JOURNAL_DISCARD, .upload = first.upload, .stream = first.stream}),
        ERR_OK);
    ck_assert_int_eq(begin_of(one, 3, &claim), ERR_OK);
    ck_assert_int_eq(begin_of("", 4, &claim), ERR_OK);
}
END_TEST

START_TEST(same_bytes_under_two_ids_are_one_document)
{
    struct ingest_document *upload = NULL;
    struct receipt first, second;
    uint64_t held;
    ck_assert_int_eq(ingest_open(ingest, "", &upload), ERR_OK);
    ck_assert_int_eq(append(upload, 0, DOCUMENT), ERR_OK);
    check_whole(&upload, false, &first);
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_int_eq(append(upload, 0, DOCUMENT), ERR_OK);
    check_whole(&upload, true, &second);
    ck_assert_mem_eq(first.capture_id, second.capture_id, UUID_BYTES);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), DOCUMENT);
    reopen();
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, DOCUMENT);
    ingest_discard(&upload); /* the document stays */
    check_stored(&first);
}
END_TEST

/* As if nobody had touched the upload for a while. */
static void make_older(int64_t by_ms)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi uploads;
    MDB_cursor *cursor;
    MDB_val key, value;
    struct buffer packed = {0};
    close_all();
    ck_assert_int_eq(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 4);
    mdb_env_set_mapsize(env, MAP_BYTES);
    ck_assert_int_eq(mdb_env_open(env, dir, 0, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, "upload", 0, &uploads), 0);
    ck_assert_int_eq(mdb_cursor_open(txn, uploads, &cursor), 0);
    ck_assert_int_eq(mdb_cursor_get(cursor, &key, &value, MDB_LAST), 0);
    Epcis__Store__V1__UploadRecord *record =
        epcis__store__v1__upload_record__unpack(NULL, value.mv_size, value.mv_data);
    record->touched_ms -= by_ms;
    buffer_append_message(&packed, &record->base);
    value = (MDB_val){packed.length, packed.data};
    ck_assert_int_eq(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    epcis__store__v1__upload_record__free_unpacked(record, NULL);
    buffer_free(&packed);
    open_all();
}

START_TEST(a_restart_drops_none_before_it_is_said_how_long_they_are_kept)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct ingest_document *upload = NULL;
    uint64_t held = 7;
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_int_eq(append(upload, 0, MIB), ERR_OK);
    ingest_abort(&upload);
    make_older(2 * (int64_t)DAY_MS);
    for (int i = 0; i < 2;
         i++) { /* as at a start: when the second is done, the writer has looked at uploads */
        struct journal_op op = {.kind = JOURNAL_CHECKPOINT};
        ck_assert_int_eq(journal_wait(journal, &op), ERR_NOT_FOUND);
    }
    journal_keep_uploads(journal, 3 * (uint64_t)DAY_MS);
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, MIB);
    ingest_abort(&upload);
}
END_TEST

START_TEST(abandoned_ones_go_away)
{
    struct ingest_document *upload = NULL;
    uint64_t held;
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_int_eq(append(upload, 0, 2 * MIB), ERR_OK);
    ingest_abort(&upload);
    reopen();
    ck_assert_uint_eq(journal_unfinished_bytes(journal), 2 * MIB);
    journal_keep_uploads(journal, 10);
    int64_t deadline_ms = clock_steady_ms() + 60000;
    while (journal_unfinished_bytes(journal) > 0 && clock_steady_ms() < deadline_ms)
        usleep(1000);
    ck_assert_uint_eq(journal_unfinished_bytes(journal), 0);
    journal_keep_uploads(journal, 3600 * 1000);
    ck_assert_int_eq(claim("", 0, &upload, &held), ERR_OK);
    ck_assert_uint_eq(held, 0);
    ingest_discard(&upload);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("uploads");
    TCase *tests = tcase_create("uploads");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, goes_on_after_restarts);
    tcase_add_test(tests, later_stream_wins);
    tcase_add_test(tests, older_stream_cannot_finish);
    tcase_add_test(tests, refused_claim_changes_nothing);
    tcase_add_test(tests, no_partner_begins_all_there_may_be);
    tcase_add_test(tests, same_bytes_under_two_ids_are_one_document);
    tcase_add_test(tests, a_restart_drops_none_before_it_is_said_how_long_they_are_kept);
    tcase_add_test(tests, abandoned_ones_go_away);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
