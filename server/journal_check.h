/* Whether a journal and its store are whole and agree. For data that no server has open; one thread. */
#ifndef EPCISD_SERVER_JOURNAL_CHECK_H
#define EPCISD_SERVER_JOURNAL_CHECK_H

#include <stdint.h>

#include "common/base/err.h"

struct journal;
struct store;

/* What was found. */
struct journal_report {
    uint64_t documents, unfinished, pruned; /* pruned: their bytes are gone, as they should be */
    uint64_t partitions, batches, events;   /* events: of finished documents */
    uint64_t store_records;
    uint64_t missing_batches; /* acknowledged, and not in the store: they are sent again at the next start */
};

/* Reads everything: each document's bytes have its digest, and its counts add up; each partition's batches
 * and their outcomes have the ids that follow from their items; the store has the same batches and none
 * besides, and what it lacks can be made again; each record of the store can be read. ERR_CORRUPT: something
 * does not, the first such thing is logged; ERR_DISK, ERR_MEMORY. */
enum err journal_check(struct journal *journal, struct store *store, struct journal_report *report);

#endif
