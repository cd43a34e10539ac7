/* epcis-server: takes documents in over gRPC, keeps them in the journal, turns them into batches for workers
 * and follows them to the end. main acquires in order and releases in reverse. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/endpoint.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/store/store.h"
#include "common/wire/curve_key.h"
#include "common/wire/wire.h"
#include "server/admin_token.h"
#include "server/backup.h"
#include "server/checkpointer.h"
#include "server/converter.h"
#include "server/dispatcher.h"
#include "server/front/front.h"
#include "server/identities.h"
#include "server/ingest.h"
#include "server/journal.h"
#include "server/places.h"
#include "server/pressure.h"
#include "server/rejudge.h"
#include "server/retention.h"
#include "server/server_config.h"
#include "server/server_status.h"
#include "server/signer.h"
#include "server/supervisor.h"

static const char usage[] =
    "Usage: epcis-server --data-dir DIR [options]\n"
    "\n"
    "Receives EPCIS documents over gRPC, keeps them in DIR/journal, has workers check and commit their\n"
    "events, and answers what became of them. When it is ready it prints one line to standard output:\n"
    "    ready grpc=HOST:PORT\n"
    "With --backup, --restore, --verify or --compact it does that instead, and exits.\n"
    "SIGTERM or SIGINT: takes nothing more, finishes what is in flight, exits; what is unfinished goes on\n"
    "at the next start. SIGHUP: reads the TLS files again, as it does by itself when they change. Exit\n"
    "codes: 0 stopped as asked, 1 could not start or go on, 2 usage.\n"
    "\n"
    "Who listens on an address that other machines reach needs TLS (--tls-cert, --tls-key), and callers\n"
    "there need an identity. Where there is none yet, the first start writes an administrator's token to\n"
    "DIR/admin.token; 'epcisctl tokens' makes others with it.\n"
    "\n"
    "Where --work-endpoint or --ack-endpoint is reached by other machines, both need keys (ZeroMQ's\n"
    "CURVE): the server's are made in DIR/keys at the first start, where curve.key is for workers to know\n"
    "it by, and those whose keys lie in DIR/workers as NAME.key are let in ('epcis-worker --make-key').\n"
    "\n"
    "Example: epcis-server --data-dir /var/lib/epcisd --listen 127.0.0.1:50051 --workers 2\n";

struct settings {
    struct front_options front;
    bool insecure_plain_text, insecure_plain_workers, replace_lost_key;
    const char *data_dir, *work_endpoint, *ack_endpoint, *log_format;
    uint64_t workers, drain_ms, retain_days, map_bytes, upload_keep_ms, checkpoint_interval_ms;
    const char *backup, *restore;
    bool verify, compact;
    struct pressure_options pressure;
    struct option_list rules;
    struct converter_options converter;
    struct dispatcher_options dispatcher;
};

static struct settings settings = {
    .front = {.listen = "127.0.0.1:50051"},
    .log_format = "text",
    .workers = 1,
    .drain_ms = 10000,
    .retain_days = 2192, /* DSCSA, section 582(b)(1)(A)(ii) and its like: six years */
    .checkpoint_interval_ms = 60000,
    .map_bytes = (uint64_t)1 << 40,
    .upload_keep_ms = 24 * 3600 * 1000,
    .pressure = {.high_water_bytes = (uint64_t)16 << 30,
                 .high_water_documents = 1000000,
                 .disk_reserve_bytes = (uint64_t)1 << 30},
    .converter = {.batch_max_events = 1000,
                  .batch_max_bytes = 4 << 20,
                  .batch_max_wait_ms = 5000,
                  .partition_max_bytes = 32 << 20,
                  .total_max_bytes = 256 << 20,
                  .rollback_max_bytes = 16 << 20,
                  .limits = PARSER_LIMITS_INIT},
    .dispatcher = {.run_max_batches = 16, .run_max_bytes = 16 << 20, .lease_ms = 5000, .silent_ms = 4000},
};

