/* The front on a real port, before fakes, spoken to by epcisctl's client and, for what that client would
 * never send, by bare gRPC. */
#include <check.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>

#include "common/base/clock.h"
#include "epcis/v1/partner_service.pb-c.h"
#include "server/ctl/client.h"
#include "server/front/front.h"
#include "server/front/limits.h"
#include "tests/component/front_fakes.h"

enum { PATIENCE_MS = 60000, GRACE_MS = 200 };

static const char capture_method[] = "/epcis.v1.CaptureService/Capture";
static const char stream_method[] = "/epcis.v1.CaptureService/CaptureStream";
static const char capture_query[] = "/epcis.v1.CaptureService/GetCapture";
static const char history_query[] = "/epcis.v1.TraceService/GetItemHistory";

static struct ingest *ingest;
static struct front *front;
static struct client *client;

static int64_t soon(void)
{
    return clock_steady_ms() + PATIENCE_MS;
}

static void begin_with(const struct front_limits *limits)
{
    ingest = fake_ingest_new();
    ck_assert_int_eq(front_open_limited(&(struct front_options){.listen = "127.0.0.1:0"}, ingest, NULL, NULL,
                                        limits, &front),
                     ERR_OK);
    ck_assert_int_eq(client_open(front_address(front), NULL, &client), ERR_OK);
}

static void begin(void)
{
    begin_with(&front_limits_default);
}

/* Whatever a test did, no document may be left over. */
static void end(void)
{
    client_close(&client);
    front_close(&front, GRACE_MS);
    ck_assert_int_eq(atomic_load(&ingest->opened),
                     atomic_load(&ingest->aborted) + atomic_load(&ingest->received));
    fake_ingest_free(ingest);
}

static void wait_until(atomic_long *counter, long wanted)
{
    for (int64_t until = soon(); atomic_load(counter) < wanted;
         nanosleep(&(struct timespec){0, 1000000}, NULL))
        ck_assert_int_lt(clock_steady_ms(), until);
}

/* ---- unary ----------------------------------------------------------------------------------------------
 */

static Epcis__V1__CaptureResponse *capture(const void *data, size_t bytes, const char *partner,
                                           struct client_status *status)
{
    Epcis__V1__CaptureRequest request = EPCIS__V1__CAPTURE_REQUEST__INIT;
    ProtobufCMessage *response;
    request.document = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)data};
    request.partner = (char *)partner;
    client_call(client, capture_method, &request.base, &epcis__v1__capture_response__descriptor, soon(),
                &response, status);
    return (Epcis__V1__CaptureResponse *)response;
}

static void check_captured(const void *data, size_t bytes, const char *partner)
{
    struct client_status status;
    uint8_t sha256[DIGEST_BYTES];
    char wanted[sizeof "sha256:" + DIGEST_HEX] = "sha256:";
    Epcis__V1__CaptureResponse *response = capture(data, bytes, partner, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    digest_of(data, bytes, sha256);
    digest_hex(sha256, sizeof sha256, wanted + strlen(wanted));
    ck_assert_str_eq(response->receipt->document_digest, wanted);
    ck_assert_uint_eq(response->receipt->document_bytes, bytes);
    ck_assert_str_eq(response->receipt->partner, partner);
    ck_assert_uint_eq(strlen(response->receipt->capture_id), UUID_TEXT);
    ck_assert_int_eq(response->receipt->received_ms, 1700000000000);
    epcis__v1__capture_response__free_unpacked(response, NULL);
}

static void check_refused(const void *data, size_t bytes, const char *partner, int code, const char *text)
{
    struct client_status status;
    ck_assert_ptr_null(capture(data, bytes, partner, &status));
    ck_assert_msg(status.code == code, "%s: %s", client_code_name(status.code), status.message);
    ck_assert_msg(strstr(status.message, text) != NULL, "%s", status.message);
}

START_TEST(capture_gives_a_receipt)
{
    begin();
    check_captured("<epcis/>", 8, "");
    check_captured("<epcis/>", 8, "0614141000005");
    ck_assert_str_eq(ingest->last_partner, "0614141000005");
    end();
}
END_TEST

START_TEST(capture_takes_sixty_mebibytes)
{
    enum { BYTES = 60 << 20 };
    uint8_t *data = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761U >> 24);
    begin();
    check_captured(data, BYTES, "0614141000005");
    end();
    free(data);
}
END_TEST

START_TEST(capture_refuses_what_is_wrong)
{
    uint8_t *large = calloc(1, FRONT_MESSAGE_MAX + 1);
    begin();
    check_refused("", 0, "", CLIENT_INVALID_ARGUMENT, "empty");
    check_refused("<epcis/>", 8, "12", CLIENT_INVALID_ARGUMENT, "GLN");
    check_refused(large, FRONT_DOCUMENT_MAX + 1, "", CLIENT_RESOURCE_EXHAUSTED, "CaptureStream");
    check_refused(large, FRONT_MESSAGE_MAX + 1, "", CLIENT_RESOURCE_EXHAUSTED, "larger than max");
    check_captured("<epcis/>", 8, "");
    end();
    free(large);
}
END_TEST

START_TEST(capture_is_refused_before_its_body)
{
    uint8_t *large = calloc(1, 32 << 20);
    begin();
    struct client_status status;
    atomic_store(&ingest->admit, ERR_FULL);
    ck_assert_ptr_null(capture(large, 32 << 20, "", &status));
    ck_assert_int_eq(status.code, CLIENT_RESOURCE_EXHAUSTED);
    ck_assert_uint_eq(status.retry_after_ms, 1234);
    atomic_store(&ingest->admit, ERR_DISK);
    check_refused(large, 32 << 20, "", CLIENT_UNAVAILABLE, "disk");
    atomic_store(&ingest->admit, ERR_STOPPED);
    check_refused(large, 32 << 20, "", CLIENT_UNAVAILABLE, "stopping");
    ck_assert_int_eq(atomic_load(&ingest->opened), 0);
    end();
    free(large);
}
END_TEST

