"""How a device is, from the device itself to the collector's API: real programs, real broker, real upsd."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from chain import Chain
from private_ups import PrivateUps, running_ups
from support import eventually

DEVICE = "trailer-1"
RATE_HZ = 16_000


class Trailer:
    """One agent with a microphone that hears a quiet street for two minutes, and a UPS."""

    def __init__(self, chain: Chain, ups: PrivateUps) -> None:
        self._chain = chain
        self.ups = ups
        self._token, _ = chain.operator("operator")
        street = chain.folder / "street.flac"
        noise = np.random.default_rng(7).standard_normal(RATE_HZ * 120) * 1e-3
        soundfile.write(street, noise.astype(np.float32), RATE_HZ)
        written = chain.agent_config(DEVICE, microphones=[{"id": "mast", "source": str(street)}])
        settings = yaml.safe_load(written.read_text(encoding="utf-8"))
        settings["power"] = {"ups": str(ups.address)}
        settings["outbox"] = {"ballast_bytes": 0}
        settings["uplink"] = {"monthly_bytes": 1_000_000_000}
        written.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.config = written

    def start(self) -> subprocess.Popen[str]:
        return self._chain.start_agent(DEVICE, self.config)

    def ask(self, path: str) -> Any:
        request = urllib.request.Request(f"{self._chain.url}{path}", headers={"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    @property
    def device(self) -> Any:
        (found,) = self.ask("/api/devices")["devices"]
        return found

    @property
    def changes(self) -> list[tuple[str, str | None, str, str]]:
        """Subject, state before, state and reason, newest first."""
        told = self.ask(f"/api/devices/{DEVICE}/changes")["changes"]
        return [(one["subject"], one["before"], one["state"], one["reason"]) for one in told]


@pytest.fixture
def trailer(tmp_path: Path) -> Iterator[Trailer]:
    with running_ups() as ups, Chain(tmp_path / "chain", [DEVICE]) as chain:
        yield Trailer(chain, ups)


def test_a_device_is_shown_as_it_is_until_its_last_word(trailer: Trailer) -> None:
    agent = trailer.start()
    eventually(lambda: (trailer.device["report"] or {}).get("power") is not None, within_s=40)
    device = trailer.device
    report = device["report"]
    assert (device["link"], device["last_word"]) == ("online", None)
    assert report["power"]["source"] == "line"
    assert report["uplink"]["state"] in ("working", "connected")
    assert report["outbox"]["bytes"] > 0
    assert report["outbox"]["lost"] == {}
    assert report["data_plan"]["monthly_bytes"] == 1_000_000_000
    assert 0 < report["data_plan"]["used_bytes"] < 1_000_000
    assert report["config_sha256"] == sha256(trailer.config.read_bytes()).hexdigest()
    assert {"python", "kernel", "onnxruntime"} <= report["versions"].keys()
    assert report["model_digests"].keys() == {"gunshot classifier"}
    assert report["clock_source"] in ("kernel", "unsynchronised")
    assert [source["id"] for source in device["sources"]] == ["mast"]

    trailer.ups.says("OB", **{"battery.charge": "60", "input.voltage": "0"})
    eventually(lambda: trailer.device["report"]["power"]["source"] == "battery", within_s=20)
    power = trailer.device["report"]["power"]
    assert (power["charge_percent"], power["input_v"]) == (60, 0.0)
    eventually(lambda: ("power", "line", "battery", "") in trailer.changes, within_s=30)
    told = trailer.changes
    assert ("microphone", None, "ok", "") in told
    assert any(subject == "agent" and state == "started" for subject, _, state, _ in told)
    assert any(subject == "clock" for subject, *_ in told)

    # upsmon decides that the machine has to go down: nobody has sent the agent a signal yet.
    trailer.ups.force_shutdown()
    eventually(lambda: trailer.device["link"] == "offline", within_s=20)
    assert trailer.device["last_word"] == "power lost: shutting down"
    assert trailer.changes[0][:3] == ("agent", "started", "stopping")
    assert ("power", "battery", "low-battery") in [one[:3] for one in trailer.changes]
    assert agent.poll() is None, "it stands by: the power may come back"

    agent.send_signal(signal.SIGTERM)
    assert agent.wait(15) == 0
    assert trailer.device["last_word"] == "power lost: shutting down"


def test_it_begins_anew_when_the_power_is_back_and_ends_by_sigterm_as_ever(trailer: Trailer) -> None:
    agent = trailer.start()
    eventually(lambda: trailer.device["link"] == "online", within_s=40)
    trailer.ups.says("OB LB")
    eventually(lambda: trailer.device["last_word"] == "power lost: shutting down", within_s=30)
    trailer.ups.says("OL")
    eventually(lambda: trailer.device["link"] == "online", within_s=30)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(15) == 0
    eventually(lambda: trailer.device["last_word"] == "shutdown")
