#include "server/ctl/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>

#include "common/base/clock.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

enum { RESPONSE_MAX = 64 << 20 };

struct client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    char *authorization; /* a header's value; NULL: none */
};

/* A call of any kind. What it receives is asked for at its start and looked at at its end; but where there
 * are many responses, each is asked for when the one before was read. The addresses of `begun`, `sent`,
 * `received` and `ended` are the tags of its batches. */
struct client_stream {
    struct client *client;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *response;
    grpc_status_code code;
    grpc_slice details;
    bool reads; /* many responses */
    bool receiving;
    char begun, sent, received, ended;
};

const char *client_code_name(int code)
{
    static const char *const names[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    return code >= 0 && (size_t)code < sizeof names / sizeof names[0] ? names[code] : "UNKNOWN";
}

/* What gRPC has to say comes back as statuses; its own log is for those who ask for it. */
static void be_quiet(gpr_log_func_args *line)
{
    if (getenv("GRPC_VERBOSITY"))
        fprintf(stderr, "%s:%d: %s\n", line->file, line->line, line->message);
}

static grpc_arg integer(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

static char *make_authorization(const char *token)
{
    char *text = NULL;
    return asprintf(&text, "Bearer %s", token) < 0 ? NULL : text;
}

/* NULL: gRPC can make nothing of the PEM texts. */
static grpc_channel_credentials *make_credentials(const struct client_security *security)
{
    if (!security || !security->ca)
        return grpc_insecure_credentials_create();
    grpc_ssl_pem_key_cert_pair pair = {.private_key = security->key, .cert_chain = security->certificate};
    return grpc_ssl_credentials_create_ex(security->ca, security->certificate ? &pair : NULL, NULL, NULL);
}

enum err client_open(const char *server, const struct client_security *security, struct client **out)
{
    *out = NULL;
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return ERR_MEMORY;
    gpr_set_log_function(be_quiet);
    grpc_init();
    grpc_arg args[] = {
        integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RESPONSE_MAX),
        integer(GRPC_ARG_ENABLE_HTTP_PROXY, 0), /* a proxy for web pages does not carry HTTP/2 */
        integer(GRPC_ARG_ENABLE_RETRIES, 0),    /* would keep what was sent in memory */
        integer(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000),
        integer(GRPC_ARG_KEEPALIVE_TIME_MS, 30000),
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof args[0], .args = args};
    grpc_channel_credentials *credentials = make_credentials(security);
    bool token = security && security->token;
    if (token)
        client->authorization = make_authorization(security->token);
    if (!credentials || (token && !client->authorization)) {
        enum err err = credentials ? ERR_MEMORY : ERR_INPUT;
        grpc_channel_credentials_release(credentials);
        free(client->authorization);
        free(client);
        grpc_shutdown_blocking();
        return err;
    }
    client->channel = grpc_channel_create(server, credentials, &all);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials_release(credentials);
    *out = client;
    return ERR_OK;
}

void client_close(struct client **client)
{
    struct client *closed = *client;
    *client = NULL;
    if (!closed)
        return;
    grpc_channel_destroy(closed->channel);
    grpc_completion_queue_shutdown(closed->queue);
    grpc_completion_queue_destroy(closed->queue);
    if (closed->authorization)
        explicit_bzero(closed->authorization, strlen(closed->authorization));
    free(closed->authorization);
    free(closed);
    grpc_shutdown_blocking();
}

/* Waits for a batch; true where all of it succeeded. The call's own deadline ends every wait. */
static bool wait_for(struct client_stream *stream, void *tag)
{
    grpc_event event =
        grpc_completion_queue_pluck(stream->client->queue, tag, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    return event.type == GRPC_OP_COMPLETE && event.success;
}

static void start(struct client_stream *stream, const grpc_op *ops, size_t count, void *tag)
{
    CHECK(grpc_call_start_batch(stream->call, ops, count, tag, NULL) == GRPC_CALL_OK);
}

static enum err open_stream(struct client *client, const char *method, int64_t deadline_ms, bool reads,
                            struct client_stream **out)
{
    *out = NULL;
    struct client_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return ERR_MEMORY;
    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_millis(deadline_ms - clock_steady_ms(), GPR_TIMESPAN));
    stream->client = client;
    stream->reads = reads;
    stream->details = grpc_empty_slice();
    grpc_metadata_array_init(&stream->initial);
    grpc_metadata_array_init(&stream->trailing);
    stream->call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
                                            grpc_slice_from_static_string(method), NULL, deadline, NULL);

    grpc_metadata authorization = {.key = grpc_slice_from_static_string("authorization")};
    grpc_op begin[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    if (client->authorization) {
        authorization.value = grpc_slice_from_copied_string(client->authorization);
        begin[0].data.send_initial_metadata.metadata = &authorization;
        begin[0].data.send_initial_metadata.count = 1;
    }
    start(stream, begin, 1, &stream->begun);
    if (client->authorization)
        grpc_slice_unref(authorization.value);
    const grpc_op end[] = {
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->initial},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &stream->trailing,
                                        .status = &stream->code,
                                        .status_details = &stream->details}},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &stream->response},
    };
    start(stream, end, reads ? 2 : 3, &stream->ended);
    wait_for(stream, &stream->begun); /* with the connection, or its failure, which the end will tell */
    *out = stream;
    return ERR_OK;
}

