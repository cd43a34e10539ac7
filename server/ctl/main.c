/* epcisctl: sends EPCIS documents to an epcis-server and asks it questions. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/options.h"
#include "server/ctl/convert.h"
#include "server/ctl/ctl.h"

static const char usage[] =
    "Usage: epcisctl [OPTIONS] COMMAND ...\n"
    "\n"
    "  capture FILE...     send EPCIS documents\n"
    "  validate FILE...    what would become of EPCIS documents; nothing is committed\n"
    "  status CAPTURE_ID   what has become of a document\n"
    "  captures            documents received, or what became of each event of one\n"
    "  watch               what becomes of documents, as it happens\n"
    "  cancel CAPTURE_ID   calls a document off before any of it is judged\n"
    "  trace EPC           state and history of one item\n"
    "  contains EPC        what is in a container, or what an item is in\n"
    "  events              the events of a document, of a lot or at a place\n"
    "  dead-letters        what was refused, and why; to show, resubmit, discard or export it\n"
    "  master-data         what is known of products, places and parties\n"
    "  partners            trading partners, and how strictly their events are judged\n"
    "  tokens              who may call the server, and what they may do\n"
    "  audit               keys, checkpoints, and whether a receipt is genuine\n"
    "  replay              whether documents, read again, make the batches that were recorded\n"
    "  server              how the server is doing: what waits, what it refuses, what room is left\n"
    "  rules               by what rules events are checked\n"
    "  backup FOLDER       copy a server's data; also restore, verify and compact\n"
    "  convert FILE        read a document here, without a server, and print its events\n"
    "\n"
    "'epcisctl COMMAND --help' tells more of each. Options may stand before or after the\n"
    "command. EPCISD_SERVER, EPCISD_TLS_CA and EPCISD_TOKEN_FILE in the environment are the\n"
    "defaults of --server, --tls-ca and --token-file.\n"
    "\n"
    "Example:\n"
    "  epcisctl --server epcis.example.com:50051 capture --wait shipment.xml\n";

struct command {
    const char *name;
    const char *title; /* as which it speaks of itself */
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"capture", "epcisctl capture", ctl_capture},
    {"validate", "epcisctl validate", ctl_validate},
    {"status", "epcisctl status", ctl_status},
    {"captures", "epcisctl captures", ctl_captures},
    {"watch", "epcisctl watch", ctl_watch},
    {"cancel", "epcisctl cancel", ctl_cancel},
    {"trace", "epcisctl trace", ctl_trace},
    {"contains", "epcisctl contains", ctl_contains},
    {"events", "epcisctl events", ctl_events},
    {"dead-letters", "epcisctl dead-letters", ctl_dead_letters},
    {"master-data", "epcisctl master-data", ctl_master_data},
    {"partners", "epcisctl partners", ctl_partners},
    {"tokens", "epcisctl tokens", ctl_tokens},
    {"audit", "epcisctl audit", ctl_audit},
    {"replay", "epcisctl replay", ctl_replay},
    {"server", "epcisctl server", ctl_server},
    {"rules", "epcisctl rules", ctl_rules},
    {"backup", "epcisctl backup", ctl_backup},
    {"restore", "epcisctl restore", ctl_restore},
    {"verify", "epcisctl verify", ctl_verify},
    {"compact", "epcisctl compact", ctl_compact},
    {"convert", "epcisctl convert", ctl_convert},
};

static const char *command_names(void)
{
    enum { COMMANDS = sizeof commands / sizeof commands[0], ROOM = COMMANDS * 32 };
    static char names[ROOM];
    size_t length = 0;
    for (int i = 0; i < COMMANDS && length < ROOM; i++)
        length += (size_t)snprintf(names + length, ROOM - length, "%s%s",
                                   i == 0              ? ""
                                   : i == COMMANDS - 1 ? " or "
                                                       : ", ",
                                   commands[i].name);
    return names;
}

/* Before the command an option's value could be taken for the command, so those with values are known. */
static bool takes_value(const char *word)
{
    static const char names[] =
        " "
        "--server --timeout --tls-ca --tls-cert --tls-key "
        "--token-file --partner --capture --to --code "
        "--gtin --from --state --file --by "
        "--why --name --glns --prefixes --profile "
        "--overrides --contact-name --contact-email --contact-phone --if-version "
        "--changed-by --max-document-bytes --max-requests --max-unfinished-bytes "
        "--max-events --at --lot --roles "
        "--certificate --expires-days --overlap-hours --gln --data-dir --key --partition "
        "--first --last ";
    size_t length = strlen(word);
    if (length == 0)
        return false;
    for (const char *found = names + 1; (found = strstr(found, word)); found++)
        if (found[-1] == ' ' && found[length] == ' ')
            return true;
    return false;
}

/* The index of the command in argv; argc: there is none. */
static int find_command(int argc, char **argv)
{
    int i = 1;
    while (i < argc && strncmp(argv[i], "--", 2) == 0)
        i += takes_value(argv[i]) ? 2 : 1;
    return i < argc ? i : argc;
}

int main(int argc, char **argv)
{
    int at = find_command(argc, argv);
    if (at == argc) {
        struct ctl_common common = ctl_common_default();
        bool version = false;
        const struct option_entry options[] = {
            {"version", OPTION_FLAG, &version, 0, 0, NULL, "print the version and exit"},
            CTL_COMMON_OPTIONS(common),
        };
        options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
        if (!version)
            options_fail(argv[0], "a command is expected: %s", command_names());
        printf("epcisctl %s\n", EPCISD_VERSION);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[at], commands[i].name) != 0)
            continue;
        memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv); /* with the NULL at the end */
        argv[0] = (char *)commands[i].title;
        return commands[i].run(argc - 1, argv);
    }
    options_fail(argv[0], "no command '%s': %s", argv[at], command_names());
}
