"""A store that keeps failing is left alone but for probes, and all goes on by itself once it works."""

from documents import make
from harness import EndToEnd, main, wait_for
from oracle import Oracle


class Breaker(EndToEnd):
    def test_a_store_that_fails_for_a_while(self):
        documents = [make(events=100, seed=91 + n, company=300 + 10 * n) for n in range(3)]
        server = self.start(workers=1, environment={"EPCISD_FAULT": "store.commit:1-5"})
        ids = [server.client.capture(document.data).capture_id for document in documents]
        wait_for(lambda: "event=store_given_up" in server.log, "nothing is sent to it")
        late = make(events=20, seed=94, company=400)
        documents.append(late)
        ids.append(server.client.capture(late.data).capture_id)  # documents are taken all the same
        oracle = Oracle()
        for document, capture_id in zip(documents, ids):
            self.assert_outcome(server, capture_id, oracle.document(document.partner, document.events))
        self.assertIn("event=store_works_again", server.log)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
