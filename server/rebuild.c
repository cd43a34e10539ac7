#include "server/rebuild.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal_ledger.h"
#include "server/reading.h"

enum { MEMORY_BYTES = 64 << 20 };

struct rebuild {
    struct rebuild_range range;
    struct journal_extent extent;
    struct rebuild_sink out;
    struct reading_tools *tools;
    struct reading_sink sink;
    struct arena record_memory, scratch;

    uint32_t partition;
    uint64_t sequence;                     /* of the batch being made; 0: the partition is not begun */
    Epcis__Store__V1__BatchRecord *record; /* the batch's, in record_memory; NULL: none is being made */
    uint8_t before[DIGEST_BYTES];          /* batch_id of the batch before it, where that can be read */
    bool has_before;
    struct buffer leaves; /* as recorded */
    struct batch *open;
    size_t span;                  /* of the record, that the next item belongs to */
    uint32_t taken;               /* items of that span so far */
    struct rebuild_result result; /* of the batch being made */
    struct rebuild_result last;   /* of the batch before: held back until its documents are read */
    bool has_last;

    struct reading *reading;
    struct digest *digest;        /* of the document's bytes */
    uint8_t sha256[DIGEST_BYTES]; /* as they were received */
    bool strays;                  /* the document has items where none was recorded */
    bool ended;                   /* all its items are made; its bytes may go on */
    struct rebuild_result bad; /* what is wrong with `bad.document`: not read again for its other batches */
};

/* ---- results ---------------------------------------------------------------------------------------- */

static enum err tell_last(struct rebuild *rebuild)
{
    bool told = rebuild->has_last;
    rebuild->has_last = false;
    return told && rebuild->out.result ? rebuild->out.result(rebuild->out.context, &rebuild->last) : ERR_OK;
}

