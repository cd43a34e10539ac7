"""Acknowledgments as they happen: each exactly once at each watcher, whoever is killed meanwhile."""

import json
import os
import random
import subprocess
import threading
import unittest

import documents
from harness import BIN, PATIENCE, EndToEnd, capture_pb, counts_of, grpc, main, status_field, wait_for
from epcis.v1 import acknowledgment_service_pb2 as ack_pb  # after harness, which makes it
from epcis.v1 import acknowledgment_service_pb2_grpc as ack_grpc
from raw_http2 import RawHttp2, message

LONG = bool(os.environ.get("EPCISD_LONG"))
DOCUMENTS, EVENTS = (100, 500) if LONG else (40, 100)
CROWD = 1000 if LONG else 200
ON_ONE_CONNECTION = 200


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


class Told:
    """One acknowledgment as `epcisctl watch --json` prints it, read as those of the generated client."""

    def __init__(self, line):
        fields = json.loads(line)
        self.cursor, self.capture_id, self.partner = fields["cursor"], fields["capture_id"], fields["partner"]
        self.kind = ack_pb.AcknowledgmentKind.Value(f"ACKNOWLEDGMENT_KIND_{fields['kind'].upper()}")
        self.state = capture_pb.CaptureState.Value(f"CAPTURE_STATE_{fields['state'].upper()}")
        for name in ("partition", "sequence", "first_event", "events", "committed", "duplicates", "dead_letters"):
            setattr(self, name, fields[name])


class KilledWatcher(Watcher):
    """A process that watches, killed outright at random, and another that goes on from the last whole line."""

    def __init__(self, test, address, seed):
        self.environment = test.family.environment
        super().__init__(address, seed)

    def run(self):
        while not self.ended and not self.error:
            command = [BIN / "epcisctl", "--server", self.address(), "watch", "--json", "--from", self.cursor]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  env=self.environment) as process:
                self.read(process)
                process.kill()
            self.breaks += 1

    def read(self, process):
        timer = threading.Timer(self.random.uniform(0.05, 1.0), process.kill)  # at any moment, also in a line
        timer.start()
        try:
            for line in process.stdout:
                if not line.endswith(b"\n"):
                    break
                told = Told(line)
                self.told.append(told)
                self.cursor = told.cursor
        except (KeyError, ValueError) as error:
            self.error = error
        finally:
            timer.cancel()


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
        watchers = [*(Watcher(lambda: at[0], seed) for seed in range(4)),
                    *(KilledWatcher(self, lambda: at[0], seed) for seed in range(4))]
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
        for kind in (Watcher, KilledWatcher):
            breaks = [watcher.breaks for watcher in watchers if type(watcher) is kind]
            self.assertGreater(sum(breaks), len(breaks))
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
        number, _, check = now.cursor.partition("-")
        for code, wrong in (("INVALID_ARGUMENT", {"cursor": "x"}),
                            # as of a server that was restored from an older backup and went on from there
                            ("INVALID_ARGUMENT", {"cursor": f"{int(number) - 1}-{check}"}), ("INVALID_ARGUMENT", {"cursor": "999999"}),
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
        before = status_field(server.process.pid, "VmRSS")
        calls = []
        for _ in range(CROWD // ON_ONE_CONNECTION):
            channel = grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])
            self.addCleanup(channel.close)
            stub = ack_grpc.AcknowledgmentServiceStub(channel)
            calls += [stub.WatchAcknowledgments(ack_pb.WatchAcknowledgmentsRequest(cursor="begin"),
                                                timeout=300 * PATIENCE) for _ in range(ON_ONE_CONNECTION)]
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

    @unittest.skipUnless(LONG, "takes a minute")
    def test_one_that_does_not_read_is_cut_off_alone(self):
        """Behind a window that is closed; it goes on from its cursor and has missed nothing."""
        server = self.start()
        receipts = [server.client.capture(documents.make(20, seed=1).data)]
        server.client.wait(receipts[0].capture_id)
        request = ack_pb.WatchAcknowledgmentsRequest(cursor="begin").SerializeToString()
        others = [Watcher(lambda: server.address, seed) for seed in range(3)]
        with RawHttp2(server.address, window=0) as deaf:
            stream = deaf.call("/epcis.v1.AcknowledgmentService/WatchAcknowledgments")
            deaf.data(stream, message(request), end=True)
            receipts.append(server.client.capture(documents.make(20, seed=2).data))
            captures = {r.capture_id: server.client.wait(r.capture_id) for r in receipts}
            for other in others:
                wait_for(lambda o=other: o.finished() >= set(captures), "the others are told")
            self.assertEqual(deaf.status(stream, 120)[0], grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        late = Watcher(lambda: server.address, 9)  # from where it was: nothing was read
        wait_for(lambda: late.finished() >= set(captures), "the late one is told")
        for watcher in (*others, late):
            watcher.ended = True
            watcher.join(60 * PATIENCE)
            self.check_told(watcher.told, captures)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
