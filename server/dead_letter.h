/* Dead letters for people: what the store keeps of a refused event, with what the journal keeps of what was
 * done about it since. Called by the gRPC front's pool threads; what changes something waits for the disk. */
#ifndef EPCISD_SERVER_DEAD_LETTER_H
#define EPCISD_SERVER_DEAD_LETTER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/store/store.h"
#include "epcis/v1/dead_letter_service.pb-c.h"
#include "server/dead_letter_document.h"
#include "server/refusal.h"

struct ingest;
struct journal;

/* Where dead letters are kept and go. */
struct dead_letters {
    struct store *store;
    struct journal *journal;
    struct ingest *ingest;
};

/* Who closes them, and why. */
struct dead_letter_deed {
    const char *who, *why;
};

/* A page of at most `limit` that fit the filter and are told; `sight` and `cursor` as in store.h. ERR_INPUT:
 * a filter cannot be, `why` says which; ERR_LIMIT (the arena's budget), ERR_CORRUPT, ERR_DISK. */
enum err dead_letter_list(const struct dead_letters *letters, const Epcis__V1__ListDeadLettersRequest *filter,
                          const struct store_sight *sight, uint32_t limit, char cursor[STORE_CURSOR],
                          struct arena *arena, Epcis__V1__ListDeadLettersResponse **out,
                          char why[DEAD_LETTER_WHY]);

/* One, with its event as JSON-LD. ERR_NOT_FOUND, and as dead_letter_list. */
enum err dead_letter_get(const struct dead_letters *letters, const char *dead_letter_id, struct arena *arena,
                         Epcis__V1__GetDeadLetterResponse **out);

/* Closes one by sending its event again: `corrected`, or with `corrected_bytes` 0 the event as it is. The
 * text of the new capture's id is in `capture_id`. ERR_NOT_FOUND; ERR_INPUT: `corrected` is not one event;
 * ERR_EXISTS: it is not open; ERR_ORDER: it is, but has no event to send as it is, or is none; `why` says
 * more of all three. Otherwise as ingest.h and dead_letter_list; where ERR_FULL or ERR_LIMIT is a document
 * refused for want of room, `refusal` has a text. After an error nothing has changed. */
enum err dead_letter_resubmit(const struct dead_letters *letters, const char *dead_letter_id,
                              const struct dead_letter_deed *deed, const void *corrected,
                              size_t corrected_bytes, struct arena *arena, char capture_id[UUID_TEXT + 1],
                              char why[DEAD_LETTER_WHY], struct refusal *refusal);

/* Closes one without its event. ERR_NOT_FOUND, ERR_EXISTS, ERR_ORDER, ERR_DISK, ERR_STOPPED. */
enum err dead_letter_discard(const struct dead_letters *letters, const char *dead_letter_id,
                             const struct dead_letter_deed *deed, struct arena *arena,
                             char why[DEAD_LETTER_WHY]);

/* The same for one page of open ones, whatever state the filter names. After an error some may be closed. */
enum err dead_letter_resubmit_page(const struct dead_letters *letters,
                                   const Epcis__V1__ListDeadLettersRequest *filter, uint32_t limit,
                                   char cursor[STORE_CURSOR], const struct dead_letter_deed *deed,
                                   struct arena *arena, Epcis__V1__ResubmitDeadLettersResponse **out,
                                   char why[DEAD_LETTER_WHY], struct refusal *refusal);
enum err dead_letter_discard_page(const struct dead_letters *letters,
                                  const Epcis__V1__ListDeadLettersRequest *filter, uint32_t limit,
                                  char cursor[STORE_CURSOR], const struct dead_letter_deed *deed,
                                  struct arena *arena, Epcis__V1__DiscardDeadLettersResponse **out,
                                  char why[DEAD_LETTER_WHY]);

#endif
