/* How the first identity comes to be: an administrator's token in a file that the server's owner alone reads.
 */
#ifndef EPCISD_SERVER_ADMIN_TOKEN_H
#define EPCISD_SERVER_ADMIN_TOKEN_H

#include "common/base/err.h"

struct identities;

/* Where there is no identity at all, makes "admin" and writes its token to DIR/admin.token (mode 0600); else
 * does nothing. ERR_DISK, and as identities_create; failures are logged. */
enum err admin_token_write(struct identities *identities, const char *dir);

#endif
