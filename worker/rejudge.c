#include "worker/rejudge.h"

#include <stdio.h>
#include <string.h>

#include "common/base/framing.h"
#include "common/base/log.h"
#include "common/wire/wire.h"
#include "worker/commit.h"
#include "worker/work.h"

enum { REFUSAL_BYTES = 256 };

struct rejudge {
    const struct rejudge_config *config;
    struct store *store;
    struct commit *commit;
    struct arena arena;
    struct buffer in, out;
};

static enum err send_message(struct rejudge *rejudge, const ProtobufCMessage *message)
{
    buffer_clear(&rejudge->out);
    buffer_append_message(&rejudge->out, message);
    return rejudge->out.failed
               ? ERR_MEMORY
               : framing_send(rejudge->config->socket, rejudge->out.data, rejudge->out.length);
}

/* ---- terms ------------------------------------------------------------------------------------------ */

/* ERR_INPUT: `refusal` says why not. */
static enum err read_severities(const Epcis__Wire__V1__RejudgeTerms *terms, struct rules_severities *out,
                                char refusal[REFUSAL_BYTES])
{
    enum rules_profile profile = RULES_DSCSA;
    if (terms->profile[0] && rules_profile_of(terms->profile, &profile)) {
        snprintf(refusal, REFUSAL_BYTES, "there is no profile '%.64s'", terms->profile);
        return ERR_INPUT;
    }
    rules_severities_init(out, profile);
    for (size_t i = 0; i < terms->n_rules; i++) {
        enum err err = rules_severities_override(out, terms->rules[i]);
        if (!err)
            continue;
        snprintf(refusal, REFUSAL_BYTES,
                 err == ERR_NOT_FOUND ? "'%.128s' names no rule: see epcisctl rules"
                                      : "'%.128s': the severity is off, warn or reject, and this rule may "
                                        "be one that always rejects",
                 terms->rules[i]);
        return ERR_INPUT;
    }
    return ERR_OK;
}

static enum err take_terms(struct rejudge *rejudge, struct rules_severities *severities)
{
    char refusal[REFUSAL_BYTES] = "";
    enum err err = framing_receive(rejudge->config->socket, WIRE_FRAME_BYTES_MAX, &rejudge->in);
    if (err)
        return err;
    Epcis__Wire__V1__RejudgeTerms *terms = epcis__wire__v1__rejudge_terms__unpack(
        &rejudge->arena.allocator, rejudge->in.length, rejudge->in.data);
    if (!terms)
        return ERR_INPUT;
    if (read_severities(terms, severities, refusal) == ERR_OK)
        return ERR_OK;
    Epcis__Wire__V1__RejudgeReady ready = EPCIS__WIRE__V1__REJUDGE_READY__INIT;
    ready.rule_pack = (char *)rules_pack;
    ready.refusal = refusal;
    err = send_message(rejudge, &ready.base);
    return err ? err : ERR_STOPPED;
}

