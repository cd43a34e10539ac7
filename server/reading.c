#include "server/reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "server/counters.h"

enum err reading_tools_init(struct reading_tools *tools, struct journal *journal,
                            const struct parser_limits *limits, uint64_t rollback_max_bytes)
{
    *tools = (struct reading_tools){.journal = journal,
                                    .limits = limits,
                                    .rollback_max_bytes = rollback_max_bytes,
                                    .hash = event_hash_new()};
    return tools->hash ? ERR_OK : ERR_MEMORY;
}

void reading_tools_free(struct reading_tools *tools)
{
    event_hash_free(tools->hash);
    buffer_free(&tools->piece);
    buffer_free(&tools->quote);
    pack_free(&tools->pack);
}

/* ---- items ------------------------------------------------------------------------------------------ */

/* Counts the next item; `events` is 1 where it is an event of the document, or 0. True: it is skipped. */
static bool count_item(struct reading *reading, uint32_t events)
{
    reading->span.first_event = reading->events;
    reading->span.events = events;
    reading->events += events;
    return reading->items++ < reading->items_to_skip;
}

static enum err hand_on(struct reading *reading, const Epcis__Wire__V1__BatchItem *item,
                        const ProtobufCMessage *content)
{
    struct batch_item packed;
    enum err err = batch_pack(&reading->tools->pack, item, content, &packed);
    if (err)
        return err;
    return reading->sink ? reading->sink->item(reading->sink->context, &reading->span, &packed)
                         : spool_add(reading->spool, &reading->span, &packed);
}

/* The event's own bytes, out of the journal: what a person must mend is what the partner sent. Nothing where
 * the document was compressed or in another encoding, so that places in it are not places in what was
 * received: where they are told by what is found there, all of the document has to be there. */
static enum err quote_event(struct reading *reading, const struct parser_event *event,
                            ProtobufCBinaryData *out)
{
    enum { QUOTE_BYTES_MAX = 64 * 1024 };
    struct buffer *quote = &reading->tools->quote;
    uint64_t piece = event->byte_offset / JOURNAL_PIECE_BYTES;
    size_t start = event->byte_offset % JOURNAL_PIECE_BYTES;
    size_t bytes = event->bytes < QUOTE_BYTES_MAX ? event->bytes : QUOTE_BYTES_MAX;
    buffer_clear(quote);
    if (!reading->sink && event->byte_offset + bytes > reading->span.bytes_read)
        return ERR_ORDER;
    for (; piece < reading->pieces && quote->length < start + bytes; piece++) {
        enum err err = journal_piece(reading->tools->journal, reading->upload, (uint32_t)piece, quote);
        if (err)
            return err;
    }
    if (quote->length < start + bytes || bytes == 0)
        return ERR_OK;
    uint8_t first = quote->data[start];
    if (first == '<' || first == '{')
        *out = (ProtobufCBinaryData){bytes, quote->data + start};
    return ERR_OK;
}

/* `event` is NULL where the document itself breaks off. */
static enum err add_refusal(struct reading *reading, const struct parser_error *error,
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
    enum err err = event ? quote_event(reading, event, &refusal.raw_document_part) : ERR_OK;
    if (err)
        return err;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = error->line;
    item.byte_offset = error->byte_offset;
    item.content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL;
    item.refusal = &refusal;
    return hand_on(reading, &item, NULL);
}

static enum err add_event(struct reading *reading, const struct parser_event *event)
{
    uint8_t hash[DIGEST_BYTES], content[DIGEST_BYTES];
    enum err err = event_hash_compute(reading->tools->hash, event->event, hash, content);
    if (err)
        return err;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    item.line = event->line;
    item.byte_offset = event->byte_offset;
    item.event_hash = (ProtobufCBinaryData){DIGEST_BYTES, hash};
    if (memcmp(hash, content, DIGEST_BYTES) != 0)
        item.content_hash = (ProtobufCBinaryData){DIGEST_BYTES, content};
    return hand_on(reading, &item, &event->event->base);
}

/* Told by the bytes read, so that it is the same however much of the document is skipped. */
static bool passes_limit(struct reading *reading, uint64_t bytes)
{
    reading->too_large = reading->whole && bytes > reading->tools->rollback_max_bytes;
    return reading->too_large;
}

