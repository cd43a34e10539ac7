/* Journal, converter and dispatcher together, with a worker made for the test that loses what it is told to
 * lose: nothing is skipped, doubled or reordered, and a restart rebuilds the same batches. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/gs1/epc.h"
#include "common/wire/wire.h"
#include "epcis/v1/ledger.pb-c.h"
#include "server/capture_query.h"
#include "server/converter.h"
#include "server/counters.h"
#include "server/dispatcher.h"
#include "server/ingest.h"
#include "server/journal.h"
#include "server/partner.h"
#include "server/routes.h"
#include "tests/component/folder.h"
#include "tests/component/sending.h"

enum { DEADLINE_MS = 30000, LOG_MAX = 4096 };

static char work_endpoint[96], ack_endpoint[96];

static void setup(void)
{
    folder_make();
    snprintf(work_endpoint, sizeof work_endpoint, "ipc://%s/work", dir);
    snprintf(ack_endpoint, sizeof ack_endpoint, "ipc://%s/ack", dir);
}

static void teardown(void)
{
    folder_remove();
}

/* ---- the worker ------------------------------------------------------------------------------------- */

struct seen {
    uint32_t partition;
    uint64_t sequence;
    uint8_t id[DIGEST_BYTES];
    uint32_t items;
    uint32_t elements;    /* of master data, among them */
    uint64_t first_event; /* of the first segment */
};

struct fake_worker {
    pthread_t thread;
    atomic_bool stop;
    atomic_int runs_to_lose;   /* taken and never answered */
    atomic_int store_failures; /* answered with STORE_FAILED */
    atomic_bool silent;        /* answers nothing at all */
    atomic_int wrong_sums;     /* answered with counts that do not add up */
    atomic_int short_outcomes; /* answered with an outcome too few */
    atomic_int stray_trials;   /* answered as if they were trials that went through */
    atomic_int trials;         /* that were asked for */
    atomic_int runs;
    bool keeps_order;      /* has a store, which refuses what does not follow its last batch */
    bool mixes_up;         /* answers a run's batches from the last to the first, and each twice */
    uint32_t too_large;    /* the item before this position is too large for it; 0: none */
    const char *forked;    /* partner of whose partition it has another history; NULL: none */
    pthread_mutex_t mutex; /* guards the log, and the store */
    uint64_t store[PARTNER_PARTITIONS]; /* last batch of each */
    struct seen log[LOG_MAX];
    size_t count;
    char refused[256]; /* the part of a document that the last refusal quotes */
};

/* Events among the next `count` items. */
static uint32_t count_events(Epcis__Wire__V1__BatchItem **items, uint32_t count)
{
    uint32_t events = 0;
    for (uint32_t i = 0; i < count; i++)
        events += items[i]->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_EVENT ||
                  (items[i]->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL &&
                   !items[i]->refusal->whole_document);
    return events;
}

/* What a worker makes of one item. */
static uint8_t outcome_of(const Epcis__Wire__V1__BatchItem *item)
{
    if (item->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_VOCABULARY_ELEMENT)
        return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_MASTER_DATA;
    if (item->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL && item->refusal->whole_document)
        return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_DOCUMENT_REFUSED;
    return EPCIS__V1__ITEM_OUTCOME__ITEM_OUTCOME_COMMITTED;
}

/* What a store says that keeps its partitions' order. */
static Epcis__Wire__V1__BatchResult try_store(struct fake_worker *worker, const Epcis__Wire__V1__Batch *batch,
                                              uint64_t *last)
{
    Epcis__Wire__V1__BatchResult result = EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED;
    pthread_mutex_lock(&worker->mutex);
    uint64_t *store = &worker->store[batch->partition];
    if (worker->forked && strcmp(batch->segments[0]->partner, worker->forked) == 0)
        result = EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_FORK;
    else if (batch->sequence > *store + 1)
        result = EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_OUT_OF_ORDER;
    else if (batch->sequence == *store + 1)
        *store = batch->sequence;
    *last = *store;
    pthread_mutex_unlock(&worker->mutex);
    return result;
}

/* What a worker with little memory says, where one item of a partition's first batch takes too much. */
static Epcis__Wire__V1__BatchResult try_memory(const struct fake_worker *worker,
                                               const Epcis__Wire__V1__Batch *batch)
{
    bool trial = batch->trial_count > 0;
    uint32_t first = trial ? batch->trial_first : 0, item = worker->too_large - 1;
    uint32_t count = trial ? batch->trial_count : (uint32_t)batch->n_items;
    bool condemned = false;
    for (size_t i = 0; i < batch->n_condemned; i++)
        condemned |= batch->condemned[i] == item;
    if (batch->sequence == 1 && !condemned && item >= first && item - first < count)
        return EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TOO_LARGE;
    return trial ? EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK
                 : EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED;
}

