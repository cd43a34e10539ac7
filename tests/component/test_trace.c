/* What containers hold, now and at a moment, and the events of documents, lots and places: histories go
 * through a worker's commit into a real store and are asked for. */
#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/store/store_trace.h"
#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { MAP_BYTES = 512 << 20 };

static struct world {
    char folder[64];
    struct store *store;
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain;
    struct arena events;  /* what tests build */
    struct arena answers; /* what the store reads */
    struct buffer frame;
} world;

static void setup(void)
{
    char url[128];
    world = (struct world){.folder = "/tmp/epcisd-trace-XXXXXX", .chain = {.partition = 3}};
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    snprintf(url, sizeof url, "lmdb:%s/store", world.folder);
    synthetic_init(&world.made);
    arena_init(&world.events, 256 << 20);
    arena_init(&world.answers, 256 << 20);
    ck_assert_int_eq(store_open(url, MAP_BYTES, &world.store), ERR_OK);
    struct commit_config config = {
        .store = world.store, .worker_id = "test:1", .profile = RULES_EPCIS, .memory_bytes = 256 << 20};
    ck_assert_int_eq(commit_open(&config, &world.commit), ERR_OK);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void teardown(void)
{
    commit_close(&world.commit);
    store_close(&world.store);
    synthetic_free(&world.made);
    arena_free(&world.events);
    arena_free(&world.answers);
    buffer_free(&world.frame);
    nftw(world.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- histories ---- */

#define TYPE(name) EPCIS__V1__EVENT_TYPE__EVENT_TYPE_##name
#define ADD        EPCIS__V1__ACTION__ACTION_ADD
#define OBSERVE    EPCIS__V1__ACTION__ACTION_OBSERVE
#define DELETE     EPCIS__V1__ACTION__ACTION_DELETE
#define LIST(...)  ((char *const[]){__VA_ARGS__, NULL})

static void add(const Epcis__V1__Event *event)
{
    synthetic_add(&world.made, event);
}

/* Commits what was added as one batch; all of it must be sound. */
static void commit(void)
{
    struct commit_result result;
    size_t count = world.made.item_count;
    const struct buffer *frames[] = {&world.frame};
    synthetic_pack(&world.made, &world.chain, &world.frame);
    ck_assert_int_eq(commit_frames(world.commit, frames, 1, &result), ERR_OK);
    ck_assert_uint_eq(result.committed, count);
}

static char *unit(const char *serial)
{
    return synthetic_sgtin(&world.events, 10001, serial);
}

static char *box(unsigned number)
{
    return synthetic_sscc(&world.events, number);
}

static const char *link_of(const char *epc)
{
    char text[256];
    size_t length = epc_canonical(epc, strlen(epc), text, sizeof text);
    return arena_copy(&world.events, text, length);
}

static Epcis__V1__Event *aggregation(Epcis__V1__Action action, int64_t seconds, char *parent,
                                     char *const *children)
{
    Epcis__V1__Event *event = synthetic_event(&world.events, TYPE(AGGREGATION), action,
                                              action == ADD ? "packing" : "unpacking", seconds);
    event->parent_id = parent;
    while (children && children[event->n_child_epcs])
        event->n_child_epcs++;
    event->child_epcs = (char **)children;
    return event;
}

static void pack(int64_t seconds, char *parent, char *const *children)
{
    add(aggregation(ADD, seconds, parent, children));
}

static void unpack(int64_t seconds, char *parent, char *const *children)
{
    add(aggregation(DELETE, seconds, parent, children));
}

static Epcis__V1__Event *object(const char *step, int64_t seconds, char *epc)
{
    Epcis__V1__Event *event = synthetic_event(&world.events, TYPE(OBJECT), OBSERVE, step, seconds);
    event->epc_list = synthetic_list(&world.events, 1);
    event->epc_list[event->n_epc_list++] = epc;
    return event;
}

/* ---- questions ---- */

enum { NOW = -1 };

static int64_t moment(int64_t seconds)
{
    return (1736150000 + seconds) * 1000000;
}

static Epcis__V1__GetContentsResponse *contents_page(const char *epc, int64_t seconds, bool recursive,
                                                     uint32_t limit, char cursor[STORE_CURSOR])
{
    int64_t at_us = moment(seconds);
    struct store_contents_query query = {
        .epc = epc, .at_us = seconds == NOW ? NULL : &at_us, .recursive = recursive, .limit = limit};
    Epcis__V1__GetContentsResponse *response;
    ck_assert_int_eq(store_contents(world.store, &query, cursor, &world.answers, &response), ERR_OK);
    ck_assert_str_eq(response->next_page_token, cursor);
    return response;
}

static Epcis__V1__GetContentsResponse *contents(const char *epc, int64_t seconds, bool recursive)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetContentsResponse *response = contents_page(epc, seconds, recursive, 0, cursor);
    ck_assert_str_eq(cursor, "");
    return response;
}

static Epcis__V1__GetContainersResponse *containers(const char *epc, int64_t seconds)
{
    int64_t at_us = moment(seconds);
    Epcis__V1__GetContainersResponse *response;
    ck_assert_int_eq(
        store_containers(world.store, epc, seconds == NOW ? NULL : &at_us, &world.answers, &response),
        ERR_OK);
    return response;
}

static Epcis__V1__ItemState *state(const char *epc)
{
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *response;
    ck_assert_int_eq(store_item_history(world.store, epc, NULL, 1, cursor, &world.answers, &response),
                     ERR_OK);
    return response->state;
}

/* The container holds just these, in this order, now or at the moment. */
static void assert_holds(const char *epc, int64_t seconds, char *const *wanted)
{
    Epcis__V1__GetContentsResponse *found = contents(epc, seconds, false);
    size_t count = 0;
    for (; wanted[count]; count++) {
        ck_assert_msg(count < found->n_items, "%s is not in %s at %d", wanted[count], epc, (int)seconds);
        ck_assert_str_eq(found->items[count]->epc, link_of(wanted[count]));
        ck_assert_str_eq(found->items[count]->parent, link_of(epc));
        ck_assert_uint_eq(found->items[count]->depth, 1);
        Epcis__V1__GetContainersResponse *above = containers(wanted[count], seconds);
        ck_assert_uint_ge(above->n_containers, 1);
        ck_assert_str_eq(above->containers[0]->epc, link_of(epc));
        ck_assert_uint_eq(above->containers[0]->packed_sequence, found->items[count]->packed_sequence);
    }
    ck_assert_uint_eq(found->n_items, count);
    ck_assert(!found->truncated);
}

/* ---- containers ---- */

START_TEST(a_case_is_packed_shipped_and_unpacked)
{
    add(synthetic_commission(&world.events, 0, "L1", "2027-01-31", (const char *const[]){"a", "b", NULL}));
    pack(10, box(1), LIST(unit("a"), unit("b")));
    add(object("shipping", 20, box(1)));
    commit();
    assert_holds(box(1), NOW, LIST(unit("a"), unit("b")));
    Epcis__V1__GetContentsResponse *found = contents(box(1), NOW, false);
    ck_assert_str_eq(found->items[0]->gtin, "00614141100019");
    ck_assert_str_eq(found->items[0]->lot, "L1");
    ck_assert_str_eq(found->items[0]->expiry, "2027-01-31");
    ck_assert_uint_eq(found->items[0]->packed_sequence, 2);
    ck_assert_str_eq(state(unit("a"))->status, "packed");
    ck_assert_str_eq(state(unit("a"))->container, link_of(box(1)));
    ck_assert_str_eq(state(unit("a"))->container_status, "shipped");

    unpack(30, box(1), LIST(unit("a")));
    commit();
    assert_holds(box(1), NOW, LIST(unit("b")));
    assert_holds(box(1), 9, LIST(NULL));
    assert_holds(box(1), 10, LIST(unit("a"), unit("b")));
    assert_holds(box(1), 29, LIST(unit("a"), unit("b")));
    assert_holds(box(1), 30, LIST(unit("b")));
    ck_assert_uint_eq(containers(unit("a"), NOW)->n_containers, 0);
    ck_assert_uint_eq(containers(unit("a"), 9)->n_containers, 0);
    ck_assert_str_eq(state(unit("a"))->status, "unpacked");
    ck_assert_str_eq(state(unit("a"))->container, "");
    ck_assert_uint_eq(contents(unit("a"), NOW, true)->n_items, 0);
}
END_TEST

START_TEST(a_container_is_emptied_and_filled_again)
{
    pack(10, box(1), LIST(unit("a"), unit("b")));
    unpack(20, box(1), NULL);
    pack(30, box(1), LIST(unit("b")));
    pack(40, box(2), LIST(unit("a")));
    commit();
    assert_holds(box(1), 10, LIST(unit("a"), unit("b")));
    assert_holds(box(1), 20, LIST(NULL));
    assert_holds(box(1), 29, LIST(NULL));
    assert_holds(box(1), 30, LIST(unit("b")));
    assert_holds(box(1), NOW, LIST(unit("b")));
    assert_holds(box(2), 39, LIST(NULL));
    assert_holds(box(2), 40, LIST(unit("a")));
    assert_holds(box(2), NOW, LIST(unit("a")));
}
END_TEST

START_TEST(events_of_one_second_count_in_the_order_of_commits)
{
    pack(10, box(1), LIST(unit("a"), unit("b"), unit("c")));
    unpack(10, box(1), LIST(unit("a")));
    unpack(10, box(1), NULL);
    Epcis__V1__Event *again = aggregation(ADD, 10, box(1), LIST(unit("b")));
    again->biz_step = (char *)"loading";
    add(again);
    commit();
    assert_holds(box(1), 10, LIST(unit("b")));
    assert_holds(box(1), NOW, LIST(unit("b")));
}
END_TEST

START_TEST(what_another_container_lost_is_no_loss_here)
{
    pack(10, box(1), LIST(unit("a")));
    unpack(20, box(2), LIST(unit("a")));
    commit();
    assert_holds(box(1), 20, LIST(unit("a")));
    assert_holds(box(1), NOW, LIST(unit("a")));
}
END_TEST

START_TEST(a_packing_that_was_declared_wrong_never_was)
{
    pack(10, box(1), LIST(unit("a")));
    pack(20, box(1), LIST(unit("b")));
    commit();
    assert_holds(box(1), 20, LIST(unit("a"), unit("b")));
    Epcis__V1__Event *correction = aggregation(ADD, 20, box(1), LIST(unit("b")));
    Epcis__V1__ErrorDeclaration declaration = EPCIS__V1__ERROR_DECLARATION__INIT;
    declaration.reason = (char *)"did_not_occur";
    correction->error_declaration = &declaration;
    add(correction);
    commit();
    assert_holds(box(1), 20, LIST(unit("a")));
    assert_holds(box(1), NOW, LIST(unit("a")));
    ck_assert_uint_eq(containers(unit("b"), 20)->n_containers, 0);
}
END_TEST

START_TEST(nothing_is_in_itself)
{
    pack(10, box(1), LIST(box(1), unit("a")));
    commit();
    assert_holds(box(1), 10, LIST(unit("a")));
    assert_holds(box(1), NOW, LIST(unit("a")));
    ck_assert_uint_eq(containers(box(1), NOW)->n_containers, 0);
}
END_TEST

START_TEST(an_item_named_twice_is_there_once)
{
    pack(10, box(1), LIST(unit("a"), unit("b"), (char *)link_of(unit("a")), unit("b")));
    commit();
    assert_holds(box(1), 10, LIST(unit("a"), unit("b")));
    assert_holds(box(1), NOW, LIST(unit("a"), unit("b")));
}
END_TEST

START_TEST(an_association_puts_nothing_into_anything)
{
    Epcis__V1__Event *event = synthetic_event(&world.events, TYPE(ASSOCIATION), ADD, "assembling", 10);
    event->parent_id = box(1);
    event->child_epcs = synthetic_list(&world.events, 1);
    event->child_epcs[event->n_child_epcs++] = unit("a");
    add(event);
    commit();
    assert_holds(box(1), NOW, LIST(NULL));
    assert_holds(box(1), 10, LIST(NULL));
    ck_assert_str_eq(state(unit("a"))->association, link_of(box(1)));
    ck_assert_str_eq(state(unit("a"))->container, "");
}
END_TEST

START_TEST(containers_nest_twenty_levels_deep)
{
    enum { LEVELS = 20 };
    for (unsigned level = 1; level <= LEVELS; level++)
        pack(level, box(level), LIST(level == 1 ? unit("a") : box(level - 1)));
    commit();
    for (int64_t at = NOW; at == NOW || at == LEVELS; at += LEVELS + 1) {
        Epcis__V1__GetContentsResponse *found = contents(box(LEVELS), at, true);
        ck_assert_uint_eq(found->n_items, LEVELS);
        for (unsigned i = 0; i < LEVELS; i++) {
            ck_assert_uint_eq(found->items[i]->depth, i + 1);
            ck_assert_str_eq(found->items[i]->parent, link_of(box(LEVELS - i)));
        }
        ck_assert_str_eq(found->items[LEVELS - 1]->epc, link_of(unit("a")));
        ck_assert_uint_eq(contents(box(LEVELS), at, false)->n_items, 1);
        Epcis__V1__GetContainersResponse *above = containers(unit("a"), at);
        ck_assert_uint_eq(above->n_containers, LEVELS);
        for (unsigned i = 0; i < LEVELS; i++) {
            ck_assert_str_eq(above->containers[i]->epc, link_of(box(i + 1)));
            ck_assert_uint_eq(above->containers[i]->packed_sequence, i + 1);
        }
    }
    ck_assert_uint_eq(containers(unit("a"), 7)->n_containers, 7);
    ck_assert_uint_eq(contents(box(LEVELS), 7, true)->n_items, 0);
    ck_assert_str_eq(state(unit("a"))->container, link_of(box(LEVELS)));
}
END_TEST

START_TEST(deeper_than_a_hundred_levels_is_truncated)
{
    enum { LEVELS = 103 };
    for (unsigned level = 1; level <= LEVELS; level++)
        pack(level, box(level), LIST(level == 1 ? unit("a") : box(level - 1)));
    commit();
    Epcis__V1__GetContentsResponse *found = contents(box(LEVELS), NOW, true);
    ck_assert_uint_eq(found->n_items, 100);
    ck_assert(found->truncated);
    ck_assert_uint_eq(containers(unit("a"), NOW)->n_containers, 100);
}
END_TEST

/* Never a state, but a history: the second packing was reported late. */
START_TEST(a_circle_ends)
{
    pack(10, box(1), LIST(box(2), unit("a")));
    unpack(20, box(1), LIST(box(2)));
    pack(15, box(2), LIST(box(1)));
    commit();
    Epcis__V1__GetContentsResponse *found = contents(box(1), 17, true);
    ck_assert_uint_eq(found->n_items, 3);
    ck_assert_str_eq(found->items[0]->epc, link_of(box(2)));
    ck_assert_str_eq(found->items[1]->epc, link_of(box(1)));
    ck_assert_str_eq(found->items[2]->epc, link_of(unit("a")));
    Epcis__V1__GetContainersResponse *above = containers(unit("a"), 17);
    ck_assert_uint_eq(above->n_containers, 2);
    ck_assert_str_eq(above->containers[1]->epc, link_of(box(2)));
    ck_assert_uint_eq(contents(box(2), NOW, true)->n_items, 2);
}
END_TEST

START_TEST(ten_thousand_items_come_in_pages)
{
    enum { CASES = 100, UNITS = 100 };
    char **cases = synthetic_list(&world.events, CASES);
    for (unsigned c = 0; c < CASES; c++) {
        char **units = synthetic_list(&world.events, UNITS);
        for (unsigned u = 0; u < UNITS; u++) {
            char serial[16];
            snprintf(serial, sizeof serial, "%u", c * UNITS + u);
            units[u] = unit(serial);
        }
        cases[c] = box(2 + c);
        pack(c, cases[c], units);
    }
    pack(200, box(1), cases);
    commit();
    for (int64_t at = NOW; at == NOW || at == 200; at += 201) {
        char cursor[STORE_CURSOR] = "";
        size_t seen = 0, pages = 0;
        do {
            Epcis__V1__GetContentsResponse *page = contents_page(box(1), at, true, 0, cursor);
            for (size_t i = 0; i < page->n_items; i++, seen++) {
                size_t number = seen / (UNITS + 1), inside = seen % (UNITS + 1);
                char serial[16];
                snprintf(serial, sizeof serial, "%zu", number * UNITS + inside - 1);
                ck_assert_str_eq(page->items[i]->epc, link_of(inside ? unit(serial) : cases[number]));
                ck_assert_uint_eq(page->items[i]->depth, inside ? 2 : 1);
            }
            ck_assert(!page->truncated);
            pages++;
            arena_reset(&world.answers);
        } while (cursor[0]);
        ck_assert_uint_eq(seen, CASES * (UNITS + 1));
        ck_assert_uint_eq(pages, 11);
    }
}
END_TEST

START_TEST(a_page_may_end_at_the_last_item)
{
    pack(10, box(1), LIST(unit("a"), unit("b"), unit("c"), unit("d")));
    commit();
    char cursor[STORE_CURSOR] = "";
    ck_assert_uint_eq(contents_page(box(1), NOW, true, 2, cursor)->n_items, 2);
    ck_assert_str_ne(cursor, "");
    ck_assert_uint_eq(contents_page(box(1), NOW, true, 2, cursor)->n_items, 2);
    ck_assert_str_eq(cursor, "");
}
END_TEST

static void assert_page(const char *container, uint32_t limit, char cursor[STORE_CURSOR], char *const *epcs)
{
    Epcis__V1__GetContentsResponse *page = contents_page(container, NOW, true, limit, cursor);
    size_t count = 0;
    while (epcs[count]) {
        ck_assert_uint_lt(count, page->n_items);
        ck_assert_str_eq(page->items[count]->epc, link_of(epcs[count]));
        count++;
    }
    ck_assert_uint_eq(page->n_items, count);
}

/* A page goes on with the item that came next, whatever was done to those before it. */
START_TEST(content_that_changes_leaves_the_rest_where_it_is)
{
    char cursor[STORE_CURSOR] = "";
    pack(10, box(2), LIST(unit("a"), unit("b"), unit("c")));
    pack(11, box(3), LIST(unit("d"), unit("e")));
    pack(12, box(1), LIST(box(2), unit("x"), box(3), unit("y")));
    commit();
    assert_page(box(1), 2, cursor, LIST(box(2), unit("a")));
    unpack(20, box(2), LIST(unit("a")));
    commit();
    assert_page(box(1), 2, cursor, LIST(unit("b"), unit("c")));
    unpack(21, box(1), LIST(box(2)));
    commit();
    assert_page(box(1), 3, cursor, LIST(unit("x"), box(3), unit("d")));
    /* The next one itself is gone: what was counted is all there is. Of y, x, 3, d, e, six are passed over.
     */
    unpack(22, box(3), LIST(unit("e")));
    commit();
    assert_page(box(1), 3, cursor, LIST(NULL));
    ck_assert_str_eq(cursor, "");
    /* An item that is elsewhere, or behind a token of another container, is not where to go on. */
    assert_page(box(1), 1, cursor, LIST(unit("x")));
    unpack(23, box(1), LIST(box(3)));
    commit();
    assert_page(box(1), 5, cursor, LIST(unit("y")));
}
END_TEST

START_TEST(bad_questions_about_containers_are_refused)
{
    struct store_contents_query query = {.epc = box(1)};
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__GetContentsResponse *found;
    Epcis__V1__GetContainersResponse *above;
    ck_assert_int_eq(store_contents(world.store, &query, cursor, &world.answers, &found), ERR_NOT_FOUND);
    ck_assert_int_eq(store_containers(world.store, box(1), NULL, &world.answers, &above), ERR_NOT_FOUND);
    pack(10, box(1), LIST(unit("a")));
    commit();
    static const char *const tokens[] = {"x", "-1", "1 ", "12345678", "01+1", "02ff+1", "01ff", "+1"};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        snprintf(cursor, sizeof cursor, "%s", tokens[i]);
        ck_assert_int_eq(store_contents(world.store, &query, cursor, &world.answers, &found), ERR_INPUT);
    }
}
END_TEST

/* The content of all boxes, one line each. */
static char *content_of_boxes(unsigned boxes, int64_t seconds)
{
    struct buffer text = {0};
    for (unsigned number = 1; number <= boxes; number++) {
        char cursor[STORE_CURSOR] = "";
        int64_t at_us = moment(seconds);
        struct store_contents_query query = {.epc = box(number), .at_us = seconds == NOW ? NULL : &at_us};
        Epcis__V1__GetContentsResponse *found;
        query.recursive = number % 2;
        enum err err = store_contents(world.store, &query, cursor, &world.answers, &found);
        ck_assert(err == ERR_OK || err == ERR_NOT_FOUND);
        buffer_printf(&text, "%u:", number);
        for (size_t i = 0; !err && i < found->n_items; i++)
            buffer_printf(&text, " %s/%u/%u", found->items[i]->epc, found->items[i]->depth,
                          (unsigned)found->items[i]->packed_sequence);
        buffer_append_text(&text, "\n");
    }
    char *copy = arena_copy(&world.events, (const char *)text.data, text.length);
    buffer_free(&text);
    arena_reset(&world.answers);
    return copy;
}

/* Where events come in the order in which they happened, what the states tell after each is what the
 * histories tell of that moment ever after. */
START_TEST(a_moment_is_told_as_it_was)
{
    enum { BOXES = 6, UNITS = 12, STEPS = 250 };
    char *then[STEPS + 1];
    unsigned random = 12345, filled = 0;
    for (int step = 1; step <= STEPS; step++) {
        unsigned dice[5];
        for (size_t i = 0; i < 5; i++)
            dice[i] = (random = random * 1103515245 + 12345) >> 16;
        char serial[8], *parent = box(1 + dice[0] % BOXES);
        snprintf(serial, sizeof serial, "%u", dice[1] % UNITS);
        char *child = dice[2] % 4 ? unit(serial) : box(1 + (dice[0] + 1 + dice[3] % (BOXES - 1)) % BOXES);
        struct commit_result result;
        const struct buffer *frames[] = {&world.frame};
        if (dice[4] % 8 == 0)
            unpack(step, parent, NULL);
        else if (dice[4] % 4 == 0)
            unpack(step, parent, LIST(child));
        else
            pack(step, parent, LIST(child));
        synthetic_pack(&world.made, &world.chain, &world.frame); /* what the rules refuse changes nothing */
        ck_assert_int_eq(commit_frames(world.commit, frames, 1, &result), ERR_OK);
        filled += result.committed > 0;
        then[step] = content_of_boxes(BOXES, NOW);
    }
    ck_assert_uint_gt(filled, STEPS / 2);
    for (int step = 1; step <= STEPS; step++)
        ck_assert_str_eq(content_of_boxes(BOXES, step), then[step]);
}
END_TEST

/* ---- events ---- */

/* The sequences on all pages of so many events, each but the last full. */
static size_t events_of(struct store_events_query query, uint32_t limit, uint64_t *out, size_t room)
{
    char cursor[STORE_CURSOR] = "";
    size_t count = 0;
    query.limit = limit;
    do {
        Epcis__V1__ListEventsResponse *page;
        ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_OK);
        ck_assert_str_eq(page->next_page_token, cursor);
        ck_assert(page->n_events == limit || (page->n_events < limit && cursor[0] == '\0'));
        for (size_t i = 0; i < page->n_events; i++) {
            ck_assert_uint_lt(count, room);
            out[count++] = page->events[i]->sequence;
        }
    } while (cursor[0]);
    return count;
}