START_TEST(capture_fails_with_the_journal)
{
    begin();
    struct client_status status;
    atomic_store(&ingest->append, ERR_FULL);
    ck_assert_ptr_null(capture("<epcis/>", 8, "", &status));
    ck_assert_int_eq(status.code, CLIENT_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(status.retry_after_ms, 0);
    atomic_store(&ingest->append, ERR_OK);
    atomic_store(&ingest->synced, ERR_DISK);
    check_refused("<epcis/>", 8, "", CLIENT_UNAVAILABLE, "disk");
    end();
}
END_TEST

/* ---- stream ---------------------------------------------------------------------------------------------
 */

static struct client_stream *open_stream(void)
{
    struct client_stream *stream;
    ck_assert_int_eq(client_stream_open(client, stream_method, soon(), &stream), ERR_OK);
    return stream;
}

static bool send_start(struct client_stream *stream, const char *partner)
{
    Epcis__V1__CaptureStart start = EPCIS__V1__CAPTURE_START__INIT;
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    start.partner = (char *)partner;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_START;
    request.start = &start;
    return client_stream_send(stream, &request.base);
}

static bool send_piece(struct client_stream *stream, const void *data, size_t bytes)
{
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_PIECE;
    request.piece = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)data};
    return client_stream_send(stream, &request.base);
}

static bool send_finish(struct client_stream *stream, uint64_t length, const uint8_t *sha256, size_t bytes)
{
    Epcis__V1__CaptureFinish finish = EPCIS__V1__CAPTURE_FINISH__INIT;
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    finish.length = length;
    finish.sha256 = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)sha256};
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_FINISH;
    request.finish = &finish;
    return client_stream_send(stream, &request.base);
}

static Epcis__V1__CaptureStreamResponse *finish_stream(struct client_stream **stream,
                                                       struct client_status *status)
{
    ProtobufCMessage *response;
    client_stream_finish(stream, &epcis__v1__capture_stream_response__descriptor, &response, status);
    return (Epcis__V1__CaptureStreamResponse *)response;
}

static void check_stream_refused(struct client_stream *stream, int code, const char *text)
{
    struct client_status status;
    ck_assert_ptr_null(finish_stream(&stream, &status));
    ck_assert_msg(status.code == code, "%s: %s", client_code_name(status.code), status.message);
    ck_assert_msg(strstr(status.message, text) != NULL, "%s", status.message);
}

START_TEST(stream_gives_a_receipt)
{
    enum { PIECES = 100 };
    static uint8_t piece[FRONT_PIECE_MAX];
    struct digest *digest = digest_new();
    uint8_t sha256[DIGEST_BYTES];
    struct client_status status;
    begin();
    struct client_stream *stream = open_stream();
    ck_assert(send_start(stream, "0614141000005"));
    for (int i = 0; i < PIECES; i++) {
        memset(piece, i, sizeof piece);
        ck_assert(send_piece(stream, piece, sizeof piece));
        digest_update(digest, piece, sizeof piece);
    }
    digest_finish(digest, sha256);
    ck_assert(send_finish(stream, (uint64_t)PIECES * sizeof piece, sha256, sizeof sha256));
    Epcis__V1__CaptureStreamResponse *response = finish_stream(&stream, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(response->receipt->document_bytes, (uint64_t)PIECES * sizeof piece);
    ck_assert_str_eq(response->receipt->partner, "0614141000005");
    epcis__v1__capture_stream_response__free_unpacked(response, NULL);
    digest_free(digest);
    end();
}
END_TEST

START_TEST(stream_refuses_what_does_not_add_up)
{
    uint8_t sha256[DIGEST_BYTES];
    digest_of("abc", 3, sha256);
    begin();
    struct client_stream *stream = open_stream();
    send_start(stream, "");
    send_piece(stream, "abc", 3);
    send_finish(stream, 4, sha256, sizeof sha256);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`finish.length` is 4, but the pieces have 3");

    stream = open_stream();
    send_start(stream, "");
    send_piece(stream, "abd", 3);
    send_finish(stream, 3, sha256, sizeof sha256);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`finish.sha256` is ba7816bf");

    stream = open_stream();
    send_start(stream, "");
    send_piece(stream, "abc", 3);
    send_finish(stream, 3, sha256, 31);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "32 bytes");
    ck_assert_int_eq(atomic_load(&ingest->received), 0);
    end();
}
END_TEST

START_TEST(stream_refuses_another_order)
{
    uint8_t sha256[DIGEST_BYTES] = {0};
    static uint8_t large[FRONT_PIECE_MAX + 1];
    begin();
    struct client_stream *stream = open_stream();
    send_piece(stream, "abc", 3);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`piece` came after 0 bytes where `start`");

    stream = open_stream();
    send_finish(stream, 0, sha256, sizeof sha256);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`finish` came");

    stream = open_stream();
    send_start(stream, "");
    send_piece(stream, "abc", 3);
    send_start(stream, "");
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`start` came after 3 bytes where `piece`");

    stream = open_stream();
    send_start(stream, "");
    send_piece(stream, "abc", 3);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "ended after 3 bytes");

    stream = open_stream();
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`start` was expected");

    stream = open_stream();
    send_start(stream, "");
    send_piece(stream, large, sizeof large);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "at most 1048576");

    stream = open_stream();
    send_start(stream, "12");
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "GLN");

    digest_of("", 0, sha256);
    stream = open_stream();
    send_start(stream, "");
    send_finish(stream, 0, sha256, sizeof sha256);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "empty");
    end();
}
END_TEST

