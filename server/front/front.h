/* The gRPC face: CaptureService, AcknowledgmentService, TraceService, DeadLetterService, MasterDataService,
 * PartnerService, AuditService, ServerService, grpc.health.v1, grpc.reflection. One completion-queue loop
 * that never blocks, and a few pool threads that do the work of calls. */
#ifndef EPCISD_SERVER_FRONT_FRONT_H
#define EPCISD_SERVER_FRONT_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

struct converter;
struct identities;
struct ingest;
struct journal;
struct rejudge_options;
struct signer;
struct store;
struct server_config;
struct server_status;
struct front;

/* Texts live as long as the front. */
struct front_options {
    const char *listen;            /* HOST:PORT, port 0 for a free one, or unix:PATH */
    struct identities *identities; /* NULL: there are none, and whoever calls may do everything */
    bool require_identity; /* a caller has to prove one; false: one that proves none may do everything */
    const struct server_status *status;
    const struct server_config *config;
    struct converter *converter; /* which lets go of what is called off */
    struct signer *signer;
    struct rejudge_options *rejudge; /* by which history is judged again */
    const char *tls_certificate;     /* PEM files, see tls.h; NULL: plain text */
    const char *tls_key;
    const char *tls_client_ca; /* NULL: clients are not asked for certificates */
};

/* Serves at once. ERR_INPUT: `listen` is no address, or the TLS files cannot be used; ERR_SYSTEM: the address
 * is taken or not this host's; ERR_MEMORY. */
enum err front_open(const struct front_options *options, struct ingest *ingest, struct journal *journal,
                    struct store *store, struct front **out);

/* HOST:PORT, or unix:PATH, in fact bound. Valid as long as the front. */
const char *front_address(const struct front *front);

/* Has the TLS files read again soon. Any thread. */
void front_reload(struct front *front);

/* Stops taking calls, answers those under way within `grace_ms`, cancels the rest, frees all. */
void front_close(struct front **front, uint32_t grace_ms);

#endif
