"""scripts/check-api finds what would break clients, or what is on disk, in a copy of proto/ that was altered."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import ROOT, main


class CheckApi(unittest.TestCase):
    def check(self, path=None, old=None, new=None):
        """(exit code, what it prints) for proto/ with one text replaced in one file."""
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(shutil.copytree(ROOT / "proto", pathlib.Path(folder, "proto")))
            if path:
                text = (copy / path).read_text(encoding="utf-8")
                self.assertIn(old, text)
                (copy / path).write_text(text.replace(old, new, 1), encoding="utf-8")
            result = subprocess.run([ROOT / "scripts" / "check-api", copy], capture_output=True, text=True,
                                    check=False, timeout=60)
            return result.returncode, result.stdout + result.stderr

    def test_what_is_there_and_what_is_added_gets_along(self):
        self.assertEqual(self.check(), (0, ""))
        self.assertEqual(self.check("epcis/v1/finding.proto", "message Finding {",
                                    "message Finding {\n  string more = 900;"), (0, ""))

    def test_breaks_are_found(self):
        for path, old, new, said in (
                ("epcis/v1/capture_service.proto", "string partner = 5;", "string partner = 15;", 'field "5"'),
                ("epcis/v1/finding.proto", "string code", "string kode", "changed name"),
                ("epcis/v1/capture_service.proto", "  rpc CancelCapture(", "  // ", 'RPC "CancelCapture"'),
                ("epcis/store/v1/journal.proto", "bytes capture_id = 1;", "bytes capture_id = 99;", 'field "1"'),
                ("epcis/wire/v1/wire.proto", "uint64 sequence = ", "string sequence = ", "changed type")):
            with self.subTest(path=path, new=new):
                code, text = self.check(path, old, new)
                self.assertNotEqual(code, 0)
                self.assertIn(path, text)
                self.assertIn(said, text)


if __name__ == "__main__":
    main()