START_TEST(stream_broken_off_keeps_nothing)
{
    begin();
    struct client_stream *stream = open_stream();
    ck_assert(send_start(stream, ""));
    ck_assert(send_piece(stream, "abc", 3));
    wait_until(&ingest->opened, 1);
    client_stream_cancel(&stream);
    wait_until(&ingest->aborted, 1);
    ck_assert_int_eq(atomic_load(&ingest->received), 0);
    end();
}
END_TEST

START_TEST(stream_ends_where_the_journal_is_full)
{
    begin();
    struct client_stream *stream = open_stream();
    atomic_store(&ingest->append, ERR_FULL);
    send_start(stream, "");
    send_piece(stream, "abc", 3);
    check_stream_refused(stream, CLIENT_RESOURCE_EXHAUSTED, "retry-after-ms");
    wait_until(&ingest->aborted, 1);
    end();
}
END_TEST

static const char upload_id[] = "0190d6a0-2222-7000-8000-000000000001";

static bool send_claim(struct client_stream *stream, uint64_t offset, uint64_t length)
{
    Epcis__V1__CaptureStart start = EPCIS__V1__CAPTURE_START__INIT;
    Epcis__V1__CaptureStreamRequest request = EPCIS__V1__CAPTURE_STREAM_REQUEST__INIT;
    start.upload_id = (char *)upload_id;
    start.offset = offset;
    start.length = length;
    request.step_case = EPCIS__V1__CAPTURE_STREAM_REQUEST__STEP_START;
    request.start = &start;
    return client_stream_send(stream, &request.base);
}

