#include "server/ctl/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/json_text.h"
#include "common/base/signature.h"
#include "common/epcis/event_text.h"

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, "\"%s\": ", name);
    json_append_string(out, value);
}

/* As member, but an empty text is null. */
static void optional(struct buffer *out, const char *name, const char *value)
{
    member(out, name, value && value[0] ? value : NULL);
}

const char *output_state_name(Epcis__V1__CaptureState state)
{
    switch (state) {
    case EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RECEIVED:
        return "received";
    case EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING:
        return "running";
    case EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE:
        return "done";
    case EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED:
        return "failed";
    case EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED:
        return "cancelled";
    default:
        return "unknown";
    }
}

const char *output_letter_state_name(Epcis__V1__DeadLetterState state)
{
    switch (state) {
    case EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN:
        return "open";
    case EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_RESUBMITTED:
        return "resubmitted";
    case EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_DISCARDED:
        return "discarded";
    default:
        return "unknown";
    }
}

static const Epcis__V1__Receipt *receipt_of(const Epcis__V1__Capture *capture)
{
    static const Epcis__V1__Receipt none = EPCIS__V1__RECEIPT__INIT;
    return capture->receipt ? capture->receipt : &none;
}

/* What else of the receipt its signature covers, and the signature. */
static void signature_members(struct buffer *out, const Epcis__V1__Receipt *receipt)
{
    char signature[2 * SIGNATURE_BYTES + 1] = "";
    if (receipt->signature.len == SIGNATURE_BYTES)
        digest_hex(receipt->signature.data, SIGNATURE_BYTES, signature);
    buffer_printf(out,
                  ", \"document_bytes\": %" PRIu64 ", \"received_ms\": %" PRId64
                  ", \"journal_position\": %" PRIu64 ", ",
                  receipt->document_bytes, receipt->received_ms, receipt->journal_position);
    optional(out, "partner", receipt->partner);
    buffer_append_text(out, ", ");
    optional(out, "key_id", receipt->key_id);
    buffer_append_text(out, ", ");
    optional(out, "signature", signature);
}

void output_capture_json(struct buffer *out, const Epcis__V1__Capture *capture)
{
    const Epcis__V1__Receipt *receipt = receipt_of(capture);
    buffer_append_text(out, "{");
    member(out, "capture_id", receipt->capture_id);
    buffer_append_text(out, ", ");
    member(out, "document_digest", receipt->document_digest);
    buffer_append_text(out, ", ");
    member(out, "state", output_state_name(capture->state));
    buffer_printf(out,
                  ", \"duplicate_document\": %s, \"events\": %" PRIu64 ", \"committed\": %" PRIu64
                  ", \"duplicates\": %" PRIu64 ", \"dead_letters\": %" PRIu64 ", \"warnings\": %" PRIu64
                  ", \"batches\": %" PRIu64 ", \"error\": ",
                  receipt->duplicate_document ? "true" : "false", capture->events, capture->committed,
                  capture->duplicates, capture->dead_letters, capture->warnings, capture->batches);
    if (capture->error) {
        buffer_append_text(out, "{");
        member(out, "code", capture->error->code);
        buffer_append_text(out, ", ");
        member(out, "message", capture->error->message);
        buffer_printf(out, ", \"line\": %" PRIu64 ", \"byte_offset\": %" PRIu64 "}", capture->error->line,
                      capture->error->byte_offset);
    } else {
        buffer_append_text(out, "null");
    }
    buffer_append_text(out, ", ");
    optional(out, "sent_by", capture->sent_by);
    buffer_append_text(out, ", ");
    optional(out, "resubmission_of", capture->resubmission_of);
    signature_members(out, receipt);
    if (capture->cancellation) {
        buffer_append_text(out, ", \"cancellation\": {");
        member(out, "who", capture->cancellation->who);
        buffer_append_text(out, ", ");
        member(out, "why", capture->cancellation->why);
        buffer_printf(out, ", \"cancelled_ms\": %" PRId64 "}", capture->cancellation->cancelled_ms);
    }
    buffer_append_text(out, "}");
}

static void finding_members(struct buffer *out, const Epcis__V1__Finding *finding)
{
    static const Epcis__V1__Finding none = EPCIS__V1__FINDING__INIT;
    if (!finding)
        finding = &none;
    optional(out, "code", finding->code);
    buffer_append_text(out, ", ");
    optional(out, "field", finding->field);
    buffer_append_text(out, ", ");
    optional(out, "value", finding->value);
    buffer_append_text(out, ", ");
    optional(out, "message", finding->message);
    buffer_append_text(out, ", ");
    optional(out, "source", finding->source);
    buffer_append_text(out, ", ");
    optional(out, "remedy", finding->remedy);
}

