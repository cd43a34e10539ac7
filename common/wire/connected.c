#include "common/wire/wire_sides.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    ACK_LINGER_MS = 1000,
    OPEN_FIRST_MS = 500, /* pauses where the server refused */
    OPEN_MAX_MS = 3000,
    TELL_MS = 60000,
    CUT_OFF_TOLD = 2, /* a server that is just ending cuts off once */
};

/* Why the server does not let this worker in. */
enum why { WHY_KEY_UNKNOWN, WHY_NOT_AGREED, WHY_CUT_OFF, WHYS };

/* One of the two connections. */
struct side {
    struct plug *plug;
    const char *endpoint;
    int type;
    bool refused;
    int cut_off;                       /* times in a row */
    int64_t told_ms[WHYS], open_at_ms; /* 0: not yet, never */
    struct backoff backoff;
};

struct connected {
    struct wire_worker worker;
    struct side work, acks;
};

/* ---- connecting ------------------------------------------------------------------------------------- */

/* The last acknowledgments of a worker that stops are worth a moment: without them its batches are done
 * again. */
static enum err open_side(const struct wire *wire, const struct side *side)
{
    const struct wire_worker *worker = &wire->connected->worker;
    bool pull = side->type == ZMQ_PULL;
    enum err err = plug_open(wire->context, side->type, pull ? WIRE_FRAME_BYTES_MAX : WIRE_NOTHING_BYTES_MAX,
                             pull ? 0 : ACK_LINGER_MS, side->plug);
    if (!err)
        err = pull ? plug_set(side->plug, ZMQ_RCVHWM, 1)
                   : plug_set(side->plug, ZMQ_SNDHWM, WIRE_NEWS_HIGH_WATER);
    if (!err && worker->key)
        err = plug_use_curve(side->plug, worker->key, worker->server_key);
    if (!err && zmq_connect(side->plug->socket, side->endpoint))
        err = ERR_SYSTEM;
    if (err) {
        log_error("wire_connect_failed", "endpoint=%s detail=\"%s\"", side->endpoint, zmq_strerror(errno));
        plug_close(side->plug);
    }
    return err;
}

static void init_side(struct side *side, struct plug *plug, const char *endpoint, int type, uint64_t seed)
{
    *side = (struct side){.plug = plug, .endpoint = endpoint, .type = type};
    backoff_init(&side->backoff, OPEN_FIRST_MS, OPEN_MAX_MS, seed);
}

enum err connected_open(struct wire *wire, const struct wire_worker *worker)
{
    struct connected *connected = wire->connected = calloc(1, sizeof *connected);
    if (!connected)
        return ERR_MEMORY;
    uint64_t seed = (uint64_t)clock_wall_ms();
    connected->worker = *worker;
    init_side(&connected->work, &wire->work, worker->work_endpoint, ZMQ_PULL, seed);
    init_side(&connected->acks, &wire->acks, worker->ack_endpoint, ZMQ_PUB, seed + 1);
    snprintf(wire->work_endpoint, sizeof wire->work_endpoint, "%s", worker->work_endpoint);
    snprintf(wire->ack_endpoint, sizeof wire->ack_endpoint, "%s", worker->ack_endpoint);
    wire->context = zmq_ctx_new();
    enum err err = wire->context ? open_side(wire, &connected->acks) : ERR_SYSTEM;
    return err ? err : open_side(wire, &connected->work);
}

void connected_close(struct wire *wire)
{
    if (!wire->connected)
        return;
    plug_close(&wire->work);
    plug_close(&wire->acks);
    if (wire->context)
        zmq_ctx_term(wire->context);
    free(wire->connected);
    wire->connected = NULL;
}

/* ---- being turned away ------------------------------------------------------------------------------ */

static void tell(const struct connected *connected, struct side *side, enum why why)
{
    static const char *const names[] = {"key_unknown", "not_agreed", "cut_off"};
    static const char *const with_key[] = {"the server does not know this worker's key: put its public key "
                                           "into the folder workers of the server's data "
                                           "folder, as NAME.key",
                                           "the server asks for no key: leave --key and --server-key out, or "
                                           "give the server an address that asks for one",
                                           "the server hung up: --server-key is not its key (a copy of "
                                           "keys/curve.key in its data folder), or no "
                                           "epcis-server is there"};
    static const char *const without[] = {
        "the server does not let this host in", "the server asks for a key: give --key and --server-key",
        "the server hung up: it asks for a key (--key, --server-key), or no epcis-server is there"};
    int64_t now_ms = clock_steady_ms();
    side->refused = true;
    if (side->told_ms[why] && now_ms - side->told_ms[why] < TELL_MS)
        return;
    side->told_ms[why] = now_ms;
    log_error("server_refuses", "endpoint=%s reason=%s key=\"%s\" detail=\"%s; tried again until it works\"",
              side->endpoint, names[why], connected->worker.key ? connected->worker.key->public_key : "",
              connected->worker.key ? with_key[why] : without[why]);
}

static void let_in(struct side *side)
{
    if (side->refused)
        log_info("server_admits", "endpoint=%s", side->endpoint);
    side->refused = false;
    side->cut_off = 0;
    side->open_at_ms = 0;
    memset(side->told_ms, 0, sizeof side->told_ms);
    backoff_reset(&side->backoff);
}

/* Told why, libzmq never tries again; and where the server just hung up, ten times a second. Nothing is lost
 * with the socket: what it was sent and nobody took comes again, and what it publishes unconnected nobody
 * hears. */
static void refused(const struct connected *connected, struct side *side, enum why why)
{
    tell(connected, side, why);
    plug_close(side->plug);
    side->open_at_ms = clock_steady_ms() + backoff_next_ms(&side->backoff);
}

static void heed(const struct connected *connected, struct side *side)
{
    struct plug_event event;
    while (plug_next_event(side->plug, &event)) {
        if (event.kind == PLUG_ADMITTED)
            let_in(side);
        else if (event.kind == PLUG_NOT_ALLOWED)
            refused(connected, side, WHY_KEY_UNKNOWN);
        else if (event.kind == PLUG_NOT_AGREED)
            refused(connected, side, WHY_NOT_AGREED);
        else if (event.kind == PLUG_CUT_OFF && ++side->cut_off >= CUT_OFF_TOLD)
            refused(connected, side, WHY_CUT_OFF);
    }
}

void connected_heed(struct wire *wire)
{
    heed(wire->connected, &wire->connected->work);
    heed(wire->connected, &wire->connected->acks);
}

/* Returns for how long nothing is due; -1: for ever. */
static int open_again(const struct wire *wire, struct side *side, int64_t now_ms)
{
    if (!side->open_at_ms)
        return -1;
    if (now_ms >= side->open_at_ms) {
        side->open_at_ms = 0;
        if (!open_side(wire, side))
            return -1;
        side->open_at_ms = now_ms + backoff_next_ms(&side->backoff);
    }
    return (int)(side->open_at_ms - now_ms);
}

int connected_tend(struct wire *wire)
{
    int64_t now_ms = clock_steady_ms();
    int work_ms = open_again(wire, &wire->connected->work, now_ms);
    int acks_ms = open_again(wire, &wire->connected->acks, now_ms);
    return wire_sooner_ms(work_ms, acks_ms);
}
