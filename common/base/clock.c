#include "common/base/clock.h"

#include <stdatomic.h>

#include "common/base/fault.h"

static int64_t milliseconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    static atomic_int_least64_t set_back_ms;
    if (fault_hit(FAULT_CLOCK_BACK))
        atomic_store(&set_back_ms, 60 * 60 * 1000);
    return milliseconds(CLOCK_REALTIME) - atomic_load(&set_back_ms);
}

int64_t clock_steady_ms(void)
{
    return milliseconds(CLOCK_MONOTONIC);
}

struct timespec clock_steady_after(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}
