/* grpc.health.v1.Health: Check. Watch is answered UNIMPLEMENTED, as the protocol allows. */
#ifndef EPCISD_FRONT_HEALTH_H
#define EPCISD_FRONT_HEALTH_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method health_methods[];
extern const size_t health_count;

#endif