/* Just these events, whatever the pages' size. */
static void assert_events(struct store_events_query query, const uint64_t *wanted, size_t count)
{
    for (uint32_t limit = 1; limit <= count + 1; limit++) {
        uint64_t found[64] = {0};
        ck_assert_uint_eq(events_of(query, limit, found, 64), count);
        for (size_t i = 0; i < count; i++)
            ck_assert_uint_eq(found[i], wanted[i]);
    }
}

#define SEQUENCES(...) (const uint64_t[]){__VA_ARGS__}, sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t)

START_TEST(events_of_a_document_in_the_order_of_commits)
{
    const uint8_t first[UUID_BYTES] = {[15] = 1}, second[UUID_BYTES] = {[15] = 2}, none[UUID_BYTES] = {0};
    for (int batch = 0; batch < 3; batch++) {
        synthetic_segment(&world.made, 1, (uint64_t)batch * 3);
        for (int i = 0; i < 3; i++)
            add(object("storing", 10 * batch + i, unit("a")));
        synthetic_segment(&world.made, 2, (uint64_t)batch);
        add(object("storing", batch, unit("b")));
        commit();
    }
    assert_events((struct store_events_query){.capture_id = first}, SEQUENCES(1, 2, 3, 5, 6, 7, 9, 10, 11));
    assert_events((struct store_events_query){.capture_id = second}, SEQUENCES(4, 8, 12));

    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListEventsResponse *page;
    struct store_events_query query = {.capture_id = first};
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_OK);
    ck_assert_str_eq(page->events[8]->capture_id, "00000000-0000-0000-0000-000000000001");
    ck_assert_uint_eq(page->events[8]->event_index, 8);
    ck_assert_str_eq(page->events[8]->biz_step, "storing");
    ck_assert_str_eq(page->events[8]->event_id, page->events[8]->event_hash);
    query.capture_id = none;
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_NOT_FOUND);
}
END_TEST

