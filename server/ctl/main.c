/* epcisctl: sends EPCIS documents to an epcis-server and asks it questions. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/options.h"
#include "server/ctl/convert.h"
#include "server/ctl/ctl.h"

static const char usage_head[] = "Usage: epcisctl [OPTIONS] COMMAND ...\n\n";
static const char usage_tail[] =
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
    const char *arguments;
    const char *meaning;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"capture", "epcisctl capture", "FILE...", "send EPCIS documents", ctl_capture},
    {"validate", "epcisctl validate", "FILE...", "what would become of EPCIS documents; nothing is committed",
     ctl_validate},
    {"status", "epcisctl status", "CAPTURE_ID", "what has become of a document", ctl_status},
    {"captures", "epcisctl captures", "", "documents received, or what became of each event of one",
     ctl_captures},
    {"watch", "epcisctl watch", "", "what becomes of documents, as it happens", ctl_watch},
    {"cancel", "epcisctl cancel", "CAPTURE_ID...", "call documents off before any of their events is judged",
     ctl_cancel},
    {"trace", "epcisctl trace", "EPC", "state and history of one item", ctl_trace},
    {"contains", "epcisctl contains", "EPC", "what is in a container, or what an item is in", ctl_contains},
    {"events", "epcisctl events", "", "the events of a document, of a lot or at a place", ctl_events},
    {"dead-letters", "epcisctl dead-letters", "",
     "what was refused, and why; to show, resubmit, discard or export it", ctl_dead_letters},
    {"master-data", "epcisctl master-data", "", "what is known of products, places and parties",
     ctl_master_data},
    {"partners", "epcisctl partners", "", "trading partners, and how strictly their events are judged",
     ctl_partners},
    {"tokens", "epcisctl tokens", "", "who may call the server, and what they may do", ctl_tokens},
    {"audit", "epcisctl audit", "", "keys, checkpoints, and whether a receipt is genuine", ctl_audit},
    {"replay", "epcisctl replay", "", "whether documents, read again, make the batches that were recorded",
     ctl_replay},
    {"server", "epcisctl server", "",
     "how the server is doing: what waits, what it refuses, what room is left", ctl_server},
    {"config", "epcisctl config", "", "what the server and its workers run with", ctl_config},
    {"rules", "epcisctl rules", "", "by what rules events are checked", ctl_rules},
    {"backup", "epcisctl backup", "FOLDER", "copy a server's data while it runs", ctl_backup},
    {"restore", "epcisctl restore", "FOLDER", "put a copy back and prove that it is whole", ctl_restore},
    {"verify", "epcisctl verify", "", "prove that a server's data is whole", ctl_verify},
    {"compact", "epcisctl compact", "", "give free space in the data back to the disk", ctl_compact},
    {"convert", "epcisctl convert", "FILE", "read a document here, without a server, and print its events",
     ctl_convert},
    {"completion", "epcisctl completion", "SHELL",
     "print what makes bash, zsh or fish complete commands and options", ctl_completion},
};
enum { COMMANDS = sizeof commands / sizeof commands[0], COMMAND_ROOM = 128 };

static const char *usage(void)
{
    static char text[sizeof usage_head + COMMANDS * COMMAND_ROOM + sizeof usage_tail];
    size_t length = (size_t)snprintf(text, sizeof text, "%s", usage_head);
    for (int i = 0; i < COMMANDS; i++) {
        char left[32];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].arguments);
        length += (size_t)snprintf(text + length, COMMAND_ROOM, "  %-22s%s\n", left, commands[i].meaning);
    }
    snprintf(text + length, sizeof text - length, "%s", usage_tail);
    return text;
}

static const char *command_names(void)
{
    enum { ROOM = COMMANDS * 32 };
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

static const struct command *find_named(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* The index of the command in argv; argc: there is none. `common` are the options that every command takes.
 * Only the command knows which of its own take a value: what follows one of those may be either. */
static int find_command(int argc, char **argv, const struct option_entry *common, int count)
{
    bool may_be_value = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) == 0) {
            const struct option_entry *entry = options_find(common, count, word);
            may_be_value = !entry && !strchr(word, '=');
            if (entry && entry->kind != OPTION_FLAG && !strchr(word, '='))
                i++;
        } else if (!may_be_value || find_named(word)) {
            return i;
        } else {
            may_be_value = false;
        }
    }
    return argc;
}

/* There is no command, only options. */
static int run_alone(int argc, char **argv, const struct option_entry *options, int count)
{
    for (int i = 0; argc == 2 && strcmp(argv[1], "--complete") == 0 && i < COMMANDS; i++)
        printf("%s\t%s\n", commands[i].name, commands[i].meaning);
    options_parse(&argc, argv, options, count, usage());
    options_fail(argv[0], "a command is expected: %s", command_names());
}

int main(int argc, char **argv)
{
    struct ctl_common common = ctl_common_default();
    const struct option_entry options[] = {CTL_COMMON_OPTIONS(common)};
    enum { OPTIONS = sizeof options / sizeof options[0] };
    int at = find_command(argc, argv, options, OPTIONS);
    if (at == argc)
        return run_alone(argc, argv, options, OPTIONS);
    const struct command *command = find_named(argv[at]);
    if (!command)
        options_fail(argv[0], "no command '%s': %s", argv[at], command_names());
    memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv); /* with the NULL at the end */
    argv[0] = (char *)command->title;
    return command->run(argc - 1, argv);
}