static const struct option_entry options[] = {
    {"data-dir", OPTION_TEXT, &settings.data_dir, 0, 0, "DIR",
     "where journal and store live; made where missing"},
    {"listen", OPTION_TEXT, &settings.front.listen, 0, 0, "HOST:PORT",
     "gRPC address; port 0 picks a free one; unix:PATH is a Unix socket"},
    {"tls-cert", OPTION_TEXT, &settings.front.tls_certificate, 0, 0, "FILE",
     "PEM: the server's certificate, then those between it and its root"},
    {"tls-key", OPTION_TEXT, &settings.front.tls_key, 0, 0, "FILE", "PEM: its private key"},
    {"tls-client-ca", OPTION_TEXT, &settings.front.tls_client_ca, 0, 0, "FILE",
     "PEM: authorities of certificates that clients may show"},
    {"require-identity", OPTION_FLAG, &settings.front.require_identity, 0, 0, NULL,
     "also on a loopback address or Unix socket, where else none is needed"},
    {"insecure-plain-text", OPTION_FLAG, &settings.insecure_plain_text, 0, 0, NULL,
     "no TLS, though other machines reach the address: tokens can be read on the way"},
    {"workers", OPTION_NUMBER, &settings.workers, 0, 64, "N",
     "workers started and looked after here; 0: others run them"},
    {"work-endpoint", OPTION_TEXT, &settings.work_endpoint, 0, 0, "ENDPOINT",
     "ZeroMQ endpoint that workers pull from; default: ipc in DIR"},
    {"ack-endpoint", OPTION_TEXT, &settings.ack_endpoint, 0, 0, "ENDPOINT",
     "ZeroMQ endpoint that workers publish to; default: ipc in DIR"},
    {"insecure-plain-workers", OPTION_FLAG, &settings.insecure_plain_workers, 0, 0, NULL,
     "no keys, though other machines reach these: they can give and take batches"},
    {"batch-max-events", OPTION_NUMBER, &settings.converter.batch_max_events, 1, 100000, "N",
     "a batch closes at so many events"},
    {"batch-max-bytes", OPTION_NUMBER, &settings.converter.batch_max_bytes, 1024, 64 << 20, "BYTES",
     "or at so many bytes"},
    {"batch-max-wait-ms", OPTION_NUMBER, &settings.converter.batch_max_wait_ms, 1, 600000, "MS",
     "or when its oldest event has waited so long"},
    {"run-max-batches", OPTION_NUMBER, &settings.dispatcher.run_max_batches, 1, WIRE_RUN_BATCHES_MAX, "N",
     "batches sent and committed together under load"},
    {"run-max-bytes", OPTION_NUMBER, &settings.dispatcher.run_max_bytes, 1024, 1 << 30, "BYTES",
     "and their bytes, unless one batch has more"},
    {"lease-ms", OPTION_NUMBER, &settings.dispatcher.lease_ms, 100, 600000, "MS",
     "a run of which nothing is heard for so long is sent again"},
    {"partition-max-bytes", OPTION_NUMBER, &settings.converter.partition_max_bytes, 1 << 20,
     (uint64_t)1 << 40, "BYTES", "batches of one partner in memory"},
    {"total-max-bytes", OPTION_NUMBER, &settings.converter.total_max_bytes, 1 << 20, (uint64_t)1 << 40,
     "BYTES", "batches of all partners in memory"},
    {"rollback-max-bytes", OPTION_NUMBER, &settings.converter.rollback_max_bytes, 1024, 256 << 20, "BYTES",
     "of a document sent with rollback or validate_only, as read (ROLLBACK_LIMIT)"},
#define LIMIT_OPTION(constant, field, value, least, most, option, unit, code, help)                          \
    {option, OPTION_NUMBER, &settings.converter.limits.field, least, most, unit, help " (" code ")"},
    PARSER_LIMITS(LIMIT_OPTION)
#undef LIMIT_OPTION
        {"high-water-bytes", OPTION_NUMBER, &settings.pressure.high_water_bytes, 1, UINT64_MAX, "BYTES",
         "documents are refused while so much is unfinished"},
    {"high-water-documents", OPTION_NUMBER, &settings.pressure.high_water_documents, 1, UINT32_MAX, "N",
     "or so many documents are, which take some memory each"},
    {"max-backlog-ms", OPTION_NUMBER, &settings.pressure.max_backlog_ms, 0, (uint64_t)1 << 40, "MS",
     "or the oldest unfinished one came longer ago; 0: however long"},
    {"disk-reserve-bytes", OPTION_NUMBER, &settings.pressure.disk_reserve_bytes, 0, (uint64_t)1 << 60,
     "BYTES", "or the disk has less left, or the map of journal or store (of which it is 1/8 at most)"},
    {"checkpoint-interval-ms", OPTION_NUMBER, &settings.checkpoint_interval_ms, 10, 86400000, "MS",
     "time between signed checkpoints, where something changed"},
    {"replace-lost-key", OPTION_FLAG, &settings.replace_lost_key, 0, 0, NULL,
     "once, where the private signing key is lost for good: makes another"},
    {"upload-keep-ms", OPTION_NUMBER, &settings.upload_keep_ms, 1000, (uint64_t)1 << 40, "MS",
     "an upload with an upload_id that nobody continues is dropped after this time"},
    {"map-bytes", OPTION_NUMBER, &settings.map_bytes, 1 << 20, (uint64_t)1 << 46, "BYTES",
     "most that journal and store may each grow to"},
    {"retain-days", OPTION_NUMBER, &settings.retain_days, 0, 36525, "DAYS",
     "raw documents are kept for so long after their receipt; 0: until they are finished"},
    {"backup", OPTION_TEXT, &settings.backup, 0, 0, "FOLDER",
     "copy the data, whether or not a server runs on it, to a new folder"},
    {"restore", OPTION_TEXT, &settings.restore, 0, 0, "FOLDER",
     "put a backup into DIR, which must be empty, and verify it"},
    {"verify", OPTION_FLAG, &settings.verify, 0, 0, NULL,
     "read all data and prove that it is whole; no server may run on it"},
    {"compact", OPTION_FLAG, &settings.compact, 0, 0, NULL,
     "give free space in journal and store back to the disk; no server or worker may run on it"},
    {"drain-ms", OPTION_NUMBER, &settings.drain_ms, 0, 600000, "MS",
     "time to finish what is in flight when stopping"},
    {"rule", OPTION_LIST, &settings.rules, 0, 0, "CODE=SEVERITY",
     "handed to the workers started here: one rule off, warn or reject; repeatable"},
    {"log-format", OPTION_TEXT, &settings.log_format, 0, 0, "text|json",
     "form of the lines on standard error"},
};
enum { OPTIONS = sizeof options / sizeof options[0] };
static struct option_note notes[OPTIONS];

