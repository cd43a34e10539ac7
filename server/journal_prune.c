#include "server/journal_prune.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/log.h"

/* A transaction stays short, whatever the document's length, and however many are gone. */
enum { PIECES_AT_ONCE = 64, DOCUMENTS_AT_ONCE = 256 };

static const char meta_key[] = "pruned";

/* Whether a document has pieces: the last one goes last. */
static enum err look_for_pieces(const struct journal_trees *trees, MDB_txn *txn,
                                const Epcis__Store__V1__CaptureRecord *record, bool *left)
{
    uint8_t last[12];
    MDB_val value;
    *left = false;
    if (record->pieces == 0)
        return ERR_OK;
    journal_key_piece(record->upload, record->pieces - 1, last);
    MDB_val key = journal_val(last, sizeof last);
    int code = mdb_get(txn, trees->dbi[TREE_PIECE], &key, &value);
    *left = !code;
    return code && code != MDB_NOTFOUND ? journal_trees_error("prune", code) : ERR_OK;
}

static enum err read_pruned(const struct journal_trees *trees, MDB_txn *txn, uint64_t *number)
{
    MDB_val key = journal_val(meta_key, sizeof meta_key - 1), value;
    int code = mdb_get(txn, trees->dbi[TREE_META], &key, &value);
    *number = !code && value.mv_size == 8 ? journal_key_read_u64(value.mv_data) : 0;
    return code && code != MDB_NOTFOUND ? journal_trees_error("read", code) : ERR_OK;
}

/* Goes on past documents that have no pieces left: some may have gone before one that stood in front. */
static enum err move_pruned(struct journal_trees *trees, MDB_txn *txn, struct arena *scratch)
{
    uint64_t through;
    uint8_t number[8];
    bool kept = false;
    enum err err = read_pruned(trees, txn, &through);
    for (int i = 0; !err && i < DOCUMENTS_AT_ONCE; i++) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        arena_reset(scratch);
        err = journal_capture_get(trees, txn, through + 1, scratch, &record);
        if (!err)
            err = look_for_pieces(trees, txn, record, &kept);
        if (err || kept || !journal_capture_is_final(record))
            break;
        through++;
    }
    if (err && err != ERR_NOT_FOUND)
        return err;
    journal_key_u64(through, number);
    return journal_trees_put(trees, txn, TREE_META, journal_val(meta_key, sizeof meta_key - 1),
                             journal_val(number, sizeof number), 0);
}

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
    bool left = false;
    enum err err = journal_capture_get(trees, txn, op->number, scratch, &record);
    if (err || !journal_capture_is_final(record))
        return err;
    err = delete_some(trees, txn, record->upload, &left);
    if (!err && !record->pruned_ms) {
        record->pruned_ms = op->pruned_ms;
        err = journal_capture_put(trees, txn, op->number, record);
    }
    if (!err && !left)
        err = move_pruned(trees, txn, scratch);
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

/* ---- what there is to do ---------------------------------------------------------------------------- */

enum err journal_pruned(struct journal *journal, uint64_t *number)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    enum err err = read_pruned(trees, txn, number);
    mdb_txn_abort(txn);
    return err;
}

enum err journal_prune_left(struct journal *journal, const Epcis__Store__V1__CaptureRecord *record,
                            bool *left)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    enum err err = look_for_pieces(trees, txn, record, left);
    mdb_txn_abort(txn);
    return err;
}

enum err journal_prune_unfinished(struct journal *journal, uint64_t through, uint64_t *count)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    *count = 0;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    code = mdb_cursor_open(txn, trees->dbi[TREE_UNFINISHED], &cursor);
    if (!code) {
        while (!(code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) &&
               journal_key_read_u64(key.mv_data) <= through)
            ++*count;
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return code && code != MDB_NOTFOUND ? journal_trees_error("read", code) : ERR_OK;
}
