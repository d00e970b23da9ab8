"""Training: batches from a source, CTC and region losses, an average of the weights, and checkpoints.

The schedule follows the minutes spent, so that a budget is kept whatever the machine: warm-up, the peak, and in the
last two fifths a straight line down to a hundredth. A checkpoint holds everything that goes on from it; what it was
trained for may change in between: a longer budget takes the learning rate up again, and another list of regions keeps
those that both have.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.plate_ocr.network import COLUMNS, PlateNetwork
from models.plate_ocr.pictures import BLANK
from models.plate_ocr.samples import NO_REGION, Samples, Source

BATCH = 128
PEAK_RATE = 2.5e-3
_LEAST_SHARE = 0.01
# The last share of the budget in which the rate sinks: most of what a training gains, it gains there.
_COOLING = 0.4
# Batches until the rate is whole: fewer where weights that already read are taken over.
_WARM_UP_STEPS, _WARM_UP_AGAIN_STEPS = 400, 100
_DECAY = 0.02
# The average looks back over about this many steps.
_AVERAGED_STEPS = 500
# The region's loss counts so much: reading comes first.
_REGION_SHARE = 0.15
_STEEPEST = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes:
        step: batches learnt from.
        samples: pictures learnt from.
        seconds: time spent training, the renderer's included, evaluations not.
        loss: of the characters, the last hundred batches' mean; nan at the start.
        region_loss: of the regions, likewise.
    """

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    region_loss: float = math.nan