/* Set before any thread that calls it starts. */
static struct converter *the_converter;
static atomic_bool failed;

static void on_acknowledged(void *context, uint32_t partition, size_t bytes)
{
    (void)context;
    converter_acknowledged(the_converter, partition, bytes);
}

static void on_rewind(void *context, uint32_t partition, uint64_t sequence)
{
    (void)context;
    converter_rewind(the_converter, partition, sequence);
}

static void on_received(void *context, uint64_t number, uint32_t partition, uint64_t upload)
{
    (void)context;
    converter_received(the_converter, number, partition, upload);
}

static void on_arriving(void *context, uint64_t upload, uint32_t pieces)
{
    (void)context;
    converter_arriving(the_converter, upload, pieces);
}

static void on_worker_gone(void *dispatcher, pid_t pid)
{
    dispatcher_worker_gone(dispatcher, pid);
}

static void on_fatal(void)
{
    atomic_store(&failed, true);
    kill(getpid(), SIGTERM);
}

enum { FRONT_GRACE_MS = 2000 };

struct server {
    struct places places;
    struct curve_key curve_key;
    struct journal *journal;
    struct signer *signer;
    struct checkpointer *checkpointer;
    struct identities *identities;
    struct store *store;
    struct dispatcher *dispatcher;
    struct converter *converter;
    struct pressure *pressure;
    struct retention *retention;
    struct server_status status;
    struct server_config config;
    struct rejudge_options rejudge;
    struct ingest *ingest;
    struct front *front;
    struct supervisor *supervisor;
};

