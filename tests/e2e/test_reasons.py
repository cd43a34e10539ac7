"""Each reason that proto/errors.md lists is one that a client can meet: it is provoked here."""

import hashlib
import os
import re
import threading
import time
import uuid

import grpc
from documents import make
from harness import BUILD, PATIENCE, ROOT, Client, EndToEnd, Refused, main, wait_for
from harness import audit_pb, capture_pb, dead_letter_pb

from epcis.v1 import identity_service_pb2 as identity_pb
from epcis.v1 import identity_service_pb2_grpc as identity_grpc
from epcis.v1 import partner_service_pb2 as partner_pb
from epcis.v1 import partner_service_pb2_grpc as partner_grpc

# The package of the same name that is installed has no room for what is generated.
grpc.__path__.append(str(BUILD / "python" / "grpc"))
from google.rpc import error_details_pb2, status_pb2  # noqa: E402

PAGE = set(re.findall(r"^\| ([A-Z_]+) \| [A-Z_]+ \|", (ROOT / "proto" / "errors.md").read_text(encoding="utf-8"), re.M))
ELSEWHERE = {
    "BACKLOG_FULL": "what is left for queues without a reason of their own: today there is none",
    "INTERNAL": "a defect",
    "NEWS_PRUNED": "tests/component/test_front_queries.c",
    "NOT_READ": "tests/component/test_front_streams.c: it takes a minute of silence",
}
MIB = 1 << 20
HERE, THERE = make(events=1, company=81).partner, make(events=1, company=82).partner


def step(**fields):
    return capture_pb.CaptureStreamRequest(**fields)


def start(**fields):
    return step(start=capture_pb.CaptureStart(**fields))


def finish(data):
    return step(finish=capture_pb.CaptureFinish(length=len(data), sha256=hashlib.sha256(data).digest()))


