/* Lists documents and the events of one, out of the journal and the store. Any thread. */
#ifndef EPCISD_SERVER_CAPTURE_LIST_H
#define EPCISD_SERVER_CAPTURE_LIST_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/store/store.h"
#include "epcis/v1/capture_service.pb-c.h"

struct journal;

/* Whether documents of the trading partner `gln` ("": none known) are told. ERR_OK; ERR_NOT_FOUND: no; other
 * errors end the listing. */
typedef enum err capture_sees_fn(const void *context, const char *gln);

/* A page of at most `limit` documents that fit the filter and are seen, the latest first. `cursor`: "" at
 * first; afterwards where the next page starts, "" after the last. A page ends early where too many were
 * passed over. ERR_INPUT: no such cursor; ERR_LIMIT, ERR_DISK, ERR_CORRUPT. */
enum err capture_list(struct journal *journal, const Epcis__V1__ListCapturesRequest *filter, uint32_t limit,
                      char cursor[STORE_CURSOR], capture_sees_fn *sees, const void *context,
                      struct arena *arena, Epcis__V1__ListCapturesResponse **out);

/* A page of at most `limit` events of a document whose outcome is known, in the document's order; otherwise
 * as capture_list. ERR_NOT_FOUND: no such document. */
enum err capture_list_events(struct journal *journal, struct store *store,
                             const uint8_t capture_id[UUID_BYTES], bool dead_letters_only, uint32_t limit,
                             char cursor[STORE_CURSOR], struct arena *arena,
                             Epcis__V1__ListCaptureEventsResponse **out);

#endif
