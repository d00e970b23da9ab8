"""The journal: what has to be known when the database cannot be read any more.

One small file, replaced as a whole (written aside, fsynced, renamed): deterministic CBOR
``[2, [[epoch, [reserved detection, media, report], Open envelope, [held from, likewise]], …]]`` oldest first, then
32 bytes of SHA-256 over it. Version 1 had no fourth item.

Invariant: for each epoch in it, ``reserved`` is at least the highest sequence that was ever committed. So a block is
reserved here before the transaction that uses it commits. It lists the epoch that is open, and older ones whose Open
was not yet acked when this one began, since the collector may never have heard of those, or of which rows were held
then, since those are what a corrupt database would lose: the pending ones, and the acked ones that a collector which
goes back in time would ask for.

Blocking: called on a worker thread, by the outbox's writing task alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cbor2

from edge_agent.outbox.durable import write_durably
from edge_wire.errors import DecodeError
from edge_wire.messages import Stream
from edge_wire.strict import load_strict

_VERSION = 2
# Each opening without a link adds one, and a trailer that loses power every night for months has no link either. Beyond
# that the oldest goes; its rows go on, and only a corrupt database would then lose some of them unnamed.
_MAX_EPOCHS = 1_000
_MAX_BYTES = 1 << 20
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class JournalEpoch:
    """One epoch.

    Attributes:
        epoch: its number.
        reserved_to: the bound on each stream's sequences; of an older epoch its last sequences.
        open_envelope: its Open as it was signed.
        held_from: where in each stream the first row was that was still held when the journal was begun.
    """

    epoch: int
    reserved_to: Mapping[Stream, int]
    open_envelope: bytes
    held_from: Mapping[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 1))


class Journal:
    """The journal of an open outbox."""

    def __init__(self, path: Path, epochs: tuple[JournalEpoch, ...], block: int) -> None:
        self._path = path
        self._epochs = epochs[-_MAX_EPOCHS:]
        self._block = block

    @property
    def current(self) -> JournalEpoch:
        """The epoch that is open."""
        return self._epochs[-1]

    @property
    def epochs(self) -> tuple[JournalEpoch, ...]:
        """All that it holds, oldest first."""
        return self._epochs

    def write(self) -> None:
        """Put it on disk.

        Raises:
            OSError: it could not be written; what was there stays.
        """
        _write(self._path, self._epochs)

    def covers(self, last: Mapping[Stream, int]) -> bool:
        """Whether the sequences up to ``last`` are reserved already."""
        return all(sequence <= self.current.reserved_to[stream] for stream, sequence in last.items())

    def reserve(self, last: Mapping[Stream, int]) -> None:
        """Make sure that the sequences up to ``last`` are reserved, on disk.

        Raises:
            OSError: the reservation could not be written; the sequences must not be used.
        """
        reserved = self.current.reserved_to
        wider = {s: to if last.get(s, 0) <= to else last[s] + self._block for s, to in reserved.items()}
        epochs = (*self._epochs[:-1], replace(self.current, reserved_to=wider))
        _write(self._path, epochs)
        self._epochs = epochs


def read(path: Path) -> tuple[JournalEpoch, ...] | None:
    """Return the epochs of the journal at ``path``, oldest first; None if there is none that can be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    try:
        version, items = load_strict(body, max_bytes=_MAX_BYTES)
    except DecodeError:
        return None
    if version not in (1, _VERSION):
        return None
    return tuple(_epoch(*item) for item in items)


def _epoch(epoch: int, reserved: list[int], envelope: bytes, held_from: list[int] | None = None) -> JournalEpoch:
    reserved_to = dict(zip(Stream, reserved, strict=True))
    if held_from is None:
        return JournalEpoch(epoch, reserved_to, envelope)
    return JournalEpoch(epoch, reserved_to, envelope, dict(zip(Stream, held_from, strict=True)))


def _write(path: Path, epochs: tuple[JournalEpoch, ...]) -> None:
    items = [
        [e.epoch, [e.reserved_to[s] for s in Stream], e.open_envelope, [e.held_from[s] for s in Stream]] for e in epochs
    ]
    body = cbor2.dumps([_VERSION, items], canonical=True)
    write_durably(path, body + hashlib.sha256(body).digest())
