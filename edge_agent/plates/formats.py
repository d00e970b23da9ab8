"""Serial formats: which texts the plates of a region may bear, as ``models/plate_formats/formats.toml`` lists them.

Pure once loaded; safe to call from several threads.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edge_agent.errors import ModelError
from edge_agent.inference.manifest import packaged_folder

FORMATS_FILE = "plate_formats/formats.toml"
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARACTERS = DIGITS + LETTERS
# What stands between the characters of a pattern and is no part of the text: gap, dash, picture in mid-plate.
SEPARATORS = " -*"
# Small or stacked characters, which no reader reports.
_SMALL = re.compile(r"\[[^][]*\]")

_FIELDS = {"region": str, "pattern": str, "weight": int | float, "without": str, "kind": str}
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_KINDS = ("passenger", "truck", "motorcycle")
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class Format:
    """One serial format.

    Attributes:
        region: ISO 3166 code, "US-TX" or "RO".
        pattern: "9" a digit, "A" a letter, any other letter or digit itself, and ``SEPARATORS``; what stands in square
            brackets is small and not reported.
        weight: share of the region's plates, of those that follow a listed pattern.
        without: letters that the series leaves out at its A's.
        kind: "passenger", "truck" or "motorcycle".
        starts: what the first characters must be, all of one length; () where nothing is known.
    """

    region: str
    pattern: str
    weight: float
    without: str
    kind: str
    starts: tuple[str, ...] = ()

    @property
    def marks(self) -> str:
        """The pattern without separators and small characters: one mark a character of the text."""
        return "".join(mark for mark in _SMALL.sub("", self.pattern) if mark not in SEPARATORS)

    @property
    def classes(self) -> tuple[str, ...]:
        """The characters that may stand at each place of the text, in order; ``starts`` place by place."""
        letters = "".join(letter for letter in LETTERS if letter not in self.without)
        at = [DIGITS if mark == "9" else letters if mark == "A" else mark for mark in self.marks]
        for place in range(len(self.starts[0]) if self.starts else 0):
            at[place] = "".join(sorted({start[place] for start in self.starts}))
        return tuple(at)

    def matches(self, text: str) -> bool:
        """Whether ``text``, capitals and digits only, is a serial of this format."""
        classes = self.classes
        return (
            len(text) == len(classes)
            and all(character in allowed for character, allowed in zip(text, classes, strict=True))
            and (not self.starts or text.startswith(self.starts))
        )


def matches(text: str, formats: Sequence[Format]) -> tuple[Format, ...]:
    """Return those of ``formats`` of which ``text`` may be a serial; case and separators do not count."""
    plain = "".join(character for character in text.upper() if character not in SEPARATORS)
    return tuple(f for f in formats if f.matches(plain))


@cache
def packaged_formats() -> tuple[Format, ...]:
    """Return the formats that came with this installation, read once.

    Raises:
        ModelError: as ``load_formats``.
    """
    return load_formats(packaged_folder() / FORMATS_FILE)


def load_formats(path: Path) -> tuple[Format, ...]:
    """Read a table of formats, of the form of ``models/plate_formats/formats.toml``.

    Raises:
        ModelError: the file cannot be read, or is not of the expected form; the text names the entry.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Install the package again.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not TOML ({error}).") from error
    entries = document.get("formats")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ModelError(f"{path}: formats: got {entries!r}, expected a list of tables.")
    formats = tuple(_format(entry, f"{path}: formats[{at}]") for at, entry in enumerate(entries))
    for region in dict.fromkeys(f.region for f in formats):
        total = sum(f.weight for f in formats if f.region == region)
        if abs(total - 1) > 0.01:
            raise ModelError(f"{path}: {region}: weights come to {total:.3f}, expected 1.")
    return formats


def _format(entry: Mapping[str, Any], where: str) -> Format:
    if set(entry) - {"starts"} != set(_FIELDS):
        raise ModelError(f"{where}: got {sorted(entry)}, expected {sorted(_FIELDS)}, and starts where there are any.")
    for name, kind in _FIELDS.items():
        if not isinstance(entry[name], kind) or isinstance(entry[name], bool):
            raise ModelError(f"{where}.{name}: got {entry[name]!r}, expected {'text' if kind is str else 'a number'}.")
    starts = entry.get("starts", [])
    if not isinstance(starts, list) or not all(isinstance(start, str) and start for start in starts):
        raise ModelError(f'{where}.starts: got {starts!r}, expected a list of codes such as ["AB", "AG"].')
    read = Format(starts=tuple(starts), **{name: entry[name] for name in _FIELDS})
    marks = read.marks
    if not 1 < len(marks) <= _LONGEST or set(marks) - set(CHARACTERS):
        raise ModelError(
            f"{where}.pattern: got {read.pattern!r}, expected 2 to {_LONGEST} digits and capital letters, with gaps, "
            'dashes and "*" between them.'
        )
    expected = {
        "region": (_REGION.fullmatch(read.region) is not None, 'an ISO 3166 code such as "US-TX" or "RO"'),
        "weight": (0 < read.weight <= 1, "a share above 0, at most 1"),
        "kind": (read.kind in _KINDS, f"one of {', '.join(_KINDS)}"),
        "without": (not set(read.without) - set(LETTERS) and len(read.without) < 20, "fewer than 20 capital letters"),
        "starts": (_may_start(read), f"codes of one length that may stand at the beginning of {read.pattern!r}"),
    }
    for name, (good, what) in expected.items():
        if not good:
            raise ModelError(f"{where}.{name}: got {entry[name]!r}, expected {what}.")
    return read


def _may_start(read: Format) -> bool:
    kinds = [DIGITS if mark == "9" else LETTERS if mark == "A" else mark for mark in read.marks]
    return len({len(start) for start in read.starts}) <= 1 and all(
        len(start) <= len(kinds) and all(c in kind for c, kind in zip(start, kinds, strict=False))
        for start in read.starts
    )
