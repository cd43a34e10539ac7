"""Documents that come in pieces are converted while they arrive: nothing of them is seen before they are sealed, and
what becomes of them is the same, whether the connection or the server dies meanwhile, or the end never comes."""

import contextlib
import hashlib
import json
import os
import threading
import unittest
import uuid

import documents
from harness import EndToEnd, Refused, capture_pb, counts_of, state_name, wait_for
from oracle import Oracle

from epcis.v1 import audit_service_pb2 as audit_pb

MIB = 1 << 20
EVENTS = 4000  # some 4.5 MiB


class Stream:
    """A document on its way: its first bytes, then the rest once it may go on. The answer is the call's."""

    def __init__(self, client, data, pause, offset=0, upload_id="", **start):
        self.data, self.pause, self.offset = data, pause, offset
        self.start = {"upload_id": upload_id, "offset": offset, **start}
        self.go_on, self.give_up = threading.Event(), False
        self.call = client.captures.CaptureStream.future(self.steps())

    def pieces(self, begin, end):
        for at in range(begin, end, 256 << 10):
            yield capture_pb.CaptureStreamRequest(piece=self.data[at:min(at + (256 << 10), end)])

    def steps(self):
        yield capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(**self.start))
        yield from self.pieces(self.offset, self.pause)
        self.go_on.wait()
        if self.give_up:
            return
        yield from self.pieces(self.pause, len(self.data))
        yield capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
            length=len(self.data), sha256=hashlib.sha256(self.data).digest()))

    def finish(self):
        self.go_on.set()
        return self.call.result(120).receipt

    def cut(self):
        self.call.cancel()
        self.give_up = True
        self.go_on.set()

    def end_early(self):
        """The sender's half ends as if all were said."""
        self.give_up = True
        self.go_on.set()
        return self.call.code()


