/* epcis-worker: takes runs of batches from a server, validates their events and commits them to the store.
 * Owns nothing: it may be killed at any instant, and any number of them may run on any number of hosts. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/config.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/store/store.h"
#include "common/wire/curve_key.h"
#include "common/wire/wire.h"
#include "worker/commit.h"
#include "worker/link.h"
#include "worker/queue.h"
#include "worker/rejudge.h"
#include "worker/rules/rules_print.h"
#include "worker/worker.h"

static const char usage[] =
    "Usage: epcis-worker --work-endpoint ENDPOINT --ack-endpoint ENDPOINT --store URL [options]\n"
    "       epcis-worker --make-key FILE\n"
    "       epcis-worker --rules [--json]\n"
    "       epcis-worker --rejudge DIR [options]\n"
    "\n"
    "Takes runs of EPCIS events from an epcis-server, checks them against the rules and commits them to\n"
    "the store. Where the server is another machine both prove who they are, and nobody can read or\n"
    "change what is sent (ZeroMQ's CURVE): --make-key makes this worker's key, whose public half, FILE,\n"
    "goes into the folder workers of the server's data folder, as NAME.key. SIGTERM finishes the\n"
    "transaction under way. Exit codes: 0 stopped, 1 failed, 2 usage.\n"
    "With --rejudge an epcis-server has started it, for a replay by other rules (epcisctl replay).\n"
    "\n"
    "Example: epcis-worker --work-endpoint tcp://server:4741 --ack-endpoint tcp://server:4742 \\\n"
    "             --key worker1.key_secret --server-key curve.key --store lmdb:/var/lib/epcisd/store\n";

enum { MIB = 1 << 20 };

static struct {
    const char *work_endpoint, *ack_endpoint, *store, *log_format, *profile, *rejudge;
    const char *key, *server_key, *make_key;
    uint64_t map_bytes, transaction_max_bytes, transaction_max_cpu_ms, memory_max_bytes;
    bool supervised, rules, json, insecure_plain_workers;
    struct option_list overrides;
} settings = {.log_format = "text",
              .profile = "dscsa",
              .transaction_max_bytes = 16 * MIB,
              .transaction_max_cpu_ms = 10000,
              .memory_max_bytes = 512 * (uint64_t)MIB};

static const struct option_entry options[] = {
    {"work-endpoint", OPTION_TEXT, &settings.work_endpoint, 0, 0, "ENDPOINT",
     "where the server sends work: tcp://HOST:PORT or ipc://PATH"},
    {"ack-endpoint", OPTION_TEXT, &settings.ack_endpoint, 0, 0, "ENDPOINT", "where the server hears results"},
    {"key", OPTION_TEXT, &settings.key, 0, 0, "FILE",
     "this worker's secret key, for a server that asks for one: FILE_secret of --make-key"},
    {"server-key", OPTION_TEXT, &settings.server_key, 0, 0, "FILE",
     "the server's public key: a copy of keys/curve.key in its data folder"},
    {"insecure-plain-workers", OPTION_FLAG, &settings.insecure_plain_workers, 0, 0, NULL,
     "no keys, though the server is another machine: whoever is between can give and take batches"},
    {"make-key", OPTION_TEXT, &settings.make_key, 0, 0, "FILE",
     "write a new key to FILE (public) and FILE_secret, and exit"},
    {"store", OPTION_TEXT, &settings.store, 0, 0, "URL",
     "the event store: lmdb:DIR; DIR may be the server's data folder"},
    {"map-bytes", OPTION_NUMBER, &settings.map_bytes, 0, UINT64_C(1) << 46, "N",
     "the most an LMDB store may grow to; 0: 1 TiB"},
    {"transaction-max-bytes", OPTION_NUMBER, &settings.transaction_max_bytes, 1, UINT64_C(1) << 32, "N",
     "bytes of waiting runs taken into one transaction"},
    {"transaction-max-cpu-ms", OPTION_NUMBER, &settings.transaction_max_cpu_ms, 100, 86400000, "MS",
     "one that takes more processor time, and a second for each MiB, never ends: the worker does"},
    {"memory-max-bytes", OPTION_NUMBER, &settings.memory_max_bytes, 16 * MIB, UINT64_C(1) << 40, "N",
     "the most one transaction's work may take in memory"},
    {"profile", OPTION_TEXT, &settings.profile, 0, 0, "NAME",
     "the rules' severities: epcis, dscsa or strict"},
    {"rule", OPTION_LIST, &settings.overrides, 0, 0, "CODE=SEVERITY",
     "one rule's severity, whatever the profile: off, warn or reject; repeatable"},
    {"rules", OPTION_FLAG, &settings.rules, 0, 0, NULL, "print the rules and exit"},
    {"json", OPTION_FLAG, &settings.json, 0, 0, NULL, "print them as JSON"},
    {"rejudge", OPTION_TEXT, &settings.rejudge, 0, 0, "DIR",
     "judge what comes over the socket at standard input, in a store that leaves nothing in DIR"},
    {"supervised", OPTION_FLAG, &settings.supervised, 0, 0, NULL,
     "end with the process that started this one"},
    {"log-format", OPTION_TEXT, &settings.log_format, 0, 0, "FORMAT", "text or json"},
};
enum { OPTIONS = sizeof options / sizeof options[0], CONFIG_MEMORY_BYTES = 1 << 20 };
static struct option_note notes[OPTIONS];

/* ---- signals: delivered to the link thread alone ---- */

