/* The worker that judges history again for rejudge.c: a child of this process with a socket between (see
 * epcis/wire/v1/wire.proto). Its store leaves nothing behind, and it ends when the socket does: so nothing
 * has to be seen to where this process is killed. One thread at a time. */
#ifndef EPCISD_SERVER_REJUDGE_WORKER_H
#define EPCISD_SERVER_REJUDGE_WORKER_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"

struct batch;

struct rejudge_worker {
    int socket;
    int process;        /* a file descriptor, which unlike its number stays its own */
    struct arena arena; /* the answer's */
    struct buffer out, in;
};

/* Starts it. `folder` is where its store is made, of `map_bytes` at most. ERR_NOT_FOUND: there is no such
 * program; ERR_SYSTEM; ERR_MEMORY. Afterwards rejudge_worker_close, also where it failed. */
enum err rejudge_worker_open(struct rejudge_worker *worker, const char *folder, uint64_t map_bytes,
                             const char *log_format);

/* Tells it the rules' severities; the answer is valid until the next call. ERR_STOPPED: it has ended, or was
 * cut off; ERR_CORRUPT: it answers what cannot be; ERR_MEMORY, ERR_SYSTEM. */
enum err rejudge_worker_agree(struct rejudge_worker *worker, const Epcis__Wire__V1__RejudgeTerms *terms,
                              const Epcis__Wire__V1__RejudgeReady **out);

/* Has it judge a closed batch. Where the acknowledgment is of a commit, each item has its outcome, and the
 * refusals are in order. Errors as above. */
enum err rejudge_worker_judge(struct rejudge_worker *worker, const struct batch *batch,
                              const Epcis__Wire__V1__Rejudged **out);

/* From any thread, between open and close: what waits for the worker ends with ERR_STOPPED. */
void rejudge_worker_cut_off(const struct rejudge_worker *worker);

/* Ends it at once. */
void rejudge_worker_close(struct rejudge_worker *worker);

#endif