START_TEST(stream_goes_on_where_it_was)
{
    begin();
    struct client_status status;
    uint8_t sha256[DIGEST_BYTES];
    digest_of("held back", 9, sha256);
    struct client_stream *stream = open_stream();
    ck_assert(send_claim(stream, 4, 9));
    ck_assert(send_piece(stream, " back", 5));
    ck_assert(send_finish(stream, 9, sha256, sizeof sha256));
    Epcis__V1__CaptureStreamResponse *response = finish_stream(&stream, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(response->receipt->document_bytes, 9);
    epcis__v1__capture_stream_response__free_unpacked(response, NULL);

    stream = open_stream();
    send_claim(stream, 5, 0);
    check_stream_refused(stream, 11 /* OUT_OF_RANGE */, "beyond the 4 bytes that are here");

    stream = open_stream();
    send_claim(stream, 4, 8);
    send_piece(stream, " back", 5);
    check_stream_refused(stream, CLIENT_INVALID_ARGUMENT, "`start.length` is 8");
    end();
}
END_TEST

static Epcis__V1__GetUploadOffsetResponse *ask_offset(const char *id, const char *partner,
                                                      struct client_status *status)
{
    ProtobufCMessage *response = NULL;
    Epcis__V1__GetUploadOffsetRequest request = EPCIS__V1__GET_UPLOAD_OFFSET_REQUEST__INIT;
    request.upload_id = (char *)id;
    request.partner = (char *)partner;
    client_call(client, "/epcis.v1.CaptureService/GetUploadOffset", &request.base,
                &epcis__v1__get_upload_offset_response__descriptor, soon(), &response, status);
    return (Epcis__V1__GetUploadOffsetResponse *)response;
}

START_TEST(upload_tells_how_far_it_is)
{
    begin();
    struct client_status status;
    Epcis__V1__GetUploadOffsetResponse *response = ask_offset(upload_id, "", &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(response->offset, 3 * JOURNAL_PIECE_BYTES);
    epcis__v1__get_upload_offset_response__free_unpacked(response, NULL);
    ck_assert_ptr_null(ask_offset("0190d6a0-2222-7000-8000-000000000002", "", &status));
    ck_assert_int_eq(status.code, CLIENT_NOT_FOUND);
    ck_assert_ptr_null(ask_offset("what", "", &status));
    ck_assert_int_eq(status.code, CLIENT_INVALID_ARGUMENT);
    ck_assert_ptr_null(ask_offset(upload_id, "12", &status));
    ck_assert_int_eq(status.code, CLIENT_INVALID_ARGUMENT);
    end();
}
END_TEST

START_TEST(stream_that_says_nothing_is_ended)
{
    struct front_limits limits = front_limits_default;
    limits.message_ms = 100;
    limits.sweep_ms = 20;
    begin_with(&limits);
    struct client_stream *stream = open_stream();
    struct client_status status;
    ProtobufCMessage *response;
    ck_assert(send_start(stream, ""));
    wait_until(&ingest->aborted, 1); /* without a word from us */
    client_stream_finish(&stream, &epcis__v1__capture_stream_response__descriptor, &response, &status);
    ck_assert_int_eq(status.code, CLIENT_DEADLINE_EXCEEDED);
    ck_assert_msg(strstr(status.message, "nothing was kept") != NULL, "%s", status.message);
    end();
}
END_TEST

/* In a process of its own: sends for ever. */
static int upload_for_ever(const char *address)
{
    static uint8_t piece[256 << 10];
    struct client_stream *stream;
    if (client_open(address, NULL, &client) || client_stream_open(client, stream_method, soon(), &stream))
        return EXIT_FAILURE;
    send_start(stream, "");
    while (send_piece(stream, piece, sizeof piece))
        ;
    return EXIT_FAILURE;
}

START_TEST(stream_of_a_killed_client_keeps_nothing)
{
    extern char **environ;
    begin();
    for (int i = 1; i <= 3; i++) {
        pid_t child;
        char *arguments[] = {"test_front", "--upload", (char *)front_address(front), NULL};
        long long before = atomic_load(&ingest->appended_bytes);
        ck_assert_int_eq(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
        for (int64_t until = soon(); atomic_load(&ingest->appended_bytes) < before + (8 << 20);
             nanosleep(&(struct timespec){0, 1000000}, NULL))
            ck_assert_int_lt(clock_steady_ms(), until);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        wait_until(&ingest->aborted, i);
    }
    ck_assert_int_eq(atomic_load(&ingest->received), 0);
    end();
}
END_TEST

/* ---- admission -------------------------------------------------------------------------------------------
 */

START_TEST(calls_wait_for_room)
{
    struct front_limits limits = front_limits_default;
    limits.document_bytes = FRONT_MESSAGE_MAX; /* one call that sends nothing fills it */
    limits.patience_ms = 100;
    limits.sweep_ms = 20;
    begin_with(&limits);
    struct client_stream *idle;
    struct client_status status;
    ck_assert_int_eq(client_stream_open(client, capture_method, soon(), &idle), ERR_OK);
    /* The idle call may reach the server after the next one: try until it is there. */
    for (int64_t until = soon();;) {
        Epcis__V1__CaptureResponse *response = capture("abc", 3, "", &status);
        if (!response)
            break;
        epcis__v1__capture_response__free_unpacked(response, NULL);
        ck_assert_int_lt(clock_steady_ms(), until);
    }
    ck_assert_int_eq(status.code, CLIENT_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(status.retry_after_ms, 0);
    /* Uploads and queries have room of their own. */
    struct client_stream *stream = open_stream();
    ck_assert(send_start(stream, ""));
    client_stream_cancel(&stream);
    client_stream_cancel(&idle);
    for (int64_t until = soon(); status.code != CLIENT_OK;) {
        Epcis__V1__CaptureResponse *response = capture("abc", 3, "", &status);
        if (response)
            epcis__v1__capture_response__free_unpacked(response, NULL);
        ck_assert_int_lt(clock_steady_ms(), until);
    }
    end();
}
END_TEST

START_TEST(uploads_are_counted)
{
    struct front_limits limits = front_limits_default;
    limits.uploads = 1;
    begin_with(&limits);
    struct client_stream *first = open_stream();
    ck_assert(send_start(first, ""));
    wait_until(&ingest->opened, 1);
    struct client_stream *second = open_stream();
    send_start(second, "");
    check_stream_refused(second, CLIENT_RESOURCE_EXHAUSTED, "too many");
    client_stream_cancel(&first);
    wait_until(&ingest->aborted, 1);
    end();
}
END_TEST

struct capture_thread {
    pthread_t thread;
    const char *address;
    struct client_status status;
};

static void *capture_once(void *context)
{
    struct capture_thread *one = context;
    Epcis__V1__CaptureRequest request = EPCIS__V1__CAPTURE_REQUEST__INIT;
    ProtobufCMessage *response;
    struct client *own;
    request.document = (ProtobufCBinaryData){.len = 8, .data = (uint8_t *)"<epcis/>"};
    client_open(one->address, NULL, &own);
    client_call(own, capture_method, &request.base, &epcis__v1__capture_response__descriptor, soon(),
                &response, &one->status);
    if (response)
        protobuf_c_message_free_unpacked(response, NULL);
    client_close(&own);
    return NULL;
}

static void start_capture(struct capture_thread *one)
{
    one->address = front_address(front);
    pthread_create(&one->thread, NULL, capture_once, one);
}

START_TEST(queries_pass_a_held_journal)
{
    enum { THREADS = 8 };
    struct capture_thread threads[THREADS];
    begin();
    fake_ingest_hold(ingest, true);
    for (int i = 0; i < THREADS; i++)
        start_capture(&threads[i]);
    wait_until(&ingest->received, THREADS);

    Epcis__V1__GetCaptureRequest request = EPCIS__V1__GET_CAPTURE_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *response;
    request.capture_id = (char *)known_capture;
    client_call(client, capture_query, &request.base, &epcis__v1__get_capture_response__descriptor, soon(),
                &response, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    protobuf_c_message_free_unpacked(response, NULL);

    fake_ingest_hold(ingest, false);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        ck_assert_int_eq(threads[i].status.code, CLIENT_OK);
    }
    end();
}
END_TEST

/* ---- queries ----------------------------------------------------------------------------------------------
 */

static void check_query_refused(const char *method, const ProtobufCMessage *request, int code,
                                const char *text)
{
    struct client_status status;
    ProtobufCMessage *response;
    client_call(client, method, request, &epcis__v1__get_capture_response__descriptor, soon(), &response,
                &status);
    ck_assert_ptr_null(response);
    ck_assert_msg(status.code == code, "%s: %s", client_code_name(status.code), status.message);
    ck_assert_msg(strstr(status.message, text) != NULL, "%s", status.message);
}

START_TEST(captures_are_asked_for)
{
    Epcis__V1__GetCaptureRequest request = EPCIS__V1__GET_CAPTURE_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    char long_id[FRONT_QUERY_MAX + 1];
    begin();
    request.capture_id = (char *)known_capture;
    client_call(client, capture_query, &request.base, &epcis__v1__get_capture_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    Epcis__V1__GetCaptureResponse *response = (Epcis__V1__GetCaptureResponse *)message;
    ck_assert_str_eq(response->capture->receipt->capture_id, known_capture);
    ck_assert_uint_eq(response->capture->committed, 998);
    protobuf_c_message_free_unpacked(message, NULL);

    request.capture_id = "0190d6a0-1111-7000-8000-000000000002";
    check_query_refused(capture_query, &request.base, CLIENT_NOT_FOUND, request.capture_id);
    request.capture_id = "42";
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "UUID");
    request.capture_id = "\xff\xfe";
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "UTF-8");
    memset(long_id, 'x', sizeof long_id);
    long_id[FRONT_QUERY_MAX] = '\0';
    request.capture_id = long_id;
    check_query_refused(capture_query, &request.base, CLIENT_INVALID_ARGUMENT, "at most 16384");
    end();
}
END_TEST

START_TEST(text_inside_messages_is_looked_at)
{
    static const char method[] = "/epcis.v1.PartnerService/CreatePartner";
    Epcis__V1__CreatePartnerRequest request = EPCIS__V1__CREATE_PARTNER_REQUEST__INIT;
    Epcis__V1__TradingPartner partner = EPCIS__V1__TRADING_PARTNER__INIT;
    Epcis__V1__TradingPartner__OverridesEntry entry = EPCIS__V1__TRADING_PARTNER__OVERRIDES_ENTRY__INIT;
    Epcis__V1__TradingPartner__OverridesEntry *overrides = &entry;
    begin();
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT, "`partner` is missing");
    request.partner = &partner;
    partner.name = "Acme";
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT, "`glns` has 0 entries");
    partner.overrides = &overrides;
    partner.n_overrides = 1;
    entry.key = "\xff\xfe";
    check_query_refused(method, &request.base, CLIENT_INVALID_ARGUMENT, "`key` is not UTF-8");
    end();
}
END_TEST

START_TEST(history_comes_in_pages)
{
    Epcis__V1__GetItemHistoryRequest request = EPCIS__V1__GET_ITEM_HISTORY_REQUEST__INIT;
    struct client_status status;
    char token[STORE_CURSOR] = "";
    size_t entries = 0, pages = 0;
    begin();
    request.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    request.page_size = 2;
    do {
        ProtobufCMessage *message;
        request.page_token = token;
        client_call(client, history_query, &request.base, &epcis__v1__get_item_history_response__descriptor,
                    soon(), &message, &status);
        ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
        Epcis__V1__GetItemHistoryResponse *response = (Epcis__V1__GetItemHistoryResponse *)message;
        entries += response->n_history;
        pages++;
        strcpy(token, response->next_page_token);
        protobuf_c_message_free_unpacked(message, NULL);
    } while (token[0]);
    ck_assert_uint_eq(entries, FAKE_HISTORY);
    ck_assert_uint_eq(pages, 2);

    char long_token[STORE_CURSOR + 1];
    memset(long_token, '1', sizeof long_token);
    long_token[STORE_CURSOR] = '\0';
    request.page_token = long_token;
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "page_token");
    request.page_token = "";
    request.epc = "2017";
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    request.epc = "https://id.gs1.org/01/10614141073465/21/2017"; /* check digit */
    check_query_refused(history_query, &request.base, CLIENT_INVALID_ARGUMENT, "GTIN_CHECK");
    request.epc = "urn:epc:id:sgtin:0614141.107346.1";
    check_query_refused(history_query, &request.base, CLIENT_NOT_FOUND, request.epc);
    end();
}
END_TEST

