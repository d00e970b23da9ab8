"""Fit the calibration of single-frame plate readings, and write down what it is worth.

    PYTHONPATH=. python models/plate_calibration/recipe.py --crops DIR --models-dir DIR

``--crops`` holds pictures of plates and a truth.csv (image, text); your own will do, 300 plates or more. Each is shown
at three widths, by day and as infrared, and read by the device's own code with each OCR of ``--set``. The parameters go
to parameters.toml beside this file; OCRs that were not named keep theirs. Figures are out of fold, five folds of
plates; they are printed, and replace what stands between the markers in card.md and docs/plates.md, and the diagram
goes to docs/plates-reliability.svg. ``--photographs`` (folders with a truth.csv that has boxes) and ``--reads`` (raw
slots of the first set's OCR as JSON lines) are looked at afterwards, with the parameters as written; nothing is fitted
to them.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from fitting import Answers, calibrated, fit, joined, judged, out_of_fold
from numpy.typing import NDArray
from observing import Observer, look_at, models_of
from reliability import Bin, bins, calibration_error, diagram, interval
from views import CONDITIONS, WIDTHS_PX, read_crops

from edge_agent.plates.calibration import Parameters, load_parameters

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
MARKERS = ("<!-- figures -->", "<!-- /figures -->")
_HEAD = (
    "| OCR | readings | number | right | mean confidence | error, 15 bins | 10 bins | raw, 15 bins |\n"
    + "|---" * 8
    + "|"
)


def main() -> None:
    """Read, fit, test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--models-dir", type=Path, help="default: $NIGHTJAR_MODELS_DIR")
    parser.add_argument("--set", action="append", dest="sets", help="default: reference and reference-v1")
    parser.add_argument("--limit", type=int, help="take only so many crops, spread over all: a quick try")
    parser.add_argument("--photographs", type=Path, action="append", default=[])
    parser.add_argument("--reads", type=Path)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of parameters.toml and card.md")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of plates.md and the diagram")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    crops = read_crops(args.crops)
    if args.limit:
        crops = crops[:: max(1, len(crops) // args.limit)]
    target = args.out / "parameters.toml"
    fitted = load_parameters(target) if target.exists() else {}
    called = _names(target)
    lines, panels = [_HEAD], []
    sets = [models_of(name, args.models_dir) for name in args.sets or ["reference", "reference-v1"]]
    observers = [Observer(models) for models in sets]
    views = {condition: look_at(observers, crops, condition) for condition in CONDITIONS}
    for number, (models, observer) in enumerate(zip(sets, observers, strict=True)):
        ocr = called[models.ocr_sha256] = models.ocr.stem
        answers = {condition: found[number] for condition, found in views.items()}
        rows, raw_bins, fitted_bins = _out_of_fold(ocr, answers)
        parameters = fitted[models.ocr_sha256] = fit(joined(answers["day"], answers["infrared"]))
        others = [("undegraded", answers["clean"])]
        others += [(folder.name, observer.photographs(folder)) for folder in args.photographs]
        others += (
            [(f"{args.reads.parent.parent.name}/{args.reads.parent.name}", observer.lines(args.reads))]
            if args.reads and not number
            else []
        )
        rows += [_row(ocr, what, found, calibrated(found, parameters)) for what, found in others]
        lines += rows
        panels.append((ocr, raw_bins, fitted_bins))
        print(f"{ocr}: {parameters}", *rows, sep="\n", file=sys.stderr, flush=True)
        if not number:
            table = _table(fitted_bins)
    figures = "\n".join([*_parameters(fitted, called), "", *lines])
    print(figures, "", table, sep="\n")
    target.write_text(_toml(fitted, called), encoding="utf-8")
    (args.docs / "plates-reliability.svg").write_text(diagram(panels), encoding="utf-8")
    _replace(args.out / "card.md", figures)
    pooled = [line for line in lines if line == _HEAD or "**" in line]
    _replace(args.docs / "plates.md", "\n".join([*pooled, "", table]))


def _out_of_fold(ocr: str, answers: Mapping[str, Answers]) -> tuple[list[str], list[Bin], list[Bin]]:
    """Return the table's rows, and the bins of daylight before and after, each plate by a fit without it."""
    day, infrared = answers["day"], answers["infrared"]
    held_out = out_of_fold(joined(day, infrared))
    by_day, by_infrared = held_out[: len(day.texts)], held_out[len(day.texts) :]
    rows = [_row(ocr, "**day, three widths**", day, by_day)]
    for at, width_px in enumerate(WIDTHS_PX):
        here = day.distances == at
        rows.append(_row(ocr, f"day, {f'{width_px} px' if width_px else 'full size'}", day.where(here), by_day[here]))
    rows.append(_row(ocr, "**infrared (rendered), three widths**", infrared, by_infrared))
    return rows, bins(*judged(day, day.probabilities)), bins(*judged(day, by_day))


def _row(ocr: str, what: str, answers: Answers, probabilities: NDArray[np.float32]) -> str:
    confidence, right = judged(answers, probabilities)
    raw, _ = judged(answers, answers.probabilities)
    errors = []
    for count in (15, 10):
        low, high = interval(confidence, right, answers.texts, count)
        errors.append(f"{calibration_error(confidence, right, count):.3f} ({low:.3f}-{high:.3f})")
    before = calibration_error(raw, right)
    return (
        f"| {ocr} | {what} | {len(right):,} | {right.mean() * 100:.1f} % | {confidence.mean():.3f} | "
        f"{errors[0]} | {errors[1]} | {before:.3f} |"
    )


def _parameters(fitted: Mapping[str, Parameters], called: Mapping[str, str]) -> list[str]:
    rows = ["| OCR | id | temperature at 88 px | narrowness | infrared | floor |", "|---" * 6 + "|"]
    for ocr, p in fitted.items():
        numbers = (p.temperature, p.narrowness, p.infrared, p.floor)
        rows.append(" | ".join([f"| {called[ocr]}", f"`{p.id_for(ocr)}`", *(f"{n:g}" for n in numbers)]) + " |")
    return rows


def _table(found: Sequence[Bin]) -> str:
    rows = [f"| {b.count} | {b.promised:.3f} | {b.right:.3f} |" for b in found]
    return "\n".join(["| readings | mean confidence | right |", "|---|---|---|", *rows])


def _names(path: Path) -> dict[str, str]:
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("fitted", []) if path.exists() else []
    return {entry["ocr"]: entry["name"] for entry in entries}


def _toml(fitted: Mapping[str, Parameters], called: Mapping[str, str]) -> str:
    out = ["# Written by recipe.py; card.md says on what. Read by edge_agent/plates/calibration.py.\n"]
    for ocr, parameters in sorted(fitted.items(), key=lambda item: called[item[0]]):
        out += ["[[fitted]]", f'name = "{called[ocr]}"', f'ocr = "{ocr}"']
        out += [f"{name} = {value!r}" for name, value in asdict(parameters).items()] + [""]
    return "\n".join(out)


def _replace(path: Path, figures: str) -> None:
    """Put ``figures`` between the markers of ``path``, if it is there and has them."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begin, rest = text.partition(MARKERS[0])
    _, end, after = rest.partition(MARKERS[1])
    if begin and end:  # a folder of your own need not have the pages
        path.write_text(f"{before}{begin}\n\n{figures}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
