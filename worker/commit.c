#include "worker/commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fault.h"
#include "worker/ack.h"
#include "worker/dead_letter.h"
#include "worker/work.h"

struct commit {
    struct commit_config config;
    struct work work;
    struct ack_maker ack_maker;
    const Epcis__Wire__V1__Acknowledgment **acks;
    size_t ack_capacity;
};

enum err commit_open(const struct commit_config *config, struct commit **out)
{
    struct commit *commit = *out = calloc(1, sizeof *commit);
    if (!commit)
        return ERR_MEMORY;
    commit->config = *config;
    arena_init(&commit->work.arena, config->memory_bytes);
    arena_init(&commit->work.scratch, config->memory_bytes);
    arena_init(&commit->work.expansion, config->memory_bytes);
    commit->ack_maker.worker_id = config->worker_id;
    arena_init(&commit->ack_maker.arena, config->memory_bytes);
    commit->work.ref_max = config->memory_bytes / WORK_REF_BYTES;
    struct rules_severities severities;
    rules_severities_init(&severities, config->profile);
    commit->work.rules = rules_new(config->severities ? config->severities : &severities);
    if (!commit->work.rules)
        commit_close(out);
    return *out ? ERR_OK : ERR_MEMORY;
}

void commit_close(struct commit **commit)
{
    if (!*commit)
        return;
    struct work *work = &(*commit)->work;
    arena_free(&work->arena);
    arena_free(&work->scratch);
    arena_free(&work->expansion);
    arena_free(&(*commit)->ack_maker.arena);
    rules_free(work->rules);
    lots_free(&work->lots);
    master_data_free(&work->master);
    free(work->batches);
    free(work->events);
    free(work->refs);
    free(work->entries);
    free(work->items);
    free(work->rows);
    free(work->event_ids);
    free(work->committed);
    free((*commit)->acks);
    free(*commit);
    *commit = NULL;
}

/* ---- order within a partition ---- */

/* A batch whose number is taken: the first result again, or a fork. */
static enum err answer_repeat(struct commit *commit, struct store_txn *txn, struct work_batch *batch,
                              const struct store_position *position)
{
    Epcis__Store__V1__BatchResultRecord *record;
    enum err err = store_batch_get(txn, batch->batch.partition, batch->batch.sequence,
                                   &commit->ack_maker.arena, &record);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (memcmp(record->batch_id.data, batch->batch.batch_id, DIGEST_BYTES) == 0) {
        batch->ack = record->acknowledgment;
        batch->ack->worker_id = (char *)commit->config.worker_id;
    } else {
        batch->ack =
            ack_new(&commit->ack_maker, &batch->batch, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK,
                    "the store holds another batch under this number");
    }
    if (!batch->ack)
        return ERR_LIMIT;
    batch->ack->last_sequence = position->sequence;
    return ERR_OK;
}

/* Sets batch->ack where the batch may not be committed now. */
static enum err guard_order(struct commit *commit, struct store_txn *txn, struct work_batch *batch)
{
    struct store_position position;
    enum err err = store_position_get(txn, batch->batch.partition, &position);
    if (err)
        return err;
    if (batch->batch.sequence <= position.sequence)
        return answer_repeat(commit, txn, batch, &position);
    bool follows = batch->batch.sequence == position.sequence + 1;
    if (!follows && commit->config.gaps)
        return ERR_OK;
    if (!follows)
        batch->ack = ack_new(&commit->ack_maker, &batch->batch,
                             EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_OUT_OF_ORDER,
                             "a batch before it is missing in the store");
    else if (memcmp(batch->batch.parent_batch_id, position.batch_id, DIGEST_BYTES) != 0)
        batch->ack =
            ack_new(&commit->ack_maker, &batch->batch, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK,
                    "the store's last batch is not the one it names as its parent");
    else
        return ERR_OK;
    if (!batch->ack)
        return ERR_LIMIT;
    batch->ack->last_sequence = position.sequence;
    return ERR_OK;
}

/* ---- writing ---- */

