#include "server/front/stream.h"

#include "common/base/clock.h"
#include "server/front/call.h"
#include "server/front/loop.h"

/* A token may expire, or its identity be revoked, while a stream is open. */
static bool is_admitted(struct call *call)
{
    int64_t now_ms = clock_steady_ms();
    if (now_ms < call->prove_again_ms)
        return true;
    call->prove_again_ms = now_ms + call->loop->limits.prove_ms;
    return access_admit(call);
}

static void take_turn(struct call *call)
{
    if (call->client_gone)
        stream_end(call);
    else if (!is_admitted(call))
        call_end(call);
    else
        call_work(call, false);
}

static void on_written(struct call *call, bool ok)
{
    call->pending--;
    reply_free(&call->reply);
    if (!ok)
        call->client_gone = true;
    if (call->last_turn)
        stream_end(call);
    else
        take_turn(call);
}

void stream_send(struct call *call)
{
    grpc_op ops[2] = {0};
    size_t count = call_add_headers(call, &ops[0]);
    ops[count].op = GRPC_OP_SEND_MESSAGE;
    ops[count++].data.send_message.send_message = call->reply.message;
    call->phase = CALL_SENDING;
    call->phase_until_ms = clock_steady_ms() + call->loop->limits.answer_ms;
    call->pending++;
    CHECK(grpc_call_start_batch(call->grpc, ops, count, &call->written, NULL) == GRPC_CALL_OK);
}

static void on_begun(struct call *call, bool ok)
{
    (void)ok; /* a client that is gone is told by on_closed */
    call->pending--;
    if (call->answered)
        call_release(call);
}

/* The event of the notification to come is counted as pending from here on. */
void stream_park(struct call *call)
{
    grpc_op headers = {0};
    int none = STREAM_NEWS_NONE;
    if (call_add_headers(call, &headers)) { /* the client sees that it is heard */
        call->pending++;
        CHECK(grpc_call_start_batch(call->grpc, &headers, 1, &call->begun, NULL) == GRPC_CALL_OK);
    }
    call->phase = CALL_PARKED;
    call->phase_until_ms = call->prove_again_ms;
    if (atomic_compare_exchange_strong(&call->news, &none, STREAM_NEWS_AWAIT))
        call->pending++;
    else
        call_work(call, false);
}

/* The call is not freed before the event has come; but it is read no more once another thread may know that
 * it was posted. */
void stream_notify(struct call *call)
{
    grpc_call *grpc = call->grpc;
    struct call_event *notified = &call->notified;
    if (atomic_exchange(&call->news, STREAM_NEWS_CAME) == STREAM_NEWS_AWAIT)
        CHECK(grpc_call_start_batch(grpc, NULL, 0, notified, NULL) == GRPC_CALL_OK);
}

static void on_notified(struct call *call, bool ok)
{
    (void)ok;
    CHECK(atomic_load(&call->news) == STREAM_NEWS_CAME);
    call->pending--;
    take_turn(call);
}

/* The client has cancelled, or its connection is lost; or the call has ended as it should. */
static void on_closed(struct call *call, bool ok)
{
    (void)ok;
    call->pending--;
    call->client_gone = true;
    if (call->answered)
        call_release(call);
    else if (call->phase == CALL_PARKED)
        stream_notify(call);
}

void stream_begin(struct call *call)
{
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                     .data.recv_close_on_server.cancelled = &call->cancelled};
    call->closed = (struct call_event){on_closed, call};
    call->begun = (struct call_event){on_begun, call};
    call->written = (struct call_event){on_written, call};
    call->notified = (struct call_event){on_notified, call};
    call->follows_client = true;
    call->prove_again_ms = clock_steady_ms() + call->loop->limits.prove_ms;
    call->pending++;
    CHECK(grpc_call_start_batch(call->grpc, &close, 1, &call->closed, NULL) == GRPC_CALL_OK);
}

void stream_end(struct call *call)
{
    if (call->client_gone)
        call->reply.status = GRPC_STATUS_CANCELLED; /* which nobody reads */
    else
        reply_refuse(&call->reply, REASON_SERVER_STOPPING, "this is not all; go on after what you have");
    call_end(call);
}

/* gRPC sends this status past what the client has not read, without details. */
void stream_cut_off(struct call *call)
{
    call->too_slow = true;
    call->phase_until_ms = INT64_MAX;
    reason_count(REASON_NOT_READ);
    grpc_call_cancel_with_status(
        call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED,
        "messages were not read for too long: call again, read faster, and go on after what you have", NULL);
}
