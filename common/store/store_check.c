#include <inttypes.h>

#include "common/base/log.h"
#include "common/store/store.h"
#include "common/store/trees.h"
#include "epcis/v1/event.pb-c.h"

enum { EVENT_BYTES = 64 << 20 };

static enum err check_event(const MDB_val *value, struct arena *arena)
{
    struct event_head head;
    enum err err = trees_event_decode(value->mv_data, value->mv_size, &head);
    arena_reset(arena);
    if (!err && !epcis__v1__event__unpack(&arena->allocator, head.packed_bytes, head.packed))
        err = arena->exhausted ? ERR_MEMORY : ERR_CORRUPT;
    return err;
}

/* Every byte is added up, so that every page has to be there. */
static unsigned sum_bytes(const MDB_val *value)
{
    const uint8_t *bytes = value->mv_data;
    unsigned sum = 0;
    for (size_t i = 0; i < value->mv_size; i++)
        sum += bytes[i];
    return sum;
}

static enum err check_tree(struct store *store, MDB_txn *txn, enum tree tree, struct arena *arena,
                           uint64_t *records)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    volatile unsigned sum = 0;
    enum err err = ERR_OK;
    int rc = mdb_cursor_open(txn, store->trees[tree], &cursor);
    if (rc)
        return trees_error(rc);
    while (!err && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        sum += sum_bytes(&key) + sum_bytes(&value);
        err = tree == TREE_EVENT ? check_event(&value, arena) : ERR_OK;
        ++*records;
    }
    (void)sum;
    mdb_cursor_close(cursor);
    if (!err && rc != MDB_NOTFOUND)
        err = trees_error(rc);
    if (err)
        log_error("store_wrong", "tree=%d record=%" PRIu64 " err=%s", (int)tree, *records, err_name(err));
    return err;
}

enum err store_check(struct store *store, uint64_t *records)
{
    MDB_txn *txn;
    struct arena arena;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return trees_error(rc);
    arena_init(&arena, EVENT_BYTES);
    *records = 0;
    enum err err = ERR_OK;
    for (int tree = 0; !err && tree < TREES; tree++)
        err = check_tree(store, txn, (enum tree)tree, &arena, records);
    arena_free(&arena);
    mdb_txn_abort(txn);
    return err;
}
