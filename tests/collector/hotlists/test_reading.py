"""No line of a file goes unmentioned, and no bytes make the reader fail otherwise than with a reason for people."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ConfigurationError
from collector.hotlists.csv_file import HotlistFile, parse
from collector.hotlists.mapping import PRESETS
from collector.hotlists.reading import read
from collector.hotlists.unpacking import Delivered
from collector.store import entries

_CELLS = st.text(alphabet='AB0?*[]-,;"\n\r\t \0é\ud800{}:', max_size=8)
_PRESETS = st.sampled_from(sorted(PRESETS))


def read_or_refused(content: bytes, preset: str = "generic") -> HotlistFile | None:
    """Return the file, or None if it was refused, for a reason that names it."""
    refused = pytest.raises(ConfigurationError, match=r"^f: ")
    try:
        return parse(content, "f", PRESETS[preset])
    except ConfigurationError:
        with refused:
            parse(content, "f", PRESETS[preset])
        return None


def mentioned(file: HotlistFile) -> int:
    return len(file.rows) + len(file.rejected)


@given(st.binary(max_size=300), _PRESETS)
def test_whatever_the_bytes_are_it_is_read_or_refused(content: bytes, preset: str) -> None:
    file = read_or_refused(content, preset)
    assert file is None or file.size > 0


@given(st.lists(st.lists(_CELLS, min_size=1, max_size=4), max_size=8), st.sampled_from(",;\t|"), _PRESETS)
def test_whatever_stands_in_cells_it_is_read_or_refused(rows: list[list[str]], delimiter: str, preset: str) -> None:
    text = "".join(delimiter.join(row) + "\n" for row in [["plate", "state", "pattern", "expires"], *rows])
    file = read_or_refused(text.encode("utf-8", "surrogatepass"), preset)
    assert file is None or file.size > 0


@given(st.lists(st.sampled_from(["7ABC123", "ab-12", "-", "?", "A?B", "AB12", "XX", " "]), min_size=1, max_size=60))
def test_every_line_that_says_anything_is_an_entry_or_is_named_with_its_reason(plates: list[str]) -> None:
    said = [number for number, plate in enumerate(plates, start=2) if plate.strip()]
    file = read_or_refused(("plate\n" + "\n".join(plates) + "\n").encode())
    if file is None:
        assert not {"7ABC123", "ab-12", "AB12", "XX"} & set(plates)
        return
    assert mentioned(file) == len(said)
    assert {row.line for row in file.bad} <= set(said)
    assert all(row.reason for row in file.bad)
    assert file.size + file.repeated + len(file.bad) == len(said)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=20))
def test_json_lines_are_entries_or_named(lines: list[str]) -> None:
    text = '{"plate": "ZZ99"}\n' + "".join(f"{line}\n" for line in lines)
    file = read_or_refused(text.encode("utf-8", "surrogatepass"))
    if file is None:
        return
    said = [line for line in io.StringIO(text, newline="") if line.strip()]
    assert mentioned(file) == len(said)


@given(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]), st.text("äöüÉ", min_size=1, max_size=9))
def test_a_reason_survives_its_encoding(encoding: str, reason: str) -> None:
    file = parse(f"plate,reason\nAB12,x{reason}\n".encode(encoding), "f")
    assert file.entries[0].reason == f"x{reason}"


def test_windows_characters_are_told_from_latin_ones() -> None:
    file = parse("plate,reason\nAB12,“stolen” – see file\n".encode("cp1252"), "f")
    assert (file.encoding, file.entries[0].reason) == ("cp1252", "“stolen” – see file")


def test_blank_lines_before_the_header_do_no_harm() -> None:
    file = parse(b"\n  \r\nplate\r\nAB12\r\n?\r\n", "f")
    assert ([row.line for row in file.bad], file.entries[0].plate) == ([5], "AB12")


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ConfigurationError, match="line 2: got more than 1,048,576 characters"):
        parse(b"plate\nA" + b"\0" * 3_000_000, "f")


def test_an_empty_list_is_one_where_it_may_be() -> None:
    for content in (b"", b"\n", b"plate\n"):
        file = parse(content, "f", may_be_empty=True)
        assert (file.size, len(file.rejected)) == (0, 0)
    with pytest.raises(ConfigurationError, match="no good row among 1"):
        parse(b"plate\n?\n", "f", may_be_empty=True)


def test_progress_is_told_in_bytes() -> None:
    told: list[tuple[int, int]] = []
    content = io.BytesIO(b"plate\nAB12\n")
    read(Delivered("f", content, bytes(32), ""), progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (11, 11)


def test_many_rows_are_kept_as_they_were() -> None:
    file = parse(("plate,make\n" + "".join(f"A{at:05},m{at}\n" for at in range(2_500))).encode(), "f")
    assert [entry.plate for entry in file.entries] == [f"A{at:05}" for at in range(2_500)]
    assert file.entries[2_400].vehicle.make == "m2400"
    assert [entries.values(entry) for entry in file.entries] == list(file.rows)
