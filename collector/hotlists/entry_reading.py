"""Makes an entry of what a row says, or says what is wrong with the row.

Pure. Only what would put the wrong plate on a list, or the right one for the wrong reason, is a fault: a model year
that is none goes to the notes instead, for a stolen car stays stolen.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from collector.domain.hotlists import NO_VEHICLE, Category, Vehicle
from collector.hotlists.mapping import OTHERWISE, Layout, Said
from collector.hotlists.regions import EXPECTED, region_code
from collector.match import patterns
from collector.match.patterns import PatternError
from collector.match.plates import normalise
from collector.store.entries import EntryRow

PLATE_LENGTHS = range(2, 13)
"""Letters and digits of a plate."""
_NORMAL = "normal"
_MAX_LENGTHS = {
    Said.SEVERITY: 16,
    Said.PLATE_TYPE: 16,
    Said.REFERENCE: 64,
    Said.CASE_NUMBER: 64,
    Said.OWNER: 64,
}
_YEARS = range(1885, 2101)
_TRUE = frozenset({"TRUE", "T", "YES", "Y", "1", "X"})
_FALSE = frozenset({"FALSE", "F", "NO", "N", "0", ""})
_CATEGORIES = frozenset(one.value for one in Category)
_WILD = frozenset("?*[]")
# Beyond this no time can be kept or said.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_SIMPLE = frozenset({Said.PLATE, Said.REGION, Said.REASON, Said.SEVERITY, Said.NOTES})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an entry is where its row does not say.

    Attributes:
        category: its category.
        severity: its severity whatever its category is; empty to go by that.
        severities: its severity by category.
    """

    category: str = Category.OTHER.value
    severity: str = ""
    severities: Mapping[str, str] = field(default_factory=dict)

    def severity_of(self, category: str) -> str:
        """Return what an entry of ``category`` has that says none."""
        return self.severity or self.severities.get(category, _NORMAL)


