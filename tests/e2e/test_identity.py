"""Who calls, what each role may do, and that a trading partner sees and sends only what is its own."""

import json
import re
import time

import grpc
from documents import make
from harness import PATIENCE, ROOT, Client, EndToEnd, Refused, main, wait_for
from harness import capture_pb, dead_letter_pb, trace_pb

from epcis.v1 import acknowledgment_service_pb2 as ack_pb
from epcis.v1 import acknowledgment_service_pb2_grpc as ack_grpc
from epcis.v1 import identity_service_pb2 as identity_pb
from epcis.v1 import identity_service_pb2_grpc as identity_grpc
from epcis.v1 import master_data_service_pb2 as master_pb
from epcis.v1 import master_data_service_pb2_grpc as master_grpc
from epcis.v1 import partner_service_pb2 as partner_pb
from epcis.v1 import partner_service_pb2_grpc as partner_grpc

ROLES = {"submit": identity_pb.ROLE_SUBMIT, "read": identity_pb.ROLE_READ,
         "operate": identity_pb.ROLE_OPERATE, "audit": identity_pb.ROLE_AUDIT,
         "admin": identity_pb.ROLE_ADMIN}
MAY = {"NOTHING": set(ROLES), "SUBMIT": {"submit", "admin"}, "READ": {"read", "operate", "audit", "admin"},
       "OPERATE": {"operate", "admin"}, "AUDIT": {"audit", "admin"}, "ADMIN": {"admin"}}
# What no change may loosen; every method has to declare something.
STRICT = {"IdentityService/": "ADMIN", "PartnerService/": "OPERATE", "/ResubmitDeadLetter": "OPERATE",
          "/DiscardDeadLetter": "OPERATE", "CaptureService/Capture": "SUBMIT", "/PutMasterData": "SUBMIT",
          "TraceService/": "READ", "/GetCapture": "READ"}


def declared_needs():
    """What server/front says of each method."""
    found = {}
    for path in (ROOT / "server" / "front").glob("*.c"):
        for method, need in re.findall(r'\.path = "([^"]+)",\s+\.need = NEED_(\w+)', path.read_text()):
            found[method] = need
    return found


def proto_methods():
    """(path, client streams, server streams) of all in proto/epcis/v1."""
    for path in sorted((ROOT / "proto" / "epcis" / "v1").glob("*.proto")):
        text = path.read_text()
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            for name, sends, answers in re.findall(r"rpc (\w+)\((stream )?[\w.]+\) returns \((stream )?", body):
                yield f"/epcis.v1.{service}/{name}", bool(sends), bool(answers)


