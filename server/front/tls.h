/* The server's side of TLS (1.2 and later): a certificate with its key, and whose certificates clients may
 * show. A thread of its own looks at the files every few seconds and has new connections use what changed;
 * files that are broken, or do not belong together, are logged and change nothing. */
#ifndef EPCISD_FRONT_TLS_H
#define EPCISD_FRONT_TLS_H

#include <grpc/grpc_security.h>

#include "common/base/err.h"

struct tls;

/* PEM files, which live as long: the certificate with those between it and its root, its key, and the
 * authorities of clients' certificates (NULL: none is asked for). A client need not show a certificate; one
 * that shows another's does not get through. ERR_INPUT: they cannot be used, as is logged; ERR_MEMORY,
 * ERR_SYSTEM. */
enum err tls_open(const char *certificate, const char *key, const char *client_ca, struct tls **out);

/* Credentials for a port, the caller's to release. */
grpc_server_credentials *tls_credentials(struct tls *tls);

/* Has the files read again soon, changed or not. Any thread. */
void tls_reload(struct tls *tls);

/* Once gRPC's server is gone. */
void tls_close(struct tls **tls);

#endif
