"""Every method with every field wrong in every way: each refusal is one that proto/errors.md lists, with the code,
the field's path and the advice that it promises, and unpacks in a client that checks UTF-8."""

import importlib
import re

from documents import make
from harness import BUILD, PATIENCE, ROOT, EndToEnd, grpc, main

# The package of the same name that is installed has no room for what is generated.
grpc.__path__.append(str(BUILD / "python" / "grpc"))
from google.protobuf import descriptor  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402

SERVICES = ("acknowledgment", "audit", "capture", "dead_letter", "identity", "master_data", "partner", "server",
            "trace")
STREAMED = ("ExportLedger", "ReplayBatches", "ReplayRules", "WatchAcknowledgments")
PAGE = {reason: (code, bool(wait)) for reason, code, wait in re.findall(
    r"^\| ([A-Z_]+) \| ([A-Z_]+) \| (yes|) \|", (ROOT / "proto" / "errors.md").read_text(encoding="utf-8"), re.M)}
ITEM = "urn:epc:id:sgtin:9521001.010010.100000000001"

# Two bytes a character behind each length at which the server cuts what it repeats.
TEXTS = ["", "x", "A" * 12000, "\x01\n", "`x`", "%s%n", "-1", "99999999999999999999999", "0614141000012", "0" * 13,
         "0190d6a0-1111-7000-8000-000000000001", ITEM] + ["a" * n + "é" * 70 for n in (0, 1)]
VALUES = {
    descriptor.FieldDescriptor.TYPE_STRING: TEXTS,
    descriptor.FieldDescriptor.TYPE_BYTES: [b"", b"\xff" * 100],
    descriptor.FieldDescriptor.TYPE_BOOL: [True],
    descriptor.FieldDescriptor.TYPE_ENUM: [0, 1, 99, -1, 2 ** 31 - 1],
    descriptor.FieldDescriptor.TYPE_UINT32: [0, 1, 2 ** 32 - 1],
    descriptor.FieldDescriptor.TYPE_UINT64: [0, 1, 2 ** 64 - 1],
    descriptor.FieldDescriptor.TYPE_INT64: [-2 ** 63, -1, 0, 2 ** 63 - 1],
}
# No message of any method, or hardly one.
BYTES = [b"", b"\xff" * 4, b"\x08\x80", b"\x0a\x7fabc", b"\x0b\x0c", b"\x00\x00", b"\x0f", b"\x0a\x02\xc3\x28",
         b"\x0a\x0dx" + b"\xc3\xa9" * 6, b"\x0a\x0c" + b"\xc3\x28" * 6, b"\x0a\x03a\x00b",
         b"\x0a\x04\x12\x02\xc3\x28", b"\x08\x01",
         b"\x0a\xa0\x8d\x06" + b"x" * 100000, b"\x08" + b"\xff" * 10 + b"\x01", b"\x12\x00" * 8000,
         b"\x0a" + b"\xff" * 8 + b"\x7f"]


def start_of(capture_id):
    """Requests that are right but for the field that is changed; those of other methods begin empty."""
    letter = {"dead_letter_id": "1", "who": "w", "why": "y"}
    letters = {"filter": {"code": "NONE"}, "who": "w", "why": "y"}
    return {
        "GetCapture": {"capture_id": capture_id}, "ListCaptureEvents": {"capture_id": capture_id},
        "CancelCapture": {"capture_id": capture_id, "who": "w", "why": "y"}, "ListEvents": {"capture_id": capture_id},
        "GetDeadLetter": {"dead_letter_id": "1"}, "ResubmitDeadLetter": letter, "DiscardDeadLetter": letter,
        "ResubmitDeadLetters": letters, "DiscardDeadLetters": letters, "GetBatch": {"sequence": 1},
        "GetInclusionProof": {"position": {"capture_id": capture_id}}, "ReplayRules": {"rule_pack": "current"},
        "CreateIdentity": {"identity": {"name": "n", "roles": [2]}}, "RotateToken": {"name": "n"},
        "PutMasterData": {"elements": [{"type": "urn:epcglobal:epcis:vtype:Location", "id": "urn:x:1"}]},
        "CreatePartner": {"partner": {"name": "P", "glns": ["0614141999996"]}},
        "UpdatePartner": {"partner": {"partner_id": "0190d6a0-1111-7000-8000-000000000001", "name": "P",
                                      "glns": ["0614141000012"], "version": 1}},
        "GetItemHistory": {"epc": ITEM}, "GetContents": {"epc": ITEM}, "GetContainers": {"epc": ITEM},
        "Capture": {"document": b"<x/>"}, "CaptureStream": {"start": {}},
    }


