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

bool ledger_in_work(const struct work *work, const uint8_t *key, size_t length, size_t *out)
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
    out->in_work = ledger_in_work(work, key, length, &out->index);
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

/* ---- packing ---- */

/* The events that put the item somewhere, or something into it. */
struct packings {
    struct buffer sequences;
    uint64_t first_of_work;
};

static enum err note_packing(void *context, const struct store_history *entry)
{
    struct packings *packings = context;
    bool packs = entry->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION &&
                 entry->action == EPCIS__V1__ACTION__ACTION_ADD && !entry->error_declaration;
    if (packs && entry->sequence < packings->first_of_work) /* what is of this work comes from memory */
        buffer_append(&packings->sequences, &entry->sequence, sizeof entry->sequence);
    return ERR_OK;
}

/* From the rows of one item of the work, which stand together. */
static void note_packings_of_work(const struct work *work, size_t item, struct packings *packings)
{
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
            buffer_append(&packings->sequences, &sequence, sizeof sequence);
    }
}

static enum err find_packings(const struct work *work, struct store_txn *txn, const struct ledger_item *item,
                              const uint8_t *key, size_t length, struct packings *out)
{
    buffer_clear(&out->sequences);
    out->first_of_work = work->first_sequence;
    enum err err = store_item_rows(txn, key, length, note_packing, out);
    if (!err && item->in_work)
        note_packings_of_work(work, item->index, out);
    return !err && out->sequences.failed ? ERR_MEMORY : err;
}

static uint64_t sequence_at(const struct packings *packings, size_t i)
{
    uint64_t sequence;
    memcpy(&sequence, packings->sequences.data + i * sizeof sequence, sizeof sequence);
    return sequence;
}

static size_t packing_count(const struct packings *packings)
{
    return packings->sequences.length / sizeof(uint64_t);
}

static enum err unpack_event(struct work *work, struct store_txn *txn, uint64_t sequence,
                             Epcis__V1__Event **out)
{
    struct ledger_event packed;
    enum err err = ledger_event(work, txn, sequence, &packed);
    if (err)
        return err;
    arena_reset(&work->expansion);
    *out = work_unpack(&work->expansion, packed.packed, packed.packed_bytes);
    return *out ? ERR_OK : ERR_LIMIT;
}

/* ---- content ---- */

/* Containers still to be opened: keys, one behind the other. */
struct walk {
    struct work *work;
    struct store_txn *txn;
    enum err (*use)(void *context, const struct store_item *item);
    void *context;
    struct store_text root; /* the container whose content is asked for */
    struct buffer open;     /* keys of containers, each with its length (2 bytes) behind */
    struct packings packings;
    size_t items;
    bool stopped; /* at LEDGER_CONTENT_MAX */
};

static void push_container(struct buffer *open, const uint8_t *key, size_t key_length)
{
    uint16_t length = (uint16_t)key_length;
    buffer_append(open, key, length);
    buffer_append(open, &length, sizeof length);
}

/* The children that one event put into the container and that are still there by that event. */
static enum err visit_children(struct walk *walk, const struct ledger_item *container, uint64_t sequence)
{
    struct work *work = walk->work;
    Epcis__V1__Event *event;
    enum err err = unpack_event(work, walk->txn, sequence, &event);
    if (err)
        return err;
    for (size_t i = 0; i < event->n_child_epcs && !err && !walk->stopped; i++) {
        uint8_t key[EPC_KEY_MAX];
        size_t length = epc_key(event->child_epcs[i], strlen(event->child_epcs[i]), key);
        struct ledger_item child;
        err = ledger_find(work, walk->txn, key, length, &child);
        const struct store_link *link = &child.item.links[STORE_AGGREGATION];
        /* Rules may be off that refuse a circle. An item has one container, so a circle leads to the root. */
        if (err || link->sequence != sequence ||
            ledger_same(walk->root, (struct store_text){key, (uint32_t)length}) ||
            !ledger_same(link->parent, (struct store_text){container->item.key, container->item.key_length}))
            continue;
        walk->stopped = ++walk->items > LEDGER_CONTENT_MAX;
        if (!walk->stopped)
            err = walk->use(walk->context, &child.item);
        if (!err && (child.item.flags & STORE_ITEM_CONTAINER))
            push_container(&walk->open, key, length);
    }
    return err;
}

static enum err open_container(struct walk *walk, const uint8_t *key, size_t length)
{
    struct ledger_item container;
    enum err err = ledger_find(walk->work, walk->txn, key, length, &container);
    if (err || !container.item.known)
        return err;
    container.item.key = key;
    container.item.key_length = (uint16_t)length;
    err = find_packings(walk->work, walk->txn, &container, key, length, &walk->packings);
    for (size_t i = 0; !err && i < packing_count(&walk->packings) && !walk->stopped; i++) {
        uint64_t sequence = sequence_at(&walk->packings, i);
        if (sequence > container.item.emptied_sequence[STORE_AGGREGATION] &&
            sequence != container.item.links[STORE_AGGREGATION].sequence) /* there it is a child itself */
            err = visit_children(walk, &container, sequence);
    }
    return err;
}

