"""The rules on a document as a whole and on its time, what a person is told of them, and overrides."""

import json
import subprocess

from documents import make
from harness import BIN, EndToEnd, Server, counts_of, main


# Rules that every document of the generator breaks: it registers nobody and describes nothing.
QUIET = [f"--rule={code}=off" for code in ("PARTNER_UNKNOWN", "UNKNOWN_GTIN", "UNKNOWN_GLN", "TI_INCOMPLETE",
                                           "STALE_EVENT", "NOT_COMMISSIONED", "TI_UNRESOLVED")]


class Rules(EndToEnd):
    def outcome(self, server, data, partner=""):
        receipt = server.client.capture(data, partner=partner)
        capture = server.client.wait(receipt.capture_id)
        return receipt.capture_id, counts_of(capture), capture.warnings

    def codes(self, server, capture_id):
        return [[reason.code for reason in letter.reasons] for letter in server.client.dead_letters(capture_id)]

    def warnings(self, server):
        """Position in the document -> codes of the warnings, of all events in the store."""
        found = {}
        pack = self.rules_of_worker()["rule_pack"]
        for sequence in range(1, 1 + len(server.client.all_events())):
            event = server.client.event(sequence)
            self.assertEqual(event.rule_pack, pack)
            found[event.event_index] = {warning.code for warning in event.warnings}
        return found

    def rules_of_worker(self):
        printed = subprocess.run([BIN / "epcis-worker", "--rules", "--json"], check=True, capture_output=True)
        return json.loads(printed.stdout)

    def test_an_event_of_the_future_is_refused_unless_told_otherwise(self):
        document = make(events=5, seed=9001)
        future = document.data.replace(b"<eventTime>2025-", b"<eventTime>2099-")
        server = self.start(workers=1)
        capture_id, counts, _ = self.outcome(server, future)
        self.assertEqual((counts["committed"], counts["dead_letters"]), (0, 5))
        self.assertEqual(self.codes(server, capture_id), [["FUTURE_EVENT"]] * 5)
        self.stop_cleanly(server)
        server = self.start(workers=1, options=[*QUIET, "--rule", "FUTURE_EVENT=warn"])
        other = make(events=5, seed=9002).data.replace(b"<eventTime>2025-", b"<eventTime>2099-")
        _, counts, warnings = self.outcome(server, other)
        self.assertEqual((counts["committed"], warnings), (5, 5))
        self.assertEqual(self.warnings(server), {index: {"FUTURE_EVENT"} for index in range(5)})
        self.stop_cleanly(server)

    def test_findings_on_the_header_are_told_once(self):
        document = make(events=6, seed=9004)
        start, end = (document.data.index(tag) for tag in (b"    <sbdh:Standard", b"  </EPCISHeader>"))
        server = self.start(workers=1, options=[*QUIET, "--rule", "TS_MISSING=off", "--batch-max-events", 2])
        _, counts, warnings = self.outcome(server, document.data[:start] + document.data[end:])
        self.assertEqual((counts["committed"], warnings), (6, 1))
        found = self.warnings(server)
        self.assertEqual(found.pop(0), {"SBDH_MISSING"})
        self.assertEqual(set().union(*found.values()), set())
        self.stop_cleanly(server)

    def test_a_statement_in_the_header_is_for_all_events(self):
        document = make(events=12, seed=9005)
        shipping = {event.index for event in document.events if event.step == "shipping"}
        self.assertTrue(shipping)
        statement = (b'<g:dscsaTransactionStatement xmlns:g="http://epcis.gs1us.org/hc/ns">'
                     b"<g:affirmTransactionStatement>true</g:affirmTransactionStatement>"
                     b"<g:legalNotice>Complied with.</g:legalNotice></g:dscsaTransactionStatement>")
        for data, lacking in ((document.data, shipping),
                              (document.data.replace(b"  </EPCISHeader>", statement + b"</EPCISHeader>"), set())):
            server = self.start(workers=1, data_dir=self.folder / f"data-{len(lacking)}")
            _, counts, _ = self.outcome(server, data)
            self.assertEqual(counts["committed"], 12)
            self.assertEqual({index for index, codes in self.warnings(server).items() if "TS_MISSING" in codes},
                             lacking)
            self.stop_cleanly(server)

    def test_a_person_is_told_source_and_remedy(self):
        document = make(events=40, defects=0.5, seed=9006, only=["long serial"])
        server = self.start(workers=1)
        capture_id, counts, _ = self.outcome(server, document.data)
        self.assertGreater(counts["dead_letters"], 0)
        rule = next(rule for rule in self.rules_of_worker()["rules"] if rule["code"] == "SERIAL_FORMAT")
        for letter in server.client.dead_letters(capture_id):
            self.assertEqual((letter.reasons[0].source, letter.reasons[0].remedy), (rule["source"], rule["remedy"]))
        told = self.epcisctl(server, "dead-letters", check=0).stdout
        self.assertIn(f"{rule['remedy']} ({rule['source']})", told)
        self.outcome(server, document.data[:3000])  # what the converter refuses has a remedy, too
        broken = [letter.reasons[0] for letter in server.client.dead_letters() if letter.capture_id != capture_id]
        self.assertEqual([(reason.code, reason.source) for reason in broken], [("SCHEMA_INVALID", "EP")])
        self.assertTrue(broken[0].remedy)
        self.stop_cleanly(server)

    def test_epcisctl_prints_the_worker_s_rules(self):
        printed = self.epcisctl(None, "rules", "--json", check=0).stdout
        self.assertEqual(json.loads(printed), self.rules_of_worker())
        text = self.epcisctl(None, "rules", check=0).stdout
        for rule in self.rules_of_worker()["rules"]:
            self.assertIn(f"\n{rule['code']} ", text)
        self.epcisctl(None, "rules", "more", check=2)

    def test_a_server_does_not_start_with_a_rule_that_is_none(self):
        for rule in ("NO_SUCH_RULE=off", "FUTURE_EVENT=perhaps", "KEY_CONFLICT=off"):
            server = Server(self, self.data_dir, workers=1, options=["--rule", rule])
            self.assertEqual(server.process.wait(60), 1)
            self.assertIn("epcis-worker: --rule", server.log)
            server.process.stdout.close()


if __name__ == "__main__":
    main()