static enum err write_event(struct store_txn *txn, const struct batch *batch, const struct work_event *event)
{
    struct store_event record = {.event_hash = event->item->event_hash,
                                 .content_hash = event->item->content_hash,
                                 .partition = batch->partition,
                                 .batch_sequence = batch->sequence,
                                 .capture_id = event->capture_id,
                                 .event_index = event->event_index,
                                 .partner = event->partner,
                                 .time_us = event->facts.time_us,
                                 .place = event->facts.place,
                                 .packed = event->item->event,
                                 .packed_bytes = event->item->content_bytes};
    CHECK(store_next_sequence(txn) == event->sequence);
    enum err err = store_event_append(txn, &record);
    if (err || event->warning_count == 0)
        return err;
    Epcis__Store__V1__WarningRecord warnings = EPCIS__STORE__V1__WARNING_RECORD__INIT;
    warnings.warnings = event->warnings;
    warnings.n_warnings = event->warning_count;
    return store_warning_put(txn, event->sequence, &warnings);
}

/* Where the events of each document of the batch stand in the store. */
static enum err write_captures(struct store_txn *txn, const struct work *work, const struct work_batch *batch)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < batch->event_count && !err;) {
        const struct work_event *first = NULL;
        uint32_t count = 0, segment = work->events[batch->first_event + i].segment;
        for (; i < batch->event_count; i++) {
            const struct work_event *event = &work->events[batch->first_event + i];
            if (event->segment != segment)
                break;
            if (event->verdict == WORK_COMMITTED && count++ == 0)
                first = event;
        }
        if (first)
            err = store_capture_put(txn, first->capture_id, first->sequence, count);
    }
    return err;
}

static enum err write_batch(struct commit *commit, struct store_txn *txn, struct work_batch *batch,
                            struct commit_result *totals)
{
    struct work *work = &commit->work;
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < batch->event_count && !err; i++) {
        const struct work_event *event = &work->events[batch->first_event + i];
        if (event->verdict == WORK_DEAD || (batch->validate_only && event->warning_count > 0))
            err = dead_letter_write(txn, batch, event, &work->scratch);
        else if (event->verdict == WORK_COMMITTED && !batch->validate_only)
            err = write_event(txn, &batch->batch, event);
    }
    if (!err && !batch->validate_only)
        err = write_captures(txn, work, batch);
    if (err)
        return err;
    batch->ack =
        ack_new(&commit->ack_maker, &batch->batch, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED, "");
    if (!batch->ack)
        return ERR_LIMIT;
    batch->ack->last_sequence = batch->batch.sequence;
    batch->ack->rule_pack = (char *)rules_pack;
    err = ack_events(&commit->ack_maker, work, batch, totals);
    Epcis__Store__V1__BatchResultRecord record = EPCIS__STORE__V1__BATCH_RESULT_RECORD__INIT;
    record.batch_id = batch->ack->batch_id;
    record.acknowledgment = batch->ack;
    if (!err)
        err = store_batch_put(txn, batch->batch.partition, batch->batch.sequence, &record);
    fault_end(FAULT_WORKER_DECIDED);
    return err;
}

/* ---- transactions ---- */

/* Forgets what an earlier transaction loaded and decided. */
static void reset_state(struct work *work)
{
    for (size_t i = 0; i < work->item_count; i++)
        work->items[i] = (struct store_item){.key = work->items[i].key,
                                             .key_length = work->items[i].key_length,
                                             .stateless = work->items[i].stateless};
    for (size_t i = 0; i < work->row_count; i++) {
        work->rows[i].sequence = 0;
        work->rows[i].fresh = false;
    }
    for (size_t i = 0; i < work->event_id_count; i++) {
        work->event_ids[i].sequence = 0;
        work->event_ids[i].fresh = false;
    }
    lots_clear(&work->lots);
    master_data_forget(&work->master);
    work->committed_count = 0;
}

static enum err begin(struct commit *commit, struct store_txn **txn)
{
    struct work *work = &commit->work;
    enum err err = store_begin(commit->config.store, txn);
    if (!err)
        err = store_load(*txn, work->items, work->item_count, work->rows, work->row_count, &work->arena);
    if (!err)
        err = store_event_ids_load(*txn, work->event_ids, work->event_id_count);
    if (!err)
        work->first_sequence = store_next_sequence(*txn);
    return err;
}

