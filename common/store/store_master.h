/* Master data in the store: the current version of what a vocabulary says of an identifier, and all versions
 * before it. Written by workers inside a transaction of store_txn.h, read by the server on any thread. */
#ifndef EPCISD_STORE_STORE_MASTER_H
#define EPCISD_STORE_STORE_MASTER_H

#include <stdbool.h>

#include "common/store/store_txn.h"
#include "epcis/v1/master_data_service.pb-c.h"

/* What one identifier's master data in one vocabulary is kept under. */
enum { STORE_MASTER_KEY_MAX = 400 };
struct store_master_key {
    uint8_t bytes[STORE_MASTER_KEY_MAX];
    size_t length;
};

/* `type` is the vocabulary, compared as it is; `id` may be spelled in any way (master_id.h). */
void store_master_key(const char *type, const char *id, struct store_master_key *out);

/* ---- writing; errors as in store_txn.h ---- */

struct store_master_version {
    const uint8_t *content_sha256; /* DIGEST_BYTES; of what is said, however it is spelled */
    const uint8_t *capture_id;     /* UUID_BYTES; the document it came in */
    const char *partner;           /* GLN; "": none */
    int64_t received_ms;
    const uint8_t *packed; /* epcis.v1.VocabularyElement */
    size_t packed_bytes;
};

/* Makes it the current version and keeps the one before. Nothing (*changed false) where the current version
 * says the same. */
enum err store_master_put(struct store_txn *txn, const struct store_master_key *key,
                          const struct store_master_version *version, bool *changed);

/* The current version's element, in `arena`. ERR_NOT_FOUND, ERR_LIMIT. */
enum err store_master_get(struct store_txn *txn, const struct store_master_key *key, struct arena *arena,
                          Epcis__V1__VocabularyElement **out);

/* ---- reading; errors, `sight`, `limit` and `cursor` as in store.h, and ERR_INPUT: the cursor is none ----
 */

/* The current version, NULL where it is not told, and a page of older ones, the newest first. ERR_NOT_FOUND
 * also where none of them is told. */
enum err store_master_history(struct store *store, const char *type, const char *id,
                              const struct store_sight *sight, uint32_t limit, char cursor[STORE_CURSOR],
                              struct arena *arena, Epcis__V1__GetMasterDataResponse **out);

/* Current versions in the order of vocabulary and identifier, of vocabularies whose name begins with
 * `type_prefix`. A page ends early where the arena does. */
enum err store_master_list(struct store *store, const char *type_prefix, const struct store_sight *sight,
                           uint32_t limit, char cursor[STORE_CURSOR], struct arena *arena,
                           Epcis__V1__ListMasterDataResponse **out);

#endif
