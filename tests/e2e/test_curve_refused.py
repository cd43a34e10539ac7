"""Who reaches the workers' endpoints without a right key is refused and told, and costs the others nothing."""

import contextlib
import socket

import zmq

from harness import PATIENCE, main, status_field, wait_for
from remote_workers import RemoteWorkers

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
ENDLESS = b"\x06" + (90 << 20).to_bytes(8, "big")  # a command of 90 MiB


class CurveRefused(RemoteWorkers):
    def test_who_has_no_right_key_is_refused_and_nobody_else_notices(self):
        server = self.serve(workers=1)  # which needs no key
        known, stranger = self.make_key("known"), self.make_key("stranger")
        self.admit(known)
        for name in ("local-work.sock", "local-ack.sock"):
            self.assertEqual((self.data_dir / name).stat().st_mode & 0o777, 0o600)
        good, _ = self.worker(known)
        wait_for(lambda: self.hears(server, good), "the worker with the right key is at work")
        local = self.family.members("epcis-worker")
        self.works(server)
        before = status_field(server.pid, "RssAnon")
        processes = [good]
        for key, server_key, said in ((stranger, None, "key_unknown"), (known, stranger, "--server-key is not its key"),
                                      (None, None, "asks for a key")):
            process, log = self.worker(key, server_key)
            processes.append(process)
            wait_for(lambda log=log, said=said: "server_refuses" in log() and said in log(), f"it says: {said}")
            self.assertNotIn("server_admits", log())
            self.assertFalse(self.hears(server, process))
        for reason in ("key_unknown", "server_key_wrong"):
            wait_for(lambda reason=reason: f"reason={reason}" in server.log, f"the server's log says {reason}")
        self.hostile_peers(server)
        self.assertLess(status_field(server.pid, "RssAnon") - before, 16 << 10, "KiB that hostile peers cost")
        self.works(server)
        self.assertEqual([pid for pid in local if pid not in self.family.members("epcis-worker")], [])
        for process in processes[1:]:
            self.assertFalse(self.hears(server, process))
        lines = [line for line in server.log.splitlines() if "event=peer_refused" in line]
        self.assertGreater(self.refused(server), 200)
        self.assertLess(len(lines), 40, "lines of that in the log")
        self.stop_workers(*processes)
        self.stop_cleanly(server)

    def hostile_peers(self, server):
        """Garbage, greetings without an end, and ZeroMQ sockets that would give or take work without a key."""
        silent = []
        for text in [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, b"\xff" * 64, GREETING + ENDLESS] * 50:
            for port in self.ports:
                peer = socket.create_connection(("127.0.0.1", port), timeout=60 * PATIENCE)
                self.addCleanup(peer.close)
                with contextlib.suppress(OSError):
                    peer.sendall(text)
                silent.append(peer)
        for text in (b"", GREETING) * 50:
            peer = socket.create_connection(("127.0.0.1", self.ports[0]), timeout=60 * PATIENCE)
            self.addCleanup(peer.close)
            peer.sendall(text)
            silent.append(peer)
        context = zmq.Context()
        pull, pub = context.socket(zmq.PULL), context.socket(zmq.PUB)
        pull.connect(f"tcp://127.0.0.1:{self.ports[0]}")
        pub.connect(f"tcp://127.0.0.1:{self.ports[1]}")
        for peer in silent:  # the last say nothing more, and are hung up on
            with contextlib.suppress(ConnectionError):
                while peer.recv(4096):
                    pass
        for _ in range(20):
            pub.send_multipart([b"beat", b"\xff\xff"])  # malformed, if anybody heard it
        self.works(server)
        self.assertEqual(pull.poll(0), 0)
        self.assertNotIn("wire_malformed", server.log)
        context.destroy(linger=0)


if __name__ == "__main__":
    main()
