/* The parts of an EPC URN (TDS section 6.3) and what each scheme makes of them. Internal to common/gs1. */
#ifndef EPCISD_GS1_EPC_URN_H
#define EPCISD_GS1_EPC_URN_H

#include "common/gs1/epc.h"

/* What stands after company prefix and reference. */
enum epc_urn_tail {
    TAIL_NONE,      /* nothing may follow */
    TAIL_REQUIRED,  /* a serial, lot or document number */
    TAIL_EXTENSION, /* as TAIL_REQUIRED, but "0" means none (SGLN) */
    TAIL_STAR,      /* a pattern: "*" */
    TAIL_PIECES,    /* two digits, two digits, a serial (ITIP) */
    TAIL_PIECES_STAR,
};

struct epc_urn_scheme {
    const char *name; /* behind "urn:epc:", with its colon */
    uint8_t name_length;
    uint8_t digits;       /* of company prefix and reference together; 0: the reference is text */
    bool indicator_first; /* the reference's first digit moves before the company prefix */
    bool check_digit;     /* one is added */
    enum epc_urn_tail tail;
    enum epc_kind kind;
    enum epc_fault fault;      /* of the digits */
    enum epc_fault tail_fault; /* of the tail */
    const char *link;          /* "/01/": what stands before the digits in the canonical Digital Link */
    const char *link_tail;     /* "/21/": what stands before the tail */
};

struct epc_urn {
    const struct epc_urn_scheme *scheme;
    const char *company, *item, *tail; /* NULL: absent */
    size_t company_length, item_length, tail_length;
};

/* False where `text` is no EPC URN of a scheme known here. */
bool epc_urn_split(const char *text, size_t length, struct epc_urn *out);

/* True for a company prefix of 6 to 12 digits. */
bool epc_urn_company_ok(const struct epc_urn *urn);

/* Composes company prefix and reference, with indicator and check digit where the scheme has them,
 * into `out` with a NUL; returns false where they are not the digits that the scheme demands. Only for
 * schemes of digits. */
bool epc_urn_digits(const struct epc_urn *urn, char out[19]);

#endif
