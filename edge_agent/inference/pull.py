"""Puts a set's files into a folder: fetched from their makers, or copied from a folder; never without a digest.

Invariants:

- A file gets its name only after its SHA-256 is the manifest's, or one that a person trusts; by renaming, so that it
  is there whole or not at all. A damaged file of that name is replaced.
- A file that nobody has pinned and nobody trusts yet waits as ``NAME.untrusted``, which nothing runs; trusted, it is
  renamed without being fetched again.
- Trust is not recorded beside the models: whoever could swap a model there could write that record too. It is given
  on the command line, or in ``models.trust_digests`` of the configuration.

Blocking; called by ``edge-agent models pull`` in its main thread.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.errors import PullError
from edge_agent.inference.download import Pause, Progress, download, wait
from edge_agent.inference.manifest import ModelFile
from edge_agent.inference.models import model_files, sha256_of

PART_SUFFIX, WAITING_SUFFIX = ".part", ".untrusted"

Fetch = Callable[[ModelFile, Path], None]
"""Makes the second argument the whole file, or raises ``PullError``."""


class Outcome(StrEnum):
    """What became of a file."""

    PRESENT = "already there"
    INSTALLED = "installed"
    WAITING = "waits for trust"


@dataclass(frozen=True, slots=True)
class Pulled:
    """One file of a set, pulled.

    Attributes:
        file: which.
        path: where it is now.
        sha256: its digest, lower-case hex.
        size_bytes: its size.
        outcome: what became of it.
    """

    file: ModelFile
    path: Path
    sha256: str
    size_bytes: int
    outcome: Outcome


def pull_file(file: ModelFile, to: Path, fetch: Fetch, trusted: Collection[str] = ()) -> Pulled:
    """Make sure that ``file`` is in the folder ``to``, which exists.

    Args:
        file: as the manifest has it.
        to: the folder.
        fetch: ``from_makers`` or a ``FromFolder``; not called when the file is there.
        trusted: digests that a person vouches for; only a file without a pin needs one.

    Raises:
        PullError: it cannot be had, or is not what the manifest says; the text says what to do.
        ModelError: what is there cannot be read.
    """
    target, part = to / file.name, to / (file.name + PART_SUFFIX)
    waiting = to / (file.name + WAITING_SUFFIX)
    accepted = {file.sha256} if file.sha256 is not None else set(trusted)
    if target.is_file():
        digest = sha256_of(target)
        if digest in accepted:
            return _pulled(file, target, digest, Outcome.PRESENT)
        if file.sha256 is None:
            return _pulled(file, target, digest, Outcome.WAITING)
    if not waiting.is_file():
        digest = _fetched(file, part, fetch)
        os.replace(part, target if digest in accepted else waiting)
        if digest in accepted:
            return _pulled(file, target, digest, Outcome.INSTALLED)
    digest = sha256_of(waiting)
    if digest not in accepted:
        return _pulled(file, waiting, digest, Outcome.WAITING)
    os.replace(waiting, target)
    return _pulled(file, target, digest, Outcome.INSTALLED)


def _fetched(file: ModelFile, part: Path, fetch: Fetch) -> str:
    """Fetch into ``part``, a pinned file once more from the beginning if what had come before spoilt it."""
    resumed = part.exists()
    fetch(file, part)
    digest = sha256_of(part)
    if file.sha256 in (None, digest):
        return digest
    part.unlink()
    if resumed:
        return _fetched(file, part, fetch)
    raise PullError(
        f"{file.name}: got SHA-256 {digest}, expected {file.sha256}. It is not the file that this version of the agent "
        "knows; nothing was installed."
    )


def _pulled(file: ModelFile, path: Path, digest: str, outcome: Outcome) -> Pulled:
    return Pulled(file, path, digest, path.stat().st_size, outcome)


def from_makers(
    file: ModelFile, part: Path, progress: Progress = lambda have, total: None, pause: Pause = wait
) -> None:
    """Fetch ``file`` from where its makers publish it. Implements ``Fetch``.

    Args:
        file: as the manifest has it.
        part: the file to write.
        progress: is told how far it is.
        pause: waits between attempts.

    Raises:
        PullError: it is not published, or cannot be fetched.
    """
    if file.url is None:
        raise PullError(f"{file.name}: is published nowhere ({file.source}). Take it from a folder: --from FOLDER.")
    download(
        file.url,
        part,
        size_bytes=file.size_bytes,
        digest_known=file.sha256 is not None,
        progress=progress,
        pause=pause,
    )


def in_box(file: ModelFile, box: FromFolder, folder: FromFolder | None) -> Pulled | None:
    """Say that ``file`` need not be pulled, because it came with the installation, which completes every folder.

    Args:
        file: as the manifest has it.
        box: what came with the installation.
        folder: where a person wants files to be taken from, if anywhere; what is there is taken nevertheless.

    Returns:
        None where it has to be pulled.
    """
    found = None if file.sha256 is None or (folder is not None and folder.has(file)) else box.by_digest.get(file.sha256)
    return None if found is None else _pulled(file, found, file.sha256 or "", Outcome.PRESENT)


@dataclass(frozen=True, slots=True)
class FromFolder:
    """Copies files out of a folder, pinned ones by their digest, others by their name. Implements ``Fetch``.

    Attributes:
        folder: where.
        by_digest: its model files.
    """

    folder: Path
    by_digest: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> FromFolder:
        """Hash what is in ``folder`` and one level below.

        Raises:
            ModelError: a file cannot be read.
        """
        return cls(folder, {sha256_of(path): path for path in reversed(model_files(folder))})

    def has(self, file: ModelFile) -> bool:
        """Whether ``file`` is there."""
        return self._find(file) is not None

    def __call__(self, file: ModelFile, part: Path) -> None:
        """Copy ``file`` into ``part``.

        Raises:
            PullError: it is not there, or cannot be copied.
        """
        found = self._find(file)
        if found is None:
            told = f"a file with SHA-256 {file.sha256}" if file.sha256 else "a file of that name"
            raise PullError(f"{file.name}: {self.folder} has no such model; expected {told} ({file.source}).")
        try:
            with found.open("rb") as given, part.open("wb") as copy:
                shutil.copyfileobj(given, copy)
                copy.flush()
                os.fsync(copy.fileno())
        except OSError as error:
            raise PullError(f"{found}: cannot be copied to {part} ({error.strerror}).") from error

    def _find(self, file: ModelFile) -> Path | None:
        if file.sha256 is not None:
            return self.by_digest.get(file.sha256)
        return next((path for path in self.by_digest.values() if path.name == file.name), None)