START_TEST(events_that_state_a_lot)
{
    add(synthetic_commission(&world.events, 0, "L1", "2027-01-31", (const char *const[]){"a", "b", NULL}));
    add(synthetic_commission(&world.events, 1, "L12", "2027-01-31", (const char *const[]){"c", NULL}));
    add(object("storing", 2, unit("a")));
    add(synthetic_commission(&world.events, 3, "L1", "2027-01-31", (const char *const[]){"d", NULL}));
    Epcis__V1__Event *made =
        synthetic_event(&world.events, TYPE(TRANSFORMATION), EPCIS__V1__ACTION__ACTION_UNSPECIFIED,
                        "creating_class_instance", 4);
    made->input_epc_list = (char **)LIST(unit("c"));
    made->output_epc_list = (char **)LIST(unit("e"));
    made->n_input_epc_list = made->n_output_epc_list = 1;
    synthetic_ilmd(&world.events, made, "lotNumber", "L1");
    synthetic_ilmd(&world.events, made, "itemExpirationDate", "2027-01-31");
    add(made);
    commit();
    struct store_events_query query = {.gtin = 614141100019, .lot = "L1"};
    assert_events(query, SEQUENCES(1, 4, 5));
    query.lot = "L12";
    assert_events(query, SEQUENCES(2));
    query.lot = "L";
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListEventsResponse *page;
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_NOT_FOUND);
}
END_TEST

