"""What the network is told: where plates are centred, how well it framed them, and what not to judge.

A cell's score is to be the root of the overlap that its own box has with the plate, fading with the distance from the
plate's centre, so that of a plate's frames the best one wins (Li et al., "Generalized Focal Loss", 2020, with the
overlap itself), and a loosely framed plate still stands out from what is none. Frames learn from complete IoU
(Zheng et al., 2020). Cells inside places marked as unknown teach nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.plate_detector.network import STRIDE_PX, boxes_of, cell_centres

# How far from a plate's centre its cells still answer: in widths and heights of the plate, but never below half a cell.
_SPREAD = 0.14
_LEAST_SPREAD_PX = 4.0
# Cells with less of the plate's say than this learn no frame.
_FRAMING = 0.2
_BOX_WEIGHT = 2.0


def loss_of(found: Tensor, plates: Sequence[Tensor], unknown: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the losses of the scores and of the frames, each per plate.

    Args:
        found: the network's (B, 5, h, w).
        plates: for each picture (n, 4) boxes x1, y1, x2, y2 in pixels.
        unknown: for each picture (m, 4) boxes within which nothing is judged.
    """
    batch, _, rows, columns = found.shape
    centres = cell_centres(rows, columns, found.device)
    boxes = boxes_of(found)
    logits = found[:, 0].flatten(1).float()
    target = torch.zeros_like(logits)
    judged = torch.ones_like(logits)
    framing = found.new_zeros((), dtype=torch.float32)
    count = 0
    for k in range(batch):
        if len(unknown[k]):
            judged[k] = 1.0 - _inside(centres, unknown[k])
        if not len(plates[k]):
            continue
        say, of = _say(centres, plates[k]).max(0)
        overlap, cost = _complete_iou(boxes[k], plates[k][of])
        target[k] = say * overlap.detach().clamp(0.0, 1.0).sqrt()
        judged[k] = torch.where(say > _FRAMING, torch.ones_like(say), judged[k])
        weight = torch.where(say > _FRAMING, say, torch.zeros_like(say))
        total = torch.zeros(len(plates[k])).index_add_(0, of, weight).clamp(min=1e-6)
        framing = framing + (cost * weight / total[of]).sum()
        count += len(plates[k])
    chance = logits.sigmoid()
    scores = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    scores = scores * (target - chance).abs().square() * judged
    per = float(max(count, 1))
    return scores.sum() / per, _BOX_WEIGHT * framing / per


def _say(centres: Tensor, plates: Tensor) -> Tensor:
    """Return (n, cells): 1 at the cell nearest to a plate's centre, fading outwards."""
    middle = (plates[:, :2] + plates[:, 2:]) / 2
    spread = ((plates[:, 2:] - plates[:, :2]) * _SPREAD).clamp(min=_LEAST_SPREAD_PX)
    away = ((centres[None] - middle[:, None]) / spread[:, None]).square().sum(-1)
    away = away - away.amin(1, keepdim=True).clamp(max=3.0)
    return torch.exp(-away / 2)


def _inside(centres: Tensor, places: Tensor) -> Tensor:
    wide = torch.cat([places[:, :2] - STRIDE_PX, places[:, 2:] + STRIDE_PX], -1)
    within = (centres[:, None] >= wide[None, :, :2]) & (centres[:, None] <= wide[None, :, 2:])
    return within.all(-1).any(-1).float()


def _complete_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the overlap of each pair of boxes, and 1 minus their complete IoU."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    size_a, size_b = (a[:, 2:] - a[:, :2]), (b[:, 2:] - b[:, :2])
    overlap = shared / (size_a.prod(-1) + size_b.prod(-1) - shared).clamp(min=1e-6)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    away = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).square().sum(-1) / hull.square().sum(-1).clamp(min=1e-6)
    skew = 0.4053 * (torch.atan(size_b[:, 0] / size_b[:, 1]) - torch.atan(size_a[:, 0] / size_a[:, 1])).square()
    with torch.no_grad():
        trust = skew / (1 - overlap + skew).clamp(min=1e-6)
    return overlap, 1 - overlap + away + trust * skew
