#include "server/spawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

extern char **environ;

enum err spawn_worker(const char *const *arguments, int input, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    int code = input >= 0 ? posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) : 0;
    if (!code)
        code = posix_spawn(pid, arguments[0], &actions, &attributes, (char *const *)(uintptr_t)arguments,
                           environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (!code)
        return ERR_OK;
    log_error("worker_not_started", "program=\"%s\" detail=\"%s\"", arguments[0], strerror(code));
    return code == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
}
