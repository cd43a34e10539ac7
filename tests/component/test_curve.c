/* The wire's two sides with CURVE between them: who is let in, who is not, and what each is told of it. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "common/base/clock.h"
#include "common/wire/gate.h"
#include "common/wire/plug.h"
#include "common/wire/wire.h"
#include "tests/component/folder.h"

enum { DEADLINE_MS = 60000, STEP_MS = 10 };

static char keys_dir[80];
static struct curve_key server_key, worker_key;
static struct wire *server;
static struct arena news;

/* A key that only this test has, and in the list where `known`. */
static void make_key(const char *name, bool known, struct curve_key *out)
{
    char path[160];
    ck_assert_int_eq(curve_key_make(folder_path(name), out), ERR_OK);
    snprintf(path, sizeof path, "%s/%s", keys_dir, name);
    if (known)
        ck_assert_int_eq(rename(folder_path(name), path), 0);
}

static void setup(void)
{
    folder_make();
    snprintf(keys_dir, sizeof keys_dir, "%s/workers", dir);
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    arena_init(&news, 1 << 20);
    make_key("server.key", false, &server_key);
    make_key("worker.key", true, &worker_key);
}

static void teardown(void)
{
    wire_close(&server);
    arena_free(&news);
    folder_remove();
}

static void serve(const struct curve_key *key, const char *local_work, const char *local_ack)
{
    const struct wire_server options = {.work_endpoint = "tcp://127.0.0.1:*",
                                        .ack_endpoint = "tcp://127.0.0.1:*",
                                        .key = key,
                                        .keys_dir = keys_dir,
                                        .local_work_endpoint = local_work,
                                        .local_ack_endpoint = local_ack};
    ck_assert_int_eq(wire_bind(&options, &server), ERR_OK);
}

static struct wire *connect_with(const struct curve_key *key, const char *known_as)
{
    struct wire *worker = NULL;
    const struct wire_worker options = {.work_endpoint = wire_work_endpoint(server),
                                        .ack_endpoint = wire_ack_endpoint(server),
                                        .key = key,
                                        .server_key = known_as};
    ck_assert_int_eq(wire_connect(&options, &worker), ERR_OK);
    return worker;
}

/* Both sides do what is to be done, for a moment. True: the worker was heard, and got the server's run. */
static bool works(struct wire *worker)
{
    static struct buffer frames[WIRE_RUN_BATCHES_MAX];
    Epcis__Wire__V1__Heartbeat beat = EPCIS__WIRE__V1__HEARTBEAT__INIT, *heard = NULL;
    Epcis__Wire__V1__Acknowledgment *ack = NULL;
    struct buffer frame = {0};
    size_t count = 0;
    beat.worker_id = "w";
    wire_publish_beat(worker, &beat);
    wire_wait(worker, false, STEP_MS);
    wire_wait(server, false, STEP_MS);
    ck_assert_int_eq(wire_receive_news(server, &news, &ack, &heard), ERR_OK);
    buffer_append_text(&frame, "run");
    if (heard)
        wire_send_run(server, &frame, 1);
    buffer_free(&frame);
    int64_t end_ms = clock_steady_ms() + 10 * STEP_MS; /* it may have gone to another */
    while (heard && count == 0 && clock_steady_ms() < end_ms) {
        wire_wait(worker, false, STEP_MS);
        wire_wait(server, false, 0);
        wire_receive_run(worker, frames, &count);
    }
    for (size_t i = 0; i < WIRE_RUN_BATCHES_MAX; i++)
        buffer_free(&frames[i]);
    return count == 1;
}

static void expect_work(struct wire *worker)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    while (!works(worker))
        ck_assert_msg(clock_steady_ms() < end_ms, "the worker is not let in");
}

/* It is refused, three times at least, and gets nothing however often it tries. */
static void expect_refusal(struct wire *worker)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    uint64_t before = wire_peers_refused(server);
    for (int tries = 0; tries < 50 || wire_peers_refused(server) < before + 3; tries++) {
        ck_assert_msg(clock_steady_ms() < end_ms, "the worker is not refused");
        ck_assert_msg(!works(worker), "the worker is let in");
    }
}

/* Its key is taken away: soon it is cut off, and not let in again. */
static void cut_off(const char *name, struct wire *worker)
{
    char path[160];
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    uint64_t before = wire_peers_refused(server);
    snprintf(path, sizeof path, "%s/%s", keys_dir, name);
    ck_assert_int_eq(unlink(path), 0);
    while (wire_peers_refused(server) == before) {
        ck_assert_msg(clock_steady_ms() < end_ms, "the worker is not cut off");
        works(worker);
    }
    expect_refusal(worker);
}

