#include "server/ledger_query.h"

#include <string.h>

#include "server/journal_audit.h"
#include "server/outcome.h"

enum {
    SCAN_MAX = 5000,   /* batches looked at for one page */
    LINKS_MAX = 20000, /* from a batch to its checkpoint */
    SCRATCH_BYTES = 64 << 20,
};

/* ---- batches ---------------------------------------------------------------------------------------- */

static enum err build_span(struct journal *journal, const Epcis__Store__V1__BatchSpan *span,
                           struct arena *arena, Epcis__V1__LedgerSpan **out)
{
    Epcis__Store__V1__CaptureRecord *document = NULL;
    Epcis__V1__LedgerSpan *built = *out = arena_alloc(arena, sizeof *built);
    char *capture_id = arena_alloc(arena, UUID_TEXT + 1);
    if (!built || !capture_id)
        return ERR_LIMIT;
    enum err err = journal_capture(journal, span->document_number, arena, &document);
    if (err || document->capture_id.len != UUID_BYTES)
        return err ? err : ERR_CORRUPT;
    uuid_text(document->capture_id.data, capture_id);
    epcis__v1__ledger_span__init(built);
    built->capture_id = capture_id;
    built->document = span->document_number;
    built->first_event = span->first_event;
    built->items = span->count;
    built->events = span->events;
    return ERR_OK;
}

/* outcome_id of the batch before; zeros before the first one. */
static enum err find_parent_outcome(struct journal *journal, uint32_t partition, uint64_t sequence,
                                    struct arena *arena, ProtobufCBinaryData *out)
{
    Epcis__Store__V1__BatchRecord *before = NULL;
    *out = (ProtobufCBinaryData){DIGEST_BYTES, arena_zalloc(arena, DIGEST_BYTES)};
    if (!out->data)
        return ERR_LIMIT;
    enum err err = sequence > 1 ? journal_batch(journal, partition, sequence - 1, arena, &before) : ERR_OK;
    if (!err && before)
        *out = before->outcome_id;
    return err;
}

static enum err build_decision(struct journal *journal, uint32_t partition, uint64_t sequence,
                               const Epcis__Store__V1__BatchRecord *record, struct arena *arena,
                               Epcis__V1__LedgerDecision **out)
{
    struct outcome_tally tally;
    Epcis__V1__LedgerDecision *decision = *out = arena_alloc(arena, sizeof *decision);
    if (!decision)
        return ERR_LIMIT;
    if (outcome_tally(record->outcomes.data, record->outcomes.len, &tally))
        return ERR_CORRUPT;
    epcis__v1__ledger_decision__init(decision);
    decision->decided_ms = record->decided_ms;
    decision->rule_pack = record->rule_pack;
    decision->outcome_id = record->outcome_id;
    decision->committed = tally.committed;
    decision->duplicates = tally.duplicates;
    decision->dead_letters = tally.dead_letters;
    return find_parent_outcome(journal, partition, sequence, arena, &decision->parent_outcome_id);
}

static enum err build_batch(struct journal *journal, uint32_t partition, uint64_t sequence,
                            const Epcis__Store__V1__BatchRecord *record, struct arena *arena,
                            Epcis__V1__LedgerBatch **out)
{
    Epcis__V1__LedgerBatch *batch = *out = arena_alloc(arena, sizeof *batch);
    Epcis__V1__LedgerSpan **spans = arena_alloc(arena, record->n_spans * sizeof(Epcis__V1__LedgerSpan *));
    if (!batch || !spans)
        return ERR_LIMIT;
    epcis__v1__ledger_batch__init(batch);
    batch->partition = partition;
    batch->sequence = sequence;
    batch->batch_id = record->batch_id;
    batch->parent_batch_id = record->parent_batch_id;
    batch->root = record->root;
    batch->spans = spans;
    enum err err = ERR_OK;
    for (; !err && batch->n_spans < record->n_spans; batch->n_spans++) {
        batch->items += record->spans[batch->n_spans]->count;
        err = build_span(journal, record->spans[batch->n_spans], arena, &spans[batch->n_spans]);
    }
    return err || !record->acknowledged
               ? err
               : build_decision(journal, partition, sequence, record, arena, &batch->decision);
}

