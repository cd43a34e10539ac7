"""The example clients of tests/interop, as their readers run them: alone with the proto files, over plain
loopback and over TLS with a token; and buf curl with nothing but the address."""

import concurrent.futures
import json
import subprocess
import sys

import grpc

from documents import make
from harness import (BUILD, HERE, PATIENCE, ROOT, SANITIZER, EndToEnd, audit_grpc, audit_pb, capture_grpc, capture_pb,
                     counts_of, main)
from oracle import Oracle
from test_tls import Authority
from test_uploads import MIB, Proxy, big_document

INTEROP = ROOT / "tests" / "interop"
NODE_MODULES = HERE / "node_modules"
COUNTS = ("events", "committed", "duplicates", "dead_letters")


class Forger(capture_grpc.CaptureServiceServicer, audit_grpc.AuditServiceServicer):
    """Shows a receipt as the test has it, and the keys of the server that signed it."""

    def __init__(self, receipt, keys):
        self.receipt, self.keys = receipt, keys
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=2))
        capture_grpc.add_CaptureServiceServicer_to_server(self, self.server)
        audit_grpc.add_AuditServiceServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def GetCapture(self, request, context):
        return capture_pb.GetCaptureResponse(capture=capture_pb.Capture(receipt=self.receipt))

    def ListKeys(self, request, context):
        return audit_pb.ListKeysResponse(keys=self.keys)


