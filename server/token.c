#include "server/token.h"

#include <string.h>
#include <sys/random.h>

enum err token_make(char token[TOKEN_SIZE], uint8_t sha256[DIGEST_BYTES])
{
    static const char prefix[] = "epcisd_"; /* by which people, and scanners for leaked secrets, know it */
    uint8_t secret[DIGEST_HEX / 2];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return ERR_SYSTEM;
    memcpy(token, prefix, strlen(prefix));
    digest_hex(secret, sizeof secret, token + strlen(prefix));
    explicit_bzero(secret, sizeof secret);
    digest_of(token, strlen(token), sha256);
    return ERR_OK;
}
