"""At the limits of disk and backlog the server refuses, and keeps every promise it made before."""

import itertools
import subprocess

from documents import make
from harness import BIN, EndToEnd, Refused, counts_of, main, state_name, store_url, wait_for
from oracle import Oracle


class Limits(EndToEnd):
    def small(self, number, events=60):
        return make(events=events, seed=600 + number, company=1000 + 10 * number, epcs_per_event=20)

    def verify_kept(self, server, sent):
        """Every acknowledged document is done, whole; no other document exists."""
        committed = 0
        for document, receipt in sent:
            capture = server.client.wait(receipt.capture_id)
            outcome = Oracle().document(document.partner, document.events)
            self.assertEqual(counts_of(capture), outcome.counts)
            committed += capture.committed
        events = server.client.all_events()
        self.assertEqual(len(events), committed)
        self.assertEqual({capture for capture, _, _ in events}, {receipt.capture_id for _, receipt in sent})

    def fill(self, server, limit=2000):
        """Sends documents until one is refused: ([(document, receipt)], the refused one, why)."""
        sent = []
        for number in itertools.count():
            self.assertLess(number, limit, "never refused")
            document = self.small(number)
            try:
                sent.append((document, server.client.capture(document.data)))
            except Refused as refused:
                return sent, document, refused

    def test_over_the_high_water_mark_and_back(self):
        server = self.start(workers=0, options=[*self.endpoints(), "--high-water-bytes", 2 << 20])
        sent, refused_document, refused = self.fill(server)
        self.assertEqual(refused.code, "RESOURCE_EXHAUSTED")
        self.assertTrue(int(refused.metadata["retry-after-ms"]) > 0, refused.metadata)
        self.assertGreaterEqual(sum(len(d.data) for d, _ in sent), (2 << 20) - len(refused_document.data),
                                "nothing is refused before the mark")
        with self.assertRaises(Refused):
            server.client.capture(self.small(5000).data)
        self.start_worker()

        def taken():
            try:
                return server.client.capture(refused_document.data)
            except Refused as error:
                self.assertEqual(error.code, "RESOURCE_EXHAUSTED")
                return None

        sent.append((refused_document, wait_for(taken, "documents are taken again")))
        self.verify_kept(server, sent)
        self.assertEqual(server.terminate(), 0)

    def test_other_caps_after_a_restart(self):
        """Batches that other caps would make otherwise are not sent: the log says what to do, and that helps."""
        document = self.small(700)
        self.assertTrue(all(len(event.epcs) < 100 for event in document.events))
        server = self.start(workers=0)
        receipt = server.client.capture(document.data)
        wait_for(lambda: server.client.job(receipt.capture_id).events, "the document is converted")
        self.assertEqual(server.terminate(), 0)

        server = self.start(options=["--event-max-epcs", 1])
        wait_for(lambda: "partition_blocked" in server.log, "the partition is blocked")
        self.assertRegex(server.log, "partition_blocked .*options that cap documents .* start with the former ones")
        self.assertEqual(server.client.job(receipt.capture_id).committed, 0)
        self.assertEqual(server.terminate(), 0)

        server = self.start()
        self.verify_kept(server, [(document, receipt)])
        self.assertEqual(server.terminate(), 0)

    def test_a_full_disk(self):
        """Files of the server and its workers cannot grow beyond a limit, as on a full disk."""
        server = self.start(workers=1, limit_file_bytes=3 << 20)
        sent, refused_document, refused = self.fill(server)
        self.assertEqual(refused.code, "UNAVAILABLE", refused)
        self.assertGreater(len(sent), 0)
        self.family.kill()
        server.gone()
        server = self.start(workers=1)
        self.verify_kept(server, sent)
        receipt = server.client.capture(refused_document.data)
        self.assertFalse(receipt.duplicate_document, "what was refused was not kept")
        self.assertEqual(server.client.wait(receipt.capture_id).committed, len(refused_document.events))
        self.stop_cleanly(server)

    def test_a_failed_journal_commit_acknowledges_nothing(self):
        """Whichever transaction of the journal fails: a document in it is refused, and what the pipeline
        records there is recorded later."""
        refusals = 0
        documents = [self.small(number) for number in range(8)]
        for passage in range(3, 9):  # those before them are of the start
            data_dir = self.folder / f"data-{passage}"
            server = self.start(workers=0, data_dir=data_dir,
                                environment={"EPCISD_FAULT": f"journal.commit:{passage}"})
            sent = []
            for document in documents:
                def taken(document=document):
                    nonlocal refusals
                    try:
                        return server.client.capture(document.data)
                    except Refused as refused:
                        self.assertEqual(refused.code, "UNAVAILABLE", refused)
                        refusals += 1
                        return None

                receipt = wait_for(taken, "the server takes documents again by itself")
                self.assertFalse(receipt.duplicate_document, "what was refused was not kept")
                sent.append((document, receipt))
            self.family.kill()
            server.gone()
            server = self.start(workers=1, data_dir=data_dir)
            self.verify_kept(server, sent)
            for document, receipt in sent:
                self.assertEqual(server.client.capture(document.data).capture_id, receipt.capture_id)
            self.stop_cleanly(server)
        self.assertGreater(refusals, 0, "documents were among what failed")

    def test_a_power_cut_around_the_journal_s_commit(self):
        for point in ("journal.before_commit", "journal.after_commit"):
            for passage in (3, 4, 6):  # those before them are of the start
                data_dir = self.folder / f"data-{point}-{passage}"
                server = self.start(workers=0, data_dir=data_dir,
                                    environment={"EPCISD_FAULT": f"{point}:{passage}"})
                sent, refused_document, _ = self.fill(server, limit=50)
                server.gone()
                server = self.start(workers=1, data_dir=data_dir)
                receipt = server.client.capture(refused_document.data)
                sent.append((refused_document, receipt))
                self.verify_kept(server, sent)
                self.stop_cleanly(server)

    def test_a_store_that_fails_once_is_tried_again(self):
        document = make(events=1000, defects=0.02, redelivered=0.05, seed=640)
        for point in ("store.commit", "worker.before_commit", "worker.after_commit"):
            for passage in (1, 3):
                data_dir = self.folder / f"data-{point}-{passage}"
                server = self.start(workers=0, data_dir=data_dir,
                                    options=[*self.endpoints(), "--batch-max-events", 100,
                                             "--run-max-batches", 2, "--lease-ms", 1000])
                receipt = server.client.capture(document.data)
                faulty = self.start_worker(data_dir, environment={"EPCISD_FAULT": f"{point}:{passage}"})
                if point != "store.commit":  # a worker that dies at this point, and another after it
                    self.assertEqual(faulty.wait(60), -9, f"{point} was passed")
                    self.start_worker(data_dir)
                capture = self.assert_outcome(server, receipt.capture_id,
                                              Oracle().document(document.partner, document.events))
                self.assertEqual(len(server.client.all_events()), capture.committed)
                self.family.kill()
                server.gone()

    def test_a_store_that_grew_full_loses_nothing(self):
        """The store refuses, work waits; with room again all is committed."""
        documents = [self.small(700 + n, events=300) for n in range(4)]
        options = [*self.endpoints(), "--lease-ms", 500]
        server = self.start(workers=0, options=options)
        ids = [server.client.capture(document.data).capture_id for document in documents]
        log = open(self.folder / "full-worker.log", "wb")
        full = subprocess.Popen(
            ["prlimit", "--fsize=500000", str(BIN / "epcis-worker"), *self.endpoints(), "--store",
             store_url(self.data_dir)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=self.family.environment, start_new_session=True, restore_signals=False)
        log.close()
        self.addCleanup(self.reap, full)
        wait_for(lambda: full.poll() is not None
                 or (self.folder / "full-worker.log").read_text(errors="replace").count("err=") >= 2,
                 "the store refuses")
        self.assertNotEqual({state_name(server.client.job(i)) for i in ids}, {"done"})
        self.reap(full)
        self.start_worker()
        for document, capture_id in zip(documents, ids):
            self.assert_outcome(server, capture_id, Oracle().document(document.partner, document.events))
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    main()
