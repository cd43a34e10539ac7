#include "server/front/health.h"

#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "server/front/loop.h"
#include "server/front/query.h"
#include "server/ingest.h"
#include "server/server_status.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;
#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

/* Documents that would only wait until somebody has mended the store had better go elsewhere. */
static bool takes_documents(const struct services *services)
{
    return !ingest_admit(services->ingest, NULL) && !server_status_store_fails(services->status);
}

static serving_status status_of(const struct call *call, const char *service)
{
    if (service[0] && !loop_has_service(call->loop, service))
        return STATUS(SERVICE_UNKNOWN);
    if (atomic_load(&call->services->stopping))
        return STATUS(NOT_SERVING);
    if (strcmp(service, "epcis.v1.CaptureService") == 0 && !takes_documents(call->services))
        return STATUS(NOT_SERVING);
    return STATUS(SERVING);
}

static const ProtobufCMessage *check(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
    const char *service = ((const Grpc__Health__V1__HealthCheckRequest *)message)->service;
    Grpc__Health__V1__HealthCheckResponse *response = arena_alloc(arena, sizeof *response);
    if (!response) {
        reply_err(&call->reply, ERR_MEMORY, "service %.200s", service);
        return NULL;
    }
    grpc__health__v1__health_check_response__init(response);
    response->status = status_of(call, service);
    if (response->status != STATUS(SERVICE_UNKNOWN))
        return &response->base;
    reply_err(&call->reply, ERR_NOT_FOUND, "service %.200s", service);
    reply_about(&call->reply, "service", service);
    return NULL;
}

/* ---- Watch: looks again with every sweep ----------------------------------------------------------------
 */

struct watch {
    serving_status told; /* UNKNOWN at first, which is never told */
    char service[];
};

static void watch_drop(struct call *call)
{
    free(call->state);
    call->state = NULL;
}

static enum call_next watch_begin(struct call *call, struct arena *arena)
{
    const ProtobufCMessage *request = query_read(call, arena);
    if (!request)
        return CALL_ANSWER;
    const char *service = ((const Grpc__Health__V1__HealthCheckRequest *)request)->service;
    size_t size = strlen(service) + 1;
    struct watch *watch = malloc(sizeof *watch + size);
    if (!watch) {
        reply_err(&call->reply, ERR_MEMORY, "service %.200s", service);
        return CALL_ANSWER;
    }
    watch->told = STATUS(UNKNOWN);
    memcpy(watch->service, service, size);
    call->state = watch;
    return CALL_PARK;
}

static enum call_next watch_work(struct call *call, struct arena *arena)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    if (call->asked && watch_begin(call, arena) == CALL_ANSWER)
        return CALL_ANSWER;
    struct watch *watch = call->state;
    response.status = status_of(call, watch->service);
    if (response.status == watch->told)
        return CALL_PARK;
    watch->told = response.status;
    reply_message(&call->reply, &response.base);
    return CALL_SEND;
}

const struct method health_methods[] = {
    {.path = "/grpc.health.v1.Health/Check",
     .need = NEED_NOTHING,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .answer = check},
    {.path = "/grpc.health.v1.Health/Watch",
     .need = NEED_NOTHING,
     .room = ROOM_QUERIES,
     .sending = true,
     .ticking = true,
     .work = watch_work,
     .drop = watch_drop,
     .request = &grpc__health__v1__health_check_request__descriptor},
};
const size_t health_count = sizeof health_methods / sizeof health_methods[0];
