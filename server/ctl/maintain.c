#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/program.h"
#include "server/ctl/ctl.h"

#define DATA_DIR_NOTE                                                                                        \
    "It works on this host's files, as the epcis-server beside this program; its log says what it does.\n"

static const char backup_usage[] =
    "Usage: epcisctl backup --data-dir DIR FOLDER\n"
    "\n"
    "Copies a server's data, journal, store and keys, to a new folder, while the server goes "
    "on.\n" DATA_DIR_NOTE "The copy holds private keys: keep it as safe as the original.\n"
    "\n"
    "Example:\n"
    "  epcisctl backup --data-dir /var/lib/epcisd /backup/epcisd-2026-11-24\n"
    "\n"
    "Exit codes: 0 it is on disk, 1 error, 2 wrong usage.\n";

static const char restore_usage[] =
    "Usage: epcisctl restore --data-dir DIR FOLDER\n"
    "\n"
    "Puts a backup into DIR, which must be empty, and proves that it is whole: every document has its\n"
    "digest, every batch its place in the chain, every record can be read.\n" DATA_DIR_NOTE "\n"
    "Example:\n"
    "  epcisctl restore --data-dir /var/lib/epcisd /backup/epcisd-2026-11-24\n"
    "\n"
    "Exit codes: 0 it is there and whole, 1 error: nothing was left in DIR, 2 wrong usage.\n";

static const char verify_usage[] = "Usage: epcisctl verify --data-dir DIR\n"
                                   "\n"
                                   "Reads all data of a server that does not run and proves that it is "
                                   "whole, as restore does.\n" DATA_DIR_NOTE "\n"
                                   "Exit codes: 0 it is whole, 1 it is not, or an error, 2 wrong usage.\n";

static const char compact_usage[] =
    "Usage: epcisctl compact --data-dir DIR\n"
    "\n"
    "Gives free space in journal and store back to the disk, such as that of raw documents that were old\n"
    "enough to go. Neither server nor workers may run.\n" DATA_DIR_NOTE "\n"
    "Exit codes: 0 done, 1 error: all is as it was, 2 wrong usage.\n";

/* Becomes `epcis-server --data-dir DIR OPTION [FOLDER]`. */
static int become_server(int argc, char **argv, const char *usage, const char *option, bool takes_folder)
{
    const char *data_dir = NULL;
    const struct option_entry options[] = {
        {"data-dir", OPTION_TEXT, &data_dir, 0, 0, "DIR", "the server's data folder"},
    };
    char program[PATH_MAX];
    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (!data_dir)
        options_fail(argv[0], "--data-dir is missing");
    if (argc != 1 + takes_folder)
        options_fail(argv[0], takes_folder ? "one folder is expected" : "no argument is expected");
    enum err err = program_beside("epcis-server", program);
    if (err) {
        fprintf(stderr, "epcisctl: %s: %s\n", err == ERR_NOT_FOUND ? program : "epcis-server", err_name(err));
        return CTL_ERROR;
    }
    char *const arguments[] = {program,        (char *)"--data-dir",          (char *)data_dir,
                               (char *)option, takes_folder ? argv[1] : NULL, NULL};
    execv(program, arguments);
    fprintf(stderr, "epcisctl: %s: %s\n", program, strerror(errno));
    return CTL_ERROR;
}

int ctl_backup(int argc, char **argv)
{
    return become_server(argc, argv, backup_usage, "--backup", true);
}

int ctl_restore(int argc, char **argv)
{
    return become_server(argc, argv, restore_usage, "--restore", true);
}

int ctl_verify(int argc, char **argv)
{
    return become_server(argc, argv, verify_usage, "--verify", false);
}

int ctl_compact(int argc, char **argv)
{
    return become_server(argc, argv, compact_usage, "--compact", false);
}
