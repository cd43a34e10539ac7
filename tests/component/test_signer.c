/* The keys of a server on a real disk: made once, rotated, found again after a crash, never replaced
 * unasked; and what they sign. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/epcis/receipt.h"
#include "server/capture_query.h"
#include "server/checkpointer.h"
#include "server/ingest.h"
#include "server/journal_audit.h"
#include "server/journal_wait.h"
#include "server/signer.h"

enum { ARENA_BYTES = 1 << 20 };
static const uint64_t map_bytes = 64 << 20;
static char dir[64], keys_dir[80], key_path[100], next_path[100], aside_path[100];
static struct arena arena;

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status, (void)kind, (void)ftw;
    return remove(path);
}

static void setup(void)
{
    strcpy(dir, "/tmp/epcisd-signer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", dir);
    snprintf(key_path, sizeof key_path, "%s/signing.pem", keys_dir);
    snprintf(next_path, sizeof next_path, "%s/next.pem", keys_dir);
    snprintf(aside_path, sizeof aside_path, "%s/aside.pem", keys_dir);
    arena_init(&arena, ARENA_BYTES);
}

static void teardown(void)
{
    arena_free(&arena);
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

struct server {
    struct journal *journal;
    struct signer *signer;
};

static enum err server_open(struct server *server, bool replace_lost)
{
    *server = (struct server){0};
    enum err err = journal_open(dir, map_bytes, &server->journal);
    return err ? err : signer_open(keys_dir, server->journal, replace_lost, &server->signer);
}

static void server_close(struct server *server)
{
    journal_close(&server->journal);
    signer_close(&server->signer);
}

static enum err try_open(bool replace_lost)
{
    struct server server;
    enum err err = server_open(&server, replace_lost);
    server_close(&server);
    return err;
}

/* All keys, in the arena. Each is what its statement says, signed by itself and, where it says so, by the one
 * before. */
static size_t known_keys(struct server *server, Epcis__V1__SigningKey ***out)
{
    struct journal_audit_page page = {.limit = 100};
    Epcis__V1__ListKeysResponse response = EPCIS__V1__LIST_KEYS_RESPONSE__INIT;
    arena_reset(&arena);
    ck_assert_int_eq(journal_audit_keys(server->journal, &page, &arena, &response), ERR_OK);
    ck_assert_uint_eq(page.from, 0);
    for (size_t i = 0; i < response.n_keys; i++) {
        const Epcis__V1__SigningKey *key = response.keys[i];
        const Epcis__V1__KeyStatement *statement =
            epcis__v1__key_statement__unpack(&arena.allocator, key->statement.len, key->statement.data);
        char id[SIGNATURE_KEY_ID + 1];
        ck_assert_ptr_nonnull(statement);
        ck_assert_uint_eq(statement->number, i + 1);
        ck_assert_uint_eq(statement->first_document, 1);
        ck_assert_mem_eq(statement->public_key.data, key->public_key.data, SIGNATURE_PUBLIC_BYTES);
        signature_id_of(key->public_key.data, id);
        ck_assert_str_eq(id, key->key_id);
        ck_assert(signature_ok(key->public_key.data, SIGNER_KEY, key->statement.data, key->statement.len,
                               key->signature.data, key->signature.len));
        ck_assert_uint_eq(statement->predecessor.len, i ? SIGNATURE_PUBLIC_BYTES : 0);
        if (i)
            ck_assert_mem_eq(statement->predecessor.data, response.keys[i - 1]->public_key.data,
                             SIGNATURE_PUBLIC_BYTES);
        if (key->predecessor_signature.len)
            ck_assert(signature_ok(statement->predecessor.data, SIGNER_KEY, key->statement.data,
                                   key->statement.len, key->predecessor_signature.data,
                                   key->predecessor_signature.len));
    }
    *out = response.keys;
    return response.n_keys;
}

static void signs_with(struct server *server, const Epcis__V1__SigningKey *key)
{
    struct signer_signature signature;
    ck_assert_int_eq(signer_sign(server->signer, "test", "abc", 3, &signature), ERR_OK);
    ck_assert_str_eq(signature.key_id, key->key_id);
    ck_assert(signature_ok(key->public_key.data, "test", "abc", 3, signature.bytes, sizeof signature.bytes));
}

/* So many keys are known, the last one signs, and its file alone is there. */
static void has_keys(size_t count)
{
    struct server server;
    Epcis__V1__SigningKey **keys;
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_uint_eq(known_keys(&server, &keys), count);
    signs_with(&server, keys[count - 1]);
    server_close(&server);
    ck_assert_int_eq(access(key_path, F_OK), 0);
    ck_assert_int_ne(access(next_path, F_OK), 0);
}

