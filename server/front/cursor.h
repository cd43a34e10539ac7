/* Reads protobuf's wire format (https://protobuf.dev/programming-guides/encoding) where it lies, in a list
 * of byte runs that need not be contiguous, so that a 64 MiB document is never copied to be found. A cursor
 * is a plain value: a copy of it is a mark to come back to. Borrows the runs. Not for sharing between
 * threads. */
#ifndef EPCISD_FRONT_CURSOR_H
#define EPCISD_FRONT_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/* Where the bytes are: run number `index`, from 0. */
struct cursor_source {
    const void *runs;
    size_t count;
    void (*run_at)(const void *runs, size_t index, const uint8_t **data, size_t *length);
};

struct cursor {
    const struct cursor_source *source;
    size_t run;    /* the run that is read */
    size_t offset; /* in that run */
    size_t left;   /* bytes that may still be read */
};

/* As the encoding numbers them; groups (3, 4) are long deprecated and count as malformed here. */
enum cursor_type { CURSOR_VARINT = 0, CURSOR_FIXED64 = 1, CURSOR_BYTES = 2, CURSOR_FIXED32 = 5 };

/* At the first byte of all. */
void cursor_init(struct cursor *cursor, const struct cursor_source *source);

/* The next field's number and type. ERR_NOT_FOUND: the message ended properly; ERR_INPUT. */
enum err cursor_field(struct cursor *cursor, uint32_t *number, enum cursor_type *type);

/* ERR_INPUT: cut off, or longer than 64 bits. */
enum err cursor_varint(struct cursor *cursor, uint64_t *out);

/* Enters a field of type CURSOR_BYTES: `out` becomes a cursor over its value, this one passes behind it.
 * ERR_INPUT: it is longer than what is left. */
enum err cursor_bytes(struct cursor *cursor, struct cursor *out);

/* Passes over the value of a field. ERR_INPUT. */
enum err cursor_skip(struct cursor *cursor, enum cursor_type type);

/* The next run of bytes as they lie; 0 once nothing is left. */
size_t cursor_run(struct cursor *cursor, const uint8_t **data);

/* Copies all that is left. The caller made sure of the room. */
void cursor_copy(struct cursor *cursor, void *out);

#endif
