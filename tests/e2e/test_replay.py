"""Batches made anew from the documents as they were received: the same, whatever was killed meanwhile; and
damage to a document's bytes, or other options, are found and named."""

import ctypes
import json
import os
import signal
import struct

from documents import make
from harness import EndToEnd, main, wait_for
from test_ledger import ROLLBACK
from test_master_data import vocabulary

from epcis.v1 import audit_service_pb2 as pb
from epcis.v1 import audit_service_pb2_grpc

SAME, DIFFERENT = pb.REPLAY_VERDICT_SAME, pb.REPLAY_VERDICT_DIFFERENT


class Value(ctypes.Structure):
    """MDB_val"""
    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_char_p))


class Replay(EndToEnd):
    def begin(self, **more):
        server = self.start(**more)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        return server

    def replay(self, **scope):
        return [group for message in self.stub.ReplayBatches(pb.ReplayBatchesRequest(**scope), timeout=300)
                for group in message.batches]

    def documents(self):
        """Of every shape: several in a batch, refused events, master data, rollback, validate_only, one that
        breaks off at its end or long before, and one too large for rollback."""
        broken = make(events=20, seed=9202, company=92)
        early = broken.data[:broken.data.rindex(b"</ObjectEvent>")] + b"</wrong>" + bytes(2 << 20)
        known = make(events=15, seed=9203, company=93).data.replace(
            b"</EPCISHeader>", vocabulary("here", 5).encode() + b"</EPCISHeader>")
        strange = make(events=12, seed=9206, company=93).data.replace(
            b"<ObjectEvent>", b"<StrangeEvent>what?</StrangeEvent><ObjectEvent>", 1)
        small = [(make(events=3, seed=9210 + i, company=94).data, {}) for i in range(5)]
        return [(make(events=60, seed=9201, company=91, defects=0.1, redelivered=0.1).data, {}), (known, {}),
                (strange, {}), *small,
                (make(events=20, seed=9204, company=94, defects=0.2).data, {"error_behaviour": ROLLBACK}),
                (make(events=10, seed=9205, company=95).data, {"error_behaviour": ROLLBACK}),
                (make(events=60, seed=9207, company=95).data, {"error_behaviour": ROLLBACK}),
                (make(events=10, seed=9208, company=91).data, {"validate_only": True}),
                (broken.data[:broken.data.rindex(b"</ObjectEvent>")], {}), (early, {})]

    def fill(self, server):
        ids = [server.client.capture(data, **terms).capture_id for data, terms in self.documents()]
        for capture_id in ids:
            server.client.wait(capture_id)
        return ids

    def flip(self, upload):
        """One bit in the middle of an upload's first piece, in the journal of a server that has stopped."""
        lmdb = ctypes.CDLL("liblmdb.so.0")

        def call(name, *arguments):
            self.assertEqual(getattr(lmdb, name)(*arguments), 0, name)

        env, txn, dbi = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
        raw = struct.pack(">QI", upload, 0)
        key, value = Value(len(raw), raw), Value()
        call("mdb_env_create", ctypes.byref(env))
        call("mdb_env_set_maxdbs", env, 64)
        call("mdb_env_set_mapsize", env, ctypes.c_size_t(1 << 30))
        call("mdb_env_open", env, str(self.data_dir / "journal").encode(), 0, 0o600)
        call("mdb_txn_begin", env, None, 0, ctypes.byref(txn))
        call("mdb_dbi_open", txn, b"piece", 0, ctypes.byref(dbi))
        call("mdb_get", txn, dbi, ctypes.byref(key), ctypes.byref(value))
        piece = bytearray(ctypes.string_at(value.data, value.size))
        piece[len(piece) // 2] ^= 1
        changed = Value(len(piece), bytes(piece))
        call("mdb_put", txn, dbi, ctypes.byref(key), ctypes.byref(changed), 0)
        call("mdb_txn_commit", txn)
        lmdb.mdb_env_close(env)

    LIMITS = ["--batch-max-events", 9, "--rollback-max-bytes", 20000]

    def test_every_shape_is_the_same_after_kills(self):
        server = self.begin(workers=0, options=self.LIMITS)
        ids = [server.client.capture(data, **terms).capture_id for data, terms in self.documents()]
        wait_for(lambda: all(server.client.job(capture_id).events for capture_id in ids[:1]), "it is read")
        server.kill()
        self.family.kill()
        server = self.begin(workers=2, options=self.LIMITS)
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        for capture_id in ids:
            server.client.wait(capture_id)
        groups = self.replay()
        self.assertEqual({group.verdict for group in groups}, {SAME}, groups)
        listed = self.stub.ListBatches(pb.ListBatchesRequest()).batches
        self.assertEqual(sum(group.last_sequence - group.first_sequence + 1 for group in groups), len(listed))
        self.assertEqual(sum(group.items for group in groups), sum(batch.items for batch in listed))
        long = max(listed, key=lambda batch: batch.sequence)
        for first, last in ((2, 3), (long.sequence, 0), (1, 1)):
            some = self.replay(partition=long.partition, first_sequence=first, last_sequence=last)
            self.assertEqual([(g.first_sequence, g.last_sequence, g.verdict) for g in some],
                             [(first, last or long.sequence, SAME)])
        self.assertEqual(self.replay(partition=long.partition, first_sequence=long.sequence + 1), [])
        for wrong in ({"partition": 10**6}, {"first_sequence": 5, "last_sequence": 4}):
            with self.assertRaises(Exception):
                self.replay(**wrong)
        told = self.epcisctl(server, "replay", check=0).stdout
        self.assertIn(f"{len(listed)} batches: {len(listed)} same, 0 different", told)
        self.epcisctl(server, "replay", "--partition", long.partition, "--last", 1, check=0)
        self.epcisctl(server, "replay", "--partition", "x", check=2)
        self.stop_cleanly(server)

    def test_other_options_are_named_with_document_item_and_line(self):
        server = self.begin(workers=2, options=self.LIMITS)
        ids = self.fill(server)
        self.stop_cleanly(server)
        server = self.begin(workers=2, options=[*self.LIMITS, "--event-max-epcs", 1])
        result = self.epcisctl(server, "replay", "--json", check=1)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        different = [line for line in lines if line["verdict"] == "different"]
        self.assertTrue(different)
        self.assertTrue(all(line["capture_id"] in ids and line["line"] and "item" in line for line in different))
        self.assertIn("different", self.epcisctl(server, "replay", check=1).stdout)
        self.stop_cleanly(server)

    def test_a_flipped_bit_is_found(self):
        server = self.begin(workers=2, options=self.LIMITS)
        ids = self.fill(server)
        job = server.client.job(ids[0])
        self.stop_cleanly(server)
        self.flip(1)
        server = self.begin(workers=2, options=self.LIMITS)
        groups = self.replay()
        different = [group for group in groups if group.verdict == DIFFERENT]
        self.assertTrue(different)
        self.assertEqual({group.difference.capture_id for group in different}, {job.receipt.capture_id})
        self.assertIn(ids[0], self.epcisctl(server, "replay", check=1).stdout)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
