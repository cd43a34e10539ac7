/* What can be known of a batch without the store: that it is what it says, what its events break by
 * themselves, and which items they name. */
#include <string.h>

#include "common/base/log.h"
#include "common/epcis/event_text.h"
#include "worker/master_rules.h"

/* The first byte of the key of an event without any EPC: no EPC's key begins so. */
enum { NO_EPC = 0xff };

/* The longest disposition that an item's state keeps: a URI of a user's own, which may be any length. */
enum { STATUS_MAX = 512 };

static enum err keep_text(struct work *work, const char *text, struct store_text *out)
{
    size_t length = text ? strnlen(text, STATUS_MAX) : 0;
    if (length == 0)
        return ERR_OK;
    char *copy = arena_copy(&work->arena, text, length);
    *out = (struct store_text){(const uint8_t *)copy, (uint32_t)length};
    return copy ? ERR_OK : ERR_LIMIT;
}

static enum err add_ref(struct work *work, struct work_event *event, uint8_t *key, size_t item_length,
                        const uint8_t *suffix, size_t suffix_length, const struct rules_epc *epc)
{
    enum err err = ERR_LIMIT;
    if (work->ref_count < work->ref_max)
        err = work_reserve(&work->refs, &work->ref_capacity, work->ref_count + 1, sizeof(struct work_ref));
    if (err)
        return err;
    memcpy(key + item_length, suffix, suffix_length);
    work->refs[work->ref_count++] = (struct work_ref){
        .key = key,
        .item_length = (uint16_t)item_length,
        .key_length = (uint16_t)(item_length + suffix_length),
        .list = epc ? (uint8_t)epc->list : RULES_EPC_LIST,
        .sgtin = epc && epc->kind == EPC_SGTIN && !epc->fault,
        .index = epc ? epc->index : 0,
    };
    event->ref_count++;
    return ERR_OK;
}

/* An event that names no item is an item of its own, so that its repetition is told. */
static enum err add_content_ref(struct work *work, struct work_event *event, const uint8_t *suffix,
                                size_t suffix_length)
{
    uint8_t *key = arena_alloc(&work->arena, 1 + DIGEST_BYTES + STORE_SUFFIX_MAX);
    if (!key)
        return ERR_LIMIT;
    key[0] = NO_EPC;
    memcpy(key + 1, event->item->content_hash, DIGEST_BYTES);
    return add_ref(work, event, key, 1 + DIGEST_BYTES, suffix, suffix_length, NULL);
}

static enum err add_refs(struct work *work, struct work_event *event, const struct rules_subject *subject,
                         const char *partner)
{
    uint8_t suffix[STORE_SUFFIX_MAX], parent_suffix[STORE_SUFFIX_MAX];
    struct store_event_key key = {.time_us = event->time_us,
                                  .partner = partner,
                                  .type = subject->event->type,
                                  .action = subject->event->action,
                                  .biz_step = subject->event->biz_step,
                                  .error_declaration = subject->event->error_declaration != NULL};
    size_t length = store_row_suffix(&key, suffix), parent_length = length;
    event->first_ref = (uint32_t)work->ref_count;
    if (subject->epc_count == 0)
        return add_content_ref(work, event, suffix, length);
    /* A container may get its content in several events of one second; what goes in tells them apart. */
    memcpy(parent_suffix, suffix, length);
    if (subject->epc_count > 1) {
        key.content_hash = event->item->content_hash;
        parent_length = store_row_suffix(&key, parent_suffix);
    }
    enum err err = ERR_OK;
    for (size_t i = 0; i < subject->epc_count && !err; i++) {
        const struct rules_epc *epc = &subject->epcs[i];
        bool parent = epc->list == RULES_PARENT_ID;
        err = add_ref(work, event, epc->key, rules_key_length(epc), parent ? parent_suffix : suffix,
                      parent ? parent_length : length, epc);
    }
    return err;
}

static bool step_is(const Epcis__V1__Event *event, const char *step)
{
    return strcmp(event->biz_step, step) == 0;
}

