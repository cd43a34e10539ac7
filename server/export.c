#include "server/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "server/journal_audit.h"
#include "server/journal_ledger.h"

enum {
    PIECE_BYTES = 64 << 10,
    PIECE_STEPS = 2000,      /* in one piece, so that no thread is kept from others for long */
    MEMORY_BYTES = 64 << 20, /* one batch's record: a byte an item, and its spans */
    AUDIT_PAGE = 16,
};

/* The batches of one partition that belong here: up to `last`, and beyond it while they begin with items of
 * document `last_document`. */
struct reach {
    uint64_t first, last;
    uint64_t last_document;
    uint64_t decided; /* the last one here whose outcome is; 0: there is none, or a checkpoint knows it */
};

/* What comes next. */
enum step {
    STEP_HEADER,
    STEP_KEYS,
    STEP_REACH, /* looks for the batches of a range */
    STEP_BATCH, /* and the documents that it is the first to name */
    STEP_ITEMS, /* of that batch */
    STEP_REST,  /* documents that no batch names */
    STEP_CHECKPOINTS,
    STEP_LATE_KEYS, /* made meanwhile */
    STEP_TRAILER,
    STEP_END,
};

struct export
{
    struct journal *journal;
    struct signer *signer;
    struct export_range range;
    struct journal_extent extent;
    enum step step;
    struct digest *digest; /* of all lines so far */
    uint64_t lines;

    uint64_t keys;                     /* written */
    char key_id[SIGNATURE_KEY_ID + 1]; /* of the last one */
    uint64_t checkpoint;               /* number of the next one */
    uint64_t number;                   /* of the next document */
    bool bounded;                      /* by time, so that not all checkpoints belong here */
    uint64_t first, last;              /* documents of the range; 0: there are none */

    struct reach reaches[PARTNER_PARTITIONS];
    uint32_t partition;
    uint64_t sequence;                          /* of the next batch */
    uint64_t document;                          /* that batches named last */
    uint8_t outcome_id[DIGEST_BYTES];           /* of the batch before */
    struct arena arena;                         /* holds `batch` */
    const Epcis__Store__V1__BatchRecord *batch; /* whose items come next; NULL: of none */
    bool decided;                               /* what became of them is known */
    uint64_t items, next_item;
    struct buffer leaves;
};

/* ---- keys and checkpoints --------------------------------------------------------------------------- */

static enum err write_header(struct export *export, struct buffer *out)
{
    export_line_header(out, &export->range, clock_wall_ms(), export->extent.last_document);
    export->step = STEP_KEYS;
    return ERR_OK;
}

/* Those that were made since the ones written last. */
static enum err write_keys(struct export *export, struct buffer *out)
{
    Epcis__V1__ListKeysResponse page = EPCIS__V1__LIST_KEYS_RESPONSE__INIT;
    struct journal_audit_page wanted = {.from = export->keys + 1, .limit = AUDIT_PAGE};
    enum err err = journal_audit_keys(export->journal, &wanted, &export->arena, &page);
    for (size_t i = 0; !err && i < page.n_keys; i++) {
        export_line_key(out, page.keys[i]);
        snprintf(export->key_id, sizeof export->key_id, "%s", page.keys[i]->key_id);
        export->keys++;
    }
    if (!err && !wanted.from)
        export->step = export->step == STEP_KEYS ? STEP_REACH : STEP_TRAILER;
    return err;
}

/* Whether the checkpoint knows all that is here: then a bounded range needs none behind it. */
static bool knows_all(struct export *export, const Epcis__V1__Checkpoint *checkpoint)
{
    bool all = checkpoint->last_document >= export->last;
    for (size_t i = 0; i < checkpoint->n_partitions; i++) {
        const Epcis__V1__PartitionHead *head = checkpoint->partitions[i];
        if (head->partition < PARTNER_PARTITIONS &&
            head->acknowledged_sequence >= export->reaches[head->partition].decided)
            export->reaches[head->partition].decided = 0;
    }
    for (uint32_t i = 0; all && i < PARTNER_PARTITIONS; i++)
        all = export->reaches[i].decided == 0;
    return all;
}

static enum err write_checkpoint(struct export *export, struct buffer *out)
{
    Epcis__V1__SignedCheckpoint *checkpoint;
    Epcis__V1__Checkpoint *unpacked;
    if (export->checkpoint > export->extent.last_checkpoint) {
        export->step = STEP_LATE_KEYS;
        return ERR_OK;
    }
    enum err err = journal_audit_checkpoint(export->journal, export->checkpoint++, &export->arena,
                                            &checkpoint, &unpacked);
    if (err)
        return err;
    export_line_checkpoint(out, checkpoint);
    if (export->bounded && knows_all(export, unpacked))
        export->step = STEP_LATE_KEYS;
    return ERR_OK;
}

