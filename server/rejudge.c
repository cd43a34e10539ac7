#include "server/rejudge.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/batch.h"
#include "server/pressure.h"
#include "server/rejudge_history.h"
#include "server/rejudge_terms.h"
#include "server/rejudge_worker.h"

enum {
    TELL_MS = 300,    /* how far it is, at least so often */
    TELL_LIMIT = 500, /* differences in one message */
    MESSAGE_BYTES = 64 << 20,
    LAST_PRIORITY = 19,
};
static const uint64_t space_min_bytes = UINT64_C(64) << 20;

struct rejudge {
    struct rejudge_options *options;
    Epcis__Wire__V1__RejudgeTerms terms;
    char rule_pack[BATCH_RULE_PACK]; /* asked for, then there */
    struct arena request;            /* of both */
    void (*notify)(void *context);
    void *context;
    pthread_t thread;

    struct rejudge_worker worker;
    struct rejudge_compare *compare;
    struct rejudge_history *history;
    uint64_t batches, batches_in_all;

    struct arena message_arena;
    struct buffer differences, left_out; /* pointers into it */
    int64_t told_ms;                     /* steady clock */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    Epcis__V1__ReplayRulesResponse message;
    bool ready, ended;
    struct rejudge_end end;
    atomic_bool stopping;
};

/* ---- what is told ----------------------------------------------------------------------------------- */

/* The reason why all ends; the first stays. */
static enum err fail(struct rejudge *rejudge, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err fail(struct rejudge *rejudge, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!rejudge->end.text[0])
        vsnprintf(rejudge->end.text, sizeof rejudge->end.text, format, args);
    va_end(args);
    return err;
}

/* Hands the message over and waits until it is taken. */
static enum err tell(struct rejudge *rejudge)
{
    Epcis__V1__ReplayRulesResponse *message = &rejudge->message;
    epcis__v1__replay_rules_response__init(message);
    message->rule_pack = rejudge->rule_pack;
    message->batches = rejudge->batches;
    message->batches_in_all = rejudge->batches_in_all;
    message->events = rejudge_compare_events(rejudge->compare);
    message->differences = (Epcis__V1__VerdictDifference **)(void *)rejudge->differences.data;
    message->n_differences = rejudge->differences.length / sizeof *message->differences;
    message->left_out = (Epcis__V1__ReplayedBatches **)(void *)rejudge->left_out.data;
    message->n_left_out = rejudge->left_out.length / sizeof *message->left_out;
    pthread_mutex_lock(&rejudge->lock);
    rejudge->ready = true;
    pthread_mutex_unlock(&rejudge->lock);
    rejudge->notify(rejudge->context);
    pthread_mutex_lock(&rejudge->lock);
    while (rejudge->ready && !atomic_load(&rejudge->stopping))
        pthread_cond_wait(&rejudge->changed, &rejudge->lock);
    pthread_mutex_unlock(&rejudge->lock);
    buffer_clear(&rejudge->differences);
    buffer_clear(&rejudge->left_out);
    arena_reset(&rejudge->message_arena);
    rejudge->told_ms = clock_steady_ms();
    return atomic_load(&rejudge->stopping) ? ERR_STOPPED : ERR_OK;
}

static enum err tell_if_due(struct rejudge *rejudge)
{
    size_t pointers = (rejudge->differences.length + rejudge->left_out.length) / sizeof(void *);
    bool due = pointers >= TELL_LIMIT || clock_steady_ms() - rejudge->told_ms >= TELL_MS;
    return due ? tell(rejudge) : ERR_OK;
}

static enum err tell_left_out(struct rejudge *rejudge, const struct rebuild_result *result)
{
    struct arena *arena = &rejudge->message_arena;
    Epcis__V1__ReplayedBatches *told = arena_alloc(arena, sizeof *told);
    Epcis__V1__ReplayDifference *difference = arena_alloc(arena, sizeof *difference);
    if (!told || !difference)
        return ERR_MEMORY;
    epcis__v1__replayed_batches__init(told);
    told->partition = result->partition;
    told->first_sequence = told->last_sequence = result->sequence;
    told->items = result->items;
    told->verdict = EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_PRUNED;
    if (result->verdict == REBUILD_DIFFERENT) {
        told->verdict = EPCIS__V1__REPLAY_VERDICT__REPLAY_VERDICT_DIFFERENT;
        told->difference = difference;
        epcis__v1__replay_difference__init(difference);
        difference->document = result->document;
        difference->detail = arena_copy(arena, result->text, strlen(result->text));
        if (!difference->detail)
            return ERR_MEMORY;
    }
    buffer_append(&rejudge->left_out, &told, sizeof told);
    return rejudge->left_out.failed ? ERR_MEMORY : ERR_OK;
}

/* ---- judging ---------------------------------------------------------------------------------------- */

