/* Batches through validation into a real store, each test in a folder of its own. */
#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { MAP_BYTES = 256 << 20, FRAMES_MAX = 16 };

static struct world {
    char folder[64];
    char url[128];
    struct store *store;
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain;
    struct arena events;  /* what tests build */
    struct arena answers; /* what the store reads */
    struct buffer frames[FRAMES_MAX];
    size_t frame_count;
    struct commit_result result;
} world;

static void open_store(void)
{
    ck_assert_int_eq(store_open(world.url, MAP_BYTES, &world.store), ERR_OK);
    struct commit_config config = {
        .store = world.store, .worker_id = "test:1", .profile = RULES_DSCSA, .memory_bytes = 256 << 20};
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
}

static void close_store(void)
{
    commit_close(&world.commit);
    store_close(&world.store);
}

static void setup(void)
{
    world = (struct world){.folder = "/tmp/epcisd-commit-XXXXXX", .chain = {.partition = 3}};
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    snprintf(world.url, sizeof world.url, "lmdb:%s/store", world.folder);
    synthetic_init(&world.made);
    arena_init(&world.events, 256 << 20);
    arena_init(&world.answers, 256 << 20);
    open_store();
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void teardown(void)
{
    close_store();
    synthetic_free(&world.made);
    arena_free(&world.events);
    arena_free(&world.answers);
    for (size_t i = 0; i < FRAMES_MAX; i++)
        buffer_free(&world.frames[i]);
    nftw(world.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- steps ---- */

static void pack(void)
{
    synthetic_pack(&world.made, &world.chain, &world.frames[world.frame_count++]);
}

static enum err try_commit(void)
{
    const struct buffer *frames[FRAMES_MAX];
    for (size_t i = 0; i < world.frame_count; i++)
        frames[i] = &world.frames[i];
    enum err err = commit_frames(world.commit, frames, world.frame_count, &world.result);
    if (err)
        commit_refuse(world.commit, frames, world.frame_count, err, &world.result);
    ck_assert_uint_eq(world.result.count, world.frame_count);
    world.frame_count = 0;
    return err;
}

static void commit(void)
{
    ck_assert_int_eq(try_commit(), ERR_OK);
}

static const Epcis__Wire__V1__Acknowledgment *ack(size_t i)
{
    ck_assert_ptr_nonnull(world.result.acks[i]);
    return world.result.acks[i];
}

#define RESULT(name) EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_##name

static void assert_counts(size_t i, unsigned committed, unsigned duplicates, unsigned dead_letters)
{
    ck_assert_int_eq(ack(i)->result, RESULT(COMMITTED));
    unsigned sums[3] = {0};
    for (size_t s = 0; s < ack(i)->n_segments; s++) {
        sums[0] += ack(i)->segments[s]->committed;
        sums[1] += ack(i)->segments[s]->duplicates;
        sums[2] += ack(i)->segments[s]->dead_letters;
    }
    ck_assert_uint_eq(sums[0], committed);
    ck_assert_uint_eq(sums[1], duplicates);
    ck_assert_uint_eq(sums[2], dead_letters);
}

/* One event, one batch, one transaction. */
static void commit_one(const Epcis__V1__Event *event)
{
    synthetic_add(&world.made, event);
    pack();
    commit();
}

static void add_commissioning(int64_t seconds, const char *lot, const char *expiry,
                              const char *const *serials)
{
    synthetic_add(&world.made, synthetic_commission(&world.events, seconds, lot, expiry, serials));
}

#define SERIALS(...) ((const char *const[]){__VA_ARGS__, NULL})

static Epcis__V1__GetItemHistoryResponse *history(const char *epc)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *response;
    enum err err = store_item_history(world.store, epc, NULL, 0, cursor, &world.answers, &response);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_str_eq(cursor, "");
    return response;
}

static Epcis__V1__GetItemHistoryResponse *item(const char *serial)
{
    return history(synthetic_sgtin(&world.events, 10001, serial));
}

static bool is_known(const char *serial)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *response;
    enum err err = store_item_history(world.store, synthetic_sgtin(&world.events, 10001, serial), NULL, 0,
                                      cursor, &world.answers, &response);
    ck_assert(err == ERR_OK || err == ERR_NOT_FOUND);
    return err == ERR_OK;
}

static Epcis__V1__DeadLetter *dead_letter(unsigned number)
{
    char id[16];
    Epcis__V1__GetDeadLetterResponse *response;
    snprintf(id, sizeof id, "%u", number);
    ck_assert_int_eq(store_dead_letter_get(world.store, id, &world.answers, &response), ERR_OK);
    return response->dead_letter;
}

static size_t dead_letter_count(void)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListDeadLettersResponse *response;
    ck_assert_int_eq(store_dead_letters(world.store, NULL, 0, cursor, &world.answers, &response), ERR_OK);
    return response->n_dead_letters;
}

