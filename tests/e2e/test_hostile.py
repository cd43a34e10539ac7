"""Broken and hostile documents: an error with its line, no memory for the attacker, no harm to others."""

import socket
import threading

from documents import make
from harness import SANITIZER, EndToEnd, Refused, counts_of, main, state_name, status_field
from oracle import Oracle

# What a sound document may add to the server's peak: buffers and arenas that are kept. A sanitizer's
# quarantine keeps freed memory as well.
GROWTH_KIB = 64 * 1024 if not SANITIZER else 512 * 1024


def whole(body, head="", root_attributes=""):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<epcis:EPCISDocument '
            f'xmlns:epcis="urn:epcglobal:epcis:xsd:1" schemaVersion="1.2" '
            f'creationDate="2025-06-02T09:00:00Z"{root_attributes}>\n<EPCISBody><EventList>\n{body}\n'
            f"</EventList></EPCISBody>\n</epcis:EPCISDocument>\n").encode()


def laughs():
    entities = ['<!ENTITY l0 "ha">'] + [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    return whole("<ObjectEvent><action>&l9;</action></ObjectEvent>",
                 "<!DOCTYPE d [\n" + "\n".join(entities) + "\n]>\n")


class Hostile(EndToEnd):
    def setUp(self):
        super().setUp()
        self.server = self.start(workers=2)
        self.sound = 0
        self.prove_health()  # and reach the memory that ordinary work takes
        self.peak_before = status_field(self.server.pid, "VmHWM")

    def prove_health(self):
        self.sound += 1
        document = make(events=400, defects=0.05, redelivered=0.05, seed=500 + self.sound,
                        company=500 + 10 * self.sound)
        receipt = self.server.client.capture(document.data)
        self.assert_outcome(self.server, receipt.capture_id,
                            Oracle().document(document.partner, document.events))

    def broken(self, data, line, committed=0, code="SCHEMA_INVALID"):
        """Sends a document that must fail at `line`, beside a sound one. Returns the capture."""
        receipt = self.server.client.capture(data)
        beside = threading.Thread(target=self.prove_health)
        beside.start()
        capture = self.server.client.wait(receipt.capture_id)
        beside.join()
        self.assertEqual(state_name(capture), "failed")
        self.assertEqual(capture.error.code, code)
        self.assertTrue(capture.error.message)
        if isinstance(line, int):
            self.assertEqual(capture.error.line, line, capture.error)
        else:
            self.assertIn(capture.error.line, line, capture.error)
        self.assertEqual(capture.committed, committed)
        self.assert_sums(capture)
        letters = list(self.server.client.dead_letters(receipt.capture_id))
        alone = [letter for letter in letters if not letter.HasField("event_index")]
        self.assertEqual(len(alone), 1, "the document itself is a dead letter, once")
        self.assertEqual(alone[0].reasons[0].code, code)
        return capture

    def finish(self):
        peak = status_field(self.server.pid, "VmHWM")
        self.assertLess(peak - self.peak_before, GROWTH_KIB, f"peak {self.peak_before} KiB, then {peak} KiB")
        self.prove_health()
        self.stop_cleanly(self.server)

    def test_cut_off(self):
        document = make(events=300, seed=501)
        middle = document.data.index(document.events[200].epcs[0].encode())
        end = document.data.index(b"<eventTime>", middle)
        data = document.data[:end]
        whole_events = data.count(b"</ObjectEvent>") + data.count(b"</AggregationEvent>")
        capture = self.broken(data, range(data.count(b"\n"), data.count(b"\n") + 2), committed=whole_events)
        self.assertEqual(capture.events, whole_events)
        self.finish()

    def test_wrong_encoding(self):
        document = make(events=50, seed=502)
        middle = document.data.index(document.events[20].epcs[0].encode())
        place = document.data.index(b"<disposition>", middle)
        data = document.data[:place] + b"<!-- \xff\xfe -->" + document.data[place:]
        whole_events = data[:place].count(b"</ObjectEvent>") + data[:place].count(b"</Aggr")
        self.broken(data, data[:place].count(b"\n") + 1, committed=whole_events)
        self.broken(b"\x00\x01\x02 no XML at all", 1)
        self.broken(b'{"type": "EPCISDocument"', range(0, 2))
        self.broken('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode(), range(0, 2))
        self.finish()

    def test_a_document_type_declaration(self):
        for declaration in ('<!DOCTYPE epcis [ <!ENTITY secret SYSTEM "file:///etc/hostname"> ]>\n',
                            '<!DOCTYPE epcis SYSTEM "http://127.0.0.1:9/epcis.dtd">\n'):
            self.broken(whole("", declaration), range(2, 4))
        self.finish()

    def test_a_billion_laughs(self):
        self.broken(laughs(), range(2, 20))
        self.finish()

    def test_deep_nesting(self):
        depth = 100000
        tree = "<a>" * depth + "</a>" * depth
        self.broken(whole(f"<ObjectEvent><ilmd>\n{tree}</ilmd></ObjectEvent>"), 5, code="DEPTH_LIMIT")
        self.finish()

    def test_100000_attributes(self):
        attributes = " ".join(f'a{n}="{n}"' for n in range(100000))
        self.broken(whole(f"<ObjectEvent>\n<readPoint {attributes}/></ObjectEvent>"), range(4, 6), code="ATTRIBUTES_LIMIT")
        self.finish()

    def test_long_text(self):
        """One event is too long to be read; the document is not broken by it."""
        text = "x" * (20 << 20)
        event = make(events=1, seed=520, company=900)
        sound = event.data[event.data.index(b"<ObjectEvent>"):event.data.index(b"</EventList>")].decode()
        data = whole(f"<ObjectEvent>\n<action>{text}</action></ObjectEvent>\n{sound}",
                     root_attributes=' xmlns:cbvmda="urn:epcglobal:cbv:mda"')
        capture = self.server.client.wait(self.server.client.capture(data).capture_id)
        self.assertEqual(state_name(capture), "done")
        self.assertEqual(counts_of(capture), {"events": 2, "committed": 1, "duplicates": 0, "dead_letters": 1})
        letter, = self.server.client.dead_letters(capture.receipt.capture_id)
        self.assertEqual((letter.event_index, letter.reasons[0].code), (0, "TEXT_LIMIT"))
        self.assertIn(letter.line, (4, 5))
        self.assertLess(letter.ByteSize(), 1 << 20)
        self.finish()

    def test_another_root(self):
        self.broken(b'<?xml version="1.0"?>\n<html><body/></html>\n', 2)
        self.finish()

    def test_an_empty_document_is_refused_at_once(self):
        with self.assertRaises(Refused) as refused:
            self.server.client.capture(b"")
        self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
        with self.assertRaises(Refused) as refused:
            self.server.client.capture(b"<a/>", partner="not a GLN")
        self.assertEqual(refused.exception.code, "INVALID_ARGUMENT")
        self.finish()

    def test_a_document_without_events_is_done(self):
        receipt = self.server.client.capture(make(events=0, seed=510).data)
        capture = self.server.client.wait(receipt.capture_id)
        self.assertEqual(state_name(capture), "done")
        self.assertEqual(set(counts_of(capture).values()), {0})
        self.finish()

    def test_noise_on_the_port(self):
        """Bytes that are no gRPC do no harm."""
        host, port = self.server.address.rsplit(":", 1)
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\0\1\2\3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\377\377"):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(noise)
        self.finish()


if __name__ == "__main__":
    main()