/* The first finding stays. */
static void find(struct rebuild_result *result, enum rebuild_verdict verdict, uint64_t document,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void find(struct rebuild_result *result, enum rebuild_verdict verdict, uint64_t document,
                 const char *format, ...)
{
    va_list args;
    if (result->verdict != REBUILD_SAME)
        return;
    result->verdict = verdict;
    result->document = document;
    va_start(args, format);
    vsnprintf(result->text, sizeof result->text, format, args);
    va_end(args);
}

/* The batch that holds the document's last items so far. */
static struct rebuild_result *result_of(struct rebuild *rebuild, uint64_t document)
{
    const struct batch *open = rebuild->open;
    bool in_open = open && open->span_count && open->spans[open->span_count - 1].number == document;
    return in_open || !rebuild->has_last ? &rebuild->result : &rebuild->last;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static enum err load_leaves(struct rebuild *rebuild)
{
    const Epcis__Store__V1__BatchRecord *record = rebuild->record;
    uint64_t items = 0;
    bool whole = record->n_spans > 0;
    for (size_t i = 0; i < record->n_spans; i++) {
        whole &= record->spans[i]->count > 0;
        items += record->spans[i]->count;
    }
    rebuild->result.items = items;
    buffer_clear(&rebuild->leaves);
    enum err err = journal_leaves(rebuild->tools->journal, rebuild->partition, rebuild->sequence, 0, items,
                                  &rebuild->leaves);
    return !err && (!whole || rebuild->leaves.length != items * DIGEST_BYTES) ? ERR_CORRUPT : err;
}

/* Whoever wants the batch itself gets it. */
static enum err hand_over(struct rebuild *rebuild)
{
    struct batch *made = rebuild->result.verdict == REBUILD_SAME ? rebuild->open : NULL;
    if (!rebuild->out.batch)
        return ERR_OK;
    if (made)
        rebuild->open = NULL;
    return rebuild->out.batch(rebuild->out.context, &rebuild->result, made);
}

/* The batch is judged; the next one comes. */
static enum err leave_batch(struct rebuild *rebuild)
{
    enum err err = tell_last(rebuild);
    if (!err)
        err = hand_over(rebuild);
    rebuild->last = rebuild->result;
    rebuild->has_last = true;
    rebuild->has_before = rebuild->record != NULL;
    if (rebuild->record)
        memcpy(rebuild->before, rebuild->record->batch_id.data, DIGEST_BYTES);
    batch_free(rebuild->open);
    rebuild->open = NULL;
    rebuild->record = NULL;
    rebuild->sequence++;
    return err;
}

static bool is_damage(enum err err)
{
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT;
}

/* Reads the record of the batch that is next, where there is one. What cannot be read is judged at once. */
static enum err expect_batch(struct rebuild *rebuild)
{
    const uint64_t end = rebuild->extent.partitions[rebuild->partition].last_sequence;
    const uint64_t last = rebuild->range.last_sequence;
    if (rebuild->sequence > end || (last && rebuild->sequence > last))
        return ERR_OK;
    Epcis__Store__V1__BatchRecord *record = NULL;
    rebuild->result = (struct rebuild_result){.partition = rebuild->partition, .sequence = rebuild->sequence};
    rebuild->span = 0;
    rebuild->taken = 0;
    arena_reset(&rebuild->record_memory);
    enum err err = journal_batch(rebuild->tools->journal, rebuild->partition, rebuild->sequence,
                                 &rebuild->record_memory, &record);
    if (!err && (record->batch_id.len != DIGEST_BYTES || record->parent_batch_id.len != DIGEST_BYTES ||
                 record->root.len != DIGEST_BYTES))
        err = ERR_CORRUPT;
    rebuild->record = record;
    if (!err)
        err = load_leaves(rebuild);
    if (!is_damage(err))
        return err;
    find(&rebuild->result, REBUILD_DIFFERENT, 0, "the record of the batch, or of its items, is %s",
         err == ERR_NOT_FOUND ? "missing" : "damaged");
    rebuild->record = NULL;
    return leave_batch(rebuild);
}

/* Whether the batch has the documents and events that its record says. */
static bool has_spans(const struct batch *batch, const Epcis__Store__V1__BatchRecord *record)
{
    bool same = batch->span_count == record->n_spans;
    for (size_t i = 0; same && i < record->n_spans; i++) {
        const struct batch_span *span = &batch->spans[i];
        const Epcis__Store__V1__BatchSpan *told = record->spans[i];
        same = span->number == told->document_number && span->first_event == told->first_event &&
               span->count == told->count && span->events == told->events;
    }
    return same;
}

static enum err judge_batch(struct rebuild *rebuild)
{
    const Epcis__Store__V1__BatchRecord *record = rebuild->record;
    struct batch *open = rebuild->open;
    struct rebuild_result *result = &rebuild->result;
    uint64_t document = open->spans[0].number;
    enum err err = batch_close(open, rebuild->sequence, record->parent_batch_id.data, rebuild->out.partners);
    if (err)
        return err;
    if (open->items != result->items)
        find(result, REBUILD_DIFFERENT, document, "the document has %" PRIu32 " items, recorded are %" PRIu64,
             open->items, result->items);
    if (!has_spans(open, record))
        find(result, REBUILD_DIFFERENT, document, "the events are counted otherwise than was recorded");
    if (memcmp(open->root, record->root.data, DIGEST_BYTES) != 0)
        find(result, REBUILD_DIFFERENT, 0, "the items are as recorded, the Merkle root is not theirs");
    if (memcmp(open->id, record->batch_id.data, DIGEST_BYTES) != 0)
        find(result, REBUILD_DIFFERENT, 0, "the items are as recorded, the batch_id is not theirs");
    if (rebuild->has_before && memcmp(rebuild->before, record->parent_batch_id.data, DIGEST_BYTES) != 0)
        find(result, REBUILD_DIFFERENT, 0, "parent_batch_id is not the batch_id of the batch before");
    return leave_batch(rebuild);
}

/* ---- items ------------------------------------------------------------------------------------------ */

static void compare_leaf(struct rebuild *rebuild, const struct batch_span *span, uint64_t line)
{
    struct rebuild_result *result = &rebuild->result;
    size_t at = (size_t)(rebuild->open->items - 1) * DIGEST_BYTES;
    if (result->verdict != REBUILD_SAME || at >= rebuild->leaves.length ||
        memcmp(rebuild->open->leaves.data + at, rebuild->leaves.data + at, DIGEST_BYTES) == 0)
        return;
    if (span->events)
        find(result, REBUILD_DIFFERENT, span->number, "event %" PRIu64 " is not what was recorded",
             span->first_event);
    else
        find(result, REBUILD_DIFFERENT, span->number, "an item that is no event is not what was recorded");
    result->one_item = true;
    result->item = rebuild->open->items - 1;
    result->line = line;
}

static enum err take_item(void *context, const struct batch_span *span, const struct batch_item *item)
{
    struct rebuild *rebuild = context;
    const Epcis__Store__V1__BatchRecord *record = rebuild->record;
    if (!record) /* the range ends here */
        return ERR_STOPPED;
    if (record->spans[rebuild->span]->document_number != span->number && !rebuild->reading->whole) {
        rebuild->strays = true;
        return ERR_STOPPED;
    }
    if (!rebuild->open && !(rebuild->open = batch_new(rebuild->partition, 0)))
        return ERR_MEMORY;
    enum err err = batch_add(rebuild->open, span, item);
    if (err)
        return err;
    compare_leaf(rebuild, span, item->line);
    if (rebuild->reading->whole) /* it may yet be refused, which makes it one item */
        return ERR_OK;
    if (++rebuild->taken == record->spans[rebuild->span]->count) {
        rebuild->span++;
        rebuild->taken = 0;
    }
    if (rebuild->span < record->n_spans)
        return ERR_OK;
    err = judge_batch(rebuild);
    return err ? err : expect_batch(rebuild);
}

static uint64_t open_bytes(void *context)
{
    const struct rebuild *rebuild = context;
    return rebuild->open ? rebuild->open->frame.length : 0;
}

static void discard_open(void *context)
{
    struct rebuild *rebuild = context;
    batch_free(rebuild->open);
    rebuild->open = NULL;
    rebuild->result.verdict = REBUILD_SAME;
    rebuild->result.one_item = false;
}

/* ---- documents -------------------------------------------------------------------------------------- */

/* Document `number` is read no further, for what was found out about it: nor is the batch that needs more of
 * it. */
static enum err give_up(struct rebuild *rebuild, uint64_t number, enum rebuild_verdict verdict,
                        const char *why)
{
    const Epcis__Store__V1__BatchRecord *record = rebuild->record;
    bool needed = record && record->spans[rebuild->span]->document_number == number;
    reading_close(&rebuild->reading);
    if (rebuild->bad.document != number) {
        rebuild->bad = (struct rebuild_result){.verdict = REBUILD_SAME};
        find(&rebuild->bad, verdict, number, "%s", why);
    }
    if (needed)
        find(&rebuild->result, rebuild->bad.verdict, number, "%s", rebuild->bad.text);
    else if (verdict == REBUILD_DIFFERENT)
        find(result_of(rebuild, number), verdict, number, "%s", rebuild->bad.text);
    return needed ? leave_batch(rebuild) : ERR_OK;
}

static enum err open_document(struct rebuild *rebuild, uint64_t number)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    uint64_t skip = 0;
    enum err err = ERR_OK;
    if (rebuild->span == 0)
        err = reading_items_before(rebuild->tools->journal, rebuild->partition, rebuild->sequence - 1, number,
                                   &rebuild->scratch, &skip);
    arena_reset(&rebuild->scratch);
    if (!err)
        err = journal_capture(rebuild->tools->journal, number, &rebuild->scratch, &record);
    if (!err && record->pruned_ms)
        return give_up(rebuild, number, REBUILD_PRUNED, "the bytes of the document are kept no longer");
    if (!err && record->document_sha256.len != DIGEST_BYTES)
        err = ERR_CORRUPT;
    if (err)
        return err;
    memcpy(rebuild->sha256, record->document_sha256.data, DIGEST_BYTES);
    digest_free(rebuild->digest);
    rebuild->digest = digest_new();
    rebuild->strays = rebuild->ended = false;
    return rebuild->digest
               ? reading_open(rebuild->tools, &rebuild->sink, number, record, skip, &rebuild->reading)
               : ERR_MEMORY;
}

static enum err begin_document(struct rebuild *rebuild)
{
    uint64_t number = rebuild->record->spans[rebuild->span]->document_number;
    if (rebuild->bad.document == number)
        return give_up(rebuild, number, REBUILD_DIFFERENT, "");
    enum err err = open_document(rebuild, number);
    return is_damage(err) ? give_up(rebuild, number, REBUILD_DIFFERENT,
                                    "the record of the document, or of a batch before, is missing or damaged")
                          : err;
}

/* All of the document was read. */
static enum err end_document(struct rebuild *rebuild)
{
    uint64_t number = rebuild->reading->span.number;
    const Epcis__Store__V1__BatchRecord *record = rebuild->record;
    bool whole = rebuild->reading->whole;
    uint8_t sha256[DIGEST_BYTES];
    digest_finish(rebuild->digest, sha256);
    if (memcmp(sha256, rebuild->sha256, DIGEST_BYTES) != 0)
        find(result_of(rebuild, number), REBUILD_DIFFERENT, number,
             "the bytes of the document are not those that were received");
    reading_close(&rebuild->reading);
    if (whole && rebuild->open)
        return judge_batch(rebuild);
    if (record && record->spans[rebuild->span]->document_number == number)
        return give_up(rebuild, number, REBUILD_DIFFERENT, "the document has fewer items than were recorded");
    return ERR_OK;
}

/* Retention may have taken the document's bytes while it was read. */
static enum err miss_piece(struct rebuild *rebuild, enum err missed)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    uint64_t number = rebuild->reading->span.number;
    arena_reset(&rebuild->scratch);
    enum err err = journal_capture(rebuild->tools->journal, number, &rebuild->scratch, &record);
    if (err)
        return err;
    if (record->pruned_ms)
        return give_up(rebuild, number, REBUILD_PRUNED, "the bytes of the document are kept no longer");
    return give_up(rebuild, number, REBUILD_DIFFERENT,
                   missed == ERR_NOT_FOUND ? "a piece of the document's bytes is missing"
                                           : "a piece of the document's bytes is damaged");
}

