/* Keys of ZeroMQ's CURVE (RFC 26) in files: FILE holds the public key and may be given away, FILE_secret
 * both, for its owner alone. The format is that of CZMQ's certificates, whose tools read and make them as
 * well:
 *
 *     curve
 *         public-key = "40 characters of Z85"
 *         secret-key = "40 characters of Z85"
 *
 * Any thread; waits for the disk. Failures are logged (curve_key) with what to do. */
#ifndef EPCISD_WIRE_CURVE_KEY_H
#define EPCISD_WIRE_CURVE_KEY_H

#include "common/base/err.h"

enum { CURVE_KEY_TEXT = 41, CURVE_KEY_BYTES = 32 };

#define CURVE_KEY_SECRET_SUFFIX "_secret"

struct curve_key {
    char public_key[CURVE_KEY_TEXT]; /* Z85 (RFC 32) */
    char secret_key[CURVE_KEY_TEXT];
};

/* Makes a pair of files that are not there yet. ERR_EXISTS, ERR_DISK, ERR_SYSTEM: this libzmq has no CURVE.
 */
enum err curve_key_make(const char *path, struct curve_key *out);

/* The pair of `path_secret`. ERR_NOT_FOUND; ERR_SYSTEM: others than its owner may read it; ERR_INPUT: it
 * holds no such pair; ERR_DISK. */
enum err curve_key_read(const char *path_secret, struct curve_key *out);

/* The public key of a file, also of one that holds both. ERR_SYSTEM: others than its owner may change it;
 * else as above. */
enum err curve_key_read_public(const char *path, char public_key[CURVE_KEY_TEXT]);

/* The server's own: read, or made where neither file is there. ERR_NOT_FOUND: only the public one is left. */
enum err curve_key_keep(const char *path, struct curve_key *out);

#endif
