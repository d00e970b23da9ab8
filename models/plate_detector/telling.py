"""The words of the card: what a training was, what it learnt from, and what is known to go wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.plate_detector.card import Facts
from models.plate_detector.training import Training

_OPENING = """Finds number plates in photographs and frames of video. Made for cameras over roads; what it finds is read
by an OCR, and people decide.

Input `images`: float32 (1, 3, {height}, {width}), RGB in [0, 1], the picture letterboxed on grey 114 as
open-image-models does. Output `plates`: float32 (N, 7): 0, x1, y1, x2, y2 in pixels of the input, class 0, score;
suppression is inside.
{weights:,} weights: 3 x 3 convolutions down to stride 32, a small pyramid, one head at stride 8. Scores are moved
(`score.shift` in the file) so that the threshold at which the figures below hold is the product's default, 0.4."""

_RENDERED = """- Plates, and what looks like them (lamps, grilles, stickers, signs, badges, lettering, clocks), drawn by
  `models/plate_rendering` into the photographs, fresh ones throughout. Apache-2.0, as the project.
- Real plates are covered now and then, and rendered ones put in their place. Crops from 256 to 320 px in which plates
  are 12 to 290 px wide; whole pictures as deployed; pictures that are hardly more than a plate."""

_FAILURES = """- It was taught few photographs from North America; what it knows of American plates is mostly rendered.
- Plates narrower than 20 px in the network's input are found now and then only, and no OCR reads them.
- Tail lights, grilles, oval country stickers and lettering in a frame come back with scores around the threshold; the
  OCR and `edge_agent/plates/rejection.py` decide then.
- A frame may take in the plate's recess or holder, up to a tenth of the plate's height.
- In a picture that is hardly more than a plate, the frame may leave out up to a sixth of the plate at either side, and
  with it a character, if the reader does not look beyond the frame."""


def facts(training: Training, args: argparse.Namespace) -> Facts:
    """Gather what the card of ``training`` tells; ``args`` are the recipe's."""
    plan, progress = training.plan, training.progress
    opening = _OPENING.format(
        height=plan.sizes.deployed_px[0],
        width=plan.sizes.deployed_px[1],
        weights=sum(p.numel() for p in training.network.parameters()),
    )
    folders = ", ".join(f"`{Path(given.partition('=')[0]).name}`" for given in args.data)
    data = (
        f"- Photographs with boxes: {folders}. Authors, licences and changes of those the shipped network learnt from: "
    )
    data += "[ATTRIBUTION.csv](ATTRIBUTION.csv); others are their owner's to tell.\n"
    if args.teacher:
        data += f"- Another detector, `{args.teacher.name}`, tightened their boxes and completed them (`teacher.py`).\n"
    how = (
        f"`models/plate_detector/train`, seed {args.seed}: {progress.seen:,} pictures in {progress.steps:,} steps over "
        f"{progress.spent_s / 60:.0f} minutes by the clock, {args.threads} thread(s) on {plan.device}; "
        "another process drew"
        + (f", going on from `{args.resume.name}`" if args.resume else "")
        + f". AdamW at {plan.rate:g}, falling to nothing over the last {plan.decay:.0%} of the budget; bf16 but for "
        "the losses; what ships is the weights' moving average. Scores learn the root of their own frames' overlap, "
        "frames complete IoU. Another machine gives other weights.\n\n"
        "    models/plate_detector/train --data ro-mit=0.32 --data web-ccby=0.68 --teacher DETECTOR.onnx --out FOLDER"
        "\n\n"
        "goes through it again; `--resume plate_detector.onnx --data YOURS --budget-minutes 15` teaches it your own."
    )
    return Facts("plate-detector", opening, data + _RENDERED, how, _FAILURES, args.out / "curve.csv")
