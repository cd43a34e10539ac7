/* Documents that are read while they still arrive, so that little is left to do once they are sealed. Nothing
 * but time depends on it: what is let go of here is read at its turn like any other document. So there are
 * few at a time, none of which takes more memory than a lane does, and the lanes have nothing else to do
 * while one is read on. Internal to the converter, on its thread; no locks. */
#ifndef EPCISD_SERVER_AHEAD_H
#define EPCISD_SERVER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/reading.h"

enum {
    AHEAD_MAX = 4,
    AHEAD_KEEP_MS = 60000, /* an upload that gets no piece for so long is let go of: it may be no more */
    AHEAD_YIELD_MS = 5000, /* or for so long, where another one comes */
};

struct ahead_document {
    uint64_t upload;         /* 0: none */
    uint32_t pieces;         /* there, each of full length */
    struct reading *reading; /* NULL: not begun, or failed */
    bool failed;             /* it is not begun again */
    bool sealed;             /* a document of `partition`, which waits for its turn */
    uint32_t partition;
    int64_t touched_ms; /* steady clock: when the last piece came */
};

struct ahead {
    struct reading_tools *tools;
    const char *dir;
    uint64_t disk_reserve_bytes;
    struct ahead_document documents[AHEAD_MAX];
    size_t turn; /* whose it is */
};

/* What is read is kept in `dir` on disk; `disk_reserve_bytes` of it are for others. `tools` and `dir` outlive
 * it. */
void ahead_init(struct ahead *ahead, struct reading_tools *tools, const char *dir,
                uint64_t disk_reserve_bytes);
void ahead_free(struct ahead *ahead);

/* The first `pieces` of an upload are durable, all of full length. They need not come one by one. */
void ahead_arriving(struct ahead *ahead, uint64_t upload, uint32_t pieces, int64_t now_ms);

/* The upload became a document, which waits for its turn: no other takes its place. */
void ahead_sealed(struct ahead *ahead, uint64_t upload, uint32_t partition);

/* The upload's turn has come: what was read of it, for reading_adopt, is the caller's. NULL: nothing. */
struct reading *ahead_take(struct ahead *ahead, uint64_t upload);

/* Lets go of the upload; of all documents of a partition that wait for their turn, which will not come. */
void ahead_drop(struct ahead *ahead, uint64_t upload);
void ahead_drop_partition(struct ahead *ahead, uint32_t partition);

/* Reads one piece of one of them. False: there was nothing to read. */
bool ahead_step(struct ahead *ahead);

/* Lets go of uploads that nobody goes on with. *wait_ms becomes smaller where one falls due sooner. */
void ahead_expire(struct ahead *ahead, int64_t now_ms, int64_t *wait_ms);

#endif