static Epcis__V1__Event *aggregation(Epcis__V1__Action action, int64_t seconds, const char *const *children)
{
    Epcis__V1__Event *event =
        synthetic_event(&world.events, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION, action,
                        action == EPCIS__V1__ACTION__ACTION_ADD ? "packing" : "unpacking", seconds);
    event->parent_id = synthetic_sscc(&world.events, 1);
    while (children && children[event->n_child_epcs])
        event->n_child_epcs++;
    event->child_epcs = synthetic_list(&world.events, event->n_child_epcs);
    for (size_t i = 0; i < event->n_child_epcs; i++)
        event->child_epcs[i] = synthetic_sgtin(&world.events, 10001, children[i]);
    return event;
}

/* ---- what is kept ---- */

START_TEST(commits_and_tells_state_and_history)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a", "b"));
    synthetic_add(&world.made, aggregation(EPCIS__V1__ACTION__ACTION_ADD, 1, SERIALS("a", "b")));
    pack();
    commit();
    assert_counts(0, 2, 0, 0);
    ck_assert_uint_eq(ack(0)->last_sequence, 1);

    Epcis__V1__GetItemHistoryResponse *a = item("a");
    ck_assert_str_eq(a->state->epc, "https://id.gs1.org/01/00614141100019/21/a");
    ck_assert_str_eq(a->state->gtin, "00614141100019");
    ck_assert_str_eq(a->state->serial, "a");
    ck_assert_str_eq(a->state->status, "packed");
    ck_assert_str_eq(a->state->disposition, "active");
    ck_assert_str_eq(a->state->holder, "0614141000012");
    ck_assert_str_eq(a->state->container, a->state->parent);
    ck_assert_str_eq(a->state->association, "");
    ck_assert_str_eq(a->state->lot, "L1");
    ck_assert_str_eq(a->state->expiry, "2027-01-31");
    ck_assert_str_eq(a->state->parent, "https://id.gs1.org/00/006141410000000012");
    ck_assert_uint_eq(a->n_history, 2);
    ck_assert_str_eq(a->history[0]->biz_step, "commissioning");
    ck_assert_str_eq(a->history[1]->biz_step, "packing");
    ck_assert_uint_eq(a->history[1]->sequence, 2);
    char batch_id[DIGEST_HEX + 1];
    digest_hex(world.chain.last_id, DIGEST_BYTES, batch_id);
    ck_assert_str_eq(a->history[1]->batch_id, batch_id);
    ck_assert_uint_eq(history(synthetic_sscc(&world.events, 1))->n_history, 1);

    Epcis__V1__CommittedEvent *event;
    ck_assert_int_eq(store_event_get(world.store, 2, &world.answers, &event), ERR_OK);
    ck_assert_uint_eq(event->event->n_child_epcs, 2);
    ck_assert_uint_eq(event->event_index, 1);
    ck_assert_str_eq(event->capture_id, "00000000-0000-0000-0000-000000000001");
    ck_assert_str_eq(event->event_hash, a->history[1]->event_hash);
    ck_assert_str_eq(event->event->event_id, event->event_hash);
    ck_assert_str_eq(a->history[1]->event_id, event->event_hash);
    ck_assert_str_eq(a->history[1]->capture_id, event->capture_id);
    ck_assert_uint_eq(a->history[1]->event_index, 1);
    ck_assert_int_eq(store_event_get(world.store, 3, &world.answers, &event), ERR_NOT_FOUND);
}
END_TEST

