#include "server/front/cursor.h"

#include <string.h>

void cursor_init(struct cursor *cursor, const struct cursor_source *source)
{
    *cursor = (struct cursor){.source = source};
    for (size_t i = 0; i < source->count; i++) {
        const uint8_t *data;
        size_t length;
        source->run_at(source->runs, i, &data, &length);
        cursor->left += length;
    }
}

/* At most `most` bytes of the current run, or of the next that has any. */
static size_t take(struct cursor *cursor, size_t most, const uint8_t **data)
{
    if (most > cursor->left)
        most = cursor->left;
    while (most) {
        const uint8_t *run;
        size_t length;
        cursor->source->run_at(cursor->source->runs, cursor->run, &run, &length);
        if (cursor->offset < length) {
            size_t taken = length - cursor->offset < most ? length - cursor->offset : most;
            *data = run + cursor->offset;
            cursor->offset += taken;
            cursor->left -= taken;
            return taken;
        }
        cursor->run++;
        cursor->offset = 0;
    }
    return 0;
}

static enum err pass(struct cursor *cursor, size_t bytes)
{
    const uint8_t *data;
    if (bytes > cursor->left)
        return ERR_INPUT;
    while (bytes)
        bytes -= take(cursor, bytes, &data);
    return ERR_OK;
}

enum err cursor_varint(struct cursor *cursor, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *byte;
        if (!take(cursor, 1, &byte))
            return ERR_INPUT;
        if (shift == 63 && *byte > 1)
            return ERR_INPUT;
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (!(*byte & 0x80)) {
            *out = value;
            return ERR_OK;
        }
    }
    return ERR_INPUT;
}

enum err cursor_field(struct cursor *cursor, uint32_t *number, enum cursor_type *type)
{
    uint64_t key;
    if (!cursor->left)
        return ERR_NOT_FOUND;
    if (cursor_varint(cursor, &key) || key > UINT32_MAX || key >> 3 == 0)
        return ERR_INPUT;
    *number = (uint32_t)key >> 3;
    switch (key & 7) {
    case CURSOR_VARINT:
    case CURSOR_FIXED64:
    case CURSOR_BYTES:
    case CURSOR_FIXED32:
        *type = (enum cursor_type)(key & 7);
        return ERR_OK;
    default:
        return ERR_INPUT;
    }
}

enum err cursor_bytes(struct cursor *cursor, struct cursor *out)
{
    uint64_t length;
    if (cursor_varint(cursor, &length) || length > cursor->left)
        return ERR_INPUT;
    *out = *cursor;
    out->left = (size_t)length;
    return pass(cursor, (size_t)length);
}

enum err cursor_skip(struct cursor *cursor, enum cursor_type type)
{
    uint64_t value;
    struct cursor inside;
    switch (type) {
    case CURSOR_VARINT:
        return cursor_varint(cursor, &value);
    case CURSOR_FIXED64:
        return pass(cursor, 8);
    case CURSOR_BYTES:
        return cursor_bytes(cursor, &inside);
    case CURSOR_FIXED32:
        return pass(cursor, 4);
    }
    return ERR_INPUT;
}

size_t cursor_run(struct cursor *cursor, const uint8_t **data)
{
    return take(cursor, cursor->left, data);
}

void cursor_copy(struct cursor *cursor, void *out)
{
    uint8_t *end = out;
    const uint8_t *data;
    for (size_t taken; (taken = cursor_run(cursor, &data)) > 0; end += taken)
        memcpy(end, data, taken);
}
