/* The item ledger against a model of a few dozen lines: random histories, cut into batches and transactions
 * at random, sent again, taken over by another worker and cut short by a worker's death at random, end in the
 * model's verdicts and states. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/base/fault.h"
#include "common/store/store_txn.h"
#include "tests/component/committing.h"

/* Items 0 to 7 are SGTINs, 8 to 11 cases, 12 and 13 pallets (SSCCs). */
enum { UNITS = 8, ITEMS = 14, STEPS = 60, NONE = -1 };

enum step_kind { COMMISSION, PACK, UNPACK, UNPACK_ALL, SHIP, RECEIVE, DECOMMISSION, STEP_KINDS };

/* One event of a history; `again` and `wrong` name an earlier one, which it repeats or declares wrong. */
struct step {
    enum step_kind kind;
    unsigned items; /* a set: bit i is item i; of a container's content where there is a parent */
    int parent;
    bool late_lot; /* another expiry date for the lot */
    int again, wrong;
};

/* ---- the model: all that is committed, in order, and what follows from it ---- */

struct model {
    struct step steps[STEPS];
    size_t count;
    bool committed[STEPS];
    bool declared[STEPS]; /* wrong */
    int order[STEPS];     /* committed steps in the order of their commits */
    size_t order_count;
};

struct state {
    bool commissioned, decommissioned, shipped;
    int parent;
    enum store_status status; /* by the latest event, not by the last one to arrive */
    int moved;                /* that one's time */
};

struct states {
    struct state of[ITEMS];
    int lot_events[2]; /* commissioning events that say the one date, and the other */
};

static bool has(unsigned items, int item)
{
    return items >> item & 1;
}

static void model_apply(const struct step *step, int time, struct states *states)
{
    static const enum store_status status[STEP_KINDS] = {
        [COMMISSION] = STORE_STATUS_COMMISSIONED, [PACK] = STORE_STATUS_PACKED,
        [UNPACK] = STORE_STATUS_UNPACKED,         [SHIP] = STORE_STATUS_SHIPPED,
        [RECEIVE] = STORE_STATUS_RECEIVED,        [DECOMMISSION] = STORE_STATUS_DECOMMISSIONED};
    if (step->kind == COMMISSION && (step->items & ((1U << UNITS) - 1)))
        states->lot_events[step->late_lot]++;
    for (int i = 0; i < ITEMS; i++) {
        struct state *state = &states->of[i];
        if (step->kind == UNPACK_ALL && state->parent == step->parent)
            state->parent = NONE; /* its status stays: no event names it */
        if (i == step->parent && time > state->moved)
            state->moved = time;
        if (!has(step->items, i))
            continue;
        if (time >= state->moved) {
            state->status = status[step->kind];
            state->moved = time;
        }
        state->commissioned |= step->kind == COMMISSION;
        state->decommissioned |= step->kind == DECOMMISSION;
        state->shipped |= step->kind == SHIP;
        if (step->kind == PACK)
            state->parent = step->parent;
        else if (step->kind == UNPACK && state->parent == step->parent)
            state->parent = NONE;
    }
}

static struct states model_states(const struct model *model)
{
    struct states states = {0};
    for (int i = 0; i < ITEMS; i++)
        states.of[i].parent = NONE;
    for (size_t i = 0; i < model->order_count; i++) {
        int at = model->order[i];
        if (!model->declared[at] && model->steps[at].wrong == NONE)
            model_apply(&model->steps[at], at, &states);
    }
    return states;
}

static bool is_above(const struct states *states, int item, int other)
{
    for (int depth = 0; item != NONE && depth < ITEMS; depth++, item = states->of[item].parent)
        if (item == other)
            return true;
    return false;
}

/* Whether the item, or something in it, was decommissioned. */
static bool holds_dead(const struct states *states, int item)
{
    for (int i = 0; i < ITEMS; i++)
        if (states->of[i].decommissioned && is_above(states, i, item))
            return true;
    return false;
}

