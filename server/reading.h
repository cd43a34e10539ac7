/* One document on its way from the journal's bytes to the items of batches: the one place where it is decided
 * what a document's items are, for those that go out and for those that are made again to be compared. On one
 * thread, with its own tools. */
#ifndef EPCISD_SERVER_READING_H
#define EPCISD_SERVER_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"
#include "server/batch.h"

/* What the readings of a thread share, which take turns. */
struct reading_tools {
    struct journal *journal;
    const struct parser_limits *limits;
    uint64_t rollback_max_bytes; /* of a document that has to be one batch, as read */
    struct event_hash *hash;
    struct buffer piece; /* raw bytes of the piece being read */
    struct buffer quote; /* raw bytes of an event that could not be read */
    struct pack pack;    /* the item being made */
};

/* ERR_MEMORY: nothing to free. */
enum err reading_tools_init(struct reading_tools *tools, struct journal *journal,
                            const struct parser_limits *limits, uint64_t rollback_max_bytes);
void reading_tools_free(struct reading_tools *tools);

/* Who takes the items. */
struct reading_sink {
    void *context;
    /* One item, as for batch_add; valid during the call. What it returns other than ERR_OK ends the step. */
    enum err (*item)(void *context, const struct batch_span *span, const struct batch_item *item);
    /* Of a document that has to be one batch: how many bytes its items take so far; and that all of them are
     * to be forgotten, as it is refused. */
    uint64_t (*held)(void *context);
    void (*discard)(void *context);
};

struct reading {
    struct reading_tools *tools;
    const struct reading_sink *sink;
    struct parser *parser;
    struct batch_span span; /* of the item handed on last */
    uint64_t upload;
    uint32_t piece, pieces;
    uint64_t items;              /* so far, and those skipped */
    uint64_t events;             /* of them */
    uint64_t items_to_skip;      /* not handed on */
    bool whole;                  /* its items are one batch, and nothing else is in it */
    bool too_large;              /* for that */
    struct parser_error refusal; /* of a document that is too large, with its text */
    char message[256];
};

/* Begins document `number` after its first `items_to_skip` items. `tools` and `sink` outlive it. ERR_MEMORY;
 * ERR_CORRUPT: the record is damaged. */
enum err reading_open(struct reading_tools *tools, const struct reading_sink *sink, uint64_t number,
                      const Epcis__Store__V1__CaptureRecord *record, uint64_t items_to_skip,
                      struct reading **out);

/* NULL is fine. */
void reading_close(struct reading **reading);

/* Reads one piece, or ends the document: *done; *broken, valid until reading_close, tells where it breaks off
 * or why it is refused, NULL where it is whole. Besides what the sink returns, ERR_MEMORY; ERR_NOT_FOUND,
 * ERR_CORRUPT, ERR_DISK: a piece cannot be read. */
enum err reading_step(struct reading *reading, bool *done, const struct parser_error **broken);

/* How many items of document `number` are in the partition's batches up to `sequence`, the last of which it
 * is in or which ends right before it. Uses `scratch`. Errors as journal_batch. */
enum err reading_items_before(struct journal *journal, uint32_t partition, uint64_t sequence, uint64_t number,
                              struct arena *scratch, uint64_t *out);

#endif
