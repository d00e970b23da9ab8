"""What is done to a trailer: its program, its outbox, its disk, its clock, its card."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from soaking.faults.terms import PAGE_BYTES, Fault, NotPossibleError, Scale, full
from soaking.intruder import pending_rows
from soaking.site import Site
from soaking.trailers import Trailer

_START_S = 30.0
_MOST_CLONES = 6


def agent_killed(site: Site, chance: random.Random, scale: Scale) -> str:
    """SIGKILL of a trailer's program at any moment."""
    trailer = chance.choice(site.trailers)
    with _down(trailer):
        time.sleep(chance.uniform(0.0, 0.5))
    return trailer.name


def outbox_tail_corrupted(site: Site, chance: random.Random, scale: Scale) -> str:
    """The end of the write-ahead log is overwritten while rows in it wait."""
    trailer = chance.choice(site.trailers)
    with _cut_off(trailer, chance, scale), _down(trailer):
        return f"{trailer.name}: {_overwrite_tail(trailer.folder / 'outbox.db', chance)}"


def outbox_page_corrupted(site: Site, chance: random.Random, scale: Scale) -> str:
    """One page of the database is overwritten while rows wait."""
    trailer = chance.choice(site.trailers)
    with _cut_off(trailer, chance, scale), _down(trailer):
        path = trailer.folder / "outbox.db"
        _fold_log_in(path)
        pages = path.stat().st_size // PAGE_BYTES
        page = chance.randrange(pages)
        _overwrite(path, page * PAGE_BYTES, chance.randbytes(PAGE_BYTES))
        return f"{trailer.name}: page {page + 1} of {pages}"


def envelope_flipped(site: Site, chance: random.Random, scale: Scale) -> str:
    """One bit of a waiting row's signed bytes turns over; SQLite itself cannot see that."""
    trailer = chance.choice(site.trailers)
    with _cut_off(trailer, chance, scale), _down(trailer):
        path = trailer.folder / "outbox.db"
        _fold_log_in(path)
        content = path.read_bytes()
        for row in pending_rows(path, 50):
            at = content.find(row.envelope[20:])
            if at >= 0 and row.stream == 1:
                bent = content[at + 40] ^ (1 << chance.randrange(8))
                _overwrite(path, at + 40, bytes([bent]))
                return f"{trailer.name}: a bit of row {row.epoch}/{row.stream}/{row.sequence}"
    raise NotPossibleError(f"{trailer.name}: no row was waiting")


def device_disk_full(site: Site, chance: random.Random, scale: Scale) -> str:
    """Not a byte is free where the outbox lies."""
    trailer = chance.choice(site.trailers)
    seconds = scale.outage_s(chance)
    with full(trailer.disk, [trailer.program]) as how:
        time.sleep(seconds)
        if trailer.disk.mounted and chance.random() < 0.3:
            trailer.program.kill()  # and its power goes, too
            trailer.program.launch()
            time.sleep(1.0)
    return f"{trailer.name}: {seconds:.1f} s ({how})"


def clock_stepped(site: Site, chance: random.Random, scale: Scale) -> str:
    """The wall clock is an hour fast or slow for a while."""
    trailer = chance.choice(site.trailers)
    offset_s = chance.choice((-3_600, 3_600))
    seconds = scale.outage_s(chance)
    trailer.program.tell(f"clock {offset_s}")
    time.sleep(seconds)
    trailer.program.tell("clock 0")
    return f"{trailer.name}: {offset_s:+d} s for {seconds:.1f} s"


def card_cloned(site: Site, chance: random.Random, scale: Scale) -> str:
    """A second device runs from a copy of the first one's card, and they fight for the connection."""
    trailer = chance.choice(site.trailers)
    if len(site.clones) < _MOST_CLONES:
        with _cut_off(trailer, chance, scale), _down(trailer):
            clone = site.clone(trailer)
    else:
        clone = chance.choice(site.clones)  # each is waited for at the end: those that are there come back
    clone.program.start(_START_S)
    time.sleep(scale.outage_s(chance) + 1.0)
    clone.program.stop()
    return clone.name


KINDS: tuple[Fault, ...] = (
    agent_killed,
    outbox_tail_corrupted,
    outbox_page_corrupted,
    envelope_flipped,
    device_disk_full,
    clock_stepped,
    card_cloned,
)


@contextmanager
def _down(trailer: Trailer) -> Iterator[None]:
    """Kill a trailer, and start it again afterwards."""
    trailer.program.kill()
    try:
        yield
    finally:
        trailer.program.start(_START_S)


@contextmanager
def _cut_off(trailer: Trailer, chance: random.Random, scale: Scale) -> Iterator[None]:
    """Let rows gather that nobody else has."""
    trailer.link.cut = True
    trailer.link.reset()
    try:
        time.sleep(chance.uniform(0.5, 1.0) * min(2.0, scale.longest_s))
        yield
    finally:
        trailer.link.cut = False


def _fold_log_in(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=5.0)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _overwrite_tail(path: Path, chance: random.Random) -> str:
    log = path.with_name(path.name + "-wal")
    target = log if log.exists() and log.stat().st_size > PAGE_BYTES else path
    size = target.stat().st_size
    length = min(chance.choice((1, 7)) * chance.randrange(200, PAGE_BYTES), size // 2)
    _overwrite(target, size - length, chance.randbytes(length))
    return f"{length} of {size} bytes of {target.name}"


def _overwrite(path: Path, at: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