/* A document that breaks off, or is refused, ends before its bytes do. */
static enum err skip_piece(struct rebuild *rebuild)
{
    struct reading *reading = rebuild->reading;
    if (reading->piece == reading->pieces)
        return ERR_OK;
    buffer_clear(&rebuild->tools->piece);
    return journal_piece(rebuild->tools->journal, reading->upload, reading->piece++, &rebuild->tools->piece);
}

static enum err read_on(struct rebuild *rebuild)
{
    const struct parser_error *broken;
    uint32_t piece = rebuild->reading->piece;
    enum err err =
        rebuild->ended ? skip_piece(rebuild) : reading_step(rebuild->reading, &rebuild->ended, &broken);
    if (rebuild->reading->piece > piece)
        digest_update(rebuild->digest, rebuild->tools->piece.data, rebuild->tools->piece.length);
    if (is_damage(err))
        return miss_piece(rebuild, err);
    if (err == ERR_STOPPED) {
        uint64_t number = rebuild->reading->span.number;
        if (rebuild->strays)
            find(result_of(rebuild, number), REBUILD_DIFFERENT, number,
                 "the document has more items than were recorded");
        reading_close(&rebuild->reading);
        return ERR_OK;
    }
    bool all_read = rebuild->ended && rebuild->reading->piece == rebuild->reading->pieces;
    return !err && all_read ? end_document(rebuild) : err;
}

