/* Documents a second of one partner and of another. */
#include <check.h>
#include <stdlib.h>

#include "server/quota.h"

static const uint8_t one[UUID_BYTES] = {1}, other[UUID_BYTES] = {2};

START_TEST(one_second_at_once_then_at_the_rate)
{
    struct quota *quota = quota_new();
    uint32_t retry_ms = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(quota_take(quota, one, 4, 1000, &retry_ms), ERR_OK);
    ck_assert_int_eq(quota_take(quota, one, 4, 1000, &retry_ms), ERR_FULL);
    ck_assert_uint_ge(retry_ms, 250);
    ck_assert_uint_le(retry_ms, 251);
    ck_assert_int_eq(quota_take(quota, other, 4, 1000, &retry_ms), ERR_OK); /* whatever the one does */
    ck_assert_int_eq(quota_take(quota, one, 4, 1000 + retry_ms, &retry_ms), ERR_OK);
    ck_assert_int_eq(quota_take(quota, one, 4, 1251, &retry_ms), ERR_FULL);
    for (int i = 0; i < 4; i++) /* it does not add up over a longer pause */
        ck_assert_int_eq(quota_take(quota, one, 4, 90000, &retry_ms), ERR_OK);
    ck_assert_int_eq(quota_take(quota, one, 4, 90000, &retry_ms), ERR_FULL);
    quota_free(quota);
}
END_TEST

START_TEST(many_partners)
{
    struct quota *quota = quota_new();
    uint32_t retry_ms = 0;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            uint8_t id[UUID_BYTES] = {(uint8_t)i, (uint8_t)(i >> 8)};
            ck_assert_int_eq(quota_take(quota, id, 1, 0, &retry_ms), round ? ERR_FULL : ERR_OK);
        }
    quota_free(quota);
    quota_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota");
    TCase *tests = tcase_create("quota");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, one_second_at_once_then_at_the_rate);
    tcase_add_test(tests, many_partners);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
