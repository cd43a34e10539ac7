#include "server/rejudge_terms.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/options.h"
#include "server/server_config.h"

static const Epcis__V1__ConfigOption *find(const Epcis__V1__WorkerConfig *worker, const char *name)
{
    for (size_t i = 0; i < worker->n_options; i++)
        if (strcmp(worker->options[i]->name, name) == 0)
            return worker->options[i];
    return NULL;
}

/* False: the worker does not say. */
static bool read_worker(const Epcis__V1__WorkerConfig *worker, struct rejudge_terms *out)
{
    const Epcis__V1__ConfigOption *profile = find(worker, "profile"), *rules = find(worker, "rule");
    if (!profile || !rules || profile->n_values != 1)
        return false;
    *out = (struct rejudge_terms){profile->values[0], rules->values, rules->n_values};
    return true;
}

static bool same(const struct rejudge_terms *a, const struct rejudge_terms *b)
{
    bool same = strcmp(a->profile, b->profile) == 0 && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->rules[i], b->rules[i]) == 0;
    return same;
}

enum err rejudge_terms_today(const struct server_config *config, const struct option_list *own,
                             struct arena *arena, struct rejudge_terms *out)
{
    Epcis__V1__GetConfigResponse *told;
    bool found = false;
    enum err err = server_config_get(config, arena, &told);
    if (err)
        return err;
    *out = (struct rejudge_terms){"", (char **)(uintptr_t)own->items, own->count};
    for (size_t i = 0; i < told->n_workers; i++) {
        struct rejudge_terms terms;
        if (!read_worker(told->workers[i], &terms))
            continue;
        if (found && !same(out, &terms))
            return ERR_FORK;
        *out = terms;
        found = true;
    }
    return ERR_OK;
}
