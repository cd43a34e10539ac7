/* Calls a document off before anything of it went to a worker. Any thread that may wait. */
#ifndef EPCISD_SERVER_CAPTURE_CANCEL_H
#define EPCISD_SERVER_CAPTURE_CANCEL_H

#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"

struct converter;
struct journal;

/* Returns once it is on disk. ERR_NOT_FOUND; ERR_EXISTS: events of it went out already, or it is in a final
 * state; ERR_STOPPED; ERR_DISK, ERR_CORRUPT, ERR_MEMORY. */
enum err capture_cancel(struct journal *journal, struct converter *converter,
                        const uint8_t capture_id[UUID_BYTES], const char *who, const char *why);

#endif
