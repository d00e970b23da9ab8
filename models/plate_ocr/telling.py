"""The words of the card and of the terminal: what a training was, what it learnt from, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from models.plate_ocr.card import WORTH_NAMING, Column, Facts, share
from models.plate_ocr.pictures import CHARACTERS
from models.plate_ocr.scoring import PAD, Labelled, recall
from models.plate_ocr.training import BATCH, Training

_OPENING = """\
Reads a crop of a number plate, and says which state, province or country issued it. Made for cameras over roads; what
it says goes to people, who decide.

Input `input`: uint8 (N, 64, 128, 3), RGB, the crop brought to that size whatever its shape was, cubic. Output
`columns`: float32 (N, 32, 37), for each of 32 columns from left to right the probabilities of 0-9, A-Z and, last, of
nothing, to be read by CTC. Output `region`: float32 (N, {regions}), in the order of the YAML's `plate_regions`.
{weights:,} weights, large ones stored as float16; a convolution trunk, two transformer layers, and a region head with
convolutions of its own."""

_RENDERED = """\
- Rendered plates (`models/plate_rendering`), fresh ones throughout: layouts and serial formats of the states, provinces
  and countries, drawn and photographed by a program. Apache-2.0, as the project.
- Their characters: stroke dies of the project's own (Apache-2.0) and, where installed, Debian's fonts: Routed Gothic
  (SIL OFL 1.1, MIT), Roadgeek (MIT), OpenDIN (SIL OFL 1.1), National Park (SIL OFL 1.1), DejaVu (Bitstream Vera); and
  the two fonts that OpenCV brings. What fonts' licences ask concerns the fonts, not pictures of their letters."""

_UNSEEN = """\
- It never saw a photograph of a real plate while it learnt; what the renderer does not know, it does not know.
"""
_FAILURES = """\
- Its errors on us-crops, us-dev and eu-dev were looked at to improve the renderer: letters' shapes, small stacked
  letters, shields and pictures beside the serial, the looks of states. No picture of theirs trained, but the figures on
  them flatter it by what was learnt that way; plates of other places and years are read less well.
- O and 0 differ on few plates. Where a state uses one form for both, the network guesses by their place in the serial.
  Of the photographs' labels, us-dev's write every O as 0 and the others' now one, now the other: what their O and 0 are
  read as tells little.
- Letters outside A-Z are read as the nearest of A-Z, or not at all. Small stacked letters are left out by intent, as
  most labels and hotlists leave them out, and now and then one is read all the same.
- Below about 50 px of width it reads some plates wrong with confidence until its probabilities are calibrated
  (`models/plate_calibration`).
- Infrared has no colours: regions are then told by layout and serial alone, and less often right."""


def facts(training: Training, args: argparse.Namespace, judged: Collection[str]) -> Facts:
    """Gather what the card of ``training`` tells.

    Args:
        training: what is over.
        args: the recipe's arguments.
        judged: the names of the sets it was judged on.
    """
    progress = training.progress
    weights = sum(p.numel() for p in training.network.parameters())
    opening = _OPENING.format(regions=len(training.regions), weights=weights)
    data, title, failures = _RENDERED, "plate-ocr", _UNSEEN + _FAILURES
    if args.data:
        data += f"\n- A folder of labelled crops, `{args.data.name}`: half of every batch. Licence: its owner's to say."
        title, failures = f"plate-ocr, taught {args.data.name}", _FAILURES
    how = (
        f"`models/plate_ocr/train` with seed {args.seed}: {progress.samples:,} pictures in batches of {BATCH} over "
        f"{progress.seconds / 60:.0f} minutes on {args.threads} thread(s) of {training.device_name}, the renderer in a "
        "process of its own. CTC loss, and the region's cross-entropy beside it; AdamW; warm-up, a constant rate, then "
        "a straight line down; bf16 but for the losses; what is shipped is the weights' exponential average. Another "
        "run gives other weights: which picture is met when depends on the cores."
    )
    if args.note:
        how += f" {args.note}"
    about = {
        "rendered": "rendered plates that never trained",
        "infrared": "rendered plates that never trained, in infrared",
    }
    about |= {"held out": "crops of the folder, held out by text"}
    about |= {folder.name: f"{folder.name}, {_cut(folder)}" for folder in args.score}
    sets = {name: what for name, what in about.items() if name in judged}
    return Facts(title, opening, data, how, failures, sets, args.out / "curve.csv")


def say(columns: Sequence[Column], sets: Sequence[Labelled]) -> None:
    """Print how each network read each set; and characters of the first that it reads much worse than another."""
    own = columns[0]
    for labelled in sets:
        for column in columns:
            found = column.scores[labelled.name]
            print(
                f"{labelled.name}: {column.name}: exact {share(found.exact, found.total)}, merged "
                f"{share(found.merged, found.total)}, region {share(found.right, found.known)}"
            )
    for column in columns[1:]:
        for name, found in column.scores.items():
            lost = {c: recall(found.characters, c) - recall(own.scores[name].characters, c) for c in CHARACTERS}
            worse = ", ".join(f"{c} by {100 * by:.1f}" for c, by in sorted(lost.items()) if by > WORTH_NAMING)
            if worse:
                print(f"{name}: read less often than by {column.name}, in points: {worse}")


def _cut(folder: Path) -> str:
    with (folder / "truth.csv").open(encoding="utf-8") as handle:
        boxed = "x" in handle.readline().strip().split(",")
    return f"labelled boxes widened by {100 * PAD:.0f} %" if boxed else "whole pictures"
