/* A ZeroMQ socket together with what it tells of its connections. The thread of the wire. */
#ifndef EPCISD_WIRE_PLUG_H
#define EPCISD_WIRE_PLUG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/wire/curve_key.h"

struct plug {
    void *socket;
    void *monitor; /* to be polled for input */
};

/* What happened to a connection. */
struct plug_event {
    enum plug_event_kind {
        PLUG_ACCEPTED, /* `value`: its descriptor, which may be closed by now */
        PLUG_CONNECTED,
        PLUG_ADMITTED,    /* both sides agreed */
        PLUG_NOT_ALLOWED, /* the server's gate refused the key */
        PLUG_NOT_AGREED, /* they do not speak the same, or with other keys; `value`: ZMQ_PROTOCOL_ERROR_… */
        PLUG_CUT_OFF,    /* it ended, or took too long, before they agreed */
        PLUG_DISCONNECTED, /* `value`: its descriptor; comes right behind the reason, where there is one */
    } kind;
    int value;
};

/* A socket that takes frames of at most so many bytes, lingers for so long when closed, and gives a peer a
 * few seconds to come to an agreement. ERR_SYSTEM: errno says why; plug_close is due all the same. */
enum err plug_open(void *context, int type, int64_t frame_bytes, int linger_ms, struct plug *out);
void plug_close(struct plug *plug);

enum err plug_set(const struct plug *plug, int option, int value);

/* From the next bind on peers need a key that the gate lets in. What was bound before stays as it is. */
enum err plug_serve_curve(const struct plug *plug, const struct curve_key *key);

/* From the next connect on: with this key, to the server that has that one. */
enum err plug_use_curve(const struct plug *plug, const struct curve_key *key, const char *server_key);

/* The next event; false: none waits. */
bool plug_next_event(const struct plug *plug, struct plug_event *out);

/* Whether only this host reaches the endpoint. May ask the resolver. */
bool plug_is_local(const char *endpoint);

#endif