class Interop(EndToEnd):
    def setUp(self):
        super().setUp()
        if not (NODE_MODULES / "protobufjs").is_dir():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)], check=True, timeout=300)
        # Node looks for packages beside a program.
        (self.folder / "node_modules").symlink_to(NODE_MODULES)
        (self.folder / "client.mjs").write_bytes((INTEROP / "client.mjs").read_bytes())
        self.programs = {"python": [sys.executable, "-B", INTEROP / "client.py"],
                         "node": ["node", self.folder / "client.mjs", "--proto", ROOT / "proto"]}
        if not SANITIZER:  # whose builds do without
            self.programs["c++"] = [BUILD / "tests" / "epcisd_client"]
        self.environment = {**self.family.environment, "PYTHONPATH": str(BUILD / "python"), "GRPC_VERBOSITY": "NONE",
                            "HOME": str(self.folder)}
        self.secure = []

    def begin(self, program, address, *arguments):
        return subprocess.Popen([*self.programs[program], "--server", address, *self.secure,
                                 "--patience", str(60 * PATIENCE), *map(str, arguments)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment)

    def run_client(self, program, address, *arguments, check=0):
        """(answers, what it said to stderr)"""
        return self.end(self.begin(program, address, *arguments), check)

    def end(self, process, check=0):
        out, said = process.communicate(timeout=120 * PATIENCE)
        self.assertEqual(process.returncode, check, f"{process.args}\n{out}\n{said}")
        return [json.loads(line) for line in out.splitlines()], said

    # ---- what every client does over every connection

    def try_all(self, address, program, company):
        document = make(events=60, defects=0.1, redelivered=0.1, seed=company, company=company)
        expected = Oracle().document(document.partner, document.events)
        self.assertGreaterEqual(len(expected.refused), 2, "something to close in either way")
        path = self.folder / f"{company}.xml"
        path.write_bytes(document.data)

        [[receipt], _] = self.run_client(program, address, "capture", path)
        self.assertEqual((receipt["document_bytes"], receipt["partner"]), (str(len(document.data)), document.partner))
        [[again], _] = self.run_client(program, address, "stream", path)
        self.assertEqual((again["capture_id"], again["duplicate_document"]), (receipt["capture_id"], True))

        end, cursor = self.watch(program, address, receipt["capture_id"])
        self.assertEqual({name: int(end.get(name, 0)) for name in COUNTS}, expected.counts)
        self.assertEqual(self.run_client(program, address, "verify", receipt["capture_id"])[0],
                         [{"genuine": True, "key_id": receipt["key_id"]}])

        letters, _ = self.run_client(program, address, "dead-letters", receipt["capture_id"])
        self.assertEqual({int(letter.get("event_index", 0)) for letter in letters}, set(expected.refused))
        readable = [letter["dead_letter_id"] for letter in letters
                    if self.run_client(program, address, "show", letter["dead_letter_id"])[0][0].get("event_json")]
        [[resubmitted], _] = self.run_client(program, address, "resubmit", readable[0], "A. Person", "looked right")
        end, _ = self.watch(program, address, resubmitted["capture_id"], cursor)
        self.assertEqual(int(end["events"]), 1)
        self.run_client(program, address, "discard", letters[1]["dead_letter_id"]
                        if letters[1]["dead_letter_id"] != readable[0] else letters[0]["dead_letter_id"],
                        "A. Person", "sent by mistake")
        states = [letter["state"].removeprefix("DEAD_LETTER_STATE_")
                  for letter in self.run_client(program, address, "dead-letters", receipt["capture_id"])[0]]
        self.assertEqual((states.count("RESUBMITTED"), states.count("DISCARDED")), (1, 1))

        _, said = self.run_client(program, address, "discard", readable[0], "A. Person", "twice", check=1)
        self.assertIn("LETTER_CLOSED: ", said)
        self.assertIn("; nothing is left to do about it", said)
        _, said = self.run_client(program, address, "watch", receipt["capture_id"], "none", check=1)
        self.assertIn("FIELD_INVALID: `cursor` is", said)
        return receipt["capture_id"]

    def watch(self, program, address, capture_id, *cursor):
        """(the acknowledgment of its end, the last cursor)"""
        responses, _ = self.run_client(program, address, "watch", capture_id, *cursor)
        told = [a for response in responses for a in response.get("acknowledgments", [])]
        ends = [a for a in told if a["kind"] == "ACKNOWLEDGMENT_KIND_CAPTURE"]
        self.assertEqual(len(ends), 1)
        return ends[0], responses[-1]["cursor"]

    def cut_off(self, address, program, serial):
        """An upload whose connection breaks twice arrives whole, and nothing is sent from the beginning."""
        data = big_document(serial, 12 * MIB)
        path = self.folder / f"big-{serial}.xml"
        path.write_bytes(data)
        proxy, carried = Proxy(address), []
        self.addCleanup(proxy.close)
        proxy.cuts, proxy.carried = [5 * MIB, 5 * MIB], carried.append
        [[receipt], said] = self.run_client(program, proxy.address, "stream", path)
        self.assertEqual(receipt["document_bytes"], str(len(data)))
        self.assertGreaterEqual(said.count("again in "), 2, said)
        # Who goes on sends 1.1 times as much, who begins anew each time 1.6 times.
        self.assertLess(sum(carried), 1.4 * len(data), "it went on, instead of sending all again")

    # ---- the servers

    def test_plain_loopback(self):
        server = self.start(workers=1)
        for number, program in enumerate(self.programs):
            with self.subTest(program):
                self.try_all(server.address, program, 600 + number)
                self.cut_off(server.address, program, 6000 + number)
        self.stop_cleanly(server)

    def test_a_watch_outlives_the_server(self):
        server = self.start(workers=0)
        capture_id = server.client.capture(make(events=20, seed=3, company=650).data).capture_id
        watchers = [self.begin(program, server.address, "watch", capture_id) for program in self.programs]
        for watcher in watchers:
            self.assertIn("cursor", watcher.stdout.readline())
        server.kill()
        server = self.start(workers=1, options=["--listen", server.address])
        for watcher in watchers:
            responses, said = self.end(watcher)
            self.assertIn("again in ", said)
            batches = [a for r in responses for a in r.get("acknowledgments", []) if a["kind"].endswith("_BATCH")]
            self.assertEqual([int(batch["events"]) for batch in batches], [20])
        self.stop_cleanly(server)

    def test_tls_and_token(self):
        authority = Authority(self.folder / "ca")
        certificate, key = authority.server()
        server = self.start(workers=1, options=["--tls-cert", certificate, "--tls-key", key, "--require-identity"])
        token_file = self.data_dir / "admin.token"
        self.secure = ["--tls-ca", str(authority.pem), "--token-file", str(token_file)]
        for number, program in enumerate(self.programs):
            with self.subTest(program):
                capture_id = self.try_all(server.address, program, 620 + number)
                self.cut_off(server.address, program, 6200 + number)
        self.secure[-1] = str(self.folder / "wrong.token")
        (self.folder / "wrong.token").write_text("epcisd_" + "0" * 64)
        for program in self.programs:
            _, said = self.run_client(program, server.address, "watch", capture_id, check=1)
            self.assertIn("IDENTITY_UNKNOWN: ", said)
        self.buf_curl(server.address, authority.pem, token_file.read_text().strip(), capture_id)
        self.stop_cleanly(server)

    def test_forged_receipts(self):
        server = self.start(workers=0)
        receipt = server.client.capture(make(events=1, seed=1, company=660).data)
        keys = server.client.call(server.client.audit.ListKeys, audit_pb.ListKeysRequest()).keys
        self.stop_cleanly(server)
        forger = Forger(receipt, keys)
        self.addCleanup(lambda: forger.server.stop(None).wait())
        forged = {"nothing": {},
                  "capture_id": {"capture_id": receipt.capture_id[::-1]},
                  "document_digest": {"document_digest": receipt.document_digest[:-1] + "x"},
                  "document_bytes": {"document_bytes": receipt.document_bytes + 1},
                  "received_ms": {"received_ms": receipt.received_ms - 1},
                  "journal_position": {"journal_position": receipt.journal_position + 1},
                  "partner": {"partner": "0614141000012"},
                  "key_id": {"key_id": "0" * 16},
                  "signature": {"signature": receipt.signature[::-1]},
                  "no signature": {"signature": b""}}
        for program in self.programs:
            for what, fields in forged.items():
                with self.subTest(program, forged=what):
                    forger.receipt = capture_pb.Receipt()
                    forger.receipt.CopyFrom(receipt)
                    for name, value in fields.items():
                        setattr(forger.receipt, name, value)
                    answers, _ = self.run_client(program, forger.address, "verify", receipt.capture_id,
                                                 check=1 if fields else 0)
                    self.assertEqual(answers, [{"genuine": not fields, "key_id": forger.receipt.key_id}])

    def buf_curl(self, address, authority, token, capture_id):
        [buf] = (NODE_MODULES / "@bufbuild").glob("buf-linux-*/bin/buf")
        result = subprocess.run(
            [buf, "curl", "--protocol", "grpc", "--reflect", "--cacert", authority,
             "--header", f"authorization: Bearer {token}", "--data", json.dumps({"captureId": capture_id}),
             f"https://{address}/epcis.v1.CaptureService/GetCapture"],
            capture_output=True, text=True, check=False, timeout=60 * PATIENCE, env=self.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["capture"]["receipt"]["captureId"], capture_id)

    def test_backpressure_is_waited_for(self):
        server = self.start(workers=0, options=["--high-water-bytes", 1, *self.endpoints()])
        first = server.client.capture(make(events=1, seed=1, company=640).data)
        waiting = {}
        for number, program in enumerate(self.programs):
            path = self.folder / f"waiting-{number}.xml"
            path.write_bytes(make(events=1, seed=2 + number, company=641 + number).data)
            waiting[program] = self.begin(program, server.address, "capture", path)
        for process in waiting.values():
            self.assertIn("BACKLOG_BYTES: ", process.stderr.readline())
        worker = self.start_worker()
        receipts = [self.end(process)[0][0] for process in waiting.values()]
        for capture_id in (first.capture_id, *(receipt["capture_id"] for receipt in receipts)):
            self.assertEqual(counts_of(server.client.wait(capture_id))["events"], 1)
        self.reap(worker)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
