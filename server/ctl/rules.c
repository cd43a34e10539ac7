#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/program.h"
#include "server/ctl/ctl.h"

static const char usage[] =
    "Usage: epcisctl rules [OPTIONS]\n"
    "\n"
    "Prints the rules by which events are checked: code, severity in each profile, source,\n"
    "meaning, and what puts it right. They are those of the epcis-worker beside this program.\n"
    "\n"
    "Example:\n"
    "  epcisctl rules --json | jq -r '.rules[] | select(.dscsa == \"reject\") | .code'\n"
    "\n"
    "Exit codes: those of epcis-worker: 0 printed, 1 error, 2 wrong usage.\n";

int ctl_rules(int argc, char **argv)
{
    bool json = false;
    const struct option_entry options[] = {
        {"json", OPTION_FLAG, &json, 0, 0, NULL, "print JSON for programs"},
    };
    char program[PATH_MAX];

    options_parse(&argc, argv, options, sizeof options / sizeof options[0], usage);
    if (argc != 1)
        options_fail(argv[0], "unexpected argument '%s'", argv[1]);
    enum err err = program_beside("epcis-worker", program);
    if (err) {
        fprintf(stderr, "epcisctl: %s: %s\n", err == ERR_NOT_FOUND ? program : "epcis-worker", err_name(err));
        return CTL_ERROR;
    }
    char *const arguments[] = {program, (char *)"--rules", json ? (char *)"--json" : NULL, NULL};
    execv(program, arguments);
    fprintf(stderr, "epcisctl: %s: %s\n", program, strerror(errno));
    return CTL_ERROR;
}
