#include "server/journal_upload.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/journal_load.h"

enum {
    EXPIRE_LOOK = 1000, /* uploads looked at for their age in one transaction */
    RECORD_BYTES = 64 << 10,
};

/* ---- records ---------------------------------------------------------------------------------------- */

static enum err record_get(const struct journal_trees *trees, MDB_txn *txn, uint64_t upload,
                           struct arena *arena, Epcis__Store__V1__UploadRecord **out)
{
    uint8_t key[8];
    journal_key_u64(upload, key);
    return journal_trees_get_message(trees, txn, TREE_UPLOAD, journal_val(key, sizeof key),
                                     &epcis__store__v1__upload_record__descriptor, arena, out);
}

static enum err record_put(struct journal_trees *trees, MDB_txn *txn, uint64_t upload,
                           Epcis__Store__V1__UploadRecord *record)
{
    uint8_t key[8];
    journal_key_u64(upload, key);
    record->touched_ms = clock_wall_ms();
    return journal_trees_put_message(trees, txn, TREE_UPLOAD, journal_val(key, sizeof key), &record->base);
}

/* Removes an upload's pieces, however many there are: some may never have been written. */
static enum err delete_pieces(struct journal_trees *trees, MDB_txn *txn, uint64_t upload)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_PIECE], &cursor);
    if (code)
        return journal_trees_error("discard", code);
    uint8_t first[12];
    journal_key_piece(upload, 0, first);
    while (!code) {
        MDB_val key = journal_val(first, sizeof first), value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code || journal_key_read_u64(key.mv_data) != upload)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return code && code != MDB_NOTFOUND ? journal_trees_error("discard", code) : ERR_OK;
}

/* An upload that can be continued begins, or is none any more. Its key ends with its partner's GLN. */
static enum err count_open(struct journal_trees *trees, MDB_txn *txn, ProtobufCBinaryData key, int change)
{
    char gln[JOURNAL_PARTNER] = "";
    if (!key.len)
        return ERR_OK;
    if (key.len < UUID_BYTES || key.len - UUID_BYTES >= sizeof gln)
        return ERR_CORRUPT;
    memcpy(gln, key.data + UUID_BYTES, key.len - UUID_BYTES);
    trees->open_uploads += (uint32_t)change;
    return journal_load_uploads(trees, txn, gln, change);
}

/* Removes an upload; with its pieces, unless they are a document's. */
static enum err remove_upload(struct journal_trees *trees, MDB_txn *txn, uint64_t upload,
                              const Epcis__Store__V1__UploadRecord *record)
{
    uint8_t key[8];
    enum err err = ERR_OK;
    journal_key_u64(upload, key);
    if (!record->document_number) {
        trees->unfinished_bytes -= record->bytes;
        err = count_open(trees, txn, record->key, -1);
        if (!err)
            err = delete_pieces(trees, txn, upload);
    }
    if (!err && record->key.len)
        err =
            journal_trees_delete(trees, txn, TREE_UPLOAD_KEY, journal_val(record->key.data, record->key.len));
    return err ? err : journal_trees_delete(trees, txn, TREE_UPLOAD, journal_val(key, sizeof key));
}

/* ---- operations ------------------------------------------------------------------------------------- */

/* Whether one more of that partner may begin: it may have no more than are free. */
static enum err check_open(const struct journal_trees *trees, MDB_txn *txn, struct journal_op *op)
{
    const struct journal_claim *claim = op->claim;
    char gln[JOURNAL_PARTNER] = "";
    struct journal_burden burden;
    memcpy(gln, claim->key + UUID_BYTES, claim->key_bytes - UUID_BYTES);
    enum err err = journal_load_get(trees, txn, gln, &burden);
    if (!err && (trees->open_uploads >= claim->open_max ||
                 burden.uploads + 1 > claim->open_max - trees->open_uploads))
        op->refused = ERR_FULL;
    return err;
}

static enum err begin_upload(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op)
{
    struct journal_claim *claim = op->claim;
    uint8_t number[8];
    claim->pieces = 0;
    claim->bytes = claim->document_number = 0;
    enum err err = ERR_OK;
    if (claim->offset > 0)
        op->refused = ERR_ORDER;
    else
        err = check_open(trees, txn, op);
    if (err || op->refused)
        return err;
    claim->upload = claim->stream;
    journal_key_u64(claim->upload, number);
    Epcis__Store__V1__UploadRecord record = EPCIS__STORE__V1__UPLOAD_RECORD__INIT;
    record.key = (ProtobufCBinaryData){claim->key_bytes, claim->key};
    record.stream = claim->stream;
    err = journal_trees_put(trees, txn, TREE_UPLOAD_KEY, journal_val(claim->key, claim->key_bytes),
                            journal_val(number, sizeof number), 0);
    if (!err)
        err = count_open(trees, txn, record.key, 1);
    return err ? err : record_put(trees, txn, claim->upload, &record);
}

