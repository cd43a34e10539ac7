"""Keys that are open to others, endpoints without keys, and a worker that has a network of its own."""

import os
import shutil
import subprocess

from harness import BIN, PATIENCE, main, wait_for
from remote_workers import RemoteWorkers


class CurveHosts(RemoteWorkers):
    def test_keys_that_others_may_read_or_change_are_refused(self):
        server = self.serve()
        key = self.make_key("open")
        secret = self.folder / "open.key_secret"
        secret.chmod(0o640)
        process, log = self.worker(key)
        self.assertEqual(process.wait(60 * PATIENCE), 1)
        self.assertIn("others than its owner may read it", log())
        secret.chmod(0o600)
        self.admit(key)
        listed = self.data_dir / "workers" / key.name
        listed.chmod(0o666)
        wait_for(lambda: f'file="{listed}" detail="others than its owner may change it' in server.log, "it is no key")
        process, log = self.worker(key)
        wait_for(lambda: "reason=key_unknown" in log(), "so it lets nobody in")
        listed.chmod(0o644)
        wait_for(lambda: self.hears(server, process), "now it does")
        self.stop_workers(process)
        self.stop_cleanly(server)
        for path, mode in (("keys/curve.key_secret", 0o644), ("workers", 0o777)):
            before = (self.data_dir / path).stat().st_mode
            (self.data_dir / path).chmod(mode)
            refused = subprocess.run([BIN / "epcis-server", "--data-dir", self.data_dir, "--listen", "127.0.0.1:0",
                                      "--workers", "0", *self.at("0.0.0.0")], capture_output=True, text=True,
                                     check=False, env=self.family.environment, timeout=60 * PATIENCE)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("others than its owner may", refused.stderr)
            (self.data_dir / path).chmod(before & 0o777)
        self.kept_in_a_backup(key)
        self.stop_cleanly(self.serve())

    def kept_in_a_backup(self, key):
        (self.data_dir / "workers" / "revoked ones").mkdir()  # an operator's own
        copy, again = self.folder / "copy", self.folder / "again"
        self.epcisctl(None, "backup", "--data-dir", self.data_dir, copy, check=0)
        self.epcisctl(None, "restore", "--data-dir", again, copy, check=0)
        for name in ("keys/curve.key", "keys/curve.key_secret", f"workers/{key.name}"):
            self.assertEqual((again / name).read_bytes(), (self.data_dir / name).read_bytes())
        self.assertEqual((again / "keys" / "curve.key_secret").stat().st_mode & 0o777, 0o600)

    # ---- without keys

    def test_other_machines_need_keys_unless_told_loudly(self):
        self.data_dir.mkdir()
        wrong = self.start_worker(endpoints=["--work-endpoint", "tcp://192.0.2.1:4741",
                                             "--ack-endpoint", "tcp://192.0.2.1:4742"])
        self.assertEqual(wrong.wait(60 * PATIENCE), 2)
        self.assertIn("--insecure-plain-workers", (self.folder / "worker-0.log").read_text())
        server = self.serve(options=["--insecure-plain-workers"])
        self.assertIn("event=plain_workers", server.log)
        self.assertNotIn("curve key", self.status(server))
        process, _ = self.worker()
        self.works(server)
        self.stop_workers(process)
        self.stop_cleanly(server)
        server = self.start(0, options=self.at("127.0.0.1"))  # which no other machine reaches
        process, _ = self.worker()
        self.works(server)
        self.stop_workers(process)
        self.stop_cleanly(server)

    def test_one_endpoint_that_others_reach_leaves_the_local_workers_at_work(self):
        server = self.start(1, options=self.at("0.0.0.0")[:2])
        self.works(server)
        self.stop_cleanly(server)

    # ---- another host

    def test_a_worker_in_a_network_of_its_own(self):
        name = f"epcisd{os.getpid()}"
        if shutil.which("ip") is None or self.ip("netns", "add", name).returncode:
            self.skipTest("network namespaces are not permitted here")
        self.addCleanup(self.ip, "netns", "delete", name)
        here, there = f"10.{os.getpid() % 200 + 20}.7.1", f"10.{os.getpid() % 200 + 20}.7.2"
        for command in (("link", "add", f"e{os.getpid()}", "type", "veth", "peer", "name", "far", "netns", name),
                        ("address", "add", f"{here}/30", "dev", f"e{os.getpid()}"),
                        ("link", "set", f"e{os.getpid()}", "up"),
                        ("-n", name, "address", "add", f"{there}/30", "dev", "far"),
                        ("-n", name, "link", "set", "far", "up")):
            done = self.ip(*command)
            if done.returncode:
                self.skipTest(f"no network between namespaces here: {done.stderr.strip()}")
        server = self.start(0, options=self.at(here))
        key, stranger = self.make_key("far"), self.make_key("stranger")
        self.admit(key)
        enter = ["ip", "netns", "exec", name]
        far, _ = self.worker(key, host=here, through=enter)
        wait_for(lambda: "state=working" in server.log, "it is heard")
        self.works(server)
        _, log = self.worker(stranger, host=here, through=enter)
        wait_for(lambda: f"peer={there} reason=key_unknown" in server.log, "the stranger is refused by its address")
        wait_for(lambda: "reason=key_unknown" in log(), "and told")
        self.stop_workers(far)
        self.assertEqual(server.terminate(), 0)

    @staticmethod
    def ip(*arguments):
        return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
