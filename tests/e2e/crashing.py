"""One run of a crash test: a real server and its workers, documents of several partners, a client for each
that sends again what it has no receipt for, and one disturbance. When all is done, what became of every event is
compared with the oracle.

    result = run(Plan(point="worker.after_commit", passage=2, seed=7))
    result.losses        what is not as it should be; empty: nothing was lost
"""

import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from documents import make
from harness import FINAL, PATIENCE, ROOT, Family, Refused, Server, differences, state_name
from oracle import Oracle

# At a moment of its own, and not at a fault point.
KILLS = ("kill server", "kill worker", "kill both")
# What has to happen besides, so that a point is passed: at the same time, or in the server before.
BESIDE = {"supervisor.gone": "worker.taken"}
BEFORE = {"converter.recovered": "dispatcher.recorded:2", "supervisor.started": "batch.recorded:2"}
WHILE_STOPPING = ("server.stopping", "worker.stopping")
WHILE_ROTATING = ("key.written", "key.recorded")  # the signing key
OPTIONS = ["--batch-max-events", 8, "--run-max-batches", 3, "--lease-ms", 700, "--drain-ms", 5000]
COMPANIES = (100, 200, 300)
RUN_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Plan:
    point: str  # a fault point, or one of KILLS
    passage: int  # at which it fails
    seed: int
    workers: int = 2


@dataclasses.dataclass
class Result:
    plan: Plan
    reached: bool = False
    crashes: int = 0
    resends: int = 0
    losses: list = dataclasses.field(default_factory=list)
    folder: str = ""  # kept where something was lost
    seconds: float = 0


class Partner:
    """Sends its documents one after the other, each until there is a receipt."""

    def __init__(self, system, company, seed):
        self.system = system
        self.documents = [make(events=24, defects=0.08, redelivered=0.1, seed=seed * 10 + n, company=company)
                          for n in range(3)]
        self.receipts = []
        self.resends = 0
        self.thread = threading.Thread(target=self.send, daemon=True)

    def send(self):
        for document in self.documents:
            while not self.system.over.is_set():
                try:
                    self.receipts.append(self.system.server.client.capture(document.data))
                    break
                except (Refused, ValueError):  # ValueError: the channel was closed under it
                    self.resends += 1
                    self.system.over.wait(0.02)

    def losses(self, client):
        """Compares each receipt, count and dead letter, and the order of what was committed."""
        oracle, wrong, wanted = Oracle(), [], []
        for document, receipt in zip(self.documents, self.receipts):
            capture = client.job(receipt.capture_id)
            outcome = oracle.document(document.partner, document.events)
            wrong += differences(client, capture, outcome)
            wanted += [(receipt.capture_id, index) for index in sorted(outcome.committed)]
            again = client.capture(document.data)
            for other, what in ((capture.receipt, "kept"), (again, "sent again")):
                if (other.capture_id, other.document_digest, other.received_ms) != (
                        receipt.capture_id, receipt.document_digest, receipt.received_ms):
                    wrong.append(f"the receipt {receipt} is another where {what}: {other}")
            if not again.duplicate_document:
                wrong.append(f"{receipt.capture_id} sent again is no duplicate")
        mine = {receipt.capture_id for receipt in self.receipts}
        found = [(capture_id, index) for capture_id, index, _ in client.all_events() if capture_id in mine]
        if found != wanted:
            wrong.append(f"committed events of one partner, in order: {found}, expected {wanted}")
        return wrong


