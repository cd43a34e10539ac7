/* epcis.v1.AuditService, as far as it shows the ledger, over ledger_query.h and export.h. */
#ifndef EPCISD_FRONT_SVC_LEDGER_H
#define EPCISD_FRONT_SVC_LEDGER_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_ledger_methods[];
extern const size_t svc_ledger_count;

#endif
