/* Where a server listens: an address on the network, or a Unix socket. Any thread. */
#ifndef EPCISD_FRONT_LISTEN_H
#define EPCISD_FRONT_LISTEN_H

#include <stdbool.h>

#include <grpc/grpc.h>

#include "common/base/err.h"

enum { LISTEN_HOST = 256, LISTEN_TEXT = LISTEN_HOST + 16 };

struct listen_address {
    const char *text;       /* as given; borrowed */
    char host[LISTEN_HOST]; /* "" where it is a Unix socket */
    const char *port;       /* inside `text`; of a Unix socket its path */
};

/* HOST:PORT, where an IPv6 address stands in brackets, or unix:PATH. ERR_INPUT: it is neither, as is logged.
 */
enum err listen_parse(const char *text, struct listen_address *out);

/* Only this machine reaches it: a Unix socket, or a name that is a loopback address and nothing else. May ask
 * the resolver. */
bool listen_is_local(const struct listen_address *address);

/* Binds it; `bound` is the address in fact bound. A Unix socket is open to its owner alone (mode 0600).
 * ERR_SYSTEM: it is taken, or not this host's, as is logged. */
enum err listen_bind(grpc_server *server, const struct listen_address *address,
                     grpc_server_credentials *credentials, char bound[LISTEN_TEXT]);

#endif
