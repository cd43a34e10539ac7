/* What passes between the two threads of a worker: runs towards the committing thread, bounded in bytes
 * and number, and acknowledgments back. Every call is safe on either thread. */
#ifndef EPCISD_WORKER_QUEUE_H
#define EPCISD_WORKER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/err.h"
#include "common/wire/wire.h"

/* One run as it came. Created by queue_run_new, passed on whole, freed by queue_run_free. */
struct queue_run {
    struct queue_run *next;
    uint32_t partition; /* of the first batch; for heartbeats */
    uint64_t sequence;
    size_t bytes;
    size_t count;
    struct buffer frames[WIRE_RUN_BATCHES_MAX];
};

struct queue_run *queue_run_new(void); /* NULL without memory */
void queue_run_free(struct queue_run *run);

struct queue;

/* A queue with runs of `bytes_max` or more in it takes no further one. `wake` is called, with no lock held,
 * when there is something new for the link thread. NULL without memory. */
struct queue *queue_new(size_t bytes_max, void (*wake)(void *context), void *context);
void queue_free(struct queue *queue);

/* ---- link thread ---- */

/* True where a run may be put: there is room, and the queue is not stopped. */
bool queue_has_room(struct queue *queue);

/* Waits until a run could be put, there is something to publish, the committing thread has finished, or the
 * time has passed. */
void queue_wait(struct queue *queue, int timeout_ms);

/* Hands a run over; it is the queue's from now on. */
void queue_put(struct queue *queue, struct queue_run **run);

/* Runs received and not yet answered, at most `size` of them; returns their number. */
size_t queue_under_way(struct queue *queue, Epcis__Wire__V1__RunUnderWay *out, size_t size);

/* What the committing thread has taken for one transaction and not answered. */
struct queue_turn {
    uint64_t number; /* of such transactions so far, this one included */
    uint32_t partition;
    uint64_t sequence; /* of the first batch */
    size_t bytes;
};

/* False: it has taken nothing. */
bool queue_look_at_turn(struct queue *queue, struct queue_turn *out);

/* The packed acknowledgments that wait to be published, one after another with their lengths; swaps them for
 * what `out` holds, which must be empty. */
void queue_take_acks(struct queue *queue, struct buffer *out);

/* No further run is handed out. */
void queue_stop(struct queue *queue);
bool queue_stopped(struct queue *queue);

/* True once the committing thread called queue_finish: nothing more comes from it. */
bool queue_finished(struct queue *queue);

/* ---- committing thread ---- */

/* Waits for runs, then takes the first and as many more as stay within `bytes_max`: a list. NULL: the queue
 * was stopped. They count as under way until queue_answer. */
struct queue_run *queue_take(struct queue *queue, size_t bytes_max);

/* One acknowledgment to publish. ERR_MEMORY: it is lost, and the lease will run out. */
enum err queue_put_ack(struct queue *queue, const Epcis__Wire__V1__Acknowledgment *ack);

/* The runs are answered: frees the list, and has the acknowledgments published. */
void queue_answer(struct queue *queue, struct queue_run **runs);

/* Waits, for at most `timeout_ms`, unless the queue is stopped. */
void queue_pause(struct queue *queue, int timeout_ms);

void queue_finish(struct queue *queue);

#endif
