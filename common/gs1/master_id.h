/* What master data is kept under, and how its values are compared: identifiers however they are spelled,
 * names of attributes, NDCs. No I/O, no allocation, no state; safe on any thread. */
#ifndef EPCISD_GS1_MASTER_ID_H
#define EPCISD_GS1_MASTER_ID_H

#include <stdbool.h>
#include <stddef.h>

/* The one spelling of an identifier that master data describes: the canonical Digital Link URI, as
 * "https://id.gs1.org/01/10614141073464" for urn:epc:idpat:sgtin:0614141.107346.*, where a party's GLN (PGLN)
 * and a bare GLN count as the GLN of a place; any other text stays as it is. Writes at most `size` bytes with
 * a NUL; returns the length needed without the NUL. */
size_t master_id(const char *text, size_t length, char *out, size_t size);

/* The name of an attribute of GS1's master data (CBV 2.0 section 10), as "name" for
 * urn:epcglobal:cbv:mda#name, urn:epcglobal:cbv:mda:name and cbvmda:name; any other id stays as it is.
 * Borrows from `id`. */
const char *master_attribute(const char *id);

enum master_ndc { MASTER_NDC_SAME, MASTER_NDC_DIFFERENT, MASTER_NDC_NOT_COMPARABLE };

/* Whether a GTIN-14 holds the NDC that is stated for it. The GTIN of a US drug is an indicator, "03", the ten
 * digits of the NDC and the check digit. `ndc` has ten digits, or eleven (5-4-2: a zero stands before the
 * segment that is one short); hyphens do not matter. `type` is the stated code's type, as FDA_NDC_11. Not
 * comparable: the GTIN holds no NDC, or the code is none. */
enum master_ndc master_ndc_compare(const char *gtin, const char *ndc, const char *type);

#endif
