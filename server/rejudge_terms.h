/* By what severities events are judged today: what the workers run with, as they say themselves. Any thread.
 */
#ifndef EPCISD_SERVER_REJUDGE_TERMS_H
#define EPCISD_SERVER_REJUDGE_TERMS_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"

struct option_list;
struct server_config;

struct rejudge_terms {
    const char *profile; /* "": a worker's default */
    char **rules;        /* CODE=SEVERITY; of two for one code the later counts */
    size_t count;
};

/* Where no worker says it, `own` are the rules, as those would have them that are started here. Built in the
 * arena. ERR_FORK: workers judge by different ones; ERR_LIMIT: the arena's budget. */
enum err rejudge_terms_today(const struct server_config *config, const struct option_list *own,
                             struct arena *arena, struct rejudge_terms *out);

#endif
