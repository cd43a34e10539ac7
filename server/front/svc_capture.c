#include "server/front/svc_capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/epcis/receipt.h"
#include "epcis/v1/capture_service.pb-c.h"
#include "server/capture_query.h"
#include "server/front/capture_request.h"
#include "server/front/limits.h"
#include "server/front/query.h"
#include "server/ingest.h"

/* ---- receipts ------------------------------------------------------------------------------------------ */

/* `why` is looked at where `err` is of those that have one. */
static void fail_ingest(struct call *call, enum err err, const struct refusal *why)
{
    if (err == ERR_FULL || err == ERR_LIMIT)
        reply_refused(&call->reply, why);
    else if (err == ERR_INPUT)
        reply_input(&call->reply, "the `document` is empty: send an EPCIS document");
    else
        reply_err(&call->reply, err, "the document was not kept");
}

/* On the journal's thread: packs a few dozen bytes and goes. */
static void on_durable(void *context, enum err err, const struct receipt *receipt, const struct refusal *why)
{
    struct call *call = context;
    if (err) {
        fail_ingest(call, err, why);
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

static enum err begin(struct call *call, const char *named, struct ingest_document **out)
{
    const char *partner;
    enum err err = access_sender(call, named, &partner);
    if (err)
        return err;
    err = ingest_open(call->services->ingest, partner, out);
    if (err == ERR_INPUT)
        reply_input(&call->reply,
                    "`partner` is \"%s\": a GLN of 13 digits with its check digit is expected, or nothing",
                    partner);
    else if (err)
        reply_err(&call->reply, err, "the document was not kept");
    return err;
}

static enum err append_all(struct call *call, struct ingest_document *document, struct cursor *bytes)
{
    const uint8_t *data;
    size_t length;
    while ((length = cursor_run(bytes, &data)) > 0) {
        enum err err = ingest_append(document, data, length);
        if (err) {
            fail_ingest(call, err, ingest_refusal(document));
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
    if (begin(call, request.partner, &document))
        return CALL_ANSWER;
    ingest_set_terms(document, request.terms);
    if (append_all(call, document, &request.document)) {
        ingest_abort(&document);
        return CALL_ANSWER;
    }
    call_drop_request(call); /* 64 MiB that need not wait for the disk */
    ingest_finish(&document, on_durable, call);
    return CALL_LATER;
}

enum call_next svc_capture_document(struct call *call, const char *partner, const struct buffer *document)
{
    struct ingest_document *taken = NULL;
    if (begin(call, partner, &taken))
        return CALL_ANSWER;
    enum err err = ingest_append(taken, document->data, document->length);
    if (err) {
        fail_ingest(call, err, ingest_refusal(taken));
        ingest_abort(&taken);
        return CALL_ANSWER;
    }
    call_drop_request(call);
    ingest_finish(&taken, on_durable, call);
    return CALL_LATER;
}

/* ---- CaptureStream: call->state is the document between start and finish ---------------------------------
 */

static void upload_drop(struct call *call)
{
    struct ingest_document *document = call->state;
    call->state = NULL;
    ingest_abort(&document);
}

static enum call_next upload_start(struct call *call, const struct capture_stream_request *request)
{
    struct ingest_document *document = NULL;
    if (begin(call, request->partner, &document))
        return CALL_ANSWER;
    ingest_set_terms(document, request->terms);
    call->state = document;
    return CALL_MORE;
}

static enum call_next upload_piece(struct call *call, struct capture_stream_request *request)
{
    if (request->piece.left > FRONT_PIECE_MAX) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "a `piece` of %zu bytes came after %" PRIu64 " bytes; at most %d are taken at once",
                   request->piece.left, ingest_length(call->state), FRONT_PIECE_MAX);
        return CALL_ANSWER;
    }
    return append_all(call, call->state, &request->piece) ? CALL_ANSWER : CALL_MORE;
}

static enum call_next upload_finish(struct call *call, const struct capture_stream_request *request)
{
    struct ingest_document *document = call->state;
    uint8_t digest[DIGEST_BYTES];
    if (request->length != ingest_length(document)) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "`finish.length` is %" PRIu64 ", but the pieces have %" PRIu64 " bytes; nothing was kept",
                   request->length, ingest_length(document));
        return CALL_ANSWER;
    }
    ingest_digest(document, digest);
    if (memcmp(digest, request->sha256, DIGEST_BYTES) != 0) {
        char came[DIGEST_HEX + 1], expected[DIGEST_HEX + 1];
        digest_hex(request->sha256, DIGEST_BYTES, came);
        digest_hex(digest, DIGEST_BYTES, expected);
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "`finish.sha256` is %s, but the pieces have %s; nothing was kept", came, expected);
        return CALL_ANSWER;
    }
    call->state = NULL;
    ingest_finish(&document, on_durable, call);
    return CALL_LATER;
}

