#include "common/wire/wire.h"

#include <string.h>

static uint8_t *put_big_endian(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
    return out + bytes;
}

void wire_batch_id(const uint8_t parent[DIGEST_BYTES], uint32_t partition, uint64_t sequence,
                   const uint8_t root[DIGEST_BYTES], uint8_t out[DIGEST_BYTES])
{
    uint8_t text[DIGEST_BYTES + 4 + 8 + DIGEST_BYTES];
    memcpy(text, parent, DIGEST_BYTES);
    uint8_t *end = put_big_endian(text + DIGEST_BYTES, partition, 4);
    end = put_big_endian(end, sequence, 8);
    memcpy(end, root, DIGEST_BYTES);
    digest_of(text, sizeof text, out);
}