static enum err take_facts(struct work *work, struct work_event *out, const struct rules_subject *subject)
{
    const Epcis__V1__Event *event = subject->event;
    bool aggregation = event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_AGGREGATION;
    bool delete = event->action == EPCIS__V1__ACTION__ACTION_DELETE;
    out->time_us = event_time_us(event->event_time);
    out->changes_nothing = event->error_declaration != NULL;
    out->commissions = subject->commissions;
    out->decommissions = (event->type == EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT && delete) ||
                         step_is(event, "decommissioning") || step_is(event, "destroying");
    out->ships = step_is(event, "shipping");
    out->packs = aggregation && event->action == EPCIS__V1__ACTION__ACTION_ADD;
    out->unpacks = aggregation && delete;
    out->empties = out->unpacks && event->n_child_epcs == 0 && event->n_child_quantity_list == 0;
    out->expiry = subject->expiry_date;
    enum err err = keep_text(work, subject->lot, &out->lot);
    return err ? err : keep_text(work, event->disposition, &out->disposition);
}

static enum err refuse_unreadable(struct work *work, struct work_event *event, const char *what,
                                  struct rules_report *report)
{
    rules_add(work->rules, report, RULE_SCHEMA_INVALID, what, "",
              "cannot be read: it is none, or takes more memory than the worker allows one");
    event->verdict = WORK_DEAD;
    return report->failed ? ERR_LIMIT : work_keep_reasons(work, event, report);
}

static enum err check_event(struct work *work, const struct batch *batch, struct work_event *event,
                            const struct rules_context *context)
{
    struct rules_subject subject;
    struct rules_report report;
    rules_report_init(&report, &work->arena);
    rules_begin(work->rules, context);
    arena_reset(&work->scratch);
    Epcis__V1__Event *unpacked =
        epcis__v1__event__unpack(&work->scratch.allocator, event->item->content_bytes, event->item->event);
    if (!unpacked)
        return refuse_unreadable(work, event, "event", &report);
    enum err err =
        rules_check(work->rules, context, unpacked, &work->arena, STORE_SUFFIX_MAX, &subject, &report);
    if (err)
        return err;
    if (report.reason_count > 0) {
        event->verdict = WORK_DEAD;
        return work_keep_reasons(work, event, &report);
    }
    err = take_facts(work, event, &subject);
    if (!err)
        err = work_keep_warnings(work, event, &report);
    if (!err)
        err = master_rules_note(work, batch, &subject, event);
    return err ? err : add_refs(work, event, &subject, context->partner);
}

static enum err take_refusal(struct work *work, struct work_event *event, const struct rules_context *context)
{
    struct rules_report report;
    event->verdict = WORK_DEAD;
    event->refusal = epcis__wire__v1__refusal__unpack(&work->arena.allocator, event->item->content_bytes,
                                                      event->item->refusal);
    if (!event->refusal || !event->refusal->reason) {
        event->refusal = NULL;
        rules_begin(work->rules, context);
        rules_report_init(&report, &work->arena);
        return refuse_unreadable(work, event, "event", &report);
    }
    const struct rules_entry *rule = rules_table_find(event->refusal->reason->code);
    if (rule) {
        event->refusal->reason->source = (char *)rule->source;
        event->refusal->reason->remedy = (char *)rule->remedy;
    }
    event->whole_document = event->refusal->whole_document;
    report.reasons[0] = event->refusal->reason;
    report.reason_count = 1;
    return work_keep_reasons(work, event, &report);
}

static enum err take_vocabulary_element(struct work *work, struct work_event *event,
                                        const struct rules_context *context)
{
    struct rules_report report;
    enum err err = master_data_read(event->item, &work->arena, &work->scratch, &event->element);
    event->verdict = WORK_MASTER_DATA;
    if (err || event->element)
        return err;
    rules_begin(work->rules, context);
    rules_report_init(&report, &work->arena);
    event->whole_document = true;
    return refuse_unreadable(work, event, "vocabularyElement", &report);
}

