/* epcis.v1.ServerService over server_status.h. */
#ifndef EPCISD_FRONT_SVC_SERVER_H
#define EPCISD_FRONT_SVC_SERVER_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_server_methods[];
extern const size_t svc_server_count;

#endif
