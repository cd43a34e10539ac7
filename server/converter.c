#include "server/converter.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/store/store_txn.h"
#include "server/lane.h"
#include "server/partner.h"
#include "server/partner_cache.h"

enum { SCRATCH_BYTES = 64 << 20, IDLE_WAIT_MS = 60000 };

enum news_kind { NEWS_ARRIVING, NEWS_RECEIVED, NEWS_ACKNOWLEDGED, NEWS_CANCEL, NEWS_REWIND };

struct news {
    enum news_kind kind;
    uint32_t partition;
    uint64_t value; /* pieces, document number, bytes, or batch */
    uint64_t upload;
    struct journal_op *cancel;
};

/* Each array grows to the most that ever waited at once. */
struct news_list {
    struct news *items;
    size_t count, capacity;
};

struct converter {
    struct converter_options options;
    struct lane_shared shared;
    struct lane lanes[PARTNER_PARTITIONS];
    struct news_list taken;
    bool out_of_memory; /* a message was lost */
    void (*fatal)(void);
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct news_list inbox;
    bool inbox_failed; /* no memory for a message */
    bool stopping;
    bool deaf; /* nobody will heed further news */
};

/* False: nobody will heed it. */
static bool tell(struct converter *converter, struct news news)
{
    pthread_mutex_lock(&converter->mutex);
    struct news_list *inbox = &converter->inbox;
    if (inbox->count == inbox->capacity) {
        size_t capacity = inbox->capacity ? 2 * inbox->capacity : 64;
        struct news *items = realloc(inbox->items, capacity * sizeof *items);
        if (items) {
            inbox->items = items;
            inbox->capacity = capacity;
        }
    }
    bool heeded = !converter->deaf && inbox->count < inbox->capacity;
    if (heeded)
        inbox->items[inbox->count++] = news;
    else
        converter->inbox_failed = true;
    pthread_cond_signal(&converter->changed);
    pthread_mutex_unlock(&converter->mutex);
    return heeded;
}

const struct converter_options *converter_options(const struct converter *converter)
{
    return &converter->options;
}

void converter_arriving(struct converter *converter, uint64_t upload, uint32_t pieces)
{
    tell(converter, (struct news){.kind = NEWS_ARRIVING, .value = pieces, .upload = upload});
}

void converter_received(struct converter *converter, uint64_t number, uint32_t partition, uint64_t upload)
{
    tell(converter,
         (struct news){.kind = NEWS_RECEIVED, .partition = partition, .value = number, .upload = upload});
}

void converter_acknowledged(struct converter *converter, uint32_t partition, size_t bytes)
{
    tell(converter, (struct news){.kind = NEWS_ACKNOWLEDGED, .partition = partition, .value = bytes});
}

void converter_cancel(struct converter *converter, uint32_t partition, struct journal_op *op)
{
    if (!tell(converter, (struct news){.kind = NEWS_CANCEL, .partition = partition, .cancel = op}))
        op->done(op, ERR_STOPPED);
}

void converter_rewind(struct converter *converter, uint32_t partition, uint64_t sequence)
{
    tell(converter, (struct news){.kind = NEWS_REWIND, .partition = partition, .value = sequence});
}

/* Swaps the inbox out, waiting up to `wait_ms` for it to fill. False once the converter stops. */
static bool take_news(struct converter *converter, int64_t wait_ms)
{
    struct timespec until = clock_steady_after(wait_ms);
    pthread_mutex_lock(&converter->mutex);
    while (wait_ms > 0 && converter->inbox.count == 0 && !converter->stopping && !converter->inbox_failed)
        if (pthread_cond_timedwait(&converter->changed, &converter->mutex, &until) == ETIMEDOUT)
            break;
    struct news_list taken = converter->inbox;
    converter->inbox = converter->taken;
    converter->inbox.count = 0;
    converter->taken = taken;
    converter->out_of_memory = converter->inbox_failed;
    bool go_on = !converter->stopping;
    pthread_mutex_unlock(&converter->mutex);
    return go_on;
}

