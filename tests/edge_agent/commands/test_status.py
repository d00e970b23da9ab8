"""Whether what the device finds reaches the collector: in one sentence, one object and one exit code."""

import asyncio
import json
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from edge_agent.cli import app
from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.uplink import DataUse, Fault, PlanLevel, UplinkState, UplinkStatus
from edge_agent.uplink.status import STATUS_NAME, write_status
from edge_wire.clock import SystemClock

CONFIG = """
data_dir: data
device: {id: trailer-07, agency: pd, deployment: main-st, key: any.pem, certificate: any.pem}
broker: {host: broker.example, ca: any.pem, collector_keys: [any.pem]}
cameras: [{id: north-1, url: road}]
"""
PLAN = DataUse(812_000_000, 2_000_000_000, 1_310_000_000, PlanLevel.OK, "2026-11-05", "2026-12-05", {"crop": 9})
GOOD = UplinkStatus(
    UplinkState.WORKING,
    "connected, the collector acks",
    None,
    7,
    3,
    at_utc_ns=0,
    last_ack_age_s=3.0,
    ack_round_trip_ms=14.0,
    under_way=2,
    counts={"acks": 12},
    data_use=PLAN,
    bytes_by_kind={"plate-read": 4_100, "down": 900},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@contextmanager
def agent(folder: Path, status: UplinkStatus | None = GOOD, ago_s: float = 0.0):
    """An agent that holds its outbox and wrote ``status`` so many seconds ago; ended with the block."""

    async def opened() -> Outbox:
        settings = OutboxSettings(folder / "data" / "outbox", "trailer-07", ballast_bytes=0)
        return await Outbox.open(settings, FileDeviceKey(ec.generate_private_key(ec.SECP256R1())), SystemClock())

    with asyncio.Runner() as runner:
        outbox = runner.run(opened())
        if status is not None:
            written_ns = SystemClock().boot_ns() - round(ago_s * 1e9)
            write_status(folder / "data" / STATUS_NAME, replace(status, at_boot_ns=written_ns))
        try:
            yield
        finally:
            runner.run(outbox.close())


def ask(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["status", "--config", str(folder / "agent.yaml"), *options])
    return result.exit_code, result.output


def test_a_link_that_works(folder: Path) -> None:
    with agent(folder):
        code, said = ask(folder)
    assert code == 0, said
    headline, *lines = said.splitlines()
    assert headline == "working: connected, the collector acks"
    assert re.match(r"  link     working, connection 3, last ack \d s ago, which took 14 ms$", lines[0])
    assert re.match(r"  outbox   1 waiting, the oldest for \d s, 2 under way; [\d.]+ kB of 8.6 GB$", lines[1])
    assert lines[2] == "  bytes    since the agent's start: plate-read 4.1 kB, down 900 B"
    assert lines[3] == (
        "  data     812.0 MB since 2026-11-05, 41% of 2.0 GB until 2026-12-05, 1.3 GB by then at this rate"
    )
    assert lines[4:] == []


def test_the_same_for_programs(folder: Path) -> None:
    with agent(folder):
        code, said = ask(folder, "--json")
    found = json.loads(said)
    assert code == 0, said
    assert (found["working"], found["running"], found["conditions"]) == (True, True, [])
    assert found["link"] == {
        "state": "working",
        "reason": "connected, the collector acks",
        "fault": None,
        "connection": 3,
        "last_ack_s": 3.0,
        "ack_round_trip_ms": 14.0,
        "unacked_s": None,
        "under_way": 2,
        "counts": {"acks": 12},
    }
    assert found["outbox"]["depth"] == 1
    assert found["data_plan"]["forecast_bytes"] == 1_310_000_000
    assert found["bytes_since_start"] == {"plate-read": 4_100, "down": 900}


UNACKED = "connected, but the collector has not acked for 25 s"


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"state": UplinkState.UNACKED, "reason": UNACKED}, f"NOT WORKING: {UNACKED}"),
        ({"state": UplinkState.CONNECTED, "reason": "not acked yet"}, "NOT WORKING: not acked yet"),
        ({"state": UplinkState.DISCONNECTED, "reason": "no route", "fault": Fault.TCP}, "NOT WORKING: no route"),
    ],
)
def test_pains_20_connected_is_not_taken_for_working(folder: Path, changes: dict[str, object], headline: str) -> None:
    """PAINS 20: "Connected", but nothing is published."""
    with agent(folder, replace(GOOD, **changes, conditions=(str(changes["reason"]), "data plan: 90%"))):
        code, said = ask(folder)
    assert code == 1
    assert said.splitlines()[0] == headline
    assert said.splitlines()[-1] == "  wrong    data plan: 90%"


def test_no_agent(folder: Path) -> None:
    with agent(folder):
        pass
    code, said = ask(folder)
    assert code == 1
    assert said.splitlines()[0] == "NOT WORKING: no agent is running"
    assert "the last that was said: working" in said.splitlines()[1]
    assert json.loads(ask(folder, "--json")[1])["running"] is False


def test_an_agent_that_hangs(folder: Path) -> None:
    with agent(folder, ago_s=120):
        code, said = ask(folder)
    assert code == 1
    assert said.startswith("NOT WORKING: an agent is running, but has said nothing for 120 s; restart it")


def test_a_status_of_before_the_last_boot(folder: Path) -> None:
    with agent(folder, ago_s=-3_600):
        code, said = ask(folder)
    assert code == 1
    assert "nothing since this machine started" in said.splitlines()[0]


def test_an_agent_that_wrote_nothing(folder: Path) -> None:
    with agent(folder, None):
        code, said = ask(folder)
    assert code == 1
    assert "has not said how its link stands" in said
    assert "No such file" in said


def test_no_outbox_is_a_wrong_configuration(folder: Path) -> None:
    code, said = ask(folder)
    assert code == 2
    assert "there is no outbox" in said


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(app, ["status", "--help"], env={**os.environ, "COLUMNS": "120"})
    assert result.exit_code == 0
    assert "edge-agent status --config" in result.output
