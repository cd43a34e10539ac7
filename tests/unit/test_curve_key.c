/* Keys of CURVE in files, the list of those that are let in, and what is logged of those that are not. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/wire/allow_list.h"
#include "common/wire/curve_key.h"
#include "common/wire/refusals.h"
#include "tests/component/folder.h"

static char keys[80];

static void setup(void)
{
    folder_make();
    snprintf(keys, sizeof keys, "%s/workers", dir);
}

static void teardown(void)
{
    folder_remove();
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

/* ---- key files -------------------------------------------------------------------------------------- */

START_TEST(a_pair_is_made_once_and_read_back)
{
    struct curve_key made, read, other;
    char public_key[CURVE_KEY_TEXT];
    umask(0);
    ck_assert_int_eq(curve_key_make(folder_path("w.key"), &made), ERR_OK);
    umask(022);
    ck_assert_uint_eq(mode_of(folder_path("w.key")), 0644);
    ck_assert_uint_eq(mode_of(folder_path("w.key_secret")), 0600);
    ck_assert_int_eq(curve_key_read(folder_path("w.key_secret"), &read), ERR_OK);
    ck_assert_mem_eq(&read, &made, sizeof made);
    ck_assert_int_eq(curve_key_read_public(folder_path("w.key"), public_key), ERR_OK);
    ck_assert_str_eq(public_key, made.public_key);
    ck_assert_int_eq(curve_key_make(folder_path("w.key"), &other), ERR_EXISTS);
    ck_assert_int_eq(curve_key_read(folder_path("w.key"), &read), ERR_SYSTEM); /* others may read it */
    ck_assert_int_eq(curve_key_read(folder_path("none"), &read), ERR_NOT_FOUND);
    ck_assert_int_eq(curve_key_read_public(folder_path("none"), public_key), ERR_NOT_FOUND);
}
END_TEST

#define PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

/* The pair of ZeroMQ's own manual (zmq_curve_keypair), as CZMQ writes it. */
static const char of_czmq[] = "#   ****  Generated on 2026-11-24 12:00:00 by CZMQ  ****\n"
                              "#   ZeroMQ CURVE **Secret** Certificate\n\n"
                              "metadata\n"
                              "    name = \"worker\"\n"
                              "    public-key = \"not one of curve's, which must not be taken\"\n"
                              "curve\n"
                              "    public-key = \"" PUBLIC "\"\n"
                              "    secret-key = \"" SECRET "\"\n";

START_TEST(a_certificate_of_czmq_is_read)
{
    struct curve_key key;
    char public_key[CURVE_KEY_TEXT];
    write_text(folder_path("cert"), of_czmq);
    ck_assert_int_eq(curve_key_read_public(folder_path("cert"), public_key), ERR_OK);
    ck_assert_str_eq(public_key, PUBLIC);
    ck_assert_int_eq(chmod(folder_path("cert"), 0600), 0);
    enum err err = curve_key_read(folder_path("cert"), &key);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(key.secret_key, SECRET);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = {
        "",
        "curve\n",
        "public-key = \"" PUBLIC "\"\n",             /* outside of curve */
        "curve\n    public-key = \"" PUBLIC "\n",    /* no quote at the end */
        "curve\n    public-key = \"" PUBLIC "x\"\n", /* too long */
        "curve\n    public-key = \"short\"\n",
        "curve\n    public-key \"" PUBLIC "\"\n",
        "curve\n    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI~\"\n", /* not of Z85 */
        "curve\nother\n    public-key = \"" PUBLIC "\"\n",
    };
    char public_key[CURVE_KEY_TEXT], text[5000];
    struct curve_key key;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(folder_path("bad"), bad[i]);
        ck_assert_int_eq(curve_key_read_public(folder_path("bad"), public_key), ERR_INPUT);
    }
    memset(text, '#', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    write_text(folder_path("bad"), text);
    ck_assert_int_eq(curve_key_read_public(folder_path("bad"), public_key), ERR_INPUT);
    write_text(folder_path("half"), "curve\n    public-key = \"" PUBLIC "\"\n");
    ck_assert_int_eq(chmod(folder_path("half"), 0600), 0);
    ck_assert_int_eq(curve_key_read(folder_path("half"), &key), ERR_INPUT);
    write_text(folder_path("half"),
               "curve\n    public-key = \"" SECRET "\"\n    secret-key = \"" SECRET "\"\n");
    ck_assert_int_eq(curve_key_read(folder_path("half"), &key), ERR_INPUT);
}
END_TEST

