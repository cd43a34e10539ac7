"""Starts the real programs for a test, each test in a folder of its own, and leaves nothing behind.

The environment says where things are:
    EPCISD_BIN          folder of epcis-server, epcis-worker, epcisctl
    EPCISD_BUILD        folder for what is generated (the Python client)
    EPCISD_PATIENCE     factor on every deadline (sanitizers, slow machines); 1 where unset
"""

import contextlib
import fcntl
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("EPCISD_BUILD", ROOT / "build" / "release")).resolve()
BIN = pathlib.Path(os.environ.get("EPCISD_BIN", BUILD / "bin")).resolve()
PATIENCE = float(os.environ.get("EPCISD_PATIENCE", "1"))
SANITIZER = os.environ.get("EPCISD_SANITIZER", "")  # "asan", "tsan" or empty
FINAL = ("done", "failed", "cancelled")


def generate_client():
    """Makes Python's client out of proto/, once for all tests that run at the same time."""
    out = BUILD / "python"
    out.mkdir(parents=True, exist_ok=True)
    protos = sorted((ROOT / "proto").rglob("*.proto"))
    with open(out / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = out / "stamp"
        if not stamp.exists() or stamp.stat().st_mtime < max(p.stat().st_mtime for p in protos):
            subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}",
                            f"--python_out={out}", f"--grpc_python_out={out}", *map(str, protos)], check=True)
            stamp.touch()
    sys.path.insert(0, str(out))


generate_client()
import grpc  # noqa: E402
from epcis.v1 import audit_service_pb2 as audit_pb  # noqa: E402
from epcis.v1 import audit_service_pb2_grpc as audit_grpc  # noqa: E402
from epcis.v1 import capture_service_pb2 as capture_pb  # noqa: E402
from epcis.v1 import capture_service_pb2_grpc as capture_grpc  # noqa: E402
from epcis.v1 import dead_letter_service_pb2 as dead_letter_pb  # noqa: E402
from epcis.v1 import dead_letter_service_pb2_grpc as dead_letter_grpc  # noqa: E402
from epcis.v1 import trace_service_pb2 as trace_pb  # noqa: E402
from epcis.v1 import trace_service_pb2_grpc as trace_grpc  # noqa: E402

# ---- waiting ---------------------------------------------------------------------------------------------


def wait_for(condition, what, seconds=60):
    """Asks until the answer is true; the answer. Fails at the deadline."""
    deadline = time.monotonic() + seconds * PATIENCE
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * PATIENCE:.0f} s: {what}")
        pause.wait(0.01)


# ---- processes -------------------------------------------------------------------------------------------


