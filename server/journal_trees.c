#include "server/journal_trees.h"

#include <errno.h>
#include <string.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/journal_prune.h"
#include "server/journal_upload.h"

enum { JOURNAL_VERSION = 2, READERS = 64 };

static const char *const tree_names[TREE_COUNT] = {
    [TREE_CAPTURE] = "capture",
    [TREE_CAPTURE_ID] = "capture_id",
    [TREE_DIGEST] = "digest",
    [TREE_UNFINISHED] = "unfinished",
    [TREE_LOAD] = "load",
    [TREE_UPLOAD] = "upload",
    [TREE_UPLOAD_KEY] = "upload_key",
    [TREE_PIECE] = "piece",
    [TREE_BATCH] = "batch",
    [TREE_LEAF] = "leaf",
    [TREE_PARTITION] = "partition",
    [TREE_NEWS] = "news",
    [TREE_META] = "meta",
    [TREE_PARTNER] = "partner",
    [TREE_PARTNER_GLN] = "partner_gln",
    [TREE_PARTNER_CHANGE] = "partner_change",
    [TREE_IDENTITY] = "identity",
    [TREE_LETTER] = "letter",
    [TREE_KEY] = "key",
    [TREE_CHECKPOINT] = "checkpoint",
};

enum err journal_trees_error(const char *what, int code)
{
    enum err err = code == MDB_NOTFOUND                                                        ? ERR_NOT_FOUND
                   : code == ENOMEM                                                            ? ERR_MEMORY
                   : code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ? ERR_CORRUPT
                                                                                               : ERR_DISK;
    if (err != ERR_NOT_FOUND)
        log_error("journal_failed", "what=%s err=%s detail=\"%s\"", what, err_name(err), mdb_strerror(code));
    return err;
}

void journal_key_u64(uint64_t value, uint8_t out[8])
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

uint64_t journal_key_read_u64(const uint8_t key[8])
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | key[i];
    return value;
}

void journal_key_u32(uint32_t value, uint8_t out[4])
{
    for (int i = 3; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

void journal_key_pair(uint32_t partition, uint64_t sequence, uint8_t out[12])
{
    journal_key_u32(partition, out);
    journal_key_u64(sequence, out + 4);
}

void journal_key_piece(uint64_t upload, uint32_t piece, uint8_t out[12])
{
    journal_key_u64(upload, out);
    journal_key_u32(piece, out + 8);
}

/* ---- records ---------------------------------------------------------------------------------------- */

MDB_val journal_val(const void *data, size_t bytes)
{
    return (MDB_val){.mv_size = bytes, .mv_data = (void *)(uintptr_t)data};
}

enum err journal_trees_put(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, MDB_val key,
                           MDB_val value, unsigned flags)
{
    int code = mdb_put(txn, trees->dbi[tree], &key, &value, flags);
    return code ? journal_trees_error(tree_names[tree], code) : ERR_OK;
}

enum err journal_trees_delete(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, MDB_val key)
{
    int code = mdb_del(txn, trees->dbi[tree], &key, NULL);
    return code && code != MDB_NOTFOUND ? journal_trees_error(tree_names[tree], code) : ERR_OK;
}

enum err journal_trees_put_message(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                                   MDB_val key, const ProtobufCMessage *message)
{
    MDB_val value = {.mv_size = protobuf_c_message_get_packed_size(message)};
    int code = mdb_put(txn, trees->dbi[tree], &key, &value, MDB_RESERVE);
    if (code)
        return journal_trees_error(tree_names[tree], code);
    protobuf_c_message_pack(message, value.mv_data);
    return ERR_OK;
}

enum err journal_trees_get_message(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                                   MDB_val key, const ProtobufCMessageDescriptor *type, struct arena *arena,
                                   void *out)
{
    MDB_val value;
    int code = mdb_get(txn, trees->dbi[tree], &key, &value);
    if (code)
        return journal_trees_error(tree_names[tree], code);
    size_t used = arena->used_bytes;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &arena->allocator, value.mv_size, value.mv_data);
    if (!message) {
        bool budget_spent = arena->budget_bytes - used < 4 * value.mv_size + 4096;
        log_error("journal_record_unreadable", "tree=%s bytes=%zu", tree_names[tree], value.mv_size);
        return budget_spent ? ERR_LIMIT : ERR_CORRUPT;
    }
    memcpy(out, &message, sizeof message);
    return ERR_OK;
}

enum err journal_trees_read(const struct journal_trees *trees, enum journal_tree tree, const void *key,
                            size_t key_bytes, const ProtobufCMessageDescriptor *type, struct arena *arena,
                            void *out)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    enum err err = journal_trees_get_message(trees, txn, tree, journal_val(key, key_bytes), type, arena, out);
    mdb_txn_abort(txn);
    return err;
}

/* ---- changes ------------------------------------------------------------------------------------------ */

