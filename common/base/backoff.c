#include "common/base/backoff.h"

void backoff_init(struct backoff *backoff, uint32_t first_ms, uint32_t max_ms, uint64_t seed)
{
    *backoff = (struct backoff){.first_ms = first_ms, .max_ms = max_ms, .state = seed};
}

/* SplitMix64: any seed will do, 0 too. */
static uint64_t next_random(struct backoff *backoff)
{
    uint64_t value = backoff->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint32_t backoff_next_ms(struct backoff *backoff)
{
    enum { SHIFT_MAX = 31 };
    uint32_t shift = backoff->attempts < SHIFT_MAX ? backoff->attempts : SHIFT_MAX;
    uint64_t most_ms = (uint64_t)backoff->first_ms << shift;
    if (most_ms > backoff->max_ms)
        most_ms = backoff->max_ms;
    if (backoff->attempts < UINT32_MAX)
        backoff->attempts++;
    return (uint32_t)(1 + next_random(backoff) % most_ms);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->attempts = 0;
}
