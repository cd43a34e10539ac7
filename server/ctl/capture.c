#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "server/ctl/client.h"
#include "server/ctl/ctl.h"
#include "server/ctl/dead_letters.h"
#include "server/ctl/files.h"
#include "server/ctl/letter.h"
#include "server/ctl/output.h"
#include "server/ctl/progress.h"
#include "server/ctl/status.h"
#include "server/ctl/upload.h"

static const char usage[] =
    "Usage: epcisctl capture [OPTIONS] FILE...\n"
    "\n"
    "Sends EPCIS documents (1.2 XML, 2.0 XML or 2.0 JSON-LD, of any size) and prints the\n"
    "receipt of each. A receipt means that the document is on the server's disk; with\n"
    "--wait the command also waits until every event in it is committed, found to be a\n"
    "duplicate, or refused. FILE '-' is standard input; a folder stands for the documents in it\n"
    "and below. While the server is too busy a document is sent again, as often as --timeout\n"
    "allows. A long file goes on where it was when the connection is lost, or the command is\n"
    "given again.\n"
    "\n"
    "Examples:\n"
    "  epcisctl capture --wait shipment.xml\n"
    "  epcisctl capture --jobs 4 --wait outbox/\n"
    "  zcat events.json.gz | epcisctl capture --partner 0614141000005 --wait --json -\n"
    "\n"
    "Exit codes: 0 all received (with --wait: all committed or duplicate), 3 something was\n"
    "refused (see 'epcisctl dead-letters'), 1 error, 2 wrong usage.\n";

static const char validate_usage[] =
    "Usage: epcisctl validate [OPTIONS] FILE...\n"
    "\n"
    "Lets the server judge EPCIS documents as 'epcisctl capture' would have it: by the same\n"
    "rules, against all that is committed and the documents' own events, one after the other.\n"
    "Nothing is committed. Prints the counts as they would be, and what was found in each\n"
    "event. FILE '-' is standard input. A document has to be judged as one, so there is a\n"
    "limit to its size (epcis-server --rollback-max-bytes).\n"
    "\n"
    "Example:\n"
    "  epcisctl validate shipment.xml && epcisctl capture --wait shipment.xml\n"
    "\n"
    "Exit codes: 0 all would be committed or duplicate, 3 something would be refused, 1 error,\n"
    "2 wrong usage.\n";

enum {
    PAUSE_FIRST_MS = 10,
    PAUSE_MOST_MS = 200,
    POLL_MS = 10000, /* one question is given up after this time, and asked again */
    AWAY_MS = 30000, /* a server that is started anew comes back within this time */
};

/* One document: where it comes from, and what is known of it. */
struct job {
    const char *file;
    uint64_t bytes;
    bool endless;                              /* how long it is, is not known before its end */
    Epcis__V1__CaptureStreamResponse *receipt; /* NULL: it was not received */
    Epcis__V1__GetCaptureResponse *last;       /* the last answer to GetCapture, or NULL */
    struct progress progress;
};

struct command {
    struct ctl_common common;
    const char *partner;
    bool rollback;
    bool validate_only;
    bool wait;
    uint64_t jobs;
    struct client *client;
    int64_t deadline_ms;
};

enum { JOBS_MAX = 32 };

/* The sending of all documents, by several threads at once. */
struct sending {
    const struct command *command;
    struct job *jobs;
    size_t count;
    pthread_mutex_t mutex; /* guards what follows, and what is printed */
    size_t next;           /* job */
    int code;
    struct progress_all progress; /* where there is more than one */
};

/* An error outweighs a refusal, a refusal outweighs success. */
static int worse(int a, int b)
{
    if (a == CTL_ERROR || b == CTL_ERROR)
        return CTL_ERROR;
    return a == CTL_OK ? b : a;
}

