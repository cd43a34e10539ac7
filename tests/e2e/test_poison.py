"""An event that ends every worker that looks at it is found and set aside; its neighbours are committed."""

import signal

from documents import make
from harness import PATIENCE, EndToEnd, main, wait_for
from oracle import Oracle


def poisoned(document, marker):
    return [event for event in document.events
            if event.type == "ObjectEvent" and event.epcs and marker in event.epcs[0]]


class Poison(EndToEnd):
    def start_poisoned(self, marker, **more):
        return self.start(environment={"EPCISD_FAULT_POISON": marker}, **more)

    @staticmethod
    def marker_of(document, events):
        """An EPC that comes first in so many events, from the document's middle on."""
        for event in document.events[len(document.events) // 2:]:
            if event.type == "ObjectEvent" and event.epcs and len(poisoned(document, event.epcs[0])) == events:
                return event.epcs[0]
        raise AssertionError(f"no EPC is first in {events} events")

    def expect(self, server, oracle, document, capture_id, marker):
        """As if the event had broken a rule, and nothing else."""
        for event in poisoned(document, marker):
            event.fault = "POISON_EVENT"
        outcome = oracle.document(document.partner, document.events)
        self.assert_outcome(server, capture_id, outcome, seconds=300)
        return [letter for letter in server.client.dead_letters(capture_id)
                if letter.reasons[0].code == "POISON_EVENT"]

    def test_one_among_a_thousand(self):
        document = make(events=1000, seed=71)
        marker = self.marker_of(document, 1)
        server = self.start_poisoned(marker, workers=2)
        capture_id = server.client.capture(document.data).capture_id
        letters = self.expect(server, Oracle(), document, capture_id, marker)
        self.assertEqual(len(letters), 1)
        self.assertIn("resubmit", letters[0].reasons[0].remedy)
        self.assertIn(marker, str(server.client.dead_letter(letters[0].dead_letter_id)), "it is kept as it was")
        self.assertEqual(server.log.count("event=event_condemned"), 1)
        self.assertLess(server.log.count("event=worker_ended"), 20)
        self.stop_cleanly(server)

    def test_several_and_other_partners(self):
        """Another partner's documents are all committed, whatever happens beside them."""
        bad = make(events=300, seed=72)
        good = [make(events=300, seed=73 + n, company=200 + 10 * n) for n in range(2)]
        marker = self.marker_of(bad, 2)
        server = self.start_poisoned(marker, workers=2, options=["--batch-max-events", "100"])
        ids = [server.client.capture(document.data).capture_id for document in (bad, *good)]
        oracle = Oracle()
        self.assertEqual(len(self.expect(server, oracle, bad, ids[0], marker)), 2)
        for document, capture_id in zip(good, ids[1:]):
            self.assertEqual(self.expect(server, oracle, document, capture_id, marker), [])
        self.stop_cleanly(server)

    def test_a_loop_without_end_ends(self):
        """A worker that does not come back from an event sends heartbeats for it, and yet does not keep it."""
        document = make(events=40, seed=76)
        marker = self.marker_of(document, 1)
        server = self.start(0, options=[*self.endpoints(), "--lease-ms", 700])
        looping = self.start_worker(environment={"EPCISD_FAULT_LOOP": marker}, options=["--transaction-max-cpu-ms", 500])
        capture_id = server.client.capture(document.data).capture_id
        self.assertEqual(looping.wait(60 * PATIENCE), -signal.SIGABRT)
        self.assertIn("event=worker_endless", (self.folder / "worker-0.log").read_text(encoding="utf-8"))
        self.start_worker(options=["--transaction-max-cpu-ms", 500])
        self.assert_outcome(server, capture_id, Oracle().document(document.partner, document.events))
        self.assertEqual(server.terminate(), 0)

    def test_a_restart_remembers(self):
        """What was found out before the server was killed is not found out again."""
        document = make(events=40, seed=75)
        marker = self.marker_of(document, 1)
        server = self.start_poisoned(marker, workers=1)
        capture_id = server.client.capture(document.data).capture_id
        wait_for(lambda: "event=run_sent_again" in server.log.partition("event=event_condemned")[2],
                 "the event is condemned, and the batch on its way without it")
        server.kill()
        server = self.start_poisoned(marker, workers=1)
        self.assertEqual(len(self.expect(server, Oracle(), document, capture_id, marker)), 1)
        self.assertNotIn("event=event_condemned", server.log)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
