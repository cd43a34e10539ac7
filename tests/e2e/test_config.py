"""What epcisctl config tells of a running server and its workers."""

import json
import re
import subprocess

from harness import BIN, EndToEnd, main, wait_for


def help_of(program):
    """{option: (default as --help prints it, help)}"""
    text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    text = re.sub(r"\n {35}", " ", text)  # which are wrapped
    lines = re.findall(r"^  --([a-z-]+)(?: \S+)? +(.+?)(?: \[([^\]]+)\])?$", text, re.MULTILINE)
    return {name: (default, meaning) for name, meaning, default in lines if name not in ("help", "version")}


class Config(EndToEnd):
    def config(self, server, token="admin.token"):
        result = self.epcisctl(server, "--token-file", self.folder / "data" / token, "config", "--json", check=0)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_every_option_with_its_value_and_who_set_it(self):
        server = self.start(workers=1, options=["--require-identity", "--retain-days", "3000", "--drain-ms", "10000",
                                                "--rule", "UNKNOWN_GTIN=warn", "--rule=UNKNOWN_GLN=off"])
        options = {o["name"]: o for o in self.config(server) if o["program"] == "epcis-server"}
        told = help_of("epcis-server")
        self.assertEqual(list(options), list(told), "those of --help, in its order")
        for name, (default, meaning) in told.items():
            option = options[name]
            self.assertEqual((option["meaning"], option["worker_id"]), (meaning, None))
            if option["default"]:
                self.assertEqual(str(option["default"]), default, name)
            if option["source"] == "default":
                self.assertEqual(option["value"], option["default"], name)
        given = {o["name"]: o["value"] for o in options.values() if o["source"] == "command line"}
        self.assertEqual(given, {"data-dir": str(self.data_dir), "listen": "127.0.0.1:0", "workers": 1,
                                 "require-identity": True, "retain-days": 3000, "drain-ms": 10000,
                                 "rule": ["UNKNOWN_GTIN=warn", "UNKNOWN_GLN=off"]})
        derived = {o["name"]: o["value"] for o in options.values() if o["source"] == "derived"}
        self.assertEqual(derived, {name: f"ipc://{self.data_dir}/{name.split('-')[0]}.sock"
                                   for name in ("work-endpoint", "ack-endpoint")})

        def of_worker():
            return {o["name"]: o for o in self.config(server) if o["program"] == "epcis-worker"}

        worker = wait_for(of_worker, "a heartbeat tells the worker's options")
        self.assertEqual(list(worker), list(help_of("epcis-worker")))
        self.assertEqual({o["worker_id"].rpartition(":")[2] for o in worker.values()},
                         {str(pid) for pid in server.worker_pids()})
        self.assertEqual((worker["rule"]["value"], worker["profile"]["value"], worker["profile"]["source"]),
                         (["UNKNOWN_GTIN=warn", "UNKNOWN_GLN=off"], "dscsa", "default"))
        self.assertEqual(worker["store"]["value"], f"lmdb:{self.data_dir}/store")

        token_file = self.data_dir / "admin.token"
        shown = self.epcisctl(server, "--token-file", token_file, "config", check=0).stdout
        self.assertIn("\nretain-days               3000                  2192                  command line\n", shown)
        self.assertNotIn(token_file.read_text().strip(), shown)
        for roles, code in ("submit,read,audit", 1), ("operate", 0):
            path = self.data_dir / f"{roles}.token"
            path.write_text(self.epcisctl(server, "--token-file", token_file, "tokens", "create", roles.replace(",", "-"),
                                          "--roles", roles, check=0).stdout)
            result = self.epcisctl(server, "--token-file", path, "config", check=code)
            self.assertEqual("PERMISSION_DENIED" in result.stderr, bool(code))
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
