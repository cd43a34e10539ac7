#include "worker/link.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "worker/batch.h"

enum { BEAT_MS = 1000, RUNS_TOLD_MAX = 256, ACK_MEMORY_BYTES = 64 << 20 };

struct link {
    const struct link_config *config;
    pthread_t thread;
    struct arena arena;
    struct buffer acks;
    struct queue_run *spare; /* empty, for the next run to come */
    int64_t beat_at_ms;
    uint64_t turn; /* last looked at, and the process's time when it was first */
    int64_t turn_cpu_ms;
    uint64_t batches, committed, duplicates, dead_letters; /* answered */
};

static void count_answer(struct link *link, const Epcis__Wire__V1__Acknowledgment *ack)
{
    link->batches++;
    for (size_t i = 0; i < ack->n_segments; i++) {
        link->committed += ack->segments[i]->committed;
        link->duplicates += ack->segments[i]->duplicates;
        link->dead_letters += ack->segments[i]->dead_letters;
    }
}

static void publish_acks(struct link *link)
{
    buffer_clear(&link->acks);
    queue_take_acks(link->config->queue, &link->acks);
    for (size_t at = 0; at < link->acks.length;) {
        uint32_t length;
        memcpy(&length, link->acks.data + at, sizeof length);
        at += sizeof length;
        arena_reset(&link->arena);
        Epcis__Wire__V1__Acknowledgment *ack =
            epcis__wire__v1__acknowledgment__unpack(&link->arena.allocator, length, link->acks.data + at);
        fault_end(FAULT_WORKER_BEFORE_PUBLISH);
        enum err err = !ack                              ? ERR_MEMORY
                       : fault_hit(FAULT_WORKER_PUBLISH) ? ERR_SYSTEM
                                                         : wire_publish_ack(link->config->wire, ack);
        fault_end(FAULT_WORKER_AFTER_PUBLISH);
        if (err)
            log_warning("ack_lost", "err=%s detail=\"the lease runs out and the batch comes again\"",
                        err_name(err));
        else
            count_answer(link, ack);
        at += length;
    }
}

static void publish_beat(struct link *link, bool last)
{
    Epcis__Wire__V1__RunUnderWay runs[RUNS_TOLD_MAX], *pointers[RUNS_TOLD_MAX];
    Epcis__Wire__V1__Heartbeat beat = EPCIS__WIRE__V1__HEARTBEAT__INIT;
    for (size_t i = 0; i < RUNS_TOLD_MAX; i++)
        pointers[i] = &runs[i];
    beat.worker_id = (char *)link->config->worker_id;
    beat.n_runs = queue_under_way(link->config->queue, runs, RUNS_TOLD_MAX);
    beat.runs = pointers;
    beat.state = last                                 ? EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_STOPPED
                 : queue_stopped(link->config->queue) ? EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_DRAINING
                                                      : EPCIS__WIRE__V1__WORKER_STATE__WORKER_STATE_WORKING;
    beat.wire_version = WIRE_VERSION;
    beat.started_ms = link->config->started_ms;
    beat.rule_pack = (char *)(uintptr_t)link->config->rule_pack;
    beat.store = (char *)(uintptr_t)link->config->store;
    beat.batches = link->batches;
    beat.committed = link->committed;
    beat.duplicates = link->duplicates;
    beat.dead_letters = link->dead_letters;
    beat.options = link->config->options;
    beat.n_options = link->config->option_count;
    wire_publish_beat(link->config->wire, &beat); /* the next one comes in a second */
    link->beat_at_ms = clock_steady_ms() + BEAT_MS;
}

static int64_t cpu_ms(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * 1000 + spent.tv_nsec / 1000000;
}

/* Once in a heartbeat. A core that the system keeps shows where the loop is. */
static void end_if_endless(struct link *link)
{
    enum { BYTES_A_MS = 1 << 10 };
    struct queue_turn turn;
    int64_t now_ms = cpu_ms();
    if (!queue_look_at_turn(link->config->queue, &turn))
        return;
    if (turn.number != link->turn) {
        link->turn = turn.number;
        link->turn_cpu_ms = now_ms;
    }
    if (now_ms - link->turn_cpu_ms <= link->config->turn_max_cpu_ms + (int64_t)(turn.bytes / BYTES_A_MS))
        return;
    log_error(
        "worker_endless",
        "partition=%" PRIu32 " batch=%" PRIu64 " bytes=%zu cpu_ms=%" PRId64
        " detail=\"no transaction of so many bytes takes so long: this worker ends, and others find out "
        "which event it is; please report it\"",
        turn.partition, turn.sequence, turn.bytes, now_ms - link->turn_cpu_ms);
    abort();
}

/* One run, if one waits. */
static bool take_run(struct link *link)
{
    size_t count = 0;
    if (!link->spare)
        link->spare = queue_run_new();
    if (!link->spare || wire_receive_run(link->config->wire, link->spare->frames, &count) || count == 0)
        return false;
    fault_end(FAULT_WORKER_PULLED);
    struct queue_run *run = link->spare;
    struct batch first;
    run->count = count;
    run->bytes = sizeof *run;
    for (size_t i = 0; i < count; i++)
        run->bytes += run->frames[i].length;
    batch_peek(run->frames[0].data, run->frames[0].length, &first);
    run->partition = first.partition;
    run->sequence = first.sequence;
    queue_put(link->config->queue, &link->spare);
    return true;
}

static void wait_for_more(struct link *link, bool room)
{
    int64_t left_ms = link->beat_at_ms - clock_steady_ms();
    if (left_ms <= 0)
        return;
    /* A run that waits in the socket ends wire_wait at once: no use where there is no room for it. */
    if (room)
        wire_wait(link->config->wire, false, (int)left_ms);
    else
        queue_wait(link->config->queue, (int)left_ms);
}

static void *link_main(void *argument)
{
    struct link *link = argument;
    struct queue *queue = link->config->queue;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (;;) {
        if (atomic_load(link->config->stop) && !queue_stopped(queue)) {
            fault_end(FAULT_WORKER_STOPPING);
            queue_stop(queue);
            link->beat_at_ms = 0;
        }
        bool finished = queue_finished(queue); /* before the last look at the acknowledgments */
        publish_acks(link);
        if (finished)
            break;
        bool room = queue_has_room(queue);
        bool took = room && take_run(link);
        if (took || clock_steady_ms() >= link->beat_at_ms) {
            publish_beat(link, false);
            end_if_endless(link);
        }
        if (!took)
            wait_for_more(link, room);
    }
    publish_beat(link, true);
    return NULL;
}

enum err link_start(const struct link_config *config, struct link **out)
{
    struct link *link = *out = calloc(1, sizeof *link);
    if (!link)
        return ERR_MEMORY;
    link->config = config;
    arena_init(&link->arena, ACK_MEMORY_BYTES);
    if (pthread_create(&link->thread, NULL, link_main, link)) {
        free(link);
        *out = NULL;
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

void link_join(struct link **link)
{
    if (!*link)
        return;
    pthread_join((*link)->thread, NULL);
    queue_run_free((*link)->spare);
    buffer_free(&(*link)->acks);
    arena_free(&(*link)->arena);
    free(*link);
    *link = NULL;
}
