#include "common/wire/wire_sides.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <zmq.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/wire/allow_list.h"
#include "common/wire/gate.h"
#include "common/wire/refusals.h"

enum {
    LOOK_MS = 1000,       /* at the allow list */
    BIND_AGAIN_MS = 1000, /* where it failed */
    EVENTS_MAX = 1000,    /* heeded in one go */
    ACCEPTED_MAX = 256,
};

/* A connection that was accepted lately. */
struct accepted {
    int fd; /* 0: none */
    uint64_t admitted;
    char peer[REFUSALS_PEER];
};

/* What was told of one socket's connections. */
struct door {
    const char *reason, *detail; /* why the connection failed that ends next; NULL: it has not */
    uint64_t admitted;
    struct accepted accepted[ACCEPTED_MAX];
    unsigned next;
};

struct bound {
    struct wire_server server;
    struct allow_list *allowed; /* with a key */
    void *gate;
    struct refusals refusals;
    struct door work, acks;
    int64_t look_at_ms, bind_at_ms;
};

/* ---- binding ---------------------------------------------------------------------------------------- */

/* Only its owner opens the socket, and nobody else can put one of his own in its place. */
static enum err protect(const char *endpoint)
{
    char folder[PATH_MAX];
    struct stat status;
    const char *path = endpoint + strlen("ipc://");
    if (strncmp(endpoint, "ipc://", strlen("ipc://")) != 0 || *path == '@')
        return ERR_OK;
    file_folder(path, folder, sizeof folder);
    if (chmod(path, S_IRUSR | S_IWUSR) || stat(folder, &status)) {
        log_error("wire_bind_failed", "endpoint=%s detail=\"%s\"", endpoint, strerror(errno));
        return ERR_SYSTEM;
    }
    if (!(status.st_mode & FILE_TRUSTED) || status.st_mode & S_ISVTX)
        return ERR_OK;
    log_error("wire_bind_failed",
              "endpoint=%s detail=\"others may put a socket of their own in its place: chmod go-w %s\"",
              endpoint, folder);
    return ERR_SYSTEM;
}

static enum err bind_one(const struct plug *plug, const char *endpoint, char bound[WIRE_ENDPOINT_BYTES])
{
    size_t size = WIRE_ENDPOINT_BYTES;
    if (zmq_bind(plug->socket, endpoint) || zmq_getsockopt(plug->socket, ZMQ_LAST_ENDPOINT, bound, &size)) {
        log_error("wire_bind_failed", "endpoint=%s detail=\"%s\"", endpoint, zmq_strerror(errno));
        return ERR_SYSTEM;
    }
    return protect(bound);
}

/* Acknowledgments first: once work can be had, its results can be heard. What needs no key is bound before
 * the sockets are told of one: each listener keeps what was set when it was made. */
static enum err bind_both(struct wire *wire)
{
    const struct wire_server *server = &wire->bound->server;
    bool again = wire->work_endpoint[0] != '\0';
    char ignored[WIRE_ENDPOINT_BYTES];
    enum err err = ERR_OK;
    if (server->local_ack_endpoint)
        err = bind_one(&wire->acks, server->local_ack_endpoint, ignored);
    if (!err && server->local_work_endpoint)
        err = bind_one(&wire->work, server->local_work_endpoint, ignored);
    if (!err && server->key &&
        (plug_serve_curve(&wire->acks, server->key) || plug_serve_curve(&wire->work, server->key))) {
        log_error("wire_failed", "detail=\"CURVE: %s\"", zmq_strerror(errno));
        err = ERR_SYSTEM;
    }
    if (!err && again) /* others read what was bound */
        return bind_one(&wire->acks, wire->ack_endpoint, ignored)
                   ? ERR_SYSTEM
                   : bind_one(&wire->work, wire->work_endpoint, ignored);
    if (!err)
        err = bind_one(&wire->acks, server->ack_endpoint, wire->ack_endpoint);
    return err ? err : bind_one(&wire->work, server->work_endpoint, wire->work_endpoint);
}

