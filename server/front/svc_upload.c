#include "server/front/svc_upload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "epcis/v1/capture_service.pb-c.h"
#include "server/capture_query.h"
#include "server/front/access.h"
#include "server/front/capture_request.h"
#include "server/front/limits.h"
#include "server/front/query.h"
#include "server/front/svc_capture.h"
#include "server/ingest.h"

/* A stream between start and finish: call->state. */
struct upload {
    struct ingest_document *document;
    uint64_t length; /* as `start` has it; 0: unknown */
    bool digest_given;
    uint8_t sha256[DIGEST_BYTES];
    struct capture_terms terms;
    char content_type[JOURNAL_CONTENT_TYPE];
};

static uint64_t length_of(const struct upload *upload)
{
    return upload ? ingest_length(upload->document) : 0;
}

static void upload_drop(struct call *call)
{
    struct upload *upload = call->state;
    call->state = NULL;
    if (upload)
        ingest_abort(&upload->document);
    free(upload);
}

/* ---- start ------------------------------------------------------------------------------------------- */

static void set_document(struct upload *upload, struct ingest_document *document)
{
    upload->document = document;
    ingest_set_terms(document, upload->terms);
    ingest_set_streamed(document);
    ingest_set_content_type(document, upload->content_type);
}

/* On the journal's thread. */
static void on_claimed(void *context, enum err err, struct ingest_document *document, uint64_t held_bytes,
                       const struct refusal *why)
{
    struct call *call = context;
    struct upload *upload = call->state;
    if (!err) {
        ingest_set_caller(document, call->caller.name, call->caller.partner);
        set_document(upload, document);
        call->next = CALL_MORE;
    } else {
        call->state = NULL;
        free(upload);
        if (err == ERR_ORDER)
            reply_refuse(&call->reply, REASON_UPLOAD_OFFSET,
                         "`offset` is beyond the %" PRIu64 " bytes that are here", held_bytes);
        else
            svc_capture_failed(call, err, why);
    }
    call_wake(call);
}

static enum call_next claim(struct call *call, const struct capture_stream_request *request)
{
    const char *partner;
    if (access_sender(call, request->partner, &partner))
        return CALL_ANSWER;
    enum err err =
        ingest_claim(call->services->ingest, request->upload_id, partner, request->offset, on_claimed, call);
    if (err)
        svc_capture_not_begun(call, err, partner);
    return err ? CALL_ANSWER : CALL_LATER;
}

static enum call_next upload_start(struct call *call, const struct capture_stream_request *request)
{
    struct ingest_document *document = NULL;
    struct upload *upload = calloc(1, sizeof *upload);
    if (!upload) {
        reply_err(&call->reply, ERR_MEMORY, "an upload");
        return CALL_ANSWER;
    }
    upload->length = request->length;
    upload->digest_given = request->digest_given;
    memcpy(upload->sha256, request->sha256, DIGEST_BYTES);
    upload->terms = request->terms;
    memcpy(upload->content_type, request->content_type, sizeof upload->content_type);
    call->state = upload;
    if (request->resumable)
        return claim(call, request);
    if (!svc_capture_admit(call) || svc_capture_begin(call, request->partner, &document))
        return CALL_ANSWER;
    set_document(upload, document);
    return CALL_MORE;
}

/* ---- pieces and finish ------------------------------------------------------------------------------- */

/* The pieces are not the document that was to come: nothing continues them. */
static void discard(struct call *call)
{
    struct upload *upload = call->state;
    ingest_discard(&upload->document);
}

static enum call_next upload_piece(struct call *call, struct capture_stream_request *request)
{
    struct upload *upload = call->state;
    if (request->piece.left > FRONT_PIECE_MAX) {
        reply_input(&call->reply,
                    "a `piece` of %zu bytes came after %" PRIu64 " bytes; at most %d are taken at once",
                    request->piece.left, length_of(upload), FRONT_PIECE_MAX);
        return CALL_ANSWER;
    }
    if (svc_capture_append(call, upload->document, &request->piece))
        return CALL_ANSWER;
    if (!upload->length || length_of(upload) <= upload->length)
        return CALL_MORE;
    reply_input(&call->reply,
                "`start.length` is %" PRIu64 ", but the pieces have %" PRIu64
                " bytes already; nothing was kept",
                upload->length, length_of(upload));
    discard(call);
    return CALL_ANSWER;
}

static bool check_length(struct call *call, const char *field, uint64_t expected)
{
    uint64_t length = length_of(call->state);
    if (expected == length)
        return true;
    reply_input(&call->reply,
                "`%s.length` is %" PRIu64 ", but the pieces have %" PRIu64 " bytes; nothing was kept", field,
                expected, length);
    return false;
}

static bool check_digest(struct call *call, const char *field, const uint8_t expected[DIGEST_BYTES])
{
    const struct upload *upload = call->state;
    uint8_t digest[DIGEST_BYTES];
    char came[DIGEST_HEX + 1], wanted[DIGEST_HEX + 1];
    ingest_digest(upload->document, digest);
    if (memcmp(digest, expected, DIGEST_BYTES) == 0)
        return true;
    digest_hex(expected, DIGEST_BYTES, wanted);
    digest_hex(digest, DIGEST_BYTES, came);
    reply_input(&call->reply, "`%s.sha256` is %s, but the pieces have %s; nothing was kept", field, wanted,
                came);
    return false;
}

