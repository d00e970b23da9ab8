"""How well the state is named: by the OCR's region head, by head and serial together, and when it is better not named.

    PYTHONPATH=models/plate_calibration .venv/bin/python bench/regions.py ASSETS/data/plates [--ocr FILE] [--fit]

Works with every OCR that has a region head; one that names countries gets its states from the serials alone. us-crops
names each plate's state. Its crops are shown as they are, and at the three widths of models/plate_calibration by day
and in infrared (a stand-in made of colour pictures); eu-dev at the plates that the detector finds. Asked is the reader
itself, with as many crops as it takes, before its calibration, as in the product; in infrared the head is asked too,
which the product does not do.

*named* is the share of plates whose state ``likeliest_region`` names, *wrong* the share of those that is not theirs,
*exact* the texts read with 0 and O kept apart, *merged* as one, each without and with formats. Intervals are Wilson's,
95 %; views of one plate are no independent plates, so that those of "day" and "infrared" are too narrow.
``--fit`` chooses the exponents and the prior's strengths by log loss and the threshold by the error that
``--most-wrong`` allows, on day and undegraded crops, in five folds by text, and says what they are worth on plates that
had no part in choosing.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from views import WIDTHS_PX, read_crops, render

from edge_agent.inference.models import resolve_plates, sha256_of
from edge_agent.plates.detector import PlateDetector
from edge_agent.plates.format_model import CHARACTER_STRENGTH, LENGTH_STRENGTH, FormatModel
from edge_agent.plates.formats import packaged_formats
from edge_agent.plates.ocr import PlateOcr
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.plates.regions import RegionPosterior, likeliest_region
from edge_agent.records import Box, Reading
from edge_wire.regions import STATE_THRESHOLD

THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
FOLDS = 5
_HEAD_EXPONENTS = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2)
_FORMAT_EXPONENTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LENGTH_STRENGTHS = (0.0, 0.15, 0.3, 0.6, 1.0)
# A calibration comes after the formats: strengths are compared each at the temperature that suits it best.
_TEMPERATURES = (0.8, 1.0, 1.25, 1.5, 2.0)
_NO_CHARACTER = "_"
_LEAST = 1e-6
_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """What the OCR says of one plate, and where that is from.

    Attributes:
        region: the true one; a country where no state is known.
        text: the true one; all views of a plate stay in one fold.
        head: (outputs,): the region head's answer.
        slots: (slots, alphabet): of all its crops, not calibrated.
        evidence: (regions,): what the formats say of them.
        regions: what head and serial come to.
        infrared: whether it is a picture without colour, where the product asks no head.
    """

    region: str
    text: str
    head: NDArray[np.float32]
    slots: NDArray[np.float32]
    evidence: NDArray[np.float64]
    regions: Mapping[str, float]
    infrared: bool

    @property
    def likeliest(self) -> tuple[str, float]:
        """The likeliest region and its probability."""
        return next(iter(self.regions.items()), ("", 0.0))

    @property
    def surprise(self) -> float:
        """Minus the logarithm of the true region's probability."""
        return -float(np.log(max(self.regions.get(self.region, 0.0), 1e-4)))


