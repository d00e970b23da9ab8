"""What somebody does who has the broker: repeat, forge and replay."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from soaking.faults.terms import Fault, NotPossibleError, Scale
from soaking.intruder import pending_rows
from soaking.site import Site
from soaking.trailers import Trailer
from soaking.yesterday import YESTERDAY


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
    device = YESTERDAY
    connection = (site.yesterday[0].epoch, chance.randrange(1, 5))
    published = site.intruder.publish(device, site.yesterday, connection)
    if not published:
        raise NotPossibleError("the broker was not there")
    return f"{published} envelopes"


KINDS: tuple[Fault, ...] = (
    duplicate_delivered,
    ack_forged,
    capture_replayed,
)


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
