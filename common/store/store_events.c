/* Events by document, lot and place: each is a tree of keys that end in a sequence. The key of a page's token
 * is what follows the document, the lot or the place. */
#include <stdio.h>
#include <string.h>

#include "common/store/store_read.h"
#include "common/store/store_token.h"
#include "common/store/store_trace.h"

enum { PREFIX_MAX = LOT_KEY_MAX + 1, REST_MAX = 8 + SEQUENCE_BYTES };

struct listing {
    struct store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    enum tree tree;
    uint8_t key[PREFIX_MAX + REST_MAX]; /* what is asked for, then where the page starts */
    size_t prefix;                      /* how much of the key all events share */
    size_t rest;                        /* how much follows */
    uint8_t end[REST_MAX];              /* the rest of the first key behind what is asked for */
    const struct store_sight *sight;
    uint32_t unseen; /* events in a row that are not told */
    uint32_t limit;
    struct arena scratch;
    struct arena *arena;
    Epcis__V1__ListEventsResponse *response;
    struct store_token place; /* of the event that is looked at */
    uint32_t skip;            /* so many events stand before the page still */
    char *token;
};

static void set_up(struct listing *listing, const struct store_events_query *query)
{
    listing->rest = SEQUENCE_BYTES;
    memset(listing->end, 0xff, sizeof listing->end);
    uint8_t *end = listing->key;
    if (query->capture_id) {
        listing->tree = TREE_CAPTURE;
        memcpy(end, query->capture_id, UUID_BYTES);
        end += UUID_BYTES;
    } else if (query->lot) {
        struct store_text lot = {(const uint8_t *)query->lot, (uint32_t)strlen(query->lot)};
        listing->tree = TREE_LOT_EVENT;
        end += trees_lot_key(query->gtin, lot, end).mv_size;
        *end++ = 0;
    } else {
        listing->tree = TREE_PLACE;
        listing->rest += 8;
        end = trees_put_number(end, query->place, 6);
        trees_put_number(trees_put_time(end, query->from_us), 0, SEQUENCE_BYTES);
        trees_put_number(trees_put_time(listing->end, query->to_us), 0, SEQUENCE_BYTES);
    }
    listing->prefix = (size_t)(end - listing->key);
}

static bool is_listed(const struct listing *listing, const MDB_val *key)
{
    return key->mv_size == listing->prefix + listing->rest &&
           memcmp(key->mv_data, listing->key, listing->prefix) == 0;
}

/* The first of the events for which a key stands. */
static uint64_t first_of(const struct listing *listing, const MDB_val *key)
{
    const uint8_t *end = (const uint8_t *)key->mv_data + listing->prefix + listing->rest;
    return trees_get_number(end - SEQUENCE_BYTES, SEQUENCE_BYTES);
}

static enum err check_told(struct listing *listing, uint64_t sequence)
{
    return store_read_sees(listing->store, listing->txn, listing->sight, sequence, &listing->unseen);
}

/* Whether any event is told, wherever the page starts. */
static enum err check_known(struct listing *listing)
{
    MDB_val key = {listing->prefix, listing->key}, value;
    enum err err = ERR_NOT_FOUND;
    int rc = mdb_cursor_get(listing->cursor, &key, &value, MDB_SET_RANGE);
    while (!rc && is_listed(listing, &key)) {
        err = check_told(listing, first_of(listing, &key));
        if (store_token_ends(listing->sight, listing->unseen))
            err = ERR_OK; /* as far as anybody looks */
        if (err != ERR_NOT_FOUND)
            break;
        rc = mdb_cursor_get(listing->cursor, &key, &value, MDB_NEXT);
    }
    listing->unseen = 0;
    return rc ? trees_error(rc) : err;
}

static enum err read_token(struct listing *listing)
{
    uint8_t *rest = listing->key + listing->prefix;
    enum err err = store_token_read(listing->token, &listing->place);
    if (!err && listing->place.length == 0 && listing->place.behind == 0)
        store_token_set(&listing->place, rest, listing->rest);
    if (!err && listing->place.length != listing->rest)
        err = ERR_INPUT;
    memcpy(rest, listing->place.key, listing->rest);
    listing->skip = listing->place.behind;
    return err;
}

/* To the first key from where the page starts. A document's keys stand for runs of events: the run before may
 * reach into the page. */
