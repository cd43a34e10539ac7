#include "server/rejudge_history.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/store/store_txn.h"
#include "server/batch.h"
#include "server/converter.h"
#include "server/partner.h"
#include "server/partner_cache.h"
#include "server/reading.h"

enum { RECORD_BYTES = 256 << 20 };

struct lane {
    struct rebuild *rebuild;            /* NULL: not begun, or at its end */
    uint64_t next;                      /* sequence of the batch that comes next */
    uint64_t last;                      /* in the store when all began */
    uint64_t number;                    /* of `next`, as the store counts */
    int64_t decided_ms;                 /* where it does not */
    struct rejudge_batch *first, **end; /* made, and not their turn yet */
};

struct rejudge_history {
    struct store *store;
    struct reading_tools tools;
    struct partner_cache *partners;
    struct arena records;
    uint64_t batches;
    struct lane lanes[PARTNER_PARTITIONS];
};

void rejudge_batch_free(struct rejudge_batch *batch)
{
    if (!batch)
        return;
    batch_free(batch->batch);
    free(batch);
}

/* Where the lane's next batch stands among all. Batches from before the store numbered them have number 0:
 * they come first, in the order in which the server heard of them. */
static enum err look_up(struct rejudge_history *history, uint32_t partition)
{
    struct lane *lane = &history->lanes[partition];
    Epcis__Store__V1__BatchResultRecord *stored = NULL;
    Epcis__Store__V1__BatchRecord *record = NULL;
    if (lane->next > lane->last)
        return ERR_OK;
    arena_reset(&history->records);
    enum err err = store_batch_read(history->store, partition, lane->next, &history->records, &stored);
    if (!err)
        err = journal_batch(history->tools.journal, partition, lane->next, &history->records, &record);
    if (err) {
        log_error("history_unreadable", "partition=%" PRIu32 " batch=%" PRIu64 " err=%s", partition,
                  lane->next, err_name(err));
        return err;
    }
    lane->number = stored->number;
    lane->decided_ms = record->decided_ms;
    return ERR_OK;
}

static enum err plan(struct rejudge_history *history)
{
    struct store_position positions[PARTNER_PARTITIONS];
    enum err err = store_positions(history->store, PARTNER_PARTITIONS, positions);
    for (uint32_t i = 0; !err && i < PARTNER_PARTITIONS; i++) {
        struct lane *lane = &history->lanes[i];
        lane->next = 1;
        lane->last = positions[i].sequence;
        lane->end = &lane->first;
        history->batches += lane->last;
        err = look_up(history, i);
    }
    return err;
}

enum err rejudge_history_open(struct journal *journal, struct store *store,
                              const struct converter_options *options, struct rejudge_history **out)
{
    struct rejudge_history *history = *out = calloc(1, sizeof *history);
    if (!history)
        return ERR_MEMORY;
    history->store = store;
    arena_init(&history->records, RECORD_BYTES);
    history->partners = partner_cache_new(journal);
    enum err err =
        reading_tools_init(&history->tools, journal, &options->limits, options->rollback_max_bytes);
    if (!err && !history->partners)
        err = ERR_MEMORY;
    if (!err)
        err = plan(history);
    if (err)
        rejudge_history_close(out);
    return err;
}

static struct rejudge_batch *take_first(struct lane *lane)
{
    struct rejudge_batch *first = lane->first;
    if (!first)
        return NULL;
    lane->first = first->next;
    if (!lane->first)
        lane->end = &lane->first;
    return first;
}

void rejudge_history_close(struct rejudge_history **history)
{
    struct rejudge_history *self = *history;
    if (!self)
        return;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++) {
        rebuild_close(&self->lanes[i].rebuild);
        for (struct rejudge_batch *made; (made = take_first(&self->lanes[i]));)
            rejudge_batch_free(made);
    }
    partner_cache_free(self->partners);
    reading_tools_free(&self->tools);
    arena_free(&self->records);
    free(self);
    *history = NULL;
}

uint64_t rejudge_history_batches(const struct rejudge_history *history)
{
    return history->batches;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static bool goes_before(const struct lane *a, const struct lane *b)
{
    return a->number != b->number ? a->number < b->number : a->decided_ms < b->decided_ms;
}

/* The partition whose next batch is due; PARTNER_PARTITIONS: there is none. */
static uint32_t find_due(const struct rejudge_history *history)
{
    uint32_t due = PARTNER_PARTITIONS;
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++) {
        const struct lane *lane = &history->lanes[i];
        if (lane->next <= lane->last &&
            (due == PARTNER_PARTITIONS || goes_before(lane, &history->lanes[due])))
            due = i;
    }
    return due;
}

static enum err take_made(void *context, const struct rebuild_result *result, struct batch *batch)
{
    struct rejudge_history *history = context;
    struct lane *lane = &history->lanes[result->partition];
    struct rejudge_batch *made = calloc(1, sizeof *made);
    if (!made) {
        batch_free(batch);
        return ERR_MEMORY;
    }
    made->result = *result;
    made->batch = batch;
    *lane->end = made;
    lane->end = &made->next;
    return ERR_OK;
}

/* Reads on in the partition, towards its next batch. */
static enum err make(struct rejudge_history *history, uint32_t partition)
{
    struct lane *lane = &history->lanes[partition];
    const struct rebuild_range range = {.one_partition = true,
                                        .partition = partition,
                                        .first_sequence = lane->next,
                                        .last_sequence = lane->last};
    const struct rebuild_sink sink = {.context = history, .batch = take_made, .partners = history->partners};
    bool done = false;
    enum err err = lane->rebuild ? ERR_OK : rebuild_open(&history->tools, &range, &sink, &lane->rebuild);
    if (!err)
        err = rebuild_step(lane->rebuild, &done);
    return !err && done && !lane->first ? ERR_CORRUPT : err;
}

/* It goes out as it went out: but for what was found to kill workers. */
static enum err complete(struct rejudge_batch *made, const Epcis__Store__V1__BatchRecord *record)
{
    enum err err = ERR_OK;
    made->record = record;
    for (size_t i = 0; !err && made->batch && i < record->n_condemned; i++)
        err = batch_condemn(made->batch, record->condemned[i]);
    return err;
}

enum err rejudge_history_step(struct rejudge_history *history, struct rejudge_batch **out, bool *done)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    uint32_t partition = find_due(history);
    *out = NULL;
    *done = partition == PARTNER_PARTITIONS;
    if (*done)
        return ERR_OK;
    struct lane *lane = &history->lanes[partition];
    if (!lane->first)
        return make(history, partition);
    uint64_t sequence = lane->next++;
    enum err err = look_up(history, partition);
    if (lane->next > lane->last)
        rebuild_close(&lane->rebuild);
    arena_reset(&history->records);
    if (!err)
        err = journal_batch(history->tools.journal, partition, sequence, &history->records, &record);
    /* An acknowledgment that is on its way yet: what the store took after it is left for another time. */
    *done = !err && !record->acknowledged;
    if (err || *done)
        return err;
    *out = take_first(lane);
    return complete(*out, record);
}
