"""Clients that mean harm: each gets the right answer and not a word too much, while another goes on as if there were
none, in bounded memory; afterwards threads and descriptors are as before."""

import contextlib
import hashlib
import os
import pathlib
import re
import socket
import ssl
import struct
import threading

import raw_http2
from harness import SANITIZER, Client, EndToEnd, Refused, capture_pb, grpc, main, status_field, wait_for
from raw_http2 import END_HEADERS, HEADERS, RST_STREAM, Gone, RawHttp2, frame, message
from test_tls import Authority

from epcis.v1 import identity_service_pb2 as identity_pb
from epcis.v1 import identity_service_pb2_grpc as identity_grpc

LONG = bool(os.environ.get("EPCISD_LONG"))
CAPTURE, CAPTURE_STREAM, GET_CAPTURE = (f"/epcis.v1.CaptureService/{name}" for name in
                                        ("Capture", "CaptureStream", "GetCapture"))
WATCH = "/epcis.v1.AcknowledgmentService/WatchAcknowledgments"
NOBODY = "01890000-0000-7000-8000-000000000000"
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED = 3, 8, 16
CONTINUATION = 9
MIB = 1 << 10  # in the KiB of /proc
CALLS = 5  # that somebody else makes at least, while each of these things is done
SLACK = 4 * os.cpu_count()  # of threads and descriptors: gRPC's executors grow to two threads a core, and keep them
# What no answer may tell: where files are, what program this is and how it is made, whether others exist.
TOO_MUCH = re.compile(r"/tmp|/home|/usr|\.c:|\.cc|\.h:|lmdb|mdb_|libgrpc|\d+\.\d+\.\d+|0x[0-9a-f]{6}|bystander|admin",
                      re.IGNORECASE)


