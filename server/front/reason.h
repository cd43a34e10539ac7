/* Why calls are refused: one row a reason, with all that is decided once for it. The names are stable, for
 * clients' programs: ErrorInfo.reason of domain "epcisd". proto/errors.md lists the same rows for people.
 * Any thread. */
#ifndef EPCISD_FRONT_REASON_H
#define EPCISD_FRONT_REASON_H

#include <stdint.h>

#include <grpc/status.h>

/* name, gRPC status, milliseconds after which to try again (0: waiting does not help, or nobody knows how
 * long), what it means, what the client can do */
#define REASONS(X)                                                                                           \
    X(FIELD_INVALID, INVALID_ARGUMENT, 0, "a field is missing, malformed or out of range",                   \
      "put the named field right; the text says what is expected")                                           \
    X(REQUEST_MALFORMED, INVALID_ARGUMENT, 0,                                                                \
      "the request is missing, too long, or no message of the method's type",                                \
      "send what the service's definition asks for")                                                         \
    X(STREAM_ORDER, INVALID_ARGUMENT, 0, "a stream's messages are out of order, or it ended too early",      \
      "send one start, then pieces, then finish")                                                            \
    X(DOCUMENT_TOO_LONG, RESOURCE_EXHAUSTED, 0, "the document is longer than is taken in this way",          \
      "send it through CaptureStream")                                                                       \
    X(ANSWER_TOO_LARGE, RESOURCE_EXHAUSTED, 0, "the answer needs more memory than one may have",             \
      "ask for fewer entries at once (page_size)")                                                           \
    X(DOCUMENT_BYTES, RESOURCE_EXHAUSTED, 0, "the document is longer than its partner's record allows",      \
      "send several shorter ones, or have max_document_bytes raised")                                        \
    X(BACKLOG_BYTES, RESOURCE_EXHAUSTED, 500, "received documents of too many bytes are unfinished",         \
      "try again after retry-after-ms")                                                                      \
    X(BACKLOG_DOCUMENTS, RESOURCE_EXHAUSTED, 500, "too many received documents are unfinished",              \
      "try again after retry-after-ms")                                                                      \
    X(BACKLOG_AGE, RESOURCE_EXHAUSTED, 500, "the oldest unfinished document waits for too long",             \
      "try again after retry-after-ms; the server's operator should look at its workers")                    \
    X(BACKLOG_FULL, RESOURCE_EXHAUSTED, 500, "some other queue of the server has no room",                   \
      "too much work is waiting; try again after retry-after-ms")                                            \
    X(DISK_SPACE, RESOURCE_EXHAUSTED, 500, "the server's disk has only its reserve left",                    \
      "try again after retry-after-ms; the server's operator must make room")                                \
    X(JOURNAL_SPACE, RESOURCE_EXHAUSTED, 500, "the journal's map has only its reserve left",                 \
      "try again after retry-after-ms; the server's operator must make room")                                \
    X(STORE_SPACE, RESOURCE_EXHAUSTED, 500, "the store's map has only its reserve left",                     \
      "try again after retry-after-ms; the server's operator must make room")                                \
    X(METADATA_TOO_LONG, RESOURCE_EXHAUSTED, 0, "the call's metadata is longer than is taken",               \
      "send less of it")                                                                                     \
    X(CALLS_FULL, RESOURCE_EXHAUSTED, 1000,                                                                  \
      "as many calls are under way as the server takes, of all or of one caller",                            \
      "try again after retry-after-ms")                                                                      \
    X(NOT_READ, RESOURCE_EXHAUSTED, 0, "a stream's messages were not read for too long",                     \
      "call again, read faster, and go on after what you have")                                              \
    X(MESSAGE_LATE, DEADLINE_EXCEEDED, 0, "no whole message came in the time that there is for one",         \
      "but for an upload with an upload_id nothing was kept; send it again")                                 \
    X(UPLOADS, RESOURCE_EXHAUSTED, 60000, "too many uploads with an upload_id are begun and not finished",   \
      "finish those, or try again after retry-after-ms")                                                     \
    X(PARTNER_REQUESTS, RESOURCE_EXHAUSTED, 1000,                                                            \
      "more documents came in a second than the partner's record allows", "try again after retry-after-ms")  \
    X(PARTNER_BYTES, RESOURCE_EXHAUSTED, 1000,                                                               \
      "the partner's unfinished documents have more bytes than its record allows",                           \
      "try again after retry-after-ms")                                                                      \
    X(PARTNER_SHARE, RESOURCE_EXHAUSTED, 1000,                                                               \
      "the partner's unfinished documents take as much as is left for all others",                           \
      "try again after retry-after-ms")                                                                      \
    X(UPLOAD_TAKEN, ABORTED, 0, "a later stream goes on with the upload, or nobody did and it was dropped",  \
      "GetUploadOffset tells how far it is")                                                                 \
    X(UPLOAD_OFFSET, OUT_OF_RANGE, 0, "the offset is beyond the bytes of the upload that are kept",          \
      "go on from what GetUploadOffset tells")                                                               \
    X(NEWS_PRUNED, OUT_OF_RANGE, 0, "what follows the cursor is no longer kept",                             \
      "go on from the cursor that the message names, and ask ListCaptures about what was before")            \
    X(NOT_FOUND, NOT_FOUND, 0, "what the request names is not known here, or another trading partner's",     \
      "not known here; compare it with the answer that told it")                                             \
    X(EXISTS, ALREADY_EXISTS, 0, "what the request would make is there already",                             \
      "use what is there, or choose another name")                                                           \
    X(VERSION_PASSED, ABORTED, 0, "somebody else changed it since the version that the request names",       \
      "read it again and change what it is now")                                                             \
    X(CAPTURE_BEGUN, FAILED_PRECONDITION, 0, "the document cannot be called off any more",                   \
      "see what becomes of its events, and correct them by events of their own")                             \
    X(OUTCOME_PENDING, FAILED_PRECONDITION, 0, "what became of the event is not known yet",                  \
      "try again when GetCapture tells that its document is done")                                           \
    X(LETTER_CLOSED, FAILED_PRECONDITION, 0, "the dead letter is closed already",                            \
      "nothing is left to do about it; GetDeadLetter tells who closed it")                                   \
    X(LETTER_UNFIT, FAILED_PRECONDITION, 0,                                                                  \
      "the dead letter has no event that can be sent again as it is, or was told by validate_only alone",    \
      "send a corrected event; what was only validated needs no closing")                                    \
    X(WORKERS_DIFFER, FAILED_PRECONDITION, 0, "the server's workers judge by different profiles or rules",   \
      "have all of them started with the same --profile and --rule")                                         \
    X(IDENTITY_MISSING, UNAUTHENTICATED, 0, "the caller proved no identity, which this server demands",      \
      "send \"authorization: Bearer TOKEN\" in the call's metadata, or use a certificate known here")        \
    X(IDENTITY_MALFORMED, UNAUTHENTICATED, 0,                                                                \
      "the authorization header holds no bearer token, or comes twice",                                      \
      "send \"authorization: Bearer TOKEN\", once")                                                          \
    X(IDENTITY_UNKNOWN, UNAUTHENTICATED, 0,                                                                  \
      "the token or certificate is no identity's here, or a revoked one's",                                  \
      "ask the server's operator for another")                                                               \
    X(IDENTITY_EXPIRED, UNAUTHENTICATED, 0, "the identity, or the token, has expired",                       \
      "ask the server's operator for a new token")                                                           \
    X(ROLE_MISSING, PERMISSION_DENIED, 0, "the identity has not the role that the method needs",             \
      "use another identity, or have one made that has the role")                                            \
    X(IDENTITY_CLOSED, FAILED_PRECONDITION, 0, "the identity has no token to rotate",                        \
      "create another identity")                                                                             \
    X(PARTNER_NOT_OWN, PERMISSION_DENIED, 0, "the caller may not act for the trading partner it names",      \
      "name one of your own GLNs, or nothing")                                                               \
    X(SERVER_STOPPING, UNAVAILABLE, 1000, "the server is stopping",                                          \
      "the server is stopping; try again later")                                                             \
    X(DISK_FAILED, UNAVAILABLE, 0, "a write to the server's disk failed, or a read",                         \
      "the server's disk refuses work; nothing was kept, try again later")                                   \
    X(METHOD_UNKNOWN, UNIMPLEMENTED, 0, "the server has no such method",                                     \
      "ask its reflection service, or read proto/, for what there is")                                       \
    X(INTERNAL, INTERNAL, 0, "an error inside the server", "an error inside the server; its log says more")

enum reason {
    REASON_NONE,
#define REASON_NAME(name, status, retry_ms, meaning, remedy) REASON_##name,
    REASONS(REASON_NAME)
#undef REASON_NAME
        REASON_COUNT,
};

struct reason_row {
    const char *name;
    const char *status_name; /* "INVALID_ARGUMENT" */
    grpc_status_code status;
    uint32_t retry_ms;
    const char *meaning;
    const char *remedy;
};

/* Not for REASON_NONE, any of them. */
const struct reason_row *reason_row(enum reason reason);

/* A call was answered so; and how many were since the start. */
void reason_count(enum reason reason);
uint64_t reason_counted(enum reason reason);

#endif
