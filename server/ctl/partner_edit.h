/* What the command line says of a trading partner's record, put into the record. */
#ifndef EPCISD_CTL_PARTNER_EDIT_H
#define EPCISD_CTL_PARTNER_EDIT_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "epcis/v1/partner_service.pb-c.h"

/* NULL: not given. Lists are separated by commas. */
struct partner_edit {
    const char *name, *glns, *prefixes, *profile, *overrides;
    const char *contact_name, *contact_email, *contact_phone;
    const char *max_document_bytes, *max_requests, *max_unfinished_bytes, *max_events;
    bool activate;
};

/* The profile or severity of that name; "default" is unspecified. Another word ends `program`, as below. */
Epcis__V1__RuleProfile partner_edit_profile(const char *program, const char *name);
Epcis__V1__RuleSeverity partner_edit_severity(const char *program, const char *name);

bool partner_edit_is_empty(const struct partner_edit *edit);

/* Changes what was given and leaves the rest. What `partner` points to is not changed; new parts lie in
 * `arena` or are borrowed from `edit`. Ends `program` with what is wrong where a word is none of those
 * expected; the server judges the rest. ERR_LIMIT (the arena's budget). */
enum err partner_edit_apply(const struct partner_edit *edit, const char *program, struct arena *arena,
                            Epcis__V1__TradingPartner *partner);

#endif