/* The job is the calling thread's; so is `client`. */
static int send_job(struct sending *sending, struct client *client, struct job *job)
{
    const struct command *command = sending->command;
    struct client_status status;
    Epcis__V1__CaptureStart start = EPCIS__V1__CAPTURE_START__INIT;
    start.partner = (char *)(uintptr_t)command->partner;
    if (command->rollback)
        start.error_behaviour = EPCIS__V1__ERROR_BEHAVIOUR__ERROR_BEHAVIOUR_ROLLBACK;
    start.validate_only = command->validate_only;
    enum err err =
        upload_file(client, job->file, &start, command->deadline_ms, &job->progress, &job->receipt, &status);
    progress_clear(&job->progress);
    if (err == ERR_MEMORY)
        progress_complain(&job->progress, "epcisctl: out of memory");
    if (err || job->receipt)
        return err ? CTL_ERROR : CTL_OK;
    pthread_mutex_lock(&sending->mutex);
    progress_clear(&sending->progress.line);
    int code = ctl_call_failed(&command->common, job->file, &status);
    pthread_mutex_unlock(&sending->mutex);
    return code;
}

/* Asks once; a new answer replaces the last. */
static void poll_job(const struct command *command, struct job *job, struct client_status *status)
{
    Epcis__V1__GetCaptureResponse *response;
    int64_t until_ms = clock_steady_ms() + POLL_MS;
    if (until_ms > command->deadline_ms)
        until_ms = command->deadline_ms;
    status_get(command->client, job->receipt->receipt->capture_id, until_ms, &response, status);
    if (!response)
        return;
    if (job->last)
        epcis__v1__get_capture_response__free_unpacked(job->last, NULL);
    job->last = response;
}

/* Whether the server may answer if it is asked again later. */
static bool is_passing(int code)
{
    return code == CLIENT_UNAVAILABLE || code == CLIENT_RESOURCE_EXHAUSTED ||
           code == CLIENT_DEADLINE_EXCEEDED;
}

static int await_job(const struct command *command, struct job *job)
{
    int64_t pause = PAUSE_FIRST_MS;
    int64_t answered_ms = clock_steady_ms();
    for (;;) {
        struct client_status status;
        poll_job(command, job, &status);
        int64_t now_ms = clock_steady_ms();
        if (status.code == CLIENT_OK) {
            answered_ms = now_ms;
            if (status_is_final(job->last->capture))
                return CTL_OK;
            progress_state(&job->progress, job->last->capture);
        } else if (!is_passing(status.code) || now_ms - answered_ms > AWAY_MS) {
            progress_clear(&job->progress);
            return ctl_call_failed(&command->common, job->file, &status);
        } else {
            progress_away(&job->progress);
        }
        if (now_ms + pause >= command->deadline_ms) {
            progress_clear(&job->progress);
            status = (struct client_status){.code = CLIENT_DEADLINE_EXCEEDED,
                                            .message = "the document is received, its events are not all "
                                                       "committed yet; 'epcisctl status' tells more"};
            return ctl_call_failed(&command->common, job->file, &status);
        }
        ctl_pause_ms(pause);
        pause = pause * 3 / 2 < PAUSE_MOST_MS ? pause * 3 / 2 : PAUSE_MOST_MS;
    }
}

static int print_job(const struct command *command, const struct job *job)
{
    Epcis__V1__Capture known = EPCIS__V1__CAPTURE__INIT;
    struct buffer out = {0};
    if (job->last)
        known = *job->last->capture;
    else
        known.state = EPCIS__V1__CAPTURE_STATE__CAPTURE_STATE_RECEIVED;
    known.receipt = job->receipt->receipt; /* which alone knows whether this sending was a repetition */
    if (command->common.json) {
        output_capture_json(&out, &known);
        buffer_append_text(&out, "\n");
    } else {
        output_capture_text(&out, job->file, &known);
    }
    enum err err = output_flush(&out);
    buffer_free(&out);
    return err ? CTL_ERROR : status_exit_code(&known);
}

