/* Binds the address that a server listens on, and tells why where it cannot. */
#ifndef EPCISD_FRONT_LISTEN_H
#define EPCISD_FRONT_LISTEN_H

#include <grpc/grpc.h>

#include "common/base/endpoint.h"
#include "common/base/err.h"

/* `text` is as endpoint.h has it; `bound` becomes the address in fact bound. A Unix socket is open to its
 * owner alone (mode 0600). ERR_INPUT: it is no address; ERR_SYSTEM: it is taken, or not this host's. Logged.
 */
enum err listen_bind(grpc_server *server, const char *text, grpc_server_credentials *credentials,
                     char bound[ENDPOINT_TEXT]);

#endif
