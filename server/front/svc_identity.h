/* epcis.v1.IdentityService over identities.h. */
#ifndef EPCISD_FRONT_SVC_IDENTITY_H
#define EPCISD_FRONT_SVC_IDENTITY_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_identity_methods[];
extern const size_t svc_identity_count;

#endif
