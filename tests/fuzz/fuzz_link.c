/* Any bytes in a GS1 Digital Link: its parts stay inside the text, its canonical form is its own, and both
 * name the same item, whatever was read before. */
#include <stdlib.h>
#include <string.h>

#include "common/gs1/digital_link.h"

static void check_parts(const char *text, size_t size)
{
    struct digital_link link;
    struct link_part part;
    if (!digital_link_split(text, size, &link))
        return;
    CHECK(link.value.text >= text && link.value.text + link.value.length <= text + size);
    CHECK(link.rest_length == 0 || (link.rest >= text && link.rest + link.rest_length <= text + size));
    while (digital_link_next(&link.rest, &link.rest_length, &part))
        CHECK(part.text >= text && part.text + part.length <= text + size);
}

static void check_canonical(const char *text, size_t size)
{
    static struct epc_stems stems; /* of inputs before */
    enum { ROOM = 8192 };
    static char canonical[ROOM], again[ROOM];
    uint8_t key[EPC_KEY_MAX], same[EPC_KEY_MAX];
    struct epc epc;
    size_t length = epc_canonical(text, size, canonical, ROOM);
    CHECK(epc_canonical_next(&stems, text, size, again, ROOM) == length);
    CHECK(length >= ROOM || memcmp(canonical, again, length + 1) == 0);
    if (length == 0 || length >= ROOM)
        return;
    CHECK(epc_canonical(canonical, length, again, ROOM) == length);
    CHECK(memcmp(canonical, again, length + 1) == 0);
    epc_parse(text, size, &epc);
    if (epc.fault != EPC_FAULT_NONE ||
        length >= (size_t)2 * EPC_KEY_MAX) /* so long, a key is that of the spelling */
        return;
    size_t key_length = epc_key(text, size, key);
    CHECK(epc_key(canonical, length, same) == key_length);
    CHECK(memcmp(key, same, key_length) == 0);
}

/* The first byte chooses what stands before the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const heads[] = {"https://id.gs1.org/01/", "https://example.com/shop/01/",
                                        "https://id.gs1.org/", "urn:epc:id:sgtin:", "https://id.gs1.org/00/"};
    enum { HEADS = sizeof heads / sizeof heads[0], SIZE_MAX_HERE = 2048 };
    if (size == 0 || size > SIZE_MAX_HERE)
        return 0;
    const char *head = heads[data[0] % HEADS];
    size_t before = strlen(head), length = before + size - 1;
    char *text = malloc(length); /* without a NUL behind it, so that reading on shows */
    if (!text)
        return 0;
    memcpy(text, head, before);
    memcpy(text + before, data + 1, size - 1);
    check_parts(text, length);
    check_canonical(text, length);
    free(text);
    return 0;
}
