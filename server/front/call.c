#include "server/front/call.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/alloc.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "server/front/loop.h"
#include "server/front/stream.h"

static void enter(struct call *call);
static void answer(struct call *call);

/* ---- memory ------------------------------------------------------------------------------------------ */

static bool is_stream(const struct call *call)
{
    return call->method && call->method->sending;
}

/* Strangers must not take the places of those who have work to do. */
static bool is_public_stream(const struct call *call)
{
    return is_stream(call) && call->method->need == NEED_NOTHING;
}

static void link_call(struct call *call)
{
    struct loop *loop = call->loop;
    call->previous = NULL;
    call->following = loop->calls;
    if (loop->calls)
        loop->calls->previous = call;
    loop->calls = call;
    loop->call_count++;
}

static void unlink_call(struct call *call)
{
    if (call->previous)
        call->previous->following = call->following;
    else
        call->loop->calls = call->following;
    if (call->following)
        call->following->previous = call->previous;
    call->loop->call_count--;
}

/* Of what there is so much only, what the call holds from its first moment to its last. */
static void give_back(struct call *call)
{
    struct shares *shares = &call->loop->shares;
    if (!call->share)
        return;
    share_give(shares, call->share, SHARE_CALLS, 1);
    if (is_stream(call))
        share_give(shares, call->share, SHARE_STREAMS, 1);
    if (is_public_stream(call))
        share_give(shares, call->share, SHARE_PUBLIC_STREAMS, 1);
    share_drop(shares, &call->share);
}

static void free_call(struct call *call)
{
    call_drop_request(call);
    reply_free(&call->reply);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_details_destroy(&call->details);
    if (call->grpc)
        grpc_call_unref(call->grpc);
    free(call);
}

void call_release(struct call *call)
{
    if (call->pending)
        return;
    CHECK(call->answered && !call->state);
    unlink_call(call);
    give_back(call);
    free_call(call);
}

void call_drop_request(struct call *call)
{
    if (call->request)
        grpc_byte_buffer_destroy(call->request);
    call->request = NULL;
}

/* ---- work, on a pool thread -------------------------------------------------------------------------- */

static struct call *call_of(struct pool_job *job)
{
    return (struct call *)((char *)job - offsetof(struct call, job));
}

/* All that this thread wrote to the call is the loop's to read from here on. The pair of release and acquire
 * says so in C's own terms; gRPC's locks, which order the two as well, are out of sight of our tools. */
void call_wake(struct call *call)
{
    grpc_call *grpc = call->grpc;
    atomic_store_explicit(&call->handed_back, true, memory_order_release);
    CHECK(grpc_call_start_batch(grpc, NULL, 0, &call->woken, NULL) == GRPC_CALL_OK);
}

static void run_work(struct pool_job *job, struct arena *arena)
{
    struct call *call = call_of(job);
    access_note(call);
    atomic_exchange(&call->news, STREAM_NEWS_NONE); /* this turn sees all that came before */
    enum call_next next = call->method->work(call, arena);
    if (next == CALL_LATER)
        return; /* the call may be gone by now */
    call->next = next;
    call_wake(call);
}

/* Logs here, as the loop must not, which a full pipe would hold up. */
static void run_drop(struct pool_job *job, struct arena *arena)
{
    (void)arena;
    struct call *call = call_of(job);
    if (call->too_slow)
        log_warning("stream_cut_off", "method=%s ms=%u detail=\"the client took no message for so long\"",
                    call->method->path, call->loop->limits.answer_ms);
    if (call->refused)
        access_log(call);
    if (call->state)
        call->method->drop(call);
    call_wake(call);
}

static void submit(struct call *call, void (*run)(struct pool_job *job, struct arena *arena))
{
    call->pending++;
    call->next = CALL_ANSWER;
    call->job.run = run;
    call->job.kind = call->loop->rooms[call->method->room].pool;
    pool_submit(call->loop->pool, &call->job);
}

