/* What callers get of what there is only so much of. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/front/share.h"

enum { LIMIT = 64 };

/* How many a caller gets until no more are given. */
static int take_all(struct shares *shares, struct share *share)
{
    int taken = 0;
    while (share_take(shares, share, SHARE_CALLS, 1, LIMIT))
        taken++;
    return taken;
}

START_TEST(none_takes_all)
{
    static struct shares shares;
    struct share *first = share_find(&shares, "first"), *second = share_find(&shares, "second");
    ck_assert_int_eq(take_all(&shares, first), 32);
    ck_assert_int_eq(take_all(&shares, second), 16);
    ck_assert(share_take(&shares, second, SHARE_STREAMS, 1, 2)); /* each kind by itself */
    share_give(&shares, second, SHARE_STREAMS, 1);
    /* What one gives back the others may have. */
    share_give(&shares, first, SHARE_CALLS, 32);
    ck_assert_int_eq(take_all(&shares, second), 16);
    share_give(&shares, second, SHARE_CALLS, 32);
    for (int i = 0; i < SHARE_KINDS; i++)
        ck_assert_uint_eq(shares.held[i], 0);
    share_drop(&shares, &first);
    share_drop(&shares, &second);
}
END_TEST

START_TEST(the_next_finds_something)
{
    static struct shares shares;
    struct share *callers[8];
    char key[SHARE_KEY];
    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof key, "caller-%d", i);
        callers[i] = share_find(&shares, key);
        ck_assert_int_ge(take_all(&shares, callers[i]), 1);
    }
    ck_assert_uint_le(shares.held[SHARE_CALLS], LIMIT);
}
END_TEST

START_TEST(one_may_have_what_there_is_one_of)
{
    static struct shares shares;
    struct share *share = share_find(&shares, "one");
    ck_assert(share_take(&shares, share, SHARE_ROOM, 100, 100));
    ck_assert(!share_take(&shares, share, SHARE_ROOM, 1, 100));
    ck_assert(!share_take(&shares, share, SHARE_LINE, 1, 0));
    share_give(&shares, share, SHARE_ROOM, 100);
    share_drop(&shares, &share);
}
END_TEST

START_TEST(shares_live_as_long_as_their_users)
{
    static struct shares shares;
    static char long_key[300];
    struct share *share = share_find(&shares, "one"), *same = share_find(&shares, "one"), *other;
    ck_assert_ptr_eq(share, same);
    share_drop(&shares, &same);
    ck_assert_ptr_null(same);
    other = share_find(&shares, "two");
    ck_assert_ptr_ne(share, other);
    share_drop(&shares, &share);
    share_drop(&shares, &other);
    for (size_t i = 0; i + 1 < sizeof long_key; i++)
        long_key[i] = 'x';
    share = share_find(&shares, long_key);
    same = share_find(&shares, long_key);
    ck_assert_ptr_eq(share, same);
    share_drop(&shares, &share);
    share_drop(&shares, &same);
    for (int i = 0; i < SHARE_BUCKETS; i++)
        ck_assert_ptr_null(shares.buckets[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_share");
    TCase *tests = tcase_create("share");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, none_takes_all);
    tcase_add_test(tests, the_next_finds_something);
    tcase_add_test(tests, one_may_have_what_there_is_one_of);
    tcase_add_test(tests, shares_live_as_long_as_their_users);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
