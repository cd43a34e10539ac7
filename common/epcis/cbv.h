/* Words of the Core Business Vocabulary in their three spellings. No state; safe on any thread. */
#ifndef EPCISD_EPCIS_CBV_H
#define EPCISD_EPCIS_CBV_H

#include <stdbool.h>
#include <stddef.h>

enum cbv_family {
    CBV_NONE,
    CBV_BIZ_STEP,     /* CBV 7.1 */
    CBV_DISPOSITION,  /* CBV 7.2 */
    CBV_BIZ_TYPE,     /* CBV 7.3: business transaction types */
    CBV_PARTY_TYPE,   /* CBV 7.4: source and destination types */
    CBV_ERROR_REASON, /* CBV 7.5 */
    CBV_COMPONENT,    /* CBV 7.8: components of a measurement */
    CBV_GS1_TERM,     /* GS1 Web Vocabulary: measurement types and alarms */
};

/* The bare word in `text`: *length is shortened and the start returned; both unchanged where it is no
 * word of that family, or nothing would be left. */
const char *cbv_word(enum cbv_family family, const char *text, size_t *length);

/* Whether CBV 2.0, or the JSON schema of EPCIS 2.0 for those of the GS1 Web Vocabulary, lists the bare word.
 */
bool cbv_lists(enum cbv_family family, const char *word);

/* "https://ref.gs1.org/cbv/BizStep-": what makes a bare word of that family a URI. */
const char *cbv_uri(enum cbv_family family);

/* The GS1 URI that stands for the beginning of `text` in the event hash's canonical form (CBV 8.9): that
 * of a urn:epcglobal:cbv word or of a gs1:, cbv: or epcis: CURIE. *skip gets how much of `text` it
 * stands for. NULL: none. */
const char *cbv_expand(const char *text, size_t length, size_t *skip);

#endif
