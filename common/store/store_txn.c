#include "common/store/store_txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/store/trees.h"

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

/* While a reader is known that was killed, no page that it could see is used again, and the store grows with
 * every write. */
static void drop_dead_readers(struct store *store)
{
    enum { LOOK_MS = 1000 };
    int64_t now_ms = clock_steady_ms();
    int dead = 0;
    if (now_ms - store->readers_looked_ms < LOOK_MS)
        return;
    store->readers_looked_ms = now_ms;
    if (!mdb_reader_check(store->env, &dead) && dead > 0)
        log_warning("readers_dropped", "count=%d detail=\"a process ended while it read the store\"", dead);
}

enum err store_begin(struct store *store, struct store_txn **out)
{
    drop_dead_readers(store);
    struct store_txn *txn = calloc(1, sizeof *txn);
    *out = NULL;
    if (!txn)
        return ERR_MEMORY;
    txn->store = store;
    int rc = fault_hit(FAULT_STORE_BEGIN) ? EIO : mdb_txn_begin(store->env, NULL, 0, &txn->mdb);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_ITEM], &txn->items);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_EVENT], &txn->events);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_EVENT_ID], &txn->event_ids);
    if (!rc)
        rc = mdb_cursor_open(txn->mdb, store->trees[TREE_WARNING], &txn->warnings);
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
    int rc = EIO;
    if (fault_hit(FAULT_STORE_COMMIT))
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

static enum err read_position(const struct store *store, MDB_txn *mdb, uint32_t partition,
                              struct store_position *out)
{
    uint8_t bytes[4];
    trees_put_number(bytes, partition, sizeof bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(mdb, store->trees[TREE_PARTITION], &key, &value);
    *out = (struct store_position){0};
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    if (value.mv_size != 8 + DIGEST_BYTES)
        return ERR_CORRUPT;
    out->sequence = trees_get_number(value.mv_data, 8);
    memcpy(out->batch_id, (const uint8_t *)value.mv_data + 8, DIGEST_BYTES);
    return ERR_OK;
}

enum err store_position_get(struct store_txn *txn, uint32_t partition, struct store_position *out)
{
    return read_position(txn->store, txn->mdb, partition, out);
}

enum err store_positions(struct store *store, uint32_t count, struct store_position *out)
{
    MDB_txn *mdb;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &mdb);
    enum err err = trees_error(rc);
    for (uint32_t i = 0; !err && i < count; i++)
        err = read_position(store, mdb, i, &out[i]);
    if (!rc)
        mdb_txn_abort(mdb);
    return err;
}

static enum err read_batch(const struct store *store, MDB_txn *mdb, uint32_t partition, uint64_t sequence,
                           struct arena *arena, Epcis__Store__V1__BatchResultRecord **out)
{
    uint8_t bytes[BATCH_KEY_BYTES];
    trees_batch_key(partition, sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(mdb, store->trees[TREE_BATCH], &key, &value);
    if (rc)
        return trees_error(rc);
    *out = epcis__store__v1__batch_result_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!*out || !(*out)->acknowledgment || (*out)->batch_id.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    return ERR_OK;
}

enum err store_batch_get(struct store_txn *txn, uint32_t partition, uint64_t sequence, struct arena *arena,
                         Epcis__Store__V1__BatchResultRecord **out)
{
    return read_batch(txn->store, txn->mdb, partition, sequence, arena, out);
}

enum err store_batch_read(struct store *store, uint32_t partition, uint64_t sequence, struct arena *arena,
                          Epcis__Store__V1__BatchResultRecord **out)
{
    MDB_txn *mdb;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &mdb);
    if (rc)
        return trees_error(rc);
    enum err err = read_batch(store, mdb, partition, sequence, arena, out);
    mdb_txn_abort(mdb);
    return err;
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
                         Epcis__Store__V1__BatchResultRecord *record)
{
    uint8_t bytes[BATCH_KEY_BYTES], position[8 + DIGEST_BYTES];
    trees_batch_key(partition, sequence, bytes);
    MDB_val key = {sizeof bytes, bytes}, value = {sizeof position, position};
    MDB_stat stat;
    int rc = mdb_stat(txn->mdb, txn->store->trees[TREE_BATCH], &stat);
    record->number = rc ? 0 : stat.ms_entries + 1; /* none is ever removed */
    if (!rc)
        rc = put_message(txn, TREE_BATCH, &key, &record->base, 0);
    if (rc)
        return trees_error(rc);
    key.mv_size = 4; /* the partition stands first */
    trees_put_number(position, sequence, 8);
    memcpy(position + 8, record->batch_id.data, DIGEST_BYTES);
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_PARTITION], &key, &value, 0));
}

/* ---- lots ---- */

enum err store_lot_get(struct store_txn *txn, uint64_t gtin, struct store_text lot, struct store_lot *out)
{
    uint8_t bytes[LOT_KEY_MAX];
    MDB_val key = trees_lot_key(gtin, lot, bytes), value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_LOT], &key, &value);
    if (rc)
        return trees_error(rc);
    if (value.mv_size != 4 + 8)
        return ERR_CORRUPT;
    out->expiry = (uint32_t)trees_get_number(value.mv_data, 4);
    out->events = trees_get_number((const uint8_t *)value.mv_data + 4, 8);
    return ERR_OK;
}

enum err store_lot_put(struct store_txn *txn, uint64_t gtin, struct store_text lot,
                       const struct store_lot *value)
{
    uint8_t bytes[LOT_KEY_MAX], numbers[4 + 8];
    MDB_val key = trees_lot_key(gtin, lot, bytes), data = {sizeof numbers, numbers};
    if (value->events == 0) {
        int rc = mdb_del(txn->mdb, txn->store->trees[TREE_LOT], &key, NULL);
        return rc == MDB_NOTFOUND ? ERR_OK : trees_error(rc);
    }
    trees_put_number(trees_put_number(numbers, value->expiry, 4), value->events, 8);
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_LOT], &key, &data, 0));
}

