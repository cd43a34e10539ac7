"""Tests with workers of other hosts: a server that they reach over TCP, and keys for them."""

import re
import shutil
import subprocess

from documents import make
from harness import BIN, PATIENCE, EndToEnd, free_port
from oracle import Oracle


class RemoteWorkers(EndToEnd):
    def setUp(self):
        super().setUp()
        self.ports = free_port(), free_port()
        self.documents = 0

    def at(self, host):
        return ["--work-endpoint", f"tcp://{host}:{self.ports[0]}", "--ack-endpoint", f"tcp://{host}:{self.ports[1]}"]

    def serve(self, workers=0, options=()):
        return self.start(workers, options=[*self.at("0.0.0.0"), *options])

    def make_key(self, name):
        """A worker's key, as its operator makes it; the path of its public file."""
        path = self.folder / f"{name}.key"
        made = subprocess.run([BIN / "epcis-worker", "--make-key", path], check=True, capture_output=True, text=True)
        self.assertIn(made.stdout.strip(), path.read_text())
        return path

    def admit(self, key):
        shutil.copy(key, self.data_dir / "workers" / key.name)

    def worker(self, key=None, server_key=None, host="127.0.0.1", **more):
        """(process, what reads its log)"""
        keys = ["--key", f"{key}_secret", "--server-key", server_key or self.data_dir / "keys" / "curve.key"]
        count = len(list(self.folder.glob("worker-*.log")))
        process = self.start_worker(endpoints=self.at(host), options=keys if key else [], **more)
        return process, (self.folder / f"worker-{count}.log").read_text

    def works(self, server):
        """A document of its own is checked and committed, as the oracle has it."""
        self.documents += 1
        document = make(events=60, defects=0.05, seed=900 + self.documents, company=20 + 10 * self.documents)
        capture_id = server.client.capture(document.data).capture_id
        self.assert_outcome(server, capture_id, Oracle().document(document.partner, document.events))

    def status(self, server):
        return self.epcisctl(server, "server", check=0).stdout

    def refused(self, server):
        return int(re.search(r"(\d+) peers refused", self.status(server))[1])

    def hears(self, server, process):
        return f":{process.pid} state=working" in server.log

    def stop_workers(self, *processes):
        for process in processes:
            process.terminate()
            self.assertEqual(process.wait(60 * PATIENCE), 0)
