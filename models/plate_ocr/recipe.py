"""Make the plate OCR and its region head from rendered plates, or teach them a folder of your own.

    models/plate_ocr/train --out FOLDER [--budget-minutes 480] [--resume CHECKPOINT|ONNX]
    models/plate_ocr/train --data YOURS --out FOLDER [--budget-minutes 15]

The first trains from nothing, or goes on. The second starts from the network in the repository (or --resume) and learns
YOURS/truth.csv: image,text and, if known, region (an ISO 3166 code such as US-TX); the pictures are crops of plates.
Both write plate_ocr.onnx and plate_ocr.yaml into FOLDER/model, and into FOLDER card.md, checkpoint.pt, curve.csv and
what the card compares with. Ctrl-C keeps a checkpoint.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from models.plate_ocr import telling
from models.plate_ocr.card import Column, sha256_of, write_card
from models.plate_ocr.exporting import export, weights_in
from models.plate_ocr.folder import Mixed, labelled_of, read_folder, samples_of
from models.plate_ocr.notes import Notes
from models.plate_ocr.quantising import quantise
from models.plate_ocr.samples import RenderedStream, Source, held_out
from models.plate_ocr.scoring import Labelled, Reader, read_labelled, score
from models.plate_ocr.training import PEAK_RATE, Training
from models.plate_rendering.faces import REGIONS

SHIPPED = Path(__file__).with_name("plate_ocr.onnx")
# Plates that judge and never train: far from any seed that does.
_HELD_OUT_SEED = 7_000_003
_HELD_OUT_WATCHED = 1_000
_HELD_OUT_JUDGED = 6_000
_CALIBRATING = 512
# A network that already reads is taught more gently.
_TEACHING_RATE = 6e-4
_MINUTES, _TEACHING_MINUTES = 480.0, 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the files.

    Returns:
        0; 2 where the arguments or the folder are of no use; 130 after Ctrl-C, with a checkpoint kept.
    """
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    start = args.resume or (SHIPPED if args.data else None)
    rate = args.rate or (_TEACHING_RATE if args.data else PEAK_RATE)
    training = Training(REGIONS, seed=args.seed, device=_device(args.device), peak_rate=rate)
    before = _start(training, start, args.out) if start else None
    sets = [_rendered(_HELD_OUT_WATCHED)[0], *(read_labelled(folder) for folder in args.score)]
    own = None
    if args.data:
        crops = read_folder(args.data, REGIONS)
        for complaint in crops.bad:
            print(complaint, file=sys.stderr)
        learnt, judged = crops.parts(args.hold_out)
        print(f"{args.data}: {len(learnt)} crops to learn, {len(judged)} held out, {len(crops.bad)} rows left out.")
        if not learnt or not judged:
            print(f"{args.data}: too few crops with different texts; expected a hundred or more.", file=sys.stderr)
            return 2
        own = samples_of(learnt, REGIONS)
        sets = [labelled_of("held out", judged), *sets]
    minutes = args.budget_minutes if args.budget_minutes is not None else _TEACHING_MINUTES if own else _MINUTES
    notes = Notes(args.out, sets, minutes)
    # A service manager's way to say stop, and `kill`'s, is answered like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if training.progress.seconds < 60 * minutes:
            with RenderedStream(args.seed + 1_000_000 * training.progress.step) as stream:
                notes.stream = stream
                source: Source = Mixed(own, stream) if own else stream
                training.run(source, budget_s=60 * minutes, every_s=60 * args.every_minutes, noted=notes)
    except KeyboardInterrupt:
        training.save(args.out / "checkpoint.pt")
        print(f"\nStopped. Go on with --resume {args.out / 'checkpoint.pt'}", file=sys.stderr)
        return 130
    _finish(args, training, sets, before)
    return 0


def _start(training: Training, start: Path, out: Path) -> Path | None:
    """Let ``training`` go on from ``start``; return an ONNX file of what it was before, where ``start`` is one."""
    if start.suffix == ".pt":
        training.restore(start)
        kept = out / "before.onnx"
        return kept if kept.is_file() else None
    training.adopt(*weights_in(start))
    (out / "before.onnx").write_bytes(start.read_bytes())
    return out / "before.onnx"


def _finish(args: argparse.Namespace, training: Training, sets: Sequence[Labelled], before: Path | None) -> None:
    """Write the ONNX file, its YAML, an 8-bit variant to compare with, and the card; say how to run it."""
    # By themselves: the product refuses a folder that holds files which nobody vouched for.
    target = args.out / "model" / "plate_ocr.onnx"
    target.parent.mkdir(exist_ok=True)
    export(training.averaged, training.regions, target)
    judged = [*_rendered(_HELD_OUT_JUDGED), *(s for s in sets if s.name != "rendered")]
    columns = [_judged("this network", target, judged)]
    small = args.out / "plate_ocr.int8.onnx"
    quantise(target, small, held_out(_CALIBRATING, _HELD_OUT_SEED + 1)[0].pictures)
    columns.append(_judged("int8", small, judged))
    if args.data and before:
        columns.append(_judged("before", before, judged))
    if args.reference:
        columns.append(_judged("reference", args.reference, judged))
    facts = telling.facts(training, args, {s.name for s in judged})
    groups: dict[str, list[str]] = {f"on {facts.sets['rendered']}": ["rendered"]}
    if args.score:
        photographed = [folder.name for folder in args.score]
        groups[f"on {', '.join(photographed)} together"] = photographed
    if args.data:
        groups[f"on {facts.sets['held out']}"] = ["held out"]
    write_card(args.out / "card.md", facts, columns, groups)
    telling.say(columns, judged)
    print(
        f"\n{target} is ready. Try it:\n"
        f"    edge-agent read PICTURES --models-dir {target.parent} --trust-digest {sha256_of(target)}"
    )


def _judged(name: str, path: Path, sets: Sequence[Labelled]) -> Column:
    reader = Reader.open(path)
    return Column(name, path, reader.milliseconds(), {s.name: score(reader, s) for s in sets})


def _rendered(count: int) -> tuple[Labelled, Labelled]:
    """Render ``count`` plates that never train; return all of them, and those in infrared."""
    samples, infrared = held_out(count, _HELD_OUT_SEED)
    texts = tuple(samples.text(at) for at in range(count))
    regions = tuple(REGIONS[at] if at >= 0 else "" for at in samples.regions)
    every = Labelled("rendered", tuple(map(str, range(count))), samples.pictures, texts, regions)
    grey = np.flatnonzero(infrared)
    chosen = [tuple(part[at] for at in grey) for part in (every.images, texts, regions)]
    return every, Labelled("infrared", chosen[0], samples.pictures[grey], chosen[1], chosen[2])


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="where everything is written")
    parser.add_argument("--data", type=Path, help="a folder of labelled crops to learn")
    parser.add_argument("--hold-out", type=float, default=0.2, help="the share of --data that judges; 0.2")
    parser.add_argument(
        "--resume", type=Path, help="go on from a checkpoint.pt, or start from an ONNX file of this recipe"
    )
    parser.add_argument(
        "--budget-minutes", type=float, help=f"in all; {_MINUTES:.0f}, with --data {_TEACHING_MINUTES:.0f}"
    )
    parser.add_argument("--every-minutes", type=float, default=5, help="between two judgements and checkpoints")
    parser.add_argument("--score", type=Path, action="append", default=[], help="a folder that judges and never trains")
    parser.add_argument("--reference", type=Path, help="another OCR's ONNX file for the card's tables")
    parser.add_argument("--note", default="", help="a sentence for the card on what no argument tells")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, help="the highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
