/* A growing run of bytes. Not for sharing between threads. */
#ifndef EPCISD_BASE_BUFFER_H
#define EPCISD_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

/* All zero is an empty buffer. `failed` sticks once memory ran out: append calls then do nothing, so
 * that a caller may check once at the end. */
struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
    bool failed;
};

/* As buffer_reserve, which calls it where the room is not there. */
uint8_t *buffer_grow(struct buffer *buffer, size_t bytes);

/* Room for `bytes` more; NULL (and `failed`) without memory. Raise `length` by what was used. */
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    if (buffer->failed || bytes > buffer->capacity - buffer->length)
        return buffer_grow(buffer, bytes);
    return buffer->data + buffer->length;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    uint8_t *end = bytes > 0 ? buffer_reserve(buffer, bytes) : NULL;
    if (!end)
        return;
    memcpy(end, data, bytes);
    buffer->length += bytes;
}

void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the message in protobuf form; returns its length. */
size_t buffer_append_message(struct buffer *buffer, const ProtobufCMessage *message);

/* Keeps the memory, forgets the content. */
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