class Ahead(EndToEnd):
    def setUp(self):
        super().setUp()
        self.document = documents.make(EVENTS, defects=0.02, redelivered=0.05, seed=71, company=71)
        self.outcome = Oracle().document(self.document.partner, self.document.events)

    def stream(self, server, data=None, pause=4 * MIB, **start):
        stream = Stream(server.client, data or self.document.data, pause, **start)
        self.addCleanup(stream.go_on.set)
        return stream

    def counts(self, server):
        return json.loads(self.epcisctl(server, "server", "--json", check=0).stdout)["counts"]

    def wait_converted(self, server, events=EVENTS // 2):
        return wait_for(lambda: self.counts(server)["events_converted_ahead"] >= events and self.counts(server),
                        "events were converted ahead")

    def until_held(self, server, upload_id, held):
        def there():
            with contextlib.suppress(Refused):
                return server.client.call(server.client.captures.GetUploadOffset, capture_pb.GetUploadOffsetRequest(
                    upload_id=upload_id)).offset == held

        wait_for(there, f"{held} bytes are on disk")

    def assert_unseen(self, server):
        """No document, no batch, no event, no dead letter."""
        self.assertEqual(self.epcisctl(server, "captures", "--json", check=0).stdout, "")
        batches = server.client.call(server.client.audit.ListBatches, audit_pb.ListBatchesRequest())
        self.assertEqual(list(batches.batches), [])
        self.assertEqual(server.client.all_events(), [])
        self.assertEqual(list(server.client.dead_letters()), [])
        self.assertEqual(self.counts(server)["documents_received"], 0)

    def assert_as_ever(self, server, receipt):
        """As the oracle says; and the batches are those that reading the document at its turn makes."""
        self.assertEqual(receipt.document_digest, "sha256:" + hashlib.sha256(self.document.data).hexdigest())
        self.assert_outcome(server, receipt.capture_id, self.outcome)
        self.epcisctl(server, "replay", check=0)

    @staticmethod
    def nameless_files(server):
        found = []
        for entry in os.scandir(f"/proc/{server.pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith(str(server.data_dir)) and target.endswith("(deleted)"):
                    found.append(target)
        return found

    def test_nothing_is_seen_before_the_end(self):
        server = self.start()
        before = sorted(os.listdir(server.data_dir))
        stream = self.stream(server)
        self.wait_converted(server)
        self.assert_unseen(server)
        self.assertEqual(len(self.nameless_files(server)), 1)
        self.assertEqual(sorted(os.listdir(server.data_dir)), before)
        self.assert_as_ever(server, stream.finish())
        self.assertEqual(self.nameless_files(server), [])
        counts = self.counts(server)
        self.assertGreater(counts["events_converted_ahead"], EVENTS // 2)
        self.assertEqual(counts["conversions_ahead_failed"], 0)
        self.assertIn("converted while they arrived", self.epcisctl(server, "server", check=0).stdout)
        self.stop_cleanly(server)

    def test_goes_on_over_a_cut_connection(self):
        server = self.start()
        upload_id = str(uuid.uuid4())
        stream = self.stream(server, pause=3 * MIB, upload_id=upload_id)
        converted = self.wait_converted(server)["events_converted_ahead"]
        stream.cut()
        self.assert_unseen(server)
        self.until_held(server, upload_id, 3 * MIB)
        stream = self.stream(server, offset=3 * MIB, upload_id=upload_id)
        self.wait_converted(server, converted + 100)
        self.assert_as_ever(server, stream.finish())
        self.assertLess(self.counts(server)["events_converted_ahead"], EVENTS, "it was begun again")
        self.stop_cleanly(server)

    def test_a_killed_server_leaves_nothing_of_it(self):
        server = self.start()
        names = sorted(os.listdir(server.data_dir))
        upload_id = str(uuid.uuid4())
        self.stream(server, pause=3 * MIB, upload_id=upload_id)
        self.wait_converted(server)
        server.kill()
        server = self.start()
        self.assert_unseen(server)
        self.assertEqual(sorted(os.listdir(server.data_dir)), names)
        self.assertEqual(self.counts(server)["events_converted_ahead"], 0)
        stream = self.stream(server, offset=3 * MIB, upload_id=upload_id)
        self.wait_converted(server)  # from its beginning
        receipt = stream.finish()
        server.kill()
        server = self.start()
        self.assert_as_ever(server, receipt)
        self.stop_cleanly(server)

    def test_a_stream_without_an_end_is_no_document(self):
        server = self.start()
        streams = [self.stream(server) for _ in range(2)]
        self.wait_converted(server, EVENTS)
        self.assertEqual(streams[0].end_early().name, "INVALID_ARGUMENT")
        streams[1].cut()
        self.assert_unseen(server)
        receipt = server.client.capture(self.document.data)
        self.assertFalse(receipt.duplicate_document)
        self.assert_as_ever(server, receipt)
        self.stop_cleanly(server)

    def test_the_same_document_twice_is_one(self):
        server = self.start()
        streams = [self.stream(server) for _ in range(2)]
        self.wait_converted(server, EVENTS)
        receipts = [stream.finish() for stream in streams]
        self.assertEqual([receipt.duplicate_document for receipt in receipts], [False, True])
        self.assert_as_ever(server, receipts[0])
        self.stop_cleanly(server)

    def test_a_document_that_breaks_off(self):
        server = self.start()
        place = self.document.data.rindex(b"<ObjectEvent>", 0, 3 * MIB)
        data = self.document.data[:place] + b"<ObjectEvent></wrong>" + self.document.data[place:]
        stream = self.stream(server, data)
        self.wait_converted(server)
        ahead = server.client.wait(stream.finish().capture_id)
        other = documents.Party("", 72, "").gln
        at_its_turn = server.client.wait(server.client.capture(data, partner=other).capture_id)
        self.assertEqual(state_name(ahead), "failed")
        self.assertEqual(ahead.error, at_its_turn.error)
        self.assertEqual(ahead.events, at_its_turn.events)
        self.assertGreater(ahead.committed, EVENTS // 2)
        self.epcisctl(server, "replay", check=0)
        self.stop_cleanly(server)

    def test_called_off(self):
        """A document that was read ahead: while it waits for its turn, and once that has come."""
        options = [*self.endpoints(), "--batch-max-wait-ms", 600000, "--partition-max-bytes", MIB]
        server = self.start(workers=0, options=options)
        first = documents.make(8000, seed=72, company=71)
        first_id = server.client.capture(first.data).capture_id
        self.assertEqual(self.counts(server)["events_converted_ahead"], 0)
        stream = self.stream(server)
        self.wait_converted(server)
        waiting = stream.finish().capture_id
        wait_for(lambda: self.nameless_files(server), "what was read is kept")
        self.cancel(server, waiting)
        wait_for(lambda: not self.nameless_files(server), "nothing of it is kept")
        receipt = self.stream(server).finish()
        self.assertFalse(receipt.duplicate_document)
        self.start_worker()
        self.assertEqual(server.client.wait(first_id).committed, 8000)
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(counts_of(capture), self.outcome.counts)
        self.assertEqual(counts_of(server.client.job(waiting))["events"], 0)
        self.epcisctl(server, "replay", check=0)
        self.assertEqual(server.terminate(), 0)

    def test_called_off_as_it_is_read(self):
        options = [*self.endpoints(), "--batch-max-wait-ms", 600000, "--batch-max-events", 100000]
        server = self.start(workers=0, options=options)
        other = documents.make(10, seed=73, company=71)
        other_id = server.client.capture(other.data).capture_id
        wait_for(lambda: server.client.job(other_id).events == 10, "its batch is out")
        stream = self.stream(server)
        self.wait_converted(server)
        called_off = stream.finish().capture_id
        self.cancel(server, called_off)
        self.assertEqual(self.nameless_files(server), [])
        receipt = server.client.capture(self.document.data)
        self.start_worker()
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(counts_of(capture), self.outcome.counts)
        self.assertEqual(counts_of(server.client.job(called_off))["events"], 0)
        self.epcisctl(server, "replay", check=0)
        self.assertEqual(server.terminate(), 0)

    @staticmethod
    def cancel(server, capture_id):
        capture = server.client.call(server.client.captures.CancelCapture, capture_pb.CancelCaptureRequest(
            capture_id=capture_id, who="a person", why="sent by mistake")).capture
        if state_name(capture) != "cancelled":
            raise AssertionError(capture)


if __name__ == "__main__":
    unittest.main()
