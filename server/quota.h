/* How many documents trading partners send in a second, against what their records allow. Kept in memory
 * only: after a restart everybody starts anew. Any thread. */
#ifndef EPCISD_SERVER_QUOTA_H
#define EPCISD_SERVER_QUOTA_H

#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"

struct quota;

/* NULL without memory. */
struct quota *quota_new(void);
void quota_free(struct quota *quota);

/* Takes one of the `per_second` (not 0) documents of the partner `id`; those of one second may come at once.
 * ERR_FULL: all are taken, the next is free after *retry_after_ms. ERR_MEMORY. `now_ms`: steady clock. */
enum err quota_take(struct quota *quota, const uint8_t id[UUID_BYTES], uint32_t per_second, int64_t now_ms,
                    uint32_t *retry_after_ms);

#endif
