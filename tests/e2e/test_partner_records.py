"""Records of trading partners: kept for good, and what their events are judged by."""

import json
import re
import subprocess
import time

from documents import Flow, check_digit, make, makes_items, serialise
from harness import BIN, EndToEnd, Refused, main, state_name, store_url, wait_for
from epcis.v1 import partner_service_pb2 as pb
from epcis.v1 import partner_service_pb2_grpc

UNKNOWN_ID = "0197c3a2-5b1e-7c44-9d0f-3f6a8f1f2b10"
PARTNER_KEYS = ["partner_id", "name", "glns", "company_prefixes", "profile", "overrides", "contact",
                "max_document_bytes", "max_requests_per_second", "max_unfinished_bytes", "max_events_per_second", "active",
                "created_ms", "updated_ms", "version"]
CHANGE_KEYS = ["changed_ms", "changed_by", "action", "fields", "version_before", "version_after"]


def gln(number):
    digits = f"9529999{number:05d}"
    return digits + check_digit(digits)


def document(company, instance="one", events=5):
    """Commissioning events without a lot (LOT_EXPIRY_MISSING), and without a header that names a sender."""
    whole = [event for event in make(events=20 * events, company=company, seed=company).events if makes_items(event)]
    for event in whole:
        event.lot = ""
    data = serialise(whole[:events], Flow(1, company, 5), instance)
    return re.sub(rb"<EPCISHeader>.*</EPCISHeader>", b"", data, flags=re.DOTALL)


class Register:
    """The service, with less to write."""

    def __init__(self, server):
        self.client = server.client
        self.stub = partner_service_pb2_grpc.PartnerServiceStub(server.client.channel)

    def create(self, name, *glns, changed_by="tester", **fields):
        record = pb.TradingPartner(name=name, glns=glns, **fields)
        request = pb.CreatePartnerRequest(partner=record, changed_by=changed_by)
        return self.client.call(self.stub.CreatePartner, request).partner

    def answer(self, partner_id="", number=""):
        return self.client.call(self.stub.GetPartner, pb.GetPartnerRequest(partner_id=partner_id, gln=number))

    def get(self, partner_id):
        return self.answer(partner_id).partner

    def update(self, partner, changed_by="tester"):
        request = pb.UpdatePartnerRequest(partner=partner, changed_by=changed_by)
        return self.client.call(self.stub.UpdatePartner, request).partner

    def deactivate(self, partner_id, version=0):
        request = pb.DeactivatePartnerRequest(partner_id=partner_id, version=version, changed_by="tester")
        return self.client.call(self.stub.DeactivatePartner, request).partner

    def list(self, page_size=0):
        token, found = "", []
        while True:
            page = self.client.call(self.stub.ListPartners,
                                    pb.ListPartnersRequest(page_size=page_size, page_token=token))
            found += page.partners
            token = page.next_page_token
            if not token:
                return found


