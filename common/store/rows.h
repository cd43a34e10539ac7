/* The rows of an item, which are its history: the first ones stand in its state, where they take neither a
 * key nor a page of their own; those that no longer fit there are records behind it. Internal to the store.
 *
 * In a state a row is: length (1), suffix without its first two bytes, sequence (6); sorted by suffix. */
#ifndef EPCISD_STORE_ROWS_H
#define EPCISD_STORE_ROWS_H

#include "common/store/trees.h"

enum { ROWS_BYTES_MAX = 224 }; /* in a state; less than its length's byte holds, eight of most rows */

/* How many bytes a row takes in a state. `suffix_length` is that of the whole suffix. */
size_t rows_bytes(size_t suffix_length);

/* The sequence in a state's row with this suffix; 0: it has none. */
uint64_t rows_find(struct store_text rows, const uint8_t *suffix, size_t suffix_length);

/* Puts a row where it belongs; there is room behind `*length` bytes. ERR_EXISTS. */
enum err rows_insert(uint8_t *rows, uint32_t *length, const uint8_t *suffix, size_t suffix_length,
                     uint64_t sequence);

/* All rows of an item in the order of their suffixes, which is that of event time. Begun with rows_begin;
 * then rows_next answers ERR_NOT_FOUND once there is no further one. */
struct rows {
    MDB_cursor *cursor;
    const uint8_t *item;
    size_t item_length;
    struct store_text inside;         /* rows of the state still to come */
    MDB_val key, value;               /* the row behind it that comes next */
    bool behind;                      /* there is one */
    uint8_t suffix[STORE_SUFFIX_MAX]; /* of the row just given */
    size_t suffix_length;
    uint64_t sequence;
};

/* From the row with the suffix `from`, or the first one after it, on; NULL: from the first. The cursor is
 * the rows' until they are done with; `item` is borrowed. ERR_CORRUPT, ERR_DISK. */
enum err rows_begin(struct rows *rows, MDB_cursor *cursor, const uint8_t *item, size_t item_length,
                    const uint8_t *from, size_t from_length);
enum err rows_next(struct rows *rows);

#endif
