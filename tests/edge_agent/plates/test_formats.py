from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import ModelError
from edge_agent.plates.formats import Format, load_formats, matches, packaged_formats

TEXAN = Format("US-TX", "AAA-9999", 0.5, "AEIOUQ", "passenger")
ENTRY = '{ region = "US-TX", pattern = "AAA-9999", weight = 1, without = "IOQ", kind = "passenger" }'


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(*entries: str) -> Path:
        path = tmp_path / "formats.toml"
        path.write_text(f"formats = [{', '.join(entries)}]", encoding="utf-8")
        return path

    return write


def test_a_pattern_says_which_characters_may_stand_where() -> None:
    assert TEXAN.marks == "AAA9999"
    assert TEXAN.classes[0] == "BCDFGHJKLMNPRSTVWXYZ"
    assert TEXAN.matches("BCD1234")
    assert not TEXAN.matches("BCD123")
    assert not TEXAN.matches("OCD1234")
    assert not TEXAN.matches("8CD1234")


def test_letters_that_are_no_mark_stand_for_themselves() -> None:
    truck = Format("US-VA", "TX-9999", 1.0, "", "truck")
    assert truck.matches("TX1234")
    assert not truck.matches("TZ1234")


def test_small_characters_are_no_part_of_the_text() -> None:
    assert Format("US-ID", "[9A]A*9999", 1.0, "", "passenger").marks == "A9999"


def test_codes_at_the_beginning_must_be_listed_ones() -> None:
    county = Format("RO", "AA 99 AAA", 1.0, "Q", "passenger", ("AB", "CJ"))
    assert county.matches("CJ12XYZ")
    assert not county.matches("CB12XYZ")
    assert county.classes[:2] == ("AC", "BJ")


def test_matching_ignores_case_and_separators() -> None:
    assert matches("bcd-1234", [TEXAN]) == (TEXAN,)
    assert matches("BCD 1234", [TEXAN]) == (TEXAN,)
    assert matches("BCD12345", [TEXAN]) == ()


def test_the_packaged_table_covers_north_america_and_europe() -> None:
    regions = {f.region for f in packaged_formats()}
    assert sum(region.startswith("US-") for region in regions) == 51
    assert sum(region.startswith("CA-") for region in regions) == 13
    assert regions >= {
        *(
            "MX",
            "AT",
            "BE",
            "BG",
            "CH",
            "CY",
            "CZ",
            "DE",
            "DK",
            "EE",
            "ES",
            "FI",
            "FR",
            "GB",
            "GR",
            "HR",
            "HU",
            "IE",
            "IT",
        ),
        *("LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "TR", "UA", "BR", "AR", "AU"),
    }


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("7ABC123", "US-CA"),
        ("BCD1234", "US-TX"),
        ("ABC1234", "US-NY"),
        ("3861224", "US-NH"),
        ("GHK123", "US-VT"),
        ("B123XYZ", "RO"),
        ("CJ12XYZ", "RO"),
        ("AB123CD", "FR"),
        ("AB12CDE", "GB"),
        ("1234BCD", "ES"),
        ("SE1234BC", "ES"),
        ("05KE1234", "IE"),
        ("CA1234AB", "BG"),
        ("1234AB7", "BY"),
        ("BCD123EC", "ZA"),
        ("ABCD123", "CA-ON"),
    ],
)
def test_known_serials_are_known(text: str, region: str) -> None:
    assert region in {f.region for f in matches(text, packaged_formats())}


@given(st.sampled_from(packaged_formats()), st.data())
def test_every_format_matches_its_own_serials(f: Format, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(f.starts)) if f.starts else ""
    rest = "".join(data.draw(st.sampled_from(allowed)) for allowed in f.classes[len(start) :])
    assert f.matches(start + rest)


def test_a_missing_table_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.toml: cannot be read .* Install the package again"):
        load_formats(tmp_path / "none.toml")


def test_a_table_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "formats.toml"
    path.write_text("formats = [", encoding="utf-8")
    with pytest.raises(ModelError, match=r"formats\.toml: not TOML"):
        load_formats(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"US-TX"', '"Texas"', "region: got 'Texas', expected an ISO 3166 code"),
        ('"AAA-9999"', '"aaa-9999"', "pattern: got 'aaa-9999', expected 2 to 10"),
        ('"AAA-9999"', '"A"', "pattern: got 'A'"),
        ("weight = 1", "weight = 0", "weight: got 0, expected a share above 0"),
        ("weight = 1", 'weight = "1"', "weight: got '1', expected a number"),
        ("weight = 1", "weight = 0.5", "US-TX: weights come to 0.500, expected 1"),
        ('"IOQ"', '"ioq"', "without: got 'ioq'"),
        ('"passenger"', '"bus"', "kind: got 'bus', expected one of passenger, truck, motorcycle"),
        ('kind = "passenger"', 'kind = "passenger", starts = "AB"', "starts: got 'AB', expected a list"),
        ('kind = "passenger"', 'kind = "passenger", starts = ["A9"]', r"starts: got \['A9'\], expected codes"),
        ('kind = "passenger"', 'kind = "passenger", starts = ["AB", "C"]', "starts: got .* of one length"),
        ('kind = "passenger"', 'colour = "red"', "got .*colour.*, expected"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_named(table: Callable[[str], Path], old: str, new: str, said: str) -> None:
    assert load_formats(table(ENTRY))
    with pytest.raises(ModelError, match=said):
        load_formats(table(ENTRY.replace(old, new)))


def test_an_empty_table_is_refused(table: Callable[[], Path]) -> None:
    with pytest.raises(ModelError, match=r"formats: got .*, expected a list of tables"):
        load_formats(table())
