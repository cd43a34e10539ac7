/* Batches in the journal: closed, condemned in part, acknowledged. */
#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "server/journal_trees.h"
#include "server/outcome.h"

static enum err partition_get(const struct journal_trees *trees, MDB_txn *txn, uint32_t partition,
                              struct arena *arena, Epcis__Store__V1__PartitionRecord **out)
{
    uint8_t key[4];
    journal_key_u32(partition, key);
    return journal_trees_get_message(trees, txn, TREE_PARTITION, journal_val(key, sizeof key),
                                     &epcis__store__v1__partition_record__descriptor, arena, out);
}

static enum err partition_put(struct journal_trees *trees, MDB_txn *txn, uint32_t partition,
                              const Epcis__Store__V1__PartitionRecord *record)
{
    uint8_t key[4];
    journal_key_u32(partition, key);
    return journal_trees_put_message(trees, txn, TREE_PARTITION, journal_val(key, sizeof key), &record->base);
}

/* Notes where the document's batches begin, and shows progress while it is still being read: its final count
 * comes with JOURNAL_CONVERTED. */
static enum err count_events(struct journal_trees *trees, MDB_txn *txn, uint64_t sequence,
                             const Epcis__Store__V1__BatchSpan *span, struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture_get(trees, txn, span->document_number, scratch, &record);
    if (err || (record->converted && record->first_batch))
        return err;
    if (!record->first_batch)
        record->first_batch = sequence;
    if (record->converted)
        return journal_capture_put(trees, txn, span->document_number, record);
    record->bytes_read = span->bytes_read;
    uint64_t events = span->first_event + span->events;
    if (events > record->events)
        record->events = events;
    record->state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    return journal_capture_put(trees, txn, span->document_number, record);
}

enum err journal_batch_add(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                           struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    enum err err = journal_trees_put(trees, txn, TREE_BATCH, journal_val(key, sizeof key),
                                     journal_val(op->data.data, op->data.length), MDB_NOOVERWRITE);
    if (!err)
        err = journal_trees_put(trees, txn, TREE_LEAF, journal_val(key, sizeof key),
                                journal_val(op->leaves->data, op->leaves->length), 0);
    Epcis__Store__V1__BatchRecord *batch =
        epcis__store__v1__batch_record__unpack(&scratch->allocator, op->data.length, op->data.data);
    if (!err && !batch)
        err = ERR_MEMORY;
    if (err)
        return err;
    Epcis__Store__V1__PartitionRecord empty = EPCIS__STORE__V1__PARTITION_RECORD__INIT, *record = &empty;
    err = partition_get(trees, txn, op->partition, scratch, &record);
    if (err && err != ERR_NOT_FOUND)
        return err;
    record->last_sequence = op->sequence;
    record->last_batch_id = batch->batch_id;
    err = partition_put(trees, txn, op->partition, record);
    for (size_t i = 0; !err && i < batch->n_spans; i++)
        err = count_events(trees, txn, op->sequence, batch->spans[i], scratch);
    return err;
}

enum err journal_batch_condemn(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                               struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    MDB_val key_val = journal_val(key, sizeof key);
    Epcis__Store__V1__BatchRecord *batch = NULL;
    enum err err = journal_trees_get_message(trees, txn, TREE_BATCH, key_val,
                                             &epcis__store__v1__batch_record__descriptor, scratch, &batch);
    if (err)
        return err;
    batch->condemned = (uint32_t *)(uintptr_t)op->condemned;
    batch->n_condemned = op->condemned_count;
    return journal_trees_put_message(trees, txn, TREE_BATCH, key_val, &batch->base);
}

static enum err tally_span(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                           const Epcis__Store__V1__BatchSpan *span, const struct journal_span_result *result,
                           struct arena *scratch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    enum err err = journal_capture_get(trees, txn, span->document_number, scratch, &record);
    if (err)
        return err;
    record->committed += result->committed;
    record->duplicates += result->duplicates;
    record->dead_letters += result->dead_letters;
    record->warnings += result->warnings;
    record->batches++;
    record->items_acknowledged += span->count;
    err = journal_news_add_batch(trees, txn, record, op, span, result);
    return err ? err : journal_capture_update(trees, txn, span->document_number, record);
}

/* A store that had lost the batch has decided it once more. What the ledger tells stays what it was. */
static void compare_outcomes(const struct journal_op *op, const Epcis__Store__V1__BatchRecord *batch)
{
    size_t other = 0;
    if (op->data.length != batch->outcomes.len)
        return; /* told by whoever reads it */
    for (size_t i = 0; i < op->data.length; i++)
        other += op->data.data[i] != batch->outcomes.data[i];
    if (other > 0)
        log_error("outcome_differs",
                  "partition=%" PRIu32 " batch=%" PRIu64 " items=%zu rules=%s rules_before=%s "
                  "detail=\"the store, which had lost this batch, judged so many of its items otherwise than "
                  "before: the ledger tells of the first time, the store of the second\"",
                  op->partition, op->sequence, other, op->rule_pack, batch->rule_pack);
}

enum err journal_batch_acknowledge(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                   struct arena *scratch)
{
    uint8_t key[12];
    journal_key_pair(op->partition, op->sequence, key);
    MDB_val key_val = journal_val(key, sizeof key);
    Epcis__Store__V1__BatchRecord *batch = NULL;
    Epcis__Store__V1__PartitionRecord *partition = NULL;
    enum err err = journal_trees_get_message(trees, txn, TREE_BATCH, key_val,
                                             &epcis__store__v1__batch_record__descriptor, scratch, &batch);
    if (!err && batch->acknowledged)
        compare_outcomes(op, batch);
    if (err || batch->acknowledged)
        return err;
    if (batch->n_spans != op->result_count || batch->batch_id.len != DIGEST_BYTES)
        return ERR_CORRUPT;
    err = partition_get(trees, txn, op->partition, scratch, &partition);
    if (err)
        return err;
    uint8_t id[DIGEST_BYTES] = {0};
    if (partition->outcome_id.len == DIGEST_BYTES)
        memcpy(id, partition->outcome_id.data, DIGEST_BYTES);
    outcome_id(id, batch->batch_id.data, op->decided_ms, op->rule_pack, op->data.data, op->data.length, id);
    batch->acknowledged = true;
    batch->outcomes = (ProtobufCBinaryData){op->data.length, op->data.data};
    batch->outcome_id = (ProtobufCBinaryData){DIGEST_BYTES, id};
    batch->decided_ms = op->decided_ms;
    batch->rule_pack = (char *)(uintptr_t)op->rule_pack;
    partition->acknowledged_sequence = op->sequence;
    partition->outcome_id = batch->outcome_id;
    err = journal_trees_put_message(trees, txn, TREE_BATCH, key_val, &batch->base);
    if (!err)
        err = partition_put(trees, txn, op->partition, partition);
    for (size_t i = 0; !err && i < batch->n_spans; i++)
        err = tally_span(trees, txn, op, batch->spans[i], &op->results[i], scratch);
    return err ? err : journal_audit_heed_growth(trees, txn, partition, scratch);
}