START_TEST(counts_add_up_to_the_events)
{
    Epcis__V1__Event *bad = synthetic_commission(&world.events, 0, "L1", "2027-01-31", SERIALS("x"));
    bad->event_time_zone_offset = (char *)"EST";
    synthetic_segment(&world.made, 1, 0);
    add_commissioning(1, "L1", "2027-01-31", SERIALS("a"));
    synthetic_add(&world.made, bad);
    add_commissioning(1, "L1", "2027-01-31", SERIALS("a"));
    synthetic_segment(&world.made, 2, 500);
    synthetic_add_refusal(&world.made, false);
    add_commissioning(2, "L1", "2027-01-31", SERIALS("b"));
    synthetic_add_refusal(&world.made, true);
    pack();
    commit();
    assert_counts(0, 2, 1, 2);
    ck_assert_uint_eq(world.result.committed + world.result.duplicates + world.result.dead_letters, 5);
    ck_assert_uint_eq(ack(0)->n_segments, 2);
    ck_assert_uint_eq(ack(0)->segments[1]->dead_letters, 1);
    ck_assert_uint_eq(ack(0)->n_failures, 2);
    ck_assert_str_eq(ack(0)->failures[0]->code, "TIME_INVALID");
    ck_assert_uint_eq(ack(0)->failures[0]->event_index, 1);
    ck_assert_str_eq(ack(0)->failures[1]->code, "SCHEMA_INVALID");
    ck_assert_uint_eq(ack(0)->failures[1]->event_index, 500);

    ck_assert_uint_eq(dead_letter_count(), 3);
    const Epcis__V1__DeadLetter *letter = dead_letter(1);
    ck_assert_str_eq(letter->reasons[0]->field, "eventTimeZoneOffset");
    ck_assert_str_eq(letter->path, "/EPCISDocument/EPCISBody/EventList/*[2]/eventTimeZoneOffset");
    ck_assert_uint_eq(letter->line, 11);
    ck_assert_ptr_nonnull(letter->event);
    ck_assert_str_eq(letter->event->event_time_zone_offset, "EST");
    ck_assert_str_eq(letter->partner, world.made.partner);
    ck_assert_uint_eq(letter->n_gtins, 1);
    ck_assert_str_eq(letter->gtins[0], "00614141100019");
    ck_assert_int_eq(letter->event_type, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT);
    ck_assert_str_eq(letter->biz_step, "commissioning");
    ck_assert_int_eq(letter->event_time->seconds, bad->event_time->seconds);
    ck_assert_uint_eq(dead_letter(2)->n_gtins, 0);
    ck_assert_str_eq(dead_letter(2)->partner, world.made.partner);
    ck_assert_str_eq(dead_letter(2)->path, "/made/up");
    ck_assert_uint_eq(dead_letter(2)->raw_document_part.len, 5);
    ck_assert_int_eq(dead_letter(2)->position_case, EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX);
    ck_assert_int_eq(dead_letter(3)->position_case, EPCIS__V1__DEAD_LETTER__POSITION__NOT_SET);
}
END_TEST

START_TEST(dead_letters_name_each_gtin_once_and_not_too_many)
{
    enum { ITEMS = 80, KEPT = 32 };
    Epcis__V1__Event *bad = synthetic_commission(&world.events, 0, "L1", "2027-01-31", SERIALS("x"));
    bad->event_time_zone_offset = (char *)"EST";
    bad->epc_list = synthetic_list(&world.events, ITEMS);
    bad->n_epc_list = ITEMS;
    for (unsigned i = 0; i < ITEMS; i++) /* each GTIN twice, and a private URI */
        bad->epc_list[i] =
            i == 1 ? (char *)"urn:example:1" : synthetic_sgtin(&world.events, 10001 + i / 2, "s");
    synthetic_segment(&world.made, 1, 0);
    synthetic_add(&world.made, bad);
    pack();
    commit();
    const Epcis__V1__DeadLetter *letter = dead_letter(1);
    ck_assert_uint_eq(letter->n_gtins, KEPT);
    for (size_t i = 0; i < KEPT; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(letter->gtins[i], letter->gtins[j]);
}
END_TEST

START_TEST(tells_duplicates_exact_and_reordered)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a", "b", "c"));
    add_commissioning(0, "L1", "2027-01-31", SERIALS("c", "a", "b")); /* within one transaction */
    pack();
    commit();
    assert_counts(0, 1, 1, 0);
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a", "b", "c")); /* and in a later one */
    add_commissioning(0, "L1", "2027-01-31", SERIALS("b", "c", "a"));
    pack();
    commit();
    assert_counts(0, 0, 2, 0);
    ck_assert_uint_eq(item("b")->n_history, 1);
}
END_TEST

