#include "server/journal_check.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/merkle.h"
#include "common/store/store.h"
#include "common/store/store_txn.h"
#include "common/wire/wire.h"
#include "server/journal.h"
#include "server/journal_ledger.h"
#include "server/outcome.h"
#include "server/partner.h"

enum { SCRATCH_BYTES = 64 << 20 };

struct check {
    struct journal *journal;
    struct store_txn *txn;
    struct journal_report *report;
    struct arena arena;
    struct buffer bytes;
};

/* ---- documents -------------------------------------------------------------------------------------- */

static enum err document_wrong(const Epcis__Store__V1__CaptureRecord *record, const char *what)
{
    char id[UUID_TEXT + 1] = "";
    if (record->capture_id.len == UUID_BYTES)
        uuid_text(record->capture_id.data, id);
    log_error("document_wrong", "capture=%s detail=\"%s\"", id, what);
    return ERR_CORRUPT;
}

static enum err check_bytes(struct check *check, const Epcis__Store__V1__CaptureRecord *record)
{
    struct digest *digest = digest_new();
    uint8_t found[DIGEST_BYTES];
    uint64_t length = 0;
    enum err err = digest ? ERR_OK : ERR_MEMORY;
    for (uint32_t piece = 0; !err && piece < record->pieces; piece++) {
        buffer_clear(&check->bytes);
        err = journal_piece(check->journal, record->upload, piece, &check->bytes);
        if (!err)
            digest_update(digest, check->bytes.data, check->bytes.length);
        length += check->bytes.length;
    }
    if (digest)
        digest_finish(digest, found);
    digest_free(digest);
    if (err == ERR_NOT_FOUND)
        return document_wrong(record, "a piece of its bytes is missing");
    if (!err && (length != record->document_bytes || record->document_sha256.len != DIGEST_BYTES ||
                 memcmp(found, record->document_sha256.data, DIGEST_BYTES) != 0))
        return document_wrong(record, "its bytes do not have its digest");
    return err;
}

static enum err check_document(struct check *check, const Epcis__Store__V1__CaptureRecord *record)
{
    check->report->documents++;
    if (!journal_capture_is_final(record)) {
        check->report->unfinished++;
    } else {
        check->report->events += record->events;
        if (record->committed + record->duplicates + record->dead_letters != record->events)
            return document_wrong(record, "committed, duplicates and dead letters are not all its events");
    }
    if (record->pruned_ms) {
        check->report->pruned++;
        return ERR_OK;
    }
    return check_bytes(check, record);
}