static enum err begin(struct rejudge *rejudge)
{
    const struct rejudge_config *config = rejudge->config;
    struct rules_severities severities;
    enum err err = take_terms(rejudge, &severities);
    if (!err)
        err = store_open_scratch(config->folder, config->map_bytes, &rejudge->store);
    const struct commit_config commit = {.store = rejudge->store,
                                         .worker_id = config->worker_id,
                                         .severities = &severities,
                                         .memory_bytes = config->memory_bytes,
                                         .gaps = true};
    if (!err)
        err = commit_open(&commit, &rejudge->commit);
    if (err)
        return err;
    Epcis__Wire__V1__RejudgeReady ready = EPCIS__WIRE__V1__REJUDGE_READY__INIT;
    ready.rule_pack = (char *)rules_pack;
    return send_message(rejudge, &ready.base);
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static bool has_code(const Epcis__Wire__V1__RejudgedRefusal *refusal, const char *code)
{
    for (size_t i = 0; i < refusal->n_codes; i++)
        if (strcmp(refusal->codes[i], code) == 0)
            return true;
    return false;
}

static Epcis__Wire__V1__RejudgedRefusal *refusal_of(struct arena *arena, const struct work_event *event,
                                                    uint32_t item)
{
    Epcis__Wire__V1__RejudgedRefusal *refusal = arena_alloc(arena, sizeof *refusal);
    char **codes = arena_alloc(arena, event->reason_count * sizeof *codes);
    if (!refusal || !codes)
        return NULL;
    epcis__wire__v1__rejudged_refusal__init(refusal);
    refusal->item = item;
    refusal->codes = codes;
    for (size_t i = 0; i < event->reason_count; i++)
        if (!has_code(refusal, event->reasons[i]->code))
            codes[refusal->n_codes++] = event->reasons[i]->code;
    return refusal;
}

/* Of a committed batch: what its acknowledgment does not tell. ERR_LIMIT. */
static enum err tell_items(struct rejudge *rejudge, Epcis__Wire__V1__Rejudged *out)
{
    struct arena *arena = &rejudge->arena;
    const struct work *work = commit_work(rejudge->commit);
    const struct work_event *events = &work->events[work->batches[0].first_event];
    size_t count = work->batches[0].event_count;
    uint8_t *hashes = arena_zalloc(arena, count * DIGEST_BYTES);
    out->refusals = arena_alloc(arena, count * sizeof(Epcis__Wire__V1__RejudgedRefusal *));
    if (!hashes || !out->refusals)
        return ERR_LIMIT;
    out->event_hashes = (ProtobufCBinaryData){count * DIGEST_BYTES, hashes};
    for (size_t i = 0; i < count; i++) {
        if (events[i].item->event)
            memcpy(hashes + i * DIGEST_BYTES, events[i].item->event_hash, DIGEST_BYTES);
        if (events[i].verdict != WORK_DEAD)
            continue;
        if (!(out->refusals[out->n_refusals] = refusal_of(arena, &events[i], (uint32_t)i)))
            return ERR_LIMIT;
        out->n_refusals++;
    }
    return ERR_OK;
}

static enum err judge(struct rejudge *rejudge)
{
    const struct buffer *frame = &rejudge->in;
    struct commit_result result;
    Epcis__Wire__V1__Rejudged rejudged = EPCIS__WIRE__V1__REJUDGED__INIT;
    arena_reset(&rejudge->arena);
    enum err err = commit_frames(rejudge->commit, &frame, 1, &result);
    if (err) {
        log_error("commit_failed", "err=%s", err_name(err));
        commit_refuse(rejudge->commit, &frame, 1, err, &result);
    }
    if (result.count != 1 || !result.acks[0])
        return err ? err : ERR_INPUT;
    rejudged.acknowledgment = (Epcis__Wire__V1__Acknowledgment *)(uintptr_t)result.acks[0];
    err = ERR_OK;
    if (rejudged.acknowledgment->result == EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED)
        err = tell_items(rejudge, &rejudged);
    return err ? err : send_message(rejudge, &rejudged.base);
}

enum err rejudge_serve(const struct rejudge_config *config)
{
    struct rejudge rejudge = {.config = config};
    arena_init(&rejudge.arena, config->memory_bytes);
    enum err err = begin(&rejudge);
    while (!err) {
        err = framing_receive(config->socket, WIRE_FRAME_BYTES_MAX, &rejudge.in);
        if (!err)
            err = judge(&rejudge);
    }
    if (err != ERR_STOPPED)
        log_error("rejudging_failed", "err=%s", err_name(err));
    commit_close(&rejudge.commit);
    store_close(&rejudge.store);
    arena_free(&rejudge.arena);
    buffer_free(&rejudge.in);
    buffer_free(&rejudge.out);
    return err == ERR_STOPPED ? ERR_OK : err;
}
