#include "server/front/svc_acknowledgment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/digest.h"
#include "epcis/v1/acknowledgment_service.pb-c.h"
#include "server/front/query.h"
#include "server/journal_news.h"

/* A turn sends at most TOLD of them and looks at no more than SEEN, so that a watcher far behind, or one that
 * wants few, takes its turns among the others. */
enum { TOLD = 256, SEEN = 4096, CURSOR = 32, CURSOR_CHECK_BYTES = 4 };

/* A cursor is the number of the last news told, and a check of what that was: after a restored backup a
 * number may stand for other news than it did. */
struct mark {
    uint64_t number;
    bool known; /* what that was */
    uint8_t capture_id[UUID_BYTES];
    int64_t noted_ms;
    uint64_t sequence;
};

struct watch {
    struct mark mark; /* up to which all is told */
    bool begun;       /* the first response is sent */
    bool one_capture;
    uint8_t capture_id[UUID_BYTES];
    char partner[JOURNAL_PARTNER]; /* "": of any */
    Epcis__V1__AcknowledgmentKind kind;
};

static void watch_drop(struct call *call)
{
    free(call->state);
    call->state = NULL;
}

/* ---- cursors ---------------------------------------------------------------------------------------- */

static void set_mark(struct mark *mark, uint64_t number, const Epcis__Store__V1__NewsRecord *record)
{
    *mark = (struct mark){
        .number = number, .known = true, .noted_ms = record->noted_ms, .sequence = record->sequence};
    memcpy(mark->capture_id, record->capture_id.data, UUID_BYTES);
}

/* The number alone where nothing more is known, as of what is no longer kept. */
static void write_cursor(const struct mark *mark, char out[CURSOR])
{
    uint8_t what[UUID_BYTES + 2 * sizeof(uint64_t)], digest[DIGEST_BYTES];
    int length = snprintf(out, CURSOR, "%" PRIu64, mark->number);
    if (!mark->known)
        return;
    memcpy(what, mark->capture_id, UUID_BYTES);
    memcpy(what + UUID_BYTES, &mark->noted_ms, sizeof mark->noted_ms);
    memcpy(what + UUID_BYTES + sizeof mark->noted_ms, &mark->sequence, sizeof mark->sequence);
    digest_of(what, sizeof what, digest);
    out[length++] = '-';
    digest_hex(digest, CURSOR_CHECK_BYTES, out + length);
}

static enum err take_mark(void *mark, uint64_t number, const Epcis__Store__V1__NewsRecord *record)
{
    if (record->capture_id.len != UUID_BYTES)
        return ERR_CORRUPT;
    set_mark(mark, number, record);
    return ERR_OK;
}

/* What the news of that number are, where they are kept. */
static enum err find_mark(struct call *call, uint64_t number, uint64_t first, struct arena *arena,
                          struct mark *mark)
{
    uint64_t before = number - 1;
    *mark = (struct mark){.number = number};
    if (number < first)
        return ERR_OK;
    enum err err = journal_news_read(call->services->journal, &before, 1, arena, take_mark, mark);
    return err == ERR_ORDER || err == ERR_NOT_FOUND ? ERR_OK : err; /* they went just now */
}

/* The number and, with or without it, the check. */
static bool is_cursor(const char *cursor, const struct mark *mark)
{
    char expected[CURSOR];
    size_t digits = strspn(cursor, "0123456789");
    write_cursor(mark, expected);
    return !cursor[digits] || !mark->known || strcmp(cursor, expected) == 0;
}

static enum err refuse_cursor(struct call *call, const char *why)
{
    reply_input(&call->reply, "`cursor` is %s: send that of a response, \"begin\" or nothing", why);
    return ERR_INPUT;
}

/* ERR_INPUT: answered. */
static enum err parse_cursor(struct call *call, const char *cursor, uint64_t first, uint64_t last,
                             uint64_t *number)
{
    char *end = NULL;
    *number = cursor[0] ? first - 1 : last;
    if (!cursor[0] || strcmp(cursor, "begin") == 0)
        return ERR_OK;
    errno = 0;
    *number = strtoull(cursor, &end, 10);
    if (cursor[0] >= '0' && cursor[0] <= '9' && (!*end || *end == '-') && !errno && *number <= last)
        return ERR_OK;
    return refuse_cursor(call, "none");
}

