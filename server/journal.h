/* The durable truth about what arrived and how far it has got. One thread writes: it takes all operations
 * that wait, applies them in one LMDB transaction in the order in which they were submitted, and reports
 * each done after the one fsync that they share. Reading is safe on any thread.
 *
 * Trees: `capture` number -> CaptureRecord; `capture_id` UUID -> number; `digest` SHA-256 and partner ->
 * number; `unfinished` number -> nothing; `upload` number -> UploadRecord; `upload_key` a client's key ->
 * number; `piece` upload, index -> zstd; `letter` see journal_letter.h; `batch` partition, sequence ->
 * BatchRecord; `leaf` partition, sequence -> digests of the batch's items, end to end; `partition` ->
 * PartitionRecord; `news` see journal_news.h; `meta`; `identity` name -> IdentityRecord. Those of trading
 * partners are journal_partner.h's, `key` and `checkpoint` journal_audit.h's.
 *
 * Unfinished are documents that are not seen to, and the bytes of uploads that are no documents yet.
 *
 * A transaction that fails refuses the documents in it. What the pipeline itself has to record (batches,
 * acknowledgments) is tried again until it succeeds, and meanwhile no document is taken. */
#ifndef EPCISD_SERVER_JOURNAL_H
#define EPCISD_SERVER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/signature.h"
#include "epcis/store/v1/journal.pb-c.h"

enum {
    JOURNAL_PIECE_BYTES = 1 << 20, /* of each piece of a document but the last */
    JOURNAL_PARTNER = 14,
    JOURNAL_CONTENT_TYPE = 128,
    JOURNAL_CALLER = 65,
    JOURNAL_UPLOAD_KEY = UUID_BYTES + JOURNAL_PARTNER,
};

struct journal;

/* Opens or creates the journal in `dir`, drops uploads that were cut off and cannot be continued, and starts
 * the writer. `map_bytes` caps its size (0: 1 TiB; the file grows as it fills). ERR_EXISTS: another server
 * has it open; ERR_VERSION: written by an older or a newer program; ERR_DISK, ERR_CORRUPT, ERR_MEMORY.
 * Failures are logged. */
enum err journal_open(const char *dir, uint64_t map_bytes, struct journal **out);

/* `lost` is called once, on the writer's thread, when the disk failed in such a way that the journal can only
 * go on in a new process; until then it refuses everything. */
void journal_when_lost(struct journal *journal, void (*lost)(void));

/* LMDB lets any number of processes write; a journal has one server. Makes the folder where it is missing,
 * and locks it until the file *out is closed. ERR_EXISTS: another server has it open; ERR_DISK. journal_open
 * does this itself. */
enum err journal_lock_dir(const char *dir, int *out);

/* Applies what waits, stops the writer, closes. Operations that cannot be applied are done with ERR_STOPPED.
 */
void journal_close(struct journal **journal);

/* ---- writing --------------------------------------------------------------------------------------- */

/* How a document wants to be taken. */
struct capture_terms {
    bool rollback;      /* all events or none */
    bool validate_only; /* judged, not committed; and never a duplicate */
};

/* A document whose bytes are all in. Filled by the caller; `number`, `capture_id`, `duplicate`, the signature
 * and, for a duplicate, the rest are set when it is done. */
struct journal_document {
    uint64_t upload;
    uint64_t stream; /* of an upload that can be continued; else 0 */
    uint32_t pieces;
    uint64_t document_bytes;
    uint8_t document_sha256[DIGEST_BYTES];
    char request_partner[JOURNAL_PARTNER]; /* as the client named it: part of the duplicate's key */
    char partner[JOURNAL_PARTNER];
    struct capture_terms terms;
    char content_type[JOURNAL_CONTENT_TYPE];
    char caller_identity[JOURNAL_CALLER]; /* name of who sent it; "": not proved */
    char caller_partner[JOURNAL_PARTNER]; /* GLN of the trading partner that is; "": of none */
    uint32_t partition;
    int64_t received_ms;
    uint64_t number;
    uint8_t capture_id[UUID_BYTES];
    bool duplicate;
    char key_id[SIGNATURE_KEY_ID + 1]; /* of the receipt's signature; empty: no key was handed over */
    uint8_t signature[SIGNATURE_BYTES];
};

/* An upload that can be continued. The stream that claimed it last is the only one whose pieces, seal and
 * discard are taken; those of others are refused with ERR_EXISTS. */
struct journal_claim {
    uint8_t key[JOURNAL_UPLOAD_KEY];
    size_t key_bytes;
    uint64_t stream;   /* journal_next_upload */
    uint64_t offset;   /* from which it wants to go on */
    uint32_t open_max; /* a new one is refused (ERR_FULL) where so many are open */
    /* Set when it is done. ERR_ORDER: `offset` is beyond `bytes`; nothing has changed. */
    uint64_t upload;
    uint32_t pieces; /* there, all of full length but the last of a document */
    uint64_t bytes;
    uint8_t digest_state[DIGEST_BYTES]; /* after them; of a document its digest */
    uint64_t document_number;           /* that it became; 0: none yet */
};

struct journal_letter;

/* What an acknowledged batch did to one document. */
struct journal_span_result {
    uint32_t committed, duplicates, dead_letters, warnings;
};

