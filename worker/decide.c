/* What becomes of each event, in order, against the items in memory. A refused event changes nothing. */
#include <stdio.h>
#include <string.h>

#include "worker/master_rules.h"

static struct store_row *row_of(const struct work *work, const struct work_ref *ref)
{
    return &work->rows[ref->row];
}

static struct store_item *item_of(const struct work *work, const struct work_ref *ref)
{
    return &work->items[work->rows[ref->row].item];
}

static uint64_t gtin_of(const struct work_ref *ref)
{
    uint64_t gtin = 0; /* an SGTIN's key: a kind byte, 6 bytes of GTIN, the serial */
    for (int i = 1; i <= 6; i++)
        gtin = gtin << 8 | ref->key[i];
    return gtin;
}

/* ---- duplicates ---- */

static enum err same_content(struct work *work, struct store_txn *txn, uint64_t sequence,
                             const struct work_event *event, bool *out)
{
    uint8_t stored[DIGEST_BYTES];
    const uint8_t *content = stored;
    enum err err = ERR_OK;
    if (sequence >= work->first_sequence)
        content = work->contents[sequence - work->first_sequence];
    else
        err = store_event_content(txn, sequence, stored);
    *out = !err && memcmp(content, event->item->content_hash, DIGEST_BYTES) == 0;
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* *out: the first item of which this event's key is taken, NULL where none is. Equal content under one of
 * the keys is the same event, for content tells all items. */
static enum err find_taken(struct work *work, struct store_txn *txn, const struct work_event *event,
                           const struct work_ref **out, bool *duplicate)
{
    *out = NULL;
    *duplicate = false;
    const struct work_ref *refs = work->refs + event->first_ref;
    for (uint32_t i = 0; i < event->ref_count; i++) {
        uint64_t sequence = row_of(work, &refs[i])->sequence;
        if (sequence == 0)
            continue;
        *out = &refs[i];
        return same_content(work, txn, sequence, event, duplicate);
    }
    return ERR_OK;
}

/* ---- findings: the event is unpacked again for its texts ---- */

struct finder {
    struct work *work;
    struct work_event *event;
    struct rules_report report;
    Epcis__V1__Event *unpacked;
};

static enum err finder_open(struct finder *finder, struct work *work, struct work_event *event)
{
    finder->work = work;
    finder->event = event;
    rules_report_init(&finder->report, &work->arena);
    if (finder->unpacked)
        return ERR_OK;
    arena_reset(&work->scratch);
    finder->unpacked =
        epcis__v1__event__unpack(&work->scratch.allocator, event->item->content_bytes, event->item->event);
    return finder->unpacked ? ERR_OK : ERR_MEMORY;
}

static struct rules_epc epc_of(const struct finder *finder, const struct work_ref *ref)
{
    const Epcis__V1__Event *event = finder->unpacked;
    struct rules_epc epc = {.text = "", .list = (enum rules_list)ref->list, .index = ref->index};
    switch (epc.list) {
    case RULES_PARENT_ID:
        epc.text = event->parent_id;
        break;
    case RULES_EPC_LIST:
        if (ref->index < event->n_epc_list) /* none where the event names no EPC */
            epc.text = event->epc_list[ref->index];
        break;
    case RULES_CHILD_EPCS:
        epc.text = event->child_epcs[ref->index];
        break;
    case RULES_INPUT_EPCS:
        epc.text = event->input_epc_list[ref->index];
        break;
    case RULES_OUTPUT_EPCS:
        epc.text = event->output_epc_list[ref->index];
        break;
    }
    return epc;
}

static enum err refuse_conflict(struct work *work, struct work_event *event, const struct work_ref *ref)
{
    struct finder finder = {.unpacked = NULL};
    enum err err = finder_open(&finder, work, event);
    if (err)
        return err;
    struct rules_epc epc = epc_of(&finder, ref);
    rules_add_epc(work->rules, &finder.report, RULE_KEY_CONFLICT, &epc,
                  "has another event of this type, step, action and time from this partner (sequence %llu): "
                  "right is the same content again, or another time",
                  (unsigned long long)row_of(work, ref)->sequence);
    event->verdict = WORK_DEAD;
    return finder.report.failed ? ERR_LIMIT : work_keep_reasons(work, event, &finder.report);
}

/* ---- commissioning ---- */

static bool reused(const struct work *work, const struct work_ref *ref)
{
    return ref->sgtin && ref->list == RULES_EPC_LIST && (item_of(work, ref)->flags & STORE_ITEM_COMMISSIONED);
}

static enum err find_lot(struct work *work, struct store_txn *txn, const struct work_event *event,
                         const struct work_ref *ref, struct lot **out)
{
    *out = NULL;
    if (!ref->sgtin || ref->list != RULES_EPC_LIST || !event->lot.length || !event->expiry)
        return ERR_OK;
    return lots_find(&work->lots, txn, gtin_of(ref), event->lot, out);
}

static bool expiry_differs(const struct lot *lot, const struct work_event *event)
{
    return lot && lot->expiry && lot->expiry != event->expiry;
}

/* Neighbours in a list are mostly of one GTIN, which is looked up once. */
static bool same_gtin(const struct work_ref *refs, uint32_t i)
{
    return i > 0 && refs[i].sgtin && refs[i - 1].sgtin && memcmp(refs[i].key, refs[i - 1].key, 7) == 0;
}

static enum err report_commissioning(struct work *work, struct store_txn *txn, struct work_event *event)
{
    struct finder finder = {.unpacked = NULL};
    const struct work_ref *refs = work->refs + event->first_ref;
    enum err err = finder_open(&finder, work, event);
    for (uint32_t i = 0; i < event->ref_count && !err; i++) {
        if (!reused(work, &refs[i]))
            continue;
        const struct store_item *item = item_of(work, &refs[i]);
        struct rules_epc epc = epc_of(&finder, &refs[i]);
        rules_add_epc(work->rules, &finder.report, RULE_SERIAL_REUSED, &epc,
                      "was commissioned before%s%.*s%s: a GTIN and serial is commissioned once",
                      item->lot.length ? " (in lot '" : "", (int)item->lot.length,
                      item->lot.length ? (const char *)item->lot.data : "", item->lot.length ? "')" : "");
    }
    for (uint32_t i = 0; i < event->ref_count && !err; i++) {
        struct lot *lot;
        if (same_gtin(refs, i))
            continue;
        err = find_lot(work, txn, event, &refs[i], &lot);
        if (err || !expiry_differs(lot, event))
            continue;
        char value[16];
        snprintf(value, sizeof value, "%04u-%02u-%02u", event->expiry / 10000, event->expiry / 100 % 100,
                 event->expiry % 100);
        rules_add(work->rules, &finder.report, RULE_MIXED_EXPIRY, "ilmd.itemExpirationDate", value,
                  "is another date than lot '%.*s' of GTIN %014llu has: right is %04u-%02u-%02u",
                  (int)event->lot.length, (const char *)event->lot.data,
                  (unsigned long long)gtin_of(&refs[i]), lot->expiry / 10000, lot->expiry / 100 % 100,
                  lot->expiry % 100);
        break; /* one date is wrong, however many GTINs it stands for */
    }
    if (!err && finder.report.failed)
        err = ERR_LIMIT;
    if (!err && finder.report.reason_count > 0) {
        event->verdict = WORK_DEAD;
        err = work_keep_reasons(work, event, &finder.report);
    }
    return err;
}

static enum err check_commissioning(struct work *work, struct store_txn *txn, struct work_event *event)
{
    const struct work_ref *refs = work->refs + event->first_ref;
    bool found = false;
    for (uint32_t i = 0; i < event->ref_count && !found; i++) {
        struct lot *lot = NULL;
        enum err err = same_gtin(refs, i) ? ERR_OK : find_lot(work, txn, event, &refs[i], &lot);
        if (err)
            return err;
        found = reused(work, &refs[i]) || expiry_differs(lot, event);
    }
    return found ? report_commissioning(work, txn, event) : ERR_OK;
}

/* ---- what a committed event does ---- */

static enum err keep_lots(struct work *work, struct store_txn *txn, const struct work_event *event)
{
    const struct work_ref *refs = work->refs + event->first_ref;
    for (uint32_t i = 0; i < event->ref_count; i++) {
        struct lot *lot = NULL;
        enum err err = same_gtin(refs, i) ? ERR_OK : find_lot(work, txn, event, &refs[i], &lot);
        if (err)
            return err;
        if (lot && !lot->expiry) {
            lot->expiry = event->expiry;
            lot->fresh = true;
        }
    }
    return ERR_OK;
}

/* Whether the child's link leads to this parent; an event that names none means whichever it is. */
static bool linked_to(const struct store_item *child, const struct work_ref *parent)
{
    return !parent || (child->parent.length == parent->item_length &&
                       memcmp(child->parent.data, parent->key, parent->item_length) == 0);
}

static void change_item(struct store_item *item, const struct work_event *event, const struct work_ref *ref,
                        const struct work_ref *parent)
{
    bool child = ref->list == RULES_CHILD_EPCS, created = event->commissions && ref->list == RULES_EPC_LIST;
    if (created) {
        item->flags |= STORE_ITEM_COMMISSIONED;
        item->lot = event->lot.length ? event->lot : item->lot;
        item->expiry = event->expiry ? event->expiry : item->expiry;
    }
    if (event->decommissions)
        item->flags |= STORE_ITEM_DECOMMISSIONED;
    if (event->ships)
        item->flags |= STORE_ITEM_SHIPPED;
    if (event->packs && child && parent) {
        item->parent = (struct store_text){parent->key, parent->item_length};
        item->packed_sequence = event->sequence;
    } else if (event->unpacks && child && linked_to(item, parent)) {
        item->parent = (struct store_text){NULL, 0};
        item->packed_sequence = 0;
    }
    if (event->empties && ref->list == RULES_PARENT_ID)
        item->emptied_sequence = event->sequence;
    if (event->disposition.length && ref->list != RULES_INPUT_EPCS) /* what went in is no longer there */
        item->disposition = event->disposition;
}

static void apply_event(struct work *work, const struct work_event *event)
{
    const struct work_ref *refs = work->refs + event->first_ref;
    const struct work_ref *parent = event->ref_count && refs[0].list == RULES_PARENT_ID ? &refs[0] : NULL;
    for (uint32_t i = 0; i < event->ref_count; i++) {
        struct store_row *row = row_of(work, &refs[i]);
        struct store_item *item = &work->items[row->item];
        row->fresh = true;
        row->sequence = event->sequence;
        if (item->stateless)
            continue;
        if (!item->known || event->time_us > item->latest_us)
            item->latest_us = event->time_us;
        item->known = item->dirty = true;
        item->last_sequence = event->sequence;
        if (!event->changes_nothing)
            change_item(item, event, &refs[i], parent);
    }
}

static enum err commit_event(struct work *work, struct store_txn *txn, struct work_event *event)
{
    enum err err = work_reserve(&work->contents, &work->content_capacity, work->content_count + 1,
                                sizeof *work->contents);
    if (!err && event->commissions)
        err = keep_lots(work, txn, event);
    if (err)
        return err;
    event->verdict = WORK_COMMITTED;
    event->sequence = work->first_sequence + work->content_count;
    work->contents[work->content_count++] = event->item->content_hash;
    apply_event(work, event);
    return ERR_OK;
}

static enum err decide_event(struct work *work, struct store_txn *txn, struct work_event *event)
{
    const struct work_ref *taken;
    bool duplicate;
    enum err err = find_taken(work, txn, event, &taken, &duplicate);
    if (err)
        return err;
    if (duplicate) {
        event->verdict = WORK_DUPLICATE;
        return ERR_OK;
    }
    if (taken)
        return refuse_conflict(work, event, taken);
    if (event->commissions)
        err = check_commissioning(work, txn, event);
    if (!err && event->verdict != WORK_DEAD)
        err = master_rules_check(work, txn, event);
    return err || event->verdict == WORK_DEAD ? err : commit_event(work, txn, event);
}

/* Master data of a batch goes before its events: it may stand behind them in the document. */
static enum err keep_master_data(struct work *work, struct store_txn *txn, const struct work_batch *batch)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < batch->event_count && !err; i++) {
        const struct work_event *event = &work->events[batch->first_event + i];
        if (event->verdict == WORK_MASTER_DATA)
            err = master_data_put(&work->master, txn, batch->batch.segments[event->segment], event->item,
                                  event->element);
    }
    return err;
}

enum err decide_batch(struct work *work, struct store_txn *txn, const struct work_batch *batch)
{
    enum err err = keep_master_data(work, txn, batch);
    for (uint32_t i = 0; i < batch->event_count && !err; i++) {
        struct work_event *event = &work->events[batch->first_event + i];
        if (event->verdict != WORK_UNDECIDED)
            continue;
        const struct rules_context context = work_context(&batch->batch, event);
        rules_begin(work->rules, &context);
        err = decide_event(work, txn, event);
    }
    return err;
}