START_TEST(containers_are_asked_for)
{
    static const char contents_query[] = "/epcis.v1.TraceService/GetContents";
    static const char containers_query[] = "/epcis.v1.TraceService/GetContainers";
    Epcis__V1__GetContentsRequest contents = EPCIS__V1__GET_CONTENTS_REQUEST__INIT;
    Epcis__V1__GetContainersRequest containers = EPCIS__V1__GET_CONTAINERS_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    contents.epc = "urn:epc:id:sscc:0614141.0000000001";
    contents.page_size = 2;
    contents.at_ms = INT64_MAX; /* as far as microseconds reach */
    client_call(client, contents_query, &contents.base, &epcis__v1__get_contents_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(((Epcis__V1__GetContentsResponse *)message)->n_items, 2);
    ck_assert_str_eq(((Epcis__V1__GetContentsResponse *)message)->next_page_token, "2");
    ck_assert_uint_eq(((Epcis__V1__GetContentsResponse *)message)->items[0]->packed_sequence,
                      INT64_MAX / 1000 * 1000);
    protobuf_c_message_free_unpacked(message, NULL);
    contents.page_token = "second";
    check_query_refused(contents_query, &contents.base, CLIENT_INVALID_ARGUMENT, "`page_token`");
    contents.page_token = "";
    contents.epc = "1";
    check_query_refused(contents_query, &contents.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    contents.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    check_query_refused(contents_query, &contents.base, CLIENT_NOT_FOUND, contents.epc);

    containers.epc = "urn:epc:id:sgtin:0614141.107346.2017";
    client_call(client, containers_query, &containers.base, &epcis__v1__get_containers_response__descriptor,
                soon(), &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    ck_assert_uint_eq(((Epcis__V1__GetContainersResponse *)message)->containers[0]->packed_sequence, 5);
    protobuf_c_message_free_unpacked(message, NULL);
    containers.epc = "urn:epc:id:sgtin:0614141.107346.1";
    check_query_refused(containers_query, &containers.base, CLIENT_NOT_FOUND, containers.epc);
    containers.epc = "";
    check_query_refused(containers_query, &containers.base, CLIENT_INVALID_ARGUMENT, "Digital Link");
    end();
}
END_TEST

START_TEST(events_are_listed)
{
    static const char events_query[] = "/epcis.v1.TraceService/ListEvents";
    Epcis__V1__ListEventsRequest request = EPCIS__V1__LIST_EVENTS_REQUEST__INIT;
    const Epcis__V1__ListEventsRequest nothing = request;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    request.gtin = "10614141073464";
    request.lot = "L1";
    client_call(client, events_query, &request.base, &epcis__v1__list_events_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    Epcis__V1__ListEventsResponse *response = (Epcis__V1__ListEventsResponse *)message;
    ck_assert_str_eq(response->events[0]->biz_step, "lot 10614141073464 L1");
    ck_assert_str_eq(response->next_page_token, "1");
    protobuf_c_message_free_unpacked(message, NULL);

    request.gln = "0614141000012";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "one of");
    check_query_refused(events_query, &nothing.base, CLIENT_INVALID_ARGUMENT, "one of");
    request.gln = "";
    request.from_ms = 1;
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "go with `gln`");
    request.from_ms = 0;
    request.lot = "";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "1 to 20");
    request.lot = "123456789012345678901";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "21 characters");
    request.lot = "L1";
    request.gtin = "10614141073465";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "check digit");

    request = nothing;
    request.gln = "somewhere";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "SGLN");
    request.gln = "0614141000012";
    request.from_ms = 2;
    request.to_ms = 1;
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "before `from_ms`");

    request = nothing;
    request.capture_id = "42";
    check_query_refused(events_query, &request.base, CLIENT_INVALID_ARGUMENT, "UUID");
    request.capture_id = "0190d6a0-1111-7000-8000-000000000002";
    check_query_refused(events_query, &request.base, CLIENT_NOT_FOUND, request.capture_id);
    request.capture_id = (char *)known_capture; /* the journal knows it, the store has no event */
    request.page_token = "2";
    client_call(client, events_query, &request.base, &epcis__v1__list_events_response__descriptor, soon(),
                &message, &status);
    ck_assert_msg(status.code == CLIENT_OK, "%s", status.message);
    response = (Epcis__V1__ListEventsResponse *)message;
    ck_assert_uint_eq(response->n_events, 0);
    ck_assert_str_eq(response->next_page_token, "");
    protobuf_c_message_free_unpacked(message, NULL);
    end();
}
END_TEST

