/* Calls a gRPC service and waits for the answer. The program's only user of gRPC's client half. One thread
 * at a time. */
#ifndef EPCISD_CTL_CLIENT_H
#define EPCISD_CTL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"

struct client;
struct client_stream;

/* gRPC's status codes, as far as the program tells them apart. */
enum client_code {
    CLIENT_OK = 0,
    CLIENT_CANCELLED = 1,
    CLIENT_UNKNOWN = 2,
    CLIENT_INVALID_ARGUMENT = 3,
    CLIENT_DEADLINE_EXCEEDED = 4,
    CLIENT_NOT_FOUND = 5,
    CLIENT_RESOURCE_EXHAUSTED = 8,
    CLIENT_UNIMPLEMENTED = 12,
    CLIENT_INTERNAL = 13,
    CLIENT_UNAVAILABLE = 14,
    CLIENT_UNAUTHENTICATED = 16,
};

/* How a call ended. */
struct client_status {
    int code; /* of gRPC; CLIENT_OK: the response was delivered */
    char message[512];
    uint32_t retry_after_ms; /* what the server asked for; 0: nothing */
    char reason[64];         /* as in proto/errors.md; empty: the server did not answer itself */
    char remedy[256];        /* what to do about it */
    char field[128];         /* of the request, that is wrong; empty: none */
};

/* "NOT_FOUND" */
const char *client_code_name(int code);

/* How to be safe, and to be known; texts are copied, NULL where there is none. */
struct client_security {
    const char *ca;          /* PEM: who may have issued the server's certificate; NULL: plain text */
    const char *certificate; /* PEM: the client's own, and its key */
    const char *key;
    const char *token; /* goes with each call */
};

/* `server`: HOST:PORT or unix:PATH. `security` NULL: none. Connects with the first call, and again whenever
 * needed. ERR_MEMORY; ERR_INPUT: gRPC can make nothing of the PEM texts. */
enum err client_open(const char *server, const struct client_security *security, struct client **out);
void client_close(struct client **client);

/* One request, one response, which the caller frees with protobuf_c_message_free_unpacked(…, NULL); it is
 * NULL unless status->code is CLIENT_OK. `deadline_ms`: of clock_steady_ms. Blocks. */
void client_call(struct client *client, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *response_type, int64_t deadline_ms,
                 ProtobufCMessage **response, struct client_status *status);

/* Many requests, one response. ERR_MEMORY. */
enum err client_stream_open(struct client *client, const char *method, int64_t deadline_ms,
                            struct client_stream **out);

/* Sends one message; blocks while the server takes no more. False: the call has ended, and
 * client_stream_finish tells why. */
bool client_stream_send(struct client_stream *stream, const ProtobufCMessage *request);

/* Says that no more comes, waits for the answer as client_call does, and frees the stream. */
void client_stream_finish(struct client_stream **stream, const ProtobufCMessageDescriptor *response_type,
                          ProtobufCMessage **response, struct client_status *status);

/* One request, many responses. ERR_MEMORY. */
enum err client_stream_read(struct client *client, const char *method, const ProtobufCMessage *request,
                            int64_t deadline_ms, struct client_stream **out);

/* Waits for the next response, which the caller frees. False: there are no more, and client_stream_finish
 * (with NULL for type and response) tells why. */
bool client_stream_next(struct client_stream *stream, const ProtobufCMessageDescriptor *response_type,
                        ProtobufCMessage **response);

/* Breaks the call off and frees the stream. */
void client_stream_cancel(struct client_stream **stream);

#endif
