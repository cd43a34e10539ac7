#!/usr/bin/python3 -B
"""Tries the built programs on a corpus of EPCIS documents and prints a score for each source.

usage: run.py [--list]     --list names every document behind the score's less usual columns

EPCISD_CORPUS names the folder: docs/ with the documents, manifest.tsv, eventhash.tsv, hash_pairs.tsv and schemas/
(the standard's XSDs and JSON schema). Without it the repository's own fixtures are tried. EPCISD_BUILD names
the build. Exit 1: something misses that explained.tsv does not explain, or explains and does not miss.

  read      a valid document is read whole, every event
  hash      each event's hash is the expected one
  pair      two documents that say the same have the same hashes
  accepted  an invalid document is refused, or its bad event is, by server and worker
  refused   server and worker refuse nothing of a valid document for its form
  trip      written in another syntax and back, a document has its hashes still, and the second time its bytes
  schema    what is written of a valid document is valid
"""

import collections
import concurrent.futures
import csv
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402
import schemas  # noqa: E402

EPCISCTL = str(harness.BIN / "epcisctl")
OK, ERROR, LEFT_OUT = 0, 1, 3
TARGETS = ("json", "xml20", "xml12")
# What the one syntax is translated to and back from.
TRIPS = {"xml20": ("json",), "json": ("xml20",), "xml12": ("xml20", "json")}
# Refusals for an event's form; the other codes are the business's.
FORM = {"SCHEMA_INVALID", "TIME_INVALID", "ACTION_INVALID"}
# Refusals that say nothing of a document's validity: these rest on other documents, or on the law of the trade.
BUSINESS = {"KEY_CONFLICT", "SERIAL_REUSED", "MIXED_EXPIRY", "LOT_EXPIRY_MISSING"}


class Document:
    def __init__(self, name, path, source, row):
        self.name = name
        self.path = path
        self.source = source
        self.data = path.read_bytes()
        self.syntax = syntax_of(self.data)
        self.valid = row["valid"]  # "yes", "no...", "n/a...": it is none of EPCIS's documents
        self.first_error = row.get("first_error", "")
        self.format_only = "must match format" in self.first_error
        self.events = int(row["events"]) if row.get("events") else None
        self.hashes = {}  # expected, by index
        self.lines = []  # what epcisctl says of the events
        self.read_error = ""
        self.trips = {}  # target -> "equal" or what differs
        self.left_out = {}  # target -> what epcisctl says that the target cannot say
        self.outputs = {}  # target -> bytes
        self.invalid_outputs = {}  # target -> first error
        self.kept_words = {}  # the same, where it is only that JSON wants URIs
        self.codes = collections.Counter()  # of refused events
        self.failed = None  # the code with which the whole document is refused
        self.warnings = 0


def syntax_of(data):
    text = data.decode("utf-8", "replace")
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return "json"
    version = (re.search(r"schemaVersion\s*=\s*[\"'](\d)", text) or
               re.search(r"urn:epcglobal:epcis[a-z-]*:xsd:(\d)", text))
    return "xml12" if version and version[1] == "1" else "xml20"


# ---- the documents ---------------------------------------------------------------------------------------


def rows(path):
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def same_hash(text):
    return text.partition("?")[0]


def corpus_documents(folder):
    found = {}
    for row in rows(folder / "manifest.tsv"):
        name = row["path"]
        found[name] = Document(name, folder / "docs" / name, row["source"], row)
    for row in rows(folder / "eventhash.tsv"):
        if row["file"] in found and row["hash_canonical"]:
            found[row["file"]].hashes[int(row["event_index"])] = same_hash(row["hash_canonical"])
    return found


def fixture_documents(folder):
    """Every one is valid; the text that is hashed stands beside it, a line for each event."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".prehash":
            continue
        document = found[path.name] = Document(path.name, path, "fixtures", {"valid": "yes"})
        prehash = path.with_suffix(".prehash")
        if prehash.exists():
            lines = prehash.read_bytes().splitlines()
            document.events = len(lines)
            document.hashes = {i: "ni:///sha-256;" + hashlib.sha256(line).hexdigest() for i, line in enumerate(lines)}
    return found


# ---- reading and writing ---------------------------------------------------------------------------------


def epcisctl_convert(data, *options):
    result = subprocess.run([EPCISCTL, "convert", "-", *options], input=data, capture_output=True, check=False)
    return result.returncode, result.stdout, result.stderr.decode("utf-8", "replace").strip()


def hashes_of(data):
    """The exit code, the events' lines, and the complaint."""
    code, out, complaint = epcisctl_convert(data)
    return code, [json.loads(line) for line in out.splitlines()], complaint


def event_hashes(lines):
    return [same_hash(line["event_hash"] or "") for line in lines]


