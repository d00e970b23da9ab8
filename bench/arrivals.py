"""How well arrivals are timed on live fire, from the recordings alone.

    bench/arrivals.py LIVE_FIRE (--folds DIR | --model-file ONNX) [--threshold P] [--every N] [--json]

Every recording is heard as ``edge-agent listen`` hears it, with ``--folds`` by the detector that never heard its firing
position. An arrival less the time that sound takes from the surveyed position (speed from temperature and wind) is when
the shot was fired, as that sensor has it. What three sensors or more say within 150 ms of each other is a shot; the
median over its sensors, each with its first arrival, is when it was fired, and how far a sensor is from that is its
residual. Residuals hold the way that sound took round buildings, the survey's and the clocks' errors, and the picker's.

*apart* is the picker's own share: by how much residuals of one sensor differ between the rounds of a test, for there
the way is the same; *claimed* is the median of the errors that the arrivals claim. Printed by firing position as well,
because the constants of ``waves`` and ``picking`` were chosen on all six.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from folds import model_of, read_folds
from numpy.typing import NDArray

from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.listening import listen_to
from edge_agent.gunshots.opening import open_classifier_file
from edge_agent.records import AudioBlock, CaptureTime
from edge_agent.sources.audio import read_blocks

LEAST_SENSORS = 3
TOGETHER_S = 0.150
GROSS_MS = 50.0


@dataclass(frozen=True, slots=True)
class Fired:
    """When a shot was fired, as one sensor's arrival has it: seconds of UTC, and the arrival's claimed error."""

    sensor: str
    at_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """One test: how many rounds were fired and recordings made, what sensors heard, and how that makes shots."""

    test: str
    position: str
    rounds: int
    recordings: int
    arrivals: int
    shots: tuple[tuple[Fired, ...], ...]


def shots_of(heard: Iterable[Fired]) -> list[tuple[Fired, ...]]:
    """Return the shots in ``heard``, by time: for each the first arrival of every sensor that heard it."""
    left = sorted(heard, key=lambda fired: fired.at_s)
    shots: list[tuple[Fired, ...]] = []
    while left:
        groups = [_first_of_each(left, one.at_s) for one in left]
        best = max(groups, key=lambda group: (len(group), -_spread_s(group)))
        if len(best) < LEAST_SENSORS:
            break
        shots.append(tuple(best))
        begin_s = min(fired.at_s for fired in best)
        left = [fired for fired in left if not begin_s <= fired.at_s <= begin_s + 2 * TOGETHER_S]
    return sorted(shots, key=lambda shot: shot[0].at_s)


def _first_of_each(heard: Sequence[Fired], begin_s: float) -> list[Fired]:
    first: dict[str, Fired] = {}
    for fired in heard:
        if begin_s <= fired.at_s <= begin_s + TOGETHER_S:
            first.setdefault(fired.sensor, fired)
    return list(first.values())


def _spread_s(group: Sequence[Fired]) -> float:
    at_s = [fired.at_s for fired in group]
    return float(np.std(at_s))


def residuals_ms(shot: Sequence[Fired]) -> NDArray[np.float64]:
    """Return by how much each sensor is later than the median of them all."""
    at_s = np.array([fired.at_s for fired in shot])
    return np.asarray((at_s - np.median(at_s)) * 1e3)


def hear_tests(folder: Path, models: Mapping[str, Path] | Path, threshold: float | None, every: int) -> Iterator[Heard]:
    """Listen to every ``every``-th test below ``folder``."""
    opened: dict[Path, NetworkShotClassifier] = {}
    for test in sorted(folder.glob("*/test_*"))[::every]:
        survey, weather = _json(test, "survey"), _json(test, "weather")
        true = _place(survey["survey_location"])
        recordings = sorted(test.glob("*.audio.*.flac"))
        fired: list[Fired] = []
        for recording in recordings:
            model = models if isinstance(models, Path) else model_of(recording, models)
            if model not in opened:
                opened[model] = open_classifier_file(model)
            classifier = opened[model]
            about = json.loads(recording.with_suffix(".json").read_text(encoding="utf-8"))
            place = _place(about["location"])
            late_s = _began_s(about["timestamp"]) - float(np.linalg.norm(place - true)) / _speed_mps(
                weather, place - true
            )
            limit = classifier.threshold if threshold is None else threshold
            fired += [
                Fired(about["serial_number"], late_s + shot.at_s, shot.onset_error_ns / 1e9)
                for shot in listen_to(_blocks(recording), classifier, limit).shots
            ]
        yield Heard(
            test.name, test.parent.name, survey["num_rounds"], len(recordings), len(fired), tuple(shots_of(fired))
        )


def _blocks(path: Path) -> Iterator[AudioBlock]:
    for first, rate_hz, samples in read_blocks(path):
        at_ns = first * 1_000_000_000 // rate_hz
        yield AudioBlock("recording", samples, rate_hz, CaptureTime(at_ns, at_ns, 0), 0, path.name)


def _json(test: Path, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((test / f"{test.name}.{kind}.json").read_text(encoding="utf-8"))
    return found


def _place(location: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([location[axis] for axis in "xyz"])


def _began_s(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


def _speed_mps(weather: Mapping[str, Any], way: NDArray[np.float64]) -> float:
    """The speed of sound along ``way``: of dry air at the temperature, and the wind's part along it."""
    towards = math.radians(float(weather.get("direction", 0.0)) + 180)
    along = float(way[:2] @ (math.sin(towards), math.cos(towards))) / max(float(np.linalg.norm(way)), 1e-9)
    still = 331.3 * math.sqrt(1 + float(weather.get("temperature", 0.0)) / 273.15)
    return still + float(weather.get("speed", 0.0)) * along