/* The worker's answer to a batch that it did not commit. */
static enum err complain(struct rejudge *rejudge, const Epcis__Wire__V1__Acknowledgment *ack)
{
    switch (ack->result) {
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED:
        return fail(rejudge, ERR_FULL, "the store in which history is judged cannot grow further (%s)",
                    ack->detail);
    case EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TOO_LARGE:
        return fail(rejudge, ERR_SYSTEM, "batch %" PRIu32 "/%" PRIu64 " takes more memory than a worker has",
                    ack->partition, ack->sequence);
    default:
        return fail(rejudge, ERR_CORRUPT, "batch %" PRIu32 "/%" PRIu64 ": %s", ack->partition, ack->sequence,
                    ack->detail);
    }
}

static enum err compare(struct rejudge *rejudge, const struct batch *batch,
                        const Epcis__Store__V1__BatchRecord *record, const Epcis__Wire__V1__Rejudged *now)
{
    bool done = false;
    enum err err = rejudge_compare_begin(rejudge->compare, batch, record, now);
    while (!err && !done) {
        err = rejudge_compare_go_on(rejudge->compare, TELL_LIMIT, &rejudge->message_arena,
                                    &rejudge->differences, &done);
        if (!err)
            err = tell_if_due(rejudge);
    }
    return err;
}

static enum err judge(struct rejudge *rejudge, const struct rejudge_batch *made)
{
    const struct batch *batch = made->batch;
    const Epcis__Wire__V1__Rejudged *now = NULL;
    enum err err = rejudge_worker_judge(&rejudge->worker, batch, &now);
    if (err == ERR_STOPPED && !atomic_load(&rejudge->stopping))
        err = ERR_SYSTEM; /* it has ended by itself */
    if (err)
        return fail(rejudge, err, "the worker that judges history again, at batch %" PRIu32 "/%" PRIu64,
                    batch->partition, batch->sequence);
    if (now->acknowledgment->result != EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED)
        return complain(rejudge, now->acknowledgment);
    return compare(rejudge, batch, made->record, now);
}

static enum err step(struct rejudge *rejudge, bool *done)
{
    struct rejudge_batch *made = NULL;
    enum err err = rejudge_history_step(rejudge->history, &made, done);
    if (!err && made) {
        err = made->batch ? judge(rejudge, made) : tell_left_out(rejudge, &made->result);
        rejudge->batches++;
    }
    rejudge_batch_free(made);
    return err ? err : tell_if_due(rejudge);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

/* The rules are those that were asked for. */
static enum err agree(struct rejudge *rejudge)
{
    const Epcis__Wire__V1__RejudgeReady *ready = NULL;
    enum err err = rejudge_worker_agree(&rejudge->worker, &rejudge->terms, &ready);
    if (err)
        return fail(rejudge, err == ERR_STOPPED ? ERR_SYSTEM : err, "the worker that judges history again");
    if (ready->refusal[0])
        return fail(rejudge, ERR_INPUT, "`overrides`: %s", ready->refusal);
    if (strcmp(rejudge->rule_pack, "current") != 0 && strcmp(rejudge->rule_pack, ready->rule_pack) != 0)
        return fail(rejudge, ERR_INPUT,
                    "`rule_pack` \"%s\" is not here: the one that is has version \"%s\", or \"current\"",
                    rejudge->rule_pack, ready->rule_pack);
    snprintf(rejudge->rule_pack, sizeof rejudge->rule_pack, "%s", ready->rule_pack);
    return ERR_OK;
}

static enum err run(struct rejudge *rejudge)
{
    bool done = false;
    enum err err = agree(rejudge);
    while (!err && !done) {
        err = step(rejudge, &done);
        if (!err && atomic_load(&rejudge->stopping))
            err = ERR_STOPPED;
    }
    return err ? err : tell(rejudge);
}

static void *rejudge_main(void *context)
{
    struct rejudge *rejudge = context;
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), LAST_PRIORITY)) /* of this thread, on Linux */
        log_warning("rejudge_priority", "detail=\"it takes time from other work\"");
    int64_t begun_ms = clock_steady_ms();
    enum err err = run(rejudge);
    if (!err || err == ERR_STOPPED || err == ERR_INPUT)
        log_info("rejudged", "batches=%" PRIu64 " err=%s ms=%" PRId64, rejudge->batches, err_name(err),
                 clock_steady_ms() - begun_ms);
    else
        log_error("rejudging_failed", "batches=%" PRIu64 " err=%s detail=\"%s\"", rejudge->batches,
                  err_name(err), rejudge->end.text);
    pthread_mutex_lock(&rejudge->lock);
    rejudge->end.err = err;
    rejudge->ended = true;
    pthread_mutex_unlock(&rejudge->lock);
    if (!atomic_load(&rejudge->stopping))
        rejudge->notify(rejudge->context);
    return NULL;
}

/* ---- from outside ----------------------------------------------------------------------------------- */