START_TEST(a_known_worker_is_let_in)
{
    serve(&server_key, NULL, NULL);
    struct wire *worker = connect_with(&worker_key, server_key.public_key);
    expect_work(worker);
    ck_assert_uint_eq(wire_peers_refused(server), 0);
    wire_close(&worker);
}
END_TEST

START_TEST(an_unknown_key_another_server_key_and_no_key_are_refused)
{
    struct curve_key stranger;
    make_key("stranger.key", false, &stranger);
    serve(&server_key, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        struct wire *worker = i == 0   ? connect_with(&stranger, server_key.public_key)
                              : i == 1 ? connect_with(&worker_key, stranger.public_key)
                                       : connect_with(NULL, NULL);
        expect_refusal(worker);
        wire_close(&worker);
    }
    struct wire *known = connect_with(&worker_key, server_key.public_key);
    expect_work(known);
    wire_close(&known);
}
END_TEST

START_TEST(a_key_is_of_no_use_where_none_is_asked_for)
{
    serve(NULL, NULL, NULL);
    struct wire *with = connect_with(&worker_key, server_key.public_key), *without = connect_with(NULL, NULL);
    expect_refusal(with);
    expect_work(without);
    wire_close(&with);
    wire_close(&without);
}
END_TEST

START_TEST(a_worker_is_let_in_once_its_key_is_added_and_cut_off_once_it_is_revoked)
{
    struct curve_key late;
    char from[160], to[160];
    make_key("late.key", false, &late);
    serve(&server_key, NULL, NULL);
    struct wire *steady = connect_with(&worker_key, server_key.public_key);
    struct wire *worker = connect_with(&late, server_key.public_key);
    expect_refusal(worker);
    snprintf(from, sizeof from, "%s/late.key", dir);
    snprintf(to, sizeof to, "%s/late.key", keys_dir);
    ck_assert_int_eq(rename(from, to), 0);
    expect_work(worker);
    char bound[128];
    snprintf(bound, sizeof bound, "%s", wire_work_endpoint(server));
    cut_off("late.key", worker);
    ck_assert_str_eq(wire_work_endpoint(server), bound);
    expect_work(steady);
    wire_close(&worker);
    wire_close(&steady);
}
END_TEST

START_TEST(workers_of_this_host_need_no_key_at_their_own_sockets)
{
    char work[160], ack[160];
    struct stat status;
    struct wire *local = NULL;
    snprintf(work, sizeof work, "ipc://%s/work.sock", dir);
    snprintf(ack, sizeof ack, "ipc://%s/ack.sock", dir);
    serve(&server_key, work, ack);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stat(folder_path(i ? "ack.sock" : "work.sock"), &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0600);
    }
    const struct wire_worker options = {.work_endpoint = work, .ack_endpoint = ack};
    ck_assert_int_eq(wire_connect(&options, &local), ERR_OK);
    expect_work(local);
    struct wire *plain = connect_with(NULL, NULL), *remote = connect_with(&worker_key, server_key.public_key);
    expect_refusal(plain);
    wire_close(&plain);
    wire_close(&local);
    expect_work(remote);
    wire_close(&remote);
}
END_TEST

START_TEST(a_socket_is_not_made_where_others_may_replace_it)
{
    char work[160], ack[160];
    snprintf(work, sizeof work, "ipc://%s/open/work.sock", dir);
    snprintf(ack, sizeof ack, "ipc://%s/open/ack.sock", dir);
    const struct wire_server options = {.work_endpoint = work, .ack_endpoint = ack};
    ck_assert_int_eq(mkdir(folder_path("open"), 0700), 0);
    ck_assert_int_eq(chmod(folder_path("open"), 0777), 0);
    ck_assert_int_eq(wire_bind(&options, &server), ERR_SYSTEM);
    ck_assert_ptr_null(server);
    ck_assert_int_eq(chmod(folder_path("open"), 01777), 0); /* as /tmp */
    ck_assert_int_eq(wire_bind(&options, &server), ERR_OK);
}
END_TEST

/* ---- what does not speak ZeroMQ --------------------------------------------------------------------- */