START_TEST(tells_duplicates_without_any_epc)
{
    for (int i = 0; i < 2; i++) {
        Epcis__V1__Event *event = synthetic_event(&world.events, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                                  EPCIS__V1__ACTION__ACTION_OBSERVE, "storing", 0);
        synthetic_add(&world.made, event);
        synthetic_add(&world.made, event);
        event->disposition = (char *)"in_progress"; /* other content, and nobody's key */
        if (i == 0)
            synthetic_add(&world.made, event);
        pack();
        commit();
        assert_counts(0, i == 0 ? 2 : 0, i == 0 ? 1 : 2, 0);
    }
}
END_TEST

START_TEST(keeps_an_event_and_its_correction)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    Epcis__V1__Event *wrong = synthetic_commission(&world.events, 0, "L1", "2027-01-31", SERIALS("a"));
    Epcis__V1__ErrorDeclaration declaration = EPCIS__V1__ERROR_DECLARATION__INIT;
    declaration.reason = (char *)"did_not_occur";
    wrong->error_declaration = &declaration;
    synthetic_add(&world.made, wrong);
    synthetic_add(&world.made, wrong);
    pack();
    commit();
    assert_counts(0, 2, 1, 0);
    Epcis__V1__GetItemHistoryResponse *a = item("a");
    ck_assert_uint_eq(a->n_history, 2);
    ck_assert_uint_eq(a->history[0]->declared_wrong_by, 2);
    ck_assert(!a->history[0]->error_declaration);
    ck_assert_uint_eq(a->history[1]->declared_wrong_by, 0);
    ck_assert(a->history[1]->error_declaration);
    ck_assert_str_eq(a->state->status, "unknown");
}
END_TEST

START_TEST(refuses_other_content_under_one_key)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a", "b"));
    add_commissioning(0, "L1", "2027-01-31", SERIALS("n", "b"));
    pack();
    commit();
    assert_counts(0, 1, 0, 1);
    add_commissioning(0, "L2", "2027-01-31", SERIALS("a"));
    pack();
    commit();
    assert_counts(0, 0, 0, 1);
    for (unsigned i = 1; i <= 2; i++) {
        const Epcis__V1__DeadLetter *letter = dead_letter(i);
        ck_assert_uint_eq(letter->n_reasons, 1);
        ck_assert_str_eq(letter->reasons[0]->code, "KEY_CONFLICT");
        ck_assert_str_eq(letter->reasons[0]->field, i == 1 ? "epcList[1]" : "epcList[0]");
    }
    ck_assert(!is_known("n")); /* a refused event changes nothing */
    ck_assert_str_eq(item("a")->state->lot, "L1");
}
END_TEST

START_TEST(refuses_a_serial_commissioned_twice)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    add_commissioning(5, "L2", "2027-02-28", SERIALS("n", "a"));
    pack();
    commit();
    assert_counts(0, 1, 0, 1);
    add_commissioning(9, "L1", "2027-01-31", SERIALS("a"));
    pack();
    commit();
    assert_counts(0, 0, 0, 1);
    ck_assert_uint_eq(dead_letter(1)->n_reasons, 1);
    ck_assert_str_eq(dead_letter(1)->reasons[0]->code, "SERIAL_REUSED");
    ck_assert_str_eq(dead_letter(1)->reasons[0]->field, "epcList[1]");
    ck_assert_str_eq(dead_letter(1)->path, "/EPCISDocument/EPCISBody/EventList/*[2]/epcList/epc[2]");
    ck_assert_str_eq(dead_letter(2)->reasons[0]->code, "SERIAL_REUSED");
    ck_assert(!is_known("n"));
}
END_TEST

START_TEST(refuses_two_expiries_of_a_lot)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    add_commissioning(1, "L1", "2027-02-28", SERIALS("b", "c"));
    pack();
    commit();
    assert_counts(0, 1, 0, 1);
    add_commissioning(2, "L1", "2027-02-28", SERIALS("d"));
    add_commissioning(3, "L1", "270131", SERIALS("e"));
    pack();
    commit();
    assert_counts(0, 1, 0, 1);
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_uint_eq(dead_letter(i)->n_reasons, 1);
        ck_assert_str_eq(dead_letter(i)->reasons[0]->code, "MIXED_EXPIRY");
        ck_assert_str_eq(dead_letter(i)->reasons[0]->field, "ilmd.itemExpirationDate");
    }
}
END_TEST

