import gzip
import hashlib
import io
import struct
import zipfile
from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from collector.hotlists.reading import HotlistFile, read
from collector.hotlists.unpacking import delivered

LIST = b"plate,state\n7ABC123,TX\n"


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def opened(tmp_path: Path, content: bytes, member: str | None = None, max_bytes: int = 1 << 30) -> HotlistFile:
    file = tmp_path / "list.bin"
    file.write_bytes(content)
    with delivered(file, member=member, max_bytes=max_bytes) as one:
        return read(one)


@pytest.mark.parametrize(
    ("content", "packing"),
    [(LIST, ""), (gzip.compress(LIST), "gzip"), (zipped(a_csv=LIST), "zip: a.csv")],
)
def test_plain_and_packed_files_hold_the_same(tmp_path: Path, content: bytes, packing: str) -> None:
    file = opened(tmp_path, content)
    assert [entry.plate for entry in file.entries] == ["7ABC123"]
    assert (file.packing, file.sha256) == (packing, hashlib.sha256(content).digest())


def test_of_several_files_one_is_named(tmp_path: Path) -> None:
    archive = zipped(a_csv=LIST, b_csv=b"plate\nB2B2\n")
    assert opened(tmp_path, archive, "b.csv").entries[0].plate == "B2B2"
    with pytest.raises(ConfigurationError, match="got 2 files in the archive, expected one; choose with --member"):
        opened(tmp_path, archive)
    with pytest.raises(ConfigurationError, match=r"got --member 'c.csv', expected one of 'a.csv', 'b.csv'"):
        opened(tmp_path, archive, "c.csv")
    with pytest.raises(ConfigurationError, match="which this is not"):
        opened(tmp_path, LIST, "a.csv")


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped(a_csv=content)])
def test_what_unpacks_to_no_hotlist_is_not_unpacked(tmp_path: Path, pack: "object") -> None:
    assert callable(pack)
    with pytest.raises(ConfigurationError, match="unpacks to more than 200 times its size"):
        opened(tmp_path, pack(b"\n" * (20 << 20)))
    with pytest.raises(ConfigurationError, match=r"holds more than 2,000 bytes \(hotlists.max_bytes\)"):
        opened(tmp_path, pack(LIST * 100), max_bytes=2_000)
    with pytest.raises(ConfigurationError, match="an archive in the archive"):
        opened(tmp_path, pack(gzip.compress(LIST)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(LIST)[:-6], "was it delivered whole"),
        (zipped(a_csv=LIST)[:-30], "was it delivered whole"),
        (b"PK\x03\x04" + bytes(100), "was it delivered whole"),
        (zipped(), "this is not text"),
        (zipped(_Content_Types__xml=b"").replace(b".Content.Types..xml", b"[Content_Types].xml"), "save it as CSV"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        opened(tmp_path, content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"), delivered(tmp_path / "no.csv"):
        pass


def test_a_plain_file_has_its_limit_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds more than"):
        opened(tmp_path, LIST * 100, max_bytes=2_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_python_unpacks_without_a_bound_is_not_taken(tmp_path: Path, method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("a.csv", LIST)
    with pytest.raises(ConfigurationError, match=f"a.csv is packed by method {method}, expected deflate"):
        opened(tmp_path, packed.getvalue())


@pytest.mark.parametrize("broken", [b"\xff\xff.csv", b"\0\0.csv"])
def test_an_archive_whose_names_are_broken_is_refused_in_words(tmp_path: Path, broken: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ï.csv", LIST)
    with pytest.raises(ConfigurationError, match=r"cannot be unpacked|got 0 files in the archive"):
        opened(tmp_path, packed.getvalue().replace("ï.csv".encode(), broken))


def test_an_archive_of_very_many_members_is_refused_before_they_are_read(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:07}", b"")
    with pytest.raises(ConfigurationError, match=r"list\.bin: the archive's directory takes 1,0\d\d,\d\d\d bytes"):
        opened(tmp_path, packed.getvalue())


def test_an_archive_that_says_so_of_its_directory_in_64_bits_is_refused_too(tmp_path: Path) -> None:
    # As of an archive with 70,000 members: what says how long the directory is, and 16 bytes of it.
    size = 1 << 40
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 70_000, 70_000, size, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 16, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with pytest.raises(ConfigurationError, match=r"directory takes|cannot be unpacked"):
        opened(tmp_path, b"PK\x03\x04" + bytes(12) + end64 + locator + end)
