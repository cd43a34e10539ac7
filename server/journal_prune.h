/* The end of raw documents: once one is older than the law wants it kept, its bytes go; all that is known of
 * it stays. */
#ifndef EPCISD_SERVER_JOURNAL_PRUNE_H
#define EPCISD_SERVER_JOURNAL_PRUNE_H

#include "server/journal_trees.h"

/* Applies JOURNAL_PRUNE, inside the journal: says in the document's record that its bytes are no longer kept,
 * and removes some of its pieces; some old news go, too. A document that is not finished is left as it is. */
enum err journal_prune_apply(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                             struct arena *scratch);

/* Documents up to this number have not one piece left. Any thread. */
enum err journal_pruned(struct journal *journal, uint64_t *number);

#endif
