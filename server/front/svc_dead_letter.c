#include "server/front/svc_dead_letter.h"

#include <string.h>

#include "epcis/v1/dead_letter_service.pb-c.h"
#include "server/dead_letter.h"
#include "server/front/limits.h"
#include "server/front/page.h"
#include "server/front/query.h"
#include "server/front/scope.h"
#include "server/front/svc_capture.h"

enum { WHO_MAX = 256, WHY_MAX = 2000, CORRECTED_MAX = 4 << 20 };

static struct dead_letters letters_of(const struct call *call)
{
    return (struct dead_letters){
        .store = call->services->store, .journal = call->services->journal, .ingest = call->services->ingest};
}

/* Whether the error is that a document was not taken: as CaptureService tells it. */
static bool refused(struct call *call, enum err err, const struct refusal *refusal)
{
    if ((err != ERR_FULL && err != ERR_LIMIT) || !refusal->text[0])
        return false;
    reply_refused(&call->reply, refusal);
    return true;
}

/* `why` says more where it is not empty. */
static void fail(struct call *call, enum err err, const char *dead_letter_id, const char *why)
{
    if (err == ERR_EXISTS)
        reply_refuse(&call->reply, REASON_LETTER_CLOSED, "dead letter %.24s: %s", dead_letter_id, why);
    else if (err == ERR_ORDER)
        reply_refuse(&call->reply, REASON_LETTER_UNFIT, "dead letter %.24s: %s", dead_letter_id, why);
    else if (err == ERR_INPUT && why[0])
        reply_input(&call->reply, "%s", why);
    else if (err == ERR_INPUT)
        reply_input(&call->reply, "`dead_letter_id` is \"%.24s\": one as ListDeadLetters tells is expected",
                    dead_letter_id);
    else
        reply_err(&call->reply, err, "dead letter %.24s", dead_letter_id);
    reply_about(&call->reply, "dead letter", dead_letter_id);
}

static void fail_page(struct call *call, enum err err, const char *why)
{
    if (err == ERR_INPUT && why[0])
        reply_input(&call->reply, "%s", why);
    else if (!page_refused(err, &call->reply))
        reply_err(&call->reply, err, "dead letters");
}

static bool has_id(struct call *call, const char *dead_letter_id)
{
    if (!dead_letter_id[0])
        reply_input(&call->reply, "`dead_letter_id` is empty");
    return dead_letter_id[0];
}

/* Who does it is whom the caller proved to be, with what the request says of it. */
static bool read_deed(struct call *call, const char *who, const char *why, struct arena *arena,
                      struct dead_letter_deed *out)
{
    *out = (struct dead_letter_deed){NULL, why};
    if (who[0] && why[0] && strlen(who) <= WHO_MAX && strlen(why) <= WHY_MAX)
        out->who = access_who(call, who, arena);
    else
        reply_input(&call->reply, "`who` (at most %d bytes) and `why` (at most %d bytes) are both expected",
                    WHO_MAX, WHY_MAX);
    if (!out->who && !call->reply.status)
        reply_err(&call->reply, ERR_MEMORY, "dead letters");
    return out->who;
}

/* ---- showing ------------------------------------------------------------------------------------------ */

