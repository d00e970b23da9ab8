"""Which views a training may draw, and how often it draws each.

Shots are rare among the recordings; live fire is many takes of few guns in one city and one winter, and whatever was
trained heard other shots better where it counted less. Within a share the data sets count by the root of their size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.gunshot.corpus import BACKGROUND, FIREWORKS, GUNSHOT, IMPULSIVE, Recording
from models.gunshot.views import Views

CLEAN_ONLY = frozenset({"gunshot", "gunshot-mn04"})
"""Files that learn only from recordings whose licence allows commercial and government use."""

# Share of the draws by (kind, live fire), but for live-fire shots; sounds made of formulas are kind None.
_SHARES: dict[tuple[int | None, bool], float] = {
    (GUNSHOT, False): 0.29,
    (FIREWORKS, False): 0.07,
    (IMPULSIVE, False): 0.16,
    (BACKGROUND, False): 0.20,
    (BACKGROUND, True): 0.05,
    (None, False): 0.16,
}


def allowed_for(name: str, held_out: Sequence[int], views: Views) -> NDArray[np.bool_]:
    """Return which views the file ``name`` may learn from while the folds ``held_out`` are held out."""
    allowed: NDArray[np.bool_] = ~np.isin(views.fold, held_out) & (views.clean | (name not in CLEAN_ONLY))
    return allowed


def chances(
    recordings: Sequence[Recording],
    views: Views,
    allowed: NDArray[np.bool_],
    *,
    plain: float,
    live_fire: float,
    labelled: bool = False,
) -> NDArray[np.float64]:
    """Return how likely each view is drawn.

    Args:
        recordings: what ``views.recording`` points into.
        views: all views.
        allowed: (views,) those that may be drawn.
        plain: how much likelier a plain view is than a changed one of the same recording's kind and data set.
        live_fire: the share of live-fire shots, beside the others' shares.
        labelled: whether to draw only those whose kind is sure.
    """
    drawn = allowed & views.sure if labelled else allowed
    datasets = np.array([r.dataset for r in recordings] + [""])[views.recording]
    kinds = np.array([r.kind for r in recordings] + [-1])[views.recording]
    weights = np.zeros(len(drawn))
    for (kind, fired), share in {**_SHARES, (GUNSHOT, True): live_fire}.items():
        rows = drawn & (kinds == (-1 if kind is None else kind)) & (views.live_fire == fired)
        if not rows.any():
            continue
        _, which, sizes = np.unique(datasets[rows], return_inverse=True, return_counts=True)
        roots = sizes**0.5
        weights[rows] = share * (roots / roots.sum() / sizes)[which]
    weights[views.plain] *= plain
    return weights / weights.sum()
