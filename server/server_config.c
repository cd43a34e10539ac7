#include "server/server_config.h"

#include <string.h>

#include "common/base/utf8.h"
#include "server/dispatcher.h"
#include "server/roster.h"

/* Workers may be older or newer than the server, and say what they like: what they say becomes text. */
static void mend_options(Epcis__V1__WorkerConfig *config)
{
    for (size_t i = 0; i < config->n_options; i++) {
        Epcis__V1__ConfigOption *option = config->options[i];
        utf8_mend(option->name);
        utf8_mend(option->unit);
        utf8_mend(option->meaning);
        for (size_t j = 0; j < option->n_values; j++)
            utf8_mend(option->values[j]);
        for (size_t j = 0; j < option->n_defaults; j++)
            utf8_mend(option->defaults[j]);
    }
}

static Epcis__V1__WorkerConfig *tell_worker(const struct roster_worker *worker, struct arena *arena)
{
    Epcis__V1__WorkerConfig *config =
        epcis__v1__worker_config__unpack(&arena->allocator, worker->options_bytes, worker->options);
    if (!config)
        return NULL;
    config->worker_id = arena_copy(arena, worker->id, strlen(worker->id));
    config->rule_pack = arena_copy(arena, worker->rule_pack, strlen(worker->rule_pack));
    if (!config->worker_id || !config->rule_pack)
        return NULL;
    utf8_mend(config->worker_id);
    utf8_mend(config->rule_pack);
    mend_options(config);
    return config;
}

static enum err tell_workers(struct dispatcher *dispatcher, struct arena *arena,
                             Epcis__V1__GetConfigResponse *out)
{
    struct roster_worker *workers = arena_alloc(arena, ROSTER_WORKERS_MAX * sizeof *workers);
    out->workers = arena_alloc(arena, ROSTER_WORKERS_MAX * sizeof *out->workers);
    if (!workers || !out->workers)
        return ERR_LIMIT;
    size_t count = dispatcher_workers(dispatcher, workers, ROSTER_WORKERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!roster_lives(&workers[i]))
            continue;
        Epcis__V1__WorkerConfig *config = tell_worker(&workers[i], arena);
        if (!config)
            return ERR_LIMIT;
        out->workers[out->n_workers++] = config;
    }
    return ERR_OK;
}

enum err server_config_get(const struct server_config *config, struct arena *arena,
                           Epcis__V1__GetConfigResponse **out)
{
    *out = arena_alloc(arena, sizeof **out);
    if (!*out)
        return ERR_LIMIT;
    epcis__v1__get_config_response__init(*out);
    enum err err = config_tell(&config->own, arena, &(*out)->options);
    if (err)
        return err;
    (*out)->n_options = config->own.count;
    return tell_workers(config->dispatcher, arena, *out);
}
