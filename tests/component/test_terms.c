/* Documents that are taken whole, or only looked at: all in the store, or as if they had never come. */
#include <check.h>
#include <stdlib.h>

#include "tests/component/committing.h"

static struct arena answers;

static void setup_all(void)
{
    arena_init(&answers, 64 << 20);
    setup();
}

static void teardown_all(void)
{
    arena_free(&answers);
    teardown();
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The next events are of this document. */
static void begin_document(uint8_t capture, bool rollback, bool validate_only)
{
    synthetic_segment(&world.made, capture, 0);
    Epcis__Wire__V1__BatchSegment *segment = world.made.segments[world.made.segment_count - 1];
    segment->rollback = rollback;
    segment->validate_only = validate_only;
}

static void add(const char *lot, const char *const *serials, int64_t seconds)
{
    synthetic_add(&world.made, synthetic_commission(&world.events, seconds, lot, "2030-01-31", serials));
}

static void assert_counts(const struct commit_result *result, size_t ack, unsigned committed,
                          unsigned duplicates, unsigned dead_letters)
{
    const Epcis__Wire__V1__SegmentResult *counts = result->acks[ack]->segments[0];
    ck_assert_int_eq(result->acks[ack]->result, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED);
    ck_assert_uint_eq(counts->committed, committed);
    ck_assert_uint_eq(counts->duplicates, duplicates);
    ck_assert_uint_eq(counts->dead_letters, dead_letters);
}

/* One digit an item, of the value in ItemOutcome. */
static void assert_outcomes(const struct commit_result *result, size_t ack, const char *digits)
{
    const ProtobufCBinaryData *outcomes = &result->acks[ack]->outcomes;
    ck_assert_uint_eq(outcomes->len, strlen(digits));
    for (size_t i = 0; i < outcomes->len; i++)
        ck_assert_int_eq('0' + outcomes->data[i], digits[i]);
}

static bool is_known(const char *serial)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *response;
    enum err err = store_item_history(world.store, synthetic_sgtin(&world.events, 10001, serial), NULL, 0,
                                      cursor, &answers, &response);
    ck_assert(err == ERR_OK || err == ERR_NOT_FOUND);
    return err == ERR_OK;
}

static Epcis__V1__ListDeadLettersResponse *letters(const uint8_t *capture_id, bool validated)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListDeadLettersResponse *response;
    const struct store_letter_filter filter = {.capture_id = capture_id, .validated = validated};
    ck_assert_int_eq(store_dead_letters(world.store, &filter, 0, cursor, &answers, &response), ERR_OK);
    return response;
}

static const char *first_reason(const Epcis__V1__DeadLetter *letter)
{
    return letter->n_reasons ? letter->reasons[0]->code : "";
}

START_TEST(rollback_takes_all_where_all_is_right)
{
    begin_document(1, true, false);
    add("L1", LIST("a"), 0);
    add("L1", LIST("b"), 1);
    end_batch();
    struct commit_result result = commit_batches(true);
    assert_counts(&result, 0, 2, 0, 0);
    ck_assert(is_known("a") && is_known("b"));
    result = commit_batches(false); /* sent again */
    assert_counts(&result, 0, 2, 0, 0);
}
END_TEST

