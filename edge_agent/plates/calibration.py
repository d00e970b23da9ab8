"""What an OCR's probabilities are worth: fitted temperatures, by network, plate width and infrared.

A network says 0.99 of a character and is right less often, the more so the smaller the plate. Dividing its
log-probabilities by a temperature (Guo et al., "On Calibration of Modern Neural Networks", 2017) brings a reading's
confidence, the product over its slots, to the share of such readings that are right. The parameters are fitted by
``models/plate_calibration/recipe.py`` and travel with the package; the card beside them says on what they were fitted.

Invariants:

- Within a slot, what was likelier stays likelier: a calibration changes no text.
- A narrower plate never comes out surer than a wider one with the same answer, nor infrared surer than daylight.
- An OCR that nobody fitted keeps its probabilities, and its id says so (``raw-``).

Pure once loaded; safe to call from several threads.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.inference.manifest import packaged_folder

PARAMETERS_FILE = "plate_calibration/parameters.toml"

# The median width of plates on the roadside photographs that reading was measured on (docs/plates.md).
REFERENCE_WIDTH_PX = 88.0
# A float32 probability may underflow to 0, whose logarithm no temperature can warm.
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was fitted for one OCR.

    Attributes:
        temperature: at ``REFERENCE_WIDTH_PX`` by day; 1 changes nothing, more is less sure.
        narrowness: exponent of the width: the temperature at w px is ``temperature * (88 / w) ** narrowness``.
        widest_px: from here on the temperature stays; nothing wider was measured.
        infrared: factor on the temperature of pictures without colour.
        floor: the share of each slot that is spread evenly over the alphabet, so that nothing is certain.
    """

    temperature: float
    narrowness: float
    widest_px: float
    infrared: float
    floor: float

    def id_for(self, ocr_sha256: str) -> str:
        """Return the id of these values for the OCR with this digest: other values are another id."""
        values = json.dumps(asdict(self), sort_keys=True)
        return f"t1-{ocr_sha256[:8]}-{hashlib.sha256(values.encode()).hexdigest()[:8]}"


# Least and most of what a parameter may be.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.2, 10.0),
    "narrowness": (0.0, 2.0),
    "widest_px": (REFERENCE_WIDTH_PX, 4096.0),
    "infrared": (1.0, 5.0),
    "floor": (0.0, 0.1),
}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns an OCR's raw distributions into calibrated ones.

    Attributes:
        id: what every reading that went through carries: ``t1-`` with the digests of OCR and parameters, or ``raw-``
            with the OCR's.
        parameters: None leaves everything as it is.
    """

    id: str
    parameters: Parameters | None = None

    def temperature(self, width_px: float, infrared: bool) -> float:
        """Return the temperature for a plate ``width_px`` wide in the frame; 1 where nothing was fitted."""
        fitted = self.parameters
        if fitted is None:
            return 1.0
        width_px = min(max(width_px, 1.0), fitted.widest_px)
        by_width = (REFERENCE_WIDTH_PX / width_px) ** fitted.narrowness
        return float(fitted.temperature * by_width * (fitted.infrared if infrared else 1.0))

    def apply(self, probabilities: NDArray[np.float32], width_px: float, infrared: bool) -> NDArray[np.float32]:
        """Return calibrated ``probabilities``.

        Args:
            probabilities: (..., slots, alphabet), rows sum to 1: what the OCR said, or what several crops of one plate
                in one frame came to together.
            width_px: width of the detector's box, in pixels of the frame, before any padding or enlargement.
            infrared: whether the picture has no colour.
        """
        if self.parameters is None:
            return probabilities
        return tempered(probabilities, self.temperature(width_px, infrared), self.parameters.floor)


def tempered(
    probabilities: NDArray[np.float32], temperature: float | NDArray[np.float64], floor: float
) -> NDArray[np.float32]:
    """Divide log-probabilities by ``temperature``, and spread ``floor`` of each slot evenly.

    Args:
        probabilities: (..., slots, alphabet), rows sum to 1.
        temperature: one number, or what broadcasts to ``probabilities``.
        floor: from 0 to 1.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)) / temperature
    warm = np.exp(logs - logs.max(axis=-1, keepdims=True))
    warm /= warm.sum(axis=-1, keepdims=True)
    return np.asarray((1 - floor) * warm + floor / warm.shape[-1], np.float32)


def calibration_for(ocr_sha256: str, folder: Path | None = None) -> Calibration:
    """Return the calibration of the OCR with this digest.

    Args:
        ocr_sha256: lower-case hex digest of the ONNX file.
        folder: the folder of models; None means the one that came with this installation.

    Returns:
        The fitted calibration; for an OCR that nobody fitted, one that changes nothing.

    Raises:
        ModelError: the parameters cannot be read, or are not of the expected form.
    """
    fitted = load_parameters((folder or packaged_folder()) / PARAMETERS_FILE).get(ocr_sha256)
    if fitted is None:
        return Calibration(f"raw-{ocr_sha256[:8]}")
    return Calibration(fitted.id_for(ocr_sha256), fitted)


def load_parameters(path: Path) -> dict[str, Parameters]:
    """Read a file of fitted parameters.

    Returns:
        Parameters by the OCR's SHA-256, lower-case hex.

    Raises:
        ModelError: the file cannot be read, or is not of the expected form.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Install the package again.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not TOML ({error}). Run models/plate_calibration/recipe.py again.") from error
    entries = document.get("fitted", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelError(f"{path}: fitted: got {entries!r}, expected tables [[fitted]].")
    return dict(_fitted(entry, f"{path}: fitted[{at}]") for at, entry in enumerate(entries))


def _fitted(entry: Mapping[str, Any], where: str) -> tuple[str, Parameters]:
    names = {field.name for field in fields(Parameters)}
    if set(entry) != names | {"ocr", "name"}:
        raise ModelError(f"{where}: got {sorted(entry)}, expected exactly {sorted(names | {'ocr', 'name'})}.")
    ocr = entry["ocr"]
    if not isinstance(ocr, str) or len(ocr) != 64 or set(ocr) - set("0123456789abcdef"):
        raise ModelError(f"{where}.ocr: got {ocr!r}, expected a SHA-256 in lower-case hex.")
    for name in names:
        least, most = _BOUNDS[name]
        value = entry[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ModelError(f"{where}.{name}: got {value!r}, expected a number from {least:g} to {most:g}.")
    return ocr, Parameters(**{name: float(entry[name]) for name in names})
