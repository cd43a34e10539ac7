#include "server/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "server/spawn.h"

extern char **environ;

/* A worker that was killed, or crashed, was at work: what it had under way is found out the sooner the sooner
 * there is another. One that ends by itself has said that it cannot work here. */
enum {
    PAUSE_FIRST_MS = 100,
    PAUSE_KILLED_MAX_MS = 1000,
    PAUSE_MAX_MS = 10000,
    STEADY_MS = 30000, /* a worker that lived so long did not end quickly */
};

struct child {
    pid_t pid; /* 0: not running */
    int64_t started_ms;
    int64_t start_at_ms; /* while not running */
    int64_t pause_ms;    /* before the next start */
    struct backoff backoff;
};

struct supervisor {
    struct supervisor_options options;
    void (*gone)(void *context, pid_t pid);
    void *context;
    char program[PATH_MAX];
    struct child *children;
};

enum { ARGUMENTS_MAX = 16 + 2 * OPTION_LIST_MAX };

/* Behind the first `count` arguments; what follows is NULL. */
static void add_rules(const struct option_list *rules, const char *arguments[ARGUMENTS_MAX], size_t count)
{
    for (size_t i = 0; i < rules->count; i++) {
        arguments[count++] = "--rule";
        arguments[count++] = rules->items[i];
    }
}

static enum err child_start(struct supervisor *supervisor, struct child *child)
{
    const struct supervisor_options *options = &supervisor->options;
    char map_bytes[24];
    snprintf(map_bytes, sizeof map_bytes, "%llu", (unsigned long long)options->map_bytes);
    const char *arguments[ARGUMENTS_MAX] = {supervisor->program, "--supervised",
                                            "--work-endpoint",   options->work_endpoint,
                                            "--ack-endpoint",    options->ack_endpoint,
                                            "--store",           options->store,
                                            "--map-bytes",       map_bytes,
                                            "--log-format",      options->log_format};
    add_rules(options->rules, arguments, 12);
    enum err err = spawn_worker(arguments, -1, &child->pid);
    child->started_ms = clock_steady_ms();
    if (err) {
        child->pid = 0;
        return err;
    }
    fault_end(FAULT_SUPERVISOR_STARTED);
    log_info("worker_started", "pid=%d", (int)child->pid);
    return ERR_OK;
}

static void child_plan_start(struct child *child, bool killed, int64_t now_ms)
{
    if (now_ms - child->started_ms >= STEADY_MS)
        backoff_reset(&child->backoff);
    child->backoff.max_ms = killed ? PAUSE_KILLED_MAX_MS : PAUSE_MAX_MS;
    child->pause_ms = backoff_next_ms(&child->backoff);
    child->start_at_ms = now_ms + child->pause_ms;
}

static struct child *child_of_pid(struct supervisor *supervisor, pid_t pid)
{
    for (uint64_t i = 0; i < supervisor->options.workers; i++)
        if (supervisor->children[i].pid == pid)
            return &supervisor->children[i];
    return NULL;
}

static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = child_of_pid(supervisor, pid);
        if (!child)
            continue;
        fault_end(FAULT_SUPERVISOR_GONE);
        child->pid = 0;
        child_plan_start(child, WIFSIGNALED(status), clock_steady_ms());
        if (WIFSIGNALED(status))
            log_warning("worker_ended", "pid=%d signal=%d start_again_ms=%lld", (int)pid, WTERMSIG(status),
                        (long long)child->pause_ms);
        else
            log_warning("worker_ended", "pid=%d status=%d start_again_ms=%lld", (int)pid, WEXITSTATUS(status),
                        (long long)child->pause_ms);
        supervisor->gone(supervisor->context, pid);
    }
}

/* Starts what is due; returns how long nothing falls due. */
static int64_t start_due(struct supervisor *supervisor)
{
    enum { IDLE_MS = 60000 };
    int64_t now_ms = clock_steady_ms(), wait_ms = IDLE_MS;
    for (uint64_t i = 0; i < supervisor->options.workers; i++) {
        struct child *child = &supervisor->children[i];
        if (child->pid)
            continue;
        if (child->start_at_ms <= now_ms && child_start(supervisor, child))
            child_plan_start(child, false, now_ms);
        if (!child->pid && child->start_at_ms - now_ms < wait_ms)
            wait_ms = child->start_at_ms - now_ms;
    }
    return wait_ms > 0 ? wait_ms : 1;
}

