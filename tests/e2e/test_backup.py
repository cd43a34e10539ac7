"""Data is copied while the server works, and a copy is as good as the original or is told to be none; raw documents
go when they are old enough, and nothing else does."""

import collections
import json
import pathlib
import re
import shutil
import signal
import subprocess
import threading

from documents import make
from harness import BIN, EndToEnd, Refused, Server, dead_letter_pb, main, state_name, wait_for
from oracle import Oracle


def files_of(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


class Keeper(EndToEnd):
    def keep(self, command, *arguments, check=0, data_dir=None):
        return self.epcisctl(None, command, "--data-dir", data_dir or self.data_dir, *arguments, check=check)

    def halted_backup(self, passage):
        """A backup that stands still behind its first parts, the store and the journal, until SIGCONT."""
        process = subprocess.Popen(
            [str(BIN / "epcisctl"), "backup", "--data-dir", str(self.data_dir), str(self.folder / "copy")],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**self.family.environment, "EPCISD_FAULT": f"backup.copied:{passage}=stop"})
        self.addCleanup(self.reap, process)
        stat = pathlib.Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T", "the backup stands still")
        return process

    def go_on(self, process):
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(60), 0)
        self.keep("restore", self.folder / "copy", data_dir=self.folder / "restored")

    @staticmethod
    def letters(server):
        return sorted((letter.capture_id, letter.event_index, letter.reasons[0].code)
                      for letter in server.client.dead_letters())

    def fill(self, server, count=3, events=300):
        documents = [make(events=events, defects=0.05, redelivered=0.05, seed=100 + n, company=5000 + 10 * n)
                     for n in range(count)]
        receipts = [server.client.capture(document.data) for document in documents]
        for receipt, document in zip(receipts, documents):
            self.assert_outcome(server, receipt.capture_id, Oracle().document(document.partner, document.events))
        return documents, receipts


