/* The public keys that signatures are verified with. */
#ifndef EPCISD_CTL_AUDIT_KEYS_H
#define EPCISD_CTL_AUDIT_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "epcis/v1/audit_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"

struct audit_keys {
    Epcis__V1__SigningKey **keys; /* in their order */
    size_t count;
};

/* All keys of the server, each as its statement and its predecessor's signature say. CTL_ERROR: that failed,
 * and was told. Whatever it returns, free them. */
int audit_keys_load(struct audit_keys *keys, const struct ctl_common *common, struct client *client,
                    int64_t deadline_ms);

/* The one public key of a file, without a statement. As above. */
int audit_keys_read(struct audit_keys *keys, const char *path);

void audit_keys_free(struct audit_keys *keys);

#endif
