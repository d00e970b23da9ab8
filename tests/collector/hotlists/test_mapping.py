from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.hotlists.csv_file import HotlistFile, parse
from collector.hotlists.mapping import PRESETS, Layout, load_mapping
from edge_wire.yaml_config import ConfigError


def mapped(tmp_path: Path, text: str) -> Layout:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    return load_mapping(file)


def read(text: str, layout: Layout) -> HotlistFile:
    return parse(text.encode(), "f", layout)


def ns(*at: int) -> int:
    return int(datetime(*at, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[misc, arg-type]


def test_columns_constants_codes_and_dates(tmp_path: Path) -> None:
    layout = mapped(
        tmp_path,
        """
        columns: {LicenseNo: plate, ST: region, Typ: category, Bis: expires, Az: case_number, state: null}
        constants: {owner: Springfield PD, reason: on the list}
        codes: {category: {S: stolen-vehicle, "*": other}, region: {TEX: US-TX}}
        dates: ["%d.%m.%Y"]
        time_zone: America/Chicago
        """,
    )
    file = read("LicenseNo,ST,Typ,Bis,Az,state\nab-12,tex,s,30.11.2026,26/1,XX\nCD34,TX,Q,,,\n", layout)
    first, second = file.entries
    assert (first.plate, first.region, first.category, first.case_number) == ("AB12", "US-TX", "stolen-vehicle", "26/1")
    assert (first.owner, first.reason, first.reference) == ("Springfield PD", "on the list", "26/1")
    # A day ends when it is over, there.
    assert first.expires_ns == ns(2026, 12, 1, 6)
    assert (second.category, second.expires_ns) == ("other", None)
    assert file.layout == "generic with m.yaml"


def test_columns_by_number_encoding_and_delimiter_as_said(tmp_path: Path) -> None:
    layout = mapped(tmp_path, 'preset: plate-state\ncolumns: {3: reason}\nencoding: cp1252\ndelimiter: "~"\n')
    file = parse("AB12~TX~gefälscht – ja\n".encode("cp1252"), "f", layout)
    assert file.entries[0][:3] == ("AB12", "US-TX", "gefälscht – ja")
    assert (file.encoding, file.delimiter) == ("cp1252", "~")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: {LIC: number}", r"m.yaml:1: columns.LIC: got \"number\", expected 'plate'"),
        ("constants: {plate: AB12}", "every row has its own"),
        ("columns: {plate: null, license_plate: null, licence_plate: null, lic: null}", "a column that says `plate`"),
        ("encoding: utf-99", 'm.yaml:1: encoding: got "utf-99", expected an encoding such as utf-8'),
        ("encoding: base64", 'encoding: got "base64"'),
        ("delimiter: ab", "m.yaml:1: delimiter"),
        ("delimiter: a", "delimiter"),
        ('dates: ["%m/%d"]', "formats with day, month and year"),
        ("time_zone: Mars/Olympus", "a time zone such as America/Chicago"),
        ("codes: {region: {NO: CA-ON}}", "YAML takes NO"),
        ("columns: {1: plate}", "not both"),
        ("codes: {category: {S: stolen}}", "m.yaml:1: codes: expected `category` to be one of stolen-vehicle,"),
        ('codes: {region: {"*": Texas}}', "`region` to be a US state or Canadian province"),
        ("constants: {category: stolen}", "got 'stolen'"),
        ("preset: excel", "preset"),
        ("colums: {}", "there is no such setting"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said_with_its_line_and_the_fix(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        mapped(tmp_path, text)


def test_plate_state_needs_no_header_and_passes_over_one() -> None:
    for text in ("7abc123;TX\nAB12;\n", "PLATE;STATE\n7abc123;TX\nAB12;\n"):
        file = read(text, PRESETS["plate-state"])
        assert [entry[:2] for entry in file.entries] == [("7ABC123", "US-TX"), ("AB12", None)]
        assert (file.delimiter, file.bad) == (";", ())


def test_ncic_fields() -> None:
    file = read(
        "LIC|LIS|LIT|LIY|VIN|VMA|VMO|VYR|VCO|NIC|ORI|OCA\n"
        "ABC123|NB|PC|2026|1HGCM82633A004352|HOND|ACC|2003|SIL|V123456789|TX1010000|26-118\n",
        PRESETS["ncic"],
    )
    (entry,) = file.entries
    # What the post calls NE; in a generic list NB is New Brunswick.
    assert (entry.plate, entry.region, entry.plate_type) == ("ABC123", "US-NE", "PC")
    assert (entry.reference, entry.owner, entry.case_number) == ("V123456789", "TX1010000", "26-118")
    vehicle = entry.vehicle
    assert (vehicle.make, vehicle.model, vehicle.year, vehicle.colour) == ("HOND", "ACC", 2003, "SIL")
    assert (vehicle.vin, entry.notes) == ("1HGCM82633A004352", "LIY: 2026")
    assert file.remark == "preset ncic: unverified until your state supplies a sample"
    assert read("plate,state\nAB12,NB\n", PRESETS["generic"]).entries[0].region == "CA-NB"


def test_of_two_records_of_one_plate_both_stay_if_their_references_differ() -> None:
    file = read("LIC,LIS,NIC\nAB12,TX,V1\nAB12,TX,V2\nAB12,TX,V1\n", PRESETS["ncic"])
    assert [entry.reference for entry in file.entries] == ["V2", "V1"]
    assert file.repeated == 1


def test_json_lines_are_found_out() -> None:
    file = read(
        '{"plate": "ab-12", "state": "TX", "year": 2019, "covert_to": ["ada", "bob"], "canary": true, "extra": {}}\n'
        "\n"
        '{"plate": "CD34", "notes": null}\n'
        '{"plate": ["x"], "state": {}}\n'
        "[1]\n"
        '{"plate": "EF56"\n',
        PRESETS["generic"],
    )
    first, second = file.entries
    assert (first.plate, first.vehicle.year, first.covert_to, first.canary) == ("AB12", 2019, ("ada", "bob"), True)
    assert (second.plate, second.notes) == ("CD34", "")
    assert [row.line for row in file.bad] == [4, 5, 6]
    assert "state: got dict" in file.bad[0].reason
    assert (file.delimiter, file.encoding) == ("", "utf-8")
