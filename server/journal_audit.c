#include "server/journal_audit.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/epcis/receipt.h"
#include "server/journal_trees.h"
#include "server/signer.h"

/* ---- numbered trees --------------------------------------------------------------------------------- */

/* 0: the tree is empty. */
static enum err last_number(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                            uint64_t *out)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    *out = 0;
    int code = mdb_cursor_open(txn, trees->dbi[tree], &cursor);
    if (code)
        return journal_trees_error("read", code);
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (!code && key.mv_size == 8)
        *out = journal_key_read_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("read", code) : ERR_OK;
}

static enum err get_number(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                           uint64_t number, const ProtobufCMessageDescriptor *type, struct arena *arena,
                           void *out)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_get_message(trees, txn, tree, journal_val(key, sizeof key), type, arena, out);
}

static enum err put_number(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, uint64_t number,
                           const ProtobufCMessage *message)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_put_message(trees, txn, tree, journal_val(key, sizeof key), message);
}

/* The last entry; NULL: there is none. */
static enum err get_last(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                         const ProtobufCMessageDescriptor *type, struct arena *arena, uint64_t *number,
                         void *out)
{
    static const void *const none = NULL;
    memcpy(out, &none, sizeof none);
    enum err err = last_number(trees, txn, tree, number);
    return err || !*number ? err : get_number(trees, txn, tree, *number, type, arena, out);
}

/* A signed part: packed, and signed as of that kind. Both in the arena. */
static enum err pack_and_sign(const struct signature_key *key, const char *domain,
                              const ProtobufCMessage *message, struct arena *arena,
                              ProtobufCBinaryData *packed, ProtobufCBinaryData *signature)
{
    packed->len = protobuf_c_message_get_packed_size(message);
    packed->data = arena_alloc(arena, packed->len);
    *signature = (ProtobufCBinaryData){SIGNATURE_BYTES, arena_alloc(arena, SIGNATURE_BYTES)};
    if (!packed->data || !signature->data)
        return ERR_LIMIT;
    protobuf_c_message_pack(message, packed->data);
    return signature_make(key, domain, packed->data, packed->len, signature->data);
}

static ProtobufCBinaryData bytes_of(const void *data, size_t bytes)
{
    return (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)data};
}

/* ---- keys ------------------------------------------------------------------------------------------- */

enum err journal_audit_apply_key(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                 struct arena *scratch)
{
    const struct signature_key *key = op->key->key;
    const ProtobufCBinaryData public_key = bytes_of(signature_key_public(key), SIGNATURE_PUBLIC_BYTES);
    Epcis__V1__SigningKey *last = NULL, record = EPCIS__V1__SIGNING_KEY__INIT;
    Epcis__V1__KeyStatement statement = EPCIS__V1__KEY_STATEMENT__INIT;
    uint8_t by_predecessor[SIGNATURE_BYTES];
    uint64_t number = 0;
    enum err err =
        get_last(trees, txn, TREE_KEY, &epcis__v1__signing_key__descriptor, scratch, &number, &last);
    if (err)
        return err;
    bool known = last && last->public_key.len == public_key.len &&
                 memcmp(last->public_key.data, public_key.data, public_key.len) == 0;
    if (!known) {
        statement.number = number + 1;
        statement.public_key = public_key;
        statement.predecessor = last ? last->public_key : bytes_of(NULL, 0);
        statement.created_ms = clock_wall_ms();
        statement.first_document = trees->next_number;
        statement.requested_by = (char *)(uintptr_t)op->key->requested_by;
        record.key_id = (char *)(uintptr_t)signature_key_id(key);
        record.public_key = public_key;
        err = pack_and_sign(key, SIGNER_KEY, &statement.base, scratch, &record.statement, &record.signature);
        if (!err && last && trees->key) {
            err = signature_make(trees->key, SIGNER_KEY, record.statement.data, record.statement.len,
                                 by_predecessor);
            record.predecessor_signature = bytes_of(by_predecessor, sizeof by_predecessor);
        }
        if (!err)
            err = put_number(trees, txn, TREE_KEY, statement.number, &record.base);
    }
    if (!err)
        trees->key = key;
    return err;
}

enum err journal_audit_last_key(struct journal *journal, struct arena *arena, Epcis__V1__SigningKey **out)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    uint64_t number;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    enum err err = get_last(trees, txn, TREE_KEY, &epcis__v1__signing_key__descriptor, arena, &number, out);
    mdb_txn_abort(txn);
    return !err && !*out ? ERR_NOT_FOUND : err;
}

/* ---- receipts --------------------------------------------------------------------------------------- */

