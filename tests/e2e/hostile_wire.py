"""Stands between a server and its workers and does to their messages what no network should. Which message meets
what is told by the seed.

    wire = HostileWire(folder, seed)     # endpoints: wire.for_server, wire.for_workers
    wire.start() ... wire.stop()
    wire.done                            how often each was done
    wire.answers                         batch_id -> what workers said of it
    wire.forged                          batch_id of a batch that no server sent -> what has to be said of it
"""

import collections
import hashlib
import random
import threading
import time

import zmq

from harness import BUILD  # noqa: F401  makes the generated messages importable
from epcis.wire.v1 import wire_pb2 as pb

TAG = b"EPCR1"
HELD_SECONDS = 0.3
COMMITTED, OUT_OF_ORDER, FORK, BAD_BATCH = (pb.BatchResult.Value(f"BATCH_RESULT_{name}") for name in
                                            ("COMMITTED", "OUT_OF_ORDER", "FORK", "BAD_BATCH"))
WORK = ("drop", "double", "torn", "empty", "garbage", "flipped", "replayed", "fork", "orphan", "skipping")
ACKS = ("drop", "double", "late", "swapped", "wrong counts", "garbage")
PASSED = 6  # untouched, in each deck


def merkle_root(leaves):
    """RFC 6962, section 2.1, over digests."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


ITEM = pb.Batch.DESCRIPTOR.fields_by_name["items"].number << 3 | 2


def varint(frame, at):
    """(number, where it ends)"""
    number = shift = 0
    while True:
        number |= (frame[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not frame[at - 1] & 0x80:
            return number, at


def packed_items(frame):
    """As they stand: that is what a batch_id is over. They come first in a frame."""
    items, at = [], 0
    while frame[at] == ITEM:
        length, start = varint(frame, at + 1)
        at = start + length
        items.append(frame[start:at])
    return items, frame[at:]


def id_of(frame):
    return pb.Batch.FromString(packed_items(frame)[1]).batch_id


def put_item(item):
    out, length = bytearray([ITEM]), len(item)
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(out) + bytes([length]) + item


def batch_id(batch, items):
    leaves = [hashlib.sha256(item).digest() for item in items]
    return hashlib.sha256(batch.parent_batch_id + batch.partition.to_bytes(4, "big") +
                          batch.sequence.to_bytes(8, "big") + merkle_root(leaves)).digest()


class HostileWire(threading.Thread):
    def __init__(self, folder, seed):
        super().__init__(daemon=True)
        self.for_server = ["--work-endpoint", f"ipc://{folder}/work", "--ack-endpoint", f"ipc://{folder}/ack"]
        self.for_workers = ["--work-endpoint", f"ipc://{folder}/work-w", "--ack-endpoint", f"ipc://{folder}/ack-w"]
        self.chance = random.Random(seed)
        self.decks = {"work": [], "ack": []}
        self.done = collections.Counter()
        self.answers = collections.defaultdict(set)
        self.forged = {}
        self.runs = []  # all that a server sent
        self.held = []  # (due, frames) of acknowledgments
        self.context = zmq.Context()
        self.sockets = {}
        for name, kind, endpoint in (("from_server", zmq.PULL, None), ("to_server", zmq.PUB, None),
                                     ("to_workers", zmq.PUSH, 1), ("from_workers", zmq.SUB, 3)):
            self.sockets[name] = self.context.socket(kind)
            if endpoint:
                self.sockets[name].bind(self.for_workers[endpoint])
        self.sockets["from_workers"].setsockopt(zmq.SUBSCRIBE, b"")
        self.sockets["from_server"].connect(self.for_server[1])
        self.sockets["to_server"].connect(self.for_server[3])
        self.over = threading.Event()

    def run(self):
        poller = zmq.Poller()
        for name in ("from_server", "from_workers"):
            poller.register(self.sockets[name], zmq.POLLIN)
        while not self.over.is_set():
            ready = dict(poller.poll(20))
            if self.sockets["from_server"] in ready:
                self.take_work(self.sockets["from_server"].recv_multipart())
            if self.sockets["from_workers"] in ready:
                self.take_news(self.sockets["from_workers"].recv_multipart())
            for entry in [entry for entry in self.held if entry[0] <= time.monotonic()]:
                self.held.remove(entry)
                self.sockets["to_server"].send_multipart(entry[1])
        self.context.destroy(linger=0)

    def stop(self):
        self.over.set()
        self.join()

    def draw(self, kind, without=()):
        """What the next message meets: each once, in an order of its own, before any comes again; not yet what is
        in `without`."""
        deck = self.decks[kind]
        if not set(deck) - set(without):
            deck[:] = [*(WORK if kind == "work" else ACKS), *["pass"] * PASSED]
            self.chance.shuffle(deck)
        what = deck.pop(max(place for place, card in enumerate(deck) if card not in without))
        self.done[f"{kind} {what}"] += 1
        return what

    # -- work

    def take_work(self, frames):
        committed = [run for run in self.runs if COMMITTED in self.answers[id_of(run[0])]]
        what = self.draw("work", without=() if committed else ("replayed", "fork"))
        run = frames[1:]
        if what == "double":
            self.send(run)
        elif what == "torn":
            run = [*run[:-1], run[-1][:self.chance.randrange(1, len(run[-1]))]]
        elif what == "empty":
            run = []
        elif what == "garbage":
            self.send([self.chance.randbytes(200)])
        elif what == "flipped":  # items come first in a frame
            at = self.chance.randrange(len(run[0]) // 2)
            run = [run[0][:at] + bytes([run[0][at] ^ 1 << self.chance.randrange(8)]) + run[0][at + 1:], *run[1:]]
        elif what == "replayed":
            self.send(self.chance.choice(committed))
        elif what == "fork":  # other events under a number that has been given
            self.forge(self.chance.choice(committed)[0], FORK, lambda batch, items: items.append(items[0]))
        elif what == "orphan":
            self.forge(run[0], FORK, lambda batch, _: setattr(batch, "parent_batch_id", self.chance.randbytes(32)))
        elif what == "skipping":
            self.forge(run[0], OUT_OF_ORDER, lambda batch, _: setattr(batch, "sequence", batch.sequence + 1000))
        self.runs.append(frames[1:])
        if what != "drop":
            self.send(run)

    def send(self, run):
        self.sockets["to_workers"].send_multipart([TAG, *run])

    def forge(self, frame, result, change):
        """Sends a batch that is sound in itself, and has no place in the chain."""
        items, rest = packed_items(frame)
        batch = pb.Batch.FromString(rest)
        assert batch_id(batch, items) == batch.batch_id, "computed as the server does"
        change(batch, items)
        batch.segments[-1].count += len(items) - sum(segment.count for segment in batch.segments)
        batch.batch_id = batch_id(batch, items)
        self.forged[batch.batch_id] = result
        self.send([b"".join(map(put_item, items)) + batch.SerializeToString()])

    # -- acknowledgments

    def take_news(self, frames):
        if frames[0] != b"ack":
            self.sockets["to_server"].send_multipart(frames)
            return
        ack = pb.Acknowledgment.FromString(frames[1])
        self.answers[ack.batch_id].add(ack.result)
        what = self.draw("ack")
        if what == "drop":
            return
        if what in ("late", "swapped"):  # behind the next, or behind a resend
            self.held.append((time.monotonic() + (HELD_SECONDS if what == "late" else 0.05), frames))
            return
        if what == "wrong counts" and ack.segments:
            ack.segments[0].committed += 1
            frames = [b"ack", ack.SerializeToString()]
        elif what == "garbage":
            self.sockets["to_server"].send_multipart([b"ack", self.chance.randbytes(50)])
        elif what == "double":
            self.sockets["to_server"].send_multipart(frames)
        self.sockets["to_server"].send_multipart(frames)
