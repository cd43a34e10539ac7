#include "server/journal_check.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/store/store.h"
#include "common/store/store_txn.h"
#include "server/journal.h"
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

/* The store has the same batch, or none as yet. */
static enum err check_stored(struct check *check, uint32_t partition, uint64_t sequence,
                             const Epcis__Store__V1__BatchRecord *batch, uint64_t stored_sequence)
{
    if (sequence > stored_sequence) {
        check->report->missing_batches += batch->acknowledged;
        return ERR_OK;
    }
    Epcis__Store__V1__BatchResultRecord *stored = NULL;
    enum err err = store_batch_get(check->txn, partition, sequence, &check->arena, &stored);
    if (err == ERR_NOT_FOUND)
        return batch_wrong(partition, sequence, "the store has later ones, and not this");
    if (!err && !is_id(&stored->batch_id, batch->batch_id.data))
        return batch_wrong(partition, sequence, "the store has another one under this number");
    return err;
}

static enum err check_partition(struct check *check, uint32_t partition)
{
    Epcis__Store__V1__PartitionRecord *record = NULL;
    struct store_position stored;
    uint8_t parent[DIGEST_BYTES] = {0};
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
        if (batch->batch_id.len != DIGEST_BYTES || !is_id(&batch->parent_batch_id, parent))
            return batch_wrong(partition, sequence, "it does not name the one before as its parent");
        if (batch->acknowledged != (sequence <= acknowledged))
            return batch_wrong(partition, sequence, "its partition's acknowledgments are not in order");
        check->report->batches++;
        memcpy(parent, batch->batch_id.data, DIGEST_BYTES);
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
