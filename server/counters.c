#include "server/counters.h"

#include <stdatomic.h>

static atomic_ullong counts[COUNTERS];
static atomic_ullong refusals[REFUSAL_REASONS];

void counters_add(enum counter counter, uint64_t count)
{
    atomic_fetch_add_explicit(&counts[counter], count, memory_order_relaxed);
}

uint64_t counters_get(enum counter counter)
{
    return atomic_load_explicit(&counts[counter], memory_order_relaxed);
}

void counters_refuse(enum refusal_reason reason)
{
    atomic_fetch_add_explicit(&refusals[reason], 1, memory_order_relaxed);
}

uint64_t counters_refused(enum refusal_reason reason)
{
    return atomic_load_explicit(&refusals[reason], memory_order_relaxed);
}
