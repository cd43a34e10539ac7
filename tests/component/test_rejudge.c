/* A worker that judges history again, at its end of the socket: the terms it takes and refuses, batches with
 * gaps between, what it tells of each item, and input that is none. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/framing.h"
#include "tests/component/synthetic.h"
#include "worker/rejudge.h"
#include "worker/rules/rules_table.h"

enum { MOST = 1 << 20 };

static struct {
    char folder[64];
    int ends[2];
    pthread_t thread;
    enum err end;
    struct arena arena;
    struct buffer buffer;
    struct synthetic made;
    struct synthetic_chain chain;
} world;

static void *serve(void *context)
{
    (void)context;
    const struct rejudge_config config = {.socket = world.ends[1],
                                          .worker_id = "test:1",
                                          .folder = world.folder,
                                          .map_bytes = 64 << 20,
                                          .memory_bytes = 64 << 20};
    world.end = rejudge_serve(&config);
    shutdown(world.ends[1], SHUT_RDWR);
    return NULL;
}

static void setup(void)
{
    world.buffer = (struct buffer){0};
    world.chain = (struct synthetic_chain){.partition = 3};
    snprintf(world.folder, sizeof world.folder, "/tmp/epcisd-rejudge-%ld", (long)getpid());
    arena_init(&world.arena, 64 << 20);
    synthetic_init(&world.made);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, world.ends), 0);
    ck_assert_int_eq(pthread_create(&world.thread, NULL, serve, NULL), 0);
}

static void end(enum err expected)
{
    struct stat status;
    shutdown(world.ends[0], SHUT_RDWR);
    pthread_join(world.thread, NULL);
    ck_assert_int_eq(world.end, expected);
    ck_assert_int_ne(stat(world.folder, &status), 0);
}

static void teardown(void)
{
    close(world.ends[0]);
    close(world.ends[1]);
    synthetic_free(&world.made);
    arena_free(&world.arena);
    buffer_free(&world.buffer);
}

static void *receive(const ProtobufCMessageDescriptor *type)
{
    ck_assert_int_eq(framing_receive(world.ends[0], MOST, &world.buffer), ERR_OK);
    void *message =
        protobuf_c_message_unpack(type, &world.arena.allocator, world.buffer.length, world.buffer.data);
    ck_assert_ptr_nonnull(message);
    return message;
}

static const Epcis__Wire__V1__RejudgeReady *agree(const char *profile, char **rules, size_t count)
{
    Epcis__Wire__V1__RejudgeTerms terms = EPCIS__WIRE__V1__REJUDGE_TERMS__INIT;
    terms.profile = (char *)(uintptr_t)profile;
    terms.rules = rules;
    terms.n_rules = count;
    buffer_clear(&world.buffer);
    buffer_append_message(&world.buffer, &terms.base);
    ck_assert_int_eq(framing_send(world.ends[0], world.buffer.data, world.buffer.length), ERR_OK);
    const Epcis__Wire__V1__RejudgeReady *ready = receive(&epcis__wire__v1__rejudge_ready__descriptor);
    ck_assert_str_eq(ready->rule_pack, rules_pack);
    return ready;
}

/* What was added since the last call becomes a batch, and is judged. */
static const Epcis__Wire__V1__Rejudged *judge(void)
{
    synthetic_pack(&world.made, &world.chain, &world.buffer);
    ck_assert_int_eq(framing_send(world.ends[0], world.buffer.data, world.buffer.length), ERR_OK);
    return receive(&epcis__wire__v1__rejudged__descriptor);
}

static void add(const char *lot, const char *expiry, const char *serial)
{
    synthetic_add(&world.made, synthetic_commission(&world.arena, (int64_t)world.chain.sequence, lot, expiry,
                                                    (const char *const[]){serial, NULL}));
}

