"""Reads rendered frames once, keeps what was found, and plays it to the product's stage as often as one likes.

What a frame's candidates are depends on the pictures and on the reader alone, so a cache lets the vote and the tracks
be tuned in seconds. Keys:

- a sequence: this package's sources, kind, number, seed, split and scale;
- its candidates: besides, the digests of the models' files, of the calibration's parameters and of every module of
  ``edge_agent`` that ``edge_agent.plates.reader`` imports, directly or not. A changed reader is read again.

The cache holds pickles: point it at a folder of your own. It holds pictures of real vehicles: not for the repository.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import pickle
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge_agent
from edge_agent.inference.manifest import packaged_folder
from edge_agent.inference.models import PlateModels
from edge_agent.plates.calibration import PARAMETERS_FILE
from edge_agent.ports import PlateReader
from edge_agent.records import PlateCandidate
from rendered.camera import decode
from rendered.scenes import Sequence, render
from rendered.vehicles import Library

# For each picture of a sequence, and after those for each of its close-ups, what was found in it.
Candidates = tuple[tuple[PlateCandidate, ...], ...]


def reader_digest(models: PlateModels) -> str:
    """Return a digest of everything that a reading depends on besides the picture."""
    root = Path(edge_agent.__file__).parents[1]
    total = hashlib.sha256()
    for path in (models.detector, models.ocr, models.ocr_config):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    for path in sorted(_sources(root, "edge_agent.plates.reader")):
        total.update(_code(path))
    # A calibration's fitted values lie beside the models, not among the sources.
    total.update(hashlib.sha256((packaged_folder() / PARAMETERS_FILE).read_bytes()).digest())
    return total.hexdigest()[:16]


def render_digest() -> str:
    """Return a digest of what a rendered picture depends on besides its arguments."""
    folder = Path(__file__).parent
    sources = [folder / name for name in ("camera.py", "scenes.py", "vehicles.py")]
    return hashlib.sha256(b"".join(_code(p) for p in sources)).hexdigest()[:16]


def _code(path: Path) -> bytes:
    """Return what a module says, whatever its layout and comments."""
    return ast.dump(ast.parse(path.read_bytes())).encode()


def _sources(root: Path, module: str) -> set[Path]:
    """Return the files of ``module`` and of all that it imports from ``edge_agent``."""
    found: set[Path] = set()
    open_modules = [module]
    while open_modules:
        parts = open_modules.pop().split(".")
        path = root.joinpath(*parts).with_suffix(".py")
        if not path.is_file():
            path = root.joinpath(*parts, "__init__.py")
        if not path.is_file() or path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            open_modules += [name for name in names if name.startswith("edge_agent.")]
    return found


class Replay:
    """A ``PlateReader`` that answers with what was found before; set ``candidates`` before each frame."""

    def __init__(self) -> None:
        self.candidates: Listing[PlateCandidate] = ()

    def read(self, _image: NDArray[np.uint8]) -> Listing[PlateCandidate]:
        """Return ``candidates``."""
        return self.candidates


class Rushes:
    """Sequences with their candidates, from the cache where it has them.

    Args:
        library: what is rendered.
        open_reader: opens what reads it; called when something must be read.
        digest: of the reader.
        cache: where pickles are kept; None keeps nothing.
        stale: whether candidates that another version of the reader found are taken too, the newest first.
    """

    def __init__(
        self,
        library: Library,
        open_reader: Callable[[], PlateReader],
        digest: str,
        cache: Path | None,
        *,
        stale: bool = False,
    ) -> None:
        self._library = library
        self._reader = functools.cache(open_reader)
        self._stale = stale
        # Taken once: a source that is edited while this runs is not what runs.
        self._rendered, self._read = render_digest(), digest
        self._cache = cache

    def take(self, kind: str, number: int, seed: int, scale: float) -> tuple[Sequence, Candidates]:
        """Return a sequence and what was found in each of its pictures."""
        name = f"{kind}-{number}-{seed}-{self._library.split}-{scale:g}"
        rendered = self._path(f"sequence-{self._rendered}-{name}")
        sequence = _load(rendered)
        if not isinstance(sequence, Sequence):
            sequence = render(kind, number, seed, self._library, scale)
            _store(rendered, sequence)
        read = self._path(f"candidates-{self._rendered}-{self._read}-{name}")
        candidates = _load(self._newest(name) if self._stale else read)
        if not isinstance(candidates, tuple):
            reader = self._reader()
            candidates = tuple(tuple(reader.read(decode(jpeg))) for jpeg in sequence.pictures + sequence.close_ups)
            _store(read, candidates)
        return sequence, candidates

    def _newest(self, name: str) -> Path | None:
        any_digest = "?" * len(self._read)  # "*" would take parked-night for night
        pattern = f"candidates-{self._rendered}-{any_digest}-{name}.pickle"
        found = [] if self._cache is None else self._cache.glob(pattern)
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def _path(self, name: str) -> Path | None:
        return None if self._cache is None else self._cache / f"{name}.pickle"


def _load(path: Path | None) -> object:
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return pickle.load(file)


def _store(path: Path | None, value: object) -> None:
    """Write whole or not at all, so that an interrupted run leaves nothing half written."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(pickle.dumps(value))
    partial.replace(path)
