/* What a call is answered with. Filled by whoever owns the call at that moment. A refusal is a gRPC status
 * with a text that says what, where and what to do, and the same for programs in "grpc-status-details-bin"
 * (https://google.aip.dev/193): ErrorInfo with one of the reasons of reason.h; BadRequest where a field is
 * wrong; RetryInfo, and "retry-after-ms" beside it, where waiting helps; ResourceInfo where it is known what
 * it is about. */
#ifndef EPCISD_FRONT_REPLY_H
#define EPCISD_FRONT_REPLY_H

#include <stdint.h>

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"
#include "server/front/reason.h"
#include "server/refusal.h"

enum { REPLY_DETAILS = 512, REPLY_NAME = 128 };

/* All zero is OK without a message. */
struct reply {
    grpc_status_code status;
    enum reason reason; /* where the status is not OK */
    char details[REPLY_DETAILS];
    const char *within;        /* the field that the violated one is a field of; NULL: it is the request's */
    const char *resource_type; /* NULL: none */
    char resource_name[REPLY_NAME];
    uint32_t retry_after_ms;   /* 0: none is told */
    grpc_byte_buffer *message; /* where the status is OK */
};

/* Refused for `reason`: "TEXT: its remedy". A retry_after_ms that stands already is kept, for whoever knows
 * it better than the reason's row. */
void reply_refuse(struct reply *reply, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The request is wrong: INVALID_ARGUMENT and this text, which says what would be right. Where it names a
 * field in backquotes, `like.this[2]`, the first is the one that is reported as violated (FIELD_INVALID);
 * where it names none, it is REQUEST_MALFORMED. */
void reply_input(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* After reply_input, whose text names a field of the message that is the request's `field`, a constant: so
 * that the path of what is reported as violated begins with it. */
void reply_within(struct reply *reply, const char *field);

/* Refused for want of room, in the words of `why`. */
void reply_refused(struct reply *reply, const struct refusal *why);

/* The reason that stands for `err`, and "TEXT: what the client can do about it". What is our own fault is
 * logged, as the client cannot mend it. Not on the loop. */
void reply_err(struct reply *reply, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* After one of those: what it is about, as "capture" and its id. `type` is a constant. */
void reply_about(struct reply *reply, const char *type, const char *name);

/* OK with this message. */
void reply_message(struct reply *reply, const ProtobufCMessage *message);

/* google.rpc.Status of a refusal, serialized; the caller unrefs it. */
grpc_slice reply_status(const struct reply *reply);

void reply_free(struct reply *reply);

#endif
