"""A worker that was halted with work in its hands, and wakes when another has done it, changes nothing."""

import os
import signal

from documents import make
from harness import EndToEnd, main, wait_for
from oracle import Oracle


def halted(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


class Zombie(EndToEnd):
    def wakes_late(self, point):
        document = make(events=200, defects=0.02, seed=81)
        server = self.start(workers=0, options=[*self.endpoints(), "--lease-ms", "600000"])
        zombie = self.start_worker(environment={"EPCISD_FAULT": f"{point}=stop"})
        wait_for(lambda: f":{zombie.pid} state=working" in server.log, "the worker is known")
        capture_id = server.client.capture(document.data).capture_id
        wait_for(lambda: halted(zombie.pid), "the worker halts with the run in its hands")
        # The lease is ten minutes: only that the worker is silent can make the server send the run again.
        self.start_worker()
        outcome = Oracle().document(document.partner, document.events)
        capture = self.assert_outcome(server, capture_id, outcome)
        events = server.client.all_events()
        self.assertIn("state=lost", server.log)

        heard = server.log.count(f":{zombie.pid} state=working")
        os.kill(zombie.pid, signal.SIGCONT)
        wait_for(lambda: server.log.count(f":{zombie.pid} state=working") > heard, "it is back")
        zombie.terminate()  # it finishes and tells what it has before it goes
        self.assertEqual(zombie.wait(60), 0)
        wait_for(lambda: f":{zombie.pid} state=stopped" in server.log, "its goodbye, behind its answer")
        self.assertEqual(self.assert_outcome(server, capture_id, outcome), capture)
        self.assertEqual(server.client.all_events(), events)
        self.assertEqual(server.terminate(), 0, server.log[-3000:])

    def test_before_its_transaction(self):
        self.wakes_late("worker.prepared")

    def test_behind_its_commit(self):
        self.wakes_late("worker.after_commit")


if __name__ == "__main__":
    main()
