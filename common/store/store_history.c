/* One item: where it stands, and its history in pages. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/store/rows.h"
#include "common/store/store_read.h"
#include "common/store/store_token.h"

/* ---- state ---- */

static bool fill_identity(const struct store_item *item, struct arena *arena, Epcis__V1__ItemState *state)
{
    state->epc = store_read_key(arena, item->key, item->key_length);
    if (!state->epc)
        return false;
    if (!store_read_gtin(arena, state->epc, &state->gtin))
        return false;
    if (!state->gtin[0])
        return true;
    enum { SERIAL = 1 + 6 }; /* where the decoded serial stands in the key */
    return store_read_text(arena, (const char *)item->key + SERIAL, item->key_length - SERIAL,
                           &state->serial);
}

/* The parent's text; `*out` is left as it is where there is none. */
static enum err fill_parent(struct store *store, MDB_txn *txn, const struct store_item *item,
                            enum store_relation relation, struct arena *arena, char **out)
{
    struct store_item parent;
    enum err err = store_read_link(store, txn, item, relation, &parent);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    *out = store_read_key(arena, parent.key, parent.key_length);
    return *out ? ERR_OK : ERR_LIMIT;
}

/* The container that is in no other one. A circle ends at the depth to which containers are followed. */
static enum err find_outermost(struct store *store, MDB_txn *txn, const struct store_item *item,
                               struct store_item *out)
{
    enum err err = ERR_OK;
    *out = *item;
    for (int depth = 0; depth < STORE_DEPTH_MAX && !err; depth++) {
        struct store_item inner = *out, outer;
        err = store_read_link(store, txn, &inner, STORE_AGGREGATION, &outer);
        if (!err)
            *out = outer;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err fill_whereabouts(struct store *store, MDB_txn *txn, const struct store_item *item,
                                 struct arena *arena, Epcis__V1__ItemState *state)
{
    struct store_item outermost;
    enum err err = find_outermost(store, txn, item, &outermost);
    if (err)
        return err;
    uint64_t place = item->place;
    if (outermost.key != item->key) {
        const char *status = store_status_name((enum store_status)outermost.status);
        state->container = store_read_key(arena, outermost.key, outermost.key_length);
        if (!state->container || !store_read_text(arena, status, strlen(status), &state->container_status))
            return ERR_LIMIT;
        if (outermost.place && outermost.moved_us > item->moved_us)
            place = outermost.place;
    }
    char gln[24];
    int length = place ? snprintf(gln, sizeof gln, "%013" PRIu64, place) : 0;
    return store_read_text(arena, gln, (size_t)length, &state->holder) ? ERR_OK : ERR_LIMIT;
}

static enum err fill_state(struct store *store, MDB_txn *txn, const struct store_item *item,
                           struct arena *arena, Epcis__V1__ItemState *state)
{
    const char *status = store_status_name((enum store_status)item->status);
    epcis__v1__item_state__init(state);
    if (!fill_identity(item, arena, state) ||
        !store_read_text(arena, status, strlen(status), &state->status) ||
        !store_read_text(arena, (const char *)item->disposition.data, item->disposition.length,
                         &state->disposition) ||
        !store_read_text(arena, (const char *)item->lot.data, item->lot.length, &state->lot) ||
        !store_read_date(arena, item->expiry, &state->expiry))
        return ERR_LIMIT;
    enum err err = fill_parent(store, txn, item, STORE_AGGREGATION, arena, &state->parent);
    if (!err)
        err = fill_parent(store, txn, item, STORE_ASSOCIATION, arena, &state->association);
    return err ? err : fill_whereabouts(store, txn, item, arena, state);
}

/* ---- history ---- */

struct history_page {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    const uint8_t *item;
    size_t item_length;
    const struct store_sight *sight;
    uint32_t unseen; /* entries in a row that are not told */
    uint32_t limit;
    struct arena *arena;
    struct arena scratch;
    struct store_token place; /* of the row that is looked at; its key is the suffix */
    char *token;              /* in: where to start; out: where the next page starts */
};

/* To the next row that is told, or to the last of too many that are not. ERR_NOT_FOUND: there is none. */
static enum err find_told(struct history_page *page, struct rows *rows)
{
    enum err err;
    while (!(err = rows_next(rows))) {
        err = store_read_sees(page->store, page->txn, page->sight, rows->sequence, &page->unseen);
        if (err != ERR_NOT_FOUND)
            return err;
        page->place.behind++;
        if (store_token_ends(page->sight, page->unseen))
            return ERR_OK;
    }
    return err;
}

/* From where the page starts. */
static enum err begin_rows(struct history_page *page, struct rows *out)
{
    const struct store_token *place = &page->place;
    enum err err = rows_begin(out, page->cursor, page->item, page->item_length,
                              place->length ? place->key : NULL, place->length);
    for (uint32_t i = 0; !err && i < place->behind; i++)
        err = rows_next(out);
    return err;
}

/* Whether any row is told, wherever the page starts; otherwise tokens would tell what is not. */
static enum err check_told(struct history_page *page)
{
    struct rows rows;
    enum err err = page->sight ? begin_rows(page, &rows) : ERR_OK;
    if (!err && page->sight)
        err = find_told(page, &rows);
    page->unseen = 0;
    return err;
}

static enum err history_read(struct history_page *page, Epcis__V1__GetItemHistoryResponse *out)
{
    struct rows rows;
    enum err err = check_told(page);
    if (!err)
        err = store_token_read(page->token, &page->place);
    if (!err && page->place.length > STORE_SUFFIX_MAX)
        err = ERR_INPUT;
    *page->token = '\0';
    if (err)
        return err;
    out->history = arena_alloc(page->arena, page->limit * sizeof(Epcis__V1__HistoryEntry *));
    if (!out->history)
        return ERR_LIMIT;
    err = begin_rows(page, &rows);
    while (!err && !(err = find_told(page, &rows))) {
        bool ends = store_token_ends(page->sight, page->unseen), full = ends || out->n_history == page->limit;
        if (!ends)
            store_token_set(&page->place, rows.suffix, rows.suffix_length);
        if (!full)
            err = store_read_entry(page->store, page->txn, rows.sequence, &page->scratch, page->arena,
                                   &out->history[out->n_history]);
        if (full || (err == ERR_LIMIT && out->n_history > 0)) { /* a page may end early */
            store_token_write(&page->place, page->token);
            return ERR_OK;
        }
        page->place.behind++;
        out->n_history += !err;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err store_item_history(struct store *store, const char *epc, const struct store_sight *sight,
                            uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                            Epcis__V1__GetItemHistoryResponse **out)
{
    uint8_t key[EPC_KEY_MAX];
    struct store_item item;
    MDB_txn *txn = NULL;
    struct history_page page = {.store = store,
                                .item = key,
                                .item_length = epc_key(epc, strlen(epc), key),
                                .sight = sight,
                                .limit = store_read_limit(limit),
                                .arena = arena,
                                .token = cursor};
    arena_init(&page.scratch, STORE_SCRATCH_BYTES);
    Epcis__V1__GetItemHistoryResponse *response = arena_alloc(arena, sizeof *response);
    Epcis__V1__ItemState *state = arena_alloc(arena, sizeof *state);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    enum err err = response && state && token ? store_read_begin(store, &txn) : ERR_LIMIT;
    if (err)
        goto out;
    err = store_read_state(store, txn, key, page.item_length, &item);
    if (err)
        goto out;
    epcis__v1__get_item_history_response__init(response);
    response->state = state;
    err = fill_state(store, txn, &item, arena, state);
    if (err)
        goto out;
    page.txn = txn;
    err = trees_error(mdb_cursor_open(txn, store->trees[TREE_ITEM], &page.cursor));
    if (err)
        goto out;
    err = history_read(&page, response);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    *out = response;
out:
    if (page.cursor)
        mdb_cursor_close(page.cursor);
    mdb_txn_abort(txn);
    arena_free(&page.scratch);
    return err;
}
