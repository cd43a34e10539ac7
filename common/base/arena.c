#include "common/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t bytes; /* of data, in whole alignments */
    alignas(max_align_t) unsigned char data[];
};

static void *protobuf_alloc(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void protobuf_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

void arena_init(struct arena *arena, size_t budget_bytes)
{
    *arena = (struct arena){.budget_bytes = budget_bytes};
    arena->allocator =
        (ProtobufCAllocator){.alloc = protobuf_alloc, .free = protobuf_free, .allocator_data = arena};
}

static void use_block(struct arena *arena, struct arena_block *block)
{
    arena->current = block;
    arena->free = block->data;
    arena->free_bytes = block->bytes;
}

/* Makes a block with room for `bytes` the current one. */
static int arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES / 4 ? bytes + BLOCK_BYTES : BLOCK_BYTES;
    size_t left = arena->budget_bytes - arena->used_bytes; /* at least `bytes` */
    if (size > left)
        size = left;
    size &= ~(alignof(max_align_t) - 1);
    struct arena_block *block = malloc(sizeof *block + size);
    arena->exhausted |= !block;
    if (!block)
        return -1;
    block->next = NULL;
    block->bytes = size;
    if (arena->current)
        arena->current->next = block;
    else
        arena->first = block;
    use_block(arena, block);
    return 0;
}

void *arena_alloc_more(struct arena *arena, size_t bytes)
{
    size_t left = arena->budget_bytes - arena->used_bytes;
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded == 0)
        rounded = alignof(max_align_t);
    if (bytes > left || rounded > left) { /* a huge number of bytes is rounded to few */
        arena->over_budget = true;
        return NULL;
    }
    if (rounded > arena->free_bytes && arena_grow(arena, rounded))
        return NULL;
    return arena_alloc(arena, rounded);
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    void *memory = arena_alloc(arena, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->first;
    arena->used_bytes = 0;
    arena->over_budget = arena->exhausted = false;
    if (!first)
        return;
    for (struct arena_block *block = first->next, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    first->next = NULL;
    use_block(arena, first);
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    free(arena->first);
    arena->first = arena->current = NULL;
    arena->free = NULL;
    arena->free_bytes = 0;
}