static enum err heed_cancel(struct converter *converter, struct lane *lane, struct journal_op *op)
{
    struct lane_shared *shared = &converter->shared;
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_reset(&shared->scratch);
    enum err err = journal_capture(shared->tools.journal, op->number, &shared->scratch, &record);
    if (err) {
        op->done(op, err);
        return ERR_OK;
    }
    ahead_drop(&shared->ahead, record->upload);
    err = lane_drop_document(lane, op->number, record);
    if (!err)
        journal_submit(shared->tools.journal, op);
    else
        op->done(op, err);
    return err;
}

static enum err heed_news(struct converter *converter)
{
    struct ahead *ahead = &converter->shared.ahead;
    if (converter->out_of_memory)
        return ERR_MEMORY;
    for (size_t i = 0; i < converter->taken.count; i++) {
        const struct news *news = &converter->taken.items[i];
        struct lane *lane = &converter->lanes[news->partition];
        if (news->kind == NEWS_ARRIVING) {
            ahead_arriving(ahead, news->upload, (uint32_t)news->value, clock_steady_ms());
        } else if (news->kind == NEWS_RECEIVED) {
            ahead_sealed(ahead, news->upload, news->partition);
            enum err err = lane_add_document(lane, news->value);
            if (err)
                return err;
        } else if (news->kind == NEWS_CANCEL) {
            struct journal_op *op = news->cancel;
            converter->taken.items[i].cancel = NULL;
            enum err err = heed_cancel(converter, lane, op);
            if (err)
                return err;
        } else if (news->kind == NEWS_REWIND) {
            lane->rewinding = true;
            lane->rewind_to = news->value;
        } else {
            lane->outstanding--;
            lane->outstanding_bytes -= news->value;
            converter->shared.outstanding_bytes -= news->value;
        }
    }
    return ERR_OK;
}

/* One piece of every partition that has work, and the batches that fall due; where none can go on, one piece
 * of a document that still arrives. *wait_ms: how long nothing else will happen. */
static enum err work_round(struct converter *converter, int64_t *wait_ms)
{
    struct ahead *ahead = &converter->shared.ahead;
    int64_t now_ms = clock_steady_ms();
    *wait_ms = IDLE_WAIT_MS;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++) {
        struct lane *lane = &converter->lanes[i];
        enum err err = lane_rewind(lane);
        if (!err && lane_runnable(lane, now_ms))
            err = lane_step(lane);
        if (!err)
            err = lane_close_due(lane, now_ms, wait_ms);
        if (err)
            return err;
        if (lane_runnable(lane, now_ms))
            *wait_ms = 0;
        if (lane->blocked)
            ahead_drop_partition(ahead, lane->partition);
    }
    if (*wait_ms > 0 && ahead_step(ahead))
        *wait_ms = 0;
    ahead_expire(ahead, now_ms, wait_ms);
    return ERR_OK;
}

/* Whoever waits for an answer gets one. */
static void refuse_cancels(struct news_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct news *news = &list->items[i];
        if (news->kind == NEWS_CANCEL && news->cancel)
            news->cancel->done(news->cancel, ERR_STOPPED);
    }
    list->count = 0;
}

static void go_deaf(struct converter *converter)
{
    pthread_mutex_lock(&converter->mutex);
    converter->deaf = true;
    pthread_mutex_unlock(&converter->mutex);
    refuse_cancels(&converter->taken);
    refuse_cancels(&converter->inbox);
}

static void *converter_main(void *context)
{
    struct converter *converter = context;
    int64_t wait_ms = 0;
    while (take_news(converter, wait_ms)) {
        enum err err = heed_news(converter);
        if (!err)
            err = work_round(converter, &wait_ms);
        if (err) {
            log_error("converter_failed", "err=%s detail=\"the server stops; nothing received is lost\"",
                      err_name(err));
            converter->fatal();
            break;
        }
    }
    go_deaf(converter);
    return NULL;
}