enum err ledger_query_batch(struct journal *journal, uint32_t partition, uint64_t sequence,
                            struct arena *arena, Epcis__V1__LedgerBatch **out,
                            Epcis__Store__V1__BatchRecord **record)
{
    Epcis__Store__V1__BatchRecord *found = NULL;
    enum err err = journal_batch(journal, partition, sequence, arena, &found);
    if (record)
        *record = found;
    return err ? err : build_batch(journal, partition, sequence, found, arena, out);
}

static bool is_wanted(const struct ledger_query *query, const Epcis__Store__V1__BatchRecord *record)
{
    if (!record->acknowledged)
        return !query->to_ms;
    return record->decided_ms >= query->from_ms && (!query->to_ms || record->decided_ms < query->to_ms);
}

/* The batch at the place, where it is wanted; then the place behind it. */
static enum err list_batch(struct journal *journal, const struct ledger_query *query, uint32_t partition,
                           uint64_t sequence, struct arena *arena, Epcis__V1__ListBatchesResponse *out)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    enum err err = journal_batch(journal, partition, sequence, arena, &record);
    if (err || !is_wanted(query, record))
        return err;
    return build_batch(journal, partition, sequence, record, arena, &out->batches[out->n_batches++]);
}

enum err ledger_query_batches(struct journal *journal, const struct ledger_query *query, uint32_t *partition,
                              uint64_t *sequence, struct arena *arena, Epcis__V1__ListBatchesResponse *out)
{
    struct journal_extent *extent = arena_alloc(arena, sizeof *extent);
    out->batches = arena_alloc(arena, query->limit * sizeof(Epcis__V1__LedgerBatch *));
    if (!extent || !out->batches)
        return ERR_LIMIT;
    enum err err = journal_extent_get(journal, extent);
    for (int looked = 0; !err && *partition < PARTNER_PARTITIONS && looked < SCAN_MAX;) {
        uint64_t last = extent->partitions[*partition].last_sequence;
        bool other = query->one_partition && *partition != query->partition;
        if (query->last_sequence && query->last_sequence < last)
            last = query->last_sequence;
        if (*sequence < query->first_sequence)
            *sequence = query->first_sequence;
        if (other || *sequence > last) {
            ++*partition;
            *sequence = 1;
            continue;
        }
        if (out->n_batches == query->limit)
            break;
        err = list_batch(journal, query, *partition, (*sequence)++, arena, out);
        looked++;
    }
    return err;
}

/* ---- proofs ----------------------------------------------------------------------------------------- */

/* Where an event is. */
struct place {
    uint32_t partition;
    uint64_t sequence;
    uint64_t index;
};

/* The item that is event number `event_index` of the span's document; false: none is, which contradicts the
 * span. `at`: of the span's first item. */
