/* Memory for yajl, which does not look whether it got any: where there is none, control goes back to whoever
 * called yajl, and all that yajl has is freed at once. Internal to common/epcis; on the parser's thread. */
#ifndef EPCISD_EPCIS_JSON_MEMORY_H
#define EPCISD_EPCIS_JSON_MEMORY_H

#include <setjmp.h>
#include <stddef.h>

struct json_block;

/* All zero is empty. */
struct json_memory {
    struct json_block *blocks;
    jmp_buf *escape; /* taken instead of returning NULL; set it before every call of yajl */
};

/* As yajl wants them; `context` is a struct json_memory. */
void *json_memory_alloc(void *context, size_t bytes);
void *json_memory_realloc(void *context, void *data, size_t bytes);
void json_memory_free(void *context, void *data);

/* Frees all blocks. */
void json_memory_close(struct json_memory *memory);

#endif
