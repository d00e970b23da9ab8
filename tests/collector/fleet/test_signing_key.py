"""The collector's own key is made once, kept to itself, and its public half is there to be pinned."""

import stat
from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from collector.fleet import certificates, signing_key


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "collector-key.pem"
    first = signing_key.load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_key.load_or_make(path).private_numbers() == first.private_numbers()
    assert signing_key.public_path(path).read_bytes() == certificates.public_key(path.read_bytes())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signing_key.load_or_make(path)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        signing_key.load_or_make(path)


def test_a_public_half_that_cannot_be_written_is_said_with_its_path(tmp_path: Path) -> None:
    signing_key.public_path(tmp_path / "key.pem").mkdir()
    with pytest.raises(ConfigurationError, match=r"key\.pub\.pem: public half of the signing key: Is a directory"):
        signing_key.load_or_make(tmp_path / "key.pem")


def test_what_is_no_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("not a key", encoding="ascii")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="PEM"):
        signing_key.load_or_make(path)
    assert path.read_text(encoding="ascii") == "not a key"
