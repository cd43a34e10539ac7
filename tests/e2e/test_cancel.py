"""Documents that are called off: before anything went out nothing of them is committed, after that it is too
late; over restarts, and whatever waits before and after them."""

import hashlib
import json
import unittest
import uuid

import documents
from harness import EndToEnd, Refused, capture_pb, counts_of, state_name, wait_for

EVENTS = 40


class Cancel(EndToEnd):
    def start_alone(self):
        """A server without workers: of each partner, what is received second waits for what is out."""
        return self.start(workers=0, options=[*self.endpoints(), "--batch-max-wait-ms", 600000])

    @staticmethod
    def cancel(server, capture_id, who="a person", why="sent by mistake"):
        return server.client.call(server.client.captures.CancelCapture, capture_pb.CancelCaptureRequest(
            capture_id=capture_id, who=who, why=why)).capture

    def read(self, server, capture_id, events=EVENTS):
        """Waits until all of it is converted, though it did not go out."""
        wait_for(lambda: server.client.job(capture_id).events == events, f"{capture_id} is read")

    def test_what_waits_is_called_off_and_its_neighbours_are_not(self):
        server = self.start_alone()
        texts = [documents.make(EVENTS, seed=seed).data for seed in range(5)]
        first = server.client.capture(texts[0]).capture_id
        wait_for(lambda: server.client.job(first).events == EVENTS, "the first document is out")
        others = [server.client.capture(text).capture_id for text in texts[1:]]
        self.read(server, others[-1])

        cancelled = self.cancel(server, others[1])
        self.assertEqual(state_name(cancelled), "cancelled")
        self.assertEqual(cancelled.cancellation.why, "sent by mistake")
        self.assertEqual(cancelled.events, 0)
        with self.assertRaises(Refused) as caught:
            self.cancel(server, first)
        self.assertEqual(caught.exception.code, "FAILED_PRECONDITION")
        self.assertIn("CAPTURE_STATE_RUNNING", caught.exception.details)
        self.assertIn(f"{EVENTS} events read", caught.exception.details)
        for who, why in (("", "x"), ("x", "")):
            with self.assertRaises(Refused) as caught:
                self.cancel(server, others[0], who, why)
            self.assertEqual(caught.exception.code, "INVALID_ARGUMENT")

        server.kill()
        server = self.start_alone()
        self.assertEqual(state_name(server.client.job(others[1])), "cancelled")
        self.cancel(server, others[3])
        again = server.client.capture(texts[2])
        self.assertFalse(again.duplicate_document)
        self.assertNotEqual(again.capture_id, others[1])
        self.start_worker()
        for capture_id in (first, others[0], others[2], again.capture_id):
            capture = server.client.wait(capture_id)
            self.assertEqual(state_name(capture), "done")
            self.assertEqual(counts_of(capture), {"events": EVENTS, "committed": EVENTS, "duplicates": 0,
                                                  "dead_letters": 0}, capture_id)
        committed = {capture_id for capture_id, _, _ in server.client.all_events()}
        self.assertEqual(committed, {first, others[0], others[2], again.capture_id})
        with self.assertRaises(Refused):
            self.cancel(server, others[0])
        self.assertEqual(counts_of(server.client.job(others[3]))["events"], 0)
        self.assertEqual(server.terminate(), 0)

    def test_upload_begins_anew(self):
        server = self.start_alone()
        server.client.capture(documents.make(EVENTS, seed=1).data)
        data = documents.make(EVENTS, seed=2).data
        upload_id = str(uuid.uuid4())
        steps = [capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(upload_id=upload_id)),
                 capture_pb.CaptureStreamRequest(piece=data),
                 capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                     length=len(data), sha256=hashlib.sha256(data).digest()))]
        receipt = server.client.capture_stream(steps)
        self.assertEqual(server.client.capture_stream(steps).capture_id, receipt.capture_id)
        self.read(server, receipt.capture_id)
        output = self.epcisctl(server, "cancel", "--why", "wrong file", "--json", receipt.capture_id, check=0)
        self.assertEqual(json.loads(output.stdout)["cancellation"]["why"], "wrong file")
        with self.assertRaises(Refused) as caught:
            server.client.call(server.client.captures.GetUploadOffset,
                               capture_pb.GetUploadOffsetRequest(upload_id=upload_id))
        self.assertEqual(caught.exception.code, "NOT_FOUND")
        again = server.client.capture_stream(steps)
        self.assertNotEqual(again.capture_id, receipt.capture_id)
        self.assertFalse(again.duplicate_document)
        self.start_worker()
        self.assertEqual(counts_of(server.client.wait(again.capture_id))["committed"], EVENTS)
        self.epcisctl(server, "cancel", "--why", "too late", again.capture_id, check=1)
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
