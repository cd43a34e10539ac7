/* Calls that answer with many messages, by a method made for the purpose on a loop of its own, spoken to by
 * bare gRPC. */
#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "common/base/clock.h"
#include "server/front/loop.h"
#include "server/front/stream.h"
#include "server/identities.h"
#include "server/journal.h"
#include "server/token.h"

enum { PATIENCE_MS = 60000, WATCHERS = 200 };

/* ---- the method: a shared log of numbers, of which each stream sends all that it has not sent yet -------
 */

struct watcher {
    struct call *call;
    uint32_t sent;
    struct watcher *next;
};

static struct {
    pthread_mutex_t lock; /* guards `published` and `watchers` */
    uint32_t published;
    struct watcher *watchers;
    atomic_long opened, dropped, turns, parked;
    atomic_size_t padding; /* bytes sent with each number */
} feed = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void publish(void)
{
    pthread_mutex_lock(&feed.lock);
    feed.published++;
    for (struct watcher *watcher = feed.watchers; watcher; watcher = watcher->next)
        stream_notify(watcher->call);
    pthread_mutex_unlock(&feed.lock);
}

static void watch_drop(struct call *call)
{
    struct watcher *watcher = call->state;
    pthread_mutex_lock(&feed.lock);
    struct watcher **place = &feed.watchers;
    while (*place != watcher)
        place = &(*place)->next;
    *place = watcher->next;
    pthread_mutex_unlock(&feed.lock);
    free(watcher);
    call->state = NULL;
    atomic_fetch_add(&feed.dropped, 1);
}

static void watch_begin(struct call *call)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);
    watcher->call = call;
    call->state = watcher;
    pthread_mutex_lock(&feed.lock);
    watcher->next = feed.watchers;
    feed.watchers = watcher;
    pthread_mutex_unlock(&feed.lock);
    atomic_fetch_add(&feed.opened, 1);
}

static grpc_byte_buffer *number_message(uint32_t number)
{
    grpc_slice slice = grpc_slice_malloc(sizeof number + atomic_load(&feed.padding));
    memset(GRPC_SLICE_START_PTR(slice), 0, GRPC_SLICE_LENGTH(slice));
    memcpy(GRPC_SLICE_START_PTR(slice), &number, sizeof number);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return message;
}

static enum call_next watch_work(struct call *call, struct arena *arena)
{
    (void)arena;
    atomic_fetch_add(&feed.turns, 1);
    if (call->asked) {
        if (!call->request) {
            reply_input(&call->reply, "nothing asked");
            return CALL_ANSWER;
        }
        watch_begin(call);
    }
    struct watcher *watcher = call->state;
    pthread_mutex_lock(&feed.lock);
    uint32_t published = feed.published;
    pthread_mutex_unlock(&feed.lock);
    if (watcher->sent == published) {
        atomic_fetch_add(&feed.parked, 1);
        return CALL_PARK;
    }
    call->reply.message = number_message(++watcher->sent);
    return CALL_SEND;
}

/* Bidirectional: echoes each message twice, and ends when the client does. */
static enum call_next echo_work(struct call *call, struct arena *arena)
{
    (void)arena;
    if (call->asked && !call->request) {
        free(call->state);
        call->state = NULL;
        return CALL_ANSWER;
    }
    if (!call->state) {
        call->state = calloc(1, sizeof(int));
        atomic_fetch_add(&feed.opened, 1);
    }
    int *echoes = call->state;
    if (call->asked)
        *echoes = 0;
    if (*echoes == 2)
        return CALL_MORE;
    call->reply.message = number_message((uint32_t)++ * echoes);
    return CALL_SEND;
}

static void echo_drop(struct call *call)
{
    free(call->state);
    call->state = NULL;
    atomic_fetch_add(&feed.dropped, 1);
}

/* A last message that comes with the status. */
static enum call_next once_work(struct call *call, struct arena *arena)
{
    (void)arena;
    call->reply.message = number_message(7);
    return CALL_ANSWER;
}

