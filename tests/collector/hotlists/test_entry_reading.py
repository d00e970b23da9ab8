import pytest

from collector.hotlists.csv_file import HotlistFile, parse
from collector.hotlists.entry_reading import Defaults


def read(text: str, defaults: Defaults = Defaults()) -> HotlistFile:  # noqa: B008 - frozen
    return parse(text.encode(), "f", defaults=defaults)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("expires", "tomorrow", "expires: got 'tomorrow', expected a date such as 2026-11-22"),
        ("expires", "11/22/2026", "others: `dates` in the mapping"),
        ("expires", "1812-01-01", "expected a time from 1970 to 2200"),
        ("category", "stolen", "category: got 'stolen', expected one of be-on-lookout,"),
        ("pattern", "perhaps", "pattern: got 'perhaps', expected yes or no"),
        ("reference", "x" * 65, "reference: got 'xxx"),
        ("plate_type", "x" * 17, "plate_type: got 'xxx"),
        ("notes", "a\0b", "a cell holds a NUL character"),
    ],
)
def test_a_row_with_a_wrong_field_is_named_with_what_was_expected(column: str, cell: str, said: str) -> None:
    file = read(f"plate,{column}\nAB12,\nCD34,{cell}\n")
    assert [entry.plate for entry in file.entries] == ["AB12"]
    (bad,) = file.bad
    assert bad.line == 3
    assert said in bad.reason


def test_an_entry_that_was_never_to_be_in_force_is_refused() -> None:
    (bad,) = read("plate,effective,expires\nAB12,2026-01-02T00:00Z,2026-01-01T23:00Z\nCD34,2026-01-02,2026-01-02\n").bad
    assert (bad.line, "expected a time after it is effective" in bad.reason) == (2, True)


def test_what_only_looks_like_a_plate_is_no_plate_but_a_pattern_that_says_so_is_one() -> None:
    file = read("plate,pattern\nAB?123,\n7ab ?1*,yes\n[AB,yes\n?*,yes\nCD34,no\n")
    assert [(entry.plate, entry.is_pattern) for entry in file.entries] == [("7AB?1*", True), ("CD34", False)]
    assert [row.line for row in file.bad] == [2, 4, 5]
    assert "looks like a pattern" in file.bad[0].reason


def test_a_year_that_is_none_keeps_no_stolen_car_off_the_list() -> None:
    file = read("plate,year,notes\nAB12,03,armed\nCD34,2003,\n")
    assert [(entry.vehicle.year, entry.notes) for entry in file.entries] == [(None, "armed; year: 03"), (2003, "")]


def test_the_case_number_stands_for_a_reference_that_there_is_not() -> None:
    file = read("plate,case,reference\nAB12,26-1,\nCD34,26-2,V9\n")
    assert [(entry.case_number, entry.reference) for entry in file.entries] == [("26-1", "26-1"), ("26-2", "V9")]


def test_severity_comes_from_the_row_the_list_or_the_category() -> None:
    text = "plate,category,severity\nAB12,gang,\nCD34,,\nEF56,gang,low\n"
    by_category = Defaults("stolen-vehicle", "", {"gang": "urgent", "stolen-vehicle": "high"})
    assert [entry.severity for entry in read(text, by_category).entries] == ["urgent", "high", "low"]
    assert [entry.category for entry in read(text, by_category).entries] == ["gang", "stolen-vehicle", "gang"]
    by_list = Defaults("other", "normal", {"gang": "urgent"})
    assert [entry.severity for entry in read(text, by_list).entries] == ["normal", "normal", "low"]


@pytest.mark.parametrize(
    ("characters", "said"),
    [
        ("0", "the source never writes O, but 0 in 600 plates"),
        ("O", "never writes 0, but O in 600"),
        ("O0", ""),
        ("A", ""),
    ],
)
def test_it_says_how_the_source_writes_o_and_0(characters: str, said: str) -> None:
    plates = [f"X{characters[at % len(characters)]}{str(at + 111).replace('0', '9')}{at % 9 + 1}" for at in range(600)]
    assert said in read("plate\n" + "\n".join(plates)).convention
    assert bool(read("plate\n" + "\n".join(plates)).convention) == bool(said)
    assert read("plate\n" + "\n".join(plates[:100])).convention == ""