/* Writes the items, and commits unless it is all a trial. */
static enum err finish(struct commit *commit, struct store_txn **txn, bool trial)
{
    struct work *work = &commit->work;
    enum err err =
        store_write(*txn, work->items, work->item_count, work->rows, work->row_count, &work->arena);
    if (!err)
        err = store_event_ids_write(*txn, work->event_ids, work->event_id_count);
    if (!err)
        err = lots_write(&work->lots, *txn);
    if (err || trial)
        return err;
    fault_end(FAULT_WORKER_BEFORE_COMMIT);
    err = store_commit(txn);
    if (!err)
        fault_end(FAULT_WORKER_AFTER_COMMIT);
    return err;
}

/* Batches that share a transaction, in order; one that follows another is guarded against it. */
static enum err commit_together(struct commit *commit, size_t first, size_t count,
                                struct commit_result *totals)
{
    struct work *work = &commit->work;
    struct store_txn *txn = NULL;
    enum err err = begin(commit, &txn);
    for (size_t i = first; i < first + count && !err; i++) {
        struct work_batch *batch = &work->batches[i];
        if (batch->ack)
            continue;
        err = guard_order(commit, txn, batch);
        if (err || batch->ack)
            continue;
        err = decide_batch(work, txn, batch);
        if (!err)
            err = write_batch(commit, txn, batch, totals);
    }
    if (!err)
        err = finish(commit, &txn, false);
    store_abort(&txn);
    return err;
}

/* The first refused item; NULL: none. */
static const struct work_event *find_dead(const struct work *work, const struct work_batch *batch)
{
    for (uint32_t i = 0; i < batch->event_count; i++)
        if (work->events[batch->first_event + i].verdict == WORK_DEAD)
            return &work->events[batch->first_event + i];
    return NULL;
}

/* What would have been committed becomes dead letters because of `dead`. ERR_LIMIT. */
static enum err roll_back(struct work *work, const struct work_batch *batch, const struct work_event *dead)
{
    char message[160] = "the document was sent with rollback, and it breaks off";
    Epcis__V1__Finding *reason = arena_alloc(&work->arena, sizeof *reason);
    Epcis__V1__Finding **reasons = arena_alloc(&work->arena, sizeof *reasons);
    if (!dead->whole_document)
        snprintf(message, sizeof message,
                 "the document was sent with rollback, and its event %llu (from 0) is refused: %s",
                 (unsigned long long)dead->event_index, dead->reasons[0]->code);
    char *text = arena_copy(&work->arena, message, strlen(message));
    if (!reason || !reasons || !text)
        return ERR_LIMIT;
    epcis__v1__finding__init(reason);
    reason->code = (char *)"ROLLED_BACK";
    reason->message = text;
    reason->remedy = (char *)"Put right what is refused, and send the whole document again.";
    *reasons = reason;
    for (uint32_t i = 0; i < batch->event_count; i++) {
        struct work_event *event = &work->events[batch->first_event + i];
        bool repeats = event->verdict == WORK_DUPLICATE && event->sequence >= work->first_sequence;
        if (event->verdict != WORK_COMMITTED && !repeats)
            continue;
        event->verdict = WORK_DEAD;
        event->rolled_back = true;
        event->reasons = reasons;
        event->reason_count = 1;
    }
    return ERR_OK;
}

static enum err ack_trial(struct commit *commit, struct work_batch *batch)
{
    batch->ack =
        ack_new(&commit->ack_maker, &batch->batch, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK, "");
    return batch->ack ? ERR_OK : ERR_LIMIT;
}

/* A whole document, or a trial: decided, and where nothing may be kept of it, undone before its outcome is
 * written. */