static enum call_next upload_step(struct call *call)
{
    struct cursor_source source;
    struct cursor cursor;
    struct capture_stream_request request;
    const char *why;
    const char *expected = call->state ? "`piece` or `finish`" : "`start`";
    if (!call->request) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "the stream ended after %" PRIu64 " bytes where %s was expected; nothing was kept",
                   call->state ? ingest_length(call->state) : 0, expected);
        return CALL_ANSWER;
    }
    call_cursor(call, &source, &cursor);
    if (capture_stream_request_read(&cursor, &request, &why)) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT, "%s; nothing was kept", why);
        return CALL_ANSWER;
    }
    if ((request.step == CAPTURE_STEP_START) == (call->state != NULL)) {
        reply_fail(&call->reply, GRPC_STATUS_INVALID_ARGUMENT,
                   "`%s` came after %" PRIu64 " bytes where %s was expected; nothing was kept",
                   capture_step_name(request.step), call->state ? ingest_length(call->state) : 0, expected);
        return CALL_ANSWER;
    }
    switch (request.step) {
    case CAPTURE_STEP_START:
        return upload_start(call, &request);
    case CAPTURE_STEP_PIECE:
        return upload_piece(call, &request);
    case CAPTURE_STEP_FINISH:
        break;
    }
    return upload_finish(call, &request);
}

static enum call_next upload_work(struct call *call, struct arena *arena)
{
    (void)arena;
    enum call_next next = upload_step(call);
    if (next == CALL_ANSWER)
        upload_drop(call); /* whatever ends a stream before its finish keeps nothing */
    return next;
}

/* ---- GetCapture ---------------------------------------------------------------------------------------- */

static const ProtobufCMessage *get_capture(struct call *call, const ProtobufCMessage *request,
                                           struct arena *arena)
{
    const char *text = ((const Epcis__V1__GetCaptureRequest *)request)->capture_id;
    uint8_t capture_id[UUID_BYTES];
    if (uuid_parse(text, capture_id)) {
        reply_input(&call->reply, "`capture_id` is \"%s\": a UUID as in a receipt is expected", text);
        return NULL;
    }
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

const struct method svc_capture_methods[] = {
    {.path = "/epcis.v1.CaptureService/Capture",
     .need = NEED_SUBMIT,
     .room = ROOM_DOCUMENTS,
     .admit = svc_capture_admit,
     .work = capture_work},
    {.path = "/epcis.v1.CaptureService/CaptureStream",
     .need = NEED_SUBMIT,
     .room = ROOM_UPLOADS,
     .streaming = true,
     .admit = svc_capture_admit,
     .work = upload_work,
     .drop = upload_drop},
    {.path = "/epcis.v1.CaptureService/GetCapture",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_capture_request__descriptor,
     .answer = get_capture},
};
const size_t svc_capture_count = sizeof svc_capture_methods / sizeof svc_capture_methods[0];
