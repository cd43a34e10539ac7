/* A worker's threads between real sockets and a real store, and the program as a process. */
#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/component/synthetic.h"
#include "worker/commit.h"
#include "worker/link.h"
#include "worker/worker.h"

enum { MAP_BYTES = 256 << 20, DEADLINE_MS = 60000 };

static char folder[64], url[128], work[128], acks[128];
static struct wire *server;
static struct synthetic made;
static struct arena events, news;

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/epcisd-worker-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(url, sizeof url, "lmdb:%s/store", folder);
    snprintf(work, sizeof work, "ipc://%s/work", folder);
    snprintf(acks, sizeof acks, "ipc://%s/acks", folder);
    ck_assert_int_eq(wire_bind(&(struct wire_server){.work_endpoint = work, .ack_endpoint = acks}, &server),
                     ERR_OK);
    synthetic_init(&made);
    arena_init(&events, 256 << 20);
    arena_init(&news, 64 << 20);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void teardown(void)
{
    wire_close(&server);
    synthetic_free(&made);
    arena_free(&events);
    arena_free(&news);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the server's side ---- */

/* A batch of 50 commissionings of its own serials. */
static void make_batch(struct synthetic_chain *chain, struct buffer *out)
{
    arena_reset(&events);
    for (int i = 0; i < 50; i++) {
        char serial[20];
        snprintf(serial, sizeof serial, "%u.%u.%d", chain->partition, (unsigned)chain->sequence, i);
        synthetic_add(
            &made, synthetic_commission(&events, i, "L1", "2027-01-31", (const char *const[]){serial, NULL}));
    }
    synthetic_pack(&made, chain, out);
}

static void send_run(const struct buffer *frames, size_t count)
{
    int64_t deadline = clock_steady_ms() + DEADLINE_MS;
    while (wire_send_run(server, frames, count)) {
        ck_assert_int_lt(clock_steady_ms(), deadline);
        wire_wait(server, true, 100);
    }
}

struct heard {
    uint64_t committed, acks, beats, beats_with_runs;
    Epcis__Wire__V1__BatchResult last;
};

/* Listens until `acks` acknowledgments and `beats` heartbeats were heard. */
static struct heard listen_for(uint64_t acks_wanted, uint64_t beats_wanted)
{
    struct heard heard = {0};
    int64_t deadline = clock_steady_ms() + DEADLINE_MS;
    while (heard.acks < acks_wanted || heard.beats < beats_wanted) {
        Epcis__Wire__V1__Acknowledgment *ack = NULL;
        Epcis__Wire__V1__Heartbeat *beat = NULL;
        ck_assert_int_lt(clock_steady_ms(), deadline);
        wire_receive_news(server, &news, &ack, &beat);
        if (ack) {
            heard.acks++;
            heard.last = ack->result;
            for (size_t i = 0; i < ack->n_segments; i++)
                heard.committed += ack->segments[i]->committed;
        } else if (beat) {
            heard.beats++;
            heard.beats_with_runs += beat->n_runs > 0;
        } else {
            wire_wait(server, false, 100);
        }
    }
    return heard;
}

/* As a server does whose lease runs out: PUSH may have given the run to a worker that is no more. */
static struct heard send_until_acknowledged(const struct buffer *frame)
{
    struct heard heard = {0};
    int64_t deadline = clock_steady_ms() + DEADLINE_MS, lease = 0;
    while (heard.acks == 0) {
        Epcis__Wire__V1__Acknowledgment *ack = NULL;
        Epcis__Wire__V1__Heartbeat *beat = NULL;
        ck_assert_int_lt(clock_steady_ms(), deadline);
        if (clock_steady_ms() >= lease && !wire_send_run(server, frame, 1))
            lease = clock_steady_ms() + 2000;
        wire_receive_news(server, &news, &ack, &beat);
        if (ack) {
            heard.acks++;
            heard.committed = ack->n_segments ? ack->segments[0]->committed : 0;
        } else if (!beat) {
            wire_wait(server, false, 100);
        }
    }
    return heard;
}

/* ---- threads ---- */

struct threads {
    struct store *store;
    struct commit *commit;
    struct wire *wire;
    struct queue *queue;
    struct link *link;
    struct link_config link_config;
    struct worker_config worker;
    atomic_bool stop;
    pthread_t committing;
};

static void wake(void *wire)
{
    wire_wake(wire);
}

static void *commit_main(void *worker)
{
    ck_assert_int_eq(worker_run(worker), ERR_OK);
    return NULL;
}

static void threads_start(struct threads *threads, size_t transaction_max_bytes, size_t memory_bytes)
{
    *threads = (struct threads){.store = NULL};
    ck_assert_int_eq(store_open(url, MAP_BYTES, &threads->store), ERR_OK);
    struct commit_config config = {
        .store = threads->store, .worker_id = "test:1", .profile = RULES_DSCSA, .memory_bytes = memory_bytes};
    ck_assert_int_eq(commit_open(&config, &threads->commit), ERR_OK);
    ck_assert_int_eq(
        wire_connect(&(struct wire_worker){.work_endpoint = work, .ack_endpoint = acks}, &threads->wire),
        ERR_OK);
    threads->queue = queue_new(2 * transaction_max_bytes, wake, threads->wire);
    threads->link_config = (struct link_config){.wire = threads->wire,
                                                .queue = threads->queue,
                                                .worker_id = "test:1",
                                                .rule_pack = "test",
                                                .store = "lmdb",
                                                .stop = &threads->stop};
    threads->worker = (struct worker_config){
        .queue = threads->queue, .commit = threads->commit, .transaction_max_bytes = transaction_max_bytes};
    ck_assert_int_eq(link_start(&threads->link_config, &threads->link), ERR_OK);
    ck_assert_int_eq(pthread_create(&threads->committing, NULL, commit_main, &threads->worker), 0);
}

static void threads_stop(struct threads *threads)
{
    atomic_store(&threads->stop, true);
    wire_wake(threads->wire);
    pthread_join(threads->committing, NULL);
    link_join(&threads->link);
    queue_free(threads->queue);
    wire_close(&threads->wire);
    commit_close(&threads->commit);
    store_close(&threads->store);
}

START_TEST(commits_runs_of_many_partitions)
{
    enum { PARTITIONS = 8, ROUNDS = 5, RUN = 3 };
    struct threads threads;
    struct synthetic_chain chains[PARTITIONS];
    struct buffer frames[RUN] = {{0}};
    memset(chains, 0, sizeof chains);
    threads_start(&threads, _i == 1 ? 1 : 1 << 20,
                  _i == 2 ? 40000 : 64 << 20); /* all that wait, each run alone, each batch alone */
    listen_for(0, 1);
    uint64_t sent = 0, answered = 0, committed = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned p = 0; p < PARTITIONS; p++) {
            chains[p].partition = p;
            for (unsigned b = 0; b < RUN; b++)
                make_batch(&chains[p], &frames[b]);
            send_run(frames, RUN);
            sent += RUN;
        }
        struct heard heard = listen_for(sent - answered, 0); /* at most one run of a partition is out */
        answered += heard.acks;
        committed += heard.committed;
    }
    ck_assert_uint_eq(committed, sent * 50);
    threads_stop(&threads);
    for (unsigned b = 0; b < RUN; b++)
        buffer_free(&frames[b]);
}
END_TEST