static atomic_bool stop;
static struct wire *the_wire; /* set before the handler is */

static void on_signal(int signal)
{
    int saved = errno;
    (void)signal;
    atomic_store(&stop, true);
    wire_wake(the_wire); /* one write to an eventfd */
    errno = saved;
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void install_handlers(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* In a container the server may be process 1; elsewhere process 1 takes over orphans. */
static bool is_server(pid_t pid)
{
    char name[16] = "";
    FILE *file = pid == 1 ? fopen("/proc/1/comm", "re") : NULL;
    if (file) {
        if (!fgets(name, sizeof name, file))
            name[0] = '\0';
        fclose(file);
    }
    return pid != 1 || strncmp(name, "epcis-server", 12) == 0;
}

/* False where the parent ended before it could be asked to tell of its end. */
static bool bind_to_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent && is_server(parent);
}

/* ---- the parts, in the order in which they are made ---- */

struct parts {
    char worker_id[128];
    struct arena arena; /* of what follows */
    Epcis__V1__ConfigOption **options;
    struct store *store;
    struct commit *commit;
    struct queue *queue;
    struct link *link;
    struct curve_key key;
    char server_key[CURVE_KEY_TEXT];
};

static void wake_link(void *wire)
{
    wire_wake(wire);
}

/* One transaction takes what the one before it took: memory that went back to the system in between would
 * come page by page. --memory-max-bytes bounds it all the same. */
static void keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, 256 * MIB);
    mallopt(M_MMAP_THRESHOLD, 32 * MIB);
}

/* Without keys where none were given, which check_keys has allowed. */
static enum err connect_wire(struct parts *parts)
{
    struct wire_worker worker = {.work_endpoint = settings.work_endpoint,
                                 .ack_endpoint = settings.ack_endpoint};
    enum err err = ERR_OK;
    if (settings.key) {
        worker.key = &parts->key;
        worker.server_key = parts->server_key;
        err = curve_key_read(settings.key, &parts->key);
        if (err == ERR_NOT_FOUND)
            log_error("curve_key", "file=\"%s\" detail=\"there is none: make it with --make-key\"",
                      settings.key);
        if (!err)
            err = curve_key_read_public(settings.server_key, parts->server_key);
        if (err == ERR_NOT_FOUND)
            log_error("curve_key",
                      "file=\"%s\" detail=\"there is none: it is a copy of the server's keys/curve.key\"",
                      settings.server_key);
    }
    return err ? err : wire_connect(&worker, &the_wire);
}

static enum err parts_open(struct parts *parts, const struct rules_severities *severities)
{
    char host[64] = "localhost";
    gethostname(host, sizeof host - 1);
    snprintf(parts->worker_id, sizeof parts->worker_id, "%s:%ld", host, (long)getpid());
    const struct config config = {options, notes, OPTIONS};
    arena_init(&parts->arena, CONFIG_MEMORY_BYTES);
    enum err err = config_tell(&config, &parts->arena, &parts->options);
    if (!err)
        err = store_open(settings.store, settings.map_bytes, &parts->store);
    const struct commit_config commit = {.store = parts->store,
                                         .worker_id = parts->worker_id,
                                         .severities = severities,
                                         .memory_bytes = settings.memory_max_bytes};
    if (!err)
        err = commit_open(&commit, &parts->commit);
    if (!err)
        err = connect_wire(parts);
    if (err)
        return err;
    install_handlers();
    parts->queue = queue_new(2 * settings.transaction_max_bytes, wake_link, the_wire);
    return parts->queue ? ERR_OK : ERR_MEMORY;
}

static enum err parts_run(struct parts *parts)
{
    const struct link_config link = {.wire = the_wire,
                                     .queue = parts->queue,
                                     .worker_id = parts->worker_id,
                                     .rule_pack = rules_pack,
                                     .store = "lmdb",
                                     .started_ms = clock_wall_ms(),
                                     .options = parts->options,
                                     .option_count = OPTIONS,
                                     .turn_max_cpu_ms = (int64_t)settings.transaction_max_cpu_ms,
                                     .stop = &stop};
    const struct worker_config worker = {.queue = parts->queue,
                                         .commit = parts->commit,
                                         .transaction_max_bytes = settings.transaction_max_bytes};
    enum err err = link_start(&link, &parts->link);
    if (err)
        return err;
    err = worker_run(&worker);
    link_join(&parts->link);
    return err;
}

