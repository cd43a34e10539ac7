#include "server/journal_upload.h"

#include <string.h>

enum err journal_upload_pieces(struct journal_trees *trees, MDB_txn *txn, uint64_t upload, uint32_t *out)
{
    uint8_t key_bytes[8];
    journal_key_u64(upload, key_bytes);
    MDB_val key = journal_val(key_bytes, sizeof key_bytes), value;
    int code = mdb_get(txn, trees->dbi[TREE_UPLOAD], &key, &value);
    if (code == MDB_NOTFOUND) {
        *out = 0;
        return ERR_OK;
    }
    if (code)
        return journal_trees_error("upload", code);
    if (value.mv_size != sizeof *out)
        return ERR_CORRUPT;
    memcpy(out, value.mv_data, sizeof *out);
    return ERR_OK;
}

enum err journal_upload_piece(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op)
{
    uint32_t pieces = 0;
    enum err err = journal_upload_pieces(trees, txn, op->upload, &pieces);
    if (err)
        return err;
    uint8_t piece_key[12], upload_key[8];
    journal_key_piece(op->upload, op->piece, piece_key);
    journal_key_u64(op->upload, upload_key);
    err = journal_trees_put(trees, txn, TREE_PIECE, journal_val(piece_key, sizeof piece_key),
                            journal_val(op->data.data, op->data.length), 0);
    pieces++;
    if (!err)
        err = journal_trees_put(trees, txn, TREE_UPLOAD, journal_val(upload_key, sizeof upload_key),
                                journal_val(&pieces, sizeof pieces), 0);
    return err;
}

/* Removes an upload's pieces, however many there are: some may never have been written. */
static enum err delete_pieces(struct journal_trees *trees, MDB_txn *txn, uint64_t upload)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_PIECE], &cursor);
    if (code)
        return journal_trees_error("discard", code);
    uint8_t first[12];
    journal_key_piece(upload, 0, first);
    while (!code) {
        MDB_val key = journal_val(first, sizeof first), value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code || journal_key_read_u64(key.mv_data) != upload)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("discard", code) : ERR_OK;
}

enum err journal_upload_discard(struct journal_trees *trees, MDB_txn *txn, uint64_t upload)
{
    uint8_t key[8];
    journal_key_u64(upload, key);
    enum err err = delete_pieces(trees, txn, upload);
    return err ? err : journal_trees_delete(trees, txn, TREE_UPLOAD, journal_val(key, sizeof key));
}

enum err journal_upload_discard_all(struct journal_trees *trees, MDB_txn *txn)
{
    for (;;) {
        MDB_cursor *cursor;
        MDB_val key, value;
        int code = mdb_cursor_open(txn, trees->dbi[TREE_UPLOAD], &cursor);
        if (code)
            return journal_trees_error("open", code);
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        uint64_t upload = code ? 0 : journal_key_read_u64(key.mv_data);
        mdb_cursor_close(cursor);
        if (code == MDB_NOTFOUND)
            return ERR_OK;
        enum err err = code ? journal_trees_error("open", code) : journal_upload_discard(trees, txn, upload);
        if (err)
            return err;
    }
}
