#include "server/journal_trees.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/journal_letter.h"
#include "server/journal_prune.h"
#include "server/journal_upload.h"
#include "server/outcome.h"

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

static void key_u32(uint32_t value, uint8_t out[4])
{
    for (int i = 3; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

void journal_key_pair(uint32_t partition, uint64_t sequence, uint8_t out[12])
{
    key_u32(partition, out);
    journal_key_u64(sequence, out + 4);
}

void journal_key_piece(uint64_t upload, uint32_t piece, uint8_t out[12])
{
    journal_key_u64(upload, out);
    key_u32(piece, out + 8);
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

/* ---- documents -------------------------------------------------------------------------------------- */

static enum err capture_get(const struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                            struct arena *arena, Epcis__Store__V1__CaptureRecord **out)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_get_message(trees, txn, TREE_CAPTURE, journal_val(key, sizeof key),
                                     &epcis__store__v1__capture_record__descriptor, arena, out);
}

static enum err capture_put(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                            const Epcis__Store__V1__CaptureRecord *record)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_put_message(trees, txn, TREE_CAPTURE, journal_val(key, sizeof key), &record->base);
}

/* SHA-256 and the partner as the client named it. */
static size_t digest_key(const struct journal_document *document, uint8_t out[DIGEST_BYTES + JOURNAL_PARTNER])
{
    size_t partner_bytes = strlen(document->request_partner);
    memcpy(out, document->document_sha256, DIGEST_BYTES);
    memcpy(out + DIGEST_BYTES, document->request_partner, partner_bytes);
    return DIGEST_BYTES + partner_bytes;
}

/* The same bytes came before: this is the first receipt again. */
static enum err seal_duplicate(struct journal_trees *trees, MDB_txn *txn, struct journal_document *document,
                               uint64_t number, struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *first = NULL;
    enum err err = capture_get(trees, txn, number, scratch, &first);
    if (err)
        return err;
    if (first->capture_id.len != UUID_BYTES)
        return ERR_CORRUPT;
    memcpy(document->capture_id, first->capture_id.data, UUID_BYTES);
    memcpy(document->partner, first->partner, strnlen(first->partner, JOURNAL_PARTNER - 1) + 1);
    document->partition = first->partition;
    document->received_ms = first->received_ms;
    document->number = number;
    document->duplicate = true;
    memcpy(document->key_id, first->key_id, strnlen(first->key_id, SIGNATURE_KEY_ID) + 1);
    if (first->signature.len == SIGNATURE_BYTES)
        memcpy(document->signature, first->signature.data, SIGNATURE_BYTES);
    return ERR_OK;
}

static enum err seal_new(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op)
{
    struct journal_document *document = op->document;
    document->number = trees->next_number++;
    document->duplicate = false;
    enum err err = journal_audit_sign(trees, document);
    if (err)
        return err;
    Epcis__Store__V1__CaptureRecord record = EPCIS__STORE__V1__CAPTURE_RECORD__INIT;
    record.capture_id = (ProtobufCBinaryData){UUID_BYTES, document->capture_id};
    record.document_sha256 = (ProtobufCBinaryData){DIGEST_BYTES, document->document_sha256};
    record.document_bytes = document->document_bytes;
    record.upload = document->upload;
    record.pieces = document->pieces;
    record.partner = document->partner;
    record.partition = document->partition;
    record.received_ms = document->received_ms;
    record.state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RECEIVED;
    record.error_behaviour = document->terms.rollback ? EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK
                                                      : EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_PROCEED;
    record.validate_only = document->terms.validate_only;
    record.resubmission_of = op->letter ? op->letter->number : 0;
    if (trees->key) {
        record.key_id = document->key_id;
        record.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, document->signature};
    }
    record.content_type = document->content_type;
    Epcis__Store__V1__Caller caller = EPCIS__STORE__V1__CALLER__INIT;
    caller.identity = document->caller_identity;
    caller.partner = document->caller_partner;
    record.caller = document->caller_identity[0] ? &caller : NULL;
    err = capture_put(trees, txn, document->number, &record);

    uint8_t number[8], digest[DIGEST_BYTES + JOURNAL_PARTNER];
    journal_key_u64(document->number, number);
    MDB_val number_val = journal_val(number, sizeof number);
    if (!err)
        err = journal_trees_put(trees, txn, TREE_CAPTURE_ID, journal_val(document->capture_id, UUID_BYTES),
                                number_val, 0);
    if (!err && !document->terms.validate_only)
        err = journal_trees_put(trees, txn, TREE_DIGEST, journal_val(digest, digest_key(document, digest)),
                                number_val, 0);
    if (!err)
        err = journal_trees_put(trees, txn, TREE_UNFINISHED, number_val, journal_val("", 0), 0);
    if (!err)
        err = journal_load_change(trees, txn, document->partner, (int64_t)document->document_bytes);
    return err;
}

