#include "server/front/health.h"

#include <string.h>

/* https://github.com/grpc/grpc/blob/master/doc/health-checking.md. The two messages are so small that
 * they are read and written by hand: HealthCheckRequest has `string service = 1`, HealthCheckResponse an
 * enum `status = 1`. */
enum { SERVICE = 1, SERVICE_MAX = 128, STATUS_SERVING = 1, STATUS_NOT_SERVING = 2 };

static const char *const services[] = {
    "", /* the server as a whole */
    "epcis.v1.CaptureService",
    "epcis.v1.TraceService",
    "epcis.v1.DeadLetterService",
};

static enum err read_service(struct call *call, char service[SERVICE_MAX])
{
    struct cursor_source source;
    struct cursor cursor, value;
    uint32_t number;
    enum cursor_type type;
    enum err err;
    service[0] = '\0';
    call_cursor(call, &source, &cursor);
    while (!(err = cursor_field(&cursor, &number, &type))) {
        if (number != SERVICE || type != CURSOR_BYTES) {
            err = cursor_skip(&cursor, type);
        } else {
            err = cursor_bytes(&cursor, &value);
            if (!err && value.left >= SERVICE_MAX)
                err = ERR_LIMIT;
            if (!err) {
                service[value.left] = '\0';
                cursor_copy(&value, service);
            }
        }
        if (err)
            return err;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum call_next check_work(struct call *call, struct arena *arena)
{
    (void)arena;
    char service[SERVICE_MAX];
    enum err err = call->request ? read_service(call, service) : ERR_INPUT;
    if (err == ERR_INPUT) {
        reply_input(&call->reply, "the request is no HealthCheckRequest");
        return CALL_ANSWER;
    }
    for (size_t i = 0; !err && i < sizeof services / sizeof services[0]; i++) {
        if (strcmp(service, services[i]) != 0)
            continue;
        bool stopping = atomic_load(&call->services->stopping);
        const char answer[] = {SERVICE << 3, stopping ? STATUS_NOT_SERVING : STATUS_SERVING};
        grpc_slice slice = grpc_slice_from_copied_buffer(answer, sizeof answer);
        call->reply.message = grpc_raw_byte_buffer_create(&slice, 1);
        grpc_slice_unref(slice);
        return CALL_ANSWER;
    }
    reply_refuse(&call->reply, REASON_UNKNOWN, "the service");
    return CALL_ANSWER;
}

const struct method health_methods[] = {
    {.path = "/grpc.health.v1.Health/Check", .need = NEED_NOTHING, .room = ROOM_QUERIES, .work = check_work},
};
const size_t health_count = sizeof health_methods / sizeof health_methods[0];