static const struct method methods[] = {
    {.path = "/t/Watch",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .sending = true,
     .work = watch_work,
     .drop = watch_drop},
    {.path = "/t/Echo",
     .need = NEED_READ,
     .room = ROOM_QUERIES,
     .streaming = true,
     .sending = true,
     .work = echo_work,
     .drop = echo_drop},
    {.path = "/t/Public",
     .need = NEED_NOTHING,
     .room = ROOM_QUERIES,
     .sending = true,
     .work = watch_work,
     .drop = watch_drop},
    {.path = "/t/Once", .need = NEED_READ, .room = ROOM_QUERIES, .sending = true, .work = once_work},
};

/* ---- the loop, and clients ------------------------------------------------------------------------------
 */

static struct loop *loop;
static char address[64];

/* `identities`: callers need one of these; NULL: nobody is asked. */
static void begin_asking(struct front_limits limits, struct identities *identities)
{
    grpc_init();
    feed.published = 0;
    atomic_store(&feed.opened, 0);
    atomic_store(&feed.dropped, 0);
    atomic_store(&feed.turns, 0);
    atomic_store(&feed.parked, 0);
    atomic_store(&feed.padding, 0);
    loop = calloc(1, sizeof *loop);
    limits.sweep_ms = 20;
    loop->limits = limits;
    loop->services.access.identities = identities;
    loop->services.access.required = identities != NULL;
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    loop->server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(loop->server, loop->queue, NULL);
    for (int i = 0; i < ROOM_KINDS; i++)
        room_init(&loop->rooms[i], (enum room_kind)i, &loop->shares, POOL_QUERY, limits.query_bytes,
                  FRONT_MESSAGE_MAX, 1000);
    ck_assert_int_eq(pool_init(3, 1 << 20, &loop->pool), ERR_OK);
    ck_assert_int_eq(loop_register(loop, methods, sizeof methods / sizeof methods[0]), ERR_OK);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(loop->server, "127.0.0.1:0", credentials);
    grpc_server_credentials_release(credentials);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ck_assert_int_eq(loop_start(loop), ERR_OK);
}

static void begin(struct front_limits limits)
{
    begin_asking(limits, NULL);
}

static void stop_loop(void)
{
    loop_stop(loop, 2000);
    ck_assert_uint_eq(loop->call_count, 0);
    for (int i = 0; i < SHARE_KINDS; i++)
        ck_assert_uint_eq(loop->shares.held[i], 0);
    for (int i = 0; i < SHARE_BUCKETS; i++)
        ck_assert_ptr_null(loop->shares.buckets[i]);
    pool_free(&loop->pool);
    grpc_server_destroy(loop->server);
    grpc_completion_queue_destroy(loop->queue);
    free(loop);
    loop = NULL;
}

/* Whatever a test did, every stream's state was freed. */
static void end(void)
{
    if (loop)
        stop_loop();
    ck_assert_ptr_null(feed.watchers);
    grpc_shutdown_blocking();
}

static void wait_until(atomic_long *counter, long wanted)
{
    for (int64_t until = clock_steady_ms() + PATIENCE_MS; atomic_load(counter) < wanted;
         nanosleep(&(struct timespec){0, 1000000}, NULL))
        ck_assert_int_lt(clock_steady_ms(), until);
}

struct stream {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code code;
    grpc_slice details;
    char begun, sent, read, ended;
};

static void wait_for(struct stream *stream, void *tag)
{
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(PATIENCE_MS, GPR_TIMESPAN));
    grpc_event event = grpc_completion_queue_pluck(stream->queue, tag, deadline, NULL);
    ck_assert_int_eq(event.type, GRPC_OP_COMPLETE);
}

static void start(struct stream *stream, const grpc_op *ops, size_t count, void *tag)
{
    ck_assert_int_eq(grpc_call_start_batch(stream->call, ops, count, tag, NULL), GRPC_CALL_OK);
}

