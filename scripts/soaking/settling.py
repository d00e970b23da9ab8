"""The end of a run: faults are taken back, and what is pending is waited for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from soaking.site import Site
from soaking.trailers import Trailer

_QUIET_S = 4.0


def heal(site: Site) -> None:
    """Take back whatever fault may still hold, and start what is down."""
    for link in (*site.collector_links, *(trailer.link for trailer in (*site.trailers, *site.clones))):
        link.heal()
    for disk in (site.collector_disk, *(trailer.disk for trailer in site.trailers)):
        disk.empty()
    if not site.broker.running:
        site.broker.start()
    for running in (*site.collectors, *(trailer.program for trailer in site.trailers)):
        running.launch()


def settle(site: Site, within_s: float) -> dict[str, int]:
    """Capture nothing more and wait until every outbox is empty, for at most ``within_s``.

    One device id, one connection: a trailer and its clones take turns, each with its part of the time.

    Returns:
        what is still pending, by trailer; empty when all is settled.
    """
    site.rogue.stop()
    for clone in site.clones:
        clone.program.stop()
        replace(clone.settings, rate_hz=0.0).write(site.folder / f"{clone.name}.json")
    until_s = time.monotonic() + within_s
    families = [
        [trailer, *(clone for clone in site.clones if clone.settings.device == trailer.settings.device)]
        for trailer in site.trailers
    ]
    with ThreadPoolExecutor(len(families)) as pool:
        left = list(pool.map(lambda family: _settle_family(family, until_s), families))
    return {name: pending for one in left for name, pending in one.items()}


def _settle_family(family: list[Trailer], until_s: float) -> dict[str, int]:
    left: dict[str, int] = {}
    for number, member in enumerate(family):
        turns = len(family) - number
        left |= _drain(member, time.monotonic() + (until_s - time.monotonic()) / turns)
        member.program.stop()
    return left


def _drain(trailer: Trailer, until_s: float) -> dict[str, int]:
    """Wait until nothing is pending, and nothing is asked for again after one more Statement.

    A collector that went back in time learns from Statements what it lacks: at a connection, and hourly. Nobody here
    waits an hour, so the link is reset once.
    """
    stated = False
    quiet_since_s: float | None = None
    while True:
        trailer.program.launch()
        trailer.program.tell("quiet")  # also one that was started again meanwhile
        pending, now_s = trailer.pending, time.monotonic()
        if pending != 0:
            quiet_since_s = None
        elif quiet_since_s is None:
            quiet_since_s = now_s
        elif now_s - quiet_since_s > _QUIET_S and stated:
            return {}
        elif now_s - quiet_since_s > 1.0 and not stated:
            stated, quiet_since_s = True, None
            trailer.link.reset()
        if now_s > until_s:
            return {trailer.name: -1 if pending is None else pending} if pending != 0 else {}
        time.sleep(0.3)
