/* The table of rules: the one place for all that is said of a rule. A rule is a line in rules_table.c and
 * its name here. Constant; any thread. */
#ifndef EPCISD_RULES_RULES_TABLE_H
#define EPCISD_RULES_RULES_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

enum rules_profile { RULES_EPCIS, RULES_DSCSA, RULES_STRICT, RULES_PROFILES };

enum rules_severity { RULES_OFF, RULES_WARN, RULES_REJECT };

/* In the order in which a person should mend. Two entries may share a code: its severity then depends on
 * what was found. */
enum rule {
    RULE_SCHEMA_INVALID,
    RULE_POISON_EVENT,
    RULE_PARTNER_INACTIVE, /* of the document as a whole, up to SBDH_INVALID */
    RULE_PARTNER_UNKNOWN,
    RULE_PARTNER_MISMATCH,
    RULE_SBDH_MISSING,
    RULE_SBDH_INVALID,
    RULE_TIME_INVALID,
    RULE_FUTURE_EVENT,
    RULE_STALE_EVENT,
    RULE_ACTION_INVALID,
    RULE_AGG_PARENT,
    RULE_AGG_CHILD,
    RULE_GTIN_CHECK,
    RULE_SGTIN_FORMAT,
    RULE_SERIAL_FORMAT,
    RULE_SSCC_FORMAT,
    RULE_EPC_UNSUPPORTED,
    RULE_SERIAL_REPEATED,
    RULE_LOT_FORMAT,
    RULE_EXPIRY_FORMAT,
    RULE_LOT_EXPIRY_MISSING,
    RULE_ILMD_FORBIDDEN,
    RULE_GLN_FORMAT,
    RULE_BT_GLN,
    RULE_CBV_UNKNOWN,
    RULE_SENSOR_TIME,
    RULE_COMMISSION_FIELDS,
    RULE_SHIP_FIELDS,
    RULE_PARTY_MISSING,
    RULE_BT_MISSING,
    RULE_TS_MISSING,
    RULE_R13_MISSING,
    RULE_UNKNOWN_GTIN, /* stateful, as are those below: decided with the store */
    RULE_UNKNOWN_GLN,
    RULE_NDC_MISMATCH,
    RULE_TI_INCOMPLETE,
    RULE_KEY_CONFLICT,
    RULE_EVENTID_CONFLICT,
    RULE_SERIAL_REUSED,
    RULE_MIXED_EXPIRY,
    RULE_NOT_COMMISSIONED,      /* history does not know it */
    RULE_NOT_COMMISSIONED_HERE, /* the same document should have commissioned it before */
    RULE_MULTI_PARENT,
    RULE_AGG_CYCLE,
    RULE_DISAGG_UNKNOWN,
    RULE_PACK_INVERSION,
    RULE_TI_UNRESOLVED,
    RULE_EXPIRED_SHIPPED,
    RULE_DECOMM_SHIPPED,
    RULE_RETURN_UNLINKED,
    RULE_ERRDECL_ORPHAN,
    RULES,
};

/* Version of the rules; kept with every verdict. */
extern const char rules_pack[];

struct check;
struct rules_entry {
    const char *code;
    const char *source; /* where the rule comes from: "GS TDS"; empty: our own */
    uint8_t severity[RULES_PROFILES];
    bool stateful;                            /* the caller decides it, who has the history */
    bool fixed;                               /* what breaks it cannot be kept: it always rejects */
    void (*check)(const struct check *check); /* NULL: stateful, or found by another rule's look */
    const char *meaning;
    const char *remedy; /* what the partner does to put it right */
};
extern const struct rules_entry rules_table[RULES];

/* The first entry of that code; NULL: there is none. */
const struct rules_entry *rules_table_find(const char *code);

/* "dscsa"; "warn" */
const char *rules_profile_name(enum rules_profile profile);
const char *rules_severity_name(enum rules_severity severity);

/* ERR_NOT_FOUND: no such name. */
enum err rules_profile_of(const char *name, enum rules_profile *out);
enum err rules_severity_of(const char *name, enum rules_severity *out);

/* What each rule does with what it finds. */
struct rules_severities {
    uint8_t of[RULES]; /* enum rules_severity */
};

void rules_severities_init(struct rules_severities *severities, enum rules_profile profile);

/* Sets all rules of that code. ERR_NOT_FOUND: no such code. ERR_INPUT: a rule that always rejects. */
enum err rules_severities_set(struct rules_severities *severities, const char *code,
                              enum rules_severity severity);

/* As rules_severities_set, for "CODE=off", "CODE=warn" or "CODE=reject"; ERR_INPUT also for other texts. */
enum err rules_severities_override(struct rules_severities *severities, const char *text);

#endif
