/* A region of memory that is freed as a whole, with a hard budget. One per event or per received
 * message: reset, fill, use, reset. Not for sharing between threads. */
#ifndef EPCISD_BASE_ARENA_H
#define EPCISD_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena_block;

struct arena {
    struct arena_block *first; /* kept over resets */
    struct arena_block *current;
    size_t used_bytes;            /* handed out since the last reset */
    size_t budget_bytes;          /* arena_alloc returns NULL beyond it */
    bool over_budget;             /* it did so since the last reset */
    bool exhausted;               /* or as the system gave no more memory */
    ProtobufCAllocator allocator; /* for protobuf-c's unpack: arena_alloc, and a free that does nothing */
};

/* No memory is taken before the first allocation. */
void arena_init(struct arena *arena, size_t budget_bytes);

/* Memory aligned for any type, not cleared; NULL where the budget or the system's memory is spent. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* As arena_alloc, all zero. */
void *arena_zalloc(struct arena *arena, size_t bytes);

/* A copy of `length` bytes and a NUL behind them; NULL as arena_alloc. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

/* Forgets every allocation and keeps the first block for the next round. */
void arena_reset(struct arena *arena);

/* Frees all; the arena may be used again as after arena_init. */
void arena_free(struct arena *arena);

#endif