static enum err take_document(void *context, const Epcis__V1__Document *document)
{
    struct reading *reading = context;
    return document_facts_new(document, &reading->span.facts);
}

static enum err take_event(void *context, const struct parser_event *event)
{
    struct reading *reading = context;
    if (passes_limit(reading, event->byte_offset + event->bytes))
        return ERR_STOPPED;
    if (count_item(reading, 1))
        return ERR_OK;
    return event->error ? add_refusal(reading, event->error, event) : add_event(reading, event);
}

static enum err take_vocabulary_element(void *context, const Epcis__V1__VocabularyElement *element)
{
    struct reading *reading = context;
    if (reading->whole && passes_limit(reading, reading->sink->held(reading->sink->context)))
        return ERR_STOPPED;
    if (count_item(reading, 0))
        return ERR_OK;
    Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
    return hand_on(reading, &item, &element->base);
}

/* ---- the document ----------------------------------------------------------------------------------- */

bool reading_is_whole(const Epcis__Store__V1__CaptureRecord *record)
{
    return record->validate_only ||
           record->error_behaviour == EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK;
}

static enum err take_record(struct reading *reading, const Epcis__Store__V1__CaptureRecord *record)
{
    struct batch_span *span = &reading->span;
    const char *caller = record->caller ? record->caller->partner : "";
    if (record->capture_id.len != UUID_BYTES || strlen(record->partner) >= JOURNAL_PARTNER ||
        strlen(caller) >= JOURNAL_PARTNER)
        return ERR_CORRUPT;
    memcpy(span->capture_id, record->capture_id.data, UUID_BYTES);
    memcpy(span->partner, record->partner, strlen(record->partner) + 1);
    memcpy(span->caller, caller, strlen(caller) + 1);
    span->received_ms = record->received_ms;
    span->terms.rollback = record->error_behaviour == EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK;
    span->terms.validate_only = record->validate_only;
    reading->whole = reading_is_whole(record);
    reading->upload = record->upload;
    reading->pieces = record->pieces;
    return ERR_OK;
}

/* Before the first byte. */
static enum err begin(struct reading *reading)
{
    struct parser_sink events = {.context = reading,
                                 .document = take_document,
                                 .vocabulary_element = take_vocabulary_element,
                                 .event = take_event};
    return parser_open(reading->tools->limits, &events, &reading->parser);
}

enum err reading_open(struct reading_tools *tools, const struct reading_sink *sink, uint64_t number,
                      const Epcis__Store__V1__CaptureRecord *record, uint64_t items_to_skip,
                      struct reading **out)
{
    struct reading *reading = calloc(1, sizeof *reading);
    *out = reading;
    if (!reading)
        return ERR_MEMORY;
    reading->tools = tools;
    reading->items_to_skip = items_to_skip;
    enum err err = reading_adopt(reading, sink, number, record);
    if (!err)
        err = begin(reading);
    if (err)
        reading_close(out);
    return err;
}

enum err reading_open_ahead(struct reading_tools *tools, uint64_t upload, struct spool **spool,
                            struct reading **out)
{
    struct reading *reading = *out = calloc(1, sizeof *reading);
    if (!reading) {
        spool_free(spool);
        return ERR_MEMORY;
    }
    *reading = (struct reading){.tools = tools, .spool = *spool, .upload = upload};
    *spool = NULL;
    enum err err = begin(reading);
    if (err)
        reading_close(out);
    return err;
}

enum err reading_adopt(struct reading *reading, const struct reading_sink *sink, uint64_t number,
                       const Epcis__Store__V1__CaptureRecord *record)
{
    reading->sink = sink;
    reading->span.number = number;
    return take_record(reading, record);
}

void reading_close(struct reading **reading)
{
    if (!*reading)
        return;
    parser_close(&(*reading)->parser);
    spool_free(&(*reading)->spool);
    document_facts_release(&(*reading)->span.facts);
    pack_free(&(*reading)->tools->pack); /* an event may have been large */
    free(*reading);
    *reading = NULL;
}