START_TEST(events_at_a_place_by_event_time)
{
    const uint64_t here = 614141000012, there = 614141000029;
    static const int64_t seconds[] = {50, 10, 30, 30, 20};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        add(object("storing", seconds[i], unit(i % 2 ? "a" : "b")));
        Epcis__V1__Event *elsewhere = object("storing", seconds[i], unit(i % 2 ? "c" : "d"));
        elsewhere->biz_location->id = (char *)"urn:epc:id:sgln:0614141.00002.0";
        add(elsewhere);
    }
    commit();
    struct store_events_query query = {.place = here, .from_us = INT64_MIN, .to_us = INT64_MAX};
    assert_events(query, SEQUENCES(3, 9, 5, 7, 1));
    query.place = there;
    assert_events(query, SEQUENCES(4, 10, 6, 8, 2));
    query.from_us = moment(20);
    query.to_us = moment(50);
    assert_events(query, SEQUENCES(10, 6, 8));
    query.from_us = query.to_us;
    query.to_us = moment(51);
    assert_events(query, SEQUENCES(2));
    query.from_us = query.to_us;
    uint64_t found[1];
    ck_assert_uint_eq(events_of(query, 1, found, 1), 0); /* known, but nothing then */
    char cursor[STORE_CURSOR] = "";
    Epcis__V1__ListEventsResponse *page;
    query.place++;
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_NOT_FOUND);
}
END_TEST

