#include "server/front/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

static enum reason reason_of(enum err err)
{
    switch (err) {
    case ERR_INPUT:
        return REASON_REQUEST_MALFORMED;
    case ERR_LIMIT:
        return REASON_ANSWER_TOO_LARGE;
    case ERR_NOT_FOUND:
        return REASON_NOT_FOUND;
    case ERR_FULL:
        return REASON_BACKLOG_FULL;
    case ERR_STOPPED:
        return REASON_SERVER_STOPPING;
    case ERR_DISK:
        return REASON_DISK_FAILED;
    default:
        return REASON_INTERNAL;
    }
}

/* What a client gets is UTF-8 whatever it sent, also where a text from it was cut inside a character: one who
 * unpacks google.rpc.Status gets nothing otherwise. */
static void set_details(struct reply *reply, const char *format, va_list arguments)
{
    vsnprintf(reply->details, sizeof reply->details, format, arguments);
    utf8_mend(reply->details);
}

static void set_reason(struct reply *reply, enum reason reason)
{
    const struct reason_row *row = reason_row(reason);
    reply->reason = reason;
    reply->status = row->status;
    reply->resource_type = NULL;
    reply->within = NULL;
    if (!reply->retry_after_ms)
        reply->retry_after_ms = row->retry_ms;
}

/* A text so long that the remedy has no room left goes without: the details carry it in any case. */
static void add_remedy(struct reply *reply)
{
    const char *remedy = reason_row(reply->reason)->remedy;
    size_t length = strlen(reply->details);
    if (length + strlen(remedy) + sizeof ": " <= sizeof reply->details)
        snprintf(reply->details + length, sizeof reply->details - length, ": %s", remedy);
}

void reply_refuse(struct reply *reply, enum reason reason, const char *format, ...)
{
    va_list arguments;
    set_reason(reply, reason);
    va_start(arguments, format);
    set_details(reply, format, arguments);
    va_end(arguments);
    add_remedy(reply);
}

void reply_input(struct reply *reply, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_details(reply, format, arguments);
    va_end(arguments);
    set_reason(reply, strchr(reply->details, '`') ? REASON_FIELD_INVALID : REASON_REQUEST_MALFORMED);
}

void reply_within(struct reply *reply, const char *field)
{
    reply->within = field;
}

void reply_refused(struct reply *reply, const struct refusal *why)
{
    static const enum reason reasons[REFUSAL_REASONS] = {
        [REFUSAL_NONE] = REASON_BACKLOG_FULL,
        [REFUSAL_JOURNAL_FAILED] = REASON_DISK_FAILED,
        [REFUSAL_DISK_SPACE] = REASON_DISK_SPACE,
        [REFUSAL_JOURNAL_SPACE] = REASON_JOURNAL_SPACE,
        [REFUSAL_STORE_SPACE] = REASON_STORE_SPACE,
        [REFUSAL_BACKLOG_BYTES] = REASON_BACKLOG_BYTES,
        [REFUSAL_BACKLOG_DOCUMENTS] = REASON_BACKLOG_DOCUMENTS,
        [REFUSAL_BACKLOG_AGE] = REASON_BACKLOG_AGE,
        [REFUSAL_DOCUMENT_BYTES] = REASON_DOCUMENT_BYTES,
        [REFUSAL_UPLOADS] = REASON_UPLOADS,
        [REFUSAL_PARTNER_REQUESTS] = REASON_PARTNER_REQUESTS,
        [REFUSAL_PARTNER_BYTES] = REASON_PARTNER_BYTES,
        [REFUSAL_PARTNER_SHARE] = REASON_PARTNER_SHARE,
    };
    set_reason(reply, reasons[why->reason]);
    reply->retry_after_ms = why->retry_after_ms;
    snprintf(reply->details, sizeof reply->details, "%s", why->text);
    utf8_mend(reply->details);
}

void reply_err(struct reply *reply, enum err err, const char *format, ...)
{
    va_list arguments;
    set_reason(reply, reason_of(err));
    va_start(arguments, format);
    set_details(reply, format, arguments);
    va_end(arguments);
    if (reply->reason == REASON_INTERNAL || reply->reason == REASON_DISK_FAILED)
        log_error("call_failed", "err=%s what=\"%s\"", err_name(err), reply->details);
    add_remedy(reply);
}

