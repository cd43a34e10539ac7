/* API tokens: "epcisd_" and 64 hexadecimal digits, 256 bits of chance. Any thread. */
#ifndef EPCISD_SERVER_TOKEN_H
#define EPCISD_SERVER_TOKEN_H

#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"

enum { TOKEN_SIZE = sizeof "epcisd_" + DIGEST_HEX }; /* with its NUL */

/* A new one, and the SHA-256 of its text, by which it is known. Wipe the text after use. ERR_SYSTEM. */
enum err token_make(char token[TOKEN_SIZE], uint8_t sha256[DIGEST_BYTES]);

#endif