START_TEST(beats_every_second_and_with_each_run)
{
    struct threads threads;
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frame = {0};
    threads_start(&threads, 1 << 20, 64 << 20);
    listen_for(0, 2);
    make_batch(&chain, &frame);
    send_run(&frame, 1);
    struct heard heard = listen_for(1, 1);
    ck_assert_uint_gt(heard.beats_with_runs + heard.beats, 0);
    threads_stop(&threads);
    buffer_free(&frame);
}
END_TEST

START_TEST(stops_while_work_waits)
{
    struct threads threads;
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frames[20] = {{0}};
    threads_start(&threads, 1, 64 << 20);
    listen_for(0, 1);
    for (unsigned i = 0; i < 20; i++)
        make_batch(&chain, &frames[i]);
    send_run(&frames[0], 10);
    send_run(&frames[10], 10);
    threads_stop(&threads); /* ends, whatever of it was done */
    for (unsigned i = 0; i < 20; i++)
        buffer_free(&frames[i]);
}
END_TEST

START_TEST(malformed_frames_harm_nobody)
{
    struct threads threads;
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frames[3] = {{0}};
    threads_start(&threads, 1 << 20, 64 << 20);
    listen_for(0, 1); /* what is published before the subscription is there is lost */
    buffer_append_text(&frames[0], "\x08");
    buffer_append_text(&frames[1], "nonsense, not protobuf");
    make_batch(&chain, &frames[2]);
    send_run(frames, 3);
    struct heard heard = listen_for(1, 0);
    ck_assert_int_eq(heard.last, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_COMMITTED);
    threads_stop(&threads);
    for (unsigned i = 0; i < 3; i++)
        buffer_free(&frames[i]);
}
END_TEST

