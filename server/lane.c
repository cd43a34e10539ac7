#include "server/lane.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/dispatcher.h"
#include "server/partner_cache.h"

/* ---- batches ---------------------------------------------------------------------------------------- */

static struct batch *batch_of_op(struct journal_op *op)
{
    return (struct batch *)((char *)op - offsetof(struct batch, op));
}

/* Its leaves are in the journal. */
static void send_on(struct dispatcher *dispatcher, struct batch *batch)
{
    buffer_free(&batch->leaves);
    dispatcher_enqueue(dispatcher, batch);
}

static void batch_recorded(struct journal_op *op, enum err err)
{
    struct batch *batch = batch_of_op(op);
    fault_end(FAULT_BATCH_RECORDED);
    if (err) /* stopping: what is not recorded is read again at the next start */
        batch_free(batch);
    else
        send_on(op->context, batch);
}

/* Hands the closed batch on: through the journal, unless it knows it already. */
static enum err lane_send(struct lane *lane, struct batch *batch, bool recorded)
{
    struct lane_shared *shared = lane->shared;
    size_t bytes = batch->frame.capacity;
    lane->outstanding_bytes += bytes;
    shared->outstanding_bytes += bytes;
    lane->outstanding++;
    batch->op = (struct journal_op){.kind = JOURNAL_BATCH,
                                    .done = batch_recorded,
                                    .context = shared->dispatcher,
                                    .bytes = bytes,
                                    .partition = batch->partition,
                                    .sequence = batch->sequence,
                                    .leaves = &batch->leaves};
    if (recorded) {
        send_on(shared->dispatcher, batch);
        return ERR_OK;
    }
    enum err err = batch_record(batch, &batch->op.data);
    if (err)
        batch_free(batch);
    else
        journal_submit(shared->tools.journal, &batch->op);
    return err;
}

/* What a person can do where documents no longer read as they did. */
#define CHANGED                                                                                              \
    ": where the options that cap documents (text-max-bytes and the like) or the program changed since, "    \
    "start with the former ones"

enum err lane_block(struct lane *lane, const char *why, enum err err)
{
    if (err == ERR_MEMORY)
        return err;
    log_error("partition_blocked", "partition=%u err=%s detail=\"%s\"", lane->partition, err_name(err), why);
    lane->blocked = true;
    return ERR_OK;
}

/* What was found out about the batch before a restart. */
static enum err condemn_again(struct lane *lane, struct batch *batch)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    arena_reset(&lane->shared->scratch);
    enum err err = journal_batch(lane->shared->tools.journal, lane->partition, batch->sequence,
                                 &lane->shared->scratch, &record);
    for (size_t i = 0; !err && i < record->n_condemned; i++)
        err = batch_condemn(batch, record->condemned[i]);
    return err;
}

static enum err lane_close(struct lane *lane)
{
    struct batch *batch = lane->open;
    bool replayed = lane->replay_items > 0;
    lane->open = NULL;
    enum err err = batch_close(batch, lane->last_sequence + 1, lane->last_id, lane->shared->partners);
    if (err) {
        batch_free(batch);
        return lane_block(lane, "the record of a partner cannot be read", err);
    }
    if (replayed && memcmp(batch->id, lane->replay_id, DIGEST_BYTES) != 0) {
        batch_free(batch);
        return lane_block(lane,
                          "a batch rebuilt from its documents is not the batch that was recorded" CHANGED,
                          ERR_CORRUPT);
    }
    if (replayed && (err = condemn_again(lane, batch))) {
        batch_free(batch);
        return lane_block(lane, "the record of a batch cannot be read", err);
    }
    fault_end(FAULT_BATCH_CLOSED);
    lane->last_sequence = batch->sequence;
    lane->last_number = batch->spans[batch->span_count - 1].number;
    memcpy(lane->last_id, batch->id, DIGEST_BYTES);
    err = lane_send(lane, batch, replayed);
    if (!err && replayed) {
        err = lane_expect(lane);
        if (err)
            err = lane_block(lane, "the record of a batch cannot be read", err);
    }
    return err;
}

