"""Acknowledgments as they happen: each exactly once at each watcher, whoever is killed meanwhile."""

import json
import os
import random
import threading
import unittest

import documents
from harness import PATIENCE, EndToEnd, counts_of, grpc, status_field, wait_for
from epcis.v1 import acknowledgment_service_pb2 as ack_pb  # after harness, which makes it
from epcis.v1 import acknowledgment_service_pb2_grpc as ack_grpc

LONG = bool(os.environ.get("EPCISD_LONG"))
DOCUMENTS, EVENTS = (100, 500) if LONG else (40, 100)
CROWD = 200


class Watcher(threading.Thread):
    """Watches from the first on, broken off at random and resumed from its cursor, until told to end."""

    def __init__(self, address, seed, **filters):
        super().__init__(daemon=True)
        self.address, self.filters, self.random = address, filters, random.Random(seed)
        self.cursor, self.told, self.breaks, self.ended, self.error = "begin", [], 0, False, None
        self.start()

    def run(self):
        while not self.ended and not self.error:
            with grpc.insecure_channel(self.address(), [("grpc.use_local_subchannel_pool", 1)]) as channel:
                self.watch(ack_grpc.AcknowledgmentServiceStub(channel))

    def watch(self, stub):
        left = self.random.randint(1, 8)
        call = stub.WatchAcknowledgments(ack_pb.WatchAcknowledgmentsRequest(cursor=self.cursor, **self.filters),
                                         timeout=5)
        try:
            for response in call:
                self.told += response.acknowledgments
                self.cursor = response.cursor
                left -= 1
                if self.ended or not left:
                    break
            call.cancel()
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                self.error = error
        self.breaks += 1

    def finished(self):
        if self.error:
            raise self.error
        return {a.capture_id for a in list(self.told) if a.kind == ack_pb.ACKNOWLEDGMENT_KIND_CAPTURE}