static void refuse(struct wire *wire, const Epcis__Wire__V1__Batch *batch,
                   Epcis__Wire__V1__BatchResult result, uint64_t last_sequence)
{
    Epcis__Wire__V1__Acknowledgment ack = EPCIS__WIRE__V1__ACKNOWLEDGMENT__INIT;
    ack.worker_id = (char *)"test:1";
    ack.partition = batch->partition;
    ack.sequence = batch->sequence;
    ack.batch_id = batch->batch_id;
    ack.result = result;
    ack.last_sequence = last_sequence;
    ack.trial_first = batch->trial_first;
    ack.trial_count = batch->trial_count;
    ack.detail = (char *)"made up";
    ck_assert_int_eq(wire_publish_ack(wire, &ack), ERR_OK);
}

static void answer(struct wire *wire, const Epcis__Wire__V1__Batch *batch, bool failed, uint32_t missing,
                   uint32_t wrong_outcomes)
{
    Epcis__Wire__V1__Acknowledgment ack = EPCIS__WIRE__V1__ACKNOWLEDGMENT__INIT;
    Epcis__Wire__V1__SegmentResult results[64], *pointers[64];
    ack.worker_id = (char *)"test:1";
    ack.partition = batch->partition;
    ack.sequence = batch->sequence;
    ack.batch_id = batch->batch_id;
    ack.result = failed ? EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED
                        : EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED;
    ck_assert_uint_le(batch->n_segments, 64);
    Epcis__Wire__V1__BatchItem **items = batch->items;
    for (size_t i = 0; i < batch->n_segments; i++) {
        epcis__wire__v1__segment_result__init(&results[i]);
        results[i].capture_id = batch->segments[i]->capture_id;
        results[i].committed = count_events(items, batch->segments[i]->count) - missing;
        items += batch->segments[i]->count;
        pointers[i] = &results[i];
    }
    uint8_t *outcomes = malloc(batch->n_items + 1);
    for (size_t i = 0; i < batch->n_items; i++)
        outcomes[i] = outcome_of(batch->items[i]);
    ack.segments = pointers;
    ack.n_segments = failed ? 0 : batch->n_segments;
    ack.outcomes = (ProtobufCBinaryData){failed ? 0 : batch->n_items - wrong_outcomes, outcomes};
    ack.rule_pack = (char *)"test";
    ck_assert_int_eq(wire_publish_ack(wire, &ack), ERR_OK);
    free(outcomes);
}

static bool take_one(atomic_int *count)
{
    int left = atomic_load(count);
    return left > 0 && atomic_fetch_sub(count, 1) > 0;
}

static void handle_run(struct fake_worker *worker, struct wire *wire, struct buffer *frames, size_t count)
{
    atomic_fetch_add(&worker->runs, 1);
    bool lose = atomic_load(&worker->silent) || take_one(&worker->runs_to_lose);
    bool failed = !lose && take_one(&worker->store_failures);
    bool wrong = !lose && !failed && take_one(&worker->wrong_sums);
    bool short_outcomes = !lose && !failed && !wrong && take_one(&worker->short_outcomes);
    bool stray = take_one(&worker->stray_trials);
    for (size_t turn = 0; turn < (worker->mixes_up ? 2 * count : count); turn++) {
        size_t i = worker->mixes_up ? count - 1 - turn % count : turn;
        Epcis__Wire__V1__Batch *batch =
            epcis__wire__v1__batch__unpack(NULL, frames[i].length, frames[i].data);
        ck_assert_ptr_nonnull(batch);
        pthread_mutex_lock(&worker->mutex);
        struct seen *seen = &worker->log[worker->count++];
        ck_assert_uint_lt(worker->count, LOG_MAX);
        pthread_mutex_unlock(&worker->mutex);
        seen->partition = batch->partition;
        seen->sequence = batch->sequence;
        seen->items = (uint32_t)batch->n_items;
        memcpy(seen->id, batch->batch_id.data, DIGEST_BYTES);
        seen->first_event = batch->segments[0]->first_event;
        seen->elements = 0;
        for (size_t j = 0; j < batch->n_items; j++) {
            seen->elements +=
                batch->items[j]->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_VOCABULARY_ELEMENT;
            if (batch->items[j]->content_case == EPCIS__WIRE__V1__BATCH_ITEM__CONTENT_REFUSAL) {
                ProtobufCBinaryData part = batch->items[j]->refusal->raw_document_part;
                snprintf(worker->refused, sizeof worker->refused, "%.*s", (int)part.len, (char *)part.data);
            }
        }
        uint64_t last = 0;
        Epcis__Wire__V1__BatchResult result = EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED;
        atomic_fetch_add(&worker->trials, batch->trial_count > 0);
        if (!lose && !failed && worker->keeps_order)
            result = try_store(worker, batch, &last);
        if (stray)
            result = EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_TRIAL_OK;
        if (worker->too_large)
            result = try_memory(worker, batch);
        if (result != EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED)
            refuse(wire, batch, result, last);
        else if (!lose)
            answer(wire, batch, failed, wrong ? 2 : 0, short_outcomes);
        epcis__wire__v1__batch__free_unpacked(batch, NULL);
    }
}

