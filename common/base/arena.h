/* A region of memory that is freed as a whole, with a hard budget. One per event or per received
 * message: reset, fill, use, reset. Not for sharing between threads. */
#ifndef EPCISD_BASE_ARENA_H
#define EPCISD_BASE_ARENA_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena_block;

struct arena {
    struct arena_block *first; /* kept over resets */
    struct arena_block *current;
    unsigned char *free; /* what is left of the current one, in whole alignments */
    size_t free_bytes;
    size_t used_bytes;            /* handed out since the last reset */
    size_t budget_bytes;          /* arena_alloc returns NULL beyond it */
    bool over_budget;             /* it did so since the last reset */
    bool exhausted;               /* or as the system gave no more memory */
    ProtobufCAllocator allocator; /* for protobuf-c's unpack: arena_alloc, and a free that does nothing */
};

/* No memory is taken before the first allocation. */
void arena_init(struct arena *arena, size_t budget_bytes);

/* As arena_alloc, which calls it where the current block cannot serve. */
void *arena_alloc_more(struct arena *arena, size_t bytes);

/* Memory aligned for any type, not cleared; NULL where the budget or the system's memory is spent. */
static inline void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (bytes - 1 >= arena->free_bytes || rounded > arena->budget_bytes - arena->used_bytes) /* or no bytes */
        return arena_alloc_more(arena, bytes);
    void *memory = arena->free;
    arena->free += rounded;
    arena->free_bytes -= rounded;
    arena->used_bytes += rounded;
    return memory;
}

/* As arena_alloc, all zero. */
void *arena_zalloc(struct arena *arena, size_t bytes);

/* A copy of `length` bytes and a NUL behind them; NULL as arena_alloc. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

/* Forgets every allocation and keeps the first block for the next round. */
void arena_reset(struct arena *arena);

/* Frees all; the arena may be used again as after arena_init. */
void arena_free(struct arena *arena);

#endif
