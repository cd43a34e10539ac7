#include "server/front/svc_dead_letter.h"

#include <string.h>

#include "epcis/v1/dead_letter_service.pb-c.h"
#include "server/front/page.h"
#include "server/front/query.h"

static const ProtobufCMessage *list_dead_letters(struct call *call, const ProtobufCMessage *message,
                                                 struct arena *arena)
{
    const Epcis__V1__ListDeadLettersRequest *request = (const Epcis__V1__ListDeadLettersRequest *)message;
    Epcis__V1__ListDeadLettersResponse *response = NULL;
    uint8_t capture_id[UUID_BYTES];
    struct page page;
    bool one_capture = request->capture_id[0] != '\0';
    if (one_capture && uuid_parse(request->capture_id, capture_id)) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "`capture_id` is \"%s\": a UUID as in a receipt is expected, or nothing",
                   request->capture_id);
        return NULL;
    }
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = store_dead_letters(call->services->store, one_capture ? capture_id : NULL, page.limit,
                                      page.cursor, arena, &response);
    if (!err)
        err = page_write(&page, arena, &response->next_page_token);
    if (err) {
        reply_err(&call->reply, err, "dead letters");
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *get_dead_letter(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const char *dead_letter_id = ((const Epcis__V1__GetDeadLetterRequest *)message)->dead_letter_id;
    Epcis__V1__GetDeadLetterResponse *response = NULL;
    if (!dead_letter_id[0]) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT, "`dead_letter_id` is empty");
        return NULL;
    }
    enum err err = store_dead_letter_get(call->services->store, dead_letter_id, arena, &response);
    if (err) {
        reply_err(&call->reply, err, "dead letter %s", dead_letter_id);
        return NULL;
    }
    return &response->base;
}

const struct method svc_dead_letter_methods[] = {
    {.path = "/epcis.v1.DeadLetterService/ListDeadLetters",
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_dead_letters_request__descriptor,
     .answer = list_dead_letters},
    {.path = "/epcis.v1.DeadLetterService/GetDeadLetter",
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_dead_letter_request__descriptor,
     .answer = get_dead_letter},
};
const size_t svc_dead_letter_count = sizeof svc_dead_letter_methods / sizeof svc_dead_letter_methods[0];
