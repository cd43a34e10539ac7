#include "server/ingest.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "common/base/clock.h"
#include "common/gs1/epc.h"
#include "server/counters.h"
#include "server/journal.h"
#include "server/journal_partner.h"
#include "server/partner.h"
#include "server/pressure.h"

enum {
    COMPRESSION_LEVEL = 1,
    COMPRESSORS_KEPT = 4,
    RECORD_BYTES = 1 << 20, /* memory for one partner's record */
};

struct ingest {
    struct journal *journal;
    struct pressure *pressure;
    ingest_received_fn *received;
    void *context;

    pthread_mutex_t mutex; /* guards the compressors at rest */
    ZSTD_CCtx *compressors[COMPRESSORS_KEPT];
    int compressor_count;
};

struct ingest_document {
    struct ingest *ingest;
    struct journal_op op; /* seals it */
    struct journal_document record;
    struct digest *digest;
    ZSTD_CCtx *compressor;
    struct buffer piece; /* raw bytes of the piece being filled */
    bool partner_known;
    uint64_t max_bytes;            /* of the partner's record; 0: no limit of its own */
    struct refusal why;            /* for what call it was refused */
    struct journal_letter *letter; /* whose event it sends again; NULL: none's */
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
    free(self);
    *ingest = NULL;
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

static void document_free(struct ingest_document *document)
{
    if (document->compressor)
        compressor_give_back(document->ingest, document->compressor);
    digest_free(document->digest);
    buffer_free(&document->piece);
    free(document);
}

enum err ingest_open(struct ingest *ingest, const char *partner, struct ingest_document **out)
{
    if (*partner && (strlen(partner) != JOURNAL_PARTNER - 1 || !gs1_check_digit_ok(partner, strlen(partner))))
        return ERR_INPUT;
    struct ingest_document *document = calloc(1, sizeof *document);
    if (!document)
        return ERR_MEMORY;
    document->ingest = ingest;
    document->digest = digest_new();
    document->compressor = compressor_take(ingest);
    if (!document->digest || !document->compressor) {
        document_free(document);
        return ERR_MEMORY;
    }
    document->record.upload = journal_next_upload(ingest->journal);
    memcpy(document->record.request_partner, partner, strlen(partner) + 1);
    memcpy(document->record.partner, partner, strlen(partner) + 1);
    document->partner_known = *partner != '\0';
    *out = document;
    return ERR_OK;
}

void ingest_set_terms(struct ingest_document *document, struct capture_terms terms)
{
    document->record.terms = terms;
}

static void piece_written(struct journal_op *op, enum err err)
{
    (void)err; /* sealing counts the pieces, and the journal tells of its health */
    buffer_free(&op->data);
    free(op);
}

/* With the first piece the partner is known, and by its record how long a document may be. */
static enum err find_partner(struct ingest_document *document)
{
    struct arena arena;
    Epcis__V1__TradingPartner *partner = NULL;
    if (!document->partner_known)
        partner_find(document->piece.data, document->piece.length, document->record.partner);
    document->partner_known = true;
    if (!*document->record.partner)
        return ERR_OK;
    arena_init(&arena, RECORD_BYTES);
    enum err err =
        journal_partner_by_gln(document->ingest->journal, document->record.partner, &arena, &partner);
    if (!err)
        document->max_bytes = partner->max_document_bytes;
    arena_free(&arena);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Compresses the piece in hand and sends it to the journal. */
static enum err document_flush(struct ingest_document *document)
{
    enum err err = document->record.pieces == 0 ? find_partner(document) : ERR_OK;
    if (err)
        return err;
    if (document->max_bytes && document->record.document_bytes > document->max_bytes) {
        refusal_set(&document->why, REFUSAL_DOCUMENT_BYTES, 0,
                    "the document is longer than the %" PRIu64
                    " bytes that the record of its partner %s allows "
                    "(max_document_bytes), and was not kept: send several",
                    document->max_bytes, document->record.partner);
        counters_refuse(REFUSAL_DOCUMENT_BYTES);
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
        piece_written(op, ERR_MEMORY);
        return ERR_MEMORY;
    }
    op->data.length = bytes;
    op->kind = JOURNAL_PIECE;
    op->done = piece_written;
    op->bytes = op->data.capacity;
    op->upload = document->record.upload;
    op->piece = document->record.pieces++;
    buffer_clear(&document->piece);
    journal_submit(document->ingest->journal, op);
    return ERR_OK;
}

enum err ingest_append(struct ingest_document *document, const void *data, size_t bytes)
{
    const char *next = data;
    digest_update(document->digest, data, bytes);
    document->record.document_bytes += bytes;
    while (bytes > 0) {
        size_t room = JOURNAL_PIECE_BYTES - document->piece.length;
        size_t step = bytes < room ? bytes : room;
        buffer_append(&document->piece, next, step);
        if (document->piece.failed)
            return ERR_MEMORY;
        next += step;
        bytes -= step;
        if (document->piece.length < JOURNAL_PIECE_BYTES)
            continue;
        enum err err = document_flush(document);
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
    struct ingest_document *document = op->context;
    const struct journal_document *record = &document->record;
    struct receipt receipt = {.document_bytes = record->document_bytes,
                              .duplicate_document = record->duplicate,
                              .received_ms = record->received_ms};
    memcpy(receipt.capture_id, record->capture_id, UUID_BYTES);
    memcpy(receipt.document_sha256, record->document_sha256, DIGEST_BYTES);
    memcpy(receipt.partner, record->partner, sizeof receipt.partner);
    if (!err && record->duplicate)
        counters_add(COUNTER_DOCUMENTS_REPEATED, 1);
    if (!err && !record->duplicate) {
        counters_add(COUNTER_DOCUMENTS_RECEIVED, 1);
        counters_add(COUNTER_DOCUMENT_BYTES_RECEIVED, record->document_bytes);
        document->ingest->received(document->ingest->context, record->number, record->partition);
    }
    ingest_done_fn *done = document->done;
    void *context = document->context;
    document_free(document); /* first: whoever is told may free the ingest */
    done(context, err, err ? NULL : &receipt, NULL);
}

void ingest_digest(const struct ingest_document *document, uint8_t out[DIGEST_BYTES])
{
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
    digest_finish(self->digest, record->document_sha256);
    enum err err = record->document_bytes == 0 ? ERR_INPUT : ERR_OK;
    if (!err && self->piece.length > 0)
        err = document_flush(self);
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

void ingest_abort(struct ingest_document **document)
{
    struct ingest_document *self = *document;
    if (!self)
        return;
    struct journal_op *op = self->record.pieces > 0 ? calloc(1, sizeof *op) : NULL;
    if (op) {
        op->kind = JOURNAL_DISCARD;
        op->done = discarded;
        op->upload = self->record.upload;
        journal_submit(self->ingest->journal, op);
    }
    document_free(self);
    *document = NULL;
}
