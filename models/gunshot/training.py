"""One training of the student on the views that one file, or one fold of it, may use.

The student learns the labels where they are sure and, of every view, what the teacher and the teacher's head said about
the very same samples. What counts afterwards is the running average of its weights. One thread by choice: several
trainings run side by side. Progress is kept after every twentieth of the steps, so that an interrupted training goes on
where it was, with the same batches.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.gunshot.corpus import CLASSES
from models.gunshot.heads import Heads, guns_of, with_opinion
from models.gunshot.network import Student
from models.gunshot.views import Views

BATCH = 64
PEAK_RATE = 3e-3
AGAIN_RATE = 2e-3
"""For a student that goes on from another's weights."""
_DECAY = 0.02
_SMOOTHING = 0.05
_AVERAGED_STEPS = 250
_SHIFT_FRAMES = 8
# Logits of bangs lie some three apart, those of the head two.
_BANG_SPREAD, _HEAD_SPREAD = 3.0, 2.0
_LABEL_SHARE, _EMBEDDING_SHARE, _BANG_SHARE, _HEAD_SHARE = 1.0, 1.0, 1.0, 1.0
# What a changed view's label counts beside a plain one's: heads that learned from changed views alone took more of what
# they had not heard before for shots.
_CHANGED_SHARE = 0.3
_WATCHED_S = 30.0


@dataclass(frozen=True, slots=True)
class Teaching:
    """What the teacher says, as the student is to learn it.

    Attributes:
        centre: (384,) mean of the embeddings that may be learned from.
        spread: (384,) their standard deviation.
        heads: those on the teacher's embeddings that learned from the same recordings.
        opinion_share: how much of the teacher's gun logit is added to theirs.
    """

    centre: Tensor
    spread: Tensor
    heads: Heads
    opinion_share: float


def teaching_of(views: Views, rows: NDArray[np.int64], heads: Heads, opinion_share: float) -> Teaching | None:
    """Return what there is to learn from the teacher over ``rows``; None where the views were made without one."""
    some = torch.from_numpy(views.embeddings[np.sort(rows[:: max(1, len(rows) // 8000)])].astype(np.float32))
    if not torch.isfinite(some).all():
        return None
    return Teaching(some.mean(0), some.std(0) + 1e-2, heads, opinion_share)


def train(
    views: Views,
    chances: NDArray[np.float64],
    teaching: Teaching | None,
    *,
    steps: int,
    seed: int,
    checkpoint: Path,
    start: Path | None = None,
) -> Student:
    """Train a student.

    Args:
        views: all views.
        chances: (views,) how likely each is drawn; those with 0 are never looked at.
        teaching: what the teacher says, or None to learn from labels alone.
        steps: batches of ``BATCH``.
        seed: of weights and batches.
        checkpoint: file for the state in between; removed by nobody, so a finished training is not repeated.
        start: checkpoint of a finished training to begin with, of one that saw nothing that this one may not.

    Returns:
        The averaged student, ready to judge.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    peak_rate = PEAK_RATE if start is None else AGAIN_RATE
    student = Student().to(memory_format=torch.channels_last)
    if start is not None:
        student.load_state_dict(torch.load(start, weights_only=True)["averaged"])
    averaged = copy.deepcopy(student).eval()
    decayed = [p for p in student.parameters() if p.ndim > 1]
    others = [p for p in student.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak_rate, total_steps=steps, pct_start=0.1)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        averaged.load_state_dict(state["averaged"])
        first = state["step"]
        if first < steps:
            optimiser.load_state_dict(state["optimiser"])
            schedule.load_state_dict(state["schedule"])
    rows = np.flatnonzero(chances)
    share = chances[rows] / chances[rows].sum()
    sums, count = np.zeros(5), 0
    began = noted = time.monotonic()
    student.train()
    for step in range(first, steps):
        rng = np.random.default_rng([seed, step])
        picked = np.sort(rows[rng.choice(len(rows), BATCH, p=share)])
        losses = _losses(student, views, picked, teaching, rng)
        loss = torch.stack(losses).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _average(averaged, student, min(1 - 1 / _AVERAGED_STEPS, (step + 1) / (step + 10)))
        sums[: len(losses)] += [part.item() for part in losses]
        count += 1
        if time.monotonic() - noted > _WATCHED_S or step + 1 == steps:
            noted = time.monotonic()
            told = " ".join(f"{part:.3f}" for part in sums / count)
            print(
                f"{checkpoint.stem} {step + 1}/{steps} losses {told} {noted - began:.0f} s", file=sys.stderr, flush=True
            )
            sums, count = np.zeros(5), 0
        if (step + 1) % max(1, steps // 20) == 0 or step + 1 == steps:
            parts = {"student": student, "averaged": averaged, "optimiser": optimiser, "schedule": schedule}
            written = checkpoint.with_suffix(".part")
            torch.save({**{name: part.state_dict() for name, part in parts.items()}, "step": step + 1}, written)
            os.replace(written, checkpoint)
    return averaged


def averaged_in(checkpoint: Path) -> Student:
    """Return the averaged student in a checkpoint, ready to judge."""
    student = Student()
    student.load_state_dict(torch.load(checkpoint, weights_only=True)["averaged"])
    return student.eval()


def _losses(
    student: Student, views: Views, picked: NDArray[np.int64], teaching: Teaching | None, rng: np.random.Generator
) -> list[Tensor]:
    pictures = torch.from_numpy(_shifted(views.pictures[picked], rng))
    with torch.autocast("cpu", torch.bfloat16):
        said = student(pictures.to(memory_format=torch.channels_last))
    labels = functional.one_hot(torch.from_numpy(views.kind[picked].astype(np.int64)), len(CLASSES)).float()
    target = (1 - _SMOOTHING) * labels + _SMOOTHING / len(CLASSES)
    sure = torch.from_numpy(views.sure[picked].astype(np.float32))
    surprise = functional.cross_entropy(said.labels.float(), target, reduction="none")
    weight = sure * torch.from_numpy(np.where(views.plain[picked], 1.0, _CHANGED_SHARE).astype(np.float32))
    losses = [_LABEL_SHARE * (surprise * weight).sum() / weight.sum().clamp(min=1)]
    if teaching is not None:
        embeddings = torch.from_numpy(views.embeddings[picked].astype(np.float32))
        bangs = torch.from_numpy(views.bangs[picked].astype(np.float32))
        with torch.no_grad():
            opinion = with_opinion(teaching.heads(embeddings), guns_of(bangs), teaching.opinion_share)
        normal = ((embeddings - teaching.centre) / teaching.spread).clamp(-6, 6)
        losses.append(_EMBEDDING_SHARE * functional.mse_loss(said.embedding.float(), normal))
        losses.append(_BANG_SHARE * functional.mse_loss(said.bangs.float() / _BANG_SPREAD, bangs / _BANG_SPREAD))
        losses.append(_HEAD_SHARE * functional.mse_loss(said.head.float() / _HEAD_SPREAD, opinion / _HEAD_SPREAD))
    return losses


def _shifted(pictures: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (batch, 1, bands, frames), half of them a few frames later or earlier, which changes no answer."""
    moved = pictures.astype(np.float32)
    for row in np.flatnonzero(rng.random(len(moved)) < 0.5):
        moved[row] = np.roll(moved[row], rng.integers(-_SHIFT_FRAMES, _SHIFT_FRAMES + 1), axis=1)
    return moved[:, None]


@torch.no_grad()
def _average(averaged: Student, student: Student, kept: float) -> None:
    for old, new in zip(averaged.state_dict().values(), student.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - kept)
        else:
            old.copy_(new)
