/* The wire's two sides: how the server's and how the worker's sockets come to be, and what is to be done
 * about their connections. Internal to the wire, on its thread alone. */
#ifndef EPCISD_WIRE_WIRE_SIDES_H
#define EPCISD_WIRE_WIRE_SIDES_H

#include <stdint.h>

#include "common/wire/plug.h"
#include "common/wire/wire.h"

enum {
    WIRE_ENDPOINT_BYTES = 256,
    WIRE_NEWS_HIGH_WATER = 100000,
    WIRE_NOTHING_BYTES_MAX = 64 << 10, /* where only libzmq's own messages are received */
    WIRE_NEWS_BYTES_MAX = 8 << 20,     /* an acknowledgment or heartbeat */
};

extern const char wire_ack_topic[], wire_beat_topic[];

struct bound;     /* the server's side */
struct connected; /* the worker's */

struct wire {
    int wake; /* eventfd */
    void *context;
    struct plug work;    /* PUSH or PULL; either without a socket until it is opened again */
    struct plug acks;    /* SUB or PUB */
    struct bound *bound; /* one of these two */
    struct connected *connected;
    char work_endpoint[WIRE_ENDPOINT_BYTES];
    char ack_endpoint[WIRE_ENDPOINT_BYTES];
    uint64_t malformed;
};

/* The sooner of two times to wait, either of which may be -1: for ever. */
static inline int wire_sooner_ms(int first_ms, int second_ms)
{
    if (first_ms < 0 || second_ms < 0)
        return first_ms < 0 ? second_ms : first_ms;
    return first_ms < second_ms ? first_ms : second_ms;
}

/* Opens the sockets of a new wire. Errors as wire_bind and wire_connect. */
enum err bound_open(struct wire *wire, const struct wire_server *server);
enum err connected_open(struct wire *wire, const struct wire_worker *worker);

/* Closes the sockets; NULL inside is fine. */
void bound_close(struct wire *wire);
void connected_close(struct wire *wire);

/* Does what is due: reads the allow list, binds or connects anew. Returns in how many milliseconds it is to
 * be called again; -1: whenever. */
int bound_tend(struct wire *wire);
int connected_tend(struct wire *wire);

/* Heeds what has been told of connections. */
void bound_heed(struct wire *wire);
void connected_heed(struct wire *wire);

/* The socket that the gate waits on; NULL: there is none. */
void *bound_gate(const struct wire *wire);

uint64_t bound_refused(const struct wire *wire);

#endif
