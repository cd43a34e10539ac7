"""One event is the same event whichever syntax, and however compressed, it arrives in."""

import gzip
import json

from documents import make
from harness import SANITIZER, EndToEnd, counts_of, main, state_name, status_field
from oracle import Oracle


class Syntaxes(EndToEnd):
    def setUp(self):
        super().setUp()
        self.document = make(events=300, redelivered=0.1, seed=950, company=4000)
        self.path = self.folder / "document.xml"
        self.path.write_bytes(self.document.data)

    def convert(self, syntax):
        return self.epcisctl(None, "convert", self.path, "--to", syntax, check=0).stdout.encode()

    def hashes(self, data):
        path = self.folder / "converted"
        path.write_bytes(data)
        rows = self.epcisctl(None, "convert", path, check=0).stdout.splitlines()
        return [json.loads(row)["event_hash"] for row in rows]

    def test_a_document_written_anew_has_the_same_event_hashes(self):
        wanted = self.hashes(self.document.data)
        for syntax in ("json", "xml20", "xml12"):
            self.assertEqual(self.hashes(self.convert(syntax)), wanted, syntax)

    def test_the_same_events_in_another_syntax_are_duplicates(self):
        oracle = Oracle()
        outcome = oracle.document(self.document.partner, self.document.events)
        server = self.start()
        first = server.client.capture(self.document.data, partner=self.document.partner)
        self.assert_outcome(server, first.capture_id, outcome)
        before = server.client.all_events()
        for syntax in ("json", "xml20", "xml12"):
            receipt = server.client.capture(self.convert(syntax), partner=self.document.partner)
            self.assertFalse(receipt.duplicate_document)
            capture = server.client.wait(receipt.capture_id)
            self.assertEqual(counts_of(capture),
                             {"events": 300, "committed": 0, "duplicates": 300, "dead_letters": 0}, syntax)
        self.assertEqual(server.client.all_events(), before)
        self.stop_cleanly(server)

    def test_each_syntax_can_come_first(self):
        for syntax in ("json", "xml20"):
            server = self.start(data_dir=self.folder / syntax)
            receipt = server.client.capture(self.convert(syntax), partner=self.document.partner)
            outcome = Oracle().document(self.document.partner, self.document.events)
            self.assert_outcome(server, receipt.capture_id, outcome)
            self.stop_cleanly(server)

    def test_a_compressed_document(self):
        server = self.start()
        receipt = server.client.capture(gzip.compress(self.document.data), partner=self.document.partner)
        self.assert_outcome(server, receipt.capture_id,
                            Oracle().document(self.document.partner, self.document.events))
        self.stop_cleanly(server)

    def test_a_decompression_bomb(self):
        """A gigabyte of blanks in a megabyte: refused or read, but never held."""
        server = self.start()
        server.client.wait(server.client.capture(self.document.data).capture_id)
        before = status_field(server.pid, "VmHWM")
        bomb = gzip.compress(b'<?xml version="1.0"?>\n' + b" " * (1 << 30), compresslevel=1)
        capture = server.client.wait(server.client.capture(bomb).capture_id)
        self.assertEqual(state_name(capture), "failed")
        self.assertLess(status_field(server.pid, "VmHWM") - before, (64 if not SANITIZER else 512) << 10)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
