#include "server/front/svc_capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/epcis/receipt.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "server/capture_cancel.h"
#include "server/capture_query.h"
#include "server/front/capture_request.h"
#include "server/front/limits.h"
#include "server/front/query.h"
#include "server/ingest.h"

/* ---- receipts ------------------------------------------------------------------------------------------ */

void svc_capture_failed(struct call *call, enum err err, const struct refusal *why)
{
    if (err == ERR_FULL || err == ERR_LIMIT)
        reply_refused(&call->reply, why);
    else if (err == ERR_INPUT)
        reply_input(&call->reply, "the `document` is empty: send an EPCIS document");
    else if (err == ERR_EXISTS)
        reply_refuse(&call->reply, REASON_UPLOAD_TAKEN, "no document was made of these pieces");
    else
        reply_err(&call->reply, err, "the document was not kept");
}

/* On the journal's thread: packs a few dozen bytes and goes. */
void svc_capture_durable(void *context, enum err err, const struct receipt *receipt,
                         const struct refusal *why)
{
    struct call *call = context;
    if (err) {
        svc_capture_failed(call, err, why);
        call_wake(call);
        return;
    }
    char capture_id[UUID_TEXT + 1];
    char digest[RECEIPT_DIGEST];
    uuid_text(receipt->capture_id, capture_id);
    receipt_digest(receipt->document_sha256, digest);

    Epcis__V1__Receipt message = EPCIS__V1__RECEIPT__INIT;
    message.capture_id = capture_id;
    message.document_digest = digest;
    message.document_bytes = receipt->document_bytes;
    message.duplicate_document = receipt->duplicate_document;
    message.partner = (char *)receipt->partner;
    message.received_ms = receipt->received_ms;
    message.journal_position = receipt->journal_position;
    if (receipt->key_id[0]) {
        message.key_id = (char *)receipt->key_id;
        message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, (uint8_t *)receipt->signature};
    }

    /* CaptureStreamResponse and PutMasterDataResponse have the same one field. */
    Epcis__V1__CaptureResponse response = EPCIS__V1__CAPTURE_RESPONSE__INIT;
    response.receipt = &message;
    reply_message(&call->reply, &response.base);
    call_wake(call);
}

/* Before the body is read: a server that has no room must not take in 64 MiB to say so. */
bool svc_capture_admit(struct call *call)
{
    struct refusal why;
    switch (ingest_admit(call->services->ingest, &why)) {
    case ERR_OK:
        return true;
    case ERR_FULL:
        reply_refused(&call->reply, &why);
        return false;
    case ERR_STOPPED:
        reply_refuse(&call->reply, REASON_SERVER_STOPPING, "no document is taken");
        return false;
    default:
        reply_refuse(&call->reply, REASON_DISK_FAILED, "no document is taken");
        return false;
    }
}

void svc_capture_not_begun(struct call *call, enum err err, const char *partner)
{
    if (err == ERR_INPUT)
        reply_input(&call->reply,
                    "`%spartner` is \"%s\": a GLN of 13 digits with its check digit is expected, or nothing",
                    call->method->streaming ? "start." : "", partner);
    else
        reply_err(&call->reply, err, "the document was not kept");
}

enum err svc_capture_begin(struct call *call, const char *named, struct ingest_document **out)
{
    const char *partner;
    enum err err = access_sender(call, named, &partner);
    if (err)
        return err;
    err = ingest_open(call->services->ingest, partner, out);
    if (err)
        svc_capture_not_begun(call, err, partner);
    else
        ingest_set_caller(*out, call->caller.name, call->caller.partner);
    return err;
}

enum err svc_capture_append(struct call *call, struct ingest_document *document, struct cursor *bytes)
{
    const uint8_t *data;
    size_t length;
    while ((length = cursor_run(bytes, &data)) > 0) {
        enum err err = ingest_append(document, data, length);
        if (err) {
            svc_capture_failed(call, err, ingest_refusal(document));
            return err;
        }
    }
    return ERR_OK;
}

/* ---- Capture ------------------------------------------------------------------------------------------- */

static enum call_next capture_work(struct call *call, struct arena *arena)
{
    (void)arena;
    struct cursor_source source;
    struct cursor cursor;
    struct capture_request request;
    struct ingest_document *document = NULL;
    const char *why = "the call came without its request message";
    if (!call->request) {
        reply_input(&call->reply, "%s", why);
        return CALL_ANSWER;
    }
    call_cursor(call, &source, &cursor);
    if (capture_request_read(&cursor, &request, &why)) {
        reply_input(&call->reply, "%s", why);
        return CALL_ANSWER;
    }
    if (request.document.left > FRONT_DOCUMENT_MAX) {
        reply_refuse(&call->reply, REASON_DOCUMENT_TOO_LONG, "the document has %zu bytes; Capture takes %d",
                     request.document.left, FRONT_DOCUMENT_MAX);
        return CALL_ANSWER;
    }
    if (svc_capture_begin(call, request.partner, &document))
        return CALL_ANSWER;
    ingest_set_terms(document, request.terms);
    if (svc_capture_append(call, document, &request.document)) {
        ingest_abort(&document);
        return CALL_ANSWER;
    }
    call_drop_request(call); /* 64 MiB that need not wait for the disk */
    ingest_finish(&document, svc_capture_durable, call);
    return CALL_LATER;
}

