/* The front's one completion-queue thread: takes calls, moves each on when something happened to it, and
 * looks after those that hang. It never hashes, syncs, queries or writes to a pipe. */
#ifndef EPCISD_FRONT_LOOP_H
#define EPCISD_FRONT_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "server/front/call.h"
#include "server/front/limits.h"
#include "server/front/room.h"
#include "server/front/share.h"

enum { LOOP_METHODS_MAX = 128 };

/* A method as gRPC knows it, and whether it waits for its next call. */
struct loop_method {
    const struct method *method; /* NULL: the last entry, for methods that we do not have */
    void *registered;
    bool offered;
};

struct loop {
    grpc_server *server;
    grpc_completion_queue *queue;
    struct pool *pool;
    struct services services;
    struct front_limits limits;
    struct room rooms[ROOM_KINDS];
    struct loop_method methods[LOOP_METHODS_MAX + 1];
    size_t method_count; /* without the last entry */
    struct call *calls;  /* under way */
    uint32_t call_count;
    struct shares shares; /* in what those under way hold */
    int64_t busy_ms;      /* when a call was last under way; the loop thread alone */
    struct pool_job tidying;
    atomic_bool tidy_runs;
    int64_t tidy_due_ms; /* 0: no call has come since the last time */
    bool offer_failed;   /* some method is not offered for want of memory */
    bool server_done;    /* gRPC has shut the server down */
    struct call_event shutdown;
    atomic_llong grace_until_ms; /* of clock_steady_ms; set before services.stopping */
    pthread_t thread;
};

/* Adds methods to a server that has not started. ERR_LIMIT, ERR_SYSTEM: gRPC refuses the name. */
enum err loop_register(struct loop *loop, const struct method *methods, size_t count);

/* Starts the server and the thread. ERR_SYSTEM: no thread; the server is shut down. */
enum err loop_start(struct loop *loop);

/* Stops taking calls, lets those under way end within `grace_ms`, ends the rest, joins the thread. Not on
 * the loop. */
void loop_stop(struct loop *loop, uint32_t grace_ms);

/* Whether methods of that service are registered, by its full name. Any thread, once the loop has started. */
bool loop_has_service(const struct loop *loop, const char *service);

/* True on the loop's thread. */
bool loop_is_here(void);

/* For call.c: offers a method again once its last offer was taken. */
void loop_offer(struct loop *loop, size_t index);

#endif
