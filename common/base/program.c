#include "common/base/program.h"

#include <string.h>
#include <unistd.h>

enum err program_beside(const char *name, char out[PATH_MAX])
{
    size_t bytes = strlen(name) + 1;
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (length <= 0)
        return ERR_SYSTEM;
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash || (size_t)(slash + 1 - out) + bytes > PATH_MAX)
        return ERR_SYSTEM;
    memcpy(slash + 1, name, bytes);
    return access(out, X_OK) ? ERR_NOT_FOUND : ERR_OK;
}