static enum err check_documents(struct check *check)
{
    enum err err = ERR_OK;
    for (uint64_t number = 1; !err; number++) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        arena_reset(&check->arena);
        err = journal_capture(check->journal, number, &check->arena, &record);
        if (!err)
            err = check_document(check, record);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static enum err batch_wrong(uint32_t partition, uint64_t sequence, const char *what)
{
    log_error("batch_wrong", "partition=%u batch=%" PRIu64 " detail=\"%s\"", partition, sequence, what);
    return ERR_CORRUPT;
}

static bool is_id(const ProtobufCBinaryData *data, const uint8_t id[DIGEST_BYTES])
{
    return data->len == DIGEST_BYTES && memcmp(data->data, id, DIGEST_BYTES) == 0;
}

/* A batch that the store lacks is made again of its documents. */
static enum err check_missing(struct check *check, uint32_t partition, uint64_t sequence,
                              const Epcis__Store__V1__BatchRecord *batch)
{
    enum err err = ERR_OK;
    check->report->missing_batches += batch->acknowledged;
    for (size_t i = 0; !err && i < batch->n_spans; i++) {
        Epcis__Store__V1__CaptureRecord *record = NULL;
        err = journal_capture(check->journal, batch->spans[i]->document_number, &check->arena, &record);
        if (err == ERR_NOT_FOUND)
            return batch_wrong(partition, sequence, "one of its documents is missing");
        if (!err && record->pruned_ms)
            return batch_wrong(
                partition, sequence,
                "the store lacks it, and the bytes of one of its documents, of which it would be "
                "made again, are kept no longer: bring back a newer store");
    }
    return err;
}

/* The store has the same batch, or none as yet. */
static enum err check_stored(struct check *check, uint32_t partition, uint64_t sequence,
                             const Epcis__Store__V1__BatchRecord *batch, uint64_t stored_sequence)
{
    if (sequence > stored_sequence)
        return check_missing(check, partition, sequence, batch);
    Epcis__Store__V1__BatchResultRecord *stored = NULL;
    enum err err = store_batch_get(check->txn, partition, sequence, &check->arena, &stored);
    if (err == ERR_NOT_FOUND)
        return batch_wrong(partition, sequence, "the store has later ones, and not this");
    if (!err && !is_id(&stored->batch_id, batch->batch_id.data))
        return batch_wrong(partition, sequence, "the store has another one under this number");
    return err;
}

/* Where a partition's two chains have come to. */
struct chains {
    uint8_t batch_id[DIGEST_BYTES], outcome_id[DIGEST_BYTES];
};

/* The batch's id is that of its items, and their outcomes have theirs, as epcis/v1/ledger.proto lays it down.
 */
static enum err check_chains(struct check *check, uint32_t partition, uint64_t sequence,
                             const Epcis__Store__V1__BatchRecord *batch, struct chains *chains)
{
    uint8_t root[DIGEST_BYTES];
    if (!is_id(&batch->parent_batch_id, chains->batch_id))
        return batch_wrong(partition, sequence, "it does not name the one before as its parent");
    buffer_clear(&check->bytes);
    enum err err = journal_leaves(check->journal, partition, sequence, 0, SIZE_MAX, &check->bytes);
    if (err == ERR_NOT_FOUND)
        return batch_wrong(partition, sequence, "the digests of its items are missing");
    if (err)
        return err;
    size_t items = check->bytes.length / DIGEST_BYTES;
    merkle_root((const uint8_t(*)[DIGEST_BYTES])check->bytes.data, items, root);
    wire_batch_id(chains->batch_id, partition, sequence, root, chains->batch_id);
    if (!is_id(&batch->batch_id, chains->batch_id))
        return batch_wrong(partition, sequence, "its id is not that of its items");
    if (!batch->acknowledged)
        return ERR_OK;
    outcome_id(chains->outcome_id, chains->batch_id, batch->decided_ms, batch->rule_pack,
               batch->outcomes.data, batch->outcomes.len, chains->outcome_id);
    if (batch->outcomes.len != items || !is_id(&batch->outcome_id, chains->outcome_id))
        return batch_wrong(partition, sequence, "what became of its items is not what was recorded");
    return ERR_OK;
}

static enum err check_partition(struct check *check, uint32_t partition)
{
    Epcis__Store__V1__PartitionRecord *record = NULL;
    struct store_position stored;
    struct chains chains = {.batch_id = {0}};
    arena_reset(&check->arena);
    enum err err = journal_partition(check->journal, partition, &check->arena, &record);
    bool none = err == ERR_NOT_FOUND;
    uint64_t last = err ? 0 : record->last_sequence, acknowledged = err ? 0 : record->acknowledged_sequence;
    if (!err || none)
        err = store_position_get(check->txn, partition, &stored);
    if (err)
        return err;
    if (stored.sequence > last)
        return batch_wrong(partition, stored.sequence, "the journal does not know what the store has");
    check->report->partitions += !none;
    for (uint64_t sequence = 1; !err && sequence <= last; sequence++) {
        Epcis__Store__V1__BatchRecord *batch = NULL;
        arena_reset(&check->arena);
        err = journal_batch(check->journal, partition, sequence, &check->arena, &batch);
        if (err == ERR_NOT_FOUND)
            return batch_wrong(partition, sequence, "it is missing in the journal");
        if (err)
            break;
        if (batch->acknowledged != (sequence <= acknowledged))
            return batch_wrong(partition, sequence, "its partition's acknowledgments are not in order");
        check->report->batches++;
        err = check_chains(check, partition, sequence, batch, &chains);
        if (!err)
            err = check_stored(check, partition, sequence, batch, stored.sequence);
    }
    return err;
}

enum err journal_check(struct journal *journal, struct store *store, struct journal_report *report)
{
    struct check check = {.journal = journal, .report = report};
    *report = (struct journal_report){0};
    arena_init(&check.arena, SCRATCH_BYTES);
    enum err err = check_documents(&check);
    if (!err)
        err = store_check(store, &report->store_records);
    if (!err)
        err = store_begin(store, &check.txn);
    for (uint32_t partition = 0; !err && partition < PARTNER_PARTITIONS; partition++)
        err = check_partition(&check, partition);
    store_abort(&check.txn);
    buffer_free(&check.bytes);
    arena_free(&check.arena);
    return err;
}
