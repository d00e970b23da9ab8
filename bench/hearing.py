"""What listening costs: milliseconds of computing per second of quiet and of busy sound, beside YAMNet, in one run.

    python bench/hearing.py ASSETS/data/audio --models-dir WEIGHTS --yamnet WEIGHTS/yamnet_waveform.tflite

*Quiet* are stretches of the live-fire recordings without a shot, *busy* the jackhammers, fireworks and gunshots of the
clips in which something leaps out of the noise most often. Both are brought to the microphone's rate first (``--rate``)
and heard in blocks of 0.1 s, each stretch as a scene of its own, on one thread.

*gate* is the whole detector with a classifier that costs nothing; the others are the whole detector with that set.
YAMNet, which brings its own front end and has no gate, judges 0.96 s every 0.48 s, as its authors have it, whatever is
to be heard; its 16 kHz are made of the microphone's rate with the detector's own resampling. The subjects take turns in
every round; told is the median of the rounds, and the ratio of each round's figures, because the absolute ones depend
on what else the machine does.

Run it with ``OPENBLAS_NUM_THREADS=1``, which the agent sets for itself: NumPy is here before it can.

YAMNet needs a TFLite runtime, which is no dependency of this project: ``ai-edge-litert`` from PyPI, in an environment
of its own that sees this one's packages too. Without, its column is left out.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.gunshots.classifier import NetworkShotClassifier
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.gunshots.onsets import OnsetGate
from edge_agent.gunshots.opening import open_classifier
from edge_agent.gunshots.resampling import resample
from edge_agent.ports import ShotClassifier
from edge_agent.records import AudioBlock, CaptureTime

SETS = ("gunshot", "gunshot-research", "gunshot-mn04")
BUSY_KINDS = {
    "jackhammer": ("jackhammer",),
    "fireworks": ("fireworks", "Fireworks"),
    "gunshots": ("gun_shot", "gunshot"),
}
BLOCK_S = 0.1
LEAST_QUIET_S = 4.0
YAMNET_HZ, YAMNET_WINDOW, YAMNET_HOP = 16_000, 15_600, 7_680
RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")

Sound = NDArray[np.float32]


class Costless:
    """The ``ShotClassifier`` port: says "background" at once, and counts."""

    name = "gate"

    def __init__(self) -> None:
        self.judged = 0

    def classify(self, samples: Sound, rate_hz: int) -> Mapping[str, float]:
        """Return what nobody computed."""
        self.judged += 1
        return {"background": 1.0, "gunshot": 0.0}


@dataclass(frozen=True)
class Subject:
    """Something that hears stretches of sound, one after the other, at one rate.

    Attributes:
        name: as printed.
        ready: turns stretches into what hears them once; making them is their source's work and costs it nothing.
    """

    name: str
    ready: Callable[[Sequence[Sound], int], Callable[[], None]]


def of_detector(name: str, classifier: ShotClassifier, threshold: float) -> Subject:
    """Return the whole detector with ``classifier``."""

    def ready(stretches: Sequence[Sound], rate_hz: int) -> Callable[[], None]:
        blocks = [block for scene, sound in enumerate(stretches) for block in _blocks(sound, rate_hz, scene)]

        def hear() -> None:
            detector = ShotDetector(classifier, threshold, clips=None)  # YAMNet keeps none either
            for block in blocks:
                detector.hear(block)
            detector.finish()

        return hear

    return Subject(name, ready)


def _blocks(sound: Sound, rate_hz: int, scene: int) -> Iterator[AudioBlock]:
    size = round(BLOCK_S * rate_hz)
    for first in range(0, len(sound), size):
        at_ns = first * 1_000_000_000 // rate_hz
        yield AudioBlock("street", sound[first : first + size], rate_hz, CaptureTime(at_ns, at_ns, 0), scene)


def of_yamnet(model: Path) -> Subject | None:
    """Return YAMNet on one thread; None, with what is missing, where it cannot be run."""
    for module in RUNTIMES:
        try:
            interpreter = importlib.import_module(module).Interpreter(str(model), num_threads=1)
            break
        except ImportError:
            continue
    else:
        print(
            f"YAMNet is left out: none of {', '.join(RUNTIMES)} can be imported. Get one into an environment of its "
            "own, with this project's packages in its path: pip install ai-edge-litert",
            file=sys.stderr,
        )
        return None
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    answer = interpreter.get_output_details()[0]["index"]

    def ready(stretches: Sequence[Sound], rate_hz: int) -> Callable[[], None]:
        def hear() -> None:
            heard = np.concatenate([resample(sound, rate_hz, YAMNET_HZ) for sound in stretches])  # it minds no seams
            for first in range(0, len(heard) - YAMNET_WINDOW + 1, YAMNET_HOP):
                interpreter.set_tensor(given, heard[None, first : first + YAMNET_WINDOW])
                interpreter.invoke()
                interpreter.get_tensor(answer)

        return hear

    return Subject("YAMNet", ready)


def quiet_stretches(audio: Path, count: int) -> list[tuple[Sound, int]]:
    """Return stretches of the live-fire recordings that windows.csv lists as without a shot, spread over them all."""
    folder = audio / "live_fire"
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "windows.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"] == "0":
                spans[row["file"]].append((float(row["start_s"]), float(row["start_s"]) + float(row["duration_s"])))
    found: list[tuple[str, float, float]] = []
    for name, listed in sorted(spans.items()):
        joined: list[tuple[float, float]] = []
        for begin, end in sorted(listed):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((begin, end))
        found += [(name, begin, end) for begin, end in joined if end - begin >= LEAST_QUIET_S]
    chosen = found[:: max(1, len(found) // count)][:count]
    return [_read(folder / name, begin, end) for name, begin, end in chosen]


def _read(path: Path, begin_s: float, end_s: float) -> tuple[Sound, int]:
    rate_hz = soundfile.info(path).samplerate
    samples, _ = soundfile.read(path, round((end_s - begin_s) * rate_hz), round(begin_s * rate_hz), dtype="float32")
    return samples, rate_hz


def busy_stretches(audio: Path, count: int) -> list[tuple[Sound, int]]:
    """Return, of each kind of bangs, the clips in which the gate finds most a second."""
    folder = audio / "clips"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen: list[tuple[Sound, int]] = []
    for kinds in BUSY_KINDS.values():
        ranked: list[tuple[float, int, Sound, int]] = []
        for row in (row for row in rows if row["cls"] in kinds):
            samples, rate_hz = soundfile.read(folder / row["clip"], dtype="float32", always_2d=True)
            sound = np.ascontiguousarray(samples[:, 0])
            ranked.append((len(OnsetGate(rate_hz).feed(sound)) / len(sound) * rate_hz, len(ranked), sound, rate_hz))
        chosen += [
            (sound, rate_hz) for _, _, sound, rate_hz in sorted(ranked, reverse=True)[: count // len(BUSY_KINDS)]
        ]
    return chosen


def subjects(models_dir: Path | None, yamnet: Path | None) -> list[Subject]:
    """Return everything that is to be compared, as far as it is here."""
    found = [of_detector("gate", Costless(), 0.5)]
    for name in SETS:
        try:
            classifier: NetworkShotClassifier = open_classifier(name, models_dir)
        except ModelError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
        else:
            found.append(of_detector(name, classifier, classifier.threshold))
    other = None if yamnet is None else of_yamnet(yamnet)
    return found if other is None else [*found, other]


def measure(
    compared: Sequence[Subject], stretches: Sequence[Sound], rate_hz: int, rounds: int
) -> dict[str, list[float]]:
    """Return each subject's milliseconds of computing per second of sound, one figure a round."""
    seconds = sum(map(len, stretches)) / rate_hz
    took: dict[str, list[float]] = {subject.name: [] for subject in compared}
    hearing = {subject.name: subject.ready(stretches, rate_hz) for subject in compared}
    for subject in compared:
        subject.ready(stretches[:2], rate_hz)()  # tables are made, memory is touched
    for _ in range(rounds):
        for subject in compared:
            began_ns = time.process_time_ns()
            hearing[subject.name]()
            took[subject.name].append((time.process_time_ns() - began_ns) / 1e6 / seconds)
    return took


