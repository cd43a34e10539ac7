#include "server/front/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

/* One row an error: the status, and what a client is told to do. */
static const struct {
    grpc_status_code status;
    const char *remedy;
} statuses[] = {
    [ERR_INPUT] = {GRPC_STATUS_INVALID_ARGUMENT, "send what the service's definition asks for"},
    [ERR_LIMIT] = {GRPC_STATUS_RESOURCE_EXHAUSTED, "ask for fewer entries at once (page_size)"},
    [ERR_NOT_FOUND] = {GRPC_STATUS_NOT_FOUND, "not known here"},
    [ERR_FULL] = {GRPC_STATUS_RESOURCE_EXHAUSTED, "too much work is waiting; try again after retry-after-ms"},
    [ERR_STOPPED] = {GRPC_STATUS_UNAVAILABLE, "the server is stopping; try again later"},
    [ERR_DISK] = {GRPC_STATUS_UNAVAILABLE,
                  "the server's disk refuses work; nothing was kept, try again later"},
};

static void set_details(struct reply *reply, const char *format, va_list arguments)
{
    int length = vsnprintf(reply->details, sizeof reply->details, format, arguments);
    if (length < (int)sizeof reply->details)
        return;
    /* Cut before a character, not inside it: status texts are UTF-8. */
    size_t end = sizeof reply->details - 1;
    while (end && ((unsigned char)reply->details[end - 1] & 0xc0) == 0x80)
        end--;
    if (end && (unsigned char)reply->details[end - 1] >= 0xc0)
        end--;
    reply->details[end] = '\0';
}

void reply_fail(struct reply *reply, grpc_status_code status, const char *format, ...)
{
    va_list arguments;
    reply->status = status;
    va_start(arguments, format);
    set_details(reply, format, arguments);
    va_end(arguments);
}

void reply_err(struct reply *reply, enum err err, const char *format, ...)
{
    grpc_status_code status = GRPC_STATUS_INTERNAL;
    const char *remedy = "an error inside the server; its log says more";
    if ((size_t)err < sizeof statuses / sizeof statuses[0] && statuses[err].remedy) {
        status = statuses[err].status;
        remedy = statuses[err].remedy;
    }
    va_list arguments;
    va_start(arguments, format);
    set_details(reply, format, arguments);
    va_end(arguments);
    reply->status = status;
    if (status == GRPC_STATUS_INTERNAL || err == ERR_DISK)
        log_error("call_failed", "err=%s what=\"%s\"", err_name(err), reply->details);
    size_t length = strlen(reply->details);
    snprintf(reply->details + length, sizeof reply->details - length, ": %s", remedy);
}

void reply_message(struct reply *reply, const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    reply->status = GRPC_STATUS_OK;
    reply->message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
}

void reply_free(struct reply *reply)
{
    if (reply->message)
        grpc_byte_buffer_destroy(reply->message);
    reply->message = NULL;
}
