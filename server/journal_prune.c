#include "server/journal_prune.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/log.h"

/* A transaction stays short, whatever the document's length. */
enum { PIECES_AT_ONCE = 64 };

static const char meta_key[] = "pruned";

/* *left: whether there are more. */
static enum err delete_some(struct journal_trees *trees, MDB_txn *txn, uint64_t upload, bool *left)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_PIECE], &cursor);
    if (code)
        return journal_trees_error("prune", code);
    uint8_t first[12];
    journal_key_piece(upload, 0, first);
    *left = true;
    for (int i = 0; !code && i < PIECES_AT_ONCE; i++) {
        MDB_val key = journal_val(first, sizeof first), value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        *left = !code && journal_key_read_u64(key.mv_data) == upload;
        if (!*left)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("prune", code) : ERR_OK;
}

enum err journal_prune_apply(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                             struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    uint8_t number[8];
    bool left = false;
    journal_key_u64(op->number, number);
    MDB_val key = journal_val(number, sizeof number);
    enum err err = journal_trees_get_message(trees, txn, TREE_CAPTURE, key,
                                             &epcis__store__v1__capture_record__descriptor, scratch, &record);
    if (err || !journal_capture_is_final(record))
        return err;
    err = delete_some(trees, txn, record->upload, &left);
    if (!err && !record->pruned_ms) {
        record->pruned_ms = op->pruned_ms;
        err = journal_trees_put_message(trees, txn, TREE_CAPTURE, key, &record->base);
    }
    if (!err && !left)
        err = journal_trees_put(trees, txn, TREE_META, journal_val(meta_key, sizeof meta_key - 1), key, 0);
    return err ? err : journal_news_prune(trees, txn, op->before_ms, scratch);
}

/* ---- when it may be --------------------------------------------------------------------------------- */

enum err journal_prune_open(const char *dir, int *out)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/prune.lock", dir);
    *out = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (*out >= 0)
        return ERR_OK;
    log_error("prune_lock", "path=\"%s\" detail=\"%s\"", path, strerror(errno));
    return ERR_DISK;
}

enum err journal_prune_hold(const char *dir, int *out)
{
    enum err err = journal_prune_open(dir, out);
    while (!err && flock(*out, LOCK_SH))
        if (errno != EINTR)
            err = ERR_DISK;
    return err;
}

bool journal_prune_may(int file)
{
    return flock(file, LOCK_EX | LOCK_NB) == 0;
}

void journal_prune_done(int file)
{
    flock(file, LOCK_UN);
}

enum err journal_pruned(struct journal *journal, uint64_t *number)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_val key = journal_val(meta_key, sizeof meta_key - 1), value;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    code = mdb_get(txn, trees->dbi[TREE_META], &key, &value);
    *number = !code && value.mv_size == 8 ? journal_key_read_u64(value.mv_data) : 0;
    mdb_txn_abort(txn);
    return code && code != MDB_NOTFOUND ? journal_trees_error("read", code) : ERR_OK;
}
