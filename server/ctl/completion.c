#include <stdio.h>
#include <string.h>

#include "server/ctl/ctl.h"

static const char usage[] =
    "Usage: epcisctl completion bash|zsh|fish\n"
    "\n"
    "Prints a script after which the shell completes the commands and options of epcisctl,\n"
    "epcis-server and epcis-worker with the Tab key. It asks the programs themselves, and\n"
    "so fits any version of them.\n"
    "\n"
    "Examples:\n"
    "  . <(epcisctl completion bash)\n"
    "  . <(epcisctl completion zsh)          after compinit\n"
    "  epcisctl completion fish | source\n"
    "\n"
    "Exit codes: 0 printed, 1 error, 2 wrong usage.\n";

/* Each asks the program for its commands and options, lines of "NAME", "NAME VALUE" where a value follows,
 * and a tab before what it means. The first word that is a command's name is the command. Behind an option
 * with a value, and where no option is begun, are the names of files. */

static const char bash[] =
    "_epcisd()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command= word words\n"
    "    COMPREPLY=()\n"
    "    words=$(\"$1\" --complete 2>/dev/null | cut -f 1)\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n"
    "        [[ $word != -* && $'\\n'$words$'\\n' == *$'\\n'\"$word\"$'\\n'* ]] || continue\n"
    "        command=$word\n"
    "        words=$(\"$1\" \"$command\" --complete 2>/dev/null | cut -f 1)\n"
    "        break\n"
    "    done\n"
    "    [[ $'\\n'$words == *$'\\n'\"$previous \"* || $command && $current != -* ]] && return\n"
    "    while read -r word _; do\n"
    "        [[ $word == \"$current\"* && ( $current || $word != -* ) ]] && COMPREPLY+=(\"$word\")\n"
    "    done <<<\"$words\"\n"
    "}\n"
    "complete -o default -F _epcisd epcisctl epcis-server epcis-worker\n";

/* Sourced, or found in a folder of $fpath. */
static const char zsh[] =
    "#compdef epcisctl epcis-server epcis-worker\n"
    "_epcisd()\n"
    "{\n"
    "    local program=${(Q)words[1]} command= line word\n"
    "    local -a lines names shown\n"
    "    lines=(\"${(@f)$($program --complete 2>/dev/null)}\")\n"
    "    for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
    "        [[ $word != -* && -n ${(M)lines:#${(b)word}$'\\t'*} ]] || continue\n"
    "        command=$word\n"
    "        lines=(\"${(@f)$($program $command --complete 2>/dev/null)}\")\n"
    "        break\n"
    "    done\n"
    "    if [[ -z ${(M)lines:#${(b)words[CURRENT-1]} *} && ( -z $command || $PREFIX == -* ) ]]; then\n"
    "        for line in $lines; do\n"
    "            word=${${line%%$'\\t'*}%% *}\n"
    "            [[ -n $PREFIX || $word != -* ]] || continue\n"
    "            names+=($word)\n"
    "            shown+=(\"${line/$'\\t'/  -- }\")\n"
    "        done\n"
    "    fi\n"
    "    compadd -l -d shown -a names || _files\n"
    "}\n"
    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
    "    _epcisd \"$@\"\n"
    "else\n"
    "    compdef _epcisd epcisctl epcis-server epcis-worker\n"
    "fi\n";

static const char fish[] = "function __epcisd\n"
                           "    set -l words (commandline -opc)\n"
                           "    set -l current (commandline -ct)\n"
                           "    set -l lines ($words[1] --complete 2>/dev/null)\n"
                           "    set -l names (string replace -r '[ \\t].*' '' -- $lines)\n"
                           "    set -l command\n"
                           "    for word in $words[2..]\n"
                           "        if not string match -q -- '-*' $word; and contains -- $word $names\n"
                           "            set command $word\n"
                           "            set lines ($words[1] $command --complete 2>/dev/null)\n"
                           "            break\n"
                           "        end\n"
                           "    end\n"
                           "    set -l valued (string replace -rf '^(\\S+) .*' '$1' -- $lines)\n"
                           "    if test -n \"$command\"; and not string match -q -- '-*' $current; or "
                           "contains -- $words[-1] $valued\n"
                           "        __fish_complete_path $current\n"
                           "    else\n"
                           "        test -n \"$current\"; or set lines (string match -v -- '-*' $lines)\n"
                           "        string replace -r '^(\\S+) [^\\t]*' '$1' -- $lines\n"
                           "    end\n"
                           "end\n"
                           "complete -f -a '(__epcisd)' -c epcisctl -c epcis-server -c epcis-worker\n";

int ctl_completion(int argc, char **argv)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    options_parse(&argc, argv, NULL, 0, usage);
    for (size_t i = 0; argc == 2 && i < sizeof scripts / sizeof scripts[0]; i++)
        if (strcmp(argv[1], scripts[i].shell) == 0)
            return fputs(scripts[i].script, stdout) < 0 || fflush(stdout) ? CTL_ERROR : CTL_OK;
    options_fail(argv[0], "the name of the shell is expected: bash, zsh or fish");
}
