/* Who may call: names, roles and what proves them, as epcis.v1.IdentityService tells. All of them are in
 * memory, so that asking who calls never waits; a change is in the journal before it holds. Tokens are kept
 * as their SHA-256 alone, which is also how they are found: no comparison takes longer the more of a guess is
 * right. Any thread. */
#ifndef EPCISD_SERVER_IDENTITIES_H
#define EPCISD_SERVER_IDENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/v1/identity_service.pb-c.h"

struct journal;
struct identities;

enum {
    IDENTITY_NAME = 65,
    IDENTITY_PARTNER = 14,
    IDENTITY_WHY = 320,
};

/* What an identity may do: one bit a role. */
#define IDENTITY_ROLE(role) (1u << EPCIS__V1__ROLE__ROLE_##role)
#define IDENTITY_ALL_ROLES  (~0u)

/* An identity that was proved. */
struct identity_proof {
    char name[IDENTITY_NAME];
    char partner[IDENTITY_PARTNER]; /* GLN; "": it speaks for none */
    unsigned roles;
    bool note_due; /* identities_note is to be called, from a thread that may wait */
};

enum identity_state { IDENTITY_GOOD, IDENTITY_UNKNOWN, IDENTITY_EXPIRED, IDENTITY_REVOKED };

/* Reads them all. ERR_MEMORY, ERR_DISK, ERR_CORRUPT. */
enum err identities_open(struct journal *journal, struct identities **out);

/* Writes down when they were last used, and frees. Before the journal is closed. */
void identities_close(struct identities **identities);

/* There is none, not even a revoked one. */
bool identities_are_none(struct identities *identities);

/* Whose token it is; `out` is set where it is known, good or not. Does not wait for the disk. */
enum identity_state identities_by_token(struct identities *identities, const void *token, size_t bytes,
                                        int64_t now_ms, struct identity_proof *out);

/* The same for one entry of a verified certificate: "URI:spiffe://example.com/erp". */
enum identity_state identities_by_certificate(struct identities *identities, const char *entry,
                                              int64_t now_ms, struct identity_proof *out);

/* Has the time of its last use written down, when the journal comes to it. */
void identities_note(struct identities *identities, const char *name);

/* All changes: ERR_INPUT, ERR_EXISTS (see the service): `why` says more; ERR_NOT_FOUND, ERR_DISK,
 * ERR_STOPPED, ERR_MEMORY. `out` becomes a copy in `arena` (ERR_LIMIT). They wait for the disk.
 * `token_sha256` is that of a new token (token.h), which does not matter where a certificate is given. */
enum err identities_create(struct identities *identities, const Epcis__V1__Identity *wanted,
                           const uint8_t token_sha256[DIGEST_BYTES], const char *who, struct arena *arena,
                           Epcis__V1__Identity **out, char why[IDENTITY_WHY]);
enum err identities_rotate(struct identities *identities, const Epcis__V1__RotateTokenRequest *wanted,
                           const uint8_t token_sha256[DIGEST_BYTES], const char *who, struct arena *arena,
                           Epcis__V1__Identity **out, char why[IDENTITY_WHY]);
enum err identities_revoke(struct identities *identities, const char *name, const char *who,
                           struct arena *arena, Epcis__V1__Identity **out);

/* At most `limit` after the name `after` ("": from the first), copied to `arena`; *more: others follow.
 * ERR_LIMIT. */
enum err identities_list(struct identities *identities, const char *after, uint32_t limit,
                         struct arena *arena, Epcis__V1__ListIdentitiesResponse *out, bool *more);

#endif
