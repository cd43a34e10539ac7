/* Checkpoints: a signed chain that lists what has grown, and the proofs that lead to it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "server/checkpointer.h"
#include "server/journal_audit.h"
#include "server/journal_wait.h"
#include "server/ledger_query.h"
#include "tests/component/signing.h"

static void checkpoint(struct server *server, bool always)
{
    struct journal_op op = {.kind = JOURNAL_CHECKPOINT, .always = always};
    ck_assert_int_eq(journal_wait(server->journal, &op), ERR_OK);
}

/* All checkpoints, in the arena. Each is signed by the last key, and names the one before. */
static size_t known_checkpoints(struct server *server, Epcis__V1__Checkpoint *out[], size_t room)
{
    struct journal_audit_page page = {.limit = 1000};
    Epcis__V1__ListCheckpointsResponse response = EPCIS__V1__LIST_CHECKPOINTS_RESPONSE__INIT;
    Epcis__V1__SigningKey *key = NULL;
    arena_reset(&arena);
    ck_assert_int_eq(journal_audit_last_key(server->journal, &arena, &key), ERR_OK);
    ck_assert_int_eq(journal_audit_checkpoints(server->journal, &page, &arena, &response), ERR_OK);
    ck_assert_uint_le(response.n_checkpoints, room);
    for (size_t i = 0; i < response.n_checkpoints; i++) {
        uint8_t digest[DIGEST_BYTES];
        const ProtobufCBinaryData bytes = response.checkpoints[i]->checkpoint,
                                  signature = response.checkpoints[i]->signature;
        ck_assert(signature_ok(key->public_key.data, SIGNER_CHECKPOINT, bytes.data, bytes.len, signature.data,
                               signature.len));
        out[i] = epcis__v1__checkpoint__unpack(&arena.allocator, bytes.len, bytes.data);
        ck_assert_ptr_nonnull(out[i]);
        ck_assert_uint_eq(out[i]->number, i + 1);
        ck_assert_uint_eq(out[i]->previous_sha256.len, i ? DIGEST_BYTES : 0);
        if (i) {
            digest_of(response.checkpoints[i - 1]->checkpoint.data,
                      response.checkpoints[i - 1]->checkpoint.len, digest);
            ck_assert_mem_eq(out[i]->previous_sha256.data, digest, DIGEST_BYTES);
        }
    }
    return response.n_checkpoints;
}

/* A batch with one event of the document, its number being that of the batch, and what became of it. */
struct batch_op {
    struct journal_op op;
    struct journal_span_result result;
};
static uint8_t leaf[DIGEST_BYTES] = {7};
static const struct buffer leaves = {.data = leaf, .length = sizeof leaf};

static void make_op(struct batch_op *out, uint64_t document, uint32_t partition, uint64_t sequence,
                    bool acknowledged)
{
    uint8_t id[DIGEST_BYTES] = {7}, parent[DIGEST_BYTES] = {0};
    Epcis__Store__V1__BatchSpan span = EPCIS__STORE__V1__BATCH_SPAN__INIT, *spans[] = {&span};
    Epcis__Store__V1__BatchRecord record = EPCIS__STORE__V1__BATCH_RECORD__INIT;
    *out = (struct batch_op){.op = {.kind = acknowledged ? JOURNAL_ACKNOWLEDGED : JOURNAL_BATCH,
                                    .partition = partition,
                                    .sequence = sequence,
                                    .results = &out->result,
                                    .result_count = 1,
                                    .leaves = &leaves,
                                    .rule_pack = "test"},
                             .result = {.committed = 1}};
    span.document_number = document;
    span.first_event = sequence - 1;
    span.count = span.events = 1;
    record.batch_id = record.root = (ProtobufCBinaryData){sizeof id, id};
    record.parent_batch_id = (ProtobufCBinaryData){sizeof parent, parent};
    record.spans = spans;
    record.n_spans = 1;
    if (acknowledged)
        buffer_append(&out->op.data, "\1", 1);
    else
        buffer_append_message(&out->op.data, &record.base);
}