/* A last piece that is short was not sealed: it goes away, as every piece but a document's last is full. */
static enum err drop_short_piece(struct journal_trees *trees, MDB_txn *txn, uint64_t upload,
                                 Epcis__Store__V1__UploadRecord *record)
{
    uint8_t key[12];
    uint64_t rest = record->bytes % JOURNAL_PIECE_BYTES;
    if (record->document_number || !rest)
        return ERR_OK;
    record->pieces--;
    record->bytes -= rest;
    trees->unfinished_bytes -= rest;
    journal_key_piece(upload, record->pieces, key);
    return journal_trees_delete(trees, txn, TREE_PIECE, journal_val(key, sizeof key));
}

/* What is known of an upload that is a document: its own length and digest. ERR_NOT_FOUND: it was called off.
 */
static enum err tell_document(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                              struct arena *scratch, struct journal_claim *claim)
{
    uint8_t key[8];
    Epcis__Store__V1__CaptureRecord *document = NULL;
    journal_key_u64(number, key);
    enum err err =
        journal_trees_get_message(trees, txn, TREE_CAPTURE, journal_val(key, sizeof key),
                                  &epcis__store__v1__capture_record__descriptor, scratch, &document);
    if (!err && document->document_sha256.len != DIGEST_BYTES)
        err = ERR_CORRUPT;
    if (!err && document->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED)
        err = ERR_NOT_FOUND;
    if (err)
        return err;
    claim->bytes = document->document_bytes;
    memcpy(claim->digest_state, document->document_sha256.data, DIGEST_BYTES);
    return ERR_OK;
}

static enum err continue_upload(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch)
{
    struct journal_claim *claim = op->claim;
    Epcis__Store__V1__UploadRecord *record = NULL;
    enum err err = record_get(trees, txn, claim->upload, scratch, &record);
    if (err)
        return err;
    claim->bytes = record->bytes - record->bytes % JOURNAL_PIECE_BYTES;
    claim->document_number = record->document_number;
    if (record->document_number) {
        err = tell_document(trees, txn, record->document_number, scratch, claim);
        if (err == ERR_NOT_FOUND) { /* its pieces stay with the document: this is another upload */
            err = remove_upload(trees, txn, claim->upload, record);
            return err ? err : begin_upload(trees, txn, op);
        }
    } else if (record->sha256_state.len == DIGEST_BYTES)
        memcpy(claim->digest_state, record->sha256_state.data, DIGEST_BYTES);
    else if (record->pieces)
        err = ERR_CORRUPT;
    if (!err && claim->offset > claim->bytes) { /* the stream that has it goes on */
        op->refused = ERR_ORDER;
        return ERR_OK;
    }
    if (!err)
        err = drop_short_piece(trees, txn, claim->upload, record);
    claim->pieces = record->pieces;
    record->stream = claim->stream;
    return err ? err : record_put(trees, txn, claim->upload, record);
}

enum err journal_upload_claim(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch)
{
    MDB_val key = journal_val(op->claim->key, op->claim->key_bytes), value;
    int code = mdb_get(txn, trees->dbi[TREE_UPLOAD_KEY], &key, &value);
    if (code == MDB_NOTFOUND)
        return begin_upload(trees, txn, op);
    if (code)
        return journal_trees_error("upload_key", code);
    if (value.mv_size != 8)
        return ERR_CORRUPT;
    op->claim->upload = journal_key_read_u64(value.mv_data);
    return continue_upload(trees, txn, op, scratch);
}

/* The upload, if `stream` may change it. op->refused is set where there is none; an upload that cannot be
 * continued begins with its first piece, out of `empty`. */
static enum err find_upload(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op, uint64_t upload,
                            uint64_t stream, struct arena *scratch, Epcis__Store__V1__UploadRecord *empty,
                            Epcis__Store__V1__UploadRecord **out)
{
    enum err err = record_get(trees, txn, upload, scratch, out);
    if (err == ERR_NOT_FOUND && !stream) {
        epcis__store__v1__upload_record__init(empty);
        *out = empty;
        return ERR_OK;
    }
    if (err == ERR_NOT_FOUND || (!err && (*out)->stream != stream)) {
        op->refused = ERR_EXISTS;
        return ERR_OK;
    }
    return err;
}

enum err journal_upload_piece(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch)
{
    Epcis__Store__V1__UploadRecord empty, *record = NULL;
    enum err err = find_upload(trees, txn, op, op->upload, op->stream, scratch, &empty, &record);
    if (err || op->refused)
        return err;
    if (record->document_number || op->piece != record->pieces) {
        op->refused = record->document_number ? ERR_EXISTS : ERR_DISK;
        return ERR_OK;
    }
    uint8_t key[12];
    journal_key_piece(op->upload, op->piece, key);
    err = journal_trees_put(trees, txn, TREE_PIECE, journal_val(key, sizeof key),
                            journal_val(op->data.data, op->data.length), 0);
    if (err)
        return err;
    record->pieces++;
    record->bytes += op->raw_bytes;
    record->sha256_state = (ProtobufCBinaryData){DIGEST_BYTES, op->digest_state};
    trees->unfinished_bytes += op->raw_bytes;
    return record_put(trees, txn, op->upload, record);
}

