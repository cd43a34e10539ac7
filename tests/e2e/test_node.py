"""A client in another language, made from the same proto files, is understood: Node's."""

import json
import subprocess

from documents import make
from harness import HERE, PATIENCE, ROOT, EndToEnd, main
from oracle import Oracle


class Node(EndToEnd):
    def test_a_document_sent_from_node(self):
        if not (HERE / "node_modules" / "@grpc" / "grpc-js").is_dir():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(HERE)], check=True,
                           timeout=300)
        document = make(events=100, defects=0.05, redelivered=0.1, seed=900)
        path = self.folder / "document.xml"
        path.write_bytes(document.data)
        server = self.start(workers=1)
        result = subprocess.run(["node", HERE / "client.mjs", ROOT / "proto", server.address, path],
                                check=False, capture_output=True, text=True, timeout=120 * PATIENCE,
                                env=self.family.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        counts = Oracle().document(document.partner, document.events).counts
        self.assertEqual({key: answer["capture"][key] for key in counts}, counts)
        self.assertEqual(answer["capture"]["state"], "CAPTURE_STATE_DONE")
        self.assertEqual(answer["receipt"]["document_bytes"], len(document.data))
        self.assertEqual(answer["receipt"]["partner"], document.partner)
        self.stop_cleanly(server)


if __name__ == "__main__":
    main()
