"""Whatever happens to the messages between server and workers, each kind is told from the others, no batch commits
twice, and the counts and the order come out as the oracle says."""

import threading

from crashing import COMPANIES, Partner
from harness import FINAL, EndToEnd, main, state_name, wait_for
from hostile_wire import ACKS, COMMITTED, WORK, HostileWire

OPTIONS = ["--batch-max-events", 4, "--run-max-batches", 2, "--lease-ms", 400]


class HostileWireTest(EndToEnd):
    def test_messages_lost_doubled_late_torn_replayed_and_forged(self):
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        wire = HostileWire(self.folder, seed=7)
        self.server = server = self.start(workers=0, options=[*wire.for_server, *OPTIONS])
        wire.start()
        self.addCleanup(wire.stop)
        for _ in range(2):
            self.start_worker(endpoints=wire.for_workers)
        partners = [Partner(self, company, 70 + n) for n, company in enumerate(COMPANIES)]
        for partner in partners:
            partner.thread.start()

        def all_final():
            ids = [receipt.capture_id for partner in partners for receipt in list(partner.receipts)]
            return (len(ids) == sum(len(partner.documents) for partner in partners)
                    and all(state_name(server.client.job(capture_id)) in FINAL for capture_id in ids))

        wait_for(all_final, "every document is finished", 120)
        for partner in partners:
            self.assertEqual(partner.losses(server.client), [])
        wait_for(lambda: all(wire.answers[forged] for forged in list(wire.forged)), "every forged batch is answered")

        self.assertEqual([f"work {what}" for what in WORK if not wire.done[f"work {what}"]], [], "never done")
        self.assertEqual([f"ack {what}" for what in ACKS if not wire.done[f"ack {what}"]], [], "never done")
        for forged, result in wire.forged.items():
            self.assertEqual(wire.answers[forged], {result})
        self.assertNotIn(COMMITTED, {result for forged in wire.forged for result in wire.answers[forged]})
        workers = "".join(path.read_text() for path in self.folder.glob("worker-*.log"))
        for line in ("batch_refused .*result=fork", "batch_refused .*result=out_of_order",
                     "batch_malformed", "wire_malformed what=run"):
            self.assertRegex(workers, line)
        for line in ("run_sent_again", "acknowledgment_wrong", "wire_malformed what=news"):
            self.assertRegex(server.log, line)
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    main()