void reply_about(struct reply *reply, const char *type, const char *name)
{
    reply->resource_type = type;
    snprintf(reply->resource_name, REPLY_NAME, "%s", name);
    utf8_mend(reply->resource_name);
}

void reply_message(struct reply *reply, const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    reply->status = GRPC_STATUS_OK;
    reply->message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
}

/* ---- google.rpc.Status --------------------------------------------------------------------------------- */

enum { DETAILS_MAX = 4, DETAIL_BYTES = 1280 };

struct status {
    Google__Protobuf__Any details[DETAILS_MAX];
    Google__Protobuf__Any *all[DETAILS_MAX];
    uint8_t bytes[DETAILS_MAX][DETAIL_BYTES]; /* the reply's bounds keep each detail below */
    size_t count;
};

static void add_detail(struct status *status, const char *type_url, const ProtobufCMessage *message)
{
    Google__Protobuf__Any *detail = &status->details[status->count];
    uint8_t *bytes = status->bytes[status->count];
    CHECK(protobuf_c_message_get_packed_size(message) <= DETAIL_BYTES);
    google__protobuf__any__init(detail);
    detail->type_url = (char *)type_url;
    detail->value = (ProtobufCBinaryData){protobuf_c_message_pack(message, bytes), bytes};
    status->all[status->count++] = detail;
}

static void add_reason(struct status *status, const struct reason_row *row)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry remedy = GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry *metadata = &remedy;
    remedy.key = (char *)"remedy";
    remedy.value = (char *)row->remedy;
    info.reason = (char *)row->name;
    info.domain = (char *)"epcisd";
    info.metadata = &metadata;
    info.n_metadata = 1;
    add_detail(status, "type.googleapis.com/google.rpc.ErrorInfo", &info.base);
}

static void add_violation(struct status *status, const struct reply *reply)
{
    Google__Rpc__BadRequest request = GOOGLE__RPC__BAD_REQUEST__INIT;
    Google__Rpc__BadRequest__FieldViolation violation = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    Google__Rpc__BadRequest__FieldViolation *violations = &violation;
    char field[REPLY_DETAILS];
    const char *start = strchr(reply->details, '`') + 1;
    snprintf(field, sizeof field, "%s%s%.*s", reply->within ? reply->within : "", reply->within ? "." : "",
             (int)strcspn(start, "`"), start);
    utf8_mend(field);
    violation.field = field;
    violation.description = (char *)reply->details;
    request.field_violations = &violations;
    request.n_field_violations = 1;
    add_detail(status, "type.googleapis.com/google.rpc.BadRequest", &request.base);
}

static void add_retry(struct status *status, uint32_t after_ms)
{
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = after_ms / 1000;
    delay.nanos = (int32_t)(after_ms % 1000) * 1000000;
    info.retry_delay = &delay;
    add_detail(status, "type.googleapis.com/google.rpc.RetryInfo", &info.base);
}

static void add_resource(struct status *status, const struct reply *reply)
{
    Google__Rpc__ResourceInfo info = GOOGLE__RPC__RESOURCE_INFO__INIT;
    info.resource_type = (char *)reply->resource_type;
    info.resource_name = (char *)reply->resource_name;
    add_detail(status, "type.googleapis.com/google.rpc.ResourceInfo", &info.base);
}

grpc_slice reply_status(const struct reply *reply)
{
    struct status status = {.count = 0};
    Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
    add_reason(&status, reason_row(reply->reason));
    if (reply->reason == REASON_FIELD_INVALID)
        add_violation(&status, reply);
    if (reply->retry_after_ms)
        add_retry(&status, reply->retry_after_ms);
    if (reply->resource_type)
        add_resource(&status, reply);
    message.code = (int32_t)reply->status;
    message.message = (char *)reply->details;
    message.details = status.all;
    message.n_details = status.count;
    grpc_slice slice = grpc_slice_malloc(google__rpc__status__get_packed_size(&message));
    google__rpc__status__pack(&message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

void reply_free(struct reply *reply)
{
    if (reply->message)
        grpc_byte_buffer_destroy(reply->message);
    reply->message = NULL;
}
