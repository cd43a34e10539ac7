/* Events and batches made up by tests and benches, as the server would pack them. */
#ifndef EPCISD_TESTS_SYNTHETIC_H
#define EPCISD_TESTS_SYNTHETIC_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/merkle.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/event_text.h"
#include "common/wire/wire.h"
#include "epcis/wire/v1/wire.pb-c.h"

/* Events happen from here on, and their documents are received half a year later. */
#define SYNTHETIC_START       INT64_C(1736150000)
#define SYNTHETIC_RECEIVED_MS ((SYNTHETIC_START + INT64_C(180) * 24 * 3600) * 1000)

/* Where a partition stands on the server's side. */
struct synthetic_chain {
    uint32_t partition;
    uint64_t sequence;
    uint8_t last_id[DIGEST_BYTES];
};

struct synthetic {
    struct arena arena; /* of the batch being made */
    struct event_hash *hash;
    Epcis__Wire__V1__BatchItem **items;
    size_t item_count, item_capacity;
    Epcis__Wire__V1__BatchSegment *segments[8];
    size_t segment_count;
    const char *partner;
    int64_t received_ms;
};

static inline void synthetic_init(struct synthetic *made)
{
    *made = (struct synthetic){.partner = "0614141000005", .received_ms = SYNTHETIC_RECEIVED_MS};
    arena_init(&made->arena, (size_t)1 << 32);
    made->hash = event_hash_new();
}

static inline void synthetic_free(struct synthetic *made)
{
    arena_free(&made->arena);
    event_hash_free(made->hash);
    free(made->items);
}

/* The next items are of this document. */
static inline void synthetic_segment(struct synthetic *made, uint8_t capture, uint64_t first_event)
{
    Epcis__Wire__V1__BatchSegment *segment = arena_alloc(&made->arena, sizeof *segment);
    epcis__wire__v1__batch_segment__init(segment);
    segment->capture_id.data = arena_zalloc(&made->arena, UUID_BYTES);
    segment->capture_id.len = UUID_BYTES;
    segment->capture_id.data[15] = capture;
    segment->first_event = first_event;
    segment->partner = (char *)made->partner;
    segment->received_ms = made->received_ms;
    made->segments[made->segment_count++] = segment;
}

static inline Epcis__Wire__V1__BatchItem *synthetic_item(struct synthetic *made)
{
    if (made->segment_count == 0)
        synthetic_segment(made, 1, 0);
    if (made->item_count == made->item_capacity) {
        made->item_capacity = made->item_capacity ? 2 * made->item_capacity : 64;
        made->items = realloc(made->items, made->item_capacity * sizeof *made->items);
    }
    Epcis__Wire__V1__BatchItem *item = arena_alloc(&made->arena, sizeof *item);
    epcis__wire__v1__batch_item__init(item);
    item->line = made->item_count + 10;
    item->byte_offset = 100 * made->item_count;
    made->segments[made->segment_count - 1]->count++;
    made->items[made->item_count++] = item;
    return item;
}

static inline void synthetic_add(struct synthetic *made, const Epcis__V1__Event *event)
{
    Epcis__Wire__V1__BatchItem *item = synthetic_item(made);
    uint8_t *hashes = arena_alloc(&made->arena, 2 * DIGEST_BYTES);
    event_hash_compute(made->hash, event, hashes, hashes + DIGEST_BYTES);
    item->content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_EVENT;
    item->event.len = epcis__v1__event__get_packed_size(event);
    item->event.data = arena_alloc(&made->arena, item->event.len + 1);
    epcis__v1__event__pack(event, item->event.data);
    item->event_hash = (ProtobufCBinaryData){DIGEST_BYTES, hashes};
    if (memcmp(hashes, hashes + DIGEST_BYTES, DIGEST_BYTES) != 0)
        item->content_hash = (ProtobufCBinaryData){DIGEST_BYTES, hashes + DIGEST_BYTES};
}

static inline void synthetic_add_refusal(struct synthetic *made, bool whole_document)
{
    Epcis__Wire__V1__BatchItem *item = synthetic_item(made);
    item->content_case = EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL;
    item->refusal = arena_alloc(&made->arena, sizeof *item->refusal);
    epcis__wire__v1__refusal__init(item->refusal);
    item->refusal->reason = arena_alloc(&made->arena, sizeof *item->refusal->reason);
    epcis__v1__finding__init(item->refusal->reason);
    item->refusal->reason->code = (char *)"SCHEMA_INVALID";
    item->refusal->reason->message = (char *)"made up";
    item->refusal->path = (char *)"/made/up";
    item->refusal->raw_document_part = (ProtobufCBinaryData){5, (uint8_t *)"<raw>"};
    item->refusal->whole_document = whole_document;
}

