"""Makes EPCIS 1.2 XML documents of a drug's way from manufacturer to dispenser, with planted defects and
redelivered events, and says of each event what was done to it. Same arguments, same bytes.

    document = make(events=1000, defects=0.02, redelivered=0.05, seed=7)
    document.data        the bytes
    document.events      one Event for each event in the document, in its order: the answer key

What must become of each event is not said here: oracle.py works it out from the key.
"""

import dataclasses
import datetime
import random
from typing import Optional
from xml.sax.saxutils import escape

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
MS = datetime.timedelta(milliseconds=1)
START = datetime.datetime(2025, 2, 3, 6, 0, 0, 0, UTC)
CBV = "urn:epcglobal:cbv:"


def check_digit(digits):
    total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return str((10 - total % 10) % 10)


@dataclasses.dataclass(frozen=True)
class Party:
    """A company with one site. Every number gives another company prefix, and so another GLN."""

    name: str
    number: int
    offset: str

    @property
    def prefix(self):
        return f"952{self.number:04d}"

    @property
    def gln(self):
        return self.prefix + "00001" + check_digit(self.prefix + "00001")

    def place(self, extension="0"):
        return f"urn:epc:id:sgln:{self.prefix}.00001.{extension}"


@dataclasses.dataclass
class Event:
    """One event as it stands in the document; the last five fields are the answer key."""

    type: str
    step: str
    action: str
    disposition: str
    party: Party
    time: Optional[datetime.datetime]
    offset: str
    epcs: list
    parent: str = ""
    read_point: str = ""
    biz_location: str = ""
    lot: str = ""
    expiry: str = ""
    transactions: list = dataclasses.field(default_factory=list)
    seller: Optional[Party] = None
    buyer: Optional[Party] = None
    time_text: Optional[str] = None  # instead of `time`
    index: int = -1
    planted: str = ""  # name of the defect, see DEFECTS; empty: none
    fault: str = ""  # code that this event alone, without any other, earns
    facts: int = -1  # events with one number state the same facts
    variant: str = ""  # "exact" or "reserialised" for a redelivery

    def copy(self):
        return dataclasses.replace(self, epcs=list(self.epcs), transactions=list(self.transactions))

    @property
    def commissions(self):
        return self.type == "ObjectEvent" and self.action == "ADD" and self.step == "commissioning"

    @property
    def packs(self):
        return self.type == "AggregationEvent" and self.action == "ADD"

    @property
    def moment(self):
        """What tells one event of an item from another."""
        return (self.time, self.type, self.step, self.action)


@dataclasses.dataclass
class Document:
    data: bytes
    events: list
    partner: str  # GLN of the sender


# ---- the way of the goods ----------------------------------------------------------------------------


