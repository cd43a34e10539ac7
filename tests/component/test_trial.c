/* Trials, which try items of a batch and commit nothing, and condemned items, which nobody looks at. */
#include "tests/component/committing.h"

#include "common/store/store_read.h"

#define RESULT(name) EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_##name

enum { EVENTS = 10 };

static struct arena answers;

/* Ten commissionings, event i of serial "i"; the one at `broken` (-1: none) has no time. */
static void make_batch(int broken)
{
    for (int i = 0; i < EVENTS; i++) {
        char serial[16];
        snprintf(serial, sizeof serial, "%d", i);
        Epcis__V1__Event *event =
            synthetic_commission(&world.events, i, "L1", "2027-01-31", (const char *const[]){serial, NULL});
        if (i == broken)
            event->event_time = NULL;
        synthetic_add(&world.made, event);
    }
    end_batch();
}

/* What a server adds to the batch, which is no part of its batch_id. */
static void add_fields(uint32_t first, uint32_t count, uint32_t *condemned, size_t condemned_count)
{
    Epcis__Wire__V1__Batch part = EPCIS__WIRE__V1__BATCH__INIT;
    part.trial_first = first;
    part.trial_count = count;
    part.condemned = condemned;
    part.n_condemned = condemned_count;
    buffer_append_message(&world.frames[0], &part.base);
}

static const Epcis__Wire__V1__Acknowledgment *answer(bool keep)
{
    struct commit_result result = commit_batches(keep);
    ck_assert_uint_eq(result.count, 1);
    ck_assert_ptr_nonnull(result.acks[0]);
    return result.acks[0];
}

static size_t dead_letter_count(void)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListDeadLettersResponse *response;
    arena_init(&answers, 1 << 20);
    ck_assert_int_eq(store_dead_letters(world.store, NULL, 0, cursor, &answers, &response), ERR_OK);
    size_t count = response->n_dead_letters;
    arena_free(&answers);
    return count;
}

START_TEST(a_trial_commits_nothing)
{
    make_batch(4);
    size_t length = world.frames[0].length;
    for (uint32_t count = 1; count <= EVENTS; count++) {
        world.frames[0].length = length;
        add_fields(count % 3 == 0 ? count - 1 : 0, count % 3 == 0 ? 1 : count, NULL, 0);
        const Epcis__Wire__V1__Acknowledgment *ack = answer(true);
        ck_assert_int_eq(ack->result, RESULT(TRIAL_OK));
        ck_assert_uint_eq(ack->trial_first, count % 3 == 0 ? count - 1 : 0);
        ck_assert_uint_eq(ack->trial_count, count % 3 == 0 ? 1 : count);
        ck_assert_uint_eq(dead_letter_count(), 0);
    }
    world.frames[0].length = length;
    const Epcis__Wire__V1__Acknowledgment *ack = answer(false);
    ck_assert_int_eq(ack->result, RESULT(COMMITTED));
    ck_assert_uint_eq(ack->segments[0]->committed, EVENTS - 1);
    ck_assert_uint_eq(dead_letter_count(), 1);
}
END_TEST

START_TEST(a_trial_of_what_is_committed_says_so)
{
    make_batch(-1);
    ck_assert_int_eq(answer(true)->result, RESULT(COMMITTED));
    add_fields(0, 3, NULL, 0);
    const Epcis__Wire__V1__Acknowledgment *ack = answer(false);
    ck_assert_int_eq(ack->result, RESULT(COMMITTED));
    ck_assert_uint_eq(ack->segments[0]->committed, EVENTS);
}
END_TEST

/* Together with others, whose results do not change for it. */
START_TEST(a_trial_does_not_touch_its_neighbours)
{
    make_batch(-1);
    struct synthetic_chain first = world.chain;
    world.chain = (struct synthetic_chain){.partition = 4};
    make_batch(-1); /* the same serials: duplicates of the first, were that committed */
    world.chain = first;
    add_fields(0, EVENTS, NULL, 0);
    struct commit_result result = commit_batches(false);
    ck_assert_int_eq(result.acks[0]->result, RESULT(TRIAL_OK));
    ck_assert_int_eq(result.acks[1]->result, RESULT(COMMITTED));
    ck_assert_uint_eq(result.acks[1]->segments[0]->committed, EVENTS);
    ck_assert_uint_eq(result.committed, EVENTS);
}
END_TEST

START_TEST(the_condemned_become_dead_letters_as_they_are)
{
    make_batch(-1);
    uint32_t condemned[] = {2, 7};
    add_fields(0, 0, condemned, 2);
    const Epcis__Wire__V1__Acknowledgment *ack = answer(false);
    ck_assert_int_eq(ack->result, RESULT(COMMITTED));
    ck_assert_uint_eq(ack->segments[0]->committed, EVENTS - 2);
    ck_assert_uint_eq(ack->segments[0]->dead_letters, 2);
    for (int i = 0; i < 2; i++) {
        char id[16], serial[32];
        Epcis__V1__GetDeadLetterResponse *response;
        snprintf(id, sizeof id, "%d", i + 1);
        snprintf(serial, sizeof serial, ".%u", condemned[i]);
        arena_init(&answers, 1 << 20);
        ck_assert_int_eq(store_dead_letter_get(world.store, id, &answers, &response), ERR_OK);
        Epcis__V1__DeadLetter *letter = response->dead_letter;
        ck_assert_str_eq(letter->reasons[0]->code, "POISON_EVENT");
        ck_assert_uint_eq(letter->event_index, condemned[i]);
        ck_assert_uint_eq(letter->n_gtins, 0); /* which stand inside the event */
        ck_assert_ptr_nonnull(strstr(letter->event->epc_list[0], serial));
        arena_free(&answers);
    }
}
END_TEST

/* Items that it does not have. */
START_TEST(a_batch_that_contradicts_itself_is_refused)
{
    uint32_t beyond = EVENTS;
    make_batch(-1);
    size_t length = world.frames[0].length;
    for (int i = 0; i < 3; i++) {
        world.frames[0].length = length;
        add_fields(i == 0 ? EVENTS : 0, i == 0 ? 1 : i == 1 ? EVENTS + 1 : 0, &beyond, i == 2);
        ck_assert_int_eq(answer(true)->result, RESULT(BAD_BATCH));
    }
}
END_TEST

START_TEST(too_large_is_told_with_its_range)
{
    make_batch(-1);
    add_fields(3, 2, NULL, 0);
    const struct buffer *frame = &world.frames[0];
    struct commit_result result;
    commit_refuse(world.commit, &frame, 1, ERR_LIMIT, &result);
    ck_assert_int_eq(result.acks[0]->result, RESULT(TOO_LARGE));
    ck_assert_uint_eq(result.acks[0]->trial_first, 3);
    ck_assert_uint_eq(result.acks[0]->trial_count, 2);
    commit_refuse(world.commit, &frame, 1, ERR_DISK, &result);
    ck_assert_int_eq(result.acks[0]->result, RESULT(STORE_FAILED));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trial");
    TCase *tests = tcase_create("trial");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_trial_commits_nothing);
    tcase_add_test(tests, a_trial_of_what_is_committed_says_so);
    tcase_add_test(tests, a_trial_does_not_touch_its_neighbours);
    tcase_add_test(tests, the_condemned_become_dead_letters_as_they_are);
    tcase_add_test(tests, a_batch_that_contradicts_itself_is_refused);
    tcase_add_test(tests, too_large_is_told_with_its_range);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