/* ---- the program ---- */

static void exec_worker(const char *fault)
{
    char self[PATH_MAX] = "", program[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        _exit(99);
    snprintf(program, sizeof program, "%s/../bin/epcis-worker", dirname(self));
    if (fault)
        setenv("EPCISD_FAULT", fault, 1);
    execl(program, program, "--supervised", "--work-endpoint", work, "--ack-endpoint", acks, "--store", url,
          "--map-bytes", "268435456", (char *)NULL);
    _exit(98);
}

static pid_t start_worker(const char *fault)
{
    pid_t pid = fork();
    if (pid == 0)
        exec_worker(fault);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    return status;
}

START_TEST(program_stops_on_sigterm)
{
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frame = {0};
    pid_t pid = start_worker(NULL);
    listen_for(0, 1);
    make_batch(&chain, &frame);
    send_run(&frame, 1);
    ck_assert_uint_eq(listen_for(1, 0).committed, 50);
    kill(pid, SIGTERM);
    int status = wait_for(pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    buffer_free(&frame);
}
END_TEST

static const char *const crashes[] = {"worker.before_commit", "worker.after_commit"};

START_TEST(program_killed_around_a_commit_loses_nothing)
{
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frame = {0};
    pid_t pid = start_worker(crashes[_i]);
    listen_for(0, 1);
    make_batch(&chain, &frame);
    send_run(&frame, 1);
    int status = wait_for(pid);
    ck_assert(WIFSIGNALED(status));
    pid = start_worker(NULL);
    listen_for(0, 1);
    ck_assert_uint_eq(send_until_acknowledged(&frame).committed, 50);
    kill(pid, SIGTERM);
    wait_for(pid);
    buffer_free(&frame);
}
END_TEST

START_TEST(program_goes_on_after_a_disk_error)
{
    struct synthetic_chain chain = {.partition = 1};
    struct buffer frame = {0};
    pid_t pid = start_worker("store.commit");
    listen_for(0, 1);
    make_batch(&chain, &frame);
    send_run(&frame, 1);
    ck_assert_int_eq(listen_for(1, 0).last, EPCIS__WIRE__V1__BATCH_RESULT__BATCH_RESULT_STORE_FAILED);
    send_run(&frame, 1);
    ck_assert_uint_eq(listen_for(1, 0).committed, 50);
    kill(pid, SIGTERM);
    ck_assert_int_eq(wait_for(pid), 0);
    buffer_free(&frame);
}
END_TEST

START_TEST(program_ends_with_its_parent)
{
    int status, pipe_ends[2];
    pid_t worker;
    ck_assert_int_eq(pipe(pipe_ends), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the orphan becomes ours to wait for */
    pid_t parent = fork();
    if (parent == 0) {
        worker = start_worker(NULL);
        if (write(pipe_ends[1], &worker, sizeof worker) != sizeof worker)
            _exit(1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(pipe_ends[0], &worker, sizeof worker), sizeof worker);
    listen_for(0, 1);
    kill(parent, SIGKILL);
    wait_for(parent);
    status = wait_for(worker);
    ck_assert(WIFEXITED(status));
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *tests = tcase_create("worker");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 240);
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, commits_runs_of_many_partitions, 0, 3);
    tcase_add_test(tests, beats_every_second_and_with_each_run);
    tcase_add_test(tests, stops_while_work_waits);
    tcase_add_test(tests, malformed_frames_harm_nobody);
    tcase_add_test(tests, program_stops_on_sigterm);
    tcase_add_loop_test(tests, program_killed_around_a_commit_loses_nothing, 0, 2);
    tcase_add_test(tests, program_goes_on_after_a_disk_error);
    tcase_add_test(tests, program_ends_with_its_parent);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
