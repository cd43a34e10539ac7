/* What a call is answered with. Filled by whoever owns the call at that moment. */
#ifndef EPCISD_FRONT_REPLY_H
#define EPCISD_FRONT_REPLY_H

#include <stdint.h>

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"

/* All zero is OK without a message. */
struct reply {
    grpc_status_code status;
    char details[320];
    uint32_t retry_after_ms;   /* trailing metadata "retry-after-ms" where it is not 0 */
    grpc_byte_buffer *message; /* where the status is OK */
};

/* A status and a text that says what is wrong and what would be right. */
void reply_fail(struct reply *reply, grpc_status_code status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The status that stands for `err`, and "TEXT: what the client can do about it". What is our own fault is
 * logged, as the client cannot mend it. Not on the loop. */
void reply_err(struct reply *reply, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* OK with this message. */
void reply_message(struct reply *reply, const ProtobufCMessage *message);

/* Frees what the reply holds. */
void reply_free(struct reply *reply);

#endif