def judged_per_second(stretches: Sequence[Sound], rate_hz: int) -> float:
    """Return how often a second the detector asks its classifier."""
    counting = Costless()
    of_detector("gate", counting, 0.5).ready(stretches, rate_hz)()
    return counting.judged / (sum(map(len, stretches)) / rate_hz)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, help="the folder that holds live_fire and clips")
    parser.add_argument("--models-dir", type=Path, help="where gunshot-mn04's trunk is, if not where devices look")
    parser.add_argument("--yamnet", type=Path, help="yamnet_waveform.tflite")
    parser.add_argument("--rate", type=int, nargs="+", default=[16_000, 48_000], help="the microphone's Hz")
    parser.add_argument("--count", type=int, default=30, help="stretches of each kind of sound")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    compared = subjects(arguments.models_dir, arguments.yamnet)
    sounds = {
        "quiet": quiet_stretches(arguments.audio, arguments.count),
        "busy": busy_stretches(arguments.audio, arguments.count),
    }
    for rate_hz in arguments.rate:
        for kind, recorded in sounds.items():
            stretches = [resample(sound, own_hz, rate_hz) for sound, own_hz in recorded]
            report(kind, rate_hz, stretches, measure(compared, stretches, rate_hz, arguments.rounds), arguments.json)


def report(kind: str, rate_hz: int, stretches: Sequence[Sound], took: Mapping[str, list[float]], as_json: bool) -> None:
    """Print one kind of sound at one rate."""
    judged = judged_per_second(stretches, rate_hz)
    seconds = sum(map(len, stretches)) / rate_hz
    if not as_json:
        print(f"\n{kind}, {rate_hz} Hz, {seconds:.0f} s, the classifier is asked {judged:.2f} times a second")
    for name, figures in took.items():
        line: dict[str, object] = {"sound": kind, "rate_hz": rate_hz, "subject": name, "judged_per_s": round(judged, 3)}
        line["ms_per_s"] = round(statistics.median(figures), 4)
        if "YAMNet" in took:
            ratios = [ours / theirs for ours, theirs in zip(figures, took["YAMNet"], strict=True)]
            line["of_yamnet"] = round(statistics.median(ratios), 4)
        if as_json:
            print(json.dumps(line))
        else:
            beside = f"{line['of_yamnet']:8.2f} of YAMNet's" if "of_yamnet" in line else ""
            print(f"  {name:<18} {line['ms_per_s']:8.3f} ms a second {beside}")


if __name__ == "__main__":
    main()
