/* The front on a real port, before fakes: documents, admission, opening and closing. */
#include <check.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/component/front_bench.h"

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
    /* All descriptors are taken; whoever connects now is turned away, by a close that can be waited for. But
     * this loop may have been quicker than the server to take the descriptors that it gave up for that, and
     * then nobody is turned away before the next one connects. */
    close(sockets[--count]);
    int last = socket(AF_INET, SOCK_STREAM, 0);
    if (last >= 0) {
        struct timeval patience = {.tv_sec = 2};
        char byte;
        setsockopt(last, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
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
