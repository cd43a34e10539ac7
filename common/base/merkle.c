#include "common/base/merkle.h"

#include <stdbool.h>
#include <string.h>

static void hash_leaf(const uint8_t leaf[DIGEST_BYTES], uint8_t out[DIGEST_BYTES])
{
    uint8_t text[1 + DIGEST_BYTES] = {0};
    memcpy(text + 1, leaf, DIGEST_BYTES);
    digest_of(text, sizeof text, out);
}

/* `pair` becomes the hash of the node above both. */
static void hash_pair(uint8_t (*pair)[DIGEST_BYTES])
{
    uint8_t text[1 + 2 * DIGEST_BYTES] = {1};
    memcpy(text + 1, pair, (size_t)2 * DIGEST_BYTES);
    digest_of(text, sizeof text, pair[0]);
}

void merkle_root(const uint8_t (*leaves)[DIGEST_BYTES], size_t count, uint8_t out[DIGEST_BYTES])
{
    /* Roots of full subtrees, the largest first: one for each bit set in the number of leaves so far. */
    uint8_t roots[MERKLE_PATH_MAX + 1][DIGEST_BYTES];
    size_t depth = 0;
    if (count == 0) {
        digest_of("", 0, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        hash_leaf(leaves[i], roots[depth++]);
        for (size_t full = i + 1; full % 2 == 0; full /= 2, depth--)
            hash_pair(&roots[depth - 2]);
    }
    for (; depth > 1; depth--)
        hash_pair(&roots[depth - 2]);
    memcpy(out, roots[0], DIGEST_BYTES);
}

size_t merkle_path(const uint8_t (*leaves)[DIGEST_BYTES], size_t count, size_t index,
                   uint8_t out[MERKLE_PATH_MAX][DIGEST_BYTES])
{
    if (count < 2)
        return 0;
    size_t left = 1; /* the largest power of two below the count */
    while (count - left > left)
        left *= 2;
    bool in_left = index < left;
    size_t length = in_left ? merkle_path(leaves, left, index, out)
                            : merkle_path(leaves + left, count - left, index - left, out);
    if (in_left)
        merkle_root(leaves + left, count - left, out[length]);
    else
        merkle_root(leaves, left, out[length]);
    return length + 1;
}
