"""Where there is no room the server says why and when to come again, and takes documents again by itself."""

import json
import os
import pathlib
import shutil
import tempfile

from documents import make
from harness import EndToEnd, Refused, main, wait_for


class Pressure(EndToEnd):
    sent = 0

    def document(self, events=10):
        self.sent += 1
        return make(events=events, seed=800 + self.sent, company=2000 + 10 * self.sent)

    def refused(self, server):
        """How a document is refused, None where it is taken."""
        try:
            server.client.capture(self.document().data)
        except Refused as refused:
            self.assertEqual(refused.code, "RESOURCE_EXHAUSTED", refused)
            self.assertGreaterEqual(int(refused.metadata["retry-after-ms"]), 500)
            return refused
        return None

    def status(self, server, check=0):
        return json.loads(self.epcisctl(server, "server", "--json", check=check).stdout)

    def wait_until_taken(self, server):
        wait_for(lambda: not self.refused(server), "documents are taken again")

    def test_a_disk_that_fills_and_empties(self):
        """Memory stands for the disk, as nobody else fills it meanwhile."""
        memory = pathlib.Path("/dev/shm")
        if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 48 << 20:
            self.skipTest("/dev/shm has too little room")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="epcisd-disk-", dir=memory))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        reserve = shutil.disk_usage(folder).free - (16 << 20)
        server = self.start(workers=1, data_dir=folder / "data", options=["--disk-reserve-bytes", reserve])
        receipt = server.client.capture(self.document().data)
        self.assertEqual(server.client.wait(receipt.capture_id).committed, 10)
        self.assertEqual(self.status(server)["state"], "serving")

        with open(folder / "filler", "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, 24 << 20)
        refused = wait_for(lambda: self.refused(server), "documents are refused")
        self.assertIn("--disk-reserve-bytes", refused.details)
        self.assertEqual(server.client.job(receipt.capture_id).committed, 10, "questions are answered")
        wait_for(lambda: "event=documents_refused" in server.log, "the log tells")
        self.assertIn("reason=DISK_SPACE", server.log)
        status = self.status(server, check=3)
        self.assertEqual((status["state"], status["refusal_reason"]), ("refusing", "DISK_SPACE"))
        self.assertGreater(status["refusals"]["DISK_SPACE"], 0)
        self.assertLess(status["room"]["disk_free_bytes"], reserve)
        self.assertGreaterEqual(status["counts"]["events_committed"], 10)
        self.assertIn("refusing: DISK_SPACE for ", self.epcisctl(server, "server", check=3).stdout)

        (folder / "filler").unlink()
        self.wait_until_taken(server)
        self.stop_cleanly(server)

    def test_the_delay_grows_with_the_backlog(self):
        server = self.start(workers=0, options=[*self.endpoints(), "--high-water-bytes", 1])
        self.assertIsNone(self.refused(server))
        delays = []

        def grown():
            delays.append(int(self.refused(server).metadata["retry-after-ms"]))
            return delays[-1] > 750  # the least, and half of it, by which clients are spread

        wait_for(grown, "the delay grows")
        self.assertLessEqual(delays[0], 750)
        self.assertEqual(server.terminate(), 0)

    def test_a_backlog_too_long_and_too_old(self):
        for option, value in (("--high-water-documents", 5), ("--max-backlog-ms", 1000)):
            data_dir = self.folder / option
            server = self.start(workers=0, data_dir=data_dir, options=[*self.endpoints(), option, value])
            refused = wait_for(lambda server=server: self.refused(server), "a document is refused")
            self.assertIn(option, refused.details)
            received = self.status(server, check=3)["counts"]["documents_received"]
            status = wait_for(lambda server=server, received=received: next(
                (status for status in [self.status(server, check=3)] if status["backlog"]["documents"] == received),
                None), "the backlog was looked at")
            self.assertEqual(status["backlog"]["document_bytes"], status["counts"]["document_bytes_received"])
            self.assertGreater(status["backlog"]["oldest_ms"], 0)
            worker = self.start_worker(data_dir)
            self.wait_until_taken(server)
            self.assertEqual(server.terminate(), 0)
            self.reap(worker)


if __name__ == "__main__":
    main()
