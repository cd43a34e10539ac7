/* Starts the workers of this host and starts them again when they end. Main thread only: it waits for
 * signals, SIGCHLD among them. */
#ifndef EPCISD_SERVER_SUPERVISOR_H
#define EPCISD_SERVER_SUPERVISOR_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/options.h"

struct supervisor;

struct supervisor_options {
    uint64_t workers;
    const char *work_endpoint;
    const char *ack_endpoint;
    const char *store;
    uint64_t map_bytes; /* most the store may grow to */
    const char *log_format;
    const struct option_list *rules; /* CODE=SEVERITY, as the workers take it */
};

/* Starts the workers; the program is the epcis-worker beside this one. `gone` is told of each that ends. The
 * caller has blocked SIGCHLD, SIGTERM, SIGINT and SIGHUP in all threads. ERR_NOT_FOUND: no such program;
 * ERR_INPUT: it does not take the rules, and has said why on standard error; ERR_SYSTEM, ERR_MEMORY. */
enum err supervisor_open(const struct supervisor_options *options, void (*gone)(void *context, pid_t pid),
                         void *context, struct supervisor **out);

/* Looks after the workers until SIGTERM, SIGINT or SIGHUP comes; returns which. A worker that ends is started
 * again after a pause that grows while it keeps ending quickly. */
int supervisor_run(struct supervisor *supervisor);

/* Asks the workers to stop, kills those that have not within `timeout_ms`, and frees all. */
void supervisor_close(struct supervisor **supervisor, uint64_t timeout_ms);

#endif
