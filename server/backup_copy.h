/* The steps of a backup: files copied to disk for good. Internal to backup.c; failures
 * are logged. */
#ifndef EPCISD_SERVER_BACKUP_COPY_H
#define EPCISD_SERVER_BACKUP_COPY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"

enum { BACKUP_PATH = PATH_MAX + 128 };

/* A file as a manifest has it. */
struct backup_file {
    uint64_t bytes;
    uint8_t sha256[DIGEST_BYTES];
};

/* Logs errno, and returns what it stands for. */
enum err backup_error(const char *what, const char *path);

/* "DIR/NAME" where it fits, which is so for the paths of this program. */
void backup_join(char out[BACKUP_PATH], const char *dir, const char *name);

/* Copies a file to a new one, or with a NULL `to` only reads it; *out is what it holds. */
enum err backup_copy_file(const char *from, const char *to, struct backup_file *out);

/* Makes what the folder lists durable. */
enum err backup_sync(const char *dir);

/* Whether there is nothing in the folder, or no folder. */
bool backup_is_free(const char *dir);

/* Removes a folder of ours with all in it; what cannot be removed is logged and left. */
void backup_remove(const char *dir);

#endif