START_TEST(rollback_takes_nothing_where_one_is_wrong)
{
    begin_document(1, true, false);
    add("L1", LIST("a"), 0);
    add("L1", LIST("a"), 0); /* a duplicate of what is rolled back is rolled back with it */
    add("L1", LIST("a"), 1); /* SERIAL_REUSED */
    add("L1", LIST("b"), 2);
    end_batch();
    struct commit_result result = commit_batches(true);
    assert_counts(&result, 0, 0, 0, 4);
    assert_outcomes(&result, 0, "4434");
    result = commit_batches(false);
    assert_counts(&result, 0, 0, 0, 4);
    assert_outcomes(&result, 0, "4434"); /* the same answer again */
    ck_assert(!is_known("a") && !is_known("b"));
    Epcis__V1__ListDeadLettersResponse *found = letters(NULL, false);
    ck_assert_uint_eq(found->n_dead_letters, 4);
    const char *const codes[] = {"ROLLED_BACK", "ROLLED_BACK", "SERIAL_REUSED", "ROLLED_BACK"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(first_reason(found->dead_letters[i]), codes[i]);
    begin_document(2, true, false); /* put right */
    add("L1", LIST("a"), 0);
    add("L1", LIST("b"), 2);
    end_batch();
    result = commit_batches(false);
    assert_counts(&result, 0, 2, 0, 0);
}
END_TEST

START_TEST(a_document_that_breaks_off_is_rolled_back)
{
    begin_document(1, true, false);
    add("L1", LIST("a"), 0);
    synthetic_add_refusal(&world.made, true);
    end_batch();
    struct commit_result result = commit_batches(false);
    assert_counts(&result, 0, 0, 0, 1);
    assert_outcomes(&result, 0, "46");
    ck_assert(!is_known("a"));
}
END_TEST

/* What comes before and behind a whole document in one call knows of it what it should. */
START_TEST(neighbours_are_committed_around_it)
{
    begin_document(1, false, false);
    add("L1", LIST("a"), 0);
    end_batch();
    begin_document(2, true, false);
    add("L1", LIST("b"), 1);
    add("L1", LIST("a"), 2); /* known from the batch before */
    end_batch();
    begin_document(3, false, false);
    add("L1", LIST("b"), 3); /* not known: it was rolled back */
    add("L1", LIST("a"), 4);
    end_batch();
    struct commit_result result = commit_batches(true);
    assert_counts(&result, 0, 1, 0, 0);
    assert_counts(&result, 1, 0, 0, 2);
    assert_counts(&result, 2, 1, 0, 1);
    result = commit_batches(false);
    assert_counts(&result, 1, 0, 0, 2);
}
END_TEST

START_TEST(validation_tells_everything_and_keeps_nothing)
{
    uint8_t capture_id[UUID_BYTES] = {[UUID_BYTES - 1] = 1};
    begin_document(1, false, true);
    add("L1", LIST("a"), 0);
    add("L1", LIST("a"), 1); /* judged against the document's own events */
    Epcis__V1__Event *event = synthetic_commission(&world.events, 2, "L1", "2030-01-31", LIST("b"));
    event->disposition = (char *)"Active"; /* a warning */
    synthetic_add(&world.made, event);
    end_batch();
    struct commit_result result = commit_batches(true);
    assert_counts(&result, 0, 2, 0, 1);
    ck_assert(!is_known("a") && !is_known("b"));
    result = commit_batches(false);
    assert_counts(&result, 0, 2, 0, 1);
    ck_assert_uint_eq(letters(NULL, false)->n_dead_letters, 0);
    ck_assert_uint_eq(letters(capture_id, false)->n_dead_letters, 0);
    bool warned = false, refused = false;
    Epcis__V1__ListDeadLettersResponse *found = letters(capture_id, true);
    for (size_t i = 0; i < found->n_dead_letters; i++) {
        const Epcis__V1__DeadLetter *letter = found->dead_letters[i];
        ck_assert(letter->validate_only);
        refused |= letter->event_index == 1 && strcmp(first_reason(letter), "SERIAL_REUSED") == 0;
        for (size_t w = 0; w < letter->n_warnings && letter->event_index == 2; w++)
            warned |= strcmp(letter->warnings[w]->code, "CBV_UNKNOWN") == 0;
    }
    ck_assert(warned && refused);
    begin_document(2, false, false); /* the chain goes on, and the items are free */
    add("L1", LIST("a"), 0);
    end_batch();
    result = commit_batches(false);
    assert_counts(&result, 0, 1, 0, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("terms");
    TCase *tests = tcase_create("terms");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup_all, teardown_all);
    tcase_add_test(tests, rollback_takes_all_where_all_is_right);
    tcase_add_test(tests, rollback_takes_nothing_where_one_is_wrong);
    tcase_add_test(tests, a_document_that_breaks_off_is_rolled_back);
    tcase_add_test(tests, neighbours_are_committed_around_it);
    tcase_add_test(tests, validation_tells_everything_and_keeps_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
