/* The uploads of epcis.v1.CaptureService: CaptureStream and GetUploadOffset, over ingest.h. */
#ifndef EPCISD_FRONT_SVC_UPLOAD_H
#define EPCISD_FRONT_SVC_UPLOAD_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_upload_methods[];
extern const size_t svc_upload_count;

#endif
