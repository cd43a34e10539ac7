#include "worker/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/fault.h"
#include "common/base/log.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 5000 }; /* after a store that failed */

struct worker {
    const struct worker_config *config;
    const struct buffer **frames;
    size_t capacity;
    struct backoff backoff;
    uint64_t committed, duplicates, dead_letters;
};

static enum err list_frames(struct worker *worker, const struct queue_run *runs, size_t *out)
{
    size_t count = 0;
    for (const struct queue_run *run = runs; run; run = run->next)
        count += run->count;
    if (count > worker->capacity) {
        const struct buffer **frames = realloc(worker->frames, count * sizeof *frames);
        if (!frames)
            return ERR_MEMORY;
        worker->frames = frames;
        worker->capacity = count;
    }
    *out = 0;
    for (const struct queue_run *run = runs; run; run = run->next)
        for (size_t i = 0; i < run->count; i++)
            worker->frames[(*out)++] = &run->frames[i];
    return ERR_OK;
}

/* The server hears of it, too, if it still waits for this very batch: a batch that nobody waits for is told
 * of here alone. */
static void log_refusal(const Epcis__Wire__V1__Acknowledgment *ack)
{
    bool fork = ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK;
    if (fork || ack->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_OUT_OF_ORDER)
        log_warning("batch_refused",
                    "partition=%u sequence=%" PRIu64 " result=%s store_sequence=%" PRIu64 " detail=\"%s\"",
                    ack->partition, ack->sequence, fork ? "fork" : "out_of_order", ack->last_sequence,
                    ack->detail);
}

static void put_acks(struct worker *worker, const struct commit_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        if (!result->acks[i])
            continue;
        log_refusal(result->acks[i]);
        enum err err = queue_put_ack(worker->config->queue, result->acks[i]);
        if (err)
            log_warning("ack_lost", "partition=%u sequence=%" PRIu64 " err=%s", result->acks[i]->partition,
                        result->acks[i]->sequence, err_name(err));
    }
    worker->committed += result->committed;
    worker->duplicates += result->duplicates;
    worker->dead_letters += result->dead_letters;
}

/* In one transaction, or where that is too much for the memory allowed, in one for each batch: a batch whose
 * forerunner failed is then out of order. */
static enum err commit_batches(struct worker *worker, const struct buffer *const *frames, size_t count)
{
    struct commit_result result;
    enum err err = commit_frames(worker->config->commit, frames, count, &result);
    if (err == ERR_LIMIT && count > 1) {
        err = ERR_OK;
        for (size_t i = 0; i < count; i++) {
            enum err batch_err = commit_batches(worker, frames + i, 1);
            err = batch_err ? batch_err : err;
        }
        return err;
    }
    if (err) {
        log_error("commit_failed", "err=%s batches=%zu attempt=%u%s", err_name(err), count,
                  worker->backoff.attempts + 1,
                  err == ERR_LIMIT ? " detail=\"the batch takes more than --memory-max-bytes\"" : "");
        commit_refuse(worker->config->commit, frames, count, err, &result);
    }
    put_acks(worker, &result);
    return err == ERR_LIMIT ? ERR_OK : err; /* the batch's fault: nothing to wait for */
}

static enum err commit_runs(struct worker *worker, const struct queue_run *runs)
{
    size_t count;
    enum err err = list_frames(worker, runs, &count);
    return err ? err : commit_batches(worker, worker->frames, count);
}

enum err worker_run(const struct worker_config *config)
{
    struct worker worker = {.config = config};
    struct queue_run *runs;
    enum err err = ERR_OK;
    backoff_init(&worker.backoff, PAUSE_FIRST_MS, PAUSE_MAX_MS, (uint64_t)getpid());
    while (err != ERR_SYSTEM && (runs = queue_take(config->queue, config->transaction_max_bytes))) {
        fault_end(FAULT_WORKER_TAKEN);
        err = commit_runs(&worker, runs);
        queue_answer(config->queue, &runs);
        if (!err)
            backoff_reset(&worker.backoff);
        else if (err != ERR_SYSTEM)
            queue_pause(config->queue, (int)backoff_next_ms(&worker.backoff));
    }
    free(worker.frames);
    log_info("work_done", "committed=%" PRIu64 " duplicates=%" PRIu64 " dead_letters=%" PRIu64,
             worker.committed, worker.duplicates, worker.dead_letters);
    queue_finish(config->queue);
    return err == ERR_SYSTEM ? err : ERR_OK;
}
