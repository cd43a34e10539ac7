/* Items in a write transaction: their states and rows. */
#include <string.h>

#include "common/store/rows.h"

static enum err state_get(struct store_txn *txn, const uint8_t *item, size_t length, MDB_val *out)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    MDB_val key = {trees_state_key(item, length, bytes), bytes};
    return trees_error(mdb_cursor_get(txn->items, &key, out, MDB_SET));
}

static enum err load_state(struct store_txn *txn, struct store_item *item, struct arena *arena)
{
    MDB_val value;
    enum err err = state_get(txn, item->key, item->key_length, &value);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    /* LMDB's own memory moves when the pages around it are written. */
    const char *copy = arena_copy(arena, value.mv_data, value.mv_size);
    return copy ? trees_state_decode((const uint8_t *)copy, value.mv_size, item) : ERR_LIMIT;
}

enum err store_item_get(struct store_txn *txn, const uint8_t *key, size_t length, struct store_item *out)
{
    MDB_val value;
    *out = (struct store_item){.key = key, .key_length = (uint16_t)length};
    enum err err = state_get(txn, key, length, &value);
    return err ? err : trees_state_decode(value.mv_data, value.mv_size, out);
}

enum err store_item_rows(struct store_txn *txn, const uint8_t *key, size_t length,
                         enum err (*use)(void *context, const struct store_history *entry), void *context)
{
    struct rows rows;
    enum err err = rows_begin(&rows, txn->items, key, length, NULL, 0);
    while (!err && !(err = rows_next(&rows))) {
        struct store_history entry;
        trees_row_decode(rows.suffix, rows.sequence, &entry);
        err = use(context, &entry);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err store_row_get(struct store_txn *txn, const struct store_item *item, const uint8_t *key,
                       size_t length, uint64_t *sequence)
{
    MDB_val at = {length, (void *)key}, value;
    *sequence = rows_find(item->rows, key + item->key_length, length - item->key_length);
    if (*sequence)
        return ERR_OK;
    int rc = mdb_cursor_get(txn->items, &at, &value, MDB_SET);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (value.mv_size != 8)
        return ERR_CORRUPT;
    *sequence = trees_get_number(value.mv_data, 8);
    return *sequence ? ERR_OK : ERR_CORRUPT;
}

static enum err load_row(struct store_txn *txn, const struct store_item *item, struct store_row *row)
{
    /* Most rows are new: the item is, or the event follows all that is known of it. */
    if (!item->stateless && (!item->known || trees_row_time(row->key + item->key_length) > item->latest_us))
        return ERR_OK;
    return store_row_get(txn, item, row->key, row->key_length, &row->sequence);
}

enum err store_load(struct store_txn *txn, struct store_item *items, size_t item_count,
                    struct store_row *rows, size_t row_count, struct arena *arena)
{
    size_t row = 0;
    for (size_t i = 0; i < item_count; i++) {
        enum err err = items[i].stateless ? ERR_OK : load_state(txn, &items[i], arena);
        for (; !err && row < row_count && rows[row].item == i; row++)
            err = load_row(txn, &items[i], &rows[row]);
        if (err)
            return err;
    }
    return ERR_OK;
}

static int write_state(struct store_txn *txn, const struct store_item *item)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    MDB_val key = {trees_state_key(item->key, item->key_length, bytes), bytes};
    MDB_val value = {trees_state_size(item), NULL};
    int rc = mdb_cursor_put(txn->items, &key, &value, MDB_RESERVE);
    if (!rc)
        trees_state_encode(item, value.mv_data);
    return rc;
}

static size_t suffix_length(const struct store_row *row, const struct store_item *item)
{
    return row->key_length - item->key_length;
}

/* Of a row that no longer fits into the state. */
static int write_row(struct store_txn *txn, const struct store_item *item, const struct store_row *row)
{
    uint8_t sequence[8];
    if (rows_find(item->rows, row->key + item->key_length, suffix_length(row, item)))
        return MDB_KEYEXIST;
    trees_put_number(sequence, row->sequence, sizeof sequence);
    MDB_val key = {row->key_length, (void *)row->key}, value = {sizeof sequence, sequence};
    return mdb_cursor_put(txn->items, &key, &value, MDB_NOOVERWRITE);
}

/* Takes as many of the fresh rows into the item as fit. */
static enum err keep_rows(struct store_item *item, struct store_row *rows, size_t count, struct arena *arena)
{
    size_t bytes = item->rows.length, fresh = 0;
    for (; fresh < count; fresh++) {
        size_t more = rows[fresh].fresh ? rows_bytes(suffix_length(&rows[fresh], item)) : 0;
        if (bytes + more > ROWS_BYTES_MAX)
            break;
        bytes += more;
    }
    if (bytes == item->rows.length)
        return ERR_OK;
    uint8_t *kept = arena_alloc(arena, bytes);
    if (!kept)
        return ERR_LIMIT;
    if (item->rows.length)
        memcpy(kept, item->rows.data, item->rows.length);
    item->rows.data = kept;
    enum err err = ERR_OK;
    for (size_t i = 0; i < fresh && !err; i++) {
        if (rows[i].fresh)
            err = rows_insert(kept, &item->rows.length, rows[i].key + item->key_length,
                              suffix_length(&rows[i], item), rows[i].sequence);
        rows[i].fresh = false;
    }
    return err;
}

static enum err write_item(struct store_txn *txn, struct store_item *item, struct store_row *rows,
                           size_t count, struct arena *arena)
{
    int rc = 0;
    if (item->dirty) {
        enum err err = keep_rows(item, rows, count, arena);
        if (err)
            return err;
        rc = write_state(txn, item);
        item->dirty = false;
    }
    for (size_t i = 0; i < count && !rc; i++) {
        rc = rows[i].fresh ? write_row(txn, item, &rows[i]) : 0;
        rows[i].fresh = false;
    }
    return trees_error(rc);
}

enum err store_write(struct store_txn *txn, struct store_item *items, size_t item_count,
                     struct store_row *rows, size_t row_count, struct arena *arena)
{
    enum err err = ERR_OK;
    for (size_t i = 0, first = 0, next = 0; i < item_count && !err; i++, first = next) {
        while (next < row_count && rows[next].item == i)
            next++;
        err = write_item(txn, &items[i], rows + first, next - first, arena);
    }
    return err;
}