START_TEST(the_first_start_makes_a_key_and_the_next_finds_it)
{
    struct stat status;
    has_keys(1);
    ck_assert_int_eq(stat(key_path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    has_keys(1);
}
END_TEST

START_TEST(rotation_makes_a_chain)
{
    struct server server;
    Epcis__V1__SigningKey **keys;
    has_keys(1);
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_int_eq(signer_rotate(server.signer, "a person"), ERR_OK);
    ck_assert_int_eq(signer_rotate(server.signer, ""), ERR_OK);
    ck_assert_uint_eq(known_keys(&server, &keys), 3);
    ck_assert_uint_eq(keys[1]->predecessor_signature.len, SIGNATURE_BYTES);
    ck_assert_uint_eq(keys[2]->predecessor_signature.len, SIGNATURE_BYTES);
    signs_with(&server, keys[2]);
    server_close(&server);
    has_keys(3);
}
END_TEST

START_TEST(pages_go_both_ways)
{
    struct server server;
    struct journal_audit_page page = {.limit = 2, .newest_first = true};
    Epcis__V1__ListKeysResponse response = EPCIS__V1__LIST_KEYS_RESPONSE__INIT;
    Epcis__V1__SigningKey **keys;
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_int_eq(signer_rotate(server.signer, ""), ERR_OK);
    ck_assert_int_eq(signer_rotate(server.signer, ""), ERR_OK);
    ck_assert_uint_eq(known_keys(&server, &keys), 3);
    ck_assert_int_eq(journal_audit_keys(server.journal, &page, &arena, &response), ERR_OK);
    ck_assert_uint_eq(response.n_keys, 2);
    ck_assert_str_eq(response.keys[0]->key_id, keys[2]->key_id);
    ck_assert_uint_eq(page.from, 1);
    response.n_keys = 0;
    ck_assert_int_eq(journal_audit_keys(server.journal, &page, &arena, &response), ERR_OK);
    ck_assert_uint_eq(response.n_keys, 1);
    ck_assert_str_eq(response.keys[0]->key_id, keys[0]->key_id);
    ck_assert_uint_eq(page.from, 0);
    server_close(&server);
}
END_TEST

/* ---- crashes and failures --------------------------------------------------------------------------- */

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

static int open_alone(void)
{
    return try_open(false);
}

static int open_and_rotate(void)
{
    struct server server;
    return server_open(&server, false) || signer_rotate(server.signer, "") ? 1 : 0;
}

/* The second commit after the one that a start makes is the rotation's. */
static int rotate_twice_where_the_first_fails(void)
{
    struct server server;
    if (server_open(&server, false) || signer_rotate(server.signer, "") != ERR_DISK)
        return 1;
    for (int i = 0; signer_rotate(server.signer, "") && i < 1000; i++)
        usleep(10000);
    server_close(&server);
    return 0;
}

START_TEST(a_crash_in_the_first_start_is_made_good)
{
    ck_assert(WIFSIGNALED(with_fault("key.written", open_alone)));
    ck_assert_int_eq(access(next_path, F_OK), 0);
    has_keys(1);
    teardown();
    setup();
    ck_assert(WIFSIGNALED(with_fault("key.recorded", open_alone)));
    ck_assert_int_ne(access(key_path, F_OK), 0);
    has_keys(1);
}
END_TEST

START_TEST(a_crash_in_a_rotation_leaves_one_key_that_signs)
{
    has_keys(1);
    ck_assert(WIFSIGNALED(with_fault("key.written", open_and_rotate)));
    ck_assert_int_eq(access(next_path, F_OK), 0);
    has_keys(1);
    ck_assert(WIFSIGNALED(with_fault("key.recorded", open_and_rotate)));
    ck_assert_int_eq(access(next_path, F_OK), 0);
    has_keys(2);
}
END_TEST

START_TEST(a_rotation_that_fails_leaves_the_old_key)
{
    has_keys(1);
    int status = with_fault("journal.commit:2", rotate_twice_where_the_first_fails);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    has_keys(2);
}
END_TEST

/* ---- lost keys -------------------------------------------------------------------------------------- */

START_TEST(a_lost_key_stops_the_start)
{
    struct server server;
    Epcis__V1__SigningKey **keys;
    has_keys(1);
    ck_assert_int_eq(try_open(true), ERR_EXISTS);
    ck_assert_int_eq(rename(key_path, aside_path), 0);
    ck_assert_int_eq(try_open(false), ERR_NOT_FOUND);
    ck_assert_int_ne(access(key_path, F_OK), 0);
    ck_assert_int_eq(rename(aside_path, key_path), 0);
    has_keys(1);
    ck_assert_int_eq(unlink(key_path), 0);
    ck_assert_int_eq(try_open(true), ERR_OK);
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_uint_eq(known_keys(&server, &keys), 2);
    ck_assert_uint_eq(keys[1]->predecessor_signature.len, 0);
    server_close(&server);
    has_keys(2);
}
END_TEST

START_TEST(a_damaged_or_open_key_file_stops_the_start)
{
    has_keys(1);
    ck_assert_int_eq(chmod(key_path, 0640), 0);
    ck_assert_int_eq(try_open(false), ERR_SYSTEM);
    ck_assert_int_eq(chmod(key_path, 0600), 0);
    has_keys(1);
    ck_assert_int_eq(truncate(key_path, 60), 0);
    ck_assert_int_eq(try_open(false), ERR_INPUT);
    ck_assert_int_eq(try_open(true), ERR_INPUT);
}
END_TEST

START_TEST(the_key_of_another_journal_stops_the_start)
{
    char journal_file[100];
    has_keys(1);
    snprintf(journal_file, sizeof journal_file, "%s/data.mdb", dir);
    ck_assert_int_eq(unlink(journal_file), 0);
    ck_assert_int_eq(try_open(false), ERR_INPUT);
    ck_assert_int_eq(rename(key_path, aside_path), 0);
    has_keys(1);
    ck_assert_int_eq(rename(aside_path, key_path), 0);
    ck_assert_int_eq(try_open(false), ERR_INPUT);
}
END_TEST

/* ---- receipts --------------------------------------------------------------------------------------- */

struct sending {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t done_now;
    bool done;
    enum err err;
    struct receipt receipt;
};

static void on_done(void *context, enum err err, const struct receipt *receipt, const struct refusal *why)
{
    (void)why;
    struct sending *sending = context;
    pthread_mutex_lock(&sending->mutex);
    sending->done = true;
    sending->err = err;
    if (receipt)
        sending->receipt = *receipt;
    pthread_cond_signal(&sending->done_now);
    pthread_mutex_unlock(&sending->mutex);
}

static void on_received(void *context, uint64_t number, uint32_t partition)
{
    (void)context, (void)number, (void)partition;
}

static struct receipt send(struct server *server, const char *text, const char *partner)
{
    struct ingest *ingest = NULL;
    struct ingest_document *document = NULL;
    struct sending sending = {.mutex = PTHREAD_MUTEX_INITIALIZER, .done_now = PTHREAD_COND_INITIALIZER};
    ck_assert_int_eq(ingest_init(server->journal, NULL, on_received, NULL, &ingest), ERR_OK);
    ck_assert_int_eq(ingest_open(ingest, partner, &document), ERR_OK);
    ck_assert_int_eq(ingest_append(document, text, strlen(text)), ERR_OK);
    ingest_finish(&document, on_done, &sending);
    pthread_mutex_lock(&sending.mutex);
    while (!sending.done)
        pthread_cond_wait(&sending.done_now, &sending.mutex);
    pthread_mutex_unlock(&sending.mutex);
    ck_assert_int_eq(sending.err, ERR_OK);
    ingest_free(&ingest);
    return sending.receipt;
}

/* As GetCapture tells it. It is as it was sent, and the key it names signed it. */
static Epcis__V1__Receipt *stored(struct server *server, const struct receipt *sent)
{
    struct journal_audit_page page = {.limit = 100};
    Epcis__V1__ListKeysResponse response = EPCIS__V1__LIST_KEYS_RESPONSE__INIT;
    Epcis__V1__Capture *capture = NULL;
    bool verified = false;
    ck_assert_int_eq(capture_get(server->journal, sent->capture_id, &arena, &capture), ERR_OK);
    Epcis__V1__Receipt *receipt = capture->receipt;
    ck_assert_str_eq(receipt->key_id, sent->key_id);
    ck_assert_uint_eq(receipt->journal_position, sent->journal_position);
    ck_assert_uint_eq(receipt->signature.len, SIGNATURE_BYTES);
    ck_assert_mem_eq(receipt->signature.data, sent->signature, SIGNATURE_BYTES);
    ck_assert_int_eq(journal_audit_keys(server->journal, &page, &arena, &response), ERR_OK);
    for (size_t i = 0; i < response.n_keys; i++)
        if (strcmp(response.keys[i]->key_id, receipt->key_id) == 0)
            verified = receipt_ok(receipt, response.keys[i]->public_key.data);
    ck_assert(verified);
    return receipt;
}

START_TEST(receipts_are_signed_and_stay_the_same)
{
    struct server server;
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    struct receipt first = send(&server, "one", "0614141000012");
    struct receipt second = send(&server, "two", "");
    ck_assert_uint_eq(first.journal_position, 1);
    ck_assert_uint_eq(second.journal_position, 2);
    stored(&server, &first);
    stored(&server, &second);
    ck_assert_int_eq(signer_rotate(server.signer, ""), ERR_OK);
    struct receipt third = send(&server, "three", "");
    ck_assert_str_ne(third.key_id, first.key_id);
    stored(&server, &third);
    server_close(&server);

    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    stored(&server, &first);
    struct receipt again = send(&server, "one", "0614141000012");
    ck_assert(again.duplicate_document);
    stored(&server, &again);
    ck_assert_mem_eq(again.signature, first.signature, SIGNATURE_BYTES);
    server_close(&server);
}
END_TEST

START_TEST(any_changed_field_of_a_receipt_is_found)
{
    struct server server;
    Epcis__V1__SigningKey *key = NULL;
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    struct receipt sent = send(&server, "one", "0614141000012");
    ck_assert_int_eq(journal_audit_last_key(server.journal, &arena, &key), ERR_OK);
    Epcis__V1__Receipt good = *stored(&server, &sent), bad[6];
    const uint8_t *public_key = key->public_key.data;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        bad[i] = good;
    bad[0].capture_id = "01234567-89ab-7def-8123-456789abcdef";
    bad[1].document_digest = "sha256:00";
    bad[2].document_bytes++;
    bad[3].received_ms++;
    bad[4].journal_position++;
    bad[5].partner = "";
    ck_assert(receipt_ok(&good, public_key));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!receipt_ok(&bad[i], public_key), "field %zu", i);
    server_close(&server);
}
END_TEST

/* ---- checkpoints ------------------------------------------------------------------------------------ */

static void checkpoint(struct server *server, bool always)
{
    struct journal_op op = {.kind = JOURNAL_CHECKPOINT, .always = always};
    ck_assert_int_eq(journal_wait(server->journal, &op), ERR_OK);
}

/* All checkpoints, in the arena. Each is signed by the last key, and names the one before. */
static size_t known_checkpoints(struct server *server, Epcis__V1__Checkpoint *out[], size_t room)
{
    struct journal_audit_page page = {.limit = 100};
    Epcis__V1__ListCheckpointsResponse response = EPCIS__V1__LIST_CHECKPOINTS_RESPONSE__INIT;
    Epcis__V1__SigningKey *key = NULL;
    arena_reset(&arena);
    ck_assert_int_eq(journal_audit_last_key(server->journal, &arena, &key), ERR_OK);
    ck_assert_int_eq(journal_audit_checkpoints(server->journal, &page, &arena, &response), ERR_OK);
    ck_assert_uint_le(response.n_checkpoints, room);
    for (size_t i = 0; i < response.n_checkpoints; i++) {
        uint8_t digest[DIGEST_BYTES];
        const ProtobufCBinaryData bytes = response.checkpoints[i]->checkpoint,
                                  signature = response.checkpoints[i]->signature;
        ck_assert(signature_ok(key->public_key.data, SIGNER_CHECKPOINT, bytes.data, bytes.len, signature.data,
                               signature.len));
        out[i] = epcis__v1__checkpoint__unpack(&arena.allocator, bytes.len, bytes.data);
        ck_assert_ptr_nonnull(out[i]);
        ck_assert_uint_eq(out[i]->number, i + 1);
        ck_assert_uint_eq(out[i]->previous_sha256.len, i ? DIGEST_BYTES : 0);
        if (i) {
            digest_of(response.checkpoints[i - 1]->checkpoint.data,
                      response.checkpoints[i - 1]->checkpoint.len, digest);
            ck_assert_mem_eq(out[i]->previous_sha256.data, digest, DIGEST_BYTES);
        }
    }
    return response.n_checkpoints;
}

/* A batch that holds the document, or what became of it. */
static void record_batch(struct server *server, bool acknowledged)
{
    uint8_t id[DIGEST_BYTES] = {7}, parent[DIGEST_BYTES] = {0};
    Epcis__Store__V1__BatchSpan span = EPCIS__STORE__V1__BATCH_SPAN__INIT, *spans[] = {&span};
    Epcis__Store__V1__BatchRecord record = EPCIS__STORE__V1__BATCH_RECORD__INIT;
    const struct journal_span_result result = {.committed = 1};
    const struct buffer leaves = {.data = id, .length = sizeof id};
    struct journal_op op = {.kind = acknowledged ? JOURNAL_ACKNOWLEDGED : JOURNAL_BATCH,
                            .partition = 300,
                            .sequence = 1,
                            .results = &result,
                            .result_count = 1,
                            .leaves = &leaves,
                            .rule_pack = "test"};
    span.document_number = 1;
    span.count = span.events = 1;
    record.batch_id = (ProtobufCBinaryData){sizeof id, id};
    record.parent_batch_id = (ProtobufCBinaryData){sizeof parent, parent};
    record.spans = spans;
    record.n_spans = 1;
    if (acknowledged)
        buffer_append(&op.data, "\1", 1);
    else
        buffer_append_message(&op.data, &record.base);
    ck_assert_int_eq(journal_wait(server->journal, &op), ERR_OK);
    buffer_free(&op.data);
}

START_TEST(checkpoints_are_a_signed_chain)
{
    struct server server;
    Epcis__V1__Checkpoint *all[8];
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    checkpoint(&server, false);
    checkpoint(&server, false); /* changes nothing */
    send(&server, "one", "");
    checkpoint(&server, false);
    record_batch(&server, false);
    checkpoint(&server, false);
    record_batch(&server, true);
    server_close(&server);
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    checkpoint(&server, true);
    checkpoint(&server, true);
    ck_assert_uint_eq(known_checkpoints(&server, all, 8), 5);
    ck_assert_uint_eq(all[0]->last_document, 0);
    ck_assert_uint_eq(all[1]->last_document, 1);
    ck_assert_uint_eq(all[1]->n_partitions, 0);
    ck_assert_uint_eq(all[2]->n_partitions, 1);
    ck_assert_uint_eq(all[2]->partitions[0]->partition, 300);
    ck_assert_uint_eq(all[2]->partitions[0]->last_sequence, 1);
    ck_assert_uint_eq(all[2]->partitions[0]->acknowledged_sequence, 0);
    ck_assert_uint_eq(all[2]->partitions[0]->last_batch_id.data[0], 7);
    ck_assert_uint_eq(all[2]->partitions[0]->outcome_id.len, 0);
    ck_assert_uint_eq(all[3]->partitions[0]->acknowledged_sequence, 1);
    ck_assert_uint_eq(all[3]->partitions[0]->outcome_id.len, DIGEST_BYTES);
    server_close(&server);
}
END_TEST

START_TEST(a_checkpointer_makes_the_first_those_between_and_the_last)
{
    struct server server;
    struct checkpointer *checkpointer = NULL;
    Epcis__V1__Checkpoint *all[8];
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_int_eq(checkpointer_open(server.journal, 5, &checkpointer), ERR_OK);
    while (known_checkpoints(&server, all, 8) < 1)
        usleep(1000);
    send(&server, "one", "");
    while (known_checkpoints(&server, all, 8) < 2)
        usleep(1000);
    checkpointer_close(&checkpointer);
    ck_assert_int_eq(checkpointer_open(server.journal, 3600000, &checkpointer), ERR_OK);
    while (known_checkpoints(&server, all, 8) < 3)
        usleep(1000);
    send(&server, "two", "");
    checkpointer_close(&checkpointer);
    ck_assert_uint_eq(known_checkpoints(&server, all, 8), 4);
    ck_assert_uint_eq(all[3]->last_document, 2);
    server_close(&server);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("signer");
    TCase *tests = tcase_create("signer");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_first_start_makes_a_key_and_the_next_finds_it);
    tcase_add_test(tests, rotation_makes_a_chain);
    tcase_add_test(tests, pages_go_both_ways);
    tcase_add_test(tests, a_crash_in_the_first_start_is_made_good);
    tcase_add_test(tests, a_crash_in_a_rotation_leaves_one_key_that_signs);
    tcase_add_test(tests, a_rotation_that_fails_leaves_the_old_key);
    tcase_add_test(tests, a_lost_key_stops_the_start);
    tcase_add_test(tests, a_damaged_or_open_key_file_stops_the_start);
    tcase_add_test(tests, the_key_of_another_journal_stops_the_start);
    tcase_add_test(tests, receipts_are_signed_and_stay_the_same);
    tcase_add_test(tests, any_changed_field_of_a_receipt_is_found);
    tcase_add_test(tests, checkpoints_are_a_signed_chain);
    tcase_add_test(tests, a_checkpointer_makes_the_first_those_between_and_the_last);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
