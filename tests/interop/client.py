#!/usr/bin/env python3
"""A small client of epcisd in Python, to copy from: sends documents, follows them, sees to dead letters.

It needs grpcio, protobuf and cryptography, and the classes made from proto/:

    python3 -m grpc_tools.protoc -Iproto --python_out=out --grpc_python_out=out $(find proto -name '*.proto')
    PYTHONPATH=out tests/interop/client.py --server 127.0.0.1:50051 stream shipment.xml

Each answer is a line of JSON. Exit code 0: done, 1: refused or given up.
"""

import argparse
import hashlib
import json
import pathlib
import random
import sys
import time
import uuid

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from epcis.v1 import acknowledgment_service_pb2 as ack_pb, acknowledgment_service_pb2_grpc as ack_grpc
from epcis.v1 import audit_service_pb2 as audit_pb, audit_service_pb2_grpc as audit_grpc
from epcis.v1 import capture_service_pb2 as capture_pb, capture_service_pb2_grpc as capture_grpc
from epcis.v1 import dead_letter_service_pb2 as letter_pb, dead_letter_service_pb2_grpc as letter_grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2

PIECE_BYTES = 1 << 20  # the most that one message of CaptureStream may carry
UNARY_SECONDS = 60


def connect(server, tls_ca, token_file):
    """The token goes over TLS only: without it, on a loopback address, nobody asks for one."""
    if not tls_ca:
        return grpc.insecure_channel(server)
    credentials = grpc.ssl_channel_credentials(pathlib.Path(tls_ca).read_bytes())
    if token_file:
        token = pathlib.Path(token_file).read_text(encoding="utf-8").strip()
        credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
    return grpc.secure_channel(server, credentials)


# ---- refusals -------------------------------------------------------------------------------------------


class Refusal:
    """What the server says beside the status: see proto/errors.md."""

    def __init__(self, error):
        self.code, self.text = error.code(), error.details()
        self.reason, self.remedy, self.wait_seconds = "", "", None
        trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        for detail in status_pb2.Status.FromString(trailer).details:
            if detail.Unpack(info):
                self.reason, self.remedy = info.reason, info.metadata["remedy"]
            elif detail.Unpack(retry):
                self.wait_seconds = retry.retry_delay.ToTimedelta().total_seconds()

    @property
    def passes(self):
        """It may go if sent again: the server says when, or the connection was lost (then there is no reason)."""
        lost = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN,
                grpc.StatusCode.CANCELLED}
        return (self.wait_seconds is not None or self.code == grpc.StatusCode.UNAVAILABLE
                or (not self.reason and self.code in lost))

    def __str__(self):
        return f"{self.code.name} {self.reason or '-'}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


