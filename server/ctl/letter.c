#include "server/ctl/letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json_text.h"
#include "common/epcis/annotation.h"
#include "common/epcis/event_text.h"
#include "server/ctl/output.h"

/* Members of a dead letter as epcisctl's own JSON has them, and as an export has them. */
static const char plain[] = "", annotation[] = ANNOTATION_PREFIX ":";

/* `, "key": `, without the comma at the start of an object. */
static void key(struct buffer *out, const char *prefix, const char *name)
{
    bool first = out->length > 0 && (out->data[out->length - 1] == '{' || out->data[out->length - 1] == '[');
    buffer_printf(out, "%s\"%s%s\": ", first ? "" : ", ", prefix, name);
}

/* An absent text is null. */
static void member(struct buffer *out, const char *prefix, const char *name, const char *value)
{
    key(out, prefix, name);
    json_append_string(out, value[0] ? value : NULL);
}

static void ms_text(int64_t ms, char out[EVENT_TIME_TEXT])
{
    Epcis__V1__Time time = EPCIS__V1__TIME__INIT;
    time.seconds = ms / 1000;
    time.nanos = (uint32_t)(ms % 1000) * 1000000;
    time.fraction_digits = 3;
    event_time_text(&time, out);
}

/* Whatever a finding says, by the names that its definition gives. */
static const char *finding_text(const Epcis__V1__Finding *finding, unsigned field, const char **name)
{
    const ProtobufCFieldDescriptor *descriptor = &epcis__v1__finding__descriptor.fields[field];
    if (descriptor->type != PROTOBUF_C_TYPE_STRING || descriptor->label == PROTOBUF_C_LABEL_REPEATED)
        return "";
    const char *text;
    memcpy(&text, (const char *)finding + descriptor->offset, sizeof text);
    *name = descriptor->name;
    return text;
}

static void append_reasons(struct buffer *out, const char *prefix, const Epcis__V1__DeadLetter *letter)
{
    key(out, prefix, "reasons");
    for (size_t i = 0; i < letter->n_reasons; i++) {
        buffer_append_text(out, i ? ", {" : "[{");
        for (unsigned field = 0; field < epcis__v1__finding__descriptor.n_fields; field++) {
            const char *name, *text = finding_text(letter->reasons[i], field, &name);
            if (text[0])
                member(out, prefix, name, text);
        }
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, letter->n_reasons ? "]" : "[]");
}

