/* Messages over a stream socket, each behind its length in 4 bytes, most significant first. Blocks; one
 * thread sends and one receives at a time. */
#ifndef EPCISD_BASE_FRAMING_H
#define EPCISD_BASE_FRAMING_H

#include <stddef.h>

#include "common/base/buffer.h"
#include "common/base/err.h"

/* ERR_STOPPED: the other end is gone; ERR_LIMIT: longer than 4 bytes can tell; ERR_SYSTEM. */
enum err framing_send(int socket, const void *data, size_t length);

/* The next message instead of what `out` holds. ERR_STOPPED: the other end is gone; ERR_LIMIT: it is longer
 * than `most`, and nothing can be received any more; ERR_MEMORY, ERR_SYSTEM. */
enum err framing_receive(int socket, size_t most, struct buffer *out);

#endif
