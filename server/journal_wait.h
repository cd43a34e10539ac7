/* A change in the journal for callers who have nothing to do before it is on disk. Any thread that may wait.
 */
#ifndef EPCISD_SERVER_JOURNAL_WAIT_H
#define EPCISD_SERVER_JOURNAL_WAIT_H

#include "server/journal.h"

/* journal_submit, and the answer once the operation is done; `done` and `context` are set here. */
enum err journal_wait(struct journal *journal, struct journal_op *op);

/* The same where `submit` hands it over, to another than the journal at first. */
enum err journal_wait_through(void (*submit)(void *context, struct journal_op *op), void *context,
                              struct journal_op *op);

#endif
