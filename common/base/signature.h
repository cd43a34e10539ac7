/* Ed25519 signatures (RFC 8032) as the page of epcis.v1.AuditService defines them: over a line that names
 * the kind of what is signed (the domain), and its bytes. The only user of OpenSSL's keys. A key does not
 * change, so all of this is safe on any thread. Nothing here waits for anything. */
#ifndef EPCISD_BASE_SIGNATURE_H
#define EPCISD_BASE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum {
    SIGNATURE_SEED_BYTES = 32,
    SIGNATURE_PUBLIC_BYTES = 32,
    SIGNATURE_BYTES = 64,
    SIGNATURE_KEY_ID = 16, /* characters */
    SIGNATURE_PEM_MAX = 1024,
};

/* A private key with its public one. */
struct signature_key;

/* A new key from the system's random numbers. ERR_SYSTEM: it has none; ERR_MEMORY. */
enum err signature_key_make(struct signature_key **out);

/* The key of these 32 bytes (RFC 8032 5.1.5). ERR_MEMORY. */
enum err signature_key_from_seed(const uint8_t seed[SIGNATURE_SEED_BYTES], struct signature_key **out);

/* A private key as PEM (PKCS#8, RFC 8410), as `openssl genpkey -algorithm ed25519` writes it. `out` is
 * ended by a NUL; whoever has it erases it. ERR_INPUT: it is none, or not of Ed25519; ERR_MEMORY. */
enum err signature_key_read(const char *pem, size_t length, struct signature_key **out);
enum err signature_key_write(const struct signature_key *key, char out[SIGNATURE_PEM_MAX]);

/* Erases and frees it; NULL inside is fine. */
void signature_key_free(struct signature_key **key);

/* Valid as long as the key. */
const uint8_t *signature_key_public(const struct signature_key *key);
const char *signature_key_id(const struct signature_key *key);

/* A public key as PEM (SubjectPublicKeyInfo, RFC 8410) or as 64 hexadecimal digits, with white space around
 * it or not. ERR_INPUT: it is neither. */
enum err signature_public_read(const char *text, size_t length, uint8_t out[SIGNATURE_PUBLIC_BYTES]);

/* The first 16 hexadecimal digits of the SHA-256 of the public key. */
void signature_id_of(const uint8_t public_key[SIGNATURE_PUBLIC_BYTES], char out[SIGNATURE_KEY_ID + 1]);

/* Signs domain, a line feed and the bytes; the bytes alone where `domain` is empty. ERR_MEMORY. */
enum err signature_make(const struct signature_key *key, const char *domain, const void *data, size_t bytes,
                        uint8_t out[SIGNATURE_BYTES]);

/* Whether signature_make with that key's private half gives this signature. False, too, without memory. */
bool signature_ok(const uint8_t public_key[SIGNATURE_PUBLIC_BYTES], const char *domain, const void *data,
                  size_t bytes, const uint8_t *signature, size_t signature_bytes);

#endif