class Watch(EndToEnd):
    def check_told(self, told, captures):
        """Each document's end once, its batches without gap or overlap, and their counts its own."""
        ends = [a for a in told if a.kind == ack_pb.ACKNOWLEDGMENT_KIND_CAPTURE]
        batches = [a for a in told if a.kind == ack_pb.ACKNOWLEDGMENT_KIND_BATCH]
        self.assertEqual(sorted(a.capture_id for a in ends), sorted(captures))
        for end in ends:
            capture = captures[end.capture_id]
            self.assertEqual(counts_of(end), counts_of(capture))
            self.assertEqual((end.state, end.partner), (capture.state, capture.receipt.partner))
        places = [(a.partition, a.sequence, a.capture_id) for a in batches]
        self.assertEqual(len(places), len(set(places)), "a batch is told twice")
        for capture_id, capture in captures.items():
            own = [a for a in batches if a.capture_id == capture_id]
            after = 0
            for batch in own:
                self.assertEqual(batch.first_event, after)
                after += batch.events
            for name, count in counts_of(capture).items():
                self.assertEqual(sum(getattr(a, name) for a in own), count, name)

    def test_exactly_once_whoever_is_killed(self):
        server = self.start(options=["--batch-max-events", 50])
        at = [server.address]
        watchers = [Watcher(lambda: at[0], seed) for seed in range(6)]
        captures = {}
        for seed in range(DOCUMENTS):
            receipt = server.client.capture(documents.make(EVENTS, seed=seed, company=1 + seed % 5).data)
            captures[receipt.capture_id] = None
            if seed == DOCUMENTS // 2:
                server.kill()
                server = self.start(options=["--batch-max-events", 50])
                at[0] = server.address
        captures = {capture_id: server.client.wait(capture_id) for capture_id in captures}
        for watcher in watchers:
            wait_for(lambda w=watcher: w.finished() >= set(captures), "all is told", 120)
            watcher.ended = True
        for watcher in watchers:
            watcher.join(60 * PATIENCE)
            self.check_told(watcher.told, captures)
        self.assertGreater(sum(watcher.breaks for watcher in watchers), len(watchers))
        self.stop_cleanly(server)

    def test_filters_and_refusals(self):
        server = self.start()
        receipts = [server.client.capture(documents.make(20, seed=seed, company=1 + seed % 2).data)
                    for seed in range(4)]
        captures = {r.capture_id: server.client.wait(r.capture_id) for r in receipts}
        stub = ack_grpc.AcknowledgmentServiceStub(server.client.channel)

        def first(**request):
            call = stub.WatchAcknowledgments(ack_pb.WatchAcknowledgmentsRequest(**request), timeout=30 * PATIENCE)
            try:
                return next(call)
            finally:
                call.cancel()

        everything = first(cursor="begin")
        self.check_told(everything.acknowledgments, captures)
        one = first(cursor="begin", capture_id=receipts[1].capture_id)
        self.check_told(one.acknowledgments, {receipts[1].capture_id: captures[receipts[1].capture_id]})
        partner = receipts[0].partner
        own = {i: c for i, c in captures.items() if c.receipt.partner == partner}
        self.check_told(first(cursor="begin", partner=partner).acknowledgments, own)
        ends = first(cursor="begin", kind=ack_pb.ACKNOWLEDGMENT_KIND_CAPTURE).acknowledgments
        self.assertEqual(len(ends), len(captures))
        for index, told in enumerate(everything.acknowledgments):
            rest = first(cursor=told.cursor)
            self.assertEqual(list(rest.acknowledgments), list(everything.acknowledgments[index + 1:]))
        now = first()
        self.assertEqual((list(now.acknowledgments), now.cursor), ([], everything.cursor))
        for code, wrong in (("INVALID_ARGUMENT", {"cursor": "x"}), ("INVALID_ARGUMENT", {"cursor": "999999"}),
                            ("INVALID_ARGUMENT", {"kind": 9}), ("INVALID_ARGUMENT", {"partner": "12"}),
                            ("NOT_FOUND", {"capture_id": "0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10"})):
            with self.assertRaises(grpc.RpcError) as caught:
                first(**wrong)
            self.assertEqual(caught.exception.code().name, code)
        lines = self.epcisctl(server, "watch", "--json", "--until-done", "--capture", receipts[2].capture_id,
                              check=3 if captures[receipts[2].capture_id].dead_letters else 0).stdout
        told = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual(told[-1]["kind"], "capture")
        again = self.epcisctl(server, "watch", "--json", "--until-done", "--capture", receipts[2].capture_id, "--from",
                              told[0]["cursor"], check=3 if captures[receipts[2].capture_id].dead_letters else 0).stdout
        self.assertEqual([json.loads(line) for line in again.splitlines()], told[1:])
        self.assertEqual(told[-1]["committed"], captures[receipts[2].capture_id].committed)
        self.epcisctl(server, "watch", "--until-done", check=2)
        self.stop_cleanly(server)

    def test_a_crowd(self):
        """Many watch, and some stop reading: all others are told, in bounded memory."""
        server = self.start()
        stub = ack_grpc.AcknowledgmentServiceStub(server.client.channel)
        before = status_field(server.process.pid, "VmRSS")
        calls = [stub.WatchAcknowledgments(ack_pb.WatchAcknowledgmentsRequest(cursor="begin"),
                                           timeout=300 * PATIENCE) for _ in range(CROWD)]
        for call in calls:
            next(call)
        receipt = server.client.capture(documents.make(200).data)
        capture = server.client.wait(receipt.capture_id)
        for call in calls[10:]:
            told = []
            while not told or told[-1].kind != ack_pb.ACKNOWLEDGMENT_KIND_CAPTURE:
                told += next(call).acknowledgments
            self.check_told(told, {receipt.capture_id: capture})
        grown = status_field(server.process.pid, "VmRSS") - before
        for call in calls:
            call.cancel()
        if not os.environ.get("EPCISD_SANITIZER"):
            self.assertLess(grown, 64 << 10, "KiB for the crowd")
        self.stop_cleanly(server)


if __name__ == "__main__":
    unittest.main()
