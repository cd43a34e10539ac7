/* epcis.v1.AcknowledgmentService, over journal_news.h. */
#ifndef EPCISD_FRONT_SVC_ACKNOWLEDGMENT_H
#define EPCISD_FRONT_SVC_ACKNOWLEDGMENT_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_acknowledgment_methods[];
extern const size_t svc_acknowledgment_count;

#endif
