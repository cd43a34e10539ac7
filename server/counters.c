#include "server/counters.h"

#include <stdatomic.h>

static atomic_ullong counts[COUNTERS];

void counters_add(enum counter counter, uint64_t count)
{
    atomic_fetch_add_explicit(&counts[counter], count, memory_order_relaxed);
}

uint64_t counters_get(enum counter counter)
{
    return atomic_load_explicit(&counts[counter], memory_order_relaxed);
}
