"""What pinpointing costs, and what it rests on: figures of docs/locating.md.

    .venv/bin/python bench/locating.py cost
    .venv/bin/python bench/locating.py live-fire ASSETS/data/audio/live_fire

``cost`` times one incident of 20 sensors, each with 30 false arrivals within 20 s, over seeds; and apart from that, how
long the command takes to start.

``live-fire`` uses the pulses that the vendor tagged as belonging to a shot, against the surveyed position: how far
arrivals are off their geometry, which share of sensors reported a shot by distance, and how accurate positions are
with fewer sensors. The 95 % ellipse is judged with each firing position held out: the wind's error is chosen on the
other five so that their positions are as far off as the covariance says, and the sixth is counted.
"""

import argparse
import dataclasses
import json
import random
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from collector.locate import locating
from collector.locate.air import air_of, travel_s
from collector.locate.records import Arrival, Incident, Sensor, Weather

SENSORS, FALSE, WINDOW_S, SEEDS = 20, 30, 20.0, 15
WIND_ERRORS_MPS = (0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
EXPECTED_SQUARE = 2.0


def crowded(seed: int) -> tuple[list[Sensor], list[Arrival], tuple[float, float]]:
    """One shot amid sensors that also hear thirty other things each."""
    rng = random.Random(seed)
    sensors = [Sensor(f"s{n:02}", rng.uniform(0, 1200), rng.uniform(0, 1200)) for n in range(SENSORS)]
    shot = (rng.uniform(300, 900), rng.uniform(300, 900))
    way_s = travel_s(air_of(Weather(15.0)), np.array([[*shot, 0.0]]), np.array([(s.x_m, s.y_m, 0.0) for s in sensors]))
    arrivals = [Arrival(s.id, 8.0 + way_s[0, n] + rng.gauss(0, 0.013), key=n) for n, s in enumerate(sensors)]
    arrivals += [Arrival(s.id, rng.uniform(0, WINDOW_S)) for s in sensors for _ in range(FALSE)]
    return sensors, arrivals, shot


def cost() -> None:
    took_ms, off_m = [], []
    for seed in range(SEEDS):
        sensors, arrivals, shot = crowded(seed)
        began = time.perf_counter()
        found = locating.locate(sensors, arrivals, Weather(15.0))
        took_ms.append((time.perf_counter() - began) * 1e3)
        best = max(found, key=lambda one: len(one.used))
        off_m.append(float(np.hypot(best.x_m - shot[0], best.y_m - shot[1])))
    started = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).with_name("collector"), "locate", "--help"], check=True, capture_output=True
        )
        started.append(time.perf_counter() - began)
    print(f"locating, median ms: {statistics.median(took_ms):.0f}, worst {max(took_ms):.0f}")
    print(f"off, median m: {statistics.median(off_m):.1f}, worst {max(off_m):.1f}")
    print(f"starting `collector locate --help`, median s: {statistics.median(started):.2f}")


@dataclasses.dataclass(frozen=True)
class Test:
    """One live-fire test, of pulses that belong to its shots."""

    position: str
    true: np.ndarray
    sensors: dict[str, Sensor]
    shots: list[list[Arrival]]
    weather: Weather