static void wait_for_signal(const sigset_t *set, int64_t wait_ms, int *signal)
{
    struct timespec timeout = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    *signal = sigtimedwait(set, NULL, &timeout); /* -1: time is up */
}

int supervisor_run(struct supervisor *supervisor)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    for (;;) {
        int signal;
        wait_for_signal(&set, start_due(supervisor), &signal);
        if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP)
            return signal;
        reap(supervisor);
    }
}

static enum err find_program(char out[PATH_MAX])
{
    enum err err = program_beside("epcis-worker", out);
    if (err == ERR_NOT_FOUND)
        log_error("worker_program_missing", "program=\"%s\" detail=\"%s\"", out, strerror(errno));
    return err;
}

/* A worker that does not take its options would end as often as it is started: asked once, before. */
static enum err try_rules(const struct supervisor *supervisor)
{
    const char *arguments[ARGUMENTS_MAX] = {supervisor->program, "--rules"};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    add_rules(supervisor->options.rules, arguments, 2);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int code =
        posix_spawn(&pid, supervisor->program, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code || waitpid(pid, &status, 0) != pid)
        return ERR_SYSTEM;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ERR_OK : ERR_INPUT;
}

enum err supervisor_open(const struct supervisor_options *options, void (*gone)(void *context, pid_t pid),
                         void *context, struct supervisor **out)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (!supervisor)
        return ERR_MEMORY;
    supervisor->options = *options;
    supervisor->gone = gone;
    supervisor->context = context;
    supervisor->children = calloc(options->workers ? options->workers : 1, sizeof *supervisor->children);
    enum err err = supervisor->children ? ERR_OK : ERR_MEMORY;
    if (!err && options->workers > 0)
        err = find_program(supervisor->program);
    if (!err && options->workers > 0 && options->rules->count > 0)
        err = try_rules(supervisor);
    for (uint64_t i = 0; !err && i < options->workers; i++) {
        backoff_init(&supervisor->children[i].backoff, PAUSE_FIRST_MS, PAUSE_MAX_MS,
                     (uint64_t)clock_wall_ms() + i);
        err = child_start(supervisor, &supervisor->children[i]);
    }
    if (err) {
        supervisor_close(&supervisor, 0);
        return err;
    }
    *out = supervisor;
    return ERR_OK;
}

static bool signal_children(const struct supervisor *supervisor, int signal)
{
    bool any = false;
    for (uint64_t i = 0; i < supervisor->options.workers; i++) {
        if (!supervisor->children[i].pid)
            continue;
        kill(supervisor->children[i].pid, signal);
        any = true;
    }
    return any;
}

/* Takes back children that ended, waiting for the others up to `timeout_ms`. */
static void reap_until(struct supervisor *supervisor, int64_t timeout_ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    int64_t end_ms = clock_steady_ms() + timeout_ms;
    for (;;) {
        bool any = false;
        for (uint64_t i = 0; i < supervisor->options.workers; i++) {
            struct child *child = &supervisor->children[i];
            if (child->pid && waitpid(child->pid, NULL, WNOHANG) == child->pid)
                child->pid = 0;
            any |= child->pid != 0;
        }
        int64_t left_ms = end_ms - clock_steady_ms();
        if (!any || left_ms <= 0)
            return;
        int signal;
        wait_for_signal(&set, left_ms, &signal);
    }
}

void supervisor_close(struct supervisor **supervisor, uint64_t timeout_ms)
{
    enum { KILLED_MS = 10000 };
    struct supervisor *self = *supervisor;
    if (!self)
        return;
    if (self->children && signal_children(self, SIGTERM)) {
        reap_until(self, (int64_t)timeout_ms);
        if (signal_children(self, SIGKILL)) {
            log_warning("workers_killed", "detail=\"they did not stop in time\"");
            reap_until(self, KILLED_MS);
        }
    }
    free(self->children);
    free(self);
    *supervisor = NULL;
}
