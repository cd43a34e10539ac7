#include "server/front/svc_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/gs1/epc.h"
#include "common/store/store_trace.h"
#include "epcis/v1/trace_service.pb-c.h"
#include "server/capture_query.h"
#include "server/front/page.h"
#include "server/front/query.h"
#include "server/front/scope.h"

/* Private URIs name items too, so all that is asked is a URI, and a right one where it is of GS1's. */
static enum err check_epc(struct call *call, const char *text)
{
    struct epc epc;
    if (!strchr(text, ':')) {
        reply_input(&call->reply,
                    "`epc` is \"%s\": an EPC URN (urn:epc:id:sgtin:…) or a GS1 Digital Link URI is expected",
                    text);
        return ERR_INPUT;
    }
    epc_parse(text, strlen(text), &epc);
    if (epc.fault == EPC_FAULT_NONE)
        return ERR_OK;
    reply_input(&call->reply, "`epc` is \"%s\": %s; expected: %s", text, epc_fault_code(epc.fault),
                epc_fault_remedy(epc.fault));
    return ERR_INPUT;
}

/* ERR_NOT_FOUND also where no event of the caller's names the item: to a stranger it does not exist. */
static enum err read_history(struct call *call, const char *epc, struct page *page, struct arena *arena,
                             Epcis__V1__GetItemHistoryResponse **out)
{
    struct scope scope;
    return store_item_history(call->services->store, epc, scope_sight(call, &scope), page->limit,
                              page->cursor, arena, out);
}

/* That some event of the caller's names the item, where it may not see others'. */
static enum err check_known(struct call *call, const char *epc, struct arena *arena)
{
    Epcis__V1__GetItemHistoryResponse *response;
    struct page page = {.limit = 1};
    return call->caller.partner[0] ? read_history(call, epc, &page, arena, &response) : ERR_OK;
}