static void *worker_main(void *context)
{
    struct fake_worker *worker = context;
    struct wire *wire = NULL;
    struct buffer frames[WIRE_RUN_BATCHES_MAX] = {{0}};
    ck_assert_int_eq(
        wire_connect(&(struct wire_worker){.work_endpoint = work_endpoint, .ack_endpoint = ack_endpoint},
                     &wire),
        ERR_OK);
    while (!atomic_load(&worker->stop)) {
        size_t count = 0;
        wire_wait(wire, false, 20);
        ck_assert_int_eq(wire_receive_run(wire, frames, &count), ERR_OK);
        if (count > 0)
            handle_run(worker, wire, frames, count);
    }
    for (size_t i = 0; i < WIRE_RUN_BATCHES_MAX; i++)
        buffer_free(&frames[i]);
    wire_close(&wire);
    return NULL;
}

static void worker_start(struct fake_worker *worker)
{
    pthread_mutex_init(&worker->mutex, NULL);
    ck_assert_int_eq(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

static void worker_stop(struct fake_worker *worker)
{
    atomic_store(&worker->stop, true);
    pthread_join(worker->thread, NULL);
    pthread_mutex_destroy(&worker->mutex);
}

/* ---- the server ------------------------------------------------------------------------------------- */

struct core {
    struct journal *journal;
    struct dispatcher *dispatcher;
    struct converter *converter;
    struct ingest *ingest;
};

static struct core core;
static uint64_t batch_max_wait_ms = 200;

static void on_acknowledged(void *context, uint32_t partition, size_t bytes)
{
    (void)context;
    converter_acknowledged(core.converter, partition, bytes);
}

static void on_rewind(void *context, uint32_t partition, uint64_t sequence)
{
    (void)context;
    converter_rewind(core.converter, partition, sequence);
}

static void on_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context;
    converter_received(core.converter, number, partition, upload);
}

static void on_arriving(void *context, uint64_t upload, uint32_t pieces)
{
    (void)context;
    converter_arriving(core.converter, upload, pieces);
}

static void on_fatal(void)
{
    ck_abort_msg("the converter gave up");
}

static void core_open(void)
{
    char journal_dir[96];
    snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
    struct dispatcher_options dispatcher = {
        .wire = {.work_endpoint = work_endpoint, .ack_endpoint = ack_endpoint},
        .run_max_batches = 4,
        .run_max_bytes = 1 << 20,
        .lease_ms = 300,
        .rewind = on_rewind,
        .silent_ms = 60000};
    struct converter_options converter = {.limits = PARSER_LIMITS_INIT,
                                          .batch_max_events = 10,
                                          .batch_max_bytes = 1 << 20,
                                          .batch_max_wait_ms = batch_max_wait_ms,
                                          .partition_max_bytes = 64 << 20,
                                          .total_max_bytes = 64 << 20,
                                          .spool_dir = dir};
    ck_assert_int_eq(journal_open(journal_dir, 256 << 20, &core.journal), ERR_OK);
    ck_assert_int_eq(dispatcher_open(&dispatcher, core.journal, on_acknowledged, NULL, &core.dispatcher),
                     ERR_OK);
    ck_assert_int_eq(
        converter_open(&converter, core.journal, NULL, core.dispatcher, on_fatal, &core.converter), ERR_OK);
    ck_assert_int_eq(converter_start(core.converter), ERR_OK);
    ck_assert_int_eq(ingest_init(core.journal, NULL, on_received, NULL, &core.ingest), ERR_OK);
    ingest_tell_arriving(core.ingest, on_arriving);
}

static void core_close(void)
{
    converter_stop(core.converter);
    dispatcher_stop(core.dispatcher, 0);
    journal_close(&core.journal);
    converter_free(&core.converter);
    dispatcher_close(&core.dispatcher);
    ingest_free(&core.ingest);
}

/* ---- documents -------------------------------------------------------------------------------------- */

static const char strange_event[] = "<StrangeEvent>what is this?</StrangeEvent>";

static struct receipt send_text(const char *partner, const struct buffer *text)
{
    return send_bytes(core.ingest, text->data, text->length, partner);
}

static void append_events(struct buffer *text, int id, int events)
{
    for (int i = 0; i < events; i++)
        buffer_printf(
            text,
            "<ObjectEvent><eventTime>2025-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00"
            "</eventTimeZoneOffset><epcList><epc>urn:epc:id:sgtin:0614141.107346.%d%06d</epc></epcList>"
            "<action>OBSERVE</action></ObjectEvent>",
            id, i);
}

static const char document_begin[] =
    "<?xml version=\"1.0\"?><epcis:EPCISDocument xmlns:epcis=\"urn:epcglobal:epcis:xsd:1\""
    " schemaVersion=\"1.2\" creationDate=\"2025-01-01T00:00:00Z\"><EPCISBody><EventList>";
static const char document_end[] = "</EventList></EPCISBody></epcis:EPCISDocument>";

/* `events` object events, then `more`; cut off before its end where `whole` is false. */
static struct receipt send_document_with(const char *partner, int id, int events, const char *more,
                                         bool whole)
{
    struct buffer text = {0};
    buffer_append_text(&text, document_begin);
    append_events(&text, id, events);
    buffer_append_text(&text, more);
    if (whole)
        buffer_append_text(&text, document_end);
    struct receipt receipt = send_text(partner, &text);
    buffer_free(&text);
    return receipt;
}

static struct receipt send_document(const char *partner, int id, int events, bool whole)
{
    return send_document_with(partner, id, events, "", whole);
}

static void wait_until(bool (*condition)(void *), void *context)
{
    int64_t end_ms = clock_steady_ms() + DEADLINE_MS;
    while (!condition(context)) {
        ck_assert_msg(clock_steady_ms() < end_ms, "not within %d ms", DEADLINE_MS);
        usleep(2000);
    }
}

static bool all_finished(void *context)
{
    (void)context;
    return journal_unfinished_bytes(core.journal) == 0;
}

static bool has_runs(void *context)
{
    struct fake_worker *worker = context;
    return atomic_load(&worker->runs) >= 1;
}

static void expect_capture(const struct receipt *receipt, Epcis__V1__CaptureState state, uint64_t events)
{
    struct arena arena;
    Epcis__V1__Capture *capture = NULL;
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(capture_get(core.journal, receipt->capture_id, &arena, &capture), ERR_OK);
    ck_assert_int_eq(capture->state, state);
    ck_assert_uint_eq(capture->events, events);
    arena_free(&arena);
}

static bool is_done(void *receipt)
{
    struct arena arena;
    Epcis__V1__Capture *capture = NULL;
    arena_init(&arena, 1 << 20);
    enum err err = capture_get(core.journal, ((struct receipt *)receipt)->capture_id, &arena, &capture);
    bool done = !err && capture->state == EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE;
    arena_free(&arena);
    return done;
}

/* First sightings of each partition's batches come in order, and a batch seen again is the same batch. */
static uint64_t check_log(const struct fake_worker *worker)
{
    static struct seen first[PARTNER_PARTITIONS][256];
    uint64_t last[PARTNER_PARTITIONS] = {0}, items = 0;
    for (size_t i = 0; i < worker->count; i++) {
        const struct seen *seen = &worker->log[i];
        ck_assert_uint_lt(seen->sequence, 256);
        if (seen->sequence == last[seen->partition] + 1) {
            first[seen->partition][seen->sequence] = *seen;
            last[seen->partition] = seen->sequence;
            items += seen->items;
            continue;
        }
        ck_assert_uint_le(seen->sequence, last[seen->partition]);
        ck_assert_mem_eq(seen->id, first[seen->partition][seen->sequence].id, DIGEST_BYTES);
    }
    return items;
}

START_TEST(documents_run_through)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    core_open();
    worker_start(&worker);
    struct receipt big = send_document("0614141000012", 1, 105, true);
    struct receipt other = send_document("", 2, 3, true);
    struct receipt empty = send_document("", 3, 0, true);
    struct receipt broken = send_document("0614141000012", 4, 25, false);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&big, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 105);
    expect_capture(&other, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 3);
    expect_capture(&empty, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 0);
    expect_capture(&broken, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_FAILED, 25);
    ck_assert_uint_eq(check_log(&worker), 105 + 3 + 25 + 1);
    core_close();
}
END_TEST