static enum err read_cursor(struct call *call, const char *cursor, struct arena *arena, struct mark *mark)
{
    uint64_t first, last, number;
    enum err err = journal_news_range(call->services->journal, &first, &last);
    if (!err && (err = parse_cursor(call, cursor, first, last, &number)))
        return err;
    if (!err)
        err = find_mark(call, number, first, arena, mark);
    if (err)
        reply_err(&call->reply, err, "acknowledgments");
    else if (cursor[0] && strcmp(cursor, "begin") != 0 && !is_cursor(cursor, mark))
        err = refuse_cursor(call, "of other news than are here, as after a backup was restored");
    return err;
}

/* ---- beginning -------------------------------------------------------------------------------------- */

/* ERR_NOT_FOUND: there is none, or it is another's. */
static enum err find_capture(const struct call *call, const char *text, struct arena *arena,
                             struct watch *watch)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    if (uuid_parse(text, watch->capture_id))
        return ERR_NOT_FOUND;
    watch->one_capture = true;
    enum err err = journal_capture_by_id(call->services->journal, watch->capture_id, arena, &record);
    return err ? err : access_sees(call, record->partner);
}

static enum err read_filters(struct call *call, const Epcis__V1__WatchAcknowledgmentsRequest *request,
                             struct arena *arena, struct watch *watch)
{
    enum err err = ERR_OK;
    if (request->kind < EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_UNSPECIFIED ||
        request->kind > EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_CAPTURE) {
        reply_input(&call->reply, "`kind` is %d, which is none", (int)request->kind);
        return ERR_INPUT;
    }
    watch->kind = request->kind;
    if (request->partner[0] && strlen(request->partner) != JOURNAL_PARTNER - 1) {
        reply_input(&call->reply, "`partner` is \"%.32s\": a GLN of 13 digits is expected", request->partner);
        return ERR_INPUT;
    }
    memcpy(watch->partner, request->partner, strlen(request->partner) + 1);
    if (watch->partner[0] && (err = access_sees(call, watch->partner))) {
        reply_err(&call->reply, err, "partner %s", watch->partner);
        reply_about(&call->reply, "partner", watch->partner);
        return err;
    }
    if (request->capture_id[0] && (err = find_capture(call, request->capture_id, arena, watch))) {
        reply_err(&call->reply, err, "capture %.64s", request->capture_id);
        reply_about(&call->reply, "capture", request->capture_id);
    }
    return err;
}

static enum err watch_begin(struct call *call, struct arena *arena)
{
    const Epcis__V1__WatchAcknowledgmentsRequest *request =
        (const Epcis__V1__WatchAcknowledgmentsRequest *)query_read(call, arena);
    if (!request)
        return ERR_INPUT;
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        reply_err(&call->reply, ERR_MEMORY, "acknowledgments");
        return ERR_MEMORY;
    }
    enum err err = read_cursor(call, request->cursor, arena, &watch->mark);
    if (!err)
        err = read_filters(call, request, arena, watch);
    if (err)
        free(watch);
    else
        call->state = watch;
    return err;
}

/* ---- telling ---------------------------------------------------------------------------------------- */

struct telling {
    const struct call *call;
    struct arena *arena;
    Epcis__V1__WatchAcknowledgmentsResponse response;
    Epcis__V1__Acknowledgment *told[TOLD];
    const char *asked; /* the partner that was asked about last, and the answer */
    enum err answer;
};

static bool is_wanted(const struct watch *watch, const Epcis__Store__V1__NewsRecord *record)
{
    bool batch = record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING;
    if (watch->kind && batch != (watch->kind == EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_BATCH))
        return false;
    if (watch->one_capture && memcmp(record->capture_id.data, watch->capture_id, UUID_BYTES) != 0)
        return false;
    return !watch->partner[0] || strcmp(record->partner, watch->partner) == 0;
}

/* Those of one document, and often of many, follow each other: asked about once. */
static enum err sees(struct telling *telling, const char *partner)
{
    if (!telling->asked || strcmp(telling->asked, partner) != 0)
        telling->answer = access_sees(telling->call, partner);
    telling->asked = partner;
    return telling->answer;
}