static const ProtobufCMessage *get_item_history(struct call *call, const ProtobufCMessage *message,
                                                struct arena *arena)
{
    const Epcis__V1__GetItemHistoryRequest *request = (const Epcis__V1__GetItemHistoryRequest *)message;
    Epcis__V1__GetItemHistoryResponse *response = NULL;
    struct page page;
    if (check_epc(call, request->epc) ||
        page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = read_history(call, request->epc, &page, arena, &response);
    if (err) {
        if (page_refused(err, &call->reply))
            return NULL;
        reply_err(&call->reply, err, "item %s", request->epc);
        reply_about(&call->reply, "item", request->epc);
        return NULL;
    }
    scope_state(call, response->state);
    return &response->base;
}

static const ProtobufCMessage *get_event(struct call *call, const ProtobufCMessage *message,
                                         struct arena *arena)
{
    uint64_t sequence = ((const Epcis__V1__GetEventRequest *)message)->sequence;
    Epcis__V1__GetEventResponse *response = arena_alloc(arena, sizeof *response);
    if (sequence == 0) {
        reply_input(&call->reply, "`sequence` is 0: events count from 1");
        return NULL;
    }
    if (!response) {
        reply_err(&call->reply, ERR_MEMORY, "event %" PRIu64, sequence);
        return NULL;
    }
    epcis__v1__get_event_response__init(response);
    enum err err = store_event_get(call->services->store, sequence, arena, &response->committed_event);
    if (!err)
        err = scope_capture(call, response->committed_event->capture_id);
    if (err) {
        char number[24];
        snprintf(number, sizeof number, "%" PRIu64, sequence);
        reply_err(&call->reply, err, "event %s", number);
        reply_about(&call->reply, "event", number);
        return NULL;
    }
    return &response->base;
}

/* As far as microseconds reach. */
static int64_t us_of_ms(int64_t ms)
{
    const int64_t most = INT64_MAX / 1000;
    return (ms > most ? most : ms < -most ? -most : ms) * 1000;
}

static const ProtobufCMessage *get_contents(struct call *call, const ProtobufCMessage *message,
                                            struct arena *arena)
{
    const Epcis__V1__GetContentsRequest *request = (const Epcis__V1__GetContentsRequest *)message;
    Epcis__V1__GetContentsResponse *response = NULL;
    struct page page;
    if (check_epc(call, request->epc) ||
        page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    int64_t at_us = us_of_ms(request->at_ms);
    struct scope scope;
    const struct store_contents_query query = {.epc = request->epc,
                                               .sight = scope_sight(call, &scope),
                                               .at_us = request->at_ms ? &at_us : NULL,
                                               .recursive = request->recursive,
                                               .limit = page.limit};
    enum err err = check_known(call, request->epc, arena);
    if (!err)
        err = store_contents(call->services->store, &query, page.cursor, arena, &response);
    if (err) {
        if (page_refused(err, &call->reply))
            return NULL;
        reply_err(&call->reply, err, "container %s", request->epc);
        reply_about(&call->reply, "item", request->epc);
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *get_containers(struct call *call, const ProtobufCMessage *message,
                                              struct arena *arena)
{
    const Epcis__V1__GetContainersRequest *request = (const Epcis__V1__GetContainersRequest *)message;
    Epcis__V1__GetContainersResponse *response = NULL;
    if (check_epc(call, request->epc))
        return NULL;
    int64_t at_us = us_of_ms(request->at_ms);
    enum err err = check_known(call, request->epc, arena);
    if (!err)
        err = store_containers(call->services->store, request->epc, request->at_ms ? &at_us : NULL, arena,
                               &response);
    if (!err)
        err = scope_containers(call, response->containers, &response->n_containers);
    if (err) {
        reply_err(&call->reply, err, "item %s", request->epc);
        reply_about(&call->reply, "item", request->epc);
        return NULL;
    }
    return &response->base;
}

/* ---- events ---- */

/* Which of the three is asked for, in words for an error's text. NULL: none, or several, as the reply says.
 */
static const char *name_selection(struct call *call, const Epcis__V1__ListEventsRequest *request)
{
    bool lot = request->gtin[0] || request->lot[0], range = request->from_ms || request->to_ms;
    if ((request->capture_id[0] != 0) + lot + (request->gln[0] != 0) != 1) {
        reply_input(&call->reply, "one of `capture_id`, `gtin` with `lot`, and `gln` is expected");
        return NULL;
    }
    if (range && !request->gln[0]) {
        reply_input(&call->reply, "`from_ms` and `to_ms` go with `gln`");
        return NULL;
    }
    return request->capture_id[0] ? "capture" : lot ? "lot" : "place";
}

static enum err read_lot(struct call *call, const Epcis__V1__ListEventsRequest *request,
                         struct store_events_query *out)
{
    enum { GTIN = 14, LOT_MAX = 20 };
    size_t length = strlen(request->lot);
    bool gtin = strlen(request->gtin) == GTIN && strspn(request->gtin, "0123456789") == GTIN &&
                gs1_check_digit_ok(request->gtin, GTIN);
    if (!gtin)
        reply_input(&call->reply, "`gtin` is \"%s\": 14 digits with their check digit are expected",
                    request->gtin);
    else if (length == 0 || length > LOT_MAX)
        reply_input(&call->reply, "`lot` has %zu characters: 1 to 20 are expected", length);
    out->gtin = strtoull(request->gtin, NULL, 10);
    out->lot = request->lot;
    return call->reply.status ? ERR_INPUT : ERR_OK;
}

static enum err read_place(struct call *call, const Epcis__V1__ListEventsRequest *request,
                           struct store_events_query *out)
{
    char gln[14] = "";
    if (gln_of(request->gln, strlen(request->gln), gln))
        reply_input(
            &call->reply,
            "`gln` is \"%s\": 13 digits with their check digit, an SGLN URN or a GS1 Digital Link URI "
            "are expected",
            request->gln);
    else if (request->to_ms && request->to_ms < request->from_ms)
        reply_input(&call->reply, "`to_ms` is before `from_ms`");
    out->place = strtoull(gln, NULL, 10);
    out->from_us = request->from_ms ? us_of_ms(request->from_ms) : INT64_MIN;
    out->to_us = request->to_ms ? us_of_ms(request->to_ms) : INT64_MAX;
    return call->reply.status ? ERR_INPUT : ERR_OK;
}

static enum err read_capture(struct call *call, const Epcis__V1__ListEventsRequest *request,
                             uint8_t capture_id[UUID_BYTES], struct store_events_query *out)
{
    out->capture_id = capture_id;
    enum err err = uuid_parse(request->capture_id, capture_id);
    if (err)
        reply_input(&call->reply, "`capture_id` is \"%s\": a UUID as in a receipt is expected",
                    request->capture_id);
    return err;
}

/* A document may have come and left no event. ERR_NOT_FOUND: there is no such document either. */
static enum err list_nothing(struct call *call, const uint8_t capture_id[UUID_BYTES], struct arena *arena,
                             Epcis__V1__ListEventsResponse **out)
{
    Epcis__V1__Capture *capture;
    enum err err = capture_get(call->services->journal, capture_id, arena, &capture);
    *out = arena_alloc(arena, sizeof **out);
    if (!err && !*out)
        err = ERR_LIMIT;
    if (!err)
        epcis__v1__list_events_response__init(*out);
    return err;
}

static const ProtobufCMessage *list_events(struct call *call, const ProtobufCMessage *message,
                                           struct arena *arena)
{
    const Epcis__V1__ListEventsRequest *request = (const Epcis__V1__ListEventsRequest *)message;
    Epcis__V1__ListEventsResponse *response = NULL;
    struct scope scope;
    struct store_events_query query = {.sight = scope_sight(call, &scope)};
    uint8_t capture_id[UUID_BYTES];
    struct page page;
    const char *selection = name_selection(call, request);
    if (!selection || page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    query.limit = page.limit;
    enum err err = request->capture_id[0] ? read_capture(call, request, capture_id, &query)
                   : request->gln[0]      ? read_place(call, request, &query)
                                          : read_lot(call, request, &query);
    if (err)
        return NULL;
    bool own = !query.capture_id || !(err = scope_capture(call, request->capture_id));
    if (own)
        err = store_events(call->services->store, &query, page.cursor, arena, &response);
    if (own && err == ERR_NOT_FOUND && query.capture_id)
        err = list_nothing(call, capture_id, arena, &response);
    if (err) {
        if (page_refused(err, &call->reply))
            return NULL;
        const char *name = query.capture_id ? request->capture_id : query.lot ? request->lot : request->gln;
        reply_err(&call->reply, err, "%s %s", selection, name);
        reply_about(&call->reply, selection, name);
        return NULL;
    }
    return &response->base;
}

const struct method svc_trace_methods[] = {
    {.path = "/epcis.v1.TraceService/GetItemHistory",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_item_history_request__descriptor,
     .answer = get_item_history},
    {.path = "/epcis.v1.TraceService/GetEvent",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_event_request__descriptor,
     .answer = get_event},
    {.path = "/epcis.v1.TraceService/GetContents",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_contents_request__descriptor,
     .answer = get_contents},
    {.path = "/epcis.v1.TraceService/GetContainers",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_containers_request__descriptor,
     .answer = get_containers},
    {.path = "/epcis.v1.TraceService/ListEvents",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_events_request__descriptor,
     .answer = list_events},
};
const size_t svc_trace_count = sizeof svc_trace_methods / sizeof svc_trace_methods[0];
