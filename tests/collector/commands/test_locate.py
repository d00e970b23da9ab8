"""`collector locate` over files, as other programs use it."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from collector.commands.locate import locate
from collector.locate.projection import LocalFrame

app = typer.Typer()
app.command()(locate)

PLACES = {"a": (0.0, 300.0), "b": (320.0, 0.0), "c": (20.0, -300.0), "d": (-300.0, 40.0), "e": (250.0, 260.0)}
SHOT = (40.0, 70.0)
LOCAL = [{"id": name, "x_m": x, "y_m": y, "z_m": 0.0, "colour": "red"} for name, (x, y) in PLACES.items()]
ARRIVALS: list[dict[str, Any]] = [
    {"sensor": name, "time_s": 5.0 + math.dist(place, SHOT) / 340.3, "snr_db": 9.0, "loud": True}
    for name, place in PLACES.items()
]


def lines(file: Path, objects: Iterable[object]) -> Path:
    file.write_text("".join(json.dumps(one) + "\n" for one in objects))
    return file


def run(folder: Path, sensors: Iterable[object], arrivals: Iterable[object], *more: str) -> Result:
    named = ["--sensors", str(lines(folder / "sensors.jsonl", sensors)), "--arrivals"]
    return CliRunner().invoke(app, [*named, str(lines(folder / "arrivals.jsonl", arrivals)), *more])


def weather(folder: Path, value: object) -> str:
    return str(lines(folder / "weather.json", [value]))


def only(result: Result) -> dict[str, Any]:
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_one_line_an_incident(tmp_path: Path) -> None:
    result = run(tmp_path, LOCAL, ARRIVALS, "--weather", weather(tmp_path, {"temperature_c": 15.0}), "--json")
    assert result.exit_code == 0
    found = only(result)
    assert math.dist((found["x_m"], found["y_m"]), SHOT) < 1.0
    assert found["time_s"] == pytest.approx(5.0, abs=0.01)
    assert found["rounds"] == 1
    assert found["sensors_used"] == sorted(PLACES)
    assert found["sensors_rejected"] == []
    assert found["confidence"] in ("high", "medium")
    assert len(found["ellipse95_m"]) == 3


def test_a_sensor_that_does_not_fit_is_named_with_the_reason(tmp_path: Path) -> None:
    late = [{**one, "time_s": one["time_s"] + (one["sensor"] == "b")} for one in ARRIVALS]
    (rejected,) = only(run(tmp_path, LOCAL, late, "--json"))["sensors_rejected"]
    assert rejected["id"] == "b"
    assert "1.00" in rejected["why"]


def test_degrees_come_back_as_degrees(tmp_path: Path) -> None:
    frame = LocalFrame(40.44, -79.99)
    sensors = [
        dict(zip(("lat", "lon"), frame.to_geographic(*place), strict=True), id=name) for name, place in PLACES.items()
    ]
    found = only(run(tmp_path, sensors, ARRIVALS, "--json"))
    assert math.dist(frame.to_local(found["lat"], found["lon"]), SHOT) < 3.0


def test_metres_with_an_origin_stay_metres_from_it(tmp_path: Path) -> None:
    sensors = [{**one, "origin": {"lat": 40.44, "lon": -79.99}} for one in LOCAL]
    found = only(run(tmp_path, sensors, ARRIVALS, "--json"))
    assert math.dist((found["x_m"], found["y_m"]), SHOT) < 3.0
    assert found["origin"] == {"lat": 40.44, "lon": -79.99}
    assert math.dist(LocalFrame(40.44, -79.99).to_local(found["lat"], found["lon"]), SHOT) < 3.0


def test_people_get_a_table(tmp_path: Path) -> None:
    result = run(tmp_path, LOCAL, ARRIVALS)
    assert result.exit_code == 0
    heading, row = result.stdout.splitlines()
    assert heading.split()[0] == "time_s"
    assert "x 40" in row or "x 39" in row


def test_bad_lines_are_named_and_left_out(tmp_path: Path) -> None:
    bad = [{"sensor": "a"}, [1], {"sensor": "a", "time_s": "soon"}, {"sensor": "zz", "time_s": 1.0}]
    result = run(tmp_path, LOCAL, [*ARRIVALS, *bad], "--json")
    assert result.exit_code == 1
    assert only(result)["sensors_used"] == sorted(PLACES)
    named = result.stderr.splitlines()
    assert [f"arrivals.jsonl:{number}:" in line for number, line in zip((6, 7, 8, 9), named, strict=True)] == [True] * 4


@pytest.mark.parametrize(
    ("sensors", "named"),
    [
        ([], "no sensor"),
        ([LOCAL[0], LOCAL[0]], "jsonl:2: sensor 'a' is given in line 1"),
        ([LOCAL[0], {"id": "b", "lat": 1.0, "lon": 1.0}], "jsonl:1: got metres without an origin"),
    ],
)
def test_sensors_that_make_no_sense_end_with_2(tmp_path: Path, sensors: list[object], named: str) -> None:
    result = run(tmp_path, sensors, [])
    assert result.exit_code == 2
    assert named in result.stderr


def test_a_file_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    result = run(tmp_path, LOCAL, ARRIVALS, "--weather", str(tmp_path / "none.json"))
    assert result.exit_code == 2
    assert "none.json" in result.stderr


def test_weather_that_cannot_be_ends_with_2(tmp_path: Path) -> None:
    result = run(tmp_path, LOCAL, ARRIVALS, "--weather", weather(tmp_path, {"temperature_c": 400}))
    assert result.exit_code == 2
    assert "temperature_c: got 400" in result.stderr


def test_two_sensors_give_a_region_on_request_and_never_a_point(tmp_path: Path) -> None:
    quiet = run(tmp_path, LOCAL, ARRIVALS[:2], "--json")
    assert quiet.stdout == ""
    assert "--regions" in quiet.stderr
    found = only(run(tmp_path, LOCAL, ARRIVALS[:2], "--json", "--regions"))
    assert found["x_m"] is None
    assert found["y_m"] is None
    assert found["region"]["kind"] == "band"