enum call_next svc_capture_document(struct call *call, const char *partner, const struct buffer *document)
{
    struct ingest_document *taken = NULL;
    if (svc_capture_begin(call, partner, &taken))
        return CALL_ANSWER;
    enum err err = ingest_append(taken, document->data, document->length);
    if (err) {
        svc_capture_failed(call, err, ingest_refusal(taken));
        ingest_abort(&taken);
        return CALL_ANSWER;
    }
    call_drop_request(call);
    ingest_finish(&taken, svc_capture_durable, call);
    return CALL_LATER;
}

/* ---- GetCapture ---------------------------------------------------------------------------------------- */

static bool read_capture_id(struct call *call, const char *text, uint8_t capture_id[UUID_BYTES])
{
    if (!uuid_parse(text, capture_id))
        return true;
    reply_input(&call->reply, "`capture_id` is \"%s\": a UUID as in a receipt is expected", text);
    return false;
}

static const ProtobufCMessage *get_capture(struct call *call, const ProtobufCMessage *request,
                                           struct arena *arena)
{
    const char *text = ((const Epcis__V1__GetCaptureRequest *)request)->capture_id;
    uint8_t capture_id[UUID_BYTES];
    if (!read_capture_id(call, text, capture_id))
        return NULL;
    Epcis__V1__GetCaptureResponse *response = arena_alloc(arena, sizeof *response);
    if (!response) {
        reply_err(&call->reply, ERR_MEMORY, "capture %s", text);
        return NULL;
    }
    epcis__v1__get_capture_response__init(response);
    enum err err = capture_get(call->services->journal, capture_id, arena, &response->capture);
    if (!err)
        err = access_sees(call, response->capture->receipt->partner);
    if (err) {
        reply_err(&call->reply, err, "capture %s", text);
        reply_about(&call->reply, "capture", text);
        return NULL;
    }
    return &response->base;
}

/* ---- CancelCapture --------------------------------------------------------------------------------------
 */

static void refuse_cancel(struct call *call, enum err err, const char *text,
                          const Epcis__V1__Capture *capture)
{
    if (err == ERR_EXISTS)
        reply_refuse(
            &call->reply, REASON_CAPTURE_BEGUN,
            "capture %s is in state %s: %" PRIu64 " events read so far, %" PRIu64 " committed, %" PRIu64
            " duplicates, %" PRIu64 " dead letters",
            text,
            protobuf_c_enum_descriptor_get_value(&epcis__v1__capture_state__descriptor, (int)capture->state)
                ->name,
            capture->events, capture->committed, capture->duplicates, capture->dead_letters);
    else
        reply_err(&call->reply, err, "capture %s", text);
    reply_about(&call->reply, "capture", text);
}

static const ProtobufCMessage *cancel_capture(struct call *call, const ProtobufCMessage *message,
                                              struct arena *arena)
{
    enum { WHO_MAX = 256, WHY_MAX = 2000 };
    const Epcis__V1__CancelCaptureRequest *request = (const Epcis__V1__CancelCaptureRequest *)message;
    const struct services *services = call->services;
    uint8_t capture_id[UUID_BYTES];
    if (!read_capture_id(call, request->capture_id, capture_id))
        return NULL;
    if (!request->who[0] || !request->why[0] || strlen(request->who) > WHO_MAX ||
        strlen(request->why) > WHY_MAX) {
        reply_input(&call->reply, "`who` (at most %d bytes) and `why` (at most %d bytes) are both expected",
                    WHO_MAX, WHY_MAX);
        return NULL;
    }
    const char *who = access_who(call, request->who, arena);
    Epcis__V1__CancelCaptureResponse *response = arena_alloc(arena, sizeof *response);
    if (!response || !who) {
        reply_err(&call->reply, ERR_MEMORY, "capture %s", request->capture_id);
        return NULL;
    }
    epcis__v1__cancel_capture_response__init(response);
    enum err err = capture_get(services->journal, capture_id, arena, &response->capture);
    if (!err)
        err = access_sees(call, response->capture->receipt->partner);
    if (!err)
        err = capture_cancel(services->journal, services->converter, capture_id, who, request->why);
    if (!err || err == ERR_EXISTS) { /* as it is now */
        enum err again = capture_get(services->journal, capture_id, arena, &response->capture);
        err = again ? again : err;
    }
    if (!err)
        return &response->base;
    refuse_cancel(call, err, request->capture_id, response->capture);
    return NULL;
}

const struct method svc_capture_methods[] = {
    {.path = "/epcis.v1.CaptureService/Capture",
     .need = NEED_SUBMIT,
     .room = ROOM_DOCUMENTS,
     .admit = svc_capture_admit,
     .work = capture_work},
    {.path = "/epcis.v1.CaptureService/GetCapture",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_capture_request__descriptor,
     .answer = get_capture},
    {.path = "/epcis.v1.CaptureService/CancelCapture",
     .need = NEED_SUBMIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__cancel_capture_request__descriptor,
     .answer = cancel_capture},
};
const size_t svc_capture_count = sizeof svc_capture_methods / sizeof svc_capture_methods[0];
