#include "common/gs1/epc.h"

#include <string.h>

#include "common/gs1/digital_link.h"
#include "common/gs1/epc_urn.h"
#include "common/gs1/set82.h"

static bool tail_ok(const char *text, size_t length, bool urn)
{
    return text && set82_ok(text, length, urn, SET82_MAX);
}

static void parse_urn(const struct epc_urn *urn, struct epc *out)
{
    const struct epc_urn_scheme *scheme = urn->scheme;
    out->kind = scheme->kind;
    if (out->kind == EPC_OTHER)
        return;
    if (!epc_urn_digits(urn, out->digits))
        out->fault = scheme->fault;
    if (scheme->tail == TAIL_STAR) {
        /* A pattern over part of a number is no trade item class. */
        if (urn->tail_length != 1 || *urn->tail != '*')
            *out = (struct epc){.kind = EPC_OTHER};
        return;
    }
    if (scheme->tail == TAIL_NONE)
        return;
    bool no_extension = scheme->tail == TAIL_EXTENSION && urn->tail_length == 1 && *urn->tail == '0';
    if (urn->tail && !no_extension) {
        out->suffix = urn->tail;
        out->suffix_length = urn->tail_length;
    }
    if (out->fault == EPC_FAULT_NONE && !tail_ok(urn->tail, urn->tail_length, true))
        out->fault = scheme->tail_fault;
}

static void take_suffix(struct epc *out, enum epc_kind kind, const struct link_part *value,
                        enum epc_fault fault)
{
    out->kind = kind;
    out->suffix = value->text;
    out->suffix_length = value->length;
    if (out->fault == EPC_FAULT_NONE && !tail_ok(value->text, value->length, false))
        out->fault = fault;
}

/* GTIN-8, -12 and -13 count as GTIN-14 with zeros before them. */
static void take_digits(struct epc *out, const struct link_part *value, size_t digits, enum epc_fault fault)
{
    char padded[19];
    memset(padded, '0', sizeof padded);
    if (value->length <= digits)
        memcpy(padded + digits - value->length, value->text, value->length);
    padded[digits] = '\0';
    if (value->length > digits || !gs1_check_digit_ok(padded, digits)) {
        out->fault = fault;
        return;
    }
    memcpy(out->digits, padded, digits + 1);
}

static void parse_gtin_qualifiers(const struct digital_link *link, struct epc *out)
{
    const char *rest = link->rest;
    size_t rest_length = link->rest_length;
    struct link_part name, value;
    struct link_part lot = {0}, serial = {0};
    while (digital_link_next(&rest, &rest_length, &name) && digital_link_next(&rest, &rest_length, &value)) {
        const char *ai = digital_link_qualifier(&name);
        if (ai && strcmp(ai, "10") == 0)
            lot = value;
        else if (ai && strcmp(ai, "21") == 0)
            serial = value;
        else if (ai && strcmp(ai, "235") == 0) {
            *out = (struct epc){.kind = EPC_OTHER};
            return;
        }
    }
    if (serial.text)
        take_suffix(out, EPC_SGTIN, &serial, EPC_FAULT_SERIAL_FORMAT);
    else if (lot.text)
        take_suffix(out, EPC_LGTIN, &lot, EPC_FAULT_LOT_FORMAT);
}

static void parse_gln_extension(const struct digital_link *link, struct epc *out)
{
    const char *rest = link->rest;
    size_t rest_length = link->rest_length;
    struct link_part name, value;
    if (!digital_link_next(&rest, &rest_length, &name) || !digital_link_next(&rest, &rest_length, &value))
        return;
    const char *ai = digital_link_qualifier(&name);
    if (!ai || strcmp(ai, "254") != 0 || (value.length == 1 && *value.text == '0'))
        return;
    take_suffix(out, EPC_SGLN, &value, EPC_FAULT_GLN_FORMAT);
}