void call_work(struct call *call, bool asked)
{
    call->phase = CALL_WORKING;
    call->asked = asked;
    call->last_turn = is_stream(call) && atomic_load(&call->services->stopping);
    submit(call, run_work);
}

static void on_woken(struct call *call, bool ok)
{
    (void)ok;
    CHECK(atomic_exchange_explicit(&call->handed_back, false, memory_order_acquire));
    call->pending--;
    call_drop_request(call);
    if (call->answered) {
        call_release(call);
        return;
    }
    if (is_stream(call))
        room_leave(call);
    if (call->next == CALL_ANSWER)
        answer(call);
    else if (call->client_gone || (call->last_turn && call->next != CALL_SEND))
        stream_end(call);
    else if (call->next == CALL_SEND)
        stream_send(call);
    else if (call->next == CALL_PARK)
        stream_park(call);
    else if (call->room)
        call_receive(call);
    else
        enter(call);
}

/* ---- receiving --------------------------------------------------------------------------------------- */

static void on_received(struct call *call, bool ok)
{
    (void)ok; /* a broken call gives no message */
    call->pending--;
    if (call->answered) {
        call_drop_request(call);
        if (call->state)
            submit(call, run_drop);
        else
            call_release(call);
        return;
    }
    if (!call->method->streaming)
        room_shrink(call, call->request ? grpc_byte_buffer_length(call->request) : 0);
    call_work(call, true);
}

static uint32_t message_ms(const struct call *call)
{
    const struct front_limits *limits = &call->loop->limits;
    return call->method->room == ROOM_QUERIES ? limits->query_ms : limits->message_ms;
}

void call_receive(struct call *call)
{
    grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->request};
    call->phase = CALL_RECEIVING;
    call->phase_until_ms = clock_steady_ms() + message_ms(call);
    call->pending++;
    CHECK(grpc_call_start_batch(call->grpc, &receive, 1, &call->received, NULL) == GRPC_CALL_OK);
}

/* ---- answering --------------------------------------------------------------------------------------- */

static void on_sent(struct call *call, bool ok)
{
    (void)ok; /* whether the client still listened makes no difference */
    fault_end(FAULT_FRONT_AFTER_ANSWER);
    call->pending--;
    call_release(call);
}

size_t call_add_headers(struct call *call, grpc_op *op)
{
    if (call->headers_sent)
        return 0;
    call->headers_sent = true;
    op->op = GRPC_OP_SEND_INITIAL_METADATA;
    return 1;
}

/* Of a refusal: its details, and how long to wait for those who do not read details. */
static size_t add_trailers(struct call *call)
{
    size_t count = 0;
    if (!call->reply.reason)
        return 0;
    call->trailers[count++] = (grpc_metadata){.key = grpc_slice_from_static_string("grpc-status-details-bin"),
                                              .value = reply_status(&call->reply)};
    if (call->reply.retry_after_ms) {
        char text[16];
        snprintf(text, sizeof text, "%u", call->reply.retry_after_ms);
        call->trailers[count++] = (grpc_metadata){.key = grpc_slice_from_static_string("retry-after-ms"),
                                                  .value = grpc_slice_from_copied_string(text)};
    }
    return count;
}

static void answer(struct call *call)
{
    grpc_op ops[4] = {0};
    size_t count = 0;
    grpc_slice details = grpc_slice_from_copied_string(call->reply.details);
    size_t trailers = add_trailers(call);
    room_leave(call);
    call->phase = CALL_ANSWERING;
    call->phase_until_ms = clock_steady_ms() + call->loop->limits.answer_ms;
    call->answered = true;
    fault_end(FAULT_FRONT_BEFORE_ANSWER);
    if (call->reply.reason)
        reason_count(call->reply.reason);
    call->pending++;

    count += call_add_headers(call, &ops[count]);
    if (!call->follows_client) {
        ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = call->reply.status;
    ops[count].data.send_status_from_server.status_details = &details;
    ops[count].data.send_status_from_server.trailing_metadata_count = trailers;
    ops[count++].data.send_status_from_server.trailing_metadata = call->trailers;
    if (call->reply.status == GRPC_STATUS_OK && call->reply.message) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = call->reply.message;
    }
    CHECK(grpc_call_start_batch(call->grpc, ops, count, &call->sent, NULL) == GRPC_CALL_OK);
    grpc_slice_unref(details);
    while (trailers)
        grpc_slice_unref(call->trailers[--trailers].value);
}

