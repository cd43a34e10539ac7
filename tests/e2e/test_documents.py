"""The document generator against its own answer key: what the key says stands in the XML, and only that.
Needs no server; a generator that errs would make the other tests prove nothing."""

import collections
import io
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from documents import DEFECTS, again, check_digit, make
from oracle import Oracle


def events_of(data):
    return [element for _, element in ElementTree.iterparse(io.BytesIO(data))
            if element.tag in ("ObjectEvent", "AggregationEvent")]


def faults_of(element):
    """Codes that one event earns by itself, told from the XML alone."""
    found = set()
    time = element.findtext("eventTime") or ""
    if not re.fullmatch(r"20\d\d-(0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}(Z|[+-]\d\d:\d\d)", time):
        found.add("TIME_INVALID")
    if not re.fullmatch(r"[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00", element.findtext("eventTimeZoneOffset")):
        found.add("TIME_INVALID")
    if element.findtext("action") not in ("ADD", "OBSERVE", "DELETE"):
        found.add("ACTION_INVALID")
    epcs = [epc.text for epc in element.iter("epc")] + [e.text for e in element.findall("parentID")]
    for epc in epcs:
        scheme, body = re.fullmatch(r"urn:epc:id:(sgtin|sscc):(.*)", epc).groups()
        parts = body.split(".", 2)
        if scheme == "sscc" and len(parts[0] + parts[1]) != 17:
            found.add("SSCC_FORMAT")
        if scheme == "sgtin" and len(parts[0] + parts[1]) != 13:
            found.add("SGTIN_FORMAT")
        if scheme == "sgtin" and not re.fullmatch(r"[!-z%]{1,20}", parts[2]):
            found.add("SERIAL_FORMAT")
    for place in element.iter("id"):
        prefix, reference, _ = place.text.removeprefix("urn:epc:id:sgln:").split(".")
        if len(prefix + reference) != 12:
            found.add("GLN_FORMAT")
    makes = element.findtext("bizStep").endswith(":commissioning") and any(":sgtin:" in e for e in epcs)
    ilmd = {e.tag.rpartition("}")[2]: e.text for e in element.findall("extension/ilmd/*")}
    if makes and element.findtext("action") == "ADD" and set(ilmd) != {"lotNumber", "itemExpirationDate"}:
        found.add("LOT_EXPIRY_MISSING")
    if not re.fullmatch(r"[!-z]{1,20}", ilmd.get("lotNumber", "-")):
        found.add("LOT_FORMAT")
    if ilmd.get("itemExpirationDate") == "2028-02-30":
        found.add("EXPIRY_FORMAT")
    return found


class Documents(unittest.TestCase):
    def test_the_key_names_every_fault_and_no_other(self):
        document = make(events=4000, defects=0.1, redelivered=0.1, seed=11)
        elements = events_of(document.data)
        self.assertEqual(len(elements), 4000)
        self.assertEqual([event.index for event in document.events], list(range(4000)))
        for event, element in zip(document.events, elements):
            self.assertEqual(faults_of(element), {event.fault} - {""}, f"{event.index} {event.planted}")
        planted = collections.Counter(event.planted for event in document.events if event.planted)
        self.assertEqual(set(planted), set(DEFECTS), "every kind of defect occurs")

    def test_redelivered_events_say_the_same_in_other_words(self):
        document = make(events=3000, redelivered=0.2, seed=12)
        elements, first, seen = events_of(document.data), {}, collections.Counter()
        for event, element in zip(document.events, elements):
            if not event.variant:
                first[event.facts] = element
                continue
            seen[event.variant] += 1
            same = ElementTree.tostring(element) == ElementTree.tostring(first[event.facts])
            self.assertEqual(same, event.variant == "exact")
            self.assertEqual(sorted(e.text for e in element.iter("epc")),
                             sorted(e.text for e in first[event.facts].iter("epc")))
        self.assertGreater(min(seen["exact"], seen["reserialised"]), 100)

    def test_same_arguments_same_bytes(self):
        self.assertEqual(make(events=300, defects=0.1, seed=5).data, make(events=300, defects=0.1, seed=5).data)
        self.assertNotEqual(make(events=300, seed=5).data, make(events=300, seed=6).data)

    def test_another_document_holds_the_same_events(self):
        document = make(events=200, seed=13)
        second = again(document)
        self.assertNotEqual(document.data, second.data)
        self.assertEqual(Oracle().document(second.partner, second.events).counts,
                         Oracle().document(document.partner, document.events).counts)

    def test_check_digit(self):
        self.assertEqual(check_digit("629104150021"), "3")  # GS1's own example


class OracleRules(unittest.TestCase):
    def test_a_sound_document_is_committed_whole(self):
        document = make(events=500, seed=14)
        self.assertEqual(Oracle().document(document.partner, document.events).counts,
                         {"events": 500, "committed": 500, "duplicates": 0, "dead_letters": 0})

    def test_a_reused_serial_is_none_when_the_first_was_refused(self):
        document = make(events=300, seed=15)
        made = [event for event in document.events if event.commissions and event.lot]
        early, late = made[0], made[-1]
        late.epcs.append(early.epcs[0])
        self.assertEqual(Oracle().document("", document.events).refused, {late.index: {"SERIAL_REUSED"}})
        early.fault = "TIME_INVALID"
        self.assertEqual(Oracle().document("", document.events).refused, {early.index: {"TIME_INVALID"}})

    def test_the_first_committed_expiry_counts(self):
        document = make(events=30, seed=16)
        first, second = [event for event in document.events if event.commissions and event.lot][:2]
        second.expiry = "2031-12-31"
        self.assertEqual(Oracle().document("", document.events).refused, {second.index: {"MIXED_EXPIRY"}})

    def test_what_is_known_is_a_duplicate(self):
        document, oracle = make(events=200, seed=17), Oracle()
        oracle.document("", document.events)
        self.assertEqual(oracle.document("", again(document).events).duplicates, set(range(200)))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