/* Signals come to the main thread alone, through sigtimedwait; every thread started later inherits the mask.
 */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A server that cannot accept one more connection is deaf: take as many files as the system gives. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static enum err open_pipeline(struct server *server)
{
    enum err err = journal_open(server->places.journal, settings.map_bytes, &server->journal);
    if (!err)
        journal_when_lost(server->journal, on_fatal);
    if (!err)
        err = signer_open(server->places.keys, server->journal, settings.replace_lost_key, &server->signer);
    if (!err)
        err = checkpointer_open(server->journal, settings.checkpoint_interval_ms, &server->checkpointer);
    if (!err)
        journal_keep_uploads(server->journal, settings.upload_keep_ms);
    if (!err)
        err = store_open(server->places.store_url, settings.map_bytes, &server->store);
    settings.pressure.journal_dir = server->places.journal;
    settings.pressure.store_dir = server->places.store;
    settings.dispatcher.rewind = on_rewind;
    settings.converter.spool_dir = server->places.data;
    settings.converter.disk_reserve_bytes = settings.pressure.disk_reserve_bytes;
    if (!err)
        err = places_wire(&server->places, &server->curve_key, &settings.dispatcher.wire);
    if (!err)
        err = dispatcher_open(&settings.dispatcher, server->journal, on_acknowledged, NULL,
                              &server->dispatcher);
    if (!err)
        err = converter_open(&settings.converter, server->journal, server->store, server->dispatcher,
                             on_fatal, &the_converter);
    if (!err)
        err = converter_start(the_converter);
    return err;
}

/* Identities, and the first of them where callers need one. */
static enum err open_identities(struct server *server)
{
    enum err err = identities_open(server->journal, &server->identities);
    if (!err && settings.front.require_identity)
        err = admin_token_write(server->identities, settings.data_dir);
    settings.front.identities = server->identities;
    return err;
}

static enum err open_services(struct server *server)
{
    const struct places *places = &server->places;
    const struct supervisor_options workers = {
        .workers = settings.workers,
        .work_endpoint = places->local_work_endpoint[0] ? places->local_work_endpoint
                                                        : dispatcher_work_endpoint(server->dispatcher),
        .ack_endpoint = places->local_ack_endpoint[0] ? places->local_ack_endpoint
                                                      : dispatcher_ack_endpoint(server->dispatcher),
        .store = places->store_url,
        .map_bytes = settings.map_bytes,
        .log_format = settings.log_format,
        .rules = &settings.rules,
    };
    enum err err = supervisor_open(&workers, on_worker_gone, server->dispatcher, &server->supervisor);
    if (!err)
        err = pressure_open(&settings.pressure, server->journal, server->store, &server->pressure);
    if (!err)
        err = retention_start(server->journal, places->journal, settings.retain_days, &server->retention);
    if (!err)
        err = ingest_init(server->journal, server->pressure, on_received, NULL, &server->ingest);
    if (!err)
        ingest_tell_arriving(server->ingest, on_arriving);
    server_status_init(&server->status, server->pressure, server->dispatcher, server->curve_key.public_key);
    store_clear_scratch(places->rejudge);
    server->rejudge = (struct rejudge_options){.journal = server->journal,
                                               .store = server->store,
                                               .pressure = server->pressure,
                                               .disk_reserve_bytes = settings.pressure.disk_reserve_bytes,
                                               .map_bytes = settings.map_bytes,
                                               .converter = converter_options(the_converter),
                                               .config = &server->config,
                                               .rules = &settings.rules,
                                               .folder = places->rejudge,
                                               .log_format = settings.log_format};
    settings.front.rejudge = &server->rejudge;
    settings.front.status = &server->status;
    settings.work_endpoint = workers.work_endpoint;
    settings.ack_endpoint = workers.ack_endpoint;
    server->config = (struct server_config){{options, notes, OPTIONS}, server->dispatcher};
    settings.front.config = &server->config;
    settings.front.converter = the_converter;
    settings.front.signer = server->signer;
    if (!err)
        err = front_open(&settings.front, server->ingest, server->journal, server->store, &server->front);
    return err;
}

/* Takes nothing more, lets what is out come back, then releases in an order in which nobody calls what is
 * gone: the journal may still hand batches to the dispatcher, and the dispatcher news to the converter. */
