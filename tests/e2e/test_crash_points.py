"""The short crash test: every fault point once, and kills at random moments. scripts/crash-test runs it for longer."""

import subprocess
import unittest

from harness import PATIENCE, ROOT, main


class CrashPoints(unittest.TestCase):
    def test_every_point_once(self):
        done = subprocess.run([ROOT / "scripts" / "crash-test", "--seed", "1"], stdout=subprocess.PIPE, text=True,
                              check=False, timeout=600 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    main()
