/* A circuit breaker before the store: after BREAKER_FAILURES answers in a row that the store failed, from
 * whatever partition, it opens and no run goes out; after a pause one run goes out as a probe; an answer of
 * any other kind closes it. No clock and no I/O of its own; the dispatcher's thread. */
#ifndef EPCISD_SERVER_BREAKER_H
#define EPCISD_SERVER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/backoff.h"

enum { BREAKER_FAILURES = 5 };

enum breaker_state {
    BREAKER_CLOSED,  /* all is well */
    BREAKER_OPEN,    /* nothing goes out before probe_at_ms */
    BREAKER_PROBING, /* the probe's partition alone, until there is an answer */
};

struct breaker {
    enum breaker_state state;
    uint32_t failures; /* in a row */
    uint64_t openings; /* how often it opened from being closed */
    int64_t probe_at_ms;
    uint32_t probe; /* the partition whose run is the probe */
    struct backoff backoff;
};

void breaker_init(struct breaker *breaker, uint64_t seed);

/* Whether a run of the partition may go out now. */
bool breaker_allows(const struct breaker *breaker, uint32_t partition, int64_t now_ms);

/* A run of the partition went out. */
void breaker_sent(struct breaker *breaker, uint32_t partition);

/* Nobody but this partition may send now: where a probe is out, or lost, the partition's next run is it. */
void breaker_move_probe(struct breaker *breaker, uint32_t partition);

/* A worker answered that the store failed. True: the breaker is open because of it, the next probe goes out
 * at probe_at_ms. */
bool breaker_failed(struct breaker *breaker, int64_t now_ms);

/* A worker answered anything else. True: this closed the breaker. */
bool breaker_worked(struct breaker *breaker);

/* "closed", "open", "probing" */
const char *breaker_state_name(enum breaker_state state);

#endif
