"""TLS, client certificates, Unix sockets, and what an address that others reach demands."""

import os
import pathlib
import signal
import socket
import ssl
import subprocess

import grpc
from documents import make
from harness import BIN, PATIENCE, Client, EndToEnd, Refused, Server, main, state_name, wait_for

from epcis.v1 import identity_service_pb2 as identity_pb
from epcis.v1 import identity_service_pb2_grpc as identity_grpc

SUBMITTER = [identity_pb.ROLE_SUBMIT, identity_pb.ROLE_READ]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60 * PATIENCE)


class Authority:
    """Issues certificates into a folder of its own."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.pem = folder / "ca.pem"
        openssl("req", "-x509", *self.key(), "-days", 2, "-subj", "/CN=test authority",
                "-keyout", folder / "ca.key", "-out", self.pem)

    @staticmethod
    def key():
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"

    def issue(self, name, *alternative_names):
        """(certificate, key): paths."""
        base = self.folder / name
        names = base.with_suffix(".ext")
        names.write_text("".join(f"subjectAltName={','.join(alternative_names)}\n" if alternative_names else ""))
        openssl("req", *self.key(), "-subj", f"/CN={name}", "-keyout", base.with_suffix(".key"),
                "-out", base.with_suffix(".csr"))
        openssl("x509", "-req", "-in", base.with_suffix(".csr"), "-CA", self.pem, "-CAkey",
                self.folder / "ca.key", "-CAcreateserial", "-days", 2, "-extfile", names,
                "-out", base.with_suffix(".pem"))
        return base.with_suffix(".pem"), base.with_suffix(".key")

    def server(self, name="server"):
        return self.issue(name, "IP:127.0.0.1", "DNS:localhost")


class Tls(EndToEnd):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder / "ca")
        self.certificate, self.key = self.authority.server()

    def start_tls(self, *options, workers=1):
        return self.start(workers=workers, options=[
            "--tls-cert", self.certificate, "--tls-key", self.key, "--tls-client-ca", self.authority.pem,
            "--require-identity", *options])

    @property
    def token_file(self):
        return self.data_dir / "admin.token"

    def client(self, server, token=None, certificate=None, roots=None):
        chain, key = (path.read_bytes() for path in certificate) if certificate else (None, None)
        client = Client(server.address, grpc.ssl_channel_credentials(
            (roots or self.authority.pem).read_bytes(), key, chain), token)
        self.addCleanup(client.close)
        return client

    def create(self, server, name, **fields):
        admin = self.client(server, self.token_file.read_text().strip())
        identity = identity_pb.Identity(name=name, roles=SUBMITTER, **fields)
        stub = identity_grpc.IdentityServiceStub(admin.channel)
        return admin.call(stub.CreateIdentity, identity_pb.CreateIdentityRequest(identity=identity)).token

    def refused(self, client, code):
        with self.assertRaises(Refused) as caught:
            client.job("01890000-0000-7000-8000-000000000000")
        self.assertEqual(caught.exception.code, code, caught.exception.details)

    def served(self, server):
        """The certificate that a new connection sees, as DER."""
        context = ssl.create_default_context(cafile=self.authority.pem)
        context.set_alpn_protocols(["h2"])
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60 * PATIENCE) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                return connection.getpeercert(binary_form=True)

    # ---- who gets through

    def test_certificates_and_tokens_prove_who_calls(self):
        server = self.start_tls()
        document = make(events=20, seed=5000, company=500)
        by_uri = self.authority.issue("uri", "URI:spiffe://example.com/erp", "DNS:erp.example.com")
        by_name = self.authority.issue("plain-name")
        stranger = self.authority.issue("stranger", "URI:spiffe://example.com/stranger")
        self.create(server, "erp", certificate="URI:spiffe://example.com/erp", partner=document.partner)
        self.create(server, "named", certificate="CN:plain-name")
        token = self.create(server, "token")

        capture = self.client(server, certificate=by_uri).capture(document.data)
        self.assertEqual(capture.partner, document.partner)
        seen = self.client(server, certificate=by_name).wait(capture.capture_id)
        self.assertEqual((seen.sent_by, state_name(seen)), ("erp", "done"))
        self.refused(self.client(server, certificate=by_uri), "NOT_FOUND")
        self.refused(self.client(server, token, certificate=stranger), "NOT_FOUND")  # the token counts
        self.refused(self.client(server, certificate=stranger), "UNAUTHENTICATED")
        self.refused(self.client(server), "UNAUTHENTICATED")
        self.refused(self.client(server, "x" * 40, certificate=by_uri), "UNAUTHENTICATED")

        others = Authority(self.folder / "others")
        self.refused(self.client(server, token, certificate=others.issue(
            "uri", "URI:spiffe://example.com/erp")), "UNAVAILABLE")
        self.refused(self.client(server, token, roots=others.pem), "UNAVAILABLE")
        plain = Client(server.address, token=token)
        self.addCleanup(plain.close)
        self.refused(plain, "UNAVAILABLE")
        self.check_programs(server, token, by_uri, capture.capture_id)
        self.stop_cleanly(server)

    def check_programs(self, server, token, certificate, capture_id):
        token_file = self.folder / "token"
        token_file.write_text(token + "\n")
        tls = ["--tls-ca", self.authority.pem]
        self.epcisctl(server, *tls, "--token-file", token_file, "status", capture_id, check=0)
        self.epcisctl(server, *tls, "--tls-cert", certificate[0], "--tls-key", certificate[1], "status",
                      capture_id, check=0)
        self.assertIn("--token-file", self.epcisctl(server, *tls, "status", capture_id, check=1).stderr)
        self.assertIn("--tls-ca", self.epcisctl(server, "status", capture_id, check=1).stderr)
        broken = self.epcisctl(server, "--tls-ca", token_file, "status", capture_id, check=1)
        self.assertNotIn(token, broken.stderr)

    # ---- renewal

    def test_certificates_are_renewed_without_a_restart(self):
        server = self.start_tls(workers=0)
        token = self.token_file.read_text().strip()
        connected = self.client(server, token)
        self.refused(connected, "NOT_FOUND")
        first = self.served(server)

        def replace(certificate, key):
            for new, path in ((certificate, self.certificate), (key, self.key)):
                fresh = path.with_suffix(".new")
                fresh.write_bytes(new.read_bytes())
                os.replace(fresh, path)

        kept_pair = [self.folder / "kept.pem", self.folder / "kept.key"]
        for kept, path in zip(kept_pair, (self.certificate, self.key)):
            kept.write_bytes(path.read_bytes())
        second_pair = self.authority.server("second")
        replace(*second_pair)
        server.process.send_signal(signal.SIGHUP)
        second = wait_for(lambda: (new := self.served(server)) != first and new, "the new certificate is served")
        self.refused(connected, "NOT_FOUND")  # who is connected stays so

        replace(second_pair[0], kept_pair[1])  # which do not belong together
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "event=tls_kept" in server.log, "the mismatch is told")
        self.assertIn("the key is not that of the certificate", server.log)
        self.assertEqual(self.served(server), second)
        self.key.write_text("no key\n")
        self.certificate.write_text("no certificate\n")
        wait_for(lambda: "holds no PEM certificate" in server.log, "broken files are told")
        self.assertEqual(self.served(server), second)

        replace(*kept_pair)  # nobody says so: it is seen
        wait_for(lambda: self.served(server) == first, "changed files are read")
        self.refused(self.client(server, token), "NOT_FOUND")
        self.stop_cleanly(server)

    # ---- starting

    def run_server(self, *options):
        return subprocess.run([BIN / "epcis-server", "--data-dir", self.data_dir, "--workers", "0",
                               *map(str, options)], check=False, capture_output=True, text=True,
                              env=self.family.environment, timeout=60 * PATIENCE)

    def test_nothing_is_open_to_the_network_by_accident(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            result = self.run_server("--listen", address)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("--tls-cert", result.stderr)
        self.assertFalse(self.data_dir.exists())
        for wrong in (["--tls-cert", self.certificate], ["--tls-key", self.key],
                      ["--tls-client-ca", self.authority.pem]):
            self.assertEqual(self.run_server("--listen", "127.0.0.1:0", *wrong).returncode, 2)
        other_key = self.authority.server("other")[1]
        for certificate, key, told in ((self.certificate, other_key, "not that of the certificate"),
                                       (self.folder / "none", self.key, "No such file"),
                                       (self.key, self.key, "no PEM certificate")):
            result = self.run_server("--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(told, result.stderr)

    def test_plain_text_for_all_is_said_loudly_and_still_asks_who_calls(self):
        server = Server(self, self.data_dir, 0, ["--listen", "0.0.0.0:0", "--insecure-plain-text"]).ready()
        self.assertIn("warning epcis-server event=plain_text", server.log)
        local = Client("127.0.0.1:" + server.address.rpartition(":")[2])
        self.addCleanup(local.close)
        self.refused(local, "UNAUTHENTICATED")
        local.metadata = [("authorization", "Bearer " + self.token_file.read_text().strip())]
        self.refused(local, "NOT_FOUND")
        self.stop_cleanly(server)

    def test_a_unix_socket_is_its_owner_s(self):
        path = self.folder / "epcisd.sock"
        server = Server(self, self.data_dir, 1, ["--listen", f"unix:{path}"])
        wait_for(lambda: "event=ready grpc=unix:" in server.log, "the server is ready")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        document = pathlib.Path(self.folder / "document.xml")
        document.write_bytes(make(events=5, seed=5200, company=520).data)
        self.epcisctl(f"unix:{path}", "capture", "--wait", document, check=0)
        other = subprocess.run([BIN / "epcis-server", "--data-dir", self.folder / "other", "--workers", "0",
                                "--listen", f"unix:{path}"], check=False, capture_output=True, text=True,
                               env=self.family.environment, timeout=60 * PATIENCE)
        self.assertEqual(other.returncode, 1)
        self.assertIn("another server listens there", other.stderr)
        self.epcisctl(f"unix:{path}", "tokens", check=0)
        server.process.kill()
        server.gone()
        self.family.kill()
        again = Server(self, self.data_dir, 0, ["--listen", f"unix:{path}"])  # though its socket was left
        wait_for(lambda: "event=ready grpc=unix:" in again.log, "the server is ready again")
        self.epcisctl(f"unix:{path}", "tokens", check=0)
        self.stop_cleanly(again)


if __name__ == "__main__":
    main()
