"""Fits ``collector/match/parameters.toml``: how plates are misread, from reads whose plate is known.

    PYTHONPATH=. python models/plate_matching/recipe.py --reads READS.jsonl --out collector/match/parameters.toml

A line of READS.jsonl is {"id": "PLATE.VIEW", "truth": "7ABC123", "slots": [{"A": 0.9, …}, …]}: raw slots of the
reference OCR; what stands before the dot tells reads of one plate. ``--folds 5`` fits on four fifths of the plates and
writes to ``--posteriors`` what the fifth comes to, so that every read is weighed by a fit that saw none of its plate.

The model is ``collector/match/posterior.py``'s, in torch, so that all its numbers are fitted together: they make the
true plates likeliest (maximum a posteriori, L-BFGS), and what few reads say of pairs of characters is held near 0.
Deterministic: same reads, same file.
"""

from __future__ import annotations

import argparse
import json
import random
import tomllib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from collector.match.packing import EMPTY, SPELLED
from collector.match.parameters import EXTRA_KINDS
from collector.match.posterior import NO_DOUBT, Shown, extra_kinds, shown, tempered

# Labels that do not say what is on the plate (models/plate_calibration/card.md).
MISLABELLED = {"0", "DD8UGY", "BJL833"}
# How strongly pairs of characters, and characters, are held near 0.
PAIRS, SINGLE = 3e-4, 1e-4
# Added, once all is fitted, to what a read's doubt does to its sharpness. Most of the loss is the few reads that say
# nothing of their plate, and so the fit believes the doubtful ones less than they deserve. Chosen by recall at 5 false
# hits per 1,000 reads over plates left out, the folds of docs/matching.md; from 0.03 to 0.07 it differs by 0.2 %.
SHARPER = 0.035
UNTOLD = 30.0
FLOAT = torch.float64
REFERENCE = "cct_xs_v2_global"