static int print_findings(const struct letters_command *command,
                          const Epcis__V1__ListDeadLettersResponse *page, void *context)
{
    struct buffer *out = context;
    for (size_t i = 0; i < page->n_dead_letters; i++) {
        if (command->common.json)
            letter_append_json(out, page->dead_letters[i]);
        else
            output_dead_letter_text(out, page->dead_letters[i]);
        if (command->common.json)
            buffer_append_text(out, "\n");
    }
    return output_flush(out) ? CTL_ERROR : CTL_OK;
}

/* What was found in a document that was validated: nothing of it is kept as a dead letter. */
static int tell_findings(const struct command *command, const struct job *job)
{
    struct letters_command letters = {
        .common = command->common, .client = command->client, .deadline_ms = command->deadline_ms};
    struct buffer out = {0};
    epcis__v1__list_dead_letters_request__init(&letters.filter);
    letters.filter.capture_id = job->receipt->receipt->capture_id;
    int code = letters_each_page(&letters, print_findings, &out);
    buffer_free(&out);
    return code;
}

static int finish_job(const struct command *command, struct job *job)
{
    int code = CTL_OK;
    struct client_status status;
    if (command->wait)
        code = await_job(command, job);
    else
        poll_job(command, job, &status); /* a repetition may be done long since */
    progress_clear(&job->progress);
    code = worse(code, print_job(command, job));
    return command->validate_only ? worse(code, tell_findings(command, job)) : code;
}

static struct job *take_job(struct sending *sending)
{
    pthread_mutex_lock(&sending->mutex);
    struct job *job = sending->next < sending->count ? &sending->jobs[sending->next++] : NULL;
    pthread_mutex_unlock(&sending->mutex);
    return job;
}

static void settle_job(struct sending *sending, struct job *job, int code)
{
    const struct command *command = sending->command;
    pthread_mutex_lock(&sending->mutex);
    if (job->progress.all)
        progress_done(&job->progress, job->bytes);
    job->progress.all = NULL;
    sending->code = worse(sending->code, code);
    if (job->receipt && !command->wait) {
        progress_clear(&sending->progress.line);
        sending->code = worse(sending->code, finish_job(command, job));
    }
    pthread_mutex_unlock(&sending->mutex);
}

/* Sends what is left to send, over a connection of its own. */
static void *sender_main(void *context)
{
    struct sending *sending = context;
    struct client *client = NULL;
    struct job *job;
    bool connected = !ctl_connect(&sending->command->common, &client);
    while ((job = take_job(sending)))
        settle_job(sending, job, connected ? send_job(sending, client, job) : CTL_ERROR);
    client_close(&client);
    return NULL;
}

/* Threads are a help, not a need: what does not start is done by those that did. */
static void send_all(struct sending *sending)
{
    pthread_t threads[JOBS_MAX];
    size_t started = 0;
    while (started + 1 < sending->command->jobs && started + 1 < sending->count)
        if (pthread_create(&threads[started], NULL, sender_main, sending))
            break;
        else
            started++;
    sender_main(sending);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    progress_clear(&sending->progress.line);
}

/* Ends the program, as Control-C does, but says what that means. */
static void on_interrupt(int signal)
{
    static const char clear[] = "\r\033[K";
    static const char text[] =
        "epcisctl: interrupted: what was received stays so (see 'epcisctl captures'), and is not "
        "taken twice when it is sent again\n";
    if (isatty(STDERR_FILENO))
        (void)!write(STDERR_FILENO, clear, sizeof clear - 1);
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    raise(signal); /* which is as it was before */
}

static void heed_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

/* Several documents have one line for all. */
static void init_progress(struct sending *sending)
{
    struct progress_all *all = &sending->progress;
    progress_init(&all->line, "all");
    all->mutex = &sending->mutex;
    all->count = sending->count;
    bool known = true;
    for (size_t i = 0; i < sending->count; i++) {
        struct job *job = &sending->jobs[i];
        progress_init(&job->progress, job->file);
        job->progress.all = sending->count > 1 ? all : NULL;
        all->total_bytes += job->bytes;
        known = known && !job->endless;
    }
    if (!known)
        all->total_bytes = 0;
}

