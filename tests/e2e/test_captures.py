"""Lists: of documents, by filters and pages; of what became of each event of one, against the events themselves."""

import gzip
import json
import unittest

import documents
from harness import EndToEnd, Refused, capture_pb, state_name
from epcis.v1 import ledger_pb2 as ledger_pb  # after harness, which makes it

EVENTS = 300


class Captures(EndToEnd):
    def list(self, server, page_size=0, **filters):
        token, found = "", []
        while True:
            page = server.client.call(server.client.captures.ListCaptures, capture_pb.ListCapturesRequest(
                page_size=page_size, page_token=token, **filters))
            self.assertLessEqual(len(page.captures), page_size or 1000)
            found += page.captures
            token = page.next_page_token
            if not token:
                return found

    @staticmethod
    def events(server, capture_id, page_size=0, dead_letters_only=False):
        token, found = "", []
        while True:
            page = server.client.call(server.client.captures.ListCaptureEvents,
                                      capture_pb.ListCaptureEventsRequest(
                                          capture_id=capture_id, page_size=page_size, page_token=token,
                                          dead_letters_only=dead_letters_only))
            found += page.events
            token = page.next_page_token
            if not token:
                return found

    def test_documents(self):
        server = self.start()
        receipts = [server.client.capture(documents.make(10, seed=seed, company=1 + seed % 2).data)
                    for seed in range(7)]
        receipts.append(server.client.capture(b"<nothing/>"))
        captures = [server.client.wait(receipt.capture_id) for receipt in receipts]
        latest_first = [receipt.capture_id for receipt in reversed(receipts)]
        for page_size in (0, 1, 3, 8):
            found = self.list(server, page_size)
            self.assertEqual([capture.receipt.capture_id for capture in found], latest_first)
        self.assertEqual(found, captures[::-1])
        for capture in captures:
            self.assertEqual(capture.bytes_read, capture.receipt.document_bytes)
        lines = self.epcisctl(server, "captures", "--json", "--limit", 3, check=0).stdout.splitlines()
        self.assertEqual([json.loads(line)["capture_id"] for line in lines], latest_first[:3])
        self.assertIn(latest_first[0], self.epcisctl(server, "captures", "--state", "failed", check=0).stdout)
        self.epcisctl(server, "captures", "--state", "lost", check=2)
        partner = receipts[0].partner
        self.assertEqual([capture.receipt.capture_id for capture in self.list(server, 2, partner=partner)],
                         [receipt.capture_id for receipt in reversed(receipts) if receipt.partner == partner])
        failed = self.list(server, state=capture_pb.CAPTURE_STATE_FAILED)
        self.assertEqual([capture.receipt.capture_id for capture in failed], [receipts[-1].capture_id])
        times = sorted({receipt.received_ms for receipt in receipts})
        found = self.list(server, received_from_ms=times[1], received_until_ms=times[-1])
        self.assertEqual({capture.receipt.received_ms for capture in found}, set(times[1:-1]))
        for wrong in ({"partner": "123"}, {"page_token": "x"}, {"state": 77},
                      {"received_from_ms": 5, "received_until_ms": 4}):
            with self.assertRaises(Refused) as caught:
                server.client.call(server.client.captures.ListCaptures, capture_pb.ListCapturesRequest(**wrong))
            self.assertEqual(caught.exception.code, "INVALID_ARGUMENT")
        self.stop_cleanly(server)

    def test_folder_is_sent_by_several_at_once(self):
        server = self.start()
        box = self.folder / "outbox"
        (box / "deeper").mkdir(parents=True)
        for seed in range(12):
            data = documents.make(10, seed=seed).data
            (box / ("deeper" if seed % 2 else ".") / f"{seed}.xml").write_bytes(
                gzip.compress(data) if seed == 3 else data)
        (box / "notes.txt").write_text("no document")
        (box / ".hidden").write_text("<hidden/>")
        (box / "deeper" / "back").symlink_to(box)
        output = self.epcisctl(server, "capture", "--jobs", 4, "--wait", "--json", box, check=0)
        found = [json.loads(line) for line in output.stdout.splitlines()]
        self.assertEqual([capture["committed"] for capture in found], [10] * 12)
        self.assertEqual(len({capture["capture_id"] for capture in found}), 12)
        self.assertEqual(len(self.list(server)), 12)
        again = self.epcisctl(server, "capture", "--jobs", 3, "--json", box, check=0).stdout.splitlines()
        self.assertEqual([json.loads(line)["duplicate_document"] for line in again], [True] * 12)
        (self.folder / "empty").mkdir()
        self.assertIn("no document", self.epcisctl(server, "capture", self.folder / "empty", check=1).stderr)
        self.stop_cleanly(server)

    def check_tables(self, server, capture_id):
        """For people they fit 120 columns, for programs each line is an object."""
        for command in (["captures"], ["captures", "--events", capture_id], ["events", "--capture", capture_id],
                        ["watch", "--until-done", "--capture", capture_id], ["partners"], ["tokens"],
                        ["audit", "batches"], ["audit", "checkpoints"], ["replay"], ["config"], ["server"]):
            with self.subTest(command=command):
                shown = self.epcisctl(server, *command).stdout.splitlines()
                self.assertLessEqual(max(map(len, shown)), 120, shown)
                for line in self.epcisctl(server, *command, "--json").stdout.splitlines():
                    self.assertIsInstance(json.loads(line), dict)

    def test_events(self):
        server = self.start(options=["--batch-max-events", 37])
        document = documents.make(EVENTS, defects=0.1, redelivered=0.1, seed=11)
        capture_id = server.client.capture(document.data).capture_id
        capture = server.client.wait(capture_id)
        self.assertEqual(state_name(capture), "done")
        self.assertTrue(capture.duplicates and capture.dead_letters)
        committed = {index: sequence + 1 for sequence, (_, index, _) in
                     enumerate(server.client.all_events())}
        letters = {letter.event_index: letter for letter in server.client.dead_letters(capture_id)}
        for page_size in (0, 1, 7, 200):
            found = self.events(server, capture_id, page_size)
            self.assertEqual([event.event_index for event in found], list(range(capture.events)))
            for event in found:
                self.check(event, committed, letters)
        refused = self.events(server, capture_id, 3, dead_letters_only=True)
        self.assertEqual([event.dead_letter_id for event in refused],
                         [letters[index].dead_letter_id for index in sorted(letters)])

        lines = self.epcisctl(server, "captures", "--events", capture_id, "--refused", "--json",
                              check=0).stdout.splitlines()
        self.assertEqual([json.loads(line)["dead_letter_id"] for line in lines],
                         [event.dead_letter_id for event in refused])
        table = self.epcisctl(server, "captures", "--events", capture_id, check=0).stdout.splitlines()
        self.assertEqual(table[0].split(), ["EVENT", "OUTCOME", "BATCH", "SEQUENCE", "DETAIL"])
        self.check_tables(server, capture_id)
        self.assertEqual(len(table), 1 + capture.events)
        self.assertIn("committed", " ".join(table))
        self.assertEqual([line for line in table if line != line.rstrip()], [])

        again = server.client.wait(server.client.capture(document.data, validate_only=True).capture_id)
        found = self.events(server, again.receipt.capture_id)
        self.assertEqual(len(found), again.events)
        self.assertEqual({event.sequence for event in found}, {0})
        for wrong, code in (({"capture_id": "x"}, "INVALID_ARGUMENT"),
                            ({"capture_id": capture_id, "page_token": "x"}, "INVALID_ARGUMENT"),
                            ({"capture_id": "0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10"}, "NOT_FOUND")):
            with self.assertRaises(Refused) as caught:
                server.client.call(server.client.captures.ListCaptureEvents,
                                   capture_pb.ListCaptureEventsRequest(**wrong))
            self.assertEqual(caught.exception.code, code)
        self.stop_cleanly(server)

    def check(self, event, committed, letters):
        index = event.event_index
        if index in letters:
            self.assertEqual(event.dead_letter_id, letters[index].dead_letter_id)
            self.assertEqual(list(event.codes), [reason.code for reason in letters[index].reasons])
            self.assertEqual(event.outcome, ledger_pb.ITEM_OUTCOME_DEAD_LETTER)
        elif index in committed:
            self.assertEqual(event.sequence, committed[index])
            self.assertTrue(event.event_id)
            self.assertEqual(event.outcome, ledger_pb.ITEM_OUTCOME_COMMITTED)
        else:
            self.assertEqual(event.outcome, ledger_pb.ITEM_OUTCOME_DUPLICATE)
        self.assertRegex(event.batch_id, "^[0-9a-f]{64}$")


if __name__ == "__main__":
    unittest.main()