START_TEST(terms_are_refused_in_words)
{
    static const struct {
        const char *profile;
        const char *rule;
        const char *told;
    } wrong[] = {{"lax", NULL, "lax"},
                 {"", "NO_SUCH_RULE=off", "NO_SUCH_RULE"},
                 {"strict", "FUTURE_EVENT=often", "often"},
                 {"", "SCHEMA_INVALID=off", "SCHEMA_INVALID"}};
    char *rule = (char *)(uintptr_t)wrong[_i].rule;
    const Epcis__Wire__V1__RejudgeReady *ready = agree(wrong[_i].profile, &rule, rule != NULL);
    ck_assert_ptr_nonnull(strstr(ready->refusal, wrong[_i].told));
    ck_assert_int_eq(framing_receive(world.ends[0], MOST, &world.buffer), ERR_STOPPED);
    end(ERR_OK);
}
END_TEST

START_TEST(each_item_is_told)
{
    char off[] = "EXPIRY_FORMAT=off", reject[] = "EXPIRY_FORMAT=reject", *rules[] = {off, reject};
    ck_assert_str_eq(agree("", rules, 2)->refusal, "");
    add("L1", "2027-01-31", "a");
    add("L1", "2027-02-30", "b");
    add("L1", "2027-01-31", "c");
    const Epcis__Wire__V1__Rejudged *rejudged = judge();
    const uint8_t outcomes[] = {1, 3, 1};
    ck_assert_int_eq(rejudged->acknowledgment->result, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED);
    ck_assert_uint_eq(rejudged->acknowledgment->outcomes.len, 3);
    ck_assert_mem_eq(rejudged->acknowledgment->outcomes.data, outcomes, 3);
    ck_assert_uint_eq(rejudged->event_hashes.len, (size_t)3 * DIGEST_BYTES);
    ck_assert_mem_ne(rejudged->event_hashes.data, rejudged->event_hashes.data + DIGEST_BYTES, DIGEST_BYTES);
    ck_assert_uint_eq(rejudged->n_refusals, 1);
    ck_assert_uint_eq(rejudged->refusals[0]->item, 1);
    ck_assert_uint_eq(rejudged->refusals[0]->n_codes, 1);
    ck_assert_str_eq(rejudged->refusals[0]->codes[0], "EXPIRY_FORMAT");
    end(ERR_OK);
}
END_TEST

START_TEST(what_is_left_out_makes_no_difference)
{
    agree("", NULL, 0);
    add("L1", "2027-01-31", "a");
    judge();
    world.chain.sequence += 5;
    memset(world.chain.last_id, 9, DIGEST_BYTES);
    add("L2", "2027-01-31", "a");
    add("L1", "2027-01-31", "b");
    const Epcis__Wire__V1__Rejudged *rejudged = judge();
    const uint8_t outcomes[] = {3, 1};
    ck_assert_uint_eq(rejudged->acknowledgment->outcomes.len, 2);
    ck_assert_mem_eq(rejudged->acknowledgment->outcomes.data, outcomes, 2);
    ck_assert_str_eq(rejudged->refusals[0]->codes[0], "SERIAL_REUSED");
    world.chain.last_id[0] ^= 1; /* what follows must follow all the same */
    add("L1", "2027-01-31", "c");
    rejudged = judge();
    ck_assert_int_eq(rejudged->acknowledgment->result, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK);
    ck_assert_uint_eq(rejudged->n_refusals, 0);
    end(ERR_OK);
}
END_TEST

START_TEST(what_is_no_message_ends_it)
{
    if (_i > 0)
        agree("", NULL, 0);
    ck_assert_int_eq(framing_send(world.ends[0], "\xff\xff", 2), ERR_OK);
    ck_assert_int_eq(framing_receive(world.ends[0], MOST, &world.buffer), ERR_STOPPED);
    end(ERR_INPUT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rejudge");
    TCase *tests = tcase_create("rejudge");
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, terms_are_refused_in_words, 0, 4);
    tcase_add_test(tests, each_item_is_told);
    tcase_add_test(tests, what_is_left_out_makes_no_difference);
    tcase_add_loop_test(tests, what_is_no_message_ends_it, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
