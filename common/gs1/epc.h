/* GS1 identifiers: EPC URNs (GS1 EPC Tag Data Standard 2.0, section 6) and GS1 Digital Link URIs
 * (GS1 Digital Link: URI Syntax 1.4). No I/O, no allocation, no state; safe on any thread. */
#ifndef EPCISD_GS1_EPC_H
#define EPCISD_GS1_EPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum epc_kind {
    EPC_OTHER, /* a private URI, or an EPC scheme that the validation rules do not look into */
    EPC_SGTIN, /* AI (01) + (21) */
    EPC_SSCC,  /* AI (00) */
    EPC_SGLN,  /* AI (414), extension (254) */
    EPC_PGLN,  /* AI (417) */
    EPC_LGTIN, /* AI (01) + (10) */
    EPC_GTIN,  /* AI (01) alone, or urn:epc:idpat:sgtin:….* */
};

/* What is wrong with an identifier; each is a validation rule of the same name. */
enum epc_fault {
    EPC_FAULT_NONE,
    EPC_FAULT_GTIN_CHECK,    /* Digital Link: not 14 digits (8, 12, 13 padded), or wrong check digit */
    EPC_FAULT_SGTIN_FORMAT,  /* URN: company prefix 6 to 12 digits, prefix and item 13 digits in all */
    EPC_FAULT_SERIAL_FORMAT, /* 1 to 20 characters of GS1 set 82 after percent-decoding */
    EPC_FAULT_LOT_FORMAT,    /* the same for AI (10) */
    EPC_FAULT_SSCC_FORMAT,   /* URN: 17 digits; Digital Link: 18 and a right check digit */
    EPC_FAULT_GLN_FORMAT,    /* URN: 12 digits; Digital Link: 13 and a right check digit */
};

/* The parts of an identifier. Slices borrow from the text that was parsed. */
struct epc {
    enum epc_kind kind;
    enum epc_fault fault; /* parts below are set as far as they could be told */
    char digits[19];      /* GTIN-14, SSCC-18 or GLN-13 with its check digit; empty where unknown */
    const char *suffix;   /* serial, lot or GLN extension, still percent-encoded; NULL: none */
    size_t suffix_length;
};

/* Tells the kind and the faults of `text`, `length` bytes. Never fails: what is no GS1 identifier is
 * EPC_OTHER without a fault. */
void epc_parse(const char *text, size_t length, struct epc *out);

/* The rule's code: "SERIAL_FORMAT". For EPC_FAULT_NONE: "". */
const char *epc_fault_code(enum epc_fault fault);

/* What would be right, as the end of a sentence: "1 to 20 characters of GS1 set 82". */
const char *epc_fault_remedy(enum epc_fault fault);

enum { EPC_KEY_MAX = 256 };

/* The store's key of one item: a kind byte, then for SGTIN 6 bytes of GTIN (big endian) and the decoded
 * serial, for SSCC 8 bytes, for others the canonical text, or SHA-256 of it where that is too long. Keys
 * of the same item are the same whichever way it is spelled (a link of over 512 bytes aside), and no key is a
 * prefix of another item's key followed by a NUL. Returns the length, at most EPC_KEY_MAX. */
size_t epc_key(const char *text, size_t length, uint8_t out[EPC_KEY_MAX]);

/* What SGTINs met of late have before the serial, each in the one place that it can have. All zero: none
 * yet. */
struct epc_key_stems {
    struct epc_key_stem {
        char text[64];
        char digits[15];
        uint8_t text_length; /* 0: none */
        uint8_t key[7];
    } slots[64];
};

/* epc_parse and epc_key in one. EPCs mostly differ from one before them in their serial alone: that is quick
 * here, where all are read with the same `stems`. */
size_t epc_key_next(struct epc_key_stems *stems, const char *text, size_t length, struct epc *epc,
                    uint8_t out[EPC_KEY_MAX]);

/* The text of a key: canonical Digital Link URI, or the text the key holds. Writes at most `size` bytes
 * with a NUL; returns the length needed without the NUL. */
size_t epc_key_text(const uint8_t *key, size_t length, char *out, size_t size);

/* The constrained canonical GS1 Digital Link form that the CBV event hash uses (CBV 2.0 section 8.9): a
 * URN becomes https://id.gs1.org/…, a Digital Link of another domain too; anything else, or what is not
 * valid enough to convert, gives 0. Check digits are computed, not verified. Otherwise writes at most
 * `size` bytes with a NUL and returns the length needed without the NUL. */
size_t epc_canonical(const char *text, size_t length, char *out, size_t size);

/* What EPC URNs and Digital Links have before the serial, and the canonical form of that. */
struct epc_stem {
    char text[64], canonical[64];
    uint8_t text_length; /* 0: none */
    uint8_t canonical_length;
    uint8_t bare_length; /* of the canonical form where "0" stands for no extension; 0: it does not */
};

/* Stems met of late, each in the one place that it can have. All zero: none yet. */
enum { EPC_STEM_BITS = 6, EPC_STEMS = 1 << EPC_STEM_BITS };
struct epc_stems {
    struct epc_stem slots[EPC_STEMS];
};

/* As epc_canonical. EPCs mostly differ from one before them in their serial alone: that is quick here, where
 * all are read with the same `stems`. */
size_t epc_canonical_next(struct epc_stems *stems, const char *text, size_t length, char *out, size_t size);

/* GS1 check digit ('0' to '9') of `count` digits (General Specifications 7.9.1). */
char gs1_check_digit(const char *digits, size_t count);

/* True for `count` digits of which the last is the check digit of the others. */
bool gs1_check_digit_ok(const char *digits, size_t count);

/* GLN-13 of an SGLN or PGLN URN, Digital Link or 13 digits, with its NUL. ERR_NOT_FOUND: it is none. */
enum err gln_of(const char *text, size_t length, char out[14]);

/* AI (17) or ISO date: "YYMMDD" (day 00: the month's last), "YYYY-MM-DD", or an xs:dateTime, of which
 * the date counts. ERR_INPUT: not a real date. On success YYYYMMDD as a number. */
enum err gs1_date_parse(const char *text, size_t length, uint32_t *out);

#endif
