/* The event hash of CBV 2.0 section 8.9: SHA-256 over an event's canonical text. Two documents that state
 * the same facts, whichever the syntax, list order or spelling of identifiers, give the same hash. */
#ifndef EPCISD_EPCIS_EVENT_HASH_H
#define EPCISD_EPCIS_EVENT_HASH_H

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "epcis/v1/event.pb-c.h"

/* "ni:///sha-256;" + 64 digits + "?ver=CBV2.0" and a NUL. */
enum { EVENT_HASH_TEXT = 14 + 64 + 11 + 1 };

/* Reusable memory for hashing; not for sharing between threads. */
struct event_hash;
struct event_hash *event_hash_new(void); /* NULL without memory */
void event_hash_free(struct event_hash *hash);

/* `out` gets the published hash. `content` gets the one that tells duplicates across syntaxes: of the two
 * spellings of CBV's master-data namespace, urn:epcglobal:cbv:mda: (with a colon, as in JSON-LD's
 * context) counts as urn:epcglobal:cbv:mda (as in XML). It equals `out` where the event does not use the
 * longer one. ERR_MEMORY. */
enum err event_hash_compute(struct event_hash *hash, const Epcis__V1__Event *event, uint8_t out[DIGEST_BYTES],
                            uint8_t content[DIGEST_BYTES]);

/* The text that is hashed, NUL-terminated, valid until the next call: for tests and for people who ask
 * why two events differ. NULL without memory. */
const char *event_hash_prehash(struct event_hash *hash, const Epcis__V1__Event *event);

void event_hash_text(const uint8_t hash[DIGEST_BYTES], char out[EVENT_HASH_TEXT]);

#endif
