/* What workers publish, as the server hears it: acknowledgments and heartbeats in a row, each behind a byte
 * that says which it is, and two with its length. They are unpacked as they come from the socket, and heeded
 * by routes of which one has a run out, and another is searching a batch for the item that kills. An
 * acknowledgment may be aimed: made one of a batch that is out, as a fuzzer would never hit its id. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "epcis/v1/server_service.pb-c.h"
#include "server/batch.h"
#include "server/routes.h"

enum { AIMED = 2, ISOLATED = 4 };                     /* bits of the first byte; the lowest: a heartbeat */
enum { RUN_PARTITION = 3, ISOLATED_PARTITION = 200 }; /* which have batches */
enum { BATCHES = 3, ITEMS = 4, FIRST = 7, NEWS_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __wrap_journal_submit(struct journal *journal, struct journal_op *op);
ssize_t __wrap_write(int file, const void *data, size_t bytes);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* The journal has it at once; but what it has of a condemned item would wake a wire. */
void __wrap_journal_submit(struct journal *journal, struct journal_op *op)
{
    (void)journal;
    must(op->kind == JOURNAL_ACKNOWLEDGED || op->kind == JOURNAL_CONDEMNED);
    op->done(op, op->kind == JOURNAL_CONDEMNED ? ERR_STOPPED : ERR_OK);
}

/* What is logged is one line, whatever a worker says. */
ssize_t __wrap_write(int file, const void *data, size_t bytes)
{
    const char *text = data;
    must(file == STDERR_FILENO && bytes > 0);
    for (size_t i = 0; i < bytes; i++)
        must(iscntrl((unsigned char)text[i]) ? i + 1 == bytes : i + 1 < bytes);
    return (ssize_t)bytes;
}

static void note_acknowledged(void *context, uint32_t partition, size_t bytes)
{
    (void)context, (void)bytes;
    must(partition == RUN_PARTITION || partition == ISOLATED_PARTITION);
}

/* It lacks a batch before the one that was sent, which is the last one at most. */
static void note_rewind(void *context, uint32_t partition, uint64_t sequence)
{
    (void)context;
    must(partition == RUN_PARTITION || partition == ISOLATED_PARTITION);
    must(sequence + 1 < FIRST + BATCHES - 1);
}

static struct batch *make_batch(uint32_t partition, uint64_t sequence)
{
    static const uint8_t parent[DIGEST_BYTES];
    struct batch *batch = batch_new(partition, 0);
    struct pack pack = {0};
    struct batch_item packed;
    must(batch);
    for (uint32_t i = 0; i < ITEMS; i++) {
        Epcis__Wire__V1__BatchItem item = EPCIS__WIRE__V1__BATCH_ITEM__INIT;
        item.line = 1 + i;
        struct batch_span span = {.number = 1 + i / 2, .events = i != 0};
        must(!batch_pack(&pack, &item, NULL, &packed));
        must(!batch_add(batch, &span, &packed));
    }
    pack_free(&pack);
    must(!batch_close(batch, sequence, parent, NULL));
    return batch;
}

static void send_out(struct routes *routes, uint32_t partition, uint32_t count)
{
    struct route *route = &routes->all[partition];
    for (uint64_t i = 0; i < BATCHES; i++)
        routes_append(routes, make_batch(partition, FIRST + i));
    route->out = count;
    route->at_risk = true;
    route->lease_end_ms = clock_steady_ms() + 1000;
    routes->status.runs_out++;
}

/* The acknowledgment becomes one of the partition's first batch. */
static void aim(const struct routes *routes, uint32_t partition, Epcis__Wire__V1__Acknowledgment *ack)
{
    struct batch *batch = routes->all[partition].first;
    ack->partition = partition;
    if (!batch)
        return;
    ack->sequence = batch->sequence;
    ack->batch_id = (ProtobufCBinaryData){DIGEST_BYTES, batch->id};
}

static void check_route(const struct route *route)
{
    uint32_t count = 0;
    for (const struct batch *batch = route->first; batch; batch = batch->next)
        count++;
    must(route->out <= count && route->isolation.passed <= ITEMS && route->isolation.suspect <= ITEMS);
}

static void check_worker(const struct roster_worker *worker, struct arena *arena)
{
    must(memchr(worker->id, '\0', sizeof worker->id) && memchr(worker->store, '\0', sizeof worker->store));
    must(memchr(worker->rule_pack, '\0', sizeof worker->rule_pack));
    arena_reset(arena);
    must(epcis__v1__worker_config__unpack(&arena->allocator, worker->options_bytes, worker->options));
}

static void heed(struct routes *routes, uint8_t kind, const uint8_t *data, size_t bytes, struct arena *arena)
{
    Epcis__Wire__V1__Acknowledgment *ack;
    Epcis__Wire__V1__Heartbeat *beat;
    enum wire_topic topic = kind & 1 ? WIRE_TOPIC_BEAT : WIRE_TOPIC_ACK;
    bool good = wire_unpack_news(topic, data, bytes, arena, &ack, &beat);
    must(good == (ack || beat) && !(ack && beat));
    if (ack && kind & AIMED)
        aim(routes, kind & ISOLATED ? ISOLATED_PARTITION : RUN_PARTITION, ack);
    if (good)
        routes_heed(routes, ack, beat);
    uint32_t out = 0;
    for (size_t i = 0; i < PARTNER_PARTITIONS; i++)
        out += routes->all[i].out > 0;
    must(out == routes->status.runs_out);
    check_route(&routes->all[RUN_PARTITION]);
    check_route(&routes->all[ISOLATED_PARTITION]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dispatcher_options options = {.lease_ms = 1000, .rewind = note_rewind};
    static struct routes routes;
    enum { HEAD = 3 };
    struct arena arena;
    arena_init(&arena, NEWS_BYTES);
    routes_init(&routes, &options, NULL, note_acknowledged, NULL);
    send_out(&routes, RUN_PARTITION, 2);
    send_out(&routes, ISOLATED_PARTITION, 1);
    routes.isolated = &routes.all[ISOLATED_PARTITION];
    isolation_begin(&routes.isolated->isolation, ITEMS, 0, false);
    while (size >= HEAD) {
        size_t bytes = data[1] | (size_t)data[2] << 8;
        bytes = bytes < size - HEAD ? bytes : size - HEAD;
        heed(&routes, data[0], data + HEAD, bytes, &arena);
        data += HEAD + bytes;
        size -= HEAD + bytes;
    }
    for (size_t i = 0; i < routes.roster.count; i++)
        check_worker(&routes.roster.workers[i], &arena);
    routes_close(&routes);
    arena_free(&arena);
    return 0;
}
