#include "common/wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <zmq.h>

#include "common/base/log.h"

static const char run_tag[] = "EPCR1";
static const char ack_topic[] = "ack";
static const char beat_topic[] = "beat";

enum { HEARTBEAT_MS = 5000, NEWS_HIGH_WATER = 100000, ENDPOINT_BYTES = 256, ACK_LINGER_MS = 1000 };

struct wire {
    void *context;
    void *work; /* PUSH or PULL */
    void *acks; /* SUB or PUB */
    int wake;   /* eventfd */
    char work_endpoint[ENDPOINT_BYTES];
    char ack_endpoint[ENDPOINT_BYTES];
    uint64_t malformed;
};

static enum err set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) ? ERR_SYSTEM : ERR_OK;
}

/* A dead peer is noticed, nothing lingers after close, no frame is larger than ours ever are. */
static enum err set_common(void *socket)
{
    int64_t frame_bytes = WIRE_FRAME_BYTES_MAX;
    enum err err = set_number(socket, ZMQ_LINGER, 0);
    if (!err)
        err = set_number(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    if (!err && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes, sizeof frame_bytes))
        err = ERR_SYSTEM;
    return err;
}

static enum err wire_new(int work_type, int ack_type, struct wire **out)
{
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return ERR_MEMORY;
    wire->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wire->context = zmq_ctx_new();
    if (wire->context) {
        wire->work = zmq_socket(wire->context, work_type);
        wire->acks = zmq_socket(wire->context, ack_type);
    }
    enum err err = wire->wake >= 0 && wire->work && wire->acks ? ERR_OK : ERR_SYSTEM;
    if (!err)
        err = set_common(wire->work);
    if (!err)
        err = set_common(wire->acks);
    if (err) {
        log_error("wire_failed", "detail=\"%s\"", zmq_strerror(errno));
        wire_close(&wire);
        return err;
    }
    *out = wire;
    return ERR_OK;
}

