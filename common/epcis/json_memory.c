#include "common/epcis/json_memory.h"

#include <stdalign.h>
#include <stdlib.h>

/* Stands before each piece of memory: a list from which any one can be taken. */
struct json_block {
    struct json_block *next;
    struct json_block **link; /* what points here */
    alignas(max_align_t) unsigned char data[];
};

static struct json_block *block_of(void *data)
{
    return (struct json_block *)((unsigned char *)data - offsetof(struct json_block, data));
}

static void *insert(struct json_memory *memory, struct json_block *block)
{
    block->next = memory->blocks;
    block->link = &memory->blocks;
    if (block->next)
        block->next->link = &block->next;
    memory->blocks = block;
    return block->data;
}

void *json_memory_alloc(void *context, size_t bytes)
{
    struct json_memory *memory = context;
    struct json_block *block = malloc(sizeof *block + bytes);
    if (!block)
        longjmp(*memory->escape, 1);
    return insert(memory, block);
}

void *json_memory_realloc(void *context, void *data, size_t bytes)
{
    struct json_memory *memory = context;
    if (!data)
        return json_memory_alloc(memory, bytes);
    struct json_block *block = block_of(data);
    *block->link = block->next;
    if (block->next)
        block->next->link = block->link;
    struct json_block *grown = realloc(block, sizeof *block + bytes);
    void *moved = insert(memory, grown ? grown : block);
    if (!grown)
        longjmp(*memory->escape, 1);
    return moved;
}

void json_memory_free(void *context, void *data)
{
    (void)context;
    if (!data)
        return;
    struct json_block *block = block_of(data);
    *block->link = block->next;
    if (block->next)
        block->next->link = block->link;
    free(block);
}

void json_memory_close(struct json_memory *memory)
{
    for (struct json_block *block = memory->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *memory = (struct json_memory){0};
}