static bool has_event(const Epcis__V1__DeadLetter *letter)
{
    return letter->position_case == EPCIS__V1__DEAD_LETTER__POSITION_EVENT_INDEX;
}

void output_dead_letter_json(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    buffer_append_text(out, "{");
    member(out, "dead_letter_id", letter->dead_letter_id);
    buffer_append_text(out, ", ");
    member(out, "capture_id", letter->capture_id);
    if (has_event(letter))
        buffer_printf(out, ", \"event_index\": %" PRIu64 ", ", letter->event_index);
    else
        buffer_append_text(out, ", \"event_index\": null, ");
    finding_members(out, letter->n_reasons ? letter->reasons[0] : NULL);
    buffer_printf(out, ", \"line\": %" PRIu64 ", ", letter->line);
    optional(out, "path", letter->path);
    buffer_append_text(out, ", ");
    optional(out, "partner", letter->partner);
    buffer_append_text(out, ", ");
    member(out, "state", output_letter_state_name(letter->state));
    if (letter->validate_only && letter->n_warnings > 0) {
        buffer_append_text(out, ", \"warning\": {");
        finding_members(out, letter->warnings[0]);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "}");
}

struct named {
    const char *name;
    const char *value;
};

/* What is told of an item's state, for programs and for people alike. */
#define ITEM_FIELDS(state)                                                                                   \
    {                                                                                                        \
        {"status", (state)->status}, {"disposition", (state)->disposition}, {"holder", (state)->holder},     \
            {"gtin", (state)->gtin}, {"serial", (state)->serial}, {"lot", (state)->lot},                     \
            {"expiry", (state)->expiry}, {"parent", (state)->parent}, {"container", (state)->container},     \
            {"container_status", (state)->container_status}, {"association", (state)->association},          \
    }

void output_item_json(struct buffer *out, const char *epc, const Epcis__V1__ItemState *state)
{
    static const Epcis__V1__ItemState none = EPCIS__V1__ITEM_STATE__INIT;
    if (!state)
        state = &none;
    member(out, "epc", state->epc && state->epc[0] ? state->epc : epc);
    buffer_append_text(out, ", \"state\": {");
    const struct named fields[] = ITEM_FIELDS(state);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        buffer_append_text(out, i ? ", " : "");
        optional(out, fields[i].name, fields[i].value);
    }
    buffer_append_text(out, "}");
}

void output_history_entry_json(struct buffer *out, const Epcis__V1__HistoryEntry *entry)
{
    char time[EVENT_TIME_TEXT];
    event_time_text(entry->event_time, time);
    buffer_append_text(out, "{");
    optional(out, "event_time", time);
    buffer_append_text(out, ", ");
    optional(out, "type", event_type_name(entry->type));
    buffer_append_text(out, ", ");
    optional(out, "biz_step", entry->biz_step);
    buffer_append_text(out, ", ");
    optional(out, "action", event_action_name(entry->action));
    buffer_append_text(out, ", ");
    optional(out, "event_id", entry->event_id);
    buffer_append_text(out, ", ");
    optional(out, "event_hash", entry->event_hash);
    buffer_append_text(out, ", ");
    optional(out, "batch_id", entry->batch_id);
    buffer_printf(out, ", \"sequence\": %" PRIu64 ", ", entry->sequence);
    optional(out, "capture_id", entry->capture_id);
    buffer_printf(out, ", \"event_index\": %" PRIu64 ", \"error_declaration\": %s, \"declared_wrong_by\": ",
                  entry->event_index, entry->error_declaration ? "true" : "false");
    if (entry->declared_wrong_by)
        buffer_printf(out, "%" PRIu64 "}", entry->declared_wrong_by);
    else
        buffer_append_text(out, "null}");
}

/* ---- text ---------------------------------------------------------------------------------------------- */

void output_foreign_text(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        /* C0, DEL, and C1 in its UTF-8 form (C2 80 to C2 9F). */
        bool c1 = byte == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;
        if (c1)
            text++;
        buffer_append(out, byte < 0x20 || byte == 0x7f || c1 ? "?" : text, 1);
    }
}

void output_short_text(struct buffer *out, const char *text, size_t most)
{
    size_t start = out->length;
    output_foreign_text(out, text);
    if (out->failed || out->length - start <= most)
        return;
    out->length = start + most - strlen("...");
    while (out->length > start && (out->data[out->length] & 0xc0) == 0x80) /* whole characters */
        out->length--;
    buffer_append_text(out, "...");
}

