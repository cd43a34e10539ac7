#include <stdio.h>
#include <string.h>

#include "server/ctl/ctl.h"

static const char usage[] =
    "Usage: epcisctl completion bash\n"
    "\n"
    "Prints a script after which bash completes the commands and options of epcisctl,\n"
    "epcis-server and epcis-worker with the Tab key. It asks the programs themselves, and\n"
    "so fits any version of them.\n"
    "\n"
    "Examples:\n"
    "  . <(epcisctl completion bash)\n"
    "  epcisctl completion bash > /etc/bash_completion.d/epcisd\n"
    "\n"
    "Exit codes: 0 printed, 2 wrong usage.\n";

/* Where it has no answer, bash completes the names of files. */
static const char bash[] =
    "_epcisd()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command= word words\n"
    "    COMPREPLY=()\n"
    "    words=$(\"$1\" --complete 2>/dev/null) || return\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n"
    "        [[ $word != -* && $'\\n'$words$'\\n' == *$'\\n'\"$word\"$'\\n'* ]] || continue\n"
    "        command=$word\n"
    "        words=$(\"$1\" \"$command\" --complete 2>/dev/null)\n"
    "        break\n"
    "    done\n"
    "    [[ $'\\n'$words == *$'\\n'\"$previous \"* || $command && $current != -* ]] && return\n"
    "    while read -r word _; do\n"
    "        [[ $word == \"$current\"* && ( $current || $word != -* ) ]] && COMPREPLY+=(\"$word\")\n"
    "    done <<<\"$words\"\n"
    "}\n"
    "complete -o default -F _epcisd epcisctl epcis-server epcis-worker\n";

int ctl_completion(int argc, char **argv)
{
    options_parse(&argc, argv, NULL, 0, usage);
    if (argc != 2 || strcmp(argv[1], "bash") != 0)
        options_fail(argv[0], "the name of the shell is expected: bash");
    return fputs(bash, stdout) < 0 || fflush(stdout) ? CTL_ERROR : CTL_OK;
}
