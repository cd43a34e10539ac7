"""One partner floods the server: another's documents are taken all the same, and done long before all of the flood."""

from documents import make
from harness import EndToEnd, Refused, main, state_name, wait_for

MARK = 40  # unfinished documents
FLOOD_EVENTS = 3000  # of each document, so that a worker takes a while for all of them


class Fairness(EndToEnd):
    def refused(self, client, data):
        with self.assertRaises(Refused) as caught:
            client.capture(data)
        self.assertEqual(caught.exception.code, "RESOURCE_EXHAUSTED", caught.exception.details)
        self.assertGreaterEqual(int(caught.exception.metadata["retry-after-ms"]), 500)
        return caught.exception.details

    def test_a_flood_of_one_keeps_no_other_out(self):
        server = self.start(workers=0, options=[*self.endpoints(), "--high-water-documents", MARK])
        flood = []
        for seed in range(MARK):
            data = make(FLOOD_EVENTS, seed=seed, company=70).data
            try:
                flood.append(server.client.capture(data).capture_id)
            except Refused:
                break
        self.assertIn("of this partner", self.refused(server.client, make(1, seed=990, company=70).data))
        self.assertTrue(MARK // 2 <= len(flood) <= MARK // 2 + 1, len(flood))
        others = [server.client.capture(make(5, seed=1000 + company, company=company).data).capture_id
                  for company in (900, 910, 920)]

        self.start_worker()
        wait_for(lambda: all(state_name(server.client.job(other)) == "done" for other in others), "others' are done")
        left = sum(state_name(server.client.job(document)) != "done" for document in flood)
        self.assertGreater(left, len(flood) // 2, "of the flood, when the others' documents were done")
        for document in flood:
            self.assertEqual(state_name(server.client.wait(document)), "done")
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    main()