static int dial(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The server hangs up, and has counted it. */
static void expect_hang_up(const char *text, size_t length)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    uint64_t before = wire_peers_refused(server);
    char answer[256];
    int fd = dial(wire_work_endpoint(server));
    ck_assert_int_eq(send(fd, text, length, MSG_NOSIGNAL), (ssize_t)length);
    ssize_t got = -1;
    while (got != 0 || wire_peers_refused(server) == before) {
        ck_assert_msg(clock_steady_ms() < end_ms, "neither hung up nor counted");
        wire_wait(server, false, STEP_MS);
        got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN)
            got = 0;
    }
    close(fd);
}

/* RFC 37's greeting, of version 3.1, and behind it a command of 90 MiB that never comes. */
START_TEST(garbage_silence_and_endless_commands_are_hung_up_on)
{
    char greeting[64 + 9] = {(char)0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'C', 'U', 'R', 'V', 'E'};
    const unsigned char command[9] = {6, 0, 0, 0, 0, 5, 0xa0, 0, 0};
    memcpy(greeting + 64, command, sizeof command);
    serve(&server_key, NULL, NULL);
    expect_hang_up("GET / HTTP/1.1\r\n\r\n", 18);
    expect_hang_up(greeting, sizeof greeting);
    expect_hang_up(greeting, 64); /* after five seconds, as one that says nothing */
    struct wire *worker = connect_with(&worker_key, server_key.public_key);
    expect_work(worker);
    wire_close(&worker);
}
END_TEST

/* ---- the gate --------------------------------------------------------------------------------------- */

struct asked {
    void *context, *gate, *libzmq;
    struct allow_list *list;
    struct refusals refusals;
    uint8_t key[CURVE_KEY_BYTES];
};

static void ask_open(struct asked *asked)
{
    memset(asked, 0, sizeof *asked);
    asked->context = zmq_ctx_new();
    ck_assert_int_eq(gate_open(asked->context, &asked->gate), ERR_OK);
    asked->libzmq = zmq_socket(asked->context, ZMQ_REQ);
    ck_assert_int_eq(zmq_connect(asked->libzmq, "inproc://zeromq.zap.01"), 0);
    ck_assert_int_eq(allow_list_open(keys_dir, &asked->list), ERR_OK);
    ck_assert_ptr_nonnull(zmq_z85_decode(asked->key, worker_key.public_key));
}

static void ask_close(struct asked *asked)
{
    int now = 0;
    zmq_setsockopt(asked->libzmq, ZMQ_LINGER, &now, sizeof now);
    zmq_close(asked->libzmq);
    zmq_close(asked->gate);
    zmq_ctx_term(asked->context);
    allow_list_close(&asked->list);
}

struct part {
    const void *data;
    size_t length;
};

/* The status that the gate answers, 0 for an answer that is none. */
static int ask(struct asked *asked, const struct part *parts, int count)
{
    char answer[6][256];
    int lengths[6], got = 0, more = 1;
    size_t size = sizeof more;
    for (int i = 0; i < count; i++)
        ck_assert_int_ge(
            zmq_send(asked->libzmq, parts[i].data, parts[i].length, i + 1 < count ? ZMQ_SNDMORE : 0), 0);
    gate_answer(asked->gate, asked->list, &asked->refusals);
    for (; more && got < 6; got++) {
        lengths[got] = zmq_recv(asked->libzmq, answer[got], sizeof answer[0], 0);
        ck_assert_int_ge(lengths[got], 0);
        zmq_getsockopt(asked->libzmq, ZMQ_RCVMORE, &more, &size);
    }
    if (got != 6 || more || lengths[0] != 3 || memcmp(answer[0], "1.0", 3) != 0 || lengths[2] != 3)
        return 0;
    answer[2][3] = '\0';
    return atoi(answer[2]);
}

