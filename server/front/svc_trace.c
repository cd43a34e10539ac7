#include "server/front/svc_trace.h"

#include <inttypes.h>
#include <string.h>

#include "common/gs1/epc.h"
#include "epcis/v1/trace_service.pb-c.h"
#include "server/front/page.h"
#include "server/front/query.h"

/* Private URIs name items too, so all that is asked is a URI, and a right one where it is of GS1's. */
static enum err check_epc(struct call *call, const char *text)
{
    struct epc epc;
    if (!strchr(text, ':')) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "`epc` is \"%s\": an EPC URN (urn:epc:id:sgtin:…) or a GS1 Digital Link URI is expected",
                   text);
        return ERR_INPUT;
    }
    epc_parse(text, strlen(text), &epc);
    if (epc.fault == EPC_FAULT_NONE)
        return ERR_OK;
    reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT, "`epc` is \"%s\": %s; expected: %s", text,
               epc_fault_code(epc.fault), epc_fault_remedy(epc.fault));
    return ERR_INPUT;
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
    enum err err =
        store_item_history(call->services->store, request->epc, page.limit, page.cursor, arena, &response);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (err) {
        reply_err(&call->reply, err, "item %s", request->epc);
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *get_event(struct call *call, const ProtobufCMessage *message,
                                         struct arena *arena)
{
    uint64_t sequence = ((const Epcis__V1__GetEventRequest *)message)->sequence;
    Epcis__V1__GetEventResponse *response = arena_alloc(arena, sizeof *response);
    if (sequence == 0) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT, "`sequence` is 0: events count from 1");
        return NULL;
    }
    if (!response) {
        reply_err(&call->reply, ERR_MEMORY, "event %" PRIu64, sequence);
        return NULL;
    }
    epcis__v1__get_event_response__init(response);
    enum err err = store_event_get(call->services->store, sequence, arena, &response->committed_event);
    if (err) {
        reply_err(&call->reply, err, "event %" PRIu64, sequence);
        return NULL;
    }
    return &response->base;
}

const struct method svc_trace_methods[] = {
    {.path = "/epcis.v1.TraceService/GetItemHistory",
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_item_history_request__descriptor,
     .answer = get_item_history},
    {.path = "/epcis.v1.TraceService/GetEvent",
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_event_request__descriptor,
     .answer = get_event},
};
const size_t svc_trace_count = sizeof svc_trace_methods / sizeof svc_trace_methods[0];
