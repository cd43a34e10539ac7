#include "common/gs1/epc.h"

#include <string.h>

#include "common/base/digest.h"
#include "common/gs1/set82.h"

/* The kind byte of a key. Stored: never changed, only added to. */
enum { KEY_SGTIN = 'G', KEY_SSCC = 'S', KEY_TEXT = 'T', KEY_DIGEST = 'H' };
enum { GTIN_BYTES = 6, SSCC_BYTES = 8 };

static void put_number(uint8_t *out, size_t bytes, const char *digits)
{
    uint64_t value = 0;
    while (*digits)
        value = value * 10 + (uint64_t)(*digits++ - '0');
    for (size_t i = bytes; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static void get_number(const uint8_t *data, size_t bytes, size_t count, char *digits)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    for (size_t i = count; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* A URN's tail cannot hold what a Digital Link's may, so either reading gives the same characters. */
static size_t decode_suffix(const struct epc *epc, char out[SET82_MAX])
{
    return set82_decode(epc->suffix, epc->suffix_length, false, out);
}

enum { LINK_MAX = 24 + 19 + 5 + 3 * SET82_MAX };

/* The canonical Digital Link of a faultless SGLN, PGLN, LGTIN or GTIN, each character of its suffix in
 * one spelling: %2f and %2F are one item. */
static size_t compose_link(const struct epc *epc, char out[LINK_MAX])
{
    static const char *const before[] = {
        [EPC_SGLN] = "/414/", [EPC_PGLN] = "/417/", [EPC_LGTIN] = "/01/", [EPC_GTIN] = "/01/"};
    size_t length = 0;
    char characters[SET82_MAX];
    const char *parts[] = {"https://id.gs1.org", before[epc->kind], epc->digits,
                           !epc->suffix            ? ""
                           : epc->kind == EPC_SGLN ? "/254/"
                                                   : "/10/"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t part = strlen(parts[i]);
        memcpy(out + length, parts[i], part);
        length += part;
    }
    if (epc->suffix)
        length += set82_encode(characters, decode_suffix(epc, characters), out + length);
    return length;
}

static size_t text_key(const char *text, size_t length, uint8_t out[EPC_KEY_MAX])
{
    if (length < EPC_KEY_MAX && !memchr(text, '\0', length)) {
        out[0] = KEY_TEXT;
        memcpy(out + 1, text, length);
        return length + 1;
    }
    out[0] = KEY_DIGEST;
    digest_of(text, length, out + 1);
    return 1 + DIGEST_BYTES;
}

static size_t other_key(const struct epc *epc, const char *text, size_t length, uint8_t out[EPC_KEY_MAX])
{
    char link[LINK_MAX], canonical[2 * EPC_KEY_MAX];
    if (epc->kind != EPC_OTHER && epc->fault == EPC_FAULT_NONE)
        return text_key(link, compose_link(epc, link), out);
    size_t needed = epc->kind == EPC_OTHER ? epc_canonical(text, length, canonical, sizeof canonical) : 0;
    if (needed > 0 && needed < sizeof canonical)
        return text_key(canonical, needed, out);
    return text_key(text, length, out);
}

static size_t key_of(const struct epc *epc, const char *text, size_t length, uint8_t out[EPC_KEY_MAX])
{
    if (epc->kind == EPC_SGTIN && epc->fault == EPC_FAULT_NONE) {
        out[0] = KEY_SGTIN;
        put_number(out + 1, GTIN_BYTES, epc->digits);
        return 1 + GTIN_BYTES + decode_suffix(epc, (char *)out + 1 + GTIN_BYTES);
    }
    if (epc->kind == EPC_SSCC && epc->fault == EPC_FAULT_NONE) {
        out[0] = KEY_SSCC;
        put_number(out + 1, SSCC_BYTES, epc->digits);
        return 1 + SSCC_BYTES;
    }
    return other_key(epc, text, length, out);
}

size_t epc_key(const char *text, size_t length, uint8_t out[EPC_KEY_MAX])
{
    struct epc epc;
    epc_parse(text, length, &epc);
    return key_of(&epc, text, length, out);
}

/* ---- by stems ---- */

enum { STEM_LEAST = 8 }; /* its last bytes tell its place */

/* Where the last part of a URN or link begins; 0: at no place for which there is a stem. */
static size_t stem_length(const char *text, size_t length)
{
    const char *last = length > 0 ? memrchr(text, text[0] == 'u' ? '.' : '/', length) : NULL;
    size_t stem = last ? (size_t)(last + 1 - text) : 0;
    return stem >= STEM_LEAST && stem <= sizeof((struct epc_key_stem *)0)->text ? stem : 0;
}

static struct epc_key_stem *slot_of(struct epc_key_stems *stems, const char *text, size_t stem)
{
    enum { SLOTS = sizeof stems->slots / sizeof stems->slots[0] };
    uint64_t end;
    memcpy(&end, text + stem - STEM_LEAST, sizeof end);
    return &stems->slots[(end * 0x9e3779b97f4a7c15U >> 32) % SLOTS];
}

/* Keeps the stem of a faultless SGTIN whose serial is its last part. */
static void keep_stem(struct epc_key_stem *slot, const char *text, size_t stem, const struct epc *epc,
                      const uint8_t *key)
{
    if (epc->kind != EPC_SGTIN || epc->fault != EPC_FAULT_NONE || epc->suffix != text + stem)
        return;
    slot->text_length = (uint8_t)stem;
    memcpy(slot->text, text, stem);
    memcpy(slot->digits, epc->digits, sizeof slot->digits);
    memcpy(slot->key, key, sizeof slot->key);
}

size_t epc_key_next(struct epc_key_stems *stems, const char *text, size_t length, struct epc *epc,
                    uint8_t out[EPC_KEY_MAX])
{
    size_t stem = stem_length(text, length), rest = length - stem;
    struct epc_key_stem *slot = stem ? slot_of(stems, text, stem) : NULL;
    /* Characters that stand for themselves cannot begin another part. */
    if (slot && slot->text_length == stem && memcmp(slot->text, text, stem) == 0 &&
        set82_plain(text + stem, rest)) {
        *epc = (struct epc){.kind = EPC_SGTIN, .suffix = text + stem, .suffix_length = rest};
        memcpy(epc->digits, slot->digits, sizeof slot->digits);
        memcpy(out, slot->key, sizeof slot->key);
        memcpy(out + sizeof slot->key, text + stem, rest);
        return sizeof slot->key + rest;
    }
    epc_parse(text, length, epc);
    size_t key_length = key_of(epc, text, length, out);
    if (slot)
        keep_stem(slot, text, stem, epc, out);
    return key_length;
}

/* Copies what fits, with a NUL. */
static size_t give_text(const char *text, size_t length, char *out, size_t size)
{
    if (size > 0) {
        size_t copied = length < size ? length : size - 1;
        memcpy(out, text, copied);
        out[copied] = '\0';
    }
    return length;
}

size_t epc_key_text(const uint8_t *key, size_t length, char *out, size_t size)
{
    static const char gtin_link[] = "https://id.gs1.org/01/", sscc_link[] = "https://id.gs1.org/00/";
    enum { LINK = sizeof gtin_link - 1 };
    char text[LINK_MAX];
    if (length > 1 + GTIN_BYTES && length <= 1 + GTIN_BYTES + SET82_MAX && key[0] == KEY_SGTIN) {
        memcpy(text, gtin_link, LINK);
        get_number(key + 1, GTIN_BYTES, 14, text + LINK);
        memcpy(text + LINK + 14, "/21/", 4);
        size_t serial =
            set82_encode((const char *)key + 1 + GTIN_BYTES, length - 1 - GTIN_BYTES, text + LINK + 18);
        return give_text(text, LINK + 18 + serial, out, size);
    }
    if (length == 1 + SSCC_BYTES && key[0] == KEY_SSCC) {
        memcpy(text, sscc_link, LINK);
        get_number(key + 1, SSCC_BYTES, 18, text + LINK);
        return give_text(text, LINK + 18, out, size);
    }
    if (length == 1 + DIGEST_BYTES && key[0] == KEY_DIGEST) {
        char digest[8 + DIGEST_HEX] = "sha256:";
        digest_hex(key + 1, DIGEST_BYTES, digest + 7);
        return give_text(digest, 7 + DIGEST_HEX, out, size);
    }
    return length > 0 ? give_text((const char *)key + 1, length - 1, out, size) : give_text("", 0, out, size);
}
