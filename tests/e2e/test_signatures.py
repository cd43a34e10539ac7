"""Receipts and checkpoints, verified by another implementation of Ed25519 from what the pages in proto/ say:
over rotations of the key, restarts and kill -9."""

import hashlib
import json
import os
import subprocess

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from documents import make
from harness import BIN, PATIENCE, EndToEnd, Refused, main, wait_for

from epcis.v1 import audit_service_pb2 as pb
from epcis.v1 import audit_service_pb2_grpc


def verifies(public_key, domain, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, domain.encode() + b"\n" + data)
    except InvalidSignature:
        return False
    return True


def signed_lines(receipt):
    return (f"{receipt.capture_id}\n{receipt.document_digest}\n{receipt.document_bytes}\n"
            f"{receipt.received_ms}\n{receipt.journal_position}\n{receipt.partner}\n").encode()


class Signatures(EndToEnd):
    def begin(self, **more):
        server = self.start(workers=1, **more)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        self.call = server.client.call
        return server

    def keys(self):
        """All keys; each is brought in as the page says."""
        found, token = [], ""
        while True:
            page = self.call(self.stub.ListKeys, pb.ListKeysRequest(page_size=2, page_token=token))
            found += page.keys
            token = page.next_page_token
            if not token:
                break
        before = b""
        for number, key in enumerate(found, 1):
            statement = pb.KeyStatement.FromString(key.statement)
            self.assertEqual(statement.number, number)
            self.assertEqual(statement.public_key, key.public_key)
            self.assertEqual(statement.predecessor, before)
            self.assertEqual(key.key_id, hashlib.sha256(key.public_key).hexdigest()[:16])
            self.assertTrue(verifies(key.public_key, "epcisd key 1", key.statement, key.signature))
            if before:
                self.assertTrue(verifies(before, "epcisd key 1", key.statement, key.predecessor_signature))
            before = key.public_key
        return found

    def assert_signed(self, receipt):
        """By the key that its statement says signs at this position."""
        keys = self.keys()
        firsts = [pb.KeyStatement.FromString(key.statement).first_document for key in keys]
        key = [key for key, first in zip(keys, firsts) if first <= receipt.journal_position][-1]
        self.assertEqual(receipt.key_id, key.key_id)
        self.assertTrue(verifies(key.public_key, "epcisd receipt 1", signed_lines(receipt), receipt.signature))

    def checkpoints(self, page_size=0, newest_first=False):
        """All checkpoints in their order; each is signed, and names the one before by its digest."""
        found, token = [], ""
        while True:
            page = self.call(self.stub.ListCheckpoints, pb.ListCheckpointsRequest(
                page_size=page_size, page_token=token, newest_first=newest_first))
            found += page.checkpoints
            token = page.next_page_token
            if not token:
                break
        if newest_first:
            found.reverse()
        keys = {key.key_id: key.public_key for key in self.keys()}
        parsed, before = [], b""
        for number, signed in enumerate(found, 1):
            checkpoint = pb.Checkpoint.FromString(signed.checkpoint)
            self.assertEqual(checkpoint.number, number)
            self.assertEqual(checkpoint.previous_sha256, before)
            self.assertTrue(verifies(keys[checkpoint.key_id], "epcisd checkpoint 1", signed.checkpoint,
                                     signed.signature))
            before = hashlib.sha256(signed.checkpoint).digest()
            parsed.append(checkpoint)
        return parsed

    def rotate(self, who=""):
        return self.call(self.stub.RotateKey, pb.RotateKeyRequest(requested_by=who)).key

    def test_receipts_verify_after_rotations_and_restarts(self):
        server = self.begin()
        documents = [make(events=20, seed=4700 + n, company=300 + n) for n in range(4)]
        receipts = []
        for number, document in enumerate(documents):
            receipts.append(server.client.capture(document.data))
            if number < 3:
                key = self.rotate("the auditor")
                self.assertEqual(pb.KeyStatement.FromString(key.statement).first_document, number + 2)
            if number == 1:
                server.kill()
                server = self.begin()
            if number == 2:
                self.stop_cleanly(server)
                server = self.begin()
        self.assertEqual([receipt.journal_position for receipt in receipts], [1, 2, 3, 4])
        self.assertEqual(len({receipt.key_id for receipt in receipts}), 4)
        self.assertEqual(len(self.keys()), 4)
        for document, receipt in zip(documents, receipts):
            self.assert_signed(receipt)
            self.assertEqual(server.client.job(receipt.capture_id).receipt, receipt)
            again = server.client.capture(document.data)
            self.assertTrue(again.duplicate_document)
            again.duplicate_document = False
            self.assertEqual(again, receipt)
        self.assertEqual(os.listdir(self.data_dir / "keys"), ["signing.pem"])
        receipts[0].partner = "0000000000000"
        key = self.keys()[0]
        self.assertFalse(verifies(key.public_key, "epcisd receipt 1", signed_lines(receipts[0]),
                                  receipts[0].signature))
        self.stop_cleanly(server)

    def test_checkpoints_follow_what_is_done(self):
        options = ["--checkpoint-interval-ms", 20]
        server = self.begin(options=options)
        wait_for(self.checkpoints, "the start makes a checkpoint")
        document = make(events=300, seed=4710)
        receipt = server.client.capture(document.data)
        server.client.wait(receipt.capture_id)

        def settled():
            last = self.checkpoints()[-1]
            return last.partitions and last.partitions[0].last_sequence == \
                last.partitions[0].acknowledged_sequence
        wait_for(settled, "a checkpoint tells that all is done")
        last = self.checkpoints(page_size=1)[-1]
        self.assertEqual(last.last_document, 1)
        self.assertEqual(len(last.partitions[0].last_batch_id), 32)
        self.assertEqual(len(last.partitions[0].outcome_id), 32)
        count = len(self.checkpoints(page_size=2, newest_first=True))
        self.stop_cleanly(server)
        server = self.begin()  # a start always makes one, and an hour passes before the next
        wait_for(lambda: len(self.checkpoints()) > count, "a start makes a checkpoint")
        self.assertEqual(len(self.checkpoints()), count + 1)
        server.client.capture(make(events=10, seed=4711).data)
        self.rotate()
        self.stop_cleanly(server)
        server = self.begin()
        wait_for(lambda: len(self.checkpoints()) == count + 3, "one at the stop, one at the start")
        self.assertEqual(self.checkpoints()[-2].last_document, 2)
        self.stop_cleanly(server)

    def test_a_lost_key_stops_the_start_until_a_person_decides(self):
        server = self.begin()
        receipt = server.client.capture(make(events=10, seed=4720).data)
        self.stop_cleanly(server)
        (self.data_dir / "keys" / "signing.pem").unlink()
        command = [BIN / "epcis-server", "--data-dir", self.data_dir, "--listen", "127.0.0.1:0"]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("--replace-lost-key", refused.stderr)
        server = self.begin(options=["--replace-lost-key"])
        keys = self.call(self.stub.ListKeys, pb.ListKeysRequest()).keys
        self.assertEqual((len(keys), keys[1].predecessor_signature), (2, b""))
        self.assertTrue(verifies(keys[0].public_key, "epcisd receipt 1", signed_lines(receipt), receipt.signature))
        self.stop_cleanly(server)

    def test_epcisctl_tells_genuine_receipts_from_others(self):
        server = self.begin()
        paths = []
        for number in range(2):
            paths.append(self.folder / f"{number}.xml")
            paths[-1].write_bytes(make(events=5, seed=4730 + number, company=320 + number).data)
        receipts = self.epcisctl(server, "capture", "--json", paths[0], check=0).stdout
        self.epcisctl(server, "audit", "rotate-key", "--by", "a person", check=0)
        receipts += self.epcisctl(server, "capture", "--json", paths[1], check=0).stdout
        keys = [json.loads(line) for line in
                self.epcisctl(server, "audit", "keys", "--json", check=0).stdout.splitlines()]
        self.assertEqual([(key["first_document"], key["requested_by"]) for key in keys], [(1, ""), (2, "a person")])
        text = self.epcisctl(server, "audit", "verify-receipt", "-", stdin=receipts, check=0).stdout
        self.assertEqual(text.count(": genuine: signed by key "), 2, text)
        # Offline, by one key: the other's receipt cannot be told.
        first = receipts.splitlines()[0]
        (self.folder / "key").write_text(keys[0]["public_key"])
        nowhere = "127.0.0.1:1"
        self.epcisctl(nowhere, "audit", "verify-receipt", "--key", self.folder / "key", "-", stdin=first, check=0)
        self.epcisctl(nowhere, "audit", "verify-receipt", "--key", self.folder / "key", "-", stdin=receipts, check=3)
        pem = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[0]["public_key"])).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "pem").write_bytes(pem)
        self.epcisctl(nowhere, "audit", "verify-receipt", "--key", self.folder / "pem", "-", stdin=first, check=0)
        # A change of any member, and a position that is another key's.
        for member, value in (("document_bytes", 1), ("partner", None), ("journal_position", 2),
                              ("signature", "00" * 64), ("key_id", keys[1]["key_id"]), ("key_id", None)):
            changed = json.dumps({**json.loads(first), member: value})
            result = self.epcisctl(server, "audit", "verify-receipt", "--json", "-", stdin=changed, check=3)
            self.assertFalse(json.loads(result.stdout)["genuine"])
        for nonsense in ("", "{", '{"signature": "xy"}', "[1]", "7"):
            self.epcisctl(server, "audit", "verify-receipt", "-", stdin=nonsense, check=1)
        text = self.epcisctl(server, "audit", "checkpoints", check=0).stdout
        self.assertIn("checkpoint 1 ", text)
        self.assertIn("key ", self.epcisctl(server, "audit", "keys", check=0).stdout)
        self.epcisctl(server, "audit", "nothing", check=2)
        self.stop_cleanly(server)

    def test_refusals(self):
        server = self.begin()
        for method, request in ((self.stub.ListKeys, pb.ListKeysRequest(page_token="x")),
                                (self.stub.ListCheckpoints, pb.ListCheckpointsRequest(page_token="-1")),
                                (self.stub.RotateKey, pb.RotateKeyRequest(requested_by="x" * 201))):
            with self.assertRaises(Refused) as refused:
                self.call(method, request)
            self.assertEqual(refused.exception.code, grpc.StatusCode.INVALID_ARGUMENT.name)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