void call_end(struct call *call)
{
    answer(call);
    if (call->state || call->too_slow || call->refused)
        submit(call, run_drop);
}

/* ---- beginning --------------------------------------------------------------------------------------- */

/* Several things at once, or nothing. */
static bool take_share(struct call *call, struct share *share)
{
    struct shares *shares = &call->loop->shares;
    const struct front_limits *limits = &call->loop->limits;
    struct reply *reply = &call->reply;
    if (!share_take(shares, share, SHARE_CALLS, 1, limits->calls)) {
        reply_refuse(reply, REASON_CALLS_FULL, "%" PRIu64 " calls are under way, %" PRIu64 " of them yours",
                     shares->held[SHARE_CALLS], share->held[SHARE_CALLS]);
        return false;
    }
    if (is_stream(call) && !share_take(shares, share, SHARE_STREAMS, 1, limits->streams)) {
        reply_refuse(reply, REASON_CALLS_FULL, "%" PRIu64 " streams are open, %" PRIu64 " of them yours",
                     shares->held[SHARE_STREAMS], share->held[SHARE_STREAMS]);
        share_give(shares, share, SHARE_CALLS, 1);
        return false;
    }
    if (is_public_stream(call) &&
        !share_take(shares, share, SHARE_PUBLIC_STREAMS, 1, limits->public_streams)) {
        reply_refuse(reply, REASON_CALLS_FULL,
                     "%" PRIu64 " streams that need no identity are open, %" PRIu64 " of them yours",
                     shares->held[SHARE_PUBLIC_STREAMS], share->held[SHARE_PUBLIC_STREAMS]);
        share_give(shares, share, SHARE_STREAMS, 1);
        share_give(shares, share, SHARE_CALLS, 1);
        return false;
    }
    call->share = share;
    return true;
}

/* Calls that are refused hold no places, so nobody can fill those with them. */
static bool admit_share(struct call *call)
{
    struct shares *shares = &call->loop->shares;
    char *peer = call->caller.name[0] ? NULL : grpc_call_get_peer(call->grpc);
    struct share *share = share_find(shares, peer ? peer : call->caller.name);
    gpr_free(peer);
    if (!share)
        reply_err(&call->reply, ERR_MEMORY, "a call");
    else if (!take_share(call, share))
        share_drop(shares, &share);
    return call->share != NULL;
}

static bool check_metadata(struct call *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->metadata.count; i++)
        bytes += GRPC_SLICE_LENGTH(call->metadata.metadata[i].key) +
                 GRPC_SLICE_LENGTH(call->metadata.metadata[i].value);
    if (bytes <= FRONT_METADATA_MAX)
        return true;
    reply_refuse(&call->reply, REASON_METADATA_TOO_LONG, "the call's metadata has %zu bytes; %d are taken",
                 bytes, FRONT_METADATA_MAX);
    return false;
}

/* True: it may be received, now or when its turn comes. False: the reply says why not. */
static bool admit(struct call *call)
{
    struct reply *reply = &call->reply;
    if (atomic_load(&call->services->stopping)) {
        reply_refuse(reply, REASON_SERVER_STOPPING, "no call is taken");
        return false;
    }
    if (!call->method) {
        char *path = grpc_slice_to_c_string(call->details.method);
        reply_refuse(reply, REASON_METHOD_UNKNOWN, "no method %.200s here", path);
        gpr_free(path);
        return false;
    }
    return check_metadata(call) && access_admit(call) &&
           (!call->method->admit || call->method->admit(call)) && admit_share(call);
}