def status_field(pid, name):
    """A number out of /proc/PID/status, in KiB for sizes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])


class Family:
    """All processes that a test starts, and theirs: each carries a mark in its environment."""

    def __init__(self):
        self.mark = f"EPCISD_TEST_FAMILY={uuid.uuid4()}"

    @property
    def environment(self):
        name, value = self.mark.split("=")
        return {**os.environ, name: value}

    def members(self, name=None):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if self.mark.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                    continue
                if (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX":
                    continue
                program = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
                if name is None or os.path.basename(program) == name:
                    found.append(int(entry.name))
        return sorted(found)

    def kill(self):
        def try_again():
            for pid in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not self.members()

        wait_for(try_again, "killed processes are gone")


class Server:
    """An epcis-server under test; with `workers` it starts its own."""

    def __init__(self, test, data_dir, workers=2, options=(), environment=None, limit_file_bytes=None):
        self.test = test
        self.data_dir = pathlib.Path(data_dir)
        self.log_path = test.folder / f"server-{len(test.servers)}.log"
        command = [str(BIN / "epcis-server"), "--data-dir", str(data_dir), "--listen", "127.0.0.1:0",
                   "--workers", str(workers), *map(str, options)]
        if limit_file_bytes:
            # An ignored SIGXFSZ stays ignored over exec: a write beyond the limit fails with EFBIG, as one
            # on a full disk fails with ENOSPC.
            command = ["prlimit", f"--fsize={limit_file_bytes}", *command]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**test.family.environment, **(environment or {})}, start_new_session=True,
                restore_signals=not limit_file_bytes)
        self.address = None
        self.client = None
        test.servers.append(self)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def ready(self, seconds=60):
        deadline = time.monotonic() + seconds * PATIENCE
        line = b""
        while not line.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([self.process.stdout], [], [], left)
            assert readable, f"no ready line in time; log:\n{self.log}"
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, f"server ended (exit {self.process.wait()}) without a ready line; log:\n{self.log}"
            line += piece
        match = re.fullmatch(rb"ready grpc=(\S+:\d+)\n", line)
        assert match, f"not a ready line: {line!r}"
        self.address = match[1].decode()
        self.client = Client(self.address)
        return self

    def worker_pids(self):
        return [pid for pid in self.test.family.members("epcis-worker")]

    def kill(self):
        """As a power cut to this process alone: its workers live on, or end, as they would."""
        self.process.kill()
        self.gone()

    def terminate(self, seconds=60):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.gone(seconds)

    def gone(self, seconds=60):
        code = self.process.wait(seconds * PATIENCE)
        self.process.stdout.close()
        if self.client:
            self.client.close()
        return code


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.details = error.details()
        self.metadata = dict(error.trailing_metadata() or ())


class Client:
    """Python's generated client, with less to write."""

    def __init__(self, address, credentials=None, token=None):
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
                   ("grpc.use_local_subchannel_pool", 1)]
        self.channel = (grpc.secure_channel(address, credentials, options) if credentials
                        else grpc.insecure_channel(address, options))
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.captures = capture_grpc.CaptureServiceStub(self.channel)
        self.traces = trace_grpc.TraceServiceStub(self.channel)
        self.audit = audit_grpc.AuditServiceStub(self.channel)
        self.dead = dead_letter_grpc.DeadLetterServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def call(self, method, request, seconds=60):
        try:
            return method(request, timeout=seconds * PATIENCE, metadata=self.metadata)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def capture(self, data, partner="", **terms):
        return self.call(self.captures.Capture,
                         capture_pb.CaptureRequest(document=data, partner=partner, **terms)).receipt

    def capture_stream(self, steps):
        return self.call(self.captures.CaptureStream, iter(steps)).receipt

    def job(self, capture_id):
        return self.call(self.captures.GetCapture,
                         capture_pb.GetCaptureRequest(capture_id=capture_id)).capture

    def rotate_key(self):
        return self.call(self.audit.RotateKey, audit_pb.RotateKeyRequest(requested_by="test")).key

    def export_ledger(self, seconds=60):
        pieces = self.audit.ExportLedger(audit_pb.ExportLedgerRequest(), timeout=seconds * PATIENCE)
        return b"".join(piece.lines for piece in pieces)

    def wait(self, capture_id, seconds=120):
        """The capture in its final state."""
        state = {}

        def final():
            state["last"] = self.job(capture_id)
            return state_name(state["last"]) in FINAL

        try:
            wait_for(final, f"capture {capture_id} is final", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {state.get('last')}") from None
        return state["last"]

    def dead_letters(self, capture_id="", page_size=0):
        token = ""
        while True:
            page = self.call(self.dead.ListDeadLetters, dead_letter_pb.ListDeadLettersRequest(
                capture_id=capture_id, page_size=page_size, page_token=token))
            yield from page.dead_letters
            token = page.next_page_token
            if not token:
                return

    def dead_letter(self, dead_letter_id):
        return self.call(self.dead.GetDeadLetter, dead_letter_pb.GetDeadLetterRequest(
            dead_letter_id=dead_letter_id)).dead_letter

    def item(self, epc, page_size=0):
        """(state, all entries of the history)."""
        token, entries, state = "", [], None
        while True:
            page = self.call(self.traces.GetItemHistory, trace_pb.GetItemHistoryRequest(
                epc=epc, page_size=page_size, page_token=token))
            state = state or page.state
            entries += page.history
            token = page.next_page_token
            if not token:
                return state, entries

    def event(self, sequence):
        return self.call(self.traces.GetEvent, trace_pb.GetEventRequest(sequence=sequence)).committed_event

    def all_events(self):
        """Every committed event in the order of commits, as (capture_id, event_index, event_hash)."""
        sequence, found = 1, []
        while True:
            try:
                event = self.event(sequence)
            except Refused as refused:
                if refused.code == "NOT_FOUND":
                    return found
                raise
            found.append((event.capture_id, event.event_index, event.event_hash))
            sequence += 1


def state_name(capture):
    """"received", "running", "done", "failed" or "cancelled"."""
    return capture_pb.CaptureState.Name(capture.state).removeprefix("CAPTURE_STATE_").lower()


def counts_of(capture):
    return {name: getattr(capture, name) for name in ("events", "committed", "duplicates", "dead_letters")}


# ---- tests -----------------------------------------------------------------------------------------------

COMPLAINTS = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK failed|Assertion ")


class EndToEnd(unittest.TestCase):
    """A test with a folder and a family of processes; whatever it starts is gone when it ends."""

    maxDiff = 4000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="epcisd-e2e-"))
        self.family = Family()
        self.servers = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        outcome = getattr(self, "_outcome", None)
        broken = outcome is not None and not outcome.success
        for server in self.servers:
            if server.process.poll() is None:
                self.family.kill()
            if server.process.returncode is None:
                server.gone()
        self.family.kill()
        self.assertEqual(self.family.members(), [], "processes were left")
        logs = "".join(f"---- {path.name}\n{path.read_text(errors='replace')}"
                       for path in sorted(self.folder.glob("*.log")))
        if broken:
            sys.stderr.write(f"==== logs of {self.id()}\n{logs[-20000:]}\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        complaint = COMPLAINTS.search(logs)
        if complaint:
            at = complaint.start()
            self.fail(f"a program complained:\n{logs[max(0, at - 500):at + 4000]}")

    # -- starting

    @property
    def data_dir(self):
        return self.folder / "data"

    def start(self, workers=2, data_dir=None, **more):
        return Server(self, data_dir or self.data_dir, workers, **more).ready()

    def endpoints(self):
        """Options that make server and workers meet inside the test's folder."""
        return ["--work-endpoint", f"ipc://{self.folder}/work", "--ack-endpoint", f"ipc://{self.folder}/ack"]

    def start_worker(self, data_dir=None, environment=None, endpoints=None, options=(), through=()):
        """A worker that nobody restarts, for a server with --workers 0 and self.endpoints() or those given;
        `through` is a command that starts it."""
        count = len(list(self.folder.glob("worker-*.log")))
        with open(self.folder / f"worker-{count}.log", "wb") as log:
            process = subprocess.Popen(
                [*through, str(BIN / "epcis-worker"), *(endpoints or self.endpoints()),
                 "--store", store_url(data_dir or self.data_dir), *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**self.family.environment, **(environment or {})}, start_new_session=True)
        self.addCleanup(self.reap, process)
        return process

    @staticmethod
    def reap(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def stop_cleanly(self, server, seconds=60):
        """Every test that does not kill its server ends here: an orderly end is part of what it proves."""
        code = server.terminate(seconds)
        self.assertEqual(code, 0, f"server's exit code at SIGTERM; log:\n{server.log[-3000:]}")
        wait_for(lambda: not self.family.members(), "no process left after the server's end", 20)

    def epcisctl(self, server, *arguments, check=None, stdin=None):
        """Runs epcisctl with both outputs in pipes."""
        command = [str(BIN / "epcisctl")]
        if server:
            command += ["--server", server if isinstance(server, str) else server.address]
        result = subprocess.run(command + [str(a) for a in arguments], capture_output=True, check=False,
                                text=True, env=self.family.environment, timeout=120 * PATIENCE,
                                input=stdin or "")
        if check is not None:
            self.assertEqual(result.returncode, check,
                             f"epcisctl {arguments}\nstdout: {result.stdout}\nstderr: {result.stderr}")
        return result

    # -- comparing

    def assert_sums(self, capture):
        self.assertEqual(capture.committed + capture.duplicates + capture.dead_letters, capture.events,
                         f"committed + duplicates + dead letters = events: {capture}")

    def assert_outcome(self, server, capture_id, outcome, seconds=120):
        """Counts, and every single dead letter, are as the oracle says. Returns the capture."""
        capture = server.client.wait(capture_id, seconds)
        wrong = differences(server.client, capture, outcome)
        self.assertEqual(wrong[:20], [], f"{len(wrong)} differences")
        return capture


def differences(client, capture, outcome):
    """In what a finished capture is not as the oracle says: its counts, and every single dead letter."""
    capture_id, wrong, letters = capture.receipt.capture_id, [], {}
    if state_name(capture) != "done":
        return [f"{capture_id} is {state_name(capture)}: {capture.error}"]
    for letter in client.dead_letters(capture_id):
        if letter.event_index in letters or letter.capture_id != capture_id:
            wrong.append(f"dead letter of event {letter.event_index} of {letter.capture_id} is one too many")
        letters[letter.event_index] = [reason.code for reason in letter.reasons]
    for index in sorted(set(letters) | set(outcome.refused)):
        got, wanted = letters.get(index), outcome.refused.get(index)
        if got is None or wanted is None or got[0] not in wanted:
            wrong.append(f"event {index} of {capture_id}: refused with {got}, expected {wanted}")
    if counts_of(capture) != outcome.counts:
        wrong.append(f"{capture_id}: {counts_of(capture)}, expected {outcome.counts}")
    if capture.committed + capture.duplicates + capture.dead_letters != capture.events:
        wrong.append(f"{capture_id}: committed + duplicates + dead letters are not its events: {capture}")
    return wrong


def store_url(data_dir):
    return f"lmdb:{data_dir}/store"


def free_port():
    """A port that was free a moment ago, for what has to be named before it is bound."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    missing = [name for name in ("epcis-server", "epcis-worker", "epcisctl") if not (BIN / name).exists()]
    if missing:
        sys.exit(f"{', '.join(missing)} not in {BIN}: build first")
    unittest.main(verbosity=2)
