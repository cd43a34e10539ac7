/* All batches of all partitions, made anew from their documents (rebuild.h) in the order in which the store
 * took them. Reads only; one thread. */
#ifndef EPCISD_SERVER_REJUDGE_HISTORY_H
#define EPCISD_SERVER_REJUDGE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "epcis/store/v1/journal.pb-c.h"
#include "server/rebuild.h"

struct converter_options;
struct journal;
struct rejudge_history;
struct store;

/* A batch, and what is recorded of it. */
struct rejudge_batch {
    struct rejudge_batch *next;   /* the history's */
    struct rebuild_result result; /* why it could not be made the same */
    struct batch *batch; /* closed, with what is known now of its partners, and condemning what was condemned;
                            NULL: it could not be made */
    const Epcis__Store__V1__BatchRecord *record; /* the outcomes; valid until the next step */
};

void rejudge_batch_free(struct rejudge_batch *batch);

/* What the store has now, as far as the journal knows what became of it. ERR_MEMORY, ERR_DISK, ERR_CORRUPT.
 */
enum err rejudge_history_open(struct journal *journal, struct store *store,
                              const struct converter_options *options, struct rejudge_history **out);
void rejudge_history_close(struct rejudge_history **history);

/* How many batches it has in all. */
uint64_t rejudge_history_batches(const struct rejudge_history *history);

/* A bounded piece of work. *out: the next batch, which the caller frees, or NULL: not as yet. *done: there
 * are no more. Errors as rebuild_step: the history is of no further use. */
enum err rejudge_history_step(struct rejudge_history *history, struct rejudge_batch **out, bool *done);

#endif
