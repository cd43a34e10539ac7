"""The man pages: sound, and nothing that --help tells is missing from them."""

import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import BIN, main

PAGES = Path(os.environ["EPCISD_BUILD"]) / "man"


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def plain(text):
    """Without what lays it out."""
    return " ".join(text.split())


class ManPages(unittest.TestCase):
    def check_page(self, page, commands):
        path = PAGES / page
        self.assertEqual(run("mandoc", "-T", "lint", "-W", "warning", str(path)), "")
        shown = plain(re.sub(".\b", "", run("mandoc", "-T", "ascii", str(path))))
        for command in commands:
            with self.subTest(page=page, command=command):
                helped = run(*command, "--help")
                self.assertIn("--help", helped)
                # Defaults are the builder's where the environment gives them.
                for line in helped.splitlines():
                    self.assertIn(plain(re.sub(r" \[[^]]*\]$", "", line)), shown)

    def test_epcisctl(self):
        program = str(BIN / "epcisctl")
        commands = [line.partition("\t")[0] for line in run(program, "--complete").splitlines() if line[0] != "-"]
        self.assertIn("capture", commands)
        self.check_page("epcisctl.1", [[program]] + [[program, command] for command in commands])

    def test_server_and_worker(self):
        for program in "epcis-server", "epcis-worker":
            self.check_page(f"{program}.8", [[str(BIN / program)]])


if __name__ == "__main__":
    main()