static void server_close(struct server *server)
{
    if (server->front)
        front_close(&server->front, FRONT_GRACE_MS);
    if (the_converter)
        converter_stop(the_converter);
    if (server->dispatcher && !dispatcher_stop(server->dispatcher, settings.drain_ms))
        log_warning("drain_timed_out", "detail=\"what is in flight is sent again at the next start\"");
    supervisor_close(&server->supervisor, settings.drain_ms);
    retention_stop(&server->retention);
    pressure_close(&server->pressure);
    identities_close(&server->identities);
    checkpointer_close(&server->checkpointer);
    journal_close(&server->journal);
    signer_close(&server->signer);
    converter_free(&the_converter);
    dispatcher_close(&server->dispatcher);
    ingest_free(&server->ingest);
    store_close(&server->store);
}

/* Does what was asked for instead of serving. */
static int maintain(void)
{
    enum err err = settings.backup    ? backup_make(settings.data_dir, settings.backup)
                   : settings.restore ? backup_restore(settings.restore, settings.data_dir)
                   : settings.compact ? backup_compact(settings.data_dir)
                                      : backup_verify(settings.data_dir);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What would be open to the network by accident is refused, and decides whether callers need an identity. */
static void check_listen(const char *program)
{
    struct front_options *front = &settings.front;
    struct endpoint endpoint;
    if (!front->tls_certificate != !front->tls_key)
        options_fail(program, "--tls-cert and --tls-key go together");
    if (front->tls_client_ca && !front->tls_certificate)
        options_fail(program, "--tls-client-ca needs --tls-cert and --tls-key");
    if (endpoint_parse(front->listen, &endpoint) || endpoint_is_local(&endpoint))
        return; /* what is no address is told when it is bound */
    front->require_identity = true;
    if (front->tls_certificate)
        return;
    if (!settings.insecure_plain_text)
        options_fail(program,
                     "--listen %s is reached by other machines: give --tls-cert and --tls-key, or, where all "
                     "that reach it are trusted, --insecure-plain-text",
                     front->listen);
    log_warning("plain_text",
                "address=%s detail=\"tokens and documents can be read and changed on the way to this server: "
                "give --tls-cert and --tls-key\"",
                front->listen);
}

int main(int argc, char **argv)
{
    options_parse_noted(&argc, argv, options, OPTIONS, usage, notes);
    if (argc > 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    if (!settings.data_dir)
        options_fail(argv[0], "--data-dir is missing");
    if (strcmp(settings.log_format, "text") != 0 && strcmp(settings.log_format, "json") != 0)
        options_fail(argv[0], "--log-format is text or json, not '%s'", settings.log_format);
    log_init("epcis-server", strcmp(settings.log_format, "json") == 0 ? LOG_AS_JSON : LOG_AS_TEXT);
    check_listen(argv[0]);
    if (fault_init())
        return EXIT_USAGE;
    int other = (settings.backup != NULL) + (settings.restore != NULL) + settings.verify + settings.compact;
    if (other > 1)
        options_fail(argv[0], "--backup, --restore, --verify and --compact go one at a time");
    if (other)
        return maintain();
    block_signals();
    raise_file_limit();

    static struct server server;
    enum err err = places_init(&server.places, settings.data_dir, settings.work_endpoint,
                               settings.ack_endpoint, settings.insecure_plain_workers, settings.workers > 0);
    if (!err)
        err = open_pipeline(&server);
    if (!err)
        err = open_identities(&server);
    if (!err)
        err = open_services(&server);
    if (err) {
        log_error("not_started", "err=%s", err_name(err));
    } else {
        log_info("ready", "grpc=%s workers=%" PRIu64 " version=%s", front_address(server.front),
                 settings.workers, EPCISD_VERSION);
        printf("ready grpc=%s\n", front_address(server.front));
        fflush(stdout);
        int signal;
        while ((signal = supervisor_run(server.supervisor)) == SIGHUP)
            front_reload(server.front);
        log_info("stopping", "signal=%d", signal);
        fault_end(FAULT_SERVER_STOPPING);
    }
    server_close(&server);
    log_info("stopped", "failed=%d", atomic_load(&failed));
    return err || atomic_load(&failed) ? EXIT_FAILURE : EXIT_SUCCESS;
}
