"""Whether written documents are valid: XML by xmllint, JSON by ajv, each in few processes for all documents."""

import json
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
NAMESPACE = "urn:epcglobal:epcis"


def schema_of(target, data, folder):
    if target == "json":
        return folder / "epcis-json-schema-2.0.0.json"
    version = {"xml20": "2_0", "xml12": "1_2"}[target]
    query = b"EPCISQueryDocument" in data[:400]
    part = "-query" if query else ""
    return folder / f"xsd-{version.replace('_', '.')}" / f"EPCglobal-epcis{part}-{version}.xsd"


def in_a_document(data, target):
    """The XSDs know no bare event: it is put into a document."""
    head, _, event = data.partition(b"?>")
    if not re.match(rb"\s*<\w+Event\b", event):
        return data
    number = {"xml20": "2", "xml12": "1"}[target]
    version = {"xml20": "2.0", "xml12": "1.2"}[target]
    start = (f'?>\n<e:EPCISDocument xmlns:e="{NAMESPACE}:xsd:{number}" schemaVersion="{version}" '
             'creationDate="2020-01-01T00:00:00Z"><EPCISBody><EventList>')
    # The old event list has newer kinds of events inside extensions.
    nested = {b"Transformation": 1, b"Association": 2}.get(re.match(rb"\s*<(\w+)Event", event)[1], 0)
    wrap = nested if target == "xml12" else 0
    return (head + start.encode() + b"<extension>" * wrap + event + b"</extension>" * wrap +
            b"</EventList></EPCISBody></e:EPCISDocument>")


def xmllint(schema, paths):
    """{path: first error}"""
    result = subprocess.run(["xmllint", "--nonet", "--noout", "--schema", str(schema), *map(str, paths)],
                            capture_output=True, check=False, text=True, errors="replace")
    wrong, valid = {}, 0
    for line in result.stderr.splitlines():
        path, _, rest = line.partition(":")
        if line.endswith(" validates"):
            valid += 1
        elif path.startswith("/") and rest:
            wrong.setdefault(path, rest.strip()[:300])
    if valid + len(wrong) != len(paths):
        raise SystemExit(f"xmllint checked {valid + len(wrong)} of {len(paths)} documents:\n{result.stderr[-2000:]}")
    return wrong


WORDS = "words: "


def ajv(schema, paths):
    """{path: first error}, beginning with WORDS where the form of words is all that is wrong"""
    result = subprocess.run(["node", str(HERE / "validate.mjs"), str(schema)], capture_output=True, check=True,
                            text=True, input="\n".join(map(str, paths)))
    verdicts = json.loads(result.stdout)
    if set(verdicts) != set(map(str, paths)):
        raise SystemExit(f"validate.mjs checked {len(verdicts)} of {len(paths)} documents")
    return {path: (WORDS if verdict["words"] else "") + verdict["error"]
            for path, verdict in verdicts.items() if verdict["error"]}


def invalid(outputs, folder, scratch):
    """Of (document, target, bytes): the invalid ones as (document, target, first error)."""
    groups, names = {}, {}
    for number, (document, target, data) in enumerate(outputs):
        path = scratch / f"{number}.{target}"
        path.write_bytes(data if target == "json" else in_a_document(data, target))
        groups.setdefault(schema_of(target, data, folder), []).append(path)
        names[str(path)] = (document, target)
    found = []
    for schema, paths in groups.items():
        check = ajv if schema.suffix == ".json" else xmllint
        for path, error in check(schema, paths).items():
            found.append((*names[path], error))
    return found
