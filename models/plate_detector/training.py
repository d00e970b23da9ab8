"""The training loop: warm-up, a constant rate, a final decay; the average of the weights is what counts.

The rate is constant until the last part of the budget, so a run that is resumed with a larger budget continues as if it
had been asked for it at first. Time is the clock's: a training ends when it was told to. Scenes come from a process of
their own (feeding.py); this one only learns.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.plate_detector.feeding import Batch, Sizes
from models.plate_detector.losses import loss_of
from models.plate_detector.network import PlateNetwork

_WARM_UP_STEPS = 300
_AVERAGE = 0.9985
_WEIGHT_DECAY = 0.02
_GREATEST_NORM = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is to be.

    Attributes:
        budget_s: seconds by the clock, those of the runs that it continues included.
        rate: the constant learning rate.
        decay: the last share of the budget, in which the rate falls to nothing.
        sizes: of what is shown.
        seed: of the scenes and of the first weights.
        device: torch's.
    """

    budget_s: float
    rate: float = 2e-3
    decay: float = 0.25
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 0
    device: str = "cpu"


class Source(Protocol):
    """Where training takes its scenes: `feeding.Feed`."""

    def take(self) -> Batch:
        """Return the next batch."""


@dataclass(slots=True)
class Progress:
    """How far a training is: seconds, steps, pictures seen, and losses since the last report."""

    spent_s: float = 0.0
    steps: int = 0
    seen: int = 0
    score_loss: float = 0.0
    frame_loss: float = 0.0


class Training:
    """A network that learns; `run` may be called again after `load`.

    Args:
        plan: sizes, rates, budget.
        source: hands out the scenes.
    """

    def __init__(self, plan: Plan, source: Source) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.progress = Progress()
        self.network = PlateNetwork().to(plan.device)
        for parameter in self.network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self._source = source
        flat = [p for p in self.network.parameters() if p.ndim <= 1]
        deep = [p for p in self.network.parameters() if p.ndim > 1]
        groups: list[dict[str, Any]] = [
            {"params": deep, "weight_decay": _WEIGHT_DECAY},
            {"params": flat, "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99))

    def rate_at(self, spent_s: float, steps: int) -> float:
        """Return the learning rate after ``spent_s`` of the budget and ``steps`` steps."""
        left = max(1.0 - spent_s / self.plan.budget_s, 0.0)
        fall = min(left / self.plan.decay, 1.0)
        return self.plan.rate * fall * min((steps + 1) / _WARM_UP_STEPS, 1.0)

    def run(self, pause_s: float, report: Callable[[Training], None]) -> None:
        """Learn until the budget is spent; call ``report`` every ``pause_s`` seconds and at the end."""
        start_s = time.monotonic() - self.progress.spent_s
        next_s = self.progress.spent_s + pause_s
        while self.progress.spent_s < self.plan.budget_s:
            self._step()
            self.progress.spent_s = time.monotonic() - start_s
            if next_s <= self.progress.spent_s < self.plan.budget_s:
                report(self)
                next_s = time.monotonic() - start_s + pause_s
        report(self)

    def _step(self) -> None:
        images, plates, unknown = tensors_of(self._source.take(), self.plan.device)
        rate = self.rate_at(self.progress.spent_s, self.progress.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        with torch.autocast(self.plan.device.split(":")[0], torch.bfloat16):
            found = self.network(images)
        scores, frames = loss_of(found.float(), plates, unknown)
        self._optimiser.zero_grad(set_to_none=True)
        (scores + frames).backward()  # type: ignore[no-untyped-call]  # PyTorch types it not
        nn.utils.clip_grad_norm_(self.network.parameters(), _GREATEST_NORM)
        self._optimiser.step()
        kept = min(_AVERAGE, (self.progress.steps + 1) / (self.progress.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(_numbers(self.average), _numbers(self.network), 1 - kept)
        self.progress.steps += 1
        self.progress.seen += len(images)
        self.progress.score_loss += (float(scores.detach()) - self.progress.score_loss) * 0.01
        self.progress.frame_loss += (float(frames.detach()) - self.progress.frame_loss) * 0.01

    def save(self, path: Path) -> None:
        """Write everything that `load` needs, whole or not at all."""
        beside = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "progress": asdict(self.progress),
            },
            beside,
        )
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        kept = torch.load(path, map_location=self.plan.device, weights_only=False)
        self.network.load_state_dict(kept["network"])
        self.average.load_state_dict(kept["average"])
        self._optimiser.load_state_dict(kept["optimiser"])
        self.progress = Progress(**kept["progress"])


def _numbers(network: nn.Module) -> list[Tensor]:
    """Return the weights and statistics that an average can be taken of."""
    return [tensor for tensor in network.state_dict().values() if tensor.dtype.is_floating_point]


def tensors_of(batch: Batch, device: str) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return (B, 3, H, W) RGB in [0, 1], and for each scene its plates and its unknown places."""
    images = torch.from_numpy(batch.images).to(device).permute(0, 3, 1, 2).flip(1).float().div_(255)
    images = images.contiguous(memory_format=torch.channels_last)
    plates = [torch.from_numpy(np.ascontiguousarray(boxes, np.float32)).to(device) for boxes in batch.plates]
    unknown = [torch.from_numpy(np.ascontiguousarray(boxes, np.float32)).to(device) for boxes in batch.unknown]
    return images, plates, unknown


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return (1, 3, H, W) RGB in [0, 1] of (H, W, 3) uint8 BGR."""
    return torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)[None].float().div_(255)
