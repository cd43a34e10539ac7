#include "common/wire/gate.h"

#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "common/base/clock.h"

/* Frames of a request, RFC 27; those behind a mechanism are its credentials. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES };

enum { FRAME_BYTES = 256, ANSWERS_MAX = 64 };

struct frame {
    size_t length;
    char text[FRAME_BYTES]; /* with a NUL */
};

/* One frame; a longer one is cut, which no answer can make good. */
static bool receive(void *socket, struct frame *out, bool *more)
{
    int more_int = 0;
    size_t size = sizeof more_int;
    int length = zmq_recv(socket, out->text, FRAME_BYTES - 1, ZMQ_DONTWAIT);
    if (length < 0)
        return false;
    out->length = length < FRAME_BYTES ? (size_t)length : FRAME_BYTES - 1;
    out->text[out->length] = '\0';
    *more = !zmq_getsockopt(socket, ZMQ_RCVMORE, &more_int, &size) && more_int;
    return true;
}

/* A whole request: how many frames it has. 0: none waits. */
static int receive_request(void *socket, struct frame frames[FRAMES])
{
    struct frame excess;
    bool more = true;
    int count = 0;
    while (more && receive(socket, count < FRAMES ? &frames[count] : &excess, &more))
        count++;
    return count;
}

static bool is(const struct frame *frame, const char *text)
{
    return frame->length == strlen(text) && memcmp(frame->text, text, frame->length) == 0;
}

/* The name of the worker that may come in; NULL: nobody may. */
static const char *judge(struct frame frames[FRAMES], int count, struct allow_list *list,
                         struct refusals *refusals)
{
    char key[CURVE_KEY_TEXT] = "";
    const char *peer = count > ADDRESS && frames[ADDRESS].length ? frames[ADDRESS].text : "unknown";
    const char *reason = "request_malformed", *name = NULL,
               *detail = "libzmq asked what this server does not understand";
    if (count == FRAMES && is(&frames[VERSION], "1.0") && is(&frames[DOMAIN], GATE_DOMAIN) &&
        is(&frames[MECHANISM], "CURVE") && frames[KEY].length == CURVE_KEY_BYTES &&
        zmq_z85_encode(key, (const uint8_t *)frames[KEY].text, CURVE_KEY_BYTES)) {
        name = allow_list_admit(list, key);
        reason = "key_unknown";
        detail = "to let this worker in, put its public key into the folder workers of the data folder, as "
                 "NAME.key";
    }
    if (!name)
        refusals_add(refusals, peer, reason, key, detail, clock_steady_ms());
    return name;
}

static void answer(void *socket, const struct frame *request_id, const char *name)
{
    const char *status = name ? "200" : "400", *text = name ? "OK" : "this key is not known here";
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, request_id->text, request_id->length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, status, 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, text, strlen(text), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, name ? name : "", name ? strlen(name) : 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

void gate_answer(void *socket, struct allow_list *list, struct refusals *refusals)
{
    for (int i = 0; i < ANSWERS_MAX; i++) {
        struct frame frames[FRAMES];
        memset(frames, 0, sizeof frames);
        int count = receive_request(socket, frames);
        if (count == 0)
            return;
        const char *name = judge(frames, count, list, refusals);
        answer(socket, &frames[REQUEST_ID], name);
    }
}

enum err gate_open(void *context, void **socket)
{
    *socket = zmq_socket(context, ZMQ_REP);
    return *socket && zmq_bind(*socket, "inproc://zeromq.zap.01") == 0 ? ERR_OK : ERR_SYSTEM;
}
