"""The kinds of fault. Each is done to a site, takes its own time, and is over when its function returns.

A function returns what it did, for the line of progress, or raises ``NotPossibleError`` where this machine or this
store does not have it. ``Scale`` says how long an outage lasts. Within one of the ``lanes`` faults follow each other.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from soaking.disk import SmallDisk
from soaking.intruder import pending_rows
from soaking.link import FaultyLink
from soaking.programs import Program
from soaking.site import Site, Trailer

_COLLECTOR_START_S = 60.0
_TRAILER_START_S = 30.0
_PAGE_BYTES = 4_096
_COME_BACK_S = 20.0
_MOST_CLONES = 6


class NotPossibleError(Exception):
    """This kind does not exist here; the text says why."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long outages last, in seconds."""

    shortest_s: float
    longest_s: float

    def outage_s(self, chance: random.Random) -> float:
        """Draw one; most are short."""
        return self.shortest_s + (self.longest_s - self.shortest_s) * chance.random() ** 2


Fault = Callable[[Site, random.Random, Scale], str]

# --- Trailers -----------------------------------------------------------------------------------------------------


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
        pages = path.stat().st_size // _PAGE_BYTES
        page = chance.randrange(pages)
        _overwrite(path, page * _PAGE_BYTES, chance.randbytes(_PAGE_BYTES))
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
    with _full(trailer.disk, [trailer.program]) as how:
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
    clone.program.start(_TRAILER_START_S)
    time.sleep(scale.outage_s(chance) + 1.0)
    clone.program.stop()
    return clone.name


# --- Links --------------------------------------------------------------------------------------------------------


def link_cut(site: Site, chance: random.Random, scale: Scale) -> str:
    """No network: connections are reset, and new ones too."""
    where, link = _some_link(site, chance)
    seconds = scale.outage_s(chance)
    link.cut = True
    link.reset()
    time.sleep(seconds)
    link.cut = False
    return f"{where}: {seconds:.1f} s"


def link_half_open(site: Site, chance: random.Random, scale: Scale) -> str:
    """Nothing passes and nobody is told."""
    where, link = _some_link(site, chance)
    seconds = max(scale.outage_s(chance), min(5.0, scale.longest_s))
    link.silent = True
    time.sleep(seconds)
    link.silent = False
    if where.startswith("collector"):
        link.reset()  # its keep-alive is a minute: the network tells it sooner
    return f"{where}: {seconds:.1f} s"


def link_slow(site: Site, chance: random.Random, scale: Scale) -> str:
    """300 ms each way."""
    where, link = _some_link(site, chance)
    seconds = scale.outage_s(chance) + 1.0
    link.latency_s = 0.3
    time.sleep(seconds)
    link.latency_s = 0.0
    return f"{where}: {seconds:.1f} s"


def link_stalled(site: Site, chance: random.Random, scale: Scale) -> str:
    """Nothing passes for a while, then everything at once."""
    where, link = _some_link(site, chance)
    seconds = scale.outage_s(chance)
    link.stalled = True
    time.sleep(seconds)
    link.stalled = False
    return f"{where}: {seconds:.1f} s"


def link_reset(site: Site, chance: random.Random, scale: Scale) -> str:
    """Every connection is reset, several times."""
    where, link = _some_link(site, chance)
    times = chance.randrange(1, 4)
    for _ in range(times):
        link.reset()
        time.sleep(chance.uniform(0.1, 0.6))
    return f"{where}: {times} times"


def acks_lost(site: Site, chance: random.Random, scale: Scale) -> str:
    """What a trailer sends arrives, and nothing comes back; then the connection is reset."""
    trailer = chance.choice(site.trailers)
    seconds = scale.outage_s(chance)
    trailer.link.deaf = True
    time.sleep(seconds)
    trailer.link.reset()
    trailer.link.deaf = False
    return f"{trailer.name}: {seconds:.1f} s"


# --- Broker, collectors, database ---------------------------------------------------------------------------------