static bool find_item(const Epcis__Store__V1__BatchSpan *span, const uint8_t *outcomes, uint64_t at,
                      uint64_t event_index, uint64_t *out)
{
    uint64_t event = span->first_event;
    for (uint64_t i = at; i < at + span->count; i++) {
        struct outcome_tally tally;
        if (outcome_tally(&outcomes[i], 1, &tally))
            return false;
        if (!tally.others && event++ == event_index) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Looks for the event in one batch. ERR_NOT_FOUND: it is in a later one, if anywhere. */
static enum err find_in_batch(const Epcis__Store__V1__BatchRecord *batch, uint64_t number,
                              uint64_t event_index, uint64_t *out)
{
    uint64_t at = 0;
    for (size_t i = 0; i < batch->n_spans; at += batch->spans[i++]->count) {
        const Epcis__Store__V1__BatchSpan *span = batch->spans[i];
        if (span->document_number != number || event_index < span->first_event ||
            event_index >= span->first_event + span->events)
            continue;
        if (!batch->acknowledged)
            return ERR_ORDER;
        if (at + span->count > batch->outcomes.len)
            return ERR_CORRUPT;
        return find_item(span, batch->outcomes.data, at, event_index, out) ? ERR_OK : ERR_CORRUPT;
    }
    return ERR_NOT_FOUND;
}

/* A document's batches follow each other. */
static enum err find_event(struct journal *journal, const Epcis__Store__V1__CaptureRecord *document,
                           uint64_t number, uint64_t event_index, struct arena *scratch, struct place *out)
{
    bool final = journal_capture_is_final(document);
    if (document->converted && event_index >= document->events)
        return ERR_NOT_FOUND;
    if (!document->first_batch)
        return final ? ERR_NOT_FOUND : ERR_ORDER;
    out->partition = document->partition;
    for (out->sequence = document->first_batch;; out->sequence++) {
        Epcis__Store__V1__BatchRecord *batch = NULL;
        arena_reset(scratch);
        enum err err = journal_batch(journal, out->partition, out->sequence, scratch, &batch);
        if (err == ERR_NOT_FOUND)
            return final ? ERR_CORRUPT : ERR_ORDER;
        if (!err)
            err = find_in_batch(batch, number, event_index, &out->index);
        if (err != ERR_NOT_FOUND)
            return err;
    }
}

/* *knows: the checkpoint knows what became of the batch, and lists its partition. */
static enum err look_at_checkpoint(struct journal *journal, const struct place *place, uint64_t number,
                                   struct arena *scratch, bool *knows)
{
    Epcis__V1__SignedCheckpoint *checkpoint;
    Epcis__V1__Checkpoint *unpacked;
    arena_reset(scratch);
    enum err err = journal_audit_checkpoint(journal, number, scratch, &checkpoint, &unpacked);
    if (err)
        return err;
    const Epcis__V1__PartitionHead *head = journal_audit_head(unpacked, place->partition);
    *knows = head && head->acknowledged_sequence >= place->sequence;
    return ERR_OK;
}

/* The number of the first checkpoint that knows what became of the batch, and so lists its partition; one
 * more than the last: none does. Those that list every partition know at least what those before them know;
 * behind the last of them that does not know it, one after the other is looked at. */
static enum err find_checkpoint(struct journal *journal, const struct place *place, uint64_t last,
                                struct arena *scratch, uint64_t *out)
{
    uint64_t low = 0, high = last / JOURNAL_AUDIT_ALL_EVERY + 1;
    bool knows = false;
    enum err err = ERR_OK;
    while (!err && high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        err = look_at_checkpoint(journal, place, middle * JOURNAL_AUDIT_ALL_EVERY, scratch, &knows);
        if (knows)
            high = middle;
        else
            low = middle;
    }
    *out = low * JOURNAL_AUDIT_ALL_EVERY + 1;
    for (knows = false; !err && *out <= last; ++*out) {
        err = look_at_checkpoint(journal, place, *out, scratch, &knows);
        if (knows)
            break;
    }
    return err;
}

static enum err copy_digest(struct arena *arena, const uint8_t *digest, ProtobufCBinaryData *out)
{
    *out = (ProtobufCBinaryData){DIGEST_BYTES, arena_alloc(arena, DIGEST_BYTES)};
    if (!out->data)
        return ERR_LIMIT;
    memcpy(out->data, digest, DIGEST_BYTES);
    return ERR_OK;
}

static enum err build_link(const Epcis__Store__V1__BatchRecord *batch, bool decided, struct arena *arena,
                           Epcis__V1__LedgerLink **out)
{
    uint8_t digest[DIGEST_BYTES];
    Epcis__V1__LedgerLink *link = *out = arena_alloc(arena, sizeof *link);
    if (!link)
        return ERR_LIMIT;
    if (batch->root.len != DIGEST_BYTES || (decided && !batch->acknowledged))
        return ERR_CORRUPT;
    epcis__v1__ledger_link__init(link);
    enum err err = copy_digest(arena, batch->root.data, &link->root);
    if (err || !decided)
        return err;
    Epcis__V1__LedgerLinkDecision *decision = link->decision = arena_alloc(arena, sizeof *decision);
    if (!decision)
        return ERR_LIMIT;
    epcis__v1__ledger_link_decision__init(decision);
    decision->decided_ms = batch->decided_ms;
    digest_of(batch->rule_pack, strlen(batch->rule_pack), digest);
    err = copy_digest(arena, digest, &decision->rule_pack_sha256);
    digest_of(batch->outcomes.data, batch->outcomes.len, digest);
    return err ? err : copy_digest(arena, digest, &decision->outcomes_sha256);
}

static enum err build_links(struct journal *journal, const struct place *place,
                            const Epcis__V1__PartitionHead *head, struct arena *arena, struct arena *scratch,
                            Epcis__V1__InclusionProof *out)
{
    uint64_t count = head->last_sequence - place->sequence;
    if (count > LINKS_MAX)
        return ERR_LIMIT;
    out->links = arena_alloc(arena, (count + 1) * sizeof(Epcis__V1__LedgerLink *));
    if (!out->links)
        return ERR_LIMIT;
    enum err err = ERR_OK;
    for (uint64_t sequence = place->sequence + 1; !err && sequence <= head->last_sequence; sequence++) {
        Epcis__Store__V1__BatchRecord *batch = NULL;
        arena_reset(scratch);
        err = journal_batch(journal, place->partition, sequence, scratch, &batch);
        if (!err)
            err = build_link(batch, sequence <= head->acknowledged_sequence, arena,
                             &out->links[out->n_links++]);
    }
    return err;
}

static enum err add_checkpoint(struct journal *journal, const struct place *place, struct arena *arena,
                               struct arena *scratch, Epcis__V1__InclusionProof *out)
{
    struct journal_extent *extent = arena_alloc(arena, sizeof *extent);
    Epcis__V1__SignedCheckpoint *checkpoint;
    Epcis__V1__Checkpoint *unpacked;
    uint64_t number = 0;
    enum err err = extent ? journal_extent_get(journal, extent) : ERR_LIMIT;
    if (!err)
        err = find_checkpoint(journal, place, extent->last_checkpoint, scratch, &number);
    if (err || number > extent->last_checkpoint)
        return err;
    err = journal_audit_checkpoint(journal, number, arena, &checkpoint, &unpacked);
    if (err)
        return err;
    out->checkpoint = checkpoint->checkpoint;
    out->checkpoint_signature = checkpoint->signature;
    return build_links(journal, place, journal_audit_head(unpacked, place->partition), arena, scratch, out);
}

static enum err add_path(struct journal *journal, const struct place *place, struct arena *arena,
                         Epcis__V1__InclusionProof *out)
{
    struct journal_leaf *leaf = arena_alloc(arena, sizeof *leaf);
    out->path = arena_alloc(arena, MERKLE_PATH_MAX * sizeof *out->path);
    if (!leaf || !out->path)
        return ERR_LIMIT;
    enum err err = journal_leaf(journal, place->partition, place->sequence, place->index, leaf);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    out->leaf = (ProtobufCBinaryData){DIGEST_BYTES, leaf->digest};
    for (; out->n_path < leaf->path_length; out->n_path++)
        out->path[out->n_path] = (ProtobufCBinaryData){DIGEST_BYTES, leaf->path[out->n_path]};
    return ERR_OK;
}

static enum err build_proof(struct journal *journal, const struct place *place, struct arena *arena,
                            struct arena *scratch, Epcis__V1__InclusionProof *out)
{
    Epcis__Store__V1__BatchRecord *record = NULL;
    enum err err =
        ledger_query_batch(journal, place->partition, place->sequence, arena, &out->batch, &record);
    if (err)
        return err;
    out->index = place->index;
    out->outcomes = record->outcomes;
    err = add_path(journal, place, arena, out);
    return err ? err : add_checkpoint(journal, place, arena, scratch, out);
}

enum err ledger_query_proof(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                            uint64_t event_index, struct arena *arena, Epcis__V1__InclusionProof **out)
{
    struct arena scratch;
    struct place place;
    Epcis__Store__V1__CaptureRecord *document = NULL;
    uint64_t number = 0;
    enum err err = journal_capture_number(journal, capture_id, &number);
    if (!err)
        err = journal_capture(journal, number, arena, &document);
    *out = arena_alloc(arena, sizeof **out);
    char *text = arena_alloc(arena, UUID_TEXT + 1);
    if (err || !*out || !text)
        return err ? err : ERR_LIMIT;
    epcis__v1__inclusion_proof__init(*out);
    uuid_text(capture_id, text);
    (*out)->capture_id = text;
    (*out)->event_index = event_index;
    arena_init(&scratch, SCRATCH_BYTES);
    err = find_event(journal, document, number, event_index, &scratch, &place);
    if (!err)
        err = build_proof(journal, &place, arena, &scratch, *out);
    arena_free(&scratch);
    return err;
}
