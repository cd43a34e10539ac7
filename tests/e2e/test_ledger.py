"""The ledger, exported and checked by scripts/verify-ledger, which knows the layout's page alone; then with every
kind of damage done to it, which must be found."""

import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import random
import signal
import subprocess
import sys

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from documents import make
from harness import ROOT, EndToEnd, Refused, capture_pb, main, wait_for
from test_master_data import vocabulary

from epcis.v1 import audit_service_pb2 as pb
from epcis.v1 import audit_service_pb2_grpc
from epcis.v1 import ledger_pb2

ROLLBACK = capture_pb.ERROR_BEHAVIOUR_ROLLBACK
VERIFIER = ROOT / "scripts" / "verify-ledger"


def load_verifier():
    loader = importlib.machinery.SourceFileLoader("verify_ledger", str(VERIFIER))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("verify_ledger", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


verifier = load_verifier()


def fault(text):
    """What the verifier finds wrong; None: nothing."""
    try:
        verifier.check_export(io.BytesIO(text))
    except verifier.Wrong as wrong:
        return str(wrong)
    return None


class Forger:
    """Changes an export and makes its trailer anew, with the server's own private key: what is still found is
    found by the chains."""

    def __init__(self, text, pem):
        self.lines = [json.loads(line) for line in text.splitlines()]
        self.key = load_pem_private_key(pem, None)

    def find(self, kind, nth=0):
        return [i for i, line in enumerate(self.lines) if line["type"] == kind][nth]

    def text(self):
        body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in self.lines[:-1])
        digest = hashlib.sha256(body).digest()
        trailer = {**self.lines[-1], "lines": len(self.lines) - 1, "sha256": digest.hex(),
                   "signature": self.key.sign(b"epcisd export 1\n" + digest).hex()}
        return body + json.dumps(trailer, separators=(",", ":")).encode() + b"\n"


def flip_digit(text, at=0):
    return text[:at] + format(int(text[at], 16) ^ 1, "x") + text[at + 1:]


