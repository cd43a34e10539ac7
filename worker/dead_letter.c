#include "worker/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"

enum { PATH_BYTES = 256 };

/* Where the first reason's field stands in an XML document; event positions count from 1 there. */
static void write_path(const struct work_event *event, char out[PATH_BYTES])
{
    static const char root[] = "/EPCISDocument", header[] = "EPCISHeader";
    const char *field = event->reasons[0]->field;
    int length = snprintf(out, PATH_BYTES, "%s", root);
    if (strncmp(field, header, sizeof header - 1) != 0) /* not of the document as a whole */
        length =
            snprintf(out, PATH_BYTES, "%s/EPCISBody/EventList/*[%" PRIu64 "]", root, event->event_index + 1);
    rules_field_path(field, out + length, PATH_BYTES - (size_t)length);
}

enum err dead_letter_write(struct store_txn *txn, const struct batch *batch, const struct work_event *event)
{
    const uint8_t *capture_id = batch->segments[event->segment]->capture_id.data;
    char capture_text[UUID_TEXT + 1], batch_text[DIGEST_HEX + 1], path[PATH_BYTES];
    Epcis__Store__V1__DeadLetterRecord record = EPCIS__STORE__V1__DEAD_LETTER_RECORD__INIT;
    Epcis__V1__DeadLetter letter = EPCIS__V1__DEAD_LETTER__INIT;
    uuid_text(capture_id, capture_text);
    digest_hex(batch->batch_id, DIGEST_BYTES, batch_text);
    write_path(event, path);
    letter.capture_id = capture_text;
    if (!event->whole_document) {
        letter.position_case = EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
        letter.event_index = event->event_index;
    }
    letter.reasons = event->reasons;
    letter.n_reasons = event->reason_count;
    letter.line = event->item->line;
    letter.byte_offset = event->item->byte_offset;
    letter.path = path;
    letter.batch_id = batch_text;
    letter.refused_ms = clock_wall_ms();
    letter.rule_pack = (char *)rules_pack;
    if (event->refusal) {
        letter.path = event->refusal->path;
        letter.raw_document_part = event->refusal->raw_document_part;
    }
    if (event->item->event)
        record.event = (ProtobufCBinaryData){event->item->content_bytes, (uint8_t *)event->item->event};
    record.dead_letter = &letter;
    return store_dead_letter_append(txn, capture_id, &record);
}
