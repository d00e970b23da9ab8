"""What feeds the device: what is made of a UPS's words, and what a real upsd with its dummy driver makes of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from edge_agent.telemetry.nut import UpsAddress, UpsConnection, UpsError
from edge_agent.telemetry.power import PowerReading, PowerState, PowerWatch, read_power

OL = {"ups.status": "OL"}
LOW = {"ups.status": "OB LB"}


@pytest.mark.parametrize(
    ("status", "state", "ending", "said"),
    [
        ("OL", "line", False, ""),
        ("OL CHRG", "line", False, ""),
        ("OL LB RB", "line", False, "battery low; battery to be replaced"),
        ("OB DISCHRG", "battery", False, ""),
        ("OB LB", "low-battery", False, "battery low"),
        ("FSD OB LB", "low-battery", True, "forced shutdown"),
        ("FSD OL", "low-battery", True, "forced shutdown"),
        ("WAIT", "unknown", False, "'WAIT', expected OL or OB"),
        ("", "unknown", False, "has no ups.status"),
    ],
)
def test_a_status_is_read_as_nut_means_it(status: str, state: str, ending: bool, said: str) -> None:
    reading = read_power({"ups.status": status} if status else {})
    assert (reading.state, reading.ending) == (state, ending)
    assert said in reading.reason


def test_numbers_keep_their_units() -> None:
    told = {**OL, "battery.charge": "97", "battery.voltage": "13.42", "battery.runtime": "1800", "input.voltage": "230"}
    assert read_power(told) == PowerReading(PowerState.LINE, "", False, 97, 230_000, 13_420, 1_800)


@pytest.mark.parametrize("value", ["", "n/a", "nan", "inf", "-1", "1e300"])
def test_a_number_that_no_ups_can_mean_is_none(value: str) -> None:
    assert read_power({**OL, "battery.charge": value, "input.voltage": value}) == PowerReading(PowerState.LINE)


class Scripted:
    """An upsd that answers what stands in the script, one reading after the other, and then nothing."""

    def __init__(self, script: Sequence[Mapping[str, str] | UpsError]) -> None:
        self._script = list(script)
        self.exhausted = asyncio.Event()
        self.opened = 0

    async def open(self, address: UpsAddress) -> UpsConnection:
        self.opened += 1
        return self  # type: ignore[return-value]  # the part of a connection that a watch uses

    async def variables(self) -> Mapping[str, str]:
        if not self._script:
            self.exhausted.set()
            await asyncio.Event().wait()
        answer = self._script.pop(0)
        if isinstance(answer, UpsError):
            raise answer
        return answer

    async def __aenter__(self) -> Scripted:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def watched(*script: Mapping[str, str] | UpsError) -> tuple[PowerWatch, list[tuple[PowerState, bool]], int]:
    """Run a watch over a script; return it, what it told at each change, and how often it connected."""
    told: list[tuple[PowerState, bool]] = []
    upsd = Scripted(script)
    watch = PowerWatch(
        UpsAddress("ups", "host"),
        lambda: told.append((watch.reading.state, watch.ending)),
        poll_s=0.0,
        open_connection=upsd.open,
    )
    async with running(watch):
        await upsd.exhausted.wait()
    return watch, told, upsd.opened


@asynccontextmanager
async def running(watch: PowerWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_only_what_is_new_is_told() -> None:
    _, told, opened = await watched(OL, OL, {**OL, "battery.charge": "50"}, {"ups.status": "OB"}, OL)
    assert told == [(PowerState.LINE, False), (PowerState.BATTERY, False), (PowerState.LINE, False)]
    assert opened == 1


async def test_a_battery_that_is_low_for_one_reading_ends_nothing() -> None:
    _, told, _ = await watched(OL, LOW, OL)
    assert not any(ending for _, ending in told)


async def test_a_battery_that_stays_low_and_a_forced_shutdown_end_it() -> None:
    watch, told, _ = await watched(OL, LOW, LOW)
    assert told[-1] == (PowerState.LOW_BATTERY, True)
    watch, _, _ = await watched(OL, {"ups.status": "FSD OB LB"})
    assert watch.ending


async def test_an_upsd_that_breaks_is_unknown_with_the_reason_and_asked_again() -> None:
    watch, told, opened = await watched(LOW, LOW, UpsError("ups@host: gone"), OL)
    assert told[-2:] == [(PowerState.UNKNOWN, False), (PowerState.LINE, False)]
    assert opened == 2
    watch, _, _ = await watched(OL, UpsError("ups@host: gone"), UpsError("ups@host: gone"))
    assert watch.reading == PowerReading(PowerState.UNKNOWN, "ups@host: gone")


async def test_states_of_a_real_upsd(private_ups) -> None:
    seen: asyncio.Queue[tuple[PowerState, bool]] = asyncio.Queue()
    watch = PowerWatch(private_ups.address, lambda: seen.put_nowait((watch.reading.state, watch.ending)), poll_s=0.2)

    async def until(state: PowerState, *, ending: bool) -> PowerReading:
        async with asyncio.timeout(15):
            while await seen.get() != (state, ending):
                pass
        return watch.reading

    async with running(watch):
        on_line = await until(PowerState.LINE, ending=False)
        assert on_line == PowerReading(PowerState.LINE, "", False, 97, 230_100, 13_420, 1_800)
        private_ups.says("OB", **{"input.voltage": "0", "battery.charge": "60"})
        on_battery = await until(PowerState.BATTERY, ending=False)
        assert (on_battery.charge_percent, on_battery.input_mv) == (60, 0)
        private_ups.says("OB LB")
        await until(PowerState.LOW_BATTERY, ending=True)
        private_ups.says("OL")
        await until(PowerState.LINE, ending=False)
        private_ups.force_shutdown()
        assert "forced shutdown" in (await until(PowerState.LOW_BATTERY, ending=True)).reason


async def test_a_real_upsd_that_loses_its_driver_or_ends_is_said(private_ups) -> None:
    changed = asyncio.Event()
    watch = PowerWatch(private_ups.address, changed.set, poll_s=0.2)

    async def until_said(text: str) -> None:
        async with asyncio.timeout(20):
            while text not in watch.reading.reason:
                changed.clear()
                await changed.wait()

    async with running(watch):
        async with asyncio.timeout(15):
            while not watch.asked:
                changed.clear()
                await changed.wait()
        private_ups.end("driver")
        await until_said("driver")
        assert (watch.reading.state, watch.ending) == (PowerState.UNKNOWN, False)
        private_ups.end("upsd")
        await until_said("does upsd run there")
        private_ups.start()
        async with asyncio.timeout(35):
            while watch.reading.state is not PowerState.LINE:
                changed.clear()
                await changed.wait()
