#include "server/breaker.h"

enum { PROBE_FIRST_MS = 500, PROBE_MAX_MS = 30000 };

void breaker_init(struct breaker *breaker, uint64_t seed)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
    backoff_init(&breaker->backoff, PROBE_FIRST_MS, PROBE_MAX_MS, seed);
}

bool breaker_allows(const struct breaker *breaker, uint32_t partition, int64_t now_ms)
{
    if (breaker->state == BREAKER_OPEN)
        return now_ms >= breaker->probe_at_ms;
    return breaker->state == BREAKER_CLOSED || breaker->probe == partition;
}

void breaker_sent(struct breaker *breaker, uint32_t partition)
{
    if (breaker->state != BREAKER_OPEN)
        return;
    breaker->state = BREAKER_PROBING;
    breaker->probe = partition;
}

void breaker_move_probe(struct breaker *breaker, uint32_t partition)
{
    breaker->probe = partition;
}

bool breaker_failed(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->failures < UINT32_MAX)
        breaker->failures++;
    if (breaker->state == BREAKER_OPEN || breaker->failures < BREAKER_FAILURES)
        return false; /* of a run that was out before it opened */
    breaker->openings += breaker->state == BREAKER_CLOSED;
    breaker->state = BREAKER_OPEN;
    breaker->probe_at_ms = now_ms + backoff_next_ms(&breaker->backoff);
    return true;
}

bool breaker_worked(struct breaker *breaker)
{
    bool closes = breaker->state != BREAKER_CLOSED;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    backoff_reset(&breaker->backoff);
    return closes;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "probing"};
    return names[state];
}
