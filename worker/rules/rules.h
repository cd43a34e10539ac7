/* The validation rules. What one event shows by itself is checked here, without any I/O; rules that need
 * the history of items (the table calls them stateful) are decided by the caller, who has it, and reported
 * through rules_add. A rule is a line in rules_table.c. One struct rules belongs to one thread. */
#ifndef EPCISD_RULES_RULES_H
#define EPCISD_RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/gs1/epc.h"
#include "epcis/v1/event.pb-c.h"
#include "epcis/v1/finding.pb-c.h"
#include "epcis/wire/v1/wire.pb-c.h"
#include "worker/rules/rules_table.h"

/* The list of an event that an EPC stands in. */
enum rules_list { RULES_EPC_LIST, RULES_PARENT_ID, RULES_CHILD_EPCS, RULES_INPUT_EPCS, RULES_OUTPUT_EPCS };

/* "epcList" */
const char *rules_list_name(enum rules_list list);

/* One EPC of an event, read once for all rules and for the store. */
struct rules_epc {
    const char *text; /* the event's */
    enum rules_list list;
    uint32_t index; /* in its list */
    enum epc_kind kind;
    enum epc_fault fault;
    char gtin[15];      /* GTIN-14 of an SGTIN; else empty */
    uint8_t key_length; /* less one: a key has 1 to 256 bytes; see rules_key_length */
    uint8_t *key;       /* epc_key, with room for `key_room` bytes behind it */
};

/* What the rules look at; all borrows from the event, the struct rules and the arena. */
struct rules_subject {
    const Epcis__V1__Event *event;
    struct rules_epc *epcs; /* parent first, then the lists in their order; valid until the next check */
    size_t epc_count;
    const char *lot;      /* ILMD lotNumber; NULL: none */
    const char *expiry;   /* ILMD itemExpirationDate; NULL: none */
    uint32_t expiry_date; /* YYYYMMDD; 0: none, or no date */
    bool commissions;     /* an ObjectEvent ADD: its EPCs begin to exist */
};

static inline size_t rules_key_length(const struct rules_epc *epc)
{
    return (size_t)epc->key_length + 1;
}

/* What was found in one event; findings beyond the cap are dropped. */
enum { RULES_FINDINGS_MAX = 20, RULES_VALUE_MAX = 256 };
struct rules_report {
    struct arena *arena; /* findings live here */
    bool failed;         /* the arena is spent */
    size_t reason_count;
    size_t warning_count;
    Epcis__V1__Finding *reasons[RULES_FINDINGS_MAX]; /* severity reject */
    Epcis__V1__Finding *warnings[RULES_FINDINGS_MAX];
};

void rules_report_init(struct rules_report *report, struct arena *arena);

struct rules;
/* `severities` are those of events whose context names none; NULL without memory. */
struct rules *rules_new(const struct rules_severities *severities);
void rules_free(struct rules *rules);

/* What is known of an event besides its content. What it points to is borrowed until the next rules_begin or
 * rules_check. */
struct rules_context {
    const struct rules_severities *severities;      /* NULL: those of rules_new */
    int64_t received_ms;                            /* of its document; 0: not known, and no age is checked */
    uint64_t event_index;                           /* in its document */
    const char *partner;                            /* GLN; NULL or empty: not known */
    const char *caller;                             /* GLN of who proved to be it; NULL: nobody did */
    const Epcis__Wire__V1__DocumentFacts *document; /* NULL: nothing is known of it */
};

/* What is found from now on is found in an event of this context. */
void rules_begin(struct rules *rules, const struct rules_context *context);

/* In the present context: what a rule does with what it finds. A rule that is off need not be looked at. */
enum rules_severity rules_severity(const struct rules *rules, enum rule rule);

/* Checks one event, in the context that it begins. The EPCs' keys are made in `arena`, with `key_room` bytes
 * free behind each. ERR_MEMORY, ERR_LIMIT (the arena's budget); what is wrong with the event is in the
 * report, not in the answer. */
enum err rules_check(struct rules *rules, const struct rules_context *context, const Epcis__V1__Event *event,
                     struct arena *arena, size_t key_room, struct rules_subject *out,
                     struct rules_report *report);

/* Reports a finding as the severity has it: as a reason, a warning, or not at all. A warning of a rule on the
 * document as a whole (PARTNER_UNKNOWN to SBDH_INVALID) is kept on the document's first event alone; as a
 * reason it stands on every event. `value` is cut at
 * RULES_VALUE_MAX bytes; the message is "FIELD 'VALUE' " and what the format gives. */
void rules_add(const struct rules *rules, struct rules_report *report, enum rule rule, const char *field,
               const char *value, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* As rules_add, for an EPC of the event: the field is "epcList[3]". */
void rules_add_epc(const struct rules *rules, struct rules_report *report, enum rule rule,
                   const struct rules_epc *epc, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A finding's place as XPath below the event: "epcList[3]" is "/epcList/epc[4]". Writes at most `size`
 * bytes with a NUL. */
void rules_field_path(const char *field, char *out, size_t size);

#endif
