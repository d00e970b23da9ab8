"""Reads a hotlist from delimited text: finds out encoding and delimiter, and tells good rows from bad ones.

Pure: bytes in, rows out. A header names the columns; ``plate`` (or ``license_plate``, ``lic``) must be among them, the
others (``state`` or ``region``, ``reason``, ``severity``, ``notes``) may be. Unknown columns are left alone.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from collector.errors import ConfigurationError
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
_REGION = re.compile(r"(?:[A-Z]{2}-)?[A-Z0-9]{2,3}\Z")
_ANY_REGION = ("", "ANY", "*")
_DEFAULT_SEVERITY = "normal"
_MAX_SEVERITY = 16
# States are US states where the list does not say more: the lists in use are.
_COUNTRY = "US"


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
    """

    encoding: str
    delimiter: str
    entries: tuple[EntryRow, ...]
    bad: tuple[BadRow, ...]
    repeated: int
    respelled: int


def parse(content: bytes, name: str) -> HotlistFile:
    """Read a file.

    Args:
        content: the file's bytes.
        name: what to call it in errors.

    Raises:
        ConfigurationError: it is empty, has no column for plates, or not one good row.
    """
    encoding, text = _decode(content)
    if not text.strip():
        raise ConfigurationError(f"{name}: the file is empty; expected a header line with a column `plate`")
    delimiter = _delimiter(text.split("\n", 1)[0])
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = _columns(next(rows), name)
    entries: dict[tuple[str, str | None], EntryRow] = {}
    bad: list[BadRow] = []
    good = respelled = 0
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            fields = {column: row[at].strip() if at < len(row) else "" for column, at in columns.items()}
            entry = _entry(fields)
            if isinstance(entry, str):
                bad.append(BadRow(rows.line_num, entry))
                continue
            good += 1
            respelled += entry.plate != fields["plate"]
            entries[entry.key] = entry
    except csv.Error as error:
        raise ConfigurationError(f"{name}: line {rows.line_num}: {error}; expected delimited text") from error
    if not entries:
        first = f"; the first: line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise ConfigurationError(f"{name}: got no good row among {len(bad)}{first}")
    return HotlistFile(encoding, delimiter, tuple(entries.values()), tuple(bad), good - len(entries), respelled)


def _decode(content: bytes) -> tuple[str, str]:
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return encoding, content.decode(encoding)
    except UnicodeDecodeError:
        # Every byte is a character of Latin-1, so this always succeeds; the summary says what was assumed.
        return "latin-1", content.decode("latin-1")


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _columns(header: list[str], name: str) -> dict[str, int]:
    columns: dict[str, int] = {}
    for at, cell in enumerate(header):
        column = _COLUMNS.get(cell.strip().lower().replace(" ", "_"))
        if column is not None and column not in columns:
            columns[column] = at
    if "plate" not in columns:
        raise ConfigurationError(f"{name}: line 1: got columns {header}, expected one of them to be `plate`")
    return columns


def _entry(fields: dict[str, str]) -> EntryRow | str:
    """Return the entry, or what is wrong with the row."""
    plate = normalise(fields["plate"])
    if len(plate) not in _PLATE_LENGTHS:
        return f"plate: got {fields['plate']!r}, expected {_PLATE_LENGTHS[0]} to {_PLATE_LENGTHS[-1]} letters or digits"
    region = fields.get("region", "").upper()
    if region in _ANY_REGION:
        code = None
    elif _REGION.match(region):
        code = region if "-" in region or region == _COUNTRY else f"{_COUNTRY}-{region}"
    else:
        return f"state: got {fields['region']!r}, expected a code such as TX or US-TX, or nothing for any"
    severity = fields.get("severity") or _DEFAULT_SEVERITY
    if len(severity) > _MAX_SEVERITY:
        return f"severity: got {severity!r}, expected at most {_MAX_SEVERITY} characters"
    texts = (fields.get("reason", ""), fields.get("notes", ""))
    if any("\0" in text for text in (*texts, severity)):
        return "a field holds a NUL character"
    return EntryRow(plate, code, texts[0], severity, texts[1])
