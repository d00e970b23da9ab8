"""What is done to the links, of trailers and of collectors."""

from __future__ import annotations

import random
import time

from soaking.faults.terms import Fault, Scale
from soaking.link import FaultyLink
from soaking.site import Site


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


KINDS: tuple[Fault, ...] = (
    link_cut,
    link_half_open,
    link_slow,
    link_stalled,
    link_reset,
    acks_lost,
)


def _some_link(site: Site, chance: random.Random) -> tuple[str, FaultyLink]:
    links = [(trailer.name, trailer.link) for trailer in site.trailers]
    links += [(f"collector-{number}", link) for number, link in enumerate(site.collector_links, 1)]
    return chance.choice(links)
