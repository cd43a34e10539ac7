"""A server that describes itself: reflection alone is enough to call it; health says when not to; and a
refusal says to programs why."""

import json
import queue
import subprocess
import threading

from documents import make
from harness import BUILD, HERE, PATIENCE, EndToEnd, Refused, capture_pb, grpc, main, wait_for

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

# The packages of the same names that are installed have no room for what is generated.
grpc.__path__.append(str(BUILD / "python" / "grpc"))
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from grpc.health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc.reflection.v1 import reflection_pb2, reflection_pb2_grpc  # noqa: E402
from grpc.reflection.v1alpha import reflection_pb2 as alpha_pb2  # noqa: E402
from grpc.reflection.v1alpha import reflection_pb2_grpc as alpha_grpc  # noqa: E402

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
UNKNOWN_CAPTURE = "0190d6a0-1111-7000-8000-000000000001"


class Asked:
    """A reflection stream, asked one question at a time, of either version."""

    def __init__(self, channel, pb, stub):
        self.pb = pb
        self.questions = queue.Queue()
        self.answers = stub(channel).ServerReflectionInfo(iter(self.questions.get, None), timeout=60 * PATIENCE)

    def ask(self, **question):
        self.questions.put(self.pb.ServerReflectionRequest(host="h", **question))
        answer = next(self.answers)
        assert answer.valid_host == "h" and answer.original_request.host == "h", answer
        return answer

    def file(self, **question):
        [data] = self.ask(**question).file_descriptor_response.file_descriptor_proto
        return descriptor_pb2.FileDescriptorProto.FromString(data)

    def end(self):
        self.questions.put(None)
        assert list(self.answers) == [] and self.answers.code() == grpc.StatusCode.OK


def fill_pool(asked, pool, file, known):
    for name in file.dependency:
        if name not in known:
            fill_pool(asked, pool, asked.file(file_by_filename=name), known)
    if file.name not in known:
        known.add(file.name)
        pool.Add(file)


