/* The programs of one installation stand in one folder. Any thread. */
#ifndef EPCISD_BASE_PROGRAM_H
#define EPCISD_BASE_PROGRAM_H

#include <limits.h>

#include "common/base/err.h"

/* Path of the program of that name beside the running one. ERR_NOT_FOUND: there is none that may be run
 * (`out` still says where it should be); ERR_SYSTEM. */
enum err program_beside(const char *name, char out[PATH_MAX]);

#endif
