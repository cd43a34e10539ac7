#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/config.h"
#include "common/base/digest.h"
#include "common/base/fault.h"
#include "common/base/options.h"
#include "common/base/program.h"

START_TEST(arena_keeps_its_budget)
{
    struct arena arena;
    arena_init(&arena, 1000);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 600));
    ck_assert_ptr_null(arena_alloc(&arena, 600));
    arena_reset(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 900));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    arena_free(&arena);
}
END_TEST

START_TEST(arena_copies_past_a_block)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    char *big = malloc(300000);
    memset(big, 'x', 300000);
    char *small = arena_copy(&arena, "abc", 3);
    for (int i = 0; i < 20; i++) {
        char *copy = arena_copy(&arena, big, 300000);
        ck_assert_ptr_nonnull(copy);
        ck_assert_int_eq(copy[299999], 'x');
        ck_assert_int_eq(copy[300000], '\0');
    }
    ck_assert_str_eq(small, "abc");
    free(big);
    arena_free(&arena);
}
END_TEST

START_TEST(buffer_appends_and_prints)
{
    struct buffer buffer = {0};
    for (int i = 0; i < 1000; i++)
        buffer_printf(&buffer, "%d,", i);
    buffer_append_text(&buffer, "end");
    buffer_append(&buffer, "", 1);
    ck_assert(!buffer.failed);
    ck_assert_str_eq((char *)buffer.data + buffer.length - 8, "999,end");
    buffer_free(&buffer);
}
END_TEST

START_TEST(digest_of_known_text)
{
    uint8_t out[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    digest_of("abc", 3, out);
    digest_hex(out, sizeof out, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    struct digest *digest = digest_new();
    for (int i = 0; i < 2; i++) {
        uint8_t again[DIGEST_BYTES];
        digest_update(digest, "a", 1);
        digest_update(digest, "bc", 2);
        digest_finish(digest, again);
        ck_assert_mem_eq(again, out, DIGEST_BYTES);
    }
    digest_free(digest);
}
END_TEST

START_TEST(digest_goes_on_from_where_it_was)
{
    uint8_t whole[DIGEST_BYTES], parts[DIGEST_BYTES], state[DIGEST_BYTES];
    static const uint8_t bytes[5 * DIGEST_BLOCK + 7] = {1, 2, 3};
    digest_of(bytes, sizeof bytes, whole);
    struct digest *before = digest_new(), *after = digest_new();
    digest_update(before, bytes, 3 * DIGEST_BLOCK);
    digest_save(before, state);
    digest_update(after, "something else", 14);
    digest_restore(after, state, 3 * DIGEST_BLOCK);
    digest_update(after, bytes + 3 * DIGEST_BLOCK, sizeof bytes - 3 * DIGEST_BLOCK);
    digest_finish(after, parts);
    ck_assert_mem_eq(whole, parts, DIGEST_BYTES);
    digest_free(before);
    digest_free(after);
}
END_TEST

START_TEST(uuid_round_trips_and_sorts)
{
    uint8_t uuid[UUID_BYTES], back[UUID_BYTES];
    char text[UUID_TEXT + 1];
    ck_assert_int_eq(uuid_make(uuid), ERR_OK);
    uuid_text(uuid, text);
    ck_assert_int_eq(text[14], '7');
    ck_assert_int_eq(uuid_parse(text, back), ERR_OK);
    ck_assert_mem_eq(uuid, back, UUID_BYTES);
    ck_assert_int_eq(uuid_parse("not-a-uuid", back), ERR_INPUT);
    ck_assert_int_eq(uuid_parse("0190d6a0-0000-7000-8000-00000000000g", back), ERR_INPUT);
    ck_assert_int_eq(uuid_parse("0190d6a0+0000-7000-8000-000000000000", back), ERR_INPUT);
}
END_TEST

START_TEST(a_repeated_option_is_a_list)
{
    static struct option_list list;
    const struct option_entry entries[] = {{"rule", OPTION_LIST, &list, 0, 0, "TEXT", "given often"}};
    char *argv[] = {(char *)"test", (char *)"--rule", (char *)"a", (char *)"left", (char *)"--rule=b", NULL};
    int argc = 5;
    options_parse(&argc, argv, entries, 1, "");
    ck_assert_int_eq(argc, 2);
    ck_assert_str_eq(argv[1], "left");
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0], "a");
    ck_assert_str_eq(list.items[1], "b");
}
END_TEST

START_TEST(config_tells_who_set_an_option)
{
    const char *listen = "here", *file = NULL;
    uint64_t limit = 5, wait = 6;
    bool strict = false, loud = false;
    struct option_list list = {.count = 0};
    const struct option_entry entries[] = {
        {"listen", OPTION_TEXT, &listen, 0, 0, "HOST", "address"},
        {"file", OPTION_TEXT, &file, 0, 0, "FILE", "name"},
        {"limit", OPTION_NUMBER, &limit, 0, 9, "N", "most"},
        {"wait", OPTION_NUMBER, &wait, 0, 9, "MS", "time"},
        {"strict", OPTION_FLAG, &strict, 0, 0, NULL, "no mercy"},
        {"loud", OPTION_FLAG, &loud, 0, 0, NULL, "tell more"},
        {"rule", OPTION_LIST, &list, 0, 0, "TEXT", "given often"},
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };
    static const char *const wanted[COUNT][2] = {{"here", "here"},  {"a?b", ""},       {"5", "5"}, {"7", "6"},
                                                 {"true", "false"}, {"true", "false"}, {"x", ""}};
    static const Epcis__V1__ConfigSource sources[COUNT] = {1, 2, 2, 3, 2, 3, 2};
    char *argv[] = {(char *)"test",
                    (char *)"--file=a\xff"
                            "b",
                    (char *)"--limit",
                    (char *)"5",
                    (char *)"--strict",
                    (char *)"--rule=x",
                    NULL};
    struct option_note notes[COUNT];
    const struct config config = {entries, notes, COUNT};
    Epcis__V1__ConfigOption **told;
    struct arena arena;
    int argc = 6;
    options_parse_noted(&argc, argv, entries, COUNT, "", notes);
    wait = 7;
    loud = true;
    arena_init(&arena, 1 << 16);
    ck_assert_int_eq(config_tell(&config, &arena, &told), ERR_OK);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_str_eq(told[i]->name, entries[i].name);
        ck_assert_str_eq(told[i]->n_values ? told[i]->values[0] : "", wanted[i][0]);
        ck_assert_str_eq(told[i]->n_defaults ? told[i]->defaults[0] : "", wanted[i][1]);
        ck_assert_int_eq(told[i]->source, sources[i]);
    }
    arena_free(&arena);
    arena_init(&arena, 100);
    ck_assert_int_eq(config_tell(&config, &arena, &told), ERR_LIMIT);
    arena_free(&arena);
}
END_TEST

