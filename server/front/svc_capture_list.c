#include "server/front/svc_capture_list.h"

#include <string.h>

#include "common/gs1/epc.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "server/capture_list.h"
#include "server/capture_query.h"
#include "server/front/access.h"
#include "server/front/page.h"
#include "server/front/query.h"

static enum err sees(const void *context, const char *gln)
{
    return access_sees(context, gln);
}

static bool check_filter(struct call *call, const Epcis__V1__ListCapturesRequest *request)
{
    enum { GLN = 13 };
    const char *gln = request->partner;
    if (request->state > EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_CANCELLED)
        reply_input(&call->reply, "`state` is none: 1 (RECEIVED) to 5 (CANCELLED) are expected, or nothing");
    else if (gln[0] && (strlen(gln) != GLN || !gs1_check_digit_ok(gln, GLN)))
        reply_input(&call->reply,
                    "`partner` is \"%s\": a GLN of 13 digits with its check digit is expected, or nothing",
                    gln);
    else if (request->received_until_ms && request->received_until_ms < request->received_from_ms)
        reply_input(&call->reply, "`received_until_ms` is before `received_from_ms`");
    return !call->reply.status;
}

static void fail(struct call *call, enum err err, const char *what, const char *name)
{
    if (err == ERR_INPUT)
        reply_input(&call->reply,
                    "`page_token` is none: send next_page_token of the answer before, or nothing");
    else
        reply_err(&call->reply, err, "%s %s", what, name);
}

static const ProtobufCMessage *list_captures(struct call *call, const ProtobufCMessage *message,
                                             struct arena *arena)
{
    const Epcis__V1__ListCapturesRequest *request = (const Epcis__V1__ListCapturesRequest *)message;
    Epcis__V1__ListCapturesResponse *response = NULL;
    struct page page;
    if (!check_filter(call, request) ||
        page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err =
        capture_list(call->services->journal, request, page.limit, page.cursor, sees, call, arena, &response);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (!err)
        return &response->base;
    fail(call, err, "captures of partner", request->partner);
    return NULL;
}

static const ProtobufCMessage *list_capture_events(struct call *call, const ProtobufCMessage *message,
                                                   struct arena *arena)
{
    const Epcis__V1__ListCaptureEventsRequest *request = (const Epcis__V1__ListCaptureEventsRequest *)message;
    const struct services *services = call->services;
    Epcis__V1__ListCaptureEventsResponse *response = NULL;
    Epcis__V1__Capture *capture = NULL;
    uint8_t capture_id[UUID_BYTES];
    struct page page;
    if (uuid_parse(request->capture_id, capture_id)) {
        reply_input(&call->reply, "`capture_id` is \"%s\": a UUID as in a receipt is expected",
                    request->capture_id);
        return NULL;
    }
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = capture_get(services->journal, capture_id, arena, &capture);
    if (!err)
        err = access_sees(call, capture->receipt->partner);
    if (!err)
        err = capture_list_events(services->journal, services->store, capture_id, request->dead_letters_only,
                                  page.limit, page.cursor, arena, &response);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (!err)
        return &response->base;
    fail(call, err, "capture", request->capture_id);
    if (err != ERR_INPUT)
        reply_about(&call->reply, "capture", request->capture_id);
    return NULL;
}

const struct method svc_capture_list_methods[] = {
    {.path = "/epcis.v1.CaptureService/ListCaptures",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_captures_request__descriptor,
     .answer = list_captures},
    {.path = "/epcis.v1.CaptureService/ListCaptureEvents",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_capture_events_request__descriptor,
     .answer = list_capture_events},
};
const size_t svc_capture_list_count = sizeof svc_capture_list_methods / sizeof svc_capture_list_methods[0];
