/* The files that a command line names: a folder stands for the documents in it and in the folders inside, by
 * their names' order. Main thread only. */
#ifndef EPCISD_CTL_FILES_H
#define EPCISD_CTL_FILES_H

#include <stddef.h>

#include "common/base/err.h"

struct files {
    char **names;
    size_t count, capacity;
};

/* Adds `name`, or what is in it where it is a folder: files that begin as XML, JSON or compressed data do,
 * and none whose name begins with a dot. ERR_SYSTEM: it cannot be read, as was told on standard error;
 * ERR_MEMORY. */
enum err files_add(struct files *files, const char *name);
void files_free(struct files *files);

#endif
