"""Says what must become of each event, from the answer key alone: it replays the events in the order in
which they count, remembers what was committed, and knows no more of the product than its rules.

    oracle = Oracle()
    outcome = oracle.document(partner, events)
    outcome.committed, outcome.duplicates     sets of positions in the document
    outcome.refused                           position -> the codes that may stand first

One oracle is one store: documents given to it one after the other know of each other.
"""

import collections
import csv
import dataclasses
import json
import re
import xml.etree.ElementTree as ElementTree

from documents import Event


@dataclasses.dataclass
class Outcome:
    committed: set = dataclasses.field(default_factory=set)
    duplicates: set = dataclasses.field(default_factory=set)
    refused: dict = dataclasses.field(default_factory=dict)

    @property
    def counts(self):
        return {"events": len(self.committed) + len(self.duplicates) + len(self.refused),
                "committed": len(self.committed), "duplicates": len(self.duplicates),
                "dead_letters": len(self.refused)}

    def codes(self):
        """How often each code stands alone; events with a choice of codes are left out."""
        return collections.Counter(min(codes) for codes in self.refused.values() if len(codes) == 1)


class Oracle:
    def __init__(self, off=()):
        self.off = set(off)  # codes of rules that are
        self.documents = 0
        self.facts_of = {}  # (epc, moment, partner) -> facts
        self.made = {}  # commissioned -> number of the document that did it
        self.expiry = {}  # item -> its expiry
        self.decommissioned = set()
        self.inside = {}  # packed -> its container
        self.content = collections.defaultdict(set)  # container -> what is packed into it
        self.expiry_of = {}  # (product, lot) -> expiry
        self.history = collections.defaultdict(list)  # epc -> committed events, in order of commits

    def document(self, partner, events):
        outcome = Outcome()
        self.documents += 1
        for event in events:
            verdict = self.judge(partner, event)
            if verdict == "committed":
                outcome.committed.add(event.index)
            elif verdict == "duplicate":
                outcome.duplicates.add(event.index)
            else:
                outcome.refused[event.index] = verdict
        return outcome

    def judge(self, partner, event):
        if event.fault:
            return {event.fault}
        named = event.epcs + ([event.parent] if event.parent else [])
        keys = [(epc, event.moment, partner) for epc in named]
        known = [self.facts_of[key] for key in keys if key in self.facts_of]
        if known and all(facts == event.facts for facts in known) and len(known) == len(keys):
            return "duplicate"
        codes = set()
        if any(facts != event.facts for facts in known):
            codes.add("KEY_CONFLICT")
        if event.commissions:
            codes |= self.commissioning_codes(event)
        elif event.packs:
            codes |= self.unknown_codes(event)
            if any(self.inside.get(epc, event.parent) != event.parent for epc in event.epcs):
                codes.add("MULTI_PARENT")
        elif event.step == "shipping":
            codes |= self.unknown_codes(event) | self.cargo_codes(event)
        if codes - self.off:
            return codes - self.off
        for key in keys:
            self.facts_of[key] = event.facts
        self.apply(event)
        for epc in set(named):
            self.history[epc].append(event)
        return "committed"

    def commissioning_codes(self, event):
        codes, items = set(), list(filter(is_item, event.epcs))
        if any(epc in self.made for epc in items):
            codes.add("SERIAL_REUSED")
        if any(self.expiry_of.get(lot, event.expiry) != event.expiry for lot in lots_of(event, items)):
            codes.add("MIXED_EXPIRY")
        return codes

    def unknown_codes(self, event):
        """An unknown item is refused where the same document commissioned one that stands beside it. Alone, it
        may have been commissioned in a document that never came: a warning."""
        beside = any(self.made.get(epc) == self.documents for epc in event.epcs)
        return {"NOT_COMMISSIONED"} if beside and not all(epc in self.made for epc in event.epcs) else set()

    def cargo_codes(self, event):
        codes, cargo = set(), list(event.epcs)
        for epc in cargo:  # which grows
            cargo += self.content[epc]
            if epc in self.decommissioned:
                codes.add("DECOMM_SHIPPED")
            if epc in self.expiry and self.expiry[epc] < str(event.time)[:10]:
                codes.add("EXPIRED_SHIPPED")
        return codes

    def apply(self, event):
        items = list(filter(is_item, event.epcs))
        if event.commissions:
            self.made.update((epc, self.documents) for epc in event.epcs)
            self.expiry.update((epc, event.expiry) for epc in items)
            self.expiry_of.update((lot, event.expiry) for lot in lots_of(event, items))
        elif event.type == "AggregationEvent":
            for epc in event.epcs:
                if event.packs:
                    self.inside[epc] = event.parent
                    self.content[event.parent].add(epc)
                elif self.inside.get(epc) == event.parent:
                    del self.inside[epc]
                    self.content[event.parent].discard(epc)
        elif event.step == "decommissioning":
            self.decommissioned.update(event.epcs)

    def status(self, epc):
        """Where the item stands: what the latest event that moves it made of it."""
        status = "unknown"
        for event in sorted(self.history[epc], key=lambda event: event.time):
            if event.type == "AggregationEvent" and epc != event.parent:
                status = {"ADD": "packed", "DELETE": "unpacked"}.get(event.action, status)
            else:
                status = STATUS_OF_STEP.get(event.step, status)
        return status