static void parts_close(struct parts *parts)
{
    queue_free(parts->queue);
    wire_close(&the_wire);
    commit_close(&parts->commit);
    store_close(&parts->store);
    arena_free(&parts->arena);
}

/* The profile's severities, and what was said of single rules. */
static void read_severities(const char *program, struct rules_severities *out)
{
    enum rules_profile profile;
    if (rules_profile_of(settings.profile, &profile))
        options_fail(program, "--profile is epcis, dscsa or strict, not '%s'", settings.profile);
    rules_severities_init(out, profile);
    for (size_t i = 0; i < settings.overrides.count; i++) {
        const char *text = settings.overrides.items[i];
        enum err err = rules_severities_override(out, text);
        if (err)
            options_fail(program,
                         err == ERR_NOT_FOUND ? "--rule: no rule of that code: '%s' (see --rules)"
                                              : "--rule takes CODE=off, CODE=warn or CODE=reject, and some "
                                                "rules are never off; not '%s'",
                         text);
    }
}

/* A server's history is judged again beside its work, which comes first. Signals end it at once. */
static int rejudge(void)
{
    const struct rejudge_config config = {.socket = STDIN_FILENO,
                                          .worker_id = "rejudge",
                                          .folder = settings.rejudge,
                                          .map_bytes = settings.map_bytes,
                                          .memory_bytes = settings.memory_max_bytes};
    enum { LAST_PRIORITY = 19 };
    if (setpriority(PRIO_PROCESS, 0, LAST_PRIORITY))
        log_warning("rejudge_priority", "detail=\"%s\"", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    return rejudge_serve(&config) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print_rules(void)
{
    struct buffer out = {0};
    rules_print(&out, settings.json);
    bool ok = !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    buffer_free(&out);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What would be open to whoever is on the way by accident is refused. */
static void check_keys(const char *program)
{
    bool local =
        wire_endpoint_is_local(settings.work_endpoint) && wire_endpoint_is_local(settings.ack_endpoint);
    if (!settings.key != !settings.server_key)
        options_fail(program, "--key and --server-key go together");
    if (settings.key || local)
        return;
    if (!settings.insecure_plain_workers)
        options_fail(
            program,
            "the server is another machine: give --key and --server-key (see --make-key), or, where all on "
            "the way are trusted, --insecure-plain-workers");
    log_warning("plain_workers",
                "work=%s ack=%s detail=\"whoever is on the way can give and take batches: give --key "
                "and --server-key\"",
                settings.work_endpoint, settings.ack_endpoint);
}

static int make_key(void)
{
    struct curve_key key;
    log_init("epcis-worker", LOG_AS_TEXT);
    if (curve_key_make(settings.make_key, &key))
        return EXIT_FAILURE;
    printf("%s\n", key.public_key);
    explicit_bzero(&key, sizeof key);
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    options_parse_noted(&argc, argv, options, OPTIONS, usage, notes);
    if (argc > 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    struct rules_severities severities;
    read_severities(argv[0], &severities);
    if (settings.rules)
        return print_rules();
    if (settings.make_key)
        return make_key();
    if (!settings.rejudge && (!settings.work_endpoint || !settings.ack_endpoint || !settings.store))
        options_fail(argv[0], "--work-endpoint, --ack-endpoint and --store are all needed");
    bool json = strcmp(settings.log_format, "json") == 0;
    if (!json && strcmp(settings.log_format, "text") != 0)
        options_fail(argv[0], "--log-format is text or json, not '%s'", settings.log_format);
    log_init("epcis-worker", json ? LOG_AS_JSON : LOG_AS_TEXT);
    if (!settings.rejudge)
        check_keys(argv[0]);
    if (fault_init())
        return EXIT_USAGE;
    if (settings.rejudge)
        return rejudge();
    block_signals();
    if (settings.supervised && !bind_to_parent(parent)) {
        log_warning("parent_gone", "detail=\"the server that started this worker has ended\"");
        return EXIT_FAILURE;
    }
    keep_memory();
    struct parts parts = {.store = NULL};
    enum err err = parts_open(&parts, &severities);
    if (err) {
        log_error("not_started", "err=%s", err_name(err));
    } else {
        log_info("ready", "worker=%s store=%s rules=%s profile=%s version=%s", parts.worker_id,
                 settings.store, rules_pack, settings.profile, EPCISD_VERSION);
        err = parts_run(&parts);
    }
    parts_close(&parts);
    log_info("stopped", "err=%s", err_name(err));
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
