#include "server/lane.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/epcis/parser.h"
#include "server/dispatcher.h"
#include "server/partner_cache.h"

/* The reading of one document. */
struct job {
    struct lane *lane;
    struct parser *parser;
    struct batch_span span; /* number, capture id, partner, receipt */
    uint64_t upload;
    uint32_t piece, pieces;
    uint64_t items;         /* handed on so far */
    uint64_t events;        /* of them */
    uint64_t items_to_skip; /* in the store already */
    bool whole;             /* its items are one batch, and nothing else is in it */
    bool too_large;         /* for that */
};

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
        journal_submit(shared->journal, &batch->op);
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
    enum err err = journal_batch(lane->shared->journal, lane->partition, batch->sequence,
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
    if (lane->replay_items)
        return lane->open->items == lane->replay_items;
    if (lane->job->whole)
        return false;
    return lane->open->items >= options->batch_max_events ||
           lane->open->frame.length + lane->open->facts_bytes >= options->batch_max_bytes;
}

/* ---- items ------------------------------------------------------------------------------------------ */

/* Counts the next item; `events` is 1 where it is an event of the document, or 0. True: it is in the store
 * already. */
static bool job_count(struct job *job, uint32_t events)
{
    job->span.first_event = job->events;
    job->span.events = events;
    job->events += events;
    return job->items++ < job->items_to_skip;
}

static enum err lane_add_item(struct lane *lane, Epcis__Wire__V1__BatchItem *item,
                              const ProtobufCMessage *content)
{
    if (!lane->open && !(lane->open = batch_new(lane->partition, clock_steady_ms())))
        return ERR_MEMORY;
    enum err err = batch_add(lane->open, &lane->job->span, item, content);
    if (!err && batch_is_full(lane))
        err = lane_close(lane);
    return err;
}

/* The event's own bytes, out of the journal: what a person must mend is what the partner sent. Nothing where
 * the document was compressed or in another encoding, so that places in it are not places in what was
 * received. */
static enum err quote_event(struct lane *lane, const struct parser_event *event, ProtobufCBinaryData *out)
{
    enum { QUOTE_BYTES_MAX = 64 * 1024 };
    struct lane_shared *shared = lane->shared;
    const struct job *job = lane->job;
    uint64_t piece = event->byte_offset / JOURNAL_PIECE_BYTES;
    size_t start = event->byte_offset % JOURNAL_PIECE_BYTES;
    size_t bytes = event->bytes < QUOTE_BYTES_MAX ? event->bytes : QUOTE_BYTES_MAX;
    buffer_clear(&shared->quote);
    for (; piece < job->pieces && shared->quote.length < start + bytes; piece++) {
        enum err err = journal_piece(shared->journal, job->upload, (uint32_t)piece, &shared->quote);
        if (err)
            return err;
    }
    if (shared->quote.length < start + bytes || bytes == 0)
        return ERR_OK;
    uint8_t first = shared->quote.data[start];
    if (first == '<' || first == '{')
        *out = (ProtobufCBinaryData){bytes, shared->quote.data + start};
    return ERR_OK;
}

/* `event` is NULL where the document itself breaks off. */
static enum err add_refusal(struct lane *lane, const struct parser_error *error,
                            const struct parser_event *event)
{
    Epcis__V1__Finding reason = EPCIS__V1__FINDING__INIT;
    reason.code = (char *)(uintptr_t)error->code;
    reason.field = (char *)(uintptr_t)error->field;
    reason.value = (char *)(uintptr_t)error->value;
    reason.message = (char *)(uintptr_t)error->message;
    Epcis__Wire__V1__Refusal refusal = EPCIS__WIRE__V1__REFUSAL__INIT;
    refusal.reason = &reason;
    refusal.path = (char *)(uintptr_t)error->path;
    refusal.whole_document = !event;
    enum err err = event ? quote_event(lane, event, &refusal.raw_document_part) : ERR_OK;
    if (err)
        return err;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = error->line;
    item.byte_offset = error->byte_offset;
    item.content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL;
    item.refusal = &refusal;
    return lane_add_item(lane, &item, NULL);
}