def is_item(epc):
    """An SGTIN, as URN or Digital Link."""
    return ":sgtin:" in epc or "/01/" in epc


def lots_of(event, items):
    return {(re.sub(r"[./][^./]*$", "", epc), event.lot) for epc in items}


STATUS_OF_STEP = {"commissioning": "commissioned", "shipping": "shipped", "departing": "shipped",
                  "receiving": "received", "accepting": "received", "dispensing": "dispensed",
                  "retail_selling": "dispensed", "returning": "returned", "decommissioning": "decommissioned",
                  "destroying": "destroyed"}


# ---- the answer key of gen_dscsa.py ----------------------------------------------------------------------

SIDECAR_CODES = {
    "gtin_length": "SGTIN_FORMAT",
    "gtin_check": "GTIN_CHECK",
    "oversize_serial": "SERIAL_FORMAT",
    "illegal_char": "SERIAL_FORMAT",
    "sscc_bad": "SSCC_FORMAT",
    "missing_eventTime": "TIME_INVALID",
    "bad_tz": "TIME_INVALID",
    "unknown_action": "ACTION_INVALID",
    "missing_lot": "LOT_EXPIRY_MISSING",
    "expiry_mismatch": "MIXED_EXPIRY",
    "serial_dup_lot": "SERIAL_REUSED",
    "uncommissioned_child": "NOT_COMMISSIONED",
    "gln_check": "BT_GLN",  # inside a business transaction's identifier: a warning
}
# Whether they are faults depends on what was committed before.
STATE_CODES = {"MIXED_EXPIRY", "SERIAL_REUSED", "NOT_COMMISSIONED"}


def sidecar_code(row):
    """The rule that a planted defect breaks."""
    if row["code"] == "gtin_length" and row["good"].startswith("https:"):
        return "GTIN_CHECK"  # where it is a Digital Link's 14 digits
    if row["code"] == "gln_check" and row["field"] == "readPoint":
        return "GLN_FORMAT"
    return SIDECAR_CODES[row["code"]]


def read_sidecar(document_path, sidecar_path):
    """Events of a document made by gen_dscsa.py, with what its sidecar says of them: `planted` is the code of
    the rule that a planted defect breaks, `variant` the code of a redelivery."""
    planted, original = {}, {}
    with open(sidecar_path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["kind"] == "bad":
                planted[int(row["event_index"])] = sidecar_code(row)
            else:
                original[int(row["event_index"])] = (int(row["note"].partition("=")[2]), row["code"])
    events = []
    for fields in (json_events if document_path.suffix == ".json" else xml_events)(document_path):
        index = len(events)
        event = Event(**fields, party=None, index=index, facts=index, planted=planted.get(index, ""))
        if event.planted not in STATE_CODES | {"BT_GLN"}:
            event.fault = event.planted
        if index in original:
            first, event.variant = original[index]
            event.time, event.facts = events[first].time, first
        events.append(event)
    return events


def xml_events(path):
    for _, element in ElementTree.iterparse(path):
        if element.tag not in ("ObjectEvent", "AggregationEvent"):
            continue
        ilmd = {child.tag.rpartition("}")[2]: child.text for child in element.findall(".//ilmd/*")}
        yield {"type": element.tag, "step": element.findtext("bizStep").rpartition(":")[2],
               "action": element.findtext("action"),
               "disposition": element.findtext("disposition").rpartition(":")[2],
               "time": element.findtext("eventTime"), "offset": element.findtext("eventTimeZoneOffset"),
               "epcs": [epc.text for epc in element.findall("epcList/epc") + element.findall("childEPCs/epc")],
               "parent": element.findtext("parentID") or "",
               "lot": ilmd.get("lotNumber", ""), "expiry": ilmd.get("itemExpirationDate", "")}
        element.clear()


def json_events(path):
    for event in json.loads(path.read_bytes())["epcisBody"]["eventList"]:
        ilmd = event.get("ilmd", {})
        yield {"type": event["type"], "step": event["bizStep"], "action": event["action"],
               "disposition": event["disposition"], "time": event.get("eventTime"),
               "offset": event["eventTimeZoneOffset"], "epcs": event.get("epcList") or event["childEPCs"],
               "parent": event.get("parentID", ""), "lot": ilmd.get("cbvmda:lotNumber", ""),
               "expiry": ilmd.get("cbvmda:itemExpirationDate", "")}