/* ---- the range -------------------------------------------------------------------------------------- */

/* What the first batch's parent has to be. */
static enum err begin_partition(struct rebuild *rebuild)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    uint64_t first = rebuild->range.first_sequence;
    rebuild->sequence = first ? first : 1;
    memset(rebuild->before, 0, sizeof rebuild->before);
    rebuild->has_before = rebuild->sequence == 1;
    if (rebuild->sequence == 1 ||
        rebuild->sequence > rebuild->extent.partitions[rebuild->partition].last_sequence)
        return ERR_OK;
    arena_reset(&rebuild->scratch);
    enum err err = journal_batch(rebuild->tools->journal, rebuild->partition, rebuild->sequence - 1,
                                 &rebuild->scratch, &record);
    rebuild->has_before = !err && record->batch_id.len == DIGEST_BYTES;
    if (rebuild->has_before)
        memcpy(rebuild->before, record->batch_id.data, DIGEST_BYTES);
    return is_damage(err) ? ERR_OK : err;
}

enum err rebuild_step(struct rebuild *rebuild, bool *done)
{
    const struct rebuild_range *range = &rebuild->range;
    *done = false;
    if (rebuild->reading)
        return read_on(rebuild);
    if (rebuild->record)
        return begin_document(rebuild);
    if (rebuild->partition == PARTNER_PARTITIONS) {
        *done = true;
        return tell_last(rebuild);
    }
    uint64_t sequence = rebuild->sequence;
    enum err err = ERR_OK;
    if (sequence == 0 && (!range->one_partition || range->partition == rebuild->partition))
        err = begin_partition(rebuild);
    if (!err && rebuild->sequence)
        err = expect_batch(rebuild);
    if (!err && !rebuild->record && (rebuild->sequence == sequence || rebuild->sequence == 0)) {
        rebuild->partition++;
        rebuild->sequence = 0;
    }
    return err;
}

enum err rebuild_open(struct reading_tools *tools, const struct rebuild_range *range,
                      const struct rebuild_sink *sink, struct rebuild **out)
{
    struct rebuild *rebuild = calloc(1, sizeof *rebuild);
    *out = rebuild;
    if (!rebuild)
        return ERR_MEMORY;
    rebuild->range = *range;
    rebuild->out = *sink;
    rebuild->tools = tools;
    rebuild->sink = (struct reading_sink){rebuild, take_item, open_bytes, discard_open};
    arena_init(&rebuild->record_memory, MEMORY_BYTES);
    arena_init(&rebuild->scratch, MEMORY_BYTES);
    enum err err = journal_extent_get(tools->journal, &rebuild->extent);
    if (err)
        rebuild_close(out);
    return err;
}

void rebuild_close(struct rebuild **rebuild)
{
    struct rebuild *self = *rebuild;
    if (!self)
        return;
    reading_close(&self->reading);
    digest_free(self->digest);
    batch_free(self->open);
    buffer_free(&self->leaves);
    arena_free(&self->record_memory);
    arena_free(&self->scratch);
    free(self);
    *rebuild = NULL;
}
