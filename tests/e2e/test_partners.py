"""Many partners at once, and order inside what one partner sends."""

import concurrent.futures
import random
import threading

from documents import Flow, Party, make, serialise
from harness import PATIENCE, EndToEnd, counts_of, main
from oracle import Oracle


class Partners(EndToEnd):
    def test_many_small_documents_from_many_partners_at_once(self):
        """Each partner sends in its own order, beside all others; no partner sees another's work."""
        partners = [[make(events=random.Random(n * 10 + m).randint(1, 60), defects=0.05, redelivered=0.1,
                          seed=7000 + 20 * n + m, company=2000 + 10 * n) for m in range(12)] for n in range(20)]
        server = self.start(workers=2)

        def send(documents):
            return [server.client.capture(document.data) for document in documents]

        with concurrent.futures.ThreadPoolExecutor(len(partners)) as pool:
            receipts = list(pool.map(send, partners))
        total = 0
        for documents, theirs in zip(partners, receipts):
            oracle = Oracle()
            for document, receipt in zip(documents, theirs):
                self.assertEqual(receipt.partner, document.partner)
                outcome = oracle.document(document.partner, document.events)
                total += self.assert_outcome(server, receipt.capture_id, outcome).committed
        self.check_order(server, [[receipt.capture_id for receipt in theirs] for theirs in receipts], total)
        self.stop_cleanly(server)

    def check_order(self, server, sent, total):
        """Inside a partner: documents in the order of receipts, events in the order of the document."""
        events = server.client.all_events()
        self.assertEqual(len(events), total)
        place = {capture_id: (partner, at) for partner, ids in enumerate(sent)
                 for at, capture_id in enumerate(ids)}
        last = {}
        for capture_id, index, _ in events:
            partner, at = place[capture_id]
            self.assertLess(last.get(partner, (-1, -1)), (at, index))
            last[partner] = (at, index)

    def test_what_depends_on_order_comes_out_in_order(self):
        """A unit's life is spread over many small documents of one partner, sent one after the other while
        two workers compete. Any change of order would refuse what is sound, or commit what is not."""
        whole = make(events=400, defects=0.05, redelivered=0.1, seed=7900, company=3000,
                     only=["other expiry", "serial of another lot", "other facts, same key"])
        server = self.start(workers=2, options=["--batch-max-events", 3])
        oracle, sent = Oracle(), []
        for at in range(0, len(whole.events), 5):
            events = whole.events[at:at + 5]
            document = self.part(events, f"part-{at}")
            sent.append((events, server.client.capture(document)))
        for events, receipt in sent:
            for index, event in enumerate(events):
                event.index = index
            self.assert_outcome(server, receipt.capture_id, oracle.document(whole.partner, events))
        for epc in sorted(oracle.history)[::7]:
            state, history = server.client.item(epc, page_size=2)
            self.assertEqual(state.status, oracle.status(epc), epc)
            times = [(entry.event_time.seconds, entry.event_time.nanos) for entry in history]
            self.assertEqual(times, sorted(times), "oldest first")
            self.assertEqual(len(history), len(oracle.history[epc]))
            self.assertEqual([entry.biz_step for entry in history],
                             [event.step for event in sorted(oracle.history[epc], key=lambda e: e.time)])
        self.stop_cleanly(server)

    def test_a_serial_that_two_partners_commission_at_once_is_one_partner_s(self):
        """Each partner has its own order and, with two workers, its own worker: the store alone decides."""
        server = self.start(workers=2)
        rounds = [make(events=1, seed=7970 + n, company=3300) for n in range(30)]
        barrier = threading.Barrier(2)

        def send(side):
            receipts = []
            for n, document in enumerate(rounds):
                barrier.wait(60 * PATIENCE)
                receipts.append(server.client.capture(document.data, Party("", 3400 + 2 * n + side, "").gln))
            return receipts

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sides = list(pool.map(send, range(2)))
        for document, *receipts in zip(rounds, *sides):
            self.assertFalse(any(receipt.duplicate_document for receipt in receipts))
            captures = {receipt.capture_id: server.client.wait(receipt.capture_id) for receipt in receipts}
            self.assertEqual(sorted(capture.committed for capture in captures.values()), [0, 1])
            winner, loser = sorted(captures, key=lambda capture_id: -captures[capture_id].committed)
            self.assertEqual((captures[loser].dead_letters, captures[loser].duplicates), (1, 0))
            letter, = server.client.dead_letters(loser)
            self.assertEqual([reason.code for reason in letter.reasons],
                             ["SERIAL_REUSED"] * len(document.events[0].epcs))
            for epc in document.events[0].epcs:
                _, history = server.client.item(epc)
                self.assertEqual([entry.capture_id for entry in history], [winner])
        self.stop_cleanly(server)

    @staticmethod
    def part(events, instance):
        return serialise(events, Flow(1, 3000, 1), instance)

    def test_the_state_of_an_item_follows_its_events(self):
        document = make(events=60, seed=7950, company=3100)
        server = self.start(workers=1)
        receipt = server.client.capture(document.data)
        self.assertEqual(counts_of(server.client.wait(receipt.capture_id))["committed"], 60)
        first = document.events[0]
        item = first.epcs[0]
        state, history = server.client.item(item)
        _, _, _, _, body = item.split(":")
        prefix, reference, serial = body.split(".")
        self.assertEqual(state.gtin[:13], reference[0] + prefix + reference[1:])
        self.assertEqual((state.serial, state.lot, state.expiry), (serial, first.lot, first.expiry))
        self.assertEqual(state.disposition, [e for e in document.events if item in e.epcs][-1].disposition)
        self.assertEqual(history[0].biz_step, "commissioning")
        self.assertEqual((history[0].capture_id, history[0].event_index), (receipt.capture_id, first.index))
        self.assertTrue(history[0].event_hash.startswith("ni:///sha-256;"), history[0])
        self.assertEqual(len(history[0].batch_id), 64)
        link, _ = server.client.item(f"https://id.gs1.org/01/{state.gtin}/21/{serial}")
        self.assertEqual(link, state, "both spellings of one EPC find the same item")
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
