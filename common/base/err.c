#include "common/base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *err_name(enum err err)
{
    static const char *const names[] = {
        [ERR_OK] = "ok",           [ERR_INPUT] = "input",
        [ERR_LIMIT] = "limit",     [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",   [ERR_FULL] = "full",
        [ERR_TIMEOUT] = "timeout", [ERR_STOPPED] = "stopped",
        [ERR_ORDER] = "order",     [ERR_FORK] = "fork",
        [ERR_MEMORY] = "memory",   [ERR_DISK] = "disk",
        [ERR_CORRUPT] = "corrupt", [ERR_VERSION] = "version",
        [ERR_SYSTEM] = "system",
    };
    if ((unsigned)err < sizeof names / sizeof names[0])
        return names[err];
    return "unknown";
}

void err_check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: internal error, this must hold: %s\n", file, line, condition);
    abort();
}
