"""A worker of another host is let in while its key is known, and gets nothing from then on when it is revoked."""

import os
import pathlib
import re
import signal

from documents import make
from harness import main, wait_for
from oracle import Oracle
from remote_workers import RemoteWorkers


def halted(pid):
    return re.search(r"^State:\s+T", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)


class Curve(RemoteWorkers):
    def test_a_key_is_added_and_revoked_while_the_server_runs(self):
        server = self.serve()
        first, second = self.make_key("first"), self.make_key("second")
        self.assertEqual((self.data_dir / "keys" / "curve.key_secret").stat().st_mode & 0o777, 0o600)
        shown = re.search(r"^curve key +(\S{40})$", self.status(server), re.MULTILINE)[1]
        self.assertIn(f'public-key = "{shown}"', (self.data_dir / "keys" / "curve.key").read_text())

        process, log = self.worker(first, environment={"EPCISD_FAULT": "worker.prepared=stop"})
        wait_for(lambda: "server_refuses" in log() and "reason=key_unknown" in log(), "the worker says so")
        wait_for(lambda: "peer_refused peer=127.0.0.1 reason=key_unknown" in server.log, "so does the server")
        self.assertFalse(self.hears(server, process))
        self.admit(first)
        wait_for(lambda: log().count("event=server_admits") == 2, "it is let in without a restart of either")
        wait_for(lambda: self.hears(server, process), "it is at work")

        # It halts with a batch in its hands, and its key is taken away: another one gets the batch.
        document = make(events=60, defects=0.05, seed=899)
        capture_id = server.client.capture(document.data).capture_id
        wait_for(lambda: halted(process.pid), "it has the batch")
        self.admit(second)
        (self.data_dir / "workers" / first.name).unlink()
        wait_for(lambda: "worker_key_revoked worker=first" in server.log and "workers_cut_off" in server.log,
                 "the server has heard of it")
        other, _ = self.worker(second)
        self.assert_outcome(server, capture_id, Oracle().document(document.partner, document.events))
        self.works(server)
        told = log().count("reason=key_unknown")
        os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: log().count("reason=key_unknown") > told, "the revoked worker is told")
        before = self.refused(server)
        wait_for(lambda: self.refused(server) > before, "and comes to nothing however often it tries")
        self.assertEqual(other.poll(), None)
        self.stop_workers(process, other)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
