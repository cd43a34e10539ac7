#include "server/ahead.h"

#include "server/counters.h"

void ahead_init(struct ahead *ahead, struct reading_tools *tools, const char *dir,
                uint64_t disk_reserve_bytes)
{
    *ahead = (struct ahead){.tools = tools, .dir = dir, .disk_reserve_bytes = disk_reserve_bytes};
}

static void let_go(struct ahead_document *document)
{
    reading_close(&document->reading);
    *document = (struct ahead_document){0};
}

void ahead_free(struct ahead *ahead)
{
    for (size_t i = 0; i < AHEAD_MAX; i++)
        let_go(&ahead->documents[i]);
}

static struct ahead_document *find(struct ahead *ahead, uint64_t upload)
{
    for (size_t i = 0; i < AHEAD_MAX; i++)
        if (ahead->documents[i].upload == upload)
            return &ahead->documents[i];
    return NULL;
}

/* A place for one more; NULL: there is none. Who gets pieces all the time keeps its place, or many uploads at
 * once would only push each other out. */
static struct ahead_document *make_place(struct ahead *ahead, int64_t now_ms)
{
    struct ahead_document *place = find(ahead, 0), *oldest = NULL;
    for (size_t i = 0; i < AHEAD_MAX; i++) {
        struct ahead_document *document = &ahead->documents[i];
        if (!document->sealed && (!oldest || document->touched_ms < oldest->touched_ms))
            oldest = document;
    }
    if (place || !oldest || now_ms - oldest->touched_ms < AHEAD_YIELD_MS)
        return place;
    let_go(oldest);
    return oldest;
}

void ahead_arriving(struct ahead *ahead, uint64_t upload, uint32_t pieces, int64_t now_ms)
{
    struct ahead_document *document = find(ahead, upload);
    if (!document)
        document = make_place(ahead, now_ms);
    if (!document)
        return;
    document->upload = upload;
    document->pieces = pieces;
    document->touched_ms = now_ms;
}

void ahead_sealed(struct ahead *ahead, uint64_t upload, uint32_t partition)
{
    struct ahead_document *document = find(ahead, upload);
    if (!document)
        return;
    if (!document->reading) {
        let_go(document);
        return;
    }
    document->sealed = true;
    document->partition = partition;
}

struct reading *ahead_take(struct ahead *ahead, uint64_t upload)
{
    struct ahead_document *document = find(ahead, upload);
    struct reading *reading = document ? document->reading : NULL;
    if (document)
        *document = (struct ahead_document){0};
    return reading;
}

void ahead_drop(struct ahead *ahead, uint64_t upload)
{
    struct ahead_document *document = find(ahead, upload);
    if (document)
        let_go(document);
}

void ahead_drop_partition(struct ahead *ahead, uint32_t partition)
{
    for (size_t i = 0; i < AHEAD_MAX; i++)
        if (ahead->documents[i].sealed && ahead->documents[i].partition == partition)
            let_go(&ahead->documents[i]);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static enum err begin(struct ahead *ahead, struct ahead_document *document)
{
    struct spool *spool;
    enum err err = spool_new(ahead->dir, ahead->disk_reserve_bytes, &spool);
    return err ? err : reading_open_ahead(ahead->tools, document->upload, &spool, &document->reading);
}

static void fail(struct ahead_document *document, enum err err)
{
    if (err == ERR_NOT_FOUND) { /* the upload is no more */
        let_go(document);
        return;
    }
    counters_add(COUNTER_AHEAD_FAILED, 1);
    reading_close(&document->reading);
    document->failed = true;
}

/* False: there was nothing to read. */
static bool step(struct ahead *ahead, struct ahead_document *document)
{
    if (!document->upload || document->failed)
        return false;
    enum err err = document->reading ? ERR_OK : begin(ahead, document);
    bool done = false;
    if (!err) {
        struct reading *reading = document->reading;
        uint64_t events = reading->events;
        reading->pieces = document->pieces;
        err = reading_ahead(reading, &done);
        counters_add(COUNTER_EVENTS_AHEAD, reading->events - events);
    }
    if (err)
        fail(document, err);
    return !done;
}

bool ahead_step(struct ahead *ahead)
{
    for (size_t i = 0; i < AHEAD_MAX; i++) {
        struct ahead_document *document = &ahead->documents[ahead->turn];
        ahead->turn = (ahead->turn + 1) % AHEAD_MAX;
        if (step(ahead, document))
            return true;
    }
    return false;
}

void ahead_expire(struct ahead *ahead, int64_t now_ms, int64_t *wait_ms)
{
    for (size_t i = 0; i < AHEAD_MAX; i++) {
        struct ahead_document *document = &ahead->documents[i];
        if (!document->upload || document->sealed)
            continue;
        int64_t left_ms = document->touched_ms + AHEAD_KEEP_MS - now_ms;
        if (left_ms <= 0)
            let_go(document);
        else if (left_ms < *wait_ms)
            *wait_ms = left_ms;
    }
}