static void parse_link(const struct digital_link *link, struct epc *out)
{
    if (strcmp(link->ai, "01") == 0) {
        out->kind = EPC_GTIN;
        if (link->well_formed)
            take_digits(out, &link->value, 14, EPC_FAULT_GTIN_CHECK);
        else
            out->fault = EPC_FAULT_GTIN_CHECK;
        parse_gtin_qualifiers(link, out);
    } else if (strcmp(link->ai, "00") == 0) {
        out->kind = EPC_SSCC;
        out->fault = link->well_formed ? EPC_FAULT_NONE : EPC_FAULT_SSCC_FORMAT;
        if (link->well_formed)
            take_digits(out, &link->value, 18, EPC_FAULT_SSCC_FORMAT);
    } else if (strcmp(link->ai, "414") == 0 || strcmp(link->ai, "417") == 0) {
        out->kind = link->ai[2] == '4' ? EPC_SGLN : EPC_PGLN;
        out->fault = link->well_formed ? EPC_FAULT_NONE : EPC_FAULT_GLN_FORMAT;
        if (link->well_formed)
            take_digits(out, &link->value, 13, EPC_FAULT_GLN_FORMAT);
        if (out->kind == EPC_SGLN)
            parse_gln_extension(link, out);
    }
}

void epc_parse(const char *text, size_t length, struct epc *out)
{
    struct epc_urn urn;
    struct digital_link link;
    *out = (struct epc){.kind = EPC_OTHER};
    if (epc_urn_split(text, length, &urn))
        parse_urn(&urn, out);
    else if (digital_link_split(text, length, &link))
        parse_link(&link, out);
}

const char *epc_fault_code(enum epc_fault fault)
{
    switch (fault) {
    case EPC_FAULT_NONE:
        return "";
    case EPC_FAULT_GTIN_CHECK:
        return "GTIN_CHECK";
    case EPC_FAULT_SGTIN_FORMAT:
        return "SGTIN_FORMAT";
    case EPC_FAULT_SERIAL_FORMAT:
        return "SERIAL_FORMAT";
    case EPC_FAULT_LOT_FORMAT:
        return "LOT_FORMAT";
    case EPC_FAULT_SSCC_FORMAT:
        return "SSCC_FORMAT";
    case EPC_FAULT_GLN_FORMAT:
        return "GLN_FORMAT";
    }
    return "";
}

const char *epc_fault_remedy(enum epc_fault fault)
{
    switch (fault) {
    case EPC_FAULT_NONE:
        return "";
    case EPC_FAULT_GTIN_CHECK:
        return "a GTIN of 14 digits (8, 12 or 13 count with zeros before them) that ends in its mod-10 check "
               "digit";
    case EPC_FAULT_SGTIN_FORMAT:
        return "a company prefix of 6 to 12 digits which together with indicator and item reference makes 13 "
               "digits";
    case EPC_FAULT_SERIAL_FORMAT:
        return "a serial number of 1 to 20 characters of GS1 set 82, \" % & / < > ? percent-encoded in a URN";
    case EPC_FAULT_LOT_FORMAT:
        return "a lot number of 1 to 20 characters of GS1 set 82, \" % & / < > ? percent-encoded in a URN";
    case EPC_FAULT_SSCC_FORMAT:
        return "17 digits in a URN (company prefix of 6 to 12, extension and serial reference), 18 with the "
               "right check digit in a Digital Link";
    case EPC_FAULT_GLN_FORMAT:
        return "12 digits in a URN (company prefix of 6 to 12, location or party reference), 13 with the "
               "right "
               "check digit in a Digital Link, and an extension of 1 to 20 characters of GS1 set 82";
    }
    return "";
}

enum err gln_of(const char *text, size_t length, char out[14])
{
    if (length == 13 && gs1_check_digit_ok(text, 13)) {
        memcpy(out, text, 13);
        out[13] = '\0';
        return ERR_OK;
    }
    struct epc epc;
    epc_parse(text, length, &epc);
    if ((epc.kind != EPC_SGLN && epc.kind != EPC_PGLN) || !epc.digits[0])
        return ERR_NOT_FOUND;
    memcpy(out, epc.digits, 14);
    return ERR_OK;
}
