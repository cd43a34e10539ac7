#include "common/wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <zmq.h>

#include "common/base/log.h"
#include "common/wire/wire_sides.h"

static const char run_tag[] = "EPCR1";
const char wire_ack_topic[] = "ack";
const char wire_beat_topic[] = "beat";

bool wire_endpoint_is_local(const char *endpoint)
{
    return plug_is_local(endpoint);
}

static enum err wire_new(struct wire **out)
{
    struct wire *wire = *out = calloc(1, sizeof *wire);
    if (!wire)
        return ERR_MEMORY;
    wire->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wire->wake < 0 ? ERR_SYSTEM : ERR_OK;
}

enum err wire_bind(const struct wire_server *server, struct wire **out)
{
    enum err err = wire_new(out);
    if (!err)
        err = bound_open(*out, server);
    if (err)
        wire_close(out);
    return err;
}

enum err wire_connect(const struct wire_worker *worker, struct wire **out)
{
    enum err err = wire_new(out);
    if (!err)
        err = connected_open(*out, worker);
    if (err)
        wire_close(out);
    return err;
}

void wire_close(struct wire **wire)
{
    struct wire *self = *wire;
    if (!self)
        return;
    bound_close(self);
    connected_close(self);
    if (self->wake >= 0)
        close(self->wake);
    free(self);
    *wire = NULL;
}

uint64_t wire_peers_refused(const struct wire *wire)
{
    return bound_refused(wire);
}

const char *wire_work_endpoint(const struct wire *wire)
{
    return wire->work_endpoint;
}

const char *wire_ack_endpoint(const struct wire *wire)
{
    return wire->ack_endpoint;
}

static void add_item(zmq_pollitem_t *items, int *count, void *socket, short events)
{
    if (socket)
        items[(*count)++] = (zmq_pollitem_t){.socket = socket, .events = events};
}

void wire_wait(struct wire *wire, bool send_too, int timeout_ms)
{
    int tend_ms = wire->bound ? bound_tend(wire) : connected_tend(wire);
    zmq_pollitem_t items[6] = {{.socket = NULL, .fd = wire->wake, .events = ZMQ_POLLIN}};
    int count = 1;
    add_item(items, &count, wire->bound ? wire->acks.socket : wire->work.socket, ZMQ_POLLIN);
    add_item(items, &count, wire->work.monitor, ZMQ_POLLIN);
    add_item(items, &count, wire->acks.monitor, ZMQ_POLLIN);
    if (wire->bound)
        add_item(items, &count, bound_gate(wire), ZMQ_POLLIN);
    if (wire->bound && send_too)
        add_item(items, &count, wire->work.socket, ZMQ_POLLOUT);
    zmq_poll(items, count, wire_sooner_ms(timeout_ms, tend_ms));
    uint64_t wakes;
    ssize_t drained = read(wire->wake, &wakes, sizeof wakes);
    (void)drained; /* EAGAIN: nobody woke us */
    if (wire->bound)
        bound_heed(wire);
    else
        connected_heed(wire);
}

void wire_wake(struct wire *wire)
{
    uint64_t one = 1;
    ssize_t written = write(wire->wake, &one, sizeof one);
    (void)written; /* EAGAIN: a wake is pending already */
}

enum err wire_send_run(struct wire *wire, const struct buffer *frames, size_t count)
{
    if (!wire->work.socket)
        return ERR_FULL;
    if (zmq_send(wire->work.socket, run_tag, strlen(run_tag), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? ERR_FULL : ERR_SYSTEM;
    /* The first part reserved the pipe: the others of one message never meet a full one. */
    for (size_t i = 0; i < count; i++) {
        int more = i + 1 < count ? ZMQ_SNDMORE : 0;
        while (zmq_send(wire->work.socket, frames[i].data, frames[i].length, more) < 0)
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

bool wire_unpack_news(enum wire_topic topic, const uint8_t *data, size_t bytes, struct arena *arena,
                      Epcis__Wire__V1__Acknowledgment **ack, Epcis__Wire__V1__Heartbeat **beat)
{
    *ack = NULL;
    *beat = NULL;
    arena_reset(arena);
    if (topic == WIRE_TOPIC_ACK)
        *ack = epcis__wire__v1__acknowledgment__unpack(&arena->allocator, bytes, data);
    else
        *beat = epcis__wire__v1__heartbeat__unpack(&arena->allocator, bytes, data);
    return *ack || *beat;
}

enum err wire_receive_news(struct wire *wire, struct arena *arena, Epcis__Wire__V1__Acknowledgment **ack,
                           Epcis__Wire__V1__Heartbeat **beat)
{
    *ack = NULL;
    *beat = NULL;
    if (!wire->acks.socket)
        return ERR_OK;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    enum err err;
    for (;;) {
        bool more = false;
        err = receive_frame(wire->acks.socket, &frame, &more);
        if (err)
            break;
        bool is_ack = frame_is(&frame, wire_ack_topic);
        bool known = is_ack || frame_is(&frame, wire_beat_topic);
        if (known && more && !receive_frame(wire->acks.socket, &frame, &more) && !more &&
            wire_unpack_news(is_ack ? WIRE_TOPIC_ACK : WIRE_TOPIC_BEAT, zmq_msg_data(&frame),
                             zmq_msg_size(&frame), arena, ack, beat))
            break;
        drop_rest(wire->acks.socket, &frame, more);
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
        err = receive_frame(wire->work.socket, &frame, &more);
        if (err)
            break;
        bool good = frame_is(&frame, run_tag) && more;
        while (good && more) {
            err = receive_frame(wire->work.socket, &frame, &more);
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
        drop_rest(wire->work.socket, &frame, more);
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
    if (!err && (zmq_send(wire->acks.socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
                 zmq_send(wire->acks.socket, packed.data, packed.length, ZMQ_DONTWAIT) < 0))
        err = ERR_SYSTEM;
    buffer_free(&packed);
    return err;
}

enum err wire_publish_ack(struct wire *wire, const Epcis__Wire__V1__Acknowledgment *ack)
{
    return publish(wire, wire_ack_topic, &ack->base);
}

enum err wire_publish_beat(struct wire *wire, const Epcis__Wire__V1__Heartbeat *beat)
{
    return publish(wire, wire_beat_topic, &beat->base);
}
