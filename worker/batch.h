/* Reads a packed Batch where it lies: items are slices of the frame, hashed as they stand and never
 * copied. Everything a peer could get wrong is checked here, before any of it is used. Any thread. */
#ifndef EPCISD_WORKER_BATCH_H
#define EPCISD_WORKER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"

struct batch_item {
    /* Packed; one of them is not NULL. */
    const uint8_t *event;
    const uint8_t *refusal;
    const uint8_t *vocabulary_element;
    size_t content_bytes;
    const uint8_t *event_hash;   /* DIGEST_BYTES; of an event only */
    const uint8_t *content_hash; /* event_hash where the item names none */
    uint64_t line;
    uint64_t byte_offset;
    bool condemned; /* kills workers: not to be looked at */
};

struct batch {
    uint32_t partition;
    uint64_t sequence;
    const uint8_t *batch_id;
    const uint8_t *parent_batch_id;
    Epcis__Wire__V1__BatchSegment **segments;
    size_t segment_count;
    struct batch_item *items;
    size_t item_count;
    uint32_t trial_first, trial_count; /* count 0: no trial; else within the items */
};

/* What batch this is, nothing proved: all but segments and items, which are counted. ERR_INPUT: *out has
 * what could be read. */
enum err batch_peek(const uint8_t *frame, size_t bytes, struct batch *out);

/* Reads and proves: layout, counts, each item's digest and the batch_id over them. ERR_INPUT: *detail says
 * what is wrong (a constant text), partition and sequence are set as far as they could be read; ERR_LIMIT:
 * the arena's budget. What comes out borrows from the frame and the arena. */
enum err batch_read(const uint8_t *frame, size_t bytes, struct arena *arena, struct batch *out,
                    const char **detail);

#endif
