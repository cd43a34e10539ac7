#include "server/front/svc_master_data.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/epcis/event_text.h"
#include "common/epcis/parser.h"
#include "common/epcis/writer.h"
#include "common/store/store_master.h"
#include "server/front/page.h"
#include "server/front/query.h"
#include "server/front/scope.h"
#include "server/front/svc_capture.h"

enum { PUT_BYTES_MAX = 2 << 20 };

/* ---- reading ------------------------------------------------------------------------------------------- */

static const ProtobufCMessage *get_master_data(struct call *call, const ProtobufCMessage *message,
                                               struct arena *arena)
{
    const Epcis__V1__GetMasterDataRequest *request = (const Epcis__V1__GetMasterDataRequest *)message;
    Epcis__V1__GetMasterDataResponse *response = NULL;
    struct scope scope;
    struct page page;
    if (!request->type[0] || !request->id[0]) {
        reply_input(&call->reply, "`%s` is empty", request->type[0] ? "id" : "type");
        return NULL;
    }
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = store_master_history(call->services->store, request->type, request->id,
                                        scope_sight(call, &scope), page.limit, page.cursor, arena, &response);
    if (err) {
        if (page_refused(err, &call->reply))
            return NULL;
        reply_err(&call->reply, err, "master data of %s", request->id);
        reply_about(&call->reply, "master data", request->id);
        return NULL;
    }
    return &response->base;
}

static const ProtobufCMessage *list_master_data(struct call *call, const ProtobufCMessage *message,
                                                struct arena *arena)
{
    const Epcis__V1__ListMasterDataRequest *request = (const Epcis__V1__ListMasterDataRequest *)message;
    Epcis__V1__ListMasterDataResponse *response = NULL;
    struct scope scope;
    struct page page;
    if (page_read(request->page_size, request->page_token, &page, &call->reply))
        return NULL;
    enum err err = store_master_list(call->services->store, request->type_prefix, scope_sight(call, &scope),
                                     page.limit, page.cursor, arena, &response);
    if (err) {
        if (!page_refused(err, &call->reply))
            reply_err(&call->reply, err, "master data");
        return NULL;
    }
    return &response->base;
}

/* ---- PutMasterData: the elements become a document ------------------------------------------------------
 */

static enum err append_document(void *context, const void *data, size_t bytes)
{
    struct buffer *document = context;
    buffer_append(document, data, bytes);
    return document->failed ? ERR_MEMORY : ERR_OK;
}

/* Its date tells it from an equal one sent before, which would be a duplicate document: what was true last
 * year may be so again. */
static enum err write_head(struct writer *writer)
{
    int64_t now_ms = clock_wall_ms();
    char date[EVENT_TIME_TEXT];
    Epcis__V1__Time now = EPCIS__V1__TIME__INIT;
    Epcis__V1__Document head = EPCIS__V1__DOCUMENT__INIT;
    now.seconds = now_ms / 1000;
    now.nanos = (uint32_t)(now_ms % 1000) * 1000000;
    now.fraction_digits = 3;
    event_time_text(&now, date);
    head.kind = EPCIS__V1__DOCUMENT_KIND__DOCUMENT_KIND_DOCUMENT;
    head.schema_version = (char *)"2.0";
    head.creation_date = date;
    return writer_document(writer, &head);
}

static enum err write_elements(struct call *call, struct writer *writer,
                               const Epcis__V1__PutMasterDataRequest *request)
{
    const char *reason = NULL;
    enum err err = ERR_OK;
    for (size_t i = 0; i < request->n_elements && !err; i++) {
        const Epcis__V1__VocabularyElement *element = request->elements[i];
        if (!element->type[0] || !element->id[0]) {
            reply_input(&call->reply, "`elements[%zu].%s` is empty", i, element->type[0] ? "id" : "type");
            return ERR_INPUT;
        }
        err = writer_vocabulary_element(writer, element, &reason);
        if (err == ERR_INPUT)
            reply_input(&call->reply, "`elements[%zu]`: %s", i, reason);
    }
    return err;
}

static enum err write_document(struct call *call, const Epcis__V1__PutMasterDataRequest *request,
                               struct buffer *out)
{
    struct writer *writer = NULL;
    enum err err = writer_open(WRITER_JSON_2, append_document, out, &writer);
    if (!err)
        err = write_head(writer);
    if (!err)
        err = write_elements(call, writer, request);
    if (!err)
        err = writer_finish(writer);
    writer_close(&writer);
    return err;
}

/* What no document can say (text that is not UTF-8, too much of something) is refused before there is a
 * receipt for it. */
static enum err prove_document(struct call *call, const struct buffer *document)
{
    struct parser *parser = NULL;
    struct parser_sink sink = {.context = NULL};
    enum err err = parser_open(&PARSER_LIMITS_DEFAULT, &sink, &parser);
    if (!err)
        err = parser_feed(parser, document->data, document->length);
    if (!err)
        err = parser_finish(parser);
    if (err == ERR_INPUT || err == ERR_LIMIT) {
        reply_input(&call->reply, "`elements` make no EPCIS document: %s", parser_error(parser)->message);
        err = ERR_INPUT;
    }
    parser_close(&parser);
    return err;
}

static enum call_next put_work(struct call *call, struct arena *arena)
{
    struct buffer document = {0};
    enum call_next next = CALL_ANSWER;
    const Epcis__V1__PutMasterDataRequest *request =
        (const Epcis__V1__PutMasterDataRequest *)query_read(call, arena);
    if (!request)
        return CALL_ANSWER;
    if (request->n_elements == 0) {
        reply_input(&call->reply, "`elements` is empty");
        return CALL_ANSWER;
    }
    enum err err = write_document(call, request, &document);
    if (!err)
        err = prove_document(call, &document);
    if (!err)
        next = svc_capture_document(call, request->partner, &document);
    else if (err != ERR_INPUT) /* which the reply tells already */
        reply_err(&call->reply, err, "the document was not kept");
    buffer_free(&document);
    return next;
}

const struct method svc_master_data_methods[] = {
    {.path = "/epcis.v1.MasterDataService/GetMasterData",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_master_data_request__descriptor,
     .answer = get_master_data},
    {.path = "/epcis.v1.MasterDataService/ListMasterData",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__list_master_data_request__descriptor,
     .answer = list_master_data},
    {.path = "/epcis.v1.MasterDataService/PutMasterData",
     .need = NEED_SUBMIT,
     .room = ROOM_DOCUMENTS,
     .admit = svc_capture_admit,
     .work = put_work,
     .request = &epcis__v1__put_master_data_request__descriptor,
     .request_max = PUT_BYTES_MAX},
};
const size_t svc_master_data_count = sizeof svc_master_data_methods / sizeof svc_master_data_methods[0];
