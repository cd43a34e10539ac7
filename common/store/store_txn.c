#include "common/store/store_txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/store/trees.h"

struct store_txn {
    struct store *store;
    MDB_txn *mdb;
    MDB_cursor *items;
    MDB_cursor *events;
    uint64_t next_sequence;
    uint64_t next_dead_letter;
};

MDB_txn *trees_txn(const struct store_txn *txn, struct store **store)
{
    *store = txn->store;
    return txn->mdb;
}

/* The number after the last one of a tree that is keyed by numbers from 1. */
static int next_number(struct store_txn *txn, enum tree tree, uint64_t *out)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->mdb, txn->store->trees[tree], &cursor);
    if (rc)
        return rc;
    MDB_val key, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    *out = 1;
    if (!rc) {
        memcpy(out, key.mv_data, sizeof *out);
        *out += 1;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err store_begin(struct store *store, struct store_txn **out)
{
    struct store_txn *txn = calloc(1, sizeof *txn);
    *out = NULL;
    if (!txn)
        return ERR_MEMORY;
    txn->store = store;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn->mdb);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_ITEM], &txn->items);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_EVENT], &txn->events);
    if (!rc)
        rc = next_number(txn, TREE_EVENT, &txn->next_sequence);
    if (!rc)
        rc = next_number(txn, TREE_DEAD_LETTER, &txn->next_dead_letter);
    if (rc) {
        log_error("store_begin", "detail=\"%s\"", mdb_strerror(rc));
        store_abort(&txn);
        return trees_error(rc);
    }
    *out = txn;
    return ERR_OK;
}

enum err store_commit(struct store_txn **txn)
{
    struct store_txn *self = *txn;
    int rc = ENOSPC;
    if (fault_hit("store.commit"))
        mdb_txn_abort(self->mdb);
    else
        rc = mdb_txn_commit(self->mdb); /* closes the cursors, whatever it answers */
    if (rc)
        log_error("store_commit", "detail=\"%s\"", mdb_strerror(rc));
    free(self);
    *txn = NULL;
    return trees_error(rc);
}

void store_abort(struct store_txn **txn)
{
    if (!*txn)
        return;
    if ((*txn)->mdb)
        mdb_txn_abort((*txn)->mdb);
    free(*txn);
    *txn = NULL;
}

/* ---- partitions and batches ---- */

enum err store_position_get(struct store_txn *txn, uint32_t partition, struct store_position *out)
{
    uint8_t bytes[4];
    trees_put_number(bytes, partition, sizeof bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_PARTITION], &key, &value);
    *out = (struct store_position){0};
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (value.mv_size != 8 + DIGEST_BYTES)
        return ERR_CORRUPT;
    out->sequence = trees_get_number(value.mv_data, 8);
    memcpy(out->batch_id, (const uint8_t *)value.mv_data + 8, DIGEST_BYTES);
    return ERR_OK;
}

enum err store_batch_get(struct store_txn *txn, uint32_t partition, uint64_t sequence, struct arena *arena,
                         Epcis__Store__V1__BatchResultRecord **out)
{
    uint8_t bytes[BATCH_KEY_BYTES];
    trees_batch_key(partition, sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_BATCH], &key, &value);
    if (rc)
        return trees_error(rc);
    *out = epcis__store__v1__batch_result_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!*out || !(*out)->acknowledgment || (*out)->batch_id.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    return ERR_OK;
}

/* Packs a message straight into the tree's page. */
static int put_message(struct store_txn *txn, enum tree tree, MDB_val *key, const ProtobufCMessage *message,
                       unsigned flags)
{
    MDB_val value = {protobuf_c_message_get_packed_size(message), NULL};
    int rc = mdb_put(txn->mdb, txn->store->trees[tree], key, &value, flags | MDB_RESERVE);
    if (!rc)
        protobuf_c_message_pack(message, value.mv_data);
    return rc;
}

enum err store_batch_put(struct store_txn *txn, uint32_t partition, uint64_t sequence,
                         const Epcis__Store__V1__BatchResultRecord *record)
{
    uint8_t bytes[BATCH_KEY_BYTES], position[8 + DIGEST_BYTES];
    trees_batch_key(partition, sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value = {sizeof position, position};
    int rc = put_message(txn, TREE_BATCH, &key, &record->base, 0);
    if (rc)
        return trees_error(rc);
    key.mv_size = 4; /* the partition stands first */
    trees_put_number(position, sequence, 8);
    memcpy(position + 8, record->batch_id.data, DIGEST_BYTES);
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_PARTITION], &key, &value, 0));
}

/* ---- items ---- */

static enum err load_state(struct store_txn *txn, struct store_item *item, struct arena *arena)
{
    uint8_t bytes[STORE_ROW_KEY_MAX];
    MDB_val key = {trees_state_key(item->key, item->key_length, bytes), bytes}, value;
    int rc = mdb_cursor_get(txn->items, &key, &value, MDB_SET);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    /* LMDB's own memory moves when the pages around it are written. */
    const char *copy = arena_copy(arena, value.mv_data, value.mv_size);
    return copy ? trees_state_decode((const uint8_t *)copy, value.mv_size, item) : ERR_LIMIT;
}