/* The document ends here: an item of its own says that it breaks off. */
static enum err break_off(struct reading *reading, const struct parser_error *error)
{
    return count_item(reading, 0) ? ERR_OK : add_refusal(reading, error, NULL);
}

/* The document is refused as one, and nothing of it goes out. */
static enum err refuse_whole(struct reading *reading)
{
    snprintf(reading->message, sizeof reading->message,
             "is sent with rollback or validate_only and has more than %" PRIu64
             " bytes as read (--rollback-max-bytes): right are several documents, or to proceed",
             reading->tools->rollback_max_bytes);
    reading->refusal = (struct parser_error){
        .code = "ROLLBACK_LIMIT", .message = reading->message, .field = "", .value = "", .path = ""};
    reading->sink->discard(reading->sink->context);
    reading->items = reading->events = 0;
    return break_off(reading, &reading->refusal);
}

static enum err feed_piece(struct reading *reading)
{
    struct buffer *piece = &reading->tools->piece;
    buffer_clear(piece);
    enum err err = journal_piece(reading->tools->journal, reading->upload, reading->piece, piece);
    if (err)
        return err;
    reading->piece++;
    reading->span.bytes_read += piece->length;
    return parser_feed(reading->parser, piece->data, piece->length);
}

enum err reading_ahead(struct reading *reading, bool *done)
{
    *done = reading->ended || reading->piece >= reading->pieces || !spool_has_room(reading->spool);
    enum err err = *done ? ERR_OK : feed_piece(reading);
    if (err != ERR_INPUT && err != ERR_LIMIT)
        return err;
    reading->ended = err;
    return ERR_OK;
}

/* The spool cannot be read back: the document is read again from its beginning, without what was handed on.
 */
static enum err begin_again(struct reading *reading)
{
    counters_add(COUNTER_AHEAD_FAILED, 1);
    spool_free(&reading->spool);
    parser_close(&reading->parser);
    document_facts_release(&reading->span.facts);
    reading->ended = ERR_OK;
    reading->piece = 0;
    reading->items = reading->events = reading->span.bytes_read = 0;
    return begin(reading);
}

/* As much as a piece may hold. */
static enum err hand_on_spooled(struct reading *reading)
{
    struct batch_span span = reading->span;
    struct batch_item item;
    enum err err = ERR_OK;
    for (size_t bytes = 0; !err && bytes < JOURNAL_PIECE_BYTES; bytes += item.bytes) {
        err = spool_next(reading->spool, &span, &item);
        if (err == ERR_NOT_FOUND) {
            spool_free(&reading->spool);
            return ERR_OK;
        }
        if (err)
            return begin_again(reading);
        reading->items_to_skip++;
        err = reading->sink->item(reading->sink->context, &span, &item);
    }
    return err;
}

enum err reading_step(struct reading *reading, bool *done, const struct parser_error **broken)
{
    *done = false;
    *broken = NULL;
    if (reading->spool)
        return hand_on_spooled(reading);
    enum err err = reading->ended;
    if (!err && reading->piece < reading->pieces)
        err = feed_piece(reading);
    if (!err && reading->piece < reading->pieces)
        return ERR_OK;
    if (!err)
        err = parser_finish(reading->parser);
    if (err == ERR_STOPPED && reading->too_large) {
        *broken = &reading->refusal;
        err = refuse_whole(reading);
    } else if (err == ERR_INPUT || err == ERR_LIMIT) {
        *broken = parser_error(reading->parser);
        err = break_off(reading, *broken);
    }
    *done = !err;
    return err;
}

enum err reading_items_before(struct journal *journal, uint32_t partition, uint64_t sequence, uint64_t number,
                              struct arena *scratch, uint64_t *out)
{
    bool found = true;
    *out = 0;
    for (; found && sequence > 0; sequence--) {
        Epcis__Store__V1__BatchRecord *batch = NULL;
        arena_reset(scratch);
        enum err err = journal_batch(journal, partition, sequence, scratch, &batch);
        if (err)
            return err;
        found = false;
        for (size_t i = 0; i < batch->n_spans; i++) {
            if (batch->spans[i]->document_number == number) {
                *out += batch->spans[i]->count;
                found = true;
            }
        }
    }
    return ERR_OK;
}
