/* Judges batches again, for a server that asks what other rules would have made of them: by the code that
 * commits, into a store of its own that is gone at the end. The server is at the other end of a socket, and
 * epcis/wire/v1/wire.proto says what goes over it. */
#ifndef EPCISD_WORKER_REJUDGE_H
#define EPCISD_WORKER_REJUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct rejudge_config {
    int socket;
    const char *worker_id;
    const char *folder;  /* of the store while it is opened: store_open_scratch */
    uint64_t map_bytes;  /* the most it may grow to; 0: 1 TiB */
    size_t memory_bytes; /* as struct commit_config has it */
};

/* Blocks until the server has no more. ERR_INPUT: it sent what is no message; else as store_open and
 * commit_open. Logged. */
enum err rejudge_serve(const struct rejudge_config *config);

#endif