START_TEST(keys_open_to_others_are_refused)
{
    struct curve_key key;
    char public_key[CURVE_KEY_TEXT];
    ck_assert_int_eq(curve_key_make(folder_path("w.key"), &key), ERR_OK);
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        ck_assert_int_eq(chmod(folder_path("w.key_secret"), 0600 | bit), 0);
        ck_assert_int_eq(curve_key_read(folder_path("w.key_secret"), &key), ERR_SYSTEM);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(chmod(folder_path("w.key"), 0644 | (i ? 020 : 02)), 0);
        ck_assert_int_eq(curve_key_read_public(folder_path("w.key"), public_key), ERR_SYSTEM);
    }
}
END_TEST

START_TEST(a_server_keeps_its_key)
{
    struct curve_key first, again;
    ck_assert_int_eq(curve_key_keep(folder_path("curve.key"), &first), ERR_OK);
    ck_assert_int_eq(curve_key_keep(folder_path("curve.key"), &again), ERR_OK);
    ck_assert_mem_eq(&first, &again, sizeof first);
    ck_assert_int_eq(unlink(folder_path("curve.key")), 0); /* as after a crash between the two files */
    ck_assert_int_eq(curve_key_keep(folder_path("curve.key"), &again), ERR_OK);
    ck_assert_mem_eq(&first, &again, sizeof first);
    ck_assert_uint_eq(mode_of(folder_path("curve.key")), 0644);
    ck_assert_int_eq(unlink(folder_path("curve.key_secret")), 0);
    ck_assert_int_eq(curve_key_keep(folder_path("curve.key"), &again), ERR_NOT_FOUND);
    ck_assert_int_ne(access(folder_path("curve.key_secret"), F_OK), 0);
    ck_assert_int_eq(unlink(folder_path("curve.key")), 0);
    ck_assert_int_eq(curve_key_keep(folder_path("curve.key"), &again), ERR_OK);
    ck_assert_str_ne(first.public_key, again.public_key);
}
END_TEST

/* ---- the list --------------------------------------------------------------------------------------- */

static void make_worker(const char *name, struct curve_key *key)
{
    char path[64];
    snprintf(path, sizeof path, "workers/%s", name);
    ck_assert_int_eq(curve_key_make(folder_path(path), key), ERR_OK);
    strcat(path, "_secret");
    ck_assert_int_eq(unlink(folder_path(path)), 0);
}

START_TEST(the_list_follows_the_folder)
{
    struct allow_list *list = NULL;
    struct curve_key one, two;
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_OK);
    ck_assert_uint_eq(mode_of(keys), 0700);
    make_worker("one.key", &one);
    ck_assert_ptr_null(allow_list_admit(list, one.public_key));
    ck_assert(!allow_list_look(list));
    ck_assert_str_eq(allow_list_admit(list, one.public_key), "one");
    make_worker("two.key", &two);
    ck_assert(!allow_list_look(list));
    ck_assert(!allow_list_look(list));
    /* One that was not let in may go without anybody being cut off. */
    ck_assert_int_eq(unlink(folder_path("workers/two.key")), 0);
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, two.public_key));
    /* Another name is no other worker. */
    ck_assert_int_eq(rename(folder_path("workers/one.key"), folder_path("workers/uno.key")), 0);
    ck_assert(!allow_list_look(list));
    ck_assert_str_eq(allow_list_admit(list, one.public_key), "uno");
    ck_assert_int_eq(unlink(folder_path("workers/uno.key")), 0);
    ck_assert(allow_list_look(list));
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, one.public_key));
    allow_list_close(&list);
}
END_TEST

START_TEST(a_key_that_is_replaced_or_spoilt_is_revoked)
{
    struct allow_list *list = NULL;
    struct curve_key one, two;
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_OK);
    make_worker("one.key", &one);
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_nonnull(allow_list_admit(list, one.public_key));
    ck_assert_int_eq(unlink(folder_path("workers/one.key")), 0);
    make_worker("one.key", &two);
    ck_assert(allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, one.public_key));
    ck_assert_ptr_nonnull(allow_list_admit(list, two.public_key));
    allow_list_forget(list); /* nobody is in any more */
    ck_assert_int_eq(chmod(folder_path("workers/one.key"), 0666), 0);
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, two.public_key));
    ck_assert_int_eq(chmod(folder_path("workers/one.key"), 0644), 0);
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_nonnull(allow_list_admit(list, two.public_key));
    write_text(folder_path("workers/one.key"), "curve\n");
    ck_assert(allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, two.public_key));
    allow_list_close(&list);
}
END_TEST

