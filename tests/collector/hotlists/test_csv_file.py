import pytest

from collector.errors import ConfigurationError
from collector.hotlists.csv_file import BadRow, HotlistFile, parse
from collector.store.hotlists import EntryRow


def read(text: str, encoding: str = "utf-8") -> HotlistFile:
    return parse(text.encode(encoding), "list.csv")


def test_all_columns_in_any_order_and_unknown_ones_left_alone() -> None:
    file = read("reason,PLATE,paint,State,severity,notes\nstolen,7abc-123,red,tx,high,armed\n")
    assert file.entries == (EntryRow("7ABC123", "US-TX", "stolen", "high", "armed"),)
    assert (file.encoding, file.delimiter, file.respelled, file.bad) == ("utf-8", ",", 1, ())


def test_a_column_of_plates_will_do() -> None:
    assert read("plate\n7ABC123\n\n").entries == (EntryRow("7ABC123", None, "", "normal", ""),)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("latin-1", "latin-1"), ("utf-16", "utf-16")],
)
def test_the_encoding_is_found_out(encoding: str, found: str) -> None:
    file = read("plate,reason\nB-ÖX 12,gestohlen in Köln\n", encoding)
    assert file.encoding == found
    assert file.entries[0].plate == "BÖX12"
    assert file.entries[0].reason == "gestohlen in Köln"


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    file = read(delimiter.join(("plate", "state", "reason")) + "\n" + delimiter.join(("AB12", "CA", "x")))
    assert file.delimiter == delimiter
    assert file.entries == (EntryRow("AB12", "US-CA", "x", "normal", ""),)


@pytest.mark.parametrize(
    ("state", "region"),
    [
        ("TX", "US-TX"),
        ("us-tx", "US-TX"),
        ("CA-ON", "CA-ON"),
        ("US", "US"),
        ("", None),
        ("any", None),
        ("ON", "CA-ON"),
        ("qc", "CA-QC"),
        ("pr", "US-PR"),
        ("MX-CHH", "MX-CHH"),
    ],
)
def test_states_are_taken_as_iso_codes(state: str, region: str | None) -> None:
    assert read(f"plate,state\nAB12,{state}\n").entries[0].region == region


@pytest.mark.parametrize("state", ["XX", "MX", "US-ON", "CA-TX", "USA", "T", "TX-"])
def test_a_state_that_there_is_not_is_not_guessed_at(state: str) -> None:
    file = read(f"plate,state\nAB12,TX\nAB12,{state}\n")
    assert [entry.region for entry in file.entries] == ["US-TX"]
    assert f"state: got '{state}', expected a US state or Canadian province" in file.bad[0].reason


def test_it_says_how_many_states_were_given_a_country() -> None:
    file = read("plate,state\nAA11,tx\nBB22,CA\nCC33,ON\nDD44,us-tx\nEE55,\nFF66,US\n")
    assert file.taken_as == {"US": 2, "CA": 1}


def test_bad_rows_are_named_and_good_ones_still_load() -> None:
    file = read('plate,state,severity\n7ABC123,TX,\n,TX,\n"AB\n12",TX,\nX,TX,\n9XYZ987,Texas!,\nAB12,TX,' + "h" * 17)
    assert [entry.plate for entry in file.entries] == ["7ABC123"]
    assert [row.line for row in file.bad] == [3, 4, 6, 7, 8]
    assert "lines 4 to 5" in file.bad[1].reason
    assert file.bad[2] == BadRow(6, "plate: got 'X', expected 2 to 12 letters or digits")
    assert "state: got 'Texas!'" in file.bad[3].reason
    assert "severity" in file.bad[4].reason


def test_a_stray_quote_takes_no_row_off_the_list_unsaid() -> None:
    with pytest.raises(ConfigurationError, match=r"lines 3 to 5: .* is a quote missing"):
        read('plate,reason\nAA11,x\nBB22,"x\nCC33,x\nDD44,x\n')
    file = read('plate,colour\nAA11,red\nBB22,"red\nCC33,red\nDD44,"\nEE55,red\n')
    assert [entry.plate for entry in file.entries] == ["AA11", "EE55"]
    assert [row.line for row in file.bad] == [3]
    assert "lines 3 to 5 are one row, which is not taken" in file.bad[0].reason


def test_the_last_row_for_a_plate_and_state_counts() -> None:
    file = read("plate,state,reason\nAB12,TX,old\nab 12,TX,new\nAB12,CA,other\n")
    assert [(entry.region, entry.reason) for entry in file.entries] == [("US-TX", "new"), ("US-CA", "other")]
    assert file.repeated == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"number,state\n7ABC123,TX\n", "expected one of them to be `plate`"),
        (b"plate\n", "no good row"),
        (b"plate\n-\n?\n", "line 2"),
        (b"plate\n\x00\n" + b"A" * 200_000 + b"\n", "list.csv: line 3"),
        (b"plate," + b"A" * 200_000 + b"\n", "list.csv: line 1: field larger"),
        (b'plate,"reason\nAA11,x\n', "list.csv: lines 1 to 2"),
        (b"number" * 100 + b"\n7ABC123\n", "line 1: got columns .{200}…, expected"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)), "list.csv: this is not text"),
        (b"\xff\xfep", "list.csv: this is not text"),
        ("plate\n7ABC123\n".encode("utf-16-le"), "list.csv: this is not text"),
    ],
)
def test_a_file_that_is_no_hotlist_is_refused_as_a_whole(content: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse(content, "list.csv")