static enum err commit_alone(struct commit *commit, struct work_batch *batch, struct commit_result *totals)
{
    struct work *work = &commit->work;
    struct store_txn *txn = NULL;
    const struct work_event *dead = NULL;
    struct commit_result untold = {0};
    bool trial = batch->batch.trial_count > 0;
    enum err err = begin(commit, &txn);
    if (!err)
        err = guard_order(commit, txn, batch);
    if (err || batch->ack)
        goto out;
    err = decide_batch(work, txn, batch);
    if (!err && batch->rollback)
        dead = find_dead(work, batch);
    if (!err && (dead || batch->validate_only)) {
        store_abort(&txn);
        err = dead ? roll_back(work, batch, dead) : ERR_OK;
        reset_state(work);
        if (!err)
            err = begin(commit, &txn);
        if (!err)
            err = guard_order(commit, txn, batch); /* another worker may have been here */
    }
    if (!err && !batch->ack)
        err = write_batch(commit, txn, batch, trial ? &untold : totals);
    if (!err)
        err = finish(commit, &txn, trial);
    if (!err && trial)
        err = ack_trial(commit, batch);
out:
    store_abort(&txn);
    return err;
}

static bool is_alone(const struct work_batch *batch)
{
    return !batch->ack && (batch->rollback || batch->validate_only || batch->batch.trial_count > 0);
}

static enum err commit_all(struct commit *commit, struct commit_result *totals)
{
    struct work *work = &commit->work;
    enum err err = ERR_OK;
    for (size_t i = 0, count; i < work->batch_count && !err; i += count) {
        if (i > 0)
            reset_state(work);
        count = 1;
        if (is_alone(&work->batches[i])) {
            err = commit_alone(commit, &work->batches[i], totals);
            continue;
        }
        while (i + count < work->batch_count && !is_alone(&work->batches[i + count]))
            count++;
        err = commit_together(commit, i, count, totals);
    }
    return err;
}

/* ---- one call ---- */

static void clear_work(struct work *work)
{
    arena_reset(&work->arena);
    lots_clear(&work->lots);
    master_data_clear(&work->master);
    work->batch_count = work->event_count = work->ref_count = 0;
    work->item_count = work->row_count = work->event_id_count = work->committed_count = 0;
}

static enum err prepare_all(struct commit *commit, const struct buffer *const *frames, size_t count)
{
    struct work *work = &commit->work;
    clear_work(work);
    arena_reset(&commit->ack_maker.arena);
    enum err err = work_reserve(&commit->acks, &commit->ack_capacity, count, sizeof *commit->acks);
    for (size_t i = 0; i < count && !err; i++) {
        err = prepare_frame(work, frames[i]->data, frames[i]->length);
        struct work_batch *batch = &work->batches[work->batch_count - 1];
        if (err || !batch->detail)
            continue;
        batch->ack = ack_new(&commit->ack_maker, &batch->batch,
                             EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_BAD_BATCH, batch->detail);
        err = batch->ack ? ERR_OK : ERR_LIMIT;
    }
    return err ? err : prepare_items(work);
}

enum err commit_frames(struct commit *commit, const struct buffer *const *frames, size_t count,
                       struct commit_result *out)
{
    struct commit_result totals = {0};
    *out = (struct commit_result){0};
    enum err err = prepare_all(commit, frames, count);
    fault_end(FAULT_WORKER_PREPARED);
    if (!err)
        err = commit_all(commit, &totals);
    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        const struct work_batch *batch = &commit->work.batches[i];
        commit->acks[i] = batch->batch.sequence ? batch->ack : NULL;
    }
    totals.acks = commit->acks;
    totals.count = count;
    *out = totals;
    return ERR_OK;
}

const struct work *commit_work(const struct commit *commit)
{
    return &commit->work;
}

void commit_refuse(struct commit *commit, const struct buffer *const *frames, size_t count, enum err err,
                   struct commit_result *out)
{
    Epcis__Wire__V1__BatchResult result = err == ERR_LIMIT
                                              ? EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TOO_LARGE
                                              : EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED;
    *out = (struct commit_result){0};
    arena_reset(&commit->ack_maker.arena);
    if (work_reserve(&commit->acks, &commit->ack_capacity, count, sizeof *commit->acks))
        return; /* no answer: the leases run out */
    for (size_t i = 0; i < count; i++) {
        struct batch batch;
        commit->acks[i] = NULL;
        if (batch_peek(frames[i]->data, frames[i]->length, &batch))
            continue;
        commit->acks[i] = ack_new(&commit->ack_maker, &batch, result, err_name(err));
    }
    out->acks = commit->acks;
    out->count = count;
}