def broker_killed(site: Site, chance: random.Random, scale: Scale) -> str:
    """SIGKILL of the broker; what it had saved last is there when it comes back."""
    site.broker.kill()
    time.sleep(chance.uniform(0.0, 1.0))
    site.broker.start()
    return ""


def broker_forgot(site: Site, chance: random.Random, scale: Scale) -> str:
    """The broker comes back without anything that it had kept."""
    site.broker.forget()
    return ""


def collector_killed(site: Site, chance: random.Random, scale: Scale) -> str:
    """SIGKILL of a collector at any moment."""
    collector = chance.choice(site.collectors)
    collector.kill()
    time.sleep(chance.uniform(0.0, scale.shortest_s))
    collector.start(_COLLECTOR_START_S)
    return collector.name


def collector_killed_before_ack(site: Site, chance: random.Random, scale: Scale) -> str:
    """A collector dies between its commit and its acks."""
    for collector in chance.sample(site.collectors, len(site.collectors)):
        collector.send(signal.SIGUSR1)
        died = collector.wait_until_ended(8.0)
        collector.kill()
        collector.start(_COLLECTOR_START_S)
        if died:
            return collector.name
    raise NotPossibleError("no collector committed anything in 8 s")


def collector_disk_full(site: Site, chance: random.Random, scale: Scale) -> str:
    """Not a byte is free where the store and the pictures lie."""
    seconds = scale.outage_s(chance)
    with _full(site.collector_disk, site.collectors) as how:
        time.sleep(seconds)
    return f"{seconds:.1f} s ({how})"


def database_locked(site: Site, chance: random.Random, scale: Scale) -> str:
    """Somebody else holds the whole database."""
    seconds = scale.outage_s(chance)
    site.database.lock(seconds)
    return f"{seconds:.1f} s"


def collector_restored(site: Site, chance: random.Random, scale: Scale) -> str:
    """The store goes back to a backup: what came since is fetched again from the devices."""
    with site.storage:
        backup = site.folder / "backups" / f"{chance.getrandbits(24):06x}.tar"
        site.back_up(backup)
        time.sleep(scale.outage_s(chance))
        stored, gone = site.go_back_to(backup)
        until_s = time.monotonic() + _COME_BACK_S
        while (missing := gone - site.stored_identities()) and time.monotonic() < until_s:
            time.sleep(0.5)
        site.taken -= gone - missing
    return f"{len(gone)} of {len(stored)} rows were gone, {len(missing)} are not back"


def database_gone(site: Site, chance: random.Random, scale: Scale) -> str:
    """The database server is stopped, or dies, and comes back."""
    seconds = scale.outage_s(chance)
    in_order = chance.random() < 0.5
    site.database.lose(seconds, in_order=in_order)
    return f"{'stopped' if in_order else 'killed'}, {seconds:.1f} s"


# --- The intruder -------------------------------------------------------------------------------------------------


def duplicate_delivered(site: Site, chance: random.Random, scale: Scale) -> str:
    """What waits in an outbox is delivered three times more, byte for byte."""
    with _waiting(site, chance) as (trailer, connection):
        rows = pending_rows(trailer.folder / "outbox.db", 60)
        return _told(trailer, site.intruder.publish(trailer.settings.device, rows, connection, times=3))


def ack_forged(site: Site, chance: random.Random, scale: Scale) -> str:
    """Waiting rows are acked by nobody's key, and by real acks of other connections and other devices."""
    with _waiting(site, chance) as (trailer, connection):
        rows = pending_rows(trailer.folder / "outbox.db", 60)
        device = trailer.settings.device
        forged = site.intruder.forge_acks(device, connection, rows, site.collector_key)
        return _told(trailer, forged + site.intruder.replay_acks(device))


def capture_replayed(site: Site, chance: random.Random, scale: Scale) -> str:
    """What was captured and stored a day ago comes again."""
    _connected(site)
    device = "yesterday-1"
    connection = (site.yesterday[0].epoch, chance.randrange(1, 5))
    published = site.intruder.publish(device, site.yesterday, connection)
    if not published:
        raise NotPossibleError("the broker was not there")
    return f"{published} envelopes"


