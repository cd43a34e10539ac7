#include "server/front/svc_server.h"

#include "server/front/query.h"
#include "server/server_config.h"
#include "server/server_status.h"

/* The reasons for which calls were refused, as far as they occurred. */
static enum err add_refusals(Epcis__V1__ServerStatus *status, struct arena *arena)
{
    Epcis__V1__RefusalCount *counts = arena_alloc(arena, REASON_COUNT * sizeof *counts);
    status->refusals = arena_alloc(arena, REASON_COUNT * sizeof *status->refusals);
    if (!counts || !status->refusals)
        return ERR_LIMIT;
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        Epcis__V1__RefusalCount *count = &counts[status->n_refusals];
        epcis__v1__refusal_count__init(count);
        count->count = reason_counted((enum reason)reason);
        if (count->count == 0)
            continue;
        count->reason = (char *)(uintptr_t)reason_row((enum reason)reason)->name;
        status->refusals[status->n_refusals++] = count;
    }
    return ERR_OK;
}

static const ProtobufCMessage *get_status(struct call *call, const ProtobufCMessage *request,
                                          struct arena *arena)
{
    (void)request;
    struct services *services = call->services;
    Epcis__V1__GetStatusResponse *response = arena_alloc(arena, sizeof *response);
    enum err err = response ? ERR_OK : ERR_MEMORY;
    if (!err) {
        epcis__v1__get_status_response__init(response);
        err = server_status_get(services->status, atomic_load(&services->stopping), arena, &response->status);
    }
    if (!err)
        err = add_refusals(response->status, arena);
    if (err) {
        reply_err(&call->reply, err, "status");
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *get_config(struct call *call, const ProtobufCMessage *request,
                                          struct arena *arena)
{
    (void)request;
    Epcis__V1__GetConfigResponse *response;
    enum err err = server_config_get(call->services->config, arena, &response);
    if (err) {
        reply_err(&call->reply, err, "config");
        return NULL;
    }
    return &response->base;
}

const struct method svc_server_methods[] = {
    {.path = "/epcis.v1.ServerService/GetStatus",
     .need = NEED_OPERATE,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_status_request__descriptor,
     .answer = get_status},
    {.path = "/epcis.v1.ServerService/GetConfig",
     .need = NEED_OPERATE,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_config_request__descriptor,
     .answer = get_config},
};
const size_t svc_server_count = sizeof svc_server_methods / sizeof svc_server_methods[0];
