"""The files of ``collector match``: a hotlist, of a million entries in seconds, and reads as JSON lines.

What the import of a hotlist checks and keeps beyond plate, state and list (docs/hotlists.md) has no part here.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.errors import ConfigurationError
from collector.hotlists.regions import EXPECTED, region_code
from collector.match import patterns
from collector.match.patterns import PatternError
from collector.match.plates import normalise
from collector.match.records import ListedPlate

_PORTION = 20_000
_DELIMITERS = ",;\t|"
_STATES = ("state", "region", "lis", "license_state")
_PLATES = ("plate", "lic", "license", "license_plate", "number")
_WILD = frozenset("?*[")
_Slots = tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True, slots=True)
class RawRead:
    """One read of a file.

    Attributes:
        id: whatever the file calls it.
        slots: characters with probability by slot, likeliest first.
        regions: ISO 3166 codes with probability, likeliest first.
        calibration: as the read says; None where it says nothing.
        told: whether it says how likely its characters are.
    """

    id: Any
    slots: _Slots
    regions: tuple[tuple[str, float], ...]
    calibration: str | None
    told: bool = True

    @property
    def text(self) -> str:
        """The likeliest reading."""
        return "".join(slot[0][0] for slot in self.slots if slot and slot[0][0] != "_")


def hotlist(path: Path, bad: list[str], progress: Callable[[int], None]) -> Iterator[list[ListedPlate]]:
    """Yield the entries of a delimited file in portions.

    Args:
        path: its first line names the columns; `plate` is enough, `state` and `list` are taken too.
        bad: is given a sentence for each line that cannot be used.
        progress: told how many lines are read.

    Raises:
        ConfigurationError: it cannot be read, or has no column for plates.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            delimiter = max(_DELIMITERS, key=header.count)
            names = [
                name.strip().strip('"').lower().replace(" ", "_") for name in header.rstrip("\r\n").split(delimiter)
            ]
            at = next((names.index(name) for name in _PLATES if name in names), None)
            if at is None:
                got = ", ".join(map(repr, names))[:200]
                raise ConfigurationError(f"{path}: line 1: got columns {got}, expected one of them to be `plate`")
            state = next((names.index(name) for name in _STATES if name in names), None)
            name = names.index("list") if "list" in names else None
            rows = csv.reader(lines, delimiter=delimiter)
            yield from _portions(path, rows, (at, state, name), bad, progress)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: not delimited text in UTF-8 ({error})") from error


def _portions(
    path: Path,
    rows: Any,
    columns: tuple[int, int | None, int | None],
    bad: list[str],
    progress: Callable[[int], None],
) -> Iterator[list[ListedPlate]]:
    at, state, name = columns
    regions: dict[str, str | None] = {"": None}
    lists: dict[str, str] = {}
    portion: list[ListedPlate] = []
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        # Nearly all plates are written as they are meant, and then nothing has to be done.
        written = row[at] if at < len(row) else ""
        plain = written.isascii() and written.isalnum() and written.isupper()
        plate = written if plain else normalise(written)
        told = row[state] if state is not None and state < len(row) else ""
        wild = not plain and not _WILD.isdisjoint(written)
        try:
            if wild:
                plate = patterns.parse(written).text
            region = regions[told] if told in regions else regions.setdefault(told, region_code(told))
        except PatternError as error:
            bad.append(f"{path}:{rows.line_num + 1}: plate: {error}")
            continue
        except LookupError:
            bad.append(f"{path}:{rows.line_num + 1}: state: got {told!r}, expected {EXPECTED}")
            continue
        if not plate:
            bad.append(f"{path}:{rows.line_num + 1}: plate: got {written!r}, expected letters or digits")
            continue
        of = row[name] if name is not None and name < len(row) and row[name] else path.stem
        portion.append(ListedPlate(number, lists.setdefault(of, of), plate, region, wild))
        if len(portion) == _PORTION:
            yield portion
            progress(number)
            portion = []
    yield portion


def reads(path: Path, bad: list[str]) -> Iterator[RawRead]:
    """Yield the reads of a file of JSON lines.

    Args:
        path: the file.
        bad: is given a sentence for each line that cannot be used.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                read = _read(line)
                if isinstance(read, str):
                    bad.append(f"{path}:{number}: {read}")
                else:
                    yield read
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 ({error.reason})") from error


def _read(line: str) -> RawRead | str:
    """Return the read, or what is wrong with the line."""
    try:
        said = json.loads(line)
    except ValueError as error:
        return f"not JSON ({error})"
    if not isinstance(said, dict) or "id" not in said:
        return 'got no "id", expected an object with "id" and "slots" or "text"'
    calibration = said.get("calibration")
    if calibration is not None and not isinstance(calibration, str):
        return f"calibration: got {calibration!r}, expected an id"
    regions = _chances(said.get("region") or {})
    if regions is None:
        return f'region: got {said["region"]!r}, expected {{"US-TX": 0.7}} or null'
    slots = _slots(said["slots"]) if "slots" in said else _of_text(said)
    if isinstance(slots, str):
        return slots
    told = "slots" in said or said.get("confidence") is not None
    coded = tuple((code if "-" in code else _code(code), p) for code, p in regions)
    return RawRead(said["id"], slots, coded, calibration, told)


def _code(state: str) -> str:
    try:
        return region_code(state) or state
    except LookupError:
        return state.upper()


def _slots(given: Any) -> _Slots | str:
    if not isinstance(given, list):
        return f'slots: got {given!r}, expected a list such as [{{"A": 0.9, "4": 0.08}}, …]'
    slots = []
    for at, slot in enumerate(given):
        chances = _chances(slot)
        if chances is None or any(len(character) != 1 for character, _ in chances):
            return f'slots[{at}]: got {slot!r}, expected characters with probabilities such as {{"A": 0.9, "4": 0.08}}'
        slots.append(chances)
    return tuple(slots)


def _of_text(said: Mapping[str, Any]) -> _Slots | str:
    text, confidence = said.get("text"), said.get("confidence")
    if not isinstance(text, str):
        return 'got neither "slots" nor "text", expected one of them'
    if confidence is None:
        confidence = 1.0
    each = confidence if isinstance(confidence, list) else [confidence] * len(text)
    if len(each) != len(text) or not all(_is_chance(p) for p in each):
        return f"confidence: got {confidence!r}, expected a probability for each of the {len(text)} characters of text"
    pairs = zip(text.upper(), each, strict=True)
    return tuple(((character, float(p)),) for character, p in pairs if character.isalnum())


def _chances(given: Any) -> tuple[tuple[str, float], ...] | None:
    """Return what is as likely as given, likeliest first; None where that is not of the expected form."""
    if not isinstance(given, dict) or not all(_is_chance(p) for p in given.values()):
        return None
    return tuple(sorted(((str(key), float(p)) for key, p in given.items()), key=lambda pair: -pair[1]))


def _is_chance(p: Any) -> bool:
    return isinstance(p, int | float) and not isinstance(p, bool) and math.isfinite(p) and 0 <= p <= 1


def batches(all_of_them: Iterator[RawRead], size: int) -> Iterator[Sequence[RawRead]]:
    """Yield ``size`` reads at a time."""
    batch: list[RawRead] = []
    for one in all_of_them:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