static void send_byte(struct stream *stream)
{
    grpc_slice slice = grpc_slice_from_static_string("x");
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    const grpc_op send = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};
    start(stream, &send, 1, &stream->sent);
    wait_for(stream, &stream->sent);
    grpc_byte_buffer_destroy(message);
}

static void half_close(struct stream *stream)
{
    const grpc_op close = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    start(stream, &close, 1, &stream->sent);
    wait_for(stream, &stream->sent);
}

/* Each on a connection of its own. */
static struct stream *open_stream_as(const char *method, const char *token)
{
    struct stream *stream = calloc(1, sizeof *stream);
    grpc_arg own = {
        .type = GRPC_ARG_INTEGER, .key = (char *)"grpc.use_local_subchannel_pool", .value.integer = 1};
    grpc_channel_args args = {1, &own};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    stream->channel = grpc_channel_create(address, credentials, &args);
    grpc_channel_credentials_release(credentials);
    stream->queue = grpc_completion_queue_create_for_pluck(NULL);
    stream->call = grpc_channel_create_call(stream->channel, NULL, GRPC_PROPAGATE_DEFAULTS, stream->queue,
                                            grpc_slice_from_static_string(method), NULL,
                                            gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_metadata_array_init(&stream->initial);
    grpc_metadata_array_init(&stream->trailing);
    char bearer[TOKEN_SIZE + sizeof "Bearer "];
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    grpc_metadata authorization = {.key = grpc_slice_from_static_string("authorization"),
                                   .value = grpc_slice_from_copied_string(bearer)};
    const grpc_op begin_ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = token[0] != '\0', .metadata = &authorization}},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->initial}};
    start(stream, begin_ops, 1, &stream->sent);
    wait_for(stream, &stream->sent);
    grpc_slice_unref(authorization.value);
    start(stream, begin_ops + 1, 1, &stream->begun);
    const grpc_op end_op = {
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {&stream->trailing, &stream->code, &stream->details, NULL}};
    start(stream, &end_op, 1, &stream->ended);
    return stream;
}

static struct stream *open_stream(const char *method)
{
    return open_stream_as(method, "");
}

static struct stream *watch_at(const char *method)
{
    struct stream *stream = open_stream(method);
    send_byte(stream);
    half_close(stream);
    return stream;
}

static struct stream *watch(void)
{
    return watch_at("/t/Watch");
}

/* The next number; 0: the stream has ended. */
static uint32_t read_number(struct stream *stream)
{
    grpc_byte_buffer *message = NULL;
    uint32_t number = 0;
    const grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &message};
    start(stream, &receive, 1, &stream->read);
    wait_for(stream, &stream->read);
    if (message) {
        grpc_byte_buffer_reader reader;
        grpc_byte_buffer_reader_init(&reader, message);
        grpc_slice flat = grpc_byte_buffer_reader_readall(&reader);
        memcpy(&number, GRPC_SLICE_START_PTR(flat), sizeof number);
        grpc_slice_unref(flat);
        grpc_byte_buffer_reader_destroy(&reader);
        grpc_byte_buffer_destroy(message);
    }
    return number;
}

static void free_stream(struct stream *stream)
{
    grpc_slice_unref(stream->details);
    grpc_metadata_array_destroy(&stream->initial);
    grpc_metadata_array_destroy(&stream->trailing);
    grpc_call_unref(stream->call);
    grpc_channel_destroy(stream->channel);
    grpc_completion_queue_shutdown(stream->queue);
    grpc_completion_queue_destroy(stream->queue);
    free(stream);
}

/* Reads nothing more, and expects this status, with `text` in it. */
static void expect_status(struct stream *stream, grpc_status_code code, const char *text)
{
    wait_for(stream, &stream->begun);
    wait_for(stream, &stream->ended);
    char *details = grpc_slice_to_c_string(stream->details);
    ck_assert_msg(stream->code == code, "%d: %s", stream->code, details);
    ck_assert_msg(strstr(details, text) != NULL, "%s", details);
    gpr_free(details);
    free_stream(stream);
}

