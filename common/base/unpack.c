#include "common/base/unpack.h"

#include <string.h>

/* What is still to be read of one message. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Room for all texts: each takes less there than it took packed, with tag and length. */
struct texts {
    struct arena *arena;
    uint8_t *next;
};

struct value {
    uint64_t number; /* or the bytes' length */
    const uint8_t *data;
};

static inline bool take_varint(struct reader *reader, uint64_t *out)
{
    if (reader->at < reader->end && *reader->at < 0x80) {
        *out = *reader->at++;
        return true;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool is_bytes(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
           field->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Reads a field, which is `*field` or one after it: those of a message stand in the order of their numbers.
 * False where it is not so. */
static inline bool take_field(struct reader *reader, const ProtobufCFieldDescriptor **field,
                              const ProtobufCFieldDescriptor *last, struct value *out)
{
    enum { VARINT = 0, LENGTH_DELIMITED = 2 };
    uint64_t tag;
    if (!take_varint(reader, &tag))
        return false;
    while (*field < last && (*field)->id < tag >> 3)
        ++*field;
    if ((*field)->id != tag >> 3 || (tag & 7) != (is_bytes(*field) ? LENGTH_DELIMITED : VARINT) ||
        !take_varint(reader, &out->number))
        return false;
    if (!is_bytes(*field))
        return true;
    if (out->number > (size_t)(reader->end - reader->at))
        return false;
    out->data = reader->at;
    reader->at += out->number;
    return true;
}

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *type, struct texts *texts,
                                      const uint8_t *data, size_t bytes);

static uint8_t *keep_text(struct texts *texts, const struct value *value)
{
    uint8_t *text = texts->next;
    memcpy(text, value->data, value->number);
    text[value->number] = '\0';
    texts->next += value->number + 1;
    return text;
}

static bool set_member(const ProtobufCFieldDescriptor *field, struct texts *texts, const struct value *value,
                       void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = (char *)keep_text(texts, value);
        return true;
    case PROTOBUF_C_TYPE_BYTES:
        if (value->number > 0)
            *(ProtobufCBinaryData *)member = (ProtobufCBinaryData){value->number, keep_text(texts, value)};
        return true;
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage **inner = member;
        *inner = read_message(field->descriptor, texts, value->data, value->number);
        return *inner;
    }
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)member = (uint32_t)value->number;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)member = value->number;
        return true;
    case PROTOBUF_C_TYPE_SINT64:
        *(uint64_t *)member = value->number >> 1 ^ (0 - (value->number & 1));
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)member = value->number != 0;
        return true;
    default:
        return false;
    }
}

/* The members of a list, of which `value` is the first. */
static bool set_list(const ProtobufCFieldDescriptor *field, struct reader *reader,
                     const ProtobufCFieldDescriptor *last, struct texts *texts, struct value *value,
                     char *message)
{
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    struct reader ahead = *reader;
    const ProtobufCFieldDescriptor *next = field;
    struct value skipped;
    size_t count = 1;
    while (ahead.at < ahead.end && take_field(&ahead, &next, last, &skipped) && next == field)
        count++;
    void **list = arena_alloc(texts->arena, count * sizeof *list);
    if (!list)
        return false;
    next = field;
    *(size_t *)(void *)(message + field->quantifier_offset) = count;
    *(void ***)(void *)(message + field->offset) = list;
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && !take_field(reader, &next, last, value)) || !set_member(field, texts, value, &list[i]))
            return false;
    return true;
}

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *type, struct texts *texts,
                                      const uint8_t *data, size_t bytes)
{
    char *message = arena_alloc(texts->arena, type->sizeof_message);
    struct reader reader = {data, data + bytes};
    if (!message)
        return NULL;
    type->message_init((ProtobufCMessage *)(void *)message);
    const ProtobufCFieldDescriptor *field = type->fields, *last = field + type->n_fields - 1;
    const ProtobufCFieldDescriptor *before = NULL;
    struct value value;
    while (reader.at < reader.end) {
        if (type->n_fields == 0 || !take_field(&reader, &field, last, &value) || field == before)
            return NULL;
        before = field;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!set_list(field, &reader, last, texts, &value, message))
                return NULL;
            continue;
        }
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            uint32_t *which = (uint32_t *)(void *)(message + field->quantifier_offset);
            if (*which)
                return NULL;
            *which = field->id;
        }
        if (!set_member(field, texts, &value, message + field->offset))
            return NULL;
    }
    return (ProtobufCMessage *)(void *)message;
}

ProtobufCMessage *unpack_message(const ProtobufCMessageDescriptor *type, struct arena *arena,
                                 const uint8_t *data, size_t bytes)
{
    struct texts texts = {.arena = arena, .next = arena_alloc(arena, bytes)};
    ProtobufCMessage *message = texts.next ? read_message(type, &texts, data, bytes) : NULL;
    return message ? message : protobuf_c_message_unpack(type, &arena->allocator, bytes, data);
}
