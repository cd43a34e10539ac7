/* grpc.health.v1.Health: whether the server, or one of its services, does its work now. */
#ifndef EPCISD_FRONT_HEALTH_H
#define EPCISD_FRONT_HEALTH_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method health_methods[];
extern const size_t health_count;

#endif
