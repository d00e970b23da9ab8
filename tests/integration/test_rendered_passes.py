"""A few rendered passes through the real networks: one track each, the right picture, in time, and read right.

``bench/passes.py --fast`` renders nine kinds once (a dozen vehicles); the figures over many are in docs/plates.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "passes.py"
PROTOCOL_MS = 700
# Of the vehicles that --fast shows; chosen once, so a lower count is a change for the worse.
VEHICLES = 12
AT_LEAST_RIGHT = 11


@pytest.fixture(scope="module")
def result(assets: Path) -> dict[str, Any]:
    command = [sys.executable, str(BENCH), "--fast", "--json"]
    command += ["--models-dir", str(assets / "weights"), "--data", str(assets / "data" / "plates")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    whole: dict[str, Any] = json.loads(ran.stdout)
    return whole


def test_each_vehicle_is_one_track(result: dict[str, Any]) -> None:
    """pains-01, pains-11: not with the car parked beside it, not after a lorry, not while it stands ten minutes."""
    answers = [answer for outcome in result["outcomes"] for answer in outcome["answers"]]
    assert len(answers) == VEHICLES
    assert [answer["sequence"] for answer in answers if answer["tracks"] == 0] == []
    assert sum(answer["tracks"] for answer in answers) == VEHICLES
    assert result["rows"][-1]["mixed_tracks"] == 0
    assert result["rows"][-1]["false_tracks"] == 0


def test_each_picture_is_of_that_vehicle_in_that_frame(result: dict[str, Any]) -> None:
    """pains-01: never the next car's picture."""
    assert [fault for outcome in result["outcomes"] for fault in outcome["wrong_pictures"]] == []


def test_each_is_published_in_time(result: dict[str, Any]) -> None:
    assert result["rows"][-1]["delay_ms"][2] <= PROTOCOL_MS


def test_the_vote_reads_them(result: dict[str, Any]) -> None:
    """pains-04: out of many frames' reads the right one."""
    total = result["rows"][-1]
    assert round(total["exact"] * total["passes"]) >= AT_LEAST_RIGHT
    assert total["exact"] >= total["surest"]


def test_how_a_vehicle_moves_is_told_right(result: dict[str, Any]) -> None:
    assert result["rows"][-1]["travel_right"] == 1.0
