#include "server/front/front.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/support/log.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/front/accept4.h"
#include "server/front/health.h"
#include "server/front/limits.h"
#include "server/front/listen.h"
#include "server/front/loop.h"
#include "server/front/reflection.h"
#include "server/front/svc_acknowledgment.h"
#include "server/front/svc_audit.h"
#include "server/front/svc_capture.h"
#include "server/front/svc_capture_list.h"
#include "server/front/svc_dead_letter.h"
#include "server/front/svc_identity.h"
#include "server/front/svc_ledger.h"
#include "server/front/svc_master_data.h"
#include "server/front/svc_partner.h"
#include "server/front/svc_rejudge.h"
#include "server/front/svc_replay.h"
#include "server/front/svc_server.h"
#include "server/front/svc_trace.h"
#include "server/front/svc_upload.h"
#include "server/front/tls.h"

enum {
    WAITING_MAX = 1024, /* calls that wait for room, in each of the rooms */
    LOG_MS = 1000,
    MMAP_THRESHOLD = 32 << 20,
    TRIM_THRESHOLD = 64 << 20,
};

const struct front_limits front_limits_default = {
    .calls = 4096,
    .streams = 2048,
    .public_streams = 128,
    .document_bytes = 16ULL * FRONT_MESSAGE_MAX,
    .uploads = 64,
    .query_bytes = 32ULL * FRONT_MESSAGE_MAX,
    .patience_ms = 10000,
    .message_ms = 120000,
    .query_ms = 10000,
    .answer_ms = 60000,
    .prove_ms = 10000,
    .sweep_ms = 500,
    .threads = 3,
    .arena_bytes = 16 << 20,
    .quota_bytes = 2048ULL << 20,
};

struct front {
    struct loop loop;
    struct tls *tls; /* NULL: plain text */
    char address[ENDPOINT_TEXT];
};

/* Errors only, and not faster than a person reads: most tell what a client did wrong, which it also learns
 * itself. None on the loop, which a full pipe must not hold up. */
static void log_grpc(gpr_log_func_args *line)
{
    static atomic_llong next_ms;
    if (line->severity != GPR_LOG_SEVERITY_ERROR || loop_is_here())
        return;
    long long now_ms = clock_steady_ms(), due_ms = atomic_load(&next_ms);
    if (now_ms >= due_ms && atomic_compare_exchange_strong(&next_ms, &due_ms, now_ms + LOG_MS))
        log_warning("grpc", "file=%s line=%d detail=\"%.200s\"", line->file, line->line, line->message);
}

static grpc_arg integer(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

static grpc_server *create_server(const struct front_limits *limits)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("front");
    grpc_resource_quota_resize(quota, limits->quota_bytes);
    grpc_arg args[] = {
        {.type = GRPC_ARG_POINTER,
         .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {.p = quota, .vtable = grpc_resource_quota_arg_vtable()}},
        /* Two servers must not share a port without noticing. */
        integer(GRPC_ARG_ALLOW_REUSEPORT, 0),
        /* Identity only: 1.5 MB of gzip are 1.6 GB of zeros, and sizes are checked after inflating. */
        integer(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, FRONT_MESSAGE_MAX),
        integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256),
        integer(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10000),
        /* Who wants nothing for so long can connect again: descriptors are for those who do. */
        integer(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600000),
        integer(GRPC_ARG_KEEPALIVE_TIME_MS, 60000),
        integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000),
        integer(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        integer(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000),
        /* Windows that grow with the bandwidth would let one connection park 180 MB here. */
        integer(GRPC_ARG_HTTP2_BDP_PROBE, 0),
        /* Beyond this every other call on the connection fails too, so we refuse what is shorter ourselves.
         * gRPC looks at one frame at a time only. */
        integer(GRPC_ARG_MAX_METADATA_SIZE, 4 * FRONT_METADATA_MAX),
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof args[0], .args = args};
    grpc_server *server = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

static enum err bind_port(struct front *front, const struct front_options *options)
{
    enum err err = ERR_OK;
    if (options->tls_certificate)
        err = tls_open(options->tls_certificate, options->tls_key, options->tls_client_ca, &front->tls);
    if (err)
        return err;
    grpc_server_credentials *credentials =
        front->tls ? tls_credentials(front->tls) : grpc_insecure_server_credentials_create();
    err = listen_bind(front->loop.server, options->listen, credentials, front->address);
    grpc_server_credentials_release(credentials);
    return err;
}