/* The first checkpoint of a bounded range: each knows at least the documents that those before it know. */
static enum err find_checkpoint(struct export *export)
{
    uint64_t high = export->extent.last_checkpoint + 1, low = export->first ? 1 : high;
    enum err err = ERR_OK;
    while (!err && low < high) {
        Epcis__V1__SignedCheckpoint *checkpoint;
        Epcis__V1__Checkpoint *unpacked;
        uint64_t middle = low + (high - low) / 2;
        arena_reset(&export->arena);
        err = journal_audit_checkpoint(export->journal, middle, &export->arena, &checkpoint, &unpacked);
        if (!err && unpacked->last_document < export->first)
            low = middle + 1;
        else
            high = middle;
    }
    export->checkpoint = low;
    return err;
}

/* A key that came in since the keys were written has to stand in the export that it signs. */
static enum err write_trailer(struct export *export, struct buffer *out)
{
    uint8_t sha256[DIGEST_BYTES];
    struct signer_signature signature;
    digest_peek(export->digest, sha256);
    enum err err = signer_sign(export->signer, EXPORT_DOMAIN, sha256, sizeof sha256, &signature);
    if (err)
        return err;
    if (strcmp(signature.key_id, export->key_id) != 0) {
        export->step = STEP_LATE_KEYS;
        return ERR_OK;
    }
    export_line_trailer(out, export->lines, sha256, &signature);
    export->step = STEP_END;
    return ERR_OK;
}

/* ---- documents -------------------------------------------------------------------------------------- */

static bool in_range(const struct export *export, const Epcis__Store__V1__CaptureRecord *record)
{
    const struct export_range *range = &export->range;
    return (!range->one_partition || record->partition == range->partition) &&
           record->received_ms >= range->from_ms && (!range->to_ms || record->received_ms < range->to_ms);
}

/* ERR_NOT_FOUND: it is not there any more. */
static enum err read_document(struct export *export, uint64_t number, Epcis__Store__V1__CaptureRecord **out)
{
    enum err err = journal_capture(export->journal, number, &export->arena, out);
    return !err && (*out)->partition >= PARTNER_PARTITIONS ? ERR_CORRUPT : err;
}

/* Whether the export's moment knew a batch with items of the document. */
static bool has_batch(const struct export *export, const Epcis__Store__V1__CaptureRecord *record)
{
    return record->first_batch &&
           record->first_batch <= export->extent.partitions[record->partition].last_sequence;
}

/* One document that no batch names. */
static enum err write_rest(struct export *export, struct buffer *out)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    if (export->number > export->extent.last_document) {
        export->step = STEP_CHECKPOINTS;
        return export->bounded ? find_checkpoint(export) : ERR_OK;
    }
    uint64_t number = export->number++;
    enum err err = read_document(export, number, &record);
    if (err || has_batch(export, record) || !in_range(export, record))
        return err;
    return export_line_document(out, number, record, journal_extent_holds(&export->extent, record));
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static void begin_partition(struct export *export, uint32_t partition)
{
    export->partition = partition;
    export->document = 0;
    export->sequence = partition < PARTNER_PARTITIONS ? export->reaches[partition].first : 0;
}

/* Where no time bounds the range, its partitions' batches belong to it from the first to the last. */
static void reach_all(struct export *export)
{
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++)
        if (!export->range.one_partition || export->range.partition == i)
            export->reaches[i] =
                (struct reach){.first = 1, .last = export->extent.partitions[i].last_sequence};
}

/* Stretches its partition's reach over one document of the range. */
static enum err extend_reach(struct export *export)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    uint64_t number = export->number++;
    enum err err = read_document(export, number, &record);
    if (err || !in_range(export, record))
        return err;
    export->first = export->first ? export->first : number;
    export->last = number;
    if (!has_batch(export, record))
        return ERR_OK;
    struct reach *reach = &export->reaches[record->partition];
    if (!reach->first || record->first_batch < reach->first)
        reach->first = record->first_batch;
    if (record->first_batch >= reach->last) {
        reach->last = record->first_batch;
        reach->last_document = number;
    }
    return ERR_OK;
}

static enum err find_reach(struct export *export)
{
    if (export->bounded && export->number <= export->extent.last_document)
        return extend_reach(export);
    if (!export->bounded)
        reach_all(export);
    begin_partition(export, 0);
    export->number = 1;
    export->step = STEP_BATCH;
    return ERR_OK;
}

/* The documents that the batch is the first to name. */
static enum err write_documents(struct export *export, const Epcis__Store__V1__BatchRecord *batch,
                                struct buffer *out)
{
    enum err err = ERR_OK;
    export->items = 0;
    for (size_t i = 0; !err && i < batch->n_spans; i++) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        uint64_t number = batch->spans[i]->document_number;
        export->items += batch->spans[i]->count;
        if (number == export->document)
            continue;
        export->document = number;
        err = read_document(export, number, &record);
        if (!err)
            err = export_line_document(out, number, record, journal_extent_holds(&export->extent, record));
    }
    return err;
}

