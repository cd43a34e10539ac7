/* The breaker's states, on a clock made up for the test. */
#include <check.h>
#include <stdlib.h>

#include "server/breaker.h"

static struct breaker breaker;

static void setup(void)
{
    breaker_init(&breaker, 3);
}

static void open_it(int64_t now_ms)
{
    for (int i = 1; i < BREAKER_FAILURES; i++)
        ck_assert(!breaker_failed(&breaker, now_ms));
    ck_assert(breaker_failed(&breaker, now_ms));
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}

START_TEST(opens_after_failures_in_a_row_alone)
{
    for (int i = 0; i < 100; i++) {
        for (int j = 1; j < BREAKER_FAILURES; j++)
            ck_assert(!breaker_failed(&breaker, i));
        ck_assert(breaker_allows(&breaker, 1, i));
        ck_assert(!breaker_worked(&breaker));
    }
    open_it(1000);
    ck_assert_uint_eq(breaker.openings, 1);
    ck_assert_int_gt(breaker.probe_at_ms, 1000);
    ck_assert(!breaker_allows(&breaker, 1, breaker.probe_at_ms - 1));
}
END_TEST

START_TEST(probes_with_one_run_and_closes)
{
    open_it(0);
    int64_t now_ms = breaker.probe_at_ms;
    ck_assert(breaker_allows(&breaker, 4, now_ms));
    breaker_sent(&breaker, 4);
    ck_assert_int_eq(breaker.state, BREAKER_PROBING);
    ck_assert(!breaker_allows(&breaker, 5, now_ms + 1000000));
    ck_assert(breaker_allows(&breaker, 4, now_ms)); /* its lease may end, too */
    ck_assert(breaker_worked(&breaker));
    ck_assert(breaker_allows(&breaker, 5, now_ms));
    ck_assert(!breaker_worked(&breaker));
}
END_TEST

/* The lost probe of a partition that may not send would keep all others waiting. */
START_TEST(a_probe_moves_to_who_may_send)
{
    open_it(0);
    int64_t now_ms = breaker.probe_at_ms;
    breaker_sent(&breaker, 4);
    breaker_move_probe(&breaker, 5);
    ck_assert(breaker_allows(&breaker, 5, now_ms));
    ck_assert(!breaker_allows(&breaker, 4, now_ms));
}
END_TEST

START_TEST(a_probe_that_fails_opens_it_for_longer)
{
    open_it(0);
    int64_t longest_ms = 0;
    for (int i = 0; i < 30; i++) {
        int64_t now_ms = breaker.probe_at_ms;
        breaker_sent(&breaker, 4);
        ck_assert(breaker_failed(&breaker, now_ms));
        ck_assert_int_eq(breaker.state, BREAKER_OPEN);
        if (breaker.probe_at_ms - now_ms > longest_ms)
            longest_ms = breaker.probe_at_ms - now_ms;
    }
    ck_assert_int_gt(longest_ms, 10000);
    ck_assert_int_le(longest_ms, 30000);
    ck_assert_uint_eq(breaker.openings, 1);
}
END_TEST

/* Answers to runs that went out before it opened put nothing off. */
START_TEST(late_failures_change_nothing)
{
    open_it(0);
    int64_t probe_at_ms = breaker.probe_at_ms;
    ck_assert(!breaker_failed(&breaker, probe_at_ms));
    ck_assert_int_eq(breaker.probe_at_ms, probe_at_ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    TCase *tests = tcase_create("breaker");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, opens_after_failures_in_a_row_alone);
    tcase_add_test(tests, probes_with_one_run_and_closes);
    tcase_add_test(tests, a_probe_moves_to_who_may_send);
    tcase_add_test(tests, a_probe_that_fails_opens_it_for_longer);
    tcase_add_test(tests, late_failures_change_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