class PartnerRecords(EndToEnd):
    def assert_refused(self, code, call, *arguments, **fields):
        with self.assertRaises(Refused) as caught:
            call(*arguments, **fields)
        self.assertEqual(caught.exception.code, code, caught.exception.details)
        return caught.exception.details

    def judge(self, server, data, partner):
        """(counts, codes of the dead letters by event, codes of the warnings in the capture)."""
        receipt = server.client.capture(data, partner=partner)
        self.assertEqual(receipt.partner, partner)
        capture = server.client.wait(receipt.capture_id)
        self.assertEqual(state_name(capture), "done")
        self.assert_sums(capture)
        letters = {letter.event_index: [reason.code for reason in letter.reasons]
                   for letter in server.client.dead_letters(receipt.capture_id)}
        return capture, letters

    def warnings(self, server, capture):
        found = []
        for sequence, (capture_id, index, _) in enumerate(server.client.all_events(), 1):
            if capture_id == capture.receipt.capture_id:
                found += [(index, warning.code) for warning in server.client.event(sequence).warnings]
        return found

    def refused(self, server, company):
        """How a new document is refused, None where it is taken."""
        self.sent += 1
        try:
            server.client.capture(make(events=50, seed=7900 + self.sent, company=company).data)
        except Refused as refused:
            self.assertEqual(refused.code, "RESOURCE_EXHAUSTED", refused)
            return refused
        return None

    def test_a_partner_may_send_so_many_documents_a_second(self):
        self.sent = 0
        server = self.start(workers=1)
        Register(server).create("Busy", make(events=1, company=81).partner, max_requests_per_second=1)
        refused = wait_for(lambda: self.refused(server, 81), "one is too many")
        self.assertIn("max_requests_per_second", refused.details)
        self.assertLessEqual(int(refused.metadata["retry-after-ms"]), 1001)
        for _ in range(5):
            self.assertIsNone(self.refused(server, 82), "another partner is not concerned")
        wait_for(lambda: not self.refused(server, 81), "the next one's time comes")
        self.assertIn("reason=PARTNER_REQUESTS", server.log)

    def test_a_partner_may_have_so_much_unfinished(self):
        self.sent = 0
        server = self.start(workers=0, options=self.endpoints())
        Register(server).create("Much", make(events=1, company=81).partner, max_unfinished_bytes=1)
        self.assertIsNone(self.refused(server, 81), "nothing of its own is unfinished")
        self.assertIn("max_unfinished_bytes", self.refused(server, 81).details)
        self.assertIsNone(self.refused(server, 82), "another partner is not concerned")
        self.assertEqual(server.terminate(), 0)
        server = self.start(workers=0, options=self.endpoints())
        self.assertIn("max_unfinished_bytes", self.refused(server, 81).details, "what is unfinished is known again")
        self.start_worker()
        wait_for(lambda: not self.refused(server, 81), "it is finished")

    def test_a_partner_s_events_are_read_so_fast(self):
        server = self.start(workers=1)
        first, second = (make(events=100, seed=7990 + n, company=81) for n in range(2))
        Register(server).create("Steady", first.partner, max_events_per_second=100)
        begun = time.monotonic()
        receipts = [server.client.capture(document.data) for document in (first, second)]
        free = server.client.capture(make(events=100, seed=7995, company=82).data)
        self.assertEqual(server.client.wait(free.capture_id).events, 100)
        for receipt in receipts:
            self.assertEqual(server.client.wait(receipt.capture_id).events, 100)
        self.assertGreater(time.monotonic() - begun, 0.99, "the second waited for the first one's second to pass")

    def test_a_document_may_be_too_long_for_its_partner(self):
        short, long = make(events=5, seed=7801, company=78), make(events=400, seed=7802, company=78)
        server = self.start(workers=1)
        register = Register(server)
        partner = register.create("Small", short.partner, max_document_bytes=2 * len(short.data))
        self.assertGreater(len(long.data), partner.max_document_bytes)
        for given in ("", short.partner):  # the header names it, or the caller
            with self.assertRaises(Refused) as caught:
                server.client.capture(long.data, partner=given)
            self.assertEqual(caught.exception.code, "RESOURCE_EXHAUSTED")
            self.assertIn("max_document_bytes", caught.exception.details)
        self.assertEqual(server.client.wait(server.client.capture(short.data).capture_id).committed, 5)
        partner.max_document_bytes = 0
        self.assertEqual(list(register.answer(register.update(partner).partner_id).changes[0].fields),
                         ["max_document_bytes"])
        receipt = server.client.capture(long.data)
        self.assertFalse(receipt.duplicate_document, "what was refused was not kept")
        self.assertEqual(server.client.wait(receipt.capture_id).committed, 400)
        self.stop_cleanly(server)

    def test_a_record_is_made_read_changed_and_listed(self):
        server = self.start(workers=0)
        register = Register(server)
        self.assertEqual(register.list(), [])
        made = register.create("Sample Pharma", gln(1), gln(2), company_prefixes=["9529999"],
                               profile=pb.RULE_PROFILE_STRICT, overrides={"BT_GLN": pb.RULE_SEVERITY_OFF},
                               contact=pb.PartnerContact(name="Ann", email="ann@pharma.example", phone="1"))
        self.assertTrue(made.active)
        self.assertEqual(made.version, 1)
        self.assertGreater(made.created_ms, 0)
        self.assertEqual(register.get(made.partner_id), made)
        self.assertEqual(register.answer(number=gln(2)).partner, made)

        changed = pb.TradingPartner()
        changed.CopyFrom(made)
        changed.name = "Sample Pharma Inc."
        changed.overrides["SERIAL_FORMAT"] = pb.RULE_SEVERITY_WARN
        changed = register.update(changed, changed_by="bob")
        self.assertEqual((changed.version, changed.created_ms), (2, made.created_ms))
        self.assertIn("version", self.assert_refused("ABORTED", register.update, made))
        details = self.assert_refused("ALREADY_EXISTS", register.create, "Other", gln(3), gln(1))
        self.assertIn(made.partner_id, details)
        self.assertIn(gln(1), details)
        self.assert_refused("INVALID_ARGUMENT", register.create, "Other", gln(3)[:-1] + "x")
        self.assert_refused("INVALID_ARGUMENT", register.create, "Other")
        self.assert_refused("INVALID_ARGUMENT", register.create, "Other", gln(3), overrides={"no-code": 1})
        self.assert_refused("INVALID_ARGUMENT", register.get, "42")
        self.assert_refused("INVALID_ARGUMENT", register.answer)
        self.assert_refused("INVALID_ARGUMENT", register.answer, UNKNOWN_ID, gln(1))
        self.assert_refused("NOT_FOUND", register.get, UNKNOWN_ID)
        self.assert_refused("NOT_FOUND", register.deactivate, UNKNOWN_ID)
        self.assert_refused("NOT_FOUND", register.answer, number=gln(3))

        off = register.deactivate(made.partner_id, version=2)
        self.assertEqual((off.active, off.version), (False, 3))
        off.active = True
        self.assertTrue(register.update(off).active)
        history = register.answer(made.partner_id).changes
        self.assertEqual([pb.PartnerAction.Name(change.action).removeprefix("PARTNER_ACTION_") for change in history],
                         ["REACTIVATED", "DEACTIVATED", "UPDATED", "CREATED"])
        self.assertEqual((history[2].changed_by, list(history[2].fields)), ("bob", ["name", "overrides"]))
        self.assertEqual([(change.version_before, change.version_after) for change in history],
                         [(3, 4), (2, 3), (1, 2), (0, 1)])

        ids = [made.partner_id] + [register.create(f"Partner {n}", gln(n)).partner_id for n in range(10, 35)]
        listed = [partner.partner_id for partner in register.list(page_size=7)]
        self.assertEqual(listed, sorted(listed))
        self.assertEqual(sorted(listed), sorted(ids))
        request = pb.ListPartnersRequest(page_token="none of ours")
        self.assert_refused("INVALID_ARGUMENT", server.client.call, register.stub.ListPartners, request)
        self.stop_cleanly(server)

    def test_a_large_record_comes_back_whole(self):
        server = self.start(workers=0)
        register = Register(server)
        overrides = {f"A_RULE_WITH_A_CODE_AS_LONG_AS_MAY_BE_{n:03d}": pb.RULE_SEVERITY_WARN for n in range(128)}
        made = register.create("n" * 200, *map(gln, range(256)), overrides=overrides,
                               company_prefixes=[f"{n:012d}" for n in range(256)])
        read = register.get(made.partner_id)
        self.assertEqual(list(read.glns), [gln(n) for n in range(256)])
        self.assertEqual(dict(read.overrides), overrides)
        self.assertEqual(len(read.company_prefixes), 256)
        self.assert_refused("INVALID_ARGUMENT", register.create, "x", *map(gln, range(300, 557)))
        self.stop_cleanly(server)

    def test_one_document_is_judged_as_each_partner_is_to_be(self):
        server = self.start(workers=1)
        register = Register(server)
        register.create("By the rules", gln(1))
        register.create("With patience", gln(2), overrides={"LOT_EXPIRY_MISSING": pb.RULE_SEVERITY_WARN,
                                                            "NO_SUCH_RULE": pb.RULE_SEVERITY_OFF})
        register.create("By EPCIS alone", gln(3), profile=pb.RULE_PROFILE_EPCIS)
        data = document(company=7000)
        capture, letters = self.judge(server, data, gln(1))
        self.assertEqual(capture.dead_letters, 5)
        self.assertEqual(letters, {index: ["LOT_EXPIRY_MISSING"] for index in range(5)})
        capture, letters = self.judge(server, data, gln(2))
        self.assertEqual((capture.committed, letters), (5, {}))
        warnings = self.warnings(server, capture)
        for index in range(5):
            self.assertIn((index, "LOT_EXPIRY_MISSING"), warnings)
        self.assertNotIn("PARTNER_UNKNOWN", [code for _, code in warnings])
        self.assertIn("NO_SUCH_RULE", server.log)
        capture, letters = self.judge(server, document(company=7010), gln(3))
        self.assertEqual((capture.committed, letters), (5, {}))
        self.assertNotIn("LOT_EXPIRY_MISSING", [code for _, code in self.warnings(server, capture)])
        self.stop_cleanly(server)

    def test_an_unknown_partner_is_told_once_a_document(self):
        server = self.start(workers=1, options=["--batch-max-events", 10])
        sound = make(events=35, company=7100, seed=71)
        capture, letters = self.judge(server, sound.data, sound.partner)
        self.assertEqual(letters, {})
        unknown = [entry for entry in self.warnings(server, capture) if entry[1] == "PARTNER_UNKNOWN"]
        self.assertEqual(unknown, [(0, "PARTNER_UNKNOWN")])
        Register(server).create("Sample Pharma", make(events=1, company=7110).partner)
        known = make(events=35, company=7110, seed=72)
        capture, _ = self.judge(server, known.data, known.partner)
        self.assertNotIn("PARTNER_UNKNOWN", [code for _, code in self.warnings(server, capture)])
        self.stop_cleanly(server)

    def test_the_workers_own_profile_judges_where_no_record_names_one(self):
        server = self.start(workers=0, options=self.endpoints())
        with open(self.folder / "worker-strict.log", "wb") as log:
            worker = subprocess.Popen(
                [str(BIN / "epcis-worker"), *self.endpoints(), "--store", store_url(self.data_dir), "--profile", "strict"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.family.environment)
        self.addCleanup(self.reap, worker)
        register = Register(server)
        register.create("By EPCIS alone", gln(1), profile=pb.RULE_PROFILE_EPCIS)
        register.create("As the worker likes", gln(2))
        data = document(company=7300)
        _, letters = self.judge(server, data, gln(3))
        self.assertEqual([codes[0] for _, codes in sorted(letters.items())], ["PARTNER_UNKNOWN"] * 5)
        _, letters = self.judge(server, data, gln(2))
        self.assertEqual(len(letters), 5)
        for codes in letters.values():
            self.assertIn("LOT_EXPIRY_MISSING", codes)
            self.assertNotIn("PARTNER_UNKNOWN", codes)
        capture, letters = self.judge(server, data, gln(1))
        self.assertEqual((capture.committed, letters), (5, {}))
        self.reap(worker)
        self.stop_cleanly(server)

    def test_a_deactivated_partner_sends_nothing_more_until_it_is_active_again(self):
        server = self.start(workers=1)
        register = Register(server)
        first, second, third = (make(events=12, company=7200, seed=73, instance=f"part-{n}") for n in range(3))
        made = register.create("Sample Pharma", first.partner)
        capture, _ = self.judge(server, first.data, first.partner)
        self.assertEqual(capture.committed, 12)
        register.deactivate(made.partner_id)
        capture, letters = self.judge(server, second.data, second.partner)
        self.assertEqual(capture.dead_letters, 12)
        self.assertEqual({codes[0] for codes in letters.values()}, {"PARTNER_INACTIVE"})
        other = make(events=12, company=7210, seed=74)
        capture, letters = self.judge(server, other.data, other.partner)
        self.assertEqual((capture.committed, letters), (12, {}), "others go on")

        self.stop_cleanly(server)
        server = self.start(workers=1)
        register = Register(server)
        again = register.get(made.partner_id)
        self.assertFalse(again.active)
        capture, letters = self.judge(server, make(events=12, company=7200, seed=75).data, first.partner)
        self.assertEqual(capture.dead_letters, 12, "after a restart, too")
        again.active = True
        register.update(again)
        capture, letters = self.judge(server, third.data, third.partner)
        self.assertEqual((capture.duplicates, letters), (12, {}))
        self.stop_cleanly(server)

    def test_what_was_answered_survives_kill_9(self):
        server = self.start(workers=0)
        made = []
        for n in range(5):
            made.append(Register(server).create(f"Partner {n}", gln(n), overrides={"BT_GLN": 1}))
            server.kill()
            server = self.start(workers=0)
        register = Register(server)
        self.assertEqual(register.list(), sorted(made, key=lambda partner: partner.partner_id))
        gone = register.deactivate(made[2].partner_id)
        server.kill()
        server = self.start(workers=0)
        register = Register(server)
        self.assertEqual(register.get(made[2].partner_id), gone)
        self.assertEqual(len(register.answer(made[2].partner_id).changes), 2)
        self.assert_refused("ALREADY_EXISTS", register.create, "Other", gln(2))
        self.stop_cleanly(server)

    def ctl(self, server, *arguments, check=0):
        """What `epcisctl partners` prints as JSON: one object a line."""
        result = self.epcisctl(server, "partners", *arguments, "--json", check=check)
        return [json.loads(line) for line in result.stdout.splitlines()] if check == 0 else result.stderr

    def test_epcisctl_keeps_the_register(self):
        server = self.start(workers=0)
        self.assertEqual(self.ctl(server), [])
        made, = self.ctl(server, "create", "--name", "Sample Pharma", "--glns", f"{gln(1)},{gln(2)}", "--prefixes",
                         "9529999", "--profile", "strict", "--overrides", "BT_GLN=off,SERIAL_FORMAT=warn",
                         "--contact-email", "ann@pharma.example", "--changed-by", "ann")
        self.assertEqual(sorted(made), sorted(PARTNER_KEYS))
        self.assertEqual((made["glns"], made["company_prefixes"]), ([gln(1), gln(2)], ["9529999"]))
        self.assertEqual(made["overrides"], {"BT_GLN": "off", "SERIAL_FORMAT": "warn"})
        self.assertEqual(made["contact"], {"name": "", "email": "ann@pharma.example", "phone": ""})
        self.assertEqual((made["profile"], made["active"], made["version"]), ("strict", True, 1))

        changed, = self.ctl(server, "update", gln(2), "--overrides", "BT_GLN=default,CBV_UNKNOWN=reject",
                            "--profile", "default", "--contact-name", "Ann", "--prefixes", "")
        self.assertEqual(changed["overrides"], {"SERIAL_FORMAT": "warn", "CBV_UNKNOWN": "reject"})
        self.assertEqual((changed["profile"], changed["company_prefixes"]), ("default", []))
        self.assertEqual(changed["contact"], {"name": "Ann", "email": "ann@pharma.example", "phone": ""})
        self.assertIn("ABORTED", self.ctl(server, "update", gln(1), "--name", "x", "--if-version", 1, check=1))
        self.assertIn("ABORTED", self.ctl(server, "deactivate", gln(1), "--if-version", 1, check=1))
        off, = self.ctl(server, "deactivate", made["partner_id"], "--if-version", 2)
        self.assertEqual((off["active"], off["version"]), (False, 3))
        on, = self.ctl(server, "update", gln(1), "--activate")
        self.assertTrue(on["active"])
        shown, = self.ctl(server, "show", gln(1))
        self.assertEqual([change["action"] for change in shown["changes"]],
                         ["reactivated", "deactivated", "updated", "created"])
        self.assertEqual(sorted(shown["changes"][0]), sorted(CHANGE_KEYS))
        self.assertEqual({key: shown[key] for key in PARTNER_KEYS}, on)
        self.assertEqual(shown["changes"][3]["changed_by"], "ann")
        for n in range(10, 130):
            Register(server).create(f"Partner {n}", gln(n))
        self.assertEqual(len(self.ctl(server, "list")), 121)
        table = self.epcisctl(server, "partners", check=0).stdout.splitlines()
        self.assertEqual(len(table), 122)
        self.assertRegex(table[0], r"^PARTNER ID +PROFILE +ACTIVE +NAME +GLNS$")
        self.assertIn(f"{made['partner_id']}  default  yes     Sample Pharma ", "\n".join(table))
        self.assertIn("SERIAL_FORMAT=warn", self.epcisctl(server, "partners", "show", gln(1), check=0).stdout)
        self.stop_cleanly(server)

    def test_epcisctl_tells_what_is_wrong(self):
        server = self.start(workers=0)
        self.ctl(server, "create", "--name", "Sample Pharma", "--glns", gln(1))
        self.assertIn("Sample Pharma", self.ctl(server, "create", "--name", "x", "--glns", gln(1), check=1))
        self.assertIn("check digit", self.ctl(server, "create", "--name", "x", "--glns", "9529999000010", check=1))
        self.assertIn("NOT_FOUND", self.ctl(server, "show", gln(2), check=1))
        self.assertIn("NOT_FOUND", self.ctl(server, "deactivate", UNKNOWN_ID, check=1))
        for wrong in (["create", "--name", "x"], ["create", "--glns", gln(2)], ["update", gln(1)], ["show"],
                      ["show", gln(1), gln(2)], ["remove", gln(1)], ["list", "--name", "x"],
                      ["deactivate", gln(1), "--activate"], ["show", gln(1), "--if-version", 1],
                      ["update", gln(1), "--profile", "lenient"], ["update", gln(1), "--overrides", "BT_GLN"],
                      ["update", gln(1), "--overrides", "BT_GLN=maybe"]):
            self.assertIn("Try 'epcisctl partners --help'", self.ctl(server, *wrong, check=2))
        self.assertIn("partners", self.epcisctl(None, "--help", check=0).stdout)
        self.assertIn("deactivate", self.epcisctl(None, "partners", "--help", check=0).stdout)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
