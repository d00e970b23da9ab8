"""How a source's columns become what Nightjar knows of an entry: presets, and mappings that people write in YAML.

A mapping begins with a preset and says what is different. ``Layout`` is what comes of it: everything that reading a
file needs to know beside the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import zoneinfo
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from collector.domain.hotlists import Category
from collector.hotlists.regions import EXPECTED, region_code
from edge_wire.yaml_config import Settings, load


class Said(StrEnum):
    """What a column, or a constant, may say of an entry."""

    PLATE = "plate"
    REGION = "region"
    PLATE_TYPE = "plate_type"
    PATTERN = "pattern"
    CATEGORY = "category"
    REASON = "reason"
    SEVERITY = "severity"
    REFERENCE = "reference"
    CASE_NUMBER = "case_number"
    MAKE = "make"
    MODEL = "model"
    COLOUR = "colour"
    YEAR = "year"
    VIN = "vin"
    NOTES = "notes"
    OWNER = "owner"
    EFFECTIVE = "effective"
    EXPIRES = "expires"
    HANDLING = "handling"
    COVERT_TO = "covert_to"
    CANARY = "canary"


OTHERWISE = "*"
"""In a table of codes: whatever the table does not name."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What reading a file needs to know beside the file.

    Attributes:
        name: the preset, and the mapping's file if there is one.
        by_name: what a column says, by its name as ``column_key`` has it.
        by_place: what a column says, by its place from 0; these files have no header.
        constants: what every row says that says nothing else.
        codes: what a source's code stands for, by what it says and then by code in capitals.
        json_lines: whether it is JSON lines; None to find out.
        encoding: of the text; None to find out.
        delimiter: between cells; None to find out.
        dates: formats beside ISO 8601, as strptime has them.
        zone: of times that say none.
        remark: what people have to know of this preset.
    """

    name: str
    by_name: Table[str, Said]
    by_place: Table[int, Said] = field(default_factory=dict)
    constants: Table[Said, str] = field(default_factory=dict)
    codes: Table[Said, Table[str, str]] = field(default_factory=dict)
    json_lines: bool | None = None
    encoding: str | None = None
    delimiter: str | None = None
    dates: tuple[str, ...] = ("%Y%m%d",)
    zone: tzinfo = UTC
    remark: str = ""


def column_key(name: str) -> str:
    """Return a column's name as it is compared: in small letters, with one kind of separator."""
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


_GENERIC = {said.value: said for said in Said} | {
    "license_plate": Said.PLATE,
    "licence_plate": Said.PLATE,
    "lic": Said.PLATE,
    "state": Said.REGION,
    "lis": Said.REGION,
    "is_pattern": Said.PATTERN,
    "case": Said.CASE_NUMBER,
    "color": Said.COLOUR,
    "note": Said.NOTES,
    "agency": Said.OWNER,
    "expiry": Said.EXPIRES,
}
_UNVERIFIED = "preset ncic: unverified until your state supplies a sample"
PRESETS = {
    "generic": Layout("generic", _GENERIC),
    "plate-state": Layout("plate-state", {}, {0: Said.PLATE, 1: Said.REGION}),
    "ncic": Layout(
        "ncic",
        {
            "lic": Said.PLATE,
            "lis": Said.REGION,
            "lit": Said.PLATE_TYPE,
            "liy": Said.NOTES,
            "vin": Said.VIN,
            "vma": Said.MAKE,
            "vmo": Said.MODEL,
            "vyr": Said.YEAR,
            "vco": Said.COLOUR,
            "nic": Said.REFERENCE,
            "ori": Said.OWNER,
            "oca": Said.CASE_NUMBER,
        },
        # Where NCIC's letters are not the post's: its NB is Nebraska, which generic lists write NE.
        codes={Said.REGION: {"NB": "US-NE", "NK": "CA-NB", "PQ": "CA-QC", "NF": "CA-NL"}},
        remark=_UNVERIFIED,
    ),
}
"""What a mapping can begin with."""


