"""Ten thousand documents wait and no worker comes: the server stays as small as it was. Then one comes, and all is
committed in the order of the receipts."""

import collections

from documents import make
from harness import SANITIZER, EndToEnd, capture_pb, main, status_field, wait_for

DOCUMENTS = 10000 if not SANITIZER else 2000
PARTNERS = 20
AT_ONCE = 64
# For each document that waits: its event and its place in a batch, its header's facts, its number. 1.5 KB in truth.
BYTES_EACH = 4096


class Backlog(EndToEnd):
    def setUp(self):
        super().setUp()
        self.patterns = [make(events=1, seed=900 + n, company=3000 + 10 * n, epcs_per_event=1) for n in range(PARTNERS)]

    def document(self, number):
        """One event of one item that no other document names."""
        pattern = self.patterns[number % PARTNERS]
        epc = pattern.events[0].epcs[0]
        return pattern.data.replace(epc.encode(), f"{epc.rpartition('.')[0]}.9{number:08d}".encode())

    def send(self, server, first, end):
        """Sends documents, some at once; their receipts."""
        receipts, under_way = [], collections.deque()
        for number in range(first, end):
            if len(under_way) == AT_ONCE:
                receipts.append(under_way.popleft().result().receipt)
            under_way.append(server.client.captures.Capture.future(
                capture_pb.CaptureRequest(document=self.document(number)), timeout=300))
        return receipts + [call.result().receipt for call in under_way]

    def memory(self, server):
        return status_field(server.pid, "RssAnon") * 1024

    def test_ten_thousand_documents(self):
        server = self.start(workers=0, options=self.endpoints())
        receipts = self.send(server, 0, DOCUMENTS // 10)
        few = self.memory(server)
        receipts += self.send(server, DOCUMENTS // 10, DOCUMENTS)
        many = self.memory(server)
        waiting = DOCUMENTS - DOCUMENTS // 10
        print(f"memory: {few >> 10} KiB with {DOCUMENTS // 10} waiting, {many >> 10} KiB with {DOCUMENTS}: "
              f"{(many - few) // waiting} bytes each")
        if not SANITIZER:  # which keeps what was freed
            self.assertLess(many - few, BYTES_EACH * waiting)
        self.assertEqual(len({receipt.capture_id for receipt in receipts}), DOCUMENTS)

        self.start_worker()
        self.start_worker()
        last = max(receipts, key=lambda receipt: receipt.journal_position)
        wait_for(lambda: all(server.client.job(receipt.capture_id).committed for receipt in
                             (last, receipts[-1], receipts[0])), "the last document is committed", 120)
        place = {receipt.capture_id: (receipt.partner, receipt.journal_position) for receipt in receipts}
        events = wait_for(lambda: (found := server.client.all_events()) and len(found) == DOCUMENTS and found,
                          "every event is committed", 120)
        seen = collections.defaultdict(int)
        for capture_id, _, _ in events:
            partner, position = place[capture_id]
            self.assertGreater(position, seen[partner], "a partner's documents are committed in their order")
            seen[partner] = position
        self.assertEqual(len(seen), PARTNERS)
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    main()