enum err client_stream_open(struct client *client, const char *method, int64_t deadline_ms,
                            struct client_stream **out)
{
    return open_stream(client, method, deadline_ms, false, out);
}

bool client_stream_send(struct client_stream *stream, const ProtobufCMessage *request)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(request));
    protobuf_c_message_pack(request, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    const grpc_op send[] = {
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
    };
    start(stream, send, 1, &stream->sent);
    bool sent = wait_for(stream, &stream->sent);
    grpc_byte_buffer_destroy(message);
    return sent;
}

static void free_stream(struct client_stream **stream)
{
    struct client_stream *freed = *stream;
    *stream = NULL;
    if (freed->response)
        grpc_byte_buffer_destroy(freed->response);
    grpc_slice_unref(freed->details);
    grpc_metadata_array_destroy(&freed->initial);
    grpc_metadata_array_destroy(&freed->trailing);
    grpc_call_unref(freed->call);
    free(freed);
}

static bool slice_is(grpc_slice slice, const char *text)
{
    size_t length = strlen(text);
    return GRPC_SLICE_LENGTH(slice) == length && memcmp(GRPC_SLICE_START_PTR(slice), text, length) == 0;
}

static void copy_slice(grpc_slice slice, char *out, size_t size)
{
    size_t length = GRPC_SLICE_LENGTH(slice) < size - 1 ? GRPC_SLICE_LENGTH(slice) : size - 1;
    memcpy(out, GRPC_SLICE_START_PTR(slice), length);
    out[length] = '\0';
}

static ProtobufCMessage *unpack_detail(const Google__Protobuf__Any *detail,
                                       const ProtobufCMessageDescriptor *type)
{
    const char *name = strrchr(detail->type_url, '/');
    if (!name || strcmp(name + 1, type->name) != 0)
        return NULL;
    return protobuf_c_message_unpack(type, NULL, detail->value.len, detail->value.data);
}