/* Asks for a message once there is room for it. */
static void enter(struct call *call)
{
    switch (room_enter(&call->loop->rooms[call->method->room], call)) {
    case ROOM_IN:
        call_receive(call);
        break;
    case ROOM_WAITS:
        call->phase = CALL_WAITING;
        call->phase_until_ms = clock_steady_ms() + call->loop->limits.patience_ms;
        break;
    case ROOM_FULL:
        reply_refuse(&call->reply, REASON_CALLS_FULL, "too many such calls are under way");
        call_end(call);
        break;
    }
}

static void begin(struct call *call)
{
    if (!admit(call)) {
        call_end(call);
        return;
    }
    if (is_stream(call))
        stream_begin(call);
    enter(call);
}

static void on_offered(struct call *call, bool ok)
{
    struct loop *loop = call->loop;
    loop->methods[call->method_index].offered = false;
    call->pending--;
    if (!ok) { /* the server is being shut down */
        free_call(call);
        return;
    }
    link_call(call);
    loop_offer(loop, call->method_index);
    begin(call);
}

bool call_offer(struct loop *loop, size_t index)
{
    const struct loop_method *entry = &loop->methods[index];
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return false;
    call->loop = loop;
    call->services = &loop->services;
    call->method = entry->method;
    call->offered = (struct call_event){on_offered, call};
    call->received = (struct call_event){on_received, call};
    call->woken = (struct call_event){on_woken, call};
    call->sent = (struct call_event){on_sent, call};
    call->method_index = index;
    call->pending = 1;
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    grpc_call_error error =
        call->method ? grpc_server_request_registered_call(loop->server, entry->registered, &call->grpc,
                                                           &call->deadline, &call->metadata, NULL,
                                                           loop->queue, loop->queue, &call->offered)
                     : grpc_server_request_call(loop->server, &call->grpc, &call->details, &call->metadata,
                                                loop->queue, loop->queue, &call->offered);
    if (error == GRPC_CALL_OK)
        return true;
    free_call(call);
    return false;
}

/* ---- looking after --------------------------------------------------------------------------------- */

void call_sweep(struct call *call, int64_t now_ms, bool stopping, bool grace_over)
{
    bool late = now_ms >= call->phase_until_ms;
    if (call->phase == CALL_WAITING && stopping) {
        reply_refuse(&call->reply, REASON_SERVER_STOPPING, "nothing was received yet");
        call_end(call);
    } else if (call->phase == CALL_WAITING && late) {
        reply_refuse(&call->reply, REASON_CALLS_FULL, "other calls hold the memory for requests");
        call_end(call);
    } else if (call->phase == CALL_RECEIVING && (grace_over || (stopping && is_stream(call)))) {
        reply_refuse(&call->reply, REASON_SERVER_STOPPING,
                     "but for an upload with an upload_id nothing was kept");
        answer(call);
    } else if (call->phase == CALL_RECEIVING && late) {
        reply_refuse(&call->reply, REASON_MESSAGE_LATE, "no whole message came within %u ms",
                     message_ms(call));
        answer(call);
    } else if (call->phase == CALL_SENDING && late) {
        stream_cut_off(call);
    } else if (call->phase == CALL_PARKED && (stopping || late || call->method->ticking)) {
        stream_notify(call);
    } else if (call->phase == CALL_ANSWERING && late) {
        grpc_call_cancel(call->grpc, NULL);
        call->phase_until_ms = INT64_MAX;
    }
}

/* ---- the request --------------------------------------------------------------------------------------- */

static void slice_at(const void *runs, size_t index, const uint8_t **data, size_t *length)
{
    const grpc_slice *slice = (const grpc_slice *)runs + index;
    *data = GRPC_SLICE_START_PTR(*slice);
    *length = GRPC_SLICE_LENGTH(*slice);
}

void call_cursor(const struct call *call, struct cursor_source *source, struct cursor *out)
{
    const grpc_slice_buffer *slices = &call->request->data.raw.slice_buffer;
    *source = (struct cursor_source){.runs = slices->slices, .count = slices->count, .run_at = slice_at};
    cursor_init(out, source);
}
