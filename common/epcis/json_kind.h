/* What kind of value the JSON schema of EPCIS 2.0 has under each name. Internal to common/epcis. */
#ifndef EPCISD_EPCIS_JSON_KIND_H
#define EPCISD_EPCIS_JSON_KIND_H

#include "common/epcis/json_event.h"

/* What XML calls the entries of a list that are nameless in JSON; NAME_UNKNOWN: no such list. */
enum grammar_name json_kind_entry(enum grammar_name list);

/* Whether the member of an event has the kind of value that it should, or can be read as if it had: then what
 * is wrong is noted. False after refusing the event. */
bool json_kind_check(struct assembler *assembler, struct json_names *names, const struct assembler_name *name,
                     const struct json_value *member);

#endif