START_TEST(the_gate_refuses_whatever_it_does_not_understand)
{
    static struct asked asked;
    static const char long_text[1000];
    ask_open(&asked);
    const struct part good[] = {{"1.0", 3}, {"1", 1},     {GATE_DOMAIN, strlen(GATE_DOMAIN)}, {"10.0.0.1", 8},
                                {"", 0},    {"CURVE", 5}, {asked.key, CURVE_KEY_BYTES}};
    enum { PARTS = sizeof good / sizeof good[0] };
    struct part bad[PARTS + 1];
    ck_assert_int_eq(ask(&asked, good, PARTS), 200);
    ck_assert_uint_eq(asked.refusals.count, 0);
    for (int i = 1; i < PARTS; i++) /* too few */
        ck_assert_int_eq(ask(&asked, good, i), 400);
    memcpy(bad, good, sizeof good);
    bad[PARTS] = (struct part){"more", 4};
    ck_assert_int_eq(ask(&asked, bad, PARTS + 1), 400);
    const int matter[] = {0, 2, 5, 6}; /* the others may say what they like */
    for (size_t i = 0; i < sizeof matter / sizeof matter[0]; i++) {
        memcpy(bad, good, sizeof good);
        bad[matter[i]] = (struct part){"x", 1};
        ck_assert_int_eq(ask(&asked, bad, PARTS), 400);
        bad[matter[i]] = (struct part){long_text, sizeof long_text};
        ck_assert_int_eq(ask(&asked, bad, PARTS), 400);
        bad[matter[i]] = (struct part){"", 0};
        ck_assert_int_eq(ask(&asked, bad, PARTS), 400);
    }
    asked.key[7] ^= 1;
    ck_assert_int_eq(ask(&asked, good, PARTS), 400);
    asked.key[7] ^= 1;
    ck_assert_int_eq(ask(&asked, good, PARTS), 200);
    ask_close(&asked);
}
END_TEST

/* A socket that is guarded, and the gate is gone: nobody comes in, with whatever key. */
START_TEST(without_its_gate_nobody_is_let_in)
{
    void *context = zmq_ctx_new();
    struct plug guarded = {.socket = NULL}, outside = {.socket = NULL};
    struct plug_event event;
    char endpoint[128];
    size_t size = sizeof endpoint;
    bool tried = false;
    ck_assert_int_eq(plug_open(context, ZMQ_PUSH, 1 << 16, 0, &guarded), ERR_OK);
    ck_assert_int_eq(plug_serve_curve(&guarded, &server_key), ERR_OK);
    ck_assert_int_eq(zmq_bind(guarded.socket, "tcp://127.0.0.1:*"), 0);
    ck_assert_int_eq(zmq_getsockopt(guarded.socket, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    ck_assert_int_eq(plug_open(context, ZMQ_PULL, 1 << 16, 0, &outside), ERR_OK);
    ck_assert_int_eq(plug_use_curve(&outside, &worker_key, server_key.public_key), ERR_OK);
    ck_assert_int_eq(zmq_connect(outside.socket, endpoint), 0);
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    while (!tried) {
        ck_assert_msg(clock_steady_ms() < end_ms, "nothing happens");
        zmq_pollitem_t item = {.socket = guarded.monitor, .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, STEP_MS);
        while (plug_next_event(&guarded, &event)) {
            ck_assert_int_ne(event.kind, PLUG_ADMITTED);
            tried |= event.kind == PLUG_CUT_OFF;
        }
    }
    plug_close(&outside);
    plug_close(&guarded);
    zmq_ctx_term(context);
}
END_TEST

START_TEST(what_only_this_host_reaches_is_local)
{
    static const char *const local[] = {"ipc:///tmp/x", "tcp://127.0.0.1:*", "tcp://127.8.9.1:4741",
                                        "tcp://[::1]:1", "tcp://localhost:4741"};
    static const char *const reached[] = {"tcp://*:4741",
                                          "tcp://0.0.0.0:4741",
                                          "tcp://[::]:1",
                                          "tcp://10.0.0.1:1",
                                          "tcp://192.0.2.1:*",
                                          "tcp://eth0:4741",
                                          "tcp://",
                                          "tcp://127.0.0.1",
                                          "udp://127.0.0.1:1",
                                          ""};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        ck_assert_msg(wire_endpoint_is_local(local[i]), "%s", local[i]);
    for (size_t i = 0; i < sizeof reached / sizeof reached[0]; i++)
        ck_assert_msg(!wire_endpoint_is_local(reached[i]), "%s", reached[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curve");
    TCase *tests = tcase_create("curve");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, a_known_worker_is_let_in);
    tcase_add_test(tests, an_unknown_key_another_server_key_and_no_key_are_refused);
    tcase_add_test(tests, a_key_is_of_no_use_where_none_is_asked_for);
    tcase_add_test(tests, a_worker_is_let_in_once_its_key_is_added_and_cut_off_once_it_is_revoked);
    tcase_add_test(tests, workers_of_this_host_need_no_key_at_their_own_sockets);
    tcase_add_test(tests, a_socket_is_not_made_where_others_may_replace_it);
    tcase_add_test(tests, garbage_silence_and_endless_commands_are_hung_up_on);
    tcase_add_test(tests, the_gate_refuses_whatever_it_does_not_understand);
    tcase_add_test(tests, without_its_gate_nobody_is_let_in);
    tcase_add_test(tests, what_only_this_host_reaches_is_local);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