static bool batch_is_full(const struct lane *lane)
{
    const struct converter_options *options = lane->shared->options;
    if (lane->reading->whole) /* it may yet be refused, which makes it one item */
        return false;
    if (lane->replay_items)
        return lane->open->items == lane->replay_items;
    return lane->open->items >= options->batch_max_events ||
           lane->open->frame.length + lane->open->facts_bytes >= options->batch_max_bytes;
}

/* ---- documents -------------------------------------------------------------------------------------- */

static enum err take_item(void *context, const struct batch_span *span, const struct batch_item *item)
{
    struct lane *lane = context;
    if (lane->blocked)
        return ERR_STOPPED;
    lane->added += span->events;
    if (!lane->open && !(lane->open = batch_new(lane->partition, clock_steady_ms())))
        return ERR_MEMORY;
    enum err err = batch_add(lane->open, span, item);
    if (!err && batch_is_full(lane))
        err = lane_close(lane);
    return err;
}

static uint64_t open_bytes(void *context)
{
    const struct lane *lane = context;
    return lane->open ? lane->open->frame.length : 0;
}

static void discard_open(void *context)
{
    struct lane *lane = context;
    batch_free(lane->open);
    lane->open = NULL;
}

/* Whatever of it was read ahead counts, where it is to be read from its beginning and event by event. */
static enum err open_document(struct lane *lane, uint64_t number,
                              const Epcis__Store__V1__CaptureRecord *record)
{
    struct lane_shared *shared = lane->shared;
    uint64_t skip = lane_items_to_skip(lane, number, record);
    lane->sink = (struct reading_sink){lane, take_item, open_bytes, discard_open};
    lane->reading = ahead_take(&shared->ahead, record->upload);
    if (lane->reading && (skip > 0 || reading_is_whole(record)))
        reading_close(&lane->reading);
    if (!lane->reading)
        return reading_open(&shared->tools, &lane->sink, number, record, skip, &lane->reading);
    enum err err = reading_adopt(lane->reading, &lane->sink, number, record);
    if (err)
        reading_close(&lane->reading);
    return err;
}

/* Begins the next document in waiting. */
static enum err begin_document(struct lane *lane)
{
    fault_end(FAULT_CONVERTER_START);
    struct lane_shared *shared = lane->shared;
    struct journal *journal = shared->tools.journal;
    uint64_t number = lane->numbers[lane->first_waiting++];
    if (lane->first_waiting == lane->waiting_end)
        lane->first_waiting = lane->waiting_end = 0;
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_reset(&shared->scratch);
    enum err err = journal_capture(journal, number, &shared->scratch, &record);
    if (err)
        return lane_block(lane, "the record of a document cannot be read", err);
    err = open_document(lane, number, record);
    if (err)
        return lane_block(lane, "the record of a document is damaged", err);
    return lane->reading->whole && lane->open ? lane_close(lane) : ERR_OK;
}

/* Tells the journal that the document was read to its end, or to where it breaks off. Owns copies of the
 * error's texts. */
struct conversion {
    struct journal_op op;
    Epcis__V1__DocumentError error;
    char *code, *message;
};

static void conversion_recorded(struct journal_op *op, enum err err)
{
    (void)err; /* stopping: the document is read again at the next start */
    fault_end(FAULT_CONVERTER_RECORDED);
    struct conversion *conversion = op->context;
    free(conversion->code);
    free(conversion->message);
    free(conversion);
}

