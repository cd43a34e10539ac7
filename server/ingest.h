/* Receives documents: bytes in, receipt out once they are on disk. Called by the gRPC front's pool threads;
 * a document stays on one thread at a time. */
#ifndef EPCISD_SERVER_INGEST_H
#define EPCISD_SERVER_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/base/err.h"
#include "server/journal.h"
#include "server/refusal.h"

struct journal;
struct journal_letter;
struct pressure;
struct ingest;
struct ingest_document;

/* What a client gets once its document is durable. */
struct receipt {
    uint8_t capture_id[UUID_BYTES];
    uint8_t document_sha256[DIGEST_BYTES];
    uint64_t document_bytes;
    bool duplicate_document;
    char partner[14]; /* GLN, or empty */
    int64_t received_ms;
    uint64_t journal_position;
    char key_id[SIGNATURE_KEY_ID + 1]; /* empty: not signed */
    uint8_t signature[SIGNATURE_BYTES];
};

/* Called once, on the journal's thread, so it must not block. `err`: ERR_OK with the receipt; ERR_DISK
 * (nothing was kept); ERR_STOPPED; those of ingest_append, for ERR_FULL and ERR_LIMIT with `why`. */
typedef void ingest_done_fn(void *context, enum err err, const struct receipt *receipt,
                            const struct refusal *why);

/* Called on the journal's thread for each new document, before its receipt goes out; must not block. */
typedef void ingest_received_fn(void *context, uint64_t number, uint32_t partition, uint64_t upload);

/* `pressure` says when no document is taken; NULL: always. ERR_MEMORY. */
enum err ingest_init(struct journal *journal, struct pressure *pressure, ingest_received_fn *received,
                     void *context, struct ingest **out);
void ingest_free(struct ingest **ingest);

/* Called on the journal's thread when the first `pieces` of a document that comes in a stream are durable,
 * all of them full; must not block. Whether a document will come of them is not known, and may never be. */
typedef void ingest_arriving_fn(void *context, uint64_t upload, uint32_t pieces);

/* From now on it is called, with the same context as `received`. */
void ingest_tell_arriving(struct ingest *ingest, ingest_arriving_fn *arriving);

/* Whether a further document may come in. ERR_FULL: not now, and why; ERR_DISK: the journal refuses work;
 * ERR_STOPPED. Cheap; any thread. `why` NULL: only to know, no client is refused. */
enum err ingest_admit(struct ingest *ingest, struct refusal *why);

/* Begins a document. `partner`: GLN-13 or empty. ERR_INPUT: partner is no GLN; ERR_MEMORY. */
enum err ingest_open(struct ingest *ingest, const char *partner, struct ingest_document **out);

/* Called once, on the journal's thread, so it must not block. `document`, NULL after an error, is the
 * caller's. ERR_FULL: it would be a new one, and `why` there is no room for it; ERR_ORDER: `offset` is
 * beyond `held_bytes`, the bytes that are there; ERR_DISK, ERR_STOPPED. */
typedef void ingest_claimed_fn(void *context, enum err err, struct ingest_document *document,
                               uint64_t held_bytes, const struct refusal *why);

/* Begins or continues a document that survives its stream: a later claim of the same id and partner goes on
 * with the pieces that are on disk, and the stream before it gets ERR_EXISTS. The next bytes are those from
 * `offset` on; what is there already is passed over. Of an id that was finished, finishing again gives the
 * same receipt. `done` is called later, or never where an error is returned: as ingest_open. */
enum err ingest_claim(struct ingest *ingest, const uint8_t upload_id[UUID_BYTES], const char *partner,
                      uint64_t offset, ingest_claimed_fn *done, void *context);

/* An upload's key in the journal; ERR_INPUT: partner is no GLN. */
enum err ingest_upload_key(const uint8_t upload_id[UUID_BYTES], const char *partner,
                           uint8_t key[JOURNAL_UPLOAD_KEY], size_t *key_bytes);

/* How it wants to be taken; without this each event by itself. */
void ingest_set_terms(struct ingest_document *document, struct capture_terms terms);

/* It comes in a stream, and may be read while it arrives; once its terms are set. */
void ingest_set_streamed(struct ingest_document *document);

/* What the client calls it, shorter than JOURNAL_CONTENT_TYPE: kept with it. */
void ingest_set_content_type(struct ingest_document *document, const char *content_type);

/* Who sends it: the name of an identity, and the GLN of the trading partner that is ("": of none). Without
 * this nobody who proved it. */
void ingest_set_caller(struct ingest_document *document, const char *identity, const char *partner);

/* The next bytes. May wait while the journal is behind. ERR_DISK, ERR_FULL (there is no room for more),
 * ERR_LIMIT (longer than its partner's record allows), ERR_EXISTS (see ingest_claim), ERR_MEMORY,
 * ERR_STOPPED. */
enum err ingest_append(struct ingest_document *document, const void *data, size_t bytes);

/* Why the call before failed, where it did with ERR_FULL or ERR_LIMIT. Valid as long as the document. */
const struct refusal *ingest_refusal(const struct ingest_document *document);

/* Length and SHA-256 of what is there: appended, or claimed. */
uint64_t ingest_length(const struct ingest_document *document);
void ingest_digest(const struct ingest_document *document, uint8_t out[DIGEST_BYTES]);

/* The document sends the event of a dead letter again: both change together when it is sealed. `letter` is
 * borrowed until `done` is called, which is told ERR_EXISTS where the dead letter is not open: then nothing
 * was kept. */
void ingest_resubmit(struct ingest_document *document, struct journal_letter *letter);

/* Seals the document and frees it; `done` is called later, or now with the error that is also returned.
 * ERR_INPUT: it is empty; ERR_EXISTS: see ingest_claim. */
enum err ingest_finish(struct ingest_document **document, ingest_done_fn *done, void *context);

/* Forgets the document; NULL inside is fine. What was claimed stays as far as it is on disk. */
void ingest_abort(struct ingest_document **document);

/* The same, and what was claimed goes away too. */
void ingest_discard(struct ingest_document **document);

#endif