static void record_batch(struct server *server, uint64_t document, uint32_t partition, uint64_t sequence,
                         bool acknowledged)
{
    struct batch_op op;
    make_op(&op, document, partition, sequence, acknowledged);
    ck_assert_int_eq(journal_wait(server->journal, &op.op), ERR_OK);
    buffer_free(&op.op.data);
}

START_TEST(checkpoints_are_a_signed_chain)
{
    struct server server;
    Epcis__V1__Checkpoint *all[8];
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    checkpoint(&server, false);
    checkpoint(&server, false); /* changes nothing */
    send(&server, "one", "");
    checkpoint(&server, false);
    record_batch(&server, 1, 300, 1, false);
    checkpoint(&server, false);
    record_batch(&server, 1, 300, 1, true);
    server_close(&server);
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    checkpoint(&server, true);
    checkpoint(&server, true);
    ck_assert_uint_eq(known_checkpoints(&server, all, 8), 5);
    ck_assert_uint_eq(all[0]->last_document, 0);
    ck_assert_uint_eq(all[1]->last_document, 1);
    ck_assert_uint_eq(all[1]->n_partitions, 0);
    ck_assert_uint_eq(all[2]->n_partitions, 1);
    ck_assert_uint_eq(all[2]->partitions[0]->partition, 300);
    ck_assert_uint_eq(all[2]->partitions[0]->last_sequence, 1);
    ck_assert_uint_eq(all[2]->partitions[0]->acknowledged_sequence, 0);
    ck_assert_uint_eq(all[2]->partitions[0]->last_batch_id.data[0], 7);
    ck_assert_uint_eq(all[2]->partitions[0]->outcome_id.len, 0);
    ck_assert_uint_eq(all[3]->partitions[0]->acknowledged_sequence, 1);
    ck_assert_uint_eq(all[3]->partitions[0]->outcome_id.len, DIGEST_BYTES);
    ck_assert_uint_eq(all[4]->n_partitions, 0); /* none has grown */
    server_close(&server);
}
END_TEST

START_TEST(a_checkpointer_makes_the_first_those_between_and_the_last)
{
    struct server server;
    struct checkpointer *checkpointer = NULL;
    Epcis__V1__Checkpoint *all[8];
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    ck_assert_int_eq(checkpointer_open(server.journal, 5, &checkpointer), ERR_OK);
    while (known_checkpoints(&server, all, 8) < 1)
        usleep(1000);
    send(&server, "one", "");
    while (known_checkpoints(&server, all, 8) < 2)
        usleep(1000);
    checkpointer_close(&checkpointer);
    ck_assert_int_eq(checkpointer_open(server.journal, 3600000, &checkpointer), ERR_OK);
    while (known_checkpoints(&server, all, 8) < 3)
        usleep(1000);
    send(&server, "two", "");
    checkpointer_close(&checkpointer);
    ck_assert_uint_eq(known_checkpoints(&server, all, 8), 4);
    ck_assert_uint_eq(all[3]->last_document, 2);
    server_close(&server);
}
END_TEST

/* The number of the checkpoint to which the proof of the document's event leads; 0: to none. */
static uint64_t proved_by(struct server *server, const struct receipt *receipt, uint64_t event,
                          size_t links_max)
{
    Epcis__V1__InclusionProof *proof = NULL;
    arena_reset(&arena);
    ck_assert_int_eq(ledger_query_proof(server->journal, receipt->capture_id, event, &arena, &proof), ERR_OK);
    ck_assert_uint_le(proof->n_links, links_max);
    if (!proof->checkpoint.len)
        return 0;
    Epcis__V1__Checkpoint *found =
        epcis__v1__checkpoint__unpack(&arena.allocator, proof->checkpoint.len, proof->checkpoint.data);
    ck_assert_ptr_nonnull(found);
    return found->number;
}

static uint32_t partition_of(struct server *server, const struct receipt *receipt)
{
    Epcis__Store__V1__CaptureRecord *record = NULL;
    arena_reset(&arena);
    ck_assert_int_eq(journal_capture_by_id(server->journal, receipt->capture_id, &arena, &record), ERR_OK);
    return record->partition;
}

enum { BUSY = 300, IDLE_EVERY = 70 };

