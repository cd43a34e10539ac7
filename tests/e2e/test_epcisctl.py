"""epcisctl as scripts use it: exit codes, JSON keys, silence in a pipe."""

import hashlib
import json
import re

from documents import make
from harness import EndToEnd, main
from oracle import Oracle

CAPTURE_KEYS = ["capture_id", "document_digest", "state", "duplicate_document", "events", "committed", "duplicates",
                "dead_letters", "warnings", "batches", "error", "sent_by", "resubmission_of",
                "document_bytes", "received_ms", "journal_position", "partner", "key_id", "signature"]
STATE_KEYS = ["status", "disposition", "holder", "gtin", "serial", "lot", "expiry", "parent", "container",
              "container_status", "association"]
HISTORY_KEYS = ["event_time", "type", "biz_step", "action", "event_id", "event_hash", "batch_id", "sequence",
                "capture_id", "event_index", "error_declaration", "declared_wrong_by"]
DEAD_LETTER_KEYS = ["dead_letter_id", "capture_id", "event_index", "code", "field", "value", "message", "line", "path"]
CONVERT_KEYS = ["index", "type", "event_time", "action", "epcs", "event_hash", "error"]


class Epcisctl(EndToEnd):
    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def assert_keys(self, found, wanted):
        self.assertEqual(sorted(found), sorted(wanted))

    def test_capture_and_its_exit_codes(self):
        server = self.start()
        sound = make(events=100, seed=801)
        path = self.write("sound.xml", sound.data)
        result = self.epcisctl(server, "capture", path, "--wait", "--json", check=0)
        self.assertEqual(result.stderr, "", "quiet in a pipe")
        self.assertEqual(result.stdout.count("\n"), 1)
        capture = json.loads(result.stdout)
        self.assert_keys(capture, CAPTURE_KEYS)
        self.assertEqual({key: capture[key] for key in ("state", "duplicate_document", "events", "committed",
                                                        "duplicates", "dead_letters", "error")},
                         {"state": "done", "duplicate_document": False, "events": 100, "committed": 100,
                          "duplicates": 0, "dead_letters": 0, "error": None})
        self.assertEqual(capture["document_digest"], "sha256:" + hashlib.sha256(sound.data).hexdigest())
        self.assertRegex(capture["capture_id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertGreaterEqual(capture["batches"], 1)

        repeated = json.loads(self.epcisctl(server, "capture", path, "--wait", "--json", check=0).stdout)
        self.assertTrue(repeated["duplicate_document"])
        self.assertEqual(repeated["capture_id"], capture["capture_id"])

        status = json.loads(self.epcisctl(server, "status", capture["capture_id"], "--json", check=0).stdout)
        self.assert_keys(status, CAPTURE_KEYS)
        self.assertEqual((status["state"], status["committed"]), ("done", 100))

        faulty = make(events=100, defects=0.1, seed=802, company=50)
        counts = Oracle().document(faulty.partner, faulty.events).counts
        result = self.epcisctl(server, "capture", self.write("faulty.xml", faulty.data), "--wait", "--json", check=3)
        capture = json.loads(result.stdout)
        self.assertEqual({key: capture[key] for key in counts}, counts)
        self.epcisctl(server, "status", capture["capture_id"], check=3)

        result = self.epcisctl(server, "capture", self.write("broken.xml", sound.data[:5000]), "--wait", "--json",
                               check=3)
        capture = json.loads(result.stdout)
        self.assertEqual(capture["state"], "failed")
        self.assertEqual(capture["error"]["code"], "SCHEMA_INVALID")
        self.assertIsInstance(capture["error"]["line"], int)
        self.stop_cleanly(server)

    def test_capture_from_standard_input_and_of_several_files(self):
        server = self.start()
        paths = [self.write(f"{n}.xml", make(events=30, seed=810 + n, company=60 + 10 * n).data) for n in range(3)]
        result = self.epcisctl(server, "capture", *paths, "--wait", "--json", check=0)
        captures = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([capture["committed"] for capture in captures], [30, 30, 30])
        piped = make(events=30, seed=815, company=95).data.decode()
        result = self.epcisctl(server, "capture", "-", "--wait", "--json", check=0, stdin=piped)
        self.assertEqual(json.loads(result.stdout)["committed"], 30)
        document = make(events=10, seed=816, company=99)
        self.epcisctl(server, "capture", self.write("partner.xml", document.data), "--partner", document.partner,
                      "--wait", check=0)
        self.stop_cleanly(server)

    def test_trace(self):
        server = self.start()
        document = make(events=100, seed=820)
        self.epcisctl(server, "capture", self.write("d.xml", document.data), "--wait", check=0)
        epc = document.events[0].epcs[0]
        found = json.loads(self.epcisctl(server, "trace", epc, "--json", check=0).stdout)
        self.assertLessEqual(set(STATE_KEYS), set(found["state"]))
        for entry in found["history"]:
            self.assert_keys(entry, HISTORY_KEYS)
        wanted = [event for event in document.events if epc in event.epcs]
        self.assertEqual([entry["biz_step"] for entry in found["history"]], [event.step for event in wanted])
        first = found["history"][0]
        self.assertEqual(first["event_time"], wanted[0].time.strftime("%Y-%m-%dT%H:%M:%S.") +
                         f"{wanted[0].time.microsecond // 1000:03d}Z")
        self.assertEqual((first["type"], first["action"]), ("ObjectEvent", "ADD"))
        self.assertEqual(first["event_id"], first["event_hash"], "the sender gave none: the hash stands for it")
        self.assertRegex(first["event_hash"], r"^ni:///sha-256;[0-9a-f]{64}\?ver=CBV2\.0$")
        text = self.epcisctl(server, "trace", epc, check=0).stdout
        self.assertIn("commissioning", text)
        never = self.epcisctl(server, "trace", "urn:epc:id:sgtin:9529999.000000.1", check=1)
        self.assertTrue(never.stderr)
        self.assertEqual(never.stdout, "")
        self.stop_cleanly(server)

    def test_dead_letters(self):
        server = self.start()
        document = make(events=200, defects=0.1, seed=830)
        refused = Oracle().document(document.partner, document.events).refused
        capture = json.loads(self.epcisctl(server, "capture", self.write("d.xml", document.data), "--wait", "--json",
                                           check=3).stdout)
        result = self.epcisctl(server, "dead-letters", "--json", check=0)
        letters = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(sorted(letter["event_index"] for letter in letters), sorted(refused))
        for letter in letters:
            self.assertLessEqual(set(DEAD_LETTER_KEYS), set(letter))
            self.assertIn(letter["code"], refused[letter["event_index"]])
            self.assertEqual(letter["capture_id"], capture["capture_id"])
            self.assertTrue(letter["message"])
            self.assertGreater(letter["line"], 0)
        one = self.epcisctl(server, "dead-letters", "--capture", capture["capture_id"], "--json", check=0)
        self.assertEqual(one.stdout, result.stdout)
        other = self.epcisctl(server, "dead-letters", "--capture", "00000000-0000-7000-8000-000000000000", "--json",
                              check=0)
        self.assertEqual(other.stdout, "")
        text = self.epcisctl(server, "dead-letters", check=0).stdout
        self.assertIn(letters[0]["code"], text)
        self.stop_cleanly(server)

    def test_errors_and_usage(self):
        path = self.write("d.xml", make(events=5, seed=840).data)
        nobody = self.epcisctl("127.0.0.1:1", "capture", path, "--timeout", "2", check=1)
        self.assertIn("127.0.0.1:1", nobody.stderr)
        server = self.start(workers=0)
        missing = self.epcisctl(server, "capture", self.folder / "missing.xml", check=1)
        self.assertIn("missing.xml", missing.stderr)
        self.epcisctl(server, "status", "00000000-0000-7000-8000-000000000000", check=1)
        self.epcisctl(server, "capture", path, "--wait", "--timeout", "1", check=1)  # no worker: never done
        for arguments in ([], ["capture"], ["status"], ["trace"], ["no-such-command"], ["capture", "--no-such", path],
                          ["convert"]):
            result = self.epcisctl(server, *arguments, check=2)
            self.assertEqual(result.stdout, "")
            self.assertIn("--help", result.stderr)
        for command in ("capture", "status", "trace", "dead-letters", "convert"):
            self.assertTrue(self.epcisctl(None, command, "--help", check=0).stdout)
        self.stop_cleanly(server)

    def test_convert_needs_no_server(self):
        document = make(events=300, defects=0.1, redelivered=0.1, seed=850)
        result = self.epcisctl(None, "convert", self.write("d.xml", document.data), check=0)
        self.assertEqual(result.stderr, "")
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([row["index"] for row in rows], list(range(300)))
        hashes = {}
        for row, event in zip(rows, document.events):
            self.assert_keys(row, CONVERT_KEYS)
            named = len(event.epcs) + bool(event.parent)
            self.assertEqual((row["type"], row["epcs"]), (event.type, named))
            if event.fault == "":
                self.assertEqual(row["action"], event.action)
                self.assertEqual(row["event_time"], event.time.strftime("%Y-%m-%dT%H:%M:%S.") +
                                 f"{event.time.microsecond // 1000:03d}Z")
            if row["event_hash"] is not None:
                self.assertRegex(row["event_hash"], r"^ni:///sha-256;[0-9a-f]{64}\?ver=CBV2\.0$")
                self.assertEqual(hashes.setdefault(event.facts, row["event_hash"]), row["event_hash"],
                                 "a redelivered event has the hash of the first")
        known = [h for h in hashes.values() if h]
        self.assertEqual(len(set(known)), len(known), "other facts, other hash")

    def test_convert_of_a_broken_document_prints_what_came_before(self):
        document = make(events=100, seed=851)
        data = document.data[:document.data.rindex(b"<action>")]
        result = self.epcisctl(None, "convert", self.write("d.xml", data), check=1)
        self.assertEqual([json.loads(line)["index"] for line in result.stdout.splitlines()], list(range(99)))
        self.assertRegex(result.stderr, re.compile(r"line\D{0,3}\d+|:\d+:", re.IGNORECASE))


if __name__ == "__main__":
    main()