static enum err load_row(struct store_txn *txn, const struct store_item *item, struct store_row *row)
{
    /* Most rows are new: the item is, or the event follows all that is known of it. */
    if (!item->stateless && (!item->known || trees_row_time(row->key + item->key_length) > item->latest_us))
        return ERR_OK;
    MDB_val key = {row->key_length, (void *)row->key}, value;
    int rc = mdb_cursor_get(txn->items, &key, &value, MDB_SET);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (value.mv_size != sizeof row->sequence)
        return ERR_CORRUPT;
    row->sequence = trees_get_number(value.mv_data, 8);
    return row->sequence ? ERR_OK : ERR_CORRUPT;
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

static int write_row(struct store_txn *txn, const struct store_row *row)
{
    uint8_t sequence[8];
    trees_put_number(sequence, row->sequence, sizeof sequence);
    MDB_val key = {row->key_length, (void *)row->key}, value = {sizeof sequence, sequence};
    return mdb_cursor_put(txn->items, &key, &value, MDB_NOOVERWRITE);
}

enum err store_write(struct store_txn *txn, const struct store_item *items, size_t item_count,
                     const struct store_row *rows, size_t row_count)
{
    size_t row = 0;
    for (size_t i = 0; i < item_count; i++) {
        int rc = items[i].dirty ? write_state(txn, &items[i]) : 0;
        for (; !rc && row < row_count && rows[row].item == i; row++)
            rc = rows[row].fresh ? write_row(txn, &rows[row]) : 0;
        if (rc)
            return trees_error(rc);
    }
    return ERR_OK;
}

static MDB_val lot_key(uint64_t gtin, struct store_text lot, uint8_t out[LOT_KEY_MAX])
{
    trees_put_number(out, gtin, 6);
    size_t length = lot.length < LOT_KEY_MAX - 6 ? lot.length : LOT_KEY_MAX - 6;
    memcpy(out + 6, lot.data, length);
    return (MDB_val){6 + length, out};
}

enum err store_lot_get(struct store_txn *txn, uint64_t gtin, struct store_text lot, uint32_t *expiry)
{
    uint8_t bytes[LOT_KEY_MAX];
    MDB_val key = lot_key(gtin, lot, bytes), value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_LOT], &key, &value);
    if (rc)
        return trees_error(rc);
    if (value.mv_size != 4)
        return ERR_CORRUPT;
    *expiry = (uint32_t)trees_get_number(value.mv_data, 4);
    return ERR_OK;
}

enum err store_lot_put(struct store_txn *txn, uint64_t gtin, struct store_text lot, uint32_t expiry)
{
    uint8_t bytes[LOT_KEY_MAX], number[4];
    trees_put_number(number, expiry, sizeof number);
    MDB_val key = lot_key(gtin, lot, bytes), value = {sizeof number, number};
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_LOT], &key, &value, 0));
}

/* ---- events, warnings and dead letters ---- */

uint64_t store_next_sequence(const struct store_txn *txn)
{
    return txn->next_sequence;
}

enum err store_event_append(struct store_txn *txn, const struct store_event *event)
{
    MDB_val key = {sizeof txn->next_sequence, &txn->next_sequence}, value = {trees_event_size(event), NULL};
    int rc = mdb_cursor_put(txn->events, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return trees_error(rc);
    trees_event_encode(event, value.mv_data);
    txn->next_sequence++;
    return ERR_OK;
}

enum err store_event_content(struct store_txn *txn, uint64_t sequence, uint8_t out[DIGEST_BYTES])
{
    MDB_val key = {sizeof sequence, &sequence}, value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_EVENT], &key, &value);
    if (rc)
        return trees_error(rc);
    struct event_head head;
    enum err err = trees_event_decode(value.mv_data, value.mv_size, &head);
    if (!err)
        memcpy(out, head.content_hash, DIGEST_BYTES);
    return err;
}

enum err store_warning_put(struct store_txn *txn, uint64_t sequence,
                           const Epcis__Store__V1__WarningRecord *record)
{
    MDB_val key = {sizeof sequence, &sequence};
    return trees_error(put_message(txn, TREE_WARNING, &key, &record->base, MDB_APPEND));
}

enum err store_dead_letter_append(struct store_txn *txn, const uint8_t capture_id[UUID_BYTES],
                                  const Epcis__Store__V1__DeadLetterRecord *record)
{
    uint64_t number = txn->next_dead_letter;
    MDB_val key = {sizeof number, &number};
    int rc = put_message(txn, TREE_DEAD_LETTER, &key, &record->base, MDB_APPEND);
    if (rc)
        return trees_error(rc);
    uint8_t bytes[UUID_BYTES + 8];
    memcpy(bytes, capture_id, UUID_BYTES);
    trees_put_number(bytes + UUID_BYTES, number, 8);
    MDB_val by_capture = {sizeof bytes, bytes}, nothing = {0, ""};
    rc = mdb_put(txn->mdb, txn->store->trees[TREE_DEAD_LETTER_CAPTURE], &by_capture, &nothing, 0);
    txn->next_dead_letter++;
    return trees_error(rc);
}
