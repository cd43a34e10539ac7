/* Copies of LMDB environments, made while others write to them. Any thread. */
#ifndef EPCISD_STORE_MAP_COPY_H
#define EPCISD_STORE_MAP_COPY_H

#include "common/base/err.h"

/* Copies the environment in the folder `from` to the new file `to`, as it is at one moment, without its free
 * pages, and makes it durable. Tells progress in the log, and what went wrong. ERR_NOT_FOUND, ERR_EXISTS,
 * ERR_CORRUPT, ERR_DISK, ERR_MEMORY, ERR_SYSTEM. */
enum err map_copy(const char *from, const char *to);

#endif