static enum err add_event(struct lane *lane, const struct parser_event *event)
{
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    enum err err = event_hash_compute(lane->shared->hash, event->event, hash, content);
    if (err)
        return err;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = event->line;
    item.byte_offset = event->byte_offset;
    item.event_hash = (ProtobufCBinaryData){DIGEST_BYTES, hash};
    if (memcmp(hash, content, DIGEST_BYTES) != 0)
        item.content_hash = (ProtobufCBinaryData){DIGEST_BYTES, content};
    return lane_add_item(lane, &item, &event->event->base);
}

/* Told by the bytes read, so that it is the same however much of the document is in the store already. */
static bool passes_limit(struct job *job, uint64_t bytes)
{
    job->too_large = job->whole && bytes > job->lane->shared->options->rollback_max_bytes;
    return job->too_large;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    struct lane *lane = context;
    return document_facts_new(document, &lane->job->span.facts);
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct lane *lane = context;
    if (lane->blocked || passes_limit(lane->job, event->byte_offset + event->bytes))
        return ERR_STOPPED;
    if (job_count(lane->job, 1))
        return ERR_OK;
    lane->added++;
    return event->error ? add_refusal(lane, event->error, event) : add_event(lane, event);
}

static enum err take_vocabulary_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct lane *lane = context;
    if (lane->blocked || passes_limit(lane->job, lane->open ? lane->open->frame.length : 0))
        return ERR_STOPPED;
    if (job_count(lane->job, 0))
        return ERR_OK;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    return lane_add_item(lane, &item, &element->base);
}

/* ---- documents -------------------------------------------------------------------------------------- */

void lane_drop_job(struct lane *lane)
{
    if (!lane->job)
        return;
    parser_close(&lane->job->parser);
    document_facts_release(&lane->job->span.facts);
    free(lane->job);
    lane->job = NULL;
}