/* Today's severities, and behind them what the request changes. */
static enum err copy_request(struct rejudge *rejudge, const struct rejudge_request *request)
{
    enum { REQUEST_BYTES = 32 << 20 };
    struct rejudge_terms today;
    struct arena *arena = &rejudge->request;
    arena_init(arena, REQUEST_BYTES);
    epcis__wire__v1__rejudge_terms__init(&rejudge->terms);
    snprintf(rejudge->rule_pack, sizeof rejudge->rule_pack, "%s", request->rule_pack);
    enum err err = rejudge_terms_today(rejudge->options->config, rejudge->options->rules, arena, &today);
    if (err)
        return err;
    const char *profile = request->profile[0] ? request->profile : today.profile;
    size_t count = today.count + request->override_count;
    rejudge->terms.profile = arena_copy(arena, profile, strlen(profile));
    rejudge->terms.rules = arena_alloc(arena, (count + 1) * sizeof(char *));
    if (!rejudge->terms.profile || !rejudge->terms.rules)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        const char *text = i < today.count ? today.rules[i] : request->overrides[i - today.count];
        rejudge->terms.rules[i] = arena_copy(arena, text, strlen(text));
        if (!rejudge->terms.rules[i])
            return ERR_LIMIT;
    }
    rejudge->terms.n_rules = count;
    return ERR_OK;
}

/* Half of what is free beyond the reserve: what comes in meanwhile needs room, too. */
static enum err find_space(const struct rejudge_options *options, uint64_t *bytes)
{
    struct pressure_view view;
    pressure_look(options->pressure, &view);
    uint64_t reserve = options->disk_reserve_bytes;
    *bytes = view.disk_free_bytes > reserve ? (view.disk_free_bytes - reserve) / 2 : 0;
    if (*bytes < space_min_bytes)
        return ERR_FULL;
    *bytes = *bytes < options->map_bytes ? *bytes : options->map_bytes;
    return ERR_OK;
}

static enum err prepare(struct rejudge *rejudge, const struct rejudge_request *request)
{
    struct rejudge_options *options = rejudge->options;
    uint64_t space_bytes;
    enum err err = copy_request(rejudge, request);
    if (!err)
        err = find_space(options, &space_bytes);
    rejudge->compare = rejudge_compare_new(options->store, &request->scope);
    if (!err && !rejudge->compare)
        err = ERR_MEMORY;
    if (!err)
        err = rejudge_history_open(options->journal, options->store, options->converter, &rejudge->history);
    if (!err)
        rejudge->batches_in_all = rejudge_history_batches(rejudge->history);
    if (!err)
        err = rejudge_worker_open(&rejudge->worker, options->folder, space_bytes, options->log_format);
    return err;
}

static void free_all(struct rejudge *rejudge)
{
    rejudge_worker_close(&rejudge->worker);
    rejudge_history_close(&rejudge->history);
    rejudge_compare_free(rejudge->compare);
    arena_free(&rejudge->request);
    arena_free(&rejudge->message_arena);
    buffer_free(&rejudge->differences);
    buffer_free(&rejudge->left_out);
    pthread_cond_destroy(&rejudge->changed);
    pthread_mutex_destroy(&rejudge->lock);
    atomic_store(&rejudge->options->busy, false);
    free(rejudge);
}

enum err rejudge_open(struct rejudge_options *options, const struct rejudge_request *request,
                      void (*notify)(void *context), void *context, struct rejudge **out)
{
    *out = NULL;
    struct rejudge *rejudge = calloc(1, sizeof *rejudge);
    if (!rejudge)
        return ERR_MEMORY;
    if (atomic_exchange(&options->busy, true)) {
        free(rejudge);
        return ERR_EXISTS;
    }
    rejudge->options = options;
    rejudge->notify = notify;
    rejudge->context = context;
    rejudge->worker.socket = rejudge->worker.process = -1;
    rejudge->told_ms = clock_steady_ms();
    arena_init(&rejudge->message_arena, MESSAGE_BYTES);
    pthread_mutex_init(&rejudge->lock, NULL);
    pthread_cond_init(&rejudge->changed, NULL);
    enum err err = prepare(rejudge, request);
    if (!err && pthread_create(&rejudge->thread, NULL, rejudge_main, rejudge))
        err = ERR_SYSTEM;
    if (err)
        free_all(rejudge);
    else
        *out = rejudge;
    return err;
}

const Epcis__V1__ReplayRulesResponse *rejudge_ready(struct rejudge *rejudge)
{
    pthread_mutex_lock(&rejudge->lock);
    bool ready = rejudge->ready;
    pthread_mutex_unlock(&rejudge->lock);
    return ready ? &rejudge->message : NULL;
}

void rejudge_go_on(struct rejudge *rejudge)
{
    pthread_mutex_lock(&rejudge->lock);
    rejudge->ready = false;
    pthread_cond_signal(&rejudge->changed);
    pthread_mutex_unlock(&rejudge->lock);
}

bool rejudge_ended(struct rejudge *rejudge, struct rejudge_end *out)
{
    pthread_mutex_lock(&rejudge->lock);
    bool ended = rejudge->ended && !rejudge->ready;
    if (ended)
        *out = rejudge->end;
    pthread_mutex_unlock(&rejudge->lock);
    return ended;
}

void rejudge_close(struct rejudge **rejudge)
{
    struct rejudge *self = *rejudge;
    *rejudge = NULL;
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->stopping, true);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    rejudge_worker_cut_off(&self->worker);
    pthread_join(self->thread, NULL);
    free_all(self);
}
