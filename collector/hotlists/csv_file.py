"""Reads a hotlist from delimited text: finds out encoding and delimiter, and tells good rows from bad ones.

Pure: bytes in, rows out. A header names the columns; ``plate`` (or ``license_plate``, ``lic``) must be among them, the
others (``state`` or ``region``, ``reason``, ``severity``, ``notes``) may be. Unknown columns are left alone.

Invariant: no line of the file goes unmentioned. A quote that is not closed would make one cell of all lines up to the
next one, so a file that ends within quotes is refused, and a row with a line break in a cell is a bad one.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from collector.errors import ConfigurationError
from collector.hotlists.regions import EXPECTED, region_code
from collector.match.plates import normalise
from collector.store.hotlists import EntryRow

_COLUMNS = {
    "plate": "plate",
    "license_plate": "plate",
    "licence_plate": "plate",
    "lic": "plate",
    "state": "region",
    "region": "region",
    "lis": "region",
    "reason": "reason",
    "severity": "severity",
    "notes": "notes",
}
_DELIMITERS = ",;\t|"
_PLATE_LENGTHS = range(2, 13)
_DEFAULT_SEVERITY = "normal"
_MAX_SEVERITY = 16
_SHOWN_HEADER = 200
# Text holds none of these; pictures, archives and spreadsheets do, and UTF-16 without its mark.
_NOT_TEXT = frozenset(map(chr, range(32))) - set("\t\n\v\f\r\x1a")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not taken.

    Attributes:
        line: its line in the file, the header being 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class HotlistFile:
    """What a file holds.

    Attributes:
        encoding: as found out.
        delimiter: as found out.
        entries: the good rows, each plate and region once; the last one counts.
        bad: the others.
        repeated: how many good rows were replaced by a later one for the same plate and region.
        respelled: how many plates were not written in capitals without separators.
        taken_as: how many states were written without their country, by the country that was added.
    """

    encoding: str
    delimiter: str
    entries: tuple[EntryRow, ...]
    bad: tuple[BadRow, ...]
    repeated: int
    respelled: int
    taken_as: Mapping[str, int]


def parse(content: bytes, name: str) -> HotlistFile:
    """Read a file.

    Args:
        content: the file's bytes.
        name: what to call it in errors.

    Raises:
        ConfigurationError: it is empty, no text, ends within quotes, has no column for plates, or not one good row.
    """
    encoding, text = _decode(content, name)
    if not text.strip():
        raise ConfigurationError(f"{name}: the file is empty; expected a header line with a column `plate`")
    delimiter = _delimiter(text.split("\n", 1)[0])
    # Strict: otherwise a file that ends within quotes passes for one whose last cell is long.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    entries: dict[tuple[str, str | None], EntryRow] = {}
    bad: list[BadRow] = []
    taken_as: Counter[str] = Counter()
    good = respelled = read = 0
    try:
        columns = _columns(next(rows), name)
        read = rows.line_num
        for row in rows:
            first, read = read + 1, rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            if any("\n" in cell or "\r" in cell for cell in row):
                bad.append(BadRow(first, _swallowed(first, read)))
                continue
            fields = {column: row[at].strip() if at < len(row) else "" for column, at in columns.items()}
            entry = _entry(fields)
            if isinstance(entry, str):
                bad.append(BadRow(first, entry))
                continue
            good += 1
            respelled += entry.plate != fields["plate"]
            if entry.region is not None and entry.region != fields["region"].upper():
                taken_as[entry.region[:2]] += 1
            entries[entry.key] = entry
    except csv.Error as error:
        lines = f"line {read + 1}" if rows.line_num <= read + 1 else f"lines {read + 1} to {rows.line_num}"
        raise ConfigurationError(f"{name}: {lines}: {error}; is a quote missing, or one too many?") from error
    if not entries:
        said = f"; the first: line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise ConfigurationError(f"{name}: got no good row among {len(bad)}{said}")
    repeated = good - len(entries)
    return HotlistFile(encoding, delimiter, tuple(entries.values()), tuple(bad), repeated, respelled, taken_as)


def _decode(content: bytes, name: str) -> tuple[str, str]:
    """Return encoding and text.

    Raises:
        ConfigurationError: these bytes are no text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise _not_text(name) from error
        # Every byte is a character of Latin-1, so this always succeeds; the summary says what was assumed.
        encoding, text = "latin-1", content.decode("latin-1")
    # What stands in one row of a good file is that row's fault.
    if not _NOT_TEXT.isdisjoint(text if encoding == "latin-1" else text.split("\n", 1)[0]):
        raise _not_text(name)
    return encoding, text


def _not_text(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name}: this is not text; expected delimited text in UTF-8, UTF-16 with its mark or Latin-1 "
        "(save a spreadsheet as CSV)"
    )


def _swallowed(first: int, last: int) -> str:
    return f"a cell holds line breaks, so lines {first} to {last} are one row, which is not taken; is a quote missing?"


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _columns(header: list[str], name: str) -> dict[str, int]:
    columns: dict[str, int] = {}
    for at, cell in enumerate(header):
        column = _COLUMNS.get(cell.strip().lower().replace(" ", "_"))
        if column is not None and column not in columns:
            columns[column] = at
    if "plate" not in columns:
        got = ", ".join(map(repr, header))
        got = got if len(got) <= _SHOWN_HEADER else got[:_SHOWN_HEADER] + "…"
        raise ConfigurationError(f"{name}: line 1: got columns {got}, expected one of them to be `plate`")
    return columns


def _entry(fields: dict[str, str]) -> EntryRow | str:
    """Return the entry, or what is wrong with the row."""
    plate = normalise(fields["plate"])
    if len(plate) not in _PLATE_LENGTHS:
        return f"plate: got {fields['plate']!r}, expected {_PLATE_LENGTHS[0]} to {_PLATE_LENGTHS[-1]} letters or digits"
    try:
        region = region_code(fields.get("region", ""))
    except LookupError:
        return f"state: got {fields['region']!r}, expected {EXPECTED}"
    severity = fields.get("severity") or _DEFAULT_SEVERITY
    if len(severity) > _MAX_SEVERITY:
        return f"severity: got {severity!r}, expected at most {_MAX_SEVERITY} characters"
    texts = (fields.get("reason", ""), fields.get("notes", ""))
    if any("\0" in text for text in (*texts, severity)):
        return "a field holds a NUL character"
    return EntryRow(plate, region, texts[0], severity, texts[1])
