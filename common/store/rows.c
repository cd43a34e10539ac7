#include "common/store/rows.h"

#include <string.h>

enum { PREFIX = SUFFIX_TIME }; /* the suffix's first bytes, which are the same in all */

struct entry {
    const uint8_t *suffix; /* without the prefix */
    size_t suffix_length;
    uint64_t sequence;
};

size_t rows_bytes(size_t suffix_length)
{
    return 1 + suffix_length - PREFIX + SEQUENCE_BYTES;
}

/* Moves the first of the rows to `out`. False where there is none, or they are damaged. */
static bool take_entry(struct store_text *rows, struct entry *out)
{
    size_t suffix = rows->length > 0 ? rows->data[0] : 0, bytes = 1 + suffix + SEQUENCE_BYTES;
    if (suffix == 0 || suffix > STORE_SUFFIX_MAX - PREFIX || bytes > rows->length)
        return false;
    *out = (struct entry){rows->data + 1, suffix, trees_get_number(rows->data + 1 + suffix, SEQUENCE_BYTES)};
    rows->data += bytes;
    rows->length -= (uint32_t)bytes;
    return true;
}

/* As LMDB sorts keys: memcmp, the shorter first. */
static int compare(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

uint64_t rows_find(struct store_text rows, const uint8_t *suffix, size_t suffix_length)
{
    struct entry entry;
    while (take_entry(&rows, &entry))
        if (compare(entry.suffix, entry.suffix_length, suffix + PREFIX, suffix_length - PREFIX) == 0)
            return entry.sequence;
    return 0;
}

enum err rows_insert(uint8_t *rows, uint32_t *length, const uint8_t *suffix, size_t suffix_length,
                     uint64_t sequence)
{
    struct store_text rest = {rows, *length};
    struct entry entry;
    uint8_t *at = rows;
    size_t bytes = rows_bytes(suffix_length);
    while (take_entry(&rest, &entry)) {
        int order = compare(entry.suffix, entry.suffix_length, suffix + PREFIX, suffix_length - PREFIX);
        if (order == 0)
            return ERR_EXISTS;
        if (order > 0)
            break;
        at = rows + *length - rest.length;
    }
    memmove(at + bytes, at, (size_t)(rows + *length - at));
    *at++ = (uint8_t)(suffix_length - PREFIX);
    memcpy(at, suffix + PREFIX, suffix_length - PREFIX);
    trees_put_number(at + suffix_length - PREFIX, sequence, SEQUENCE_BYTES);
    *length += (uint32_t)bytes;
    return ERR_OK;
}

/* ---- all of an item --------------------------------------------------------------------------------- */

/* Looks at what the cursor was moved to. */
static enum err heed_cursor(struct rows *rows, int rc)
{
    rows->behind = !rc && trees_is_row(&rows->key, rows->item, rows->item_length);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    return rows->behind && rows->value.mv_size != 8 ? ERR_CORRUPT : ERR_OK;
}

static enum err read_state(struct rows *rows)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    struct store_item state = {.key = rows->item};
    MDB_val key = {trees_state_key(rows->item, rows->item_length, bytes), bytes}, value;
    int rc = mdb_cursor_get(rows->cursor, &key, &value, MDB_SET);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    enum err err = trees_state_decode(value.mv_data, value.mv_size, &state);
    rows->inside = state.rows;
    return err;
}

enum err rows_begin(struct rows *rows, MDB_cursor *cursor, const uint8_t *item, size_t item_length,
                    const uint8_t *from, size_t from_length)
{
    static const uint8_t first[PREFIX] = {0, ITEM_ROW};
    uint8_t bytes[STORE_ROW_KEY_MAX];
    *rows = (struct rows){.cursor = cursor, .item = item, .item_length = item_length};
    if (!from) {
        from = first;
        from_length = sizeof first;
    }
    enum err err = read_state(rows);
    if (err)
        return err;
    struct store_text rest = rows->inside;
    struct entry entry;
    while (take_entry(&rest, &entry) && from_length > PREFIX &&
           compare(entry.suffix, entry.suffix_length, from + PREFIX, from_length - PREFIX) < 0)
        rows->inside = rest;
    memcpy(bytes, item, item_length);
    memcpy(bytes + item_length, from, from_length);
    rows->key = (MDB_val){item_length + from_length, bytes};
    return heed_cursor(rows, mdb_cursor_get(cursor, &rows->key, &rows->value, MDB_SET_RANGE));
}

static enum err give(struct rows *rows, const uint8_t *suffix, size_t length, uint64_t sequence)
{
    rows->suffix[0] = 0;
    rows->suffix[1] = ITEM_ROW;
    memcpy(rows->suffix + PREFIX, suffix, length);
    rows->suffix_length = PREFIX + length;
    rows->sequence = sequence;
    return sequence ? ERR_OK : ERR_CORRUPT;
}

enum err rows_next(struct rows *rows)
{
    struct store_text rest = rows->inside;
    struct entry entry;
    bool inside = take_entry(&rest, &entry);
    if (!inside && rows->inside.length > 0)
        return ERR_CORRUPT;
    if (!rows->behind && !inside)
        return ERR_NOT_FOUND;
    const uint8_t *suffix = (const uint8_t *)rows->key.mv_data + rows->item_length + PREFIX;
    size_t length = rows->behind ? rows->key.mv_size - rows->item_length - PREFIX : 0;
    if (!rows->behind || (inside && compare(entry.suffix, entry.suffix_length, suffix, length) < 0)) {
        rows->inside = rest;
        return give(rows, entry.suffix, entry.suffix_length, entry.sequence);
    }
    if (length > STORE_SUFFIX_MAX - PREFIX)
        return ERR_CORRUPT;
    enum err err = give(rows, suffix, length, trees_get_number(rows->value.mv_data, 8));
    return err ? err : heed_cursor(rows, mdb_cursor_get(rows->cursor, &rows->key, &rows->value, MDB_NEXT));
}