enum err journal_audit_sign(const struct journal_trees *trees, struct journal_document *document)
{
    char capture_id[UUID_TEXT + 1], digest[RECEIPT_DIGEST];
    Epcis__V1__Receipt receipt = EPCIS__V1__RECEIPT__INIT;
    if (!trees->key)
        return ERR_OK;
    uuid_text(document->capture_id, capture_id);
    receipt_digest(document->document_sha256, digest);
    receipt.capture_id = capture_id;
    receipt.document_digest = digest;
    receipt.document_bytes = document->document_bytes;
    receipt.received_ms = document->received_ms;
    receipt.journal_position = document->number;
    receipt.partner = document->partner;
    memcpy(document->key_id, signature_key_id(trees->key), sizeof document->key_id);
    return receipt_sign(&receipt, trees->key, document->signature);
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

/* The partitions that a checkpoint lists, and their records, which note that. */
struct heads {
    Epcis__V1__PartitionHead **listed;
    Epcis__Store__V1__PartitionRecord **records;
    size_t count, grown;
};

static uint32_t read_partition(const uint8_t key[4])
{
    return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

static enum err add_head(uint32_t partition, Epcis__Store__V1__PartitionRecord *record, struct arena *arena,
                         struct heads *heads)
{
    Epcis__V1__PartitionHead *head = arena_alloc(arena, sizeof *head);
    if (!head)
        return ERR_LIMIT;
    epcis__v1__partition_head__init(head);
    head->partition = partition;
    head->last_sequence = record->last_sequence;
    head->last_batch_id = record->last_batch_id;
    head->acknowledged_sequence = record->acknowledged_sequence;
    head->outcome_id = record->outcome_id;
    record->checkpoint_last_sequence = record->last_sequence;
    record->checkpoint_acknowledged_sequence = record->acknowledged_sequence;
    heads->listed[heads->count] = head;
    heads->records[heads->count++] = record;
    return ERR_OK;
}

/* Counts one partition, and lists it where it has grown, or `all` are listed. */
static enum err look_at_partition(MDB_val key, MDB_val value, bool all, struct arena *arena,
                                  struct heads *heads, Epcis__V1__Checkpoint *out)
{
    Epcis__Store__V1__PartitionRecord *record =
        epcis__store__v1__partition_record__unpack(&arena->allocator, value.mv_size, value.mv_data);
    if (!record)
        return arena->exhausted ? ERR_LIMIT : ERR_CORRUPT;
    if (key.mv_size != 4)
        return ERR_CORRUPT;
    bool grown = record->last_sequence != record->checkpoint_last_sequence ||
                 record->acknowledged_sequence != record->checkpoint_acknowledged_sequence;
    heads->grown += grown;
    out->partition_count++;
    out->batches += record->last_sequence;
    out->acknowledged += record->acknowledged_sequence;
    return grown || all ? add_head(read_partition(key.mv_data), record, arena, heads) : ERR_OK;
}

static enum err read_heads(const struct journal_trees *trees, MDB_txn *txn, bool all, struct arena *arena,
                           struct heads *heads, Epcis__V1__Checkpoint *out)
{
    MDB_stat stat;
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int code = mdb_stat(txn, trees->dbi[TREE_PARTITION], &stat);
    if (!code)
        code = mdb_cursor_open(txn, trees->dbi[TREE_PARTITION], &cursor);
    if (code)
        return journal_trees_error("read", code);
    heads->listed = arena_alloc(arena, (stat.ms_entries + 1) * sizeof(Epcis__V1__PartitionHead *));
    heads->records = arena_alloc(arena, (stat.ms_entries + 1) * sizeof(Epcis__Store__V1__PartitionRecord *));
    enum err err = heads->listed && heads->records ? ERR_OK : ERR_LIMIT;
    while (!err && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        err = look_at_partition(key, value, all, arena, heads, out);
    mdb_cursor_close(cursor);
    out->partitions = heads->listed;
    out->n_partitions = heads->count;
    return err ? err : code == MDB_NOTFOUND ? ERR_OK : journal_trees_error("read", code);
}

static enum err note_heads(struct journal_trees *trees, MDB_txn *txn, const struct heads *heads)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < heads->count; i++) {
        uint8_t key[12];
        journal_key_pair(heads->listed[i]->partition, 0, key); /* its first four bytes are the partition */
        err = journal_trees_put_message(trees, txn, TREE_PARTITION, journal_val(key, 4),
                                        &heads->records[i]->base);
    }
    return err;
}

enum err journal_audit_apply_checkpoint(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                        struct arena *scratch)
{
    Epcis__V1__SignedCheckpoint *last = NULL, record = EPCIS__V1__SIGNED_CHECKPOINT__INIT;
    Epcis__V1__Checkpoint *before = NULL, now = EPCIS__V1__CHECKPOINT__INIT;
    struct heads heads = {.count = 0};
    uint8_t previous[DIGEST_BYTES];
    uint64_t number = 0;
    if (!trees->key) {
        op->refused = ERR_NOT_FOUND;
        return ERR_OK;
    }
    enum err err = get_last(trees, txn, TREE_CHECKPOINT, &epcis__v1__signed_checkpoint__descriptor, scratch,
                            &number, &last);
    if (err)
        return err;
    if (last) {
        before =
            epcis__v1__checkpoint__unpack(&scratch->allocator, last->checkpoint.len, last->checkpoint.data);
        if (!before)
            return ERR_CORRUPT;
        digest_of(last->checkpoint.data, last->checkpoint.len, previous);
        now.previous_sha256 = bytes_of(previous, sizeof previous);
    }
    now.number = number + 1;
    now.made_ms = clock_wall_ms();
    now.key_id = (char *)(uintptr_t)signature_key_id(trees->key);
    now.last_document = trees->next_number - 1;
    err = read_heads(trees, txn, now.number % JOURNAL_AUDIT_ALL_EVERY == 0, scratch, &heads, &now);
    bool same = before && heads.grown == 0 && now.last_document == before->last_document &&
                strcmp(now.key_id, before->key_id) == 0;
    if (err || (same && !op->always))
        return err;
    err = pack_and_sign(trees->key, SIGNER_CHECKPOINT, &now.base, scratch, &record.checkpoint,
                        &record.signature);
    if (!err)
        err = put_number(trees, txn, TREE_CHECKPOINT, now.number, &record.base);
    return err ? err : note_heads(trees, txn, &heads);
}

enum err journal_audit_heed_growth(struct journal_trees *trees, MDB_txn *txn,
                                   const Epcis__Store__V1__PartitionRecord *record, struct arena *scratch)
{
    struct journal_op op = {.kind = JOURNAL_CHECKPOINT};
    bool due = record->last_sequence - record->checkpoint_last_sequence >= JOURNAL_AUDIT_GROWTH_MAX;
    return due && trees->key ? journal_audit_apply_checkpoint(trees, txn, &op, scratch) : ERR_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------ */

/* *out: an array of messages. */
static enum err read_page(struct journal *journal, enum journal_tree tree,
                          const ProtobufCMessageDescriptor *type, struct journal_audit_page *page,
                          struct arena *arena, void *out, size_t *count)
{
    const struct journal_trees *trees = journal_trees_of(journal);
    MDB_txn *txn;
    uint64_t last = 0;
    ProtobufCMessage **entries = arena_alloc(arena, page->limit * sizeof *entries);
    if (!entries)
        return ERR_LIMIT;
    memcpy(out, &entries, sizeof entries);
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    if (code)
        return journal_trees_error("read", code);
    enum err err = last_number(trees, txn, tree, &last);
    uint64_t number = page->from ? page->from : page->newest_first ? last : 1;
    while (!err && *count < page->limit && number >= 1 && number <= last) {
        err = get_number(trees, txn, tree, number, type, arena, &entries[*count]);
        if (err)
            break;
        ++*count;
        number += page->newest_first ? -1 : 1;
    }
    mdb_txn_abort(txn);
    page->from = number <= last ? number : 0;
    if (err == ERR_LIMIT && *count > 0) /* a page may end early */
        return ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err; /* numbers have no gaps */
}

enum err journal_audit_keys(struct journal *journal, struct journal_audit_page *page, struct arena *arena,
                            Epcis__V1__ListKeysResponse *out)
{
    return read_page(journal, TREE_KEY, &epcis__v1__signing_key__descriptor, page, arena, &out->keys,
                     &out->n_keys);
}

enum err journal_audit_checkpoints(struct journal *journal, struct journal_audit_page *page,
                                   struct arena *arena, Epcis__V1__ListCheckpointsResponse *out)
{
    return read_page(journal, TREE_CHECKPOINT, &epcis__v1__signed_checkpoint__descriptor, page, arena,
                     &out->checkpoints, &out->n_checkpoints);
}

enum err journal_audit_checkpoint(struct journal *journal, uint64_t number, struct arena *arena,
                                  Epcis__V1__SignedCheckpoint **out, Epcis__V1__Checkpoint **unpacked)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    enum err err = journal_trees_read(journal_trees_of(journal), TREE_CHECKPOINT, key, sizeof key,
                                      &epcis__v1__signed_checkpoint__descriptor, arena, out);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    *unpacked =
        epcis__v1__checkpoint__unpack(&arena->allocator, (*out)->checkpoint.len, (*out)->checkpoint.data);
    return *unpacked ? ERR_OK : ERR_LIMIT;
}

const Epcis__V1__PartitionHead *journal_audit_head(const Epcis__V1__Checkpoint *checkpoint,
                                                   uint32_t partition)
{
    for (size_t i = 0; i < checkpoint->n_partitions; i++)
        if (checkpoint->partitions[i]->partition == partition)
            return checkpoint->partitions[i];
    return NULL;
}
