"""Master data out of documents: kept in versions, in whichever syntax and place it stands, and no event."""

import json
import os
import signal

from documents import make
from harness import EndToEnd, Refused, counts_of, main, state_name, wait_for
from harness import capture_pb as pb  # noqa: F401 (makes the generated client importable)
from oracle import Oracle

from epcis.v1 import document_pb2 as document_pb
from epcis.v1 import master_data_service_pb2 as master_pb
from epcis.v1 import master_data_service_pb2_grpc as master_grpc

VTYPE = "urn:epcglobal:epcis:vtype:"
MDA = "urn:epcglobal:cbv:mda#"
ELEMENTS = 60


def place(number):
    return f"urn:epc:id:sgln:0614141.{number:05d}.0"


def vocabulary(name, count=ELEMENTS):
    """EPCIS 1.2 spells it so."""
    places = "".join(f'<VocabularyElement id="{place(number)}"><attribute id="{MDA}name">{name}</attribute>'
                     f"</VocabularyElement>" for number in range(count))
    return ("<extension><EPCISMasterData><VocabularyList>"
            f'<Vocabulary type="{VTYPE}Location"><VocabularyElementList>{places}</VocabularyElementList>'
            f'</Vocabulary><Vocabulary type="urn:example:kind"><VocabularyElementList><VocabularyElement '
            f'id="urn:example:thing"><attribute id="urn:example:colour">{name}</attribute></VocabularyElement>'
            "</VocabularyElementList></Vocabulary></VocabularyList></EPCISMasterData></extension>")