START_TEST(tokens_of_another_list_are_refused)
{
    add(object("storing", 1, unit("a")));
    commit();
    const uint8_t capture_id[UUID_BYTES] = {[15] = 1};
    struct store_events_query query = {.capture_id = capture_id};
    static const char *const tokens[] = {"1", "00000000000", "00000000000g", "0000000000000000000000000001"};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        char cursor[STORE_CURSOR];
        Epcis__V1__ListEventsResponse *page;
        snprintf(cursor, sizeof cursor, "%s", tokens[i]);
        ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &page), ERR_INPUT);
    }
}
END_TEST

START_TEST(lists_of_events_end_early_where_the_arena_does)
{
    for (int i = 0; i < 20; i++)
        add(object("storing", i, unit("a")));
    commit();
    const uint8_t capture_id[UUID_BYTES] = {[15] = 1};
    struct store_events_query query = {.capture_id = capture_id};
    char cursor[STORE_CURSOR] = "";
    size_t seen = 0, pages = 0;
    do {
        struct arena small;
        Epcis__V1__ListEventsResponse *page;
        arena_init(&small, 16000);
        ck_assert_int_eq(store_events(world.store, &query, cursor, &small, &page), ERR_OK);
        ck_assert_uint_gt(page->n_events, 0);
        for (size_t i = 0; i < page->n_events; i++)
            ck_assert_uint_eq(page->events[i]->sequence, ++seen);
        pages++;
        arena_free(&small);
    } while (cursor[0]);
    ck_assert_uint_eq(seen, 20);
    ck_assert_uint_gt(pages, 1);
}
END_TEST

