/* The two clocks. Safe on any thread. */
#ifndef EPCISD_BASE_CLOCK_H
#define EPCISD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970-01-01T00:00:00Z. For records; it may jump. */
int64_t clock_wall_ms(void);

/* Milliseconds since some past instant. For leases and deadlines; it never jumps. */
int64_t clock_steady_ms(void);

/* The moment so many milliseconds from now, for waiting on a condition that goes by CLOCK_MONOTONIC. */
struct timespec clock_steady_after(int64_t ms);

#endif