def without(hashes, complaint):
    """The hashes of those events that the complaint does not name as left out."""
    gone = {int(index) for index in re.findall(r"^.*: event (\d+) left out: ", complaint, re.MULTILINE)}
    return [text for index, text in enumerate(hashes) if index not in gone]


def round_trip(document, target):
    """There and back, twice: "equal", or what is wrong. What an output cannot say must be named, and only then
    may it be missing."""
    hashes, texts, data = event_hashes(document.lines), [], document.data
    for step, syntax in enumerate((target, document.syntax, target, document.syntax)):
        code, data, complaint = epcisctl_convert(data, "--to", syntax)
        if step == 0:
            document.outputs[target] = data if code in (OK, LEFT_OUT) else b""
        if code not in (OK, LEFT_OUT) or bool(complaint) != (code == LEFT_OUT):
            return f"step {step + 1}, to {syntax}: exit {code}: {complaint}"
        if complaint and step > 1:
            return f"left out only the second time: {complaint}"
        if complaint:
            document.left_out[target] = document.left_out.get(target, "") + complaint + "\n"
        hashes = without(hashes, complaint)
        _, lines, complaint = hashes_of(data)
        if event_hashes(lines) != hashes:
            return f"step {step + 1}, to {syntax}: other hashes {complaint}"
        texts.append(data)
    return "equal" if texts[1] == texts[3] else "another text the second time"


def read(document):
    code, document.lines, complaint = hashes_of(document.data)
    errors = [line["error"]["message"] for line in document.lines if line["error"]]
    if code != OK or errors:
        document.read_error = (complaint or errors[0])[:300]
    elif document.events is not None and len(document.lines) != document.events:
        document.read_error = f"{len(document.lines)} events, expected {document.events}"
    if document.valid != "yes":
        return
    for target in TRIPS[document.syntax]:
        document.trips[target] = round_trip(document, target)
    for target in TARGETS:
        if target not in document.outputs:
            code, out, _ = epcisctl_convert(document.data, "--to", target)
            document.outputs[target] = out if code in (OK, LEFT_OUT) else b""


# ---- through server and worker ---------------------------------------------------------------------------


class Capture(harness.EndToEnd):
    """The harness, for its folder, its processes and its cleaning up."""

    documents = ()

    def runTest(self):
        server = self.start(workers=1)
        sent = []
        for document in self.documents:
            try:
                sent.append((document, server.client.capture(document.data).capture_id))
            except harness.Refused as refused:
                document.failed = refused.code
        for document, capture_id in sent:
            capture = server.client.wait(capture_id)
            document.warnings = capture.warnings
            if harness.state_name(capture) == "failed":
                document.failed = capture.error.code or "failed"
            for letter in server.client.dead_letters(capture_id):
                document.codes.update({letter.reasons[0].code: 1})
        self.stop_cleanly(server)


def capture_all(documents):
    Capture.documents = documents
    outcome = Capture().run()
    problems = outcome.errors + outcome.failures
    if problems:
        sys.exit(f"server and worker: {problems[0][1]}")


def is_refused(document):
    return bool(document.failed or set(document.codes) - BUSINESS)


# ---- misses ----------------------------------------------------------------------------------------------


def find_misses(documents, pairs):
    """(check, document's name) -> what is wrong."""
    misses = {}
    for document in documents.values():
        name = document.name
        if document.valid == "yes":
            if document.read_error:
                misses["read", name] = document.read_error
            form = {code for code in document.codes if code in FORM} | ({document.failed} - {None})
            if form and not document.read_error:
                misses["refused", name] = ", ".join(sorted(form))
        elif not is_refused(document) and not document.format_only:
            misses["accepted", name] = document.first_error or "no document of EPCIS"
        wrong = wrong_hashes(document)
        if wrong:
            misses["hash", name] = f"event {', '.join(map(str, wrong))}"
        bad = [f"{target}: {text}" for target, text in document.trips.items() if text != "equal"]
        if bad and not document.read_error:
            misses["trip", name] = "; ".join(bad)
        if document.invalid_outputs:
            misses["schema", name] = str(document.invalid_outputs)
    for first, second in pairs:
        one, two = event_hashes(documents[first].lines), event_hashes(documents[second].lines)
        if one != two or not all(one):
            misses["pair", f"{first} = {second}"] = f"{len(one)} and {len(two)} events"
    return misses


def wrong_hashes(document):
    got = dict(enumerate(event_hashes(document.lines)))
    return [index for index, text in sorted(document.hashes.items()) if got.get(index) != text]


def explained_misses(names):
    """Those of explained.tsv whose document is among `names`."""
    found = {}
    for row in rows(HERE / "explained.tsv"):
        if all(part in names for part in row["file"].split(" = ")):
            found[row["check"], row["file"]] = row["reason"]
    return found


# ---- the score -------------------------------------------------------------------------------------------

