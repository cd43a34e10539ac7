/* The search for what kills, over every place, several places, and with workers that die by chance. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/isolation.h"

enum { ITEMS = 1000 };

struct model {
    bool poison[ITEMS];
    bool condemned[ITEMS];
    uint32_t items;
    uint32_t deaths;
    uint32_t chance; /* one in so many trials fails without a reason; 0: none */
    uint32_t random;
};

static bool fails(struct model *model, uint32_t first, uint32_t count)
{
    model->random = model->random * 1664525 + 1013904223;
    bool dies = model->chance && (model->random >> 8) % model->chance == 0;
    ck_assert_uint_gt(count, 0);
    ck_assert_uint_le(first + count, model->items);
    for (uint32_t i = first; i < first + count; i++)
        dies |= model->poison[i] && !model->condemned[i];
    model->deaths += dies;
    return dies;
}

/* As the dispatcher does: the batch as it is, until it goes through. */
static void isolate(struct model *model)
{
    uint32_t passed = 0;
    while (fails(model, 0, model->items)) {
        struct isolation isolation;
        enum isolation_step step = ISOLATION_GO_ON;
        isolation_begin(&isolation, model->items, passed, false);
        while (step == ISOLATION_GO_ON) {
            uint32_t first, count;
            isolation_range(&isolation, &first, &count);
            ck_assert_uint_eq(first, 0);
            ck_assert_uint_gt(count, isolation.passed);
            step = fails(model, first, count) ? isolation_failed(&isolation) : isolation_passed(&isolation);
        }
        if (step == ISOLATION_HARMLESS)
            continue;
        ck_assert_uint_lt(isolation.passed, model->items);
        model->condemned[isolation.passed] = true;
        passed = isolation.passed;
    }
}

START_TEST(finds_the_one_wherever_it_is)
{
    static const uint32_t sizes[] = {1, 2, 3, 10, 999, ITEMS};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (uint32_t place = 0; place < sizes[s]; place++) {
            struct model model = {.items = sizes[s]};
            model.poison[place] = true;
            isolate(&model);
            ck_assert_mem_eq(model.condemned, model.poison, sizeof model.poison);
            ck_assert_uint_le(model.deaths, 1 + 10 + ISOLATION_PROOF);
        }
}
END_TEST

START_TEST(finds_several)
{
    struct model model = {.items = ITEMS};
    static const uint32_t places[] = {0, 1, 499, 500, 777, 999};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        model.poison[places[i]] = true;
    isolate(&model);
    ck_assert_mem_eq(model.condemned, model.poison, sizeof model.poison);
    ck_assert_uint_le(model.deaths, 6 * (1 + 10 + ISOLATION_PROOF));
}
END_TEST

/* Every tenth trial dies by chance: a thousand batches, and nobody innocent is condemned but by three such
 * chances in a row. */
START_TEST(chance_condemns_hardly_anybody)
{
    uint32_t innocent = 0;
    for (uint32_t run = 0; run < 1000; run++) {
        struct model model = {.items = 100, .chance = 10, .random = run};
        model.poison[run % 100] = true;
        isolate(&model);
        ck_assert(model.condemned[run % 100]);
        for (uint32_t i = 0; i < 100; i++)
            innocent += model.condemned[i] && !model.poison[i];
    }
    ck_assert_uint_lt(innocent, 10);
}
END_TEST

/* Where memory does not suffice, the item has to be too large by itself. */
START_TEST(size_is_proved_by_the_item_alone)
{
    for (int giant = 0; giant <= 1; giant++) {
        struct isolation isolation;
        enum isolation_step step = ISOLATION_GO_ON;
        isolation_begin(&isolation, 100, 0, true);
        while (step == ISOLATION_GO_ON) {
            uint32_t first, count;
            isolation_range(&isolation, &first, &count);
            bool too_large = giant ? first <= 40 && first + count > 40 : count > 60;
            step = too_large ? isolation_failed(&isolation) : isolation_passed(&isolation);
        }
        ck_assert_int_eq(step, giant ? ISOLATION_CONDEMN : ISOLATION_HARMLESS);
        ck_assert_uint_eq(isolation.passed, giant ? 40 : 60);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("isolation");
    TCase *tests = tcase_create("isolation");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, finds_the_one_wherever_it_is);
    tcase_add_test(tests, finds_several);
    tcase_add_test(tests, chance_condemns_hardly_anybody);
    tcase_add_test(tests, size_is_proved_by_the_item_alone);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
