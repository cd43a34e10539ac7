#include "worker/ack.h"

#include <string.h>

#include "epcis/v1/ledger.pb-c.h"

enum { FAILURES_MAX = 100 };

Epcis__Wire__V1__Acknowledgment *ack_new(struct ack_maker *maker, const struct batch *batch,
                                         Epcis__Wire__V1__BatchResult result, const char *detail)
{
    struct arena *arena = &maker->arena;
    Epcis__Wire__V1__Acknowledgment *ack = arena_alloc(arena, sizeof *ack);
    if (!ack)
        return NULL;
    epcis__wire__v1__acknowledgment__init(ack);
    ack->worker_id = (char *)maker->worker_id;
    ack->partition = batch->partition;
    ack->sequence = batch->sequence;
    ack->result = result;
    ack->detail = (char *)detail;
    ack->trial_first = batch->trial_first;
    ack->trial_count = batch->trial_count;
    if (batch->batch_id) {
        ack->batch_id.data = (uint8_t *)arena_copy(arena, (const char *)batch->batch_id, DIGEST_BYTES);
        ack->batch_id.len = ack->batch_id.data ? DIGEST_BYTES : 0;
    }
    return ack;
}

static enum err list_segments(struct arena *arena, const struct batch *batch,
                              Epcis__Wire__V1__Acknowledgment *ack)
{
    size_t count = batch->segment_count;
    Epcis__Wire__V1__SegmentResult *results = arena_alloc(arena, count * sizeof *results);
    ack->segments = arena_alloc(arena, count * sizeof(Epcis__Wire__V1__SegmentResult *));
    if (!results || !ack->segments)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        epcis__wire__v1__segment_result__init(&results[i]);
        ack->segments[i] = &results[i];
        const ProtobufCBinaryData *id = &batch->segments[i]->capture_id;
        results[i].capture_id.data = (uint8_t *)arena_copy(arena, (const char *)id->data, id->len);
        if (!results[i].capture_id.data)
            return ERR_LIMIT;
        results[i].capture_id.len = id->len;
    }
    ack->n_segments = count;
    return ERR_OK;
}

static enum err add_failure(struct arena *arena, Epcis__Wire__V1__Acknowledgment *ack,
                            const struct work_event *event)
{
    if (ack->n_failures == FAILURES_MAX)
        return ERR_OK;
    if (!ack->failures)
        ack->failures = arena_alloc(arena, FAILURES_MAX * sizeof(Epcis__Wire__V1__EventFailure *));
    Epcis__Wire__V1__EventFailure *failure = arena_alloc(arena, sizeof *failure);
    if (!ack->failures || !failure)
        return ERR_LIMIT;
    epcis__wire__v1__event_failure__init(failure);
    failure->capture_id = ack->segments[event->segment]->capture_id;
    failure->event_index = event->event_index;
    failure->code = arena_copy(arena, event->reasons[0]->code, strlen(event->reasons[0]->code));
    if (!failure->code)
        return ERR_LIMIT;
    ack->failures[ack->n_failures++] = failure;
    return ERR_OK;
}

static Epcis__V1__ItemOutcome outcome_of(const struct work_event *event)
{
    switch (event->verdict) {
    case WORK_COMMITTED:
        return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED;
    case WORK_MASTER_DATA:
        return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_MASTER_DATA;
    case WORK_DUPLICATE:
        return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DUPLICATE;
    case WORK_DEAD:
    case WORK_UNDECIDED:
    case WORK_LEFT_OUT: /* whose outcome nobody is told */
        break;
    }
    return event->whole_document ? EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DOCUMENT_REFUSED
           : event->rolled_back  ? EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_ROLLED_BACK
                                 : EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DEAD_LETTER;
}

static enum err sum_up(struct arena *arena, const struct work *work, const struct work_batch *batch,
                       struct commit_result *totals)
{
    Epcis__Wire__V1__Acknowledgment *ack = batch->ack;
    enum err err = ERR_OK;
    uint8_t *outcomes = arena_alloc(arena, batch->event_count);
    if (!outcomes)
        return ERR_LIMIT;
    ack->outcomes = (ProtobufCBinaryData){batch->event_count, outcomes};
    for (uint32_t i = 0; i < batch->event_count && !err; i++) {
        const struct work_event *event = &work->events[batch->first_event + i];
        Epcis__Wire__V1__SegmentResult *result = ack->segments[event->segment];
        outcomes[i] = (uint8_t)outcome_of(event);
        switch (event->verdict) {
        case WORK_COMMITTED:
            result->committed++;
            result->warnings += event->warning_count;
            totals->committed++;
            break;
        case WORK_MASTER_DATA: /* no event of its document: kept, not counted */
        case WORK_LEFT_OUT:
            break;
        case WORK_DUPLICATE:
            result->duplicates++;
            totals->duplicates++;
            break;
        case WORK_DEAD:
        case WORK_UNDECIDED:
            if (event->whole_document) /* no event of its document: kept, not counted */
                break;
            result->dead_letters++;
            totals->dead_letters++;
            err = add_failure(arena, ack, event);
            break;
        }
    }
    return err;
}

enum err ack_events(struct ack_maker *maker, const struct work *work, const struct work_batch *batch,
                    struct commit_result *totals)
{
    enum err err = list_segments(&maker->arena, &batch->batch, batch->ack);
    return err ? err : sum_up(&maker->arena, work, batch, totals);
}
