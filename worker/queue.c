#include "worker/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queue {
    size_t bytes_max;
    void (*wake)(void *context);
    void *context;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct queue_run *first; /* waiting */
    struct queue_run **end;
    size_t bytes;
    struct queue_run *taken; /* under way */
    struct queue_turn turn;  /* of which they are */
    struct buffer acks;
    bool stopped;
    bool finished;
};

struct queue_run *queue_run_new(void)
{
    return calloc(1, sizeof(struct queue_run));
}

void queue_run_free(struct queue_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < WIRE_RUN_BATCHES_MAX; i++)
        buffer_free(&run->frames[i]);
    free(run);
}

struct queue *queue_new(size_t bytes_max, void (*wake)(void *context), void *context)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->bytes_max = bytes_max;
    queue->wake = wake;
    queue->context = context;
    queue->end = &queue->first;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return queue;
}

static void free_list(struct queue_run *run)
{
    while (run) {
        struct queue_run *next = run->next;
        queue_run_free(run);
        run = next;
    }
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    free_list(queue->first);
    free_list(queue->taken);
    buffer_free(&queue->acks);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    return deadline;
}

/* ---- link thread ---- */

static bool has_room(const struct queue *queue)
{
    return queue->bytes < queue->bytes_max && !queue->stopped;
}

bool queue_has_room(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool room = has_room(queue);
    pthread_mutex_unlock(&queue->mutex);
    return room;
}

void queue_wait(struct queue *queue, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    pthread_mutex_lock(&queue->mutex);
    while (!has_room(queue) && queue->acks.length == 0 && !queue->finished)
        if (pthread_cond_timedwait(&queue->changed, &queue->mutex, &deadline))
            break;
    pthread_mutex_unlock(&queue->mutex);
}

void queue_put(struct queue *queue, struct queue_run **run)
{
    struct queue_run *self = *run;
    *run = NULL;
    self->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    *queue->end = self;
    queue->end = &self->next;
    queue->bytes += self->bytes;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

static size_t list_runs(const struct queue_run *run, Epcis__Wire__V1__RunUnderWay *out, size_t count,
                        size_t size)
{
    for (; run && count < size; run = run->next, count++) {
        epcis__wire__v1__run_under_way__init(&out[count]);
        out[count].partition = run->partition;
        out[count].sequence = run->sequence;
    }
    return count;
}

size_t queue_under_way(struct queue *queue, Epcis__Wire__V1__RunUnderWay *out, size_t size)
{
    pthread_mutex_lock(&queue->mutex);
    size_t count = list_runs(queue->taken, out, 0, size);
    count = list_runs(queue->first, out, count, size);
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

bool queue_look_at_turn(struct queue *queue, struct queue_turn *out)
{
    pthread_mutex_lock(&queue->mutex);
    bool taken = queue->taken != NULL;
    *out = queue->turn;
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

void queue_take_acks(struct queue *queue, struct buffer *out)
{
    pthread_mutex_lock(&queue->mutex);
    struct buffer acks = queue->acks;
    queue->acks = *out;
    pthread_mutex_unlock(&queue->mutex);
    *out = acks;
}

void queue_stop(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->stopped = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

bool queue_stopped(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->mutex);
    return stopped;
}

bool queue_finished(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool finished = queue->finished;
    pthread_mutex_unlock(&queue->mutex);
    return finished;
}

/* ---- committing thread ---- */

struct queue_run *queue_take(struct queue *queue, size_t bytes_max)
{
    pthread_mutex_lock(&queue->mutex);
    while (!queue->first && !queue->stopped)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    struct queue_run **end = &queue->first;
    size_t bytes = 0;
    while (*end && !queue->stopped && (bytes == 0 || bytes + (*end)->bytes <= bytes_max)) {
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    if (bytes > 0) {
        queue->taken = queue->first;
        queue->first = *end;
        *end = NULL;
        if (!queue->first)
            queue->end = &queue->first;
        queue->bytes -= bytes;
        queue->turn = (struct queue_turn){.number = queue->turn.number + 1,
                                          .partition = queue->taken->partition,
                                          .sequence = queue->taken->sequence,
                                          .bytes = bytes};
    }
    struct queue_run *taken = bytes > 0 ? queue->taken : NULL;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    if (taken)
        queue->wake(queue->context); /* there is room again, and a heartbeat to send */
    return taken;
}

enum err queue_put_ack(struct queue *queue, const Epcis__Wire__V1__Acknowledgment *ack)
{
    pthread_mutex_lock(&queue->mutex);
    size_t before = queue->acks.length;
    uint32_t length = (uint32_t)epcis__wire__v1__acknowledgment__get_packed_size(ack);
    buffer_append(&queue->acks, &length, sizeof length);
    buffer_append_message(&queue->acks, &ack->base);
    bool failed = queue->acks.failed;
    if (failed) {
        queue->acks.failed = false;
        queue->acks.length = before;
    }
    pthread_mutex_unlock(&queue->mutex);
    return failed ? ERR_MEMORY : ERR_OK;
}

void queue_answer(struct queue *queue, struct queue_run **runs)
{
    pthread_mutex_lock(&queue->mutex);
    CHECK(*runs == queue->taken);
    queue->taken = NULL;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    free_list(*runs);
    *runs = NULL;
    queue->wake(queue->context);
}

void queue_pause(struct queue *queue, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    pthread_mutex_lock(&queue->mutex);
    while (!queue->stopped)
        if (pthread_cond_timedwait(&queue->changed, &queue->mutex, &deadline))
            break;
    pthread_mutex_unlock(&queue->mutex);
}

void queue_finish(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->stopped = queue->finished = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    queue->wake(queue->context);
}
