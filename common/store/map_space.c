#include "common/store/map_space.h"

#include <string.h>

/* LMDB keeps the pages that each transaction freed in its first tree: a count, then their numbers. */
static int count_free(MDB_env *env, uint64_t *pages)
{
    enum { FREE_TREE = 0 };
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (code)
        return code;
    code = mdb_cursor_open(txn, FREE_TREE, &cursor);
    while (!code && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t count = 0;
        memcpy(&count, value.mv_data, sizeof count);
        *pages += count;
    }
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return code == MDB_NOTFOUND ? 0 : code;
}

enum err map_space_look(MDB_env *env, struct map_space *out)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(env, &info) || mdb_env_stat(env, &stat))
        return ERR_DISK;
    uint64_t pages = info.me_last_pgno + 1, free_pages = 0;
    *out = (struct map_space){.used_bytes = pages * stat.ms_psize, .max_bytes = info.me_mapsize};
    if (out->used_bytes < out->max_bytes / 2)
        return ERR_OK;
    if (count_free(env, &free_pages))
        return ERR_DISK;
    out->used_bytes = (free_pages < pages ? pages - free_pages : 0) * stat.ms_psize;
    return ERR_OK;
}
