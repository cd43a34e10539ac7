/* What the server counts since its start, in one place. Cheap; any thread. */
#ifndef EPCISD_SERVER_COUNTERS_H
#define EPCISD_SERVER_COUNTERS_H

#include <stdint.h>

enum counter {
    COUNTER_DOCUMENTS_RECEIVED,
    COUNTER_DOCUMENT_BYTES_RECEIVED,
    COUNTER_DOCUMENTS_REPEATED,
    COUNTER_BATCHES_ACKNOWLEDGED,
    COUNTER_EVENTS_COMMITTED,
    COUNTER_EVENTS_DUPLICATE,
    COUNTER_EVENTS_DEAD,
    COUNTER_WARNINGS,
    COUNTER_EVENTS_AHEAD, /* converted while their documents arrived */
    COUNTER_AHEAD_FAILED, /* documents of which that could not be kept */
    COUNTERS,
};

void counters_add(enum counter counter, uint64_t count);
uint64_t counters_get(enum counter counter);

#endif
