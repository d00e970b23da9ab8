"""The heads of ``gunshot-mn04``: small networks over the teacher's embedding, and the student's second teacher.

One hidden layer, mixup, and a share of the teacher's own opinion: what it says about guns without having seen a label
carries to sounds that no label told of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.gunshot.corpus import CLASSES, GUNSHOT
from models.gunshot.scoring import Calibration
from models.gunshot.teacher import BANGS, EMBEDDING, GUNS, LEAST_PROBABILITY

_HIDDEN = 128
_BATCH = 512
OPINION_SHARE = 0.3
"""How much of the teacher's gun logit is added to the heads' in the file that ships."""
_SMOOTHING = 0.05
_PEAK_RATE, _DECAY = 2e-3, 1e-2
_GUNS_AMONG_BANGS = slice(GUNS.start - BANGS.start, GUNS.stop - BANGS.start)


class Head(nn.Module):
    """(batch, 384) embeddings to (batch, 4) logits of ``CLASSES``."""

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(EMBEDDING))
        self.register_buffer("spread", torch.ones(EMBEDDING))
        self.first = nn.Linear(EMBEDDING, _HIDDEN)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(_HIDDEN, len(CLASSES))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the logits, without the teacher's opinion."""
        hidden = torch.relu(self.first((embeddings - self.centre) / self.spread))
        logits: Tensor = self.last(self.drop(hidden))
        return logits


class Heads(nn.Module):
    """Several heads that differ by chance alone, and their mean."""

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the mean of the heads' (batch, 4) logits."""
        return torch.stack([head(embeddings) for head in self.heads]).mean(0)


def with_opinion(logits: Tensor, gun_logits: Tensor, share: float) -> Tensor:
    """Return ``logits`` with ``share`` of the highest of (batch, guns) ``gun_logits`` added to the shot's."""
    added = share * gun_logits.amax(1, keepdim=True)
    zeros = torch.zeros_like(added)
    return logits + torch.cat([added if kind == GUNSHOT else zeros for kind in range(len(CLASSES))], 1)


def guns_of(bangs: Tensor) -> Tensor:
    """Return the gun logits among (batch, 11) logits of bangs."""
    return bangs[:, _GUNS_AMONG_BANGS]


class ShippedHead(nn.Module):
    """What the device runs behind mn04: (batch, 384) and (batch, 527) to (batch, 4) probabilities.

    Args:
        heads: what was trained.
        calibration: makes shares of its scores.
    """

    def __init__(self, heads: Heads, calibration: Calibration) -> None:
        super().__init__()
        self.heads = heads
        self.calibration = calibration

    def forward(self, embeddings: Tensor, probabilities: Tensor) -> Tensor:
        """Return (batch, len(CLASSES)) probabilities."""
        kept = probabilities[:, GUNS].clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        logits = with_opinion(self.heads(embeddings), torch.log(kept / (1 - kept)), OPINION_SHARE)
        return calibrated(logits, self.calibration)


def calibrated(logits: Tensor, calibration: Calibration) -> Tensor:
    """Return (batch, 4) probabilities of (batch, 4) ``logits``."""
    shift = [calibration.shift if kind == GUNSHOT else 0.0 for kind in range(len(CLASSES))]
    return torch.softmax((logits + torch.tensor(shift)) / calibration.temperature, 1)


def train_heads(
    embeddings: NDArray[np.float16],
    kinds: NDArray[np.int8],
    chances: NDArray[np.float64],
    *,
    steps: int,
    count: int,
) -> Heads:
    """Train heads on the labelled views.

    Args:
        embeddings: (views, 384).
        kinds: (views,) indices into ``CLASSES``.
        chances: (views,) how likely each is drawn; 0 for those that may not be learned from.
        steps: batches of 512 for each; more of them learn the clean recordings by heart.
        count: heads to average.
    """
    rows = np.flatnonzero(chances)
    x = torch.from_numpy(embeddings[rows].astype(np.float32))
    labels = functional.one_hot(torch.from_numpy(kinds[rows].astype(np.int64)), len(CLASSES)).float()
    share = chances[rows] / chances[rows].sum()
    return Heads([_train_head(x, labels, share, steps, seed) for seed in range(1, count + 1)]).eval()


def _train_head(x: Tensor, labels: Tensor, share: NDArray[np.float64], steps: int, seed: int) -> Head:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = Head()
    head.centre.copy_(x.mean(0))
    head.spread.copy_(x.std(0) + 1e-2)
    optimiser = torch.optim.AdamW(head.parameters(), _PEAK_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=steps, pct_start=0.1)
    for first, second in rng.choice(len(share), (steps, 2, _BATCH), p=share):
        weight = torch.from_numpy(rng.beta(0.4, 0.4, (_BATCH, 1)).astype(np.float32))
        mixed = weight * x[first] + (1 - weight) * x[second]
        target = weight * labels[first] + (1 - weight) * labels[second]
        target = (1 - _SMOOTHING) * target + _SMOOTHING / len(CLASSES)
        loss = functional.cross_entropy(head(mixed), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        optimiser.step()
        schedule.step()
    return head
