#include "common/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *buffer_grow(struct buffer *buffer, size_t bytes)
{
    if (buffer->failed)
        return NULL;
    size_t wanted = buffer->length + bytes;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < wanted && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    uint8_t *data = wanted < bytes || capacity < wanted ? NULL : realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return buffer->data + buffer->length;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    uint8_t *end = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length + 1);
    if (!end) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf((char *)end, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

size_t buffer_append_message(struct buffer *buffer, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *end = buffer_reserve(buffer, bytes);
    if (!end)
        return 0;
    protobuf_c_message_pack(message, end);
    buffer->length += bytes;
    return bytes;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
