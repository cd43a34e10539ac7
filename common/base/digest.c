/* The low-level SHA-256 functions, deprecated since OpenSSL 3.0 but kept there: through EVP the same
 * digest costs two allocations and a lookup more, several times an event. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/base/digest.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "common/base/clock.h"

struct digest {
    SHA256_CTX context;
};

static const char hex_digits[] = "0123456789abcdef";

static void put_big_endian(uint8_t *out, uint32_t word)
{
    word = htobe32(word);
    memcpy(out, &word, sizeof word);
}

static void get_state(const SHA256_CTX *context, uint8_t out[DIGEST_BYTES])
{
    for (size_t i = 0; i < DIGEST_BYTES / 4; i++)
        put_big_endian(out + 4 * i, context->h[i]);
}

/* The last block or two, with what FIPS 180-4 section 5.1.1 puts behind a message, are made here:
 * SHA256_Final takes half as long again as a block does. */
void digest_of(const void *data, size_t bytes, uint8_t out[DIGEST_BYTES])
{
    enum { LENGTH_BYTES = 8 };
    SHA256_CTX context;
    uint8_t last[2 * DIGEST_BLOCK] = {0};
    size_t rest = bytes % DIGEST_BLOCK;
    size_t end = rest < DIGEST_BLOCK - LENGTH_BYTES ? DIGEST_BLOCK : 2 * DIGEST_BLOCK;
    uint64_t bits = htobe64((uint64_t)bytes * 8);
    if (rest > 0)
        memcpy(last, (const uint8_t *)data + bytes - rest, rest);
    last[rest] = 0x80;
    memcpy(last + end - LENGTH_BYTES, &bits, sizeof bits);
    SHA256_Init(&context);
    SHA256_Update(&context, data, bytes - rest);
    SHA256_Update(&context, last, end);
    get_state(&context, out);
}

struct digest *digest_new(void)
{
    struct digest *digest = malloc(sizeof *digest);
    if (digest)
        SHA256_Init(&digest->context);
    return digest;
}

void digest_update(struct digest *digest, const void *data, size_t bytes)
{
    SHA256_Update(&digest->context, data, bytes);
}

void digest_finish(struct digest *digest, uint8_t out[DIGEST_BYTES])
{
    SHA256_Final(out, &digest->context);
    SHA256_Init(&digest->context);
}

void digest_peek(const struct digest *digest, uint8_t out[DIGEST_BYTES])
{
    SHA256_CTX copy = digest->context;
    SHA256_Final(out, &copy);
}

void digest_free(struct digest *digest)
{
    free(digest);
}

void digest_save(const struct digest *digest, uint8_t state[DIGEST_BYTES])
{
    CHECK(digest->context.num == 0);
    get_state(&digest->context, state);
}

void digest_restore(struct digest *digest, const uint8_t state[DIGEST_BYTES], uint64_t bytes)
{
    CHECK(bytes % DIGEST_BLOCK == 0);
    SHA256_Init(&digest->context);
    for (size_t i = 0; i < DIGEST_BYTES / 4; i++)
        digest->context.h[i] = (SHA_LONG)state[4 * i] << 24 | (SHA_LONG)state[4 * i + 1] << 16 |
                               (SHA_LONG)state[4 * i + 2] << 8 | (SHA_LONG)state[4 * i + 3];
    digest->context.Nl = (SHA_LONG)(bytes << 3);
    digest->context.Nh = (SHA_LONG)(bytes >> 29);
}

void digest_hex(const uint8_t *data, size_t bytes, char *out)
{
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = hex_digits[data[i] >> 4];
        out[2 * i + 1] = hex_digits[data[i] & 15];
    }
    out[2 * bytes] = '\0';
}

static int hex_value(char c)
{
    const char *digit = c ? strchr(hex_digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return digit ? (int)(digit - hex_digits) : -1;
}

enum err digest_unhex(const char *hex, size_t length, uint8_t *out, size_t bytes)
{
    if (length != 2 * bytes)
        return ERR_INPUT;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_INPUT;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return ERR_OK;
}

enum err uuid_make(uint8_t out[UUID_BYTES])
{
    if (getrandom(out, UUID_BYTES, 0) != UUID_BYTES)
        return ERR_SYSTEM;
    uint64_t now_ms = (uint64_t)clock_wall_ms();
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | (out[6] & 0x0f));
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
    return ERR_OK;
}

static int is_dash_position(size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

void uuid_text(const uint8_t uuid[UUID_BYTES], char out[UUID_TEXT + 1])
{
    size_t nibble = 0;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        if (is_dash_position(i)) {
            out[i] = '-';
            continue;
        }
        uint8_t byte = uuid[nibble / 2];
        out[i] = hex_digits[nibble % 2 ? byte & 15 : byte >> 4];
        nibble++;
    }
    out[UUID_TEXT] = '\0';
}

enum err uuid_parse(const char *text, uint8_t out[UUID_BYTES])
{
    if (strlen(text) != UUID_TEXT)
        return ERR_INPUT;
    size_t nibble = 0;
    memset(out, 0, UUID_BYTES);
    for (size_t i = 0; i < UUID_TEXT; i++) {
        char c = text[i];
        if (is_dash_position(i)) {
            if (c != '-')
                return ERR_INPUT;
            continue;
        }
        int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (value < 0)
            return ERR_INPUT;
        out[nibble / 2] |= (uint8_t)(nibble % 2 ? value : value << 4);
        nibble++;
    }
    return ERR_OK;
}