class Ledger(EndToEnd):
    def begin(self, **more):
        server = self.start(**more)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        self.call = server.client.call
        return server

    def export(self, **scope):
        return b"".join(piece.lines for piece in self.stub.ExportLedger(pb.ExportLedgerRequest(**scope), timeout=300))

    def fill(self, server):
        """Documents of several partners and of every fate."""
        first = make(events=60, seed=9001, company=91, defects=0.1, redelivered=0.1)
        broken = make(events=20, seed=9002, company=92)
        known = make(events=15, seed=9003, company=93).data.replace(
            b"</EPCISHeader>", vocabulary("here", 5).encode() + b"</EPCISHeader>")
        sent = [(first.data, {}), (known, {}),
                (make(events=20, seed=9004, company=94, defects=0.2).data, {"error_behaviour": ROLLBACK}),
                (make(events=10, seed=9005, company=95).data, {"error_behaviour": ROLLBACK}),
                (first.data, {"validate_only": True}),
                (broken.data[:broken.data.rindex(b"</ObjectEvent>")], {})]
        ids = [server.client.capture(data, **terms).capture_id for data, terms in sent]
        for capture_id in ids:
            server.client.wait(capture_id)
        return ids

    def wait_covered(self):
        """A checkpoint has been made over all that is there."""
        def covered():
            try:
                text = self.export()
                export = verifier.check_export(io.BytesIO(text))
            except verifier.Wrong as wrong:
                raise AssertionError(str(wrong)) from None
            return text if export.covered() == export.count["batches"] else None

        return wait_for(covered, "a checkpoint covers all batches")

    def test_everything_that_is_done_to_an_export_is_found(self):
        server = self.begin(workers=2, options=["--batch-max-events", 9, "--checkpoint-interval-ms", 200])
        self.fill(server)
        self.call(self.stub.RotateKey, pb.RotateKeyRequest(requested_by="test"))
        late = make(events=12, seed=9010, company=91)
        server.client.wait(server.client.capture(late.data).capture_id)
        text = self.wait_covered()
        self.check_sums(server, text)
        random.seed(7)
        for _ in range(200):
            damaged = bytearray(text)
            bit = random.randrange(8 * len(text))
            damaged[bit // 8] ^= 1 << bit % 8
            self.assertIsNotNone(fault(bytes(damaged)), f"bit {bit}")
        for _ in range(20):
            self.assertIsNotNone(fault(text[:random.randrange(len(text))]))
        self.check_forgeries(text)
        self.stop_cleanly(server)

    def check_sums(self, server, text):
        export = verifier.check_export(io.BytesIO(text))
        committed = len(server.client.all_events())
        letters = len(list(server.client.dead_letters()))
        self.assertEqual(export.count["committed"], committed)
        self.assertGreaterEqual(letters, export.count["dead_letters"])
        self.assertGreater(export.count["dead_letters"], 0)
        self.assertGreater(export.count["duplicates"], 0)
        self.assertGreater(len(export.partitions), 3)
        self.assertEqual(len(export.keys.found), 2)
        outcomes = set("".join(line["outcomes"] for line in map(json.loads, text.splitlines())
                               if line["type"] == "items"))
        self.assertLessEqual(set("123456"), outcomes)

    def check_forgeries(self, text):
        pem = (self.data_dir / "keys" / "signing.pem").read_bytes()

        def drop_batch(forger):
            at = forger.find("batch", 1)
            del forger.lines[at:at + 2]

        def drop_last_batch(forger):
            at = forger.find("batch", -1)
            del forger.lines[at:at + 2]

        def swap_batches(forger):
            a, b = forger.find("batch", 1), forger.find("batch", 2)
            forger.lines[a:a + 2], forger.lines[b:b + 2] = forger.lines[b:b + 2], forger.lines[a:a + 2]

        def swap_leaves(forger):
            items = forger.lines[forger.find("items")]
            items["leaves"] = items["leaves"][64:128] + items["leaves"][:64] + items["leaves"][128:]

        def change_outcome(forger):
            items = forger.lines[forger.find("items")]
            items["outcomes"] = ("2" if items["outcomes"][0] == "1" else "1") + items["outcomes"][1:]

        def change_time(forger):
            forger.lines[forger.find("batch")]["decided_ms"] += 1

        def change_rules(forger):
            forger.lines[forger.find("batch")]["rule_pack"] += "x"

        def drop_document(forger):
            del forger.lines[forger.find("document")]

        def change_receipt(forger):
            forger.lines[forger.find("document")]["received_ms"] -= 1

        def change_counts(forger):
            document = forger.lines[forger.find("document")]
            document["committed"] -= 1
            document["dead_letters"] += 1

        def move_span(forger):
            forger.lines[forger.find("batch", 1)]["spans"][0][1] += 1

        def change_key(forger):
            key = forger.lines[forger.find("key", 1)]
            key["predecessor_signature"] = flip_digit(key["predecessor_signature"])

        def drop_checkpoint(forger):
            del forger.lines[forger.find("checkpoint")]

        def leave_partition_out(forger):
            line = forger.lines[forger.find("checkpoint", -1)]
            checkpoint = pb.Checkpoint.FromString(bytes.fromhex(line["checkpoint"]))
            del checkpoint.partitions[0]
            data = checkpoint.SerializeToString(deterministic=True)
            line.update(checkpoint=data.hex(), signature=forger.key.sign(b"epcisd checkpoint 1\n" + data).hex())

        def drop_last_document(forger):
            at = forger.find("document", -1)
            forger.lines = [line for i, line in enumerate(forger.lines) if i < at or line["type"] not in
                            ("document", "batch", "items")]

        for change in (drop_batch, drop_last_batch, swap_batches, swap_leaves, change_outcome, change_time,
                       change_rules, drop_document, change_receipt, change_counts, move_span, change_key,
                       drop_checkpoint, leave_partition_out, drop_last_document):
            forger = Forger(text, pem)
            self.assertIsNone(fault(forger.text()), "as good as the server's own")
            change(forger)
            found = fault(forger.text())
            self.assertIsNotNone(found, change.__name__)
            self.assertNotIn("trailer", found, change.__name__)

    def test_ranges_and_what_is_pending(self):
        server = self.begin(workers=0, options=[*self.endpoints(), "--batch-max-events", 10])
        first = server.client.capture(make(events=25, seed=9020, company=96).data)
        worker = self.start_worker()
        server.client.wait(first.capture_id)
        os.kill(worker.pid, signal.SIGKILL)
        wait_for(lambda: server.client.job(first.capture_id).committed, "the first is in")
        second = server.client.capture(make(events=25, seed=9021, company=97).data)
        wait_for(lambda: server.client.job(second.capture_id).events == 25, "it is read")
        export = verifier.check_export(io.BytesIO(self.export()))
        self.assertEqual((export.count["pending"], export.count["documents"]), (1, 2))
        self.assertGreater(export.count["undecided"], 0)
        one = verifier.check_export(io.BytesIO(self.export(partition=min(export.partitions))))
        self.assertEqual((len(one.partitions), one.count["documents"]), (1, 1))
        late = verifier.check_export(io.BytesIO(self.export(from_ms=second.received_ms,
                                                            to_ms=second.received_ms + 1)))
        self.assertIn(2, late.numbers)
        none = verifier.check_export(io.BytesIO(self.export(from_ms=second.received_ms + 10**6)))
        self.assertEqual(none.count["documents"], 0)
        with self.assertRaises(Exception):
            self.export(from_ms=5, to_ms=5)
        worker = self.start_worker()
        server.client.wait(second.capture_id)
        self.assertIsNone(fault(self.export()))
        worker.terminate()
        self.stop_cleanly(server)

    def test_a_range_has_the_checkpoints_that_it_needs(self):
        server = self.begin(workers=1, options=["--checkpoint-interval-ms", 20])
        receipts = []
        for n in range(6):
            receipts.append(server.client.capture(make(events=5, seed=9050 + n, company=91 + n % 2).data))
            server.client.wait(receipts[-1].capture_id)
            self.wait_covered()
        everything = verifier.check_export(io.BytesIO(self.export()))
        self.assertGreaterEqual(everything.count["checkpoints"], 6)
        for receipt in receipts:
            one = verifier.check_export(io.BytesIO(self.export(from_ms=receipt.received_ms,
                                                               to_ms=receipt.received_ms + 1)))
            self.assertEqual(one.numbers, {receipt.journal_position})
            self.assertEqual(one.covered(), one.count["batches"])
            self.assertLess(one.count["checkpoints"], 4)
        none = verifier.check_export(io.BytesIO(self.export(from_ms=receipts[-1].received_ms + 10**6)))
        self.assertEqual(none.count["checkpoints"], 0)
        self.stop_cleanly(server)

    def test_kills_leave_no_trace(self):
        server = self.begin(workers=2, options=["--batch-max-events", 10])
        ids = [server.client.capture(make(events=200, seed=9030 + i, company=91 + i, defects=0.05).data).capture_id
               for i in range(3)]
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: server.client.job(ids[0]).committed, "something is committed")
        self.assertIsNone(fault(self.export()))
        server.kill()
        self.family.kill()
        server = self.begin(workers=2, options=["--batch-max-events", 10])
        for capture_id in ids:
            server.client.wait(capture_id)
        export = verifier.check_export(io.BytesIO(self.export()))
        self.assertEqual((export.count["pending"], export.count["events"]), (0, 600))
        self.stop_cleanly(server)

    def test_batches_and_proofs(self):
        server = self.begin(workers=2, options=["--batch-max-events", 9, "--checkpoint-interval-ms", 200])
        ids = self.fill(server)
        self.wait_covered()
        batches, token = [], ""
        while True:
            page = self.call(self.stub.ListBatches, pb.ListBatchesRequest(page_size=3, page_token=token))
            batches += page.batches
            token = page.next_page_token
            if not token:
                break
        places = [(batch.partition, batch.sequence) for batch in batches]
        self.assertEqual(places, sorted(set(places)))
        self.assertEqual(sum(span.events for batch in batches for span in batch.spans),
                         sum(server.client.job(capture_id).events for capture_id in ids))
        partition = batches[-1].partition
        one = self.call(self.stub.ListBatches, pb.ListBatchesRequest(partition=partition, first_sequence=1,
                                                                     last_sequence=1)).batches
        self.assertEqual([(b.partition, b.sequence) for b in one], [(partition, 1)])
        for batch in batches:
            self.check_batch(batch)
        for token in ("99999.0", "18446744073709551615.0", "-1.0", " 1.1", "1.1x", "1"):
            with self.assertRaises(Refused) as refused:
                self.call(self.stub.GetBatch, pb.GetBatchRequest(partition=partition, sequence=1, page_token=token))
            self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
        with self.assertRaises(Refused) as refused:
            self.call(self.stub.ListBatches, pb.ListBatchesRequest(page_token=f"{partition}.0"))
        self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
        with self.assertRaises(Refused) as refused:
            self.call(self.stub.GetBatch, pb.GetBatchRequest(partition=partition, sequence=10**6))
        self.assertEqual(refused.exception.code, "NOT_FOUND")
        for event in (0, 7, 30):
            self.check_proof(self.call(self.stub.GetInclusionProof, pb.GetInclusionProofRequest(
                position=pb.EventPosition(capture_id=ids[0], event_index=event))).proof, ids[0], event)
        committed = server.client.event(5)
        self.check_proof(self.call(self.stub.GetInclusionProof, pb.GetInclusionProofRequest(sequence=5)).proof,
                         committed.capture_id, committed.event_index)
        with self.assertRaises(Refused) as refused:
            self.call(self.stub.GetInclusionProof, pb.GetInclusionProofRequest(
                position=pb.EventPosition(capture_id=ids[0], event_index=10**6)))
        self.assertEqual(refused.exception.code, "NOT_FOUND")
        self.stop_cleanly(server)

    def test_epcisctl_and_the_verifier_as_programs(self):
        server = self.begin(workers=2, options=["--batch-max-events", 9, "--checkpoint-interval-ms", 200])
        ids = self.fill(server)
        self.wait_covered()
        key = json.loads(self.epcisctl(server, "audit", "keys", "--json", check=0).stdout)["public_key"]
        for arguments in (("audit", "export"), ("audit", "prove", "--json", f"{ids[0]}/7"),
                          ("audit", "prove", "--json", "5")):
            text = self.epcisctl(server, *arguments, check=0).stdout
            self.verify(text, 0, "all is well", "--key", key)
            self.verify(text, 1, "key", "--key", flip_digit(key))
        at = text.index('"leaf":"') + 8
        self.verify(flip_digit(text, at), 1, "path", "--key", key)
        self.verify("", 1, "breaks off")
        listed = self.epcisctl(server, "audit", "batches", check=0).stdout
        place = listed.split()[0]
        self.assertIn("committed", self.epcisctl(server, "audit", "batch", place, check=0).stdout)
        self.assertRegex(self.epcisctl(server, "audit", "prove", f"{ids[0]}/7", check=0).stdout,
                         r"(?m)^  batch_id    [0-9a-f]{64}$")
        self.assertIn("CAPTURE_ID/NUMBER", self.epcisctl(server, "audit", "prove", "x", check=2).stderr)
        self.assertIn("NOT_FOUND", self.epcisctl(server, "audit", "batch", "7/99999", check=1).stderr)
        self.stop_cleanly(server)

    def verify(self, text, code, told, *arguments):
        file = self.folder / "verified"
        file.write_text(text, encoding="utf-8")
        result = subprocess.run([sys.executable, str(VERIFIER), *arguments, str(file)], capture_output=True, text=True,
                                check=False)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(told, result.stdout + result.stderr)

    def check_batch(self, batch):
        leaves, outcomes, token = b"", b"", ""
        while True:
            page = self.call(self.stub.GetBatch, pb.GetBatchRequest(partition=batch.partition, sequence=batch.sequence,
                                                                    page_size=4, page_token=token))
            self.assertEqual(page.first_item * 32, len(leaves))
            leaves, outcomes, token = leaves + page.leaves, outcomes + page.outcomes, page.next_page_token
            if not token:
                break
        self.assertEqual(page.batch, batch)
        self.assertEqual((len(leaves), len(outcomes)), (32 * batch.items, batch.items))
        root = verifier.merkle_root([leaves[at:at + 32] for at in range(0, len(leaves), 32)])
        self.assertEqual(root, batch.root)
        self.assertEqual(outcomes.count(ledger_pb2.ITEM_OUTCOME_COMMITTED), batch.decision.committed)

    def check_proof(self, proof, capture_id, event_index):
        self.assertEqual((proof.capture_id, proof.event_index), (capture_id, event_index))
        self.assertTrue(proof.checkpoint)
        root = verifier.path_root(proof.leaf, proof.index, proof.batch.items, list(proof.path))
        self.assertEqual(root, proof.batch.root)


if __name__ == "__main__":
    main()
