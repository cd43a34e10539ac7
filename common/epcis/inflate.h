/* Compressed documents (gzip, RFC 1952; Zstandard, RFC 8878), inflated piece by piece with a cap on what
 * comes out. One stream on one thread. */
#ifndef EPCISD_EPCIS_INFLATE_H
#define EPCISD_EPCIS_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum inflate_format { INFLATE_NONE, INFLATE_GZIP, INFLATE_ZSTD };

/* Told by the document's first byte: neither XML nor JSON starts with one of these. */
enum inflate_format inflate_format_of(uint8_t first);

typedef enum err inflate_sink_fn(void *context, const void *data, size_t bytes);

struct inflate;

/* ERR_MEMORY. */
enum err inflate_open(enum inflate_format format, uint64_t max_bytes, struct inflate **out);

/* The next compressed bytes; what they inflate to goes to the sink, whose answer other than ERR_OK is
 * returned. ERR_INPUT: damaged; ERR_LIMIT: more than `max_bytes` come out, or a window over 128 MiB is
 * wanted. */
enum err inflate_feed(struct inflate *inflate, const void *data, size_t bytes, inflate_sink_fn *sink,
                      void *context);

/* Whether the stream has come to its end: one that has not is cut off. */
bool inflate_ended(const struct inflate *inflate);

/* Frees it and nulls *inflate; NULL inside is fine. */
void inflate_close(struct inflate **inflate);

#endif