/* Begins the next document in waiting. */
static enum err job_start(struct lane *lane)
{
    fault_end(FAULT_CONVERTER_START);
    struct lane_shared *shared = lane->shared;
    uint64_t number = lane->numbers[lane->first_waiting++];
    if (lane->first_waiting == lane->waiting_end)
        lane->first_waiting = lane->waiting_end = 0;
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_reset(&shared->scratch);
    enum err err = journal_capture(shared->journal, number, &shared->scratch, &record);
    if (err)
        return lane_block(lane, "the record of a document cannot be read", err);
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return ERR_MEMORY;
    lane->job = job;
    job->lane = lane;
    job->upload = record->upload;
    job->pieces = record->pieces;
    job->items_to_skip = lane_items_to_skip(lane, number, record);
    job->span.number = number;
    job->span.received_ms = record->received_ms;
    const char *caller = record->caller ? record->caller->partner : "";
    if (record->capture_id.len != UUID_BYTES || strlen(record->partner) >= JOURNAL_PARTNER ||
        strlen(caller) >= JOURNAL_PARTNER)
        return lane_block(lane, "the record of a document is damaged", ERR_CORRUPT);
    memcpy(job->span.capture_id, record->capture_id.data, UUID_BYTES);
    memcpy(job->span.partner, record->partner, strlen(record->partner) + 1);
    memcpy(job->span.caller, caller, strlen(caller) + 1);
    job->span.terms.rollback =
        record->error_behaviour == EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK;
    job->span.terms.validate_only = record->validate_only;
    job->whole = job->span.terms.rollback || job->span.terms.validate_only;
    if (job->whole && lane->open) {
        err = lane_close(lane);
        if (err || lane->blocked)
            return err;
    }
    struct parser_sink sink = {.context = lane,
                               .document = take_document,
                               .vocabulary_element = take_vocabulary_element,
                               .event = take_event};
    return parser_open(&shared->options->limits, &sink, &job->parser);
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

static enum err job_record(struct lane *lane, const struct parser_error *error)
{
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (!conversion)
        return ERR_MEMORY;
    conversion->op = (struct journal_op){.kind = JOURNAL_CONVERTED,
                                         .done = conversion_recorded,
                                         .context = conversion,
                                         .bytes = sizeof *conversion,
                                         .number = lane->job->span.number,
                                         .events = lane->job->events,
                                         .items = lane->job->items};
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
    journal_submit(lane->shared->journal, &conversion->op);
    return ERR_OK;
}

/* The document ends here, whole or (with `error`) broken off. */
static enum err job_finish(struct lane *lane, const struct parser_error *error)
{
    fault_end(FAULT_CONVERTER_END);
    enum err err = ERR_OK;
    if (error && !job_count(lane->job, 0))
        err = add_refusal(lane, error, NULL);
    if (!err)
        err = job_record(lane, error);
    bool whole = lane->job->whole;
    lane_drop_job(lane);
    return err || !whole || !lane->open || lane->blocked ? err : lane_close(lane);
}

/* The document is refused as one, and nothing of it goes out. */
static enum err job_refuse(struct lane *lane)
{
    struct job *job = lane->job;
    char message[256];
    snprintf(message, sizeof message,
             "is sent with rollback or validate_only and has more than %" PRIu64
             " bytes as read (--rollback-max-bytes): right are several documents, or to proceed",
             lane->shared->options->rollback_max_bytes);
    const struct parser_error error = {
        .code = "ROLLBACK_LIMIT", .message = message, .field = "", .value = "", .path = ""};
    batch_free(lane->open);
    lane->open = NULL;
    job->items = job->events = 0;
    return job_finish(lane, &error);
}

static enum err job_step(struct lane *lane)
{
    struct lane_shared *shared = lane->shared;
    struct job *job = lane->job;
    enum err err;
    if (job->piece < job->pieces) {
        buffer_clear(&shared->piece);
        err = journal_piece(shared->journal, job->upload, job->piece, &shared->piece);
        if (err)
            return lane_block(lane, "a piece of a document cannot be read", err);
        job->span.bytes_read += shared->piece.length;
        err = parser_feed(job->parser, shared->piece.data, shared->piece.length);
        if (!err && ++job->piece < job->pieces)
            return ERR_OK;
    } else {
        err = ERR_OK;
    }
    if (!err)
        err = parser_finish(job->parser);
    if (err == ERR_STOPPED && job->too_large)
        return job_refuse(lane);
    if (err == ERR_STOPPED) /* blocked, and logged */
        return ERR_OK;
    if (!err)
        return job_finish(lane, NULL);
    if (err == ERR_INPUT || err == ERR_LIMIT)
        return job_finish(lane, parser_error(job->parser));
    return lane_block(lane, "a document cannot be read", err);
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
    if (!lane->job) {
        enum err err = job_start(lane);
        if (err || lane->blocked)
            return err;
    }
    char partner[JOURNAL_PARTNER];
    memcpy(partner, lane->job->span.partner, sizeof partner); /* the job may end with this step */
    enum err err = job_step(lane);
    return err || lane->blocked ? err : lane_pace(lane, partner);
}

uint64_t lane_job_number(const struct lane *lane)
{
    return lane->job ? lane->job->span.number : 0;
}

static bool lane_has_work(const struct lane *lane)
{
    return (lane->job || lane->first_waiting < lane->waiting_end) && !lane->blocked && !lane->rewinding;
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
    if (lane->replay_items && !lane->job && lane->first_waiting == lane->waiting_end)
        return lane_block(
            lane,
            "the documents of a recorded batch are not there, or hold fewer events than they did" CHANGED,
            ERR_CORRUPT);
    if (!lane->open || lane->replay_items || (lane->job && lane->job->whole))
        return ERR_OK;
    if (!lane->job && lane->outstanding == 0)
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
    if (lane->job && lane->job->span.number >= number) {
        uint64_t last = lane->job->span.number;
        bool counted = spans && lane->open->spans[spans - 1].number == last;
        lane_drop_job(lane);
        if (last != number && !counted)
            err = put_back(lane, last);
    }
    return err || index == spans ? err : cut_open(lane, index, number);
}

void lane_free(struct lane *lane)
{
    lane_drop_job(lane);
    batch_free(lane->open);
    free(lane->numbers);
    *lane = (struct lane){0};
}
