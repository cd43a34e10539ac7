#include "common/base/pack.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

enum { CAPACITY_MIN = 4096, VARINT_MAX = 10 };

void pack_free(struct pack *pack)
{
    free(pack->data);
    *pack = (struct pack){0};
}

/* Room for `bytes` in front of what is packed; NULL without memory. */
static uint8_t *grow(struct pack *pack, size_t bytes)
{
    size_t used = pack->capacity - pack->start;
    size_t capacity = pack->capacity < CAPACITY_MIN ? CAPACITY_MIN : pack->capacity;
    while (capacity - used < bytes) {
        if (capacity > SIZE_MAX / 2)
            return NULL;
        capacity *= 2;
    }
    uint8_t *data = malloc(capacity);
    if (!data)
        return NULL;
    if (used > 0)
        memcpy(data + capacity - used, pack->data + pack->start, used);
    free(pack->data);
    *pack = (struct pack){.data = data, .capacity = capacity, .start = capacity - used};
    return data + pack->start;
}

/* Where what is packed begins now, with room for `bytes` before it. */
static inline uint8_t *reserve(struct pack *pack, size_t bytes)
{
    return bytes <= pack->start ? pack->data + pack->start : grow(pack, bytes);
}

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    if (value < 0x80) {
        *--at = (uint8_t)value;
        return at;
    }
    size_t bytes = ((size_t)(63 - __builtin_clzll(value)) / 7) + 1;
    at -= bytes;
    for (size_t i = 0; i + 1 < bytes; i++, value >>= 7)
        at[i] = (uint8_t)(value | 0x80);
    at[bytes - 1] = (uint8_t)value;
    return at;
}

static bool put_number(struct pack *pack, uint32_t id, uint64_t value)
{
    uint8_t *at = reserve(pack, 2 * (size_t)VARINT_MAX);
    if (!at)
        return false;
    at = put_varint(at, value);
    at = put_varint(at, (uint64_t)id << 3);
    pack->start = (size_t)(at - pack->data);
    return true;
}

static inline bool put_head(struct pack *pack, uint32_t id, size_t bytes)
{
    uint8_t *at = reserve(pack, 2 * (size_t)VARINT_MAX);
    if (!at)
        return false;
    at = put_varint(at, bytes);
    at = put_varint(at, (uint64_t)id << 3 | 2);
    pack->start = (size_t)(at - pack->data);
    return true;
}

bool pack_head(struct pack *pack, uint32_t id, size_t bytes)
{
    return put_head(pack, id, bytes);
}

static inline bool put_bytes(struct pack *pack, uint32_t id, const void *data, size_t bytes)
{
    uint8_t *at = reserve(pack, bytes + 2 * (size_t)VARINT_MAX);
    if (!at)
        return false;
    at -= bytes;
    if (bytes > 0) /* else the data may be NULL, of which not even nothing may be copied */
        memcpy(at, data, bytes);
    at = put_varint(at, bytes);
    at = put_varint(at, (uint64_t)id << 3 | 2);
    pack->start = (size_t)(at - pack->data);
    return true;
}

bool pack_message(struct pack *pack, uint32_t id, const ProtobufCMessage *message)
{
    size_t behind = pack_bytes(pack);
    return pack_fields(pack, message) && put_head(pack, id, pack_bytes(pack) - behind);
}

static bool put_list(struct pack *pack, const ProtobufCFieldDescriptor *field, const void *member,
                     size_t count)
{
    bool ok = true;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        char *const *texts = *(char *const *const *)member;
        while (ok && count-- > 0)
            ok = put_bytes(pack, field->id, texts[count], strlen(texts[count]));
    } else {
        CHECK(field->type == PROTOBUF_C_TYPE_MESSAGE);
        ProtobufCMessage *const *messages = *(ProtobufCMessage *const *const *)member;
        while (ok && count-- > 0)
            ok = pack_message(pack, field->id, messages[count]);
    }
    return ok;
}

/* `all`: even what is zero or empty, which proto3 leaves out elsewhere: the member is the one that a oneof
 * has. */
static bool put_single(struct pack *pack, const ProtobufCFieldDescriptor *field, const void *member, bool all)
{
    uint64_t number = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)member;
        return (text[0] == '\0' && !all) || put_bytes(pack, field->id, text, strlen(text));
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)member;
        return !inner || pack_message(pack, field->id, inner);
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = member;
        return (data->len == 0 && !all) || put_bytes(pack, field->id, data->data, data->len);
    }
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
        number = (uint64_t)(int64_t) * (const int32_t *)member;
        break;
    case PROTOBUF_C_TYPE_UINT32:
        number = *(const uint32_t *)member;
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        number = *(const uint64_t *)member;
        break;
    case PROTOBUF_C_TYPE_SINT64:
        number = *(const uint64_t *)member;
        number = number << 1 ^ (0 - (number >> 63));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        number = *(const protobuf_c_boolean *)member != 0;
        break;
    default:
        CHECK(!"a type that is not packed here");
    }
    return (number == 0 && !all) || put_number(pack, field->id, number);
}

/* Most fields of a message are absent: these are passed over here, where it costs least. */
bool pack_fields(struct pack *pack, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *start = (const char *)message;
    bool ok = true;
    CHECK(message->n_unknown_fields == 0);
    for (const ProtobufCFieldDescriptor *field = type->fields + type->n_fields;
         ok && field-- > type->fields;) {
        const char *member = start + field->offset, *quantifier = start + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)quantifier;
            if (count > 0)
                ok = put_list(pack, field, member, count);
        } else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            if (*(const uint32_t *)(const void *)quantifier == field->id)
                ok = put_single(pack, field, member, true);
        } else if (field->type == PROTOBUF_C_TYPE_STRING) {
            const char *text = *(const char *const *)(const void *)member;
            if (text[0] != '\0')
                ok = put_bytes(pack, field->id, text, strlen(text));
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)(const void *)member;
            if (inner)
                ok = pack_message(pack, field->id, inner);
        } else {
            ok = put_single(pack, field, member, false);
        }
    }
    return ok;
}
