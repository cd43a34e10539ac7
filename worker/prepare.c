/* What can be known of a batch without the store: that it is what it says, what its events break by
 * themselves, and which items they name. */
#include <string.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/epcis/event_text.h"
#include "worker/master_rules.h"

/* The first byte of the key of an event without any EPC: no EPC's key begins so. */
enum { NO_EPC = 0xff };

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
        .kind = epc && !epc->fault ? (uint8_t)epc->kind : EPC_OTHER,
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

static enum err add_refs(struct work *work, struct work_event *event, const struct rules_subject *subject)
{
    uint8_t suffix[STORE_SUFFIX_MAX], parent_suffix[STORE_SUFFIX_MAX];
    struct store_event_key key = {.time_us = event->facts.time_us,
                                  .partner = event->partner,
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

/* The sender's id of the event, shortened to a key. */
static enum err take_event_id(struct work *work, struct work_event *event, const char *event_id)
{
    uint8_t digest[DIGEST_BYTES];
    if (!*event_id)
        return ERR_OK;
    digest_of(event_id, strlen(event_id), digest);
    event->event_id_key = (const uint8_t *)arena_copy(&work->arena, (const char *)digest, STORE_EVENT_ID_KEY);
    return event->event_id_key ? ERR_OK : ERR_LIMIT;
}

static enum err refuse_unreadable(struct work *work, struct work_event *event, const char *what,
                                  struct rules_report *report)
{
    rules_add(work->rules, report, RULE_SCHEMA_INVALID, what, "",
              "cannot be read: it is none, or takes more memory than the worker allows one");
    return work_keep(work, event, report);
}

/* Taken as it is: reading it has killed workers. */
static enum err refuse_condemned(struct work *work, struct work_event *event,
                                 const struct rules_context *context)
{
    struct rules_report report;
    rules_report_init(&report, &work->arena);
    rules_begin(work->rules, context);
    rules_add(work->rules, &report, RULE_POISON_EVENT, event->item->event ? "event" : "vocabularyElement", "",
              "ended every worker that judged it, or was too large for each, and was set aside unjudged");
    event->whole_document = !event->item->event;
    return work_keep(work, event, &report);
}

static enum err check_event(struct work *work, struct work_event *event, const struct rules_context *context,
                            const struct partner_terms *terms)
{
    struct rules_subject subject;
    struct rules_report report;
    rules_report_init(&report, &work->arena);
    rules_begin(work->rules, context);
    arena_reset(&work->scratch);
    Epcis__V1__Event *unpacked = work_unpack(&work->scratch, event->item->event, event->item->content_bytes);
    if (!unpacked)
        return refuse_unreadable(work, event, "event", &report);
    fault_poison(unpacked->n_epc_list > 0 ? unpacked->epc_list[0] : "");
    partner_terms_check(work->rules, terms, context->partner, &report);
    enum err err =
        rules_check(work->rules, context, unpacked, &work->arena, STORE_SUFFIX_MAX, &subject, &report);
    if (err)
        return err;
    err = work_keep(work, event, &report);
    if (err || event->verdict == WORK_DEAD)
        return err;
    err = facts_take(&subject, &work->arena, &event->facts);
    if (!err && !event->facts.declares_error) /* which has the id of the event it corrects */
        err = take_event_id(work, event, unpacked->event_id);
    if (!err)
        err = master_rules_note(work, &subject, event);
    return err ? err : add_refs(work, event, &subject);
}

static enum err take_refusal(struct work *work, struct work_event *event, const struct rules_context *context)
{
    struct rules_report report;
    event->refusal = epcis__wire__v1__refusal__unpack(&work->arena.allocator, event->item->content_bytes,
                                                      event->item->refusal);
    if (!event->refusal && (work->arena.over_budget || work->arena.exhausted))
        return ERR_LIMIT;
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
    rules_report_init(&report, &work->arena);
    report.reasons[report.reason_count++] = event->refusal->reason;
    return work_keep(work, event, &report);
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

static enum err take_item(struct work *work, const struct work_batch *batch, struct work_event *event)
{
    const struct rules_context context = work_context(batch, event);
    if (event->item->condemned && !event->item->refusal) /* which only the server wrote */
        return refuse_condemned(work, event, &context);
    if (event->item->event)
        return check_event(work, event, &context, &batch->terms[event->segment]);
    if (event->item->refusal)
        return take_refusal(work, event, &context);
    return take_vocabulary_element(work, event, &context);
}

static bool is_left_out(const struct batch *batch, size_t item)
{
    return batch->trial_count > 0 &&
           (item < batch->trial_first || item - batch->trial_first >= batch->trial_count);
}

static enum err prepare_events(struct work *work, struct work_batch *batch)
{
    const struct batch *from = &batch->batch;
    enum err err = work_reserve(&work->events, &work->event_capacity, work->event_count + from->item_count,
                                sizeof(struct work_event));
    size_t item = 0;
    batch->first_event = (uint32_t)work->event_count;
    batch->event_count = (uint32_t)from->item_count;
    if (!err)
        err = partner_terms_of(work->rules, from->segments, from->segment_count, &work->arena, &batch->terms);
    for (size_t s = 0; s < from->segment_count && !err; s++) {
        const Epcis__Wire__V1__BatchSegment *segment = from->segments[s];
        uint64_t event_index = segment->first_event;
        for (uint32_t i = 0; i < segment->count && !err; i++) {
            struct work_event *event = &work->events[work->event_count++];
            *event = (struct work_event){.item = &from->items[item],
                                         .segment = (uint32_t)s,
                                         .capture_id = segment->capture_id.data,
                                         .partner = segment->partner,
                                         .event_index = event_index};
            if (is_left_out(from, item++))
                event->verdict = WORK_LEFT_OUT;
            else
                err = take_item(work, batch, event);
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
    if (!err && batch->batch.segment_count > 0) {
        batch->rollback = batch->batch.segments[0]->rollback;
        batch->validate_only = batch->batch.segments[0]->validate_only;
    }
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

static enum err sort_items(struct work *work)
{
    size_t count = work->ref_count;
    enum err err = work_reserve(&work->items, &work->item_capacity, count, sizeof(struct store_item));
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

static enum err sort_event_ids(struct work *work)
{
    size_t count = 0;
    for (size_t i = 0; i < work->event_count; i++)
        if (work->events[i].event_id_key)
            work->entries[count++] = (struct sort_entry){
                .key = work->events[i].event_id_key, .length = STORE_EVENT_ID_KEY, .index = (uint32_t)i};
    sort_entries(work->entries, work->entries + count, count);
    enum err err =
        work_reserve(&work->event_ids, &work->event_id_capacity, count, sizeof(struct store_event_id));
    for (size_t i = 0; i < count && !err; i++) {
        const struct store_event_id *last = &work->event_ids[work->event_id_count - 1];
        if (i == 0 || memcmp(last->key, work->entries[i].key, STORE_EVENT_ID_KEY) != 0) {
            struct store_event_id *id = &work->event_ids[work->event_id_count++];
            *id = (struct store_event_id){.sequence = 0};
            memcpy(id->key, work->entries[i].key, STORE_EVENT_ID_KEY);
        }
        work->events[work->entries[i].index].event_id = (uint32_t)work->event_id_count - 1;
    }
    return err;
}

enum err prepare_items(struct work *work)
{
    size_t most = work->ref_count > work->event_count ? work->ref_count : work->event_count;
    enum err err = work_reserve(&work->entries, &work->entry_capacity, 2 * most, sizeof(struct sort_entry));
    if (!err)
        err = sort_items(work);
    return err ? err : sort_event_ids(work);
}