/* One run waiting at each worker keeps it busy; more would wait behind it while others idle. */
static enum err open_sockets(struct wire *wire)
{
    wire->context = zmq_ctx_new();
    enum err err = wire->context ? ERR_OK : ERR_SYSTEM;
    if (!err && wire->bound->server.key)
        err = gate_open(wire->context, &wire->bound->gate);
    if (!err)
        err = plug_open(wire->context, ZMQ_PUSH, WIRE_NOTHING_BYTES_MAX, 0, &wire->work);
    if (!err)
        err = plug_open(wire->context, ZMQ_SUB, WIRE_NEWS_BYTES_MAX, 0, &wire->acks);
    if (!err)
        err = plug_set(&wire->work, ZMQ_SNDHWM, 1);
    if (!err)
        err = plug_set(&wire->acks, ZMQ_RCVHWM, WIRE_NEWS_HIGH_WATER);
    if (!err && (zmq_setsockopt(wire->acks.socket, ZMQ_SUBSCRIBE, wire_ack_topic, strlen(wire_ack_topic)) ||
                 zmq_setsockopt(wire->acks.socket, ZMQ_SUBSCRIBE, wire_beat_topic, strlen(wire_beat_topic))))
        err = ERR_SYSTEM;
    if (err)
        log_error("wire_failed", "detail=\"%s\"", zmq_strerror(errno));
    return err ? err : bind_both(wire);
}

/* The gate last: while there are listeners, they ask it. */
static void close_sockets(struct wire *wire)
{
    plug_close(&wire->work);
    plug_close(&wire->acks);
    if (wire->bound->gate)
        zmq_close(wire->bound->gate);
    wire->bound->gate = NULL;
    if (wire->context)
        zmq_ctx_term(wire->context);
    wire->context = NULL;
}

enum err bound_open(struct wire *wire, const struct wire_server *server)
{
    struct bound *bound = wire->bound = calloc(1, sizeof *bound);
    if (!bound)
        return ERR_MEMORY;
    bound->server = *server;
    enum err err = server->key ? allow_list_open(server->keys_dir, &bound->allowed) : ERR_OK;
    return err ? err : open_sockets(wire);
}

void bound_close(struct wire *wire)
{
    if (!wire->bound)
        return;
    close_sockets(wire);
    allow_list_close(&wire->bound->allowed);
    free(wire->bound);
    wire->bound = NULL;
}

/* libzmq cannot cut a single connection, so all are: those that may come are back within a second, and what
 * was under way is acknowledged, or sent again when its lease ends. */
static void bind_again(struct wire *wire)
{
    struct bound *bound = wire->bound;
    close_sockets(wire);
    memset(&bound->work, 0, sizeof bound->work);
    memset(&bound->acks, 0, sizeof bound->acks);
    if (bound->allowed)
        allow_list_forget(bound->allowed);
    if (!open_sockets(wire)) {
        log_info("workers_cut_off", "work=%s ack=%s detail=\"those with a known key come again\"",
                 wire->work_endpoint, wire->ack_endpoint);
        return;
    }
    close_sockets(wire);
    bound->bind_at_ms = clock_steady_ms() + BIND_AGAIN_MS;
}

int bound_tend(struct wire *wire)
{
    struct bound *bound = wire->bound;
    int64_t now_ms = clock_steady_ms();
    if (!bound->allowed)
        return -1;
    if (now_ms >= bound->look_at_ms) {
        bool lost = allow_list_look(bound->allowed);
        bound->look_at_ms = clock_steady_ms() + LOOK_MS;
        if (lost)
            bind_again(wire);
    }
    if (!wire->context && now_ms >= bound->bind_at_ms)
        bind_again(wire);
    return LOOK_MS;
}

/* ---- who is turned away ----------------------------------------------------------------------------- */