class System:
    """What harness.Server expects of a test, and the servers that follow one another."""

    def __init__(self, plan):
        self.plan = plan
        self.chance = random.Random(f"{plan.point} {plan.passage} {plan.seed}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="epcisd-crash-"))
        self.marks = self.folder / "marks"
        self.marks.mkdir()
        self.family = Family()
        self.servers = []
        self.server = None
        self.kills = 0
        self.over = threading.Event()
        self.deadline = time.monotonic() + RUN_SECONDS * PATIENCE

    def environment(self):
        point, faults = self.plan.point, []
        if point not in KILLS:
            faults = [BEFORE[point]] if point in BEFORE and not self.servers else [
                f"{point}:{self.plan.passage}", *([BESIDE[point]] if point in BESIDE else [])]
        return {"EPCISD_FAULT": ",".join(faults), "EPCISD_FAULT_ONCE": str(self.marks)} if faults else {}

    def start(self):
        """A server, and another where it is killed before it is ready."""
        while True:
            server = Server(self, self.folder / "data", self.plan.workers, options=OPTIONS,
                            environment=self.environment())
            try:
                self.server = server.ready()
                return
            except AssertionError:
                if not self.ended_by_fault(server.process.poll()) or time.monotonic() > self.deadline:
                    raise

    def ended_by_fault(self, code):
        """Killed; or it could not start or go on, as happens where the disk fails."""
        return code == -signal.SIGKILL or code == 1 and self.marked()

    def look_after(self):
        """Starts the server again where it has ended."""
        code = self.server.process.poll()
        if code is None:
            return
        self.server.gone()
        if not self.ended_by_fault(code):
            raise AssertionError(f"the server ended with {code}; log:\n{self.server.log[-3000:]}")
        self.start()

    def marked(self):
        return [mark.name.rsplit(".", 1)[0] for mark in self.marks.iterdir()]

    def kill(self):
        """False: there was no worker to kill."""
        workers = self.server.worker_pids() if self.plan.point != "kill server" else []
        if self.plan.point == "kill worker":
            if not workers:
                return False
            workers = [self.chance.choice(workers)]
        else:
            self.server.process.kill()
            self.server.process.wait()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills += 1
        return True

    def ledger_losses(self):
        """What scripts/verify-ledger finds wrong with the chains, receipts and sums of an export."""
        ledger = self.folder / "ledger.jsonl"
        ledger.write_bytes(self.server.client.export_ledger())
        done = subprocess.run([ROOT / "scripts" / "verify-ledger", "--quiet", ledger], capture_output=True, text=True,
                              check=False)
        return [] if done.returncode == 0 else [f"verify-ledger: {done.stderr}"]

    def stop(self):
        """As asked, in an orderly way; a point may be passed on the way."""
        code = self.server.terminate()
        if code not in (0, -signal.SIGKILL) or (code and "server.stopping" not in self.marked()):
            raise AssertionError(f"the server stopped with {code}; log:\n{self.server.log[-3000:]}")


def disturb(system, partners):
    """Until every document is sent and finished. Kills come a little after so many receipts."""
    documents = sum(len(partner.documents) for partner in partners)
    kills = [system.chance.randint(0, documents) for _ in range(system.chance.randint(1, 3))]
    kills = sorted(kills) if system.plan.point in KILLS else []
    stop = system.plan.point in WHILE_STOPPING
    rotations = system.plan.passage if system.plan.point in WHILE_ROTATING else 0
    finished = set()
    while True:
        if time.monotonic() > system.deadline:
            raise AssertionError(f"not finished within {RUN_SECONDS * PATIENCE:.0f} s")
        system.look_after()
        sent = [receipt.capture_id for partner in partners for receipt in list(partner.receipts)]
        if kills and len(sent) >= kills[0]:
            system.over.wait(system.chance.uniform(0, 0.05))
            if system.kill():
                kills.pop(0)
            continue
        if stop and len(sent) >= system.plan.passage:
            stop = False
            system.stop()
            system.start()
            continue
        with contextlib.suppress(Refused, ValueError):
            if rotations and sent:
                rotations -= 1
                system.server.client.rotate_key()
            finished |= {capture_id for capture_id in sent if capture_id not in finished
                         and state_name(system.server.client.job(capture_id)) in FINAL}
            if len(finished) == documents and not rotations:
                return
        system.over.wait(0.01)


def run(plan):
    begun = time.monotonic()
    result = Result(plan)
    system = System(plan)
    partners = [Partner(system, company, plan.seed * 3 + n) for n, company in enumerate(COMPANIES)]
    try:
        system.start()
        for partner in partners:
            partner.thread.start()
        disturb(system, partners)
        result.crashes = system.kills + len(system.marked())
        for partner in partners:
            result.losses += partner.losses(system.server.client)
        result.losses += system.ledger_losses()
        system.stop()
    except (AssertionError, Refused) as error:
        result.losses.append(str(error))
    finally:
        system.over.set()
        system.family.kill()
        for server in system.servers:
            if server.process.returncode is None:
                server.gone()
        result.reached = system.kills > 0 or plan.point in system.marked()
        result.resends = sum(partner.resends for partner in partners)
        result.seconds = time.monotonic() - begun
        if result.losses:
            result.folder = str(system.folder)
        else:
            shutil.rmtree(system.folder, ignore_errors=True)
    return result
