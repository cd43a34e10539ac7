"""What containers held at any moment, and the events of documents, lots and places, against a replay of the
answer key in Python."""

import collections
import datetime
import json

from documents import check_digit, make
from harness import EndToEnd, Refused, main, trace_pb

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
SSCC, SGTIN = "urn:epc:id:sscc:", "urn:epc:id:sgtin:"


def ms(time):
    return (time - EPOCH) // datetime.timedelta(milliseconds=1)


def gtin_of(epc):
    prefix, reference, _ = epc.removeprefix(SGTIN).split(".")
    digits = reference[0] + prefix + reference[1:]
    return digits + check_digit(digits)


def link_of(epc):
    if epc.startswith(SSCC):
        prefix, reference = epc.removeprefix(SSCC).split(".")
        digits = reference[0] + prefix + reference[1:]
        return f"https://id.gs1.org/00/{digits}{check_digit(digits)}"
    return f"https://id.gs1.org/01/{gtin_of(epc)}/21/{epc.rpartition('.')[2]}"


def contents_at(events, time):
    """container -> what is in it, each with the position of the event that packed it."""
    held = collections.defaultdict(dict)
    for event in sorted(events, key=lambda event: event.time):
        if event.type != "AggregationEvent" or event.time > time:
            continue
        for epc in event.epcs:
            if event.action == "ADD":
                held[event.parent][epc] = event.index
            else:
                held[event.parent].pop(epc, None)
    return held


