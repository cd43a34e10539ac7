"""Documents that are taken whole, or only looked at: rollback and validate_only through the real programs."""

import hashlib
import json
import subprocess

from documents import make
from harness import BIN, EndToEnd, capture_pb, counts_of, main, wait_for

ROLLBACK = capture_pb.ERROR_BEHAVIOUR_ROLLBACK


class Terms(EndToEnd):
    def outcome(self, server, data, **terms):
        receipt = server.client.capture(data, **terms)
        capture = server.client.wait(receipt.capture_id)
        counts = counts_of(capture)
        self.assertEqual(counts["committed"] + counts["duplicates"] + counts["dead_letters"], counts["events"])
        return receipt.capture_id, capture, counts

    def codes(self, server, capture_id):
        return {letter.event_index: letter.reasons[0].code if letter.reasons else ""
                for letter in server.client.dead_letters(capture_id)}

    def test_all_or_nothing(self):
        good, bad = make(events=40, seed=8101, company=81), make(events=40, seed=8102, company=82, defects=0.1)
        server = self.start(workers=2, options=["--batch-max-events", 7])
        _, capture, counts = self.outcome(server, good.data, error_behaviour=ROLLBACK)
        self.assertEqual((counts["committed"], capture.batches, capture.error_behaviour), (40, 1, ROLLBACK))
        capture_id, capture, counts = self.outcome(server, bad.data, error_behaviour=ROLLBACK)
        self.assertEqual((counts["dead_letters"], capture.batches), (40, 1))
        codes = self.codes(server, capture_id)
        self.assertEqual(len(codes), 40)
        self.assertIn("ROLLED_BACK", codes.values())
        self.assertTrue(set(codes.values()) - {"ROLLED_BACK"})
        self.assertEqual(len(server.client.all_events()), 40)
        self.assertTrue(server.client.capture(bad.data, error_behaviour=ROLLBACK).duplicate_document)
        self.stop_cleanly(server)

    def test_a_document_that_breaks_off_leaves_nothing(self):
        document = make(events=30, seed=8103)
        cut = document.data[:document.data.rindex(b"</ObjectEvent>")]
        server = self.start(workers=1)
        capture_id, capture, counts = self.outcome(server, cut, error_behaviour=ROLLBACK)
        self.assertEqual((counts["committed"], capture.error.code), (0, "SCHEMA_INVALID"))
        self.assertEqual(set(self.codes(server, capture_id).values()), {"ROLLED_BACK", "SCHEMA_INVALID"})
        self.assertEqual(server.client.all_events(), [])
        self.stop_cleanly(server)

    def test_validation_says_what_capture_then_does(self):
        document = make(events=60, seed=8104, defects=0.1, redelivered=0.1)
        server = self.start(workers=2)
        judged_id, judged, expected = self.outcome(server, document.data, validate_only=True)
        self.assertTrue(judged.validate_only)
        self.assertTrue(expected["dead_letters"] > 0 and expected["duplicates"] > 0, expected)
        self.assertEqual(server.client.all_events(), [])
        self.assertEqual(list(server.client.dead_letters()), [])
        again_id, _, again = self.outcome(server, document.data, validate_only=True)
        self.assertEqual(again, expected)
        self.assertNotEqual(again_id, judged_id)
        capture_id, capture, counts = self.outcome(server, document.data)
        self.assertEqual((counts, capture.warnings), (expected, judged.warnings))
        refused = {index: code for index, code in self.codes(server, judged_id).items() if code}
        self.assertEqual(refused, self.codes(server, capture_id))
        letter = next(letter for letter in server.client.dead_letters(judged_id) if letter.reasons)
        self.assertTrue(letter.validate_only)
        _, _, after = self.outcome(server, document.data, validate_only=True)
        self.assertEqual(after["committed"], 0, "all is here by now")
        self.stop_cleanly(server)

    def test_epcisctl_validate(self):
        good, bad = make(events=20, seed=8105, company=83), make(events=40, seed=8106, company=84, defects=0.2)
        server = self.start(workers=1)
        for document, code in ((good, 0), (bad, 3)):
            path = self.folder / "document.xml"
            path.write_bytes(document.data)
            done = subprocess.run([BIN / "epcisctl", "validate", "--json", "--server", server.address, path],
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            capture, *found = [json.loads(line) for line in done.stdout.splitlines()]
            refused = [letter for letter in found if letter["reasons"]]
            self.assertEqual(len(refused), capture["dead_letters"])
        self.assertEqual(server.client.all_events(), [])
        self.stop_cleanly(server)

    def test_the_limit_is_told(self):
        document = make(events=200, seed=8107)
        server = self.start(workers=1, options=["--rollback-max-bytes", 20000])
        for terms in ({"error_behaviour": ROLLBACK}, {"validate_only": True}):
            capture_id, capture, counts = self.outcome(server, document.data, **terms)
            self.assertEqual((capture.error.code, counts["events"]), ("ROLLBACK_LIMIT", 0))
            self.assertIn("20000", capture.error.message)
        _, _, counts = self.outcome(server, make(events=5, seed=8108, company=85).data, error_behaviour=ROLLBACK)
        self.assertEqual(counts["committed"], 5)
        self.stop_cleanly(server)

    def test_terms_may_come_with_a_stream_and_survive_a_kill(self):
        """Killed between receipt and commit, with ordinary documents before and behind."""
        server = self.start(workers=0, options=self.endpoints())
        before, bad, after = (make(events=30, seed=8109 + i, company=86, defects=d)
                              for i, d in enumerate((0, 0.2, 0)))
        first = server.client.capture(before.data)
        steps = [capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(error_behaviour=ROLLBACK)),
                 capture_pb.CaptureStreamRequest(piece=bad.data),
                 capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                     length=len(bad.data), sha256=hashlib.sha256(bad.data).digest()))]
        second = server.client.capture_stream(steps)
        third = server.client.capture(after.data)
        wait_for(lambda: server.client.job(third.capture_id).events == 30, "all three are converted")
        server.kill()
        server = self.start(workers=1)
        self.assertEqual(counts_of(server.client.wait(first.capture_id))["committed"], 30)
        self.assertEqual(counts_of(server.client.wait(second.capture_id))["dead_letters"], 30)
        self.assertEqual(counts_of(server.client.wait(third.capture_id))["events"], 30)
        self.assertEqual(sum(capture == second.capture_id for capture, _, _ in server.client.all_events()), 0)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
