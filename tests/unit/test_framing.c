/* Messages over a socket come as they went, however long, and the other end's leaving is told. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/framing.h"

enum { LONG = 5 << 20 };

static int ends[2];
static struct buffer in;

static void setup(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    in = (struct buffer){0};
}

static void teardown(void)
{
    close(ends[0]);
    close(ends[1]);
    buffer_free(&in);
}

/* More than a socket holds. */
static void *send_long(void *data)
{
    ck_assert_int_eq(framing_send(ends[0], data, LONG), ERR_OK);
    return NULL;
}

START_TEST(messages_come_as_they_went)
{
    pthread_t thread;
    uint8_t *data = malloc(LONG);
    for (size_t i = 0; i < LONG; i++)
        data[i] = (uint8_t)(i * 7 >> 3);
    ck_assert_int_eq(framing_send(ends[0], "short", 5), ERR_OK);
    ck_assert_int_eq(framing_send(ends[0], "", 0), ERR_OK);
    ck_assert_int_eq(framing_receive(ends[1], LONG, &in), ERR_OK);
    ck_assert_uint_eq(in.length, 5);
    ck_assert_mem_eq(in.data, "short", 5);
    ck_assert_int_eq(framing_receive(ends[1], LONG, &in), ERR_OK);
    ck_assert_uint_eq(in.length, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_long, data), 0);
    ck_assert_int_eq(framing_receive(ends[1], LONG, &in), ERR_OK);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(in.length, LONG);
    ck_assert_mem_eq(in.data, data, LONG);
    free(data);
}
END_TEST

START_TEST(what_is_too_long_is_not_taken)
{
    ck_assert_int_eq(framing_send(ends[0], "four!", 5), ERR_OK);
    ck_assert_int_eq(framing_receive(ends[1], 4, &in), ERR_LIMIT);
    ck_assert_uint_eq(in.length, 0);
}
END_TEST

START_TEST(an_end_that_leaves_is_told)
{
    ck_assert_int_eq(framing_send(ends[0], "half", 4), ERR_OK);
    ck_assert_int_eq(framing_receive(ends[1], 4, &in), ERR_OK);
    ck_assert_int_eq(send(ends[0], "\0\0\0\7half", 8, 0), 8);
    shutdown(ends[0], SHUT_RDWR);
    ck_assert_int_eq(framing_receive(ends[1], 7, &in), ERR_STOPPED);
    ck_assert_uint_eq(in.length, 0);
    ck_assert_int_eq(framing_receive(ends[1], 7, &in), ERR_STOPPED);
    ck_assert_int_eq(framing_send(ends[1], "more", 4), ERR_STOPPED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("framing");
    TCase *tests = tcase_create("framing");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, messages_come_as_they_went);
    tcase_add_test(tests, what_is_too_long_is_not_taken);
    tcase_add_test(tests, an_end_that_leaves_is_told);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