static bool model_refuses(const struct step *step, const struct states *states)
{
    unsigned known = 0, unknown = 0;
    for (int i = 0; i < ITEMS; i++) {
        const struct state *state = &states->of[i];
        if (!has(step->items, i))
            continue;
        known += state->commissioned;
        unknown += !state->commissioned;
        if (step->kind == COMMISSION && i < UNITS &&
            (state->commissioned || states->lot_events[!step->late_lot] > 0))
            return true;
        if (step->kind == PACK &&
            ((state->parent != NONE && state->parent != step->parent) || is_above(states, step->parent, i)))
            return true;
        if (step->kind == SHIP && holds_dead(states, i))
            return true;
    }
    return (step->kind == PACK || step->kind == SHIP) && known > 0 && unknown > 0;
}

enum verdict { COMMITTED, DUPLICATE, DEAD };

static enum verdict model_take(struct model *model, const struct step *step)
{
    int at = (int)model->count;
    model->steps[model->count++] = *step;
    if (step->again != NONE) { /* the same event as before: it is that one that may be taken now */
        at = step->again;
        if (model->committed[at])
            return DUPLICATE;
    }
    const struct step *taken = &model->steps[at];
    if (taken->wrong == NONE && !model->declared[at]) {
        struct states states = model_states(model);
        if (model_refuses(taken, &states))
            return DEAD;
    }
    if (taken->wrong != NONE && model->declared[taken->wrong])
        return DUPLICATE; /* a declaration has no number of its own: the second is the first again */
    if (taken->wrong != NONE)
        model->declared[taken->wrong] = true;
    model->committed[at] = true;
    model->order[model->order_count++] = at;
    return COMMITTED;
}

/* ---- steps as events ---- */

static char *epc_of(int item)
{
    char serial[8];
    snprintf(serial, sizeof serial, "s%d", item);
    return item < UNITS ? synthetic_sgtin(&world.events, 10001, serial)
                        : synthetic_sscc(&world.events, (unsigned)item);
}