void output_complain(const char *format, ...)
{
    enum { LINE_BYTES = 4096 };
    char text[LINE_BYTES];
    struct buffer line = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_foreign_text(&line, text);
    buffer_append_text(&line, "\n");
    if (!line.failed)
        fwrite(line.data, 1, line.length, stderr);
    buffer_free(&line);
}

/* "1 event", "2 events" */
static void count(struct buffer *out, uint64_t number, const char *one, const char *many)
{
    buffer_printf(out, "%" PRIu64 " %s", number, number == 1 ? one : many);
}

void output_capture_text(struct buffer *out, const char *name, const Epcis__V1__Capture *capture)
{
    const Epcis__V1__Receipt *receipt = receipt_of(capture);
    output_foreign_text(out, name);
    buffer_printf(out, ": %s%s%s: ", output_state_name(capture->state),
                  receipt->duplicate_document ? " (received before)" : "",
                  capture->validate_only ? " (validated, nothing is kept)" : "");
    count(out, capture->events, "event", "events");
    buffer_printf(out, ", %" PRIu64 " committed, ", capture->committed);
    count(out, capture->duplicates, "duplicate, ", "duplicates, ");
    count(out, capture->dead_letters, "dead letter, ", "dead letters, ");
    count(out, capture->warnings, "warning, ", "warnings, ");
    count(out, capture->batches, "batch\n", "batches\n");
    buffer_printf(out, "  capture  %s\n  digest   %s\n", receipt->capture_id, receipt->document_digest);
    if (receipt->key_id[0])
        buffer_printf(out, "  signed   by key %s as document %" PRIu64 "\n", receipt->key_id,
                      receipt->journal_position);
    if (capture->error) {
        buffer_append_text(out, "  error    ");
        output_foreign_text(out, capture->error->code);
        buffer_printf(out, " at line %" PRIu64 ", byte %" PRIu64 ": ", capture->error->line,
                      capture->error->byte_offset);
        output_foreign_text(out, capture->error->message);
        buffer_append_text(out, "\n");
    }
    if (capture->cancellation) {
        buffer_append_text(out, "  by       ");
        output_foreign_text(out, capture->cancellation->who);
        buffer_append_text(out, ": ");
        output_foreign_text(out, capture->cancellation->why);
        buffer_append_text(out, "\n");
    }
    if (capture->resubmission_of[0])
        buffer_printf(out, "  again    dead letter %s\n", capture->resubmission_of);
    if (capture->dead_letters)
        buffer_printf(out, "  see      epcisctl dead-letters --capture %s\n", receipt->capture_id);
}

static void output_finding(struct buffer *out, const char *kind, const Epcis__V1__Finding *reason)
{
    buffer_printf(out, "    %s", kind);
    output_foreign_text(out, reason->code);
    if (reason->field[0]) {
        buffer_append_text(out, "  ");
        output_foreign_text(out, reason->field);
    }
    if (reason->value[0]) {
        buffer_append_text(out, " = ");
        output_foreign_text(out, reason->value);
    }
    buffer_append_text(out, "\n        ");
    output_foreign_text(out, reason->message);
    if (reason->remedy[0]) {
        buffer_append_text(out, "\n        ");
        output_foreign_text(out, reason->remedy);
    }
    if (reason->source[0]) {
        buffer_append_text(out, " (");
        output_foreign_text(out, reason->source);
        buffer_append_text(out, ")");
    }
    buffer_append_text(out, "\n");
}

void output_dead_letter_text(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    buffer_printf(out, "%s  capture %s  ", letter->dead_letter_id, letter->capture_id);
    if (has_event(letter))
        buffer_printf(out, "event %" PRIu64, letter->event_index);
    else
        buffer_append_text(out, "document");
    if (letter->state != EPCIS__V1__DEAD_LETTER_STATE__DEAD_LETTER_STATE_OPEN)
        buffer_printf(out, "  %s", output_letter_state_name(letter->state));
    if (letter->line)
        buffer_printf(out, "  line %" PRIu64, letter->line);
    if (letter->path[0]) {
        buffer_append_text(out, "  ");
        output_foreign_text(out, letter->path);
    }
    buffer_append_text(out, "\n");
    for (size_t i = 0; i < letter->n_reasons; i++)
        output_finding(out, "", letter->reasons[i]);
    for (size_t i = 0; i < letter->n_warnings; i++)
        output_finding(out, "warning  ", letter->warnings[i]);
}

static void row(struct buffer *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    buffer_printf(out, "%-16s ", name);
    output_foreign_text(out, value);
    buffer_append_text(out, "\n");
}

