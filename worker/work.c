#include "worker/work.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/unpack.h"

enum err work_reserve(void *array, size_t *capacity, size_t count, size_t size)
{
    void *memory;
    if (count <= *capacity)
        return ERR_OK;
    size_t wanted = count + count / 2 + 16;
    memcpy(&memory, array, sizeof memory); /* `array` is the address of a pointer of any type */
    memory = realloc(memory, wanted * size);
    if (!memory)
        return ERR_MEMORY;
    memcpy(array, &memory, sizeof memory);
    *capacity = wanted;
    return ERR_OK;
}

Epcis__V1__Event *work_unpack(struct arena *arena, const uint8_t *packed, size_t bytes)
{
    return (Epcis__V1__Event *)unpack_message(&epcis__v1__event__descriptor, arena, packed, bytes);
}

static enum err add_findings(struct work *work, Epcis__V1__Finding *const *findings, size_t count,
                             Epcis__V1__Finding ***list, uint8_t *list_count)
{
    if (count == 0)
        return ERR_OK;
    Epcis__V1__Finding **all =
        arena_alloc(&work->arena, (*list_count + count) * sizeof(Epcis__V1__Finding *));
    if (!all)
        return ERR_LIMIT;
    if (*list_count > 0)
        memcpy(all, *list, *list_count * sizeof(Epcis__V1__Finding *));
    memcpy(all + *list_count, findings, count * sizeof(Epcis__V1__Finding *));
    *list = all;
    *list_count = (uint8_t)(*list_count + count);
    return ERR_OK;
}

enum err work_keep(struct work *work, struct work_event *event, const struct rules_report *report)
{
    if (report->failed)
        return ERR_LIMIT;
    if (report->reason_count > 0)
        event->verdict = WORK_DEAD;
    enum err err =
        add_findings(work, report->reasons, report->reason_count, &event->reasons, &event->reason_count);
    return err ? err
               : add_findings(work, report->warnings, report->warning_count, &event->warnings,
                              &event->warning_count);
}

struct rules_context work_context(const struct work_batch *batch, const struct work_event *event)
{
    const Epcis__Wire__V1__BatchSegment *segment = batch->batch.segments[event->segment];
    return (struct rules_context){
        .severities = batch->terms[event->segment].severities,
        .received_ms = segment->received_ms,
        .event_index = event->event_index,
        .partner = segment->partner,
        .caller = segment->caller[0] ? segment->caller : NULL,
        .record = batch->terms[event->segment].facts,
        .document = segment->document,
    };
}
