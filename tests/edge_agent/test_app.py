"""The composition root: what it refuses before it opens anything, and what it goes on after."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from support import FakeClock, eventually

from edge_agent import reporting
from edge_agent.app import Agent
from edge_agent.config import AgentConfig
from edge_agent.errors import ConfigurationError, OutboxError
from edge_agent.outbox import read_state
from edge_agent.outbox.lock import FolderLock
from edge_agent.provisioning import device_key
from edge_agent.telemetry.power import PowerReading, PowerState
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Change, Open


def config(tmp_path: Path, source: str) -> AgentConfig:
    key = tmp_path / "device.key"
    if not key.exists():
        device_key.generate(key)
    pem = tmp_path / "any.pem"
    return AgentConfig.model_validate(
        {
            "data_dir": tmp_path / "data",
            "device": {"id": "trailer-7", "agency": "pd", "deployment": "d", "key": key, "certificate": pem},
            "broker": {"host": "127.0.0.1", "ca": pem, "collector_keys": [pem]},
            "microphones": [{"id": "mast", "source": source}],
        }
    )


def test_a_missing_recording_is_refused_before_an_epoch_is_made(tmp_path: Path) -> None:
    async def start() -> None:
        await Agent(config(tmp_path, str(tmp_path / "none.wav"))).run()

    with pytest.raises(ConfigurationError, match=r"none\.wav"):
        asyncio.run(start())
    assert not (tmp_path / "data").exists()


def running_config(tmp_path: Path) -> AgentConfig:
    """A device with a microphone that hears nothing for a minute, and a broker that is not there."""
    key = tmp_path / "device.key"
    device_key.generate(key)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trailer-7")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + timedelta(days=1))
    (tmp_path / "device.pem").write_bytes(
        certificate.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "collector.pub.pem").write_bytes(public)
    noise = np.random.default_rng(1).standard_normal(16_000 * 60).astype(np.float32) * 1e-3
    soundfile.write(tmp_path / "street.flac", noise, 16_000)
    told = config(tmp_path, str(tmp_path / "street.flac")).model_dump()
    told["device"]["certificate"] = tmp_path / "device.pem"
    told["broker"] |= {
        "port": 9,
        "ca": tmp_path / "device.pem",
        "collector_keys": [tmp_path / "collector.pub.pem"],
    }
    told["outbox"]["ballast_bytes"] = 0
    return AgentConfig.model_validate(told)


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(agent.run())
    try:
        yield task
    finally:
        agent.stop()
        await task


def bodies(database: Path, kind: type[Any]) -> list[Any]:
    """What the outbox holds of one kind, oldest first; nothing while it cannot be read."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as outbox:
            rows = outbox.execute("SELECT envelope FROM rows ORDER BY number").fetchall()
    except sqlite3.DatabaseError:
        return []
    found = [codec.decode_up(cose.parse(envelope).payload).body for (envelope,) in rows]
    return [body for body in found if isinstance(body, kind)]


def changes(config: AgentConfig) -> list[tuple[str, str]]:
    told = bodies(config.outbox_folder / "outbox.db", Change)
    return [(change.subject, change.state) for change in told]


async def test_what_it_begins_and_ends_with_is_told(tmp_path: Path) -> None:
    told = running_config(tmp_path)
    async with running(Agent(told)):
        await asyncio.to_thread(eventually, lambda: ("microphone", "ok") in changes(told))
    states = changes(told)
    assert states[0] == ("agent", "started")
    assert states[-1] == ("agent", "stopping")
    assert {("outbox", "ok"), ("disk", "ok")} <= set(states) or ("disk", "low") in states
    assert bodies(told.outbox_folder / "outbox.db", Change)[-1].reason == "shutdown"


async def test_a_database_that_is_damaged_while_it_runs_is_set_aside_and_the_agent_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "LOOK_S", 0.1)
    told = running_config(tmp_path)
    database = told.outbox_folder / "outbox.db"
    async with running(Agent(told)) as task:
        await asyncio.to_thread(eventually, lambda: ("microphone", "ok") in changes(told))
        before = read_state(told.outbox_folder, SystemClock()).epoch
        with closing(sqlite3.connect(database)) as outbox:
            outbox.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with database.open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(4_096)
            file.write(b"\xa5" * (size - 4_096))
        aside = told.outbox_folder / "outbox.db.corrupt-1"
        await asyncio.to_thread(eventually, aside.exists)
        await asyncio.to_thread(eventually, lambda: ("microphone", "ok") in changes(told))
        assert not task.done()
    opened = bodies(database, Open)[-1]
    assert opened.corrupt
    assert opened.previous == before
    told_of_outbox = [change for change in bodies(database, Change) if change.subject == "outbox"]
    assert any("corrupt database set aside" in change.state + change.reason for change in told_of_outbox)


async def test_standing_by_it_waits_for_line_power_and_not_for_ever_for_a_ups_that_is_gone(tmp_path: Path) -> None:
    clock = FakeClock()
    agent = Agent(running_config(tmp_path), clock)
    power = SimpleNamespace(reading=PowerReading(PowerState.LOW_BATTERY), ending=True)
    agent._power = power  # type: ignore[assignment]  # as much of a UPS as it asks
    waiting = asyncio.create_task(agent._stand_by())

    async def goes_on_with(state: PowerState, after_s: int) -> bool:
        clock.advance(after_s * 1_000_000_000)
        power.reading = PowerReading(state)
        agent._power_changed()
        await asyncio.wait([waiting], timeout=0.05)
        return waiting.done()

    assert not await goes_on_with(PowerState.BATTERY, 600)
    assert not await goes_on_with(PowerState.UNKNOWN, 600)
    assert not await goes_on_with(PowerState.UNKNOWN, 299)
    assert await goes_on_with(PowerState.UNKNOWN, 2)
    waiting = asyncio.create_task(agent._stand_by())
    assert await goes_on_with(PowerState.LINE, 0)


async def test_an_outbox_that_was_open_is_opened_again_as_soon_as_that_is_possible(tmp_path: Path) -> None:
    """What could not be kept before the damage is counted in this process alone: it must not end over a full disk."""
    told = running_config(tmp_path)
    told.outbox_folder.mkdir(parents=True, mode=0o700)
    lock = FolderLock(told.outbox_folder)  # stands for whatever keeps it from being opened
    agent = Agent(told)
    with pytest.raises(OutboxError, match="another agent"):
        await agent._open_outbox()
    agent._was_open = True
    opening = asyncio.create_task(agent._open_outbox())
    await asyncio.wait([opening], timeout=0.05)
    assert not opening.done()
    lock.release()
    agent._power_changed()  # wakes it
    await (await opening).close()

    lock = FolderLock(told.outbox_folder)
    opening = asyncio.create_task(agent._open_outbox())
    await asyncio.wait([opening], timeout=0.05)
    agent.stop()
    with pytest.raises(OutboxError, match="another agent"):
        await opening
    lock.release()