static const ProtobufCMessage *list_dead_letters(struct call *call, const ProtobufCMessage *message,
                                                 struct arena *arena)
{
    const Epcis__V1__ListDeadLettersRequest *request = (const Epcis__V1__ListDeadLettersRequest *)message;
    const struct dead_letters letters = letters_of(call);
    Epcis__V1__ListDeadLettersResponse *response = NULL;
    struct scope scope;
    struct page page;
    char why[DEAD_LETTER_WHY];
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = dead_letter_list(&letters, request, scope_sight(call, &scope), page.limit, page.cursor,
                                    arena, &response, why);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (err) {
        fail_page(call, err, why);
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *get_dead_letter(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const char *dead_letter_id = ((const Epcis__V1__GetDeadLetterRequest *)message)->dead_letter_id;
    const struct dead_letters letters = letters_of(call);
    Epcis__V1__GetDeadLetterResponse *response = NULL;
    if (!has_id(call, dead_letter_id))
        return NULL;
    enum err err = dead_letter_get(&letters, dead_letter_id, arena, &response);
    if (!err)
        err = access_sees(call, response->dead_letter->partner);
    if (err) {
        fail(call, err, dead_letter_id, "");
        return NULL;
    }
    return &response->base;
}

/* ---- closing one -------------------------------------------------------------------------------------- */

static const ProtobufCMessage *resubmit_dead_letter(struct call *call, const ProtobufCMessage *message,
                                                    struct arena *arena)
{
    const Epcis__V1__ResubmitDeadLetterRequest *request =
        (const Epcis__V1__ResubmitDeadLetterRequest *)message;
    struct dead_letter_deed deed;
    const struct dead_letters letters = letters_of(call);
    Epcis__V1__ResubmitDeadLetterResponse *response = arena_alloc(arena, sizeof *response);
    char *capture_id = arena_alloc(arena, UUID_TEXT + 1);
    char why[DEAD_LETTER_WHY] = "";
    struct refusal refusal = {.text = ""};
    if (!has_id(call, request->dead_letter_id) || !read_deed(call, request->who, request->why, arena, &deed))
        return NULL;
    enum err err = ERR_MEMORY;
    if (response && capture_id)
        err = dead_letter_resubmit(&letters, request->dead_letter_id, &deed, request->corrected.data,
                                   request->corrected.len, arena, capture_id, why, &refusal);
    if (err == ERR_INPUT && why[0] && request->corrected.len) {
        reply_input(&call->reply, "`corrected`: %s", why);
        return NULL;
    }
    if (err) {
        if (!refused(call, err, &refusal))
            fail(call, err, request->dead_letter_id, why);
        return NULL;
    }
    epcis__v1__resubmit_dead_letter_response__init(response);
    response->capture_id = capture_id;
    return &response->base;
}

static const ProtobufCMessage *discard_dead_letter(struct call *call, const ProtobufCMessage *message,
                                                   struct arena *arena)
{
    const Epcis__V1__DiscardDeadLetterRequest *request = (const Epcis__V1__DiscardDeadLetterRequest *)message;
    struct dead_letter_deed deed;
    const struct dead_letters letters = letters_of(call);
    static const Epcis__V1__DiscardDeadLetterResponse response =
        EPCIS__V1__DISCARD_DEAD_LETTER_RESPONSE__INIT;
    char why[DEAD_LETTER_WHY];
    if (!has_id(call, request->dead_letter_id) || !read_deed(call, request->who, request->why, arena, &deed))
        return NULL;
    enum err err = dead_letter_discard(&letters, request->dead_letter_id, &deed, arena, why);
    if (err) {
        fail(call, err, request->dead_letter_id, why);
        return NULL;
    }
    return &response.base;
}

/* ---- closing many ------------------------------------------------------------------------------------- */

/* The filter of a request that closes many; none is all. */
static const Epcis__V1__ListDeadLettersRequest *filter_of(const Epcis__V1__ListDeadLettersRequest *filter)
{
    static const Epcis__V1__ListDeadLettersRequest all = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    return filter ? filter : &all;
}

static bool read_filter(struct call *call, const Epcis__V1__ListDeadLettersRequest *filter, struct page *out)
{
    if (!page_read(filter->page_size, filter->page_token, out, &call->reply))
        return true;
    reply_within(&call->reply, "filter");
    return false;
}

static const ProtobufCMessage *resubmit_dead_letters(struct call *call, const ProtobufCMessage *message,
                                                     struct arena *arena)
{
    const Epcis__V1__ResubmitDeadLettersRequest *request =
        (const Epcis__V1__ResubmitDeadLettersRequest *)message;
    const Epcis__V1__ListDeadLettersRequest *filter = filter_of(request->filter);
    struct dead_letter_deed deed;
    const struct dead_letters letters = letters_of(call);
    Epcis__V1__ResubmitDeadLettersResponse *response = NULL;
    struct page page;
    char why[DEAD_LETTER_WHY] = "";
    struct refusal refusal;
    if (!read_deed(call, request->who, request->why, arena, &deed) || !read_filter(call, filter, &page))
        return NULL;
    enum err err = dead_letter_resubmit_page(&letters, filter, page.limit, page.cursor, &deed, arena,
                                             &response, why, &refusal);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (err) {
        if (!refused(call, err, &refusal))
            fail_page(call, err, why);
        reply_within(&call->reply, "filter");
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *discard_dead_letters(struct call *call, const ProtobufCMessage *message,
                                                    struct arena *arena)
{
    const Epcis__V1__DiscardDeadLettersRequest *request =
        (const Epcis__V1__DiscardDeadLettersRequest *)message;
    const Epcis__V1__ListDeadLettersRequest *filter = filter_of(request->filter);
    struct dead_letter_deed deed;
    const struct dead_letters letters = letters_of(call);
    Epcis__V1__DiscardDeadLettersResponse *response = NULL;
    struct page page;
    char why[DEAD_LETTER_WHY] = "";
    if (!read_deed(call, request->who, request->why, arena, &deed) || !read_filter(call, filter, &page))
        return NULL;
    enum err err =
        dead_letter_discard_page(&letters, filter, page.limit, page.cursor, &deed, arena, &response, why);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (err) {
        fail_page(call, err, why);
        reply_within(&call->reply, "filter");
        return NULL;
    }
    return &response->base;
}

/* What closes dead letters waits for the disk, as documents do. */
const struct method svc_dead_letter_methods[] = {
    {.path = "/epcis.v1.DeadLetterService/ListDeadLetters",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_dead_letters_request__descriptor,
     .answer = list_dead_letters},
    {.path = "/epcis.v1.DeadLetterService/GetDeadLetter",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_dead_letter_request__descriptor,
     .answer = get_dead_letter},
    {.path = "/epcis.v1.DeadLetterService/ResubmitDeadLetter",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .admit = svc_capture_admit,
     .work = query_work,
     .request_max = CORRECTED_MAX + FRONT_QUERY_MAX,
     .request = &epcis__v1__resubmit_dead_letter_request__descriptor,
     .answer = resubmit_dead_letter},
    {.path = "/epcis.v1.DeadLetterService/DiscardDeadLetter",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__discard_dead_letter_request__descriptor,
     .answer = discard_dead_letter},
    {.path = "/epcis.v1.DeadLetterService/ResubmitDeadLetters",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .admit = svc_capture_admit,
     .work = query_work,
     .request = &epcis__v1__resubmit_dead_letters_request__descriptor,
     .answer = resubmit_dead_letters},
    {.path = "/epcis.v1.DeadLetterService/DiscardDeadLetters",
     .need = NEED_OPERATE,
     .room = ROOM_DOCUMENTS,
     .work = query_work,
     .request = &epcis__v1__discard_dead_letters_request__descriptor,
     .answer = discard_dead_letters},
};
const size_t svc_dead_letter_count = sizeof svc_dead_letter_methods / sizeof svc_dead_letter_methods[0];
