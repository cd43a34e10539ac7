/* Consecutive events of one partition on their way to a worker. Filled and closed on the converter's thread,
 * then handed to the journal and to the dispatcher, who frees it. */
#ifndef EPCISD_SERVER_BATCH_H
#define EPCISD_SERVER_BATCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/pack.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "server/document_facts.h"
#include "server/journal.h"

struct partner_cache;

enum { BATCH_RULE_PACK = 64 };

/* Items of one document inside a batch. */
struct batch_span {
    uint64_t number;      /* of the document */
    uint64_t first_event; /* position among the document's events */
    uint32_t count;       /* items */
    uint32_t events;      /* of them */
    uint64_t bytes_read;  /* of the document, with the last of them */
    uint8_t capture_id[UUID_BYTES];
    char partner[JOURNAL_PARTNER];
    char caller[JOURNAL_PARTNER]; /* GLN that its sender proved to be; "": none */
    int64_t received_ms;
    struct capture_terms terms;
    struct document_facts *facts; /* a reference, until the batch is closed; NULL: none known */
    uint32_t items_before;        /* the batch's own: where in it the span begins */
    size_t frame_before;
};

/* One item as batches hold it. */
struct batch_item {
    const uint8_t *data; /* packed: a field of epcis.wire.v1.Batch */
    size_t bytes;
    uint8_t leaf[DIGEST_BYTES]; /* of the epcis.wire.v1.BatchItem in it */
    uint64_t line;
};

struct batch {
    struct batch *next; /* the holder's */
    uint32_t partition;
    uint64_t sequence;
    uint8_t id[DIGEST_BYTES];
    uint8_t parent[DIGEST_BYTES];
    uint8_t root[DIGEST_BYTES]; /* of the Merkle tree over the items */
    struct buffer frame;        /* packed items; once closed the packed epcis.wire.v1.Batch */
    struct buffer leaves;       /* digests of the items, until recorded */
    struct batch_span *spans;
    size_t span_count, span_capacity;
    size_t facts_bytes; /* memory of the spans' facts, until closed */
    uint32_t items;
    int64_t opened_ms;    /* steady clock */
    struct journal_op op; /* the record of its closing, later of its acknowledgment */
    struct journal_span_result *results;
    uint32_t *condemned; /* positions of items that workers must not look at */
    uint32_t condemned_count;
    atomic_bool recording;           /* the journal is being told of them */
    char rule_pack[BATCH_RULE_PACK]; /* that decided it, once acknowledged */
};

/* NULL without memory. */
struct batch *batch_new(uint32_t partition, int64_t now_ms);
void batch_free(struct batch *batch);
void batch_free_list(struct batch *first);

/* Packs an item. `content`: the event or vocabulary element, which the item itself leaves out; NULL for a
 * refusal. *out is valid until the next use of `pack`. ERR_MEMORY. */
enum err batch_pack(struct pack *pack, const Epcis__Wire__V1__BatchItem *item,
                    const ProtobufCMessage *content, struct batch_item *out);

/* Adds one item of the document that `span` describes: its `first_event` counts the events before the item,
 * its `events` is 1 where the item is one, its `count` does not matter. ERR_MEMORY; the batch is then of no
 * further use. */
enum err batch_add(struct batch *batch, const struct batch_span *span, const struct batch_item *item);

/* Takes the items of span `index` and of all after it out again. Not once it is closed. */
void batch_cut(struct batch *batch, size_t index);

/* Gives it its place in the chain, and adds what `partners` (NULL: nothing) knows of its documents' partners.
 * ERR_MEMORY; ERR_DISK, ERR_CORRUPT, ERR_LIMIT: a partner's record cannot be read. */
enum err batch_close(struct batch *batch, uint64_t sequence, const uint8_t parent[DIGEST_BYTES],
                     struct partner_cache *partners);

/* From now on workers are told not to look at the item at `position`. Of a closed batch. ERR_MEMORY: nothing
 * changed. */
enum err batch_condemn(struct batch *batch, uint32_t position);

/* Appends the BatchRecord of a closed batch. ERR_MEMORY. */
enum err batch_record(const struct batch *batch, struct buffer *out);

#endif
