#include "server/ingest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/gs1/epc.h"
#include "server/counters.h"
#include "server/journal.h"
#include "server/partner.h"
#include "server/partner_limits.h"
#include "server/pressure.h"
#include "server/quota.h"

enum {
    COMPRESSION_LEVEL = -3, /* about 1.6 times as fast as level 1, for 1.5 to 1.8 times its bytes */
    COMPRESSORS_KEPT = 4,
    OPEN_UPLOADS_MAX = 1000, /* that can be continued */
    OPEN_RETRY_MS = 60000,
};

struct ingest {
    struct journal *journal;
    struct pressure *pressure;
    struct quota *quota;
    ingest_received_fn *received;
    ingest_arriving_fn *arriving; /* NULL: nobody wants to know */
    void *context;

    pthread_mutex_t mutex; /* guards the compressors at rest */
    ZSTD_CCtx *compressors[COMPRESSORS_KEPT];
    int compressor_count;
};

/* What became of the pieces of a document: shared with those that are on their way. */
struct pieces {
    atomic_uint users;
    atomic_int refused;           /* enum err */
    ingest_arriving_fn *arriving; /* NULL: nobody is told of them */
    void *context;
};

struct ingest_document {
    struct ingest *ingest;
    struct journal_op op; /* claims, seals it */
    struct journal_claim claim;
    struct pieces *pieces;
    uint8_t digest_state[DIGEST_BYTES]; /* after the last full piece */
    uint64_t skip_bytes;                /* that come next, and are there already */
    bool finished;                      /* claimed, and a document already */
    struct journal_document record;
    struct digest *digest;
    ZSTD_CCtx *compressor;
    struct buffer piece;           /* raw bytes of the piece being filled */
    bool partner_found;            /* with what its record says */
    uint64_t max_bytes;            /* of the partner's record; 0: no limit of its own */
    struct refusal why;            /* for what call it was refused */
    struct journal_letter *letter; /* whose event it sends again; NULL: none's */
    ingest_claimed_fn *claimed;
    ingest_done_fn *done;
    void *context;
};

enum err ingest_init(struct journal *journal, struct pressure *pressure, ingest_received_fn *received,
                     void *context, struct ingest **out)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest)
        return ERR_MEMORY;
    *ingest =
        (struct ingest){.journal = journal, .pressure = pressure, .received = received, .context = context};
    pthread_mutex_init(&ingest->mutex, NULL);
    ingest->quota = quota_new();
    if (!ingest->quota) {
        ingest_free(&ingest);
        return ERR_MEMORY;
    }
    *out = ingest;
    return ERR_OK;
}

void ingest_free(struct ingest **ingest)
{
    struct ingest *self = *ingest;
    if (!self)
        return;
    while (self->compressor_count > 0)
        ZSTD_freeCCtx(self->compressors[--self->compressor_count]);
    pthread_mutex_destroy(&self->mutex);
    quota_free(self->quota);
    free(self);
    *ingest = NULL;
}

void ingest_tell_arriving(struct ingest *ingest, ingest_arriving_fn *arriving)
{
    ingest->arriving = arriving;
}

static ZSTD_CCtx *compressor_take(struct ingest *ingest)
{
    pthread_mutex_lock(&ingest->mutex);
    ZSTD_CCtx *compressor =
        ingest->compressor_count > 0 ? ingest->compressors[--ingest->compressor_count] : NULL;
    pthread_mutex_unlock(&ingest->mutex);
    return compressor ? compressor : ZSTD_createCCtx();
}

static void compressor_give_back(struct ingest *ingest, ZSTD_CCtx *compressor)
{
    pthread_mutex_lock(&ingest->mutex);
    if (ingest->compressor_count < COMPRESSORS_KEPT) {
        ingest->compressors[ingest->compressor_count++] = compressor;
        compressor = NULL;
    }
    pthread_mutex_unlock(&ingest->mutex);
    ZSTD_freeCCtx(compressor);
}

enum err ingest_admit(struct ingest *ingest, struct refusal *why)
{
    enum err err = journal_health(ingest->journal);
    return err || !ingest->pressure ? err : pressure_admit(ingest->pressure, why);
}

static void pieces_release(struct pieces *pieces)
{
    if (pieces && atomic_fetch_sub(&pieces->users, 1) == 1)
        free(pieces);
}

static void document_free(struct ingest_document *document)
{
    pieces_release(document->pieces);
    if (document->compressor)
        compressor_give_back(document->ingest, document->compressor);
    digest_free(document->digest);
    buffer_free(&document->piece);
    free(document);
}