/* A key that is all there is to say. */
static enum err put_key(struct store_txn *txn, enum tree tree, MDB_val key)
{
    MDB_val nothing = {0, ""};
    return trees_error(mdb_put(txn->mdb, txn->store->trees[tree], &key, &nothing, 0));
}

enum err store_lot_event_put(struct store_txn *txn, uint64_t gtin, struct store_text lot, uint64_t sequence)
{
    uint8_t bytes[LOT_KEY_MAX + 1 + SEQUENCE_BYTES];
    size_t length = trees_lot_key(gtin, lot, bytes).mv_size;
    bytes[length] = 0;
    trees_put_number(bytes + length + 1, sequence, SEQUENCE_BYTES);
    return put_key(txn, TREE_LOT_EVENT, (MDB_val){length + 1 + SEQUENCE_BYTES, bytes});
}

/* ---- event ids and error declarations ---- */

enum err store_event_ids_load(struct store_txn *txn, struct store_event_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MDB_val key = {sizeof ids[i].key, ids[i].key}, value;
        int rc = mdb_cursor_get(txn->event_ids, &key, &value, MDB_SET);
        if (rc == MDB_NOTFOUND)
            continue;
        if (rc || value.mv_size != 8)
            return rc ? trees_error(rc) : ERR_CORRUPT;
        ids[i].sequence = trees_get_number(value.mv_data, 8);
    }
    return ERR_OK;
}

enum err store_event_ids_write(struct store_txn *txn, const struct store_event_id *ids, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        uint8_t bytes[8];
        trees_put_number(bytes, ids[i].sequence, sizeof bytes);
        MDB_val key = {sizeof ids[i].key, (void *)ids[i].key}, value = {sizeof bytes, bytes};
        rc = ids[i].fresh ? mdb_cursor_put(txn->event_ids, &key, &value, 0) : 0;
    }
    return trees_error(rc);
}

enum err store_declared_put(struct store_txn *txn, uint64_t wrong, uint64_t declaration)
{
    uint8_t bytes[8], number[8];
    trees_put_number(bytes, wrong, sizeof bytes);
    trees_put_number(number, declaration, sizeof number);
    MDB_val key = {sizeof bytes, bytes}, value = {sizeof number, number};
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_DECLARED], &key, &value, 0));
}

enum err store_declared_get(struct store_txn *txn, uint64_t wrong, uint64_t *declaration)
{
    uint8_t bytes[8];
    trees_put_number(bytes, wrong, sizeof bytes);
    MDB_val key = {sizeof bytes, bytes}, value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_DECLARED], &key, &value);
    if (rc || value.mv_size != 8)
        return rc ? trees_error(rc) : ERR_CORRUPT;
    *declaration = trees_get_number(value.mv_data, 8);
    return ERR_OK;
}

/* ---- events, warnings and dead letters ---- */

uint64_t store_next_sequence(const struct store_txn *txn)
{
    return txn->next_sequence;
}

enum err store_event_append(struct store_txn *txn, const struct store_event *event)
{
    uint8_t place[PLACE_KEY_BYTES];
    MDB_val key = {sizeof txn->next_sequence, &txn->next_sequence}, value = {trees_event_size(event), NULL};
    int rc = mdb_cursor_put(txn->events, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return trees_error(rc);
    trees_event_encode(event, value.mv_data);
    uint64_t sequence = txn->next_sequence++;
    if (event->place == 0)
        return ERR_OK;
    uint8_t *end = trees_put_time(trees_put_number(place, event->place, 6), event->time_us);
    trees_put_number(end, sequence, SEQUENCE_BYTES);
    return put_key(txn, TREE_PLACE, (MDB_val){sizeof place, place});
}

enum err store_event_find(struct store_txn *txn, uint64_t sequence, struct store_kept_event *out)
{
    MDB_val key = {sizeof sequence, &sequence}, value;
    int rc = mdb_get(txn->mdb, txn->store->trees[TREE_EVENT], &key, &value);
    if (rc)
        return trees_error(rc);
    struct event_head head;
    enum err err = trees_event_decode(value.mv_data, value.mv_size, &head);
    if (!err)
        *out = (struct store_kept_event){head.content_hash, head.capture_id, head.packed, head.packed_bytes};
    return err;
}

enum err store_capture_put(struct store_txn *txn, const uint8_t capture_id[UUID_BYTES], uint64_t first,
                           uint32_t count)
{
    uint8_t bytes[UUID_BYTES + SEQUENCE_BYTES], number[4];
    memcpy(bytes, capture_id, UUID_BYTES);
    trees_put_number(bytes + UUID_BYTES, first, SEQUENCE_BYTES);
    trees_put_number(number, count, sizeof number);
    MDB_val key = {sizeof bytes, bytes}, value = {sizeof number, number};
    return trees_error(mdb_put(txn->mdb, txn->store->trees[TREE_CAPTURE], &key, &value, 0));
}

enum err store_warning_put(struct store_txn *txn, uint64_t sequence,
                           const Epcis__Store__V1__WarningRecord *record)
{
    MDB_val key = {sizeof sequence, &sequence};
    MDB_val value = {protobuf_c_message_get_packed_size(&record->base), NULL};
    int rc = mdb_cursor_put(txn->warnings, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (!rc)
        protobuf_c_message_pack(&record->base, value.mv_data);
    return trees_error(rc);
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
