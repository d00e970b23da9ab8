"""One training of the student on the examples that one file, or one fold of it, may use.

One thread by choice: a training takes minutes, and several of them run side by side. Progress is kept after every
tenth of the steps, so that an interrupted training goes on where it was.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from corpus import BACKGROUND, CLASSES, FIREWORKS, GUNSHOT, IMPULSIVE, Recording
from network import Student
from numpy.typing import NDArray
from prepare import VARIATIONS, Examples
from torch.nn import functional

BATCH = 64
# What a batch is made of. Shots are rare among the recordings; live fire is many takes of few guns in one city and one
# winter, and heads on the teacher's embeddings heard other shots better where it counted less.
_SHARES = {
    ("shot", False): 0.30,
    ("shot", True): 0.12,
    ("fireworks", False): 0.07,
    ("impulsive", False): 0.20,
    ("background", False): 0.21,
    ("background", True): 0.10,
}
_KINDS = {GUNSHOT: "shot", FIREWORKS: "fireworks", IMPULSIVE: "impulsive", BACKGROUND: "background"}


def weights_of(recordings: Sequence[Recording], examples: Examples, allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how likely each crop is drawn; within a share the data sets count by the root of their size."""
    keys = [(_KINDS[r.kind], r.live_fire, r.dataset) for r in (recordings[i] for i in examples.recording)]
    sizes: dict[tuple[str, bool, str], int] = {}
    for key, ok in zip(keys, allowed, strict=True):
        if ok:
            sizes[key] = sizes.get(key, 0) + 1
    roots: dict[tuple[str, bool], float] = {}
    for (kind, live, _), size in sizes.items():
        roots[kind, live] = roots.get((kind, live), 0.0) + size**0.5
    weights = np.zeros(len(keys))
    for row, (key, ok) in enumerate(zip(keys, allowed, strict=True)):
        if ok:
            share = _SHARES.get(key[:2], 0.0)
            weights[row] = share / roots[key[:2]] / sizes[key] ** 0.5
    return weights / weights.sum()


def train(
    recordings: Sequence[Recording],
    examples: Examples,
    allowed: NDArray[np.bool_],
    *,
    steps: int,
    seed: int,
    checkpoint: Path,
) -> Student:
    """Train a student on the crops where ``allowed`` is true.

    Args:
        recordings: what ``examples.recording`` points into.
        examples: all crops; those not allowed are never looked at.
        allowed: (crops,).
        steps: batches of ``BATCH``.
        seed: of weights and batches.
        checkpoint: file for the state in between; removed by nobody, so a finished training is not repeated.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    student = Student().to(memory_format=torch.channels_last)
    decayed = [p for p in student.parameters() if p.ndim > 1]
    others = [p for p in student.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
        rng = np.random.default_rng([seed, first])
    taught = bool(np.isfinite(examples.bangs).all())
    rows = np.flatnonzero(allowed)
    centre = examples.embeddings[rows].astype(np.float32).mean(0)
    spread = examples.embeddings[rows].astype(np.float32).std(0) + 1e-3
    chances = weights_of(recordings, examples, allowed)
    kinds = np.array([recordings[i].kind for i in examples.recording])
    began = time.monotonic()
    for step in range(first, steps):
        student.train()
        picked = rng.choice(len(chances), BATCH, p=chances)
        x = torch.from_numpy(_batch(examples, picked, rng))
        labels = functional.one_hot(torch.from_numpy(kinds[picked]), len(CLASSES)).float()
        x, labels = _mixed(x, labels, rng)
        with torch.autocast("cpu", torch.bfloat16):
            said, embedding, bangs = student(x.to(memory_format=torch.channels_last))
        loss = functional.cross_entropy(said.float(), 0.95 * labels + 0.05 / len(CLASSES))
        if taught:
            # Only the rows that were not mixed sound like what the teacher heard.
            whole = BATCH // 2
            target = torch.from_numpy((examples.embeddings[picked[:whole]].astype(np.float32) - centre) / spread)
            loss = loss + 0.5 * functional.mse_loss(embedding[:whole].float(), target)
            opinion = torch.from_numpy(examples.bangs[picked[:whole]].astype(np.float32))
            loss = loss + functional.binary_cross_entropy_with_logits(bangs[:whole].float(), opinion)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % max(1, steps // 10) == 0:
            state = {"student": student.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save({**state, "schedule": schedule.state_dict(), "step": step + 1}, checkpoint)
            took = time.monotonic() - began
            print(f"{checkpoint.stem} step {step + 1}/{steps} loss {loss.item():.3f} {took:.0f} s", file=sys.stderr)
    return student.eval()


def _batch(examples: Examples, picked: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw one variation of each crop, shifted in time, tilted in frequency, with a band and a stretch blanked."""
    x = examples.features[picked, rng.integers(0, VARIATIONS, len(picked))].astype(np.float32)
    bands, frames = x.shape[1:]
    tilt = np.linspace(-1, 1, bands)[None, :, None] * rng.normal(0, 0.25, (len(x), 1, 1))
    x += (tilt - tilt.mean(1, keepdims=True)).astype(np.float32)
    for row in x:
        row[:] = np.roll(row, rng.integers(-30, 31), axis=1)
        if rng.random() < 0.5:
            low = rng.integers(bands - 6)
            row[low : low + rng.integers(1, 7)] = 0
        if rng.random() < 0.3:
            start = rng.integers(frames - 20)
            row[:, start : start + rng.integers(1, 20)] = row.min()
    return x[:, None]


def _mixed(x: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix the second half of a batch with the first (mixup, on the log-mel and the labels alike)."""
    whole = BATCH // 2
    share = torch.from_numpy(rng.beta(0.4, 0.4, (BATCH - whole, 1)).astype(np.float32))
    x = torch.cat([x[:whole], share[..., None, None] * x[whole:] + (1 - share[..., None, None]) * x[:whole]])
    return x, torch.cat([labels[:whole], share * labels[whole:] + (1 - share) * labels[:whole]])
