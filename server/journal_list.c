#include "server/journal_list.h"

#include "server/journal_trees.h"

enum err journal_list_previous(const struct journal *journal, uint64_t *number)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_cursor *cursor = NULL;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    uint8_t from[8];
    journal_key_u64(*number, from);
    MDB_val key = journal_val(from, sizeof from), value;
    code = mdb_cursor_open(txn, trees->dbi[TREE_CAPTURE], &cursor);
    if (!code && *number)
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!code)
        code = mdb_cursor_get(cursor, &key, &value, *number ? MDB_PREV : MDB_LAST);
    else if (cursor && code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (!code)
        *number = journal_key_read_u64(key.mv_data);
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return code ? journal_trees_error("read", code) : ERR_OK;
}
