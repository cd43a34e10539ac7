"""What bash, zsh and fish complete after `epcisctl completion SHELL`, and that it is what the help tells."""

import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile
import time
import unittest

from harness import BIN, PATIENCE, main

ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60 * PATIENCE, env=ENVIRONMENT)


def help_of(*words):
    return run(str(BIN / words[0]), *words[1:], "--help").stdout


def commands():
    """{command: what it does}"""
    table = help_of("epcisctl").partition("\n\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^  ([a-z-]+)(?: [A-Z_.]+)? +(.+)", table, re.M))


class Bash:
    ASK = """
        . <(epcisctl completion bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _epcisd "$1"; printf '%s\\n' "${COMPREPLY[@]}"
    """

    def complete(self, *words):
        result = run("bash", "-c", self.ASK, "bash", *words)
        assert result.stderr == "", result.stderr
        return result.stdout.split()

    def close(self):
        pass


class Zsh:
    """Completion works on a line that is being edited alone: a shell on a terminal, where Control-G completes, and
    what would be shown goes to a file."""

    BEGIN = """
        PS1= ZDOTDIR=$PWD; zle_bracketed_paste=(); autoload -U compinit && compinit -u -D
        . <(epcisctl completion zsh)
        compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- $found >> answer.part; (($#found)) }
        _files() { : }
        ask() { : > answer.part; _epcisd; mv answer.part answer }
        zle -C ask list-choices ask; bindkey '^G' ask; bindkey '^U' kill-whole-line; : > ready
    """

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        (self.path / "begin").write_text(self.BEGIN)
        (self.path / "typed").touch()  # for names of files: none begins like an option
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path)
            os.execvpe("zsh", ["zsh", "-f", "-i"], ENVIRONMENT)
        self.pid = pid
        os.write(self.terminal, b". ./begin\n")
        self.take("ready")

    def take(self, name):
        deadline = time.monotonic() + 60 * PATIENCE
        while not (self.path / name).exists():
            assert time.monotonic() < deadline, f"zsh does not answer: {name}"
            if select.select([self.terminal], [], [], 0.01)[0]:
                os.read(self.terminal, 65536)
        text = (self.path / name).read_text()
        (self.path / name).unlink()
        return text

    def complete(self, *words):
        os.write(self.terminal, b"\x15" + " ".join(words).encode() + b"\x07")
        return self.take("answer").split()

    def close(self):
        os.close(self.terminal)  # hangs up
        os.waitpid(self.pid, 0)
        self.folder.cleanup()


class Fish:
    ASK = 'epcisctl completion fish | source; complete -C "$argv"'

    def complete(self, *words):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(["fish", "--no-config", "-c", self.ASK, " ".join(words)], capture_output=True,
                                    text=True, check=False, timeout=60 * PATIENCE, cwd=folder,
                                    env={**ENVIRONMENT, "HOME": folder})
        assert result.stderr == "", result.stderr
        return [line.partition("\t")[0] for line in result.stdout.splitlines()]

    def close(self):
        pass


class Completion(unittest.TestCase):
    def setUp(self):
        self.shells = [Bash(), Zsh(), Fish()]
        for shell in self.shells:
            self.addCleanup(shell.close)

    def check(self, words, wanted):
        for shell in self.shells:
            with self.subTest(shell=type(shell).__name__, words=words):
                self.assertEqual(sorted(shell.complete(*words)), sorted(wanted))

    def test_commands(self):
        self.check(("epcisctl", "ca"), ["capture", "captures", "cancel"])
        self.check(("epcisctl", ""), commands())

    def test_options_are_those_of_the_help(self):
        for words in *(("epcisctl", command) for command in commands()), ("epcis-server",), ("epcis-worker",):
            listed = re.findall(r"^  (--[a-z-]+)", help_of(*words), re.M)
            self.assertIn("--help", listed)
            self.assertLessEqual(max(map(len, help_of(*words).splitlines())), 110)
            self.check((*words, "--"), listed)

    def test_values_and_arguments_are_left_to_the_shell(self):
        self.check(("epcisctl", "--server", ""), [])
        self.check(("epcisctl", "capture", "--partner", ""), [])
        self.check(("epcisctl", "capture", ""), [])
        self.check(("epcisctl", "--json", "capture", "--w"), ["--wait"])
        self.check(("epcisctl", "nonsense", "ca"), ["capture", "captures", "cancel"])

    def test_what_they_mean_is_told(self):
        self.assertIn("config\twhat the server and its workers run with\n", run("epcisctl", "--complete").stdout)
        self.assertIn("--drain-ms MS\ttime to finish", run("epcis-server", "--complete").stdout)

    def test_another_shell_is_refused(self):
        result = run("epcisctl", "completion", "csh")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("bash, zsh or fish", result.stderr)


if __name__ == "__main__":
    main()
