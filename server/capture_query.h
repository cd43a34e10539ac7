/* Reads the journal for clients. Any thread. */
#ifndef EPCISD_SERVER_CAPTURE_QUERY_H
#define EPCISD_SERVER_CAPTURE_QUERY_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "epcis/v1/capture_service.pb-c.h"

struct journal;

/* Where a document's job stands, built in `arena`. ERR_NOT_FOUND, ERR_LIMIT, ERR_DISK, ERR_CORRUPT. */
enum err capture_get(struct journal *journal, const uint8_t capture_id[UUID_BYTES], struct arena *arena,
                     Epcis__V1__Capture **out);

enum err capture_get_number(struct journal *journal, uint64_t number, struct arena *arena,
                            Epcis__V1__Capture **out);

/* The receipt of document `number`. Errors as above. */
enum err capture_receipt(struct journal *journal, uint64_t number, struct arena *arena,
                         Epcis__V1__Receipt **out);

#endif
