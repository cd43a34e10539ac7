#include "common/store/store_holding.h"

#include <stdlib.h>
#include <string.h>

#include "common/store/rows.h"

enum err store_holding_init(struct store_holding *holding, struct store *store, MDB_txn *txn,
                            const int64_t *at_us)
{
    *holding = (struct store_holding){
        .store = store, .txn = txn, .now = !at_us, .at_us = at_us ? *at_us : INT64_MAX};
    arena_init(&holding->scratch, STORE_SCRATCH_BYTES);
    return trees_error(mdb_cursor_open(txn, store->trees[TREE_ITEM], &holding->rows));
}

void store_holding_free(struct store_holding *holding)
{
    if (holding->rows)
        mdb_cursor_close(holding->rows);
    arena_free(&holding->scratch);
    buffer_free(&holding->moves);
}

static bool same_key(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

enum err store_holding_packing(struct store_holding *holding, uint64_t sequence,
                               const struct store_packing **out)
{
    struct store_packing *packing = &holding->packings[sequence % STORE_PACKINGS];
    struct event_head head;
    uint64_t declaration;
    *out = packing;
    if (packing->sequence == sequence)
        return ERR_OK;
    enum err err = store_read_event(holding->store, holding->txn, sequence, &head);
    if (!err)
        err = store_read_declared(holding->store, holding->txn, sequence, &declaration);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    arena_reset(&holding->scratch);
    Epcis__V1__Event *event =
        epcis__v1__event__unpack(&holding->scratch.allocator, head.packed_bytes, head.packed);
    if (!event)
        return ERR_CORRUPT;
    const char *parent = event->parent_id;
    packing->sequence = sequence;
    packing->wrong = declaration != 0;
    packing->empties = event->action == EPCIS__V1__ACTION__ACTION_DELETE && event->n_child_epcs == 0 &&
                       event->n_child_quantity_list == 0;
    packing->parent_length = parent[0] ? (uint16_t)epc_key(parent, strlen(parent), packing->parent) : 0;
    return ERR_OK;
}

enum err
store_holding_rows(struct store_holding *holding, MDB_cursor *cursor, const uint8_t *key, size_t length,
                   enum err (*use)(void *context, int64_t time_us, const struct store_history *entry),
                   void *context)
{
    struct rows rows;
    enum err err = rows_begin(&rows, cursor, key, length, NULL, 0);
    while (!err && !(err = rows_next(&rows))) {
        struct store_history entry;
        int64_t time_us = trees_row_time(rows.suffix);
        if (time_us > holding->at_us)
            return ERR_OK;
        trees_row_decode(rows.suffix, rows.sequence, &entry);
        bool moves =
            entry.action == EPCIS__V1__ACTION__ACTION_ADD || entry.action == EPCIS__V1__ACTION__ACTION_DELETE;
        if (entry.type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION && moves && !entry.error_declaration)
            err = use(context, time_us, &entry);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* ---- at a moment ---- */

struct move {
    struct store_moment when;
    bool in;
};

static bool is_before(struct store_moment a, struct store_moment b)
{
    return a.time_us < b.time_us || (a.time_us == b.time_us && a.sequence < b.sequence);
}

static enum err note_move(void *context, int64_t time_us, const struct store_history *entry)
{
    struct store_holding *holding = context;
    struct move move = {.when = {time_us, entry->sequence},
                        .in = entry->action == EPCIS__V1__ACTION__ACTION_ADD};
    buffer_append(&holding->moves, &move, sizeof move);
    return holding->moves.failed ? ERR_MEMORY : ERR_OK;
}

static int compare_moves(const void *a, const void *b)
{
    const struct move *left = a, *right = b;
    return is_before(left->when, right->when) ? -1 : is_before(right->when, left->when);
}

struct emptying {
    struct store_holding *holding;
    const uint8_t *key;
    size_t length;
    struct store_moment last;
};

static enum err note_emptying(void *context, int64_t time_us, const struct store_history *entry)
{
    struct emptying *emptying = context;
    const struct store_packing *packing;
    struct store_moment when = {time_us, entry->sequence};
    if (entry->action != EPCIS__V1__ACTION__ACTION_DELETE)
        return ERR_OK;
    enum err err = store_holding_packing(emptying->holding, entry->sequence, &packing);
    if (!err && packing->empties && !packing->wrong &&
        same_key(packing->parent, packing->parent_length, emptying->key, emptying->length) &&
        (emptying->last.sequence == 0 || is_before(emptying->last, when)))
        emptying->last = when;
    return err;
}

static enum err find_emptying(struct store_holding *holding, const uint8_t *key, size_t length,
                              struct store_moment *out)
{
    struct emptying emptying = {holding, key, length, {0, 0}};
    if (!same_key(key, length, holding->emptied.key, holding->emptied.length)) {
        enum err err = store_holding_rows(holding, holding->rows, key, length, note_emptying, &emptying);
        if (err)
            return err;
        memcpy(holding->emptied.key, key, length);
        holding->emptied.length = (uint16_t)length;
        holding->emptied.when = emptying.last;
    }
    *out = holding->emptied.when;
    return ERR_OK;
}

/* What the item's own events made of it, each in its turn; *when is that of the one that put it in. */
static enum err replay_moves(struct store_holding *holding, const uint8_t *key, size_t length,
                             uint8_t room[EPC_KEY_MAX], struct store_link *out, struct store_moment *when)
{
    struct move *moves = (struct move *)(void *)holding->moves.data; /* as malloc aligned it */
    size_t count = holding->moves.length / sizeof *moves;
    if (count > 1)
        qsort(moves, count, sizeof *moves, compare_moves);
    for (size_t i = 0; i < count; i++) {
        const struct store_packing *packing;
        enum err err = store_holding_packing(holding, moves[i].when.sequence, &packing);
        if (err)
            return err;
        bool as_parent = same_key(packing->parent, packing->parent_length, key, length);
        if (packing->wrong || packing->parent_length == 0 || as_parent)
            continue;
        if (moves[i].in) {
            memcpy(room, packing->parent, packing->parent_length);
            *out = (struct store_link){{room, packing->parent_length}, moves[i].when.sequence};
            *when = moves[i].when;
        } else if (same_key(packing->parent, packing->parent_length, out->parent.data, out->parent.length)) {
            *out = (struct store_link){{room, 0}, 0};
        }
    }
    return ERR_OK;
}

static enum err find_then(struct store_holding *holding, const uint8_t *key, size_t length,
                          uint8_t room[EPC_KEY_MAX], struct store_link *out)
{
    struct store_moment packed = {0, 0}, emptied;
    buffer_clear(&holding->moves);
    enum err err = store_holding_rows(holding, holding->rows, key, length, note_move, holding);
    if (!err)
        err = replay_moves(holding, key, length, room, out, &packed);
    if (err || out->parent.length == 0)
        return err;
    err = find_emptying(holding, room, out->parent.length, &emptied);
    if (!err && emptied.sequence && is_before(packed, emptied))
        *out = (struct store_link){{room, 0}, 0};
    return err;
}

/* ---- now ---- */

static enum err find_now(struct store_holding *holding, const uint8_t *key, size_t length,
                         uint8_t room[EPC_KEY_MAX], struct store_link *out)
{
    struct store_item item, parent;
    enum err err = store_read_state(holding->store, holding->txn, key, length, &item);
    if (!err)
        err = store_read_link(holding->store, holding->txn, &item, STORE_AGGREGATION, &parent);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (same_key(parent.key, parent.key_length, key, length))
        return ERR_OK; /* nothing is in itself, whatever an event said */
    memcpy(room, parent.key, parent.key_length);
    *out = (struct store_link){{room, parent.key_length}, item.links[STORE_AGGREGATION].sequence};
    return ERR_OK;
}

enum err store_holding_find(struct store_holding *holding, const uint8_t *key, size_t length,
                            uint8_t room[EPC_KEY_MAX], struct store_link *out)
{
    *out = (struct store_link){{room, 0}, 0};
    return holding->now ? find_now(holding, key, length, room, out)
                        : find_then(holding, key, length, room, out);
}
