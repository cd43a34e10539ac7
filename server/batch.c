#include "server/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/merkle.h"
#include "common/wire/wire.h"
#include "epcis/v1/event.pb-c.h"
#include "server/partner_cache.h"

struct batch *batch_new(uint32_t partition, int64_t now_ms)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->partition = partition;
    batch->opened_ms = now_ms;
    return batch;
}

static void release_facts(struct batch *batch)
{
    for (size_t i = 0; i < batch->span_count; i++)
        document_facts_release(&batch->spans[i].facts);
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    release_facts(batch);
    buffer_free(&batch->frame);
    buffer_free(&batch->leaves);
    buffer_free(&batch->op.data);
    free(batch->spans);
    free(batch->results);
    free(batch->condemned);
    free(batch);
}

void batch_free_list(struct batch *first)
{
    for (struct batch *next; first; first = next) {
        next = first->next;
        batch_free(first);
    }
}

static enum err add_to_span(struct batch *batch, const struct batch_span *span, size_t frame_before)
{
    struct batch_span *last = batch->span_count ? &batch->spans[batch->span_count - 1] : NULL;
    if (last && last->number == span->number) {
        last->count++;
        last->events += span->events;
        last->bytes_read = span->bytes_read;
        return ERR_OK;
    }
    if (batch->span_count == batch->span_capacity) {
        size_t capacity = batch->span_capacity ? 2 * batch->span_capacity : 4;
        struct batch_span *spans = realloc(batch->spans, capacity * sizeof *spans);
        if (!spans)
            return ERR_MEMORY;
        batch->spans = spans;
        batch->span_capacity = capacity;
    }
    batch->spans[batch->span_count] = *span;
    batch->spans[batch->span_count].facts = document_facts_share(span->facts);
    batch->facts_bytes += document_facts_bytes(span->facts);
    batch->spans[batch->span_count].items_before = batch->items;
    batch->spans[batch->span_count].frame_before = frame_before;
    batch->spans[batch->span_count++].count = 1;
    return ERR_OK;
}

enum err batch_pack(struct pack *pack, const Epcis__Wire__V1__BatchItem *item,
                    const ProtobufCMessage *content, struct batch_item *out)
{
    enum { ITEMS = 6, EVENT = 3, VOCABULARY_ELEMENT = 7 };
    bool is_event = content && content->descriptor == &epcis__v1__event__descriptor;
    pack_clear(pack);
    if (content && !pack_message(pack, is_event ? EVENT : VOCABULARY_ELEMENT, content))
        return ERR_MEMORY;
    if (!pack_fields(pack, &item->base))
        return ERR_MEMORY;
    digest_of(pack_data(pack), pack_bytes(pack), out->leaf);
    if (!pack_head(pack, ITEMS, pack_bytes(pack)))
        return ERR_MEMORY;
    out->data = pack_data(pack);
    out->bytes = pack_bytes(pack);
    out->line = item->line;
    return ERR_OK;
}

enum err batch_add(struct batch *batch, const struct batch_span *span, const struct batch_item *item)
{
    size_t frame_before = batch->frame.length;
    buffer_append(&batch->leaves, item->leaf, DIGEST_BYTES);
    buffer_append(&batch->frame, item->data, item->bytes);
    if (batch->leaves.failed || batch->frame.failed)
        return ERR_MEMORY;
    enum err err = add_to_span(batch, span, frame_before);
    if (!err)
        batch->items++;
    return err;
}

void batch_cut(struct batch *batch, size_t index)
{
    const struct batch_span *from = &batch->spans[index];
    batch->items = from->items_before;
    batch->frame.length = from->frame_before;
    batch->leaves.length = (size_t)from->items_before * DIGEST_BYTES;
    while (batch->span_count > index) {
        struct batch_span *last = &batch->spans[--batch->span_count];
        batch->facts_bytes -= document_facts_bytes(last->facts);
        document_facts_release(&last->facts);
    }
}

