/* epcisctl, the program, against a real front before fakes: its outputs and exit codes are what other
 * people's scripts rely on. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "server/front/front.h"
#include "tests/component/front_fakes.h"

extern char **environ;

static struct ingest *ingest;
static struct front *front;
static char folder[] = "/tmp/test_ctl_XXXXXX";
static char program[PATH_MAX];

/* What a run left behind. */
static int code;
static char *output; /* both streams */

static void begin(void)
{
    ingest = fake_ingest_new();
    atomic_store(&fake_next_is_broken, false);
    ck_assert_int_eq(front_open(&(struct front_options){.listen = "127.0.0.1:0"}, ingest, NULL, NULL, &front),
                     ERR_OK);
    setenv("EPCISD_SERVER", front_address(front), 1);
}

static void end(void)
{
    front_close(&front, 0);
    fake_ingest_free(ingest);
    free(output);
    output = NULL;
}

static void put_file(const char *name, const char *text, size_t copies)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    while (copies--)
        fputs(text, file);
    fclose(file);
}

static char *file_text(const char *name)
{
    char path[PATH_MAX];
    struct buffer text = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    for (ssize_t got; (got = read(fd, buffer_reserve(&text, 4096), 4096)) > 0;)
        text.length += (size_t)got;
    close(fd);
    buffer_append(&text, "", 1);
    return (char *)text.data;
}

/* Runs "epcisctl" with these words, up to NULL; `input` (may be NULL) goes to its standard input by a pipe.
 */