static void list_items(unsigned items, char ***list, size_t *count)
{
    *list = synthetic_list(&world.events, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        if (has(items, i))
            (*list)[(*count)++] = epc_of(i);
}

static Epcis__V1__Event *event_of(const struct model *model, int at)
{
    static const char *const steps[STEP_KINDS] = {"commissioning", "packing",   "unpacking",      "unpacking",
                                                  "shipping",      "receiving", "decommissioning"};
    const struct step *step = &model->steps[at];
    if (step->again != NONE)
        return event_of(model, step->again);
    if (step->wrong != NONE) {
        Epcis__V1__Event *event = event_of(model, step->wrong);
        event->error_declaration = arena_alloc(&world.events, sizeof *event->error_declaration);
        epcis__v1__error_declaration__init(event->error_declaration);
        return event;
    }
    bool aggregation = step->parent != NONE;
    Epcis__V1__Action action =
        step->kind == COMMISSION || step->kind == PACK ? EPCIS__V1__ACTION__ACTION_ADD
        : step->kind == UNPACK || step->kind == UNPACK_ALL || step->kind == DECOMMISSION
            ? EPCIS__V1__ACTION__ACTION_DELETE
            : EPCIS__V1__ACTION__ACTION_OBSERVE;
    Epcis__V1__Event *event = synthetic_event(&world.events,
                                              aggregation ? EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION
                                                          : EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              action, steps[step->kind], at);
    if (aggregation)
        event->parent_id = epc_of(step->parent);
    if (aggregation)
        list_items(step->items, &event->child_epcs, &event->n_child_epcs);
    else
        list_items(step->items, &event->epc_list, &event->n_epc_list);
    if (step->kind == COMMISSION && (step->items & ((1U << UNITS) - 1))) {
        synthetic_ilmd(&world.events, event, "lotNumber", "L1");
        synthetic_ilmd(&world.events, event, "itemExpirationDate",
                       step->late_lot ? "2031-02-28" : "2031-01-31");
    }
    return event;
}

/* ---- random histories ---- */

static unsigned below(unsigned limit)
{
    return (unsigned)rand() % limit; /* seeded by the test: the same on every run */
}

static unsigned some_of(int first, int last)
{
    unsigned items = 0;
    for (unsigned i = 0, count = 1 + below(3); i < count; i++)
        items |= 1U << (first + (int)below((unsigned)(last - first)));
    return items;
}

static struct step random_step(const struct model *model)
{
    struct step step = {
        .kind = (enum step_kind)below(STEP_KINDS), .parent = NONE, .again = NONE, .wrong = NONE};
    unsigned special = model->count ? below(10) : 9;
    int earlier = model->count ? (int)below((unsigned)model->count) : 0;
    bool plain = model->count && model->steps[earlier].again == NONE && model->steps[earlier].wrong == NONE;
    if (special == 0 && plain) {
        step.again = earlier;
    } else if (special == 1 && plain) {
        step.wrong = earlier;
    } else if (step.kind == COMMISSION) {
        step.items = below(3) ? some_of(0, UNITS) : some_of(UNITS, ITEMS);
        step.late_lot = below(8) == 0;
    } else if (step.kind == PACK || step.kind == UNPACK || step.kind == UNPACK_ALL) {
        step.parent = UNITS + (int)below(ITEMS - UNITS);
        step.items = step.kind == UNPACK_ALL ? 0 : below(3) ? some_of(0, UNITS) : some_of(UNITS, ITEMS);
        step.items &= ~(1U << step.parent); /* which would break another rule */
        if (!step.items && step.kind != UNPACK_ALL)
            step.items = some_of(0, UNITS);
    } else {
        step.items = some_of(0, ITEMS);
    }
    return step;
}

/* ---- the store ---- */

struct totals {
    uint64_t committed, duplicates, dead_letters;
};

static struct totals total;

/* By the acknowledgments, which a dead worker's successor has to give as well. */
static void count_acknowledged(const struct commit_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const Epcis__Wire__V1__Acknowledgment *ack = result->acks[i];
        ck_assert_int_eq(ack->result, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED);
        for (size_t k = 0; k < ack->n_segments; k++) {
            total.committed += ack->segments[k]->committed;
            total.duplicates += ack->segments[k]->duplicates;
            total.dead_letters += ack->segments[k]->dead_letters;
        }
    }
}

/* A worker, a process of its own, is killed while it commits what waits. LMDB survives no fork, so the store
 * is closed meanwhile. */
static void die_committing(const char *point)
{
    close_store();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setenv("EPCISD_FAULT", point, 1);
        fault_init();
        open_store();
        commit_batches(true);
        _exit(0); /* it should be dead */
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %d", point, status);
    open_store();
}

static void commit_now(void)
{
    unsigned fate = below(30);
    if (fate < 2)
        die_committing(fate ? "worker.before_commit" : "worker.after_commit");
    struct commit_result result = commit_batches(true);
    count_acknowledged(&result);
    if (below(4) == 0) { /* the acknowledgment was lost: the same again changes nothing */
        result = commit_batches(true);
        ck_assert_uint_eq(result.committed + result.duplicates + result.dead_letters, 0);
    }
    world.frame_count = 0;
    if (below(20) == 0) { /* another worker goes on */
        close_store();
        open_store();
    }
}

/* ---- comparing ---- */

static void find_item(struct store_txn *txn, const char *epc, struct store_item *out)
{
    uint8_t key[EPC_KEY_MAX];
    enum err err = store_item_get(txn, key, epc_key(epc, strlen(epc), key), out);
    ck_assert(err == ERR_OK || err == ERR_NOT_FOUND);
}

