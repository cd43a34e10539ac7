#include "common/store/store_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool store_token_ends(const struct store_sight *sight, uint32_t unseen)
{
    return unseen > 0 && unseen == sight->patience;
}

enum err store_token_read(const char *text, struct store_token *out)
{
    static const char hexadecimal[] = "0123456789abcdef", decimal[] = "0123456789";
    size_t digits = strspn(text, hexadecimal), more = strlen(text) - digits;
    const char *number = text + digits + 1;
    *out = (struct store_token){.length = digits / 2};
    if (digits % 2 || out->length > STORE_TOKEN_KEY)
        return ERR_INPUT;
    for (size_t i = 0; i < out->length; i++) {
        unsigned value;
        sscanf(text + 2 * i, "%2x", &value);
        out->key[i] = (uint8_t)value;
    }
    if (more == 0)
        return ERR_OK;
    if (text[digits] != '+' || more < 2 || more > 10 || strspn(number, decimal) != more - 1)
        return ERR_INPUT;
    out->behind = (uint32_t)strtoul(number, NULL, 10);
    return ERR_OK;
}

void store_token_set(struct store_token *token, const void *key, size_t length)
{
    memcpy(token->key, key, length);
    token->length = length;
    token->behind = 0;
}

void store_token_write(const struct store_token *token, char text[STORE_CURSOR])
{
    digest_hex(token->key, token->length, text);
    if (token->behind > 0)
        snprintf(text + 2 * token->length, STORE_CURSOR - 2 * token->length, "+%u", token->behind);
}
