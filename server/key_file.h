/* Private keys in files that only their owner reads. Any thread; waits for the disk. Failures but
 * ERR_NOT_FOUND are logged. */
#ifndef EPCISD_SERVER_KEY_FILE_H
#define EPCISD_SERVER_KEY_FILE_H

#include "common/base/err.h"
#include "common/base/signature.h"

/* ERR_NOT_FOUND; ERR_INPUT: it is no private key of Ed25519; ERR_SYSTEM: others than its owner may read it;
 * ERR_DISK, ERR_MEMORY. */
enum err key_file_read(const char *path, struct signature_key **out);

/* The file is there whole and on disk, or as before. ERR_DISK, ERR_MEMORY. */
enum err key_file_write(const char *path, const struct signature_key *key);

/* Overwrites the bytes of `to`, where it is there, and renames `from` over it. ERR_DISK. */
enum err key_file_replace(const char *from, const char *to);

/* Overwrites and removes the file; well where there is none. ERR_DISK. */
enum err key_file_erase(const char *path);

#endif
