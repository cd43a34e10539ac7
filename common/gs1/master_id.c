#include "common/gs1/master_id.h"

#include <stdio.h>
#include <string.h>

#include "common/gs1/epc.h"

enum { NDC_10 = 10, NDC_11 = 11 };

size_t master_id(const char *text, size_t length, char *out, size_t size)
{
    static const char party[] = "https://id.gs1.org/417/", place[] = "https://id.gs1.org/414/";
    char gln[14];
    if (length == 13 && gln_of(text, length, gln) == ERR_OK)
        return (size_t)snprintf(out, size, "%s%s", place, gln);
    size_t written = epc_canonical(text, length, out, size);
    if (written == 0) {
        if (size > 0) {
            size_t copied = length < size ? length : size - 1;
            memcpy(out, text, copied);
            out[copied] = '\0';
        }
        return length;
    }
    if (written < size && strncmp(out, party, sizeof party - 1) == 0)
        memcpy(out, place, sizeof place - 1);
    return written;
}

const char *master_attribute(const char *id)
{
    static const char *const prefixes[] = {"urn:epcglobal:cbv:mda#", "urn:epcglobal:cbv:mda:", "cbvmda:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(id, prefixes[i], strlen(prefixes[i])) == 0)
            return id + strlen(prefixes[i]);
    return id;
}

/* ---- NDC -------------------------------------------------------------------------------------------- */

/* The digits without hyphens; their number, or 0 where it is no NDC. */
static size_t ndc_digits(const char *text, char out[NDC_11])
{
    size_t count = 0;
    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (*text < '0' || *text > '9' || count == NDC_11)
            return 0;
        out[count++] = *text;
    }
    return count;
}

/* Whether `ten` is what is left of an NDC-11 without the zero that was put before its labeler, product or
 * package. */
static bool is_shortened(const char *ndc, const char *ten)
{
    static const size_t starts[] = {0, 5, 9}; /* of the segments of 5-4-2 */
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t at = starts[i];
        if (ndc[at] == '0' && memcmp(ndc, ten, at) == 0 && memcmp(ndc + at + 1, ten + at, NDC_10 - at) == 0)
            return true;
    }
    return false;
}

enum master_ndc master_ndc_compare(const char *gtin, const char *ndc, const char *type)
{
    char stated[NDC_11];
    if (strlen(gtin) != 14 || strncmp(gtin + 1, "03", 2) != 0 || !strstr(type, "NDC"))
        return MASTER_NDC_NOT_COMPARABLE;
    const char *held = gtin + 3; /* its ten digits */
    switch (ndc_digits(ndc, stated)) {
    case NDC_10:
        return memcmp(stated, held, NDC_10) == 0 ? MASTER_NDC_SAME : MASTER_NDC_DIFFERENT;
    case NDC_11:
        return is_shortened(stated, held) ? MASTER_NDC_SAME : MASTER_NDC_DIFFERENT;
    default:
        return MASTER_NDC_NOT_COMPARABLE;
    }
}