# --- What they share ----------------------------------------------------------------------------------------------


@contextmanager
def _down(trailer: Trailer) -> Iterator[None]:
    """Kill a trailer, and start it again afterwards."""
    trailer.program.kill()
    try:
        yield
    finally:
        trailer.program.start(_TRAILER_START_S)


@contextmanager
def _full(disk: SmallDisk, programs: Sequence[Program]) -> Iterator[str]:
    """Leave these programs nowhere to write; yields how."""
    if disk.mounted:
        disk.fill()
    else:
        for program in programs:
            program.limit_files(_PAGE_BYTES)
    try:
        yield "small disk" if disk.mounted else "quota"
    finally:
        disk.empty()
        for program in programs:
            program.limit_files(None)


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


@contextmanager
def _waiting(site: Site, chance: random.Random) -> Iterator[tuple[Trailer, tuple[int, int]]]:
    """Choose a trailer that is connected, with rows that it has published and the collector has not acked."""
    _connected(site)
    # The collectors hear nothing for a moment, so what is published stays unacked.
    for link in site.collector_links:
        link.stalled = True
    try:
        time.sleep(0.7)
        order = chance.sample(site.trailers, len(site.trailers))
        trailer = max(order, key=lambda one: len(pending_rows(one.folder / "outbox.db", 60)))
        connection = trailer.connection
        if connection is None:
            raise NotPossibleError(f"{trailer.name}: has never been connected")
        yield trailer, connection
        time.sleep(0.3)
    finally:
        for link in site.collector_links:
            link.stalled = False


def _connected(site: Site) -> None:
    if not site.intruder.wait_until_connected(5.0):
        raise NotPossibleError("the broker was not there")


def _told(trailer: Trailer, count: int) -> str:
    if not count:
        raise NotPossibleError(f"{trailer.name}: no row was waiting")
    return f"{trailer.name}: {count} messages"


def _some_link(site: Site, chance: random.Random) -> tuple[str, FaultyLink]:
    links = [(trailer.name, trailer.link) for trailer in site.trailers]
    links += [(f"collector-{number}", link) for number, link in enumerate(site.collector_links, 1)]
    return chance.choice(links)


def _fold_log_in(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=5.0)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _overwrite_tail(path: Path, chance: random.Random) -> str:
    log = path.with_name(path.name + "-wal")
    target = log if log.exists() and log.stat().st_size > _PAGE_BYTES else path
    size = target.stat().st_size
    length = min(chance.choice((1, 7)) * chance.randrange(200, _PAGE_BYTES), size // 2)
    _overwrite(target, size - length, chance.randbytes(length))
    return f"{length} of {size} bytes of {target.name}"


def _overwrite(path: Path, at: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_LANES: Mapping[str, tuple[Fault, ...]] = {
    "trailers": (
        agent_killed,
        outbox_tail_corrupted,
        outbox_page_corrupted,
        envelope_flipped,
        device_disk_full,
        clock_stepped,
        card_cloned,
    ),
    "links": (link_cut, link_half_open, link_slow, link_stalled, link_reset, acks_lost),
    "broker": (broker_killed, broker_forgot),
    "collectors": (
        collector_killed,
        collector_killed_before_ack,
        collector_disk_full,
        collector_restored,
        database_locked,
        database_gone,
    ),
    "intruder": (duplicate_delivered, ack_forged, capture_replayed),
}
_ONLY_OF_A_SERVER = {database_gone}

POISON = "poison_message"
"""What the rogue does all the time, counted beside the others."""


def lanes(store: str) -> Mapping[str, tuple[Fault, ...]]:
    """Return the kinds of fault by lane: within a lane one after the other, lanes side by side.

    Args:
        store: the kind of the store; an embedded one cannot be gone while a collector has it open.
    """
    if store == "postgresql":
        return _LANES
    return {lane: tuple(kind for kind in kinds if kind not in _ONLY_OF_A_SERVER) for lane, kinds in _LANES.items()}
