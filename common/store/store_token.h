/* Page tokens of lists in the order of keys. A page may end where the next key is not to be told (struct
 * store_sight): so a token says how many keys behind one that the caller knows the next page starts. Its text
 * is that key in hexadecimal digits and, where it is not the start itself, "+" and the number. Internal to
 * the store. */
#ifndef EPCISD_STORE_STORE_TOKEN_H
#define EPCISD_STORE_STORE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/store/store.h"

enum { STORE_TOKEN_KEY = 400 };

struct store_token {
    uint8_t key[STORE_TOKEN_KEY]; /* no token was given: `length` is 0 */
    size_t length;
    uint32_t behind;
};

/* Whether a page ends with so many in a row that are not told. */
bool store_token_ends(const struct store_sight *sight, uint32_t unseen);

/* ERR_INPUT: the text is none of ours. */
enum err store_token_read(const char *text, struct store_token *out);

/* The key is one that may be told. */
void store_token_set(struct store_token *token, const void *key, size_t length);

void store_token_write(const struct store_token *token, char text[STORE_CURSOR]);

#endif
