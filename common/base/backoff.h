/* How long to wait before trying again: exponential backoff with full jitter. The n-th pause in a row is a
 * random time of at most first_ms * 2^(n-1), and never more than max_ms, so that many who failed together do
 * not come back together. No clock, no allocation; one user at a time. The same seed gives the same pauses.
 */
#ifndef EPCISD_BASE_BACKOFF_H
#define EPCISD_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint32_t first_ms; /* at least 1 */
    uint32_t max_ms;
    uint32_t attempts; /* pauses since the last success */
    uint64_t state;
};

void backoff_init(struct backoff *backoff, uint32_t first_ms, uint32_t max_ms, uint64_t seed);

/* The next pause in milliseconds, at least 1; counts it. */
uint32_t backoff_next_ms(struct backoff *backoff);

/* It worked: the next pause is a first one. */
void backoff_reset(struct backoff *backoff);

#endif