class Reasons(EndToEnd):
    def meet(self, reason, call, *arguments, **fields):
        """The call is refused for this reason. Returns the refusal."""
        with self.assertRaises(Refused, msg=reason) as caught:
            call(*arguments, **fields)
        self.assertEqual(self.reason_of(caught.exception), reason, caught.exception)
        self.met.add(reason)
        return caught.exception

    @staticmethod
    def reason_of(refused):
        info = error_details_pb2.ErrorInfo()
        status = status_pb2.Status.FromString(refused.metadata["grpc-status-details-bin"])
        assert status.details[0].Unpack(info)
        return info.reason

    def until(self, reason, call):
        """The same call again and again is refused for this reason at last."""
        def refused():
            try:
                call()
            except Refused as caught:
                return self.reason_of(caught) == reason
            return False

        wait_for(refused, reason)
        self.met.add(reason)

    def small(self, company=81):
        self.sent += 1
        return make(events=1, seed=5000 + self.sent, company=company).data

    def flood(self, client, company=81):
        return lambda: client.capture(self.small(company))

    def send(self, client, *steps, gate=None):
        def all_steps():
            yield from steps[:-1] if gate else steps
            if gate:
                gate.wait(60 * PATIENCE)
                yield steps[-1]

        return client.call(client.captures.CaptureStream, all_steps())

    def test_each_can_be_met(self):
        self.met, self.sent = set(), 0
        for scene in (self.requests, self.uploads, self.answers, self.letters, self.partners, self.identities,
                      self.backlogs, self.full_maps, self.rules, self.stops):
            scene()
            self.family.kill()
            for server in self.servers:
                if server.process.returncode is None:
                    server.gone()
        self.assertEqual(self.met | set(ELSEWHERE), PAGE)
        self.assertFalse(self.met & set(ELSEWHERE), "these need not be excused")

    def begin(self, *options, **more):
        self.scenes = getattr(self, "scenes", 0) + 1
        return self.start(data_dir=self.folder / f"data-{self.scenes}", options=options, **more)

    def requests(self):
        server = self.begin(workers=1)
        client = server.client
        raw = client.channel.unary_unary
        self.meet("FIELD_INVALID", client.job, "42")
        self.meet("NOT_FOUND", client.job, str(uuid.uuid4()))
        self.meet("REQUEST_MALFORMED", client.call, raw("/epcis.v1.CaptureService/GetCapture"), b"\xff")
        self.meet("METHOD_UNKNOWN", client.call, raw("/epcis.v1.CaptureService/Nothing"), b"")
        self.meet("DOCUMENT_TOO_LONG", client.capture, bytes(64 * MIB + 1))
        client.metadata = [("long", "x" * 20000)]
        self.meet("METADATA_TOO_LONG", client.job, str(uuid.uuid4()))
        client.metadata = []
        receipt = client.capture(make(events=3, seed=1).data)
        client.wait(receipt.capture_id)
        silence = threading.Event()
        self.meet("MESSAGE_LATE", client.call, client.channel.stream_unary("/epcis.v1.CaptureService/GetCapture"),
                  iter(silence.wait, False))
        silence.set()
        self.meet("CAPTURE_BEGUN", client.call, client.captures.CancelCapture,
                  capture_pb.CancelCaptureRequest(capture_id=receipt.capture_id, who="w", why="y"))

    def uploads(self):
        client = self.begin(workers=0).client
        upload_id, data = str(uuid.uuid4()), os.urandom(2 * MIB)
        self.meet("STREAM_ORDER", self.send, client)
        self.meet("UPLOAD_OFFSET", self.send, client, start(upload_id=upload_id, offset=5))
        older, refusals = threading.Event(), []

        def send_older():
            try:
                self.send(client, start(upload_id=upload_id), step(piece=data[:MIB]), step(piece=data[MIB:]),
                          finish(data), gate=older)
            except Refused as refused:
                refusals.append(self.reason_of(refused))

        thread = threading.Thread(target=send_older)
        thread.start()
        asked = capture_pb.GetUploadOffsetRequest(upload_id=upload_id)

        def begun():
            try:
                return client.call(client.captures.GetUploadOffset, asked).offset >= MIB
            except Refused:
                return False

        wait_for(begun, "the older stream has sent a piece")
        self.send(client, start(upload_id=upload_id), step(piece=data[:MIB]), step(piece=data[MIB:]), finish(data))
        older.set()
        thread.join(60 * PATIENCE)
        self.assertEqual(refusals, ["UPLOAD_TAKEN"])
        self.met.add("UPLOAD_TAKEN")

        def begin_another():  # half of all that may be open are one partner's
            try:
                self.send(client, start(upload_id=str(uuid.uuid4())), step(piece=b"x"))
            except Refused as refused:
                if self.reason_of(refused) != "STREAM_ORDER":
                    raise

        self.until("UPLOADS", begin_another)
        gate, streams = threading.Event(), []

        def hold():
            try:
                self.send(client, start(), step(piece=b"x"), gate=gate)
            except Refused as refused:
                streams.append(self.reason_of(refused))

        threads = [threading.Thread(target=hold) for _ in range(200)]
        for thread in threads:
            thread.start()
        wait_for(lambda: "CALLS_FULL" in streams, "too many streams are open")
        gate.set()
        for thread in threads:
            thread.join(60 * PATIENCE)
        self.met.add("CALLS_FULL")

    def answers(self):
        """An event of 150,000 items is read, judged and kept, and too long to be told."""
        epcs = "".join(f"<epc>urn:epc:id:sgtin:9521001.010010.{10 ** 11 + i}</epc>" for i in range(150000))
        client = self.begin(workers=1).client
        receipt = client.capture((
            '<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" '
            'creationDate="2026-01-01T00:00:00Z"><EPCISBody><EventList><ObjectEvent><eventTime>2026-01-01T00:00:00Z'
            f"</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList>{epcs}</epcList><action>OBSERVE"
            "</action></ObjectEvent></EventList></EPCISBody></e:EPCISDocument>").encode())
        self.assertEqual(client.wait(receipt.capture_id).committed, 1)
        self.meet("ANSWER_TOO_LARGE", client.event, 1)

    def letters(self):
        client = self.begin(workers=1).client
        receipt = client.capture(make(events=20, seed=3, defects=0.5).data)
        client.wait(receipt.capture_id)
        letter = next(client.dead_letters(receipt.capture_id)).dead_letter_id
        discard = dead_letter_pb.DiscardDeadLetterRequest(dead_letter_id=letter, who="w", why="y")
        client.call(client.dead.DiscardDeadLetter, discard)
        self.meet("LETTER_CLOSED", client.call, client.dead.DiscardDeadLetter, discard)
        receipt = client.capture(b"no document")
        client.wait(receipt.capture_id)
        letter = next(client.dead_letters(receipt.capture_id)).dead_letter_id
        refused = self.meet("LETTER_UNFIT", client.call, client.dead.ResubmitDeadLetter,
                            dead_letter_pb.ResubmitDeadLetterRequest(dead_letter_id=letter, who="w", why="y"))
        self.assertNotIn("GetDeadLetter tells who closed it", refused.details)
        receipt = client.capture(make(events=20, seed=4, defects=0.5).data, validate_only=True)
        client.wait(receipt.capture_id)
        letter = next(client.dead_letters(receipt.capture_id)).dead_letter_id
        self.meet("LETTER_UNFIT", client.call, client.dead.DiscardDeadLetter,
                  dead_letter_pb.DiscardDeadLetterRequest(dead_letter_id=letter, who="w", why="y"))

        # A document that is sent again is refused as any other, for its own reasons.
        receipt = client.capture(make(events=20, seed=6, company=81, defects=0.5).data)
        client.wait(receipt.capture_id)
        letters = [letter.dead_letter_id for letter in client.dead_letters(receipt.capture_id)]
        partner = self.create(client, HERE, max_document_bytes=10)

        def resubmit(letter):
            client.call(client.dead.ResubmitDeadLetter, dead_letter_pb.ResubmitDeadLetterRequest(
                dead_letter_id=letter, who="w", why="y"))

        self.meet("DOCUMENT_BYTES", resubmit, letters[0])
        self.meet("DOCUMENT_BYTES", client.call, client.dead.ResubmitDeadLetters,
                  dead_letter_pb.ResubmitDeadLettersRequest(filter=dead_letter_pb.ListDeadLettersRequest(
                      capture_id=receipt.capture_id), who="w", why="y"))
        self.update(client, partner, max_document_bytes=0, max_requests_per_second=1)
        left = iter(letters)
        self.until("PARTNER_REQUESTS", lambda: resubmit(next(left)))

    @staticmethod
    def create(client, gln, **fields):
        return client.call(partner_grpc.PartnerServiceStub(client.channel).CreatePartner,
                           partner_pb.CreatePartnerRequest(
                               partner=partner_pb.TradingPartner(name="P", glns=[gln], **fields))).partner

    @staticmethod
    def update(client, partner, **fields):
        for name, value in fields.items():
            setattr(partner, name, value)
        return client.call(partner_grpc.PartnerServiceStub(client.channel).UpdatePartner,
                           partner_pb.UpdatePartnerRequest(partner=partner)).partner

    def partners(self):
        client = self.begin(workers=0).client
        partner = self.create(client, HERE, max_document_bytes=10)
        self.meet("EXISTS", self.create, client, HERE)
        self.meet("DOCUMENT_BYTES", client.capture, self.small(), HERE)
        newer = self.update(client, partner, max_document_bytes=0, max_requests_per_second=1)
        partner.version = newer.version - 1
        self.meet("VERSION_PASSED", self.update, client, partner, name="Q")
        self.until("PARTNER_REQUESTS", lambda: client.capture(self.small(), HERE))
        self.update(client, newer, max_requests_per_second=0, max_unfinished_bytes=1)
        self.meet("PARTNER_BYTES", client.capture, self.small(), HERE)

    def identities(self):
        server = self.begin("--require-identity", workers=0)
        data_dir = server.data_dir
        admin = Client(server.address, token=(data_dir / "admin.token").read_text().strip())
        stub = identity_grpc.IdentityServiceStub(admin.channel)

        def create(name, role, **fields):
            return Client(server.address, token=admin.call(stub.CreateIdentity, identity_pb.CreateIdentityRequest(
                identity=identity_pb.Identity(name=name, roles=[role], **fields))).token)

        self.meet("IDENTITY_MISSING", server.client.capture, self.small())
        self.meet("IDENTITY_UNKNOWN", Client(server.address, token="epcisd_" + "0" * 64).capture, self.small())
        server.client.metadata = [("authorization", "Basic eA==")]
        self.meet("IDENTITY_MALFORMED", server.client.capture, self.small())
        self.meet("ROLE_MISSING", create("reader", identity_pb.ROLE_READ).capture, self.small())
        own = create("own", identity_pb.ROLE_SUBMIT, partner=HERE)
        self.meet("PARTNER_NOT_OWN", own.capture, self.small(), THERE)
        brief = create("brief", identity_pb.ROLE_SUBMIT, expires_ms=int(time.time() * 1000) + 1000)
        self.until("IDENTITY_EXPIRED", self.flood(brief))
        admin.call(stub.RevokeIdentity, identity_pb.RevokeIdentityRequest(name="own"))
        self.meet("IDENTITY_CLOSED", admin.call, stub.RotateToken, identity_pb.RotateTokenRequest(name="own"))

    def backlogs(self):
        for reason, *options in (("BACKLOG_BYTES", "--high-water-bytes", 1),
                                 ("BACKLOG_DOCUMENTS", "--high-water-documents", 1),
                                 ("BACKLOG_AGE", "--max-backlog-ms", 1),
                                 ("PARTNER_SHARE", "--high-water-documents", 10),
                                 ("DISK_SPACE", "--disk-reserve-bytes", 1 << 50)):
            server = self.begin(*options, workers=0)
            self.until(reason, lambda client=server.client: client.capture(self.small(), HERE))
            server.kill()
        server = self.begin(workers=0, environment={"EPCISD_FAULT": "journal.commit:3"})
        self.meet("DISK_FAILED", self.flood(server.client))
        server.kill()
        server = self.begin(workers=0)
        receipt = server.client.capture(self.small())
        proof = audit_pb.GetInclusionProofRequest(position=audit_pb.EventPosition(capture_id=receipt.capture_id))
        self.until("OUTCOME_PENDING", lambda: server.client.call(server.client.audit.GetInclusionProof, proof))

    def full_maps(self):
        server = self.begin("--map-bytes", 16 * MIB, workers=0)
        self.until("JOURNAL_SPACE", lambda: server.client.capture(os.urandom(MIB)))
        server.kill()
        # Each document takes far less than the eighth that is kept free: one that did not fit would wait for ever.
        server = self.begin("--map-bytes", 32 * MIB, "--retain-days", 0, workers=1)
        number = iter(range(10000))

        def fill():
            server.client.wait(server.client.capture(
                make(events=150, seed=9000 + next(number), company=3000 + next(number)).data).capture_id)

        self.until("STORE_SPACE", fill)

    def rules(self):
        server = self.begin(*self.endpoints(), workers=0)
        for profile in ("epcis", "strict"):
            self.start_worker(server.data_dir, options=["--profile", profile])
        stub = server.client.audit

        def replay():
            try:
                for _ in stub.ReplayRules(audit_pb.ReplayRulesRequest(rule_pack="current"), timeout=60 * PATIENCE):
                    pass
            except grpc.RpcError as error:
                raise Refused(error) from None

        self.until("WORKERS_DIFFER", replay)

    def stops(self):
        server = self.begin(workers=0)
        watched = server.client.channel.unary_stream("/epcis.v1.AcknowledgmentService/WatchAcknowledgments")(
            b"", timeout=60 * PATIENCE)
        next(watched)
        server.process.terminate()
        with self.assertRaises(grpc.RpcError) as ended:
            list(watched)
        self.assertEqual(self.reason_of(Refused(ended.exception)), "SERVER_STOPPING")
        self.met.add("SERVER_STOPPING")
        server.gone()


if __name__ == "__main__":
    main()
