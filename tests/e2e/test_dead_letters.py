"""Dead letters that a person closes: corrected and sent again, or discarded; each once, with who and why."""

import json
import time

from documents import Party, make
from harness import EndToEnd, Refused, counts_of, main
from harness import dead_letter_pb as pb
from oracle import Oracle

MAKER = Party("Sample Pharma", 77, "-05:00")
OTHER = Party("Other Pharma", 78, "-05:00")
DEED = {"who": "A. Smith", "why": "the label was read wrong"}
CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def item(serial, reference="020001"):
    return f"urn:epc:id:sgtin:{MAKER.prefix}.{reference}.{serial}"


def commissioning(serial, lot="LT1", expiry="2028-01-31", second=0, reference="020001", **changes):
    event = {"type": "ObjectEvent", "eventTime": f"2025-02-03T06:00:{second:02d}.000Z",
             "eventTimeZoneOffset": "-05:00", "epcList": [item(serial, reference)], "action": "ADD",
             "bizStep": "commissioning", "disposition": "active", "readPoint": {"id": MAKER.place()},
             "bizLocation": {"id": MAKER.place()},
             "ilmd": {"cbvmda:lotNumber": lot, "cbvmda:itemExpirationDate": expiry}}
    if not expiry:
        del event["ilmd"]["cbvmda:itemExpirationDate"]
    return {**event, **changes}


def document(*events, instance="sample-1"):
    return json.dumps({"@context": [CONTEXT, {"cbvmda": "urn:epcglobal:cbv:mda"}], "type": "EPCISDocument",
                       "schemaVersion": "2.0", "creationDate": "2025-02-03T07:00:00Z",
                       "instanceIdentifier": instance,
                       "epcisBody": {"eventList": list(events)}}).encode()


