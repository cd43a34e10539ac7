#include "worker/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/gs1/epc.h"

enum { PATH_BYTES = 256, GTINS_MAX = 32, GTIN_SIZE = 15, STEP_MAX = 256 };

struct gtins {
    char text[GTINS_MAX][GTIN_SIZE];
    char *list[GTINS_MAX];
    size_t count;
};

/* Where the first finding's field stands in an XML document; event positions count from 1 there. */
static void write_path(const struct work_event *event, char out[PATH_BYTES])
{
    static const char root[] = "/EPCISDocument", header[] = "EPCISHeader";
    const char *field = event->reason_count > 0 ? event->reasons[0]->field : event->warnings[0]->field;
    int length = snprintf(out, PATH_BYTES, "%s", root);
    if (strncmp(field, header, sizeof header - 1) != 0) /* not of the document as a whole */
        length =
            snprintf(out, PATH_BYTES, "%s/EPCISBody/EventList/*[%" PRIu64 "]", root, event->event_index + 1);
    rules_field_path(field, out + length, PATH_BYTES - (size_t)length);
}

/* ---- what a dead letter is looked for by ---- */

static void add_gtin(struct gtins *gtins, const char *text)
{
    struct epc epc;
    epc_parse(text, strlen(text), &epc);
    bool has_gtin = epc.kind == EPC_SGTIN || epc.kind == EPC_LGTIN || epc.kind == EPC_GTIN;
    if (!has_gtin || strlen(epc.digits) != GTIN_SIZE - 1)
        return;
    for (size_t i = gtins->count; i > 0; i--) /* neighbours are alike */
        if (strcmp(gtins->list[i - 1], epc.digits) == 0)
            return;
    if (gtins->count == GTINS_MAX)
        return;
    gtins->list[gtins->count] = gtins->text[gtins->count];
    memcpy(gtins->text[gtins->count++], epc.digits, GTIN_SIZE);
}

static void add_items(struct gtins *gtins, char *const *epcs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_gtin(gtins, epcs[i]);
}

static void add_classes(struct gtins *gtins, Epcis__V1__QuantityElement *const *elements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_gtin(gtins, elements[i]->epc_class);
}

static void find_gtins(const Epcis__V1__Event *event, struct gtins *out)
{
    add_gtin(out, event->parent_id);
    add_items(out, event->epc_list, event->n_epc_list);
    add_items(out, event->child_epcs, event->n_child_epcs);
    add_items(out, event->input_epc_list, event->n_input_epc_list);
    add_items(out, event->output_epc_list, event->n_output_epc_list);
    add_classes(out, event->quantity_list, event->n_quantity_list);
    add_classes(out, event->child_quantity_list, event->n_child_quantity_list);
    add_classes(out, event->input_quantity_list, event->n_input_quantity_list);
    add_classes(out, event->output_quantity_list, event->n_output_quantity_list);
}

/* Borrows from `scratch` and `gtins`. An event that cannot be read, or must not be, is found by its document
 * alone. */
static void describe(const struct work_event *event, struct arena *scratch, struct gtins *gtins,
                     Epcis__V1__DeadLetter *letter)
{
    arena_reset(scratch);
    Epcis__V1__Event *unpacked =
        event->item->event && !event->item->condemned
            ? epcis__v1__event__unpack(&scratch->allocator, event->item->content_bytes, event->item->event)
            : NULL;
    if (!unpacked)
        return;
    find_gtins(unpacked, gtins);
    letter->gtins = gtins->list;
    letter->n_gtins = gtins->count;
    letter->event_type = unpacked->type;
    if (strlen(unpacked->biz_step) <= STEP_MAX)
        letter->biz_step = unpacked->biz_step;
    if (unpacked->event_time && !unpacked->event_time->invalid_text[0])
        letter->event_time = unpacked->event_time;
}

enum err dead_letter_write(struct store_txn *txn, const struct work_batch *batch,
                           const struct work_event *event, struct arena *scratch)
{
    const Epcis__Wire__V1__BatchSegment *segment = batch->batch.segments[event->segment];
    const uint8_t *capture_id = segment->capture_id.data;
    struct gtins gtins = {.count = 0};
    char capture_text[UUID_TEXT + 1], batch_text[DIGEST_HEX + 1], path[PATH_BYTES];
    Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
    Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
    uuid_text(capture_id, capture_text);
    digest_hex(batch->batch.batch_id, DIGEST_BYTES, batch_text);
    write_path(event, path);
    letter.capture_id = capture_text;
    if (!event->whole_document) {
        letter.position_case = EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
        letter.event_index = event->event_index;
    }
    letter.reasons = event->reasons;
    letter.n_reasons = event->reason_count;
    if (batch->validate_only) {
        letter.validate_only = true;
        letter.warnings = event->warnings;
        letter.n_warnings = event->warning_count;
    }
    letter.line = event->item->line;
    letter.byte_offset = event->item->byte_offset;
    letter.path = path;
    letter.batch_id = batch_text;
    letter.refused_ms = clock_wall_ms();
    letter.rule_pack = (char *)rules_pack;
    letter.partner = segment->partner;
    describe(event, scratch, &gtins, &letter);
    if (event->refusal) {
        letter.path = event->refusal->path;
        letter.raw_document_part = event->refusal->raw_document_part;
    }
    if (event->item->event)
        record.event = (ProtobufCBinaryData){event->item->content_bytes, (uint8_t *)event->item->event};
    record.dead_letter = &letter;
    return store_dead_letter_append(txn, capture_id, &record);
}
