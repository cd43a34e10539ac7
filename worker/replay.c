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
    Epcis__V1__Event *event = work_unpack(&work->expansion, packed.packed, packed.packed_bytes);
    if (!event)
        return ERR_LIMIT;
    rules_report_init(&unused, &work->expansion);
    err = rules_check(work->rules, &context, event, &work->expansion, 0, &out->subject, &unused);
    /* What goes into an item's state has to last. */
    return err ? err : facts_take(&out->subject, &work->arena, &out->facts);
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

/* That an event named an item, which stands in the work. */
struct naming {
    uint64_t sequence;
    size_t item;
};

static int compare_namings(const void *a, const void *b)
{
    const struct naming *left = a, *right = b;
    if (left->sequence != right->sequence)
        return left->sequence < right->sequence ? -1 : 1;
    return left->item < right->item ? -1 : left->item > right->item;
}

static bool names_item(const struct naming *namings, size_t count, size_t item)
{
    const struct naming wanted = {namings->sequence, item};
    return bsearch(&wanted, namings, count, sizeof wanted, compare_namings) != NULL;
}

/* What one event does to those of its items that are told anew. */
static enum err replay_event(struct work *work, struct store_txn *txn, const struct naming *namings,
                             size_t count)
{
    struct reading reading;
    struct store_text parent;
    uint64_t sequence = namings->sequence, declaration;
    enum err err = read_event(work, txn, sequence, &reading);
    if (!err)
        err = parent_of(work, &reading, &parent);
    if (err)
        return err;
    err = store_declared_get(txn, sequence, &declaration);
    if (err && err != ERR_NOT_FOUND)
        return err;
    reading.facts.declares_error |= err == ERR_OK;
    for (size_t i = 0; i < reading.subject.epc_count; i++) {
        const struct rules_epc *epc = &reading.subject.epcs[i];
        size_t item;
        if (ledger_in_work(work, epc->key, rules_key_length(epc), &item) && names_item(namings, count, item))
            facts_apply(&reading.facts, sequence, epc->list, parent, &work->items[item]);
    }
    return ERR_OK;
}

struct history {
    struct buffer namings;
    size_t item; /* whose rows are read */
};

static enum err note_naming(void *context, const struct store_history *entry)
{
    struct history *history = context;
    struct naming naming = {entry->sequence, history->item};
    buffer_append(&history->namings, &naming, sizeof naming);
    return history->namings.failed ? ERR_MEMORY : ERR_OK;
}

/* Forgets what is known of the declaration's items, and notes what was told of them. */
static enum err read_histories(struct work *work, struct store_txn *txn, const struct work_event *declaration,
                               struct history *out)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < declaration->ref_count && !err; i++) {
        struct store_item *item = work_item(work, &work_refs(work, declaration)[i]);
        if (item->stateless || !item->known) /* else it stood in the event before */
            continue;
        *item = (struct store_item){.key = item->key, .key_length = item->key_length, .rows = item->rows};
        out->item = (size_t)(item - work->items);
        err = store_item_rows(txn, item->key, item->key_length, note_naming, out);
    }
    return err;
}

/* Each event is read once, whatever it names: its items have most of their histories in common. */
static enum err replay_items(struct work *work, struct store_txn *txn, const struct work_event *declaration)
{
    struct history history = {.item = 0};
    enum err err = read_histories(work, txn, declaration, &history);
    struct naming *namings = (struct naming *)(void *)history.namings.data; /* as malloc aligned it */
    size_t count = history.namings.length / sizeof *namings, next;
    if (!err && count > 1)
        qsort(namings, count, sizeof *namings, compare_namings);
    for (size_t i = 0; i < count && !err; i = next) {
        for (next = i + 1; next < count && namings[next].sequence == namings[i].sequence; next++)
            ;
        err = replay_event(work, txn, &namings[i], next - i);
    }
    buffer_free(&history.namings);
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
        err = store_write(txn, work->items, work->item_count, work->rows, work->row_count, &work->arena);
    return err ? err : replay_items(work, txn, declaration);
}