START_TEST(links_and_unlinks_containers)
{
    synthetic_add(&world.made, aggregation(EPCIS__V1__ACTION__ACTION_ADD, 0, SERIALS("a", "b")));
    synthetic_add(&world.made, aggregation(EPCIS__V1__ACTION__ACTION_ADD, 0, SERIALS("c"))); /* same second */
    pack();
    commit();
    assert_counts(0, 2, 0, 0);
    commit_one(aggregation(EPCIS__V1__ACTION__ACTION_DELETE, 1, SERIALS("a")));
    ck_assert_str_eq(item("a")->state->parent, "");
    ck_assert_str_ne(item("b")->state->parent, "");
    commit_one(aggregation(EPCIS__V1__ACTION__ACTION_DELETE, 2, NULL)); /* all of it */
    ck_assert_str_eq(item("b")->state->parent, "");
    ck_assert_str_eq(item("c")->state->parent, "");
    commit_one(aggregation(EPCIS__V1__ACTION__ACTION_ADD, 3, SERIALS("b")));
    ck_assert_str_ne(item("b")->state->parent, "");
    ck_assert_str_eq(item("c")->state->parent, "");
}
END_TEST

START_TEST(keeps_warnings_with_the_event)
{
    Epcis__V1__Event *event = synthetic_commission(&world.events, 0, "L1", "2027-01-31", SERIALS("a"));
    event->biz_step = (char *)"commisioning";
    commit_one(event);
    assert_counts(0, 1, 0, 0);
    Epcis__V1__CommittedEvent *kept;
    ck_assert_int_eq(store_event_get(world.store, 1, &world.answers, &kept), ERR_OK);
    ck_assert_uint_gt(kept->n_warnings, 0);
    ck_assert_uint_eq(ack(0)->segments[0]->warnings, kept->n_warnings);
    ck_assert_str_eq(kept->warnings[0]->code, "CBV_UNKNOWN");
}
END_TEST

/* ---- order ---- */

START_TEST(answers_a_repeat_with_the_first_result)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    synthetic_add_refusal(&world.made, false);
    struct synthetic_chain before = world.chain;
    pack();
    struct buffer copy = {0};
    buffer_append(&copy, world.frames[0].data, world.frames[0].length);
    commit();
    assert_counts(0, 1, 0, 1);
    add_commissioning(1, "L1", "2027-01-31", SERIALS("b"));
    pack();
    commit();

    buffer_clear(&world.frames[0]);
    buffer_append(&world.frames[0], copy.data, copy.length);
    world.frame_count = 1;
    commit();
    assert_counts(0, 1, 0, 1);
    ck_assert_uint_eq(ack(0)->n_failures, 1);
    ck_assert_uint_eq(ack(0)->sequence, 1);
    ck_assert_uint_eq(ack(0)->last_sequence, 2);
    ck_assert_uint_eq(dead_letter_count(), 1);
    ck_assert_uint_eq(world.result.committed, 0);

    world.chain = before; /* another batch under the same number */
    add_commissioning(0, "L1", "2027-01-31", SERIALS("other"));
    pack();
    commit();
    ck_assert_int_eq(ack(0)->result, RESULT(FORK));
    ck_assert(!is_known("other"));
    buffer_free(&copy);
}
END_TEST

START_TEST(refuses_a_gap_and_a_wrong_parent)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    commit();
    struct synthetic_chain good = world.chain;
    world.chain.sequence++;
    add_commissioning(1, "L1", "2027-01-31", SERIALS("b"));
    pack();
    commit();
    ck_assert_int_eq(ack(0)->result, RESULT(OUT_OF_ORDER));
    ck_assert_uint_eq(ack(0)->last_sequence, 1);

    world.chain = good;
    world.chain.last_id[0] ^= 1;
    add_commissioning(1, "L1", "2027-01-31", SERIALS("b"));
    pack();
    commit();
    ck_assert_int_eq(ack(0)->result, RESULT(FORK));

    world.chain = good; /* a run: the second follows the first of the same transaction */
    for (int i = 0; i < 2; i++) {
        add_commissioning(2, "L1", "2027-01-31", i ? SERIALS("d") : SERIALS("c"));
        pack();
    }
    commit();
    assert_counts(0, 1, 0, 0);
    assert_counts(1, 1, 0, 0);
    ck_assert(!is_known("b"));
    ck_assert(is_known("d"));
}
END_TEST

