"""What comes twice is committed once: documents, and events in other documents."""

import concurrent.futures

from documents import again, make
from harness import EndToEnd, counts_of, main
from oracle import Oracle


class Repeats(EndToEnd):
    def test_the_same_document_gets_the_first_receipt(self):
        document = make(events=2000, defects=0.02, redelivered=0.05, seed=201)
        server = self.start()
        first = server.client.capture(document.data)
        second = server.client.capture(document.data)  # perhaps still running
        done = server.client.wait(first.capture_id)
        third = server.client.capture(document.data)  # surely done
        for receipt in (second, third):
            self.assertTrue(receipt.duplicate_document)
            self.assertEqual(receipt.capture_id, first.capture_id)
            self.assertEqual(receipt.document_digest, first.document_digest)
            self.assertEqual(receipt.received_ms, first.received_ms)
        self.assertEqual(counts_of(server.client.job(first.capture_id)), counts_of(done))
        self.assertEqual(len(server.client.all_events()), done.committed)
        self.stop_cleanly(server)

    def test_the_same_document_after_a_restart(self):
        document = make(events=300, seed=202)
        server = self.start()
        first = server.client.capture(document.data)
        server.client.wait(first.capture_id)
        self.stop_cleanly(server)
        server = self.start()
        second = server.client.capture(document.data)
        self.assertTrue(second.duplicate_document)
        self.assertEqual(second.capture_id, first.capture_id)
        self.stop_cleanly(server)

    def test_the_same_events_in_another_document_are_duplicates(self):
        document, oracle = make(events=3000, defects=0.02, redelivered=0.05, seed=203), Oracle()
        server = self.start()
        first = server.client.capture(document.data)
        capture = self.assert_outcome(server, first.capture_id,
                                      oracle.document(document.partner, document.events))
        before = server.client.all_events()
        self.assertEqual(len(before), capture.committed)
        for instance, reserialised in (("resent-1", False), ("resent-2", True)):
            second = again(document, instance=instance, reserialised=reserialised)
            receipt = server.client.capture(second.data)
            self.assertFalse(receipt.duplicate_document)
            repeated = self.assert_outcome(server, receipt.capture_id,
                                           oracle.document(second.partner, second.events))
            self.assertEqual(repeated.committed, 0)
        self.assertEqual(server.client.all_events(), before, "nothing was committed twice")
        self.stop_cleanly(server)

    def test_the_same_document_sent_at_the_same_time_is_one(self):
        document = make(events=500, seed=204)
        server = self.start()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            receipts = list(pool.map(lambda _: server.client.capture(document.data), range(16)))
        self.assertEqual(len({receipt.capture_id for receipt in receipts}), 1)
        self.assertEqual(sum(not receipt.duplicate_document for receipt in receipts), 1)
        server.client.wait(receipts[0].capture_id)
        self.assertEqual(len(server.client.all_events()), 500)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