static bool partner_is_valid(const char *partner)
{
    size_t length = strlen(partner);
    return length == 0 || (length == JOURNAL_PARTNER - 1 && gs1_check_digit_ok(partner, length));
}

enum err ingest_open(struct ingest *ingest, const char *partner, struct ingest_document **out)
{
    if (!partner_is_valid(partner))
        return ERR_INPUT;
    struct ingest_document *document = calloc(1, sizeof *document);
    if (!document)
        return ERR_MEMORY;
    document->ingest = ingest;
    document->digest = digest_new();
    document->compressor = compressor_take(ingest);
    document->pieces = calloc(1, sizeof *document->pieces);
    if (!document->digest || !document->compressor || !document->pieces) {
        document_free(document);
        return ERR_MEMORY;
    }
    atomic_init(&document->pieces->users, 1);
    document->record.upload = journal_next_upload(ingest->journal);
    memcpy(document->record.request_partner, partner, strlen(partner) + 1);
    memcpy(document->record.partner, partner, strlen(partner) + 1);
    *out = document;
    return ERR_OK;
}

/* ---- uploads that can be continued ----------------------------------------------------------------------
 */

enum err ingest_upload_key(const uint8_t upload_id[UUID_BYTES], const char *partner,
                           uint8_t key[JOURNAL_UPLOAD_KEY], size_t *key_bytes)
{
    if (!partner_is_valid(partner))
        return ERR_INPUT;
    memcpy(key, upload_id, UUID_BYTES);
    memcpy(key + UUID_BYTES, partner, strlen(partner));
    *key_bytes = UUID_BYTES + strlen(partner);
    return ERR_OK;
}

static void upload_claimed(struct journal_op *op, enum err err)
{
    struct ingest_document *document = op->context;
    const struct journal_claim *claim = &document->claim;
    ingest_claimed_fn *claimed = document->claimed;
    void *context = document->context;
    uint64_t held_bytes = claim->bytes;
    if (err) {
        struct refusal why = document->why;
        document_free(document);
        claimed(context, err, NULL, held_bytes, &why);
        return;
    }
    document->record.upload = claim->upload;
    document->record.stream = claim->stream;
    document->record.pieces = claim->pieces;
    document->record.document_bytes = held_bytes;
    document->skip_bytes = held_bytes - claim->offset;
    document->finished = claim->document_number != 0;
    if (document->finished)
        memcpy(document->record.document_sha256, claim->digest_state, DIGEST_BYTES);
    else if (held_bytes)
        digest_restore(document->digest, claim->digest_state, held_bytes);
    memcpy(document->digest_state, claim->digest_state, DIGEST_BYTES);
    claimed(context, ERR_OK, document, held_bytes, NULL);
}

enum err ingest_claim(struct ingest *ingest, const uint8_t upload_id[UUID_BYTES], const char *partner,
                      uint64_t offset, ingest_claimed_fn *done, void *context)
{
    struct ingest_document *document = NULL;
    enum err err = ingest_open(ingest, partner, &document);
    if (err)
        return err;
    struct journal_claim *claim = &document->claim;
    ingest_upload_key(upload_id, partner, claim->key, &claim->key_bytes);
    claim->stream = document->record.upload;
    claim->offset = offset;
    /* Where there is no room for more, what is here already may still come to its end. */
    claim->open_max = OPEN_UPLOADS_MAX;
    refusal_set(
        &document->why, REFUSAL_UPLOADS, OPEN_RETRY_MS,
        "too many uploads were begun and not finished, of %d in all or of this partner: finish those, or "
        "try again after retry-after-ms",
        OPEN_UPLOADS_MAX);
    if (ingest_admit(ingest, &document->why) == ERR_FULL)
        claim->open_max = 0;
    document->claimed = done;
    document->context = context;
    document->op = (struct journal_op){.kind = JOURNAL_CLAIM,
                                       .done = upload_claimed,
                                       .context = document,
                                       .bytes = sizeof *document,
                                       .claim = claim};
    journal_submit(ingest->journal, &document->op);
    return ERR_OK;
}

/* ---- bytes ----------------------------------------------------------------------------------------------
 */

void ingest_set_terms(struct ingest_document *document, struct capture_terms terms)
{
    document->record.terms = terms;
}

/* What is judged as a whole is short, and begins at its turn. */
void ingest_set_streamed(struct ingest_document *document)
{
    const struct capture_terms *terms = &document->record.terms;
    if (terms->rollback || terms->validate_only)
        return;
    document->pieces->arriving = document->ingest->arriving;
    document->pieces->context = document->ingest->context;
}

