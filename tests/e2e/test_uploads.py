"""Uploads that are cut off, and go on: over a broken connection, over the server's death, twice at once."""

import contextlib
import hashlib
import json
import os
import random
import socket
import threading
import unittest
import uuid

import grpc

import documents
from harness import (SANITIZER, Client, EndToEnd, Refused, capture_pb, counts_of, state_name, status_field,
                     wait_for)

MIB = 1 << 20
BACK = object()  # the way from the server
EVENTS = 4000


class Proxy:
    """Forwards TCP to a server, and cuts a connection once it has carried so many bytes to it."""

    def __init__(self, address):
        self.to = address.rsplit(":", 1)
        self.cuts = []  # bytes after which each next connection is cut
        self.carried = lambda count: None  # is told of bytes on their way to the server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((self.to[0], int(self.to[1])))
                budget = self.cuts.pop(0) if self.cuts else None
                threading.Thread(target=self.carry, args=(near, far, budget), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, BACK), daemon=True).start()

    def carry(self, source, target, budget):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if budget is not BACK:
                    self.carried(len(piece))
                if budget is not None and budget is not BACK:
                    budget -= len(piece)
                    if budget < 0:
                        break
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self.listener.close()


def big_document(serial, size):
    """A document of at least `size` bytes, by comments that are no part of any event."""
    head, tag, rest = documents.make(EVENTS, seed=serial).data.partition(b"<EventList>")
    comment = b"<!--" + random.Random(serial).randbytes(32 << 10).hex().encode() + b"-->"
    return head + comment * (size // len(comment) + 1) + tag + rest


class Uploads(EndToEnd):
    def upload(self, client, data, upload_id, cut=None, piece=256 << 10, **start):
        """One stream, from where the server is; `cut` breaks it off after so many bytes."""
        offset = self.offset(client, upload_id)

        def steps():
            yield capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(
                upload_id=upload_id, offset=offset, length=len(data), **start))
            for at in range(offset, len(data), piece):
                if cut is not None and at - offset >= cut:
                    return
                yield capture_pb.CaptureStreamRequest(piece=data[at:at + piece])
            yield capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                length=len(data), sha256=hashlib.sha256(data).digest()))

        return client.capture_stream(steps())

    @staticmethod
    def offset(client, upload_id, partner=""):
        try:
            return client.call(client.captures.GetUploadOffset, capture_pb.GetUploadOffsetRequest(
                upload_id=upload_id, partner=partner)).offset
        except Refused as refused:
            if refused.code != "NOT_FOUND":
                raise
            return 0

    def until_received(self, address, data, upload_id):
        """As a client that does not give up: tries again wherever it was cut off; (receipt, tries)."""
        tries = 0
        while True:
            tries += 1
            client = Client(address)
            try:
                return self.upload(client, data, upload_id), tries
            except Refused as refused:
                self.assertIn(refused.code, ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"))
                self.assertLess(tries, 20)
            finally:
                client.close()

    def test_connection_cut_at_three_points(self):
        server = self.start()
        proxy = Proxy(server.address)
        self.addCleanup(proxy.close)
        data = big_document(1, 24 * MIB)
        chance = random.Random(20260101)
        # Each connection is cut somewhere in the first third of what is left, but not in its first pieces.
        proxy.cuts = [2 * MIB + chance.randrange(4 * MIB) for _ in range(3)]
        receipt, tries = self.until_received(proxy.address, data, str(uuid.uuid4()))
        self.assertEqual(tries, 4)
        self.assertEqual(receipt.document_digest, "sha256:" + hashlib.sha256(data).hexdigest())
        self.assertEqual(receipt.document_bytes, len(data))
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(state_name(capture), "done")
        self.assertEqual(counts_of(capture)["committed"], EVENTS)
        self.stop_cleanly(server)

    def test_epcisctl_goes_on_by_itself(self):
        server = self.start()
        proxy = Proxy(server.address)
        self.addCleanup(proxy.close)
        data = big_document(5, 24 * MIB)
        path = self.folder / "big.xml"
        path.write_bytes(data)
        carried = []
        proxy.carried = carried.append
        proxy.cuts = [5 * MIB, 7 * MIB]
        output = self.epcisctl(proxy.address, "capture", "--wait", "--json", path, check=0)
        capture = json.loads(output.stdout)
        self.assertEqual(capture["document_digest"], "sha256:" + hashlib.sha256(data).hexdigest())
        self.assertEqual(capture["committed"], EVENTS)
        self.assertLess(sum(carried), len(data) + 8 * MIB, "it was sent from its beginning again")
        again = json.loads(self.epcisctl(server, "capture", "--json", path, check=0).stdout)
        self.assertEqual(again["capture_id"], capture["capture_id"])
        self.assertTrue(again["duplicate_document"])
        self.stop_cleanly(server)

    def test_server_dies_in_between(self):
        server = self.start()
        data = big_document(2, 12 * MIB)
        upload_id = str(uuid.uuid4())
        for cut, held in ((3 * MIB + MIB // 2, 3 * MIB), (4 * MIB, 7 * MIB)):
            with self.assertRaises(Refused):
                self.upload(server.client, data, upload_id, cut=cut)
            wait_for(lambda held=held: self.offset(server.client, upload_id) == held, "the pieces are on disk")
            server.kill()
            server = self.start()
            self.assertEqual(self.offset(server.client, upload_id), held)
        receipt = self.upload(server.client, data, upload_id)
        self.assertEqual(receipt.document_digest, "sha256:" + hashlib.sha256(data).hexdigest())
        again = self.upload(server.client, data, upload_id)
        self.assertEqual(again.capture_id, receipt.capture_id)
        self.assertEqual(self.offset(server.client, upload_id), len(data))
        self.assertEqual(self.offset(server.client, upload_id, "0614141000005"), 0)
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(counts_of(capture)["committed"], EVENTS)
        self.stop_cleanly(server)

    @unittest.skipIf(SANITIZER, "a sanitizer's memory is not the program's")
    def test_memory_stays_flat(self):
        """Of the server, while a long document comes in and while it is read: 64 MiB, or 2 GiB (EPCISD_LONG), of
        events that come again and again."""
        mib = 2048 if os.environ.get("EPCISD_LONG") else 64
        head, tag, rest = documents.make(EVENTS, seed=6).data.partition(b"<EventList>")
        events, end_tag, end = rest.partition(b"</EventList>")
        times = mib * MIB // len(events)
        blocks = [head + tag, *[events] * times, end_tag + end]
        length, digest = sum(map(len, blocks)), hashlib.sha256()
        for block in blocks:
            digest.update(block)
        server = self.start()
        peaks = {"begun": status_field(server.pid, "VmRSS")}

        def steps():
            yield capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(
                upload_id=str(uuid.uuid4()), length=length, sha256=digest.digest()))
            for at, block in enumerate(blocks):
                for begin in range(0, len(block), MIB):
                    yield capture_pb.CaptureStreamRequest(piece=block[begin:begin + MIB])
                part = "first half" if at < times // 2 else "second half"
                peaks[part] = max(peaks.get(part, 0), status_field(server.pid, "VmRSS"))
            yield capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                length=length, sha256=digest.digest()))

        receipt = server.client.call(server.client.captures.CaptureStream, steps(), seconds=300).receipt

        def finished():
            peaks["read"] = max(peaks.get("read", 0), status_field(server.pid, "VmRSS"))
            return state_name(server.client.job(receipt.capture_id)) == "done"

        wait_for(finished, "the document is done", 600)
        counts = counts_of(server.client.wait(receipt.capture_id))
        self.assertEqual(sum(counts[name] for name in ("committed", "duplicates", "dead_letters")),
                         EVENTS * times, counts)
        self.assertLess(max(peaks.values()), 128 << 10, peaks)
        self.assertLess(peaks["second half"] - peaks["first half"], 8 << 10, peaks)
        print(f"{mib} MiB, resident KiB of the server: {peaks}")
        self.stop_cleanly(server)

    def test_later_stream_wins(self):
        server = self.start()
        data = big_document(3, 6 * MIB)
        upload_id = str(uuid.uuid4())
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def steps():
            yield capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(upload_id=upload_id))
            yield capture_pb.CaptureStreamRequest(piece=data[:MIB])
            go_on.wait()
            for at in range(MIB, len(data), MIB):
                yield capture_pb.CaptureStreamRequest(piece=data[at:at + MIB])
            yield capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                length=len(data), sha256=hashlib.sha256(data).digest()))

        older = server.client.captures.CaptureStream.future(steps())
        wait_for(lambda: self.offset(server.client, upload_id) == MIB, "the first piece is on disk")
        receipt = self.upload(server.client, data, upload_id)
        go_on.set()
        self.assertEqual(older.code(), grpc.StatusCode.ABORTED, older.details())
        self.assertEqual(receipt.document_digest, "sha256:" + hashlib.sha256(data).hexdigest())
        server.client.wait(receipt.capture_id)
        self.stop_cleanly(server)

    def test_refused(self):
        server = self.start(options=["--upload-keep-ms", "1000"])
        upload_id = str(uuid.uuid4())
        data = documents.make(10, seed=4).data
        cases = (
            ("INVALID_ARGUMENT", {"upload_id": "mine"}, "no UUID"),
            ("INVALID_ARGUMENT", {"offset": 5}, "goes with a `start.upload_id`"),
            ("INVALID_ARGUMENT", {"sha256": b"short"}, "32 bytes"),
            ("INVALID_ARGUMENT", {"sha256": bytes(32)}, "`start.sha256`"),
            ("INVALID_ARGUMENT", {"length": 7}, "`start.length` is 7"),
            ("OUT_OF_RANGE", {"upload_id": upload_id, "offset": 1}, "beyond the 0 bytes"),
        )
        for code, start, text in cases:
            with self.subTest(start=start):
                steps = [capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart(**start)),
                         capture_pb.CaptureStreamRequest(piece=data),
                         capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
                             length=len(data), sha256=hashlib.sha256(data).digest()))]
                with self.assertRaises(Refused) as caught:
                    server.client.capture_stream(steps)
                self.assertEqual(caught.exception.code, code)
                self.assertIn(text, caught.exception.details)
        with self.assertRaises(Refused):
            self.upload(server.client, bytes(3 * MIB), upload_id, cut=2 * MIB)
        wait_for(lambda: self.offset(server.client, upload_id) == 0, "the upload has expired")
        wait_for(lambda: f"event=upload_expired upload={upload_id}" in server.log, "the log says so")
        self.stop_cleanly(server)


if __name__ == "__main__":
    unittest.main()