/* Packed one by one, for facts last only until the next are asked for. */
static enum err append_segment(struct batch *batch, size_t index, struct partner_cache *partners)
{
    struct batch_span *span = &batch->spans[index];
    const Epcis__Wire__V1__PartnerFacts *facts = NULL;
    if (partners && (index == 0 || strcmp(span->partner, batch->spans[index - 1].partner) != 0)) {
        enum err err = partner_cache_facts(partners, span->partner, &facts);
        if (err)
            return err;
    }
    Epcis__Wire__V1__BatchSegment segment = EPCIS__WIRE__V1__BATCH_SEGMENT__INIT, *pointer = &segment;
    segment.capture_id = (ProtobufCBinaryData){UUID_BYTES, span->capture_id};
    segment.first_event = span->first_event;
    segment.count = span->count;
    segment.partner = span->partner;
    segment.caller = span->caller;
    segment.received_ms = span->received_ms;
    segment.rollback = span->terms.rollback;
    segment.validate_only = span->terms.validate_only;
    segment.document = document_facts_message(span->facts);
    segment.partner_record = (Epcis__Wire__V1__PartnerFacts *)(uintptr_t)facts;
    Epcis__Wire__V1__Batch part = EPCIS__WIRE__V1__BATCH__INIT;
    part.segments = &pointer;
    part.n_segments = 1;
    buffer_append_message(&batch->frame, &part.base);
    return ERR_OK;
}

enum err batch_close(struct batch *batch, uint64_t sequence, const uint8_t parent[DIGEST_BYTES],
                     struct partner_cache *partners)
{
    batch->sequence = sequence;
    memcpy(batch->parent, parent, DIGEST_BYTES);
    merkle_root((const uint8_t(*)[DIGEST_BYTES])batch->leaves.data, batch->items, batch->root);
    wire_batch_id(parent, batch->partition, sequence, batch->root, batch->id);
    batch->results = calloc(batch->span_count, sizeof *batch->results);
    if (!batch->results)
        return ERR_MEMORY;
    /* Protobuf fields may come in any order: segments and head go behind the items. */
    for (size_t i = 0; i < batch->span_count; i++) {
        enum err err = append_segment(batch, i, partners);
        if (err)
            return err;
    }
    Epcis__Wire__V1__Batch head = EPCIS__WIRE__V1__BATCH__INIT;
    head.partition = batch->partition;
    head.sequence = sequence;
    head.batch_id = (ProtobufCBinaryData){DIGEST_BYTES, batch->id};
    head.parent_batch_id = (ProtobufCBinaryData){DIGEST_BYTES, batch->parent};
    buffer_append_message(&batch->frame, &head.base);
    release_facts(batch);
    return batch->frame.failed ? ERR_MEMORY : ERR_OK;
}

enum err batch_condemn(struct batch *batch, uint32_t position)
{
    size_t count = (size_t)batch->condemned_count + 1;
    uint32_t *condemned = realloc(batch->condemned, count * sizeof *condemned);
    if (!condemned)
        return ERR_MEMORY;
    batch->condemned = condemned;
    Epcis__Wire__V1__Batch part = EPCIS__WIRE__V1__BATCH__INIT;
    part.condemned = &position;
    part.n_condemned = 1;
    buffer_append_message(&batch->frame, &part.base);
    if (batch->frame.failed) {
        batch->frame.failed = false;
        return ERR_MEMORY;
    }
    condemned[batch->condemned_count++] = position;
    return ERR_OK;
}

enum err batch_record(const struct batch *batch, struct buffer *out)
{
    Epcis__Store__V1__BatchSpan *spans = calloc(batch->span_count, sizeof *spans);
    Epcis__Store__V1__BatchSpan **pointers = calloc(batch->span_count, sizeof *pointers);
    if (spans && pointers) {
        for (size_t i = 0; i < batch->span_count; i++) {
            epcis__store__v1__batch_span__init(&spans[i]);
            spans[i].document_number = batch->spans[i].number;
            spans[i].first_event = batch->spans[i].first_event;
            spans[i].count = batch->spans[i].count;
            spans[i].events = batch->spans[i].events;
            spans[i].bytes_read = batch->spans[i].bytes_read;
            pointers[i] = &spans[i];
        }
        Epcis__Store__V1__BatchRecord record = EPCIS__STORE__V1__BATCH_RECORD__INIT;
        record.batch_id = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(uintptr_t)batch->id};
        record.parent_batch_id = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(uintptr_t)batch->parent};
        record.root = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)(uintptr_t)batch->root};
        record.spans = pointers;
        record.n_spans = batch->span_count;
        buffer_append_message(out, &record.base);
    } else {
        out->failed = true;
    }
    free(pointers);
    free(spans);
    return out->failed ? ERR_MEMORY : ERR_OK;
}
