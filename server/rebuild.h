/* Makes batches anew from the documents they were made of, as they lie in the journal, and compares each
 * item, the Merkle root and the batch_id with what was recorded when the batch went out. Reads only. A
 * document is read once for all its batches in the range, a piece at a time. One thread at a time, any
 * thread. */
#ifndef EPCISD_SERVER_REBUILD_H
#define EPCISD_SERVER_REBUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct batch;
struct partner_cache;
struct reading_tools;

/* Which batches. They end where the partition does when the rebuilding begins. */
struct rebuild_range {
    bool one_partition; /* `partition` alone */
    uint32_t partition;
    uint64_t first_sequence, last_sequence; /* in each; 0: from its first, to its last */
};

enum rebuild_verdict {
    REBUILD_SAME,
    REBUILD_DIFFERENT,
    REBUILD_PRUNED, /* the bytes of a document in it are kept no longer: nothing to compare */
};

enum { REBUILD_TEXT = 256 };

/* What was found out about one batch. */
struct rebuild_result {
    uint32_t partition;
    uint64_t sequence;
    uint64_t items; /* as recorded */
    enum rebuild_verdict verdict;
    /* Where it is not the same: the first thing that is not. */
    uint64_t document; /* its number; 0: it is the record of the batch itself */
    bool one_item;     /* it can be told which: */
    uint64_t item;     /* its position in the batch */
    uint64_t line;     /* where it starts in the document; 0: unknown */
    char text[REBUILD_TEXT];
};

/* Who takes what is found, in the order of partitions and sequences. Both are called from rebuild_step, which
 * returns what they return other than ERR_OK. */
struct rebuild_sink {
    void *context;
    enum err (*result)(void *context, const struct rebuild_result *result); /* either may be NULL */
    /* Takes each batch as soon as it is made, and owns it: closed as it went out, with what `partners` knows
     * now of its documents' partners. NULL: it could not be made the same, as `result` tells. The bytes of
     * its documents that follow may still prove to be others than were received. */
    enum err (*batch)(void *context, const struct rebuild_result *result, struct batch *batch);
    struct partner_cache *partners; /* outlives the rebuilding; NULL: nothing is known */
};

struct rebuild;

/* The tools outlive it, and others may use them between two steps. ERR_MEMORY, ERR_DISK, ERR_CORRUPT. */
enum err rebuild_open(struct reading_tools *tools, const struct rebuild_range *range,
                      const struct rebuild_sink *sink, struct rebuild **out);
void rebuild_close(struct rebuild **rebuild);

/* Reads one piece of a document, or begins a document or batch. *done: that was all. ERR_MEMORY, ERR_LIMIT,
 * ERR_DISK: of no further use. */
enum err rebuild_step(struct rebuild *rebuild, bool *done);

#endif