START_TEST(programs_stand_beside_each_other)
{
    char path[PATH_MAX];
    ck_assert_int_eq(program_beside("unit_base", path), ERR_OK);
    ck_assert_str_eq(strrchr(path, '/'), "/unit_base");
    ck_assert_int_eq(access(path, X_OK), 0);
    ck_assert_int_eq(program_beside("no-such-program", path), ERR_NOT_FOUND);
    ck_assert_str_eq(strrchr(path, '/'), "/no-such-program");
}
END_TEST

/* ---- fault points ---- */

static enum err arm_faults(const char *text)
{
    ck_assert_int_eq(text ? setenv("EPCISD_FAULT", text, 1) : unsetenv("EPCISD_FAULT"), 0);
    enum err err = fault_init();
    unsetenv("EPCISD_FAULT");
    return err;
}

START_TEST(faults_happen_at_their_passages)
{
    ck_assert_int_eq(arm_faults("journal.commit:2-3,store.commit"), ERR_OK);
    bool journal[4], store[2];
    for (size_t i = 0; i < 4; i++)
        journal[i] = fault_hit(FAULT_JOURNAL_COMMIT);
    for (size_t i = 0; i < 2; i++)
        store[i] = fault_hit(FAULT_STORE_COMMIT);
    ck_assert(!journal[0] && journal[1] && journal[2] && !journal[3]);
    ck_assert(store[0] && !store[1]);
    ck_assert(!fault_hit(FAULT_DISPATCHER_PUSH));
    ck_assert_int_eq(arm_faults(NULL), ERR_OK);
    ck_assert(!fault_hit(FAULT_STORE_COMMIT));
}
END_TEST

START_TEST(faults_happen_once_in_all_processes)
{
    char dir[] = "/tmp/test_base.XXXXXX", mark[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("EPCISD_FAULT_ONCE", dir, 1);
    bool hit[2];
    for (int process = 0; process < 2; process++) {
        ck_assert_int_eq(arm_faults("store.commit"), ERR_OK); /* as one that is started anew */
        hit[process] = fault_hit(FAULT_STORE_COMMIT);
    }
    ck_assert(hit[0] && !hit[1]);
    unsetenv("EPCISD_FAULT_ONCE");
    arm_faults(NULL);
    snprintf(mark, sizeof mark, "%s/store.commit.1", dir);
    ck_assert_int_eq(unlink(mark), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(faults_are_spelled_right)
{
    static const char *const wrong[] = {"",
                                        "store.comit",
                                        "store.commit:",
                                        "store.commit:0",
                                        "store.commit:3-2",
                                        "store.commit:1x",
                                        "store.commit=halt",
                                        "store.commit,,store.begin"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(arm_faults(wrong[i]) == ERR_INPUT, "'%s'", wrong[i]);
    ck_assert_int_eq(arm_faults("store.commit:1-2=stop"), ERR_OK);
    ck_assert_int_eq(arm_faults(NULL), ERR_OK);
}
END_TEST

START_TEST(faults_end_or_halt_a_process)
{
    static const struct {
        const char *text;
        int signal;
    } ways[] = {{"worker.taken", SIGKILL}, {"worker.taken=stop", SIGSTOP}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        pid_t child = fork();
        if (child == 0) {
            arm_faults(ways[i].text);
            fault_end(FAULT_WORKER_TAKEN);
            _exit(0);
        }
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
        ck_assert_int_eq(WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status), ways[i].signal);
        if (WIFSTOPPED(status)) {
            kill(child, SIGCONT);
            waitpid(child, &status, 0);
            ck_assert(WIFEXITED(status));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = tcase_create("base");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, arena_keeps_its_budget);
    tcase_add_test(tests, arena_copies_past_a_block);
    tcase_add_test(tests, buffer_appends_and_prints);
    tcase_add_test(tests, digest_of_known_text);
    tcase_add_test(tests, digest_goes_on_from_where_it_was);
    tcase_add_test(tests, uuid_round_trips_and_sorts);
    tcase_add_test(tests, a_repeated_option_is_a_list);
    tcase_add_test(tests, config_tells_who_set_an_option);
    tcase_add_test(tests, programs_stand_beside_each_other);
    tcase_add_test(tests, faults_happen_at_their_passages);
    tcase_add_test(tests, faults_happen_once_in_all_processes);
    tcase_add_test(tests, faults_are_spelled_right);
    tcase_add_test(tests, faults_end_or_halt_a_process);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
