/* The life of one call: offered to gRPC, admitted, received, worked on, answered. All of it happens on the
 * loop's thread but for a method's `work` and `drop`, which a pool thread runs while the loop leaves the
 * call alone. So a call needs no lock. */
#ifndef EPCISD_FRONT_CALL_H
#define EPCISD_FRONT_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"
#include "server/front/access.h"
#include "server/front/cursor.h"
#include "server/front/pool.h"
#include "server/front/reply.h"
#include "server/front/room.h"

struct converter;
struct server_config;
struct server_status;
struct ingest;
struct journal;
struct rejudge_options;
struct signer;
struct store;
struct loop;
struct method;

/* What calls work with. */
struct services {
    struct ingest *ingest;
    struct journal *journal;
    struct store *store;
    const struct server_status *status;
    const struct server_config *config;
    struct converter *converter;
    struct signer *signer;
    struct rejudge_options *rejudge;
    struct access access;
    atomic_bool stopping; /* no further calls are taken */
};

/* What happens to a call after `work`. */
enum call_next {
    CALL_ANSWER, /* send the reply */
    CALL_MORE,   /* ask the client for its next message */
    CALL_LATER,  /* somebody sets the reply and calls call_wake, or did so already: hands off */
    CALL_SEND,   /* sending methods: send reply.message, then `work` again */
    CALL_PARK,   /* sending methods: `work` again after stream_notify */
};

enum call_phase {
    CALL_OFFERED,
    CALL_WAITING,   /* for room */
    CALL_RECEIVING, /* a message was asked for */
    CALL_WORKING,   /* a pool thread, or whoever will wake it, has it */
    CALL_SENDING,   /* a message before the status */
    CALL_PARKED,
    CALL_ANSWERING,
};

/* gRPC hands its address back when what was started has ended. */
struct call_event {
    void (*run)(struct call *call, bool ok);
    struct call *call;
};

struct call {
    /* For methods. */
    struct services *services;
    const struct method *method; /* NULL: a method that we do not have */
    bool asked;                  /* `work` runs for what the client sent; false: to send more */
    grpc_byte_buffer *request;   /* where `asked`: the message; NULL: the client sends no more */
    void *state;                 /* the method's own between messages */
    struct caller caller;        /* who it is, see access.h */
    struct reply reply;

    /* For the loop. */
    struct loop *loop;
    size_t method_index; /* in loop->methods */
    grpc_call *grpc;
    grpc_metadata_array metadata;
    grpc_call_details details;
    gpr_timespec deadline;
    enum access_refusal refusal;
    uint64_t refused; /* where its refusal is to be logged: so many since the last one, this included */
    enum call_phase phase;
    int64_t phase_until_ms; /* when the sweep ends the phase */
    enum call_next next;
    atomic_bool handed_back; /* by the thread that had it, for the loop to see */
    unsigned pending;        /* events to come: the call is freed after the last */
    bool answered;           /* the status is on its way; what still comes is passed over */
    int cancelled;
    bool follows_client; /* on_closed will come */
    bool client_gone;
    bool headers_sent;
    bool last_turn;         /* of a stream, as the server stops */
    int64_t prove_again_ms; /* when a stream's caller is looked at again */
    bool too_slow;          /* the client, to take a message */
    atomic_int news;        /* enum stream_news */
    struct call_event offered, received, woken, sent, closed, begun, written, notified;
    grpc_metadata trailers[2];
    struct pool_job job;
    struct share *share; /* its caller's; NULL: not admitted */
    struct room *room;   /* that it waits in or holds room in; NULL: neither */
    bool room_waits;
    uint64_t room_bytes;
    struct call *room_next;
    struct call *previous, *following; /* the loop's list of calls under way */
};

/* One entry a method: all that tells it from others. */
struct method {
    const char *path; /* "/package.Service/Method" */
    enum need need;   /* what the caller must be allowed to do */
    enum room_kind room;
    bool streaming; /* the client sends several messages */
    bool sending;   /* the client gets several messages: stream.h */
    bool ticking;   /* `sending`: parked calls get a turn every sweep_ms */

    /* On the loop, before a byte of the body is asked for. False: the reply says why not. NULL: always. */
    bool (*admit)(struct call *call);

    /* On a pool thread: takes call->request. `arena` is the thread's, for this run only. */
    enum call_next (*work)(struct call *call, struct arena *arena);

    /* On a pool thread, where a call with `state` ends otherwise than by `work`: frees it. */
    void (*drop)(struct call *call);

    /* Where `work` is query_work: the request's type, and the answer to it; NULL: the reply says why. */
    const ProtobufCMessageDescriptor *request;
    size_t request_max; /* bytes it may have; 0: FRONT_QUERY_MAX */
    const ProtobufCMessage *(*answer)(struct call *call, const ProtobufCMessage *request,
                                      struct arena *arena);
};

/* A cursor over the request, which is not NULL. `source` must live as long. */
void call_cursor(const struct call *call, struct cursor_source *source, struct cursor *out);

/* Frees the request. */
void call_drop_request(struct call *call);

/* After CALL_LATER, once: gives the call back to the loop, to be answered. Any thread. */
void call_wake(struct call *call);

/* For loop.c: offers the loop's method number `index`, or any other method where it has no such. False:
 * no memory now. */
bool call_offer(struct loop *loop, size_t index);

/* For room.c: there is room now. */
void call_receive(struct call *call);

/* For stream.c, on the loop: gives the call to the pool for a turn of `work`. */
void call_work(struct call *call, bool asked);

/* For stream.c: puts the headers into `op` where they have not gone out. How many ops that makes. */
size_t call_add_headers(struct call *call, grpc_op *op);

/* For stream.c: answers a call of which nothing is received and on which no thread works, and drops it. */
void call_end(struct call *call);

/* For stream.c: one of the events under way has come. After the last one an answered call is freed. */
void call_release(struct call *call);

/* For loop.c: ends a phase that took too long, or that the end of the grace time cuts short. */
void call_sweep(struct call *call, int64_t now_ms, bool stopping, bool grace_over);

#endif
