#include "worker/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buffer.h"

/* memcmp, the shorter first: the order of the work's items. */
static int compare_keys(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    if (order)
        return order;
    return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}

static bool find_in_work(const struct work *work, const uint8_t *key, size_t length, size_t *out)
{
    size_t low = 0, high = work->item_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(work->items[middle].key, work->items[middle].key_length, key, length);
        if (order == 0) {
            *out = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

uint64_t ledger_row(const struct work *work, const uint8_t *key, size_t length)
{
    size_t low = 0, high = work->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(work->rows[middle].key, work->rows[middle].key_length, key, length);
        if (order == 0)
            return work->rows[middle].sequence;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

enum err ledger_find(const struct work *work, struct store_txn *txn, const uint8_t *key, size_t length,
                     struct ledger_item *out)
{
    out->in_work = find_in_work(work, key, length, &out->index);
    if (out->in_work) {
        out->item = work->items[out->index];
        return ERR_OK;
    }
    enum err err = store_item_get(txn, key, length, &out->item);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err ledger_parent(const struct work *work, struct store_txn *txn, const struct store_item *item,
                       enum store_relation relation, struct store_text *out)
{
    const struct store_link *link = &item->links[relation];
    struct ledger_item parent;
    *out = (struct store_text){NULL, 0};
    if (link->parent.length == 0)
        return ERR_OK;
    enum err err = ledger_find(work, txn, link->parent.data, link->parent.length, &parent);
    if (!err && parent.item.emptied_sequence[relation] < link->sequence)
        *out = link->parent;
    return err;
}

bool ledger_same(struct store_text a, struct store_text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

enum err ledger_ancestors(const struct work *work, struct store_txn *txn, struct store_text item,
                          enum store_relation relation, struct store_text out[LEDGER_DEPTH_MAX],
                          size_t *count)
{
    enum err err = ERR_OK;
    *count = 0;
    while (item.length && !err && *count < LEDGER_DEPTH_MAX) {
        struct ledger_item found;
        out[(*count)++] = item;
        err = ledger_find(work, txn, item.data, item.length, &found);
        if (!err)
            err = ledger_parent(work, txn, &found.item, relation, &item);
    }
    return err;
}

enum err ledger_event(const struct work *work, struct store_txn *txn, uint64_t sequence,
                      struct ledger_event *out)
{
    struct store_kept_event kept;
    if (sequence >= work->first_sequence) {
        const struct work_event *event = work->committed[sequence - work->first_sequence];
        *out = (struct ledger_event){event->capture_id, event->item->event, event->item->content_bytes};
        return ERR_OK;
    }
    enum err err = store_event_find(txn, sequence, &kept);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    *out = (struct ledger_event){kept.capture_id, kept.packed, kept.packed_bytes};
    return ERR_OK;
}

/* ---- content ---- */

/* Containers still to be opened: keys, one behind the other. */
struct walk {
    struct work *work;
    struct store_txn *txn;
    enum err (*use)(void *context, const struct store_item *item);
    void *context;
    struct buffer open;      /* keys of containers, each with its length (2 bytes) in front */
    struct buffer sequences; /* of the events that filled the container at hand */
    size_t items;
    bool stopped; /* at LEDGER_CONTENT_MAX */
};

static enum err note_filling(void *context, const struct store_history *entry)
{
    struct walk *walk = context;
    bool fills = entry->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION &&
                 entry->action == EPCIS__V1__ACTION__ACTION_ADD && !entry->error_declaration;
    if (!fills || entry->sequence >= walk->work->first_sequence) /* what is of this work comes from memory */
        return ERR_OK;
    buffer_append(&walk->sequences, &entry->sequence, sizeof entry->sequence);
    return ERR_OK;
}

/* Rows of one item of the work, which stand together. */
static void note_fillings_of_work(struct walk *walk, size_t item)
{
    const struct work *work = walk->work;
    size_t low = 0, high = work->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (work->rows[middle].item < item)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < work->row_count && work->rows[low].item == item; low++) {
        uint64_t sequence = work->rows[low].sequence;
        if (sequence < work->first_sequence)
            continue;
        const struct facts *facts = &work->committed[sequence - work->first_sequence]->facts;
        if (facts->packs && facts->relation == STORE_AGGREGATION && !facts->declares_error)
            buffer_append(&walk->sequences, &sequence, sizeof sequence);
    }
}

static void push_container(struct walk *walk, const uint8_t *key, size_t key_length)
{
    uint16_t length = (uint16_t)key_length;
    buffer_append(&walk->open, key, length);
    buffer_append(&walk->open, &length, sizeof length);
}

/* The children that one event put into the container and that are still there by that event. */
static enum err visit_children(struct walk *walk, const struct ledger_item *container, uint64_t sequence)
{
    struct work *work = walk->work;
    struct ledger_event packed;
    enum err err = ledger_event(work, walk->txn, sequence, &packed);
    if (err)
        return err;
    arena_reset(&work->expansion);
    Epcis__V1__Event *event =
        epcis__v1__event__unpack(&work->expansion.allocator, packed.packed_bytes, packed.packed);
    if (!event)
        return ERR_LIMIT;
    for (size_t i = 0; i < event->n_child_epcs && !err && !walk->stopped; i++) {
        uint8_t key[EPC_KEY_MAX];
        size_t length = epc_key(event->child_epcs[i], strlen(event->child_epcs[i]), key);
        struct ledger_item child;
        err = ledger_find(work, walk->txn, key, length, &child);
        const struct store_link *link = &child.item.links[STORE_AGGREGATION];
        if (err || link->sequence != sequence ||
            !ledger_same(link->parent,
                       (struct store_text){container->item.key, container->item.key_length}))
            continue;
        walk->stopped = ++walk->items > LEDGER_CONTENT_MAX;
        if (!walk->stopped)
            err = walk->use(walk->context, &child.item);
        if (!err && (child.item.flags & STORE_ITEM_CONTAINER))
            push_container(walk, key, length);
    }
    return err;
}

static enum err open_container(struct walk *walk, const uint8_t *key, size_t length)
{
    struct ledger_item container;
    buffer_clear(&walk->sequences);
    enum err err = ledger_find(walk->work, walk->txn, key, length, &container);
    if (err || !container.item.known)
        return err;
    container.item.key = key;
    container.item.key_length = (uint16_t)length;
    err = store_item_rows(walk->txn, key, length, note_filling, walk);
    if (!err && container.in_work)
        note_fillings_of_work(walk, container.index);
    for (size_t at = 0; at < walk->sequences.length && !err && !walk->stopped; at += sizeof(uint64_t)) {
        uint64_t sequence;
        memcpy(&sequence, walk->sequences.data + at, sizeof sequence);
        if (sequence > container.item.emptied_sequence[STORE_AGGREGATION])
            err = visit_children(walk, &container, sequence);
    }
    return err;
}

enum err ledger_content(struct work *work, struct store_txn *txn, struct store_text container,
                        enum err (*use)(void *context, const struct store_item *item), void *context,
                        bool *complete)
{
    struct walk walk = {.work = work, .txn = txn, .use = use, .context = context};
    enum err err = ERR_OK;
    push_container(&walk, container.data, container.length);
    while (!err && walk.open.length > 0 && !walk.stopped) {
        uint8_t key[EPC_KEY_MAX];
        uint16_t length;
        walk.open.length -= sizeof length;
        memcpy(&length, walk.open.data + walk.open.length, sizeof length);
        walk.open.length -= length;
        memcpy(key, walk.open.data + walk.open.length, length);
        err = open_container(&walk, key, length);
        if (walk.open.failed || walk.sequences.failed)
            err = ERR_MEMORY;
    }
    *complete = !walk.stopped;
    buffer_free(&walk.open);
    buffer_free(&walk.sequences);
    return err;
}
