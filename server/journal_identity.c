#include "server/journal_identity.h"

#include <string.h>

#include "common/base/log.h"
#include "server/journal_trees.h"

enum err journal_identity_apply(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op)
{
    MDB_val key = {strlen(op->name), (void *)(uintptr_t)op->name}, value = {op->data.length, op->data.data};
    int code = mdb_put(txn, trees->dbi[TREE_IDENTITY], &key, &value, 0);
    return code ? journal_trees_error("identity", code) : ERR_OK;
}

static enum err use_value(MDB_val value, enum err (*use)(void *, Epcis__Store__V1__IdentityRecord *),
                          void *context)
{
    Epcis__Store__V1__IdentityRecord *record =
        epcis__store__v1__identity_record__unpack(NULL, value.mv_size, value.mv_data);
    if (record && record->identity)
        return use(context, record);
    log_error("journal_record_unreadable", "tree=identity bytes=%zu", value.mv_size);
    epcis__store__v1__identity_record__free_unpacked(record, NULL);
    return ERR_CORRUPT;
}

enum err journal_identities(struct journal *journal,
                            enum err (*use)(void *context, Epcis__Store__V1__IdentityRecord *record),
                            void *context)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    enum err err = ERR_OK;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("identity", code);
    code = mdb_cursor_open(txn, trees->dbi[TREE_IDENTITY], &cursor);
    while (!err && !code && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        err = use_value(value, use, context);
    if (!err && code != MDB_NOTFOUND)
        err = journal_trees_error("identity", code);
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return err;
}
