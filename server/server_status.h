/* How the server is doing, for ServerService. Any thread but the front's loop: it reads a file. */
#ifndef EPCISD_SERVER_SERVER_STATUS_H
#define EPCISD_SERVER_SERVER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "epcis/v1/server_service.pb-c.h"

struct dispatcher;
struct pressure;

/* What it is told of. */
struct server_status {
    struct pressure *pressure;
    struct dispatcher *dispatcher;
    const char *curve_public_key; /* by which workers on other hosts know this server; empty: it takes none */
    int64_t started_ms;           /* wall clock */
    int64_t started_steady_ms;    /* steady clock */
};

/* From now on it has been running. */
void server_status_init(struct server_status *status, struct pressure *pressure,
                        struct dispatcher *dispatcher, const char *curve_public_key);

/* Whether no work goes out because the store keeps failing. Any thread. */
bool server_status_store_fails(const struct server_status *status);

/* Built in the arena, but for the refusals, which the front counts. ERR_LIMIT: its budget. */
enum err server_status_get(const struct server_status *status, bool draining, struct arena *arena,
                           Epcis__V1__ServerStatus **out);

#endif