/* The document with these bytes of this partner, if it came before. */
static enum err find_duplicate(const struct journal_trees *trees, MDB_txn *txn,
                               const struct journal_document *document, uint64_t *number)
{
    uint8_t key_bytes[DIGEST_BYTES + JOURNAL_PARTNER];
    MDB_val key = journal_val(key_bytes, digest_key(document, key_bytes)), value;
    if (document->terms.validate_only)
        return ERR_NOT_FOUND;
    int code = mdb_get(txn, trees->dbi[TREE_DIGEST], &key, &value);
    if (code)
        return journal_trees_error("digest", code);
    *number = journal_key_read_u64(value.mv_data);
    return ERR_OK;
}

static enum err apply_seal(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                           struct arena *scratch)
{
    struct journal_document *document = op->document;
    Epcis__Store__V1__UploadRecord *upload = NULL;
    uint64_t number = 0;
    enum err err = journal_upload_to_seal(trees, txn, op, scratch, &upload);
    if (err || op->refused)
        return err;
    if (upload->document_number) /* its receipt did not reach the client */
        return seal_duplicate(trees, txn, document, upload->document_number, scratch);
    err = find_duplicate(trees, txn, document, &number);
    if (!err) {
        err = seal_duplicate(trees, txn, document, number, scratch);
        return err ? err : journal_upload_became(trees, txn, document, upload, number);
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (op->letter) {
        err = journal_letter_apply(trees, txn, op, scratch);
        if (err || op->refused)
            return err ? err : journal_upload_became(trees, txn, document, upload, 0);
    }
    err = seal_new(trees, txn, op);
    return err ? err : journal_upload_became(trees, txn, document, upload, document->number);
}

/* Writes the record back, as finished where nothing is left to do. */
static enum err capture_update(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                               Epcis__Store__V1__CaptureRecord *record)
{
    bool finished = record->converted && record->items_acknowledged == record->items;
    if (finished) {
        record->state = record->error ? EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED
                                      : EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE;
        trees->unfinished_bytes -= record->document_bytes;
        uint8_t key[8];
        journal_key_u64(number, key);
        enum err err = journal_trees_delete(trees, txn, TREE_UNFINISHED, journal_val(key, sizeof key));
        if (!err)
            err = journal_load_change(trees, txn, record->partner, -(int64_t)record->document_bytes);
        if (!err)
            err = journal_news_add_end(trees, txn, record);
        if (err)
            return err;
    } else {
        record->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    }
    return capture_put(trees, txn, number, record);
}

bool journal_capture_is_final(const Epcis__Store__V1__CaptureRecord *record)
{
    return record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE ||
           record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED ||
           record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED;
}

static enum err apply_converted(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = capture_get(trees, txn, op->number, scratch, &record);
    if (err || journal_capture_is_final(record))
        return err;
    record->converted = true;
    record->bytes_read = record->document_bytes;
    record->events = op->events;
    record->items = op->items;
    record->error = (Epcis__V1__DocumentError *)(uintptr_t)op->error;
    return capture_update(trees, txn, op->number, record);
}

/* ---- calling off ------------------------------------------------------------------------------------- */

/* The same bytes are a new document from here on. The key's end, the partner that the client named, is not in
 * the record. */
static enum err forget_digest(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                              const Epcis__Store__V1__CaptureRecord *record)
{
    MDB_cursor *cursor;
    MDB_val key = journal_val(record->document_sha256.data, record->document_sha256.len), value;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_DIGEST], &cursor);
    if (code)
        return journal_trees_error("digest", code);
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!code && memcmp(key.mv_data, record->document_sha256.data, DIGEST_BYTES) == 0) {
        if (journal_key_read_u64(value.mv_data) == number) {
            code = mdb_cursor_del(cursor, 0);
            break;
        }
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("digest", code) : ERR_OK;
}