START_TEST(keeps_partitions_apart)
{
    struct synthetic_chain other = {.partition = 4};
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    struct synthetic_chain first = world.chain;
    world.chain = other;
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    commit();
    assert_counts(0, 1, 0, 0);
    assert_counts(1, 0, 1, 0);
    ck_assert_uint_eq(first.sequence, world.chain.sequence);
}
END_TEST

START_TEST(refuses_what_is_no_batch)
{
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    size_t length = world.frames[0].length;
    world.frames[0].data[length - 40] ^= 1; /* inside the item */
    commit();
    ck_assert_int_eq(ack(0)->result, RESULT(BAD_BATCH));
    world.chain = (struct synthetic_chain){.partition = 3};
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    world.frames[0].length = 1;
    commit();
    ck_assert_ptr_null(world.result.acks[0]);
    ck_assert(!is_known("a"));
}
END_TEST

/* Whatever runs out of memory first: nothing is taken for something else. */
START_TEST(too_little_memory_is_told_as_such)
{
    enum { REFUSALS = 8, RAW_BYTES = 4096, STEP = 512 };
    static uint8_t raw[RAW_BYTES];
    const struct buffer *frame = &world.frames[0];
    size_t memory = 4096;
    enum err err;
    for (int i = 0; i < REFUSALS; i++) {
        synthetic_segment(&world.made, (uint8_t)(i + 1), 0);
        synthetic_add_refusal(&world.made, false);
        world.made.items[i]->refusal->raw_document_part = (ProtobufCBinaryData){RAW_BYTES, raw};
    }
    pack();
    do {
        commit_close(&world.commit);
        struct commit_config config = {
            .store = world.store, .worker_id = "test:1", .profile = RULES_DSCSA, .memory_bytes = memory};
        ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
        err = commit_frames(world.commit, &frame, 1, &world.result);
        memory += STEP;
    } while (err == ERR_LIMIT);
    ck_assert_int_eq(err, ERR_OK);
    ck_assert_uint_gt(memory, 4096 + STEP);
    assert_counts(0, 0, 0, REFUSALS);
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListDeadLettersResponse *letters;
    ck_assert_int_eq(store_dead_letters(world.store, NULL, 0, cursor, &world.answers, &letters), ERR_OK);
    for (size_t i = 0; i < letters->n_dead_letters; i++)
        ck_assert_str_eq(letters->dead_letters[i]->path, "/made/up");
}
END_TEST

/* ---- failing ---- */

START_TEST(a_disk_error_leaves_nothing)
{
    ck_assert_int_eq(setenv("EPCISD_FAULT", "store.commit", 1), 0);
    fault_init();
    unsetenv("EPCISD_FAULT");
    struct synthetic_chain before = world.chain;
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    ck_assert_int_eq(try_commit(), ERR_DISK);
    ck_assert_int_eq(ack(0)->result, RESULT(STORE_FAILED));
    ck_assert_str_eq(ack(0)->detail, "disk");
    ck_assert_uint_eq(ack(0)->sequence, 1);
    ck_assert(!is_known("a"));
    world.chain = before;
    add_commissioning(0, "L1", "2027-01-31", SERIALS("a"));
    pack();
    commit();
    assert_counts(0, 1, 0, 0);
}
END_TEST

