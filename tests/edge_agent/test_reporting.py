"""What the agent tells of itself: health never fails, and each thing that can change is looked at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import FakeClock

from edge_agent.config import AgentConfig
from edge_agent.errors import OutboxError
from edge_agent.outbox.conditions import Condition
from edge_agent.reporting import Reporter, Software, Watched
from edge_agent.telemetry.changes import Changes, StateChange
from edge_agent.telemetry.machine import Machine
from edge_agent.telemetry.meter import Meter
from edge_agent.telemetry.power import PowerReading, PowerState
from edge_agent.uplink import DataUse, PlanLevel, UplinkState, UplinkStatus
from edge_agent.watch import WatchState
from edge_wire import codec
from edge_wire.clock import KernelDiscipline
from edge_wire.messages import DataUse as WireDataUse
from edge_wire.messages import Header, Health, Power, SourceState

PLAN = DataUse(850, 1_000, 1_400, PlanLevel.NEAR, "2026-11-01", "2026-12-01")
MB = 1 << 20


class Bench:
    """A reporter with everything around it as a test wants it."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.clock = FakeClock()
        self.held: Any = SimpleNamespace(pending=3, oldest_s=7.6, bytes=5_000, lost={"evicted": 40}, conditions=())
        self.status = UplinkStatus(
            UplinkState.WORKING, "", None, 7, 2, 0, last_ack_age_s=4.4, unacked_s=31.4, data_use=PLAN
        )
        self.watch = SimpleNamespace(
            state=lambda: WatchState("failed", "x" * 300, 24.9, 12), condition=("failed", "no route to host")
        )
        self.meter = Meter(self.clock.boot_ns)
        self.discipline = KernelDiscipline(True, 1_000_000)
        self.free: int | OSError = 4_000 * MB
        self.power = SimpleNamespace(reading=PowerReading(PowerState.LINE, charge_percent=97), ending=False, asked=True)
        self.told: list[StateChange] = []
        self.changes = Changes(self._tell, self.clock)
        key, pem = tmp_path / "device.key", tmp_path / "any.pem"
        config = AgentConfig.model_validate(
            {
                "data_dir": tmp_path,
                "device": {"id": "trailer-7", "agency": "pd", "deployment": "d", "key": key, "certificate": pem},
                "broker": {"host": "127.0.0.1", "ca": pem, "collector_keys": [pem]},
                "microphones": [{"id": "mast", "source": "device"}],
                **settings,
            }
        )
        self.reporter = Reporter(
            config,
            self.clock,
            Machine(lambda: 61_500, self._free, lambda: self.discipline),
            Software((("plates", "us"),), (("plates ocr", b"\x11" * 32),), b"\x22" * 32, (("python", "3.11"),)),
            SimpleNamespace(state=self._state),  # type: ignore[arg-type]  # as much of an outbox as it asks
            lambda: self.status,
            {"north": Watched("camera", self.watch, self.meter)},  # type: ignore[arg-type]  # and of a watch
            self.power,  # type: ignore[arg-type]  # and of a UPS
            self.changes,
            self.clock.boot_ns() - 90_500_000_000,
        )

    async def _tell(self, change: StateChange) -> None:
        self.told.append(change)

    async def _state(self) -> Any:
        if isinstance(self.held, OutboxError):
            raise self.held
        return self.held

    def _free(self, path: Path) -> int:
        if isinstance(self.free, OSError):
            raise self.free
        return self.free

    async def look(self) -> dict[str, tuple[str, str]]:
        """Look for changes a minute later; return what was told then, by subject: state and reason."""
        self.clock.advance(60_000_000_000)
        self.told.clear()
        await self.reporter.look()
        await self.changes.tell_due()
        return {change.subject: (change.state, change.reason) for change in self.told}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_health_has_everything_and_fits_the_wire(bench: Bench) -> None:
    bench.meter.note(bench.clock.boot_ns() - 18_250_000)
    await bench.reporter.look()
    health = await bench.reporter.health()
    assert health.uptime_s == 90
    assert (health.outbox_pending, health.outbox_oldest_s, health.outbox_bytes) == (3, 8, 5_000)
    assert (health.link, health.unacked_s, health.last_ack_s, health.metered) == ("working", 31, 4, False)
    assert health.sources == (SourceState("north", "camera", "failed", "x" * 200, 24_900),)
    assert health.skipped == (("north", 12),)
    assert health.inference_us == (("north", 18_250),)
    assert health.power == Power("line", 97, None, None, None)
    assert health.data_use == WireDataUse(850, 1_000, 1_400)
    assert (health.temperature_mc, health.disk_free_bytes, health.clock_source) == (61_500, 4_000 * MB, "kernel")
    assert health.lost == (("evicted", 40),)
    assert (health.models, health.versions) == ((("plates", "us"),), (("python", "3.11"),))
    assert (health.model_digests, health.config_sha256) == ((("plates ocr", b"\x11" * 32),), b"\x22" * 32)
    payload = codec.encode(Header(7, 1, 1, 0), health)
    assert codec.decode_up(payload).body == health


