#include "server/front/query.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "server/front/limits.h"

/* NUL is refused too, as protobuf-c's strings end there. There is room for one more byte behind `text`. */
static bool is_text(uint8_t *text, size_t length)
{
    text[length] = '\0';
    for (size_t i = 0; i < length;) {
        size_t sequence = text[i] ? utf8_length(&text[i]) : 0;
        if (!sequence)
            return false;
        i += sequence;
    }
    return true;
}

/* Looks at the strings of a request, and of the messages inside it, where they lie: no request's type holds
 * itself. `text` has room for any of them. Whether one is bad: then the field's path, of our own short names,
 * is in the `size` bytes at `path`. */
static bool find_bad_text(const ProtobufCMessageDescriptor *descriptor, struct cursor *cursor, uint8_t *text,
                          char *path, size_t size)
{
    uint32_t number;
    enum cursor_type type;
    while (!cursor_field(cursor, &number, &type)) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, number);
        struct cursor value;
        bool message = field && field->type == PROTOBUF_C_TYPE_MESSAGE;
        if (!field || (field->type != PROTOBUF_C_TYPE_STRING && !message) || type != CURSOR_BYTES) {
            if (cursor_skip(cursor, type))
                return false; /* malformed: unpacking will say so */
            continue;
        }
        if (cursor_bytes(cursor, &value))
            return false;
        size_t length = value.left;
        size_t written = (size_t)snprintf(path, size, "%s%s", field->name, message ? "." : "");
        CHECK(written < size);
        if (!message)
            cursor_copy(&value, text);
        if (message ? find_bad_text(field->descriptor, &value, text, path + written, size - written)
                    : !is_text(text, length))
            return true;
    }
    return false;
}

const ProtobufCMessage *query_read(struct call *call, struct arena *arena)
{
    const ProtobufCMessageDescriptor *descriptor = call->method->request;
    if (!call->request) {
        reply_input(&call->reply, "the call came without its request message");
        return NULL;
    }
    struct cursor_source source;
    struct cursor cursor;
    call_cursor(call, &source, &cursor);
    size_t length = cursor.left,
           most = call->method->request_max ? call->method->request_max : FRONT_QUERY_MAX;
    if (length > most) {
        reply_input(&call->reply, "the request has %zu bytes; at most %zu are taken here", length, most);
        return NULL;
    }
    struct cursor whole = cursor;
    uint8_t *flat = arena_alloc(arena, length + 1);
    if (!flat) {
        reply_err(&call->reply, ERR_MEMORY, "reading the request");
        return NULL;
    }
    char path[128];
    if (find_bad_text(descriptor, &cursor, flat, path, sizeof path)) {
        reply_input(&call->reply, "`%s` is not UTF-8 text without NUL", path);
        return NULL;
    }
    cursor_copy(&whole, flat);
    ProtobufCMessage *request = protobuf_c_message_unpack(descriptor, &arena->allocator, length, flat);
    if (!request)
        reply_input(&call->reply, "the request is no well-formed %s", descriptor->name);
    return request;
}

enum call_next query_work(struct call *call, struct arena *arena)
{
    const ProtobufCMessage *request = query_read(call, arena);
    const ProtobufCMessage *answer = request ? call->method->answer(call, request, arena) : NULL;
    if (answer)
        reply_message(&call->reply, answer);
    return CALL_ANSWER;
}
