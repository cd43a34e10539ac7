"""HTTP/2 by hand (RFC 9113), for what no gRPC client would do.

    with RawHttp2(server.address) as raw:
        stream = raw.call("/epcis.v1.CaptureService/GetCapture", token=...)
        raw.data(stream, message(b"..."), end=True)
        raw.status(stream)      # (grpc-status, grpc-message), or (None, why) where the server broke off
"""

import socket
import ssl
import struct
import time

import hpack

from harness import PATIENCE

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW_SIZE = 4  # of SETTINGS
CANCEL = 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def message(payload):
    """As gRPC frames it."""
    return struct.pack("!BI", 0, len(payload)) + payload


def connect(address, tls=None):
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=30 * PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(connection, server_hostname="localhost") if tls else connection


def read_to_end(connection, seconds=30):
    """All that comes until the server closes the connection; fails where it does not."""
    deadline, came = time.monotonic() + seconds * PATIENCE, b""
    while True:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            return came
        if not piece:
            return came
        came += piece


class Gone(Exception):
    """The server has closed the connection."""


class RawHttp2:
    def __init__(self, address, window=65535, tls=None):
        """`window`: how much of each stream the server may send before it is told to go on."""
        self.socket = connect(address, tls)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder(max_header_list_size=1 << 20)
        self.next_stream, self.buffer = 1, b""
        self.headers, self.reset, self.bytes, self.goaway = {}, {}, {}, None
        self.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW_SIZE, window)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(error) from None

    def header_block(self, path, token=None, more=()):
        block = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
                 ("content-type", "application/grpc"), ("te", "trailers"), *more]
        return self.encoder.encode(block + ([("authorization", f"Bearer {token}")] if token else []))

    def call_bytes(self, path, token=None, more=(), end=False):
        """(stream, the frame that begins it)"""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        flags = END_HEADERS | (END_STREAM if end else 0)
        return stream, frame(HEADERS, flags, stream, self.header_block(path, token, more))

    def call(self, path, token=None, more=(), end=False):
        stream, begin = self.call_bytes(path, token, more, end)
        self.send(begin)
        return stream

    def data(self, stream, payload, end=False):
        """In frames of 16 KiB, without a look at any window."""
        pieces = [payload[at:at + 16384] for at in range(0, len(payload), 16384)] or [b""]
        self.send(b"".join(frame(DATA, END_STREAM if end and piece is pieces[-1] else 0, stream, piece)
                           for piece in pieces))

    def take(self, seconds):
        """Heeds what comes in so many seconds, at most one read of it. False: nothing came."""
        self.socket.settimeout(seconds)
        try:
            piece = self.socket.recv(1 << 20)
        except (socket.timeout, ssl.SSLWantReadError):
            return False
        except OSError as error:
            raise Gone(error) from None
        if not piece:
            raise Gone("end of the connection")
        self.buffer += piece
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                break
            kind, flags, stream = struct.unpack("!BBI", self.buffer[3:9])
            self.heed(kind, flags, stream & 0x7FFFFFFF, self.buffer[9:9 + length])
            self.buffer = self.buffer[9 + length:]
        return True

    def heed(self, kind, flags, stream, payload):
        if kind == HEADERS:
            self.headers.setdefault(stream, {}).update(self.decoder.decode(payload))
        elif kind == DATA:
            self.bytes[stream] = self.bytes.get(stream, 0) + len(payload)
        elif kind == RST_STREAM:
            self.reset[stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = payload[8:].decode(errors="replace")
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.send(frame(kind, ACK, 0, payload if kind == PING else b""))

    def status(self, stream, seconds=60):
        """How the call ended."""
        deadline = time.monotonic() + seconds * PATIENCE
        while "grpc-status" not in self.headers.get(stream, {}) and stream not in self.reset:
            left = deadline - time.monotonic()
            assert left > 0, f"stream {stream} is not answered"
            try:
                self.take(left)
            except Gone as gone:
                return None, f"{gone} {self.goaway}"
        answer = self.headers.get(stream, {})
        if "grpc-status" not in answer:
            return None, f"reset {self.reset[stream]}"
        return int(answer["grpc-status"]), answer.get("grpc-message", "")
