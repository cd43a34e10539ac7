#include "worker/replay.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"
#include "worker/item_rules.h"
#include "worker/ledger.h"

/* An event read again: what it says, and its items by key. Valid until the next one is read. */
struct reading {
    struct facts facts;
    struct rules_subject subject;
};

static enum err read_event(struct work *work, struct store_txn *txn, uint64_t sequence, struct reading *out)
{
    struct ledger_event packed;
    struct rules_report unused; /* what there was to find was found when it came */
    struct rules_context context = {0};
    enum err err = ledger_event(work, txn, sequence, &packed);
    if (err)
        return err;
    arena_reset(&work->expansion);
    Epcis__V1__Event *event =
        epcis__v1__event__unpack(&work->expansion.allocator, packed.packed_bytes, packed.packed);
    if (!event)
        return ERR_LIMIT;
    rules_report_init(&unused, &work->expansion);
    err = rules_check(work->rules, &context, event, &work->expansion, 0, &out->subject, &unused);
    /* What goes into an item's state has to last. */
    return err ? err : facts_take(&out->subject, &work->arena, &out->facts);
}

static bool is_key(const struct rules_epc *epc, const struct store_item *item)
{
    return rules_key_length(epc) == item->key_length && memcmp(epc->key, item->key, item->key_length) == 0;
}

/* A copy that lasts: it goes into an item's state. */
static enum err parent_of(struct work *work, const struct reading *reading, struct store_text *out)
{
    const struct rules_epc *first = reading->subject.epcs;
    *out = (struct store_text){NULL, 0};
    if (reading->subject.epc_count == 0 || first->list != RULES_PARENT_ID)
        return ERR_OK;
    out->length = (uint32_t)rules_key_length(first);
    out->data = (const uint8_t *)arena_copy(&work->arena, (const char *)first->key, out->length);
    return out->data ? ERR_OK : ERR_LIMIT;
}

/* What one event of its history does to the item. */
static enum err replay_event(struct work *work, struct store_txn *txn, uint64_t sequence,
                             struct store_item *item)
{
    struct reading reading;
    struct store_text parent;
    uint64_t declaration;
    enum err err = read_event(work, txn, sequence, &reading);
    if (!err)
        err = parent_of(work, &reading, &parent);
    if (err)
        return err;
    err = store_declared_get(txn, sequence, &declaration);
    if (err && err != ERR_NOT_FOUND)
        return err;
    reading.facts.declares_error |= err == ERR_OK;
    for (size_t i = 0; i < reading.subject.epc_count; i++)
        if (is_key(&reading.subject.epcs[i], item))
            facts_apply(&reading.facts, sequence, reading.subject.epcs[i].list, parent, item);
    return ERR_OK;
}

static enum err note_sequence(void *context, const struct store_history *entry)
{
    buffer_append(context, &entry->sequence, sizeof entry->sequence);
    return ERR_OK;
}

static int compare_sequences(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static enum err replay_item(struct work *work, struct store_txn *txn, struct store_item *item)
{
    struct buffer sequences = {0};
    struct store_item anew = {.key = item->key, .key_length = item->key_length};
    enum err err = store_item_rows(txn, item->key, item->key_length, note_sequence, &sequences);
    if (!err && sequences.failed)
        err = ERR_MEMORY;
    if (!err)
        qsort(sequences.data, sequences.length / sizeof(uint64_t), sizeof(uint64_t), compare_sequences);
    for (size_t at = 0; at < sequences.length && !err; at += sizeof(uint64_t)) {
        uint64_t sequence;
        memcpy(&sequence, sequences.data + at, sizeof sequence);
        err = replay_event(work, txn, sequence, &anew);
    }
    buffer_free(&sequences);
    if (!err)
        *item = anew;
    return err;
}

/* The lots that the wrong event named: it no longer speaks for their expiry. */
static enum err release_lots(struct work *work, struct store_txn *txn, const struct work_event *declaration,
                             uint64_t wrong)
{
    struct reading reading;
    struct work_event event = *declaration;
    const struct work_ref *refs = work_refs(work, declaration);
    enum err err = read_event(work, txn, wrong, &reading);
    if (err || !reading.facts.creates)
        return err;
    event.facts = reading.facts;
    for (uint32_t i = 0; i < event.ref_count && !err; i++) {
        struct lot *lot = NULL;
        if (!item_rules_same_gtin(refs, i))
            err = item_rules_lot(work, txn, &event, &refs[i], &lot);
        if (!lot || lot->value.events == 0)
            continue;
        lot->value.events--;
        lot->fresh = true;
    }
    return err;
}

enum err replay_without(struct work *work, struct store_txn *txn, const struct work_event *declaration,
                        uint64_t wrong)
{
    uint64_t before;
    enum err err = store_declared_get(txn, wrong, &before);
    if (err != ERR_NOT_FOUND)
        return err; /* declared before: nothing changes */
    err = store_declared_put(txn, wrong, declaration->sequence);
    if (!err)
        err = release_lots(work, txn, declaration, wrong);
    if (!err) /* what this work has decided so far has to be found in the histories */
        err = store_write(txn, work->items, work->item_count, work->rows, work->row_count);
    for (uint32_t i = 0; i < declaration->ref_count && !err; i++) {
        struct store_item *item = work_item(work, &work_refs(work, declaration)[i]);
        if (!item->stateless)
            err = replay_item(work, txn, item);
    }
    return err;
}