void output_item_text(struct buffer *out, const Epcis__V1__ItemState *state)
{
    if (!state)
        return;
    row(out, "epc", state->epc);
    const struct named fields[] = ITEM_FIELDS(state);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        row(out, fields[i].name, fields[i].value);
    buffer_append_text(out, "\n");
}

/* A cell of at least `width` bytes. */
static void cell(struct buffer *out, const char *text, int width)
{
    output_foreign_text(out, text);
    buffer_printf(out, "%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 1, "");
}

void output_history_heading_text(struct buffer *out)
{
    cell(out, "TIME", 25);
    cell(out, "TYPE", 20);
    cell(out, "ACTION", 8);
    cell(out, "BIZ STEP", 20);
    cell(out, "SEQUENCE", 10);
    buffer_append_text(out, "EVENT ID\n");
}

void output_history_entry_text(struct buffer *out, const Epcis__V1__HistoryEntry *entry)
{
    enum { EVENT_ID_WIDTH = 36 };
    char time[EVENT_TIME_TEXT], sequence[24];
    event_time_text(entry->event_time, time);
    snprintf(sequence, sizeof sequence, "%" PRIu64, entry->sequence);
    cell(out, time, 25);
    cell(out, event_type_name(entry->type), 20);
    cell(out, entry->action ? event_action_name(entry->action) : "-", 8);
    cell(out, entry->biz_step[0] ? entry->biz_step : "-", 20);
    cell(out, sequence, 10);
    output_short_text(out, entry->event_id[0] ? entry->event_id : "-", EVENT_ID_WIDTH);
    if (entry->declared_wrong_by)
        buffer_printf(out, "  (declared wrong by %" PRIu64 ")", entry->declared_wrong_by);
    buffer_append_text(out, entry->error_declaration ? "  (error declaration)\n" : "\n");
}

/* ---- containers ---------------------------------------------------------------------------------------- */

void output_contained_json(struct buffer *out, const Epcis__V1__ContainedItem *item)
{
    buffer_append_text(out, "{");
    member(out, "epc", item->epc);
    buffer_printf(out, ", \"depth\": %" PRIu32 ", ", item->depth);
    member(out, "parent", item->parent);
    buffer_append_text(out, ", ");
    optional(out, "gtin", item->gtin);
    buffer_append_text(out, ", ");
    optional(out, "lot", item->lot);
    buffer_append_text(out, ", ");
    optional(out, "expiry", item->expiry);
    buffer_printf(out, ", \"packed_sequence\": %" PRIu64 "}\n", item->packed_sequence);
}

void output_contained_heading_text(struct buffer *out)
{
    cell(out, "PACKED BY", 10);
    cell(out, "LOT", 21);
    cell(out, "EXPIRY", 11);
    buffer_append_text(out, "EPC\n");
}

void output_contained_text(struct buffer *out, const Epcis__V1__ContainedItem *item)
{
    char sequence[24];
    snprintf(sequence, sizeof sequence, "%" PRIu64, item->packed_sequence);
    cell(out, sequence, 10);
    cell(out, item->lot[0] ? item->lot : "-", 21);
    cell(out, item->expiry[0] ? item->expiry : "-", 11);
    buffer_printf(out, "%*s", (int)(item->depth > 1 && item->depth <= 100 ? 2 * (item->depth - 1) : 0), "");
    output_foreign_text(out, item->epc);
    buffer_append_text(out, "\n");
}

void output_containers(struct buffer *out, bool json, const Epcis__V1__GetContainersResponse *response)
{
    if (!json)
        buffer_append_text(out, "PACKED BY EPC\n");
    for (size_t i = 0; i < response->n_containers; i++) {
        const Epcis__V1__Container *container = response->containers[i];
        char sequence[24];
        snprintf(sequence, sizeof sequence, "%" PRIu64, container->packed_sequence);
        if (json) {
            buffer_append_text(out, "{");
            member(out, "epc", container->epc);
            buffer_printf(out, ", \"packed_sequence\": %s}\n", sequence);
        } else {
            cell(out, sequence, 10);
            output_foreign_text(out, container->epc);
            buffer_append_text(out, "\n");
        }
    }
}

enum err output_flush(struct buffer *out)
{
    enum err err = ERR_OK;
    if (out->failed) {
        fprintf(stderr, "epcisctl: out of memory\n");
        err = ERR_MEMORY;
    } else if (out->length > 0 &&
               (fwrite(out->data, 1, out->length, stdout) != out->length || fflush(stdout))) {
        fprintf(stderr, "epcisctl: standard output: %s\n", strerror(errno));
        err = ERR_SYSTEM;
    }
    buffer_clear(out);
    return err;
}