class Patience:
    """Decides how long to wait before the next try. All calls of this program may be made twice: the same
    document gets the same receipt, an upload and a watch go on where they were, a dead letter closes once."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.progress()

    def progress(self):
        self.pause, self.deadline = 0.2, time.monotonic() + self.seconds

    def wait(self, error):
        refusal = Refusal(error)
        # At least as long as the server says; some longer than others, so that not all come back at once.
        pause = max(self.pause, refusal.wait_seconds or 0) * random.uniform(1, 1.5)
        if not refusal.passes or time.monotonic() + pause > self.deadline:
            raise error
        print(f"again in {pause:.1f} s: {refusal}", file=sys.stderr, flush=True)
        time.sleep(pause)
        self.pause = min(self.pause * 2, 10)

    def call(self, method, request):
        while True:
            try:
                return method(request, timeout=UNARY_SECONDS)
            except grpc.RpcError as error:
                self.wait(error)


def tell(message):
    print(json.dumps(MessageToDict(message, preserving_proto_field_name=True)), flush=True)


# ---- documents ------------------------------------------------------------------------------------------


def capture(channel, patience, file):
    """A document of up to 64 MiB. The receipt means that it is on disk there."""
    stub = capture_grpc.CaptureServiceStub(channel)
    request = capture_pb.CaptureRequest(document=pathlib.Path(file).read_bytes())
    tell(patience.call(stub.Capture, request).receipt)


def stream(channel, patience, file):
    """A document of any length. The upload's id is made of its content: who was cut off, or killed, goes on
    where the server is, without having kept anything."""
    stub = capture_grpc.CaptureServiceStub(channel)
    length, digest = pathlib.Path(file).stat().st_size, hashlib.sha256()
    with open(file, "rb") as source:
        while piece := source.read(PIECE_BYTES):
            digest.update(piece)
    upload_id = str(uuid.UUID(bytes=digest.digest()[:16]))
    last = 0
    while True:
        try:
            offset = upload_offset(stub, upload_id)
            if offset > last:
                last = offset
                patience.progress()
            return tell(stub.CaptureStream(steps(file, upload_id, offset, length, digest.digest())).receipt)
        except grpc.RpcError as error:
            patience.wait(error)


def upload_offset(stub, upload_id):
    try:
        return stub.GetUploadOffset(capture_pb.GetUploadOffsetRequest(upload_id=upload_id),
                                    timeout=UNARY_SECONDS).offset
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return 0


def steps(file, upload_id, offset, length, digest):
    message = capture_pb.CaptureStreamRequest
    yield message(start=capture_pb.CaptureStart(upload_id=upload_id, offset=offset, length=length, sha256=digest))
    with open(file, "rb") as source:
        source.seek(offset)
        while piece := source.read(PIECE_BYTES):
            yield message(piece=piece)
    yield message(finish=capture_pb.CaptureFinish(length=length, sha256=digest))


def watch(channel, patience, capture_id, cursor="begin"):
    """What becomes of a document, until nothing more does. Who keeps the last cursor can go on from there."""
    stub = ack_grpc.AcknowledgmentServiceStub(channel)
    while True:
        try:
            request = ack_pb.WatchAcknowledgmentsRequest(capture_id=capture_id, cursor=cursor)
            for response in stub.WatchAcknowledgments(request):
                tell(response)
                cursor = response.cursor
                patience.progress()
                if any(a.kind == ack_pb.ACKNOWLEDGMENT_KIND_CAPTURE for a in response.acknowledgments):
                    return
        except grpc.RpcError as error:
            patience.wait(error)


def verify(channel, patience, capture_id):
    """Whether the receipt is genuine: capture_service.proto says what is signed. A partner keeps receipts and
    public keys itself instead of asking for them, as here, when it needs them."""
    stub = capture_grpc.CaptureServiceStub(channel)
    receipt = patience.call(stub.GetCapture, capture_pb.GetCaptureRequest(capture_id=capture_id)).capture.receipt
    keys = patience.call(audit_grpc.AuditServiceStub(channel).ListKeys, audit_pb.ListKeysRequest()).keys
    lines = ["epcisd receipt 1", receipt.capture_id, receipt.document_digest, receipt.document_bytes,
             receipt.received_ms, receipt.journal_position, receipt.partner]
    signed = "".join(f"{line}\n" for line in lines).encode()
    public_keys = {key.key_id: key.public_key for key in keys}
    try:
        Ed25519PublicKey.from_public_bytes(public_keys[receipt.key_id]).verify(receipt.signature, signed)
        genuine = True
    except (KeyError, InvalidSignature):
        genuine = False
    print(json.dumps({"genuine": genuine, "key_id": receipt.key_id}), flush=True)
    if not genuine:
        sys.exit("the receipt is not genuine")


# ---- dead letters ---------------------------------------------------------------------------------------


def dead_letters(channel, patience, capture_id):
    """All of a document; only an empty page_token is the end."""
    stub, request = letter_grpc.DeadLetterServiceStub(channel), letter_pb.ListDeadLettersRequest(capture_id=capture_id)
    while True:
        page = patience.call(stub.ListDeadLetters, request)
        for letter in page.dead_letters:
            tell(letter)
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def show(channel, patience, dead_letter_id):
    """One, with its event."""
    stub = letter_grpc.DeadLetterServiceStub(channel)
    tell(patience.call(stub.GetDeadLetter, letter_pb.GetDeadLetterRequest(dead_letter_id=dead_letter_id)).dead_letter)


def resubmit(channel, patience, dead_letter_id, who, why, corrected=None):
    """Sends the event in again, as it is or as the file `corrected` has it."""
    stub = letter_grpc.DeadLetterServiceStub(channel)
    tell(patience.call(stub.ResubmitDeadLetter, letter_pb.ResubmitDeadLetterRequest(
        dead_letter_id=dead_letter_id, who=who, why=why,
        corrected=pathlib.Path(corrected).read_bytes() if corrected else b"")))


def discard(channel, patience, dead_letter_id, who, why):
    """Closes it without its event."""
    stub = letter_grpc.DeadLetterServiceStub(channel)
    tell(patience.call(stub.DiscardDeadLetter, letter_pb.DiscardDeadLetterRequest(
        dead_letter_id=dead_letter_id, who=who, why=why)))


COMMANDS = {"capture": capture, "stream": stream, "watch": watch, "verify": verify, "dead-letters": dead_letters,
            "show": show, "resubmit": resubmit, "discard": discard}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--tls-ca", help="PEM file of the server's authority: speak TLS")
    parser.add_argument("--token-file", help="file with the token to send, over TLS only")
    parser.add_argument("--patience", type=float, default=60, help="seconds to try for without progress")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs="*", help="; ".join(
        f"{name} {' '.join(c.__code__.co_varnames[2:c.__code__.co_argcount])}" for name, c in COMMANDS.items()))
    given = parser.parse_args()
    with connect(given.server, given.tls_ca, given.token_file) as channel:
        try:
            COMMANDS[given.command](channel, Patience(given.patience), *given.arguments)
        except grpc.RpcError as error:
            sys.exit(str(Refusal(error)))


if __name__ == "__main__":
    main()