/* Also where the event's bytes lie in two of the journal's pieces. */
START_TEST(an_unreadable_event_is_quoted)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    core_open();
    worker_start(&worker);
    for (int i = 0; i < 2; i++) {
        size_t padding = i == 0 ? 10 : JOURNAL_PIECE_BYTES - 200;
        char *more = malloc(padding + sizeof strange_event);
        memset(more, ' ', padding);
        memcpy(more + padding, strange_event, sizeof strange_event);
        worker.refused[0] = '\0';
        struct receipt receipt = send_document_with("0614141000012", i, 0, more, true);
        wait_until(all_finished, NULL);
        expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 1);
        ck_assert_str_eq(worker.refused, strange_event);
        free(more);
    }
    worker_stop(&worker);
    core_close();
}
END_TEST

static bool read_ahead(void *counted)
{
    return counters_get(COUNTER_EVENTS_AHEAD) > *(uint64_t *)counted;
}

/* And nothing of it goes out before all is there. */
START_TEST(a_stream_is_read_while_it_arrives)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    struct ingest_document *document = NULL;
    struct receipt receipt;
    struct buffer text = {0};
    struct arena arena;
    Epcis__Store__V1__BatchRecord *second = NULL;
    uint64_t counted = counters_get(COUNTER_EVENTS_AHEAD);
    core_open();
    worker_start(&worker);
    buffer_append_text(&text, document_begin);
    append_events(&text, 1, 60);
    memset(buffer_reserve(&text, JOURNAL_PIECE_BYTES), ' ', JOURNAL_PIECE_BYTES);
    text.length += JOURNAL_PIECE_BYTES;
    ck_assert_int_eq(ingest_open(core.ingest, "0614141000012", &document), ERR_OK);
    ingest_set_streamed(document);
    ck_assert_int_eq(ingest_append(document, text.data, text.length), ERR_OK);
    wait_until(read_ahead, &counted);
    struct receipt other = send_document("0614141000012", 3, 5, true);
    wait_until(is_done, &other);
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(journal_batch(core.journal, partner_partition("0614141000012"), 2, &arena, &second),
                     ERR_NOT_FOUND); /* the first is the other document's */
    arena_free(&arena);
    buffer_clear(&text);
    append_events(&text, 2, 30);
    buffer_append_text(&text, document_end);
    ck_assert_int_eq(ingest_append(document, text.data, text.length), ERR_OK);
    ck_assert_int_eq(finish(&document, &receipt), ERR_OK);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 90);
    ck_assert_uint_eq(check_log(&worker), 5 + 90);
    core_close();
    buffer_free(&text);
}
END_TEST