static void assert_parent(struct store_txn *txn, const struct store_item *item, int parent, const char *what)
{
    uint8_t key[EPC_KEY_MAX];
    const struct store_link *link = &item->links[STORE_AGGREGATION];
    bool holds = false;
    struct store_item found;
    if (link->parent.length) {
        ck_assert_int_eq(store_item_get(txn, link->parent.data, link->parent.length, &found), ERR_OK);
        holds = found.emptied_sequence[STORE_AGGREGATION] < link->sequence;
    }
    ck_assert_msg(holds == (parent != NONE), "%s: parent %s", what, holds ? "is there" : "is missing");
    if (!holds)
        return;
    const char *epc = epc_of(parent);
    size_t length = epc_key(epc, strlen(epc), key);
    ck_assert_msg(length == link->parent.length && memcmp(key, link->parent.data, length) == 0,
                  "%s: another parent than %s", what, epc);
}

static void assert_states(const struct model *model, unsigned seed)
{
    struct states states = model_states(model);
    struct store_txn *txn;
    ck_assert_int_eq(store_begin(world.store, &txn), ERR_OK);
    for (int i = 0; i < ITEMS; i++) {
        const struct state *state = &states.of[i];
        struct store_item item;
        char what[64];
        snprintf(what, sizeof what, "history %u, item %d", seed, i);
        find_item(txn, epc_of(i), &item);
        ck_assert_msg(item.status == state->status, "%s: status %u, not %u", what, item.status,
                      (unsigned)state->status);
        ck_assert_msg(!(item.flags & STORE_ITEM_COMMISSIONED) == !state->commissioned, "%s: commissioned",
                      what);
        ck_assert_msg(!(item.flags & STORE_ITEM_DECOMMISSIONED) == !state->decommissioned,
                      "%s: decommissioned", what);
        ck_assert_msg(!(item.flags & STORE_ITEM_SHIPPED) == !state->shipped, "%s: shipped", what);
        assert_parent(txn, &item, state->parent, what);
    }
    store_abort(&txn);
}

static void run_history(unsigned seed)
{
    struct model model = {.count = 0};
    total = (struct totals){0};
    uint64_t expected[3] = {0};
    srand(seed);
    for (int i = 0; i < STEPS; i++) {
        struct step step = random_step(&model);
        expected[model_take(&model, &step)]++;
        synthetic_add(&world.made, event_of(&model, i));
        if (below(4) == 0)
            end_batch();
        if (world.frame_count == FRAMES_MAX || (world.frame_count > 0 && below(8) == 0))
            commit_now();
    }
    end_batch();
    if (world.frame_count > 0)
        commit_now();
    ck_assert_msg(total.committed == expected[COMMITTED] && total.duplicates == expected[DUPLICATE] &&
                      total.dead_letters == expected[DEAD],
                  "history %u: %llu committed, %llu duplicates, %llu dead; right is %llu, %llu, %llu", seed,
                  (unsigned long long)total.committed, (unsigned long long)total.duplicates,
                  (unsigned long long)total.dead_letters, (unsigned long long)expected[COMMITTED],
                  (unsigned long long)expected[DUPLICATE], (unsigned long long)expected[DEAD]);
    assert_states(&model, seed);
}

enum { HISTORIES = 300 };

START_TEST(random_histories_end_as_the_model_says)
{
    unsigned verdicts[3] = {0};
    for (unsigned seed = 1; seed <= HISTORIES; seed++) {
        run_history(seed);
        verdicts[COMMITTED] += (unsigned)total.committed;
        verdicts[DUPLICATE] += (unsigned)total.duplicates;
        verdicts[DEAD] += (unsigned)total.dead_letters;
        teardown();
        setup();
    }
    for (int i = 0; i < 3; i++) /* a test in which one of them never happens says little */
        ck_assert_uint_gt(verdicts[i], HISTORIES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *tests = tcase_create("ledger");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 200);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, random_histories_end_as_the_model_says);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
