"""Fit an OCR's calibration to readings whose truth is known, and test it on plates that the fit did not see.

What is fitted is the whole plate's confidence, the product over its slots, to whether the whole text is right: that is
what a read is believed by, and it takes in what a fit slot by slot misses, that errors on one plate come together.
0 and O count as one character: their mass is summed before the product, and both texts are compared with 0 for O.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize, minimize_scalar

from edge_agent.plates.calibration import Calibration, Parameters, tempered

FOLDS = 5
WIDEST_PX = 320.0
# No infrared photograph was at hand, only renderings: never surer than this much warmer than by day.
LEAST_INFRARED = 1.1
_MOST_INFRARED = 3.0
# log temperature, narrowness, floor in percent: bounds and the corners of the first simplex.
_BOUNDS = ((-1.5, 2.0), (0.0, 1.0), (0.0, 3.0))
_SIMPLEX = ((0.1, 0.1, 0.1), (0.4, 0.1, 0.1), (0.1, 0.3, 0.1), (0.1, 0.1, 0.4))


@dataclass(frozen=True, slots=True)
class Answers:
    """What one OCR said, raw, of views whose plates are known.

    Attributes:
        alphabet: characters of the last axis.
        pad: the one that stands for none.
        probabilities: (n, slots, alphabet) float32.
        widths_px: (n,) widths as the reader passes them to a calibration.
        infrared: (n,) bool, as the reader passes it.
        texts: (n,) str, the truth, 0 for O.
        distances: (n,) int, index of the width that the plate was shown at.
    """

    alphabet: str
    pad: str
    probabilities: NDArray[np.float32]
    widths_px: NDArray[np.float64]
    infrared: NDArray[np.bool_]
    texts: NDArray[np.str_]
    distances: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> Answers:
        """Return the answers that ``chosen`` marks."""
        return Answers(
            self.alphabet,
            self.pad,
            self.probabilities[chosen],
            self.widths_px[chosen],
            self.infrared[chosen],
            self.texts[chosen],
            self.distances[chosen],
        )

    @property
    def folds(self) -> NDArray[np.int64]:
        """(n,) the fold of each; all views of one plate, and plates with one text, share theirs."""
        return np.array([fold_of(str(text)) for text in self.texts])


def stacked(readings: Sequence[NDArray[np.float32]], pad: int) -> NDArray[np.float32]:
    """Put readings on top of each other; a few of two-line plates have more slots, the others certainly empty ones."""
    out = np.zeros((len(readings), max(map(len, readings)), readings[0].shape[1]), np.float32)
    out[..., pad] = 1.0
    for row, slots in zip(out, readings, strict=True):
        row[: len(slots)] = slots
    return out


def joined(first: Answers, second: Answers) -> Answers:
    """Return the answers of ``first`` and then those of ``second``, of the same OCR."""
    return Answers(
        first.alphabet,
        first.pad,
        stacked([*first.probabilities, *second.probabilities], first.alphabet.index(first.pad)),
        np.concatenate([first.widths_px, second.widths_px]),
        np.concatenate([first.infrared, second.infrared]),
        np.concatenate([first.texts, second.texts]),
        np.concatenate([first.distances, second.distances]),
    )


def fold_of(text: str) -> int:
    """Return the fold of the plate that reads ``text``."""
    return zlib.crc32(text.encode()) % FOLDS


def judged(answers: Answers, probabilities: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each reading's confidence with 0 and O merged, and whether its text is right.

    Args:
        answers: what the probabilities belong to.
        probabilities: (n, slots, alphabet), the answers' own or calibrated.
    """
    zero, letter = answers.alphabet.index("0"), answers.alphabet.index("O")
    one = probabilities.astype(np.float64)
    one[..., zero] += one[..., letter]
    one[..., letter] = 0.0
    symbols = np.array(list(answers.alphabet))
    read = ["".join(row).replace(answers.pad, "") for row in symbols[one.argmax(axis=-1)]]
    return one.max(axis=-1).prod(axis=-1), np.array(read) == answers.texts


def calibrated(answers: Answers, parameters: Parameters) -> NDArray[np.float32]:
    """Return the answers' probabilities as ``Calibration.apply`` would, all at once."""
    one = Calibration("", parameters)
    pairs = zip(answers.widths_px, answers.infrared, strict=True)
    temperature = np.array([one.temperature(float(width), bool(infrared)) for width, infrared in pairs])
    return tempered(answers.probabilities, temperature[:, None, None], parameters.floor)


def fit(answers: Answers) -> Parameters:
    """Find the parameters under which what happened is likeliest: daylight first, infrared's factor on top of it."""
    day = answers.where(~answers.infrared)

    def by_day(x: NDArray[np.float64]) -> float:
        return _surprise(day, _parameters(x))

    best = minimize(
        by_day,
        np.array(_SIMPLEX[0]),
        method="Nelder-Mead",
        bounds=Bounds(*np.transpose(_BOUNDS)),
        options={"initial_simplex": np.array(_SIMPLEX), "xatol": 2e-3, "fatol": 2e-5, "maxiter": 120},
    ).x
    infrared = LEAST_INFRARED
    if answers.infrared.any():
        night = answers.where(answers.infrared)
        infrared = _least(lambda factor: _surprise(night, _parameters(best, factor)))
    return _parameters(best, infrared)


def out_of_fold(answers: Answers, fitted: Callable[[Answers], Parameters] = fit) -> NDArray[np.float32]:
    """Return the answers' probabilities, each calibrated by parameters that were ``fitted`` without its plate."""
    out = np.empty_like(answers.probabilities)
    for fold in range(FOLDS):
        held_out = answers.folds == fold
        if held_out.any():
            out[held_out] = calibrated(answers.where(held_out), fitted(answers.where(~held_out)))
    return out


def texts_of(plates: Sequence[str]) -> NDArray[np.str_]:
    """Return truths as they are compared: upper case, 0 for O."""
    return np.array([plate.upper().replace("O", "0") for plate in plates])


def _parameters(x: NDArray[np.float64], infrared: float = 1.0) -> Parameters:
    # Rounded, so that the file holds exactly what was fitted and reads well.
    return Parameters(
        temperature=round(float(np.exp(x[0])), 3),
        narrowness=round(float(x[1]), 3),
        widest_px=WIDEST_PX,
        infrared=round(infrared, 3),
        floor=round(float(x[2]) / 100, 5),
    )


def _surprise(answers: Answers, parameters: Parameters) -> float:
    confidence, right = judged(answers, calibrated(answers, parameters))
    confidence = confidence.clip(1e-6, 1 - 1e-6)
    return float(-np.where(right, np.log(confidence), np.log1p(-confidence)).mean())


def _least(cost: Callable[[float], float]) -> float:
    bounds = (LEAST_INFRARED, _MOST_INFRARED)
    best = float(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 2e-3}).x)
    # The search stops a little inside its bounds.
    return LEAST_INFRARED if cost(LEAST_INFRARED) <= cost(best) else best