static enum err tell(struct telling *telling, uint64_t number, const Epcis__Store__V1__NewsRecord *record)
{
    Epcis__V1__Acknowledgment *told = arena_alloc(telling->arena, sizeof *told);
    char *id = arena_alloc(telling->arena, UUID_TEXT + 1), *cursor = arena_alloc(telling->arena, CURSOR);
    if (!told || !id || !cursor)
        return ERR_LIMIT;
    epcis__v1__acknowledgment__init(told);
    uuid_text(record->capture_id.data, id);
    told->kind = record->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RUNNING
                     ? EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_BATCH
                     : EPCIS__V1__ACKNOWLEDGMENT_KIND__ACKNOWLEDGMENT_KIND_CAPTURE;
    told->capture_id = id;
    told->partner = record->partner;
    told->noted_ms = record->noted_ms;
    told->state = record->state;
    told->partition = record->partition;
    told->sequence = record->sequence;
    told->first_event = record->first_event;
    told->events = record->events;
    told->committed = record->committed;
    told->duplicates = record->duplicates;
    told->dead_letters = record->dead_letters;
    told->warnings = record->warnings;
    struct mark mark;
    set_mark(&mark, number, record);
    write_cursor(&mark, cursor);
    told->cursor = cursor;
    telling->told[telling->response.n_acknowledgments++] = told;
    return ERR_OK;
}

/* ERR_FULL: the response is. */
static enum err take_wanted(struct telling *telling, uint64_t number,
                            const Epcis__Store__V1__NewsRecord *record)
{
    if (!is_wanted(telling->call->state, record))
        return ERR_OK;
    enum err err = sees(telling, record->partner);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    return telling->response.n_acknowledgments == TOLD ? ERR_FULL : tell(telling, number, record);
}

static enum err take(void *context, uint64_t number, const Epcis__Store__V1__NewsRecord *record)
{
    struct telling *telling = context;
    struct watch *watch = telling->call->state;
    enum err err = record->capture_id.len == UUID_BYTES ? take_wanted(telling, number, record) : ERR_CORRUPT;
    if (!err)
        set_mark(&watch->mark, number, record);
    return err;
}

/* Also of a stream that is open: what it has not read may go meanwhile. */
static void refuse_pruned(struct call *call)
{
    uint64_t first, last;
    enum err err = journal_news_range(call->services->journal, &first, &last);
    if (err)
        reply_err(&call->reply, err, "acknowledgments");
    else
        reply_refuse(&call->reply, REASON_NEWS_PRUNED, "the first cursor that can be used is %" PRIu64,
                     first - 1);
}

static enum call_next watch_work(struct call *call, struct arena *arena)
{
    if (call->asked && watch_begin(call, arena))
        return CALL_ANSWER;
    struct watch *watch = call->state;
    struct telling telling = {
        .call = call, .arena = arena, .response = EPCIS__V1__WATCH_ACKNOWLEDGMENTS_RESPONSE__INIT};
    uint64_t before = watch->mark.number, number = before;
    enum err err = journal_news_read(call->services->journal, &number, SEEN, arena, take, &telling);
    if (err && err != ERR_NOT_FOUND && err != ERR_FULL) {
        if (err == ERR_ORDER)
            refuse_pruned(call);
        else
            reply_err(&call->reply, err, "acknowledgments after %" PRIu64, before);
        watch_drop(call);
        return CALL_ANSWER;
    }
    /* Of what it does not want it hears after long stretches only. */
    if (watch->begun && !telling.response.n_acknowledgments && number < before + SEEN)
        return CALL_PARK;
    char cursor[CURSOR];
    write_cursor(&watch->mark, cursor);
    telling.response.acknowledgments = telling.told;
    telling.response.cursor = cursor;
    watch->begun = true;
    reply_message(&call->reply, &telling.response.base);
    return CALL_SEND;
}

const struct method svc_acknowledgment_methods[] = {
    {.path = "/epcis.v1.AcknowledgmentService/WatchAcknowledgments",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .sending = true,
     .ticking = true,
     .work = watch_work,
     .drop = watch_drop,
     .request = &epcis__v1__watch_acknowledgments_request__descriptor},
};
const size_t svc_acknowledgment_count =
    sizeof svc_acknowledgment_methods / sizeof svc_acknowledgment_methods[0];
