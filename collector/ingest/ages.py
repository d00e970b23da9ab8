"""How old a detection is, without believing the device's wall clock.

A device's boot clock does not jump. Its health, which no broker queues, shows how far its boot clock stands from ours,
so the age of everything captured in that boot follows from two boot clocks alone: a device whose wall clock is an hour
slow does not turn live hits into historical ones, nor one an hour fast send anybody after a backlog. A birth shows
nothing of the kind: it may have waited at the broker for hours. Without health from that boot the claimed time counts,
as far as the device itself vouches for it.

In memory only; what there was before a restart, or what another collector heard, ``captures`` takes from the store.
Owned by the ingest task.
"""

from __future__ import annotations

import functools

from collector.domain import Age
from edge_wire.clock import UNSYNCHRONISED_ERROR_NS

# Quartz is good to 100 ppm: an earlier, closer pair loses its advantage at that rate.
_DRIFT = 1e-4
# The boot clocks tell a capture time only as well as a message's way here was short: a claim as near as this stands.
_CLAIM_STANDS_NS = 2_000_000_000
_LIVE = Age(False)
_MINUTE_NS = 60 * 1_000_000_000
_UNKNOWN = Age(False, "Age unknown: the device's clock cannot be trusted and nothing live has come from that boot.")


class BootClocks:
    """How far each device's boot clock stands from ours, by device and boot."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, bytes], tuple[int, int]] = {}

    def heard(self, device: str, boot_id: bytes, device_boot_ns: int, our_boot_ns: int) -> None:
        """Take one live message in: made at ``device_boot_ns``, received at ``our_boot_ns``.

        The smaller of two offsets is the nearer to the truth: delay only adds.
        """
        offset_ns = our_boot_ns - device_boot_ns
        held = self._offsets.get((device, boot_id))
        if held is not None and held[0] + (our_boot_ns - held[1]) * _DRIFT < offset_ns:
            return
        self._offsets[device, boot_id] = (offset_ns, our_boot_ns)

    def knows(self, device: str, boot_id: bytes) -> bool:
        """Whether anything live has come from that boot."""
        return (device, boot_id) in self._offsets

    def age_ns(self, device: str, boot_id: bytes, captured_boot_ns: int, our_boot_ns: int) -> int | None:
        """Return how long before ``our_boot_ns`` something was captured; None for a boot not heard live."""
        held = self._offsets.get((device, boot_id))
        return None if held is None else our_boot_ns - held[0] - captured_boot_ns


def judge_age(
    age_ns: int | None, *, captured_at_ns: int, clock_error_ns: int, received_at_ns: int, historical_after_ns: int
) -> Age:
    """Return whether a detection is historical; with how late it came, if it is.

    Args:
        age_ns: by the boot clocks, None where they do not tell.
        captured_at_ns: UTC as the device claims it.
        clock_error_ns: how far the device says that this may be off.
        received_at_ns: UTC here.
        historical_after_ns: older than this is historical.
    """
    if age_ns is not None:
        return _late(age_ns // _MINUTE_NS) if age_ns > historical_after_ns else _LIVE
    if clock_error_ns >= min(UNSYNCHRONISED_ERROR_NS, historical_after_ns):
        return _UNKNOWN
    age_ns = received_at_ns - captured_at_ns
    return _late(age_ns // _MINUTE_NS) if age_ns > historical_after_ns else _LIVE


@functools.lru_cache(maxsize=10_000)
def _late(minutes: int) -> Age:
    passed = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "a minute"
    return Age(True, f"Historical: it was captured {passed} before it arrived here.")


def capture_time_ns(age_ns: int | None, *, captured_at_ns: int, clock_error_ns: int, received_at_ns: int) -> int:
    """Return when something was captured on our clock, so that reads of two devices can be compared.

    The device's claim, unless the boot clocks say that it is further off than the device admits. Arguments as for
    ``judge_age``.
    """
    if age_ns is None:
        return captured_at_ns
    by_boot_clocks_ns = received_at_ns - age_ns
    stands = abs(by_boot_clocks_ns - captured_at_ns) <= max(0, clock_error_ns) + _CLAIM_STANDS_NS
    # A device that does not know the time admits any error; then the boot clocks know better.
    return captured_at_ns if stands and clock_error_ns < UNSYNCHRONISED_ERROR_NS else by_boot_clocks_ns
