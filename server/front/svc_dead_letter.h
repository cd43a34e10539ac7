/* epcis.v1.DeadLetterService over the reading half of store.h. */
#ifndef EPCISD_FRONT_SVC_DEAD_LETTER_H
#define EPCISD_FRONT_SVC_DEAD_LETTER_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_dead_letter_methods[];
extern const size_t svc_dead_letter_count;

#endif