class Flow:
    """Yields sound events for ever: each lot is made, packed, shipped, received and unpacked."""

    def __init__(self, seed, company, epcs_per_event, cases_per_pallet=3):
        self.random = random.Random(f"flow {seed} {company}")
        self.maker = Party("Sample Pharma", company, "-05:00")
        self.wholesaler = Party("Sample Wholesale", company + 1, "-06:00")
        self.dispensers = [Party(f"Sample Pharmacy {n}", company + 2 + n, "-08:00") for n in range(3)]
        self.epcs_per_event = epcs_per_event
        self.cases_per_pallet = cases_per_pallet
        self.seed = seed
        self.now = START + datetime.timedelta(hours=seed % 97)
        self.serials = 0
        self.containers = 0
        self.papers = 0

    def tick(self, low, high):
        self.now += datetime.timedelta(milliseconds=self.random.randint(low, high))
        return self.now

    def serial(self):
        self.serials += 1
        # 8191 has no factor in common with 10^12, so no number comes twice.
        return f"{(self.serials * 8191 + self.seed * 524287) % 10**12:012d}"

    def item(self, product):
        return f"urn:epc:id:sgtin:{self.maker.prefix}.0{20000 + product}.{self.serial()}"

    def container(self):
        self.containers += 1
        return f"urn:epc:id:sscc:{self.maker.prefix}.1{self.seed % 1000:03d}{self.containers:06d}"

    def paper(self, kind, party):
        self.papers += 1
        return (kind, f"{CBV}bt:{party.gln}:{kind.upper()}-{self.seed}-{self.papers:06d}")

    def at(self, party, type_, step, action, disposition, epcs, gap, leaves=False, **more):
        return Event(type=type_, step=step, action=action, disposition=disposition, party=party,
                     time=self.tick(*gap), offset=party.offset, epcs=list(epcs),
                     read_point=party.place(more.pop("gate", "0")),
                     biz_location="" if leaves else party.place(), **more)

    def handover(self, seller, buyer, epcs, papers, gap):
        """Shipping at the seller's, receiving at the buyer's."""
        yield self.at(seller, "ObjectEvent", "shipping", "OBSERVE", "in_transit", epcs, gap, leaves=True,
                      gate="D1", transactions=papers, seller=seller, buyer=buyer)
        yield self.at(buyer, "ObjectEvent", "receiving", "OBSERVE", "in_progress", epcs, (9000, 90000),
                      gate="D2", transactions=papers[:2], seller=seller, buyer=buyer)

    def lot_events(self, number):
        maker, wholesaler = self.maker, self.wholesaler
        product = number % 6
        lot = f"LT{self.seed % 1000:03d}-{number:05d}"
        expiry = (datetime.date(2027, 1, 15) + datetime.timedelta(days=7 * (number % 150))).isoformat()
        quick, slow = (400, 4000), (20000, 60000)
        contents = []
        for _ in range(self.cases_per_pallet):
            items = [self.item(product) for _ in range(self.epcs_per_event)]
            contents.append((self.container(), items))
            yield self.at(maker, "ObjectEvent", "commissioning", "ADD", "active", items, quick, lot=lot,
                          expiry=expiry, gate="L3")
        cases = [case for case, _ in contents]
        pallet = self.container()
        yield self.at(maker, "ObjectEvent", "commissioning", "ADD", "active", cases + [pallet], quick,
                      gate="L3")
        for case, items in contents:
            yield self.at(maker, "AggregationEvent", "packing", "ADD", "in_progress", items, quick, parent=case)
        yield self.at(maker, "AggregationEvent", "packing", "ADD", "in_progress", cases, quick, parent=pallet)
        papers = [self.paper("po", wholesaler), self.paper("desadv", maker), self.paper("inv", maker)]
        yield from self.handover(maker, wholesaler, [pallet], papers, slow)
        yield self.at(wholesaler, "AggregationEvent", "unpacking", "DELETE", "in_progress", cases, quick,
                      parent=pallet)
        for case, items in contents:
            dispenser = self.random.choice(self.dispensers)
            papers = [self.paper("po", dispenser), self.paper("desadv", wholesaler)]
            yield from self.handover(wholesaler, dispenser, [case], papers, quick)
            yield self.at(dispenser, "AggregationEvent", "unpacking", "DELETE", "in_progress", items, quick,
                          parent=case)

    def __iter__(self):
        number = 0
        while True:
            yield from self.lot_events(number)
            number += 1


# ---- defects -------------------------------------------------------------------------------------------


def of_kind(event, scheme):
    return [place for place, epc in enumerate(event.epcs) if f":{scheme}:" in epc]


def has_items(event):
    return bool(of_kind(event, "sgtin"))


def makes_items(event):
    return event.commissions and has_items(event)


def change_epc(event, chance, scheme, change):
    place = chance.choice(of_kind(event, scheme))
    event.epcs[place] = change(event.epcs[place])


def cut_item_reference(epc):
    head, serial = epc.rsplit(".", 1)
    return head[:-1] + "." + serial


# name: (code, what it needs, what it does). Code "": whether it is one depends on other events.
DEFECTS = {
    "short item reference": ("SGTIN_FORMAT", has_items,
                             lambda e, r: change_epc(e, r, "sgtin", cut_item_reference)),
    "long serial": ("SERIAL_FORMAT", has_items,
                    lambda e, r: change_epc(e, r, "sgtin", lambda epc: epc + "ABCDEFGHI")),
    "serial outside set 82": ("SERIAL_FORMAT", has_items,
                              lambda e, r: change_epc(e, r, "sgtin", lambda epc: epc[:-3] + "~" + epc[-2:])),
    "short SSCC": ("SSCC_FORMAT", lambda e: of_kind(e, "sscc"),
                   lambda e, r: change_epc(e, r, "sscc", lambda epc: epc[:-1])),
    "short parent SSCC": ("SSCC_FORMAT", lambda e: e.parent,
                          lambda e, r: setattr(e, "parent", e.parent[:-2])),
    "long GLN": ("GLN_FORMAT", lambda e: True,
                 lambda e, r: setattr(e, "read_point", e.read_point.replace(".00001.", ".000017."))),
    "no event time": ("TIME_INVALID", lambda e: True, lambda e, r: setattr(e, "time_text", "")),
    "thirteenth month": ("TIME_INVALID", lambda e: True,
                         lambda e, r: setattr(e, "time_text", "2025-13-07T10:00:00.000Z")),
    "bad offset": ("TIME_INVALID", lambda e: True,
                   lambda e, r: setattr(e, "offset", r.choice(("+14:30", "0600", "CET", "-6:00")))),
    "unknown action": ("ACTION_INVALID", lambda e: True, lambda e, r: setattr(e, "action", "MODIFY")),
    "no lot": ("LOT_EXPIRY_MISSING", makes_items, lambda e, r: setattr(e, "lot", "")),
    "no expiry": ("LOT_EXPIRY_MISSING", makes_items, lambda e, r: setattr(e, "expiry", "")),
    "long lot": ("LOT_FORMAT", makes_items, lambda e, r: setattr(e, "lot", e.lot + "-TOO-LONG-A-LOT")),
    "30 February": ("EXPIRY_FORMAT", makes_items, lambda e, r: setattr(e, "expiry", "2028-02-30")),
    "other expiry": ("", makes_items, lambda e, r: setattr(e, "expiry", "2031-12-31")),
    "serial of another lot": ("", makes_items, None),
    "other facts, same key": ("", lambda e: e.action == "OBSERVE", None),
}

