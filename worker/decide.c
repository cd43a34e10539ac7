/* What becomes of each event, in order, against the items in memory. A refused event changes nothing. */
#include <string.h>

#include "worker/finder.h"
#include "worker/item_rules.h"
#include "worker/ledger.h"
#include "worker/master_rules.h"
#include "worker/replay.h"

/* ---- duplicates ---- */

static enum err same_content(struct work *work, struct store_txn *txn, uint64_t sequence,
                             const struct work_event *event, bool *out)
{
    struct store_kept_event kept;
    const uint8_t *content = NULL;
    enum err err = ERR_OK;
    if (sequence >= work->first_sequence) {
        content = work->committed[sequence - work->first_sequence]->item->content_hash;
    } else {
        err = store_event_find(txn, sequence, &kept);
        content = kept.content_hash;
    }
    *out = !err && memcmp(content, event->item->content_hash, DIGEST_BYTES) == 0;
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* *out: the first item of which this event's key is taken, NULL where none is. Equal content under one of
 * the keys is the same event, for content tells all items. */
static enum err find_taken(struct work *work, struct store_txn *txn, const struct work_event *event,
                           const struct work_ref **out, bool *duplicate)
{
    const struct work_ref *refs = work_refs(work, event);
    *out = NULL;
    *duplicate = false;
    for (uint32_t i = 0; i < event->ref_count; i++) {
        uint64_t sequence = work->rows[refs[i].row].sequence;
        if (sequence == 0)
            continue;
        *out = &refs[i];
        return same_content(work, txn, sequence, event, duplicate);
    }
    return ERR_OK;
}

static enum err refuse_conflict(struct work *work, struct work_event *event, const struct work_ref *ref)
{
    struct finder finder;
    struct rules_epc epc;
    finder_init(&finder, work, event);
    enum err err = finder_epc(&finder, ref, &epc);
    if (err)
        return err;
    rules_add_epc(work->rules, &finder.report, RULE_KEY_CONFLICT, &epc,
                  "has another event of this type, step, action and time from this partner (sequence %llu): "
                  "right is the same content again, or another time",
                  (unsigned long long)work->rows[ref->row].sequence);
    return work_keep(work, event, &finder.report);
}

/* One eventID, one content: the same again is a duplicate, whoever sent it. */
static enum err check_event_id(struct work *work, struct store_txn *txn, struct work_event *event)
{
    struct finder finder;
    bool same;
    if (!event->event_id_key || work->event_ids[event->event_id].sequence == 0)
        return ERR_OK;
    uint64_t sequence = work->event_ids[event->event_id].sequence;
    enum err err = same_content(work, txn, sequence, event, &same);
    if (err)
        return err;
    if (same) {
        event->verdict = WORK_DUPLICATE;
        event->sequence = sequence;
        return ERR_OK;
    }
    finder_init(&finder, work, event);
    err = finder_unpack(&finder);
    if (err)
        return err;
    rules_add(work->rules, &finder.report, RULE_EVENTID_CONFLICT, "eventID", finder.unpacked->event_id,
              "is the id of another event (sequence %llu): right is an id of its own",
              (unsigned long long)sequence);
    return work_keep(work, event, &finder.report);
}

/* ---- error declarations ---- */

/* The event that this one corrects, or the one that corrects it: all else is equal. *out 0: it is not here.
 */
static enum err find_counterpart(const struct work *work, struct store_txn *txn,
                                 const struct work_event *event, uint64_t *out)
{
    uint8_t key[STORE_ROW_KEY_MAX];
    const struct work_ref *ref =
        &work_refs(work, event)[event->ref_count - 1]; /* never a parent's long key */
    memcpy(key, ref->key, ref->key_length);
    store_row_counterpart(key, ref->item_length);
    *out = ledger_row(work, key, ref->key_length);
    return *out ? ERR_OK : store_row_get(txn, work_item(work, ref), key, ref->key_length, out);
}

static enum err warn_of_orphan(struct work *work, struct work_event *event)
{
    struct finder finder;
    finder_init(&finder, work, event);
    rules_add(work->rules, &finder.report, RULE_ERRDECL_ORPHAN, "errorDeclaration", "",
              "corrects an event that is not here: right is the same event, in all but the declaration");
    return work_keep(work, event, &finder.report);
}

/* Whether a declaration that came first says that this event is wrong. */
static enum err find_declaration(const struct work *work, struct store_txn *txn,
                                 const struct work_event *event, uint64_t *out)
{
    const struct store_item *item = work_item(work, &work_refs(work, event)[event->ref_count - 1]);
    *out = 0;
    if (!item->stateless && (!item->known || event->facts.time_us > item->latest_us))
        return ERR_OK; /* as most are */
    return find_counterpart(work, txn, event, out);
}

/* ---- what a committed event does ---- */

static enum err keep_lots(struct work *work, struct store_txn *txn, const struct work_event *event)
{
    const struct work_ref *refs = work_refs(work, event);
    for (uint32_t i = 0; i < event->ref_count; i++) {
        struct lot *lot = NULL;
        enum err err =
            item_rules_same_gtin(refs, i) ? ERR_OK : item_rules_lot(work, txn, event, &refs[i], &lot);
        if (err)
            return err;
        if (!lot)
            continue;
        if (lot->value.events++ == 0)
            lot->value.expiry = event->facts.expiry;
        lot->fresh = true;
        err = store_lot_event_put(txn, lot->gtin, event->facts.lot, event->sequence);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void apply_event(struct work *work, const struct work_event *event)
{
    const struct work_ref *refs = work_refs(work, event);
    struct store_text parent = work_parent(work, event);
    for (uint32_t i = 0; i < event->ref_count; i++) {
        struct store_row *row = &work->rows[refs[i].row];
        struct store_item *item = &work->items[row->item];
        row->fresh = true;
        row->sequence = event->sequence;
        if (!item->stateless)
            facts_apply(&event->facts, event->sequence, (enum rules_list)refs[i].list, parent, item);
    }
}

static enum err commit_event(struct work *work, struct store_txn *txn, struct work_event *event)
{
    enum err err = work_reserve(&work->committed, &work->committed_capacity, work->committed_count + 1,
                                sizeof *work->committed);
    if (err)
        return err;
    event->verdict = WORK_COMMITTED;
    event->sequence = work->first_sequence + work->committed_count;
    work->committed[work->committed_count++] = event;
    if (event->event_id_key) {
        work->event_ids[event->event_id].sequence = event->sequence;
        work->event_ids[event->event_id].fresh = true;
    }
    if (event->facts.creates)
        err = keep_lots(work, txn, event);
    apply_event(work, event);
    return err;
}

static enum err decide_declaration(struct work *work, struct store_txn *txn, struct work_event *event)
{
    uint64_t wrong;
    enum err err = find_counterpart(work, txn, event, &wrong);
    if (!err && !wrong)
        err = warn_of_orphan(work, event);
    if (err || event->verdict == WORK_DEAD)
        return err;
    err = commit_event(work, txn, event);
    return err || !wrong ? err : replay_without(work, txn, event, wrong);
}

static enum err decide_event(struct work *work, struct store_txn *txn, struct work_event *event)
{
    const struct work_ref *taken;
    bool duplicate;
    uint64_t declaration = 0;
    enum err err = find_taken(work, txn, event, &taken, &duplicate);
    if (err)
        return err;
    if (duplicate) {
        event->verdict = WORK_DUPLICATE;
        event->sequence = work->rows[taken->row].sequence;
        return ERR_OK;
    }
    if (taken)
        return refuse_conflict(work, event, taken);
    if (event->facts.declares_error)
        return decide_declaration(work, txn, event);
    err = check_event_id(work, txn, event);
    if (err || event->verdict != WORK_UNDECIDED)
        return err;
    err = find_declaration(work, txn, event, &declaration);
    if (!err && declaration) { /* kept, and does nothing */
        event->facts.declares_error = true;
        event->facts.creates = false;
        err = commit_event(work, txn, event);
        return err ? err : store_declared_put(txn, event->sequence, declaration);
    }
    if (!err)
        err = item_rules_check(work, txn, event);
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
        const struct rules_context context = work_context(batch, event);
        rules_begin(work->rules, &context);
        err = decide_event(work, txn, event);
    }
    return err;
}
