"""kill -9 at any instant changes nothing: counts, dead letters, events and histories are those of a run
that nobody disturbed."""

import contextlib
import os
import signal

from documents import make
from harness import EndToEnd, Refused, counts_of, main, state_name, wait_for
from harness import capture_pb as pb
from oracle import Oracle

# Small batches, so that there is much to interrupt; SLOW commits each alone, so that it takes a while.
OPTIONS = ["--batch-max-events", "50"]
SLOW = ["--batch-max-events", "25", "--run-max-batches", "1"]


class Kill(EndToEnd):
    def documents(self):
        return [make(events=3000, defects=0.02, redelivered=0.05, seed=seed, company=100)
                for seed in (301, 302, 303)]

    def send(self, server, documents):
        return [server.client.capture(document.data).capture_id for document in documents]

    def send_held(self, server, documents):
        """Sends all before any event is committed."""
        wait_for(lambda: len(server.worker_pids()) == 2, "two workers")
        workers = server.worker_pids()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        ids = self.send(server, documents)
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        return ids

    def progress(self, server, ids):
        captures = [server.client.job(capture_id) for capture_id in ids]
        return sum(c.committed + c.duplicates + c.dead_letters for c in captures)

    def final(self, server, ids):
        return all(state_name(server.client.job(capture_id)) == "done" for capture_id in ids)

    def verify(self, server, documents, ids):
        """As the oracle says, each committed event once, in the documents' order, and histories too."""
        oracle = Oracle()
        number, wanted = {}, []
        for document, capture_id in zip(documents, ids):
            outcome = oracle.document(document.partner, document.events)
            self.assert_outcome(server, capture_id, outcome, seconds=300)
            wanted += [(capture_id, index) for index in sorted(outcome.committed)]
        found = [(capture_id, index) for capture_id, index, _ in server.client.all_events()]
        self.assertEqual(len(found), len(wanted))
        self.assertEqual(found, wanted, "the store's order is the documents' order")
        number = {place: sequence for sequence, place in enumerate(found, 1)}
        index_of = {id(event): (capture_id, event.index) for document, capture_id in zip(documents, ids)
                    for event in document.events}
        for epc in list(oracle.history)[::37]:
            _, history = server.client.item(epc)
            self.assertEqual([entry.sequence for entry in history],
                             [number[index_of[id(event)]] for event in
                              sorted(oracle.history[epc], key=lambda event: event.time)], epc)

    def test_undisturbed(self):
        """The yardstick for the others: what they compare with is what an undisturbed run gives."""
        documents = self.documents()
        server = self.start(options=OPTIONS)
        ids = self.send(server, documents)
        self.verify(server, documents, ids)
        self.stop_cleanly(server)

    def test_workers_killed_in_mid_run(self):
        documents = self.documents()
        total = sum(len(document.events) for document in documents)
        server = self.start(workers=2, options=SLOW)
        ids = self.send_held(server, documents)
        kills = 0
        for part in (1, 2, 3, 4, 5):
            wait_for(lambda: self.progress(server, ids) >= total * part / 8 or self.final(server, ids),
                     f"{part}/8 of the events")
            if self.final(server, ids):
                break
            for pid in server.worker_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        self.assertGreaterEqual(kills, 2, "workers were killed in mid-run")
        self.verify(server, documents, ids)
        wait_for(lambda: len(server.worker_pids()) == 2, "both workers are back")
        self.stop_cleanly(server)

    def test_server_killed_in_mid_run(self):
        documents = self.documents()
        total = sum(len(document.events) for document in documents)
        server = self.start(workers=2, options=SLOW)
        ids = self.send_held(server, documents)
        kills = 0
        for part in (1, 2, 3, 4, 5):
            wait_for(lambda: self.progress(server, ids) >= total * part / 8 or self.final(server, ids),
                     f"{part}/8 of the events")
            if self.final(server, ids):
                break
            server.kill()
            kills += 1
            server = self.start(workers=2, options=SLOW)
        self.assertGreaterEqual(kills, 2, "the server was killed in mid-run")
        self.verify(server, documents, ids)
        self.stop_cleanly(server)

    def test_both_killed_at_once(self):
        documents = self.documents()
        server = self.start(workers=2, options=OPTIONS)
        ids = self.send(server, documents)
        wait_for(lambda: self.progress(server, ids) > 500, "some progress")
        self.family.kill()
        server.gone()
        server = self.start(workers=2, options=OPTIONS)
        self.verify(server, documents, ids)
        self.stop_cleanly(server)

    def test_a_receipt_survives_a_kill_right_after_it(self):
        documents = [make(events=60, seed=330 + n, company=120 + 10 * n) for n in range(6)]
        receipts = []
        for document in documents:
            server = self.start(workers=0)
            receipts.append(server.client.capture(document.data))
            server.kill()
        server = self.start(workers=1)
        for document, receipt in zip(documents, receipts):
            capture = server.client.wait(receipt.capture_id)
            self.assertEqual(counts_of(capture),
                             {"events": 60, "committed": 60, "duplicates": 0, "dead_letters": 0})
            self.assertEqual(capture.receipt.document_digest, receipt.document_digest)
            self.assertEqual(capture.receipt.received_ms, receipt.received_ms)
            self.assertTrue(server.client.capture(document.data).duplicate_document)
        self.stop_cleanly(server)

    def test_a_document_half_sent_at_a_kill_is_not_there(self):
        document = make(events=400, seed=350)
        server = self.start(workers=1)

        def steps():
            yield pb.CaptureStreamRequest(start=pb.CaptureStart())
            for at in range(0, len(document.data) // 2, 30000):
                yield pb.CaptureStreamRequest(piece=document.data[at:at + 30000])
            server.process.kill()

        with self.assertRaises(Refused):
            server.client.capture_stream(steps())
        server.gone()
        server = self.start(workers=1)
        self.assertEqual(server.client.all_events(), [])
        receipt = server.client.capture(document.data)
        self.assertFalse(receipt.duplicate_document)
        self.assertEqual(server.client.wait(receipt.capture_id).committed, 400)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