START_TEST(lost_runs_and_failures_are_sent_again)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.runs_to_lose = 2;
    worker.store_failures = 1;
    worker.wrong_sums = 1;
    worker.short_outcomes = 1;
    core_open();
    worker_start(&worker);
    struct receipt receipt = send_document("0614141000012", 1, 200, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 200);
    ck_assert_uint_eq(check_log(&worker), 200);
    ck_assert_int_gt(worker.runs, 5);
    core_close();
}
END_TEST

static bool store_was_given_up(void *context)
{
    struct dispatcher_status status;
    (void)context;
    dispatcher_status(core.dispatcher, &status);
    return status.store_failures >= BREAKER_FAILURES;
}

/* While the store fails nothing goes out but probes, whoever's documents wait; then all is done in order. */
START_TEST(a_store_that_keeps_failing_is_left_alone)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.store_failures = BREAKER_FAILURES + 2;
    core_open();
    worker_start(&worker);
    struct receipt first = send_document("0614141000012", 1, 30, true);
    wait_until(store_was_given_up, NULL);
    struct receipt second = send_document("0614141000029", 2, 30, true);
    wait_until(all_finished, NULL);
    struct dispatcher_status status;
    dispatcher_status(core.dispatcher, &status);
    ck_assert_int_eq(status.breaker, BREAKER_CLOSED);
    /* An answer that comes after its lease counts for nothing. */
    ck_assert_uint_ge(status.store_failures, BREAKER_FAILURES);
    ck_assert_uint_le(status.store_failures, BREAKER_FAILURES + 2);
    worker_stop(&worker);
    expect_capture(&first, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 30);
    expect_capture(&second, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 30);
    ck_assert_uint_eq(check_log(&worker), 60);
    core_close();
}
END_TEST