async def test_health_goes_on_when_the_outbox_cannot_be_read(bench: Bench) -> None:
    bench.held = OutboxError("a disk is gone")
    health = await bench.reporter.health()
    assert (health.outbox_pending, health.outbox_bytes, health.lost) == (0, None, ())
    bench.held = SimpleNamespace(pending=5, oldest_s=None, bytes=1, lost={}, conditions=())
    await bench.reporter.health()
    bench.held = OutboxError("a disk is gone")
    assert (await bench.reporter.health()).outbox_pending == 5, "as it was known last"


async def test_without_a_plan_or_a_ups_nothing_is_said_of_them(bench: Bench) -> None:
    bench.reporter._power = None
    bench.status = UplinkStatus(
        UplinkState.WORKING, "", None, 7, 2, 0, data_use=DataUse(850, None, None, PlanLevel.NONE, "a", "b")
    )
    health = await bench.reporter.health()
    assert (health.power, health.data_use) == (None, None)
    assert {"power", "data-plan"}.isdisjoint(await bench.look())


async def test_a_ups_that_was_not_asked_yet_is_not_unknown(bench: Bench) -> None:
    bench.power.asked = False
    assert (await bench.reporter.health()).power is None
    assert "power" not in await bench.look()


async def test_everything_that_can_change_is_looked_at(bench: Bench) -> None:
    assert await bench.look() == {
        "camera": ("failed", "no route to host"),
        "outbox": ("ok", ""),
        "power": ("line", ""),
        "data-plan": ("near", "0 of 0 MB since 2026-11-01, 0 MB by 2026-12-01"),
        "clock": ("synchronised", ""),
        "disk": ("ok", ""),
    }
    assert await bench.look() == {}
    bench.watch.condition = ("connecting", "")
    bench.held.conditions = (Condition.DISK_FULL, Condition.EVICTING)
    bench.power.reading = PowerReading(PowerState.UNKNOWN, "ups@host: no answer")
    bench.discipline = KernelDiscipline(False, 16_000_000_000)
    bench.free = OSError(5, "Input/output error")
    seen = await bench.look()
    assert "camera" not in seen, "that it is being opened is no news"
    assert seen["outbox"] == ("disk full", "also: evicting")
    assert seen["power"] == ("unknown", "ups@host: no answer")
    assert seen["clock"][0] == "unsynchronised"
    assert seen["disk"][0] == "unreadable"


async def test_a_disk_is_low_until_it_is_clearly_not(bench: Bench) -> None:
    await bench.look()
    for free_mb, state in ((1_023, "low"), (1_030, None), (1_127, "ok"), (1_030, None)):
        bench.free = free_mb * MB
        told = (await bench.look()).get("disk")
        assert (told and told[0]) == state, f"{free_mb} MB"


async def test_the_end_of_the_power_is_told_without_waiting(bench: Bench) -> None:
    await bench.look()
    bench.told.clear()
    bench.power.reading = PowerReading(PowerState.BATTERY)
    await bench.reporter.look()
    await bench.changes.tell_due()
    assert bench.told == [], "what changed a moment ago waits"
    bench.power.reading, bench.power.ending = PowerReading(PowerState.LOW_BATTERY, "battery low"), True
    await bench.reporter.look()
    await bench.changes.tell_due()
    assert [(change.before, change.state) for change in bench.told] == [("line", "low-battery")]


def test_a_whole_health_of_a_large_trailer_is_small(bench: Bench) -> None:
    """Six sources, six model files and a UPS: what one report costs before signature and TLS."""
    sources = tuple(SourceState(f"camera-{n}", "camera", "ok", "", 25_000) for n in range(6))
    files = ("plates detector", "plates ocr", "plates ocr-config", "gunshot classifier", "gunshot trunk", "x")
    health = Health(
        3, 90, 0, 0, 4, 10**11, "kernel", sources, (("plates", "us-v3"),), "0.1.0",
        link="working", outbox_bytes=10**9, temperature_mc=61_500, power=Power("line", 97, 230_000, 13_400, 1_800),
        model_digests=tuple((name, b"\xff" * 32) for name in files), config_sha256=b"\xff" * 32,
        inference_us=tuple((source.id, 18_250) for source in sources), data_use=WireDataUse(10**9, 5 * 10**9, 10**9),
        versions=(("python", "3.11.2"), ("kernel", "6.1.0-13-amd64"), ("onnxruntime", "1.31.0"), ("opencv", "5.0.0")),
    )  # fmt: skip
    assert len(codec.encode(Header(1 << 62, 1 << 60, 1 << 50, 1_000_000), health)) < 1_000
