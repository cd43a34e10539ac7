#include "common/base/clock.h"

#include <time.h>

static int64_t milliseconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return milliseconds(CLOCK_REALTIME);
}

int64_t clock_steady_ms(void)
{
    return milliseconds(CLOCK_MONOTONIC);
}
