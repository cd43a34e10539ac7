#include "server/journal_ledger.h"

#include <string.h>

#include "server/journal_trees.h"

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ---- how far all has come --------------------------------------------------------------------------- */

static enum err last_number(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                            uint64_t *out)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(txn, trees->dbi[tree], &cursor);
    if (code)
        return journal_trees_error("extent", code);
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    *out = code ? 0 : journal_key_read_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("extent", code) : ERR_OK;
}

static enum err read_partition(MDB_val key, MDB_val value, struct journal_extent *out)
{
    if (key.mv_size != sizeof(uint32_t) || read_u32(key.mv_data) >= PARTNER_PARTITIONS)
        return ERR_CORRUPT;
    Epcis__Store__V1__PartitionRecord *record =
        epcis__store__v1__partition_record__unpack(NULL, value.mv_size, value.mv_data);
    if (!record)
        return ERR_MEMORY;
    out->partitions[read_u32(key.mv_data)] =
        (struct journal_extent_partition){record->last_sequence, record->acknowledged_sequence};
    epcis__store__v1__partition_record__free_unpacked(record, NULL);
    return ERR_OK;
}

static enum err read_partitions(const struct journal_trees *trees, MDB_txn *txn, struct journal_extent *out)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    enum err err = ERR_OK;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_PARTITION], &cursor);
    if (code)
        return journal_trees_error("extent", code);
    while (!err && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        err = read_partition(key, value, out);
    mdb_cursor_close(cursor);
    return err || code == MDB_NOTFOUND ? err : journal_trees_error("extent", code);
}

enum err journal_extent_get(struct journal *journal, struct journal_extent *out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    memset(out, 0, sizeof *out);
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("extent", code);
    enum err err = last_number(trees, txn, TREE_CAPTURE, &out->last_document);
    if (!err)
        err = last_number(trees, txn, TREE_CHECKPOINT, &out->last_checkpoint);
    if (!err)
        err = read_partitions(trees, txn, out);
    mdb_txn_abort(txn);
    return err;
}

bool journal_extent_holds(const struct journal_extent *extent, const Epcis__Store__V1__CaptureRecord *record)
{
    uint64_t last_batch = record->first_batch ? record->first_batch + record->batches - 1 : 0;
    return journal_capture_is_final(record) && record->partition < PARTNER_PARTITIONS &&
           last_batch <= extent->partitions[record->partition].acknowledged_sequence;
}

/* ---- leaves ----------------------------------------------------------------------------------------- */

/* Begins *txn, which whoever called aborts, also after an error. */
static enum err leaves_find(struct journal *journal, uint32_t partition, uint64_t sequence, MDB_txn **txn,
                            MDB_val *out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    uint8_t key_bytes[12];
    journal_key_pair(partition, sequence, key_bytes);
    MDB_val key = {sizeof key_bytes, key_bytes};
    *txn = NULL;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, txn);
    if (!code)
        code = mdb_get(*txn, trees->dbi[TREE_LEAF], &key, out);
    if (code)
        return journal_trees_error("leaf", code);
    return out->mv_size % DIGEST_BYTES ? ERR_CORRUPT : ERR_OK;
}

static void leaves_end(MDB_txn *txn)
{
    if (txn)
        mdb_txn_abort(txn);
}

enum err journal_leaves(struct journal *journal, uint32_t partition, uint64_t sequence, size_t first,
                        size_t count, struct buffer *out)
{
    MDB_txn *txn;
    MDB_val value = {0};
    enum err err = leaves_find(journal, partition, sequence, &txn, &value);
    size_t total = err ? 0 : value.mv_size / DIGEST_BYTES;
    if (first < total) {
        count = count < total - first ? count : total - first;
        buffer_append(out, (const uint8_t *)value.mv_data + first * DIGEST_BYTES, count * DIGEST_BYTES);
    }
    leaves_end(txn);
    return !err && out->failed ? ERR_MEMORY : err;
}

enum err journal_leaf(struct journal *journal, uint32_t partition, uint64_t sequence, size_t index,
                      struct journal_leaf *out)
{
    MDB_txn *txn;
    MDB_val value = {0};
    enum err err = leaves_find(journal, partition, sequence, &txn, &value);
    if (!err) {
        const uint8_t(*leaves)[DIGEST_BYTES] = value.mv_data;
        out->count = value.mv_size / DIGEST_BYTES;
        if (index < out->count) {
            memcpy(out->digest, leaves[index], DIGEST_BYTES);
            out->path_length = merkle_path(leaves, out->count, index, out->path);
        } else {
            err = ERR_NOT_FOUND;
        }
    }
    leaves_end(txn);
    return err;
}