class MasterData(EndToEnd):
    def stub(self, server):
        return master_grpc.MasterDataServiceStub(server.client.channel)

    def get(self, server, type_, id_):
        return server.client.call(self.stub(server).GetMasterData,
                                  master_pb.GetMasterDataRequest(type=type_, id=id_))

    def list(self, server, prefix="", page_size=0):
        token = ""
        while True:
            page = server.client.call(self.stub(server).ListMasterData, master_pb.ListMasterDataRequest(
                type_prefix=prefix, page_size=page_size, page_token=token))
            yield from page.master_data
            token = page.next_page_token
            if not token:
                return

    def document(self, syntax, name, seed=970, events=100):
        """A document with events and master data, and the events alone."""
        document = make(events=events, seed=seed, company=970)
        data = document.data.replace(b"</EPCISHeader>", vocabulary(name).encode() + b"</EPCISHeader>")
        self.assertNotEqual(data, document.data)
        if syntax == "xml12":
            return document, data
        path = self.folder / "document.xml"
        path.write_bytes(data)
        to = "xml20" if syntax == "xml20" else "json"
        data = self.epcisctl(None, "convert", path, "--to", to, check=0).stdout.encode()
        if syntax == "json-behind":
            parts = json.loads(data)
            parts["epcisHeader"] = parts.pop("epcisHeader")  # now the last
            self.assertEqual(list(parts)[-2:], ["epcisBody", "epcisHeader"])
            data = json.dumps(parts).encode()
        return document, data

    def assert_places(self, server, name, version=1):
        found = list(self.list(server, VTYPE + "Location", page_size=7))
        self.assertEqual([data.element.id for data in found], [place(number) for number in range(ELEMENTS)])
        for data in found:
            self.assertEqual([(a.id.rpartition("#")[2].rpartition(":")[2], a.value)
                              for a in data.element.attributes], [("name", name)])
            self.assertEqual(data.version, version)

    def test_every_syntax(self):
        """The same master data four times: one version, and the counts are the events' alone."""
        server = self.start(options=["--batch-max-events", "30"])
        seen = set()
        oracle = Oracle()
        for number, syntax in enumerate(("xml12", "xml20", "json", "json-behind")):
            document, data = self.document(syntax, "One", seed=970 + number)
            receipt = server.client.capture(data, partner=document.partner)
            self.assert_outcome(server, receipt.capture_id,
                                oracle.document(document.partner, document.events))
            self.assert_places(server, "One")
            seen.add(receipt.capture_id)
        kept = self.get(server, "urn:example:kind", "urn:example:thing")
        self.assertEqual(kept.current.version, 1)
        self.assertIn(kept.current.capture_id, seen)
        indexes = {}
        for capture_id, index, _ in server.client.all_events():
            indexes.setdefault(capture_id, []).append(index)
        for capture_id in seen:
            self.assertEqual(indexes[capture_id], list(range(100)), "positions among the events alone")
        self.stop_cleanly(server)

    def test_a_change_is_a_version(self):
        server = self.start()
        for number, name in enumerate(("One", "Two", "Two", "One")):
            document, data = self.document("xml12", name, seed=975, events=5)
            data = data.replace(b"</epcis:EPCISDocument>", b"<!-- %d --></epcis:EPCISDocument>" % number)
            server.client.wait(server.client.capture(data, partner=document.partner).capture_id)
        found = self.get(server, VTYPE + "Location", "https://id.gs1.org/414/0614141000036")
        self.assertEqual(found.current.element.id, place(3))
        self.assertEqual((found.current.version, found.current.element.attributes[0].value), (3, "One"))
        self.assertEqual([(v.version, v.element.attributes[0].value) for v in found.older],
                         [(2, "Two"), (1, "One")])
        self.assertEqual({v.partner for v in [found.current, *found.older]}, {document.partner})
        with self.assertRaises(Refused) as refused:
            self.get(server, VTYPE + "Party", place(3))
        self.assertEqual(refused.exception.code, "NOT_FOUND")
        self.stop_cleanly(server)

    def test_both_killed_with_batches_out(self):
        """Batches with master data before, between and behind events are rebuilt as they were."""
        options = ["--batch-max-events", "7", "--run-max-batches", "2"]
        server = self.start(workers=2, options=options)
        wait_for(lambda: len(server.worker_pids()) == 2, "two workers")
        documents = [self.document(syntax, "One", seed=980 + number, events=300) for number, syntax in
                     enumerate(("xml12", "json-behind", "json", "json-behind"))]
        ids = [server.client.capture(data, partner=document.partner).capture_id for document, data in documents]

        def progress():
            return sum(sum(counts_of(server.client.job(capture_id)).values()) for capture_id in ids)

        oracle, kills = Oracle(), 0
        for most in (0, 200, 600):
            wait_for(lambda: progress() > most or state_name(server.client.job(ids[-1])) == "done", "progress")
            if state_name(server.client.job(ids[-1])) == "done":
                break
            for pid in server.worker_pids():
                os.kill(pid, signal.SIGSTOP)
            self.family.kill()
            server.gone()
            kills += 1
            server = self.start(workers=2, options=options)
        self.assertGreaterEqual(kills, 1, "killed in mid-run")
        for (document, _), capture_id in zip(documents, ids):
            self.assert_outcome(server, capture_id, oracle.document(document.partner, document.events))
        self.assertNotIn("partition_blocked", "".join(s.log for s in self.servers))
        self.assert_places(server, "One")
        self.stop_cleanly(server)

    # -- what is put

    def put(self, server, elements, partner=""):
        return server.client.call(self.stub(server).PutMasterData, master_pb.PutMasterDataRequest(
            elements=elements, partner=partner)).receipt

    @staticmethod
    def element(id_, attributes, type_=VTYPE + "Location", **more):
        return document_pb.VocabularyElement(
            type=type_, id=id_, attributes=[document_pb.VocabularyAttribute(id=name, value=value)
                                            for name, value in attributes.items()], **more)

    def test_put(self):
        server = self.start()
        element = self.element(place(1), {MDA + "name": "Señor \"<Müller>\" & \t Co", "urn:example:x": ""},
                               children=[place(2), place(3)])
        other = self.element("urn:example:thing", {}, type_="urn:example:kind")
        for version in (1, 1):
            receipt = self.put(server, [element, other], partner="0614141000012")
            self.assertFalse(receipt.duplicate_document)
            capture = server.client.wait(receipt.capture_id)
            self.assertEqual((state_name(capture), capture.events), ("done", 0))
            found = self.get(server, element.type, element.id)
            self.assertEqual(found.current.element, element)
            self.assertEqual(found.current.version, version)
            self.assertEqual(found.current.partner, "0614141000012")
        self.assertEqual(self.get(server, "urn:example:kind", "urn:example:thing").current.element, other)
        self.stop_cleanly(server)

    def test_put_refuses(self):
        server = self.start()
        good = self.element(place(1), {MDA + "name": "x"})
        for elements, partner, part in (
                ([], "", "elements"), ([self.element("", {})], "", "elements[0].id"),
                ([good, self.element(place(1), {}, type_="")], "", "elements[1].type"),
                ([good], "4711", "partner"), ([self.element(place(1), {MDA + "name": "x" * (3 << 20)})], "", "bytes")):
            with self.assertRaises(Refused) as refused:
                self.put(server, elements, partner)
            self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
            self.assertIn(part, refused.exception.details)
        method = server.client.channel.unary_unary("/epcis.v1.MasterDataService/PutMasterData",
                                                   request_serializer=bytes, response_deserializer=bytes)
        for message in (b"\xff\xff", b"\x0a\x05\x0a\x01a\x12\xff", b"\x0a\x06\x0a\x01\xff\x12\x01b"):
            with self.assertRaises(Refused, msg=message) as refused:
                server.client.call(method, message)
            self.assertEqual(refused.exception.code, "INVALID_ARGUMENT", message)
        self.assertEqual(list(self.list(server)), [])
        self.stop_cleanly(server)

    # -- epcisctl

    def test_epcisctl(self):
        server = self.start()
        _, data = self.document("xml12", "One", events=5)
        path = self.folder / "catalogue.xml"
        path.write_bytes(data)
        result = self.epcisctl(server, "master-data", "import", "--partner", "0614141000012", "--json", path,
                               check=0)
        self.assertIn("5 events are not sent", result.stderr)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(sum(row["elements"] for row in rows), ELEMENTS + 1)
        for row in rows:
            self.assertEqual(server.client.wait(row["capture_id"]).events, 0)
        self.assert_places(server, "One")
        rows = [json.loads(line) for line in self.epcisctl(server, "master-data", "list", "Location", "--json",
                                                           check=0).stdout.splitlines()]
        self.assertEqual([row["id"] for row in rows], [place(number) for number in range(ELEMENTS)])
        self.assertEqual(rows[0]["partner"], "0614141000012")
        path.write_bytes(data.replace(b">One<", b">Two<"))
        result = self.epcisctl(server, "master-data", "import", "--json", path, check=0)
        for line in result.stdout.splitlines():
            server.client.wait(json.loads(line)["capture_id"])
        rows = [json.loads(line) for line in self.epcisctl(server, "master-data", "show", "Location",
                                                           "0614141000012", "--json", check=0).stdout.splitlines()]
        self.assertEqual([(row["version"], row["attributes"][0]["value"]) for row in rows],
                         [(2, "Two"), (1, "One")])
        text = self.epcisctl(server, "master-data", "show", "Location", place(1), check=0).stdout
        self.assertIn("Two", text)
        self.epcisctl(server, "master-data", "show", "Location", "nothing", check=1)
        self.epcisctl(server, "master-data", "import", self.folder / "none", check=1)
        self.epcisctl(server, "master-data", "lose", check=2)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
