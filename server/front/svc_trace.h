/* epcis.v1.TraceService over the reading half of store.h. */
#ifndef EPCISD_FRONT_SVC_TRACE_H
#define EPCISD_FRONT_SVC_TRACE_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_trace_methods[];
extern const size_t svc_trace_count;

#endif
