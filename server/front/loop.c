#include "server/front/loop.h"

#include <stddef.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/front/tidy.h"

enum {
    STOP_SWEEP_MS = 20,
    TIDY_MS = 10000,
    SEND_AFTER_GRACE_MS = 1000, /* for the last statuses to reach clients that read */
    SEND_LAST_MS = 200,         /* the same where all calls are done: clients that do not read keep no one */
};

static _Thread_local bool here;

bool loop_is_here(void)
{
    return here;
}

enum err loop_register(struct loop *loop, const struct method *methods, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (loop->method_count == LOOP_METHODS_MAX)
            return ERR_LIMIT;
        CHECK(methods[i].need != NEED_UNDECLARED);
        struct loop_method *entry = &loop->methods[loop->method_count];
        entry->method = &methods[i];
        entry->registered =
            grpc_server_register_method(loop->server, methods[i].path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
        if (!entry->registered)
            return ERR_SYSTEM;
        loop->method_count++;
    }
    return ERR_OK;
}

bool loop_has_service(const struct loop *loop, const char *service)
{
    size_t length = strlen(service);
    for (size_t i = 0; i < loop->method_count; i++) {
        const char *name = loop->methods[i].method->path + 1;
        if (strncmp(name, service, length) == 0 && name[length] == '/')
            return true;
    }
    return false;
}

void loop_offer(struct loop *loop, size_t index)
{
    struct loop_method *entry = &loop->methods[index];
    if (entry->offered || atomic_load(&loop->services.stopping))
        return;
    entry->offered = call_offer(loop, index);
    loop->offer_failed |= !entry->offered;
}

static void offer_all(struct loop *loop)
{
    loop->offer_failed = false;
    for (size_t i = 0; i <= loop->method_count; i++)
        loop_offer(loop, i);
}

static void sweep(struct loop *loop, int64_t now_ms, bool stopping)
{
    long long grace_until_ms = atomic_load(&loop->grace_until_ms);
    bool grace_over = stopping && now_ms >= grace_until_ms;
    if (loop->offer_failed)
        offer_all(loop);
    for (struct call *call = loop->calls, *following; call; call = following) {
        following = call->following;
        call_sweep(call, now_ms, stopping, grace_over);
    }
    if (stopping &&
        (now_ms >= grace_until_ms + SEND_AFTER_GRACE_MS || now_ms >= loop->busy_ms + SEND_LAST_MS))
        grpc_server_cancel_all_calls(loop->server);
}

static void run_tidy(struct pool_job *job, struct arena *arena)
{
    (void)arena;
    struct loop *loop = (struct loop *)((char *)job - offsetof(struct loop, tidying));
    tidy_memory();
    atomic_store(&loop->tidy_runs, false);
}

/* Once after a while with calls, and every so often as long as they come. */
static void tidy(struct loop *loop, int64_t now_ms)
{
    if (!loop->tidy_due_ms && loop->call_count)
        loop->tidy_due_ms = now_ms + TIDY_MS;
    if (!loop->tidy_due_ms || now_ms < loop->tidy_due_ms)
        return;
    loop->tidy_due_ms = 0;
    if (atomic_exchange(&loop->tidy_runs, true))
        return;
    loop->tidying = (struct pool_job){.run = run_tidy, .kind = POOL_QUERY};
    pool_submit(loop->pool, &loop->tidying);
}

static gpr_timespec deadline_in(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

/* An idle loop sleeps for good: only calls under way need looking after, and what they leave. */
static grpc_event next_event(struct loop *loop, bool stopping)
{
    gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (stopping)
        deadline = deadline_in(STOP_SWEEP_MS);
    else if (loop->call_count || loop->offer_failed)
        deadline = deadline_in(loop->limits.sweep_ms);
    else if (loop->tidy_due_ms)
        deadline = deadline_in(loop->tidy_due_ms - clock_steady_ms());
    return grpc_completion_queue_next(loop->queue, deadline, NULL);
}

static void *loop_thread(void *context)
{
    struct loop *loop = context;
    int64_t swept_ms = clock_steady_ms();
    bool draining = false;
    here = true;
    for (;;) {
        bool stopping = atomic_load(&loop->services.stopping);
        grpc_event event = next_event(loop, stopping && !draining);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_OP_COMPLETE) {
            struct call_event *what = event.tag;
            if (what == &loop->shutdown)
                loop->server_done = true;
            else
                what->run(what->call, event.success);
        }
        int64_t now_ms = clock_steady_ms();
        if (loop->call_count || !stopping)
            loop->busy_ms = now_ms;
        if (!stopping)
            tidy(loop, now_ms);
        int64_t interval_ms = stopping ? STOP_SWEEP_MS : loop->limits.sweep_ms;
        if (!draining && now_ms - swept_ms >= interval_ms) {
            sweep(loop, now_ms, stopping);
            swept_ms = now_ms;
        }
        if (loop->server_done && !loop->call_count && !draining) {
            grpc_completion_queue_shutdown(loop->queue);
            draining = true;
        }
    }
}

/* The events of offers that will not be taken wake the loop. */
static void begin_stop(struct loop *loop, uint32_t grace_ms)
{
    atomic_store(&loop->grace_until_ms, clock_steady_ms() + grace_ms);
    atomic_store(&loop->services.stopping, true);
    grpc_server_shutdown_and_notify(loop->server, loop->queue, &loop->shutdown);
}

enum err loop_start(struct loop *loop)
{
    grpc_server_start(loop->server);
    offer_all(loop);
    if (!pthread_create(&loop->thread, NULL, loop_thread, loop))
        return ERR_OK;
    begin_stop(loop, 0);
    loop_thread(loop); /* ends what came meanwhile */
    here = false;
    return ERR_SYSTEM;
}

void loop_stop(struct loop *loop, uint32_t grace_ms)
{
    begin_stop(loop, grace_ms);
    pthread_join(loop->thread, NULL);
}
