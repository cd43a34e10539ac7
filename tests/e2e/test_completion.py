"""What bash completes after `epcisctl completion bash`, and that it is what the help tells."""

import os
import re
import subprocess
import unittest

from harness import BIN, main

ASK = """
. <(epcisctl completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_epcisd "$1"; printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"})


def help_of(*words):
    return run(str(BIN / words[0]), *words[1:], "--help").stdout


def completed(*words):
    result = run("bash", "-c", ASK, "bash", *words)
    assert result.stderr == "", result.stderr
    return result.stdout.split()


def commands():
    return re.findall(r"^  ([a-z-]+)  ?", help_of("epcisctl").partition("\n\n")[2].partition("\n\n")[0], re.M)


class Completion(unittest.TestCase):
    def test_commands(self):
        self.assertEqual(completed("epcisctl", "ca"), ["capture", "captures", "cancel"])
        found = completed("epcisctl", "")
        self.assertIn("completion", found)
        # The help names restore, verify and compact beside backup.
        self.assertEqual(set(found) - {"restore", "verify", "compact"}, set(commands()))

    def test_options_are_those_of_the_help(self):
        for command in completed("epcisctl", ""):
            with self.subTest(command=command):
                listed = re.findall(r"^  (--[a-z-]+)", help_of("epcisctl", command), re.M)
                self.assertIn("--help", listed)
                self.assertEqual(completed("epcisctl", command, "-"), listed)
        for program in "epcis-server", "epcis-worker":
            listed = re.findall(r"^  (--[a-z-]+)", help_of(program), re.M)
            self.assertEqual(completed(program, "--"), listed)

    def test_values_and_arguments_are_left_to_the_shell(self):
        self.assertEqual(completed("epcisctl", "--server", ""), [])
        self.assertEqual(completed("epcisctl", "capture", "--partner", ""), [])
        self.assertEqual(completed("epcisctl", "capture", ""), [])
        self.assertEqual(completed("epcisctl", "--json", "capture", "--w"), ["--wait"])
        self.assertEqual(completed("epcisctl", "nonsense", "ca"), ["capture", "captures", "cancel"])

    def test_another_shell_is_refused(self):
        result = run("epcisctl", "completion", "csh")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("bash", result.stderr)


if __name__ == "__main__":
    main()