class Trace(EndToEnd):
    def setUp(self):
        super().setUp()
        self.server = self.start()
        self.document = make(events=120, seed=7960, company=3200, epcs_per_event=8)
        receipt = self.server.client.capture(self.document.data)
        self.capture_id = receipt.capture_id
        self.assertEqual(self.server.client.wait(receipt.capture_id).committed, 120)
        self.events = self.document.events
        self.containers = sorted({event.parent for event in self.events if event.parent})

    def pages(self, method, request, field):
        found = []
        while True:
            page = self.server.client.call(method, request)
            found += getattr(page, field)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def contents(self, epc, time=None, recursive=False, page_size=0):
        return self.pages(self.server.client.traces.GetContents, trace_pb.GetContentsRequest(
            epc=epc, at_ms=ms(time) if time else 0, recursive=recursive, page_size=page_size), "items")

    def listed(self, page_size=0, **selection):
        return self.pages(self.server.client.traces.ListEvents, trace_pb.ListEventsRequest(
            page_size=page_size, **selection), "events")

    def above(self, epc, time=None):
        return list(self.server.client.call(self.server.client.traces.GetContainers, trace_pb.GetContainersRequest(
            epc=epc, at_ms=ms(time) if time else 0)).containers)

    def sequences(self):
        """Position in the document -> sequence in the store."""
        return {entry.event_index: entry.sequence for entry in self.listed(capture_id=self.capture_id)}

    def test_containers_now_and_at_every_turn(self):
        sequences = self.sequences()
        turns = [event.time for event in self.events if event.type == "AggregationEvent"]
        self.assertGreater(len(turns), 20)
        for time in turns + [turns[0] - datetime.timedelta(seconds=1), None]:
            held = contents_at(self.events, time or self.events[-1].time)
            for container in self.containers:
                wanted = {link_of(epc): sequences[index] for epc, index in held[container].items()}
                found = self.contents(container, time, page_size=3)
                self.assertEqual({item.epc: item.packed_sequence for item in found}, wanted, f"{container} at {time}")
                self.assertEqual(len(found), len(wanted), "each once")
                for epc in held[container]:
                    self.assertEqual(self.above(epc, time)[0].epc, link_of(container))

    def test_a_pallet_as_it_was_shipped(self):
        shipping = next(event for event in self.events if event.step == "shipping")
        pallet = shipping.epcs[0]
        held = contents_at(self.events, shipping.time)
        lots = {epc: event for event in self.events if event.commissions for epc in event.epcs}
        wanted = []
        for case in held[pallet]:
            wanted.append((1, link_of(pallet), link_of(case), "", "", ""))
            wanted += [(2, link_of(case), link_of(epc), gtin_of(epc), lots[epc].lot, lots[epc].expiry)
                       for epc in held[case]]
        self.assertEqual(len(wanted), 3 + 3 * 8)
        for page_size in (0, 1, 10, 27):
            found = self.contents(pallet, shipping.time, recursive=True, page_size=page_size)
            self.assertEqual([(i.depth, i.parent, i.epc, i.gtin, i.lot, i.expiry) for i in found], wanted)
        item = next(iter(held[next(iter(held[pallet]))]))
        self.assertEqual([container.epc for container in self.above(item, shipping.time)],
                         [link_of(next(iter(held[pallet]))), link_of(pallet)])

    def test_a_case_of_10000_items(self):
        document = make(events=9, seed=7964, company=3240, epcs_per_event=10000)  # three cases, to the shipping
        packing, shipping = document.events[4], document.events[8]
        self.assertEqual((packing.step, len(packing.epcs), shipping.step), ("packing", 10000, "shipping"))
        receipt = self.server.client.capture(document.data)
        self.assertEqual(self.server.client.wait(receipt.capture_id).committed, 9)
        for time in (shipping.time, None):
            for page_size in (0, 999, 10000):
                found = self.contents(packing.parent, time, page_size=page_size)
                self.assertEqual([item.epc for item in found], [link_of(epc) for epc in packing.epcs])
        pallet = self.contents(shipping.epcs[0], shipping.time, recursive=True)
        items = [epc for event in document.events[4:7] for epc in event.epcs]
        self.assertEqual([item.epc for item in pallet if item.depth == 2], [link_of(epc) for epc in items])
        self.assertEqual({(item.lot, item.expiry) for item in pallet if item.depth == 2},
                         {(document.events[0].lot, document.events[0].expiry)})
        self.assertEqual(len(pallet), 3 + 30000)
        self.stop_cleanly(self.server)

    def test_events_of_documents_lots_and_places(self):
        sequences = self.sequences()
        self.assertEqual([sequences[index] for index in range(120)], sorted(sequences.values()))
        entries = self.listed(capture_id=self.capture_id, page_size=7)
        self.assertEqual([entry.biz_step for entry in entries], [event.step for event in self.events])
        self.assertEqual({entry.capture_id for entry in entries}, {self.capture_id})

        makers = [event for event in self.events if event.lot]
        lots = {(gtin_of(event.epcs[0]), event.lot) for event in makers}
        self.assertGreater(len(lots), 2)
        for gtin, lot in lots:
            wanted = [event.index for event in makers if (gtin_of(event.epcs[0]), event.lot) == (gtin, lot)]
            self.assertEqual([entry.event_index for entry in self.listed(gtin=gtin, lot=lot, page_size=2)], wanted)

        for party in {event.party for event in self.events}:
            there = sorted((event for event in self.events if event.party == party), key=lambda event: event.time)
            found = self.listed(gln=party.gln, page_size=5)
            self.assertEqual([entry.event_index for entry in found], [event.index for event in there])
            start, end = there[len(there) // 4].time, there[3 * len(there) // 4].time
            found = self.listed(gln=party.place(), from_ms=ms(start), to_ms=ms(end))
            self.assertEqual([entry.event_index for entry in found],
                             [event.index for event in there if start <= event.time < end])

        again = self.server.client.capture(self.document.data + b"\n")
        self.assertEqual(self.server.client.wait(again.capture_id).duplicates, 120)
        self.assertEqual(self.listed(capture_id=again.capture_id), [], "a document without an event of its own")

    def test_what_is_refused(self):
        item, container = self.events[0].epcs[0], self.containers[0]
        never = "00000000-0000-7000-8000-000000000000"
        traces = self.server.client.traces
        for method, request, code in (
                (traces.GetContents, trace_pb.GetContentsRequest(epc="1"), "INVALID_ARGUMENT"),
                (traces.GetContents, trace_pb.GetContentsRequest(epc=container, page_token="x"), "INVALID_ARGUMENT"),
                (traces.GetContents, trace_pb.GetContentsRequest(epc=container[:-1] + "/"), "INVALID_ARGUMENT"),
                (traces.GetContents, trace_pb.GetContentsRequest(epc="urn:epc:id:sscc:9529999.0000000000"), "NOT_FOUND"),
                (traces.GetContainers, trace_pb.GetContainersRequest(epc=item + "9"), "NOT_FOUND"),
                (traces.ListEvents, trace_pb.ListEventsRequest(), "INVALID_ARGUMENT"),
                (traces.ListEvents, trace_pb.ListEventsRequest(capture_id=self.capture_id, gln="0614141000012"),
                 "INVALID_ARGUMENT"),
                (traces.ListEvents, trace_pb.ListEventsRequest(capture_id=self.capture_id, page_token="00"),
                 "INVALID_ARGUMENT"),
                (traces.ListEvents, trace_pb.ListEventsRequest(capture_id=never), "NOT_FOUND"),
                (traces.ListEvents, trace_pb.ListEventsRequest(gtin=gtin_of(item), lot="none"), "NOT_FOUND"),
                (traces.ListEvents, trace_pb.ListEventsRequest(gln="0614141000012"), "NOT_FOUND")):
            with self.assertRaises(Refused) as refused:
                self.server.client.call(method, request)
            self.assertEqual(refused.exception.code, code, request)

    def test_the_state_tells_where_an_item_is(self):
        document = make(events=130, seed=7962, company=3220, epcs_per_event=8)  # ends with a pallet just received
        events = document.events
        receipt = self.server.client.capture(document.data)
        self.assertEqual(self.server.client.wait(receipt.capture_id).committed, 130)
        held = contents_at(events, events[-1].time)
        inside_of = {epc: container for container in held for epc in held[container]}
        inside = 0
        for epc in {epc for event in events for epc in event.epcs}:
            chain = [epc]
            while chain[-1] in inside_of:
                chain.append(inside_of[chain[-1]])
            outermost, state = chain[-1], self.server.client.item(epc)[0]
            wanted = (link_of(chain[1]), link_of(outermost)) if len(chain) > 1 else ("", "")
            self.assertEqual((state.parent, state.container), wanted, epc)
            last = [event for event in events if {epc, outermost} & {event.parent, *event.epcs}][-1]
            self.assertEqual(state.holder, last.party.gln, epc)
            inside += len(chain) > 1
        self.assertEqual(inside, 3 + 3 * 8)
        self.stop_cleanly(self.server)

    def test_epcisctl(self):
        shipping = next(event for event in self.events if event.step == "shipping")
        pallet, at = shipping.epcs[0], shipping.time.isoformat()
        held = contents_at(self.events, shipping.time)
        result = self.epcisctl(self.server, "contains", pallet, "--recursive", "--at", at, "--json", check=0)
        items = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(items), 27)
        self.assertEqual(sorted(items[0]), ["depth", "epc", "expiry", "gtin", "lot", "packed_sequence", "parent"])
        self.assertEqual([item["epc"] for item in items if item["depth"] == 1], [link_of(c) for c in held[pallet]])
        text = self.epcisctl(self.server, "contains", pallet, "--at", at, check=0).stdout
        self.assertIn(link_of(next(iter(held[pallet]))), text)
        item = items[1]["epc"]
        up = self.epcisctl(self.server, "contains", "--up", item, "--at", at, "--json", check=0).stdout
        self.assertEqual([json.loads(line)["epc"] for line in up.splitlines()], [items[0]["epc"], link_of(pallet)])
        self.epcisctl(self.server, "contains", "urn:epc:id:sscc:9529999.0000000000", check=1)

        rows = self.epcisctl(self.server, "events", "--capture", self.capture_id, "--json", check=0).stdout
        self.assertEqual([json.loads(line)["event_index"] for line in rows.splitlines()], list(range(120)))
        made = self.events[0]
        rows = self.epcisctl(self.server, "events", "--lot", gtin_of(made.epcs[0]), made.lot, "--json", check=0)
        self.assertEqual(json.loads(rows.stdout.splitlines()[0])["event_index"], 0)
        rows = self.epcisctl(self.server, "events", "--gln", made.party.gln, "--to", made.time.isoformat(), check=0)
        self.assertEqual(rows.stdout.count("\n"), 1, "the heading alone")
        self.epcisctl(self.server, "events", "--gln", "0614141000012", check=1)
        self.epcisctl(self.server, "events", check=2)
        self.stop_cleanly(self.server)


if __name__ == "__main__":
    main()
