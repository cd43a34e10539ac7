/* Counts peers that were turned away, and logs each address and reason once a minute at most, those of more
 * addresses than are remembered together. One user at a time. */
#ifndef EPCISD_WIRE_REFUSALS_H
#define EPCISD_WIRE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

enum { REFUSALS_REMEMBERED = 64, REFUSALS_QUIET_MS = 60000, REFUSALS_PEER = 64 };

struct refusal_told {
    char peer[REFUSALS_PEER];
    const char *reason; /* NULL: free */
    int64_t told_ms;
    uint64_t since; /* refused since it was told */
};

/* All zero is one that has counted none. */
struct refusals {
    uint64_t count;
    struct refusal_told told[REFUSALS_REMEMBERED], others;
};

/* `reason` is a constant word; `key`, where known, the public key that was shown, else empty; `detail` says
 * what to do. Returns whether it was logged. */
bool refusals_add(struct refusals *refusals, const char *peer, const char *reason, const char *key,
                  const char *detail, int64_t now_ms);

#endif
