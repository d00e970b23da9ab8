"""How large a plate read is on the wire, signed and without its crop, beside the same read as JSON.

    python bench/wire.py --reads ASSETS/data/match/dev/reads.jsonl

Every read of the file is made into a PlateRead with all the fields that a fixed camera fills, encoded and signed as an
agent does it. JSON is compact, with probabilities rounded to three places and digests in base64: once with the same
candidates, once with the text alone and no signature, which is what peers send. Prints one JSON object: sizes in bytes,
and microseconds a read on one core for each step.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from edge_wire import codec, cose
from edge_wire.messages import Header, PixelBox, PlateRead, Slots, Stream
from edge_wire.packing import pack_slots, unpack_slots
from edge_wire.topics import Channel


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=Path, required=True, help="JSON lines with `slots`")
    path = parser.parse_args().reads
    reads = [plate_read(json.loads(line)["slots"]) for line in path.read_text(encoding="utf-8").splitlines()]
    head = Header(1 << 62, 1_795_256_000_123_456_789, 987_654_321_012, 1_200_000, Stream.DETECTION, 70_000)
    key = ec.generate_private_key(ec.SECP256R1())
    aad = cose.external_aad("trailer-07", Channel.DETECTION)
    payloads = [codec.encode(head, read) for read in reads]
    envelopes = [cose.sign(payload, key, aad) for payload in payloads]
    envelope = cose.parse(envelopes[0])
    result = {
        "reads": len(reads),
        "signed_bytes": spread([len(envelope) for envelope in envelopes]),
        "payload_bytes": spread([len(payload) for payload in payloads]),
        "json_bytes": spread([len(as_json(head, read)) for read in reads]),
        "json_text_only_bytes": spread([len(as_json(head, read, slots=False)) for read in reads]),
        "encode_us": each_us(lambda read: codec.encode(head, read), reads),
        "sign_us": each_us(lambda payload: cose.sign(payload, key, aad), payloads),
        "parse_us": each_us(cose.parse, envelopes),
        "verify_us": each_us(lambda _: cose.verify(envelope, key.public_key(), aad), envelopes),
        "decode_us": each_us(codec.decode_up, payloads),
    }
    print(json.dumps(result))


def plate_read(slots: list[dict[str, float]]) -> PlateRead:
    """Make a read as a fixed camera fills it."""
    likely: Slots = tuple(tuple(slot.items()) for slot in slots)
    return PlateRead(
        track=5_000,
        revision=0,
        final=False,
        text="".join(max(slot, key=lambda pair: pair[1])[0] for slot in likely).replace("_", ""),
        slots=likely,
        calibration="raw-8031afb5",
        camera="north-1",
        role="lpr",
        deployment="main-st-2026-11",
        frame_sha256=os.urandom(32),
        crop_sha256=os.urandom(32),
        box=PixelBox(900, 500, 1_100, 560),
        detection_score=0.91,
        frames=6,
        regions=(("US-TX", 0.9), ("US-OK", 0.05)),
        first_readable_ns=-340_000_000,
        lane=1,
        pair="north-1-colour",
        direction="NW",
        face="rear",
    )


def as_json(head: Header, read: PlateRead, *, slots: bool = True) -> bytes:
    """The same read as compact JSON."""
    fields: dict[str, Any] = {"device": "trailer-07", **_filled(head), **_filled(read)}
    fields["detection_score"] = round(read.detection_score, 3)
    if slots:
        kept = unpack_slots(pack_slots(read.slots))
        fields["slots"] = [{character: round(p, 3) for character, p in slot} for slot in kept]
    else:
        del fields["slots"]
    for name in ("frame_sha256", "crop_sha256"):
        fields[name] = base64.b64encode(fields[name]).decode("ascii")
    return json.dumps(fields, separators=(",", ":")).encode("utf-8")


def _filled(part: Header | PlateRead) -> dict[str, Any]:
    values = {name: getattr(part, name) for name in type(part).__slots__}
    return {name: value for name, value in values.items() if value is not None}


def spread(sizes: list[int]) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    return {"median": median(sizes), "p95": quantiles(sizes, n=20)[-1], "max": max(sizes)}


def each_us(work: Callable[[Any], object], items: list[Any]) -> float:
    """Microseconds an item, the median of three passes."""
    passes = []
    for _ in range(3):
        began_ns = time.perf_counter_ns()
        for item in items:
            work(item)
        passes.append((time.perf_counter_ns() - began_ns) / 1e3 / len(items))
    return round(median(passes), 1)


if __name__ == "__main__":
    main()