/* outcome_id of the batch before the partition's first one here. */
static enum err load_outcome_id(struct export *export)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    memset(export->outcome_id, 0, DIGEST_BYTES);
    if (export->sequence == 1)
        return ERR_OK;
    enum err err =
        journal_batch(export->journal, export->partition, export->sequence - 1, &export->arena, &record);
    if (!err && record->outcome_id.len == DIGEST_BYTES)
        memcpy(export->outcome_id, record->outcome_id.data, DIGEST_BYTES);
    return err;
}

static enum err write_batch(struct export *export, struct buffer *out)
{
    if (export->partition == PARTNER_PARTITIONS) {
        export->step = STEP_REST;
        return ERR_OK;
    }
    struct reach *reach = &export->reaches[export->partition];
    const struct journal_extent_partition *extent = &export->extent.partitions[export->partition];
    Epcis__Store__V1__BatchRecord *batch = NULL;
    if (!export->sequence || export->sequence > extent->last_sequence) {
        begin_partition(export, export->partition + 1);
        return ERR_OK;
    }
    enum err err = export->sequence == reach->first ? load_outcome_id(export) : ERR_OK;
    if (!err)
        err = journal_batch(export->journal, export->partition, export->sequence, &export->arena, &batch);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (export->sequence > reach->last &&
        (batch->n_spans == 0 || batch->spans[0]->document_number != reach->last_document)) {
        begin_partition(export, export->partition + 1);
        return ERR_OK;
    }
    export->decided = export->sequence <= extent->acknowledged_sequence;
    err = write_documents(export, batch, out);
    if (!err)
        err = export_line_batch(out, export->partition, export->sequence, export->items, batch,
                                export->decided ? export->outcome_id : NULL);
    if (err)
        return err;
    if (export->decided) {
        memcpy(export->outcome_id, batch->outcome_id.data, DIGEST_BYTES);
        reach->decided = export->sequence;
    }
    export->batch = batch;
    export->next_item = 0;
    export->step = STEP_ITEMS;
    return ERR_OK;
}

static enum err write_items(struct export *export, struct buffer *out)
{
    buffer_clear(&export->leaves);
    enum err err = journal_leaves(export->journal, export->partition, export->sequence, export->next_item,
                                  EXPORT_LINE_ITEMS, &export->leaves);
    uint64_t count = export->leaves.length / DIGEST_BYTES;
    if (err || count == 0 || count > export->items - export->next_item)
        return err ? err : ERR_CORRUPT;
    export_line_items(out, export->next_item, &export->leaves,
                      export->decided ? export->batch->outcomes.data + export->next_item : NULL);
    export->next_item += count;
    if (export->next_item == export->items) {
        export->batch = NULL;
        export->sequence++;
        export->step = STEP_BATCH;
    }
    return ERR_OK;
}

/* ---- the export ------------------------------------------------------------------------------------- */

static enum err write_step(struct export *export, struct buffer *out)
{
    if (!export->batch)
        arena_reset(&export->arena);
    switch (export->step) {
    case STEP_HEADER:
        return write_header(export, out);
    case STEP_KEYS:
    case STEP_LATE_KEYS:
        return write_keys(export, out);
    case STEP_REACH:
        return find_reach(export);
    case STEP_BATCH:
        return write_batch(export, out);
    case STEP_ITEMS:
        return write_items(export, out);
    case STEP_REST:
        return write_rest(export, out);
    case STEP_CHECKPOINTS:
        return write_checkpoint(export, out);
    case STEP_TRAILER:
        return write_trailer(export, out);
    case STEP_END:
        break;
    }
    return ERR_OK;
}

static uint64_t count_lines(const uint8_t *text, size_t bytes)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

enum err export_next(struct export *export, struct buffer *out, bool *done)
{
    size_t begin = out->length;
    enum err err = ERR_OK;
    for (int i = 0; !err && i < PIECE_STEPS && out->length - begin < PIECE_BYTES && export->step != STEP_END;
         i++) {
        size_t at = out->length;
        err = write_step(export, out);
        if (!err && out->failed)
            err = ERR_MEMORY;
        if (err)
            break;
        digest_update(export->digest, out->data + at, out->length - at);
        export->lines += count_lines(out->data + at, out->length - at);
    }
    *done = export->step == STEP_END;
    return err;
}

enum err export_open(struct journal *journal, struct signer *signer, const struct export_range *range,
                     struct export **out)
{
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return ERR_MEMORY;
    export->journal = journal;
    export->signer = signer;
    export->range = *range;
    export->bounded = range->from_ms || range->to_ms;
    export->checkpoint = 1;
    export->number = 1;
    arena_init(&export->arena, MEMORY_BYTES);
    export->digest = digest_new();
    enum err err = export->digest ? journal_extent_get(journal, &export->extent) : ERR_MEMORY;
    if (err)
        export_close(&export);
    *out = export;
    return err;
}

void export_close(struct export **export)
{
    if (!*export)
        return;
    digest_free((*export)->digest);
    arena_free(&(*export)->arena);
    buffer_free(&(*export)->leaves);
    free(*export);
    *export = NULL;
}