def utc_s(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def read(folder: Path) -> Test | None:
    def part(kind: str) -> object:
        return json.loads((folder / f"{folder.name}.{kind}.json").read_text())

    if not (folder / f"{folder.name}.allpulses.json").exists():
        return None
    pulses = {one["pulse_uuid"]: one for one in part("allpulses")}
    sensors = {
        one["serial_number"]: Sensor(one["serial_number"], *(one["location"][axis] for axis in "xyz"))
        for one in pulses.values()
    }
    shots = [
        [
            Arrival(pulses[key]["serial_number"], utc_s(pulses[key]["arrival_time_utc"]))
            for key in shot["pulse_uuids"]
            if key in pulses
        ]
        for shot in part("nlos-tuples")
    ]
    survey, weather = part("survey")["survey_location"], part("weather")
    return Test(
        folder.parent.name,
        np.array([survey[axis] for axis in "xyz"]),
        sensors,
        shots,
        Weather(weather["temperature"], weather["speed"], weather["direction"]),
    )


def offsets_s(test: Test) -> list[float]:
    """How late each arrival of each shot is against the survey and the shot's median."""
    found: list[float] = []
    for shot in test.shots:
        at = np.array([[getattr(test.sensors[one.sensor], f"{axis}_m") for axis in "xyz"] for one in shot])
        emitted_s = np.array([one.time_s for one in shot]) - travel_s(air_of(test.weather), test.true[None], at)[0]
        found += (emitted_s - np.median(emitted_s)).tolist()
    return found


def located(test: Test, kept: set[str]) -> Incident | None:
    arrivals = [one for shot in test.shots for one in shot if one.sensor in kept]
    found = locating.locate([one for one in test.sensors.values() if one.id in kept], arrivals, test.weather)
    return max(found, key=lambda one: len(one.used), default=None)


def square(test: Test, one: Incident | None) -> float:
    """Squared distance from the survey in the covariance's own measure; infinite where there is no point."""
    if one is None or one.x_m is None:
        return np.inf
    away = test.true[:2] - (one.x_m, one.y_m)
    return float(away @ np.linalg.solve(np.array(one.covariance_m2), away))


def live_fire(folder: Path) -> None:
    tests = [one for path in sorted(folder.glob("*/test_*")) if (one := read(path)) is not None]
    off = np.array([value for test in tests for value in offsets_s(test)])
    print(f"arrivals off the survey, ms: {off.std() * 1e3:.1f} one sigma of {len(off)}, "
          f"1 % {np.quantile(off, 0.01) * 1e3:.0f}, 99 % {np.quantile(off, 0.99) * 1e3:.0f}")  # fmt: skip
    by_distance(tests)
    by_sensors(tests)
    held_out(tests)


def by_distance(tests: list[Test]) -> None:
    listening: dict[str, dict[str, Sensor]] = {}
    for test in tests:
        listening.setdefault(test.position, {}).update(test.sensors)
    asked, heard = np.zeros(10), np.zeros(10)
    for test in tests:
        for shot in test.shots:
            who = {one.sensor for one in shot}
            for one in listening[test.position].values():
                bin_ = min(9, int(np.hypot(one.x_m - test.true[0], one.y_m - test.true[1]) // 100))
                asked[bin_] += 1
                heard[bin_] += one.id in who
    shares = [f"{100 * n}-: {100 * h / a:.0f} %" for n, (a, h) in enumerate(zip(asked, heard, strict=True)) if a]
    print("sensors that reported a shot, by metres:", ", ".join(shares))


def by_sensors(tests: list[Test]) -> None:
    rng = random.Random(7)
    for count in (6, 5, 4, 3):
        errors_m = []
        for test in tests:
            heard = sorted({one.sensor for shot in test.shots for one in shot})
            if len(heard) < count:
                continue
            best = located(test, set(rng.sample(heard, count)))
            point = best is not None and best.x_m is not None
            errors_m.append(float(np.hypot(*(test.true[:2] - (best.x_m, best.y_m)))) if point else np.inf)
        e = np.array(errors_m)
        print(f"{count} sensors: median {np.median(e):.1f} m, within 15 / 25 / 50 m "
              f"{(e <= 15).mean():.3f} / {(e <= 25).mean():.3f} / {(e <= 50).mean():.3f}")  # fmt: skip


def held_out(tests: list[Test]) -> None:
    ordinary = locating.air_of
    squares: dict[float, np.ndarray] = {}
    for error in WIND_ERRORS_MPS:
        locating.air_of = lambda weather, error=error: dataclasses.replace(ordinary(weather), wind_error_mps=error)
        squares[error] = np.array([square(test, located(test, set(test.sensors))) for test in tests])
    locating.air_of = ordinary
    positions = np.array([test.position for test in tests])
    covered = []
    for position in sorted(set(positions)):
        out = positions == position
        chosen = min(squares, key=lambda error: abs(squares[error][~out].mean() - EXPECTED_SQUARE))
        inside = squares[chosen][out] <= -2.0 * np.log(0.05)
        covered += inside.tolist()
        print(f"{position} held out: wind error {chosen} m/s, 95 % ellipse holds {inside.mean():.2f}")
    print(f"95 % ellipse, positions held out: {np.mean(covered):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("cost")
    commands.add_parser("live-fire").add_argument("folder", type=Path)
    args = parser.parse_args()
    if args.command == "cost":
        cost()
    else:
        live_fire(args.folder)


if __name__ == "__main__":
    main()
