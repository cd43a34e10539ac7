"""Writes a good request of every method into tests/fuzz/corpus/request, for fuzz_request.c: the method's name, a line
feed, the message. Run it where a method is added."""

import pathlib
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "tests" / "fuzz" / "corpus" / "request"
TEXTS = {"epc": "urn:epc:id:sgtin:0614141.010001.a", "capture_id": "00000000-0000-0000-0000-000000000001",
         "page_token": "0002", "cursor": "begin", "gln": "0614141000012", "partner": "0614141000005", "gtin": "00614141100019",
         "lot": "L1", "service": "grpc.health.v1.Health", "list_services": "*", "upload_id": "01000000-0000-0000-0000-000000000000"}
# All fields, and the few that belong together.
FIELDS = {"": None, "-by-name": {"epc", "capture_id", "page_size", "sequence", "type", "id", "service", "list_services",
                                 "cursor"},
          "-by-lot": {"gtin", "lot", "page_size"}, "-by-place": {"gln", "page_size", "page_token"}}


def fill(message, only=None):
    for field in message.DESCRIPTOR.fields:
        if (only and field.name not in only) or field.containing_oneof and message.WhichOneof(field.containing_oneof.name):
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        if field.type == Field.TYPE_MESSAGE:
            value = getattr(message, field.name)
            fill(value.add() if field.label == Field.LABEL_REPEATED else value)
            continue
        value = {Field.CPPTYPE_STRING: b"x" * 32 if field.type == Field.TYPE_BYTES else TEXTS.get(field.name, "some text"),
                 Field.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)
        if field.label == Field.LABEL_REPEATED:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def files():
    """proto/ as descriptors."""
    with tempfile.NamedTemporaryFile() as out:
        protos = [str(path) for path in sorted((ROOT / "proto").rglob("*.proto"))]
        assert protoc.main(["", f"-I{ROOT / 'proto'}", "--include_imports", f"--descriptor_set_out={out.name}", *protos]) == 0
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file


def main():
    OUT.mkdir(exist_ok=True)
    pool = descriptor_pool.DescriptorPool()
    factory = message_factory.MessageFactory(pool)
    for file in files():
        pool.Add(file)
        for service in pool.FindFileByName(file.name).services_by_name.values():
            for method in service.methods:
                name = f"{service.full_name}/{method.name}"
                for suffix, only in FIELDS.items():
                    request = fill(factory.GetPrototype(method.input_type)(), only).SerializeToString()
                    if request or not only:
                        (OUT / (name.replace("/", ".") + suffix)).write_bytes(name.encode() + b"\n" + request)


if __name__ == "__main__":
    main()