def changed(message, path=()):
    """Copies of `message` with one field changed, at any depth that it has."""
    def copy():
        whole = type(message)()
        whole.CopyFrom(message)
        part = whole
        for name in path:
            part = getattr(part, name)
        return whole, part

    for field in copy()[1].DESCRIPTOR.fields:
        many = field.label == field.LABEL_REPEATED
        if field.message_type and field.message_type.GetOptions().map_entry:
            for key, value in (("", 1), ("x" * 300, 1), ("é" * 70, 1), ("FUTURE_EVENT", 99), ("FUTURE_EVENT", 0)):
                whole, part = copy()
                getattr(part, field.name)[key] = value
                yield whole
        elif field.message_type:
            whole, part = copy()
            part.ClearField(field.name)
            yield whole
            whole, part = copy()
            if many:
                getattr(part, field.name).add()
                yield whole
            else:
                getattr(part, field.name).SetInParent()
                yield whole
                if len(path) < 2:
                    yield from changed(whole, (*path, field.name))
        else:
            for value in VALUES[field.type]:
                whole, part = copy()
                if many:
                    getattr(part, field.name).append(value)
                else:
                    setattr(part, field.name, value)
                yield whole


def is_path(message_type, path):
    for part in path.split("."):
        name = re.fullmatch(r"(\w+)(\[\d+\])?", part)
        field = name and message_type and message_type.fields_by_name.get(name[1])
        if not field or (name[2] and field.label != field.LABEL_REPEATED):
            return False
        message_type = field.message_type
    return True


class Refusals(EndToEnd):
    def judge(self, method, request, error):
        """The refusal is as the page says. Returns its reason."""
        about = f"{method.full_name} of {request[:200]!r}: {error.code().name} {error.details()}"
        metadata = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
        details = {}
        for detail in status.details:
            name = detail.type_url.rpartition(".")[2]
            details[name] = getattr(error_details_pb2, name)()
            self.assertTrue(detail.Unpack(details[name]), about)
        reason = details["ErrorInfo"].reason
        self.assertEqual(status.message, error.details(), about)
        self.assertEqual(PAGE.get(reason), (error.code().name, "RetryInfo" in details), about)
        self.assertEqual("retry-after-ms" in metadata, "RetryInfo" in details, about)
        self.assertEqual("BadRequest" in details, reason == "FIELD_INVALID", about)
        if reason == "FIELD_INVALID":
            [violation] = details["BadRequest"].field_violations
            self.assertTrue(is_path(method.input_type, violation.field), f"{about}: {violation.field}")
        if reason == "NOT_FOUND":
            self.assertTrue(details["ResourceInfo"].resource_type, about)
        self.assertNotIn(reason, ("INTERNAL", "DISK_FAILED", "BACKLOG_FULL"), about)
        return reason

    def call(self, channel, method, request):
        """The refusal's reason, or None."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        try:
            if method.name == "CaptureStream":
                channel.stream_unary(path)(iter([request]), timeout=60 * PATIENCE)
            elif method.name in STREAMED:
                stream = channel.unary_stream(path)(request, timeout=60 * PATIENCE)
                for _ in stream:
                    if method.name == "WatchAcknowledgments":  # it has no end
                        stream.cancel()
                        break
            else:
                channel.unary_unary(path)(request, timeout=60 * PATIENCE)
        except grpc.RpcError as error:
            return self.judge(method, request, error)
        return None

    def test_every_field_of_every_method(self):
        server = self.start(workers=1)
        receipt = server.client.capture(make(events=20, seed=5, defects=0.2).data)
        server.client.wait(receipt.capture_id)
        seen, starts = set(), start_of(receipt.capture_id)
        for service in SERVICES:
            module = importlib.import_module(f"epcis.v1.{service}_service_pb2")
            for method in next(iter(module.DESCRIPTOR.services_by_name.values())).methods:
                message = getattr(module, method.input_type.name)(**starts.get(method.name, {}))
                for request in [message.SerializeToString(), *BYTES,
                                *(other.SerializeToString() for other in changed(message))]:
                    seen.add(self.call(server.client.channel, method, request))
                if method.name == "ListEvents":
                    for other in ({"gln": "0614141000012"}, {"gtin": "10614141073464", "lot": "L"}):
                        request = getattr(module, method.input_type.name)(**other).SerializeToString()
                        self.assertEqual(self.call(server.client.channel, method, request), "NOT_FOUND")
        self.assertLessEqual({"FIELD_INVALID", "REQUEST_MALFORMED", "NOT_FOUND", "EXISTS", "STREAM_ORDER",
                              "CAPTURE_BEGUN", None}, seen)
        self.assertEqual(server.client.wait(receipt.capture_id).events, 20)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
