/* The keys of a server on a real disk: made once, rotated, found again after a crash, never replaced
 * unasked; and what they sign. */
#include <check.h>
#include <fcntl.h>
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
#include "server/journal_audit.h"
#include "tests/component/signing.h"

static char key_path[100], next_path[100], aside_path[100];

static void setup_paths(void)
{
    setup();
    snprintf(key_path, sizeof key_path, "%s/signing.pem", keys_dir);
    snprintf(next_path, sizeof next_path, "%s/next.pem", keys_dir);
    snprintf(aside_path, sizeof aside_path, "%s/aside.pem", keys_dir);
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
    setup_paths();
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

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("signer");
    TCase *tests = tcase_create("signer");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup_paths, teardown);
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
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