class DeadLetters(EndToEnd):
    def refuse(self, server, *events, partner=MAKER.gln, **more):
        """Sends them; the capture in its final state, and its dead letters."""
        receipt = server.client.capture(document(*events, **more), partner=partner)
        capture = server.client.wait(receipt.capture_id)
        self.assert_sums(capture)
        return capture, list(server.client.dead_letters(receipt.capture_id))

    def refuse_one(self, server, *events, **more):
        capture, letters = self.refuse(server, *events, **more)
        self.assertEqual(len(letters), 1)
        return capture, letters[0]

    def resubmit(self, server, letter, corrected=b"", **deed):
        request = pb.ResubmitDeadLetterRequest(dead_letter_id=letter.dead_letter_id, corrected=corrected,
                                               **{**DEED, **deed})
        return server.client.call(server.client.dead.ResubmitDeadLetter, request).capture_id

    def discard(self, server, letter, **deed):
        server.client.call(server.client.dead.DiscardDeadLetter, pb.DiscardDeadLetterRequest(
            dead_letter_id=letter.dead_letter_id, **{**DEED, **deed}))

    def list(self, server, **filters):
        """All that fits, over pages of any length."""
        token, found = "", []
        while True:
            page = server.client.call(server.client.dead.ListDeadLetters, pb.ListDeadLettersRequest(
                page_size=3, page_token=token, **filters))
            found += page.dead_letters
            token = page.next_page_token
            if not token:
                return found

    def ids(self, server, **filters):
        return {letter.dead_letter_id for letter in self.list(server, **filters)}

    def assert_refused(self, code, call, *arguments, **more):
        with self.assertRaises(Refused) as caught:
            call(*arguments, **more)
        self.assertEqual(caught.exception.code, code, caught.exception.details)
        return caught.exception.details

    def assert_capture(self, server, capture_id, **counts):
        capture = server.client.wait(capture_id)
        self.assert_sums(capture)
        self.assertEqual(counts_of(capture),
                         {"events": 0, "committed": 0, "duplicates": 0, "dead_letters": 0, **counts})
        return capture

    # -- one

    def test_a_corrected_event_is_committed(self):
        server = self.start()
        before, letter = self.refuse_one(server, commissioning("a"), commissioning("b", expiry="", second=1),
                                         commissioning("c", second=2))
        self.assertEqual(letter.reasons[0].code, "LOT_EXPIRY_MISSING")
        found = server.client.dead_letter(letter.dead_letter_id)
        self.assertEqual((found.state, found.partner, found.biz_step, list(found.gtins)),
                         (pb.DEAD_LETTER_STATE_OPEN, MAKER.gln, "commissioning", list(letter.gtins)))
        event = json.loads(found.event_json)
        self.assertEqual((event["type"], event["epcList"]), ("ObjectEvent", [item("b")]))
        event["ilmd"]["cbvmda:itemExpirationDate"] = "2028-01-31"
        capture_id = self.resubmit(server, letter, json.dumps(event).encode())

        again = self.assert_capture(server, capture_id, events=1, committed=1)
        self.assertEqual(again.resubmission_of, letter.dead_letter_id)
        self.assertEqual(again.receipt.partner, MAKER.gln)
        closed = server.client.dead_letter(letter.dead_letter_id)
        self.assertEqual(closed.state, pb.DEAD_LETTER_STATE_RESUBMITTED)
        self.assertEqual([(c.state, c.who, c.why, c.capture_id) for c in closed.changes],
                         [(pb.DEAD_LETTER_STATE_RESUBMITTED, DEED["who"], DEED["why"], capture_id)])
        self.assertLess(abs(closed.changes[0].changed_ms / 1000 - time.time()), 600)
        self.assertEqual(server.client.job(before.receipt.capture_id), before, "the original's counts stay")
        state, history = server.client.item(item("b"))
        self.assertEqual((state.expiry, len(history)), ("2028-01-31", 1))
        self.assertEqual(server.client.event(history[0].sequence).capture_id, capture_id)

        details = self.assert_refused("FAILED_PRECONDITION", self.resubmit, server, letter)
        self.assertIn("resubmitted", details)
        self.assertIn("resubmitted",
                      self.assert_refused("FAILED_PRECONDITION", self.discard, server, letter))
        self.assertEqual(len(server.client.dead_letter(letter.dead_letter_id).changes), 1)
        self.stop_cleanly(server)

    def test_a_correction_may_come_in_any_syntax(self):
        server = self.start()
        faulty = make(events=60, defects=0.2, seed=7701, company=60, only=["no expiry", "no lot"])
        receipt = server.client.capture(faulty.data)
        self.assert_sums(server.client.wait(receipt.capture_id))
        letter = next(server.client.dead_letters(receipt.capture_id))
        sound = make(events=1, seed=7702, company=60)
        corrected = self.resubmit(server, letter, sound.data)
        self.assert_capture(server, corrected, events=1, committed=1)
        self.assertEqual(len(server.client.item(sound.events[0].epcs[0])[1]), 1)
        self.stop_cleanly(server)

    def test_what_is_refused_again_names_the_first(self):
        server = self.start()
        _, letter = self.refuse_one(server, commissioning("a"), commissioning("a", lot="LT2", second=1))
        self.assertEqual(letter.reasons[0].code, "SERIAL_REUSED")
        capture_id = self.resubmit(server, letter)
        self.assert_capture(server, capture_id, events=1, dead_letters=1)
        second, = server.client.dead_letters(capture_id)
        self.assertEqual((second.reasons[0].code, second.resubmission_of, second.state),
                         ("SERIAL_REUSED", letter.dead_letter_id, pb.DEAD_LETTER_STATE_OPEN))
        self.assertEqual(server.client.dead_letter(letter.dead_letter_id).resubmission_of, "")
        self.assertEqual(server.client.dead_letter(second.dead_letter_id).partner, MAKER.gln)
        third = self.resubmit(server, second)
        self.assertEqual(self.assert_capture(server, third, events=1, dead_letters=1).resubmission_of,
                         second.dead_letter_id)
        self.stop_cleanly(server)

    def test_as_it_is_keeps_its_partner(self):
        server = self.start(options=["--rule", "PARTNER_UNKNOWN=reject"])
        faulty = make(events=1, seed=7703, company=66)
        receipt = server.client.capture(faulty.data, partner=OTHER.gln)
        self.assert_capture(server, receipt.capture_id, events=1, dead_letters=1)
        letter, = server.client.dead_letters(receipt.capture_id)
        self.assertEqual((letter.reasons[0].code, letter.reasons[0].value), ("PARTNER_UNKNOWN", OTHER.gln))
        capture_id = self.resubmit(server, letter)
        self.assert_capture(server, capture_id, events=1, dead_letters=1)
        second, = server.client.dead_letters(capture_id)
        self.assertEqual([(r.code, r.field, r.value) for r in second.reasons],
                         [(r.code, r.field, r.value) for r in letter.reasons])
        self.stop_cleanly(server)

    def test_discarded_for_good(self):
        server = self.start()
        before, letter = self.refuse_one(server, commissioning("a", expiry=""))
        for deed in ({"who": ""}, {"why": ""}, {"who": "x" * 257}, {"why": "x" * 2001}):
            self.assert_refused("INVALID_ARGUMENT", self.discard, server, letter, **deed)
            self.assert_refused("INVALID_ARGUMENT", self.resubmit, server, letter, **deed)
        self.discard(server, letter, why="test data")
        self.stop_cleanly(server)
        server = self.start()
        closed = server.client.dead_letter(letter.dead_letter_id)
        self.assertEqual([(c.state, c.who, c.why, c.capture_id) for c in closed.changes],
                         [(pb.DEAD_LETTER_STATE_DISCARDED, DEED["who"], "test data", "")])
        for close in (self.discard, self.resubmit):
            self.assertIn("discarded", self.assert_refused("FAILED_PRECONDITION", close, server, letter))
        self.assertEqual(counts_of(server.client.job(before.receipt.capture_id)), counts_of(before))
        nobody = pb.DeadLetter(dead_letter_id="4711")
        self.assert_refused("NOT_FOUND", self.discard, server, nobody)
        self.assert_refused("NOT_FOUND", self.resubmit, server, nobody)
        self.stop_cleanly(server)

    def test_without_a_readable_event_only_corrected(self):
        server = self.start()
        before, letter = self.refuse_one(server, {"type": "NoSuchEvent", "eventTime": "2025-02-03T06:00:00Z"})
        found = server.client.dead_letter(letter.dead_letter_id)
        self.assertIn(b"NoSuchEvent", found.raw_document_part)
        self.assertEqual(found.event_json, "")
        self.assertIn("corrected", self.assert_refused("FAILED_PRECONDITION", self.resubmit, server, letter))
        for wrong in (document(), document(commissioning("a"), commissioning("b")), b"<a/>", b"no document"):
            self.assert_refused("INVALID_ARGUMENT", self.resubmit, server, letter, wrong)
        self.assertEqual(server.client.dead_letter(letter.dead_letter_id).state, pb.DEAD_LETTER_STATE_OPEN)
        capture_id = self.resubmit(server, letter, document(commissioning("a")))
        self.assert_capture(server, capture_id, events=1, committed=1)
        self.assertEqual(counts_of(server.client.job(before.receipt.capture_id)), counts_of(before))
        self.stop_cleanly(server)

    def test_kill_after_the_answer_keeps_both(self):
        server = self.start()
        _, letters = self.refuse(server, *(commissioning(f"s{n}", expiry="", second=n) for n in range(5)))
        for letter in letters:
            capture_id = self.resubmit(server, letter, json.dumps(
                commissioning(f"s{letter.event_index}", second=letter.event_index)).encode())
            server.kill()
            self.family.kill()
            server = self.start()
            closed = server.client.dead_letter(letter.dead_letter_id)
            self.assertEqual((closed.state, closed.changes[0].capture_id),
                             (pb.DEAD_LETTER_STATE_RESUBMITTED, capture_id))
            again = self.assert_capture(server, capture_id, events=1, committed=1)
            self.assertEqual(again.resubmission_of, letter.dead_letter_id)
        self.assertEqual(len(server.client.all_events()), len(letters))
        self.stop_cleanly(server)

    # -- lists

    def test_filters_hold_together(self):
        server = self.start()
        first, _ = self.refuse(server, commissioning("a", expiry=""), commissioning("b", lot="", second=1),
                               commissioning("c~", second=2), instance="one")
        middle = max(letter.refused_ms for letter in self.list(server)) + 1
        second, _ = self.refuse(server, commissioning("d", expiry="", second=3, reference="020002"),
                                commissioning("e", expiry="", second=4), partner=OTHER.gln, instance="two")
        third, _ = self.refuse(server, {"type": "NoSuchEvent"}, instance="three")
        everything = self.list(server)
        self.assertEqual(len(everything), 6)

        def wanted(fits):
            return {letter.dead_letter_id for letter in everything if fits(letter)}

        def has_code(letter, code="LOT_EXPIRY_MISSING"):
            return code in [reason.code for reason in letter.reasons]

        gtin = everything[3].gtins[0]
        self.assertNotEqual(gtin, everything[4].gtins[0])
        for filters, fits in (
                ({"capture_id": first.receipt.capture_id},
                 lambda letter: letter.capture_id == first.receipt.capture_id),
                ({"partner": OTHER.gln}, lambda letter: letter.partner == OTHER.gln),
                ({"code": "SERIAL_FORMAT"}, lambda letter: has_code(letter, "SERIAL_FORMAT")),
                ({"gtin": gtin}, lambda letter: gtin in letter.gtins),
                ({"refused_until_ms": middle}, lambda letter: letter.refused_ms < middle),
                ({"refused_from_ms": middle}, lambda letter: letter.refused_ms >= middle),
                ({"code": "LOT_EXPIRY_MISSING", "partner": OTHER.gln, "gtin": gtin},
                 lambda letter: has_code(letter) and letter.partner == OTHER.gln and gtin in letter.gtins),
                ({"partner": OTHER.gln, "capture_id": first.receipt.capture_id}, lambda letter: False),
                ({"code": "LOT_EXPIRY_MISSING", "refused_from_ms": middle},
                 lambda letter: has_code(letter) and letter.refused_ms >= middle)):
            self.assertEqual(self.ids(server, **filters), wanted(fits), filters)
        self.assertEqual(len(self.ids(server, code="LOT_EXPIRY_MISSING", partner=OTHER.gln)), 2)

        self.discard(server, everything[0])
        self.resubmit(server, everything[1], json.dumps(commissioning("b", second=1)).encode())
        every = {letter.dead_letter_id for letter in everything}
        one, two = everything[0].dead_letter_id, everything[1].dead_letter_id
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_DISCARDED), {one})
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_RESUBMITTED), {two})
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_OPEN), every - {one, two})
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_OPEN, partner=MAKER.gln),
                         wanted(lambda letter: letter.partner == MAKER.gln) - {one, two})
        for wrong in ({"partner": "123"}, {"gtin": "123"}, {"state": 9}, {"capture_id": "x"}):
            self.assert_refused("INVALID_ARGUMENT", self.list, server, **wrong)
        for capture in (first, second, third):
            self.assertEqual(counts_of(server.client.job(capture.receipt.capture_id)), counts_of(capture))
        self.stop_cleanly(server)

    # -- many

    def close_all(self, method, request, filters, page_size):
        """Every answer until there is no further page."""
        token, pages = "", []
        while True:
            page = self.servers[-1].client.call(method, request(
                filter=pb.ListDeadLettersRequest(page_size=page_size, page_token=token, **filters), **DEED))
            pages.append(page)
            token = page.next_page_token
            if not token:
                return pages

    def test_many_by_code(self):
        server = self.start()
        faulty = make(events=1500, defects=0.2, seed=7710, company=80)
        receipt = server.client.capture(faulty.data)
        before = self.assert_outcome(server, receipt.capture_id,
                                     Oracle().document(faulty.partner, faulty.events))
        letters = self.list(server)
        by_code = {}
        for letter in letters:
            for reason in letter.reasons:
                by_code.setdefault(reason.code, set()).add(letter.dead_letter_id)
        discarded = by_code["TIME_INVALID"]
        self.assertGreater(len(discarded), 10)
        self.assert_refused("INVALID_ARGUMENT", server.client.call, server.client.dead.DiscardDeadLetters,
                            pb.DiscardDeadLettersRequest(filter={"code": "TIME_INVALID"}, who="A. Smith"))
        pages = self.close_all(server.client.dead.DiscardDeadLetters, pb.DiscardDeadLettersRequest,
                               {"code": "TIME_INVALID"}, 7)
        self.assertGreaterEqual(len(pages), len(discarded) // 7)
        self.assertLessEqual(max(len(page.dead_letter_ids) for page in pages), 7)
        done = [dead_letter_id for page in pages for dead_letter_id in page.dead_letter_ids]
        self.assertEqual(sorted(done), sorted(discarded))
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_DISCARDED), discarded)

        again = by_code["SGTIN_FORMAT"] - discarded
        pages = self.close_all(server.client.dead.ResubmitDeadLetters, pb.ResubmitDeadLettersRequest,
                               {"code": "SGTIN_FORMAT", "state": pb.DEAD_LETTER_STATE_DISCARDED}, 0)
        self.assertEqual({done.dead_letter_id for page in pages for done in page.resubmissions}, again)
        self.assertEqual([list(page.left_open_ids) for page in pages], [[]] * len(pages))
        for page in pages:
            for done in page.resubmissions:
                capture = self.assert_capture(server, done.capture_id, events=1, dead_letters=1)
                self.assertEqual(capture.resubmission_of, done.dead_letter_id)
                letter, = server.client.dead_letters(done.capture_id)
                self.assertEqual(letter.resubmission_of, done.dead_letter_id)
                self.assertIn("SGTIN_FORMAT", [reason.code for reason in letter.reasons])
        self.assertEqual(server.client.job(receipt.capture_id), before)
        self.assertEqual(len(self.list(server)), len(letters) + len(again))
        self.stop_cleanly(server)

    # -- epcisctl

    def dead_letters(self, server, *arguments, **more):
        return self.epcisctl(server, "dead-letters", *arguments, **more)

    def test_epcisctl_closes_dead_letters(self):
        server = self.start()
        _, letters = self.refuse(server, *(commissioning(f"s{n}", expiry="", second=n) for n in range(4)),
                                 {"type": "NoSuchEvent"})
        ids = [letter.dead_letter_id for letter in letters]
        deed = ["--by", "A. Smith", "--why", "wrong label"]
        shown = json.loads(self.dead_letters(server, "show", ids[0], "--json", check=0).stdout)
        self.assertEqual((shown["state"], shown["partner"], shown["event"]["epcList"]),
                         ("open", MAKER.gln, [item("s0")]))
        self.assertEqual(shown["reasons"][0]["code"], "LOT_EXPIRY_MISSING")
        raw = json.loads(self.dead_letters(server, "show", ids[4], "--json", check=0).stdout)
        self.assertEqual(raw["event"], None)
        self.assertIn("NoSuchEvent", raw["raw_document_part"])
        self.assertIn("NoSuchEvent", self.dead_letters(server, "show", ids[4], check=0).stdout)

        fixed = self.folder / "fixed.json"
        fixed.write_text(json.dumps(commissioning("s0")))
        done = json.loads(self.dead_letters(server, "resubmit", ids[0], "--file", fixed, *deed, "--json",
                                            check=0).stdout)
        self.assertEqual((done["dead_letter_id"], done["state"]), (ids[0], "resubmitted"))
        self.assert_capture(server, done["capture_id"], events=1, committed=1)
        status = json.loads(self.epcisctl(server, "status", done["capture_id"], "--json", check=0).stdout)
        self.assertEqual(status["resubmission_of"], ids[0])
        self.assertIn("resubmitted", self.dead_letters(server, "resubmit", ids[0], *deed, check=1).stderr)
        self.dead_letters(server, "discard", ids[1], *deed, check=0)
        text = self.dead_letters(server, "show", ids[1], check=0).stdout
        for word in ("discarded", "A. Smith", "wrong label", "LOT_EXPIRY_MISSING"):
            self.assertIn(word, text)

        for usage in (["resubmit", ids[2]], ["resubmit", *deed], ["discard", "--code", "X", *deed], ["no-such"],
                      ["resubmit", ids[2], "--code", "X", *deed], ["list", "more"], ["show"],
                      ["discard", ids[2], "--file", fixed, *deed], ["list", "--state", "closed"],
                      ["resubmit", ids[2], ids[3], "--file", fixed, *deed], ["list", "--from", "yesterday"]):
            self.dead_letters(server, *usage, check=2)
        result = self.dead_letters(server, "list", "--state", "open", "--code", "LOT_EXPIRY_MISSING", "--from",
                                   "2025-01-01", "--json", check=0)
        self.assertEqual([json.loads(line)["dead_letter_id"] for line in result.stdout.splitlines()], ids[2:4])
        result = self.dead_letters(server, "resubmit", "--partner", MAKER.gln, "--yes", *deed, "--json", check=3)
        self.assertEqual([json.loads(line)["dead_letter_id"] for line in result.stdout.splitlines()], ids[2:4])
        self.assertIn(ids[4], result.stderr)
        for line in result.stdout.splitlines():
            self.assert_capture(server, json.loads(line)["capture_id"], events=1, dead_letters=1)
        self.dead_letters(server, "discard", "--partner", MAKER.gln, "--yes", *deed, check=0)
        self.assertEqual(self.ids(server, state=pb.DEAD_LETTER_STATE_OPEN), set())
        self.stop_cleanly(server)

    def test_an_export_can_be_read_corrected_and_sent_back(self):
        server = self.start()
        own = {"@context": [{"own": "https://example.com/own/"}], "own:note": "kept"}
        _, letters = self.refuse(server, commissioning("a", expiry="", **own),
                                 {"type": "NoSuchEvent", "odd": "\u0001\u00e9\"\\"},
                                 commissioning("b", expiry="", second=1))
        export = self.dead_letters(server, "export", check=0).stdout
        whole = json.loads(export)
        events = whole["epcisBody"]["eventList"]
        self.assertEqual([event["epcList"] for event in events], [[item("a")], [item("b")]])
        for event, letter in zip(events, (letters[0], letters[2])):
            remark = event["epcisd:deadLetter"]
            self.assertEqual(remark["epcisd:dead_letter_id"], letter.dead_letter_id)
            self.assertEqual([(r["epcisd:code"], r["epcisd:message"]) for r in remark["epcisd:reasons"]],
                             [(r.code, r.message) for r in letter.reasons])
        unreadable, = whole["epcisd:unreadable"]
        self.assertEqual(unreadable["epcisd:dead_letter_id"], letters[1].dead_letter_id)
        self.assertIn("NoSuchEvent", unreadable["epcisd:raw_document_part"])

        path = self.folder / "export.json"
        path.write_text(export, encoding="utf-8")
        rows = [json.loads(line) for line in self.epcisctl(None, "convert", path, check=0).stdout.splitlines()]
        self.assertEqual([(row["type"], row["epcs"], row["error"]) for row in rows],
                         [("ObjectEvent", 1, None)] * 2)

        whole["epcisBody"]["eventList"] = events[:1]
        events[0]["ilmd"]["cbvmda:itemExpirationDate"] = "2028-01-31"
        del whole["epcisd:unreadable"]
        capture_id = self.resubmit(server, letters[0], json.dumps(whole).encode())
        self.assert_capture(server, capture_id, events=1, committed=1)
        _, history = server.client.item(item("a"))
        committed = server.client.event(history[0].sequence).event
        self.assertEqual([(node.namespace_uri, node.local_name, node.text) for node in committed.extensions],
                         [("https://example.com/own/", "note", "kept")])

        empty = json.loads(self.dead_letters(server, "export", "--code", "NO_SUCH", check=0).stdout)
        self.assertEqual(empty["epcisBody"]["eventList"], [])
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