class EntryReader:
    """Reads entries of one layout.

    Args:
        layout: what the columns say.
        defaults: what an entry is where its row does not say.
    """

    def __init__(self, layout: Layout, defaults: Defaults) -> None:
        self._codes = layout.codes
        self._constants = layout.constants
        self._dates = layout.dates
        self._zone = layout.zone
        self._defaults = defaults
        # A list has a hundred states in a million rows.
        self._region = functools.lru_cache(maxsize=4_096)(self._region_of)

    def read(self, said: dict[Said, str]) -> EntryRow | str:
        """Return the entry, or what is wrong with the row.

        Args:
            said: what the row says, without white space about it.
        """
        for one, value in self._constants.items():
            if not said.get(one):
                said[one] = value
        for one, table in self._codes.items():
            if one in said and one is not Said.REGION:
                code = said[one]
                said[one] = table.get(code.upper(), table.get(OTHERWISE, code))
        more = not _SIMPLE.issuperset(said)
        try:
            is_pattern = more and self._truth(said, Said.PATTERN)
            plate = self._plate(said.get(Said.PLATE, ""), is_pattern)
            region = self._region(said.get(Said.REGION, ""))
            text = "".join(said.values())
            if "\0" in text:
                return "a cell holds a NUL character"
            if not text.isascii():
                _check_text(text)
            for one, limit in _MAX_LENGTHS.items():
                if len(said.get(one, "")) > limit:
                    return f"{one}: got {_short(said[one])}, expected at most {limit} characters"
            if not more:
                category = self._defaults.category
                severity = said.get(Said.SEVERITY) or self._defaults.severity_of(category)
                return EntryRow(
                    plate, region, said.get(Said.REASON, ""), severity, said.get(Said.NOTES, ""), category=category
                )
            return self._whole(plate, region, is_pattern, said)
        except _FaultyError as fault:
            return str(fault)

    def _whole(self, plate: str, region: str | None, is_pattern: bool, said: dict[Said, str]) -> EntryRow:
        category = self._category(said.get(Said.CATEGORY, ""))
        effective_ns, expires_ns = self._time(said, Said.EFFECTIVE), self._time(said, Said.EXPIRES)
        if effective_ns is not None and expires_ns is not None and expires_ns <= effective_ns:
            raise _FaultyError(
                f"expires: got {_short(said[Said.EXPIRES])}, expected a time after it is effective "
                f"({_short(said[Said.EFFECTIVE])})"
            )
        year, notes = _year(said.get(Said.YEAR, "")), said.get(Said.NOTES, "")
        if year is None and said.get(Said.YEAR):
            notes = "; ".join(filter(None, (notes, f"year: {said[Said.YEAR]}")))
        vehicle = Vehicle(
            said.get(Said.MAKE, ""), said.get(Said.MODEL, ""), said.get(Said.COLOUR, ""), year, said.get(Said.VIN, "")
        )
        case_number = said.get(Said.CASE_NUMBER, "")
        covert_to = tuple(filter(None, (one.strip() for one in said.get(Said.COVERT_TO, "").split(";"))))
        return EntryRow(
            plate=plate,
            region=region,
            reason=said.get(Said.REASON, ""),
            severity=said.get(Said.SEVERITY) or self._defaults.severity_of(category),
            notes=notes,
            reference=said.get(Said.REFERENCE) or case_number,
            is_pattern=is_pattern,
            plate_type=said.get(Said.PLATE_TYPE, ""),
            category=category,
            case_number=case_number,
            vehicle=NO_VEHICLE if vehicle == NO_VEHICLE else vehicle,
            owner=said.get(Said.OWNER, ""),
            effective_ns=effective_ns,
            expires_ns=expires_ns,
            handling=said.get(Said.HANDLING, ""),
            covert_to=covert_to or None,
            canary=self._truth(said, Said.CANARY),
        )

    def _plate(self, text: str, is_pattern: bool) -> str:
        if is_pattern:
            try:
                return patterns.parse(text).text
            except PatternError as error:
                raise _FaultyError(f"plate: {error}") from error
        plate = text.upper()
        if not (plate.isascii() and plate.isalnum()):
            if not _WILD.isdisjoint(plate) and any(map(str.isalnum, plate)):
                raise _FaultyError(
                    f"plate: got {_short(text)}, which looks like a pattern; expected a plate, or a column `pattern` "
                    "that says yes"
                )
            plate = normalise(text)
        if len(plate) not in PLATE_LENGTHS:
            raise _FaultyError(
                f"plate: got {_short(text)}, expected {PLATE_LENGTHS[0]} to {PLATE_LENGTHS[-1]} letters or digits"
            )
        return plate

    def _region_of(self, text: str) -> str | None:
        table = self._codes.get(Said.REGION, {})
        try:
            return region_code(table.get(text.upper(), text))
        except LookupError as error:
            if OTHERWISE in table:
                return region_code(table[OTHERWISE])
            raise _FaultyError(f"state: got {_short(text)}, expected {EXPECTED}") from error

    def _category(self, text: str) -> str:
        category = text.lower().replace(" ", "-").replace("_", "-") or self._defaults.category
        if category not in _CATEGORIES:
            raise _FaultyError(
                f"category: got {_short(text)}, expected one of {', '.join(sorted(_CATEGORIES))}, or a code that the "
                "mapping's `codes` name"
            )
        return category

    def _truth(self, said: dict[Said, str], which: Said) -> bool:
        text = said.get(which, "").upper()
        if text not in _TRUE and text not in _FALSE:
            raise _FaultyError(f"{which}: got {_short(said[which])}, expected yes or no")
        return text in _TRUE

    def _time(self, said: dict[Said, str], which: Said) -> int | None:
        """Return UTC; a date alone begins with its first instant and ends after its last."""
        text = said.get(which, "")
        if not text:
            return None
        time, is_date = self._parsed(text)
        if time is None:
            formats = "".join(f", {one}" for one in self._dates)
            raise _FaultyError(
                f"{which}: got {_short(text)}, expected a date such as 2026-11-22 or 2026-11-22T18:30-06:00{formats} "
                "(others: `dates` in the mapping)"
            )
        time = time if time.tzinfo is not None else time.replace(tzinfo=self._zone)
        if is_date and which is Said.EXPIRES and time < _LAST:
            time += timedelta(days=1)
        if not _FIRST <= time <= _LAST:
            raise _FaultyError(f"{which}: got {_short(text)}, expected a time from {_FIRST.year} to {_LAST.year}")
        return int((time - _FIRST) / timedelta(microseconds=1)) * 1_000

    def _parsed(self, text: str) -> tuple[datetime | None, bool]:
        for one in self._dates:
            try:
                time = datetime.strptime(text, one)
            except ValueError:
                continue
            return time, not any(part in one for part in ("%H", "%I", "%T", "%X", "%c", "%M"))
        try:
            return datetime.fromisoformat(text), "T" not in text and len(text) <= len("2026-11-22")
        except ValueError:
            return None, False


class _FaultyError(Exception):
    """A row that is not taken; the text says why."""


def _year(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) == 4):
        return None
    return int(text) if int(text) in _YEARS else None


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _FaultyError("a cell holds half a character, which is no text") from error


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:59]!r}…"
