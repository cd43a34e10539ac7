/* A lane goes back to a batch that was acknowledged long ago: the store has lost what came after it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "server/lane.h"

static enum err batch_get(struct lane *lane, uint64_t sequence, Epcis__Store__V1__BatchRecord **out)
{
    arena_reset(&lane->shared->scratch);
    return journal_batch(lane->shared->tools.journal, lane->partition, sequence, &lane->shared->scratch, out);
}

/* Documents of a partition are read in the order of their numbers: one that is not above the last is in. */
static enum err add_once(struct lane *lane, uint64_t number)
{
    bool known = lane->waiting_end > 0 && number <= lane->numbers[lane->waiting_end - 1];
    return known || number == 0 ? ERR_OK : lane_add_document(lane, number);
}

/* Those of which batches from `first` to `last` hold something or the open one does, the one being read, and
 * those that waited. */
static enum err collect_documents(struct lane *lane, uint64_t first, uint64_t last)
{
    uint64_t *waiting = lane->numbers, reading = lane_reading_number(lane);
    size_t at = lane->first_waiting, end = lane->waiting_end;
    enum err err = ERR_OK;
    lane->numbers = NULL;
    lane->first_waiting = lane->waiting_end = lane->waiting_capacity = 0;
    for (uint64_t sequence = first; sequence <= last && !err; sequence++) {
        Epcis__Store__V1__BatchRecord *record;
        err = batch_get(lane, sequence, &record);
        for (size_t i = 0; !err && i < record->n_spans; i++)
            err = add_once(lane, record->spans[i]->document_number);
    }
    for (size_t i = 0; lane->open && !err && i < lane->open->span_count; i++)
        err = add_once(lane, lane->open->spans[i].number);
    if (!err)
        err = add_once(lane, reading);
    for (; at < end && !err; at++)
        err = add_once(lane, waiting[at]);
    free(waiting);
    return err;
}

static enum err read_parent(struct lane *lane)
{
    Epcis__Store__V1__BatchRecord *record;
    memset(lane->last_id, 0, sizeof lane->last_id);
    if (lane->last_sequence == 0)
        return ERR_OK;
    enum err err = batch_get(lane, lane->last_sequence, &record);
    if (!err && record->batch_id.len != DIGEST_BYTES)
        err = ERR_CORRUPT;
    if (!err)
        memcpy(lane->last_id, record->batch_id.data, DIGEST_BYTES);
    return err;
}

enum err lane_rewind(struct lane *lane)
{
    if (!lane->rewinding || lane->outstanding > 0)
        return ERR_OK;
    Epcis__Store__V1__PartitionRecord *record;
    uint64_t acknowledged = 0;
    lane->rewinding = false;
    arena_reset(&lane->shared->scratch);
    enum err err =
        journal_partition(lane->shared->tools.journal, lane->partition, &lane->shared->scratch, &record);
    if (!err) {
        acknowledged = record->acknowledged_sequence;
        lane->replay_end = record->last_sequence;
        err = collect_documents(lane, lane->rewind_to + 1, lane->replay_end);
    }
    reading_close(&lane->reading);
    batch_free(lane->open);
    lane->open = NULL;
    lane->last_sequence = lane->rewind_to;
    if (!err)
        err = read_parent(lane);
    if (!err)
        err = lane_repair(lane, acknowledged);
    if (!err)
        err = lane_expect(lane);
    if (err)
        return lane_block(lane,
                          "the store has lost batches that the journal no longer has, or cannot read: "
                          "restore a newer backup of the store",
                          err);
    log_info("partition_rewound", "partition=%u batch=%" PRIu64 " batches=%" PRIu64 " documents=%zu",
             lane->partition, lane->last_sequence + 1, lane->replay_end - lane->last_sequence,
             lane->waiting_end);
    return ERR_OK;
}
