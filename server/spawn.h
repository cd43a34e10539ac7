/* Starts epcis-worker as a child of this process. Whoever waits for children in general takes it back: the
 * supervisor. Any thread. */
#ifndef EPCISD_SERVER_SPAWN_H
#define EPCISD_SERVER_SPAWN_H

#include <sys/types.h>

#include "common/base/err.h"

/* `arguments` begin with the program's path and end with NULL. `input` becomes its standard input; -1: it has
 * ours. It starts with no signal blocked. ERR_NOT_FOUND: no such program; ERR_SYSTEM. Logged. */
enum err spawn_worker(const char *const *arguments, int input, pid_t *pid);

#endif