void ingest_set_caller(struct ingest_document *document, const char *identity, const char *partner)
{
    struct journal_document *record = &document->record;
    snprintf(record->caller_identity, sizeof record->caller_identity, "%s", identity);
    snprintf(record->caller_partner, sizeof record->caller_partner, "%s", partner);
}

void ingest_set_content_type(struct ingest_document *document, const char *content_type)
{
    snprintf(document->record.content_type, sizeof document->record.content_type, "%s", content_type);
}

static void piece_written(struct journal_op *op, enum err err)
{
    struct pieces *pieces = op->context;
    if (err)
        atomic_store(&pieces->refused, err);
    else if (pieces->arriving && op->raw_bytes == JOURNAL_PIECE_BYTES)
        pieces->arriving(pieces->context, op->upload, op->piece + 1);
    pieces_release(pieces);
    buffer_free(&op->data);
    free(op);
}

/* The document's first piece says whose it is where the client did not. */
static enum err read_partner(struct ingest_document *document)
{
    struct journal_document *record = &document->record;
    struct buffer first = {0};
    enum err err = ERR_OK;
    if (record->pieces == 0) {
        partner_find(document->piece.data, document->piece.length, record->partner);
    } else {
        err = journal_piece(document->ingest->journal, record->upload, 0, &first);
        if (!err)
            partner_find(first.data, first.length, record->partner);
    }
    buffer_free(&first);
    return err;
}

/* With the first piece the partner is known, and by its record how much it may send. */
static enum err find_partner(struct ingest_document *document)
{
    if (!*document->record.partner) {
        enum err err = read_partner(document);
        if (err)
            return err;
    }
    document->partner_found = true;
    return partner_limits_check(document->ingest->journal, document->ingest->pressure,
                                document->ingest->quota, document->record.partner, &document->max_bytes,
                                &document->why);
}

/* Compresses the piece in hand and sends it to the journal. */
static enum err document_flush(struct ingest_document *document)
{
    enum err err = document->partner_found ? ERR_OK : find_partner(document);
    if (err)
        return err;
    if (document->max_bytes && document->record.document_bytes > document->max_bytes) {
        refusal_set(&document->why, REFUSAL_DOCUMENT_BYTES, 0,
                    "the document is longer than the %" PRIu64
                    " bytes that the record of its partner %s allows "
                    "(max_document_bytes), and was not kept: send several",
                    document->max_bytes, document->record.partner);
        return ERR_LIMIT;
    }
    struct journal_op *op = calloc(1, sizeof *op);
    if (!op)
        return ERR_MEMORY;
    size_t bound = ZSTD_compressBound(document->piece.length);
    uint8_t *room = buffer_reserve(&op->data, bound);
    size_t bytes = room ? ZSTD_compressCCtx(document->compressor, room, bound, document->piece.data,
                                            document->piece.length, COMPRESSION_LEVEL)
                        : 0;
    if (!room || ZSTD_isError(bytes)) {
        buffer_free(&op->data);
        free(op);
        return ERR_MEMORY;
    }
    op->context = document->pieces;
    atomic_fetch_add(&document->pieces->users, 1);
    op->data.length = bytes;
    op->kind = JOURNAL_PIECE;
    op->done = piece_written;
    op->bytes = op->data.capacity;
    op->upload = document->record.upload;
    op->stream = document->record.stream;
    op->piece = document->record.pieces++;
    op->raw_bytes = (uint32_t)document->piece.length;
    if (document->piece.length == JOURNAL_PIECE_BYTES)
        digest_save(document->digest, document->digest_state);
    memcpy(op->digest_state, document->digest_state, DIGEST_BYTES);
    buffer_clear(&document->piece);
    fault_end(FAULT_INGEST_PIECE);
    journal_submit(document->ingest->journal, op);
    return ERR_OK;
}

enum err ingest_append(struct ingest_document *document, const void *data, size_t bytes)
{
    const char *next = data;
    size_t skip = bytes < document->skip_bytes ? bytes : (size_t)document->skip_bytes;
    document->skip_bytes -= skip;
    next += skip;
    bytes -= skip;
    document->record.document_bytes += bytes;
    while (bytes > 0 && !document->finished) {
        size_t room = JOURNAL_PIECE_BYTES - document->piece.length;
        size_t step = bytes < room ? bytes : room;
        digest_update(document->digest, next, step);
        buffer_append(&document->piece, next, step);
        if (document->piece.failed)
            return ERR_MEMORY;
        next += step;
        bytes -= step;
        if (document->piece.length < JOURNAL_PIECE_BYTES)
            continue;
        enum err err = document_flush(document);
        if (!err)
            err = (enum err)atomic_load(&document->pieces->refused);
        if (!err)
            err = journal_health(document->ingest->journal);
        if (!err && document->ingest->pressure)
            err = pressure_go_on(document->ingest->pressure, &document->why);
        if (err)
            return err;
    }
    return ERR_OK;
}

