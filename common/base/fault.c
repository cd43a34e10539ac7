#include "common/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char variable[] = "EPCISD_FAULT";

#ifndef EPCISD_FAULTS

enum err fault_init(void)
{
    if (!getenv(variable))
        return ERR_OK;
    fprintf(stderr, "%s is set, and this build has no fault points: build with -DEPCISD_FAULTS=ON\n",
            variable);
    return ERR_INPUT;
}

#else

static const struct {
    const char *name, *kind, *meaning;
} points[FAULT_POINT_COUNT] = {
#define FAULT_CALL(constant, name, meaning) [FAULT_##constant] = {name, "fails", meaning},
#define FAULT_END(constant, name, meaning)  [FAULT_##constant] = {name, "ends", meaning},
    FAULT_CALLS(FAULT_CALL) FAULT_ENDS(FAULT_END)
#undef FAULT_CALL
#undef FAULT_END
};

/* Written by fault_init, which a test calls while threads pass by. */
static struct {
    atomic_long first, last; /* 0: not armed */
    atomic_bool stop;
    atomic_long passages;
} armed[FAULT_POINT_COUNT];
static const char *_Atomic once_dir; /* NULL: every process fails for itself */
static const char *_Atomic poison;   /* NULL: none */
static const char *_Atomic endless;

static enum err complain(const char *what, const char *text)
{
    fprintf(stderr,
            "%s: %s: '%s'. Right is POINT[:FIRST[-LAST]][=stop], several with commas; POINT is one of\n",
            variable, what, text);
    for (size_t i = 0; i < FAULT_POINT_COUNT; i++)
        fprintf(stderr, "  %-26s %-6s %s\n", points[i].name, points[i].kind, points[i].meaning);
    return ERR_INPUT;
}

static enum fault_point find_point(const char *name)
{
    size_t point = 0;
    while (point < FAULT_POINT_COUNT && strcmp(points[point].name, name) != 0)
        point++;
    return (enum fault_point)point;
}

/* A passage's number from `*text` on, which moves behind it; 0: none stands there. */
static long read_passage(char **text)
{
    return **text >= '0' && **text <= '9' ? strtol(*text, text, 10) : 0;
}

/* POINT[:FIRST[-LAST]][=stop]; cuts `text` up. */
static enum err arm(char *text)
{
    long first = 1, last = 1;
    char *stop = strchr(text, '=');
    if (stop)
        *stop++ = '\0';
    char *passages = strchr(text, ':');
    if (passages) {
        *passages++ = '\0';
        char *at = passages;
        first = last = read_passage(&at);
        if (*at == '-') {
            at++;
            last = read_passage(&at);
        }
        if (*at || first < 1 || last < first)
            return complain("no passages", passages);
    }
    enum fault_point point = find_point(text);
    if (point == FAULT_POINT_COUNT)
        return complain("no such point", text);
    if (stop && strcmp(stop, "stop") != 0)
        return complain("no such action", stop);
    atomic_store(&armed[point].passages, 0);
    armed[point].last = last;
    armed[point].stop = stop != NULL;
    armed[point].first = first;
    return ERR_OK;
}

enum err fault_init(void)
{
    char words[4096], *rest = words;
    const char *text = getenv(variable);
    for (size_t i = 0; i < FAULT_POINT_COUNT; i++)
        armed[i].first = 0;
    once_dir = getenv("EPCISD_FAULT_ONCE");
    poison = getenv("EPCISD_FAULT_POISON");
    endless = getenv("EPCISD_FAULT_LOOP");
    if (!text)
        return ERR_OK;
    if (snprintf(words, sizeof words, "%s", text) >= (int)sizeof words)
        return complain("too long", "...");
    enum err err = ERR_OK;
    for (char *word; !err && (word = strsep(&rest, ",")) != NULL;)
        err = arm(word);
    return err;
}

/* True for the first of all processes that comes here. */
static bool leave_mark(enum fault_point point, long passage)
{
    char path[PATH_MAX];
    const char *dir = once_dir;
    if (!dir)
        return true;
    snprintf(path, sizeof path, "%s/%s.%ld", dir, points[point].name, passage);
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        return errno != EEXIST;
    close(file);
    return true;
}

bool fault_hit(enum fault_point point)
{
    if (!armed[point].first)
        return false;
    long passage = atomic_fetch_add(&armed[point].passages, 1) + 1;
    return passage >= armed[point].first && passage <= armed[point].last && leave_mark(point, passage);
}

void fault_end(enum fault_point point)
{
    if (fault_hit(point))
        kill(getpid(), armed[point].stop ? SIGSTOP : SIGKILL);
}

void fault_poison(const char *text)
{
    const char *marker = poison, *loop = endless;
    if (marker && strstr(text, marker))
        kill(getpid(), SIGKILL);
    while (loop && strstr(text, loop))
        loop = endless;
}

#endif
