/* Who is heard of, who falls silent, and that the table never grows. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "epcis/v1/server_service.pb-c.h"
#include "server/roster.h"

static struct roster roster;

static void setup(void)
{
    roster_init(&roster);
}

static void teardown(void)
{
    roster_free(&roster);
}

static bool hear(int number, Epcis__Wire__V1__WorkerState state, int64_t now_ms,
                 const struct roster_worker **out)
{
    char id[32];
    Epcis__Wire__V1__Heartbeat beat = EPCIS__WIRE__V1__HEARTBEAT__INIT;
    snprintf(id, sizeof id, "host:%d", number);
    beat.worker_id = id;
    beat.state = state;
    beat.rule_pack = (char *)(number == 9 ? "new" : "old");
    beat.committed = (uint64_t)now_ms;
    return roster_heed(&roster, &beat, now_ms, out);
}

#define WORKING  EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_WORKING
#define DRAINING EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_DRAINING
#define STOPPED  EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_STOPPED

START_TEST(a_life_is_told_step_by_step)
{
    const struct roster_worker *worker;
    ck_assert(hear(1, WORKING, 10, &worker));
    ck_assert(!hear(1, WORKING, 20, &worker));
    ck_assert(hear(1, DRAINING, 30, &worker));
    ck_assert(hear(1, STOPPED, 40, &worker));
    ck_assert_int_eq(worker->state, ROSTER_STOPPED);
    ck_assert_uint_eq(worker->committed, 40);
    ck_assert(!roster_ended(&roster, "host:1")); /* as expected */
    ck_assert_ptr_null(roster_take_silent(&roster, 1000));
    ck_assert_int_eq(roster_oldest_ms(&roster), INT64_MAX);
}
END_TEST

START_TEST(the_silent_are_lost_once_and_may_come_back)
{
    const struct roster_worker *worker;
    hear(1, WORKING, 10, &worker);
    hear(2, WORKING, 20, &worker);
    ck_assert_int_eq(roster_oldest_ms(&roster), 10);
    ck_assert_str_eq(roster_take_silent(&roster, 15)->id, "host:1");
    ck_assert_ptr_null(roster_take_silent(&roster, 15));
    ck_assert(!roster_ended(&roster, "host:1"));
    ck_assert(hear(1, WORKING, 30, &worker));
    ck_assert_int_eq(worker->state, ROSTER_WORKING);
    ck_assert(roster_ended(&roster, "host:2"));
    ck_assert(roster_ended(&roster, "host:3")); /* before it was ever heard of */
    ck_assert_str_eq(roster_take_silent(&roster, 1000)->id, "host:1");
    ck_assert_ptr_null(roster_take_silent(&roster, 1000));
}
END_TEST

START_TEST(options_are_kept_but_not_too_much_of_them)
{
    enum { OPTIONS = 200 };
    Epcis__V1__ConfigOption option = EPCIS__V1__CONFIG_OPTION__INIT, *options[OPTIONS];
    Epcis__Wire__V1__Heartbeat beat = EPCIS__WIRE__V1__HEARTBEAT__INIT;
    const struct roster_worker *worker;
    option.name = (char *)"transaction-max-bytes";
    for (int i = 0; i < OPTIONS; i++)
        options[i] = &option;
    beat.worker_id = (char *)"host:1";
    beat.options = options;
    beat.n_options = 2;
    roster_heed(&roster, &beat, 1, &worker);
    Epcis__V1__WorkerConfig *config =
        epcis__v1__worker_config__unpack(NULL, worker->options_bytes, worker->options);
    ck_assert_uint_eq(config->n_options, 2);
    ck_assert_str_eq(config->options[1]->name, "transaction-max-bytes");
    epcis__v1__worker_config__free_unpacked(config, NULL);
    beat.n_options = OPTIONS;
    roster_heed(&roster, &beat, 2, &worker);
    ck_assert_uint_eq(worker->options_bytes, 0);
}
END_TEST

START_TEST(other_rules_are_noticed)
{
    const struct roster_worker *worker;
    hear(1, WORKING, 10, &worker);
    hear(2, WORKING, 10, &worker);
    ck_assert_ptr_null(roster_other_rules(&roster, worker));
    hear(9, WORKING, 10, &worker);
    ck_assert_ptr_nonnull(roster_other_rules(&roster, worker));
}
END_TEST

START_TEST(the_table_is_bounded)
{
    const struct roster_worker *worker;
    static struct roster_worker list[ROSTER_WORKERS_MAX];
    for (int i = 0; i < ROSTER_WORKERS_MAX; i++)
        hear(100 + i, WORKING, i, &worker);
    ck_assert(hear(1, WORKING, 500, &worker));
    ck_assert_ptr_null(worker);
    roster_ended(&roster, "host:107");
    roster_ended(&roster, "host:103");
    ck_assert(hear(1, WORKING, 500, &worker));
    ck_assert_str_eq(worker->id, "host:1");
    ck_assert_uint_eq(roster_list(&roster, list, ROSTER_WORKERS_MAX), ROSTER_WORKERS_MAX);
    ck_assert_str_eq(list[3].id, "host:1");
    ck_assert_str_eq(list[7].id, "host:107");
    ck_assert_int_eq(list[7].state, ROSTER_LOST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("roster");
    TCase *tests = tcase_create("roster");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_life_is_told_step_by_step);
    tcase_add_test(tests, the_silent_are_lost_once_and_may_come_back);
    tcase_add_test(tests, options_are_kept_but_not_too_much_of_them);
    tcase_add_test(tests, other_rules_are_noticed);
    tcase_add_test(tests, the_table_is_bounded);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