static enum err register_all(struct loop *loop)
{
    enum err err = loop_register(loop, svc_capture_methods, svc_capture_count);
    if (!err)
        err = loop_register(loop, svc_upload_methods, svc_upload_count);
    if (!err)
        err = loop_register(loop, svc_capture_list_methods, svc_capture_list_count);
    if (!err)
        err = loop_register(loop, svc_trace_methods, svc_trace_count);
    if (!err)
        err = loop_register(loop, svc_dead_letter_methods, svc_dead_letter_count);
    if (!err)
        err = loop_register(loop, svc_master_data_methods, svc_master_data_count);
    if (!err)
        err = loop_register(loop, svc_partner_methods, svc_partner_count);
    if (!err)
        err = loop_register(loop, svc_acknowledgment_methods, svc_acknowledgment_count);
    if (!err)
        err = loop_register(loop, svc_audit_methods, svc_audit_count);
    if (!err)
        err = loop_register(loop, svc_ledger_methods, svc_ledger_count);
    if (!err)
        err = loop_register(loop, svc_replay_methods, svc_replay_count);
    if (!err)
        err = loop_register(loop, svc_rejudge_methods, svc_rejudge_count);
    if (!err && loop->services.access.identities)
        err = loop_register(loop, svc_identity_methods, svc_identity_count);
    if (!err)
        err = loop_register(loop, svc_server_methods, svc_server_count);
    if (!err)
        err = loop_register(loop, health_methods, health_count);
    if (!err)
        err = loop_register(loop, reflection_methods, reflection_count);
    return err;
}

static void init_rooms(struct loop *loop)
{
    const struct front_limits *limits = &loop->limits;
    struct room *rooms = loop->rooms;
    room_init(&rooms[ROOM_DOCUMENTS], ROOM_DOCUMENTS, &loop->shares, POOL_DOCUMENT, limits->document_bytes,
              FRONT_MESSAGE_MAX, WAITING_MAX);
    room_init(&rooms[ROOM_QUERIES], ROOM_QUERIES, &loop->shares, POOL_QUERY, limits->query_bytes,
              FRONT_MESSAGE_MAX, WAITING_MAX);
    /* An upload may take hours, so nobody waits for one to end. */
    room_init(&rooms[ROOM_UPLOADS], ROOM_UPLOADS, &loop->shares, POOL_DOCUMENT,
              (uint64_t)limits->uploads * FRONT_PIECE_MAX, FRONT_PIECE_MAX, 0);
}

static void free_front(struct front *front)
{
    struct loop *loop = &front->loop;
    pool_free(&loop->pool);
    if (loop->server)
        grpc_server_destroy(loop->server);
    if (loop->queue)
        grpc_completion_queue_destroy(loop->queue);
    tls_close(&front->tls);
    free(front);
    grpc_shutdown_blocking();
}

/* A server that was not started must be shut down all the same before it may go. */
static void discard_server(struct loop *loop)
{
    grpc_server_shutdown_and_notify(loop->server, loop->queue, &loop->shutdown);
    grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_shutdown(loop->queue);
    while (grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        ;
}

enum err front_open_limited(const struct front_options *options, struct ingest *ingest,
                            struct journal *journal, struct store *store, const struct front_limits *limits,
                            struct front **out)
{
    *out = NULL;
    struct front *front = calloc(1, sizeof *front);
    if (!front)
        return ERR_MEMORY;
    struct loop *loop = &front->loop;
    /* Slices of 8 KB and documents of 64 MB come and go: keep their memory instead of mapping it anew. */
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    gpr_set_log_function(log_grpc);
    grpc_init();

    loop->limits = *limits;
    loop->services.ingest = ingest;
    loop->services.journal = journal;
    loop->services.store = store;
    loop->services.status = options->status;
    loop->services.config = options->config;
    loop->services.converter = options->converter;
    loop->services.signer = options->signer;
    loop->services.rejudge = options->rejudge;
    loop->services.access.identities = options->identities;
    loop->services.access.required = options->require_identity;
    init_rooms(loop);
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    loop->server = create_server(limits);
    grpc_server_register_completion_queue(loop->server, loop->queue, NULL);

    enum err err = accept4_reserve();
    if (!err)
        err = pool_init(limits->threads, limits->arena_bytes, &loop->pool);
    if (!err)
        err = register_all(loop);
    if (!err)
        err = bind_port(front, options);
    if (err) {
        discard_server(loop);
        goto out;
    }
    err = loop_start(loop);
out:
    if (err)
        free_front(front);
    else
        *out = front;
    return err;
}

enum err front_open(const struct front_options *options, struct ingest *ingest, struct journal *journal,
                    struct store *store, struct front **out)
{
    return front_open_limited(options, ingest, journal, store, &front_limits_default, out);
}

void front_reload(struct front *front)
{
    if (front->tls)
        tls_reload(front->tls);
}

const char *front_address(const struct front *front)
{
    return front->address;
}

void front_close(struct front **front, uint32_t grace_ms)
{
    struct front *closed = *front;
    *front = NULL;
    if (!closed)
        return;
    loop_stop(&closed->loop, grace_ms);
    free_front(closed);
}
