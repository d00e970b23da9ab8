import hashlib
from pathlib import Path

import pytest

from edge_agent.errors import PullError
from edge_agent.inference.manifest import ModelFile
from edge_agent.inference.pull import FromFolder, Outcome, from_makers, pull_file

CONTENT = b"a network"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PINNED = ModelFile("detector", "d.onnx", sha256(CONTENT), "a test")
UNPINNED = ModelFile("detector", "d.onnx", None, "a test")


class Bringing:
    """A ``Fetch`` that brings what it was told to, one after the other."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = list(contents)

    def __call__(self, file: ModelFile, part: Path) -> None:
        part.write_bytes(self.contents.pop(0))


def test_a_pinned_file_gets_its_name_once_its_digest_is_right(tmp_path: Path) -> None:
    pulled = pull_file(PINNED, tmp_path, Bringing(CONTENT))
    assert (pulled.outcome, pulled.path.read_bytes()) == (Outcome.INSTALLED, CONTENT)
    assert list(tmp_path.iterdir()) == [tmp_path / "d.onnx"]
    assert pull_file(PINNED, tmp_path, Bringing()).outcome is Outcome.PRESENT


def test_a_wrong_digest_installs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PullError, match=rf"d\.onnx: got SHA-256 {sha256(b'evil')}, expected {PINNED.sha256}"):
        pull_file(PINNED, tmp_path, Bringing(b"evil"))
    assert list(tmp_path.iterdir()) == []


def test_a_stale_part_is_fetched_once_more_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "d.onnx.part").write_bytes(b"of another release")
    assert pull_file(PINNED, tmp_path, Bringing(b"spoilt", CONTENT)).outcome is Outcome.INSTALLED


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "d.onnx").write_bytes(b"cut sh")
    assert pull_file(PINNED, tmp_path, Bringing(CONTENT)).outcome is Outcome.INSTALLED
    assert (tmp_path / "d.onnx").read_bytes() == CONTENT


def test_trust_does_not_replace_a_pin(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="expected"):
        pull_file(PINNED, tmp_path, Bringing(b"evil"), {sha256(b"evil")})


def test_an_unpinned_file_waits_for_trust_and_is_not_fetched_twice(tmp_path: Path) -> None:
    waiting = pull_file(UNPINNED, tmp_path, Bringing(CONTENT))
    assert (waiting.outcome, waiting.path, waiting.sha256) == (
        Outcome.WAITING,
        tmp_path / "d.onnx.untrusted",
        PINNED.sha256,
    )
    assert pull_file(UNPINNED, tmp_path, Bringing(), {"0" * 64}).outcome is Outcome.WAITING
    trusted = pull_file(UNPINNED, tmp_path, Bringing(), {waiting.sha256})
    assert (trusted.outcome, trusted.path) == (Outcome.INSTALLED, tmp_path / "d.onnx")
    assert list(tmp_path.iterdir()) == [tmp_path / "d.onnx"]
    assert pull_file(UNPINNED, tmp_path, Bringing(), {waiting.sha256}).outcome is Outcome.PRESENT
    assert pull_file(UNPINNED, tmp_path, Bringing()).outcome is Outcome.WAITING


def test_an_unpinned_file_whose_digest_is_trusted_beforehand_is_installed_at_once(tmp_path: Path) -> None:
    assert pull_file(UNPINNED, tmp_path, Bringing(CONTENT), {sha256(CONTENT)}).outcome is Outcome.INSTALLED


def test_the_makers_address_is_fetched(shop, tmp_path: Path) -> None:
    file = ModelFile("detector", "d.onnx", sha256(shop.content), "a test", len(shop.content), shop.url)
    assert pull_file(file, tmp_path, from_makers).outcome is Outcome.INSTALLED
    with pytest.raises(PullError, match="is published nowhere"):
        pull_file(ModelFile("ocr", "o.onnx", "0" * 64, "a third party"), tmp_path, from_makers)


def test_a_folder_is_searched_by_digest_whatever_the_name_and_connects_to_nothing(shop, tmp_path: Path) -> None:
    stick, to = tmp_path / "stick", tmp_path / "to"
    (stick / "deep").mkdir(parents=True)
    to.mkdir()
    (stick / "deep" / "renamed.onnx").write_bytes(CONTENT)
    file = ModelFile("detector", "d.onnx", sha256(CONTENT), "a test", None, shop.url)
    assert FromFolder.of(stick).has(file)
    assert pull_file(file, to, FromFolder.of(stick)).path.read_bytes() == CONTENT
    assert shop.asked == []


def test_a_folder_gives_unpinned_files_by_name_and_says_what_it_lacks(tmp_path: Path) -> None:
    stick, to = tmp_path / "stick", tmp_path / "to"
    stick.mkdir()
    to.mkdir()
    with pytest.raises(PullError, match=rf"{stick} has no such model; expected a file with SHA-256 {PINNED.sha256}"):
        pull_file(PINNED, to, FromFolder.of(stick))
    with pytest.raises(PullError, match="expected a file of that name"):
        pull_file(UNPINNED, to, FromFolder.of(stick))
    (stick / "d.onnx").write_bytes(CONTENT)
    assert pull_file(UNPINNED, to, FromFolder.of(stick)).outcome is Outcome.WAITING


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.onnx").write_bytes(CONTENT)
    with pytest.raises(PullError, match="cannot be copied to"):
        FromFolder.of(tmp_path)(PINNED, tmp_path / "gone" / "d.onnx.part")