static enum err take_item(struct work *work, const struct batch *batch, struct work_event *event)
{
    const struct rules_context context = work_context(batch, event);
    if (event->item->event)
        return check_event(work, batch, event, &context);
    if (event->item->refusal)
        return take_refusal(work, event, &context);
    return take_vocabulary_element(work, event, &context);
}

static enum err prepare_events(struct work *work, struct work_batch *batch)
{
    const struct batch *from = &batch->batch;
    enum err err = work_reserve(&work->events, &work->event_capacity, work->event_count + from->item_count,
                                sizeof(struct work_event));
    size_t item = 0;
    batch->first_event = (uint32_t)work->event_count;
    batch->event_count = (uint32_t)from->item_count;
    for (size_t s = 0; s < from->segment_count && !err; s++) {
        const Epcis__Wire__V1__BatchSegment *segment = from->segments[s];
        uint64_t event_index = segment->first_event;
        for (uint32_t i = 0; i < segment->count && !err; i++) {
            struct work_event *event = &work->events[work->event_count++];
            *event = (struct work_event){
                .item = &from->items[item++], .segment = (uint32_t)s, .event_index = event_index};
            err = take_item(work, from, event);
            event_index += event->verdict != WORK_MASTER_DATA && !event->whole_document;
        }
    }
    return err;
}

enum err prepare_frame(struct work *work, const uint8_t *frame, size_t bytes)
{
    enum err err =
        work_reserve(&work->batches, &work->batch_capacity, work->batch_count + 1, sizeof(struct work_batch));
    if (err)
        return err;
    struct work_batch *batch = &work->batches[work->batch_count++];
    *batch = (struct work_batch){0};
    err = batch_read(frame, bytes, &work->arena, &batch->batch, &batch->detail);
    if (err == ERR_INPUT) {
        log_error("batch_malformed", "partition=%u sequence=%llu detail=\"%s\"", batch->batch.partition,
                  (unsigned long long)batch->batch.sequence, batch->detail);
        return ERR_OK;
    }
    batch->detail = NULL;
    return err ? err : prepare_events(work, batch);
}

/* ---- items ---- */

static bool same_bytes(const struct work_ref *a, const struct work_ref *b, size_t a_length, size_t b_length)
{
    return a_length == b_length && memcmp(a->key, b->key, a_length) == 0;
}

static void number_rows(struct work *work, const struct sort_entry *entries)
{
    const struct work_ref *last = NULL;
    for (size_t i = 0; i < work->ref_count; i++) {
        struct work_ref *ref = &work->refs[entries[i].index];
        bool same_item = last && same_bytes(last, ref, last->item_length, ref->item_length);
        if (!same_item)
            work->items[work->item_count++] = (struct store_item){
                .key = ref->key, .key_length = ref->item_length, .stateless = ref->key[0] == NO_EPC};
        if (!same_item || !same_bytes(last, ref, last->key_length, ref->key_length))
            work->rows[work->row_count++] = (struct store_row){
                .key = ref->key, .key_length = ref->key_length, .item = (uint32_t)work->item_count - 1};
        ref->row = (uint32_t)work->row_count - 1;
        last = ref;
    }
}

enum err prepare_items(struct work *work)
{
    size_t count = work->ref_count;
    enum err err = work_reserve(&work->entries, &work->entry_capacity, 2 * count, sizeof(struct sort_entry));
    if (!err)
        err = work_reserve(&work->items, &work->item_capacity, count, sizeof(struct store_item));
    if (!err)
        err = work_reserve(&work->rows, &work->row_capacity, count, sizeof(struct store_row));
    if (err)
        return err;
    for (size_t i = 0; i < count; i++)
        work->entries[i] = (struct sort_entry){
            .key = work->refs[i].key, .length = work->refs[i].key_length, .index = (uint32_t)i};
    sort_entries(work->entries, work->entries + count, count);
    number_rows(work, work->entries);
    return ERR_OK;
}
