/* epcis.v1.AuditService, as far as it has other rules judge history, over rejudge.h. */
#ifndef EPCISD_FRONT_SVC_REJUDGE_H
#define EPCISD_FRONT_SVC_REJUDGE_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_rejudge_methods[];
extern const size_t svc_rejudge_count;

#endif
