#include "common/wire/plug.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "common/base/endpoint.h"
#include "common/wire/gate.h"

enum { HEARTBEAT_MS = 5000, HANDSHAKE_MS = 5000 };

/* With it a peer is refused, and not let in, where the gate is gone. Every libzmq from 4.3.0 on knows it; the
 * header hides the name. */
enum { ZAP_ENFORCE_DOMAIN = 93 };

enum {
    EVENTS = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
             ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
};

enum err plug_set(const struct plug *plug, int option, int value)
{
    return zmq_setsockopt(plug->socket, option, &value, sizeof value) ? ERR_SYSTEM : ERR_OK;
}

/* libzmq waits for who reads its events, so what reads them takes any number: they are read at every turn. */
static enum err watch(void *context, struct plug *plug)
{
    static atomic_uint names;
    char endpoint[64];
    int unlimited = 0;
    snprintf(endpoint, sizeof endpoint, "inproc://events-%u", atomic_fetch_add(&names, 1));
    if (zmq_socket_monitor(plug->socket, endpoint, EVENTS))
        return ERR_SYSTEM;
    plug->monitor = zmq_socket(context, ZMQ_PAIR);
    if (!plug->monitor || zmq_setsockopt(plug->monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited) ||
        zmq_connect(plug->monitor, endpoint))
        return ERR_SYSTEM;
    return ERR_OK;
}

enum err plug_open(void *context, int type, int64_t frame_bytes, int linger_ms, struct plug *out)
{
    *out = (struct plug){.socket = zmq_socket(context, type)};
    enum err err = out->socket ? watch(context, out) : ERR_SYSTEM;
    if (!err)
        err = plug_set(out, ZMQ_LINGER, linger_ms);
    if (!err)
        err = plug_set(out, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    if (!err)
        err = plug_set(out, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    if (!err && zmq_setsockopt(out->socket, ZMQ_MAXMSGSIZE, &frame_bytes, sizeof frame_bytes))
        err = ERR_SYSTEM;
    return err;
}

void plug_close(struct plug *plug)
{
    int saved = errno;
    if (plug->socket) {
        zmq_socket_monitor(plug->socket, NULL, 0);
        zmq_close(plug->socket);
    }
    if (plug->monitor)
        zmq_close(plug->monitor);
    *plug = (struct plug){.socket = NULL};
    errno = saved;
}

/* ---- CURVE ------------------------------------------------------------------------------------------ */

static enum err set_text(const struct plug *plug, int option, const char *text)
{
    return zmq_setsockopt(plug->socket, option, text, strlen(text)) ? ERR_SYSTEM : ERR_OK;
}

enum err plug_serve_curve(const struct plug *plug, const struct curve_key *key)
{
    enum err err = set_text(plug, ZMQ_ZAP_DOMAIN, GATE_DOMAIN);
    if (!err)
        err = plug_set(plug, ZAP_ENFORCE_DOMAIN, 1);
    if (!err)
        err = plug_set(plug, ZMQ_CURVE_SERVER, 1);
    return err ? err : set_text(plug, ZMQ_CURVE_SECRETKEY, key->secret_key);
}

enum err plug_use_curve(const struct plug *plug, const struct curve_key *key, const char *server_key)
{
    enum err err = set_text(plug, ZMQ_CURVE_SERVERKEY, server_key);
    if (!err)
        err = set_text(plug, ZMQ_CURVE_PUBLICKEY, key->public_key);
    return err ? err : set_text(plug, ZMQ_CURVE_SECRETKEY, key->secret_key);
}

/* ---- events ----------------------------------------------------------------------------------------- */

static enum plug_event_kind kind_of(uint16_t event)
{
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        return PLUG_ACCEPTED;
    case ZMQ_EVENT_CONNECTED:
        return PLUG_CONNECTED;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return PLUG_ADMITTED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return PLUG_NOT_ALLOWED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return PLUG_NOT_AGREED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return PLUG_CUT_OFF;
    default:
        return PLUG_DISCONNECTED;
    }
}

/* An event is two frames: number and value in host order without a gap, and the endpoint. */
bool plug_next_event(const struct plug *plug, struct plug_event *out)
{
    uint8_t head[6], endpoint[1];
    uint16_t event;
    uint32_t value;
    if (!plug->monitor || zmq_recv(plug->monitor, head, sizeof head, ZMQ_DONTWAIT) != sizeof head)
        return false;
    zmq_recv(plug->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    memcpy(&event, head, sizeof event);
    memcpy(&value, head + sizeof event, sizeof value);
    if (event == ZMQ_EVENT_MONITOR_STOPPED)
        return false;
    *out = (struct plug_event){.kind = kind_of(event), .value = (int)value};
    return true;
}

/* ---- endpoints -------------------------------------------------------------------------------------- */

/* A bound endpoint's port may be '*'. What stands for an interface's name is taken to be no loopback address.
 */
bool plug_is_local(const char *endpoint)
{
    static const char tcp[] = "tcp://", ipc[] = "ipc://";
    char text[ENDPOINT_TEXT];
    struct endpoint parsed;
    if (strncmp(endpoint, ipc, strlen(ipc)) == 0)
        return true;
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, tcp, strlen(tcp)) != 0 || colon < endpoint + strlen(tcp))
        return false;
    int length = (int)(colon - endpoint - (ptrdiff_t)strlen(tcp));
    if (snprintf(text, sizeof text, "%.*s:0", length, endpoint + strlen(tcp)) >= (int)sizeof text)
        return false;
    return !endpoint_parse(text, &parsed) && endpoint_is_local(&parsed);
}
