/* Compares what other rules make of a batch with what is recorded of it. A verdict is an event's outcome and,
 * where it is refused, the codes of the reasons; warnings are none. One thread. */
#ifndef EPCISD_SERVER_REJUDGE_COMPARE_H
#define EPCISD_SERVER_REJUDGE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/err.h"
#include "epcis/store/v1/journal.pb-c.h"
#include "epcis/v1/audit_service.pb-c.h"
#include "epcis/wire/v1/wire.pb-c.h"

struct batch;
struct store;

/* Which verdicts. */
struct rejudge_scope {
    bool one_partition; /* `partition` alone */
    uint32_t partition;
    uint64_t first_sequence, last_sequence; /* in each; 0: no bound */
    int64_t from_ms, to_ms;                 /* of their documents' receipt; 0: no bound */
};

struct rejudge_compare;

/* NULL without memory. `store` holds what was refused, and outlives it. */
struct rejudge_compare *rejudge_compare_new(struct store *store, const struct rejudge_scope *scope);
void rejudge_compare_free(struct rejudge_compare *compare);

/* Begins a batch, after those before it in its partition. All three are borrowed until it is done: the batch
 * as it was made anew, its record with the outcomes, and what it came to now. ERR_CORRUPT: the record does
 * not tell what became of each item. */
enum err rejudge_compare_begin(struct rejudge_compare *compare, const struct batch *batch,
                               const Epcis__Store__V1__BatchRecord *record,
                               const Epcis__Wire__V1__Rejudged *now);

/* Appends pointers to differences, made in `arena`, until there are `limit` in all. *done: the batch has no
 * more. ERR_LIMIT: the arena is spent; ERR_MEMORY, and as store_dead_letters. */
enum err rejudge_compare_go_on(struct rejudge_compare *compare, size_t limit, struct arena *arena,
                               struct buffer *differences, bool *done);

/* How many verdicts were compared. */
uint64_t rejudge_compare_events(const struct rejudge_compare *compare);

#endif
