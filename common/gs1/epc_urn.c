#include "common/gs1/epc_urn.h"

#include <string.h>

enum { COMPANY_MIN = 6, COMPANY_MAX = 12 };

#define NAMED(text) .name = text, .name_length = sizeof(text) - 1

/* The schemes, the frequent ones first. */
static const struct epc_urn_scheme schemes[] = {
    {NAMED("id:sgtin:"), 13, true, true, TAIL_REQUIRED, EPC_SGTIN, EPC_FAULT_SGTIN_FORMAT,
     EPC_FAULT_SERIAL_FORMAT, "/01/", "/21/"},
    {NAMED("id:sscc:"), 17, true, true, TAIL_NONE, EPC_SSCC, EPC_FAULT_SSCC_FORMAT, EPC_FAULT_SSCC_FORMAT,
     "/00/", ""},
    {NAMED("id:sgln:"), 12, false, true, TAIL_EXTENSION, EPC_SGLN, EPC_FAULT_GLN_FORMAT, EPC_FAULT_GLN_FORMAT,
     "/414/", "/254/"},
    {NAMED("id:pgln:"), 12, false, true, TAIL_NONE, EPC_PGLN, EPC_FAULT_GLN_FORMAT, EPC_FAULT_GLN_FORMAT,
     "/417/", ""},
    {NAMED("class:lgtin:"), 13, true, true, TAIL_REQUIRED, EPC_LGTIN, EPC_FAULT_SGTIN_FORMAT,
     EPC_FAULT_LOT_FORMAT, "/01/", "/10/"},
    {NAMED("idpat:sgtin:"), 13, true, true, TAIL_STAR, EPC_GTIN, EPC_FAULT_SGTIN_FORMAT, EPC_FAULT_NONE,
     "/01/", ""},
    {NAMED("idpat:upui:"), 13, true, true, TAIL_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/01/", ""},
    {NAMED("id:upui:"), 13, true, true, TAIL_REQUIRED, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/01/",
     "/235/"},
    {NAMED("id:grai:"), 12, false, true, TAIL_REQUIRED, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8003/0",
     ""},
    {NAMED("idpat:grai:"), 12, false, true, TAIL_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8003/0",
     ""},
    {NAMED("id:giai:"), 0, false, false, TAIL_NONE, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8004/", ""},
    {NAMED("id:gsrn:"), 17, false, true, TAIL_NONE, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8018/", ""},
    {NAMED("id:gsrnp:"), 17, false, true, TAIL_NONE, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8017/", ""},
    {NAMED("id:gdti:"), 12, false, true, TAIL_REQUIRED, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/253/",
     ""},
    {NAMED("idpat:gdti:"), 12, false, true, TAIL_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/253/",
     ""},
    {NAMED("id:cpi:"), 0, false, false, TAIL_REQUIRED, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8010/",
     "/8011/"},
    {NAMED("idpat:cpi:"), 0, false, false, TAIL_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8010/",
     ""},
    {NAMED("id:sgcn:"), 12, false, true, TAIL_REQUIRED, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/255/",
     ""},
    {NAMED("idpat:sgcn:"), 12, false, true, TAIL_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/255/",
     ""},
    {NAMED("id:ginc:"), 0, false, false, TAIL_NONE, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/401/", ""},
    {NAMED("id:gsin:"), 16, false, true, TAIL_NONE, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/402/", ""},
    {NAMED("id:itip:"), 13, true, true, TAIL_PIECES, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE, "/8006/",
     "/21/"},
    {NAMED("idpat:itip:"), 13, true, true, TAIL_PIECES_STAR, EPC_OTHER, EPC_FAULT_NONE, EPC_FAULT_NONE,
     "/8006/", ""},
};

static const struct epc_urn_scheme *find_scheme(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (length >= schemes[i].name_length && memcmp(text, schemes[i].name, schemes[i].name_length) == 0)
            return &schemes[i];
    return NULL;
}

/* Takes what stands before the next dot, or all, off *text. */
static size_t take_part(const char **text, size_t *length, bool last)
{
    const char *dot = last ? NULL : memchr(*text, '.', *length);
    size_t part = dot ? (size_t)(dot - *text) : *length;
    *text = dot ? dot + 1 : NULL;
    *length = dot ? *length - part - 1 : 0;
    return part;
}

bool epc_urn_split(const char *text, size_t length, struct epc_urn *out)
{
    static const char urn[] = "urn:epc:";
    const size_t skip = sizeof urn - 1;
    if (length <= skip || memcmp(text, urn, skip) != 0)
        return false;
    *out = (struct epc_urn){.scheme = find_scheme(text + skip, length - skip)};
    if (!out->scheme)
        return false;
    text += skip + out->scheme->name_length;
    length -= skip + out->scheme->name_length;
    out->company = text;
    out->company_length = take_part(&text, &length, false);
    out->item = text;
    /* Without a tail the reference is all the rest, so that a dot too many is not overlooked. */
    if (text)
        out->item_length = take_part(&text, &length, out->scheme->tail == TAIL_NONE);
    out->tail = text;
    out->tail_length = length;
    return true;
}

static bool all_digits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

bool epc_urn_company_ok(const struct epc_urn *urn)
{
    return urn->company_length >= COMPANY_MIN && urn->company_length <= COMPANY_MAX &&
           all_digits(urn->company, urn->company_length);
}

bool epc_urn_digits(const struct epc_urn *urn, char out[19])
{
    const struct epc_urn_scheme *scheme = urn->scheme;
    out[0] = '\0';
    if (!urn->item || scheme->digits > 17 || urn->company_length + urn->item_length != scheme->digits ||
        !epc_urn_company_ok(urn) || !all_digits(urn->item, urn->item_length))
        return false;
    const char *item = urn->item;
    size_t item_length = urn->item_length, at = 0;
    if (scheme->indicator_first) {
        if (item_length == 0)
            return false;
        out[at++] = *item++;
        item_length--;
    }
    memcpy(out + at, urn->company, urn->company_length);
    at += urn->company_length;
    memcpy(out + at, item, item_length);
    at += item_length;
    if (scheme->check_digit) {
        out[at] = gs1_check_digit(out, at);
        at++;
    }
    out[at] = '\0';
    return true;
}