/* The last key pushed. */
static uint16_t pop_container(struct buffer *open, uint8_t key[EPC_KEY_MAX])
{
    uint16_t length;
    open->length -= sizeof length;
    memcpy(&length, open->data + open->length, sizeof length);
    open->length -= length;
    memcpy(key, open->data + open->length, length);
    return length;
}

enum err ledger_content(struct work *work, struct store_txn *txn, struct store_text container,
                        enum err (*use)(void *context, const struct store_item *item), void *context,
                        bool *complete)
{
    struct walk walk = {.work = work, .txn = txn, .use = use, .context = context, .root = container};
    enum err err = ERR_OK;
    push_container(&walk.open, container.data, container.length);
    while (!err && walk.open.length > 0 && !walk.stopped) {
        uint8_t key[EPC_KEY_MAX];
        uint16_t length = pop_container(&walk.open, key);
        err = open_container(&walk, key, length);
        if (walk.open.failed)
            err = ERR_MEMORY;
    }
    *complete = !walk.stopped;
    buffer_free(&walk.open);
    buffer_free(&walk.packings.sequences);
    return err;
}

/* ---- what an item was in ---- */

enum { SHIPMENTS_MAX = 1000 }; /* containers looked at */

/* Pushes what the item was packed into, whenever that was. */
static enum err push_former_parents(struct walk *walk, const struct ledger_item *item, const uint8_t *key,
                                    size_t length)
{
    enum err err = find_packings(walk->work, walk->txn, item, key, length, &walk->packings);
    for (size_t i = 0; !err && i < packing_count(&walk->packings); i++) {
        Epcis__V1__Event *event;
        uint8_t parent[EPC_KEY_MAX];
        err = unpack_event(walk->work, walk->txn, sequence_at(&walk->packings, i), &event);
        if (err)
            break;
        size_t parent_length = epc_key(event->parent_id, strlen(event->parent_id), parent);
        if (parent_length != length || memcmp(parent, key, length) != 0) /* else it is the container */
            push_container(&walk->open, parent, parent_length);
    }
    return !err && walk->open.failed ? ERR_MEMORY : err;
}

/* Whether the container was ever shipped, or something that it was packed into at some time. */
static enum err container_was_shipped(struct work *work, struct store_txn *txn, const uint8_t *key,
                                      size_t length, bool *out)
{
    struct walk walk = {.work = work, .txn = txn};
    enum err err = ERR_OK;
    push_container(&walk.open, key, length);
    while (!err && walk.open.length > 0 && !*out && walk.items++ < SHIPMENTS_MAX) {
        uint8_t next[EPC_KEY_MAX];
        struct ledger_item found;
        uint16_t next_length = pop_container(&walk.open, next);
        err = ledger_find(work, txn, next, next_length, &found);
        *out = !err && (found.item.flags & STORE_ITEM_SHIPPED);
        if (!err && !*out)
            err = push_former_parents(&walk, &found, next, next_length);
    }
    buffer_free(&walk.open);
    buffer_free(&walk.packings.sequences);
    return err;
}

/* Whether what the event packed the item into was ever shipped. */
static enum err packing_was_shipped(struct work *work, struct store_txn *txn, struct store_text item,
                                    uint64_t sequence, struct ledger_shipments *known, bool *out)
{
    struct ledger_shipment *shipment = &known->of[sequence % LEDGER_SHIPMENTS];
    Epcis__V1__Event *event;
    uint8_t key[EPC_KEY_MAX];
    if (shipment->sequence == sequence) {
        *out = shipment->shipped;
        return ERR_OK;
    }
    enum err err = unpack_event(work, txn, sequence, &event);
    if (err)
        return err;
    size_t length = epc_key(event->parent_id, strlen(event->parent_id), key);
    if (ledger_same(item, (struct store_text){key, (uint32_t)length})) /* it is the container */
        return ERR_OK;
    err = container_was_shipped(work, txn, key, length, out);
    if (!err)
        *shipment = (struct ledger_shipment){sequence, *out};
    return err;
}

enum err ledger_was_shipped(struct work *work, struct store_txn *txn, struct store_text item,
                            struct ledger_shipments *known, bool *out)
{
    struct packings packings = {.first_of_work = work->first_sequence};
    struct ledger_item found;
    enum err err = ledger_find(work, txn, item.data, item.length, &found);
    *out = !err && (found.item.flags & STORE_ITEM_SHIPPED);
    if (!err && !*out)
        err = find_packings(work, txn, &found, item.data, item.length, &packings);
    for (size_t i = 0; !err && !*out && i < packing_count(&packings); i++)
        err = packing_was_shipped(work, txn, item, sequence_at(&packings, i), known, out);
    buffer_free(&packings.sequences);
    return err;
}