enum err journal_upload_discard(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch)
{
    Epcis__Store__V1__UploadRecord empty, *record = NULL;
    enum err err = find_upload(trees, txn, op, op->upload, op->stream, scratch, &empty, &record);
    if (err || op->refused || record->document_number)
        return err;
    return remove_upload(trees, txn, op->upload, record);
}

enum err journal_upload_to_seal(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch, Epcis__Store__V1__UploadRecord **out)
{
    const struct journal_document *document = op->document;
    Epcis__Store__V1__UploadRecord *empty = arena_alloc(scratch, sizeof *empty);
    if (!empty)
        return ERR_MEMORY;
    enum err err = find_upload(trees, txn, op, document->upload, document->stream, scratch, empty, out);
    if (err || op->refused || (*out)->document_number || (*out)->pieces == document->pieces)
        return err;
    op->refused = ERR_DISK; /* one of them met a disk that was full */
    return document->stream ? ERR_OK : remove_upload(trees, txn, document->upload, *out);
}

enum err journal_upload_became(struct journal_trees *trees, MDB_txn *txn,
                               const struct journal_document *document,
                               Epcis__Store__V1__UploadRecord *record, uint64_t number)
{
    uint8_t key[8];
    journal_key_u64(document->upload, key);
    enum err err = ERR_OK;
    if (!number || document->duplicate) {
        trees->unfinished_bytes -= record->bytes;
        err = delete_pieces(trees, txn, document->upload);
    }
    if (err)
        return err;
    if (!record->key.len)
        return journal_trees_delete(trees, txn, TREE_UPLOAD, journal_val(key, sizeof key));
    err = count_open(trees, txn, record->key, -1);
    record->document_number = number;
    return err ? err : record_put(trees, txn, document->upload, record);
}

/* ---- what nobody continues ---------------------------------------------------------------------------- */

static void log_expired(const Epcis__Store__V1__UploadRecord *record)
{
    char id[UUID_TEXT + 1] = "";
    if (record->document_number)
        return;
    if (record->key.len >= UUID_BYTES)
        uuid_text(record->key.data, id);
    log_info("upload_expired", "upload=%s bytes=%" PRIu64 " detail=\"nobody continued it in time\"", id,
             record->bytes);
}

/* The first upload after `*upload`, which it moves there. */
static enum err next_upload(const struct journal_trees *trees, MDB_txn *txn, uint64_t *upload)
{
    MDB_cursor *cursor;
    uint8_t first[8];
    journal_key_u64(*upload + 1, first);
    MDB_val key = journal_val(first, sizeof first), value;
    int code = mdb_cursor_open(txn, trees->dbi[TREE_UPLOAD], &cursor);
    if (code)
        return journal_trees_error("upload", code);
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!code)
        *upload = journal_key_read_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return code ? journal_trees_error("upload", code) : ERR_OK;
}

static bool is_old(const Epcis__Store__V1__UploadRecord *record, int64_t before_ms)
{
    return record->key.len > 0 && record->touched_ms < before_ms;
}

enum err journal_upload_find_old(struct journal_trees *trees, int64_t before_ms, struct arena *scratch,
                                 uint64_t *upload)
{
    MDB_txn *txn;
    bool found = false;
    int code = mdb_txn_begin(trees->env, NULL, MDB_RDONLY, &txn);
    enum err err = code ? journal_trees_error("read", code) : ERR_OK;
    for (int i = 0; !err && !found && i < EXPIRE_LOOK; i++) {
        Epcis__Store__V1__UploadRecord *record = NULL;
        arena_reset(scratch);
        err = next_upload(trees, txn, &trees->expire_after);
        if (!err)
            err = record_get(trees, txn, trees->expire_after, scratch, &record);
        found = !err && is_old(record, before_ms);
    }
    if (err) /* that was the last of them: from the first one again */
        trees->expire_after = 0;
    if (!code)
        mdb_txn_abort(txn);
    *upload = trees->expire_after;
    return err || found ? err : ERR_NOT_FOUND;
}

enum err journal_upload_expire(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                               struct arena *scratch)
{
    Epcis__Store__V1__UploadRecord *record = NULL;
    enum err err = record_get(trees, txn, op->upload, scratch, &record);
    if (err || !is_old(record, op->before_ms))
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    log_expired(record);
    return remove_upload(trees, txn, op->upload, record);
}

enum err journal_upload_recover(struct journal_trees *trees, MDB_txn *txn)
{
    struct arena scratch;
    uint64_t upload = 0;
    arena_init(&scratch, RECORD_BYTES);
    enum err err;
    while (!(err = next_upload(trees, txn, &upload))) {
        Epcis__Store__V1__UploadRecord *record = NULL;
        arena_reset(&scratch);
        err = record_get(trees, txn, upload, &scratch, &record);
        if (!err && !record->document_number) {
            trees->unfinished_bytes += record->bytes;
            err = count_open(trees, txn, record->key, 1);
        }
        if (!err && !record->key.len)
            err = remove_upload(trees, txn, upload, record);
        if (err)
            break;
    }
    arena_free(&scratch);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}
