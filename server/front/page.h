/* Page sizes and page tokens of list methods. */
#ifndef EPCISD_FRONT_PAGE_H
#define EPCISD_FRONT_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/store/store.h"
#include "server/front/reply.h"

enum { PAGE_MAX = 1000 };

struct page {
    uint32_t limit;
    char cursor[STORE_CURSOR];
};

/* ERR_INPUT: the token is not one of ours; the reply says so. */
enum err page_read(uint32_t page_size, const char *page_token, struct page *out, struct reply *reply);

/* Where the listing itself did not know the token: its ERR_INPUT means nothing else. True: the reply says so.
 */
bool page_refused(enum err err, struct reply *reply);

/* The token of the next page, in `arena`, into an answer. ERR_LIMIT. */
enum err page_write(const struct page *page, struct arena *arena, char **next_page_token);

#endif