/* Packs what was added as the chain's next batch, and begins another. */
static inline void synthetic_pack(struct synthetic *made, struct synthetic_chain *chain, struct buffer *out)
{
    Epcis__Wire__V1__Batch batch = EPCIS__WIRE__V1__BATCH__INIT;
    uint8_t root[DIGEST_BYTES], batch_id[DIGEST_BYTES], parent[DIGEST_BYTES];
    uint8_t(*leaves)[DIGEST_BYTES] = malloc((made->item_count + 1) * sizeof *leaves);
    struct buffer packed = {0};
    memcpy(parent, chain->last_id, sizeof parent);
    for (size_t i = 0; i < made->item_count; i++) {
        buffer_clear(&packed);
        buffer_append_message(&packed, &made->items[i]->base);
        digest_of(packed.data, packed.length, leaves[i]);
    }
    batch.partition = chain->partition;
    batch.sequence = ++chain->sequence;
    merkle_root((const uint8_t(*)[DIGEST_BYTES])leaves, made->item_count, root);
    wire_batch_id(parent, batch.partition, batch.sequence, root, batch_id);
    batch.batch_id = (ProtobufCBinaryData){DIGEST_BYTES, batch_id};
    batch.parent_batch_id = (ProtobufCBinaryData){DIGEST_BYTES, parent};
    batch.items = made->items;
    batch.n_items = made->item_count;
    batch.segments = made->segments;
    batch.n_segments = made->segment_count;
    buffer_clear(out);
    buffer_append_message(out, &batch.base);
    memcpy(chain->last_id, batch_id, DIGEST_BYTES);
    buffer_free(&packed);
    free(leaves);
    arena_reset(&made->arena);
    made->item_count = made->segment_count = 0;
}

/* ---- events, in memory of an arena ---- */

static inline Epcis__V1__Event *synthetic_event(struct arena *arena, Epcis__V1__EventType type,
                                                Epcis__V1__Action action, const char *biz_step,
                                                int64_t seconds)
{
    Epcis__V1__Event *event = arena_alloc(arena, sizeof *event);
    epcis__v1__event__init(event);
    event->type = type;
    event->action = action;
    event->biz_step = (char *)biz_step;
    event->disposition = (char *)"active";
    event->event_time = arena_alloc(arena, sizeof *event->event_time);
    epcis__v1__time__init(event->event_time);
    event->event_time->seconds = SYNTHETIC_START + seconds;
    event->event_time_zone_offset = (char *)"-05:00";
    event->read_point = arena_alloc(arena, sizeof *event->read_point);
    epcis__v1__location__init(event->read_point);
    event->read_point->id = (char *)"urn:epc:id:sgln:0614141.00001.0";
    event->biz_location = event->read_point;
    return event;
}

static inline char *synthetic_sgtin(struct arena *arena, unsigned item, const char *serial)
{
    char text[128];
    int length = snprintf(text, sizeof text, "urn:epc:id:sgtin:0614141.0%05u.%s", item, serial);
    return arena_copy(arena, text, (size_t)length);
}

static inline char *synthetic_sscc(struct arena *arena, unsigned number)
{
    char text[128];
    int length = snprintf(text, sizeof text, "urn:epc:id:sscc:0614141.0%09u", number);
    return arena_copy(arena, text, (size_t)length);
}

static inline char **synthetic_list(struct arena *arena, size_t count)
{
    return arena_zalloc(arena, (count + 1) * sizeof(char *));
}

static inline void synthetic_ilmd(struct arena *arena, Epcis__V1__Event *event, const char *name,
                                  const char *text)
{
    Epcis__V1__Node *node = arena_alloc(arena, sizeof *node);
    Epcis__V1__Node **nodes = arena_alloc(arena, (event->n_ilmd + 1) * sizeof *nodes);
    if (event->n_ilmd)
        memcpy(nodes, event->ilmd, event->n_ilmd * sizeof *nodes);
    epcis__v1__node__init(node);
    node->kind = EPCIS__V1__NODE_KIND__NODE_KIND_ELEMENT;
    node->namespace_uri = (char *)"urn:epcglobal:cbv:mda";
    node->prefix = (char *)"cbvmda";
    node->local_name = (char *)name;
    node->text = (char *)text;
    nodes[event->n_ilmd++] = node;
    event->ilmd = nodes;
}

/* An ObjectEvent ADD of serials "s1", "s2" … up to NULL. */
static inline Epcis__V1__Event *synthetic_commission(struct arena *arena, int64_t seconds, const char *lot,
                                                     const char *expiry, const char *const *serials)
{
    Epcis__V1__Event *event = synthetic_event(arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                                              EPCIS__V1__ACTION__ACTION_ADD, "commissioning", seconds);
    while (serials[event->n_epc_list])
        event->n_epc_list++;
    event->epc_list = synthetic_list(arena, event->n_epc_list);
    for (size_t i = 0; i < event->n_epc_list; i++)
        event->epc_list[i] = synthetic_sgtin(arena, 10001, serials[i]);
    synthetic_ilmd(arena, event, "lotNumber", lot);
    synthetic_ilmd(arena, event, "itemExpirationDate", expiry);
    return event;
}

#endif