static enum err record_end(struct lane *lane, const struct parser_error *error)
{
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (!conversion)
        return ERR_MEMORY;
    conversion->op = (struct journal_op){.kind = JOURNAL_CONVERTED,
                                         .done = conversion_recorded,
                                         .context = conversion,
                                         .bytes = sizeof *conversion,
                                         .number = lane->reading->span.number,
                                         .events = lane->reading->events,
                                         .items = lane->reading->items};
    if (error) {
        conversion->code = strdup(error->code);
        conversion->message = strdup(error->message);
        if (!conversion->code || !conversion->message) {
            conversion_recorded(&conversion->op, ERR_MEMORY);
            return ERR_MEMORY;
        }
        epcis__v1__document_error__init(&conversion->error);
        conversion->error.code = conversion->code;
        conversion->error.message = conversion->message;
        conversion->error.line = error->line;
        conversion->error.byte_offset = error->byte_offset;
        conversion->op.error = &conversion->error;
    }
    journal_submit(lane->shared->tools.journal, &conversion->op);
    return ERR_OK;
}

/* The document ends here, whole or (with `error`) broken off. */
static enum err end_document(struct lane *lane, const struct parser_error *error)
{
    fault_end(FAULT_CONVERTER_END);
    enum err err = record_end(lane, error);
    bool whole = lane->reading->whole;
    reading_close(&lane->reading);
    return err || !whole || !lane->open || lane->blocked ? err : lane_close(lane);
}

static enum err read_on(struct lane *lane)
{
    const struct parser_error *broken;
    bool done;
    enum err err = reading_step(lane->reading, &done, &broken);
    if (err == ERR_STOPPED) /* blocked, and logged */
        return ERR_OK;
    if (err)
        return lane_block(lane, "a document cannot be read", err);
    return done ? end_document(lane, broken) : ERR_OK;
}

/* Holds the lane for as long as the events just read may take by their partner's record: a piece is read as a
 * whole, and paid for afterwards. */
static enum err lane_pace(struct lane *lane, const char *partner)
{
    uint32_t per_second = 0;
    uint64_t added = lane->added;
    lane->added = 0;
    if (added == 0)
        return ERR_OK;
    enum err err = partner_cache_pace(lane->shared->partners, partner, &per_second);
    if (err)
        return lane_block(lane, "the record of a partner cannot be read", err);
    if (per_second == 0)
        return ERR_OK;
    int64_t now_ms = clock_steady_ms();
    uint64_t ms = added * 1000 / per_second;
    lane->added = added - ms * per_second / 1000; /* what takes less than a millisecond */
    lane->resume_ms = (lane->resume_ms > now_ms ? lane->resume_ms : now_ms) + (int64_t)ms;
    return ERR_OK;
}

enum err lane_step(struct lane *lane)
{
    if (!lane->reading) {
        enum err err = begin_document(lane);
        if (err || lane->blocked)
            return err;
    }
    char partner[JOURNAL_PARTNER];
    memcpy(partner, lane->reading->span.partner, sizeof partner); /* it may end with this step */
    enum err err = read_on(lane);
    return err || lane->blocked ? err : lane_pace(lane, partner);
}

uint64_t lane_reading_number(const struct lane *lane)
{
    return lane->reading ? lane->reading->span.number : 0;
}

static bool lane_has_work(const struct lane *lane)
{
    return (lane->reading || lane->first_waiting < lane->waiting_end) && !lane->blocked && !lane->rewinding;
}

bool lane_runnable(const struct lane *lane, int64_t now_ms)
{
    const struct lane_shared *shared = lane->shared;
    return lane_has_work(lane) && now_ms >= lane->resume_ms &&
           lane->outstanding_bytes < shared->options->partition_max_bytes &&
           shared->outstanding_bytes < shared->options->total_max_bytes;
}

