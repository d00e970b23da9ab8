"""Which detector never heard a firing position."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def read_folds(folder: Path) -> Mapping[str, Path]:
    """Return the model file by firing position, as ``folder/folds.json`` names them.

    Raises:
        ValueError: no such file, or not an object of file names, or a file is missing.
    """
    listing = folder / "folds.json"
    try:
        names = json.loads(listing.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f'{listing}: {error}; expected {{"FP1": "gunshot-0.onnx", …}}') from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ValueError(f'{listing}: expected {{"FP1": "gunshot-0.onnx", …}}')
    folds = {position: folder / name for position, name in names.items()}
    missing = [str(path) for path in folds.values() if not path.is_file()]
    if missing:
        raise ValueError(f"{listing}: names {', '.join(missing)}, which is not there")
    return folds


def model_of(recording: Path, folds: Mapping[str, Path]) -> Path:
    """Return the model that never heard the firing position in the path of ``recording``.

    Raises:
        ValueError: none of its folders is a firing position that ``folds`` knows.
    """
    for part in reversed(recording.parts[:-1]):
        if part in folds:
            return folds[part]
    raise ValueError(f"{recording}: expected a folder of one of {', '.join(sorted(folds))} in its path")
