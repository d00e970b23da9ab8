import hashlib
from pathlib import Path

import pytest

from collector.ingest.picture_folder import PictureFolder, PictureFolderError

JPEG = b"jpeg bytes"
SHA256 = hashlib.sha256(JPEG).digest()


def test_a_file_lies_under_its_hash_and_nothing_else_does(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path)
    assert folder.keep(JPEG, SHA256)
    assert folder.keep(JPEG, SHA256)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder.path(SHA256)]
    assert folder.path(SHA256) == tmp_path / SHA256.hex()[:2] / SHA256.hex()


def test_other_bytes_are_not_written(tmp_path: Path) -> None:
    assert not PictureFolder(tmp_path).keep(b"other", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_file_is_written_again(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path)
    folder.path(SHA256).parent.mkdir()
    folder.path(SHA256).write_bytes(JPEG[:3])
    assert folder.keep(JPEG, SHA256)
    assert folder.path(SHA256).read_bytes() == JPEG


def test_a_file_system_that_refuses_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / SHA256.hex()[:2]).write_bytes(b"in the way")
    with pytest.raises(PictureFolderError, match="pictures"):
        PictureFolder(tmp_path).keep(JPEG, SHA256)