enum err lane_close_due(struct lane *lane, int64_t now_ms, int64_t *wait_ms)
{
    if (lane->blocked || lane->rewinding)
        return ERR_OK;
    if (lane_has_work(lane) && lane->resume_ms > now_ms && lane->resume_ms - now_ms < *wait_ms)
        *wait_ms = lane->resume_ms - now_ms;
    if (lane->replay_items && !lane->reading && lane->first_waiting == lane->waiting_end)
        return lane_block(
            lane,
            "the documents of a recorded batch are not there, or hold fewer events than they did" CHANGED,
            ERR_CORRUPT);
    if (!lane->open || lane->replay_items || (lane->reading && lane->reading->whole))
        return ERR_OK;
    if (!lane->reading && lane->outstanding == 0)
        return lane_close(lane);
    int64_t left_ms = lane->open->opened_ms + (int64_t)lane->shared->options->batch_max_wait_ms - now_ms;
    if (left_ms <= 0)
        return lane_close(lane);
    if (left_ms < *wait_ms)
        *wait_ms = left_ms;
    return ERR_OK;
}

/* ---- the lane --------------------------------------------------------------------------------------- */

enum err lane_add_document(struct lane *lane, uint64_t number)
{
    if (lane->waiting_end == lane->waiting_capacity) {
        size_t waiting = lane->waiting_end - lane->first_waiting;
        if (lane->first_waiting > waiting) { /* half of it is free: move instead of growing */
            memmove(lane->numbers, lane->numbers + lane->first_waiting, waiting * sizeof *lane->numbers);
            lane->first_waiting = 0;
            lane->waiting_end = waiting;
        } else {
            size_t capacity = lane->waiting_capacity ? 2 * lane->waiting_capacity : 16;
            uint64_t *numbers = realloc(lane->numbers, capacity * sizeof *numbers);
            if (!numbers)
                return ERR_MEMORY;
            lane->numbers = numbers;
            lane->waiting_capacity = capacity;
        }
    }
    lane->numbers[lane->waiting_end++] = number;
    return ERR_OK;
}

/* Puts a document back before those that wait. ERR_MEMORY. */
static enum err put_back(struct lane *lane, uint64_t number)
{
    enum err err = lane_add_document(lane, number); /* makes room at the end */
    if (err)
        return err;
    uint64_t *first = lane->numbers + lane->first_waiting;
    memmove(first + 1, first, (lane->waiting_end - lane->first_waiting - 1) * sizeof *first);
    *first = number;
    return ERR_OK;
}

static bool drop_waiting(struct lane *lane, uint64_t number)
{
    for (size_t i = lane->first_waiting; i < lane->waiting_end; i++) {
        if (lane->numbers[i] != number)
            continue;
        lane->waiting_end--;
        memmove(lane->numbers + i, lane->numbers + i + 1, (lane->waiting_end - i) * sizeof *lane->numbers);
        return true;
    }
    return false;
}

/* Takes the spans from `index` on out of the open batch; their documents but `number` wait again. */
static enum err cut_open(struct lane *lane, size_t index, uint64_t number)
{
    struct batch *open = lane->open;
    enum err err = ERR_OK;
    for (size_t i = open->span_count; !err && i-- > index;)
        if (open->spans[i].number != number)
            err = put_back(lane, open->spans[i].number);
    batch_cut(open, index);
    if (open->items == 0) {
        batch_free(open);
        lane->open = NULL;
    }
    return err;
}

enum err lane_drop_document(struct lane *lane, uint64_t number, const Epcis__Store__V1__CaptureRecord *record)
{
    /* Batches that are recorded, or on their way to it, stay. */
    if (record->first_batch || number <= lane->last_number || drop_waiting(lane, number))
        return ERR_OK;
    size_t spans = lane->open ? lane->open->span_count : 0, index = 0;
    while (index < spans && lane->open->spans[index].number < number)
        index++;
    enum err err = ERR_OK;
    if (lane->reading && lane->reading->span.number >= number) {
        uint64_t last = lane->reading->span.number;
        bool counted = spans && lane->open->spans[spans - 1].number == last;
        reading_close(&lane->reading);
        if (last != number && !counted)
            err = put_back(lane, last);
    }
    return err || index == spans ? err : cut_open(lane, index, number);
}

void lane_free(struct lane *lane)
{
    reading_close(&lane->reading);
    batch_free(lane->open);
    free(lane->numbers);
    *lane = (struct lane){0};
}
