#include "server/front/page.h"

#include <string.h>

enum err page_read(uint32_t page_size, const char *page_token, struct page *out, struct reply *reply)
{
    size_t length = strlen(page_token);
    out->limit = page_size && page_size < PAGE_MAX ? page_size : PAGE_MAX;
    if (length >= sizeof out->cursor) {
        page_refused(ERR_INPUT, reply);
        return ERR_INPUT;
    }
    memcpy(out->cursor, page_token, length + 1);
    return ERR_OK;
}

bool page_refused(enum err err, struct reply *reply)
{
    if (err == ERR_INPUT)
        reply_input(reply, "`page_token` is none: send next_page_token of the answer before, or nothing");
    return err == ERR_INPUT;
}

enum err page_write(const struct page *page, struct arena *arena, char **next_page_token)
{
    if (!page->cursor[0])
        return ERR_OK;
    *next_page_token = arena_copy(arena, page->cursor, strlen(page->cursor));
    return *next_page_token ? ERR_OK : ERR_LIMIT;
}