static enum err bind_socket(void *socket, const char *endpoint, char bound[ENDPOINT_BYTES])
{
    size_t size = ENDPOINT_BYTES;
    if (zmq_bind(socket, endpoint) || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size)) {
        log_error("wire_bind_failed", "endpoint=%s detail=\"%s\"", endpoint, zmq_strerror(errno));
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

static enum err connect_socket(void *socket, const char *endpoint)
{
    if (zmq_connect(socket, endpoint)) {
        log_error("wire_connect_failed", "endpoint=%s detail=\"%s\"", endpoint, zmq_strerror(errno));
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

enum err wire_bind(const char *work_endpoint, const char *ack_endpoint, struct wire **out)
{
    struct wire *wire = NULL;
    enum err err = wire_new(ZMQ_PUSH, ZMQ_SUB, &wire);
    if (err)
        return err;
    /* One run waiting at each worker keeps it busy; more would wait behind it while others idle. */
    err = set_number(wire->work, ZMQ_SNDHWM, 1);
    if (!err)
        err = set_number(wire->acks, ZMQ_RCVHWM, NEWS_HIGH_WATER);
    if (!err && (zmq_setsockopt(wire->acks, ZMQ_SUBSCRIBE, ack_topic, strlen(ack_topic)) ||
                 zmq_setsockopt(wire->acks, ZMQ_SUBSCRIBE, beat_topic, strlen(beat_topic))))
        err = ERR_SYSTEM;
    /* Acknowledgments first: once work can be had, its results can be heard. */
    if (!err)
        err = bind_socket(wire->acks, ack_endpoint, wire->ack_endpoint);
    if (!err)
        err = bind_socket(wire->work, work_endpoint, wire->work_endpoint);
    if (err) {
        wire_close(&wire);
        return err;
    }
    *out = wire;
    return ERR_OK;
}

enum err wire_connect(const char *work_endpoint, const char *ack_endpoint, struct wire **out)
{
    struct wire *wire = NULL;
    enum err err = wire_new(ZMQ_PULL, ZMQ_PUB, &wire);
    if (err)
        return err;
    err = set_number(wire->work, ZMQ_RCVHWM, 1);
    if (!err)
        err = set_number(wire->acks, ZMQ_SNDHWM, NEWS_HIGH_WATER);
    /* The last acknowledgments of a worker that stops are worth a moment: without them its batches are done
     * again. */
    if (!err)
        err = set_number(wire->acks, ZMQ_LINGER, ACK_LINGER_MS);
    if (!err)
        err = connect_socket(wire->acks, ack_endpoint);
    if (!err)
        err = connect_socket(wire->work, work_endpoint);
    if (err) {
        wire_close(&wire);
        return err;
    }
    snprintf(wire->work_endpoint, sizeof wire->work_endpoint, "%s", work_endpoint);
    snprintf(wire->ack_endpoint, sizeof wire->ack_endpoint, "%s", ack_endpoint);
    *out = wire;
    return ERR_OK;
}

void wire_close(struct wire **wire)
{
    struct wire *self = *wire;
    if (!self)
        return;
    if (self->work)
        zmq_close(self->work);
    if (self->acks)
        zmq_close(self->acks);
    if (self->context)
        zmq_ctx_term(self->context);
    if (self->wake >= 0)
        close(self->wake);
    free(self);
    *wire = NULL;
}

const char *wire_work_endpoint(const struct wire *wire)
{
    return wire->work_endpoint;
}

const char *wire_ack_endpoint(const struct wire *wire)
{
    return wire->ack_endpoint;
}

void wire_wait(struct wire *wire, bool send_too, int timeout_ms)
{
    int type = 0;
    size_t size = sizeof type;
    zmq_getsockopt(wire->work, ZMQ_TYPE, &type, &size);
    bool server = type == ZMQ_PUSH;
    zmq_pollitem_t items[] = {
        {.socket = NULL, .fd = wire->wake, .events = ZMQ_POLLIN},
        {.socket = server ? wire->acks : wire->work, .events = ZMQ_POLLIN},
        {.socket = wire->work, .events = ZMQ_POLLOUT},
    };
    zmq_poll(items, server && send_too ? 3 : 2, timeout_ms);
    uint64_t count;
    ssize_t drained = read(wire->wake, &count, sizeof count);
    (void)drained; /* EAGAIN: nobody woke us */
}

void wire_wake(struct wire *wire)
{
    uint64_t one = 1;
    ssize_t written = write(wire->wake, &one, sizeof one);
    (void)written; /* EAGAIN: a wake is pending already */
}

enum err wire_send_run(struct wire *wire, const struct buffer *frames, size_t count)
{
    if (zmq_send(wire->work, run_tag, strlen(run_tag), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? ERR_FULL : ERR_SYSTEM;
    /* The first part reserved the pipe: the others of one message never meet a full one. */
    for (size_t i = 0; i < count; i++) {
        int more = i + 1 < count ? ZMQ_SNDMORE : 0;
        while (zmq_send(wire->work, frames[i].data, frames[i].length, more) < 0)
            if (errno != EINTR)
                return ERR_SYSTEM;
    }
    return ERR_OK;
}

/* Receives one frame without waiting. ERR_NOT_FOUND: none is there. */
static enum err receive_frame(void *socket, zmq_msg_t *frame, bool *more)
{
    while (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
        if (errno == EAGAIN)
            return ERR_NOT_FOUND;
        if (errno != EINTR)
            return ERR_SYSTEM;
    }
    *more = zmq_msg_more(frame);
    return ERR_OK;
}

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    return zmq_msg_size(frame) == strlen(text) && memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

static void count_malformed(struct wire *wire, const char *what)
{
    wire->malformed++;
    log_warning("wire_malformed", "what=%s count=%" PRIu64, what, wire->malformed);
}

static void drop_rest(void *socket, zmq_msg_t *frame, bool more)
{
    while (more && !receive_frame(socket, frame, &more))
        ;
}

enum err wire_receive_news(struct wire *wire, struct arena *arena, Epcis__Wire__V1__Acknowledgment **ack,
                           Epcis__Wire__V1__Heartbeat **beat)
{
    *ack = NULL;
    *beat = NULL;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    enum err err;
    for (;;) {
        bool more = false;
        err = receive_frame(wire->acks, &frame, &more);
        if (err)
            break;
        bool is_ack = frame_is(&frame, ack_topic);
        bool known = is_ack || frame_is(&frame, beat_topic);
        if (known && more && !receive_frame(wire->acks, &frame, &more) && !more) {
            arena_reset(arena);
            size_t size = zmq_msg_size(&frame);
            const uint8_t *data = zmq_msg_data(&frame);
            if (is_ack)
                *ack = epcis__wire__v1__acknowledgment__unpack(&arena->allocator, size, data);
            else
                *beat = epcis__wire__v1__heartbeat__unpack(&arena->allocator, size, data);
            if (*ack || *beat)
                break;
        }
        drop_rest(wire->acks, &frame, more);
        count_malformed(wire, "news");
    }
    zmq_msg_close(&frame);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err wire_receive_run(struct wire *wire, struct buffer *frames, size_t *count)
{
    *count = 0;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    enum err err;
    for (;;) {
        bool more = false;
        err = receive_frame(wire->work, &frame, &more);
        if (err)
            break;
        bool good = frame_is(&frame, run_tag) && more;
        while (good && more) {
            err = receive_frame(wire->work, &frame, &more);
            if (err || *count == WIRE_RUN_BATCHES_MAX) {
                good = false;
                break;
            }
            struct buffer *buffer = &frames[(*count)++];
            buffer_clear(buffer);
            buffer_append(buffer, zmq_msg_data(&frame), zmq_msg_size(&frame));
            if (buffer->failed)
                err = ERR_MEMORY;
        }
        if (good || err)
            break;
        *count = 0;
        drop_rest(wire->work, &frame, more);
        count_malformed(wire, "run");
    }
    if (err)
        *count = 0;
    zmq_msg_close(&frame);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err publish(struct wire *wire, const char *topic, const ProtobufCMessage *message)
{
    struct buffer packed = {0};
    buffer_append_message(&packed, message);
    enum err err = packed.failed ? ERR_MEMORY : ERR_OK;
    if (!err && (zmq_send(wire->acks, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
                 zmq_send(wire->acks, packed.data, packed.length, ZMQ_DONTWAIT) < 0))
        err = ERR_SYSTEM;
    buffer_free(&packed);
    return err;
}

enum err wire_publish_ack(struct wire *wire, const Epcis__Wire__V1__Acknowledgment *ack)
{
    return publish(wire, ack_topic, &ack->base);
}

enum err wire_publish_beat(struct wire *wire, const Epcis__Wire__V1__Heartbeat *beat)
{
    return publish(wire, beat_topic, &beat->base);
}
