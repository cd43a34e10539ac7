/* What a worker costs without sockets: validates and commits synthetic batches into a store with fsync.
 * usage: commit_bench DIR EVENTS EPCS_PER_EVENT BATCHES_PER_TRANSACTION random|ordered ITEMS
 * First commissions ITEMS items (100 an event), then times EVENTS observations of them, in batches of 1,000
 * events. */
#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/component/synthetic.h"
#include "worker/commit.h"

enum { BATCH_EVENTS = 1000, BATCHES_MAX = 64 };

static uint64_t random_state = 88172645463325252U;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static double seconds_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Serial number `i`, scattered over all serials or in order. */
static char *item_epc(struct arena *arena, uint64_t i, bool scattered)
{
    char serial[32];
    snprintf(serial, sizeof serial, "%013" PRIu64, scattered ? i * 7368787 % 10000000000037U : i);
    return synthetic_sgtin(arena, 10001, serial);
}

static void fill(Epcis__V1__Event *event, struct arena *arena, const uint64_t *numbers, size_t count,
                 bool scattered)
{
    event->n_epc_list = count;
    event->epc_list = synthetic_list(arena, count);
    for (size_t i = 0; i < count; i++)
        event->epc_list[i] = item_epc(arena, numbers[i], scattered);
}

static double system_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

struct bench {
    struct commit *commit;
    struct synthetic made;
    struct synthetic_chain chain;
    struct buffer frames[BATCHES_MAX];
    size_t waiting, per_transaction;
    double wall, cpu, system;
    uint64_t events, transactions;
};

static void commit_waiting(struct bench *bench)
{
    const struct buffer *frames[BATCHES_MAX];
    struct commit_result result;
    for (size_t i = 0; i < bench->waiting; i++)
        frames[i] = &bench->frames[i];
    double wall = seconds_now(CLOCK_MONOTONIC), cpu = seconds_now(CLOCK_PROCESS_CPUTIME_ID);
    double system = system_seconds();
    enum err err = commit_frames(bench->commit, frames, bench->waiting, &result);
    bench->wall += seconds_now(CLOCK_MONOTONIC) - wall;
    bench->system += system_seconds() - system;
    bench->cpu += seconds_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (err || result.duplicates || result.dead_letters) {
        fprintf(stderr, "err=%s duplicates=%" PRIu64 " dead=%" PRIu64 "\n", err_name(err), result.duplicates,
                result.dead_letters);
        exit(1);
    }
    bench->events += result.committed;
    bench->transactions++;
    bench->waiting = 0;
}

static void finish_batch(struct bench *bench)
{
    synthetic_pack(&bench->made, &bench->chain, &bench->frames[bench->waiting++]);
    if (bench->waiting == bench->per_transaction)
        commit_waiting(bench);
}

static void commission(struct bench *bench, uint64_t items, bool scattered)
{
    struct arena arena;
    arena_init(&arena, 1 << 30);
    for (uint64_t i = 0; i < items; i += 100) {
        uint64_t numbers[100];
        for (uint64_t k = 0; k < 100; k++)
            numbers[k] = i + k;
        Epcis__V1__Event *event =
            synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT, EPCIS__V1__ACTION__ACTION_ADD,
                            "commissioning", (int64_t)(i / 100));
        fill(event, &arena, numbers, 100, scattered);
        synthetic_ilmd(&arena, event, "lotNumber", "LOT1");
        synthetic_ilmd(&arena, event, "itemExpirationDate", "2027-01-31");
        synthetic_add(&bench->made, event);
        arena_reset(&arena);
        if (bench->made.item_count == 100)
            finish_batch(bench);
    }
    if (bench->made.item_count)
        finish_batch(bench);
    if (bench->waiting)
        commit_waiting(bench);
    arena_free(&arena);
}

static void observe(struct bench *bench, uint64_t events, size_t epcs, uint64_t items, bool random,
                    bool scattered)
{
    struct arena arena;
    uint64_t *numbers = malloc(epcs * sizeof *numbers), next = 0;
    arena_init(&arena, 1 << 30);
    for (uint64_t i = 0; i < events; i++) {
        uint64_t first = random ? next_random() % (items - epcs) : (next += epcs) % (items - epcs);
        for (size_t k = 0; k < epcs; k++)
            numbers[k] = first + k;
        Epcis__V1__Event *event =
            synthetic_event(&arena, EPCIS__V1__EVENT_TYPE__EVENT_TYPE_OBJECT,
                            EPCIS__V1__ACTION__ACTION_OBSERVE, "storing", (int64_t)(100000 + i));
        fill(event, &arena, numbers, epcs, scattered);
        synthetic_add(&bench->made, event);
        arena_reset(&arena);
        if (bench->made.item_count == BATCH_EVENTS)
            finish_batch(bench);
    }
    if (bench->made.item_count)
        finish_batch(bench);
    if (bench->waiting)
        commit_waiting(bench);
    free(numbers);
    arena_free(&arena);
}

static void report(struct bench *bench, const char *what, size_t epcs)
{
    double events = (double)bench->events;
    printf("%-12s %8.0f events %6" PRIu64 " transactions %8.0f events/s wall, %6.2f us CPU an event, %5.2f "
           "an EPC, %.0f %% of it in the kernel\n",
           what, events, bench->transactions, events / bench->wall, bench->cpu * 1e6 / events,
           bench->cpu * 1e6 / events / (double)epcs, bench->system * 100 / bench->cpu);
    bench->wall = bench->cpu = bench->system = 0;
    bench->events = bench->transactions = 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: commit_bench DIR EVENTS EPCS BATCHES random|ordered ITEMS\n");
        return 2;
    }
    char url[4096];
    snprintf(url, sizeof url, "lmdb:%s", argv[1]);
    uint64_t events = strtoull(argv[2], NULL, 10), items = strtoull(argv[6], NULL, 10);
    size_t epcs = strtoull(argv[3], NULL, 10);
    bool random = strcmp(argv[5], "random") == 0;
    struct store *store;
    struct bench bench = {.chain = {.partition = 7}};
    synthetic_init(&bench.made);
    if (store_open(url, 0, &store))
        return 1;
    struct commit_config config = {
        .store = store, .worker_id = "bench:1", .profile = RULES_DSCSA, .memory_bytes = (size_t)4 << 30};
    if (commit_open(&config, &bench.commit))
        return 1;
    bench.per_transaction = 16;
    commission(&bench, items, random);
    report(&bench, "commissioned", 100);
    bench.per_transaction = strtoull(argv[4], NULL, 10);
    observe(&bench, events, epcs, items, random, random);
    report(&bench, "observed", epcs);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        buffer_free(&bench.frames[i]);
    synthetic_free(&bench.made);
    commit_close(&bench.commit);
    store_close(&store);
    return 0;
}