static void cancel(struct stream *stream)
{
    grpc_call_cancel(stream->call, NULL);
    expect_status(stream, GRPC_STATUS_CANCELLED, "");
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

START_TEST(a_stream_sends_all_and_parks_between)
{
    begin(front_limits_default);
    publish();
    struct stream *stream = watch();
    ck_assert_uint_eq(read_number(stream), 1);
    wait_until(&feed.parked, 1);
    for (uint32_t i = 2; i < 50; i++) {
        publish();
        ck_assert_uint_eq(read_number(stream), i);
    }
    cancel(stream);
    wait_until(&feed.dropped, 1);
    end();
}
END_TEST

START_TEST(a_parked_stream_takes_no_turns)
{
    begin(front_limits_default);
    struct stream *stream = watch();
    wait_for(stream, &stream->begun); /* headers come before any message */
    long turns = atomic_load(&feed.turns);
    ck_assert_int_eq(turns, 1);
    for (int i = 0; i < 3; i++) { /* others do, meanwhile */
        struct stream *once = open_stream("/t/Once");
        send_byte(once);
        half_close(once);
        ck_assert_uint_eq(read_number(once), 7);
        expect_status(once, GRPC_STATUS_OK, "");
    }
    ck_assert_int_eq(atomic_load(&feed.turns), turns);
    grpc_call_cancel(stream->call, NULL);
    wait_for(stream, &stream->ended);
    free_stream(stream);
    wait_until(&feed.dropped, 1);
    end();
}
END_TEST

static void *publish_many(void *context)
{
    for (uint32_t i = 0; i < *(uint32_t *)context; i++)
        publish();
    return NULL;
}

/* Publishers race with parking: a news that is lost leaves a reader waiting for ever. */
START_TEST(no_news_is_lost)
{
    enum { PUBLISHERS = 3, STREAMS = 8 };
    uint32_t each = 2000;
    pthread_t publishers[PUBLISHERS];
    struct stream *streams[STREAMS];
    begin(front_limits_default);
    for (int i = 0; i < STREAMS; i++)
        streams[i] = watch();
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_create(&publishers[i], NULL, publish_many, &each);
    for (uint32_t number = 1; number <= PUBLISHERS * each; number++)
        for (int i = 0; i < STREAMS; i++)
            ck_assert_uint_eq(read_number(streams[i]), number);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    for (int i = 0; i < STREAMS; i++)
        cancel(streams[i]);
    end();
}
END_TEST

/* Streams end in every phase while there is news. */
START_TEST(streams_are_cancelled_at_any_moment)
{
    uint32_t each = 3000;
    pthread_t publisher;
    begin(front_limits_default);
    pthread_create(&publisher, NULL, publish_many, &each);
    for (int i = 0; i < WATCHERS; i++) {
        struct stream *stream = watch();
        for (int n = 0; n < i % 5; n++)
            read_number(stream);
        grpc_call_cancel(stream->call, NULL);
        wait_for(stream, &stream->begun);
        wait_for(stream, &stream->ended);
        free_stream(stream);
    }
    pthread_join(publisher, NULL);
    stop_loop();
    ck_assert_int_eq(atomic_load(&feed.opened), atomic_load(&feed.dropped));
    end();
}
END_TEST

START_TEST(stopping_ends_parked_streams)
{
    struct stream *streams[WATCHERS];
    begin(front_limits_default);
    publish();
    for (int i = 0; i < WATCHERS; i++)
        streams[i] = watch();
    for (int i = 0; i < WATCHERS; i++)
        ck_assert_uint_eq(read_number(streams[i]), 1);
    wait_until(&feed.parked, WATCHERS);
    int64_t before_ms = clock_steady_ms();
    stop_loop();
    ck_assert_int_lt(clock_steady_ms() - before_ms, PATIENCE_MS / 2);
    for (int i = 0; i < WATCHERS; i++) {
        ck_assert_uint_eq(read_number(streams[i]), 0);
        expect_status(streams[i], GRPC_STATUS_UNAVAILABLE, "stopping");
    }
    ck_assert_int_eq(atomic_load(&feed.dropped), WATCHERS);
    end();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_cut_off)
{
    struct front_limits limits = front_limits_default;
    limits.answer_ms = 100;
    uint32_t many = 1000;
    begin(limits);
    atomic_store(&feed.padding, 1 << 20);
    publish_many(&many);
    struct stream *stream = watch();
    wait_until(&feed.dropped, 1);
    ck_assert_int_lt(atomic_load(&feed.turns), many); /* it was not all sent into some buffer */
    uint32_t read = 0;
    while (read_number(stream))
        read++;
    ck_assert_uint_lt(read, many);
    ck_assert_uint_eq(reason_counted(REASON_NOT_READ), 1);
    expect_status(stream, GRPC_STATUS_RESOURCE_EXHAUSTED, "not read");
    end();
}
END_TEST

/* A stopping server does not wait for a client that does not read. */
START_TEST(stopping_while_a_message_is_stuck)
{
    uint32_t many = 1000;
    begin(front_limits_default);
    atomic_store(&feed.padding, 1 << 20);
    publish_many(&many);
    struct stream *stream = watch();
    long seen;
    do { /* until nothing moves any more */
        seen = atomic_load(&feed.turns);
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    } while (seen == 0 || seen != atomic_load(&feed.turns));
    stop_loop();
    ck_assert_int_eq(atomic_load(&feed.dropped), 1);
    grpc_call_cancel(stream->call, NULL);
    wait_for(stream, &stream->begun);
    wait_for(stream, &stream->ended);
    free_stream(stream);
    end();
}
END_TEST

START_TEST(open_streams_are_counted)
{
    struct front_limits limits = front_limits_default;
    limits.streams = 1;
    begin(limits);
    struct stream *first = watch();
    wait_until(&feed.parked, 1);
    expect_status(watch(), GRPC_STATUS_RESOURCE_EXHAUSTED, "1 streams are open");
    cancel(first);
    wait_until(&feed.dropped, 1);
    end();
}
END_TEST

/* Strangers have places of their own, which are fewer. */
START_TEST(public_streams_are_counted_apart)
{
    struct front_limits limits = front_limits_default;
    limits.public_streams = 1;
    begin(limits);
    struct stream *first = watch_at("/t/Public");
    wait_until(&feed.parked, 1);
    expect_status(watch_at("/t/Public"), GRPC_STATUS_RESOURCE_EXHAUSTED, "1 streams that need no identity");
    struct stream *second = watch();
    wait_until(&feed.parked, 2);
    cancel(first);
    cancel(second);
    wait_until(&feed.dropped, 2);
    end();
}
END_TEST

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status, (void)kind, (void)ftw;
    return remove(path);
}

