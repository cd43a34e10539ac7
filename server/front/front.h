/* The gRPC face: CaptureService, TraceService, DeadLetterService, MasterDataService, PartnerService,
 * ServerService, grpc.health.v1. One completion-queue loop that never blocks, and a few pool threads that do
 * the work of calls. */
#ifndef EPCISD_SERVER_FRONT_FRONT_H
#define EPCISD_SERVER_FRONT_FRONT_H

#include <stdint.h>

#include "common/base/err.h"

struct ingest;
struct journal;
struct store;
struct server_status;
struct front;

/* What its services work with; all of it outlives the front. */
struct front_parts {
    struct ingest *ingest;
    struct journal *journal;
    struct store *store;
    const struct server_status *status;
};

/* `listen`: HOST:PORT, port 0 for a free one. Serves at once. ERR_INPUT: not HOST:PORT; ERR_SYSTEM: the
 * port is taken or the address is not this host's; ERR_MEMORY. */
enum err front_open(const char *listen, const struct front_parts *parts, struct front **out);

/* HOST:PORT in fact bound. Valid as long as the front. */
const char *front_address(const struct front *front);

/* Stops taking calls, answers those under way within `grace_ms`, cancels the rest, frees all. */
void front_close(struct front **front, uint32_t grace_ms);

#endif
