"""Reads what the store holds, by plain SQL and from the folder of pictures, for the verdict.

Only what is missing by name comes from the collector's own ledger: that it says so is what counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_wire import codec, cose
from edge_wire.clock import Clock, SystemClock
from edge_wire.messages import KIND_OF, Part, PlateRead, ShotArrival, Stream
from soaking.captures import digest_of
from soaking.databases import Database, ask
from soaking.verdict import Bound, Holdings, Identity, Loss, Missing, StoredDetection

_LIVE_NS = 60 * 1_000_000_000
_DETECTIONS = "SELECT device, epoch, stream, sequence, envelope FROM message WHERE kind IN (:read, :shot)"
_LOSSES = "SELECT device, epoch, stream, first_sequence, last_sequence, reason FROM loss WHERE first_sequence > 0"
_BOUNDS = "SELECT device, previous, previous_last FROM epoch WHERE corrupt AND previous IS NOT NULL"
_FILES = "SELECT DISTINCT sha256 FROM media_file WHERE complete AND total_bytes > 0 AND part = :part"
_ALERTED_TWICE = """
    SELECT count(*) FROM (
      SELECT b.read_id FROM alert_read b JOIN alert a ON a.id = b.alert_id JOIN hotlist_entry e ON e.id = a.entry_id
      GROUP BY b.read_id, e.list, e.plate, e.region HAVING count(*) > 1
    ) AS twice
"""
_UNALERTED = """
    SELECT count(*) FROM read r
    WHERE EXISTS (SELECT 1 FROM hotlist_entry e WHERE e.plate = r.text AND e.end_version IS NULL)
      AND NOT EXISTS (SELECT 1 FROM alert_read b WHERE b.read_id = r.id)
"""
_ALERTS = """
    SELECT a.historical, a.why, a.raised_at_ns, r.captured_boot_ns FROM alert a JOIN read r ON r.id = a.read_id
"""
_REDELIVERED = "SELECT device, redelivered FROM stream_state"


def read_holdings(
    database: Database,
    pictures: Path,
    devices: Collection[str],
    *,
    taken: Collection[Identity] = (),
    ledger: Iterable[Mapping[str, Any]] = (),
) -> Holdings:
    """Ask the store at ``database`` about ``devices``, and look at the files in ``pictures``.

    Args:
        database: the store.
        pictures: the folder.
        devices: whose detections count.
        taken: what restores took, and has not been seen again.
        ledger: what ``collector ledger --json`` says, one object a line.
    """
    kinds = {"read": KIND_OF[PlateRead], "shot": KIND_OF[ShotArrival]}
    detections = [_stored(row) for row in ask(database, _DETECTIONS, kinds) if row.device in devices]
    losses = [Loss(*row) for row in ask(database, _LOSSES) if row.device in devices]
    bounds = [
        Bound(row.device, row.previous, stream, last)
        for row in ask(database, _BOUNDS)
        if row.device in devices
        for stream, last in (json.loads(row.previous_last) if isinstance(row.previous_last, str) else row.previous_last)
        if stream == Stream.DETECTION
    ]
    alerts = ask(database, _ALERTS)
    files = [bytes(row.sha256) for row in ask(database, _FILES, {"part": int(Part.CROP)})]
    return Holdings(
        detections,
        losses,
        bounds,
        frozenset(sha256.hex() for sha256 in files if _is_there(pictures, sha256)),
        alerted_twice=ask(database, _ALERTED_TWICE)[0][0],
        unalerted=ask(database, _UNALERTED)[0][0],
        misdated=sum(
            bool(row.historical) and was_live(row.captured_boot_ns, row.raised_at_ns, SystemClock()) for row in alerts
        ),
        redelivered=sum(row.redelivered for row in ask(database, _REDELIVERED) if row.device in devices),
        unknown_age=sum("Age unknown" in str(row.why) for row in alerts),
        taken=frozenset(taken),
        missing=[one for one in missing_in(ledger) if one.device in devices],
    )


def missing_in(ledger: Iterable[Mapping[str, Any]]) -> Iterator[Missing]:
    """Yield the runs that a ledger calls missing, sequence by sequence; "at least n of these" names none."""
    for account in ledger:
        if account["word"] == "missing":
            stream = Stream[account["stream"].upper()]
            for first, last in account["missing"]:
                yield Missing(account["device"], int(account["epoch"]), stream, first, last)


def was_live(captured_boot_ns: int, raised_at_ns: int, clock: Clock) -> bool:
    """Whether an alert was raised within a minute of the capture: one machine's clocks, so we know better.

    Not when its read came first: a revision that came much later, and matched only then, is late news.
    """
    return raised_at_ns - (clock.utc_ns() - clock.boot_ns()) - captured_boot_ns < _LIVE_NS


def _stored(row: Any) -> StoredDetection:
    body = codec.decode_up(cose.parse(bytes(row.envelope)).payload).body
    assert isinstance(body, (PlateRead, ShotArrival)), "the store's kind is the message's"
    return StoredDetection((row.device, row.epoch, row.stream, row.sequence), body.deployment, digest_of(body))


def _is_there(pictures: Path, sha256: bytes) -> bool:
    name = sha256.hex()
    try:
        return hashlib.sha256((pictures / name[:2] / name).read_bytes()).digest() == sha256
    except FileNotFoundError:
        return False
