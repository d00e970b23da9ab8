"""Make the plate detector from photographs with boxes and rendered plates, or teach it photographs of your own.

    models/plate_detector/train --data FOLDER [--data FOLDER …] --out NEW [--budget-minutes 100] [--resume FILE]

Every FOLDER holds photographs and boxes.csv: image,x,y,w,h, in pixels, a row a plate; a photograph without a row holds
none. FOLDER=SHARE says how often it is shown beside the others. The network starts from nothing, or from --resume: this
recipe's checkpoint.pt, or the ONNX file in the repository, which is then taught more gently. --score FOLDER RATE judges
and never trains: a truth.csv, and how many false plates a picture are allowed. Into NEW go plate_detector.onnx, an
8-bit variant, card.md, checkpoint.pt and curve.csv. Budgets are minutes by the clock, on a core and a third:
one process learns, another draws. Ctrl-C keeps a checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from models.curve import append_row
from models.plate_detector import telling
from models.plate_detector.boxes import read_folder
from models.plate_detector.card import THRESHOLD, judged, sha256_of, write_card
from models.plate_detector.drawing import Rendered
from models.plate_detector.evaluation import at_false_rate
from models.plate_detector.exporting import export, load_into, score_map, score_map_of
from models.plate_detector.feeding import Feed, Sizes
from models.plate_detector.finding import Finder, Labelled, read_labelled
from models.plate_detector.quantising import quantise
from models.plate_detector.scenes import Photograph, Sampler
from models.plate_detector.teacher import taught
from models.plate_detector.training import Plan, Training

_MINUTES = 100.0
_RATE, _TEACHING_RATE = 2e-3, 5e-4
_CALIBRATING = 96


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the files.

    Returns:
        0; 2 where the arguments or the folders are of no use; 130 after Ctrl-C, with a checkpoint kept.
    """
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    try:
        return _train(args)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _train(args: argparse.Namespace) -> int:
    try:
        photographs, shares = _photographs(args.data, args.teacher)
    except (OSError, ValueError) as error:
        print(f"--data: {error}", file=sys.stderr)
        return 2
    if not photographs:
        print("--data: got no photograph, expected some with a boxes.csv.", file=sys.stderr)
        return 2
    try:
        sets = [read_labelled(Path(folder), float(rate)) for folder, rate in args.score]
    except (OSError, ValueError) as error:
        print(f"--score: {error}", file=sys.stderr)
        return 2
    sampler = Sampler(photographs, Rendered(np.random.default_rng(args.seed + 1)), shares)
    gentle = args.resume is not None and args.resume.suffix == ".onnx"
    sizes = Sizes(deployed_px=args.size)
    plan = Plan(
        budget_s=60 * args.budget_minutes,
        rate=args.rate or (_TEACHING_RATE if gentle else _RATE),
        sizes=sizes,
        seed=args.seed,
        device=_device(args.device),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    with Feed(sampler, sizes, args.seed) as feed:
        training = Training(plan, feed)
        if gentle:
            load_into(training.network, args.resume)
            load_into(training.average, args.resume)
        elif args.resume:
            training.load(args.resume)
        notes = Notes(args.out, sets, args.size, (training.progress.spent_s, training.progress.seen))
        try:
            training.run(60 * args.every_minutes, notes)
        except KeyboardInterrupt:
            training.save(args.out / "checkpoint.pt")
            print(f"Go on with --resume {args.out / 'checkpoint.pt'}", file=sys.stderr)
            raise
    _finish(args, training, sampler, sets)
    return 0


def _photographs(folders: Sequence[str], teacher: Path | None) -> tuple[list[Photograph], list[float]]:
    """Read the folders; say what cannot be used. Returns the photographs, and how often each is shown."""
    finder = Finder(teacher) if teacher else None
    photographs: list[Photograph] = []
    shares: list[float] = []
    for given in folders:
        name, _, share = given.partition("=")
        folder = read_folder(Path(name))
        for line in folder.wrong:
            print(line, file=sys.stderr)
        known = taught(folder.photographs, finder) if finder else folder.photographs
        plates, unknown = (sum(len(getattr(p, what)) for p in known) for what in ("plates", "unknown"))
        wrong = len(folder.wrong)
        print(f"{name}: {len(known)} photographs, {plates} plates, {unknown} places unknown, {wrong} rows left out.")
        photographs += known
        shares += [(float(share) if share else float(len(known))) / max(len(known), 1)] * len(known)
    return photographs, shares


@dataclass(slots=True)
class Notes:
    """Judges a training every few minutes: a checkpoint, a row of curve.csv, a line on the terminal.

    Attributes:
        out: where they go.
        sets: what to judge by.
        size_px: height and width of the deployed network.
        last: seconds and pictures of the training when it was noted last.
    """

    out: Path
    sets: Sequence[Labelled]
    size_px: tuple[int, int]
    last: tuple[float, int]

    def __call__(self, training: Training) -> None:
        """Judge ``training``, and note it."""
        progress = training.progress
        training.save(self.out / "checkpoint.pt")
        row = {
            "minutes": f"{progress.spent_s / 60:.1f}",
            "pictures": str(progress.seen),
            "score loss": f"{progress.score_loss:.4f}",
            "frame loss": f"{progress.frame_loss:.4f}",
        }
        if self.sets:
            path = self.out / "now.onnx"
            export(training.average, path, *self.size_px)
            finder = Finder(path)
            for labelled in self.sets:
                best = at_false_rate(labelled.truth, finder.find_all(labelled.images), labelled.false_rate)
                row[f"{labelled.name} found"] = f"{100 * best.recall:.1f}"
                row[f"{labelled.name} threshold"] = f"{best.threshold:.2f}"
        append_row(self.out / "curve.csv", row)
        before_s, before = self.last
        self.last = (progress.spent_s, progress.seen)
        rate = (progress.seen - before) / max(progress.spent_s - before_s, 1.0)
        left = max(training.plan.budget_s - progress.spent_s, 0.0) / 60
        told = ", ".join(f"{name} {value}" for name, value in row.items())
        print(f"{time.strftime('%H:%M')} {told}; {rate:.0f} a second, {left:.0f} min left", flush=True)


def _finish(args: argparse.Namespace, training: Training, sampler: Sampler, sets: Sequence[Labelled]) -> None:
    """Write the ONNX file, its 8-bit variant and the card; say how to run it."""
    target, small = args.out / "plate_detector.onnx", args.out / "plate_detector.int8.onnx"
    slope, shift = score_map_of(args.resume) if args.resume and args.resume.suffix == ".onnx" else (1.0, 0.0)
    if sets:
        export(training.average, target, *args.size)
        finder = Finder(target)
        # One threshold for all: the lowest at which every set has no more false plates than it allows.
        own = max(at_false_rate(s.truth, finder.find_all(s.images), s.false_rate).threshold for s in sets)
        slope, shift = score_map(own, THRESHOLD)
    export(training.average, target, *args.size, slope=slope, shift=shift)
    (args.out / "now.onnx").unlink(missing_ok=True)
    rng = np.random.default_rng(args.seed + 2)
    quantise(target, small, [sampler.whole_scene(rng, *args.size).image for _ in range(_CALIBRATING)])
    columns = [judged("this network", target, sets), judged("int8", small, sets)]
    if args.reference:
        columns.append(judged("reference", args.reference, sets))
    write_card(args.out / "card.md", telling.facts(training, args), sets, columns)
    print(f"{target} is ready: SHA-256 {sha256_of(target)}; the rest is in {args.out / 'card.md'}.")


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected HEIGHTxWIDTH such as 384x640.") from None
    if height % 32 or width % 32 or height <= 0 or width <= 0:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected multiples of 32.")
    return height, width


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a file.")
    return path


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", action="append", required=True, metavar="FOLDER[=SHARE]", help="with a boxes.csv")
    parser.add_argument("--out", type=Path, required=True, help="where everything is written")
    parser.add_argument("--resume", type=_file, help="a checkpoint.pt to go on from, or an ONNX file to start from")
    parser.add_argument("--budget-minutes", type=float, default=_MINUTES, help="in all, those of --resume included")
    parser.add_argument("--every-minutes", type=float, default=8, help="between two judgements and checkpoints")
    parser.add_argument(
        "--score", nargs=2, action="append", default=[], metavar=("FOLDER", "RATE"), help="judges and never trains"
    )
    parser.add_argument("--teacher", type=_file, help="a detector's ONNX file: it tightens and completes the labels")
    parser.add_argument("--reference", type=_file, help="another detector's ONNX file for the card's tables")
    parser.add_argument("--size", type=_size, default=(384, 640), help="of the deployed network: 384x640")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, help=f"the learning rate: {_RATE}, from an ONNX file {_TEACHING_RATE}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