enum err journal_trees_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                             struct arena *scratch)
{
    arena_reset(scratch);
    switch (op->kind) {
    case JOURNAL_CLAIM:
        return journal_upload_claim(trees, txn, op, scratch);
    case JOURNAL_PIECE:
        fault_end(FAULT_JOURNAL_PIECE);
        return journal_upload_piece(trees, txn, op, scratch);
    case JOURNAL_SEAL:
        fault_end(FAULT_JOURNAL_SEAL);
        return journal_capture_seal(trees, txn, op, scratch);
    case JOURNAL_DISCARD:
        return journal_upload_discard(trees, txn, op, scratch);
    case JOURNAL_EXPIRE:
        return journal_upload_expire(trees, txn, op, scratch);
    case JOURNAL_LETTER:
        return journal_letter_apply(trees, txn, op, scratch);
    case JOURNAL_CANCEL:
        return journal_capture_cancel(trees, txn, op, scratch);
    case JOURNAL_CONDEMNED:
        return journal_batch_condemn(trees, txn, op, scratch);
    case JOURNAL_BATCH:
        fault_end(FAULT_JOURNAL_BATCH);
        return journal_batch_add(trees, txn, op, scratch);
    case JOURNAL_ACKNOWLEDGED:
        fault_end(FAULT_JOURNAL_ACKNOWLEDGED);
        return journal_batch_acknowledge(trees, txn, op, scratch);
    case JOURNAL_CONVERTED:
        fault_end(FAULT_JOURNAL_CONVERTED);
        return journal_capture_converted(trees, txn, op, scratch);
    case JOURNAL_PRUNE:
        return journal_prune_apply(trees, txn, op, scratch);
    case JOURNAL_PARTNER_PUT:
        return journal_partner_apply(trees, txn, op, scratch);
    case JOURNAL_KEY:
        return journal_audit_apply_key(trees, txn, op, scratch);
    case JOURNAL_CHECKPOINT:
        return journal_audit_apply_checkpoint(trees, txn, op, scratch);
    case JOURNAL_IDENTITY:
        return journal_identity_apply(trees, txn, op);
    }
    return ERR_CORRUPT;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The number after the largest key of a tree whose keys start with a number. */
static enum err next_key(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                         uint64_t *out)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, trees->dbi[tree], &cursor);
    if (code)
        return journal_trees_error("open", code);
    MDB_val key, value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    *out = code == 0 ? journal_key_read_u64(key.mv_data) + 1 : 1;
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("open", code) : ERR_OK;
}

static enum err check_version(struct journal_trees *trees, MDB_txn *txn)
{
    static const char name[] = "version";
    MDB_val key = journal_val(name, strlen(name)), value;
    uint32_t version = JOURNAL_VERSION;
    int code = mdb_get(txn, trees->dbi[TREE_META], &key, &value);
    if (code == MDB_NOTFOUND)
        return journal_trees_put(trees, txn, TREE_META, key, journal_val(&version, sizeof version), 0);
    if (code)
        return journal_trees_error("meta", code);
    if (value.mv_size != sizeof version)
        return ERR_CORRUPT;
    memcpy(&version, value.mv_data, sizeof version);
    if (version != JOURNAL_VERSION) {
        log_error("journal_version",
                  "found=%u known=%d detail=\"written by %s program: start that one, or this "
                  "one with another --data-dir\"",
                  version, JOURNAL_VERSION, version > JOURNAL_VERSION ? "a newer" : "an older");
        return ERR_VERSION;
    }
    return ERR_OK;
}

static enum err sum_unfinished(struct journal_trees *trees, MDB_txn *txn)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_UNFINISHED], &cursor);
    if (code)
        return journal_trees_error("open", code);
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    MDB_val key, value;
    enum err err = ERR_OK;
    while (!err && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        arena_reset(&scratch);
        err = journal_capture_get(trees, txn, journal_key_read_u64(key.mv_data), &scratch, &record);
        if (!err) {
            trees->unfinished_bytes += record->document_bytes;
            err = journal_load_add(trees, txn, record->partner, record->document_bytes);
        }
    }
    arena_free(&scratch);
    mdb_cursor_close(cursor);
    return err ? err : code == MDB_NOTFOUND ? ERR_OK : journal_trees_error("open", code);
}

static enum err prepare(struct journal_trees *trees, MDB_txn *txn)
{
    int code;
    for (int i = 0; i < TREE_COUNT; i++) {
        code = mdb_dbi_open(txn, tree_names[i], MDB_CREATE, &trees->dbi[i]);
        if (code)
            return journal_trees_error("open", code);
    }
    uint64_t upload = 0;
    enum err err = check_version(trees, txn);
    if (!err)
        err = next_key(trees, txn, TREE_CAPTURE, &trees->next_number);
    if (!err)
        err = next_key(trees, txn, TREE_NEWS, &trees->next_news);
    if (!err)
        err = next_key(trees, txn, TREE_PIECE, &trees->next_upload);
    if (!err)
        err = next_key(trees, txn, TREE_UPLOAD, &upload);
    if (upload > trees->next_upload)
        trees->next_upload = upload;
    if (!err && (code = mdb_drop(txn, trees->dbi[TREE_LOAD], 0)))
        err = journal_trees_error("open", code);
    if (!err)
        err = journal_upload_recover(trees, txn);
    if (!err)
        err = sum_unfinished(trees, txn);
    return err;
}

enum err journal_trees_open(struct journal_trees *trees, const char *dir, uint64_t map_bytes)
{
    *trees = (struct journal_trees){0};
    int code = mdb_env_create(&trees->env);
    if (!code)
        code = mdb_env_set_maxdbs(trees->env, TREE_COUNT);
    if (!code)
        code = mdb_env_set_maxreaders(trees->env, READERS);
    if (!code)
        code = mdb_env_set_mapsize(trees->env, map_bytes ? map_bytes : (uint64_t)1 << 40);
    if (!code)
        code = mdb_env_open(trees->env, dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    MDB_txn *txn = NULL;
    if (!code)
        code = mdb_txn_begin(trees->env, NULL, 0, &txn);
    enum err err = code ? journal_trees_error("open", code) : prepare(trees, txn);
    if (txn && err)
        mdb_txn_abort(txn);
    if (!err && (code = mdb_txn_commit(txn)))
        err = journal_trees_error("open", code);
    if (err)
        journal_trees_close(trees);
    return err;
}

void journal_trees_close(struct journal_trees *trees)
{
    if (trees->env)
        mdb_env_close(trees->env);
    trees->env = NULL;
}
