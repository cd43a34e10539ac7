/* The journal's trees in LMDB: what one operation changes, and the reads. Internal to the journal; writing
 * functions run on its thread inside the transaction given. */
#ifndef EPCISD_SERVER_JOURNAL_TREES_H
#define EPCISD_SERVER_JOURNAL_TREES_H

#include <lmdb.h>

#include "server/journal.h"

enum journal_tree {
    TREE_CAPTURE,
    TREE_CAPTURE_ID,
    TREE_DIGEST,
    TREE_UNFINISHED,
    TREE_UPLOAD,
    TREE_UPLOAD_KEY,
    TREE_PIECE,
    TREE_LETTER,
    TREE_BATCH,
    TREE_LEAF,
    TREE_PARTITION,
    TREE_NEWS,
    TREE_META,
    TREE_PARTNER,
    TREE_PARTNER_GLN,
    TREE_PARTNER_CHANGE,
    TREE_KEY,
    TREE_CHECKPOINT,
    TREE_IDENTITY,
    TREE_LOAD,
    TREE_COUNT,
};

struct journal_trees {
    MDB_env *env;
    MDB_dbi dbi[TREE_COUNT];
    uint64_t next_number;
    uint64_t next_upload;
    uint64_t next_news;
    uint64_t unfinished_bytes;
    uint32_t open_uploads;           /* that can be continued and are no documents yet */
    uint64_t expire_after;           /* the upload that was looked at last for its age */
    uint64_t partner_changes;        /* since it was opened */
    const struct signature_key *key; /* that signs; NULL: nothing is signed */
};

enum err journal_trees_open(struct journal_trees *trees, const char *dir, uint64_t map_bytes);
void journal_trees_close(struct journal_trees *trees);

/* ERR_DISK for whatever LMDB could not do, ERR_CORRUPT for what it says is damaged; logged. */
enum err journal_trees_error(const char *what, int code);

/* Applies one operation. `scratch` is for records read and is reset. */
enum err journal_trees_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                             struct arena *scratch);

/* Records of documents: read, written, and written back as finished where nothing is left to do. */
enum err journal_capture_get(const struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                             struct arena *arena, Epcis__Store__V1__CaptureRecord **out);
enum err journal_capture_put(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                             const Epcis__Store__V1__CaptureRecord *record);
enum err journal_capture_update(struct journal_trees *trees, MDB_txn *txn, uint64_t number,
                                Epcis__Store__V1__CaptureRecord *record);

/* Apply JOURNAL_SEAL, JOURNAL_CONVERTED and JOURNAL_CANCEL. */
enum err journal_capture_seal(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch);
enum err journal_capture_converted(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                   struct arena *scratch);
enum err journal_capture_cancel(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                struct arena *scratch);

/* Apply JOURNAL_BATCH, JOURNAL_CONDEMNED and JOURNAL_ACKNOWLEDGED. */
enum err journal_batch_add(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                           struct arena *scratch);
enum err journal_batch_condemn(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                               struct arena *scratch);
enum err journal_batch_acknowledge(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op,
                                   struct arena *scratch);

/* Applies JOURNAL_LETTER, and the same change as part of JOURNAL_SEAL: op->refused is ERR_EXISTS where the
 * dead letter is not open. */
enum err journal_letter_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                              struct arena *scratch);

/* Applies JOURNAL_PARTNER_PUT. */
enum err journal_partner_apply(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                               struct arena *scratch);

/* Signs the receipt of a document about to be sealed; does nothing without a key. ERR_MEMORY. */
enum err journal_audit_sign(const struct journal_trees *trees, struct journal_document *document);

/* Apply JOURNAL_KEY and JOURNAL_CHECKPOINT. */
enum err journal_audit_apply_key(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                 struct arena *scratch);
enum err journal_audit_apply_checkpoint(struct journal_trees *trees, MDB_txn *txn, struct journal_op *op,
                                        struct arena *scratch);

/* Makes a checkpoint where the partition, whose record this is, has grown by so much since the last one. */
enum err journal_audit_heed_growth(struct journal_trees *trees, MDB_txn *txn,
                                   const Epcis__Store__V1__PartitionRecord *record, struct arena *scratch);

/* Applies JOURNAL_IDENTITY. */
enum err journal_identity_apply(struct journal_trees *trees, MDB_txn *txn, const struct journal_op *op);

/* Write down what a batch did to one document, and a document's end: see journal_news.h. */
enum err journal_news_add_batch(struct journal_trees *trees, MDB_txn *txn,
                                const Epcis__Store__V1__CaptureRecord *record, const struct journal_op *op,
                                const Epcis__Store__V1__BatchSpan *span,
                                const struct journal_span_result *result);
enum err journal_news_add_end(struct journal_trees *trees, MDB_txn *txn,
                              const Epcis__Store__V1__CaptureRecord *record);

/* Removes some of those noted before `before_ms`. The last of all stays, so that no
 * number comes twice. */
enum err journal_news_prune(struct journal_trees *trees, MDB_txn *txn, int64_t before_ms,
                            struct arena *scratch);

struct journal_burden;

/* What there is of the GLN ("": of nobody known). ERR_DISK, ERR_CORRUPT. */
enum err journal_load_get(const struct journal_trees *trees, MDB_txn *txn, const char *gln,
                          struct journal_burden *out);

/* A document of the GLN begins to be unfinished, or ends it; an upload of it begins, or ends. */
enum err journal_load_add(struct journal_trees *trees, MDB_txn *txn, const char *gln,
                          uint64_t document_bytes);
enum err journal_load_remove(struct journal_trees *trees, MDB_txn *txn, const char *gln,
                             uint64_t document_bytes);
enum err journal_load_uploads(struct journal_trees *trees, MDB_txn *txn, const char *gln, int change);

/* The trees of an open journal, for reading. */
const struct journal_trees *journal_trees_of(const struct journal *journal);

/* One record in a read transaction of its own, unpacked into the arena. */
enum err journal_trees_read(const struct journal_trees *trees, enum journal_tree tree, const void *key,
                            size_t key_bytes, const ProtobufCMessageDescriptor *type, struct arena *arena,
                            void *out);

/* The same inside a transaction, and the changes. Failures but ERR_NOT_FOUND are logged. A record that is
 * not there is as good as deleted; a message is packed straight into the page. */
enum err journal_trees_get_message(const struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                                   MDB_val key, const ProtobufCMessageDescriptor *type, struct arena *arena,
                                   void *out);
enum err journal_trees_put(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, MDB_val key,
                           MDB_val value, unsigned flags);
enum err journal_trees_put_message(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree,
                                   MDB_val key, const ProtobufCMessage *message);
enum err journal_trees_delete(struct journal_trees *trees, MDB_txn *txn, enum journal_tree tree, MDB_val key);

/* Borrows. */
MDB_val journal_val(const void *data, size_t bytes);

/* Big-endian keys: LMDB then orders them as numbers. */
void journal_key_u64(uint64_t value, uint8_t out[8]);
uint64_t journal_key_read_u64(const uint8_t key[8]);
void journal_key_u32(uint32_t value, uint8_t out[4]);
void journal_key_pair(uint32_t partition, uint64_t sequence, uint8_t out[12]);
void journal_key_piece(uint64_t upload, uint32_t piece, uint8_t out[12]);

#endif
