#include "server/front/reason.h"

#include <stdatomic.h>

static const struct reason_row rows[] = {
#define ROW(name, status, retry_ms, meaning, remedy)                                                         \
    [REASON_##name] = {#name, #status, GRPC_STATUS_##status, retry_ms, meaning, remedy},
    REASONS(ROW)
#undef ROW
};

static atomic_ullong counts[REASON_COUNT];

const struct reason_row *reason_row(enum reason reason)
{
    return &rows[reason];
}

void reason_count(enum reason reason)
{
    atomic_fetch_add_explicit(&counts[reason], 1, memory_order_relaxed);
}

uint64_t reason_counted(enum reason reason)
{
    return atomic_load_explicit(&counts[reason], memory_order_relaxed);
}
