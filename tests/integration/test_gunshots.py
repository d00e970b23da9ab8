"""Six trailers hear a shot, and one located alert comes of it: real agents, broker and collector over live fire."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from asking import ask, fetch
from chain import Chain
from numpy.typing import NDArray
from slow_link import SlowLink

_PITTSBURGH = {"lat": 40.44, "lon": -80.0}
_SOUND_MPS = 331.3  # at 0 degrees, as that night
_RATE_HZ = 12_000
_LINK_KBPS = 1_000


@dataclass(frozen=True)
class Heard:
    """What one sensor records: where it stands in metres, the recording, and when that begins."""

    x_m: float
    y_m: float
    z_m: float
    recording: Path
    begins_s: float


def live_fire(test: Path) -> tuple[dict[str, Heard], tuple[float, float], float]:
    """Return the sensors of a live-fire test, where it was fired, and the time of its first pulse."""
    survey = json.loads((test / f"{test.name}.survey.json").read_text())["survey_location"]
    sensors = {}
    for path in sorted(test.glob("*.audio.*.json")):
        told = json.loads(path.read_text())
        began_s = datetime.fromisoformat(told["timestamp"]).timestamp()
        at = told["location"]
        sensors[f"trailer-{len(sensors) + 1}"] = Heard(
            at["x"] - survey["x"], at["y"] - survey["y"], at["z"] - survey["z"], path.with_suffix(".flac"), began_s
        )
    first_s = min(sensor.begins_s for sensor in sensors.values())
    return sensors, (0.0, 0.0), first_s


def heard_from(
    folder: Path, sensors: Mapping[str, Heard], bang: NDArray[np.float32], street: NDArray[np.float32]
) -> dict[str, Heard]:
    """Record ``bang``, set off at the origin after 3 s, at each sensor: later and fainter with distance."""
    folder.mkdir()
    made = {}
    for name, sensor in sensors.items():
        distance_m = math.dist((sensor.x_m, sensor.y_m, sensor.z_m), (0, 0, 0))
        sound = np.resize(street, 9 * _RATE_HZ).astype(np.float32) * np.float32(0.02 / (np.abs(street).max() + 1e-9))
        first = round((3.0 + distance_m / _SOUND_MPS) * _RATE_HZ)
        loud = bang[: len(sound) - first] * np.float32(40.0 / distance_m / np.abs(bang).max())
        sound[first : first + len(loud)] += loud
        path = folder / f"{name}.flac"
        soundfile.write(path, np.clip(sound, -1, 1), _RATE_HZ)
        made[name] = Heard(sensor.x_m, sensor.y_m, sensor.z_m, path, 0.0)
    return made


@pytest.fixture
def test_001(assets: Path) -> tuple[dict[str, Heard], tuple[float, float], float]:
    return live_fire(assets / "data" / "audio" / "live_fire" / "FP1" / "test_001")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with Chain(tmp_path / "chain", [f"trailer-{n}" for n in range(1, 7)]) as running:
        yield running


def play(chain: Chain, links: ExitStack, sensors: Mapping[str, Heard]) -> tuple[float, list[SlowLink]]:
    """Start an agent a sensor, each behind a modem of 1 Mbit/s; return the UTC second of the recordings' zero."""
    earliest_s = min(sensor.begins_s for sensor in sensors.values())
    zero_s = math.ceil(time.time())
    slow = []
    for name, sensor in sensors.items():
        link = links.enter_context(SlowLink(chain.broker.host, chain.broker.port, _LINK_KBPS))
        slow.append(link)
        began = datetime.fromtimestamp(zero_s, UTC) + timedelta(seconds=sensor.begins_s - earliest_s)
        config = chain.agent_config(
            name,
            microphones=[{"id": "mast", "source": str(sensor.recording), "starts_at": began.isoformat()}],
            position={"x_m": sensor.x_m, "y_m": sensor.y_m, "z_m": sensor.z_m, "origin": _PITTSBURGH, "error_m": 1.0},
        )
        settings = yaml.safe_load(config.read_text())
        settings["broker"]["port"] = link.port
        config.write_text(yaml.safe_dump(settings))
        chain.start_agent(name, config, once=True)
    return zero_s, slow


def alerts(chain: Chain, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(chain, token, "/api/alerts")["alerts"]
    return found


def metres_off(location: Mapping[str, float]) -> float:
    north_m = (location["latitude"] - _PITTSBURGH["lat"]) * 111_035
    east_m = (location["longitude"] - _PITTSBURGH["lon"]) * 111_320 * math.cos(math.radians(_PITTSBURGH["lat"]))
    return math.hypot(north_m, east_m)


def until(met: Any, chain: Chain, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not met():
        chain.fail_if_any_died()
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.1)


def test_a_live_fire_test_becomes_one_located_alert_whose_clips_can_be_played(
    chain: Chain, test_001: tuple[dict[str, Heard], tuple[float, float], float]
) -> None:
    sensors, _, _ = test_001
    token, _ = chain.operator("ada")
    with ExitStack() as links:
        play(chain, links, sensors)
        until(lambda: alerts(chain, token), chain, 60)
        until(lambda: sum(s["clip_here"] for s in alerts(chain, token)[0]["incident"]["sensors"]) >= 3, chain, 15)
        until(lambda: chain.agents_ended, chain, 60)
    (alert,) = alerts(chain, token)
    assert alert["kind"] == "shot"
    assert alert["read"] is None
    incident = alert["incident"]
    assert incident["location"] is not None
    assert metres_off(incident["location"]) <= 25
    assert incident["rounds"] == 3
    assert incident["confidence"] in ("high", "medium")
    assert incident["probability"] >= incident["alert_from"]
    assert not alert["historical"]
    (listed,) = ask(chain, token, "/api/incidents")["incidents"]
    assert listed["id"] == incident["id"]
    used = [sensor for sensor in incident["sensors"] if sensor["used"]]
    assert len(used) >= 4
    for sensor in used:
        assert sensor["clip_here"]
        content, kind = fetch(chain, token, f"/api/clips/{sensor['clip']}")
        assert kind == "audio/ogg"
        assert len(content) <= 20 * 1024
        samples, rate_hz = soundfile.read(io.BytesIO(content))
        assert len(samples) / rate_hz >= 3.5
        assert np.abs(samples).max() > 0.001
    revisions = ask(chain, token, f"/api/incidents/{incident['id']}/revisions")["revisions"]
    assert revisions[-1]["stage"] in ("located", "revised")


def test_fireworks_at_the_same_place_raise_no_alert(
    chain: Chain, test_001: tuple[dict[str, Heard], tuple[float, float], float], assets: Path, tmp_path: Path
) -> None:
    sensors, _, _ = test_001
    clips = assets / "data" / "audio" / "clips"
    bang, rate_hz = soundfile.read(clips / "luanti_sounds" / "fireworks-01.ogg", dtype="float32")
    assert rate_hz == 16_000
    street, _ = soundfile.read(next(iter(sensors.values())).recording, dtype="float32", frames=2 * _RATE_HZ)
    bang = np.interp(np.arange(0, len(bang), 4 / 3), np.arange(len(bang)), bang).astype(np.float32)
    token, _ = chain.operator("ada")
    with ExitStack() as links:
        play(chain, links, heard_from(tmp_path / "fireworks", sensors, bang, street))
        until(lambda: chain.agents_ended, chain, 90)
    assert alerts(chain, token) == []
