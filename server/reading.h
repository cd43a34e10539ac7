/* One document on its way from the journal's bytes to the items of batches: the one place where it is decided
 * what a document's items are, for those that go out and for those that are made again to be compared. A
 * document may be read ahead, while it still arrives: its items wait in a spool until it is known whose they
 * are. On one thread, with its own tools. */
#ifndef EPCISD_SERVER_READING_H
#define EPCISD_SERVER_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/epcis/event_hash.h"
#include "common/epcis/parser.h"
#include "server/batch.h"
#include "server/spool.h"

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
    const struct reading_sink *sink; /* NULL: it is read ahead */
    struct spool *spool;             /* items read ahead and not handed on yet; NULL: none */
    struct parser *parser;
    enum err ended;         /* ahead: the document breaks off before `piece` */
    struct batch_span span; /* of the item made last */
    uint64_t upload;
    uint32_t piece, pieces;      /* the next to be read; known to be there */
    uint64_t items;              /* so far, and those skipped */
    uint64_t events;             /* of them */
    uint64_t items_to_skip;      /* not handed on, or not again */
    bool whole;                  /* its items are one batch, and nothing else is in it */
    bool too_large;              /* for that */
    struct parser_error refusal; /* of a document that is too large, with its text */
    char message[256];
};

/* Whether all items of the document are one batch, which is judged as one. */
bool reading_is_whole(const Epcis__Store__V1__CaptureRecord *record);

/* Begins document `number` after its first `items_to_skip` items. `tools` and `sink` outlive it. ERR_MEMORY;
 * ERR_CORRUPT: the record is damaged. */
enum err reading_open(struct reading_tools *tools, const struct reading_sink *sink, uint64_t number,
                      const Epcis__Store__V1__CaptureRecord *record, uint64_t items_to_skip,
                      struct reading **out);

/* Begins a document of which only the first pieces are there, and not all: it is read into `spool`, which is
 * taken over, also where it fails: ERR_MEMORY. */
enum err reading_open_ahead(struct reading_tools *tools, uint64_t upload, struct spool **spool,
                            struct reading **out);

/* Reads one of the first `pieces`, where there is one left and room for its items. *done: there is nothing to
 * do until there are more. After an error the reading is of no further use: as spool_add, or ERR_MEMORY,
 * ERR_NOT_FOUND, ERR_CORRUPT, ERR_DISK; ERR_ORDER: an item needs bytes that are not there yet. */
enum err reading_ahead(struct reading *reading, bool *done);

/* What was read ahead became document `number`: from here on it is as if it had been begun by reading_open,
 * and gives the same items. Not for a document that is whole. ERR_CORRUPT: the record is damaged. */
enum err reading_adopt(struct reading *reading, const struct reading_sink *sink, uint64_t number,
                       const Epcis__Store__V1__CaptureRecord *record);

/* NULL is fine. */
void reading_close(struct reading **reading);

/* Reads one piece, hands on as much of what was read ahead, or ends the document: *done; *broken, valid until
 * reading_close, tells where it breaks off or why it is refused, NULL where it is whole. Besides what the
 * sink returns, ERR_MEMORY; ERR_NOT_FOUND, ERR_CORRUPT, ERR_DISK: a piece cannot be read. */
enum err reading_step(struct reading *reading, bool *done, const struct parser_error **broken);

/* How many items of document `number` are in the partition's batches up to `sequence`, the last of which it
 * is in or which ends right before it. Uses `scratch`. Errors as journal_batch. */
enum err reading_items_before(struct journal *journal, uint32_t partition, uint64_t sequence, uint64_t number,
                              struct arena *scratch, uint64_t *out);

#endif
