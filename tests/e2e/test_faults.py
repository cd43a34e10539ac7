"""Single faults, each at its worst moment: refused with a reason, nothing lost, and all well again afterwards."""

import pathlib
import re
import signal
import subprocess
import sys

from documents import make
from harness import EndToEnd, Refused, main, state_name, wait_for
from oracle import Oracle

# Begins to read an LMDB file, and never ends.
READER = """
import ctypes, signal, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0, 0o600) == 0
assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
print("reads", flush=True)
signal.pause()
"""


class Faults(EndToEnd):
    def document(self, number, events=120):
        return make(events=events, defects=0.03, redelivered=0.05, seed=800 + number, company=2000 + 10 * number)

    def assert_kept(self, server, sent):
        """Each as the oracle says, and nothing else in the store."""
        committed = sum(self.assert_outcome(server, receipt.capture_id,
                                            Oracle().document(document.partner, document.events)).committed
                        for document, receipt in sent)
        self.assertEqual(len(server.client.all_events()), committed)

    def test_a_worker_that_wakes_too_late_changes_nothing(self):
        server = self.start(workers=0, options=[*self.endpoints(), "--lease-ms", 500])
        zombie = self.start_worker(environment={"EPCISD_FAULT": "worker.prepared=stop"})
        sent = [(document, server.client.capture(document.data)) for document in [self.document(1)]]
        stat = pathlib.Path(f"/proc/{zombie.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the worker halts with a run in hand")
        other = self.start_worker()
        self.assert_kept(server, sent)
        zombie.send_signal(signal.SIGCONT)
        self.reap(other)
        document = self.document(2)
        sent.append((document, server.client.capture(document.data)))  # for the zombie, behind what it had
        self.assert_kept(server, sent)
        self.assertIsNone(zombie.poll())
        self.assertEqual(server.terminate(), 0)

    def test_a_store_whose_map_is_full(self):
        server = self.start(workers=0, options=[*self.endpoints(), "--lease-ms", 500])
        small = self.start_worker(options=["--map-bytes", 1 << 20])
        sent = [(document, server.client.capture(document.data))
                for document in (self.document(number, events=400) for number in range(3, 7))]
        log = self.folder / "worker-0.log"
        wait_for(lambda: re.search("store_full .*--map-bytes", log.read_text(errors="replace")),
                 "the store refuses, and says what to do")
        wait_for(lambda: "store_failed" in server.log, "the server knows")
        self.assertNotEqual({state_name(server.client.job(receipt.capture_id)) for _, receipt in sent}, {"done"})
        self.reap(small)
        self.start_worker()
        self.assert_kept(server, sent)
        self.assertEqual(server.terminate(), 0)

    def test_a_reader_that_was_killed(self):
        """Its pages would never be used again, and the store would grow with every write."""
        server = self.start(workers=1)
        sent = [(document, server.client.capture(document.data)) for document in [self.document(7)]]
        self.assert_kept(server, sent)
        reader = subprocess.Popen([sys.executable, "-c", READER, self.data_dir / "store"], stdout=subprocess.PIPE,
                                  env=self.family.environment)
        self.addCleanup(self.reap, reader)
        self.assertEqual(reader.stdout.readline(), b"reads\n")
        reader.stdout.close()
        self.reap(reader)

        def is_dropped():
            document = self.document(8 + len(sent), events=10)
            sent.append((document, server.client.capture(document.data)))
            return "readers_dropped count=1" in server.log

        wait_for(is_dropped, "the dead reader is found")
        self.assert_kept(server, sent)
        self.stop_cleanly(server)

    def test_a_clock_that_is_set_back(self):
        server = self.start(workers=1, environment={"EPCISD_FAULT": "clock.back:60"})
        sent = []

        def is_back():
            document = self.document(10 + len(sent), events=40)
            sent.append((document, server.client.capture(document.data)))
            return sent[-1][1].received_ms < sent[0][1].received_ms - 3000_000

        wait_for(is_back, "receipts are an hour back")
        is_back()
        self.assert_kept(server, sent)
        self.stop_cleanly(server)
        server = self.start(workers=1)
        self.assert_kept(server, sent)
        for document, receipt in sent:
            self.assertEqual(server.client.capture(document.data).received_ms, receipt.received_ms)
        self.stop_cleanly(server)

    def test_a_journal_that_can_only_be_opened_anew(self):
        """LMDB takes no more in this process once a write of its head failed: the server ends, and says why."""
        server = self.start(workers=1, environment={"EPCISD_FAULT": "journal.begin:12-1000"})
        sent, refused = [], []

        def has_ended():
            document = self.document(50 + len(sent), events=20)
            try:
                sent.append((document, server.client.capture(document.data)))
            except Refused as error:
                refused.append(error.code)
            return server.process.poll() is not None

        wait_for(has_ended, "the server ends")
        self.assertEqual(server.gone(), 1)
        self.assertLessEqual(set(refused), {"UNAVAILABLE", "CANCELLED"})  # the latter as it ends
        self.assertRegex(server.log, "journal_lost .*start the server again")
        self.assertGreater(len(sent), 0)
        wait_for(lambda: not self.family.members(), "no worker is left")
        server = self.start(workers=1)
        self.assert_kept(server, sent)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