class Mapping(Settings):
    """How a source's columns become what Nightjar knows of an entry."""

    preset: Literal["generic", "plate-state", "ncic"] = "generic"
    """What to begin with; the other settings say what is different."""
    format: Literal["delimited", "json-lines"] | None = None
    """What the file is; found out unless it is said."""
    encoding: str | None = None
    """Of the text, such as `cp1252`; found out unless it is said."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Between cells; found out unless it is said."""
    columns: dict[str | Annotated[int, Field(ge=1, le=1_000)], Said | None] = Field(default_factory=dict)
    """What a column says, by its name, or by its number from 1 in files without a header; null leaves it alone."""
    constants: dict[Said, str] = Field(default_factory=dict)
    """What every row says that says nothing else."""
    codes: dict[Said, dict[str, str]] = Field(default_factory=dict)
    """What a code of the source stands for, by what it says: `category: {S: stolen-vehicle, "*": other}`."""
    dates: list[str] = Field(default_factory=list)
    """Formats of dates beside ISO 8601, as strptime has them: `%m/%d/%Y`."""
    time_zone: str = "UTC"
    """Of dates and times that say none, such as `America/Chicago`."""

    @field_validator("columns", "codes", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: object) -> object:
        # YAML 1.1 reads NO, ON and Y as truth values: Norway, Ontario, and nobody's column.
        tables = [value, *value.values()] if isinstance(value, dict) else []
        for one in tables:
            if isinstance(one, dict) and any(isinstance(part, bool) for part in (*one, *one.values())):
                raise ValueError('text: YAML takes NO, ON, YES and OFF for truth values, so write "NO" or "ON"')
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), name).close()
                return codecs.lookup(name).name
            except LookupError as error:
                raise ValueError("an encoding such as utf-8, cp1252 or utf-16") from error
        return name

    @field_validator("delimiter")
    @classmethod
    def _possible_delimiter(cls, delimiter: str | None) -> str | None:
        if delimiter is not None:
            try:
                csv.reader((), delimiter=delimiter)
            except (ValueError, TypeError) as error:
                raise ValueError("one character that can stand between cells") from error
            if delimiter.isalnum() or delimiter in '"\0':
                raise ValueError("one character that stands between cells, such as ';', and not within them")
        return delimiter

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("a time zone such as America/Chicago") from error
        return name

    @field_validator("dates")
    @classmethod
    def _whole_dates(cls, formats: list[str]) -> list[str]:
        day = datetime(1999, 12, 31)
        for one in formats:
            try:
                whole = datetime.strptime(day.strftime(one), one).date() == day.date()
            except ValueError:
                whole = False
            if not whole:
                raise ValueError(f"formats with day, month and year such as %m/%d/%Y, got {one!r}")
        return formats

    @field_validator("constants")
    @classmethod
    def _possible_constants(cls, constants: dict[Said, str]) -> dict[Said, str]:
        for said, value in constants.items():
            _check_meaning(said, value)
        return constants

    @field_validator("codes")
    @classmethod
    def _possible_meanings(cls, codes: dict[Said, dict[str, str]]) -> dict[Said, dict[str, str]]:
        for said, table in codes.items():
            for value in table.values():
                _check_meaning(said, value)
        return codes

    @model_validator(mode="after")
    def _one_plate(self) -> Mapping:
        if Said.PLATE in self.constants:
            raise ValueError("`constants` without `plate`: every row has its own")
        layout = self.layout()
        if Said.PLATE not in (*layout.by_name.values(), *layout.by_place.values()):
            raise ValueError("a column that says `plate`")
        if any(isinstance(one, int) for one in self.columns) and layout.by_name:
            raise ValueError("`columns` by names or by numbers, not both (numbers want `preset: plate-state`)")
        return self

    def layout(self, name: str = "") -> Layout:
        """Return what comes of it.

        Args:
            name: of the mapping's file, for the summary.
        """
        base = PRESETS[self.preset]
        names = {column_key(one): said for one, said in self.columns.items() if isinstance(one, str)}
        places = {one - 1: said for one, said in self.columns.items() if isinstance(one, int)}
        codes = {said: {code.strip().upper(): one for code, one in table.items()} for said, table in self.codes.items()}
        return Layout(
            name=f"{self.preset} with {name}" if name else self.preset,
            by_name={key: said for key, said in {**base.by_name, **names}.items() if said is not None},
            by_place={at: said for at, said in {**base.by_place, **places}.items() if said is not None},
            constants=self.constants,
            codes={**base.codes, **codes},
            json_lines=None if self.format is None else self.format == "json-lines",
            encoding=self.encoding,
            delimiter=self.delimiter,
            dates=(*base.dates, *self.dates),
            zone=zoneinfo.ZoneInfo(self.time_zone),
            remark=base.remark,
        )


def _check_meaning(said: Said, value: str) -> None:
    """Refuse what would make every row a bad one.

    Raises:
        ValueError: with what was expected.
    """
    if said is Said.CATEGORY and value not in set(Category):
        raise ValueError(f"`category` to be one of {', '.join(Category)}, got {value!r}")
    if said is Said.REGION:
        try:
            region_code(value)
        except LookupError as error:
            raise ValueError(f"`region` to be {EXPECTED}, got {value!r}") from error


def load_mapping(path: Path) -> Layout:
    """Read a mapping from its file.

    Raises:
        ConfigError: the file cannot be read, or a setting in it is wrong.
    """
    return load(path, Mapping).layout(path.name)
