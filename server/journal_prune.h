/* The end of raw documents: once one is older than the law wants it kept, its bytes go; all that is known of
 * it stays. */
#ifndef EPCISD_SERVER_JOURNAL_PRUNE_H
#define EPCISD_SERVER_JOURNAL_PRUNE_H

#include "server/journal_trees.h"

/* Applies JOURNAL_PRUNE, inside the journal: says in the document's record that its bytes are no longer kept,
 * and removes some of its pieces; some old news go, too. A document that is not finished is left as it is. */
enum err journal_prune_apply(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                             struct arena *scratch);

/* Keeps raw bytes from going from the journal in the folder, by whatever server, until the file *out is
 * closed. Waits while some are going. ERR_DISK; logged. */
enum err journal_prune_hold(const char *dir, int *out);

/* The other side: opens the file, and asks before each step. False: somebody holds them. What is allowed ends
 * with journal_prune_done. */
enum err journal_prune_open(const char *dir, int *out);
bool journal_prune_may(int file);
void journal_prune_done(int file);

/* ---- what there is to do: any thread ---- */

/* Documents up to this number have not one piece left; of those behind it, some may have none, too. */
enum err journal_pruned(struct journal *journal, uint64_t *number);

/* Whether the document has pieces. */
enum err journal_prune_left(struct journal *journal, const Epcis__Store__V1__CaptureRecord *record,
                            bool *left);

/* How many documents up to this number are not finished. */
enum err journal_prune_unfinished(struct journal *journal, uint64_t through, uint64_t *count);

#endif