/* Bytes of any kind: what is no text, or a NUL, is U+FFFD. */
static void append_raw(struct buffer *out, const char *prefix, const Epcis__V1__DeadLetter *letter)
{
    struct buffer text = {0};
    key(out, prefix, "raw_document_part");
    buffer_append(&text, letter->raw_document_part.data, letter->raw_document_part.len);
    for (size_t i = 0; i < text.length; i++)
        if (!text.data[i])
            text.data[i] = 0xff;
    buffer_append(&text, "", 1);
    out->failed |= text.failed;
    if (!text.failed)
        json_append_string(out, letter->raw_document_part.len ? (char *)text.data : NULL);
    buffer_free(&text);
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void append_changes(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    key(out, plain, "changes");
    buffer_append_text(out, "[");
    for (size_t i = 0; i < letter->n_changes; i++) {
        const Epcis__V1__DeadLetterChange *change = letter->changes[i];
        char time[EVENT_TIME_TEXT];
        ms_text(change->changed_ms, time);
        buffer_append_text(out, i ? ", {" : "{");
        member(out, plain, "state", output_letter_state_name(change->state));
        member(out, plain, "who", change->who);
        member(out, plain, "why", change->why);
        member(out, plain, "time", time);
        member(out, plain, "capture_id", change->capture_id);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "]");
}

static void append_gtins(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    key(out, plain, "gtins");
    for (size_t i = 0; i < letter->n_gtins; i++) {
        buffer_append_text(out, i ? ", " : "[");
        json_append_string(out, letter->gtins[i]);
    }
    buffer_append_text(out, letter->n_gtins ? "]" : "[]");
}

/* The event's JSON without the line end behind it. */
static size_t event_length(const Epcis__V1__DeadLetter *letter)
{
    size_t length = strlen(letter->event_json);
    while (length > 0 && letter->event_json[length - 1] == '\n')
        length--;
    return length;
}

void letter_append_json(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    char event_time[EVENT_TIME_TEXT], refused[EVENT_TIME_TEXT];
    event_time_text(letter->event_time, event_time);
    ms_text(letter->refused_ms, refused);
    output_dead_letter_json(out, letter);
    if (out->length > 0)
        out->length--; /* its closing brace: here comes the rest */
    append_reasons(out, plain, letter);
    member(out, plain, "batch_id", letter->batch_id);
    member(out, plain, "refused", refused);
    member(out, plain, "rule_pack", letter->rule_pack);
    append_gtins(out, letter);
    member(out, plain, "event_type", event_type_name(letter->event_type));
    member(out, plain, "biz_step", letter->biz_step);
    member(out, plain, "event_time", event_time);
    append_changes(out, letter);
    member(out, plain, "resubmission_of", letter->resubmission_of);
    key(out, plain, "event");
    if (letter->event_json[0])
        buffer_append(out, letter->event_json, event_length(letter));
    else
        buffer_append_text(out, "null");
    append_raw(out, plain, letter);
    buffer_append_text(out, "}");
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static void row(struct buffer *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    buffer_printf(out, "    %-10s ", name);
    output_foreign_text(out, value);
    buffer_append_text(out, "\n");
}

static void append_change_text(struct buffer *out, const Epcis__V1__DeadLetterChange *change)
{
    char time[EVENT_TIME_TEXT];
    ms_text(change->changed_ms, time);
    buffer_printf(out, "    %s %s by ", output_letter_state_name(change->state), time);
    output_foreign_text(out, change->who);
    buffer_append_text(out, ": ");
    output_foreign_text(out, change->why);
    buffer_append_text(out, "\n");
    row(out, "came as", change->capture_id);
}

void letter_append_text(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    char time[EVENT_TIME_TEXT];
    output_dead_letter_text(out, letter);
    ms_text(letter->refused_ms, time);
    row(out, "refused", time);
    row(out, "partner", letter->partner);
    row(out, "type", event_type_name(letter->event_type));
    row(out, "step", letter->biz_step);
    event_time_text(letter->event_time, time);
    row(out, "time", time);
    for (size_t i = 0; i < letter->n_gtins; i++)
        row(out, i ? "" : "gtin", letter->gtins[i]);
    row(out, "again", letter->resubmission_of);
    row(out, "state", output_letter_state_name(letter->state));
    for (size_t i = 0; i < letter->n_changes; i++)
        append_change_text(out, letter->changes[i]);
    if (letter->event_json[0]) {
        buffer_append(out, letter->event_json,
                      event_length(letter)); /* its strings hold no control characters */
        buffer_append_text(out, "\n");
    } else if (letter->raw_document_part.len) {
        struct buffer raw = {0};
        buffer_append(&raw, letter->raw_document_part.data, letter->raw_document_part.len);
        buffer_append(&raw, "", 1);
        if (!raw.failed)
            output_foreign_text(out, (char *)raw.data);
        buffer_free(&raw);
        buffer_append_text(out, "\n");
    }
}

/* ---- export -------------------------------------------------------------------------------------------- */

static void append_annotation(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    member(out, annotation, "dead_letter_id", letter->dead_letter_id);
    append_reasons(out, annotation, letter);
}

bool letter_append_event(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    size_t length = event_length(letter);
    if (length == 0 || letter->event_json[length - 1] != '}')
        return false;
    buffer_append(out, letter->event_json, length - 1);
    buffer_append_text(out, ", \"" ANNOTATION_PREFIX ":deadLetter\": {");
    append_annotation(out, letter);
    buffer_append_text(out, "}}");
    return true;
}

void letter_append_unreadable(struct buffer *out, const Epcis__V1__DeadLetter *letter)
{
    char line[24];
    snprintf(line, sizeof line, "%" PRIu64, letter->line);
    buffer_append_text(out, "{");
    append_annotation(out, letter);
    member(out, annotation, "line", letter->line ? line : "");
    member(out, annotation, "path", letter->path);
    append_raw(out, annotation, letter);
    buffer_append_text(out, "}");
}