# What is wrong only beside what came before, and makes wrong what comes after; planted where asked for.
LEDGER_DEFECTS = {
    "never commissioned": ("", lambda e: e.packs and has_items(e),
                           lambda e, r: change_epc(e, r, "sgtin", lambda epc: epc[:-1] + "Z")),
    "in two cases": ("", lambda e: e.packs and has_items(e), None),
    "expired lot": ("", makes_items, lambda e, r: (setattr(e, "lot", e.lot + "-OLD"),
                                                   setattr(e, "expiry", (START.date() - DAY).isoformat()))),
    "decommissioned in its case": ("", lambda e: e.packs and has_items(e), None),
}


class Planter:
    def __init__(self, seed, only):
        self.random = random.Random(f"defects {seed}")
        self.names = sorted(only or DEFECTS)
        self.used = dict.fromkeys(self.names, 0)
        self.first_of_lot = {}  # lot -> an item of it

    def remember(self, event):
        if makes_items(event):
            self.first_of_lot.setdefault(event.lot, event.epcs[0])

    def plant(self, event):
        """Changes the event, or gives one to stand after it."""
        defects = {**DEFECTS, **LEDGER_DEFECTS}
        fits = [name for name in self.names if defects[name][1](event)]
        if not fits:
            return event
        # The least used first: what fits few events is not drowned by what fits all.
        name = min(fits, key=lambda fit: (self.used[fit], self.random.random()))
        code, _, change = defects[name]
        if name == "serial of another lot":
            others = [epc for lot, epc in self.first_of_lot.items() if lot != event.lot][-5:]
            if not others:
                return event
            event.epcs.append(self.random.choice(others))
        elif name == "other facts, same key":
            event = event.copy()
            event.disposition = "in_progress" if event.disposition == "in_transit" else "in_transit"
        elif name == "in two cases":
            event = event.copy()
            event.time, event.parent = event.time + MS, event.parent.replace(".1", ".2", 1)
        elif name == "decommissioned in its case":
            event = dataclasses.replace(
                event, type="ObjectEvent", step="decommissioning", action="DELETE", disposition="inactive",
                time=event.time + MS, parent="", epcs=[event.epcs[self.random.choice(of_kind(event, "sgtin"))]])
        else:
            change(event, self.random)
        event.planted, event.fault = name, code
        self.used[name] += 1
        return event


# ---- the whole document --------------------------------------------------------------------------------


def make(events, defects=0.0, redelivered=0.0, seed=1, company=1, epcs_per_event=5, only=None,
         instance=None):
    """A document of exactly `events` events, redelivered ones counted. `only`: names out of DEFECTS
    and LEDGER_DEFECTS; the former where nothing is said."""
    chance = random.Random(f"document {seed}")
    planter = Planter(seed, only)
    flow = Flow(seed, company, epcs_per_event)
    out, waiting, facts = [], [], 0

    def put(event):
        event.index = len(out)
        out.append(event)

    for event in flow:
        while waiting and waiting[0][0] <= len(out) and len(out) < events:
            put(waiting.pop(0)[1])
        if len(out) >= events:
            break
        facts += 1
        event.facts = facts
        original = event.copy()
        if chance.random() < defects:
            changed = planter.plant(event)
            if changed is not event:  # the sound one first, then the one in conflict with it
                put(event)
                if len(out) == events:
                    break
                facts += 1
                changed.facts = facts
            put(changed)
        else:
            put(event)
        if not event.planted:
            planter.remember(original)
            if chance.random() < redelivered:
                again = original
                again.variant = chance.choice(("exact", "reserialised"))
                waiting.append((len(out) + chance.randint(1, 25), again))
                waiting.sort(key=lambda entry: entry[0])
    return Document(serialise(out, flow, instance or f"sample-{seed}"), out, flow.maker.gln)


def again(document, company=1, instance="resent", reserialised=True):
    """Another document of the same sender with the same events."""
    flow = Flow(0, company, 1)
    events = []
    for event in document.events:
        copy = event.copy()
        if reserialised:
            copy.variant = "" if event.variant == "reserialised" else "reserialised"
        events.append(copy)
    return Document(serialise(events, flow, instance), events, document.partner)


