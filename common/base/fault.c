#include "common/base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *fault_name; /* NULL: none */
static size_t fault_name_length;
static atomic_long passages_left;
static const char *poison; /* NULL: none */

void fault_init(void)
{
    const char *text = getenv("EPCISD_FAULT");
    poison = getenv("EPCISD_FAULT_POISON");
    if (!text || !*text)
        return;
    const char *colon = strchr(text, ':');
    fault_name_length = colon ? (size_t)(colon - text) : strlen(text);
    passages_left = colon ? strtol(colon + 1, NULL, 10) : 1;
    fault_name = text;
}

bool fault_hit(const char *point)
{
    if (!fault_name)
        return false;
    if (strlen(point) != fault_name_length || strncmp(point, fault_name, fault_name_length) != 0)
        return false;
    return atomic_fetch_sub(&passages_left, 1) == 1;
}

void fault_poison(const char *text)
{
    if (poison && strstr(text, poison))
        kill(getpid(), SIGKILL);
}

void fault_crash(const char *point)
{
    if (fault_hit(point))
        kill(getpid(), SIGKILL);
}
