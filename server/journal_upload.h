/* The journal's part in uploads: documents whose bytes come in pieces. Internal to the journal; all run on
 * its thread inside the transaction given. `scratch` is for records read. */
#ifndef EPCISD_SERVER_JOURNAL_UPLOAD_H
#define EPCISD_SERVER_JOURNAL_UPLOAD_H

#include "server/journal_trees.h"

/* Apply JOURNAL_CLAIM, JOURNAL_PIECE, JOURNAL_DISCARD, JOURNAL_EXPIRE. op->refused: ERR_EXISTS: another
 * stream has claimed the upload, or it is gone; ERR_DISK: a piece before this one met a disk that was full;
 * of a claim see there. */
enum err journal_upload_claim(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch);
enum err journal_upload_piece(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch);
enum err journal_upload_discard(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch);
enum err journal_upload_expire(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                               struct arena *scratch);

/* The first half of JOURNAL_SEAL: the upload, where it is the sealing stream's and its pieces are all there;
 * otherwise op->refused is set as above. */
enum err journal_upload_to_seal(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch, Epcis__Store__V1__UploadRecord **out);

/* The last half: the upload became document `number`, which owns its pieces where it is the new one; 0: none.
 * Its bytes count as the document's from here on. */
enum err journal_upload_became(struct journal_trees *trees, MDB_txn *txn,
                               const struct journal_document *document,
                               Epcis__Store__V1__UploadRecord *record, uint64_t number);

/* Finds an upload that was not touched since `before_ms`, in a read transaction of its own that looks at
 * some; the next call looks at those that follow. ERR_NOT_FOUND: none of them. */
enum err journal_upload_find_old(struct journal_trees *trees, int64_t before_ms, struct arena *scratch,
                                 uint64_t *upload);

/* At the start: removes what cannot be continued, counts what can. */
enum err journal_upload_recover(struct journal_trees *trees, MDB_txn *txn);

#endif
