"""Starting late, stopping early: work waits for workers, SIGTERM loses nothing, two servers never share."""

import re
import subprocess
import time

from documents import make
from harness import BIN, PATIENCE, EndToEnd, counts_of, main, state_name, wait_for
from oracle import Oracle


class Lifecycle(EndToEnd):
    def test_work_waits_for_a_late_worker(self):
        documents = [make(events=1500, defects=0.02, redelivered=0.05, seed=400 + n, company=200 + 10 * n)
                     for n in range(3)]
        server = self.start(workers=0, options=self.endpoints())
        receipts = [server.client.capture(document.data) for document in documents]
        wait_for(lambda: all(server.client.job(r.capture_id).events == 1500 for r in receipts),
                 "documents are converted without any worker")
        for receipt in receipts:
            capture = server.client.job(receipt.capture_id)
            self.assertIn(state_name(capture), ("received", "running"))
            self.assertEqual((capture.committed, capture.dead_letters), (0, 0))
        worker = self.start_worker()
        for document, receipt in zip(documents, receipts):
            self.assert_outcome(server, receipt.capture_id,
                                Oracle().document(document.partner, document.events))
        worker.terminate()
        self.assertEqual(worker.wait(60), 0, "a worker's exit code at SIGTERM")
        self.stop_cleanly(server)

    def test_a_worker_may_start_before_its_server(self):
        document = make(events=200, seed=410)
        self.data_dir.mkdir()
        self.start_worker()
        server = self.start(workers=0, options=self.endpoints())
        receipt = server.client.capture(document.data)
        self.assertEqual(server.client.wait(receipt.capture_id).committed, 200)
        self.assertEqual(server.terminate(), 0)

    def test_sigterm_in_mid_run_resumes_at_the_next_start(self):
        documents = [make(events=3000, defects=0.02, redelivered=0.05, seed=seed, company=230)
                     for seed in (421, 422, 423)]
        options = ["--batch-max-events", "25", "--run-max-batches", "1", "--drain-ms", "200"]
        server = self.start(workers=2, options=options)
        ids = [server.client.capture(document.data).capture_id for document in documents]
        for events in (200, 1000, 2500):
            wait_for(lambda: sum(server.client.job(i).committed for i in ids) > events, f"{events} events")
            self.stop_cleanly(server, seconds=20)
            server = self.start(workers=2, options=options)
        oracle = Oracle()
        for document, capture_id in zip(documents, ids):
            self.assert_outcome(server, capture_id, oracle.document(document.partner, document.events))
        self.stop_cleanly(server)

    def test_sigterm_with_an_idle_client_ends_soon(self):
        server = self.start(workers=2)
        receipt = server.client.capture(make(events=10, seed=430).data)
        server.client.wait(receipt.capture_id)
        before = time.monotonic()
        self.assertEqual(server.terminate(), 0)  # with the client's connection open
        self.assertLess(time.monotonic() - before, 2 * PATIENCE)

    def test_workers_end_with_their_server(self):
        server = self.start(workers=3)
        wait_for(lambda: len(server.worker_pids()) == 3, "three workers")
        self.stop_cleanly(server)

    def test_the_second_server_on_a_data_dir_refuses(self):
        first = self.start(workers=1)
        second = subprocess.run(
            [str(BIN / "epcis-server"), "--data-dir", str(self.data_dir), "--listen", "127.0.0.1:0",
             "--workers", "0"], capture_output=True, text=True, timeout=60, check=False,
            env=self.family.environment)
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertNotIn("ready", second.stdout)
        self.assertIn(str(self.data_dir), second.stderr, "it says which folder")
        self.assertRegex(second.stderr, re.compile("another|in use|locked|already", re.IGNORECASE))
        receipt = first.client.capture(make(events=20, seed=440).data)
        self.assertEqual(counts_of(first.client.wait(receipt.capture_id))["committed"], 20)
        self.stop_cleanly(first)

    def test_the_second_server_on_a_port_refuses(self):
        first = self.start(workers=0)
        second = subprocess.run(
            [str(BIN / "epcis-server"), "--data-dir", str(self.folder / "other"), "--listen", first.address,
             "--workers", "0"], capture_output=True, text=True, timeout=60, check=False,
            env=self.family.environment)
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertIn(first.address, second.stderr)
        self.stop_cleanly(first)

    def test_usage_errors(self):
        for program in ("epcis-server", "epcis-worker"):
            for arguments in (["--no-such-option"], ["--workers", "many"], []):
                result = subprocess.run([str(BIN / program), *arguments], capture_output=True, text=True,
                                        timeout=60, check=False, env=self.family.environment)
                self.assertEqual(result.returncode, 2, f"{program} {arguments}: {result.stderr}")
                self.assertIn("--help", result.stderr)
            result = subprocess.run([str(BIN / program), "--help"], capture_output=True, text=True, timeout=60,
                                    check=False, env=self.family.environment)
            self.assertEqual(result.returncode, 0)
            self.assertIn("--work-endpoint", result.stdout)

    def test_programs_say_their_version(self):
        said = {}
        for program in ("epcis-server", "epcis-worker", "epcisctl"):
            result = subprocess.run([str(BIN / program), "--version"], capture_output=True, text=True, timeout=60,
                                    check=True, env=self.family.environment)
            name, said[program] = result.stdout.split()
            self.assertEqual(name, program)
        self.assertEqual(len(set(said.values())), 1, said)


if __name__ == "__main__":
    main()