static void run_with(const char *input, ...)
{
    char *words[32] = {program}, path[PATH_MAX];
    int count = 1, pipes[2];
    va_list arguments;
    va_start(arguments, input);
    while ((words[count] = va_arg(arguments, char *)))
        count++;
    va_end(arguments);
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    snprintf(path, sizeof path, "%s/output", folder);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[0], 0);
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    ck_assert_int_eq(posix_spawn(&child, program, &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[0]);
    if (input)
        ck_assert_int_eq(write(pipes[1], input, strlen(input)), strlen(input));
    close(pipes[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    free(output);
    output = file_text("output");
}

#define run(...) run_with(NULL, __VA_ARGS__, NULL)

static void check_run(int wanted, const char *text)
{
    ck_assert_msg(code == wanted, "exit code %d: %s", code, output);
    ck_assert_msg(strstr(output, text) != NULL, "%s", output);
}

START_TEST(capture_prints_one_object_a_file)
{
    begin();
    put_file("a.xml", "<epcis/>", 1);
    put_file("b.xml", "0123456789", 1 << 18); /* several pieces */
    run("capture", "--wait", "--json", "a.xml", "b.xml");
    check_run(0, "{\"capture_id\": \"");
    check_run(0, "\"state\": \"done\", \"duplicate_document\": false, \"events\": 10, \"committed\": 10, "
                 "\"duplicates\": 0, \"dead_letters\": 0, \"warnings\": 0, \"batches\": 1, \"error\": null, "
                 "\"sent_by\": null, \"resubmission_of\": null, \"document_bytes\": 8, ");
    /* sha256 of "<epcis/>" */
    check_run(0, "\"document_digest\": \"sha256:"
                 "7fcd9762");
    run("--json", "--timeout", "20", "capture", "a.xml");
    check_run(0, "\"state\": \"running\"");
    run("capture", "--wait", "--partner=0614141000005", "a.xml");
    check_run(0, "a.xml: done: 10 events, 10 committed, 0 duplicates, 0 dead letters");
    ck_assert_str_eq(ingest->last_partner, "0614141000005");
    end();
}
END_TEST

START_TEST(capture_tells_what_was_refused)
{
    begin();
    put_file("a.xml", "<epcis/>", 1);
    atomic_store(&fake_next_is_broken, true);
    run("capture", "a.xml", "--wait", "--json");
    check_run(3, "\"state\": \"failed\"");
    check_run(
        3, "\"error\": {\"code\": \"SCHEMA_INVALID\", \"message\": \"a \\\"quoted\\\" word\", \"line\": 12, "
           "\"byte_offset\": 345}, \"sent_by\": null, \"resubmission_of\": null, ");
    run("capture", "a.xml", "--wait");
    check_run(3, "SCHEMA_INVALID at line 12, byte 345");
    end();
}
END_TEST

START_TEST(capture_reads_standard_input)
{
    begin();
    run_with("<epcis/>", "capture", "-", "--wait", NULL);
    check_run(0, "-: done");
    atomic_store(&ingest->retry_after_ms, 10);
    atomic_store(&ingest->refusals, 3);
    run_with("<epcis/>", "capture", "-", NULL);
    check_run(0, "-: running");
    ck_assert_int_eq(atomic_load(&ingest->refusals), 0);
    end();
}
END_TEST

START_TEST(capture_comes_back_when_asked_to)
{
    begin();
    put_file("b.xml", "0123456789", 1 << 18);
    atomic_store(&ingest->retry_after_ms, 10);
    atomic_store(&ingest->refusals, 5);
    run("capture", "b.xml");
    check_run(0, "running");
    ck_assert_int_eq(atomic_load(&ingest->received), 1);
    atomic_store(&ingest->admit, ERR_FULL);
    atomic_store(&ingest->retry_after_ms, 600000); /* later than it may */
    run("capture", "b.xml", "--timeout", "60");
    check_run(1, "RESOURCE_EXHAUSTED");
    atomic_store(&ingest->admit, ERR_DISK); /* which passes, for all that a client knows */
    run("capture", "b.xml", "--timeout", "2");
    check_run(1, "disk");
    end();
}
END_TEST

START_TEST(errors_have_their_own_exit_code)
{
    begin();
    put_file("a.xml", "<epcis/>", 1);
    put_file("empty.xml", "", 1);
    run("capture", "missing.xml");
    check_run(1, "missing.xml: No such file");
    run("capture", "/dev/null/.");
    check_run(1, "Not a directory");
    run("capture", "empty.xml");
    check_run(1, "INVALID_ARGUMENT: the `document` is empty");
    run("capture", "a.xml", "missing.xml");
    check_run(1, "a.xml: running");
    run("capture", "--partner", "12", "a.xml");
    check_run(1, "GLN");
    run("capture", "--server", "127.0.0.1:1", "a.xml");
    check_run(1, "Is epcis-server running there?");
    run("capture");
    check_run(2, "FILE is expected");
    run("capture", "--colour", "a.xml");
    check_run(2, "--colour");
    run("capture", "--timeout", "soon", "a.xml");
    check_run(2, "--timeout");
    run("catch", "a.xml");
    check_run(2, "no command 'catch'");
    run("--json");
    check_run(2, "a command is expected");
    run("server", "--tls-cert", "a.pem");
    check_run(2, "go together");
    run("--help");
    check_run(0, "dead-letters");
    run("--version");
    check_run(0, "epcisctl " EPCISD_VERSION);
    run("capture", "--help");
    check_run(0, "standard input");
    run("status", "--help");
    check_run(0, "CAPTURE_ID");
    run("trace", "--help");
    check_run(0, "urn:epc:id:sgtin");
    run("dead-letters", "--help");
    check_run(0, "--capture");
    run("convert", "--help");
    check_run(0, "convert FILE");
    end();
}
END_TEST

START_TEST(status_prints_what_is_known)
{
    begin();
    run("status", known_capture, "--json");
    check_run(3, "\"events\": 1000, \"committed\": 998, \"duplicates\": 0, \"dead_letters\": 2");
    run("status", known_capture);
    check_run(3, "epcisctl dead-letters --capture");
    run("status", "0190d6a0-1111-7000-8000-000000000002");
    check_run(1, "NOT_FOUND");
    run("status", "42");
    check_run(1, "UUID");
    run("status");
    check_run(2, "CAPTURE_ID");
    end();
}
END_TEST

START_TEST(config_prints_every_kind_of_option)
{
    begin();
    run("config", "--json");
    ck_assert_int_eq(code, 0);
    ck_assert_str_eq(
        output,
        "{\"program\": \"epcis-server\", \"worker_id\": null, \"name\": \"listen\", \"value\": "
        "\"127.0.0.1:0\", "
        "\"default\": null, \"source\": \"command line\", \"unit\": \"HOST:PORT\", \"meaning\": \"gRPC "
        "address\"}\n"
        "{\"program\": \"epcis-server\", \"worker_id\": null, \"name\": \"drain-ms\", \"value\": 250, "
        "\"default\": 250, \"source\": \"default\", \"unit\": \"MS\", \"meaning\": \"time to finish\"}\n"
        "{\"program\": \"epcis-server\", \"worker_id\": null, \"name\": \"verify\", \"value\": true, "
        "\"default\": false, \"source\": \"derived\", \"unit\": null, \"meaning\": \"read all\"}\n"
        "{\"program\": \"epcis-server\", \"worker_id\": null, \"name\": \"rule\", \"value\": [\"A=off\", "
        "\"B=warn\"], "
        "\"default\": [], \"source\": \"command line\", \"unit\": \"CODE=SEVERITY\", \"meaning\": "
        "\"rules\"}\n"
        "{\"program\": \"epcis-worker\", \"worker_id\": \"host:7\", \"name\": \"drain-ms\", \"value\": 250, "
        "\"default\": 250, \"source\": \"default\", \"unit\": \"MS\", \"meaning\": \"time to finish\"}\n");
    run("config");
    check_run(0, "\ndrain-ms                  250                   250                   default\n"
                 "    time to finish [MS]\n");
    check_run(0, "\n\nepcis-worker host:7, rules 1.0\n");
    run("config", "more");
    check_run(2, "unexpected argument 'more'");
    end();
}
END_TEST

START_TEST(trace_prints_all_pages)
{
    begin();
    run("trace", "urn:epc:id:sgtin:0614141.107346.2017", "--json");
    check_run(0, "{\"epc\": \"urn:epc:id:sgtin:0614141.107346.2017\", \"state\": {\"status\": \"shipped\", "
                 "\"disposition\": \"in_transit\", \"holder\": null, \"gtin\": null, \"serial\": \"2017\", "
                 "\"lot\": null, \"expiry\": null, \"parent\": null, \"container\": null, "
                 "\"container_status\": null, \"association\": null}, "
                 "\"history\": [{\"event_time\": \"2025-01-06T08:03:45Z\", \"type\": \"ObjectEvent\", "
                 "\"biz_step\": \"shipping\", \"action\": \"OBSERVE\", \"event_id\": null, "
                 "\"event_hash\": null, \"batch_id\": null, \"sequence\": 1, \"capture_id\": null, "
                 "\"event_index\": 0, \"error_declaration\": false, \"declared_wrong_by\": null}, {");
    check_run(0, "\"error_declaration\": true, \"declared_wrong_by\": 9}]}\n");
    run("trace", "urn:epc:id:sgtin:0614141.107346.2017");
    check_run(0, "2025-01-06T08:03:45Z");
    check_run(0, "status           shipped\n");
    check_run(0, "(declared wrong by 9)  (error declaration)\n");
    run("trace", "urn:epc:id:sgtin:0614141.107346.1");
    check_run(1, "NOT_FOUND");
    end();
}
END_TEST

START_TEST(contains_prints_all_pages)
{
    begin();
    run("contains", "urn:epc:id:sscc:0614141.0000000001", "--recursive", "--json");
    check_run(0, "{\"epc\": \"urn:\\u001b[31m\", \"depth\": 1, \"parent\": "
                 "\"urn:epc:id:sscc:0614141.0000000001\", \"gtin\": null, \"lot\": \"L1\", \"expiry\": null, "
                 "\"packed_sequence\": 1}\n{");
    check_run(0, "\"packed_sequence\": 3}\n");
    run("contains", "urn:epc:id:sscc:0614141.0000000001", "--recursive");
    check_run(0, "1         L1                   -          urn:?[31m\n"
                 "2         -                    -            urn:?[31m\n");
    run("--at", "2025-01-06T03:03:45.5-05:00", "contains", "urn:epc:id:sscc:0614141.0000000001", "--json");
    check_run(0, "\"depth\": 1, ");
    check_run(0, "\"packed_sequence\": 1736150625500000}");
    run("contains", "--up", "urn:epc:id:sgtin:0614141.107346.2017", "--json");
    check_run(0, "{\"epc\": \"urn:epc:id:sscc:0614141.0000000001\", \"packed_sequence\": 5}\n");
    run("contains", "--up", "urn:epc:id:sgtin:0614141.107346.2017", "--at", "2025-01-06T08:03:45Z");
    check_run(0, "1736150625000000 urn:epc:id:sscc:0614141.0000000001\n");
    run("contains", "urn:epc:id:sscc:0614141.9000000001");
    check_run(1, "there is more in it than is listed");
    run("contains", "urn:epc:id:sgtin:0614141.107346.2017");
    check_run(1, "NOT_FOUND");
    run("contains");
    check_run(2, "EPC is expected");
    run("contains", "urn:x:1", "--at", "yesterday");
    check_run(2, "'yesterday' is no time");
    run("contains", "urn:x:1", "--up", "--recursive");
    check_run(2, "exclude each other");
    run("contains", "--help");
    check_run(0, "--recursive");
    end();
}
END_TEST

START_TEST(events_prints_all_pages)
{
    begin();
    run("events", "--capture", known_capture, "--json");
    check_run(0, "\"biz_step\": \"capture 1\"");
    check_run(0, "\"sequence\": 1, \"capture_id\": null, \"event_index\": 0, \"error_declaration\": false, "
                 "\"declared_wrong_by\": null}\n{");
    run("events", "--lot", "10614141073464", "L 1");
    check_run(0, "lot 10614141073464 L 1");
    run("events", "--gln", "0614141000012", "--from", "2025-01-06T08:03:45Z", "--to", "2025-01-06T08:03:46Z");
    check_run(0, "place 614141000012 1736150625000000 1736150626000000");
    run("events", "--gln", "urn:epc:id:sgln:0614141.00001.0");
    check_run(0, "place 614141000012 -9223372036854775808 9223372036854775807");
    run("events", "--capture", "0190d6a0-1111-7000-8000-000000000002");
    check_run(1, "NOT_FOUND");
    run("events");
    check_run(2, "one of --capture, --lot and --gln");
    run("events", "--lot", "10614141073464");
    check_run(2, "GTIN and a LOT");
    run("events", "--gln", "0614141000012", "--capture", known_capture);
    check_run(2, "one of");
    run("events", "--capture", known_capture, "--from", "2025-01-06T08:03:45Z");
    check_run(2, "go with --gln");
    run("events", "--capture", known_capture, "more");
    check_run(2, "unexpected argument 'more'");
    run("events", "--help");
    check_run(0, "--lot GTIN LOT");
    end();
}
END_TEST

START_TEST(dead_letters_print_one_a_line)
{
    begin();
    run("dead-letters", "--json");
    check_run(0, "{\"dead_letter_id\": \"1\", \"capture_id\": \"0190d6a0-1111-7000-8000-000000000001\", "
                 "\"event_index\": null, \"code\": \"SERIAL_FORMAT\", \"field\": \"epcList[0]\", "
                 "\"value\": \"urn:\\u001b[31m");
    check_run(
        0,
        "\"line\": 41, \"path\": \"/*/EventList/ObjectEvent[2]\", \"partner\": null, \"state\": \"open\"}\n"
        "{\"dead_letter_id\": \"2\"");
    check_run(0, "\"event_index\": 5, ");
    run("dead-letters");
    check_run(0, "= urn:?[31m"); /* no colours by courtesy of a partner */
    run("dead-letters", "--capture", known_capture, "--json");
    check_run(0, "\"dead_letter_id\": \"1\"");
    ck_assert_ptr_null(strstr(output, "\"dead_letter_id\": \"2\""));
    run("dead-letters", "--from", "2025-01-06", "--to", "2025-01-07T00:00:00-05:00");
    check_run(0, "capture ");
    run("dead-letters", "--to", "2025-01-0");
    check_run(2, "is no time");
    run("dead-letters", "more");
    check_run(2, "--capture");
    end();
}
END_TEST

/* What a partner wrote may be any text; what is said of it must not work the terminal. */
START_TEST(the_command_is_found_among_options)
{
    run("--server", "capture", "--json", "captrue", "status");
    check_run(2, "no command 'captrue'");
    run("--roles=submit", "stats", "status");
    check_run(2, "no command 'stats'");
    run("--roles", "submit", "status", "x");
    check_run(2, "epcisctl status: unknown option '--roles'");
    run("--roles", "submit");
    check_run(2, "unknown option '--roles'");
}
END_TEST

START_TEST(complaints_hold_no_control_characters)
{
    begin();
    put_file("a.json",
             "{\"@context\": \"https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld\", "
             "\"type\": \"EPCISDocument\", \"schemaVersion\": \"2.0\", \"epcisBody\": {\"eventList\": "
             "[{\"type\": \"\\u001b[31mEvent\"}]}}",
             1);
    run("convert", "--to", "json", "a.json");
    check_run(3, "?[31mEvent is no type of event");
    end();
}
END_TEST

int main(void)
{
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 32);
    if (length < 0 || !mkdtemp(folder))
        return EXIT_FAILURE;
    program[length] = '\0';
    strcpy(strrchr(program, '/'), "/../bin/epcisctl");

    Suite *suite = suite_create("ctl");
    TCase *tests = tcase_create("ctl");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, capture_prints_one_object_a_file);
    tcase_add_test(tests, capture_tells_what_was_refused);
    tcase_add_test(tests, capture_reads_standard_input);
    tcase_add_test(tests, capture_comes_back_when_asked_to);
    tcase_add_test(tests, errors_have_their_own_exit_code);
    tcase_add_test(tests, status_prints_what_is_known);
    tcase_add_test(tests, config_prints_every_kind_of_option);
    tcase_add_test(tests, trace_prints_all_pages);
    tcase_add_test(tests, contains_prints_all_pages);
    tcase_add_test(tests, events_prints_all_pages);
    tcase_add_test(tests, dead_letters_print_one_a_line);
    tcase_add_test(tests, the_command_is_found_among_options);
    tcase_add_test(tests, complaints_hold_no_control_characters);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    static const char *const names[] = {"a.xml", "b.xml", "empty.xml", "output"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