static int run(struct command *command, struct job *jobs, size_t count)
{
    struct sending sending = {.command = command, .jobs = jobs, .count = count};
    pthread_mutex_init(&sending.mutex, NULL);
    init_progress(&sending);
    if (!command->validate_only)
        heed_interrupt();
    send_all(&sending);
    pthread_mutex_destroy(&sending.mutex);
    int code = sending.code;
    for (size_t i = 0; i < count && command->wait; i++)
        if (jobs[i].receipt)
            code = worse(code, finish_job(command, &jobs[i]));
    return code;
}

static enum err make_jobs(int argc, char **argv, struct files *files, struct job **jobs)
{
    enum err err = ERR_OK;
    for (int i = 1; i < argc && !err; i++)
        err = files_add(files, argv[i]);
    if (!err && files->count == 0) {
        fprintf(stderr, "epcisctl: no document is in there\n");
        return ERR_NOT_FOUND;
    }
    if (!err && !(*jobs = calloc(files->count, sizeof **jobs)))
        err = ERR_MEMORY;
    if (err == ERR_MEMORY)
        fprintf(stderr, "epcisctl: out of memory\n");
    for (size_t i = 0; !err && i < files->count; i++) {
        struct stat about;
        (*jobs)[i].file = files->names[i];
        bool found = strcmp(files->names[i], "-") ? stat(files->names[i], &about) == 0
                                                  : fstat(STDIN_FILENO, &about) == 0;
        (*jobs)[i].endless = found && !S_ISREG(about.st_mode);
        if (found && S_ISREG(about.st_mode))
            (*jobs)[i].bytes = (uint64_t)about.st_size;
    }
    return err;
}

/* The files on the command line, whose options are read. */
static int run_files(struct command *command, int argc, char **argv)
{
    struct files files = {0};
    struct job *jobs = NULL;
    int code = CTL_ERROR;
    if (argc < 2)
        options_fail(argv[0], "a FILE is expected ('-' is standard input)");
    if (!make_jobs(argc, argv, &files, &jobs) && !ctl_connect(&command->common, &command->client)) {
        command->deadline_ms = ctl_deadline_ms(&command->common);
        code = run(command, jobs, files.count);
    }
    for (size_t i = 0; jobs && i < files.count; i++) {
        if (jobs[i].receipt)
            epcis__v1__capture_stream_response__free_unpacked(jobs[i].receipt, NULL);
        if (jobs[i].last)
            epcis__v1__get_capture_response__free_unpacked(jobs[i].last, NULL);
    }
    free(jobs);
    files_free(&files);
    client_close(&command->client);
    return code;
}

int ctl_capture(int argc, char **argv)
{
    struct command command = {.common = ctl_common_default(), .partner = "", .jobs = 1};
    const struct option_entry options[] = {
        {"partner", OPTION_TEXT, &command.partner, 0, 0, "GLN",
         "who sent it, where the document does not say"},
        {"rollback", OPTION_FLAG, &command.rollback, 0, 0, NULL,
         "all events of a document or none (it has a limit: epcis-server --rollback-max-bytes)"},
        {"wait", OPTION_FLAG, &command.wait, 0, 0, NULL, "wait until all events are seen to"},
        {"jobs", OPTION_NUMBER, &command.jobs, 1, JOBS_MAX, "N", "send so many at once"},
        CTL_COMMON_OPTIONS(command.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    return run_files(&command, argc, argv);
}

int ctl_validate(int argc, char **argv)
{
    struct command command = {
        .common = ctl_common_default(), .partner = "", .validate_only = true, .wait = true, .jobs = 1};
    const struct option_entry options[] = {
        {"partner", OPTION_TEXT, &command.partner, 0, 0, "GLN",
         "who would send it, where the document does not say"},
        {"rollback", OPTION_FLAG, &command.rollback, 0, 0, NULL, "as capture --rollback would take it"},
        CTL_COMMON_OPTIONS(command.common),
    };
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], validate_usage);
    return run_files(&command, argc, argv);
}
