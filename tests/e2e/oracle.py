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
    def __init__(self):
        self.facts_of = {}  # (epc, moment, partner) -> facts
        self.made = set()  # commissioned items
        self.expiry_of = {}  # (product, lot) -> expiry
        self.history = collections.defaultdict(list)  # epc -> committed events, in order of commits

    def document(self, partner, events):
        outcome = Outcome()
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
        lots = set()
        if event.commissions:
            items = [epc for epc in event.epcs if ":sgtin:" in epc]
            if any(epc in self.made for epc in items):
                codes.add("SERIAL_REUSED")
            lots = {(epc.rsplit(".", 1)[0], event.lot) for epc in items}
            if any(self.expiry_of.get(lot, event.expiry) != event.expiry for lot in lots):
                codes.add("MIXED_EXPIRY")
        if codes:
            return codes
        for key in keys:
            self.facts_of[key] = event.facts
        if event.commissions:
            self.made.update(epc for epc in event.epcs if ":sgtin:" in epc)
            self.expiry_of.update((lot, event.expiry) for lot in lots)
        for epc in set(named):
            self.history[epc].append(event)
        return "committed"

    def status(self, epc):
        """Where the item stands: what the latest event that moves it made of it."""
        status = "unknown"
        for event in sorted(self.history[epc], key=lambda event: event.time):
            if event.type == "AggregationEvent" and epc != event.parent:
                status = {"ADD": "packed", "DELETE": "unpacked"}.get(event.action, status)
            else:
                status = STATUS_OF_STEP.get(event.step, status)
        return status


STATUS_OF_STEP = {"commissioning": "commissioned", "shipping": "shipped", "departing": "shipped",
                  "receiving": "received", "accepting": "received", "dispensing": "dispensed",
                  "retail_selling": "dispensed", "returning": "returned", "decommissioning": "decommissioned",
                  "destroying": "destroyed"}


# ---- the answer key of gen_dscsa.py ----------------------------------------------------------------------

SIDECAR_CODES = {
    "gtin_length": "SGTIN_FORMAT",
    "oversize_serial": "SERIAL_FORMAT",
    "illegal_char": "SERIAL_FORMAT",
    "sscc_bad": "SSCC_FORMAT",
    "missing_eventTime": "TIME_INVALID",
    "bad_tz": "TIME_INVALID",
    "unknown_action": "ACTION_INVALID",
    "missing_lot": "LOT_EXPIRY_MISSING",
    "expiry_mismatch": "",  # whether it is one depends on what was committed before
    "serial_dup_lot": "",
    "gln_check": "",  # inside a business transaction's identifier: a warning, BT_GLN
}


def read_sidecar(document_path, sidecar_path):
    """Events of a document made by gen_dscsa.py, with what its sidecar says of them."""
    planted, original = {}, {}
    with open(sidecar_path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["kind"] == "bad":
                planted[int(row["event_index"])] = row["code"]
            else:
                original[int(row["event_index"])] = int(row["note"].partition("=")[2])
    events = []
    for _, element in ElementTree.iterparse(document_path):
        if element.tag not in ("ObjectEvent", "AggregationEvent"):
            continue
        events.append(read_event(element, len(events), events, planted, original))
        element.clear()
    return events


def read_event(element, index, before, planted, original):
    code = planted.get(index, "")
    ilmd = {child.tag.rpartition("}")[2]: child.text for child in element.findall("extension/ilmd/*")}
    holder = "epcList" if element.tag == "ObjectEvent" else "childEPCs"
    first = before[original[index]] if index in original else None
    return Event(
        type=element.tag, step=element.findtext("bizStep").rpartition(":")[2],
        action=element.findtext("action"), disposition=element.findtext("disposition").rpartition(":")[2],
        party=None, time=first.time if first else element.findtext("eventTime"),
        offset=element.findtext("eventTimeZoneOffset"),
        epcs=[epc.text for epc in element.find(holder)], parent=element.findtext("parentID") or "",
        lot=ilmd.get("lotNumber", ""), expiry=ilmd.get("itemExpirationDate", ""),
        index=index, planted=code, fault=SIDECAR_CODES[code] if code else "",
        facts=first.facts if first else index)