class Observer:
    """The device's OCR at plates whose place is known."""

    def __init__(self, models_dir: Path | None, ocr: Path | None) -> None:
        models = resolve_plates(models_dir)
        if ocr is not None:
            models = replace(models, ocr=ocr, ocr_config=ocr.with_suffix(".yaml"), ocr_sha256=sha256_of(ocr))
        self._reader = NetworkPlateReader(models)
        network = PlateOcr(models.ocr, models.ocr_config)
        self.alphabet, self.codes = network.alphabet, network.regions
        self.detector = models.detector
        self.formats = FormatModel(packaged_formats(), network.alphabet, network.pad)
        self._origin = RegionPosterior(self.codes, self.formats)

    def see(self, image: NDArray[np.uint8], box: Box, region: str, text: str, infrared: bool = False) -> Seen:
        """Ask about the plate within ``box`` of ``image``, (H, W, 3) uint8 BGR."""
        # What the reader has before anything but its networks had a say: it tells nobody else.
        slots, head, _ = self._reader._read_plate(image, box)
        evidence = self.formats.evidence(slots)
        return Seen(region, text, head, slots, evidence, self._origin.weigh(head, evidence), infrared)

    def weighed(
        self, seen: Seen, strength: float = CHARACTER_STRENGTH, length_strength: float = LENGTH_STRENGTH
    ) -> NDArray[np.float32]:
        """Return the slots of ``seen`` as the product weighs them."""
        return self.formats.weighed(seen.slots, {} if seen.infrared else seen.regions, strength, length_strength)

    def text(self, slots: NDArray[np.float32]) -> str:
        """Return what ``slots``, (slots, alphabet), most likely read."""
        return "".join(self.alphabet[at] for at in slots.argmax(axis=1)).replace(_NO_CHARACTER, "")

    def reading(self, seen: Seen) -> Reading:
        """Return ``seen`` as the product names regions by."""
        return Reading(self.alphabet, _NO_CHARACTER, seen.slots, seen.regions, "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of us-crops and eu-dev")
    parser.add_argument("--models-dir", type=Path, help="default: as the product looks for models")
    parser.add_argument("--ocr", type=Path, help="another OCR's ONNX file, with its YAML beside it")
    parser.add_argument("--limit", type=int, help="take only so many crops, spread over all: a quick try")
    parser.add_argument("--fit", action="store_true", help="choose exponents and threshold, and test the choice")
    parser.add_argument("--most-wrong", type=float, default=0.05, help="of named states, with --fit (default 0.05)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    observer = Observer(arguments.models_dir, arguments.ocr)
    sets = _us_crops(observer, arguments.data / "us-crops", arguments.limit)
    lines: list[dict[str, object]] = []
    for what, seen in sets.items():
        alone = _again(observer, seen, 1.0, 0.0)
        lines.append({"what": what, "plates": len(seen), **_row(observer, seen), "top1_head_alone": _top1(alone)})
        lines.append({"what": what, **_texts(observer, seen)})
    lines += [{"what": what, "threshold": t, **_at(seen, t)} for what, seen in sets.items() for t in THRESHOLDS]
    by_day = [one for what in ("as they are", "day") for one in sets[what]]
    lines += [{"what": "as they are and by day", "pair": pair, **counts} for pair, counts in _pairs(observer, by_day)]
    if arguments.fit:
        lines += list(_fitted(observer, by_day, sets["infrared"], arguments.most_wrong))
        lines += list(_fitted_prior(observer, by_day))
    europe = list(_europe(observer, arguments.data / "eu-dev"))
    named = [likeliest_region(observer.reading(one)) for one in europe]
    told = Counter("nothing" if name is None else name.partition("-")[0] for name in named)
    lines.append({"what": "eu-dev", "plates": len(europe), "named": dict(told.most_common())})
    for line in lines:
        print(json.dumps(line) if arguments.json else "  ".join(f"{key} {value}" for key, value in line.items()))


def _us_crops(observer: Observer, folder: Path, limit: int | None) -> dict[str, list[Seen]]:
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as handle:
        states = {row["image"]: f"US-{row['state']}" for row in csv.DictReader(handle)}
    crops = read_crops(folder)
    if limit:
        crops = crops[:: max(1, len(crops) // limit)]

    def seen(widths: Sequence[int | None], condition: str) -> list[Seen]:
        return [
            observer.see(view.image, view.box, states[crop.name], crop.text, condition == "infrared")
            for crop in crops
            for width_px in widths
            for view in [render(crop, width_px, condition)]
        ]

    return {
        "as they are": seen([None], "clean"),
        "day": seen(WIDTHS_PX, "day"),
        "infrared": seen(WIDTHS_PX, "infrared"),
    }


def _europe(observer: Observer, folder: Path) -> Iterator[Seen]:
    network = PlateDetector(observer.detector)
    for path in sorted(folder.glob("*.jpg")):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        for found in network.detect(image):
            yield observer.see(image, found.box, "", "")


def _row(observer: Observer, seen: Sequence[Seen]) -> dict[str, object]:
    """Top-1, and what the product names: day's rule, also where the marks would have it name nothing."""
    named = [likeliest_region(observer.reading(one)) for one in seen]
    states = [(name, one.region) for name, one in zip(named, seen, strict=True) if name and "-" in name]
    abroad = sum(name is not None and name.partition("-")[0] != "US" for name in named)
    return {
        "top1": _top1(seen),
        "named": _share(len(states), len(seen)),
        "wrong": _share(sum(name != region for name, region in states), len(states)),
        "only_country": _share(named.count("US"), len(seen)),
        "wrong_country": _share(abroad, len(seen)),
        "calibration_error": _calibration_error(seen),
    }


def _texts(observer: Observer, seen: Sequence[Seen]) -> dict[str, object]:
    """How many texts are read, without and with formats."""
    out: dict[str, object] = {}
    for how, slots in (("without", [one.slots for one in seen]), ("with", [observer.weighed(one) for one in seen])):
        pairs = [(observer.text(each), one.text) for each, one in zip(slots, seen, strict=True)]
        out[f"exact_{how}"] = _share(sum(read == text for read, text in pairs), len(seen))
        merged = sum(read.replace("O", "0") == text.replace("O", "0") for read, text in pairs)
        out[f"merged_{how}"] = _share(merged, len(seen))
    return out


def _top1(seen: Sequence[Seen]) -> str:
    return _share(sum(one.likeliest[0] == one.region for one in seen), len(seen))


def _at(seen: Sequence[Seen], threshold: float) -> dict[str, object]:
    states = [one for one in seen if "-" in one.likeliest[0] and one.likeliest[1] >= threshold]
    wrong = sum(one.likeliest[0] != one.region for one in states)
    return {"named": _share(len(states), len(seen)), "wrong": _share(wrong, len(states))}


def _share(hits: int, total: int) -> str:
    """Write a share in per cent, with its Wilson 95 % interval and the numbers it is made of."""
    if not total:
        return "none of 0"
    z, share = 1.96, hits / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    return f"{share:.1%} ({max(middle - half, 0):.1%} to {middle + half:.1%}; {hits}/{total})"


def _calibration_error(seen: Sequence[Seen]) -> float:
    """Mean distance of the likeliest region's probability from the share that is right, in ten equal bins."""
    order = sorted(seen, key=lambda one: one.likeliest[1])
    parts = [part for part in np.array_split(np.arange(len(order)), 10) if len(part)]
    gaps = [
        abs(np.mean([order[at].likeliest[1] - (order[at].likeliest[0] == order[at].region) for at in part])) * len(part)
        for part in parts
    ]
    return round(float(sum(gaps)) / len(order), 4)


def _pairs(observer: Observer, seen: Sequence[Seen]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the pairs of states that are taken for each other most, and how often the wrong one was even named."""
    taken = Counter((one.region, one.likeliest[0]) for one in seen if one.likeliest[0] != one.region)
    named = Counter((one.region, likeliest_region(observer.reading(one))) for one in seen)
    plates = Counter(one.region for one in seen)
    for (region, other), times in taken.most_common(_PAIRS):
        yield f"{region} as {other}", {"times": times, "of": plates[region], "named": named[region, other]}


def _again(observer: Observer, seen: Sequence[Seen], head_exponent: float, format_exponent: float) -> list[Seen]:
    """Weigh what was seen by other exponents."""
    origin = RegionPosterior(observer.codes, observer.formats, head_exponent, format_exponent)
    return [replace(one, regions=origin.weigh(one.head, one.evidence)) for one in seen]


def _fitted(
    observer: Observer, seen: Sequence[Seen], infrared: Sequence[Seen], most_wrong: float
) -> Iterator[dict[str, object]]:
    folds = np.array([zlib.crc32(one.text.encode()) % FOLDS for one in seen])
    tries = {
        exponents: _again(observer, seen, *exponents)
        for exponents in itertools.product(_HEAD_EXPONENTS, _FORMAT_EXPONENTS)
    }
    losses = {exponents: np.array([one.surprise for one in tried]) for exponents, tried in tries.items()}
    out: list[Seen] = []
    thresholds: dict[int, float] = {}
    held_out: list[tuple[Seen, float]] = []
    for fold in range(FOLDS):
        best = min(losses, key=lambda exponents: float(losses[exponents][folds != fold].mean()))
        thresholds[fold] = _threshold([tries[best][at] for at in np.flatnonzero(folds != fold)], most_wrong)
        mine = [tries[best][at] for at in np.flatnonzero(folds == fold)]
        out += mine
        held_out += [(one, thresholds[fold]) for one in mine]
        yield {"fold": fold, "exponents": best, "threshold": thresholds[fold]}
    named = [one for one, threshold in held_out if "-" in one.likeliest[0] and one.likeliest[1] >= threshold]
    yield {
        "what": "out of fold",
        "top1": _top1(out),
        "log_loss": round(float(np.mean([one.surprise for one in out])), 4),
        "named": _share(len(named), len(out)),
        "wrong": _share(sum(one.likeliest[0] != one.region for one in named), len(named)),
        "calibration_error": _calibration_error(out),
    }
    best = min(losses, key=lambda exponents: float(losses[exponents].mean()))
    threshold = _threshold(tries[best], most_wrong)
    dark = _again(observer, infrared, *best)
    yield {"what": "fitted to all", "exponents": best, "threshold": threshold, "shipped": STATE_THRESHOLD}
    yield {"what": "the same in infrared", "top1": _top1(dark), **_at(dark, threshold)}


def _fitted_prior(observer: Observer, seen: Sequence[Seen]) -> Iterator[dict[str, object]]:
    """Choose the strengths by the log loss of the text, 0 and O as one."""
    folds = np.array([zlib.crc32(one.text.encode()) % FOLDS for one in seen])
    losses: dict[tuple[float, float], NDArray[np.float64]] = {}
    for strengths in itertools.product(_STRENGTHS, _LENGTH_STRENGTHS):
        weighed = [observer.weighed(one, *strengths) for one in seen]
        # (temperatures, plates)
        losses[strengths] = np.array(
            [
                [_loss(observer.alphabet, slots, one.text, t) for slots, one in zip(weighed, seen, strict=True)]
                for t in _TEMPERATURES
            ]
        )

    def loss(strengths: tuple[float, float], which: NDArray[np.bool_]) -> float:
        return float(losses[strengths][:, which].mean(axis=1).min())

    everything = np.ones(len(seen), bool)
    for fold in range(FOLDS):
        best = min(losses, key=lambda strengths: loss(strengths, folds != fold))
        held_out = [round(loss(strengths, folds == fold), 4) for strengths in ((0.0, 0.0), best)]
        yield {"fold": fold, "strengths": best, "log_loss_without": held_out[0], "log_loss": held_out[1]}
    best = min(losses, key=lambda strengths: loss(strengths, everything))
    shipped = (CHARACTER_STRENGTH, LENGTH_STRENGTH)
    yield {"what": "strengths fitted to all", "strengths": best, "log_loss": round(loss(best, everything), 4)}
    if shipped in losses:
        yield {"what": "shipped strengths", "strengths": shipped, "log_loss": round(loss(shipped, everything), 4)}


def _loss(alphabet: str, slots: NDArray[np.float32], text: str, temperature: float) -> float:
    """Return minus the logarithm of P(text | slots), where some slots bear no character."""
    rows = np.maximum(slots.astype(np.float64), _LEAST) ** (1 / temperature)
    rows /= rows.sum(axis=1, keepdims=True)
    rows[:, alphabet.index("0")] += rows[:, alphabet.index("O")]
    characters = [alphabet.index(character) for character in text.replace("O", "0")]
    ways = np.zeros(len(text) + 1)
    ways[0] = 1
    for row in rows:
        borne = ways[:-1] * row[characters]
        ways *= row[alphabet.index(_NO_CHARACTER)]
        ways[1:] += borne
    return -float(np.log(max(ways[-1], _LEAST)))


def _threshold(seen: Sequence[Seen], most_wrong: float) -> float:
    """Return the least probability from which on no more than ``most_wrong`` of the named states are wrong."""
    states = [one for one in seen if "-" in one.likeliest[0]]
    order = sorted((one.likeliest[1], one.likeliest[0] != one.region) for one in states)
    wrong = np.cumsum([bad for _, bad in reversed(order)])[::-1]
    share = wrong / np.arange(len(order), 0, -1)
    good = np.flatnonzero(share <= most_wrong)
    return round(order[good[0]][0], 3) if len(good) else 1.0


if __name__ == "__main__":
    main()
