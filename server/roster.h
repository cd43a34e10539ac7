/* The workers that the dispatcher has heard of: who works, drains, has stopped or fell silent. A table of
 * fixed size; who fell silent or stopped longest ago makes room. No sockets, no clock of its own. The
 * dispatcher's thread, but for roster_list. */
#ifndef EPCISD_SERVER_ROSTER_H
#define EPCISD_SERVER_ROSTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "epcis/wire/v1/wire.pb-c.h"

enum { ROSTER_WORKERS_MAX = 128, ROSTER_TEXT_BYTES = 128, ROSTER_OPTIONS_BYTES = 4096 };

enum roster_state {
    ROSTER_WORKING,
    ROSTER_DRAINING, /* takes nothing more, finishes what it has */
    ROSTER_STOPPED,  /* said goodbye */
    ROSTER_LOST,     /* ended without a goodbye, or was not heard of for too long */
};

struct roster_worker {
    char id[ROSTER_TEXT_BYTES]; /* host:pid */
    char rule_pack[ROSTER_TEXT_BYTES];
    char store[ROSTER_TEXT_BYTES]; /* its kind: "lmdb" */
    enum roster_state state;
    uint32_t wire_version;
    uint32_t runs;                                         /* it had at its last heartbeat */
    int64_t started_ms;                                    /* wall clock */
    int64_t heard_ms;                                      /* steady clock */
    uint64_t batches, committed, duplicates, dead_letters; /* it has answered */
    size_t options_bytes;                                  /* 0: it tells none, or too much */
    uint8_t options[ROSTER_OPTIONS_BYTES];                 /* a packed WorkerConfig, nothing else in it */
};

struct roster {
    pthread_mutex_t mutex; /* guards what follows against roster_list */
    struct roster_worker workers[ROSTER_WORKERS_MAX];
    size_t count;
};

void roster_init(struct roster *roster);
void roster_free(struct roster *roster);

/* Notes a heartbeat. *out: the worker, valid until the next call; NULL: it is new, and the table full of
 * workers that live. Returns true where its state is another than before, or it is new. */
bool roster_heed(struct roster *roster, const Epcis__Wire__V1__Heartbeat *beat, int64_t now_ms,
                 const struct roster_worker **out);

/* Another worker that works with other rules; NULL: none. */
const struct roster_worker *roster_other_rules(const struct roster *roster,
                                               const struct roster_worker *worker);

/* The process has ended. True: unexpectedly, and it was not known to be lost. */
bool roster_ended(struct roster *roster, const char *id);

/* The next worker that was not heard of since `since_ms`: it is lost from now on. NULL: none. */
const struct roster_worker *roster_take_silent(struct roster *roster, int64_t since_ms);

/* When the one that is silent for longest was last heard of; INT64_MAX: none works. */
int64_t roster_oldest_ms(const struct roster *roster);

/* Whether it works, or drains. */
bool roster_lives(const struct roster_worker *worker);

/* Copies up to `size` workers; returns how many there are. Any thread. */
size_t roster_list(struct roster *roster, struct roster_worker *out, size_t size);

/* "working", "draining", "stopped", "lost" */
const char *roster_state_name(enum roster_state state);

#endif