START_TEST(other_files_let_nobody_in)
{
    static const char *const names[] = {"one.key_secret", ".one.key",    "one.KEY",
                                        "o ne.key",       "one.key.tmp", ".key"};
    struct allow_list *list = NULL;
    struct curve_key key;
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "workers/%s", names[i]);
        ck_assert_int_eq(curve_key_make(folder_path(path), &key), ERR_OK);
        allow_list_look(list);
        ck_assert_ptr_null(allow_list_admit(list, key.public_key));
    }
    ck_assert_int_eq(mkfifo(folder_path("workers/pipe.key"), 0600),
                     0); /* nobody writes, and nobody waits for it */
    ck_assert(!allow_list_look(list));
    allow_list_close(&list);
}
END_TEST

START_TEST(a_folder_open_to_others_is_refused_and_one_that_is_gone_lets_nobody_in)
{
    struct allow_list *list = NULL;
    struct curve_key key;
    ck_assert_int_eq(mkdir(keys, 0700), 0);
    ck_assert_int_eq(chmod(keys, 0770), 0);
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_SYSTEM);
    ck_assert_int_eq(chmod(keys, 0755), 0);
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_OK);
    make_worker("one.key", &key);
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_nonnull(allow_list_admit(list, key.public_key));
    ck_assert_int_eq(rename(keys, folder_path("aside")), 0);
    ck_assert(allow_list_look(list));
    ck_assert_ptr_null(allow_list_admit(list, key.public_key));
    allow_list_close(&list);
}
END_TEST

START_TEST(a_list_has_an_end)
{
    struct allow_list *list = NULL;
    struct curve_key key;
    ck_assert_int_eq(allow_list_open(keys, &list), ERR_OK);
    make_worker("w.key", &key);
    for (int i = 0; i < ALLOW_LIST_MAX + 10; i++) {
        char path[64];
        snprintf(path, sizeof path, "workers/w%d.key", i);
        ck_assert_int_eq(link(folder_path("workers/w.key"), folder_path(path)), 0);
    }
    ck_assert(!allow_list_look(list));
    ck_assert_ptr_nonnull(allow_list_admit(list, key.public_key));
    allow_list_close(&list);
}
END_TEST

/* ---- what is logged --------------------------------------------------------------------------------- */

START_TEST(refusals_are_told_once_a_minute_for_each_peer_and_reason)
{
    static struct refusals refusals;
    memset(&refusals, 0, sizeof refusals);
    ck_assert(refusals_add(&refusals, "10.0.0.1", "a", "", "", 1000));
    ck_assert(!refusals_add(&refusals, "10.0.0.1", "a", "", "", 1001));
    ck_assert(refusals_add(&refusals, "10.0.0.1", "b", "", "", 1002));
    ck_assert(refusals_add(&refusals, "10.0.0.2", "a", "", "", 1003));
    ck_assert(!refusals_add(&refusals, "10.0.0.1", "a", "", "", 1000 + REFUSALS_QUIET_MS - 1));
    ck_assert(refusals_add(&refusals, "10.0.0.1", "a", "", "", 1000 + REFUSALS_QUIET_MS));
    ck_assert_uint_eq(refusals.count, 6);
}
END_TEST

START_TEST(no_number_of_peers_fills_the_log)
{
    static struct refusals refusals;
    int told = 0;
    memset(&refusals, 0, sizeof refusals);
    for (int i = 0; i < 10000; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.0.%d.%d", i / 256, i % 256);
        told += refusals_add(&refusals, peer, "a", "", "", 1000 + i);
    }
    ck_assert_int_eq(told, REFUSALS_REMEMBERED + 1);
    ck_assert_uint_eq(refusals.count, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curve_key");
    TCase *tests = tcase_create("curve_key");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_pair_is_made_once_and_read_back);
    tcase_add_test(tests, a_certificate_of_czmq_is_read);
    tcase_add_test(tests, what_is_no_key_is_refused);
    tcase_add_test(tests, keys_open_to_others_are_refused);
    tcase_add_test(tests, a_server_keeps_its_key);
    tcase_add_test(tests, the_list_follows_the_folder);
    tcase_add_test(tests, a_key_that_is_replaced_or_spoilt_is_revoked);
    tcase_add_test(tests, other_files_let_nobody_in);
    tcase_add_test(tests, a_folder_open_to_others_is_refused_and_one_that_is_gone_lets_nobody_in);
    tcase_add_test(tests, a_list_has_an_end);
    tcase_add_test(tests, refusals_are_told_once_a_minute_for_each_peer_and_reason);
    tcase_add_test(tests, no_number_of_peers_fills_the_log);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
