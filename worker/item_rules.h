/* The rules that need the history of items. Internal to worker/; one thread. */
#ifndef EPCISD_WORKER_ITEM_RULES_H
#define EPCISD_WORKER_ITEM_RULES_H

#include "worker/work.h"

/* Checks one event against the items as they stand before it; adds what it finds, and the verdict WORK_DEAD
 * where something is a reason. What the store answers; ERR_MEMORY, ERR_LIMIT. */
enum err item_rules_check(struct work *work, struct store_txn *txn, struct work_event *event);

/* Items of an event that is part of nothing else, in the order of its lists. */
static inline const struct work_ref *work_refs(const struct work *work, const struct work_event *event)
{
    return work->refs + event->first_ref;
}

static inline struct store_item *work_item(const struct work *work, const struct work_ref *ref)
{
    return &work->items[work->rows[ref->row].item];
}

/* The event's parentID as a key; empty: none. */
static inline struct store_text work_parent(const struct work *work, const struct work_event *event)
{
    const struct work_ref *ref = work_refs(work, event);
    bool given = event->ref_count > 0 && ref->list == RULES_PARENT_ID;
    return given ? (struct store_text){ref->key, ref->item_length} : (struct store_text){NULL, 0};
}

/* The lot that an item is created in, where the event tells one with its expiry. *out NULL: none. */
enum err item_rules_lot(struct work *work, struct store_txn *txn, const struct work_event *event,
                        const struct work_ref *ref, struct lot **out);

/* Neighbours in a list are mostly of one GTIN, which is looked up once: whether refs[i] is of the same as the
 * one before. */
bool item_rules_same_gtin(const struct work_ref *refs, uint32_t i);

#endif
