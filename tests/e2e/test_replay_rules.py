"""History judged again: by the rules that decided it, to the same verdicts; by others, to those that a server with
these gives to the same documents. The live data stays as it is, and nothing is left behind, whoever is killed."""

import hashlib
import json
import os
import pathlib
import signal

import grpc
import test_dead_letters
from documents import DEFECTS, LEDGER_DEFECTS, again, make
from harness import EndToEnd, Refused, main, wait_for
from test_dead_letters import MAKER, commissioning, document
from test_ledger import ROLLBACK
from test_master_data import vocabulary

from epcis.v1 import audit_service_pb2 as pb
from epcis.v1 import audit_service_pb2_grpc, ledger_pb2, partner_service_pb2
from epcis.v1 import partner_service_pb2_grpc as partner_grpc

LIMITS = ["--batch-max-events", 9, "--batch-max-wait-ms", 300, "--rollback-max-bytes", 20000, "--lease-ms", 500]
REFUSALS = {ledger_pb2.ITEM_OUTCOME_DEAD_LETTER, ledger_pb2.ITEM_OUTCOME_ROLLED_BACK}
NO_EVENTS = {ledger_pb2.ITEM_OUTCOME_MASTER_DATA, ledger_pb2.ITEM_OUTCOME_DOCUMENT_REFUSED}


def documents():
    """Of every shape, of several partners, which know of each other's items."""
    flawed = make(events=60, seed=9301, company=91, defects=0.3, redelivered=0.1,
                  only=[*DEFECTS, *LEDGER_DEFECTS])
    plain = make(events=40, seed=9302, company=93)
    known = make(events=15, seed=9303, company=94).data.replace(
        b"</EPCISHeader>", vocabulary("here", 5).encode() + b"</EPCISHeader>")
    broken = make(events=20, seed=9304, company=95).data
    wrong = commissioning("x", second=7)
    return [(flawed.data, {}), (plain.data, {}), (known, {}),
            (again(flawed, company=91).data, {}), (again(flawed, company=92).data, {}),
            (again(plain, company=96, reserialised=False).data, {}),
            (make(events=20, seed=9305, company=97, defects=0.2).data, {"error_behaviour": ROLLBACK}),
            (make(events=10, seed=9306, company=98).data, {"error_behaviour": ROLLBACK}),
            (make(events=60, seed=9307, company=98).data, {"error_behaviour": ROLLBACK}),
            (make(events=20, seed=9308, company=93, defects=0.3).data, {"validate_only": True}),
            (broken[:broken.rindex(b"</ObjectEvent>")], {}),
            (document(wrong, commissioning("y", expiry="2028-02-30", second=8),
                      {**wrong, "errorDeclaration": {"declarationTime": "2025-02-04T00:00:00Z"}},
                      commissioning("x", lot="LT2", second=9)), {"partner": MAKER.gln})]