def summary(tests: Sequence[Heard]) -> dict[str, float]:
    """Return the figures of the tests together."""
    shots = [shot for test in tests for shot in test.shots]
    late_ms = np.concatenate([np.zeros(0), *(residuals_ms(shot) for shot in shots)])
    apart_ms = np.array([difference for test in tests for difference in _differences_ms(test.shots)])
    claimed_ms = [fired.error_s * 1e3 for shot in shots for fired in shot]
    in_shots = sum(len(shot) for shot in shots)
    return {
        "tests": len(tests),
        "rounds": sum(test.rounds for test in tests),
        "shots": len(shots),
        "arrivals": len(late_ms),
        "median_ms": _rounded(np.median(np.abs(late_ms))),
        "p90_ms": _rounded(np.percentile(np.abs(late_ms), 90)),
        "gross": _rounded(np.mean(np.abs(late_ms) > GROSS_MS), 4),
        "apart_median_ms": _rounded(np.median(apart_ms)),
        "apart_p90_ms": _rounded(np.percentile(apart_ms, 90)),
        "claimed_ms": _rounded(np.median(claimed_ms)),
        "beyond_shots": sum(test.arrivals for test in tests) - in_shots,
        "recordings": sum(test.recordings for test in tests),
    }


def _differences_ms(shots: Sequence[Sequence[Fired]]) -> Iterator[float]:
    """By how much each sensor's residual differs between one round of a test and the next."""
    for one, other in itertools.pairwise(shots):
        before = dict(zip([fired.sensor for fired in one], residuals_ms(one), strict=True))
        after = dict(zip([fired.sensor for fired in other], residuals_ms(other), strict=True))
        if before.keys() == after.keys():  # else the medians are of different sensors
            yield from (abs(float(after[sensor] - before[sensor])) for sensor in before)


def _rounded(value: Any, digits: int = 2) -> float:
    return round(float(value), digits)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("live_fire", type=Path)
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument("--folds", type=Path, metavar="DIR", help="with folds.json, the model file by firing position")
    models.add_argument("--model-file", type=Path, metavar="ONNX", help="the same for all: no figure to publish")
    parser.add_argument("--threshold", type=float, help="instead of each file's own")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th test")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        chosen = asked.model_file or read_folds(asked.folds)
        tests = list(hear_tests(asked.live_fire, chosen, asked.threshold, asked.every))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    positions = sorted({test.position for test in tests})
    rows = {position: summary([test for test in tests if test.position == position]) for position in positions}
    rows["all"] = summary(tests)
    if asked.json:
        print(json.dumps(rows))
        return 0
    print(f"{'':4} " + " ".join(f"{name:>15}" for name in rows["all"]))
    for position, row in rows.items():
        print(f"{position:4} " + " ".join(f"{value:>15g}" for value in row.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
