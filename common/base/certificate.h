/* Looks at X.509 certificates and keys in PEM (RFC 7468) before somebody relies on them. Any thread. */
#ifndef EPCISD_BASE_CERTIFICATE_H
#define EPCISD_BASE_CERTIFICATE_H

#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/err.h"

/* That `chain` begins with a certificate, whose key `key` holds, without a passphrase. *not_after_s: when it
 * expires, in seconds since 1970-01-01T00:00:00Z. ERR_INPUT: `*why` says what is wrong, a constant text. */
enum err certificate_check_pair(const struct buffer *chain, const struct buffer *key, int64_t *not_after_s,
                                const char **why);

/* That `roots` holds a certificate at least. As above. */
enum err certificate_check_roots(const struct buffer *roots, const char **why);

#endif
