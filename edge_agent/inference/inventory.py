"""What model files lie on this device, held to the manifest. Reads and hashes; opens no network, refuses nothing.

``edge_agent/inference/models.py`` decides what is run; this says what there is to people who ask.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.inference.manifest import ModelFile, ModelSet
from edge_agent.inference.models import model_files, sha256_of
from edge_agent.inference.places import Place
from edge_agent.inference.pull import WAITING_SUFFIX


class State(StrEnum):
    """What a file on disk is, held to the manifest."""

    GOOD = "good"
    TRUSTED = "trusted"
    UNTRUSTED = "needs trust"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """A model file on disk.

    Attributes:
        place: which folder it was found in.
        path: where it is.
        sha256: its digest, lower-case hex.
        size_bytes: its size.
        state: ``good`` has a digest of the manifest; ``trusted`` one that a person vouches for; ``needs trust`` is of a
            set whose digest nobody has pinned; ``damaged`` has a name of the manifest and another digest; ``unknown``
            is none of these, and is not run either.
    """

    place: Place
    path: Path
    sha256: str
    size_bytes: int
    state: State


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that was found, first place first.

    Attributes:
        sets: the manifest's, highest rank first.
        found: the files.
    """

    sets: tuple[ModelSet, ...]
    found: tuple[Found, ...]

    def of(self, file: ModelFile) -> tuple[Found, ...]:
        """Return where ``file`` was found: pinned by its digest or damaged under its name, unpinned by its name."""
        if file.sha256 is None:
            return tuple(f for f in self.found if f.path.name.removesuffix(WAITING_SUFFIX) == file.name)
        damaged = (f for f in self.found if f.state is State.DAMAGED and f.path.name == file.name)
        return (*(f for f in self.found if f.sha256 == file.sha256), *damaged)

    def part_of(self, found: Found) -> str:
        """Return what ``found`` is for, as the manifest says; empty if it does not."""
        return next((file.part for s in self.sets for file in s.files.values() if found in self.of(file)), "")

    def set_of(self, found: Found) -> ModelSet | None:
        """Return the best set that ``found`` is of and that was measured; None if there is none."""
        return next(
            (s for s in self.sets if s.measured and any(found in self.of(file) for file in s.files.values())), None
        )

    def better_than(self, name: str) -> ModelSet | None:
        """Return the complete set that reads more of the same plates than the set called ``name``, if there is one."""
        used = next((s for s in self.sets if s.name == name), None)
        if used is None or used.measured is None:
            return None
        gains = {
            s.name: (used.measured.behind(s.measured), s)
            for s in self.sets
            if s.kind == used.kind and s.measured is not None and self.is_complete(s)
        }
        gain, best = max(gains.values(), key=lambda item: item[0], default=(0.0, None))
        return best if gain > 0 else None

    def is_complete(self, wanted: ModelSet) -> bool:
        """Whether every file of ``wanted`` is there and may be run."""
        return all(any(f.state in (State.GOOD, State.TRUSTED) for f in self.of(file)) for file in wanted.files.values())


def take_inventory(sets: Sequence[ModelSet], places: Sequence[Place], trusted: Collection[str] = ()) -> Inventory:
    """Hash every model file in ``places``.

    Args:
        sets: the manifest's.
        places: folders that exist, in the order in which they are looked in.
        trusted: digests that a person vouches for, lower-case hex.

    Raises:
        ModelError: a file cannot be read.
    """
    files = [file for s in sets for file in s.files.values()]
    pinned = {file.sha256 for file in files if file.sha256 is not None}
    pinned_names = {file.name for file in files if file.sha256 is not None}
    unpinned_names = {file.name for file in files if file.sha256 is None}

    def state_of(path: Path, digest: str) -> State:
        if digest in pinned:
            return State.GOOD
        if digest in trusted and path.suffix != WAITING_SUFFIX:
            return State.TRUSTED
        if path.name.removesuffix(WAITING_SUFFIX) in unpinned_names:
            return State.UNTRUSTED
        return State.DAMAGED if path.name in pinned_names else State.UNKNOWN

    found = []
    for place in places:
        for path in [*model_files(place.path), *sorted(place.path.glob(f"*{WAITING_SUFFIX}"))]:
            digest = sha256_of(path)
            found.append(Found(place, path, digest, path.stat().st_size, state_of(path, digest)))
    return Inventory(tuple(sets), tuple(found))
