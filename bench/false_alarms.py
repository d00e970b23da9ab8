"""False alarms per sensor-day on street sound, before and after the sensors are taken together.

    PYTHONPATH=. bench/false_alarms.py --clips DIR --live-fire DIR --folds DIR [--model gunshot] [--days 30] [--json]

Before: the device's own detector, with the threshold that ships, hears every held-out recording without a shot: the
clips of label 0, and of live fire the stretches in which ``windows.csv`` says that there is none. Each is heard by the
network that heard neither its source nor its firing position (``DIR/MODEL-FOLD.onnx``, and ``folds.json`` for
positions). Shots told in them are counted by data set; "street" are live fire and UrbanSound8K, the nearest there is to
a street day. They are hard: a third of UrbanSound8K's minutes are drills, jackhammers, dogs and horns.

After: six sensors as one live-fire test had them, all listening, each with that many false arrivals a day at random
times and with scores as they came. What the locator joins and the fusion still holds for gunfire would alert. Noise
that several sensors hear at once, such as fireworks, is not in it: that is what their own recordings tell.

Rates are counts over hours; intervals are 95 %, Poisson (Garwood).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from folds import model_of, read_folds
from scipy.stats import chi2

from collector.locate.fusion import gunshot_probability
from collector.locate.locating import locate
from collector.locate.records import Arrival, Sensor
from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.gunshots.opening import open_classifier_file
from edge_agent.records import AudioBlock, CaptureTime, HeardShot
from edge_agent.sources.audio import read_blocks

_STREET = ("live_fire", "us8k")
_AROUND_S = 10.0
_ALERTS_FROM = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
_SEED = 6


@dataclass
class Told:
    """What was told of one data set: hours heard, and the score of each false shot."""

    hours: float = 0.0
    scores: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR")
    parser.add_argument("--live-fire", type=Path, required=True, metavar="DIR")
    parser.add_argument("--folds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="gunshot")
    parser.add_argument("--threshold", type=float, help="instead of each file's own")
    parser.add_argument("--temperature", type=float, default=1.0, help="that the shipped file has and a fold's has not")
    parser.add_argument("--shift", type=float, default=0.0, help="likewise, of the shot's logit")
    parser.add_argument("--days", type=int, default=30, help="simulated, for what is left after fusion")
    parser.add_argument("--sensors", type=Path, help="a live-fire test's folder; else the first of FP1")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        folds = read_folds(asked.folds)
        told = hear_clips(asked.clips, asked.folds, asked.model, asked.threshold)
        told["live_fire"] = hear_live_fire(asked.live_fire, folds, asked.threshold)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for one in told.values():
        one.scores = [_calibrated(score, asked.temperature, asked.shift) for score in one.scores]
    street = Told(sum(told[name].hours for name in _STREET), [score for name in _STREET for score in told[name].scores])
    rates = {name: _rate(one) for name, one in sorted({**told, "street": street}.items())}
    test = asked.sensors or sorted((asked.live_fire / "FP1").glob("test_*"))[0]
    sensors = read_sensors(test)
    after = fused(sensors, street, asked.days)
    result = {"model": asked.model, "per_sensor_day": rates, "after_fusion": after, "sensors": len(sensors)}
    if asked.json:
        print(json.dumps(result))
        return 0
    print(f"{'':16} {'hours':>6} {'told':>5} {'a sensor-day':>13}")
    for name, rate in rates.items():
        low, high = rate["interval"]
        print(
            f"{name:16} {rate['hours']:6.2f} {rate['told']:5d} {rate['a_sensor_day']:13.1f} ({low:.1f} to {high:.1f})"
        )
    print(f"{len(sensors)} sensors taken together, alerts a sensor-day by alert_from: {after['alerts_a_sensor_day']}")
    return 0


def hear_clips(folder: Path, folds: Path, model: str, threshold: float | None) -> dict[str, Told]:
    """Hear every clip of label 0 with the network of its split; return what was told by data set."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "0"]
    classifiers = {split: open_classifier_file(folds / f"{model}-{split}.onnx") for split in {r["split"] for r in rows}}
    told: defaultdict[str, Told] = defaultdict(Told)
    for row in rows:
        classifier = classifiers[row["split"]]
        one = told[row["dataset"]]
        one.hours += float(row["duration_s"]) / 3600
        one.scores += [score for _, score in _shots(folder / row["clip"], classifier, threshold)]
    return dict(told)