class Reflection(EndToEnd):
    def walk(self, channel, pb, stub):
        """All services with all they need, from nothing but the address."""
        asked = Asked(channel, pb, stub)
        pool, known = descriptor_pool.DescriptorPool(), set()
        services = [s.name for s in asked.ask(list_services="").list_services_response.service]
        self.assertEqual(len(services), len(set(services)))
        for service in services:
            fill_pool(asked, pool, asked.file(file_containing_symbol=service), known)
            for method in pool.FindServiceByName(service).methods:
                self.assertEqual(asked.file(file_containing_symbol=method.full_name).name,
                                 method.containing_service.file.name)
        for question, code in (({"file_by_filename": "no.proto"}, 5), ({"file_containing_symbol": "no"}, 5),
                               ({"all_extension_numbers_of_type": "epcis.v1.Event"}, 5), ({}, 12)):
            self.assertEqual(asked.ask(**question).error_response.error_code, code, question)
        asked.end()
        return services, pool

    def test_a_client_without_definitions(self):
        server = self.start(workers=1)
        receipt = server.client.capture(make(events=10, seed=77).data)
        server.client.wait(receipt.capture_id)
        channel = server.client.channel
        services, pool = self.walk(channel, reflection_pb2, reflection_pb2_grpc.ServerReflectionStub)
        self.assertLessEqual({"epcis.v1.CaptureService", "epcis.v1.TraceService", "grpc.health.v1.Health",
                              "grpc.reflection.v1.ServerReflection"}, set(services))
        self.assertEqual(self.walk(channel, alpha_pb2, alpha_grpc.ServerReflectionStub)[0], services)

        method = pool.FindMethodByName("epcis.v1.CaptureService.GetCapture")
        factory = message_factory.MessageFactory(pool)
        request, response = map(factory.GetPrototype, (method.input_type, method.output_type))
        call = channel.unary_unary("/epcis.v1.CaptureService/GetCapture",
                                   request_serializer=request.SerializeToString,
                                   response_deserializer=response.FromString)
        answer = call(request(capture_id=receipt.capture_id), timeout=60 * PATIENCE)
        self.assertEqual(answer.capture.events, 10)
        self.buf_curl(server, receipt)
        self.stop_cleanly(server)

    def buf_curl(self, server, receipt):
        if not (HERE / "node_modules" / "@bufbuild").is_dir():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)], check=True,
                           timeout=300)
        [buf] = (HERE / "node_modules" / "@bufbuild").glob("buf-linux-*/bin/buf")

        def curl(capture_id):
            return subprocess.run(
                [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect",
                 "--data", json.dumps({"captureId": capture_id}),
                 f"http://{server.address}/epcis.v1.CaptureService/GetCapture"],
                capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
                env={**self.family.environment, "HOME": str(self.folder)})

        result = curl(receipt.capture_id)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["capture"]["receipt"]["captureId"], receipt.capture_id)
        result = curl(UNKNOWN_CAPTURE)
        self.assertNotEqual(result.returncode, 0)
        for word in ("not_found", "google.rpc.ErrorInfo", "google.rpc.ResourceInfo"):
            self.assertIn(word, result.stderr)

    # ---- errors

    def refusal(self, server, method, request):
        """Status details by their type's name."""
        with self.assertRaises(Refused) as refused:
            server.client.call(method, request)
        status = status_pb2.Status.FromString(refused.exception.metadata["grpc-status-details-bin"])
        self.assertEqual(grpc.StatusCode[refused.exception.code].value[0], status.code)
        self.assertEqual(status.message, refused.exception.details)
        details = {}
        for detail in status.details:
            name = detail.type_url.rpartition(".")[2]
            details[name] = getattr(error_details_pb2, name)()
            self.assertTrue(detail.Unpack(details[name]))
        self.assertEqual(details["ErrorInfo"].domain, "epcisd")
        self.assertTrue(details["ErrorInfo"].metadata["remedy"])
        return details

    def test_refusals_say_why(self):
        server = self.start(workers=1)
        captures = server.client.captures
        details = self.refusal(server, captures.GetCapture, capture_pb.GetCaptureRequest(capture_id="42"))
        self.assertEqual(details["ErrorInfo"].reason, "FIELD_INVALID")
        self.assertEqual(details["BadRequest"].field_violations[0].field, "capture_id")
        details = self.refusal(server, captures.GetCapture, capture_pb.GetCaptureRequest(capture_id=UNKNOWN_CAPTURE))
        self.assertEqual(details["ErrorInfo"].reason, "NOT_FOUND")
        self.assertEqual((details["ResourceInfo"].resource_type, details["ResourceInfo"].resource_name),
                         ("capture", UNKNOWN_CAPTURE))
        unknown = server.client.channel.unary_unary("/epcis.v1.CaptureService/Nothing",
                                                    request_serializer=lambda request: b"")
        self.assertEqual(self.refusal(server, unknown, None)["ErrorInfo"].reason, "METHOD_UNKNOWN")

        told = self.epcisctl(server, "status", UNKNOWN_CAPTURE, check=1).stderr
        self.assertIn(f"NOT_FOUND: capture {UNKNOWN_CAPTURE}: not known here; compare it with the answer that told it "
                      "[NOT_FOUND]", told)
        told = self.epcisctl(server, "status", "42", check=1).stderr
        self.assertIn("INVALID_ARGUMENT: `capture_id` is", told)
        self.assertTrue(told.endswith("[FIELD_INVALID capture_id]\n"), told)
        self.stop_cleanly(server)

    def test_waiting_is_advised(self):
        server = self.start(workers=0, options=["--high-water-bytes", 1])
        server.client.capture(make(events=1, seed=1).data)
        details = self.refusal(server, server.client.captures.Capture,
                               capture_pb.CaptureRequest(document=make(events=1, seed=2).data))
        self.assertEqual(details["ErrorInfo"].reason, "BACKLOG_BYTES")
        delay = details["RetryInfo"].retry_delay
        self.assertGreater(delay.seconds * 1000 + delay.nanos // 1000000, 0)

        # And health says so of the one service that has no room.
        health = health_pb2_grpc.HealthStub(server.client.channel)
        for service, status in (("", SERVING), ("epcis.v1.CaptureService", NOT_SERVING),
                                ("epcis.v1.TraceService", SERVING)):
            answer = server.client.call(health.Check, health_pb2.HealthCheckRequest(service=service))
            self.assertEqual(answer.status, status, service)
        server.kill()

    # ---- health

    def test_health_is_watched(self):
        server = self.start(workers=0, options=["--high-water-bytes", 1])
        health = health_pb2_grpc.HealthStub(server.client.channel)
        seen = {"": [], "epcis.v1.CaptureService": [], "nothing": []}
        ends = {}

        def watch(service):
            stream = health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=120 * PATIENCE)
            try:
                for answer in stream:
                    seen[service].append(answer.status)
            except grpc.RpcError as error:
                ends[service] = error.code()

        threads = [threading.Thread(target=watch, args=(service,)) for service in seen]
        for thread in threads:
            thread.start()
        wait_for(lambda: all(seen.values()), "each stream has its first answer")
        server.client.capture(make(events=1, seed=1).data)
        wait_for(lambda: len(seen["epcis.v1.CaptureService"]) == 2, "the change is told")
        with self.assertRaises(Refused) as refused:
            server.client.call(health.Check, health_pb2.HealthCheckRequest(service="nothing"))
        self.assertEqual(refused.exception.code, "NOT_FOUND")
        server.process.terminate()
        for thread in threads:
            thread.join(60 * PATIENCE)
        self.assertEqual(seen, {"": [SERVING, NOT_SERVING],
                                "epcis.v1.CaptureService": [SERVING, NOT_SERVING],
                                "nothing": [SERVICE_UNKNOWN]})
        self.assertEqual(set(ends.values()), {grpc.StatusCode.UNAVAILABLE})
        server.gone()


if __name__ == "__main__":
    main()
