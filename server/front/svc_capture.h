/* epcis.v1.CaptureService over ingest.h and capture_query.h. */
#ifndef EPCISD_FRONT_SVC_CAPTURE_H
#define EPCISD_FRONT_SVC_CAPTURE_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_capture_methods[];
extern const size_t svc_capture_count;

#endif
