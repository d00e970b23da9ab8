"""The manifest of known model files: sets of files named by SHA-256, with licence and source.

The manifest travels with the models: ``edge_agent/_models`` in a wheel, ``models/`` beside the package in a checkout.
Pure reading; nothing here opens a network.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.errors import ModelError

MANIFEST_FILE = "manifest.toml"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a set.

    Attributes:
        part: what the file is for within its set, such as ``detector``.
        name: its usual base name; the digest alone identifies it.
        sha256: lower-case hex; None where nobody has pinned the file yet, which then needs a person's trust.
        source: where it comes from, for people.
        size_bytes: of the file, where it is pinned.
        url: where its makers publish it; None where they do not.
    """

    part: str
    name: str
    sha256: str | None
    source: str
    size_bytes: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a set of networks did, measured once and written down; the others' figures are empty.

    Attributes:
        on: the day, ``2026-11-21``.
        how: the command.
        read: the share of labelled plates that were read exactly, by the name of the photographs.
        found: the share that was found at all, by the same.
        recall: the share of gunshots that were heard when 1 % of everything else passes, by the name of the recordings.
        recall_tenth: the same when 0.1 % pass.
        false_alarms: the share of what is no gunshot that passes where 1 % of everything does, by what it is.
    """

    on: str
    how: str
    read: Mapping[str, float] = field(default_factory=dict)
    found: Mapping[str, float] = field(default_factory=dict)
    recall: Mapping[str, float] = field(default_factory=dict)
    recall_tenth: Mapping[str, float] = field(default_factory=dict)
    false_alarms: Mapping[str, float] = field(default_factory=dict)

    def behind(self, other: Measured) -> float:
        """Return how much more of the same plates ``other`` reads, on average; negative if it reads fewer."""
        both = self.read.keys() & other.read.keys()
        return sum(other.read[name] - self.read[name] for name in both) / max(len(both), 1)


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Files that belong together.

    Attributes:
        name: as ``--model`` and configuration name it.
        kind: ``plates`` or ``gunshot``.
        rank: of several complete sets of a kind, the highest is taken.
        licence: licence of the files.
        source: where the set comes from, for people.
        files: by part.
        measured: how well it does; None where nobody wrote that down.
    """

    name: str
    kind: str
    rank: int
    licence: str
    source: str
    files: Mapping[str, ModelFile]
    measured: Measured | None = None

    @property
    def is_published(self) -> bool:
        """Whether every file of it can be fetched from where its makers publish it."""
        return all(file.url for file in self.files.values())


def packaged_folder() -> Path:
    """Return the folder of models that came with this installation, whatever the working directory is."""
    package = Path(__file__).resolve().parents[1]
    in_wheel = package / "_models"
    return in_wheel if in_wheel.is_dir() else package.parent / "models"


def load_manifest(folder: Path) -> tuple[ModelSet, ...]:
    """Read ``folder/manifest.toml``.

    Returns:
        The sets, highest rank first.

    Raises:
        ModelError: there is no manifest, or it is not of the expected form.
    """
    path = folder / MANIFEST_FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        sets = tuple(_model_set(entry) for entry in document["sets"])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Install the package again.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a model manifest ({error!r}). Install the package again.") from error
    return tuple(sorted(sets, key=lambda s: -s.rank))


def _model_set(entry: Mapping[str, object]) -> ModelSet:
    files = entry["files"]
    if not isinstance(files, list):
        raise TypeError(f"files of set {entry['name']!r}: expected a list")
    return ModelSet(
        name=str(entry["name"]),
        kind=str(entry["kind"]),
        rank=int(str(entry["rank"])),
        licence=str(entry["licence"]),
        source=str(entry["source"]),
        files={str(file["part"]): _model_file(file) for file in files},
        measured=_measured(entry.get("measured")),
    )


def _measured(entry: object) -> Measured | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise TypeError(f"measured: got {entry!r}, expected a table")
    shares = {what: table for what, table in entry.items() if what not in ("on", "how")}
    if not all(isinstance(table, dict) for table in shares.values()):
        raise TypeError(f"measured: got {shares!r}, expected tables of shares")
    for share in (share for table in shares.values() for share in table.values()):
        if not isinstance(share, float) or not 0 <= share <= 1:
            raise ValueError(f"measured: got {share!r}, expected a share from 0.0 to 1.0")
    return Measured(str(entry["on"]), str(entry["how"]), **shares)


def _model_file(entry: Mapping[str, object]) -> ModelFile:
    sha256, size, url = entry.get("sha256"), entry.get("size_bytes"), entry.get("url")
    name = str(entry["file"])
    if name != Path(name).name or name in ("", ".", ".."):
        raise ValueError(f"file {name!r}: expected a name without folders")
    return ModelFile(
        part=str(entry["part"]),
        name=name,
        sha256=None if sha256 is None else str(sha256).lower(),
        source=str(entry["source"]),
        size_bytes=None if size is None else int(str(size)),
        url=None if url is None else str(url),
    )
