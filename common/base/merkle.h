/* Merkle trees as RFC 6962 section 2.1 has them, over leaves that are digests already: a leaf's hash is
 * SHA-256(0x00 || leaf), a node's SHA-256(0x01 || left || right). No allocation; safe on any thread. */
#ifndef EPCISD_BASE_MERKLE_H
#define EPCISD_BASE_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"

enum { MERKLE_PATH_MAX = 64 }; /* hashes in the longest path */

/* MTH of section 2.1; of no leaves it is the digest of nothing. */
void merkle_root(const uint8_t (*leaves)[DIGEST_BYTES], size_t count, uint8_t out[DIGEST_BYTES]);

/* PATH of section 2.1.1: the hashes that lead from the leaf at `index`, below `count`, to the root, its own
 * neighbour first. Returns how many. */
size_t merkle_path(const uint8_t (*leaves)[DIGEST_BYTES], size_t count, size_t index,
                   uint8_t out[MERKLE_PATH_MAX][DIGEST_BYTES]);

#endif
