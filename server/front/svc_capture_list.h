/* The lists of epcis.v1.CaptureService: ListCaptures and ListCaptureEvents, over capture_list.h. */
#ifndef EPCISD_FRONT_SVC_CAPTURE_LIST_H
#define EPCISD_FRONT_SVC_CAPTURE_LIST_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_capture_list_methods[];
extern const size_t svc_capture_list_count;

#endif
