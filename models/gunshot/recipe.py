"""Make the gunshot detectors from folders of audio: prepare, cross-validate, calibrate, train, export.

    models/gunshot/train --clips DIR --live-fire DIR --teacher mn04_as.onnx --work DIR [--out DIR] [STAGE]

STAGE is one of

    prepare   make the views and the device's windows of all recordings (half an hour on two cores)
    crossval  and train once for each held-out fold, and write its scores: NAME-clips.jsonl, NAME-live_fire.jsonl in
              --work, one JSON object a recording, each scored by a file that heard nothing of its fold
    fit       and train on everything that each file may learn from: NAME.onnx in --out
    card      and write figures.md into --work: the tables of the model card

and each does what it needs of those before; left out, all is done. ``--clips`` and ``--live-fire`` are laid out as
card.md says and may be your own; either may be left out, and so may ``--teacher`` (then there is no gunshot-mn04, and
the students learn from labels alone). Everything in between is kept in ``--work`` and reused: a run that was stopped
goes on where it was. "gunshot" and "gunshot-mn04" learn only from recordings whose licence allows commercial and
government use, "gunshot-research" from all.

Students share work without sharing what they may not hear: one is trained without folds 0 and 1 and one without 2 and
3; each fold's student goes on from the one that did not hear it, and gunshot-research from gunshot of its own fold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from models.gunshot.corpus import FOLDS, Recording, read_clips, read_live_fire
from models.gunshot.exporting import ShippedStudent, export_heads, export_student
from models.gunshot.figures import write_figures
from models.gunshot.heads import OPINION_SHARE, Head, Heads, ShippedHead, train_heads
from models.gunshot.hearing import Windows, hear, with_windows
from models.gunshot.network import Student
from models.gunshot.sampling import CLEAN_ONLY, allowed_for, chances
from models.gunshot.scoring import Calibration, calibrate, read_scores, scores_of, write_scores
from models.gunshot.training import BATCH, Teaching, averaged_in, teaching_of, train
from models.gunshot.views import Views, open_views, prepare

STAGES = ("prepare", "crossval", "fit", "card")
STUDENTS = ("gunshot", "gunshot-research")
HEAD = "gunshot-mn04"
_EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Dose:
    """How heads are trained.

    Attributes:
        plain: how much likelier a plain view is drawn than a changed one.
        live_fire: the share of live-fire shots.
        steps: batches of each; they learn the few clean recordings by heart if left to it.
        count: how many are averaged.
        opinion_share: how much of the teacher's gun logit is added.
    """

    plain: float
    live_fire: float
    steps: int
    count: int
    opinion_share: float


@dataclass(frozen=True, slots=True)
class Round:
    """One training of a student.

    Attributes:
        file: whose recordings it may learn from.
        after: the round whose student it goes on from, or None.
        steps: batches.
        plain: how much likelier a plain view is drawn than a changed one.
        taught: how the heads are trained that teach it.
    """

    file: str
    after: str | None
    steps: int
    plain: float
    taught: Dose


_HEAD_DOSE = Dose(plain=60, live_fire=0.12, steps=300, count=3, opinion_share=OPINION_SHARE)
_MILD = Dose(plain=10, live_fire=0.07, steps=300, count=1, opinion_share=0.3)
_WIDE = Dose(plain=60, live_fire=0.07, steps=600, count=1, opinion_share=0.1)
_BASE = "base"
ROUNDS = {
    _BASE: Round("gunshot", None, 7000, 5, _MILD),
    "gunshot": Round("gunshot", _BASE, 1600, 5, _MILD),
    "gunshot-research": Round("gunshot-research", "gunshot", 1100, 8, _WIDE),
}
_LIVE_FIRE = 0.07
"""A student's share of live-fire shots among its draws."""
HEAD_SHARES = {"gunshot": 0.75, "gunshot-research": 0.5}
"""Of a student's logits, the share that was learned from the heads: chosen on the held-out scores."""


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What every stage needs.

    Attributes:
        recordings: all of them.
        teacher: mn04's file, or None.
        work: folder for everything in between.
        out: folder for the files that ship.
        share: of the usual number of views.
        training: of the usual number of steps.
        workers: processes side by side, one thread each.
    """

    recordings: tuple[Recording, ...]
    teacher: Path | None
    work: Path
    out: Path
    share: float
    training: float
    workers: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are not done yet.

    Returns:
        0; 2 where the arguments are of no use; 130 after Ctrl-C, with everything kept that was done.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", nargs="?", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--live-fire", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--views", type=float, default=1.0, help="share of the usual 119,000 views")
    parser.add_argument("--training", type=float, default=1.0, help=f"share of the usual steps, batches of {BATCH}")
    parser.add_argument("--workers", type=int, default=2, help="trainings side by side, one thread each")
    args = parser.parse_args(arguments)
    recordings = (
        *(read_clips(args.clips) if args.clips else []),
        *(read_live_fire(args.live_fire) if args.live_fire else []),
    )
    if not recordings:
        parser.error("no recordings: name --clips, --live-fire or both")
    kitchen = Kitchen(recordings, args.teacher, args.work, args.out, args.views, args.training, args.workers)
    try:
        run(kitchen, args.stage)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    return 0


def run(kitchen: Kitchen, stage: str) -> None:
    """Do ``stage`` and what it needs of those before."""
    wanted = STAGES[: STAGES.index(stage) + 1]
    prepare(kitchen.recordings, kitchen.teacher, kitchen.work / "views", share=kitchen.share, workers=kitchen.workers)
    windows = hear(kitchen.recordings, kitchen.teacher, kitchen.work, kitchen.workers)
    if "crossval" in wanted:
        _students(kitchen, [f"{fold}" for fold in range(FOLDS)])
        _heads(kitchen, [f"{fold}" for fold in range(FOLDS)])
        _judge(kitchen, windows)
    if "fit" in wanted:
        _students(kitchen, [_EVERYTHING])
        _heads(kitchen, [_EVERYTHING])
        _ship(kitchen)
    if "card" in wanted:
        told = {name: read_scores(kitchen.recordings, kitchen.work / name) for name in _names(kitchen)}
        write_figures(kitchen.recordings, told, kitchen.work)


def _names(kitchen: Kitchen) -> tuple[str, ...]:
    return (*STUDENTS, HEAD) if kitchen.teacher else STUDENTS


def _students(kitchen: Kitchen, folds: Iterable[str]) -> None:
    """Train the students of ``folds`` ("all": nothing held out); each goes on from one of the round before."""
    folds = list(folds)
    rounds = (
        [(_BASE, base) for base in sorted({_base_of(fold) for fold in folds})],
        *([(name, fold) for fold in folds] for name in STUDENTS),
    )
    with ProcessPoolExecutor(kitchen.workers, get_context("spawn")) as pool:
        for jobs in rounds:
            todo = [job for job in jobs if not _made(kitchen, *job).exists()]
            for job in [pool.submit(_train_one, kitchen, name, fold) for name, fold in todo]:
                job.result()


def _made(kitchen: Kitchen, name: str, fold: str) -> Path:
    """Return the file that is there when a training is over."""
    return kitchen.work / f"{name}-{fold}.{'onnx' if name in STUDENTS else 'over'}"


def _heads(kitchen: Kitchen, folds: Iterable[str]) -> None:
    """Train the heads of ``folds`` that ship, or judge."""
    if kitchen.teacher:
        views = _views(kitchen)
        for fold in folds:
            heads = _heads_for(kitchen, views, HEAD, HEAD, fold, _HEAD_DOSE)
            target = kitchen.work / f"{HEAD}-{fold}.onnx"
            export_heads(ShippedHead(heads, Calibration()), target, name=HEAD)


def _train_one(kitchen: Kitchen, name: str, fold: str) -> None:
    """Train one student in a process of its own, unless it is there already."""
    torch.set_num_threads(1)
    plan = ROUNDS[name]
    views = _views(kitchen)
    allowed = allowed_for(plan.file, _held_out(fold), views)
    drawn = chances(kitchen.recordings, views, allowed, plain=plan.plain, live_fire=_LIVE_FIRE)
    teaching: Teaching | None = None
    if kitchen.teacher:
        heads = _heads_for(kitchen, views, plan.file, name, fold, plan.taught)
        teaching = teaching_of(views, np.flatnonzero(drawn), heads, plan.taught.opinion_share)
    before = f"{_BASE}-{_base_of(fold)}" if plan.after == _BASE else f"{plan.after}-{fold}"
    student = train(
        views,
        drawn,
        teaching,
        steps=max(2, round(kitchen.training * plan.steps)),
        seed=1,
        checkpoint=kitchen.work / f"{name}-{fold}.pt",
        start=None if plan.after is None else kitchen.work / f"{before}.pt",
    )
    if name in STUDENTS:
        _export_student(kitchen, student, name, _made(kitchen, name, fold), Calibration())
    else:
        _made(kitchen, name, fold).touch()


def _export_student(kitchen: Kitchen, student: Student, name: str, target: Path, calibration: Calibration) -> None:
    head_share = HEAD_SHARES[name] if kitchen.teacher else 0.0
    export_student(ShippedStudent(student, head_share, calibration), target, name=name)


def _heads_for(kitchen: Kitchen, views: Views, file: str, called: str, fold: str, dose: Dose) -> Heads:
    """Train heads on what ``file`` may learn from without ``fold``, or read them."""
    kept = kitchen.work / f"heads-{called}-{fold}.pt"
    if kept.exists():
        heads = Heads([Head() for _ in range(dose.count)])
        heads.load_state_dict(torch.load(kept, weights_only=True))
        return heads.eval()
    drawn = chances(
        kitchen.recordings,
        views,
        allowed_for(file, _held_out(fold), views),
        plain=dose.plain,
        live_fire=dose.live_fire,
        labelled=True,
    )
    heads = train_heads(views.embeddings, views.kind, drawn, steps=dose.steps, count=dose.count)
    torch.save(heads.state_dict(), kept)
    return heads


def _judge(kitchen: Kitchen, windows: Windows) -> None:
    """Score each recording by the file that never heard its fold."""
    folds = np.array([r.fold for r in kitchen.recordings])
    for name in _names(kitchen):
        scores = np.full(len(folds), -np.inf, np.float32)
        for fold in range(FOLDS):
            path = kitchen.work / f"{name}-{fold}.onnx"
            scores = np.maximum(scores, scores_of(path, windows, len(folds), folds == fold))
        write_scores(kitchen.recordings, scores, kitchen.work / name)


def _ship(kitchen: Kitchen) -> None:
    """Calibrate by the held-out scores and write the files that ship."""
    kitchen.out.mkdir(parents=True, exist_ok=True)
    for name in _names(kitchen):
        scores = read_scores(kitchen.recordings, kitchen.work / name)
        calibration = calibrate(kitchen.recordings, scores, clean_only=name in CLEAN_ONLY)
        target = kitchen.out / f"{name}.onnx"
        if name == HEAD:
            heads = _heads_for(kitchen, _views(kitchen), HEAD, HEAD, _EVERYTHING, _HEAD_DOSE)
            export_heads(ShippedHead(heads, calibration), target, name=name)
        else:
            student = averaged_in(kitchen.work / f"{name}-{_EVERYTHING}.pt")
            _export_student(kitchen, student, name, target, calibration)
        print(f"{target}: {calibration}", file=sys.stderr)


def _views(kitchen: Kitchen) -> Views:
    """Return the views and the device's windows, both of which are there."""
    views = open_views(kitchen.recordings, kitchen.work / "views", kitchen.share)
    return with_windows(kitchen.recordings, views, hear(kitchen.recordings, kitchen.teacher, kitchen.work))


def _held_out(fold: str) -> tuple[int, ...]:
    """Return the folds that are held out by one called ``fold``: "2", "without-01" or "all"."""
    return () if fold == _EVERYTHING else tuple(int(digit) for digit in fold.removeprefix("without-"))


def _base_of(fold: str) -> str:
    """Return which student a fold's goes on from: one that heard neither it nor the fold beside it."""
    return "without-01" if fold in ("0", "1") else "without-23"


if __name__ == "__main__":
    sys.exit(main())
