#include "server/capture_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/capture_query.h"
#include "server/journal.h"
#include "server/journal_list.h"

enum { LOOK_MAX = 10000, RECORD_BYTES = 4 << 20 };

static bool fits(const Epcis__V1__ListCapturesRequest *filter, const Epcis__Store__V1__CaptureRecord *record)
{
    return (!filter->state || record->state == filter->state) &&
           (!filter->partner[0] || strcmp(record->partner, filter->partner) == 0) &&
           (!filter->received_from_ms || record->received_ms >= filter->received_from_ms) &&
           (!filter->received_until_ms || record->received_ms < filter->received_until_ms);
}

/* Adds document `number` to the page where it fits. */
static enum err take(struct journal *journal, uint64_t number, const Epcis__V1__ListCapturesRequest *filter,
                     capture_sees_fn *sees, const void *context, struct arena *scratch, struct arena *arena,
                     Epcis__V1__ListCapturesResponse *page)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_reset(scratch);
    enum err err = journal_capture(journal, number, scratch, &record);
    if (err || !fits(filter, record))
        return err;
    err = sees(context, record->partner);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = capture_get_number(journal, number, arena, &page->captures[page->n_captures]);
    page->n_captures += !err;
    return err;
}

static enum err read_number(const char *cursor, uint64_t *number)
{
    char *end;
    *number = 0;
    if (!*cursor)
        return ERR_OK;
    if (*cursor < '1' || *cursor > '9')
        return ERR_INPUT;
    *number = strtoull(cursor, &end, 10);
    return *end ? ERR_INPUT : ERR_OK;
}

enum err capture_list(struct journal *journal, const Epcis__V1__ListCapturesRequest *filter, uint32_t limit,
                      char cursor[STORE_CURSOR], capture_sees_fn *sees, const void *context,
                      struct arena *arena, Epcis__V1__ListCapturesResponse **out)
{
    uint64_t number;
    enum err err = read_number(cursor, &number);
    if (err)
        return err;
    Epcis__V1__ListCapturesResponse *page = arena_alloc(arena, sizeof *page);
    Epcis__V1__Capture **captures = arena_alloc(arena, limit * sizeof *captures);
    if (!page || !captures)
        return ERR_LIMIT;
    epcis__v1__list_captures_response__init(page);
    page->captures = captures;
    struct arena scratch;
    arena_init(&scratch, RECORD_BYTES);
    for (int i = 0; !err && i < LOOK_MAX && page->n_captures < limit; i++) {
        uint64_t before = number;
        err = journal_list_previous(journal, &number);
        if (!err)
            err = take(journal, number, filter, sees, context, &scratch, arena, page);
        if (err == ERR_LIMIT && page->n_captures > 0) { /* a page may end early */
            number = before;
            err = ERR_OK;
            break;
        }
    }
    arena_free(&scratch);
    cursor[0] = '\0';
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (!err)
        snprintf(cursor, STORE_CURSOR, "%" PRIu64, number);
    *out = page;
    return ERR_OK;
}