/* The time of a probe has come, but the only run pauses for longer, or there is none: nothing is to be done
 * until it may go. */
START_TEST(an_overdue_probe_lets_the_dispatcher_sleep)
{
    static struct routes routes;
    struct dispatcher_options options = {
        .wire = {.work_endpoint = work_endpoint, .ack_endpoint = ack_endpoint},
        .run_max_batches = 4,
        .run_max_bytes = 1 << 20,
        .lease_ms = 300,
        .silent_ms = 60000};
    ck_assert_int_eq(routes_open(&routes, &options, NULL, NULL, NULL), ERR_OK);
    int64_t long_ago_ms = clock_steady_ms() - 60000;
    for (int i = 0; i < BREAKER_FAILURES; i++)
        breaker_failed(&routes.breaker, long_ago_ms);
    ck_assert_int_eq(routes.breaker.state, BREAKER_OPEN);
    ck_assert_int_gt(routes_send_due(&routes, false), 1000);
    routes_close(&routes);
}
END_TEST

static const uint64_t restored_to[] = {0, 1, 4, 11};

/* The store comes back from an older backup: what it lost is made again from the documents, batch for batch,
 * and what is new goes behind it. */
START_TEST(what_the_store_lost_is_sent_again)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.keeps_order = true;
    core_open();
    worker_start(&worker);
    struct receipt receipts[4];
    receipts[0] = send_document("0614141000012", 1, 85, true);
    receipts[1] = send_document("0614141000012", 2, 33, true);
    wait_until(all_finished, NULL);
    uint32_t partition = worker.log[0].partition;
    pthread_mutex_lock(&worker.mutex);
    ck_assert_uint_gt(worker.store[partition], restored_to[_i]);
    worker.store[partition] = restored_to[_i];
    pthread_mutex_unlock(&worker.mutex);
    receipts[2] = send_document("0614141000012", 3, 55, true);
    receipts[3] = send_document("0614141000012", 4, 12, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    static const uint64_t events[] = {85, 33, 55, 12};
    for (int i = 0; i < 4; i++)
        expect_capture(&receipts[i], EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, events[i]);
    ck_assert_uint_eq(check_log(&worker), 85 + 33 + 55 + 12);
    ck_assert_uint_eq(worker.store[partition], worker.log[worker.count - 1].sequence);
    struct dispatcher_status status;
    dispatcher_status(core.dispatcher, &status);
    ck_assert_uint_eq(status.rewinds, 1);
    core_close();
}
END_TEST

/* As the store is found out, the open batch holds all of a document that no closed batch has anything of. */
START_TEST(a_rewind_keeps_what_the_open_batch_holds)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.keeps_order = true;
    batch_max_wait_ms = 2ULL * DEADLINE_MS; /* nothing closes it while a batch is out */
    core_open();
    worker_start(&worker);
    struct receipt receipts[3];
    receipts[0] = send_document("0614141000012", 1, 20, true);
    wait_until(all_finished, NULL);
    pthread_mutex_lock(&worker.mutex);
    worker.store[worker.log[0].partition] = 1;
    pthread_mutex_unlock(&worker.mutex);
    receipts[1] = send_document("0614141000012", 2, 15, true);
    receipts[2] = send_document("0614141000012", 3, 3, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    static const uint64_t events[] = {20, 15, 3};
    for (int i = 0; i < 3; i++)
        expect_capture(&receipts[i], EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, events[i]);
    ck_assert_uint_eq(check_log(&worker), 20 + 15 + 3);
    struct dispatcher_status status;
    dispatcher_status(core.dispatcher, &status);
    ck_assert_uint_eq(status.rewinds, 1);
    core_close();
}
END_TEST

static bool partition_stopped(void *context)
{
    struct dispatcher_status status;
    (void)context;
    dispatcher_status(core.dispatcher, &status);
    return status.partitions_stopped == 1;
}