START_TEST(events_and_dead_letters_are_asked_for)
{
    static const char event_query[] = "/epcis.v1.TraceService/GetEvent";
    static const char letter_query[] = "/epcis.v1.DeadLetterService/GetDeadLetter";
    static const char letters_query[] = "/epcis.v1.DeadLetterService/ListDeadLetters";
    Epcis__V1__GetEventRequest event = EPCIS__V1__GET_EVENT_REQUEST__INIT;
    Epcis__V1__GetDeadLetterRequest letter = EPCIS__V1__GET_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__ListDeadLettersRequest letters = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    struct client_status status;
    ProtobufCMessage *message;
    begin();
    event.sequence = 7;
    client_call(client, event_query, &event.base, &epcis__v1__get_event_response__descriptor, soon(),
                &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    event.sequence = 0;
    check_query_refused(event_query, &event.base, CLIENT_INVALID_ARGUMENT, "from 1");
    event.sequence = 8;
    check_query_refused(event_query, &event.base, CLIENT_NOT_FOUND, "event 8");
    event.sequence = 13;
    check_query_refused(event_query, &event.base, CLIENT_INTERNAL, "event 13");

    letter.dead_letter_id = "1";
    client_call(client, letter_query, &letter.base, &epcis__v1__get_dead_letter_response__descriptor, soon(),
                &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    letter.dead_letter_id = "9";
    check_query_refused(letter_query, &letter.base, CLIENT_NOT_FOUND, "dead letter 9");
    letter.dead_letter_id = "";
    check_query_refused(letter_query, &letter.base, CLIENT_INVALID_ARGUMENT, "empty");

    client_call(client, letters_query, &letters.base, &epcis__v1__list_dead_letters_response__descriptor,
                soon(), &message, &status);
    ck_assert_int_eq(status.code, CLIENT_OK);
    ck_assert_uint_eq(((Epcis__V1__ListDeadLettersResponse *)message)->n_dead_letters, FAKE_LETTERS);
    protobuf_c_message_free_unpacked(message, NULL);
    letters.capture_id = "42";
    check_query_refused(letters_query, &letters.base, CLIENT_INVALID_ARGUMENT, "UUID");
    end();
}
END_TEST

START_TEST(dead_letters_are_closed_with_who_and_why)
{
    static const char resubmit[] = "/epcis.v1.DeadLetterService/ResubmitDeadLetter";
    static const char discard[] = "/epcis.v1.DeadLetterService/DiscardDeadLetter";
    static const char discard_all[] = "/epcis.v1.DeadLetterService/DiscardDeadLetters";
    enum { MOST = 4 << 20 };
    Epcis__V1__ResubmitDeadLetterRequest again = EPCIS__V1__RESUBMIT_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__DiscardDeadLetterRequest one = EPCIS__V1__DISCARD_DEAD_LETTER_REQUEST__INIT;
    Epcis__V1__DiscardDeadLettersRequest all = EPCIS__V1__DISCARD_DEAD_LETTERS_REQUEST__INIT;
    Epcis__V1__ListDeadLettersRequest filter = EPCIS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    uint8_t *corrected = calloc(1, 2 * MOST);
    begin();
    again.dead_letter_id = one.dead_letter_id = "1";
    check_query_refused(discard, &one.base, CLIENT_INVALID_ARGUMENT, "`who`");
    one.who = again.who = all.who = "A. Smith";
    check_query_refused(discard, &one.base, CLIENT_INVALID_ARGUMENT, "`why`");
    one.why = "test data";
    check_query_refused(discard, &one.base, CLIENT_UNAVAILABLE, "disk"); /* as the journal answers here */
    one.dead_letter_id = "9";
    check_query_refused(discard, &one.base, CLIENT_NOT_FOUND, "dead letter 9");

    again.corrected = (ProtobufCBinaryData){MOST, corrected}; /* more than other requests may have */
    check_query_refused(resubmit, &again.base, CLIENT_INVALID_ARGUMENT, "`why`");
    again.corrected.len = 2 * MOST;
    check_query_refused(resubmit, &again.base, CLIENT_INVALID_ARGUMENT, "at most");
    again.corrected.len = 0;
    again.why = "all well now";
    atomic_store(&ingest->admit, ERR_DISK);
    check_query_refused(resubmit, &again.base, CLIENT_UNAVAILABLE, "disk");
    atomic_store(&ingest->admit, ERR_OK);

    all.filter = &filter;
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`why`");
    all.why = "test data";
    filter.code = "\xff";
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`code`");
    filter.code = "";
    filter.gtin = "1";
    check_query_refused(discard_all, &all.base, CLIENT_INVALID_ARGUMENT, "`gtin`");
    filter.gtin = "";
    check_query_refused(discard_all, &all.base, CLIENT_UNAVAILABLE, "disk");
    end();
    free(corrected);
}
END_TEST

/* ---- bytes that no generated client sends
 * ------------------------------------------------------------------ */

/* One unary call with these bytes for a message (NULL: no message); the answer's bytes, up to `size`. */
static int bare_call(const char *method, const void *data, size_t bytes, char *answer, size_t size)
{
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(front_address(front), credentials, NULL);
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(PATIENCE_MS, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                               grpc_slice_from_static_string(method), NULL, deadline, NULL);
    grpc_slice slice = grpc_slice_from_copied_buffer(data ? data : "", bytes);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1), *response = NULL;
    grpc_metadata_array initial, trailing;
    grpc_status_code code;
    grpc_slice details;
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &response},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {&trailing, &code, &details, NULL}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
    };
    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    ck_assert_int_eq(grpc_call_start_batch(call, ops, data ? 6 : 5, ops, NULL), GRPC_CALL_OK);
    grpc_completion_queue_pluck(queue, ops, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    if (response && answer) {
        grpc_slice first = response->data.raw.slice_buffer.slices[0];
        ck_assert_uint_le(GRPC_SLICE_LENGTH(first), size);
        memcpy(answer, GRPC_SLICE_START_PTR(first), GRPC_SLICE_LENGTH(first));
    }
    if (response)
        grpc_byte_buffer_destroy(response);
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(slice);
    grpc_slice_unref(details);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
    grpc_call_unref(call);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
    return (int)code;
}