static void make_identity(struct identities *identities, struct arena *arena, char token[TOKEN_SIZE])
{
    uint8_t sha256[DIGEST_BYTES];
    char why[IDENTITY_WHY];
    Epcis__V1__Role role = EPCIS__V1__ROLE__ROLE_READ;
    Epcis__V1__Identity wanted = EPCIS__V1__IDENTITY__INIT, *made;
    wanted.name = (char *)"watcher";
    wanted.roles = &role;
    wanted.n_roles = 1;
    ck_assert_int_eq(token_make(token, sha256), ERR_OK);
    ck_assert_int_eq(identities_create(identities, &wanted, sha256, "tester", arena, &made, why), ERR_OK);
}

/* A stream may be open for months; its caller's identity may not be good for so long. */
START_TEST(revoked_callers_are_cut_off)
{
    char dir[] = "/tmp/epcisd-streams-XXXXXX", path[64], token[TOKEN_SIZE];
    struct front_limits limits = front_limits_default;
    struct journal *journal;
    struct identities *identities;
    struct arena arena;
    Epcis__V1__Identity *revoked;
    limits.prove_ms = 50;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/journal", dir);
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(journal_open(path, 64 << 20, &journal), ERR_OK);
    ck_assert_int_eq(identities_open(journal, &identities), ERR_OK);
    make_identity(identities, &arena, token);

    begin_asking(limits, identities);
    expect_status(watch(), GRPC_STATUS_UNAUTHENTICATED, "");
    struct stream *stream = open_stream_as("/t/Watch", token);
    send_byte(stream);
    half_close(stream);
    wait_until(&feed.parked, 3); /* looked at more than once, and still good */
    publish();
    ck_assert_uint_eq(read_number(stream), 1);
    ck_assert_int_eq(identities_revoke(identities, "watcher", "tester", &arena, &revoked), ERR_OK);
    ck_assert_uint_eq(read_number(stream), 0);
    expect_status(stream, GRPC_STATUS_UNAUTHENTICATED, "");
    wait_until(&feed.dropped, 1);
    end();
    identities_close(&identities);
    journal_close(&journal);
    arena_free(&arena);
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

START_TEST(messages_go_both_ways)
{
    begin(front_limits_default);
    struct stream *stream = open_stream("/t/Echo");
    for (int i = 0; i < 10; i++) {
        send_byte(stream);
        ck_assert_uint_eq(read_number(stream), 1);
        ck_assert_uint_eq(read_number(stream), 2);
    }
    half_close(stream);
    ck_assert_uint_eq(read_number(stream), 0);
    expect_status(stream, GRPC_STATUS_OK, "");

    stream = open_stream("/t/Echo"); /* stops in the middle */
    send_byte(stream);
    ck_assert_uint_eq(read_number(stream), 1);
    stop_loop();
    ck_assert_uint_eq(read_number(stream), 2);
    ck_assert_uint_eq(read_number(stream), 0);
    expect_status(stream, GRPC_STATUS_UNAVAILABLE, "stopping");
    ck_assert_int_eq(atomic_load(&feed.dropped), 1);
    end();
}
END_TEST

START_TEST(a_stream_waits_for_room_and_for_messages)
{
    struct front_limits limits = front_limits_default;
    limits.query_bytes = FRONT_MESSAGE_MAX; /* one call that is received at a time */
    limits.query_ms = 100;
    limits.patience_ms = PATIENCE_MS;
    begin(limits);
    struct stream *idle = open_stream("/t/Echo"), *stream = open_stream("/t/Echo");
    send_byte(stream); /* it is received after the idle one has had its time, if that came first */
    ck_assert_uint_eq(read_number(stream), 1);
    ck_assert_uint_eq(read_number(stream), 2);
    expect_status(idle, GRPC_STATUS_DEADLINE_EXCEEDED, "no whole message");
    expect_status(stream, GRPC_STATUS_DEADLINE_EXCEEDED, "no whole message");
    ck_assert_int_eq(atomic_load(&feed.opened), 1);
    wait_until(&feed.dropped, 1);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front_streams");
    TCase *tests = tcase_create("streams");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_stream_sends_all_and_parks_between);
    tcase_add_test(tests, a_parked_stream_takes_no_turns);
    tcase_add_test(tests, no_news_is_lost);
    tcase_add_test(tests, streams_are_cancelled_at_any_moment);
    tcase_add_test(tests, stopping_ends_parked_streams);
    tcase_add_test(tests, a_client_that_does_not_read_is_cut_off);
    tcase_add_test(tests, stopping_while_a_message_is_stuck);
    tcase_add_test(tests, open_streams_are_counted);
    tcase_add_test(tests, public_streams_are_counted_apart);
    tcase_add_test(tests, revoked_callers_are_cut_off);
    tcase_add_test(tests, messages_go_both_ways);
    tcase_add_test(tests, a_stream_waits_for_room_and_for_messages);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
