/* Documents in the journal: sealed, read to their end, called off. */
#include <string.h>

#include "server/journal_letter.h"
#include "server/journal_trees.h"
#include "server/journal_upload.h"

enum err journal_capture_get(const struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                             struct arena *arena, Epcis__Store__V1__CaptureRecord **out)
{
    uint8_t key[8];
    journal_key_u64(number, key);
    return journal_trees_get_message(trees, txn, TREE_CAPTURE, journal_val(key, sizeof key),
                                     &epcis__store__v1__capture_record__descriptor, arena, out);
}

enum err journal_capture_put(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
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
    enum err err = journal_capture_get(trees, txn, number, scratch, &first);
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
    err = journal_capture_put(trees, txn, document->number, &record);

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
        err = journal_load_add(trees, txn, document->partner, document->document_bytes);
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

enum err journal_capture_seal(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
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
enum err journal_capture_update(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
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
            err = journal_load_remove(trees, txn, record->partner, record->document_bytes);
        if (!err)
            err = journal_news_add_end(trees, txn, record);
        if (err)
            return err;
    } else {
        record->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    }
    return journal_capture_put(trees, txn, number, record);
}

bool journal_capture_is_final(const Epcis__Store__V1__CaptureRecord *record)
{
    return record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE ||
           record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED ||
           record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED;
}

enum err journal_capture_converted(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                   struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture_get(trees, txn, op->number, scratch, &record);
    if (err || journal_capture_is_final(record))
        return err;
    record->converted = true;
    record->bytes_read = record->document_bytes;
    record->events = op->events;
    record->items = op->items;
    record->error = (Epcis__V1__DocumentError *)(uintptr_t)op->error;
    return journal_capture_update(trees, txn, op->number, record);
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

enum err journal_capture_cancel(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch)
{
    uint8_t key[8];
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture_get(trees, txn, op->number, scratch, &record);
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
        err = journal_load_remove(trees, txn, record->partner, record->document_bytes);
    if (!err)
        err = forget_digest(trees, txn, op->number, record);
    if (!err)
        err = journal_news_add_end(trees, txn, record);
    return err ? err : journal_capture_put(trees, txn, op->number, record);
}
