/* Small files, read and written whole. Any thread; waits for the disk. Failures but ERR_NOT_FOUND are logged,
 * under the event that the caller names. */
#ifndef EPCISD_BASE_FILE_H
#define EPCISD_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"

/* What nobody but its owner may do: read a secret; change what is trusted. */
#define FILE_SECRET  (S_IRWXG | S_IRWXO)
#define FILE_TRUSTED (S_IWGRP | S_IWOTH)

/* Reads the file into `out` and puts a NUL behind. ERR_NOT_FOUND; ERR_SYSTEM: its mode has a bit of
 * `forbidden`; ERR_INPUT: it has `size` bytes or more; ERR_DISK. */
enum err file_read(const char *event, const char *path, mode_t forbidden, char *out, size_t size,
                   size_t *length);

/* The file is there whole, with that mode and on disk, or as before. ERR_DISK. */
enum err file_write(const char *event, const char *path, mode_t mode, const void *data, size_t bytes);

/* Writes all and puts it on disk; errno says why not. ERR_DISK, not logged. */
enum err file_write_all(int fd, const void *data, size_t bytes);

/* Puts the path's name, made or changed in its folder, on disk. ERR_DISK. */
enum err file_sync_folder(const char *event, const char *path);

/* The folder that `path` is in: "." where it names none. */
void file_folder(const char *path, char *out, size_t size);

#endif