class Backup(Keeper):
    def test_a_copy_made_under_load_goes_on_where_it_was(self):
        server = self.start(2, options=["--batch-max-events", 20])
        documents = [make(events=400, defects=0.05, seed=200 + n, company=6000 + 10 * n) for n in range(12)]
        receipts, given = [], threading.Event()

        def send():
            for document in documents:
                receipts.append(server.client.capture(document.data))
                given.set()

        sender = threading.Thread(target=send)
        sender.start()
        given.wait()
        before = len(receipts)
        self.keep("backup", self.folder / "copy")
        sender.join()
        for receipt in receipts:
            server.client.wait(receipt.capture_id)
        self.stop_cleanly(server)

        self.keep("restore", self.folder / "copy", data_dir=self.folder / "restored")
        server = self.start(2, data_dir=self.folder / "restored", options=["--batch-max-events", 20])
        known = 0
        # What the copy does not have is sent again, as a client would that lost its receipt.
        for document, receipt in zip(documents, receipts):
            try:
                server.client.job(receipt.capture_id)
                known += 1
            except Refused as refused:
                self.assertEqual(refused.code, "NOT_FOUND")
                receipt = server.client.capture(document.data)
            outcome = Oracle().document(document.partner, document.events)
            wait_for(lambda r=receipt, o=outcome: len(list(server.client.dead_letters(r.capture_id))) >= len(o.refused),
                     "the store gets what it lost")
            self.assert_outcome(server, receipt.capture_id, outcome)
        self.assertGreaterEqual(known, before)
        events = server.client.all_events()
        self.assertEqual(len({event[:2] for event in events}), len(events), "no event is there twice")
        self.stop_cleanly(server)
        self.keep("verify", data_dir=self.folder / "restored")

    def test_a_key_that_is_rotated_meanwhile_is_in_the_copy(self):
        for passage in (1, 2):
            with self.subTest(passage=passage):
                server = self.start(0)
                backup = self.halted_backup(passage)
                key = server.client.rotate_key()
                self.go_on(backup)
                self.stop_cleanly(server)
                server = self.start(0, data_dir=self.folder / "restored")
                self.assertNotEqual(server.client.rotate_key().key_id, key.key_id)
                self.stop_cleanly(server)
                for folder in ("copy", "restored"):
                    shutil.rmtree(self.folder / folder)

    def test_two_backups_to_one_folder_leave_each_other_alone(self):
        server = self.start(1)
        self.fill(server, count=1)
        first = self.halted_backup(1)
        before = files_of(self.folder / "copy.partial")
        for _ in range(2):
            refused = self.keep("backup", self.folder / "copy", check=1).stderr
            self.assertIn("another backup is being made there", refused)
            self.assertEqual(files_of(self.folder / "copy.partial"), before)
        self.keep("backup", self.folder / "other")
        self.go_on(first)
        self.assertEqual(*([path.relative_to(self.folder / name) for path in files_of(self.folder / name)]
                           for name in ("copy", "other")))
        self.stop_cleanly(server)

    def test_what_a_backup_left_that_was_cut_off_is_in_nobodys_way(self):
        server = self.start(1)
        self.fill(server, count=1)
        cut_off = self.halted_backup(2)
        cut_off.kill()
        cut_off.wait()
        (self.folder / "copy.partial" / "MANIFEST").write_text("of a backup that was cut off at its end")
        self.keep("backup", self.folder / "copy")
        self.keep("restore", self.folder / "copy", data_dir=self.folder / "restored")
        self.assertEqual(list(self.folder.glob("copy*")), [self.folder / "copy"])
        self.stop_cleanly(server)

    def test_a_document_that_is_finished_meanwhile_keeps_its_bytes(self):
        server = self.start(1, options=["--retain-days", 0])
        backup = self.halted_backup(1)
        document = make(events=50, seed=7, company=7000)
        capture = server.client.wait(server.client.capture(document.data).capture_id)
        wait_for(lambda: "event=documents_held" in server.log, "its time has come")
        self.go_on(backup)
        wait_for(lambda: "event=documents_pruned documents=1" in server.log, "its time has come again")
        self.stop_cleanly(server)
        server = self.start(1, data_dir=self.folder / "restored")
        wait_for(lambda: len(server.client.all_events()) == capture.committed, "the store gets what it lost")
        self.stop_cleanly(server)

    def test_what_cannot_be_made_again_is_told(self):
        server = self.start(1)
        self.stop_cleanly(server)
        shutil.copytree(self.data_dir / "store", self.folder / "old")
        server = self.start(1, options=["--retain-days", 0])
        self.fill(server, count=1)
        wait_for(lambda: "event=documents_pruned documents=1" in server.log, "its bytes are gone")
        self.stop_cleanly(server)
        shutil.rmtree(self.data_dir / "store")
        shutil.move(self.folder / "old", self.data_dir / "store")
        told = self.keep("verify", check=1).stderr
        self.assertIn("event=batch_wrong", told)
        self.assertIn("kept no longer", told)

    def test_a_restore_that_is_cut_off_leaves_nothing_that_a_server_takes_for_data(self):
        server = self.start(1)
        self.fill(server, count=1)
        letters = self.letters(server)
        self.keep("backup", f"{self.folder / 'copy'}/")
        self.stop_cleanly(server)
        restored = self.folder / "restored"
        for passage in (1, 2):
            cut_off = subprocess.run(
                [str(BIN / "epcisctl"), "restore", "--data-dir", str(restored), str(self.folder / "copy")],
                stderr=subprocess.DEVNULL, check=False,
                env={**self.family.environment, "EPCISD_FAULT": f"restore.copied:{passage}"})
            self.assertEqual(cut_off.returncode, -signal.SIGKILL)
            refused = Server(self, restored, 0)
            self.assertEqual(refused.gone(), 1)
            self.assertIn("call `epcisctl restore` again", refused.log)
        self.keep("restore", self.folder / "copy", data_dir=restored)
        server = self.start(1, data_dir=restored)
        self.assertEqual(self.letters(server), letters)
        self.stop_cleanly(server)

    def test_a_copy_that_was_touched_is_refused(self):
        server = self.start(1)
        self.fill(server, count=1)
        self.keep("backup", self.folder / "copy")
        self.stop_cleanly(server)
        for number, path in enumerate(files_of(self.folder / "copy")):
            broken, target = self.folder / f"broken-{number}", self.folder / f"target-{number}"
            shutil.copytree(self.folder / "copy", broken)
            file = broken / path.relative_to(self.folder / "copy")
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
            result = self.keep("restore", broken, check=1, data_dir=target)
            self.assertIn("restore_failed", result.stderr)
            self.assertEqual(files_of(target), [], "nothing is left of a failed restore")

    def test_data_that_was_touched_is_told(self):
        server = self.start(1, options=["--batch-max-events", 20])
        self.fill(server, count=1)
        lines = [json.loads(line) for line in server.client.export_ledger().splitlines()]
        batch, items = ([line for line in lines if line["type"] == kind][1] for kind in ("batch", "items"))
        self.stop_cleanly(server)
        self.keep("verify")
        path = self.data_dir / "journal" / "data.mdb"
        whole = path.read_bytes()
        for digest, what in ((items["leaves"][-64:], "its id is not that of its items"),
                             (batch["outcome_id"], "what became of its items")):
            self.assertIn(bytes.fromhex(digest), whole)
            path.write_bytes(whole.replace(bytes.fromhex(digest), bytes.fromhex(digest)[:-1] + b"?"))
            self.assertIn(what, self.keep("verify", check=1).stderr)
        path.write_bytes(whole)
        # A store that lost batches gets them again. One that has what its journal never heard of is wrong.
        shutil.copytree(self.data_dir / "journal", self.folder / "lost" / "journal")
        self.assertNotIn("to_be_sent_again=0", self.keep("verify", data_dir=self.folder / "lost").stderr)
        shutil.rmtree(self.data_dir / "journal")
        (self.data_dir / "journal").mkdir()
        self.assertIn("batch_wrong", self.keep("verify", check=1).stderr)

    def test_a_store_that_is_older_than_its_journal_gets_what_it_lost(self):
        options = ["--batch-max-events", 20]
        server = self.start(2, options=options)
        self.fill(server, count=2)
        self.stop_cleanly(server)
        shutil.copytree(self.data_dir / "store", self.folder / "old")
        server = self.start(2, options=options)
        # Of one partner the store has something, of two nothing; one document is the third in its partition.
        more = [make(events=300, defects=0.05, seed=300 + n, company=5000) for n in range(2)]
        more += [make(events=300, defects=0.05, seed=310 + n, company=8000 + 10 * n) for n in range(2)]
        captures = [server.client.wait(server.client.capture(document.data).capture_id) for document in more]
        events = collections.Counter(server.client.all_events())
        letters = self.letters(server)
        self.stop_cleanly(server)

        shutil.rmtree(self.data_dir / "store")
        shutil.move(self.folder / "old", self.data_dir / "store")
        lost = re.search(r"to_be_sent_again=(\d+)", self.keep("verify").stderr)[1]
        self.assertGreaterEqual(int(lost), 4 * 300 // 20)
        server = self.start(2, options=options)
        wait_for(lambda: collections.Counter(server.client.all_events()) == events, "every event is there again")
        wait_for(lambda: self.letters(server) == letters, "every dead letter is there again")
        self.assertEqual([server.client.job(c.receipt.capture_id) for c in captures], captures)
        self.assertIn("event=store_behind", server.log)
        self.stop_cleanly(server)
        self.assertIn("to_be_sent_again=0", self.keep("verify").stderr)

    def test_a_store_that_judges_otherwise_than_before_is_told(self):
        server = self.start(1)
        self.stop_cleanly(server)
        shutil.copytree(self.data_dir / "store", self.folder / "old")
        server = self.start(1)
        self.fill(server, count=1)
        exported = [line for line in server.client.export_ledger().splitlines() if b'"items"' in line]
        self.stop_cleanly(server)
        shutil.rmtree(self.data_dir / "store")
        shutil.move(self.folder / "old", self.data_dir / "store")
        server = self.start(1, options=["--rule", "UNKNOWN_GTIN=reject"])
        wait_for(lambda: "event=outcome_differs" in server.log, "the store has judged again")
        self.assertEqual([line for line in server.client.export_ledger().splitlines() if b'"items"' in line], exported)
        self.stop_cleanly(server)

    def test_what_is_in_the_way_is_left_alone(self):
        server = self.start(1)
        self.fill(server, count=1)
        (self.folder / "used").mkdir()
        (self.folder / "used" / "file").write_text("mine")
        for command in ("backup", "restore"):
            result = self.keep(command, self.folder / "used", check=1)
            self.assertIn("there is something already", result.stderr)
        self.assertEqual([path.name for path in files_of(self.folder / "used")], ["file"])
        self.assertIn("no server's data", self.keep("backup", self.folder / "x", check=1,
                                                    data_dir=self.folder / "used").stderr)
        for command in ("verify", "compact"):
            self.assertIn("in_use", self.keep(command, check=1).stderr)
        self.stop_cleanly(server)

    def test_workers_of_others_keep_the_store_from_being_compacted(self):
        server = self.start(0, options=self.endpoints())
        worker = self.start_worker()
        self.fill(server, count=1)
        self.assertEqual(server.terminate(), 0)
        self.assertIn("store_in_use", self.keep("compact", check=1).stderr)
        worker.terminate()
        worker.wait()
        self.keep("compact")


class Retention(Keeper):
    def size(self):
        return (self.data_dir / "journal" / "data.mdb").stat().st_size

    def test_old_documents_go_and_what_is_known_of_them_stays(self):
        server = self.start(1)
        documents, receipts = self.fill(server, count=3, events=2000)
        jobs = [server.client.job(receipt.capture_id) for receipt in receipts]
        self.stop_cleanly(server)
        kept = self.keep("verify").stderr
        self.assertIn("documents=3 unfinished=0 pruned=0", kept)
        server = self.start(1, options=["--retain-days", 0])
        wait_for(lambda: "event=documents_pruned documents=3 through=3" in server.log, "three documents are pruned")
        self.assertEqual([server.client.job(receipt.capture_id) for receipt in receipts], jobs)
        for letter in list(server.client.dead_letters(page_size=1))[:3]:
            with self.assertRaises(Refused) as caught:
                server.client.call(server.client.dead.ResubmitDeadLetter, dead_letter_pb.ResubmitDeadLetterRequest(
                    dead_letter_id=letter.dead_letter_id, who="a", why="b"))
            self.assertEqual(caught.exception.code, "FAILED_PRECONDITION")
            self.assertIn("kept no longer", caught.exception.details)
        again = server.client.capture(documents[0].data)
        self.assertTrue(again.duplicate_document)
        self.assertEqual(again.capture_id, receipts[0].capture_id)
        late = server.client.capture(make(events=50, seed=7, company=7000).data)
        self.assertEqual(state_name(server.client.wait(late.capture_id)), "done")
        wait_for(lambda: "documents=1 through=4" in server.log, "the next one is pruned, too")
        self.stop_cleanly(server)
        before = self.size()
        self.keep("compact")
        self.assertLess(self.size(), before / 2)
        self.assertIn("documents=4 unfinished=0 pruned=4", self.keep("verify").stderr)

    def test_documents_are_kept_for_years_where_nothing_else_is_said(self):
        server = self.start(1)
        self.fill(server, count=1)
        self.stop_cleanly(server)
        server = self.start(1)
        self.fill(server, count=1)
        self.stop_cleanly(server)
        self.assertIn("pruned=0", self.keep("verify").stderr)
        self.assertNotIn("documents_pruned", server.log)


if __name__ == "__main__":
    main()