enum journal_kind {
    JOURNAL_CLAIM,        /* a stream begins an upload that can be continued, or continues it */
    JOURNAL_PIECE,        /* one piece of an upload */
    JOURNAL_SEAL,         /* an upload becomes a document */
    JOURNAL_DISCARD,      /* an upload goes away */
    JOURNAL_EXPIRE,       /* an upload that nobody continued goes away */
    JOURNAL_LETTER,       /* a person closes a dead letter */
    JOURNAL_CANCEL,       /* a document is called off */
    JOURNAL_BATCH,        /* a batch is closed */
    JOURNAL_CONDEMNED,    /* items of a batch are not to be looked at */
    JOURNAL_ACKNOWLEDGED, /* a batch is in the store */
    JOURNAL_CONVERTED,    /* a document was read to its end, or to where it breaks off */
    JOURNAL_PRUNE,        /* some of a finished document's raw bytes go: see journal_prune.h */
    JOURNAL_PARTNER_PUT,  /* a trading partner's record is made or replaced */
    JOURNAL_KEY,          /* a key signs from now on */
    JOURNAL_CHECKPOINT,   /* how far everything has come is signed */
    JOURNAL_IDENTITY,     /* an identity's record is written */
};

struct journal_partner_put;
struct journal_key;

/* One operation. The submitter owns it again once `done` is called, on the writer's thread, which it must
 * not keep waiting. */
struct journal_op {
    struct journal_op *next; /* the journal's */
    enum journal_kind kind;
    void (*done)(struct journal_op *op, enum err err);
    void *context;                      /* the submitter's */
    size_t bytes;                       /* memory it holds: bounds what waits */
    enum err refused;                   /* the journal's: why this one alone was not applied */
    uint64_t upload;                    /* PIECE, DISCARD, EXPIRE */
    uint64_t stream;                    /* PIECE, DISCARD: of an upload that can be continued; else 0 */
    uint32_t piece;                     /* PIECE */
    uint32_t raw_bytes;                 /* PIECE: as received */
    uint8_t digest_state[DIGEST_BYTES]; /* PIECE: after the last piece of full length */
    struct journal_claim *claim;        /* CLAIM */
    int64_t before_ms;  /* EXPIRE: unless it was touched since; PRUNE: news from before go, too; wall clock */
    struct buffer data; /* PIECE: compressed bytes; BATCH, IDENTITY: packed record; ACKNOWLEDGED: outcomes */
    struct journal_document *document; /* SEAL */
    struct journal_letter *letter;     /* LETTER; SEAL: whose event the document sends again, or NULL */
    uint32_t partition;                /* BATCH, CONDEMNED, ACKNOWLEDGED */
    uint64_t sequence;
    const uint32_t *condemned; /* CONDEMNED: positions of items in the batch, all there are */
    size_t condemned_count;
    const struct buffer *leaves;               /* BATCH: digests of its items, end to end */
    const struct journal_span_result *results; /* ACKNOWLEDGED: one a span of the batch */
    size_t result_count;
    int64_t decided_ms;                                 /* ACKNOWLEDGED */
    const char *rule_pack;                              /* ACKNOWLEDGED */
    const Epcis__V1__CaptureCancellation *cancellation; /* CANCEL */
    uint64_t number;                                    /* CANCEL, CONVERTED, PRUNE */
    int64_t pruned_ms;                                  /* PRUNE */
    uint64_t events;
    uint64_t items;
    const Epcis__V1__DocumentError *error; /* CONVERTED: NULL where the document is whole */
    struct journal_partner_put *partner;   /* PARTNER_PUT */
    const struct journal_key *key;         /* KEY */
    bool always;                           /* CHECKPOINT: also where nothing has changed since the last */
    const char *name;                      /* IDENTITY */
};

/* Hands the operation over. Waits while too many bytes are waiting; pieces may wait a little for company. */
void journal_submit(struct journal *journal, struct journal_op *op);

/* A number for a new upload or stream. */
uint64_t journal_next_upload(struct journal *journal);

/* Uploads that can be continued are dropped when nobody has done so for this long. Until this is called none
 * is. */
void journal_keep_uploads(struct journal *journal, uint64_t keep_ms);

/* ERR_OK, or ERR_DISK while the last transaction has failed. */
enum err journal_health(const struct journal *journal);

/* Bytes of documents that are not finished, and of uploads. */
uint64_t journal_unfinished_bytes(const struct journal *journal);

/* Grows with every change of a trading partner's record, before the change is reported done. */
uint64_t journal_partner_changes_made(const struct journal *journal);

/* ---- reading --------------------------------------------------------------------------------------- */

/* The number of a document. ERR_NOT_FOUND, ERR_CORRUPT, ERR_DISK. */
enum err journal_capture_number(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                                uint64_t *number);

/* Also ERR_LIMIT (the arena's budget). */
enum err journal_capture(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__Store__V1__CaptureRecord **out);
enum err journal_capture_by_id(struct journal *journal, const uint8_t capture_id[UUID_BYTES],
                               struct arena *arena, Epcis__Store__V1__CaptureRecord **out);

/* Whether nothing more happens to the document. */
bool journal_capture_is_final(const Epcis__Store__V1__CaptureRecord *record);

/* An upload that can be continued, or lately could: ERR_NOT_FOUND. */
enum err journal_upload_by_key(struct journal *journal, const uint8_t *key, size_t key_bytes,
                               struct arena *arena, Epcis__Store__V1__UploadRecord **out);

/* Appends one piece's raw bytes. */
enum err journal_piece(struct journal *journal, uint64_t upload, uint32_t piece, struct buffer *out);

/* The first unfinished document after `*number`, which it moves there. ERR_NOT_FOUND: none. */
enum err journal_next_unfinished(struct journal *journal, uint64_t *number);

/* ERR_NOT_FOUND: the partition has had no batch. */
enum err journal_partition(struct journal *journal, uint32_t partition, struct arena *arena,
                           Epcis__Store__V1__PartitionRecord **out);
enum err journal_batch(struct journal *journal, uint32_t partition, uint64_t sequence, struct arena *arena,
                       Epcis__Store__V1__BatchRecord **out);

#endif
