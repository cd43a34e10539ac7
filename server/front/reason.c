#include "server/front/reason.h"

static const struct reason_row rows[] = {
#define ROW(name, status, retry_ms, meaning, remedy)                                                         \
    [REASON_##name] = {#name, #status, GRPC_STATUS_##status, retry_ms, meaning, remedy},
    REASONS(ROW)
#undef ROW
};

const struct reason_row *reason_row(enum reason reason)
{
    return &rows[reason];
}
