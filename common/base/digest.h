/* SHA-256, capture ids and hexadecimal text. The only user of OpenSSL's digests. */
#ifndef EPCISD_BASE_DIGEST_H
#define EPCISD_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX = 64, UUID_BYTES = 16, UUID_TEXT = 36 };

/* SHA-256 of one run of bytes. */
void digest_of(const void *data, size_t bytes, uint8_t out[DIGEST_BYTES]);

/* SHA-256 of bytes that come in pieces. Not for sharing between threads. */
struct digest;
struct digest *digest_new(void); /* NULL without memory */
void digest_update(struct digest *digest, const void *data, size_t bytes);
void digest_finish(struct digest *digest, uint8_t out[DIGEST_BYTES]);     /* ready for the next one */
void digest_peek(const struct digest *digest, uint8_t out[DIGEST_BYTES]); /* of what came so far */
void digest_free(struct digest *digest);

/* Where it stands after `bytes` bytes, a multiple of DIGEST_BLOCK, and the way back there, in any process. */
enum { DIGEST_BLOCK = 64 };
void digest_save(const struct digest *digest, uint8_t state[DIGEST_BYTES]);
void digest_restore(struct digest *digest, const uint8_t state[DIGEST_BYTES], uint64_t bytes);

/* Lower-case hexadecimal digits and a NUL: 2 * bytes + 1 characters. */
void digest_hex(const uint8_t *data, size_t bytes, char *out);

/* The bytes of so many hexadecimal digits of either case. ERR_INPUT: others, or not 2 * bytes of them. */
enum err digest_unhex(const char *hex, size_t length, uint8_t *out, size_t bytes);

/* UUID version 7 (RFC 9562): sorts by the time it was made. */
enum err uuid_make(uint8_t out[UUID_BYTES]);
void uuid_text(const uint8_t uuid[UUID_BYTES], char out[UUID_TEXT + 1]);
enum err uuid_parse(const char *text, uint8_t out[UUID_BYTES]); /* ERR_INPUT */

#endif