class Identity(EndToEnd):
    def start_strict(self, **more):
        server = self.start(options=["--require-identity", *more.pop("options", [])], **more)
        self.admin_token = (self.data_dir / "admin.token").read_text().strip()
        self.admin = self.client(server, self.admin_token)
        self.identities = identity_grpc.IdentityServiceStub(self.admin.channel)
        return server

    def client(self, server, token):
        client = Client(server.address, token=token)
        self.addCleanup(client.close)
        return client

    def create(self, name, *roles, **fields):
        """The new token."""
        identity = identity_pb.Identity(name=name, roles=[ROLES[role] for role in roles], **fields)
        return self.admin.call(self.identities.CreateIdentity,
                               identity_pb.CreateIdentityRequest(identity=identity, who="tester")).token

    def refused(self, code, call, *arguments, **more):
        with self.assertRaises(Refused) as caught:
            call(*arguments, **more)
        self.assertEqual(caught.exception.code, code, caught.exception.details)
        return caught.exception.details

    # ---- who it is

    def test_without_a_good_token_nothing_goes(self):
        server = self.start_strict(workers=1)
        document = make(events=5, seed=4000, company=400).data
        soon = self.create("soon", "submit", expires_ms=int(time.time() * 1000) + 1000)
        gone = self.create("gone", "submit")
        good = self.create("good", "submit")
        self.admin.call(self.identities.RevokeIdentity, identity_pb.RevokeIdentityRequest(name="gone"))
        self.refused("UNAUTHENTICATED", server.client.capture, document)
        for token in ("epcisd_" + "0" * 64, "x", "", "URI:x", good[:-1], good + "0", good.upper()):
            details = self.refused("UNAUTHENTICATED", self.client(server, token or " ").capture, document)
            self.assertNotIn(token or "Bearer  ", details)
        unknown = self.refused("UNAUTHENTICATED", self.client(server, "epcisd_" + "0" * 64).capture, document)
        self.assertEqual(self.refused("UNAUTHENTICATED", self.client(server, gone).capture, document), unknown,
                         "a revoked token looks like none")
        for headers in ([("authorization", "Basic " + good)], [("authorization", good)],
                        [("authorization", f"Bearer {good}")] * 2, [("authorization", "Bearer " + "x" * 5000)]):
            client = self.client(server, None)
            client.metadata = headers
            self.refused("UNAUTHENTICATED", client.capture, document)
        expiring = self.client(server, soon)

        def expired():
            try:
                expiring.capture(document)
                return None
            except Refused as error:
                return error

        error = wait_for(expired, "the token expires")
        self.assertEqual((error.code, "expired" in error.details), ("UNAUTHENTICATED", True))
        self.client(server, good).capture(document)
        lower = self.client(server, None)
        lower.metadata = [("authorization", f"bearer  {good}")]
        self.assertTrue(lower.capture(document).duplicate_document)
        wait_for(lambda: "event=caller_refused" in server.log, "refusals are logged")
        for secret in (soon, gone, good, self.admin_token):
            self.assertNotIn(secret[7:], server.log)
        self.stop_cleanly(server)

    def test_tokens_are_made_rotated_and_revoked_by_command(self):
        server = self.start_strict(workers=0)
        token_file = self.data_dir / "admin.token"
        self.assertEqual(token_file.stat().st_mode & 0o777, 0o600)

        def ctl(*arguments, token=token_file, check=0):
            return self.epcisctl(server, "--token-file", token, "tokens", *arguments, check=check)

        first = self.folder / "first.token"
        first.write_text(ctl("create", "erp", "--roles", "submit,read").stdout)
        self.assertRegex(first.read_text(), r"^epcisd_[0-9a-f]{64}\n$")
        self.assertIn("PERMISSION_DENIED", ctl("list", token=first, check=1).stderr)
        second = self.folder / "second.token"
        second.write_text(ctl("rotate", "erp", "--overlap-hours", "1").stdout)
        for token in (first, second):
            self.assertIn("NOT_FOUND", self.epcisctl(
                server, "--token-file", token, "status", "01890000-0000-7000-8000-000000000000", check=1).stderr)
        ctl("rotate", "erp", token=token_file)
        for token in (first, second):
            self.assertIn("UNAUTHENTICATED", ctl("list", token=token, check=1).stderr)
        self.assertIn("revoked", ctl("revoke", "erp", "--by", "desk").stdout)
        shown = {row["name"]: row for row in map(json.loads, ctl("list", "--json").stdout.splitlines())}
        self.assertEqual(sorted(shown), ["admin", "erp"])
        self.assertEqual((shown["erp"]["revoked_by"], shown["erp"]["token"]), ("admin (desk)", None))
        self.assertTrue(shown["erp"]["last_used"] and shown["admin"]["last_used"])
        self.assertIn("ALREADY_EXISTS", ctl("create", "erp", "--roles", "read", check=1).stderr)
        self.assertIn("--token-file", self.epcisctl(server, "tokens", check=1).stderr)
        elsewhere = self.epcisctl("192.0.2.1:9", "--token-file", token_file, "tokens", check=2)
        self.assertIn("plain text", elsewhere.stderr)
        self.stop_cleanly(server)

        admin = token_file.read_text()
        again = self.start(workers=0, options=["--require-identity"])
        self.assertEqual(token_file.read_text(), admin, "made once")
        self.epcisctl(again, "--token-file", token_file, "tokens", check=0)
        self.stop_cleanly(again)
        open_again = self.start(workers=0)
        self.assertEqual(len(self.epcisctl(open_again, "tokens", "--json", check=0).stdout.splitlines()), 2)
        self.refused("UNAUTHENTICATED", self.client(open_again, "epcisd_" + "0" * 64).job, "x")
        self.stop_cleanly(open_again)

    # ---- what they may

    def test_every_method_asks_for_the_role_it_declares(self):
        server = self.start_strict(workers=0)
        needs, methods = declared_needs(), list(proto_methods())
        for path, need in needs.items():
            for part, wanted in STRICT.items():
                if part in path:
                    self.assertEqual(need, wanted, path)
        channels = {role: self.client(server, self.create(f"only-{role}", role)) for role in ROLES}
        wrong = []
        for path, sends, answers in methods:
            if path not in needs:  # nor is it served
                self.assertEqual(self.ask(self.admin, path, sends, answers), grpc.StatusCode.UNIMPLEMENTED, path)
                continue
            for role, client in channels.items():
                allowed = role in MAY[needs[path]]
                if allowed and answers:
                    continue  # would go on
                code = self.ask(client, path, sends, answers)
                self.assertNotEqual(code, grpc.StatusCode.UNAUTHENTICATED, path)
                if (code == grpc.StatusCode.PERMISSION_DENIED) == allowed:
                    wrong.append(f"{path} as {role}: {code}")
        self.assertEqual(wrong, [])
        self.assertGreater(len(set(needs) & {path for path, _, _ in methods}), 20)
        health = self.ask(self.client(server, None), "/grpc.health.v1.Health/Check", False, False)
        self.assertEqual(health, grpc.StatusCode.OK)
        self.stop_cleanly(server)

    @staticmethod
    def ask(client, path, sends, answers):
        """The status with which an empty request ends."""
        kind = ("stream" if sends else "unary") + "_" + ("stream" if answers else "unary")
        method = getattr(client.channel, kind)(path)
        request = iter([b""]) if sends else b""
        try:
            answer = method(request, timeout=60 * PATIENCE, metadata=client.metadata)
            if answers:
                list(answer)
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()

    # ---- whose it is

    def test_a_partner_sees_and_sends_only_its_own(self):
        server = self.start_strict(workers=2)
        mine = make(events=60, defects=0.2, seed=4100, company=410)
        theirs = make(events=60, defects=0.2, seed=4200, company=420)
        other_gln = "0614141000012"
        partners = partner_grpc.PartnerServiceStub(self.admin.channel)
        record = partner_pb.TradingPartner(name="Mine", glns=[mine.partner, other_gln])
        made = self.admin.call(partners.CreatePartner, partner_pb.CreatePartnerRequest(
            partner=record, changed_by="tester")).partner
        change = self.admin.call(partners.GetPartner, partner_pb.GetPartnerRequest(
            partner_id=made.partner_id)).changes[0]
        self.assertEqual(change.changed_by, "admin (tester)")
        a = self.client(server, self.create("a", "submit", "read", partner=mine.partner))
        b = self.client(server, self.create("b", "submit", "read", partner=theirs.partner))

        self.refused("PERMISSION_DENIED", a.capture, mine.data, partner=theirs.partner)
        first = a.capture(mine.data)
        self.assertEqual(first.partner, mine.partner)
        under_other = a.capture(make(events=5, seed=4150, company=410).data, partner=other_gln)
        foreign = b.capture(theirs.data)
        captures = {receipt.capture_id: self.admin.wait(receipt.capture_id)
                    for receipt in (first, under_other, foreign)}
        self.assertEqual(captures[first.capture_id].sent_by, "a")

        # Captures: another's looks like none.
        a.job(first.capture_id)
        a.job(under_other.capture_id)
        nobody = "01890000-0000-7000-8000-000000000000"
        for ask in (a.job, lambda capture_id: self.events(a, capture_id=capture_id)):
            details = self.refused("NOT_FOUND", ask, foreign.capture_id)
            self.assertEqual(details.replace(foreign.capture_id, nobody), self.refused("NOT_FOUND", ask, nobody))

        # Dead letters.
        self.assertGreater(captures[foreign.capture_id].dead_letters, 0)
        everything = list(self.admin.dead_letters())
        own = {letter.dead_letter_id for letter in everything if letter.partner in (mine.partner, other_gln)}
        self.assertEqual({letter.dead_letter_id for letter in a.dead_letters(page_size=3)}, own)
        self.assertEqual(list(a.dead_letters(foreign.capture_id)), [])
        self.check_letter_pages(a, [letter for letter in everything if letter.dead_letter_id in own],
                                {reason.code for letter in everything for reason in letter.reasons})
        not_own = next(letter.dead_letter_id for letter in everything if letter.dead_letter_id not in own)
        self.refused("NOT_FOUND", a.dead_letter, not_own)
        a.dead_letter(next(iter(own)))
        self.refused("PERMISSION_DENIED", a.call, a.dead.DiscardDeadLetter,
                     dead_letter_pb.DiscardDeadLetterRequest(dead_letter_id=not_own, who="a", why="b"))
        self.admin.call(self.admin.dead.DiscardDeadLetter, dead_letter_pb.DiscardDeadLetterRequest(
            dead_letter_id=not_own, who="Ann", why="tested"))
        self.assertEqual(self.admin.dead_letter(not_own).changes[0].who, "admin (Ann)")

        self.check_events(a, b, mine, first.capture_id, under_other.capture_id, foreign.capture_id)
        self.check_acknowledgments(a, {first.capture_id, under_other.capture_id}, foreign)
        self.check_master_data(server, a, b)
        self.stop_cleanly(server)

    def check_letter_pages(self, client, own, codes, size=2):
        """Pages and their ends are as if nobody else had dead letters."""
        for code in ("", *codes):
            expected = [[]]
            for letter in own:
                if len(expected[-1]) == size:
                    expected.append([])
                if not code or code in [reason.code for reason in letter.reasons]:
                    expected[-1].append(letter.dead_letter_id)
            pages, token = [], ""
            while token or not pages:
                page = client.call(client.dead.ListDeadLetters, dead_letter_pb.ListDeadLettersRequest(
                    code=code, page_size=size, page_token=token))
                pages.append([letter.dead_letter_id for letter in page.dead_letters])
                token = page.next_page_token
            self.assertEqual(pages, expected)

    def events(self, client, **selection):
        return [entry.capture_id for entry in client.call(
            client.traces.ListEvents, trace_pb.ListEventsRequest(**selection)).events]

    def check_events(self, a, b, mine, first, under_other, foreign):
        everything = self.admin.all_events()
        own = [sequence for sequence, event in enumerate(everything, 1) if event[0] in (first, under_other)]
        self.assertTrue(0 < len(own) < len(everything))
        for sequence in range(1, len(everything) + 1):
            if sequence in own:
                a.event(sequence)
            else:
                self.refused("NOT_FOUND", a.event, sequence)
        epc = self.admin.event(own[0]).event.epc_list[0]
        whole, _ = self.admin.item(epc)
        state, history = a.item(epc)
        self.assertEqual((state.epc, state.gtin, state.serial), (whole.epc, whole.gtin, whole.serial))
        self.assertEqual((state.status, state.holder, state.lot), ("", "", ""))
        self.assertTrue(history)
        details = self.refused("NOT_FOUND", b.item, epc)
        self.assertEqual(details.replace(epc, "X"), self.refused("NOT_FOUND", b.item, epc + "9").replace(epc + "9", "X"))

        self.assertEqual(details, self.refused("NOT_FOUND", b.call, b.traces.GetItemHistory,
                                               trace_pb.GetItemHistoryRequest(epc=epc, page_token="0002")))

        # A container that the partner packed, and what somebody else adds to it.
        packed = next(event for event in mine.events if event.parent and self.known(event.parent))
        items = self.contents(self.admin, packed.parent)
        self.assertTrue(items)
        self.assertEqual(self.contents(a, packed.parent), items)
        self.refused("NOT_FOUND", self.contents, b, packed.parent)
        self.refused("NOT_FOUND", b.call, b.traces.GetContainers, trace_pb.GetContainersRequest(epc=items[0]))
        inside = a.call(a.traces.GetContainers, trace_pb.GetContainersRequest(epc=items[0])).containers
        self.assertTrue(inside)

        place = next(event for event in (self.admin.event(sequence).event for sequence in own)
                     if event.biz_location.id or event.read_point.id)
        gln = place.biz_location.id or place.read_point.id
        self.assertEqual(set(self.events(a, gln=gln)) - {first, under_other}, set())
        self.assertTrue(self.events(a, gln=gln))
        self.assertNotIn(foreign, self.events(a, gln=gln))

    def known(self, epc):
        try:
            self.contents(self.admin, epc)
            return True
        except Refused:
            return False

    @staticmethod
    def contents(client, epc):
        return [item.epc for item in client.call(client.traces.GetContents,
                                                 trace_pb.GetContentsRequest(epc=epc)).items]

    def check_acknowledgments(self, a, own, foreign):
        watch = ack_grpc.AcknowledgmentServiceStub(a.channel).WatchAcknowledgments

        def first(**request):
            call = watch(ack_pb.WatchAcknowledgmentsRequest(cursor="begin", **request), metadata=a.metadata,
                         timeout=30 * PATIENCE)
            try:
                return next(call).acknowledgments
            finally:
                call.cancel()

        self.assertEqual({told.capture_id for told in first()}, own)
        for wrong in ({"capture_id": foreign.capture_id}, {"partner": foreign.partner}):
            with self.assertRaises(grpc.RpcError) as caught:
                first(**wrong)
            self.assertEqual(caught.exception.code().name, "NOT_FOUND")

    def check_master_data(self, server, a, b):
        kind, thing = "urn:example:kind", "urn:example:thing"
        element = {"type": kind, "id": thing}
        stubs = {client: master_grpc.MasterDataServiceStub(client.channel) for client in (a, b, self.admin)}

        def get(client):
            return client.call(stubs[client].GetMasterData, master_pb.GetMasterDataRequest(type=kind, id=thing))

        def count(client):
            return len(client.call(stubs[client].ListMasterData,
                                   master_pb.ListMasterDataRequest(type_prefix=kind)).master_data)

        def put(client, colour):
            request = master_pb.PutMasterDataRequest(elements=[element])
            request.elements[0].attributes.add(id="urn:example:colour", value=colour)
            receipt = client.call(stubs[client].PutMasterData, request).receipt
            self.admin.wait(receipt.capture_id)

        put(a, "red")
        self.assertEqual((count(a), count(b)), (1, 0))
        self.refused("NOT_FOUND", get, b)
        self.refused("NOT_FOUND", b.call, stubs[b].GetMasterData,
                     master_pb.GetMasterDataRequest(type=kind, id=thing, page_token="1"))
        put(b, "blue")
        self.assertEqual(get(self.admin).current.version, 2)
        self.assertEqual((count(a), count(b)), (0, 1))
        self.assertEqual((get(b).current.version, len(get(b).older)), (2, 0))
        seen = get(a)
        self.assertEqual((seen.HasField("current"), [old.version for old in seen.older]), (False, [1]))

    def test_a_sender_in_the_header_that_is_not_the_caller_is_found(self):
        server = self.start_strict(workers=1)
        document = make(events=10, seed=4300, company=430)
        gln = "0614141000012"
        caller = self.client(server, self.create("caller", "submit", "read", partner=gln))
        anybody = self.client(server, self.create("anybody", "submit", "read"))
        capture = caller.wait(caller.capture(document.data).capture_id)
        self.assertEqual((capture.dead_letters, capture.receipt.partner), (10, gln))
        letter = next(caller.dead_letters(capture.receipt.capture_id))
        self.assertIn("PARTNER_MISMATCH", [reason.code for reason in letter.reasons])
        server.kill()
        self.family.kill()
        again = self.start(workers=1, options=["--require-identity"])
        anybody = self.client(again, anybody.metadata[0][1].split()[1])
        capture = anybody.wait(anybody.capture(document.data).capture_id)
        self.assertEqual((capture.committed, capture.sent_by), (10, "anybody"))
        self.stop_cleanly(again)


if __name__ == "__main__":
    main()