class Training:
    """A network, its average, its optimiser, and how far they are.

    Attributes:
        network: what learns.
        averaged: the exponential average of its weights: what is evaluated and shipped.
        progress: how far it is.

    Args:
        regions: the codes of the region head, in its order.
        seed: of the weights and of the batches.
        device: where it runs.
        peak_rate: the highest learning rate.
    """

    def __init__(
        self, regions: tuple[str, ...], *, seed: int, device: torch.device, peak_rate: float = PEAK_RATE
    ) -> None:
        torch.manual_seed(seed)
        self.regions = regions
        self.progress = Progress()
        self._device = device
        self._peak = peak_rate
        self._seed = seed
        self.network = _laid_out(PlateNetwork(len(regions)), device)
        self.averaged = _laid_out(PlateNetwork(len(regions)), device).eval()
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.requires_grad_(False)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim == 1]
        groups = [{"params": decayed, "weight_decay": _DECAY}, {"params": others, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, peak_rate, betas=(0.9, 0.99), fused=True)
        self._since = 0
        self._warm_up_steps = _WARM_UP_STEPS

    @property
    def device_name(self) -> str:
        """What it ran on, in words."""
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "a CPU"

    def run(self, source: Source, *, budget_s: float, every_s: float, noted: Callable[[Training], None]) -> None:
        """Train until ``budget_s`` seconds in all, earlier runs included, were spent.

        Args:
            source: the pictures.
            budget_s: seconds of training in all.
            every_s: after how many seconds ``noted`` is called; it is called at the end, too.
            noted: looks at the training: evaluates, prints, keeps a checkpoint.
        """
        rng = np.random.default_rng([self._seed, self.progress.step])
        losses: list[tuple[float, float]] = []
        began, last_noted = time.monotonic(), self.progress.seconds
        before = self.progress.seconds
        while self.progress.seconds < budget_s:
            losses = [*losses[-99:], self._learn(source.batch(BATCH, rng), self.progress.seconds / budget_s)]
            reading, region = np.mean(losses, axis=0)
            self.progress = Progress(
                self.progress.step + 1,
                self.progress.samples + BATCH,
                before + time.monotonic() - began,
                float(reading),
                float(region),
            )
            if self.progress.seconds - last_noted >= every_s:
                noted(self)
                last_noted = before = self.progress.seconds
                began = time.monotonic()
        noted(self)

    def _learn(self, samples: Samples, share: float) -> tuple[float, float]:
        self.network.train()
        cooled = max(_LEAST_SHARE, min(1.0, (1 - share) / _COOLING))
        rate = self._peak * cooled * min(1.0, (self._since + 1) / self._warm_up_steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        pictures = torch.from_numpy(samples.pictures).to(self._device)
        # Reduced precision is twice as fast here and reads as well; the losses need the whole one.
        with torch.autocast(self._device.type, torch.bfloat16):
            columns, regions = self.network(pictures)
        reading = self._reading_loss(columns.float(), samples)
        known = torch.from_numpy(samples.regions.astype(np.int64)).to(self._device)
        region = functional.cross_entropy(regions.float(), known, ignore_index=NO_REGION)
        loss = reading + (_REGION_SHARE * region if bool((known != NO_REGION).any()) else 0.0)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch annotates it not
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _STEEPEST)
        self._optimiser.step()
        self._since += 1
        self._average()
        return reading.item(), region.item()

    def _reading_loss(self, columns: Tensor, samples: Samples) -> Tensor:
        lengths = torch.from_numpy(samples.lengths.astype(np.int64))
        targets = torch.from_numpy(samples.characters.astype(np.int64)).to(self._device)
        return functional.ctc_loss(
            columns.log_softmax(2).transpose(0, 1),
            targets,
            torch.full((len(lengths),), COLUMNS),
            lengths,
            blank=BLANK,
            zero_infinity=True,
        )

    @torch.no_grad()
    def _average(self) -> None:
        step = self.progress.step
        share = 1 / min(_AVERAGED_STEPS, 10 + step / 4)
        mine, theirs = self.averaged.state_dict(), self.network.state_dict()
        averaged = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[n] for n in averaged], [theirs[n] for n in averaged], share)

    def answers(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Let the average judge ``pictures`` (n, 64, 128, 3) uint8 RGB.

        Returns:
            (n, 32, 37) and (n, regions) float32 probabilities.
        """
        said = []
        with torch.inference_mode():
            for part in torch.split(torch.from_numpy(pictures), BATCH):
                columns, regions = self.averaged(part.to(self._device))
                said.append((columns.softmax(2).cpu().numpy(), regions.softmax(1).cpu().numpy()))
        return np.concatenate([c for c, _ in said]), np.concatenate([r for _, r in said])

    def save(self, path: Path) -> None:
        """Write a checkpoint to ``path``, whole or not at all."""
        made = path.with_suffix(".part")
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "regions": list(self.regions),
            "progress": [self.progress.step, self.progress.samples, self.progress.seconds],
        }
        torch.save(state, made)
        os.replace(made, path)

    def restore(self, path: Path) -> None:
        """Go on from the checkpoint at ``path``; regions that it did not know start afresh.

        Raises:
            SystemExit: it is no checkpoint of this network.
        """
        state = torch.load(path, weights_only=True, map_location=self._device)
        before = tuple(state["regions"])
        self.adopt(state["network"], before, averaged=state["averaged"])
        if before == self.regions:
            self._optimiser.load_state_dict(state["optimiser"])
        step, samples, seconds = state["progress"]
        self.progress = replace(self.progress, step=step, samples=samples, seconds=seconds)

    def adopt(
        self, weights: dict[str, Tensor], regions: tuple[str, ...], averaged: dict[str, Tensor] | None = None
    ) -> None:
        """Take over ``weights`` whose region head has the order ``regions``.

        Args:
            weights: by parameter name.
            regions: the codes of their region head.
            averaged: their average; the same weights without one.

        Raises:
            SystemExit: a weight is missing or has another shape.
        """
        self._warm_up_steps = _WARM_UP_AGAIN_STEPS
        rows = [(at, regions.index(code)) for at, code in enumerate(self.regions) if code in regions]
        for network, given in ((self.network, weights), (self.averaged, averaged or weights)):
            mine = network.state_dict()
            for name, value in mine.items():
                if name not in given and value.is_floating_point():
                    raise SystemExit(f"no weight {name}: not made by this network; start without --resume.")
                if name in ("region.weight", "region.bias"):
                    for to, of in rows:
                        value[to] = given[name][of]
                elif name in given and value.shape != given[name].shape:
                    raise SystemExit(
                        f"weight {name}: got {tuple(given[name].shape)}, expected {tuple(value.shape)}: made by "
                        "another network; start without --resume."
                    )
                elif name in given:
                    value.copy_(given[name])


def _laid_out(network: PlateNetwork, device: torch.device) -> PlateNetwork:
    """Move ``network`` to ``device`` with channels last in memory, as its pictures are: a third faster."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's annotations
    return network
