"""What was measured of how plates are misread: ``parameters.toml``, which ``models/plate_matching/recipe.py`` writes.

Immutable once loaded; safe to share between threads.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.errors import ConfigurationError
from collector.match.packing import SPELLED

EXTRA_KINDS = ("front", "middle", "end", "repeated")
"""What a character is that was read and that the plate does not have: one of the first two, one amid the others, the
last one, or the same as the one beside it."""

_NAMES = (
    "sharpness",
    "sharpness_by_doubt",
    "floor",
    "missing_share",
    "none_at_all",
    "none_by_doubt",
    "none_by_log_doubt",
    "untold",
    "lost",
    "late",
    *(f"extra_{kind}" for kind in EXTRA_KINDS),
    "extra_by_doubt",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The shipped calibration of an OCR, for reads that come raw.

    Attributes:
        id: as devices name it.
        temperature: log-probabilities are divided by it.
        floor: the share of each slot that is spread evenly.
    """

    id: str
    temperature: float
    floor: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was fitted.

    Attributes:
        id: of these values: other values have another.
        calibrations: the shipped ones; the first is the reference OCR's.
        sharpness: exponent of what a slot says, of a read without doubt.
        sharpness_by_doubt: how much it grows with the slots' entropy (nats, all slots together).
        floor: what every slot leaves to the characters that its likeliest one is taken for.
        missing_share: how much of what a slot does not tell goes to those, too.
        none_at_all: log-odds of "none of these".
        none_by_doubt: how much they grow with the slots' entropy (nats).
        none_by_log_doubt: how much with its logarithm.
        untold: over how many characters a slot's missing mass is thought to be spread, in the entropy.
        confusion: (36, 36) rows sum to 1: to which characters what is missing goes, by the likeliest one.
        log_confusion: (36, 36) its logarithm; no less than that of 1e-12.
        bias: (36, 36) how much likelier a character is than a slot says, as a logarithm, by the likeliest one.
        extra: (4,) weight of no character where one was read, by ``EXTRA_KINDS``.
        extra_by_doubt: exponent of the entropy in that weight.
    """

    id: str
    calibrations: tuple[Calibration, ...]
    sharpness: float
    sharpness_by_doubt: float
    floor: float
    missing_share: float
    none_at_all: float
    none_by_doubt: float
    none_by_log_doubt: float
    untold: float
    confusion: NDArray[np.float64]
    log_confusion: NDArray[np.float64]
    bias: NDArray[np.float64]
    extra: NDArray[np.float64]
    extra_by_doubt: float


@cache
def packaged_parameters() -> Parameters:
    """Return what came with this installation, read once.

    Raises:
        ConfigurationError: it cannot be read, or is not of the expected form.
    """
    file = resources.files("collector.match") / "parameters.toml"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}). Install the package again.") from error
    return parse(content, str(file))


def parse(content: bytes, name: str) -> Parameters:
    """Read parameters.

    Args:
        content: of the form that the recipe writes.
        name: what to call it in errors.

    Raises:
        ConfigurationError: it is not of that form; the text names the place.
    """
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: not TOML ({error}). Run models/plate_matching/recipe.py again.") from error
    values = {one: _number(document.get("fitted", {}), one, f"{name}: fitted") for one in _NAMES}
    confusion, bias = (_matrix(document.get(one, {}), f"{name}: {one}") for one in ("confusion", "bias"))
    # Whether a slot bears a character at all has factors of its own.
    bias[1:, 0] += values["lost"]
    bias[0, 1:] += values["late"]
    shipped = document.get("calibrations")
    if not isinstance(shipped, list) or not shipped or not all(isinstance(one, dict) for one in shipped):
        raise ConfigurationError(f"{name}: calibrations: got {shipped!r}, expected tables [[calibrations]].")
    known = Parameters(
        id=hashlib.sha256(content).hexdigest()[:8],
        calibrations=tuple(_calibration(one, f"{name}: calibrations[{at}]") for at, one in enumerate(shipped)),
        sharpness=values["sharpness"],
        sharpness_by_doubt=values["sharpness_by_doubt"],
        floor=values["floor"],
        missing_share=values["missing_share"],
        none_at_all=values["none_at_all"],
        none_by_doubt=values["none_by_doubt"],
        none_by_log_doubt=values["none_by_log_doubt"],
        untold=values["untold"],
        confusion=confusion,
        log_confusion=np.log(np.maximum(confusion, 1e-12)),
        bias=bias,
        extra=np.exp([values[f"extra_{kind}"] for kind in EXTRA_KINDS]),
        extra_by_doubt=values["extra_by_doubt"],
    )
    for array in (known.confusion, known.log_confusion, known.bias, known.extra):
        array.flags.writeable = False
    return known


def _calibration(table: Mapping[str, Any], where: str) -> Calibration:
    named = table.get("id")
    if not isinstance(named, str):
        raise ConfigurationError(f"{where}.id: got {named!r}, expected text.")
    return Calibration(named, _number(table, "temperature", where), _number(table, "floor", where))


def _number(table: Mapping[str, Any], key: str, where: str) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{where}.{key}: got {value!r}, expected a number.")
    return float(value)


def _matrix(table: Mapping[str, Any], where: str) -> NDArray[np.float64]:
    rows = [table.get(character) for character in SPELLED]
    if any(not isinstance(row, list) or len(row) != len(SPELLED) for row in rows):
        raise ConfigurationError(f"{where}: expected a row of {len(SPELLED)} numbers for each of {SPELLED}.")
    return np.array(rows, np.float64)
