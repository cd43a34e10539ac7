/* The journal's part in uploads: documents whose bytes come in pieces. Internal to the journal; all run on
 * its thread inside the transaction given. */
#ifndef EPCISD_SERVER_JOURNAL_UPLOAD_H
#define EPCISD_SERVER_JOURNAL_UPLOAD_H

#include "server/journal_trees.h"

/* Applies JOURNAL_PIECE. */
enum err journal_upload_piece(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op);

/* How many pieces of an upload are written. */
enum err journal_upload_pieces(struct journal_trees *trees, MDB_txn *txn, uint64_t upload, uint32_t *out);

/* Removes an upload and its pieces. */
enum err journal_upload_discard(struct journal_trees *trees, MDB_txn *txn, uint64_t upload);

/* Removes all that no receipt was given for. */
enum err journal_upload_discard_all(struct journal_trees *trees, MDB_txn *txn);

#endif