static enum err apply_cancel(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                             struct arena *scratch)
{
    uint8_t key[8];
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = capture_get(trees, txn, op->number, scratch, &record);
    if (err)
        return err;
    if (journal_capture_is_final(record) || record->first_batch) {
        op->refused = ERR_EXISTS;
        return ERR_OK;
    }
    record->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED;
    record->events = record->items = 0;
    record->error = NULL;
    record->cancellation = (Epcis__V1__CaptureCancellation *)(uintptr_t)op->cancellation;
    trees->unfinished_bytes -= record->document_bytes;
    journal_key_u64(op->number, key);
    err = journal_trees_delete(trees, txn, TREE_UNFINISHED, journal_val(key, sizeof key));
    if (!err)
        err = journal_load_change(trees, txn, record->partner, -(int64_t)record->document_bytes);
    if (!err)
        err = forget_digest(trees, txn, op->number, record);
    if (!err)
        err = journal_news_add_end(trees, txn, record);
    return err ? err : capture_put(trees, txn, op->number, record);
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static enum err partition_get(const struct journal_trees *trees, MDB_txn *txn, uint32_t partition,
                              struct arena *arena, Epcis__Store__V1__PartitionRecord **out)
{
    uint8_t key[4];
    key_u32(partition, key);
    return journal_trees_get_message(trees, txn, TREE_PARTITION, journal_val(key, sizeof key),
                                     &epcis__store__v1__partition_record__descriptor, arena, out);
}

static enum err partition_put(struct journal_trees *trees, MDB_txn *txn, uint32_t partition,
                              const Epcis__Store__V1__PartitionRecord *record)
{
    uint8_t key[4];
    key_u32(partition, key);
    return journal_trees_put_message(trees, txn, TREE_PARTITION, journal_val(key, sizeof key), &record->base);
}

/* Notes where the document's batches begin, and shows progress while it is still being read: its final count
 * comes with JOURNAL_CONVERTED. */
static enum err count_events(struct journal_trees *trees, MDB_txn *txn, uint64_t sequence,
                             const Epcis__Store__V1__BatchSpan *span, struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = capture_get(trees, txn, span->document_number, scratch, &record);
    if (err || (record->converted && record->first_batch))
        return err;
    if (!record->first_batch)
        record->first_batch = sequence;
    if (record->converted)
        return capture_put(trees, txn, span->document_number, record);
    record->bytes_read = span->bytes_read;
    uint64_t events = span->first_event + span->events;
    if (events > record->events)
        record->events = events;
    record->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    return capture_put(trees, txn, span->document_number, record);
}

static enum err apply_batch(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                            struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    enum err err = journal_trees_put(trees, txn, TREE_BATCH, journal_val(key, sizeof key),
                                     journal_val(op->data.data, op->data.length), MDB_NOOVERWRITE);
    if (!err)
        err = journal_trees_put(trees, txn, TREE_LEAF, journal_val(key, sizeof key),
                                journal_val(op->leaves->data, op->leaves->length), 0);
    Epcis__Store__V1__BatchRecord *batch =
        epcis__store__v1__batch_record__unpack(&scratch->allocator, op->data.length, op->data.data);
    if (!err && !batch)
        err = ERR_MEMORY;
    if (err)
        return err;
    Epcis__Store__V1__PartitionRecord empty = EPCIS__STORE__V1__PARTITION_RECORD__INIT, *record = &empty;
    err = partition_get(trees, txn, op->partition, scratch, &record);
    if (err && err != ERR_NOT_FOUND)
        return err;
    record->last_sequence = op->sequence;
    record->last_batch_id = batch->batch_id;
    err = partition_put(trees, txn, op->partition, record);
    for (size_t i = 0; !err && i < batch->n_spans; i++)
        err = count_events(trees, txn, op->sequence, batch->spans[i], scratch);
    return err;
}

static enum err apply_condemned(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    MDB_val key_val = journal_val(key, sizeof key);
    Epcis__Store__V1__BatchRecord *batch = NULL;
    enum err err = journal_trees_get_message(trees, txn, TREE_BATCH, key_val,
                                             &epcis__store__v1__batch_record__descriptor, scratch, &batch);
    if (err)
        return err;
    batch->condemned = (uint32_t *)(uintptr_t)op->condemned;
    batch->n_condemned = op->condemned_count;
    return journal_trees_put_message(trees, txn, TREE_BATCH, key_val, &batch->base);
}

static enum err tally_span(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                           const Epcis__Store__V1__BatchSpan *span, const struct journal_span_result *result,
                           struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = capture_get(trees, txn, span->document_number, scratch, &record);
    if (err)
        return err;
    record->committed += result->committed;
    record->duplicates += result->duplicates;
    record->dead_letters += result->dead_letters;
    record->warnings += result->warnings;
    record->batches++;
    record->items_acknowledged += span->count;
    err = journal_news_add_batch(trees, txn, record, op, span, result);
    return err ? err : capture_update(trees, txn, span->document_number, record);
}

static enum err apply_acknowledged(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                   struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    MDB_val key_val = journal_val(key, sizeof key);
    Epcis__Store__V1__BatchRecord *batch = NULL;
    Epcis__Store__V1__PartitionRecord *partition = NULL;
    enum err err = journal_trees_get_message(trees, txn, TREE_BATCH, key_val,
                                             &epcis__store__v1__batch_record__descriptor, scratch, &batch);
    if (err || batch->acknowledged)
        return err;
    if (batch->n_spans != op->result_count || batch->batch_id.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    err = partition_get(trees, txn, op->partition, scratch, &partition);
    if (err)
        return err;
    uint8_t id[DIGEST_BYTES] = {0};
    if (partition->outcome_id.len == DIGEST_BYTES)
        memcpy(id, partition->outcome_id.data, DIGEST_BYTES);
    outcome_id(id, batch->batch_id.data, op->decided_ms, op->rule_pack, op->data.data, op->data.length, id);
    batch->acknowledged = true;
    batch->outcomes = (ProtobufCBinaryData){op->data.length, op->data.data};
    batch->outcome_id = (ProtobufCBinaryData){DIGEST_BYTES, id};
    batch->decided_ms = op->decided_ms;
    batch->rule_pack = (char *)(uintptr_t)op->rule_pack;
    partition->acknowledged_sequence = op->sequence;
    partition->outcome_id = batch->outcome_id;
    err = journal_trees_put_message(trees, txn, TREE_BATCH, key_val, &batch->base);
    if (!err)
        err = partition_put(trees, txn, op->partition, partition);
    for (size_t i = 0; !err && i < batch->n_spans; i++)
        err = tally_span(trees, txn, op, batch->spans[i], &op->results[i], scratch);
    return err;
}

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
        return apply_seal(trees, txn, op, scratch);
    case JOURNAL_DISCARD:
        return journal_upload_discard(trees, txn, op, scratch);
    case JOURNAL_EXPIRE:
        return journal_upload_expire(trees, txn, op, scratch);
    case JOURNAL_LETTER:
        return journal_letter_apply(trees, txn, op, scratch);
    case JOURNAL_CANCEL:
        return apply_cancel(trees, txn, op, scratch);
    case JOURNAL_CONDEMNED:
        return apply_condemned(trees, txn, op, scratch);
    case JOURNAL_BATCH:
        fault_end(FAULT_JOURNAL_BATCH);
        return apply_batch(trees, txn, op, scratch);
    case JOURNAL_ACKNOWLEDGED:
        fault_end(FAULT_JOURNAL_ACKNOWLEDGED);
        return apply_acknowledged(trees, txn, op, scratch);
    case JOURNAL_CONVERTED:
        fault_end(FAULT_JOURNAL_CONVERTED);
        return apply_converted(trees, txn, op, scratch);
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
        err = capture_get(trees, txn, journal_key_read_u64(key.mv_data), &scratch, &record);
        if (!err)
            trees->unfinished_bytes += record->document_bytes;
    }
    arena_free(&scratch);
    mdb_cursor_close(cursor);
    return err ? err : code == MDB_NOTFOUND ? ERR_OK : journal_trees_error("open", code);
}

static enum err prepare(struct journal_trees *trees, MDB_txn *txn)
{
    for (int i = 0; i < TREE_COUNT; i++) {
        int code = mdb_dbi_open(txn, tree_names[i], MDB_CREATE, &trees->dbi[i]);
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