START_TEST(they_list_what_has_grown_and_lead_every_proof_to_the_first_that_knows)
{
    struct server server;
    static Epcis__V1__Checkpoint *all[BUSY];
    uint64_t idle_batches = 0;
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    struct receipt busy = send(&server, "one", "0614141000012"), idle = send(&server, "two", "0614141000029");
    uint32_t busy_partition = partition_of(&server, &busy), idle_partition = partition_of(&server, &idle);
    ck_assert_uint_ne(busy_partition, idle_partition);
    for (uint64_t i = 1; i <= BUSY; i++) {
        for (int acknowledged = 0; acknowledged < 2; acknowledged++)
            record_batch(&server, 1, busy_partition, i, acknowledged);
        idle_batches += i % IDLE_EVERY == 0;
        for (int acknowledged = 0; acknowledged < 2 && i % IDLE_EVERY == 0; acknowledged++)
            record_batch(&server, 2, idle_partition, idle_batches, acknowledged);
        checkpoint(&server, false);
    }
    record_batch(&server, 1, busy_partition, BUSY + 1, false);
    record_batch(&server, 1, busy_partition, BUSY + 1, true);
    ck_assert_uint_eq(proved_by(&server, &busy, BUSY, 0), 0);
    for (uint64_t event = 0; event < BUSY; event += 17)
        ck_assert_uint_eq(proved_by(&server, &busy, event, 0), event + 1);
    for (uint64_t event = 0; event < idle_batches; event++)
        ck_assert_uint_eq(proved_by(&server, &idle, event, 0), (event + 1) * IDLE_EVERY);

    ck_assert_uint_eq(known_checkpoints(&server, all, BUSY), BUSY);
    for (uint64_t i = 1; i <= BUSY; i++) {
        bool both = i % IDLE_EVERY == 0 || i % JOURNAL_AUDIT_ALL_EVERY == 0;
        ck_assert_uint_eq(all[i - 1]->n_partitions, both ? 2 : 1);
        ck_assert_uint_eq(all[i - 1]->partition_count, i < IDLE_EVERY ? 1 : 2);
        ck_assert_uint_eq(all[i - 1]->batches, i + i / IDLE_EVERY);
        ck_assert_uint_eq(all[i - 1]->acknowledged, i + i / IDLE_EVERY);
    }
    server_close(&server);
}
END_TEST

static void forget(struct journal_op *op, enum err err)
{
    (void)op, (void)err;
}

START_TEST(fast_growth_makes_one_so_that_no_proof_gets_too_long)
{
    enum { BATCHES = JOURNAL_AUDIT_GROWTH_MAX + 100 };
    struct server server;
    Epcis__V1__Checkpoint *all[4];
    struct batch_op *ops = calloc((size_t)2 * BATCHES, sizeof *ops);
    ck_assert_int_eq(server_open(&server, false), ERR_OK);
    struct receipt receipt = send(&server, "one", "0614141000012");
    uint32_t partition = partition_of(&server, &receipt);
    for (size_t i = 0; i < BATCHES; i++) {
        for (size_t k = 2 * i; k < 2 * i + 2; k++) {
            make_op(&ops[k], 1, partition, i + 1, k % 2);
            ops[k].op.done = forget;
            journal_submit(server.journal, &ops[k].op);
        }
    }
    record_batch(&server, 1, partition, BATCHES + 1, false); /* behind all of them */
    ck_assert_uint_eq(known_checkpoints(&server, all, 4), 1);
    ck_assert_uint_eq(proved_by(&server, &receipt, 0, JOURNAL_AUDIT_GROWTH_MAX), 1);
    server_close(&server);
    for (size_t k = 0; k < (size_t)2 * BATCHES; k++)
        buffer_free(&ops[k].op.data);
    free(ops);
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("checkpoints");
    TCase *tests = tcase_create("checkpoints");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, checkpoints_are_a_signed_chain);
    tcase_add_test(tests, a_checkpointer_makes_the_first_those_between_and_the_last);
    tcase_add_test(tests, they_list_what_has_grown_and_lead_every_proof_to_the_first_that_knows);
    tcase_add_test(tests, fast_growth_makes_one_so_that_no_proof_gets_too_long);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