/* ---- what is not told ---- */

static enum err sees_second(void *context, const uint8_t capture_id[UUID_BYTES])
{
    (void)context;
    return capture_id[15] == 2 ? ERR_OK : ERR_NOT_FOUND;
}

static const struct store_sight second_only = {.sees = sees_second};

static enum err history_page(const char *epc, const struct store_sight *sight, char cursor[STORE_CURSOR],
                             Epcis__V1__GetItemHistoryResponse **out)
{
    return store_item_history(world.store, epc, sight, 1, cursor, &world.answers, out);
}

START_TEST(what_is_not_told_leaves_no_trace)
{
    char cursor[STORE_CURSOR] = "", token[STORE_CURSOR] = "";
    Epcis__V1__GetItemHistoryResponse *history;
    Epcis__V1__ListEventsResponse *events;
    Epcis__V1__GetContentsResponse *content;
    synthetic_segment(&world.made, 1, 0);
    add(object("storing", 1, unit("a")));
    add(object("storing", 2, unit("b")));
    add(object("storing", 3, unit("b")));
    synthetic_segment(&world.made, 2, 0);
    add(object("storing", 4, unit("a")));
    pack(5, box(1), LIST(unit("a"), unit("c")));
    synthetic_segment(&world.made, 1, 3);
    add(object("storing", 6, unit("a")));
    pack(7, box(1), LIST(unit("b"), unit("d"), unit("e")));
    commit();

    /* Of an item, pages hold what is told, and none follows the last of it. */
    ck_assert_int_eq(history_page(unit("a"), &second_only, cursor, &history), ERR_OK);
    ck_assert_uint_eq(history->history[0]->sequence, 4);
    ck_assert_int_eq(history_page(unit("a"), &second_only, cursor, &history), ERR_OK);
    ck_assert_uint_eq(history->history[0]->sequence, 5);
    ck_assert_str_eq(cursor, "");
    /* An item of which nothing is told is none, also behind a token that somebody else got. */
    ck_assert_int_eq(history_page(unit("b"), &second_only, cursor, &history), ERR_NOT_FOUND);
    ck_assert_int_eq(history_page(unit("b"), NULL, token, &history), ERR_OK);
    ck_assert_str_ne(token, "");
    ck_assert_int_eq(history_page(unit("b"), &second_only, token, &history), ERR_NOT_FOUND);

    struct store_events_query query = {
        .sight = &second_only, .place = 614141000012, .from_us = INT64_MIN, .to_us = INT64_MAX};
    assert_events(query, SEQUENCES(4, 5));
    query.from_us = moment(6);
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &events), ERR_OK);
    ck_assert_uint_eq(events->n_events, 0);
    ck_assert_str_eq(cursor, "");
    const uint8_t first[UUID_BYTES] = {[15] = 1};
    query = (struct store_events_query){.sight = &second_only, .capture_id = first};
    ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &events), ERR_NOT_FOUND);

    /* Where too many in a row are not told a page ends early, and says nothing of them but how many. */
    struct store_sight impatient = second_only;
    impatient.patience = 1;
    ck_assert_int_eq(history_page(unit("a"), &impatient, cursor, &history), ERR_OK);
    ck_assert_uint_eq(history->n_history, 0);
    ck_assert_str_eq(cursor, "+1");
    ck_assert_int_eq(history_page(unit("a"), &impatient, cursor, &history), ERR_OK);
    ck_assert_uint_eq(history->history[0]->sequence, 4);
    ck_assert_int_eq(history_page(unit("a"), &impatient, cursor, &history), ERR_OK);
    ck_assert_uint_eq(history->history[0]->sequence, 5);
    *cursor = '\0';
    query = (struct store_events_query){
        .sight = &impatient, .place = 614141000012, .from_us = moment(1), .to_us = INT64_MAX, .limit = 1};
    static const char *const counts[] = {"+1", "+2", "+3"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &events), ERR_OK);
        ck_assert_uint_eq(events->n_events, 0);
        ck_assert_str_eq(strchr(cursor, '+'), counts[i]);
    }
    for (uint64_t sequence = 4; sequence <= 5; sequence++) {
        ck_assert_int_eq(store_events(world.store, &query, cursor, &world.answers, &events), ERR_OK);
        ck_assert_uint_eq(events->n_events, 1);
        ck_assert_uint_eq(events->events[0]->sequence, sequence);
    }
    *cursor = '\0';

    const struct store_contents_query inside = {.epc = box(1), .sight = &second_only, .limit = 2};
    ck_assert_int_eq(store_contents(world.store, &inside, cursor, &world.answers, &content), ERR_OK);
    ck_assert_uint_eq(content->n_items, 2);
    ck_assert_str_eq(content->items[1]->epc, link_of(unit("c")));
    ck_assert_str_eq(cursor, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tests = tcase_create("trace");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_case_is_packed_shipped_and_unpacked);
    tcase_add_test(tests, a_container_is_emptied_and_filled_again);
    tcase_add_test(tests, events_of_one_second_count_in_the_order_of_commits);
    tcase_add_test(tests, what_another_container_lost_is_no_loss_here);
    tcase_add_test(tests, a_packing_that_was_declared_wrong_never_was);
    tcase_add_test(tests, nothing_is_in_itself);
    tcase_add_test(tests, an_item_named_twice_is_there_once);
    tcase_add_test(tests, an_association_puts_nothing_into_anything);
    tcase_add_test(tests, containers_nest_twenty_levels_deep);
    tcase_add_test(tests, deeper_than_a_hundred_levels_is_truncated);
    tcase_add_test(tests, a_circle_ends);
    tcase_add_test(tests, ten_thousand_items_come_in_pages);
    tcase_add_test(tests, a_page_may_end_at_the_last_item);
    tcase_add_test(tests, a_moment_is_told_as_it_was);
    tcase_add_test(tests, content_that_changes_leaves_the_rest_where_it_is);
    tcase_add_test(tests, bad_questions_about_containers_are_refused);
    tcase_add_test(tests, events_of_a_document_in_the_order_of_commits);
    tcase_add_test(tests, events_that_state_a_lot);
    tcase_add_test(tests, events_at_a_place_by_event_time);
    tcase_add_test(tests, tokens_of_another_list_are_refused);
    tcase_add_test(tests, lists_of_events_end_early_where_the_arena_does);
    tcase_add_test(tests, what_is_not_told_leaves_no_trace);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
