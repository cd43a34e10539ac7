/* Sorts byte strings of which many begin alike, as the store's keys do: eight bytes at a time as one
 * number, and only what is equal so far looks further. Any thread. */
#ifndef EPCISD_WORKER_SORT_H
#define EPCISD_WORKER_SORT_H

#include <stddef.h>
#include <stdint.h>

struct sort_entry {
    uint64_t word; /* the sort's own */
    const uint8_t *key;
    uint32_t length;
    uint32_t index; /* the caller's */
};

/* In the order of memcmp, equal keys in the order they came. No key may be the beginning of another one
 * that differs. `spare` has room for as many entries. */
void sort_entries(struct sort_entry *entries, struct sort_entry *spare, size_t count);

#endif
