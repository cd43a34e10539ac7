/* The key sort against memcmp and qsort, on keys like the store's. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sort.h"

enum { KEY_BYTES = 64, KEYS_MAX = 20000 };

static uint8_t keys[KEYS_MAX][KEY_BYTES];
static struct sort_entry entries[KEYS_MAX], spare[KEYS_MAX], wanted[KEYS_MAX];

static unsigned next_random(unsigned below)
{
    static uint64_t state = 88172645463325252U; /* the same keys in each run */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % below);
}

static int compare(const void *a, const void *b)
{
    const struct sort_entry *left = a, *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->key, right->key, shorter);
    if (order == 0)
        order = (left->length > right->length) - (left->length < right->length);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static void assert_sorts(size_t count)
{
    for (size_t i = 0; i < count; i++)
        entries[i].index = (uint32_t)i;
    memcpy(wanted, entries, count * sizeof *entries);
    qsort(wanted, count, sizeof *wanted, compare);
    sort_entries(entries, spare, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(entries[i].index, wanted[i].index);
}

/* Few kinds, few serials, so that many keys share long beginnings or are equal; each ends in a NUL, so
 * that none is the beginning of another. */
static void make_keys(size_t count, unsigned serials)
{
    for (size_t i = 0; i < count; i++) {
        int length = snprintf((char *)keys[i], KEY_BYTES, "G%06u%0*u", next_random(3),
                              next_random(2) ? 13 : 20, next_random(serials));
        entries[i] = (struct sort_entry){.key = keys[i], .length = (uint32_t)length + 1};
    }
}

START_TEST(sorts_as_memcmp_does)
{
    static const size_t counts[] = {0, 1, 2, 3, 24, 25, 300, KEYS_MAX};
    static const unsigned serials[] = {1, 7, 5000, 1000000000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t s = 0; s < sizeof serials / sizeof serials[0]; s++) {
            make_keys(counts[c], serials[s]);
            assert_sorts(counts[c]);
        }
}
END_TEST

START_TEST(leaves_sorted_keys_and_turns_reversed_ones)
{
    for (int reversed = 0; reversed < 2; reversed++) {
        for (size_t i = 0; i < 1000; i++) {
            snprintf((char *)keys[i], KEY_BYTES, "G%020zu", reversed ? 1000 - i : i);
            entries[i] = (struct sort_entry){.key = keys[i], .length = 22};
        }
        assert_sorts(1000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker sort");
    TCase *tests = tcase_create("sort");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, sorts_as_memcmp_does);
    tcase_add_test(tests, leaves_sorted_keys_and_turns_reversed_ones);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