START_TEST(garbage_is_refused)
{
    static const char *const methods[] = {capture_method,
                                          stream_method,
                                          capture_query,
                                          history_query,
                                          "/epcis.v1.TraceService/GetEvent",
                                          "/epcis.v1.DeadLetterService/ListDeadLetters",
                                          "/epcis.v1.DeadLetterService/GetDeadLetter",
                                          "/epcis.v1.DeadLetterService/ResubmitDeadLetter",
                                          "/epcis.v1.DeadLetterService/DiscardDeadLetter",
                                          "/epcis.v1.DeadLetterService/ResubmitDeadLetters",
                                          "/epcis.v1.DeadLetterService/DiscardDeadLetters",
                                          "/grpc.health.v1.Health/Check",
                                          "/grpc.health.v1.Health/Watch"};
    static const struct {
        const char *data;
        size_t bytes;
    } garbage[] = {
        {"\xff\xff\xff\xff", 4}, /* an endless number */
        {"\x0a\x7f\x01", 3},     /* a field longer than the message */
        {"\x0b\x0c", 2},         /* groups */
        {"\x02\x00", 2},         /* field number 0 */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
    };
    begin();
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        for (size_t g = 0; g < sizeof garbage / sizeof garbage[0]; g++)
            ck_assert_int_eq(bare_call(methods[m], garbage[g].data, garbage[g].bytes, NULL, 0),
                             CLIENT_INVALID_ARGUMENT);
        ck_assert_int_eq(bare_call(methods[m], NULL, 0, NULL, 0), CLIENT_INVALID_ARGUMENT);
    }
    /* A NUL inside text, which protobuf-c would cut there. */
    ck_assert_int_eq(bare_call(capture_query,
                               "\x0a\x03"
                               "a\0b",
                               5, NULL, 0),
                     CLIENT_INVALID_ARGUMENT);
    ck_assert_int_eq(bare_call(capture_method,
                               "\x0a\x01x\x12\x03"
                               "1\0002",
                               8, NULL, 0),
                     CLIENT_INVALID_ARGUMENT);
    end();
}
END_TEST

START_TEST(unknown_methods_and_health)
{
    char answer[2] = "";
    begin();
    ck_assert_int_eq(bare_call("/epcis.v1.CaptureService/Nothing", "", 0, NULL, 0), CLIENT_UNIMPLEMENTED);
    ck_assert_int_eq(bare_call("/grpc.health.v1.Health/Check", "", 0, answer, 2), CLIENT_OK);
    ck_assert_mem_eq(answer, "\x08\x01", 2);
    ck_assert_int_eq(bare_call("/grpc.health.v1.Health/Check",
                               "\x0a\x17"
                               "epcis.v1.CaptureService",
                               25, answer, 2),
                     CLIENT_OK);
    ck_assert_int_eq(bare_call("/grpc.health.v1.Health/Check", "\x0a\x01x", 3, NULL, 0), CLIENT_NOT_FOUND);
    end();
}
END_TEST

/* ---- opening and closing ----------------------------------------------------------------------------------
 */

START_TEST(addresses_that_cannot_be)
{
    struct front *other;
    static const char *const wrong[] = {
        "", "127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80"};
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(front_open(&(struct front_options){.listen = wrong[i]}, ingest, NULL, NULL, &other),
                         ERR_INPUT);
        ck_assert_ptr_null(other);
    }
    ck_assert_int_eq(
        front_open(&(struct front_options){.listen = front_address(front)}, ingest, NULL, NULL, &other),
        ERR_SYSTEM);
    ck_assert_int_eq(front_open(&(struct front_options){.listen = "192.0.2.1:0"}, ingest, NULL, NULL, &other),
                     ERR_SYSTEM);
    check_captured("<epcis/>", 8, "");
    end();
}
END_TEST

