/* Any bytes as an identifier: parts stay inside the text, keys stay in their bounds and survive being
 * written out and read again. */
#include <stdlib.h>
#include <string.h>

#include "common/gs1/epc.h"

static void check_parts(const struct epc *epc, const char *text, size_t size)
{
    CHECK(strlen(epc->digits) < sizeof epc->digits);
    if (epc->suffix)
        CHECK(epc->suffix >= text && epc->suffix + epc->suffix_length <= text + size);
    CHECK((epc->fault == EPC_FAULT_NONE) == (epc_fault_code(epc->fault)[0] == '\0'));
    if (epc->fault == EPC_FAULT_NONE && epc->kind != EPC_OTHER)
        CHECK(gs1_check_digit_ok(epc->digits, strlen(epc->digits)));
}

static void check_key(const char *text, size_t size)
{
    uint8_t key[EPC_KEY_MAX], again[EPC_KEY_MAX];
    char printed[2 * EPC_KEY_MAX], small[8];
    size_t length = epc_key(text, size, key);
    CHECK(length > 0 && length <= sizeof key);
    size_t needed = epc_key_text(key, length, printed, sizeof printed);
    CHECK(needed < sizeof printed && printed[needed] == '\0');
    CHECK(epc_key_text(key, length, small, sizeof small) == needed);
    if (key[0] != 'H') {
        CHECK(epc_key(printed, needed, again) == length);
        CHECK(memcmp(key, again, length) == 0);
    }
    epc_key_text((const uint8_t *)text, size, printed, sizeof printed); /* any bytes as a key */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy without a NUL behind it, so that reading on shows. */
    char *text = malloc(size ? size : 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    struct epc epc;
    char canonical[512], gln[14];
    uint32_t date;
    epc_parse(text, size, &epc);
    check_parts(&epc, text, size);
    check_key(text, size);
    size_t needed = epc_canonical(text, size, canonical, sizeof canonical);
    CHECK(epc_canonical(text, size, NULL, 0) == needed);
    if (gln_of(text, size, gln) == ERR_OK)
        CHECK(gs1_check_digit_ok(gln, 13));
    gs1_date_parse(text, size, &date);
    free(text);
    return 0;
}