static enum err load_lanes(struct converter *converter, struct store *store)
{
    struct store_position stored[PARTNER_PARTITIONS];
    enum err err = store ? store_positions(store, PARTNER_PARTITIONS, stored) : ERR_OK;
    for (uint32_t i = 0; !err && i < PARTNER_PARTITIONS; i++)
        err = lane_load(&converter->lanes[i], &converter->shared, i, store ? &stored[i] : NULL);
    return err;
}

/* The number before the first document that may have to be read again. */
static uint64_t before_first(const struct converter *converter)
{
    uint64_t number = 0;
    if (journal_next_unfinished(converter->shared.tools.journal, &number))
        number = UINT64_MAX;
    for (uint32_t i = 0; i < PARTNER_PARTITIONS; i++)
        if (converter->lanes[i].repair_from > 0 && converter->lanes[i].repair_from < number)
            number = converter->lanes[i].repair_from;
    return number - 1;
}

/* Every document that was not finished is read again, in the order of receipts, and every one of which the
 * store lost something. */
static enum err load_documents(struct converter *converter)
{
    struct lane_shared *shared = &converter->shared;
    uint64_t count = 0, number = before_first(converter);
    enum err err = number == UINT64_MAX - 1 ? ERR_NOT_FOUND : ERR_OK;
    while (!err) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        arena_reset(&shared->scratch);
        err = journal_capture(shared->tools.journal, ++number, &shared->scratch, &record);
        if (!err && record->partition >= PARTNER_PARTITIONS)
            err = ERR_CORRUPT;
        if (err || !lane_wants(&converter->lanes[record->partition], number, record))
            continue;
        err = lane_add_document(&converter->lanes[record->partition], number);
        count++;
    }
    if (count > 0)
        log_info("unfinished_documents", "count=%llu", (unsigned long long)count);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void init_lock(struct converter *converter)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&converter->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&converter->mutex, NULL);
}

enum err converter_open(const struct converter_options *options, struct journal *journal, struct store *store,
                        struct dispatcher *dispatcher, void (*fatal)(void), struct converter **out)
{
    struct converter *converter = calloc(1, sizeof *converter);
    if (!converter)
        return ERR_MEMORY;
    init_lock(converter);
    converter->options = *options;
    converter->fatal = fatal;
    converter->shared = (struct lane_shared){
        .options = &converter->options, .dispatcher = dispatcher, .partners = partner_cache_new(journal)};
    arena_init(&converter->shared.scratch, SCRATCH_BYTES);
    enum err err = reading_tools_init(&converter->shared.tools, journal, &converter->options.limits,
                                      options->rollback_max_bytes);
    ahead_init(&converter->shared.ahead, &converter->shared.tools, converter->options.spool_dir,
               options->disk_reserve_bytes);
    if (!err && !converter->shared.partners)
        err = ERR_MEMORY;
    if (!err)
        err = load_lanes(converter, store);
    if (!err)
        err = load_documents(converter);
    fault_end(FAULT_CONVERTER_RECOVERED);
    if (err) {
        converter_free(&converter);
        return err;
    }
    *out = converter;
    return ERR_OK;
}

enum err converter_start(struct converter *converter)
{
    converter->started = !pthread_create(&converter->thread, NULL, converter_main, converter);
    return converter->started ? ERR_OK : ERR_SYSTEM;
}

void converter_stop(struct converter *converter)
{
    if (!converter->started)
        return;
    pthread_mutex_lock(&converter->mutex);
    converter->stopping = true;
    pthread_cond_signal(&converter->changed);
    pthread_mutex_unlock(&converter->mutex);
    pthread_join(converter->thread, NULL);
    converter->started = false;
}

void converter_free(struct converter **converter)
{
    struct converter *self = *converter;
    if (!self)
        return;
    converter_stop(self);
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        lane_free(&self->lanes[i]);
    ahead_free(&self->shared.ahead);
    reading_tools_free(&self->shared.tools);
    partner_cache_free(self->shared.partners);
    arena_free(&self->shared.scratch);
    free(self->taken.items);
    free(self->inbox.items);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    *converter = NULL;
}
