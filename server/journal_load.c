#include "server/journal_load.h"

#include <string.h>

#include "common/store/map_space.h"
#include "server/journal_trees.h"

enum { RECORD_BYTES = 256 << 10 };

static enum err count_unfinished(const struct journal_trees *trees, uint64_t *out)
{
    MDB_txn *txn;
    MDB_stat stat;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    code = mdb_stat(txn, trees->dbi[TREE_UNFINISHED], &stat);
    mdb_txn_abort(txn);
    *out = code ? 0 : stat.ms_entries;
    return code ? journal_trees_error("read", code) : ERR_OK;
}

/* 0 where it was finished meanwhile: the next look finds the one after it. */
static enum err oldest_received(struct journal *journal, int64_t *out)
{
    struct arena arena;
    uint64_t number = 0;
    Epcis__Store__V1__CaptureRecord *record = NULL;
    *out = 0;
    arena_init(&arena, RECORD_BYTES);
    enum err err = journal_next_unfinished(journal, &number);
    if (!err)
        err = journal_capture(journal, number, &arena, &record);
    if (!err)
        *out = record->received_ms;
    arena_free(&arena);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err journal_load_look(struct journal *journal, struct journal_load *out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    struct map_space space = {0};
    *out = (struct journal_load){.bytes = journal_unfinished_bytes(journal)};
    enum err err = map_space_look(trees->env, &space);
    if (!err)
        err = count_unfinished(trees, &out->documents);
    if (!err)
        err = oldest_received(journal, &out->oldest_received_ms);
    out->used_bytes = space.used_bytes;
    out->max_bytes = space.max_bytes;
    return err;
}

/* Documents that name nobody have a key, too, which is no GLN. */
static MDB_val load_key(const char *gln)
{
    return *gln ? journal_val(gln, strlen(gln)) : journal_val("-", 1);
}

enum err journal_load_get(const struct journal_trees *trees, MDB_txn *txn, const char *gln,
                          struct journal_burden *out)
{
    MDB_val key = load_key(gln), value;
    int code = mdb_get(txn, trees->dbi[TREE_LOAD], &key, &value);
    *out = (struct journal_burden){0};
    if (code == MDB_NOTFOUND)
        return ERR_OK;
    if (code)
        return journal_trees_error("load", code);
    if (value.mv_size != sizeof *out)
        return ERR_CORRUPT;
    memcpy(out, value.mv_data, sizeof *out);
    return ERR_OK;
}

static enum err load_put(struct journal_trees *trees, MDB_txn *txn, const char *gln,
                         const struct journal_burden *burden)
{
    MDB_val key = load_key(gln);
    return burden->documents || burden->uploads
               ? journal_trees_put(trees, txn, TREE_LOAD, key, journal_val(burden, sizeof *burden), 0)
               : journal_trees_delete(trees, txn, TREE_LOAD, key);
}

enum err journal_load_add(struct journal_trees *trees, MDB_txn *txn, const char *gln, uint64_t document_bytes)
{
    struct journal_burden burden;
    enum err err = journal_load_get(trees, txn, gln, &burden);
    burden.documents++;
    burden.bytes += document_bytes;
    return err ? err : load_put(trees, txn, gln, &burden);
}

enum err journal_load_remove(struct journal_trees *trees, MDB_txn *txn, const char *gln,
                             uint64_t document_bytes)
{
    struct journal_burden burden;
    enum err err = journal_load_get(trees, txn, gln, &burden);
    burden.documents--;
    burden.bytes -= document_bytes;
    return err ? err : load_put(trees, txn, gln, &burden);
}

enum err journal_load_uploads(struct journal_trees *trees, MDB_txn *txn, const char *gln, int change)
{
    struct journal_burden burden;
    enum err err = journal_load_get(trees, txn, gln, &burden);
    burden.uploads += (uint64_t)change;
    return err ? err : load_put(trees, txn, gln, &burden);
}

enum err journal_load_of(struct journal *journal, char *const *glns, size_t count, struct journal_burden *out,
                         uint64_t *all_documents)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_stat stat = {0};
    *out = (struct journal_burden){0};
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    code = mdb_stat(txn, trees->dbi[TREE_UNFINISHED], &stat);
    enum err err = code ? journal_trees_error("read", code) : ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct journal_burden burden;
        err = journal_load_get(trees, txn, glns[i], &burden);
        out->documents += burden.documents;
        out->bytes += burden.bytes;
        out->uploads += burden.uploads;
    }
    mdb_txn_abort(txn);
    *all_documents = stat.ms_entries;
    return err;
}