class Reads:
    """Reads as tensors: what the slots say once calibrated, and the plates."""

    def __init__(self, path: Path, temperature: float, floor: float) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.truth = [line["truth"].replace("O", "0") for line in lines]
        self.labels = [line["truth"] for line in lines]
        self.ids = [str(line["id"]) for line in lines]
        self.plates = [str(line["id"]).split(".")[0] for line in lines]
        raw = shown([tuple(tuple(slot.items()) for slot in line["slots"]) for line in lines])
        self.said: Shown = tempered(raw, temperature, floor)
        top = self.said.top
        filled = self.said.used & (top != EMPTY)
        p, missing = self.said.p, self.said.missing
        rest = np.where(missing > 0, missing, 1.0)
        entropy = -(np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)).sum(axis=2)
        doubt = (entropy - np.where(missing > 0, missing * np.log(rest / UNTOLD), 0.0)).sum(axis=1)
        self.p, self.missing = torch.tensor(p), torch.tensor(missing)
        self.top, self.filled = torch.tensor(top), torch.tensor(filled)
        self.kinds = torch.tensor(extra_kinds(top, filled))
        self.doubt, self.log_doubt = torch.tensor(doubt), torch.log(torch.tensor(doubt) + NO_DOUBT)
        longest = max(map(len, self.truth))
        codes = [[SPELLED.index(c) for c in text] + [0] * (longest - len(text)) for text in self.truth]
        self.codes, self.lengths = torch.tensor(codes), torch.tensor([len(text) for text in self.truth])
        self.fit = np.array([label not in MISLABELLED for label in self.labels])

    def folds(self, number: int) -> NDArray[np.intp]:
        """Return the fold of each read: all reads of a plate, and of plates with one text, in the same."""
        of: dict[str, str] = {}

        def root(one: str) -> str:
            while of.setdefault(one, one) != one:
                one = of[one]
            return one

        for plate, text in zip(self.plates, self.truth, strict=True):
            of[root(f"plate {plate}")] = root(f"text {text}")
        groups = sorted({root(f"plate {plate}") for plate in self.plates})
        random.Random(5).shuffle(groups)
        fold = {group: at % number for at, group in enumerate(groups)}
        return np.array([fold[root(f"plate {plate}")] for plate in self.plates])

    def confusion(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (36, 36) by what the OCR itself doubts: which characters share a slot with the likeliest one."""
        even = np.ones((36, 36)) - np.eye(36)
        even[:, EMPTY] = 0
        even /= even.sum(axis=1, keepdims=True)
        found = np.zeros((36, 36))
        for code in range(36):
            found[code] = self.said.p[(self.said.top == code) & chosen[:, None]].sum(axis=0)
        np.fill_diagonal(found, 0)
        found[:, EMPTY] = 0
        found = 0.9 * found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9) + 0.1 * even
        found[EMPTY] = even[EMPTY]
        found[1:, EMPTY] = 0.02
        return np.asarray(found / found.sum(axis=1, keepdims=True))


class Model:
    """The posterior's numbers, to be fitted."""

    def __init__(self, reads: Reads, confusion: NDArray[np.float64]) -> None:
        self.reads, self.confusion = reads, torch.tensor(confusion)
        number = lambda value: torch.tensor(value, dtype=FLOAT, requires_grad=True)  # noqa: E731
        self.sharpness, self.sharpness_by_doubt = number(1.0), number(0.0)
        self.log_floor, self.log_missing_share = number(-8.0), number(0.0)
        self.none = number([-6.4, 0.3, 0.5])
        self.lost, self.late = number(1.0), number(0.0)
        self.extra, self.extra_by_doubt = number([-5.5, -8.0, -7.0, -5.5]), number(1.0)
        self.pairs, self.single = number([[0.0] * 36] * 36), number([0.0] * 36)

    def numbers(self) -> list[torch.Tensor]:
        """Return all that is fitted."""
        return [value for value in vars(self).values() if isinstance(value, torch.Tensor) and value.requires_grad]

    def bias(self) -> torch.Tensor:
        """(36, 36): pair by pair, and what a character is likelier than the OCR thinks."""
        pairs = self.pairs * (1 - torch.eye(36, dtype=FLOAT))
        return pairs + self.single[None, :] - self.single[:, None]

    def posterior(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(reads, slots, 36) and (reads,), as ``Posterior`` has them."""
        of = self.reads
        spread = torch.exp(self.log_floor) + torch.exp(self.log_missing_share) * of.missing
        logs = torch.log(of.p + spread[..., None] * self.confusion[of.top])
        sharpness = torch.clamp(self.sharpness + self.sharpness_by_doubt * of.doubt, 0.2, 3.0)[:, None, None]
        weights = sharpness * logs + self.bias()[of.top]
        filled = of.filled.to(FLOAT)
        extra = torch.exp(self.extra[of.kinds] + self.extra_by_doubt * of.log_doubt[:, None]) * filled
        empty = torch.exp(weights[..., EMPTY] + filled * self.lost) + extra
        others = torch.exp(weights[..., 1:] + ((1 - filled) * self.late)[..., None])
        p = torch.cat([empty[..., None], others], dim=2)
        odds = self.none[0] + self.none[1] * of.doubt + self.none[2] * of.log_doubt
        return p / p.sum(dim=2, keepdim=True), torch.sigmoid(odds)

    def truth(self) -> torch.Tensor:
        """(reads,) log-probability of the true plate."""
        p, none = self.posterior()
        reads, longest = self.reads.codes.shape
        ways = torch.zeros(reads, longest + 1, dtype=FLOAT)
        ways[:, 0] = 1
        within = (torch.arange(longest)[None, :] < self.reads.lengths[:, None]).to(FLOAT)
        for at in range(p.shape[1]):
            moved = ways[:, :-1] * torch.gather(p[:, at], 1, self.reads.codes) * within
            ways = ways * p[:, at, :1] + torch.cat([torch.zeros(reads, 1, dtype=FLOAT), moved], dim=1)
        found = ways[torch.arange(reads), self.reads.lengths]
        # What no way spells is one of the many plates that are none of these.
        return torch.log((1 - none) * found + none * 1e-7)

    def fitted(self, chosen: NDArray[np.bool_]) -> Model:
        """Fit to the chosen reads."""
        weights = torch.tensor(chosen & self.reads.fit).to(FLOAT)
        steps = torch.optim.LBFGS(self.numbers(), lr=1, max_iter=60, history_size=12, line_search_fn="strong_wolfe")

        loosely = [
            (one, one.detach().clone()) for one in self.numbers() if one is not self.pairs and one is not self.single
        ]

        def loss() -> torch.Tensor:
            steps.zero_grad()
            held = PAIRS * (self.pairs**2).sum() + SINGLE * (self.single**2).sum()
            # Held so loosely that only steps into nowhere feel it.
            held = held + 1e-4 * sum(((one - start) ** 2).sum() for one, start in loosely)
            value = held - (self.truth() * weights).sum() / weights.sum()
            value.backward()
            return value

        steps.step(loss)
        with torch.no_grad():
            self.sharpness_by_doubt += SHARPER
        return self


def written(model: Model, calibrations: list[tuple[str, float, float]]) -> str:
    """Return the file."""
    values = {
        "sharpness": model.sharpness,
        "sharpness_by_doubt": model.sharpness_by_doubt,
        "floor": torch.exp(model.log_floor),
        "missing_share": torch.exp(model.log_missing_share),
        "none_at_all": model.none[0],
        "none_by_doubt": model.none[1],
        "none_by_log_doubt": model.none[2],
        "untold": torch.tensor(UNTOLD),
        "lost": model.lost,
        "late": model.late,
        **{f"extra_{kind}": model.extra[at] for at, kind in enumerate(EXTRA_KINDS)},
        "extra_by_doubt": model.extra_by_doubt,
    }
    lines = ["# Written by models/plate_matching/recipe.py; its card.md says on what. Read by collector/match."]
    for name, temperature, floor in calibrations:
        lines += ["", "[[calibrations]]", f'id = "{name}"', f"temperature = {temperature}", f"floor = {floor}"]
    lines += ["", "[fitted]", *(f"{name} = {float(value.detach()):.6g}" for name, value in values.items())]
    for name, matrix, form in (("confusion", model.confusion, "{:.5g}"), ("bias", model.bias().detach(), "{:.3f}")):
        lines += ["", f"[{name}]"]
        lines += [
            f"{character} = [{', '.join(form.format(float(value)) for value in row)}]"
            for character, row in zip(SPELLED, matrix, strict=True)
        ]
    return "\n".join(lines) + "\n"


def shipped_calibrations() -> list[tuple[str, float, float]]:
    """Return id, temperature and floor of each shipped calibration, the reference OCR's first."""
    from edge_agent.plates.calibration import PARAMETERS_FILE, load_parameters

    path = Path(__file__).parents[1] / PARAMETERS_FILE
    names = {entry["ocr"]: entry["name"] for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fitted"]}
    found = [
        (names[ocr] != REFERENCE, names[ocr], one.id_for(ocr), one.temperature, one.floor)
        for ocr, one in load_parameters(path).items()
    ]
    return [(named, temperature, floor) for _, _, named, temperature, floor in sorted(found)]


def main() -> None:
    """Fit to all reads and write the file; with folds, write what each read comes to out of fold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reads", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--posteriors", type=Path, help="with --folds: the posteriors out of fold, as .npz")
    given = parser.parse_args()
    torch.manual_seed(0)
    calibrations = shipped_calibrations()
    reads = Reads(given.reads, *calibrations[0][1:])
    everything = np.ones(len(reads.truth), np.bool_)
    model = Model(reads, reads.confusion(everything)).fitted(everything)
    given.out.write_text(written(model, calibrations), encoding="utf-8")
    print(f"{given.out}: mean log-probability {float(model.truth().detach()[reads.fit].mean()):.4f}")
    if not given.folds:
        return
    folds = reads.folds(given.folds)
    p, none = np.zeros(reads.said.p.shape), np.zeros(len(folds))
    for fold in range(given.folds):
        model = Model(reads, reads.confusion(folds != fold)).fitted(folds != fold)
        of_fold, of_none = (one.detach().numpy() for one in model.posterior())
        left = folds == fold
        p[left], none[left] = of_fold[left], of_none[left]
        print(f"fold {fold}: mean log-probability {float(model.truth().detach()[left & reads.fit].mean()):.4f}")
    if given.posteriors:
        np.savez(given.posteriors, p=p, none=none, ids=np.array(reads.ids))


if __name__ == "__main__":
    main()
