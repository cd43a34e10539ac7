"""Every event of a document ends as one of committed, duplicate, dead letter, and as the right one."""

import collections
import hashlib

from documents import make
from harness import EndToEnd, Refused, main, wait_for
from harness import capture_pb as pb
from oracle import Oracle


class SumRule(EndToEnd):
    def test_20000_events_with_planted_defects_and_redeliveries(self):
        document = make(events=20000, defects=0.02, redelivered=0.05, seed=101)
        outcome = Oracle().document(document.partner, document.events)
        server = self.start(workers=2)
        receipt = server.client.capture(document.data)
        self.assertFalse(receipt.duplicate_document)
        self.assertEqual(receipt.document_bytes, len(document.data))
        self.assertEqual(receipt.partner, document.partner, "the SBDH's sender")
        self.assert_outcome(server, receipt.capture_id, outcome, seconds=300)
        self.check_codes(server, receipt.capture_id, outcome)
        self.check_dead_letters_help(server, receipt.capture_id, document)
        self.stop_cleanly(server)

    def check_codes(self, server, capture_id, outcome):
        found = collections.Counter(letter.reasons[0].code
                                    for letter in server.client.dead_letters(capture_id)
                                    if len(outcome.refused[letter.event_index]) == 1)
        self.assertEqual(found, outcome.codes())

    def check_dead_letters_help(self, server, capture_id, document):
        """A person can act on them: each says what, where, and holds the event."""
        lines = document.data.split(b"\n")
        letters = list(server.client.dead_letters(capture_id, page_size=50))
        for letter in letters:
            event = document.events[letter.event_index]
            self.assertTrue(letter.reasons[0].message, letter)
            self.assertTrue(letter.reasons[0].field, letter)
            self.assertIn(f"<{event.type}".encode(), lines[letter.line - 1], "the line is the event's")
        whole = server.client.dead_letter(letters[0].dead_letter_id)
        self.assertTrue(whole.HasField("event") or whole.raw_document_part, "the refused event is kept")

    def test_100_epcs_an_event(self):
        document = make(events=600, defects=0.02, redelivered=0.05, seed=102, epcs_per_event=100)
        server = self.start(workers=2)
        receipt = server.client.capture(document.data)
        self.assert_outcome(server, receipt.capture_id, Oracle().document(document.partner, document.events))
        self.stop_cleanly(server)

    def test_a_document_sent_in_pieces_is_the_same(self):
        document = make(events=500, defects=0.05, redelivered=0.05, seed=103)
        server = self.start(workers=1)
        pieces = [document.data[at:at + 10007] for at in range(0, len(document.data), 10007)]
        step = pb.CaptureStreamRequest
        digest = hashlib.sha256(document.data)
        receipt = server.client.capture_stream(
            [step(start=pb.CaptureStart(partner=document.partner)), *[step(piece=piece) for piece in pieces],
             step(finish=pb.CaptureFinish(length=len(document.data), sha256=digest.digest()))])
        self.assertEqual(receipt.document_digest, f"sha256:{digest.hexdigest()}")
        self.assert_outcome(server, receipt.capture_id, Oracle().document(document.partner, document.events))
        self.stop_cleanly(server)

    def test_a_stream_that_breaks_off_leaves_no_document(self):
        document = make(events=100, seed=104)
        server = self.start(workers=1)
        step = pb.CaptureStreamRequest
        start, piece = step(start=pb.CaptureStart()), step(piece=document.data)
        wrong = step(finish=pb.CaptureFinish(length=len(document.data), sha256=bytes(32)))
        for steps in ([start, piece], [start, piece, wrong], [piece], [start]):
            with self.assertRaises(Refused) as refused:
                server.client.capture_stream(steps)
            self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
        receipt = server.client.capture(document.data)
        self.assertFalse(receipt.duplicate_document, "none of the broken streams was kept")
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(capture.committed, 100)
        wait_for(lambda: len(server.client.all_events()) == 100, "100 events in the store")
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
