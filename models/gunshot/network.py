"""The student: a small convolutional network over a log-mel window.

Most of its weights stand where the picture has become small, so that they cost little time. Beside the labels it says
what the teacher would say: the teacher's embedding, its logits of eleven kinds of bang, and the logits of the head that
was trained on the teacher's embeddings. Only labels, head and bangs are shipped (``exporting``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from edge_agent.gunshots.features import BANDS
from models.gunshot.corpus import CLASSES
from models.gunshot.teacher import BANG_COUNT, EMBEDDING

_HIDDEN = 256
_STRIDES = 4  # halvings of bands and frames


class Said(NamedTuple):
    """What the student says about a batch.

    Attributes:
        labels: (batch, 4) logits of ``CLASSES``, learned from labels.
        head: (batch, 4) logits of ``CLASSES``, learned from the teacher's head.
        bangs: (batch, 11) logits of the teacher's bangs.
        embedding: (batch, 384) the teacher's embedding, each of its numbers brought to mean 0 and variance 1.
    """

    labels: Tensor
    head: Tensor
    bangs: Tensor
    embedding: Tensor


def _layer(channels_in: int, channels_out: int, size: int | tuple[int, int] = 3, stride: int = 1) -> nn.Sequential:
    padding = 0 if isinstance(size, tuple) else size // 2
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, size, stride, padding, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """x + f(x); with ``weighed``, f's channels are weighed by what the whole window holds."""

    def __init__(self, channels: int, size: tuple[int, int] = (3, 3), *, weighed: bool = True) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, size, padding=(size[0] // 2, size[1] // 2), bias=False),
            nn.BatchNorm2d(channels),
        )
        squeezed = channels // 8
        self.weigh = (
            nn.Sequential(
                nn.Linear(channels, squeezed), nn.ReLU(inplace=True), nn.Linear(squeezed, channels), nn.Sigmoid()
            )
            if weighed
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        changed = self.change(x)
        if self.weigh is not None:
            changed = changed * self.weigh(changed.mean((2, 3)))[:, :, None, None]
        return torch.relu_(x + changed)


class Student(nn.Module):
    """(batch, 1, BANDS, FRAMES) to ``Said``."""

    def __init__(self, channels: tuple[int, int, int, int] = (16, 32, 64, 160), width: int = 256) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.trunk = nn.Sequential(
            _layer(1, first, 5, 2),
            _layer(first, second, 3, 2),
            _Residual(second, weighed=False),
            _layer(second, third, 3, 2),
            _Residual(third),
            _layer(third, fourth, 3, 2),
            _Residual(fourth),
            _layer(fourth, width, (BANDS >> _STRIDES, 1)),
            _Residual(width, (1, 3)),
        )
        self.hidden = nn.Linear(2 * width, _HIDDEN)
        self.drop = nn.Dropout(0.2)
        self.labels = nn.Linear(_HIDDEN, len(CLASSES))
        self.head = nn.Linear(_HIDDEN, len(CLASSES))
        self.bangs = nn.Linear(_HIDDEN, BANG_COUNT)
        self.embedding = nn.Linear(_HIDDEN, EMBEDDING)

    def forward(self, pictures: Tensor) -> Said:
        """Judge a batch; a bang is short, so the maximum over time counts beside the mean."""
        times = self.trunk(pictures)[:, :, 0]
        hidden = torch.relu(self.hidden(torch.cat([times.mean(2), times.amax(2)], 1)))
        return Said(self.labels(self.drop(hidden)), self.head(hidden), self.bangs(hidden), self.embedding(hidden))