static enum call_next upload_finish(struct call *call, const struct capture_stream_request *request)
{
    struct upload *upload = call->state;
    if (!check_length(call, "finish", request->length) || !check_digest(call, "finish", request->sha256) ||
        (upload->length && !check_length(call, "start", upload->length)) ||
        (upload->digest_given && !check_digest(call, "start", upload->sha256))) {
        discard(call);
        return CALL_ANSWER;
    }
    struct ingest_document *document = upload->document;
    call->state = NULL;
    free(upload);
    ingest_finish(&document, svc_capture_durable, call);
    return CALL_LATER;
}

/* ---- the stream ---------------------------------------------------------------------------------------- */

static enum call_next upload_step(struct call *call)
{
    struct cursor_source source;
    struct cursor cursor;
    struct capture_stream_request request;
    const char *why;
    const char *expected = call->state ? "`piece` or `finish`" : "`start`";
    if (!call->request) {
        reply_refuse(&call->reply, REASON_STREAM_ORDER,
                     "the stream ended after %" PRIu64
                     " bytes where %s was expected; no document was made of them",
                     length_of(call->state), expected);
        return CALL_ANSWER;
    }
    call_cursor(call, &source, &cursor);
    if (capture_stream_request_read(&cursor, &request, &why)) {
        reply_input(&call->reply, "%s; no document was made of it", why);
        return CALL_ANSWER;
    }
    if ((request.step == CAPTURE_STEP_START) == (call->state != NULL)) {
        reply_refuse(&call->reply, REASON_STREAM_ORDER,
                     "`%s` came after %" PRIu64 " bytes where %s was expected; no document was made of them",
                     capture_step_name(request.step), length_of(call->state), expected);
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
        upload_drop(call); /* of what ends a stream before its finish, no document is made */
    return next;
}

/* Whether there is room for a new document is asked at its start: one that is continued needs none. */
static bool upload_admit(struct call *call)
{
    struct refusal why;
    return ingest_admit(call->services->ingest, &why) == ERR_FULL || svc_capture_admit(call);
}

/* ---- GetUploadOffset -------------------------------------------------------------------------------------
 */

static enum err find_upload(struct call *call, const Epcis__V1__GetUploadOffsetRequest *request,
                            const char *partner, const uint8_t upload_id[UUID_BYTES], struct arena *arena,
                            Epcis__V1__GetUploadOffsetResponse *response)
{
    uint8_t key[JOURNAL_UPLOAD_KEY];
    size_t key_bytes;
    Epcis__Store__V1__UploadRecord *record = NULL;
    enum err err = ingest_upload_key(upload_id, partner, key, &key_bytes);
    if (err) {
        svc_capture_not_begun(call, err, partner);
        return err;
    }
    err = journal_upload_by_key(call->services->journal, key, key_bytes, arena, &record);
    if (!err && record->document_number)
        err = capture_receipt(call->services->journal, record->document_number, arena, &response->receipt);
    if (err) {
        reply_err(&call->reply, err, "upload %s", request->upload_id);
        reply_about(&call->reply, "upload", request->upload_id);
        return err;
    }
    response->offset = response->receipt ? response->receipt->document_bytes
                                         : record->bytes - record->bytes % JOURNAL_PIECE_BYTES;
    return ERR_OK;
}

static const ProtobufCMessage *get_upload_offset(struct call *call, const ProtobufCMessage *message,
                                                 struct arena *arena)
{
    const Epcis__V1__GetUploadOffsetRequest *request = (const Epcis__V1__GetUploadOffsetRequest *)message;
    uint8_t upload_id[UUID_BYTES];
    const char *partner;
    if (uuid_parse(request->upload_id, upload_id)) {
        reply_input(&call->reply, "`upload_id` is \"%s\": a UUID as in `start` is expected",
                    request->upload_id);
        return NULL;
    }
    if (access_sender(call, request->partner, &partner))
        return NULL;
    Epcis__V1__GetUploadOffsetResponse *response = arena_alloc(arena, sizeof *response);
    if (!response) {
        reply_err(&call->reply, ERR_MEMORY, "upload %s", request->upload_id);
        return NULL;
    }
    epcis__v1__get_upload_offset_response__init(response);
    return find_upload(call, request, partner, upload_id, arena, response) ? NULL : &response->base;
}

const struct method svc_upload_methods[] = {
    {.path = "/epcis.v1.CaptureService/CaptureStream",
     .need = NEED_SUBMIT,
     .room = ROOM_UPLOADS,
     .streaming = true,
     .admit = upload_admit,
     .work = upload_work,
     .drop = upload_drop},
    {.path = "/epcis.v1.CaptureService/GetUploadOffset",
     .need = NEED_SUBMIT,
     .room = ROOM_QUERIES,
     .work = query_work,
     .request = &epcis__v1__get_upload_offset_request__descriptor,
     .answer = get_upload_offset},
};
const size_t svc_upload_count = sizeof svc_upload_methods / sizeof svc_upload_methods[0];