def hear_live_fire(folder: Path, folds: Mapping[str, Path], threshold: float | None) -> Told:
    """Hear the recordings that have stretches without a shot; return what was told in those."""
    quiet: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "windows.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"] == "0":
                begin_s = float(row["start_s"])
                quiet[row["file"]].append((begin_s, begin_s + float(row["duration_s"])))
    classifiers = {path: open_classifier_file(path) for path in set(folds.values())}
    told = Told()
    for name, stretches in sorted(quiet.items()):
        joined = _joined(stretches)
        told.hours += sum(end_s - begin_s for begin_s, end_s in joined) / 3600
        path = folder / name
        for at_s, score in _shots(path, classifiers[model_of(path, folds)], threshold):
            if any(begin_s <= at_s < end_s for begin_s, end_s in joined):
                told.scores.append(score)
    return told


def _shots(path: Path, classifier: NetworkShotClassifier, threshold: float | None) -> list[tuple[float, float]]:
    blocks = (
        AudioBlock("street", samples, rate_hz, CaptureTime(round(first * 1e9 / rate_hz), 0, 0), 0)
        for first, rate_hz, samples in read_blocks(path)
    )
    detector = ShotDetector(classifier, classifier.threshold if threshold is None else threshold, clips=None)
    told = [heard for block in blocks for heard in detector.hear(block)] + detector.finish()
    return [(shot.at_s, shot.probability) for shot in told if isinstance(shot, HeardShot)]


def _calibrated(score: float, temperature: float, shift: float) -> float:
    kept = min(max(score, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + shift) / temperature))


def _joined(stretches: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin_s, end_s in sorted(stretches):
        if joined and begin_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end_s, joined[-1][1]))
        else:
            joined.append((begin_s, end_s))
    return joined


def _rate(told: Told) -> dict[str, object]:
    count, days = len(told.scores), told.hours / 24
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return {
        "hours": told.hours,
        "told": count,
        "a_sensor_day": count / days,
        "interval": (low / days, high / days),
    }


def read_sensors(test: Path) -> list[Sensor]:
    """Return where the sensors of a live-fire test stood."""
    sensors = []
    for path in sorted(test.glob("*.audio.*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        at = told["location"]
        sensors.append(Sensor(told["serial_number"], at["x"], at["y"], at["z"]))
    return sensors


def fused(sensors: Sequence[Sensor], street: Told, days: int) -> dict[str, object]:
    """Let the sensors tell false shots at random times for so many days; return how many would alert, by threshold."""
    rng = np.random.default_rng(_SEED)
    a_day = len(street.scores) / (street.hours / 24)
    count = int(rng.poisson(a_day * days * len(sensors)))
    times_s = np.sort(rng.uniform(0, days * 86_400, count))
    arrivals = [
        Arrival(sensors[rng.integers(len(sensors))].id, float(at_s), 0.002, score=float(rng.choice(street.scores)))
        for at_s in times_s
    ]
    probabilities: list[float] = []
    begin = 0
    for end in range(1, count + 1):
        if end < count and times_s[end] - times_s[end - 1] < _AROUND_S:
            continue
        found = (gunshot_probability(incident, sensors) for incident in locate(sensors, arrivals[begin:end]))
        probabilities += [one for one in found if one is not None]
        begin = end
    sensor_days = days * len(sensors)
    return {
        "arrivals_a_sensor_day": count / sensor_days,
        "alerts_a_sensor_day": {
            str(least): sum(one >= least for one in probabilities) / sensor_days for least in _ALERTS_FROM
        },
    }


if __name__ == "__main__":
    sys.exit(main())
