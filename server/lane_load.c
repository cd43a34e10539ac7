#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/store/store_txn.h"
#include "server/lane.h"

enum err lane_expect(struct lane *lane)
{
    lane->replay_items = 0;
    if (lane->last_sequence >= lane->replay_end)
        return ERR_OK;
    Epcis__Store__V1__BatchRecord *record = NULL;
    arena_reset(&lane->shared->scratch);
    enum err err = journal_batch(lane->shared->tools.journal, lane->partition, lane->last_sequence + 1,
                                 &lane->shared->scratch, &record);
    if (!err && record->batch_id.len != DIGEST_BYTES)
        err = ERR_CORRUPT;
    if (err)
        return err;
    memcpy(lane->replay_id, record->batch_id.data, DIGEST_BYTES);
    for (size_t i = 0; i < record->n_spans; i++)
        lane->replay_items += record->spans[i]->count;
    return ERR_OK;
}

/* The store lost batches that the journal knows to be acknowledged, as a copy may that was put back: it gets
 * them again. What they did is counted already. */
enum err lane_repair(struct lane *lane, uint64_t acknowledged)
{
    struct lane_shared *shared = lane->shared;
    Epcis__Store__V1__BatchRecord *batch = NULL;
    arena_reset(&shared->scratch);
    enum err err = journal_batch(shared->tools.journal, lane->partition, lane->last_sequence + 1,
                                 &shared->scratch, &batch);
    if (!err && batch->n_spans == 0)
        err = ERR_CORRUPT;
    if (err)
        return err;
    lane->repair_from = batch->spans[0]->document_number;
    log_warning("store_behind",
                "partition=%u store_sequence=%" PRIu64 " acknowledged=%" PRIu64
                " detail=\"the store gets again what it lost\"",
                lane->partition, lane->last_sequence, acknowledged);
    return reading_items_before(shared->tools.journal, lane->partition, lane->last_sequence,
                                lane->repair_from, &shared->scratch, &lane->repair_skip);
}

/* The store's last batch, where it is not the one that the journal has under that number. */
static void block_fork(struct lane *lane)
{
    log_error("partition_blocked",
              "partition=%u batch=%" PRIu64
              " detail=\"journal and store are not of one server: the store has "
              "another batch under this number. Put back the store that belongs to this journal\"",
              lane->partition, lane->last_sequence);
    lane->blocked = true;
}

enum err lane_load(struct lane *lane, struct lane_shared *shared, uint32_t partition,
                   const struct store_position *stored)
{
    *lane = (struct lane){.shared = shared, .partition = partition};
    Epcis__Store__V1__PartitionRecord *record = NULL;
    Epcis__Store__V1__BatchRecord *last = NULL;
    arena_reset(&shared->scratch);
    enum err err = journal_partition(shared->tools.journal, partition, &shared->scratch, &record);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    uint64_t acknowledged = record->acknowledged_sequence;
    bool behind = stored && stored->sequence < acknowledged;
    lane->replay_end = record->last_sequence;
    lane->last_sequence = behind ? stored->sequence : acknowledged;
    if (lane->last_sequence > 0) {
        err = journal_batch(shared->tools.journal, partition, lane->last_sequence, &shared->scratch, &last);
        if (!err && last->batch_id.len != DIGEST_BYTES)
            err = ERR_CORRUPT;
        if (err)
            return err;
        memcpy(lane->last_id, last->batch_id.data, DIGEST_BYTES);
    }
    if (behind && stored->sequence > 0 && memcmp(lane->last_id, stored->batch_id, DIGEST_BYTES) != 0) {
        block_fork(lane);
        return ERR_OK;
    }
    if (behind)
        err = lane_repair(lane, acknowledged);
    return err ? err : lane_expect(lane);
}

bool lane_wants(const struct lane *lane, uint64_t number, const Epcis__Store__V1__CaptureRecord *record)
{
    bool repaired = lane->repair_from > 0 && number >= lane->repair_from;
    return repaired ? record->items > 0 || !journal_capture_is_final(record)
                    : !journal_capture_is_final(record);
}

uint64_t lane_items_to_skip(const struct lane *lane, uint64_t number,
                            const Epcis__Store__V1__CaptureRecord *record)
{
    if (lane->repair_from == 0)
        return record->items_acknowledged;
    return number == lane->repair_from ? lane->repair_skip : 0;
}