const struct refusal *ingest_refusal(const struct ingest_document *document)
{
    return &document->why;
}

uint64_t ingest_length(const struct ingest_document *document)
{
    return document->record.document_bytes;
}

static void sealed(struct journal_op *op, enum err err)
{
    fault_end(FAULT_INGEST_SEALED);
    struct ingest_document *document = op->context;
    const struct journal_document *record = &document->record;
    struct receipt receipt = {.document_bytes = record->document_bytes,
                              .duplicate_document = record->duplicate,
                              .received_ms = record->received_ms,
                              .journal_position = record->number};
    memcpy(receipt.capture_id, record->capture_id, UUID_BYTES);
    memcpy(receipt.document_sha256, record->document_sha256, DIGEST_BYTES);
    memcpy(receipt.partner, record->partner, sizeof receipt.partner);
    memcpy(receipt.key_id, record->key_id, sizeof receipt.key_id);
    memcpy(receipt.signature, record->signature, sizeof receipt.signature);
    if (!err && record->duplicate)
        counters_add(COUNTER_DOCUMENTS_REPEATED, 1);
    if (!err && !record->duplicate) {
        counters_add(COUNTER_DOCUMENTS_RECEIVED, 1);
        counters_add(COUNTER_DOCUMENT_BYTES_RECEIVED, record->document_bytes);
        document->ingest->received(document->ingest->context, record->number, record->partition,
                                   record->upload);
    }
    ingest_done_fn *done = document->done;
    void *context = document->context;
    document_free(document); /* first: whoever is told may free the ingest */
    done(context, err, err ? NULL : &receipt, NULL);
}

void ingest_digest(const struct ingest_document *document, uint8_t out[DIGEST_BYTES])
{
    if (document->finished)
        memcpy(out, document->record.document_sha256, DIGEST_BYTES);
    else
        digest_peek(document->digest, out);
}

void ingest_resubmit(struct ingest_document *document, struct journal_letter *letter)
{
    document->letter = letter;
}

enum err ingest_finish(struct ingest_document **document, ingest_done_fn *done, void *context)
{
    struct ingest_document *self = *document;
    struct journal_document *record = &self->record;
    ingest_digest(self, record->document_sha256);
    enum err err = record->document_bytes == 0 ? ERR_INPUT : ERR_OK;
    if (!err && self->piece.length > 0)
        err = document_flush(self);
    if (!err && !self->partner_found && !self->finished)
        err = find_partner(self);
    if (!err)
        err = uuid_make(record->capture_id);
    if (err) {
        struct refusal why = self->why;
        ingest_abort(document);
        done(context, err, NULL, &why);
        return err;
    }
    record->partition = partner_partition(record->partner);
    record->received_ms = clock_wall_ms();
    self->done = done;
    self->context = context;
    self->op = (struct journal_op){.kind = JOURNAL_SEAL,
                                   .done = sealed,
                                   .context = self,
                                   .bytes = sizeof *self,
                                   .document = record,
                                   .letter = self->letter};
    *document = NULL;
    journal_submit(self->ingest->journal, &self->op);
    return ERR_OK;
}

static void discarded(struct journal_op *op, enum err err)
{
    (void)err; /* what stays behind goes away at the next start */
    free(op);
}

void ingest_discard(struct ingest_document **document)
{
    struct ingest_document *self = *document;
    if (!self)
        return;
    struct journal_op *op = self->record.pieces > 0 || self->record.stream ? calloc(1, sizeof *op) : NULL;
    if (op) {
        op->kind = JOURNAL_DISCARD;
        op->done = discarded;
        op->upload = self->record.upload;
        op->stream = self->record.stream;
        journal_submit(self->ingest->journal, op);
    }
    document_free(self);
    *document = NULL;
}

void ingest_abort(struct ingest_document **document)
{
    struct ingest_document *self = *document;
    if (!self || !self->record.stream) {
        ingest_discard(document);
        return;
    }
    document_free(self);
    *document = NULL;
}
