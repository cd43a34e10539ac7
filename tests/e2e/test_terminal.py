"""epcisctl capture before a person: the line that tells how far it is, and Control-C."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from documents import make
from harness import BIN, PATIENCE, EndToEnd, main
from test_uploads import MIB, Proxy, big_document

BAR = r"\[#*\.*\] {of}[\d.]+ of [\d.]+ [kMG]B, [\d.]+ [kMG]B/s"


class Terminal:
    """A program on a terminal of 80 columns."""

    def __init__(self, test, *command):
        pid, self.fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execve(str(command[0]), [str(word) for word in command], test.family.environment)
        self.pid, self.text, self.status = pid, "", None
        test.addCleanup(os.close, self.fd)

    def read(self):
        """False: it has ended."""
        if not select.select([self.fd], [], [], 0.05)[0]:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:  # nobody holds the terminal
            piece = b""
        self.text += piece.decode()
        return bool(piece)

    def until(self, pattern):
        deadline = time.monotonic() + 60 * PATIENCE
        while not re.search(pattern, self.text):
            assert self.read(), f"it ended before {pattern!r}:\n{self.text}"
            assert time.monotonic() < deadline, f"no {pattern!r}:\n{self.text}"

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """What it printed, and its exit code; below 0: the signal that ended it."""
        deadline = time.monotonic() + 60 * PATIENCE
        while self.read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
        return self.text, os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Capture(EndToEnd):
    def begin(self, server, *arguments):
        address = server if isinstance(server, str) else server.address
        return Terminal(self, BIN / "epcisctl", "--server", address, "capture", *arguments)

    def end(self, terminal):
        """(what is left to read, each line as it was shown, exit code); no line wraps, and none is left."""
        text, code = terminal.end()
        shown = re.findall(r"\r\x1b\[K([^\r\n]+)(?=\r\x1b\[K)", text)
        for line in shown:
            self.assertLess(len(line.removesuffix("^C")), 80)
        left = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)", "", text)
        return left.replace("\r\x1b[K", "").replace("\r\n", "\n"), shown, code

    def test_many_files_have_one_line(self):
        server = self.start(workers=1)
        folder = self.folder / "outbox"
        folder.mkdir()
        for number in range(200):
            (folder / f"{number:03}.xml").write_bytes(make(events=5, seed=number, company=700).data)
        left, shown, code = self.end(self.begin(server, "--jobs", 8, folder))
        self.assertEqual(code, 0, left)
        self.assertEqual(len(re.findall(r"^\S+\.xml: ", left, re.MULTILINE)), 200)
        self.assertNotIn("all: ", left)
        self.assertTrue([line for line in shown if re.match("all: " + BAR.format(of=r"\d+ of 200, "), line)], shown)
        self.stop_cleanly(server)

    def test_a_long_file_with_a_long_name(self):
        server = self.start(workers=1)
        path = self.folder / ("long-" * 20 + "end.xml")
        path.write_bytes(big_document(710, 12 * MIB))
        proxy = Proxy(server.address)
        self.addCleanup(proxy.close)
        proxy.carried = lambda count: time.sleep(count / (12 * MIB))  # a slow line: a second for all
        left, shown, code = self.end(self.begin(proxy.address, path))
        self.assertEqual(code, 0, left)
        bar = re.compile(r"\.\.\.[long-]*end\.xml: " + BAR.format(of="") + r", 0:\d\d left")
        self.assertTrue([line for line in shown if bar.fullmatch(line)], shown)
        self.stop_cleanly(server)

    def test_refused_files_among_good_ones(self):
        server = self.start(workers=1)
        folder = self.folder / "mixed"
        folder.mkdir()
        for number in range(5):
            (folder / f"good-{number}.xml").write_bytes(make(events=5, seed=number, company=720).data)
        (folder / "other.xml").write_bytes(b"<html/>")
        (folder / "empty.xml").write_bytes(b"")
        left, _, code = self.end(self.begin(server, "--jobs", 4, "--wait", folder, folder / "empty.xml", "missing.xml"))
        self.assertEqual(code, 1)
        self.assertEqual(len(re.findall(r"^\S+good-\d\.xml: done: 5 events, 5 committed", left, re.MULTILINE)), 5, left)
        self.assertRegex(left, r"(?m)^\S+other\.xml: failed: ")
        self.assertRegex(left, r"(?m)^epcisctl: \S+empty\.xml: INVALID_ARGUMENT: ")
        self.assertRegex(left, r"(?m)^epcisctl: missing\.xml: No such file or directory$")
        self.stop_cleanly(server)

    def test_a_busy_server_is_waited_for(self):
        server = self.start(workers=0, options=["--high-water-bytes", 1, *self.endpoints()])
        server.client.capture(make(events=1, seed=1, company=730).data)
        paths = []
        for number in range(2):
            paths.append(self.folder / f"{number}.xml")
            paths[-1].write_bytes(make(events=1, seed=2 + number, company=731).data)
        one, two = self.begin(server, paths[0]), self.begin(server, "--jobs", 2, "--wait", *paths)
        one.until(r"0\.xml: the server is busy; trying again in \d+\.\d s")
        two.until(r"all: the server is busy; trying again in \d+\.\d s")
        worker = self.start_worker()
        self.assertEqual([self.end(terminal)[2] for terminal in (one, two)], [0, 0])
        self.reap(worker)
        self.stop_cleanly(server)

    def test_control_c(self):
        server = self.start(workers=0)
        path = self.folder / "document.xml"
        path.write_bytes(make(events=5, seed=1, company=740).data)
        terminal = self.begin(server, "--wait", path)
        terminal.until(r"document\.xml: r\w+: 0 of \d events committed")
        terminal.type(b"\x03")
        left, _, code = self.end(terminal)
        self.assertEqual(code, -signal.SIGINT)
        self.assertRegex(left, r"(?m)^epcisctl: interrupted: what was received stays so \(see 'epcisctl captures'\)")
        self.assertEqual(len(self.epcisctl(server, "captures", "--json", check=0).stdout.splitlines()), 1)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