def client_hello():
    """The first thing that a TLS client sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


class Bystander:
    """Sends small documents, one after the other, and must get a receipt for each within a deadline."""

    def __init__(self, client):
        self.client, self.answered, self.error, self.over = client, 0, None, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        self.some_more()
        return self

    def run(self):
        while not self.over.is_set() and not self.error:
            try:
                receipt = self.client.call(self.client.captures.Capture, capture_pb.CaptureRequest(
                    document=f"<no-document number='{self.answered}' of='{id(self)}'/>".encode()), seconds=20).receipt
                assert receipt.capture_id
                self.answered += 1
            except Exception as error:  # told by whoever waits
                self.error = error

    def some_more(self):
        wanted = self.answered + CALLS
        wait_for(lambda: self.error or self.answered >= wanted, "somebody else's calls are answered", 60)
        if self.error:
            raise AssertionError("somebody else is kept out") from self.error

    def __exit__(self, kind, *_):
        if not kind:
            self.some_more()
        self.over.set()
        self.thread.join()
        self.client.close()
        if not kind and self.error:
            raise AssertionError("somebody else is kept out") from self.error


class HostileClients(EndToEnd):
    def setUp(self):
        super().setUp()
        self.server = self.start(workers=1, options=["--require-identity"])
        self.admin = self.connect((self.data_dir / "admin.token").read_text().strip())
        self.stub = identity_grpc.IdentityServiceStub(self.admin.channel)
        self.bystander_token, self.token = self.create("bystander"), self.create("hostile")

    def create(self, name):
        return self.admin.call(self.stub.CreateIdentity, identity_pb.CreateIdentityRequest(
            identity=identity_pb.Identity(name=name, roles=[identity_pb.ROLE_SUBMIT, identity_pb.ROLE_READ]))).token

    def connect(self, token):
        client = Client(self.server.address, token=token)
        self.addCleanup(client.close)
        return client

    def raw(self, **more):
        raw = RawHttp2(self.server.address, **more)
        self.addCleanup(raw.close)
        return raw

    @staticmethod
    def held(server):
        """(descriptors, threads)"""
        return tuple(len(os.listdir(f"/proc/{server.pid}/{what}")) for what in ("fd", "task"))

    @contextlib.contextmanager
    def unharmed(self, grown_mib, server=None, client=None):
        """What is done inside harms nobody, and the server grows by so much at most."""
        server = server or self.server
        with Bystander(client or self.connect(self.bystander_token)) as bystander:
            descriptors, threads = self.held(server)
            before = status_field(server.pid, "VmRSS")
            yield bystander
            bystander.some_more()

            def as_before():
                now = self.held(server)
                return now[0] <= descriptors + SLACK and now[1] <= threads + SLACK

            try:
                wait_for(as_before, f"{descriptors} descriptors and {threads} threads again")
            except AssertionError as error:
                open_ones = [os.readlink(path) for path in pathlib.Path(f"/proc/{server.pid}/fd").iterdir()]
                raise AssertionError(f"{error}, but {self.held(server)}: {sorted(open_ones)}") from None
        grown = status_field(server.pid, "VmHWM") - before
        if not SANITIZER:
            self.assertLess(grown, grown_mib * MIB, "KiB that the server grew at most")

    def silent(self, text):
        self.assertIsNone(TOO_MUCH.search(text), text)

    def answered(self, raw, stream, *codes, seconds=60):
        code, text = raw.status(stream, seconds)
        self.assertIn(code, codes, text)
        self.silent(text)
        return text

    def still_good(self, raw):
        """A sound call on the same connection is answered."""
        stream = raw.call(GET_CAPTURE, self.token)
        raw.data(stream, message(capture_pb.GetCaptureRequest(capture_id="x").SerializeToString()), end=True)
        self.answered(raw, stream, INVALID_ARGUMENT)

    # ---- what is no gRPC

    def test_what_is_no_grpc_is_turned_away(self):
        with self.unharmed(16):
            for noise in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\0\1\2\3" * 100, client_hello(),
                          raw_http2.PREFACE + b"\xff" * 100, raw_http2.PREFACE + frame(HEADERS, END_HEADERS, 1, b"\xff" * 50)):
                with raw_http2.connect(self.server.address) as connection:
                    connection.sendall(noise)
                    connection.shutdown(socket.SHUT_WR)
                    came = raw_http2.read_to_end(connection)
                    self.assertLess(len(came), 400, came)
                    self.assertNotIn(b"HTTP/1", came)
                    self.silent(came.decode("latin-1"))

    # ---- too much of something

    def test_messages_that_are_too_long(self):
        with self.unharmed(320):
            client = self.connect(self.token)
            with self.assertRaises(Refused) as refused:
                client.capture(bytes(80 << 20))
            client.close()
            self.assertEqual(refused.exception.code, "RESOURCE_EXHAUSTED")
            self.silent(refused.exception.details)
            with self.raw() as raw:
                stream = raw.call(GET_CAPTURE, self.token)
                raw.data(stream, message(bytes(40000)), end=True)
                self.assertIn("40000 bytes", self.answered(raw, stream, INVALID_ARGUMENT))
                stream = raw.call(CAPTURE)  # by a stranger: not a byte of it is asked for
                raw.data(stream, struct.pack("!BI", 0, 0xFFFFFFFF) + bytes(60000))
                self.answered(raw, stream, UNAUTHENTICATED)
                self.still_good(raw)

    def test_metadata_of_a_megabyte(self):
        with self.unharmed(16), self.raw() as raw:
            block = raw.header_block(GET_CAPTURE, self.token, [(f"x-{n}", "\x7f" * 8000) for n in range(130)])
            pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
            self.assertGreater(len(block), 1 << 20)
            stream, raw.next_stream = raw.next_stream, raw.next_stream + 2
            raw.send(frame(HEADERS, 0, stream, pieces[0]))
            for piece in pieces[1:]:
                raw.send(frame(CONTINUATION, END_HEADERS if piece is pieces[-1] else 0, stream, piece))
            raw.data(stream, message(capture_pb.GetCaptureRequest(capture_id=NOBODY).SerializeToString()), end=True)
            self.answered(raw, stream, RESOURCE_EXHAUSTED)
            self.still_good(raw)

    def test_ten_thousand_streams(self):
        for token, code, least in ((None, UNAUTHENTICATED, 10000), (self.token, RESOURCE_EXHAUSTED, 9000)):
            with self.unharmed(192) as bystander, self.raw() as raw:
                calls = [raw.call_bytes(CAPTURE, token) for _ in range(10000)]
                raw.send(b"".join(begin for _, begin in calls))
                bystander.some_more()

                def most_refused():
                    raw.take(1)
                    return sum("grpc-status" in answer for answer in raw.headers.values()) >= least

                wait_for(most_refused, "they are refused")
                for answer in raw.headers.values():
                    self.assertEqual(int(answer.get("grpc-status", code)), code, answer)
                    self.silent(answer.get("grpc-message", ""))

    def test_calls_begun_and_reset(self):
        """Each costs memory until it is seen to be reset; it comes back."""
        count = 100000 if LONG else 40000
        before = status_field(self.server.pid, "VmRSS")
        with self.unharmed(count * 14 // 1024 + 64) as bystander, self.raw() as raw:
            for _ in range(count // 1000):
                pairs = [raw.call_bytes(GET_CAPTURE) for _ in range(1000)]
                raw.send(b"".join(begin + frame(RST_STREAM, 0, stream, struct.pack("!I", raw_http2.CANCEL))
                                  for stream, begin in pairs))
                with contextlib.suppress(Gone):
                    raw.take(0.001)
            bystander.some_more()
        if not SANITIZER:
            wait_for(lambda: status_field(self.server.pid, "VmRSS") < before + 160 * MIB, "the memory is given back")

    # ---- too slow

    def test_who_never_reads(self):
        """With windows that are closed, and beyond what fits into the connection."""
        with self.unharmed(128) as bystander, contextlib.ExitStack() as open_ones:
            for _ in range(2 * SLACK):
                streams = open_ones.enter_context(self.raw(window=0))
                for stream in [streams.call(WATCH, self.token) for _ in range(25)]:
                    streams.data(stream, message(b'\n\x05begin'), end=True)
            for _ in range(2):
                deaf = open_ones.enter_context(self.raw())
                deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.socket.settimeout(1)
                with contextlib.suppress(Gone):  # where it waits for us to read
                    for _ in range(4000):
                        deaf.call(GET_CAPTURE, end=True)
            bystander.some_more()

    def test_stalled_bodies_keep_nobody_out(self):
        """As many calls as there may be, of each kind, that begin and do not go on, or go on by the byte."""
        start = capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart()).SerializeToString()
        piece = message(capture_pb.CaptureStreamRequest(piece=b"x").SerializeToString())
        with self.unharmed(64) as bystander:
            raws = [self.raw() for _ in range(6)]
            uploads = []
            for raw in raws:
                for _ in range(40):
                    raw.data(raw.call(CAPTURE, self.token), struct.pack("!BI", 0, 1 << 20) + b"\n")
                    uploads.append((raw, raw.call(CAPTURE_STREAM, self.token)))
                    raw.data(uploads[-1][1], message(start))
                    raw.data(raw.call(GET_CAPTURE, self.token), struct.pack("!BI", 0, 100) + b"\n")
            bystander.some_more()
            for turn in range(3):
                for raw, stream in uploads:
                    with contextlib.suppress(Gone):
                        raw.data(stream, piece)
                with self.assertRaises(Refused) as refused:
                    bystander.client.job(NOBODY)
                self.assertEqual(refused.exception.code, "NOT_FOUND")
                bystander.client.capture_stream(self.upload(f"<upload turn='{turn}'/>".encode()))
                bystander.some_more()
            for raw in raws:
                raw.close()

    @staticmethod
    def upload(document):
        yield capture_pb.CaptureStreamRequest(start=capture_pb.CaptureStart())
        yield capture_pb.CaptureStreamRequest(piece=document)
        yield capture_pb.CaptureStreamRequest(finish=capture_pb.CaptureFinish(
            length=len(document), sha256=hashlib.sha256(document).digest()))

    def test_connections_that_say_nothing(self):
        """Silent ones, prefaces by the byte and half of a TLS handshake: all are closed when its time is over."""
        authority = Authority(self.folder / "ca")
        certificate, key = authority.server()
        secret = self.start(workers=1, data_dir=self.folder / "secret", options=[
            "--require-identity", "--tls-cert", certificate, "--tls-key", key])
        client = Client(secret.address, grpc.ssl_channel_credentials(authority.pem.read_bytes()),
                        (secret.data_dir / "admin.token").read_text().strip())
        with self.unharmed(64) as bystander, self.unharmed(64, secret, client) as other:
            plain = [raw_http2.connect(self.server.address) for _ in range(200)]
            hello = client_hello()
            for at in range(200):  # none of it, some, or all
                plain.append(raw_http2.connect(secret.address))
                plain[-1].sendall((b"", hello[:100], hello)[at % 3])
            for byte in raw_http2.PREFACE[:8]:
                for connection in plain[100:200]:
                    connection.sendall(bytes([byte]))
                bystander.some_more()
                other.some_more()
            for connection in plain:
                self.silent(raw_http2.read_to_end(connection).decode("latin-1"))
                connection.close()


if __name__ == "__main__":
    main()
