"""How old a detection is, without believing the device's wall clock.

A device's boot clock does not jump. Its health, which no broker queues, shows how far its boot clock stands from ours,
so the age of everything captured in that boot follows from two boot clocks alone: a device whose wall clock is an hour
slow does not turn live hits into historical ones, nor one an hour fast send anybody after a backlog. A birth shows
nothing of the kind: it may have waited at the broker for hours.

Without health from that boot nothing can be called live, and the claimed time decides nothing: it goes into the label.
What has come of the boot still proves how old the rest of it is *at least*: nothing arrives before it was made, so of
two detections a device captured an hour apart the earlier one was an hour old when the later one came. A backlog of a
boot that is over is sent newest first, and so dates itself.

In memory only; what there was before a restart, or what another collector heard, ``captures`` takes from the store.
Owned by the ingest task.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from collector.domain import Age
from edge_wire.clock import UNSYNCHRONISED_ERROR_NS

# Quartz is good to 100 ppm: an earlier, closer pair loses its advantage at that rate.
_DRIFT = 1e-4
# The boot clocks tell a capture time only as well as a message's way here was short: a claim as near as this stands.
_CLAIM_STANDS_NS = 2_000_000_000
_LIVE = Age(False)
_MINUTE_NS = 60 * 1_000_000_000
_UNTRUSTED = Age(False, "Age unknown: the device's clock cannot be trusted and nothing live has come from that boot.")


class Elapsed(NamedTuple):
    """How long before its arrival something was captured, by boot clocks: exactly, or ``at_least``."""

    ns: int
    at_least: bool = False


class BootClocks:
    """How far each device's boot clock stands from ours, by device and boot."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, bytes], tuple[int, int]] = {}
        # Of boots that were not heard live: no more than this.
        self._bounds: dict[tuple[str, bytes], tuple[int, int]] = {}

    def heard(self, device: str, boot_id: bytes, device_boot_ns: int, our_boot_ns: int) -> None:
        """Take one live message in: made at ``device_boot_ns``, received at ``our_boot_ns``.

        The smaller of two offsets is the nearer to the truth: delay only adds.
        """
        _keep_nearer(self._offsets, (device, boot_id), our_boot_ns - device_boot_ns, our_boot_ns)

    def knows(self, device: str, boot_id: bytes) -> bool:
        """Whether anything live has come from that boot."""
        return (device, boot_id) in self._offsets

    def age_ns(self, device: str, boot_id: bytes, captured_boot_ns: int, our_boot_ns: int) -> int | None:
        """Return how long before ``our_boot_ns`` something was captured; None for a boot not heard live."""
        held = self._offsets.get((device, boot_id))
        return None if held is None else our_boot_ns - held[0] - captured_boot_ns

    def least_age_ns(self, device: str, boot_id: bytes, captured_boot_ns: int, our_boot_ns: int) -> int:
        """Take in what came, live or not, and return how long before ``our_boot_ns`` it was captured at least."""
        key = device, boot_id
        _keep_nearer(self._bounds, key, our_boot_ns - captured_boot_ns, our_boot_ns)
        offset_ns, at_ns = self._bounds[key]
        return our_boot_ns - _drifted(offset_ns, at_ns, our_boot_ns) - captured_boot_ns


def _keep_nearer(
    held: dict[tuple[str, bytes], tuple[int, int]], key: tuple[str, bytes], offset_ns: int, our_boot_ns: int
) -> None:
    before = held.get(key)
    if before is None or _drifted(*before, our_boot_ns) >= offset_ns:
        held[key] = (offset_ns, our_boot_ns)


def _drifted(offset_ns: int, at_ns: int, our_boot_ns: int) -> int:
    return offset_ns + int((our_boot_ns - at_ns) * _DRIFT)


def judge_age(
    elapsed: Elapsed | None, *, captured_at_ns: int, clock_error_ns: int, received_at_ns: int, historical_after_ns: int
) -> Age:
    """Return whether a detection is historical, with how late it came; or that its age is unknown, with what it claims.

    Args:
        elapsed: by the boot clocks, None where they do not tell.
        captured_at_ns: UTC as the device claims it; decides nothing.
        clock_error_ns: how far the device says that this may be off.
        received_at_ns: UTC here.
        historical_after_ns: older than this is historical.
    """
    if elapsed is not None:
        if elapsed.ns > historical_after_ns:
            return _late(elapsed.ns // _MINUTE_NS, elapsed.at_least)
        if not elapsed.at_least:
            return _LIVE
    claimed_ns = received_at_ns - captured_at_ns
    if clock_error_ns >= min(UNSYNCHRONISED_ERROR_NS, historical_after_ns) or claimed_ns + clock_error_ns < 0:
        return _UNTRUSTED
    return _claimed(max(0, claimed_ns) // _MINUTE_NS)


@functools.lru_cache(maxsize=10_000)
def _late(minutes: int, at_least: bool) -> Age:
    bound = "at least " if at_least else ""
    return Age(True, f"Historical: it was captured {bound}{_in_words(minutes)} before it arrived here.")


@functools.lru_cache(maxsize=10_000)
def _claimed(minutes: int) -> Age:
    claim = f"{_in_words(minutes)} before it arrived here" if minutes else "just before it arrived here"
    return Age(
        False, f"Age unknown: nothing live has come from that boot. By the device's own clock it was captured {claim}."
    )


def _in_words(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "a minute"


def capture_time_ns(elapsed: Elapsed | None, *, captured_at_ns: int, clock_error_ns: int, received_at_ns: int) -> int:
    """Return when something was captured on our clock, so that reads of two devices can be compared.

    The device's claim, unless the boot clocks say that it is further off than the device admits. Arguments as for
    ``judge_age``.
    """
    if elapsed is None or elapsed.at_least:
        return captured_at_ns
    by_boot_clocks_ns = received_at_ns - elapsed.ns
    stands = abs(by_boot_clocks_ns - captured_at_ns) <= max(0, clock_error_ns) + _CLAIM_STANDS_NS
    # A device that does not know the time admits any error; then the boot clocks know better.
    return captured_at_ns if stands and clock_error_ns < UNSYNCHRONISED_ERROR_NS else by_boot_clocks_ns
