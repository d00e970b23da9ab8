import stat
from pathlib import Path

import pytest

from collector.commands.private import private_folder
from collector.errors import ConfigurationError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_for_its_owner_alone_and_one_that_is_there_is_closed(tmp_path: Path) -> None:
    private_folder(tmp_path / "new")
    assert _mode(tmp_path / "new") == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    private_folder(tmp_path / "open")
    assert _mode(tmp_path / "open") == 0o700


def test_a_folder_that_accounts_share_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigurationError, match="got mode 1777, a shared folder"):
        private_folder(tmp_path)
    assert _mode(tmp_path) == 0o1777


def test_a_folder_that_cannot_be_made_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(ConfigurationError, match=r"data_dir: .*cannot be made"):
            private_folder(folder)
