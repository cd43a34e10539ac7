/* Pauses grow, are capped, spread over their whole range, and are the same for the same seed. */
#include <check.h>
#include <stdlib.h>

#include "common/base/backoff.h"

START_TEST(pauses_grow_up_to_the_cap)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff backoff;
        backoff_init(&backoff, 100, 5000, seed);
        uint64_t most = 100;
        for (int i = 0; i < 100; i++) {
            uint32_t pause_ms = backoff_next_ms(&backoff);
            ck_assert_uint_ge(pause_ms, 1);
            ck_assert_uint_le(pause_ms, most);
            most = 2 * most < 5000 ? 2 * most : 5000;
        }
        ck_assert_uint_eq(backoff.attempts, 100);
        backoff_reset(&backoff);
        ck_assert_uint_le(backoff_next_ms(&backoff), 100);
    }
}
END_TEST

START_TEST(pauses_spread_over_their_range)
{
    struct backoff backoff;
    int quarters[4] = {0};
    backoff_init(&backoff, 1000, 1000, 7);
    for (int i = 0; i < 4000; i++)
        quarters[(backoff_next_ms(&backoff) - 1) / 250]++;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_gt(quarters[i], 800);
        ck_assert_int_lt(quarters[i], 1200);
    }
}
END_TEST

START_TEST(a_seed_tells_the_pauses)
{
    struct backoff one, same, other;
    int differences = 0;
    backoff_init(&one, 1000, 60000, 1);
    backoff_init(&same, 1000, 60000, 1);
    backoff_init(&other, 1000, 60000, 2);
    for (int i = 0; i < 20; i++) {
        uint32_t pause_ms = backoff_next_ms(&one);
        ck_assert_uint_eq(pause_ms, backoff_next_ms(&same));
        differences += pause_ms != backoff_next_ms(&other);
    }
    ck_assert_int_gt(differences, 15);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *tests = tcase_create("backoff");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, pauses_grow_up_to_the_cap);
    tcase_add_test(tests, pauses_spread_over_their_range);
    tcase_add_test(tests, a_seed_tells_the_pauses);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
