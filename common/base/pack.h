/* Packs messages into protobuf form in one pass, from the last byte to the first: what stands inside is
 * written before its length is due, so nothing is measured ahead. Byte for byte what protobuf_c_message_pack
 * gives, at a fraction of its cost. For messages without unknown fields, packed lists, fixed-width and
 * floating-point numbers, such as events; the rest of the program packs with protobuf-c. Not for sharing
 * between threads. */
#ifndef EPCISD_BASE_PACK_H
#define EPCISD_BASE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* All zero is an empty one; its memory serves one message after another. */
struct pack {
    uint8_t *data;
    size_t capacity;
    size_t start; /* what is packed begins here and ends where the memory does */
};

void pack_free(struct pack *pack);

/* Forgets what is packed. */
static inline void pack_clear(struct pack *pack)
{
    pack->start = pack->capacity;
}

/* What is packed, until the next call; its data may be NULL where it has no bytes. */
static inline size_t pack_bytes(const struct pack *pack)
{
    return pack->capacity - pack->start;
}

static inline const uint8_t *pack_data(const struct pack *pack)
{
    return pack->data ? pack->data + pack->start : NULL; /* to NULL not even 0 may be added */
}

/* Each puts something in front of what is packed. False without memory; the packer is then of no use until
 * cleared. */

/* The message's fields. */
bool pack_fields(struct pack *pack, const ProtobufCMessage *message);

/* The message as the field number `id` of the one around it. */
bool pack_message(struct pack *pack, uint32_t id, const ProtobufCMessage *message);

/* What makes the first `bytes` of what is packed the field number `id`. */
bool pack_head(struct pack *pack, uint32_t id, size_t bytes);

#endif
