/* Turns documents into batches. Its one thread reads the documents of each partition in the order of their
 * receipts, one piece at a time and partition after partition, so that a long document holds up no other
 * partner; fills a batch a partition; and closes it when it is full, has waited long enough, or waits for
 * nothing (the document is complete and nothing of the partition is out).
 *
 * Where no document waits that may go on, it reads those that still arrive in pieces (ahead.h), up to the
 * pieces that are durable. Nothing of them goes anywhere before they are received.
 *
 * After a restart it reads unfinished documents again, rebuilds the batches that the journal lists as closed
 * but not acknowledged, byte for byte, and goes on from there. The same with those that a store lost. */
#ifndef EPCISD_SERVER_CONVERTER_H
#define EPCISD_SERVER_CONVERTER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/epcis/parser.h"

struct converter;
struct dispatcher;
struct journal;
struct journal_op;
struct store;

struct converter_options {
    uint64_t batch_max_events;
    uint64_t batch_max_bytes;
    uint64_t batch_max_wait_ms;
    uint64_t partition_max_bytes; /* closed and not acknowledged: a partition's documents wait beyond this */
    uint64_t total_max_bytes;     /* the same over all partitions */
    uint64_t rollback_max_bytes;  /* of a document that has to be one batch, as read */
    const char *spool_dir;        /* where on disk is kept what was read ahead */
    uint64_t disk_reserve_bytes;  /* which that leaves alone */
    struct parser_limits limits;  /* others than before a restart may make batches that cannot be rebuilt */
};

/* Reads the journal for unfinished work, and the store for what it has of it (NULL: what the journal says is
 * believed). `fatal` is called later, on the
 * converter's thread, where the process cannot go on. ERR_MEMORY, ERR_DISK, ERR_CORRUPT. */
enum err converter_open(const struct converter_options *options, struct journal *journal, struct store *store,
                        struct dispatcher *dispatcher, void (*fatal)(void), struct converter **out);

/* As they were given. Any thread. */
const struct converter_options *converter_options(const struct converter *converter);

/* The first `pieces` of an upload are in the journal, all of them full, and more are to come, perhaps. Never
 * blocks; any thread. */
void converter_arriving(struct converter *converter, uint64_t upload, uint32_t pieces);

/* A document is in the journal, and was this upload. Never blocks; any thread. */
void converter_received(struct converter *converter, uint64_t number, uint32_t partition, uint64_t upload);

/* A batch of the partition is in the store. Never blocks; any thread. */
void converter_acknowledged(struct converter *converter, uint32_t partition, size_t bytes);

/* Lets go of the document that the JOURNAL_CANCEL operation names, then hands the operation to the journal,
 * which decides: it knows of every batch that this thread recorded before. Done with ERR_STOPPED where the
 * converter has stopped. Never blocks; any thread. */
void converter_cancel(struct converter *converter, uint32_t partition, struct journal_op *op);

/* The store's last batch of the partition is `sequence`, though it had more: once all that were handed on
 * have come back as acknowledged, the batches after it are made again. Never blocks; any thread. */
void converter_rewind(struct converter *converter, uint32_t partition, uint64_t sequence);

/* Starts the thread. ERR_SYSTEM. */
enum err converter_start(struct converter *converter);

/* Stops the thread after the piece under way. What is not in a closed batch is read again at the next start.
 * News may still come in and is forgotten. */
void converter_stop(struct converter *converter);

/* Once nobody brings news. */
void converter_free(struct converter **converter);

#endif
