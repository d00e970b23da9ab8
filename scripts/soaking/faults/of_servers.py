"""What is done to the broker, the collectors and the database."""

from __future__ import annotations

import random
import signal
import time

from soaking.faults.terms import Fault, NotPossibleError, Scale, full
from soaking.site import Site

_START_S = 60.0
_COME_BACK_S = 20.0


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
    collector.start(_START_S)
    return collector.name


def collector_killed_before_ack(site: Site, chance: random.Random, scale: Scale) -> str:
    """A collector dies between its commit and its acks."""
    for collector in chance.sample(site.collectors, len(site.collectors)):
        collector.send(signal.SIGUSR1)
        died = collector.wait_until_ended(8.0)
        collector.kill()
        collector.start(_START_S)
        if died:
            return collector.name
    raise NotPossibleError("no collector committed anything in 8 s")


def collector_disk_full(site: Site, chance: random.Random, scale: Scale) -> str:
    """Not a byte is free where the store and the pictures lie."""
    seconds = scale.outage_s(chance)
    with full(site.collector_disk, site.collectors) as how:
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


BROKER: tuple[Fault, ...] = (broker_killed, broker_forgot)
COLLECTORS: tuple[Fault, ...] = (
    collector_killed,
    collector_killed_before_ack,
    collector_disk_full,
    collector_restored,
    database_locked,
    database_gone,
)
