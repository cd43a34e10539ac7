/* epcis.v1.AuditService, as far as it makes batches anew, over rebuild.h. */
#ifndef EPCISD_FRONT_SVC_REPLAY_H
#define EPCISD_FRONT_SVC_REPLAY_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_replay_methods[];
extern const size_t svc_replay_count;

#endif
