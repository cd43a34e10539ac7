#include "server/front/reflection.h"

#include <string.h>

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "server/front/descriptors.h"
#include "server/front/loop.h"
#include "server/front/query.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
#define ASKED(name)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define ANSWERED(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

/* `text` is a constant. */
static enum err answer_error(answer *out, grpc_status_code code, const char *text, struct arena *arena)
{
    Grpc__Reflection__V1__ErrorResponse *error = arena_alloc(arena, sizeof *error);
    if (!error)
        return ERR_MEMORY;
    grpc__reflection__v1__error_response__init(error);
    error->error_code = (int32_t)code;
    error->error_message = (char *)text;
    out->message_response_case = ANSWERED(ERROR_RESPONSE);
    out->error_response = error;
    return ERR_OK;
}

static enum err answer_file(answer *out, const uint8_t *data, size_t length, struct arena *arena)
{
    Grpc__Reflection__V1__FileDescriptorResponse *response = arena_alloc(arena, sizeof *response);
    ProtobufCBinaryData *file = arena_alloc(arena, sizeof *file);
    if (!response || !file)
        return ERR_MEMORY;
    grpc__reflection__v1__file_descriptor_response__init(response);
    *file = (ProtobufCBinaryData){length, (uint8_t *)data};
    response->file_descriptor_proto = file;
    response->n_file_descriptor_proto = 1;
    out->message_response_case = ANSWERED(FILE_DESCRIPTOR_RESPONSE);
    out->file_descriptor_response = response;
    return ERR_OK;
}

static enum err add_service(Grpc__Reflection__V1__ListServiceResponse *list, const char *name, size_t length,
                            struct arena *arena)
{
    Grpc__Reflection__V1__ServiceResponse *service = arena_alloc(arena, sizeof *service);
    if (!service)
        return ERR_MEMORY;
    grpc__reflection__v1__service_response__init(service);
    service->name = arena_copy(arena, name, length);
    list->service[list->n_service++] = service;
    return service->name ? ERR_OK : ERR_MEMORY;
}

/* A service's methods are registered one after the other. */
static enum err answer_services(answer *out, const struct loop *loop, struct arena *arena)
{
    Grpc__Reflection__V1__ListServiceResponse *list = arena_alloc(arena, sizeof *list);
    if (!list)
        return ERR_MEMORY;
    grpc__reflection__v1__list_service_response__init(list);
    list->service = arena_alloc(arena, loop->method_count * sizeof *list->service);
    enum err err = list->service ? ERR_OK : ERR_MEMORY;
    const char *last = "";
    size_t last_length = 0;
    for (size_t i = 0; i < loop->method_count && !err; i++) {
        const char *name = loop->methods[i].method->path + 1;
        size_t length = strcspn(name, "/");
        if (length == last_length && memcmp(name, last, length) == 0)
            continue;
        err = add_service(list, name, length, arena);
        last = name;
        last_length = length;
    }
    out->message_response_case = ANSWERED(LIST_SERVICES_RESPONSE);
    out->list_services_response = list;
    return err;
}

static enum err answer_question(const struct call *call, const question *asked, answer *out,
                                struct arena *arena)
{
    const uint8_t *data = NULL;
    size_t length = 0;
    enum err err;
    switch (asked->message_request_case) {
    case ASKED(LIST_SERVICES):
        return answer_services(out, call->loop, arena);
    case ASKED(FILE_BY_FILENAME):
        err = descriptors_file(asked->file_by_filename, &data, &length);
        break;
    case ASKED(FILE_CONTAINING_SYMBOL):
        err = descriptors_symbol(asked->file_containing_symbol, &data, &length);
        break;
    case ASKED(FILE_CONTAINING_EXTENSION):
    case ASKED(ALL_EXTENSION_NUMBERS_OF_TYPE):
        return answer_error(out, GRPC_STATUS_NOT_FOUND, "there are no extensions here", arena);
    default:
        return answer_error(out, GRPC_STATUS_UNIMPLEMENTED, "no such question is known here", arena);
    }
    if (err)
        return answer_error(out, GRPC_STATUS_NOT_FOUND, "no such file or symbol is known here", arena);
    return answer_file(out, data, length, arena);
}

static enum call_next reflection_work(struct call *call, struct arena *arena)
{
    if (!call->asked)
        return CALL_MORE;
    if (!call->request)
        return CALL_ANSWER; /* that was all */
    const ProtobufCMessage *asked = query_read(call, arena);
    if (!asked)
        return CALL_ANSWER;
    answer out = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    out.original_request = (question *)asked;
    out.valid_host = out.original_request->host;
    enum err err = answer_question(call, out.original_request, &out, arena);
    if (err) {
        reply_err(&call->reply, err, "describing the services");
        return CALL_ANSWER;
    }
    reply_message(&call->reply, &out.base);
    return CALL_SEND;
}

/* Both versions have the same messages. */
const struct method reflection_methods[] = {
    {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
     .need = NEED_NOTHING,
     .room = ROOM_QUERIES,
     .streaming = true,
     .sending = true,
     .work = reflection_work,
     .request = &grpc__reflection__v1__server_reflection_request__descriptor},
    {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
     .need = NEED_NOTHING,
     .room = ROOM_QUERIES,
     .streaming = true,
     .sending = true,
     .work = reflection_work,
     .request = &grpc__reflection__v1__server_reflection_request__descriptor},
};
const size_t reflection_count = sizeof reflection_methods / sizeof reflection_methods[0];