/* A partition whose history is not the store's stops until the next start; nobody else does. */
START_TEST(a_fork_stops_its_partition_alone)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.keeps_order = true;
    worker.forked = "0614141000012";
    core_open();
    worker_start(&worker);
    struct receipt forked = send_document("0614141000012", 1, 20, true);
    wait_until(partition_stopped, NULL);
    int runs = worker.runs;
    struct receipt other = send_document("0614141000029", 2, 20, true);
    wait_until(is_done, &other);
    ck_assert_int_le(worker.runs, runs + 2);
    expect_capture(&other, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 20);
    worker_stop(&worker);
    core_close();

    worker.stop = false;
    worker.forked = NULL;
    core_open();
    worker_start(&worker);
    wait_until(is_done, &forked);
    worker_stop(&worker);
    core_close();
}
END_TEST

/* Acknowledgments out of order and doubled, some lost for it: each batch counts once. */
START_TEST(mixed_up_answers_count_once)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.mixes_up = true;
    core_open();
    worker_start(&worker);
    struct receipt receipt = send_document("0614141000012", 1, 60, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 60);
    core_close();
}
END_TEST

/* The event that no worker has the memory for is condemned, durably, and the rest goes on. */
START_TEST(an_event_too_large_is_condemned)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.too_large = (uint32_t)_i + 1;
    core_open();
    worker_start(&worker);
    struct receipt receipt = send_document("0614141000012", 1, 35, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 35);
    struct dispatcher_status status;
    dispatcher_status(core.dispatcher, &status);
    ck_assert_uint_eq(status.events_condemned, 1);
    struct arena arena;
    Epcis__Store__V1__BatchRecord *record;
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(journal_batch(core.journal, worker.log[0].partition, 1, &arena, &record), ERR_OK);
    ck_assert_uint_eq(record->n_condemned, 1);
    ck_assert_uint_eq(record->condemned[0], (uint32_t)_i);
    arena_free(&arena);
    core_close();
}
END_TEST

/* A worker that answers a batch as if it were a trial says nothing about it. */
START_TEST(a_trial_that_was_not_asked_for_counts_for_nothing)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.stray_trials = 3;
    core_open();
    worker_start(&worker);
    struct receipt receipt = send_document("0614141000012", 1, 35, true);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 35);
    ck_assert_uint_eq(check_log(&worker), 35);
    ck_assert_int_eq(worker.trials, 0);
    core_close();
}
END_TEST

START_TEST(a_restart_rebuilds_the_same_batches)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.silent = true;
    core_open();
    worker_start(&worker);
    struct receipt receipts[4];
    for (int i = 0; i < 4; i++)
        receipts[i] = send_document("0614141000012", i, 33, true);
    wait_until(has_runs, &worker);
    core_close();

    core_open();
    atomic_store(&worker.silent, false);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    for (int i = 0; i < 4; i++)
        expect_capture(&receipts[i], EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 33);
    ck_assert_uint_eq(check_log(&worker), 4 * 33);
    core_close();
}
END_TEST

/* `elements` of master data before the events, or behind them. */
static struct receipt send_master_data(const char *partner, int id, int elements, int events, bool behind)
{
    struct buffer text = {0}, body = {0};
    buffer_append_text(&text, "{\"@context\":\"https://ref.gs1.org/standards/epcis/epcis-context.jsonld\","
                              "\"type\":\"EPCISDocument\",\"schemaVersion\":\"2.0\","
                              "\"creationDate\":\"2025-01-01T00:00:00Z\"");
    buffer_append_text(&body, ",\"epcisBody\":{\"eventList\":[");
    for (int i = 0; i < events; i++)
        buffer_printf(&body,
                      "%s{\"type\":\"ObjectEvent\",\"eventTime\":\"2025-01-01T00:00:00Z\","
                      "\"eventTimeZoneOffset\":\"+00:00\",\"action\":\"OBSERVE\","
                      "\"epcList\":[\"urn:epc:id:sgtin:0614141.107346.%d%06d\"]}",
                      i ? "," : "", id, i);
    buffer_append_text(&body, "]}");
    if (behind)
        buffer_append(&text, body.data, body.length);
    buffer_append_text(&text, ",\"epcisHeader\":{\"epcisMasterData\":{\"vocabularyList\":[{\"type\":"
                              "\"urn:epcglobal:epcis:vtype:Location\",\"vocabularyElementList\":[");
    for (int i = 0; i < elements; i++)
        buffer_printf(&text,
                      "%s{\"id\":\"urn:epc:id:sgln:0614141.%05d.0\",\"attributes\":[{\"id\":"
                      "\"cbvmda:name\",\"attribute\":\"Place %d\"}]}",
                      i ? "," : "", i, id);
    buffer_append_text(&text, "]}]}}");
    if (!behind)
        buffer_append(&text, body.data, body.length);
    buffer_append_text(&text, "}");
    struct receipt receipt = send_text(partner, &text);
    buffer_free(&text);
    buffer_free(&body);
    return receipt;
}

