"""What feeds the device, as its UPS or charger reports it to Network UPS Tools, and when it is about to end.

Invariants:

- A UPS that cannot be asked is ``unknown``, with the reason; it is never taken for one that is well, nor for one that
  is about to switch off.
- The power is *ending* when upsd says forced shutdown (``FSD``), or when two readings in a row say that the device
  runs on a battery that is low: self-tests of some UPSs let the latter flash up for a moment.
- Nobody waits for a UPS: the last reading is always at hand, and asking goes on in a task of its own.

Belongs to the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from edge_agent.telemetry.nut import UpsAddress, UpsConnection, UpsError

POLL_S = 2.0
"""Between FSD and switching off upsmon waits FINALDELAY (docs/power.md: 10 s): in that the last word must be said."""
_LONGEST_WAIT_S = 30.0
_READINGS_TO_BELIEVE_LOW = 2
_log = structlog.get_logger()


class PowerState(StrEnum):
    """What feeds the device; the words stand on the wire."""

    LINE = "line"
    BATTERY = "battery"
    LOW_BATTERY = "low-battery"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What a UPS says, or why it says nothing.

    Attributes:
        state: what feeds the device.
        reason: for people: why it is unknown, or what else the UPS says of itself; empty if there is nothing to say.
        ending: upsd has said forced shutdown.
        charge_percent: of the battery.
        input_mv: what comes in, in millivolts.
        battery_mv: the battery's, in millivolts.
        runtime_s: how long the UPS believes that the battery lasts.
    """

    state: PowerState
    reason: str = ""
    ending: bool = False
    charge_percent: int | None = None
    input_mv: int | None = None
    battery_mv: int | None = None
    runtime_s: int | None = None


def read_power(variables: Mapping[str, str]) -> PowerReading:
    """Make a reading of a UPS's variables, of which it may have any or none."""
    status = variables.get("ups.status", "")
    flags = frozenset(status.split())
    forced = "FSD" in flags
    if forced or {"OB", "LB"} <= flags:
        state = PowerState.LOW_BATTERY
    elif "OB" in flags:
        state = PowerState.BATTERY
    elif "OL" in flags:
        state = PowerState.LINE
    else:
        state = PowerState.UNKNOWN
    said = [text for flag, text in _REMARKS.items() if flag in flags]
    if state is PowerState.UNKNOWN:
        said.append(f"the UPS says {status[:40]!r}, expected OL or OB" if status else "the UPS has no ups.status")
    return PowerReading(
        state=state,
        reason="; ".join(said),
        ending=forced,
        charge_percent=_scaled(variables.get("battery.charge"), 1, most=100),
        input_mv=_scaled(variables.get("input.voltage"), 1_000),
        battery_mv=_scaled(variables.get("battery.voltage"), 1_000),
        runtime_s=_scaled(variables.get("battery.runtime"), 1),
    )


_REMARKS = {
    "FSD": "forced shutdown: the UPS is about to switch off",
    "LB": "battery low",
    "RB": "battery to be replaced",
    "OVER": "overloaded",
    "BYPASS": "on bypass: no battery stands behind it",
    "OFF": "its output is off",
    "CAL": "being calibrated",
}


def _scaled(text: str | None, by: int, most: int = 10_000_000) -> int | None:
    """Return a number of NUT's times ``by``; None where there is none, or none that a UPS could mean."""
    try:
        value = float(text or "") * by
    except ValueError:
        return None
    return round(value) if 0 <= value <= most else None


class PowerWatch:
    """Keeps asking one UPS. ``run`` it in one task; read ``reading`` at any time.

    Args:
        address: which UPS.
        changed: called when what feeds the device, or why that is unknown, has changed.
        poll_s: between two readings.
        open_connection: connects to upsd.
    """

    def __init__(
        self,
        address: UpsAddress,
        changed: Callable[[], None] = lambda: None,
        *,
        poll_s: float = POLL_S,
        open_connection: Callable[[UpsAddress], Awaitable[UpsConnection]] = UpsConnection.open,
    ) -> None:
        self._address = address
        self._changed = changed
        self._poll_s = poll_s
        self._open = open_connection
        self._low_readings = 0
        self._reading = PowerReading(PowerState.UNKNOWN, "the UPS has not been asked yet")
        self._asked = False

    @property
    def reading(self) -> PowerReading:
        """The last one."""
        return self._reading

    @property
    def ending(self) -> bool:
        """Whether the power is about to end."""
        return self._reading.ending or self._low_readings >= _READINGS_TO_BELIEVE_LOW

    @property
    def asked(self) -> bool:
        """Whether there is a first reading, or a reason why there is none."""
        return self._asked

    async def run(self) -> None:
        """Ask until cancelled."""
        wait_s = self._poll_s
        while True:
            try:
                async with await self._open(self._address) as connection:
                    while True:
                        self._take(read_power(await connection.variables()))
                        wait_s = self._poll_s
                        await asyncio.sleep(self._poll_s)
            except UpsError as error:
                self._take(PowerReading(PowerState.UNKNOWN, str(error)))
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _take(self, reading: PowerReading) -> None:
        before, was_ending = self._reading, self.ending
        self._reading = reading
        self._low_readings = self._low_readings + 1 if reading.state is PowerState.LOW_BATTERY else 0
        first, self._asked = not self._asked, True
        # Charge and voltage move all the time: they travel with the next health.
        if first or (before.state, before.reason, was_ending) != (reading.state, reading.reason, self.ending):
            log = _log.info if reading.state is PowerState.LINE else _log.warning
            log("power", ups=str(self._address), state=str(reading.state), reason=reading.reason, ending=self.ending)
            self._changed()
