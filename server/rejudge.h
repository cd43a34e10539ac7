/* Has today's rules judge all of history again, and tells which verdicts would have been others. A thread of
 * its own, which runs when nothing else wants to, has batches made anew (rejudge_history.h), judged by a
 * worker that does nothing else (rejudge_worker.h), and compared (rejudge_compare.h). At most one a server at
 * a time. Nothing of the live data is touched. */
#ifndef EPCISD_SERVER_REJUDGE_H
#define EPCISD_SERVER_REJUDGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/options.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "server/rejudge_compare.h"

struct converter_options;
struct journal;
struct pressure;
struct rejudge;
struct server_config;
struct store;

/* Of the server; outlives every rejudging. */
struct rejudge_options {
    struct journal *journal;
    struct store *store;
    struct pressure *pressure;
    uint64_t disk_reserve_bytes;               /* which it leaves alone */
    uint64_t map_bytes;                        /* the most that a store may grow to */
    const struct converter_options *converter; /* by which documents are read */
    const struct server_config *config;        /* what workers run with */
    const struct option_list *rules;           /* CODE=SEVERITY: what they would, where none says */
    const char *folder;                        /* of the worker's store while it is opened */
    const char *log_format;
    atomic_bool busy; /* one is under way */
};

struct rejudge_request {
    const char *rule_pack; /* as it has to be; "current": any */
    const char *profile;   /* "": the workers' */
    char **overrides;      /* CODE=SEVERITY: behind the workers' own */
    size_t override_count;
    struct rejudge_scope scope;
};

/* Begins. `notify` is called on its thread when there is something new to take, until rejudge_close.
 * ERR_EXISTS: another one is under way; ERR_FORK: workers judge by different severities; ERR_FULL: the disk
 * has not the room; else as rejudge_history_open and rejudge_worker_open. */
enum err rejudge_open(struct rejudge_options *options, const struct rejudge_request *request,
                      void (*notify)(void *context), void *context, struct rejudge **out);

/* What is ready to be told: valid until rejudge_go_on, before which nothing else becomes ready. NULL: nothing
 * as yet, or it has ended. */
const Epcis__V1__ReplayRulesResponse *rejudge_ready(struct rejudge *rejudge);
void rejudge_go_on(struct rejudge *rejudge);

enum { REJUDGE_TEXT = 320 };
struct rejudge_end {
    enum err err; /* ERR_OK: all was told; ERR_INPUT: the request cannot be; ERR_FULL: the disk has no room */
    char text[REJUDGE_TEXT]; /* for ERR_INPUT with the field's name in backquotes */
};

/* False: not as yet, or something is ready still. */
bool rejudge_ended(struct rejudge *rejudge, struct rejudge_end *out);

/* Ends it wherever it is. Waits for as long as a step takes. NULL inside is fine. */
void rejudge_close(struct rejudge **rejudge);

#endif