class ReplayRules(EndToEnd):
    def begin(self, **more):
        server = self.start(options=LIMITS, **more)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        return server

    def fill(self, server, one_by_one=False):
        ids = []
        for data, terms in documents():
            ids.append(server.client.capture(data, **terms).capture_id)
            if one_by_one:
                server.client.wait(ids[-1])
        for capture_id in ids:
            server.client.wait(capture_id)
        return ids

    def rejudge(self, rule_pack="current", seconds=120, **more):
        """All that is told of a replay: the differences, the batches left out, and the last message."""
        told = list(self.stub.ReplayRules(pb.ReplayRulesRequest(rule_pack=rule_pack, **more), timeout=seconds))
        return ([difference for message in told for difference in message.differences],
                [batches for message in told for batches in message.left_out], told[-1])

    def verdicts(self, server, ids):
        """(number of the document, event) -> outcome and codes, as the ledger and the dead letters have them."""
        stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        found = {}
        for listed in stub.ListBatches(pb.ListBatchesRequest()).batches:
            batch = stub.GetBatch(pb.GetBatchRequest(partition=listed.partition, sequence=listed.sequence))
            outcomes = iter(batch.outcomes)
            for span in batch.batch.spans:
                index = span.first_event
                for _ in range(span.items):
                    outcome = next(outcomes)
                    if outcome not in NO_EVENTS:
                        found[ids.index(span.capture_id), index] = (outcome, set())
                        index += 1
        for capture_id in ids:
            for letter in server.client.dead_letters(capture_id):
                at = ids.index(capture_id), letter.event_index
                if letter.HasField("event_index") and not letter.validate_only:
                    found[at] = (found[at][0], {reason.code for reason in letter.reasons})
        return found

    def store_bytes(self):
        return hashlib.sha256((self.data_dir / "store" / "data.mdb").read_bytes()).hexdigest()

    def workers_at_it(self):
        return [pid for pid in self.family.members("epcis-worker")
                if b"--rejudge" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]

    # -- the same rules

    def test_the_same_rules_give_the_same_verdicts(self):
        server = self.begin()
        ids = self.fill(server)
        for letter in list(server.client.dead_letters(ids[0]))[:3]:
            server.client.wait(test_dead_letters.DeadLetters.resubmit(self, server, letter))
        before = self.store_bytes(), server.client.export_ledger().splitlines()[1:-1], server.client.all_events()
        files = set(os.listdir(self.data_dir))
        version = self.rejudge()[2].rule_pack
        differences, left_out, last = self.rejudge(version)
        self.assertEqual((differences, left_out, last.rule_pack), ([], [], version))
        batches = self.stub.ListBatches(pb.ListBatchesRequest()).batches
        decided = [batch.decision for batch in batches]
        self.assertEqual((last.batches, last.batches_in_all), (len(batches), len(batches)))
        self.assertEqual(last.events, sum(d.committed + d.duplicates + d.dead_letters for d in decided))
        told = self.epcisctl(server, "replay", "--rules", "current", check=0).stdout
        self.assertIn(f"{last.events} events of {len(batches)} batches by rules {version}: 0 verdicts differ", told)
        after = self.store_bytes(), server.client.export_ledger().splitlines()[1:-1], server.client.all_events()
        self.assertEqual([a == b for a, b in zip(before, after)], [True] * 3)
        self.assertEqual(set(os.listdir(self.data_dir)), files)
        self.stop_cleanly(server)

    # -- other rules

    OTHER = ["--rule", "EXPIRY_FORMAT=warn", "--rule", "SERIAL_REUSED=off", "--rule", "TS_MISSING=reject",
             "--rule", "NOT_COMMISSIONED=reject", "--rule", "KEY_CONFLICT=reject"]

    def test_other_rules_give_what_a_server_with_them_gives(self):
        server = self.begin()
        ids = self.fill(server, one_by_one=True)
        was = self.verdicts(server, ids)
        told = self.epcisctl(server, "replay", "--json", "--rules", "current", "--profile", "epcis", *self.OTHER,
                             check=3).stdout
        *lines, summary = [json.loads(line) for line in told.splitlines()]
        names = {ledger_pb2.ITEM_OUTCOME_COMMITTED: "committed", ledger_pb2.ITEM_OUTCOME_DUPLICATE: "duplicate",
                 ledger_pb2.ITEM_OUTCOME_DEAD_LETTER: "dead letter",
                 ledger_pb2.ITEM_OUTCOME_ROLLED_BACK: "rolled back"}
        was = {at: (names[outcome], codes) for at, (outcome, codes) in was.items()}
        expected = dict(was)
        validated = {at for at, (data, terms) in enumerate(documents()) if terms.get("validate_only")}
        for line in lines:
            at = ids.index(line["capture_id"]), line["event_index"]
            self.assertEqual(line["recorded"]["outcome"], was[at][0])
            if at[0] not in validated:
                self.assertEqual(set(line["recorded"]["codes"]), was[at][1])
            expected[at] = (line["now"]["outcome"], set(line["now"]["codes"]) if at[0] not in validated else set())
        self.assertEqual((summary["differences"], summary["events"], summary["left_out_batches"]),
                         (len(lines), len(was), 0))
        refused = {at for at in was if "TS_MISSING" in expected[at][1] and was[at][0] == "committed"}
        taken = {at for at in was if was[at][1] == {"EXPIRY_FORMAT"} and expected[at][0] == "committed"}
        self.assertTrue(refused and taken)
        self.assertIn({"code": "EXPIRY_FORMAT", "refused_now": 0, "refused_no_longer": sum(
            "EXPIRY_FORMAT" in line["recorded"]["codes"] for line in lines)}, summary["codes"])
        for at, line in [((ids.index(line["capture_id"]), line["event_index"]), line) for line in lines][:20]:
            if line["recorded"]["outcome"] == "committed":
                proof = self.stub.GetInclusionProof(pb.GetInclusionProofRequest(position=pb.EventPosition(
                    capture_id=line["capture_id"], event_index=line["event_index"]))).proof
                self.assertEqual((proof.batch.partition, proof.batch.sequence), (line["partition"], line["sequence"]))
        hashes = {(capture, index): hash_ for capture, index, hash_ in server.client.all_events()}
        for line in lines:
            if line["recorded"]["outcome"] == "committed" and ids.index(line["capture_id"]) not in validated:
                self.assertEqual(line["event_hash"], hashes[line["capture_id"], line["event_index"]])
        self.stop_cleanly(server)

        other = self.start(workers=0, data_dir=self.folder / "other", options=[*LIMITS, *self.endpoints()])
        worker = self.start_worker(data_dir=self.folder / "other", options=["--profile", "epcis", *self.OTHER])
        ids = self.fill(other, one_by_one=True)
        found = {at: (names[outcome], codes) for at, (outcome, codes) in self.verdicts(other, ids).items()}
        self.assertEqual({at: (expected[at], found[at]) for at in found if expected[at] != found[at]}, {})
        self.assertEqual(expected.keys(), found.keys())
        self.stub = audit_service_pb2_grpc.AuditServiceStub(other.client.channel)
        self.assertEqual(self.rejudge()[0], [], "today's rules are those of its worker")
        second = self.start_worker(data_dir=self.folder / "other", options=["--profile", "epcis"])

        def differ():
            return "FAILED_PRECONDITION" in self.epcisctl(other, "replay", "--rules", "current").stderr

        wait_for(differ, "the other worker's options are heard of")
        second.terminate()
        second.wait()
        worker.terminate()
        worker.wait()
        self.stop_cleanly(other)

    def test_records_of_partners_count_as_they_are_now_and_a_scope_narrows_what_is_told(self):
        server = self.begin()
        first, second = make(events=40, seed=9311, company=91), make(events=30, seed=9312, company=95)
        ids = [server.client.capture(d.data).capture_id for d in (first, second)]
        jobs = [server.client.wait(capture_id) for capture_id in ids]
        partner = partner_service_pb2.TradingPartner(
            name="Sample Pharma", glns=[first.partner],
            overrides={"TS_MISSING": partner_service_pb2.RULE_SEVERITY_REJECT})
        server.client.call(partner_grpc.PartnerServiceStub(server.client.channel).CreatePartner,
                           partner_service_pb2.CreatePartnerRequest(partner=partner, changed_by="test"))
        differences, _, last = self.rejudge()
        shipped = {event.index for event in first.events if event.step == "shipping"}
        self.assertEqual({(d.capture_id, d.event_index) for d in differences}, {(ids[0], i) for i in shipped})
        self.assertEqual({(tuple(d.now.codes), d.recorded.outcome) for d in differences},
                         {(("TS_MISSING",), ledger_pb2.ITEM_OUTCOME_COMMITTED)})
        self.assertEqual(last.events, 70)
        place = differences[-1].partition, differences[-1].sequence
        some, _, last = self.rejudge(partition=place[0], first_sequence=place[1], last_sequence=place[1])
        self.assertEqual({(d.partition, d.sequence) for d in some}, {place})
        self.assertEqual(last.events, next(b.items for b in self.stub.ListBatches(pb.ListBatchesRequest()).batches
                                           if (b.partition, b.sequence) == place))
        received = jobs[1].receipt.received_ms
        for scope, events in (({"from_ms": received + 1}, 0), ({"to_ms": jobs[0].receipt.received_ms}, 0),
                              ({"from_ms": jobs[0].receipt.received_ms, "to_ms": received + 1}, 70)):
            self.assertEqual(self.rejudge(**scope)[2].events, events)
        self.stop_cleanly(server)

    def test_what_cannot_be_is_refused(self):
        server = self.begin()
        for arguments, code, text in ((("--rules", "2024.1"), 1, self.rejudge()[2].rule_pack),
                                      (("--rule", "CBV_UNKNOWN=off"), 2, "--rules"),
                                      (("--rules", "current", "--rule", "NO_SUCH=off"), 1, "NO_SUCH"),
                                      (("--rules", "current", "--rule", "SCHEMA_INVALID=off"), 1, "SCHEMA_INVALID"),
                                      (("--rules", "current", "--rule", "CBV_UNKNOWN=on"), 2, "on"),
                                      (("--rules", "current", "--profile", "lax"), 2, "lax"),
                                      (("--rules", "current", "--partition", 10**6), 1, "partition")):
            result = self.epcisctl(server, "replay", *arguments, check=code)
            self.assertIn(text, result.stderr)
        with self.assertRaises(grpc.RpcError) as caught:
            self.rejudge("")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.rejudge()[2].batches_in_all, 0, "history may be empty")
        self.stop_cleanly(server)

    # -- what is gone

    def test_what_was_pruned_is_left_out_and_told(self):
        server = self.start(options=[*LIMITS, "--retain-days", 0])
        flawed = make(events=40, seed=9321, company=91)
        capture_id = server.client.capture(flawed.data).capture_id
        server.client.wait(capture_id)
        wait_for(lambda: "documents_pruned" in server.log, "its bytes are gone")
        self.stop_cleanly(server)
        server = self.begin()
        later = server.client.capture(again(flawed, company=91).data).capture_id
        self.assertEqual(server.client.wait(later).duplicates, 40)
        differences, left_out, last = self.rejudge()
        self.assertEqual({batches.verdict for batches in left_out}, {pb.REPLAY_VERDICT_PRUNED})
        self.assertEqual(sum(batches.items for batches in left_out), 40)
        self.assertEqual((last.events, len(differences)), (40, 40), "what they repeat is not there")
        told = self.epcisctl(server, "replay", "--rules", "current", check=3).stdout
        self.assertIn("left out: documents kept no longer", told)
        self.assertIn(f"{len(left_out)} batches were left out", told)
        self.stop_cleanly(server)

    # -- ends

    def halt(self, server):
        """Begins a replay whose worker halts half way."""
        call = self.stub.ReplayRules(pb.ReplayRulesRequest(rule_pack="current"), timeout=300)

        def halted():
            for pid in self.workers_at_it():
                if "T (stopped)" in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8"):
                    return pid
            return None

        pid = wait_for(halted, "its worker halts")
        deleted = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
        self.assertTrue([path for path in deleted if path.endswith("data.mdb (deleted)")], deleted)
        self.assertFalse((self.data_dir / "rejudge").exists())
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 19)
        self.assertTrue(server.client.wait(server.client.capture(
            make(events=5, seed=pid, company=99).data).capture_id).committed, "the server works on")
        return call, pid

    def test_ended_half_way_it_leaves_nothing(self):
        (self.data_dir / "rejudge").mkdir(parents=True)
        for name in "data.mdb", "lock.mdb":
            (self.data_dir / "rejudge" / name).write_bytes(b"left by a kill")
        self.start_worker(endpoints=self.endpoints())
        options = [*LIMITS, *self.endpoints()]
        environment = {"EPCISD_FAULT": "worker.before_commit:5-7=stop", "EPCISD_FAULT_ONCE": str(self.folder)}
        server = self.start(workers=0, options=options, environment=environment)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        self.assertFalse((self.data_dir / "rejudge").exists())
        server.client.wait(server.client.capture(make(events=100, seed=9331, company=91).data).capture_id)
        call, _ = self.halt(server)
        with self.assertRaises(Refused) as caught:
            server.client.call(lambda request, **more: list(self.stub.ReplayRules(request, **more)),
                               pb.ReplayRulesRequest(rule_pack="current"))
        self.assertEqual(caught.exception.code, "RESOURCE_EXHAUSTED")
        call.cancel()
        wait_for(lambda: not self.workers_at_it(), "its worker is gone")
        _, pid = wait_for(lambda: self.halt(server), "another may begin")
        server.kill()
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not self.workers_at_it(), "its worker is gone")
        self.assertFalse((self.data_dir / "rejudge").exists())
        server = self.start(workers=0, options=options, environment=environment)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        self.halt(server)
        server.process.terminate()
        self.assertEqual(server.gone(), 0)
        wait_for(lambda: not self.workers_at_it(), "its worker is gone")
        server = self.start(workers=0, options=options)
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        self.assertEqual(self.rejudge()[0], [])
        server.process.terminate()
        self.assertEqual(server.gone(), 0)

    def test_a_worker_that_ends_is_told(self):
        self.start_worker(endpoints=self.endpoints())
        server = self.start(workers=0, options=[*LIMITS, *self.endpoints()],
                            environment={"EPCISD_FAULT": "worker.before_commit:3"})
        self.stub = audit_service_pb2_grpc.AuditServiceStub(server.client.channel)
        server.client.wait(server.client.capture(make(events=60, seed=9341, company=91).data).capture_id)
        self.assertIn("worker that judges history again",
                      self.epcisctl(server, "replay", "--rules", "current", check=1).stderr)
        wait_for(lambda: not self.workers_at_it(), "its worker is gone")
        server.process.terminate()
        self.assertEqual(server.gone(), 0)


if __name__ == "__main__":
    main()
