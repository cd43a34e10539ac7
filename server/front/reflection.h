/* grpc.reflection.v1 and v1alpha: describes the services to clients that have no copy of their definitions.
 */
#ifndef EPCISD_FRONT_REFLECTION_H
#define EPCISD_FRONT_REFLECTION_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method reflection_methods[];
extern const size_t reflection_count;

#endif