static void read_detail(const Google__Protobuf__Any *detail, struct client_status *status)
{
    ProtobufCMessage *message = unpack_detail(detail, &google__rpc__error_info__descriptor);
    if (message) {
        const Google__Rpc__ErrorInfo *info = (const Google__Rpc__ErrorInfo *)message;
        snprintf(status->reason, sizeof status->reason, "%s", info->reason);
        for (size_t i = 0; i < info->n_metadata; i++)
            if (strcmp(info->metadata[i]->key, "remedy") == 0)
                snprintf(status->remedy, sizeof status->remedy, "%s", info->metadata[i]->value);
        protobuf_c_message_free_unpacked(message, NULL);
        return;
    }
    message = unpack_detail(detail, &google__rpc__bad_request__descriptor);
    if (message) {
        const Google__Rpc__BadRequest *request = (const Google__Rpc__BadRequest *)message;
        if (request->n_field_violations)
            snprintf(status->field, sizeof status->field, "%s", request->field_violations[0]->field);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* gRPC's error model: https://google.aip.dev/193 */
static void read_details(grpc_slice bytes, struct client_status *status)
{
    Google__Rpc__Status *details =
        google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    for (size_t i = 0; details && i < details->n_details; i++)
        read_detail(details->details[i], status);
    if (details)
        google__rpc__status__free_unpacked(details, NULL);
}

static void read_status(const struct client_stream *stream, struct client_status *status)
{
    *status = (struct client_status){.code = (int)stream->code};
    copy_slice(stream->details, status->message, sizeof status->message);
    for (size_t i = 0; i < stream->trailing.count; i++) {
        const grpc_metadata *entry = &stream->trailing.metadata[i];
        char number[16];
        if (slice_is(entry->key, "grpc-status-details-bin"))
            read_details(entry->value, status);
        if (!slice_is(entry->key, "retry-after-ms"))
            continue;
        copy_slice(entry->value, number, sizeof number);
        status->retry_after_ms = (uint32_t)strtoul(number, NULL, 10);
    }
}

static ProtobufCMessage *read_response(const struct client_stream *stream,
                                       const ProtobufCMessageDescriptor *type)
{
    grpc_byte_buffer_reader reader;
    if (!stream->response || !grpc_byte_buffer_reader_init(&reader, stream->response))
        return NULL;
    grpc_slice flat = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(flat), GRPC_SLICE_START_PTR(flat));
    grpc_slice_unref(flat);
    return message;
}

static void send_close(struct client_stream *stream)
{
    const grpc_op close[] = {{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}};
    start(stream, close, 1, &stream->sent);
}

static void receive(struct client_stream *stream)
{
    const grpc_op ops[] = {
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &stream->response},
    };
    start(stream, ops, 1, &stream->received);
    stream->receiving = true;
}

static void wait_received(struct client_stream *stream)
{
    if (stream->receiving)
        wait_for(stream, &stream->received);
    stream->receiving = false;
}

enum err client_stream_read(struct client *client, const char *method, const ProtobufCMessage *request,
                            int64_t deadline_ms, struct client_stream **out)
{
    enum err err = open_stream(client, method, deadline_ms, true, out);
    if (err)
        return err;
    client_stream_send(*out, request); /* where it fails, the end tells why */
    send_close(*out);
    wait_for(*out, &(*out)->sent);
    receive(*out);
    return ERR_OK;
}

bool client_stream_next(struct client_stream *stream, const ProtobufCMessageDescriptor *response_type,
                        ProtobufCMessage **response)
{
    wait_received(stream);
    *response = read_response(stream, response_type);
    if (!stream->response)
        return false;
    grpc_byte_buffer_destroy(stream->response);
    stream->response = NULL;
    if (*response)
        receive(stream);
    else
        grpc_call_cancel_with_status(stream->call, GRPC_STATUS_INTERNAL, "an answer is malformed", NULL);
    return *response;
}

void client_stream_finish(struct client_stream **stream, const ProtobufCMessageDescriptor *response_type,
                          ProtobufCMessage **response, struct client_status *status)
{
    struct client_stream *ending = *stream;
    if (!ending->reads)
        send_close(ending);
    wait_received(ending);
    wait_for(ending, &ending->ended);
    if (!ending->reads)
        wait_for(ending, &ending->sent);
    read_status(ending, status);
    if (response)
        *response = NULL;
    if (response && status->code == CLIENT_OK) {
        *response = read_response(ending, response_type);
        if (!*response) {
            status->code = CLIENT_INTERNAL;
            snprintf(status->message, sizeof status->message, "the answer is no %s", response_type->name);
        }
    }
    free_stream(stream);
}

void client_stream_cancel(struct client_stream **stream)
{
    if (!*stream)
        return;
    grpc_call_cancel((*stream)->call, NULL);
    wait_received(*stream);
    wait_for(*stream, &(*stream)->ended);
    free_stream(stream);
}

void client_call(struct client *client, const char *method, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *response_type, int64_t deadline_ms,
                 ProtobufCMessage **response, struct client_status *status)
{
    struct client_stream *stream;
    *response = NULL;
    if (client_stream_open(client, method, deadline_ms, &stream)) {
        *status = (struct client_status){.code = CLIENT_INTERNAL, .message = "out of memory"};
        return;
    }
    client_stream_send(stream, request); /* where it fails, the end tells why */
    client_stream_finish(&stream, response_type, response, status);
}
