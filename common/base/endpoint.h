/* Where a server is, as people write it: HOST:PORT, an IPv6 address in brackets, or unix:PATH. Any thread. */
#ifndef EPCISD_BASE_ENDPOINT_H
#define EPCISD_BASE_ENDPOINT_H

#include <stdbool.h>

#include "common/base/err.h"

enum { ENDPOINT_HOST = 256, ENDPOINT_TEXT = ENDPOINT_HOST + 16 };

struct endpoint {
    const char *text;         /* as given; borrowed */
    char host[ENDPOINT_HOST]; /* without brackets; "" where it is a Unix socket */
    const char *port;         /* inside `text`; of a Unix socket its path */
};

/* ERR_INPUT: it is neither. */
enum err endpoint_parse(const char *text, struct endpoint *out);

/* Only this machine reaches it: a Unix socket, or a name that stands for loopback addresses and nothing else.
 * May ask the resolver. */
bool endpoint_is_local(const struct endpoint *endpoint);

#endif