# ---- XML -------------------------------------------------------------------------------------------------


def stamp(time, offset="Z"):
    if offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        shift = datetime.timedelta(hours=hours, minutes=minutes)
        time += shift if offset[0] == "+" else -shift
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}{offset}"


def event_xml(event):
    """A redelivery that is "reserialised" says the same in other words: order, spelling of the instant,
    recordTime."""
    other = event.variant == "reserialised"
    lines = [f"<{event.type}>"]
    if event.time_text is None:
        lines.append(f"  <eventTime>{stamp(event.time, event.party.offset if other else 'Z')}</eventTime>")
    elif event.time_text:
        lines.append(f"  <eventTime>{event.time_text}</eventTime>")
    recorded = event.time + datetime.timedelta(minutes=45 if other else 2)
    lines.append(f"  <recordTime>{stamp(recorded)}</recordTime>")
    lines.append(f"  <eventTimeZoneOffset>{event.offset}</eventTimeZoneOffset>")
    epcs = reversed(event.epcs) if other else event.epcs
    holder = "epcList"
    if event.type == "AggregationEvent":
        holder = "childEPCs"
        lines.append(f"  <parentID>{event.parent}</parentID>")
    lines.append(f"  <{holder}>")
    lines += [f"    <epc>{escape(epc)}</epc>" for epc in epcs]
    lines.append(f"  </{holder}>")
    lines.append(f"  <action>{event.action}</action>")
    lines.append(f"  <bizStep>{CBV}bizstep:{event.step}</bizStep>")
    lines.append(f"  <disposition>{CBV}disp:{event.disposition}</disposition>")
    lines.append(f"  <readPoint><id>{event.read_point}</id></readPoint>")
    if event.biz_location:
        lines.append(f"  <bizLocation><id>{event.biz_location}</id></bizLocation>")
    if event.transactions:
        lines.append("  <bizTransactionList>")
        for kind, identifier in (reversed(event.transactions) if other else event.transactions):
            lines.append(f'    <bizTransaction type="{CBV}btt:{kind}">{identifier}</bizTransaction>')
        lines.append("  </bizTransactionList>")
    inner = []
    if event.seller:
        for tag, party in (("source", event.seller), ("destination", event.buyer)):
            inner.append(f"    <{tag}List>")
            for kind in ("owning_party", "location"):
                inner.append(f'      <{tag} type="{CBV}sdt:{kind}">{party.place()}</{tag}>')
            inner.append(f"    </{tag}List>")
    if event.lot or event.expiry:
        inner.append("    <ilmd>")
        if event.lot:
            inner.append(f"      <cbvmda:lotNumber>{escape(event.lot)}</cbvmda:lotNumber>")
        if event.expiry:
            inner.append(f"      <cbvmda:itemExpirationDate>{event.expiry}</cbvmda:itemExpirationDate>")
        inner.append("    </ilmd>")
    if inner:
        lines += ["  <extension>"] + inner + ["  </extension>"]
    lines.append(f"</{event.type}>")
    return "".join(f"      {line}\n" for line in lines)


HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:1" xmlns:cbvmda="urn:epcglobal:cbv:mda"
    xmlns:sbdh="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
    schemaVersion="1.2" creationDate="2025-06-02T09:00:00Z">
  <EPCISHeader>
    <sbdh:StandardBusinessDocumentHeader>
      <sbdh:HeaderVersion>1.0</sbdh:HeaderVersion>
      <sbdh:Sender><sbdh:Identifier Authority="SGLN">{sender}</sbdh:Identifier></sbdh:Sender>
      <sbdh:Receiver><sbdh:Identifier Authority="SGLN">{receiver}</sbdh:Identifier></sbdh:Receiver>
      <sbdh:DocumentIdentification>
        <sbdh:Standard>EPCglobal</sbdh:Standard>
        <sbdh:TypeVersion>1.0</sbdh:TypeVersion>
        <sbdh:InstanceIdentifier>{instance}</sbdh:InstanceIdentifier>
        <sbdh:Type>Events</sbdh:Type>
        <sbdh:CreationDateAndTime>2025-06-02T09:00:00Z</sbdh:CreationDateAndTime>
      </sbdh:DocumentIdentification>
    </sbdh:StandardBusinessDocumentHeader>
  </EPCISHeader>
  <EPCISBody>
    <EventList>
"""
TAIL = """    </EventList>
  </EPCISBody>
</epcis:EPCISDocument>
"""


def serialise(events, flow, instance):
    head = HEAD.format(sender=flow.maker.place(), receiver=flow.wholesaler.place(), instance=instance)
    return (head + "".join(map(event_xml, events)) + TAIL).encode()