COLUMNS = ("documents", "read", "events", "hashes", "refused", "accepted", "format", "other", "warnings", "trips",
           "left out", "schema", "words")

LEGEND = """\
read: valid documents read whole. hashes: equal to the expected. refused, accepted: invalid documents, of which
at least one event, or none, is refused; format: accepted, but only a word has not the form of a URI. other: no
capture documents, all refused. warnings: on committed events. trips: there and back with equal hashes, then
with equal bytes; left out: events and master data that the other syntax cannot say, and that is said. schema:
written documents that are valid; words: but for a word or identifier of an XML source that JSON wants to be a
URI."""


def score(documents):
    """One row for each source and syntax."""
    table = collections.defaultdict(lambda: collections.defaultdict(int))
    for document in documents:
        row = table[document.source, document.syntax]
        row["documents"] += 1
        row["events"] += len(document.lines)
        row["hashes"] += len(document.hashes) - len(wrong_hashes(document))
        row["hashes of"] += len(document.hashes)
        row["warnings"] += document.warnings
        if document.valid == "yes":
            row["valid"] += 1
            row["read"] += not document.read_error
        elif document.valid.startswith("n/a"):
            row["other"] += is_refused(document)
            row["other of"] += 1
        elif is_refused(document):
            row["refused"] += 1
        else:
            row["format" if document.format_only else "accepted"] += 1
        for text in document.trips.values():
            row["trips"] += text == "equal"
            row["trips of"] += 1
        row["left out"] += sum(text.count("left out: ") for text in document.left_out.values())
        outputs = sum(map(bool, document.outputs.values()))
        row["schema"] += outputs - len(document.invalid_outputs) - len(document.kept_words)
        row["words"] += len(document.kept_words)
        row["schema of"] += outputs
    return table


def print_score(table):
    total = collections.defaultdict(int)
    for row in table.values():
        for key, value in row.items():
            total[key] += value

    def cell(row, column):
        whole = {"read": "valid"}.get(column, column + " of")
        return f"{row[column]}/{row[whole]}" if whole in row else str(row[column])

    print(" ".join(f"{text:>{9}}" for text in COLUMNS), " source")
    for (source, syntax), row in [*sorted(table.items()), (("all", ""), total)]:
        print(" ".join(f"{cell(row, column):>{9}}" for column in COLUMNS), f" {source} {syntax}")
    print(LEGEND)


def print_list(documents):
    for document in documents:
        for target, text in document.left_out.items():
            print(f"left out of {target}: {document.name}\n    {text[:300]}")
        if document.format_only and not is_refused(document):
            print(f"format only: {document.name}\n    {document.first_error}")
        if document.valid != "yes" and is_refused(document):
            codes = document.failed or dict(document.codes)
            print(f"refused: {document.name}\n    {codes}: {document.first_error[:200]}")


def main():
    folder = os.environ.get("EPCISD_CORPUS")
    if folder:
        folder = pathlib.Path(folder)
        documents = corpus_documents(folder)
        pairs = [(row["file_a"], row["file_b"]) for row in rows(folder / "hash_pairs.tsv")
                 if row["canonical_equal"] == "yes"]
    else:
        print("no corpus: EPCISD_CORPUS is not set. The repository's own fixtures are tried.")
        documents, pairs = fixture_documents(ROOT / "tests" / "fixtures" / "epcis"), []
    listed = list(documents.values())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(read, listed))
    capture_all(listed)
    invalid_outputs = []
    if folder:  # which has the schemas
        with tempfile.TemporaryDirectory(prefix="epcisd-corpus-") as scratch:
            outputs = [(document, target, data) for document in listed
                       for target, data in document.outputs.items() if data]
            invalid_outputs = schemas.invalid(outputs, folder / "schemas", pathlib.Path(scratch))
    for document, target, error in invalid_outputs:
        # XML takes any text for a word or an identifier. It is kept as it is, also where JSON asks for a URI.
        kept = document.syntax != "json" and error.startswith(schemas.WORDS)
        (document.kept_words if kept else document.invalid_outputs)[target] = error

    if "--list" in sys.argv[1:]:
        print_list(listed)
    print_score(score(listed))
    misses = find_misses(documents, pairs)
    explained = explained_misses(documents)
    for check, name in sorted(misses.keys() & explained.keys()):
        print(f"explained ({check}) {name}\n    {explained[check, name]}")
    unexplained = sorted(misses.keys() - explained.keys())
    for check, name in unexplained:
        print(f"MISS ({check}) {name}\n    {misses[check, name]}")
    stale = sorted(explained.keys() - misses.keys())
    for check, name in stale:
        print(f"NO MISS ANY MORE ({check}) {name}: take it out of explained.tsv")
    sys.exit(1 if unexplained or stale else 0)


if __name__ == "__main__":
    main()