/* The first sighting of a batch, which may be sent again on a slow machine; NULL: never seen. */
static const struct seen *first_seen(const struct fake_worker *worker, uint64_t sequence)
{
    for (size_t i = 0; i < worker->count; i++)
        if (worker->log[i].sequence == sequence)
            return &worker->log[i];
    return NULL;
}

/* Elements of master data travel in the batches and count as no events. */
static void expect_master_data(bool behind)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    batch_max_wait_ms = 600000; /* full batches alone, however slow the machine */
    core_open();
    batch_max_wait_ms = 200;
    worker_start(&worker);
    struct receipt receipt = send_master_data("0614141000012", 1, 14, 13, behind);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    expect_capture(&receipt, EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 13);
    ck_assert_uint_eq(check_log(&worker), 14 + 13);
    ck_assert_ptr_null(first_seen(&worker, 4)); /* batches of 10 */
    ck_assert_uint_eq(first_seen(&worker, 1)->elements, behind ? 0 : 10);
    ck_assert_uint_eq(first_seen(&worker, 2)->elements, behind ? 7 : 4);
    ck_assert_uint_eq(first_seen(&worker, 2)->first_event, behind ? 10 : 0);
    ck_assert_uint_eq(first_seen(&worker, 3)->first_event, behind ? 13 : 6);
    core_close();
}

START_TEST(master_data_travels_with_the_events)
{
    expect_master_data(false);
}
END_TEST

START_TEST(master_data_behind_the_events_travels_too)
{
    expect_master_data(true);
}
END_TEST

START_TEST(a_restart_rebuilds_batches_with_master_data)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    worker.silent = true;
    core_open();
    worker_start(&worker);
    struct receipt receipts[4];
    for (int i = 0; i < 4; i++)
        receipts[i] = send_master_data("0614141000012", i, 17, 16, i % 2);
    wait_until(has_runs, &worker);
    core_close();

    core_open();
    atomic_store(&worker.silent, false);
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    for (int i = 0; i < 4; i++)
        expect_capture(&receipts[i], EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_DONE, 16);
    ck_assert_uint_eq(check_log(&worker), 4 * 33);
    core_close();
}
END_TEST

START_TEST(many_partners_at_once)
{
    static struct fake_worker worker;
    memset(&worker, 0, sizeof worker);
    core_open();
    worker_start(&worker);
    for (int i = 0; i < 60; i++) {
        char partner[14];
        snprintf(partner, sizeof partner, "0614141%05d", i % 7);
        partner[12] = gs1_check_digit(partner, 12);
        partner[13] = '\0';
        send_document(partner, i, 7, true);
    }
    wait_until(all_finished, NULL);
    worker_stop(&worker);
    ck_assert_uint_eq(check_log(&worker), 60 * 7);
    core_close();
}
END_TEST

int main(void)
{
    log_init("test", LOG_AS_TEXT);
    Suite *suite = suite_create("pipeline");
    TCase *tests = tcase_create("pipeline");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, documents_run_through);
    tcase_add_test(tests, an_unreadable_event_is_quoted);
    tcase_add_test(tests, a_stream_is_read_while_it_arrives);
    tcase_add_test(tests, lost_runs_and_failures_are_sent_again);
    tcase_add_test(tests, a_store_that_keeps_failing_is_left_alone);
    tcase_add_test(tests, an_overdue_probe_lets_the_dispatcher_sleep);
    tcase_add_loop_test(tests, what_the_store_lost_is_sent_again, 0, 4);
    tcase_add_test(tests, a_rewind_keeps_what_the_open_batch_holds);
    tcase_add_test(tests, a_fork_stops_its_partition_alone);
    tcase_add_test(tests, mixed_up_answers_count_once);
    tcase_add_loop_test(tests, an_event_too_large_is_condemned, 0, 10);
    tcase_add_test(tests, a_trial_that_was_not_asked_for_counts_for_nothing);
    tcase_add_test(tests, a_restart_rebuilds_the_same_batches);
    tcase_add_test(tests, master_data_travels_with_the_events);
    tcase_add_test(tests, master_data_behind_the_events_travels_too);
    tcase_add_test(tests, a_restart_rebuilds_batches_with_master_data);
    tcase_add_test(tests, many_partners_at_once);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
