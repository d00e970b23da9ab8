"""Reads a hotlist from a delivered file, row by row, and tells good rows from bad ones.

Invariants:
    - No line of the file goes unmentioned: it is an entry, was replaced by a later line for the same entry, is named
      among the bad ones with its reason, or is blank. A quote that is not closed would make one cell of all lines up to
      the next one, so a file that ends within quotes is refused, and a row with a line break in a cell is a bad one.
    - Memory grows by some sixty bytes a row, not by what the rows say (``Pages``, ``Digests``).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import ConfigurationError
from collector.hotlists import text
from collector.hotlists.comparing import Digests, last_of_each
from collector.hotlists.entry_reading import Defaults, EntryReader
from collector.hotlists.mapping import PRESETS, Layout, Said, column_key
from collector.hotlists.pages import Pages
from collector.hotlists.unpacking import Delivered
from collector.store import entries
from collector.store.hotlists import EntryRow

_SHOWN_HEADER = 200
_ROWS_A_REPORT = 10_000
# In fewer plates a character may be missing by chance.
_PLATES_FOR_A_CONVENTION = 500


class BadRow(NamedTuple):
    """A row that was not taken.

    Attributes:
        line: its line in the file, the first being 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class HotlistFile:
    """What a file holds.

    Attributes:
        name: what errors call it.
        sha256: of the file as it was delivered.
        layout: by which preset and mapping it was read.
        remark: what people have to know of that preset.
        packing: how it was packed; empty if it was not.
        encoding: as found out, or as the mapping says.
        delimiter: as found out, or as the mapping says; empty for JSON lines.
        rows: the good rows as the store takes them (``entries.values``), also those that were replaced by a later one.
        digests: of each of them.
        counts: (n,) bool, which of them count: of the same entry the last one.
        rejected: line, reason and cells of each bad row.
        respelled: how many plates were not written in capitals without separators.
        taken_as: how many states were written without their country, by the country that was added.
        convention: what is to be said of how the source writes O and 0; empty if nothing is.
    """

    name: str
    sha256: bytes
    layout: str
    remark: str
    packing: str
    encoding: str
    delimiter: str
    rows: Pages
    digests: Digests
    counts: NDArray[np.bool_]
    rejected: Pages
    respelled: int
    taken_as: Mapping[str, int]
    convention: str

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(np.count_nonzero(self.counts))

    @property
    def repeated(self) -> int:
        """How many good rows were replaced by a later one for the same entry."""
        return len(self.counts) - self.size

    @property
    def entries(self) -> tuple[EntryRow, ...]:
        """The entries themselves; of a large list they take a kilobyte each."""
        return tuple(entries.from_values(row) for row in self.chosen(self.counts))

    @property
    def bad(self) -> tuple[BadRow, ...]:
        """The rows that were not taken."""
        return tuple(BadRow(line, reason) for line, reason, _ in self.rejected)

    def chosen(self, which: NDArray[np.bool_]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows where ``which`` is true, as the store takes them."""
        for row, wanted in zip(self.rows, which.tolist(), strict=True):
            if wanted:
                yield row


def read(
    delivered: Delivered,
    layout: Layout = PRESETS["generic"],
    defaults: Defaults = Defaults(),  # noqa: B008 - frozen
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    *,
    may_be_empty: bool = False,
) -> HotlistFile:
    """Read a file.

    Args:
        delivered: the file.
        layout: what its columns say.
        defaults: what an entry is where its row does not say.
        progress: told how many bytes of how many are read.
        may_be_empty: whether a file without rows, or without anything, is a list without entries.

    Raises:
        ConfigurationError: it is empty, no text, ends within quotes, has no column for plates, or not one good row.
    """
    name, content = delivered.name, delivered.content
    encoding = layout.encoding or text.find_encoding(content, name)
    of = content.seek(0, 2)
    with text.as_text(content, encoding, name) as lines:
        line = text.first_line(lines, name)
    if not line and not may_be_empty:
        expected = "a header line with a column `plate`" if layout.by_name else "lines such as 7ABC123;TX"
        raise ConfigurationError(f"{name}: the file is empty; expected {expected}")
    # A header begins with a name, and a plate with a letter or digit.
    is_json = line.lstrip("\ufeff \t").startswith("{") if layout.json_lines is None else layout.json_lines
    delimiter = "" if is_json else layout.delimiter or text.find_delimiter(line)
    sorting = _Sorting(layout, defaults)
    with text.as_text(content, encoding, name) as lines:
        bounded = text.lines(lines, name)
        rows = _json_rows(bounded, layout) if is_json else _delimited_rows(bounded, delimiter, layout, name)
        for number, row in enumerate(rows):
            sorting.take(row)
            if number % _ROWS_A_REPORT == 0:
                progress(min(content.tell(), of), of)
    progress(of, of)
    if not len(sorting.rows) and (len(sorting.rejected) or not may_be_empty):
        said = next(iter(sorting.rejected), None)
        first = "" if said is None else f"; the first: line {said[0]}: {said[1]}"
        raise ConfigurationError(f"{name}: got no good row among {len(sorting.rejected)}{first}")
    return HotlistFile(
        name=name,
        sha256=delivered.sha256,
        layout=layout.name,
        remark=layout.remark,
        packing=delivered.packing,
        encoding=encoding,
        delimiter=delimiter,
        rows=sorting.rows,
        digests=sorting.digests,
        counts=last_of_each(sorting.digests),
        rejected=sorting.rejected,
        respelled=sorting.respelled,
        taken_as=sorting.taken_as,
        convention=sorting.convention,
    )


class _Row(NamedTuple):
    """A row as it stands in the file.

    ``fault`` is what is wrong with it before anybody looks at what it says.
    """

    line: int
    said: dict[Said, str]
    cells: Sequence[str]
    fault: str = ""


class _Sorting:
    """Tells good rows from bad ones, and counts what the summary says."""

    def __init__(self, layout: Layout, defaults: Defaults) -> None:
        self._read = EntryReader(layout, defaults).read
        self._region_codes = layout.codes.get(Said.REGION, {})
        self._zeros = self._os = 0
        self.rows, self.rejected, self.digests = Pages(), Pages(), Digests()
        self.respelled = 0
        self.taken_as: Counter[str] = Counter()

    def take(self, row: _Row) -> None:
        written, state = row.said.get(Said.PLATE, ""), row.said.get(Said.REGION, "")
        entry = row.fault or self._read(row.said)
        if isinstance(entry, str):
            self.rejected.append((row.line, entry, tuple(row.cells)))
            return
        plate, region = entry[0], entry[1]
        values = entries.values(entry)
        self.rows.append(values)
        self.digests.note(entry.key, values)
        if plate != written:
            self.respelled += 1
        self._zeros += "0" in plate
        self._os += "O" in plate
        if region is not None and region != state and region != state.upper():
            self.taken_as[region[:2]] += 1

    @property
    def convention(self) -> str:
        if len(self.rows) < _PLATES_FOR_A_CONVENTION or bool(self._zeros) == bool(self._os):
            return ""
        used, unused, plates = ("0", "O", self._zeros) if self._zeros else ("O", "0", self._os)
        return f"the source never writes {unused}, but {used} in {plates} plates: either may be on the vehicle"


def _delimited_rows(lines: Iterable[str], delimiter: str, layout: Layout, name: str) -> Iterator[_Row]:
    # Strict: otherwise a file that ends within quotes passes for one whose last cell is long.
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    columns: list[tuple[int, Said, str]] = [(at, said, "") for at, said in sorted(layout.by_place.items())]
    awaits_header = not columns
    maybe_header = not awaits_header
    read = 0
    try:
        for row in rows:
            first, read = read + 1, rows.line_num
            if not any(map(str.strip, row)):
                continue
            if awaits_header:
                columns, awaits_header = _columns(row, layout, name, first), False
                continue
            if maybe_header:
                maybe_header = False
                if _is_header(row, columns):
                    continue
            if read > first and any("\n" in cell or "\r" in cell for cell in row):
                yield _Row(first, {}, row, _swallowed(first, read))
                continue
            yield _Row(first, _said(row, columns), row)
    except csv.Error as error:
        at = f"line {read + 1}" if rows.line_num <= read + 1 else f"lines {read + 1} to {rows.line_num}"
        raise ConfigurationError(f"{name}: {at}: {error}; is a quote missing, or one too many?") from error


def _said(row: list[str], columns: list[tuple[int, Said, str]]) -> dict[Said, str]:
    width = len(row)
    said: dict[Said, str] = {}
    for at, one, label in columns:
        value = row[at].strip() if at < width else ""
        if label:
            # Several columns go into the notes, each by its name.
            if value:
                said[one] = "; ".join(filter(None, (said.get(one, ""), f"{label}: {value}")))
        else:
            said[one] = value
    return said


def _columns(header: list[str], layout: Layout, name: str, line: int) -> list[tuple[int, Said, str]]:
    """Return place and meaning of the columns that mean anything, and the name that goes with the value, if one does.

    Raises:
        ConfigurationError: none of them is the plate.
    """
    found: dict[Said, list[int]] = {}
    for at, cell in enumerate(header):
        said = layout.by_name.get(column_key(cell.lstrip("\ufeff")))
        if said is not None and (said is Said.NOTES or said not in found):
            found.setdefault(said, []).append(at)
    if Said.PLATE not in found:
        got = ", ".join(map(repr, header))
        got = got if len(got) <= _SHOWN_HEADER else got[:_SHOWN_HEADER] + "…"
        first, *others = (f"`{key}`" for key, said in layout.by_name.items() if said is Said.PLATE)
        expected = f"expected one of them to be {' or '.join((first, *others))}"
        raise ConfigurationError(
            f"{name}: line {line}: got columns {got}, {expected} (other names: --mapping; none: --preset plate-state)"
        )
    notes = found.get(Said.NOTES, [])
    named = len(notes) > 1 or any(column_key(header[at]) not in ("notes", "note") for at in notes)
    return [
        (at, said, header[at].strip() if said is Said.NOTES and named else "")
        for said, places in found.items()
        for at in places
    ]


def _is_header(row: list[str], columns: list[tuple[int, Said, str]]) -> bool:
    """Whether the first row of a file that should have no header is one all the same."""
    known = PRESETS["generic"].by_name
    return all(at < len(row) and known.get(column_key(row[at].lstrip("\ufeff"))) is said for at, said, _ in columns)


def _json_rows(lines: Iterable[str], layout: Layout) -> Iterator[_Row]:
    keys: dict[str, Said | None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        shown = (line.strip(),)
        try:
            said = msgspec.json.decode(line.lstrip("\ufeff") if number == 1 else line)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            yield _Row(number, {}, shown, f"is not JSON: {error}")
            continue
        if not isinstance(said, dict):
            yield _Row(number, {}, shown, f"got {type(said).__name__}, expected an object {{…}}")
            continue
        row: dict[Said, str] = {}
        fault = ""
        for key, value in said.items():
            if key not in keys:
                keys[key] = layout.by_name.get(column_key(key))
            one = keys[key]
            if one is None:
                continue
            cell = _cell(value)
            if cell is None:
                fault = f"{key}: got {type(value).__name__}, expected text, a number, or a list of texts"
                break
            if one is not Said.NOTES:
                row.setdefault(one, cell)
            elif cell:
                noted = cell if column_key(key) in ("notes", "note") else f"{key}: {cell}"
                row[one] = "; ".join(filter(None, (row.get(one, ""), noted)))
        yield _Row(number, row, shown, fault)


def _cell(value: Any) -> str | None:
    """Return a JSON value as a cell has it; None if no cell can hold it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ";".join(value)
    return None


def _swallowed(first: int, last: int) -> str:
    return f"a cell holds line breaks, so lines {first} to {last} are one row, which is not taken; is a quote missing?"