/* By the time this is asked the descriptor may be another connection's, but then of the same port. */
static void peer_of(int fd, const char *endpoint, char peer[REFUSALS_PEER])
{
    struct sockaddr_storage here = {.ss_family = AF_UNSPEC}, there = {.ss_family = AF_UNSPEC};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    char port[NI_MAXSERV] = "";
    const char *colon = strrchr(endpoint, ':');
    snprintf(peer, REFUSALS_PEER, "unknown");
    if (getsockname(fd, (struct sockaddr *)&here, &here_size) ||
        getpeername(fd, (struct sockaddr *)&there, &there_size))
        return;
    if (there.ss_family == AF_UNIX)
        snprintf(peer, REFUSALS_PEER, "local");
    else if (!getnameinfo((struct sockaddr *)&here, here_size, NULL, 0, port, sizeof port, NI_NUMERICSERV) &&
             colon && strcmp(port, colon + 1) == 0 &&
             getnameinfo((struct sockaddr *)&there, there_size, peer, REFUSALS_PEER, NULL, 0, NI_NUMERICHOST))
        snprintf(peer, REFUSALS_PEER, "unknown");
}

static void note_accepted(struct door *door, int fd, const char *endpoint)
{
    struct accepted *accepted = &door->accepted[door->next++ % ACCEPTED_MAX];
    *accepted = (struct accepted){.fd = fd, .admitted = door->admitted};
    peer_of(fd, endpoint, accepted->peer);
}

static struct accepted *find_accepted(struct door *door, int fd)
{
    for (struct accepted *each = door->accepted; each < door->accepted + ACCEPTED_MAX; each++)
        if (each->fd == fd)
            return each;
    return NULL;
}

static void set_reason(struct door *door, const char *reason, const char *detail)
{
    door->reason = reason;
    door->detail = detail;
}

static void note_disagreement(struct door *door, int protocol_error, bool curve)
{
    if (protocol_error == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
        set_reason(door, "server_key_wrong",
                   "it encrypts for another server: its --server-key is to be a copy of "
                   "keys/curve.key in the data folder");
    else if (protocol_error == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH && curve)
        set_reason(door, "no_key", "it comes without a key: a worker needs --key and --server-key here");
    else if (protocol_error == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        set_reason(door, "needless_key", "it comes with a key, and none is asked for here: leave --key out");
    else
        set_reason(door, "not_understood", "it does not speak as a worker does");
}

/* One that ends without having failed was let in, or did not even begin to speak ZeroMQ: that is certain
 * where nobody was let in while it was there. */
static void note_end(struct bound *bound, struct door *door, int fd)
{
    struct accepted *accepted = find_accepted(door, fd);
    if (!door->reason && accepted && accepted->admitted == door->admitted)
        set_reason(door, "not_zeromq", "it does not speak ZeroMQ's protocol");
    if (door->reason && door->reason[0])
        refusals_add(&bound->refusals, accepted ? accepted->peer : "unknown", door->reason, "", door->detail,
                     clock_steady_ms());
    if (accepted)
        accepted->fd = 0;
    door->reason = NULL;
}

static void heed(struct bound *bound, struct door *door, const struct plug *plug, const char *endpoint)
{
    struct plug_event event;
    for (int i = 0; i < EVENTS_MAX && plug_next_event(plug, &event); i++) {
        switch (event.kind) {
        case PLUG_ACCEPTED:
            note_accepted(door, event.value, endpoint);
            break;
        case PLUG_ADMITTED:
            door->admitted++;
            break;
        case PLUG_NOT_ALLOWED:
            set_reason(door, "", ""); /* the gate has told */
            break;
        case PLUG_NOT_AGREED:
            note_disagreement(door, event.value, bound->server.key != NULL);
            break;
        case PLUG_CUT_OFF:
            set_reason(door, "cut_off", "it ended, or was silent for too long, before it had shown a key");
            break;
        case PLUG_DISCONNECTED:
            note_end(bound, door, event.value);
            break;
        default:
            break;
        }
    }
}

void bound_heed(struct wire *wire)
{
    struct bound *bound = wire->bound;
    if (bound->gate)
        gate_answer(bound->gate, bound->allowed, &bound->refusals);
    heed(bound, &bound->work, &wire->work, wire->work_endpoint);
    heed(bound, &bound->acks, &wire->acks, wire->ack_endpoint);
}

void *bound_gate(const struct wire *wire)
{
    return wire->bound->gate;
}

uint64_t bound_refused(const struct wire *wire)
{
    return wire->bound->refusals.count;
}
