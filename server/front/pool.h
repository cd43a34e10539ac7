/* A few threads that do what the loop must not: hash, wait for the disk, query. The loop submits, a pool
 * thread runs. A job is part of its call, which has one job at most: admission bounds the queues. */
#ifndef EPCISD_FRONT_POOL_H
#define EPCISD_FRONT_POOL_H

#include "common/base/arena.h"
#include "common/base/err.h"

struct pool;

/* Documents may make a thread wait for the journal. Neither kind ever has all the threads, so that a
 * query does not wait behind uploads, nor an upload behind queries. */
enum pool_kind { POOL_DOCUMENT, POOL_QUERY, POOL_KINDS };

struct pool_job {
    enum pool_kind kind;
    void (*run)(struct pool_job *job, struct arena *arena); /* `arena` is empty, and reset after the run */
    struct pool_job *next;                                  /* the pool's */
};

/* `threads` from 2. ERR_MEMORY, ERR_SYSTEM. */
enum err pool_init(unsigned threads, size_t arena_bytes, struct pool **out);

/* Queues a job, in order within its kind. The pool does not touch it once `run` has begun. */
void pool_submit(struct pool *pool, struct pool_job *job);

/* Runs what is queued, ends the threads, frees. */
void pool_free(struct pool **pool);

#endif