static void *release_later(void *context)
{
    (void)context;
    nanosleep(&(struct timespec){0, 400000000}, NULL); /* beyond the grace time, which is what is tested */
    fake_ingest_hold(ingest, false);
    return NULL;
}

START_TEST(closing_ends_calls_under_way)
{
    struct capture_thread held;
    pthread_t releaser;
    struct client_status status;
    begin();
    struct client_stream *stream = open_stream();
    ck_assert(send_start(stream, ""));
    ck_assert(send_piece(stream, "abc", 3));
    struct client_stream *idle;
    ck_assert_int_eq(client_stream_open(client, capture_method, soon(), &idle), ERR_OK);
    fake_ingest_hold(ingest, true);
    start_capture(&held);
    wait_until(&ingest->received, 1);
    wait_until(&ingest->opened, 2);
    pthread_create(&releaser, NULL, release_later, NULL);

    front_close(&front, GRACE_MS);
    pthread_join(releaser, NULL);
    pthread_join(held.thread, NULL);
    ck_assert_msg(held.status.code == CLIENT_OK, "%s", held.status.message);
    ck_assert_ptr_null(finish_stream(&stream, &status));
    ck_assert_int_eq(status.code, CLIENT_UNAVAILABLE);
    ck_assert_msg(strstr(status.message, "stopping") != NULL, "%s", status.message);
    ck_assert_ptr_null(finish_stream(&idle, &status));
    ck_assert_int_eq(status.code, CLIENT_UNAVAILABLE);
    ck_assert_int_eq(atomic_load(&ingest->aborted), 1);
    end();
}
END_TEST

/* The server must hear again once there are descriptors again. */
START_TEST(running_out_of_descriptors_passes)
{
    enum { SOCKETS = 256 };
    int sockets[SOCKETS];
    struct rlimit before, low;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    begin();
    check_captured("<epcis/>", 8, "");
    address.sin_port = htons((uint16_t)atoi(strrchr(front_address(front), ':') + 1));
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = 160;
    setrlimit(RLIMIT_NOFILE, &low);
    int count = 0;
    while (count < SOCKETS && (sockets[count] = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
        if (connect(sockets[count++], (struct sockaddr *)&address, sizeof address))
            break;
    }
    ck_assert_int_gt(count, 10);
    /* All descriptors are taken; whoever connects now is turned away, by a close that can be waited for. */
    close(sockets[--count]);
    int last = socket(AF_INET, SOCK_STREAM, 0);
    if (last >= 0) {
        char byte;
        connect(last, (struct sockaddr *)&address, sizeof address);
        while (recv(last, &byte, 1, 0) > 0)
            ;
        close(last);
    }
    while (count)
        close(sockets[--count]);
    setrlimit(RLIMIT_NOFILE, &before);
    /* The server may turn one more away before it has seen that they are gone. */
    client_close(&client);
    ck_assert_int_eq(client_open(front_address(front), NULL, &client), ERR_OK);
    struct client_status status;
    Epcis__V1__CaptureResponse *response;
    for (int64_t until = soon(); !(response = capture("<epcis/>", 8, "", &status));) {
        ck_assert_msg(status.code == CLIENT_UNAVAILABLE, "%s", status.message);
        ck_assert_int_lt(clock_steady_ms(), until);
    }
    epcis__v1__capture_response__free_unpacked(response, NULL);
    end();
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--upload") == 0)
        return upload_for_ever(argv[2]);
    Suite *suite = suite_create("front");
    TCase *tests = tcase_create("front");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, capture_gives_a_receipt);
    tcase_add_test(tests, capture_takes_sixty_mebibytes);
    tcase_add_test(tests, capture_refuses_what_is_wrong);
    tcase_add_test(tests, capture_is_refused_before_its_body);
    tcase_add_test(tests, capture_fails_with_the_journal);
    tcase_add_test(tests, stream_gives_a_receipt);
    tcase_add_test(tests, stream_goes_on_where_it_was);
    tcase_add_test(tests, upload_tells_how_far_it_is);
    tcase_add_test(tests, stream_refuses_what_does_not_add_up);
    tcase_add_test(tests, stream_refuses_another_order);
    tcase_add_test(tests, stream_broken_off_keeps_nothing);
    tcase_add_test(tests, stream_ends_where_the_journal_is_full);
    tcase_add_test(tests, stream_that_says_nothing_is_ended);
    tcase_add_test(tests, stream_of_a_killed_client_keeps_nothing);
    tcase_add_test(tests, calls_wait_for_room);
    tcase_add_test(tests, uploads_are_counted);
    tcase_add_test(tests, queries_pass_a_held_journal);
    tcase_add_test(tests, captures_are_asked_for);
    tcase_add_test(tests, text_inside_messages_is_looked_at);
    tcase_add_test(tests, history_comes_in_pages);
    tcase_add_test(tests, containers_are_asked_for);
    tcase_add_test(tests, events_are_listed);
    tcase_add_test(tests, events_and_dead_letters_are_asked_for);
    tcase_add_test(tests, dead_letters_are_closed_with_who_and_why);
    tcase_add_test(tests, garbage_is_refused);
    tcase_add_test(tests, unknown_methods_and_health);
    tcase_add_test(tests, addresses_that_cannot_be);
    tcase_add_test(tests, closing_ends_calls_under_way);
    TCase *descriptors = tcase_create("descriptors");
    suite_add_tcase(suite, descriptors);
    tcase_set_timeout(descriptors, 120);
    tcase_add_test(descriptors, running_out_of_descriptors_passes);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