START_TEST(a_full_map_is_a_disk_error)
{
    close_store();
    nftw(world.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    ck_assert_int_eq(mkdir(world.folder, 0700), 0);
    ck_assert_int_eq(store_open(world.url, 1 << 20, &world.store), ERR_OK);
    struct commit_config config = {.store = world.store, .worker_id = "test:1", .memory_bytes = 64 << 20};
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
    enum err err = ERR_OK;
    for (int i = 0; i < 200 && !err; i++) {
        for (int k = 0; k < 50; k++) {
            char serial[32];
            snprintf(serial, sizeof serial, "%d.%d", i, k);
            add_commissioning(i, "L1", "2027-01-31", SERIALS(serial));
        }
        pack();
        err = try_commit();
    }
    ck_assert_int_eq(err, ERR_DISK);
    ck_assert_int_eq(ack(0)->result, RESULT(STORE_FAILED));
    ck_assert(is_known("0.0"));
}
END_TEST

START_TEST(too_much_for_memory_changes_nothing)
{
    close_store();
    ck_assert_int_eq(store_open(world.url, MAP_BYTES, &world.store), ERR_OK);
    struct commit_config config = {.store = world.store, .worker_id = "test:1", .memory_bytes = 20000};
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
    for (int i = 0; i < 500; i++)
        add_commissioning(i, "L1", "2027-01-31", SERIALS("a", "b", "c"));
    pack();
    ck_assert_int_eq(try_commit(), ERR_LIMIT);
    ck_assert(!is_known("a"));
}
END_TEST

/* Commits batch after batch until it is killed; tells through shared memory how many were acknowledged. */
static void commit_until_killed(volatile unsigned *acknowledged)
{
    open_store();
    for (unsigned i = 0; i < 100000; i++) {
        for (int k = 0; k < 200; k++) {
            char serial[32];
            snprintf(serial, sizeof serial, "%u.%d", i, k);
            add_commissioning(i, "L1", "2027-01-31", SERIALS(serial));
        }
        pack();
        commit();
        arena_reset(&world.events);
        *acknowledged = i + 1;
    }
}

START_TEST(a_kill_leaves_a_batch_whole_or_not_at_all)
{
    close_store();
    volatile unsigned *acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *)acknowledged, MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        commit_until_killed(acknowledged);
        _exit(0);
    }
    while (*acknowledged < 3) {
        int status;
        ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
        usleep(200);
    }
    usleep((useconds_t)(_i * 700)); /* elsewhere within a commit each time */
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    open_store();
    unsigned committed = 0;
    char serial[32];
    for (;; committed++) {
        snprintf(serial, sizeof serial, "%u.0", committed);
        if (!is_known(serial))
            break;
        for (int k = 0; k < 200; k++) {
            snprintf(serial, sizeof serial, "%u.%d", committed, k);
            ck_assert_uint_eq(item(serial)->n_history, 1);
        }
        arena_reset(&world.answers);
        arena_reset(&world.events);
    }
    for (int k = 0; k < 200; k++) {
        snprintf(serial, sizeof serial, "%u.%d", committed, k);
        ck_assert(!is_known(serial));
    }
    ck_assert_uint_ge(committed, *acknowledged);
    ck_assert_uint_le(committed, *acknowledged + 1);
    munmap((void *)acknowledged, sizeof *acknowledged);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("commit");
    TCase *tests = tcase_create("commit");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, commits_and_tells_state_and_history);
    tcase_add_test(tests, counts_add_up_to_the_events);
    tcase_add_test(tests, dead_letters_name_each_gtin_once_and_not_too_many);
    tcase_add_test(tests, tells_duplicates_exact_and_reordered);
    tcase_add_test(tests, tells_duplicates_without_any_epc);
    tcase_add_test(tests, keeps_an_event_and_its_correction);
    tcase_add_test(tests, refuses_other_content_under_one_key);
    tcase_add_test(tests, refuses_a_serial_commissioned_twice);
    tcase_add_test(tests, refuses_two_expiries_of_a_lot);
    tcase_add_test(tests, links_and_unlinks_containers);
    tcase_add_test(tests, keeps_warnings_with_the_event);
    tcase_add_test(tests, answers_a_repeat_with_the_first_result);
    tcase_add_test(tests, refuses_a_gap_and_a_wrong_parent);
    tcase_add_test(tests, keeps_partitions_apart);
    tcase_add_test(tests, refuses_what_is_no_batch);
    tcase_add_test(tests, too_little_memory_is_told_as_such);
    tcase_add_test(tests, a_disk_error_leaves_nothing);
    tcase_add_test(tests, a_full_map_is_a_disk_error);
    tcase_add_test(tests, too_much_for_memory_changes_nothing);
    tcase_add_loop_test(tests, a_kill_leaves_a_batch_whole_or_not_at_all, 0, 6);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