static int seek(struct listing *listing, MDB_val *key, MDB_val *value)
{
    *key = (MDB_val){listing->prefix + listing->rest, listing->key};
    int rc = mdb_cursor_get(listing->cursor, key, value, MDB_SET_RANGE);
    if (listing->tree != TREE_CAPTURE || (rc && rc != MDB_NOTFOUND))
        return rc;
    if (!rc && key->mv_size == listing->prefix + listing->rest &&
        memcmp(key->mv_data, listing->key, key->mv_size) == 0)
        return 0;
    rc = mdb_cursor_get(listing->cursor, key, value, rc ? MDB_LAST : MDB_PREV);
    if (!rc && is_listed(listing, key))
        return 0;
    return mdb_cursor_get(listing->cursor, key, value, rc ? MDB_FIRST : MDB_NEXT);
}

/* One event; `rest` is what stands behind the prefix in its key. *full: the page ends here, and the next one
 * starts at `place`. */
static enum err list_event(struct listing *listing, uint64_t sequence, const uint8_t *rest, bool *full)
{
    Epcis__V1__ListEventsResponse *page = listing->response;
    if (listing->skip > 0) {
        listing->skip--;
        return ERR_OK;
    }
    enum err err = check_told(listing, sequence);
    if (err == ERR_NOT_FOUND) {
        listing->place.behind++;
        *full = store_token_ends(listing->sight, listing->unseen);
        return ERR_OK;
    }
    if (err)
        return err;
    store_token_set(&listing->place, rest, listing->rest);
    *full = page->n_events == listing->limit;
    if (*full)
        return ERR_OK;
    err = store_read_entry(listing->store, listing->txn, sequence, &listing->scratch, listing->arena,
                           &page->events[page->n_events]);
    *full = err == ERR_LIMIT && page->n_events > 0; /* a page may end early */
    if (err)
        return *full ? ERR_OK : err;
    listing->place.behind++;
    page->n_events++;
    return ERR_OK;
}

/* The events for which one key stands. */
static enum err list_key(struct listing *listing, const MDB_val *key, const MDB_val *value, bool *full)
{
    const uint8_t *rest = (const uint8_t *)key->mv_data + listing->prefix;
    uint64_t first = first_of(listing, key), count = 1;
    if (listing->tree != TREE_CAPTURE)
        return list_event(listing, first, rest, full);
    if (value->mv_size != 4)
        return ERR_CORRUPT;
    count = trees_get_number(value->mv_data, 4);
    uint64_t start = trees_get_number(listing->key + listing->prefix, SEQUENCE_BYTES);
    enum err err = ERR_OK;
    for (uint64_t i = start > first ? start - first : 0; i < count && !err && !*full; i++) {
        uint8_t next[SEQUENCE_BYTES];
        trees_put_number(next, first + i, SEQUENCE_BYTES);
        err = list_event(listing, first + i, next, full);
    }
    return err;
}

static enum err list_page(struct listing *listing)
{
    MDB_val key, value;
    bool full = false;
    enum err err = check_known(listing);
    if (!err)
        err = read_token(listing);
    if (err)
        return err;
    listing->token[0] = '\0';
    int rc = seek(listing, &key, &value);
    while (!rc && is_listed(listing, &key) &&
           memcmp((const uint8_t *)key.mv_data + listing->prefix, listing->end, listing->rest) < 0) {
        err = list_key(listing, &key, &value, &full);
        if (!err && full)
            store_token_write(&listing->place, listing->token);
        if (err || full)
            return err;
        rc = mdb_cursor_get(listing->cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
}

enum err store_events(struct store *store, const struct store_events_query *query, char cursor[STORE_CURSOR],
                      struct arena *arena, Epcis__V1__ListEventsResponse **out)
{
    struct listing listing = {.store = store,
                              .sight = query->sight,
                              .limit = store_read_limit(query->limit),
                              .arena = arena,
                              .token = cursor};
    Epcis__V1__ListEventsResponse *response = *out = listing.response = arena_alloc(arena, sizeof *response);
    Epcis__V1__HistoryEntry **events = arena_alloc(arena, listing.limit * sizeof *events);
    char *token = arena_alloc(arena, STORE_CURSOR); /* before the page takes all there is */
    enum err err = response && events && token ? store_read_begin(store, &listing.txn) : ERR_LIMIT;
    if (err)
        return err;
    arena_init(&listing.scratch, STORE_SCRATCH_BYTES);
    epcis__v1__list_events_response__init(response);
    response->events = events;
    set_up(&listing, query);
    err = trees_error(mdb_cursor_open(listing.txn, store->trees[listing.tree], &listing.cursor));
    if (!err)
        err = list_page(&listing);
    response->next_page_token = memcpy(token, cursor, STORE_CURSOR);
    if (listing.cursor)
        mdb_cursor_close(listing.cursor);
    mdb_txn_abort(listing.txn);
    arena_free(&listing.scratch);
    return err;
}
