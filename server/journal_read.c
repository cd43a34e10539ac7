/* The journal's records, read on any thread: each in a transaction of its own. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zstd.h>

#include "common/base/log.h"
#include "server/journal_trees.h"

enum err journal_capture(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__Store__V1__CaptureRecord **out)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_read(journal_trees_of(journal), TREE_CAPTURE, key, sizeof key,
                              &epcis__store__v1__capture_record__descriptor, arena, out);
}

/* The value of one record, read in a transaction of its own, given to `use`. */
static enum err read_value(const struct journal *journal, enum journal_tree tree, const void *key,
                           size_t key_bytes, enum err (*use)(void *context, MDB_val value), void *context)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(journal_trees_of(journal)->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    MDB_val key_val = {key_bytes, (void *)(uintptr_t)key}, value;
    code = mdb_get(txn, journal_trees_of(journal)->dbi[tree], &key_val, &value);
    enum err err = code ? journal_trees_error("read", code) : use(context, value);
    mdb_txn_abort(txn);
    return err;
}

static enum err use_number(void *context, MDB_val value)
{
    if (value.mv_size != 8)
        return ERR_CORRUPT;
    *(uint64_t *)context = journal_key_read_u64(value.mv_data);
    return ERR_OK;
}

enum err journal_capture_number(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                                uint64_t *number)
{
    return read_value(journal, TREE_CAPTURE_ID, capture_id, UUID_BYTES, use_number, number);
}

enum err journal_capture_by_id(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                               struct arena *arena, Epcis__Store__V1__CaptureRecord **out)
{
    uint64_t number = 0;
    enum err err = journal_capture_number(journal, capture_id, &number);
    return err ? err : journal_capture(journal, number, arena, out);
}

/* The map's pages count as ours from when they are read: what is done with is let go of, or a document of
 * gigabytes would look as if it were in memory. The page cache keeps it. So with all pages that the value is
 * in, whatever else is in them. */
static void let_go(MDB_val value)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)value.mv_data / page * page;
    uintptr_t end = (uintptr_t)value.mv_data + value.mv_size;
    madvise((void *)start, end - start, MADV_DONTNEED); /* to the end of the last page */
}

static enum err use_compressed(void *context, MDB_val value)
{
    struct buffer *out = context;
    uint8_t *room = buffer_reserve(out, JOURNAL_PIECE_BYTES);
    if (!room)
        return ERR_MEMORY;
    size_t bytes = ZSTD_decompress(room, JOURNAL_PIECE_BYTES, value.mv_data, value.mv_size);
    let_go(value);
    if (ZSTD_isError(bytes)) {
        log_error("journal_piece_unreadable", "detail=\"%s\"", ZSTD_getErrorName(bytes));
        return ERR_CORRUPT;
    }
    out->length += bytes;
    return ERR_OK;
}

enum err journal_upload_by_key(struct journal *journal, const uint8_t *key, size_t key_bytes,
                               struct arena *arena, Epcis__Store__V1__UploadRecord **out)
{
    uint64_t upload = 0;
    uint8_t number[8];
    enum err err = read_value(journal, TREE_UPLOAD_KEY, key, key_bytes, use_number, &upload);
    if (err)
        return err;
    journal_key_u64(upload, number);
    err = journal_trees_read(journal_trees_of(journal), TREE_UPLOAD, number, sizeof number,
                             &epcis__store__v1__upload_record__descriptor, arena, out);
    if (err || !(*out)->document_number)
        return err;
    Epcis__Store__V1__CaptureRecord *document = NULL;
    err = journal_capture(journal, (*out)->document_number, arena, &document);
    if (!err && document->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED)
        err = ERR_NOT_FOUND; /* to be sent anew */
    return err;
}

enum err journal_piece(struct journal *journal, uint64_t upload, uint32_t piece, struct buffer *out)
{
    uint8_t key[12];
    journal_key_piece(upload, piece, key);
    return read_value(journal, TREE_PIECE, key, sizeof key, use_compressed, out);
}

enum err journal_next_unfinished(struct journal *journal, uint64_t *number)
{
    MDB_txn *txn;
    MDB_cursor *cursor = NULL;
    int code = mdb_txn_begin(journal_trees_of(journal)->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    uint8_t first[8];
    journal_key_u64(*number + 1, first);
    MDB_val key = {sizeof first, first}, value;
    code = mdb_cursor_open(txn, journal_trees_of(journal)->dbi[TREE_UNFINISHED], &cursor);
    if (!code)
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!code)
        *number = journal_key_read_u64(key.mv_data);
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return code ? journal_trees_error("read", code) : ERR_OK;
}

enum err journal_partition(struct journal *journal, uint32_t partition, struct arena *arena,
                           Epcis__Store__V1__PartitionRecord **out)
{
    uint8_t key[12];
    journal_key_pair(partition, 0, key); /* its first four bytes are the partition */
    return journal_trees_read(journal_trees_of(journal), TREE_PARTITION, key, 4,
                              &epcis__store__v1__partition_record__descriptor, arena, out);
}

enum err journal_batch(struct journal *journal, uint32_t partition, uint64_t sequence, struct arena *arena,
                       Epcis__Store__V1__BatchRecord **out)
{
    uint8_t key[12];
    journal_key_pair(partition, sequence, key);
    return journal_trees_read(journal_trees_of(journal), TREE_BATCH, key, sizeof key,
                              &epcis__store__v1__batch_record__descriptor, arena, out);
}
