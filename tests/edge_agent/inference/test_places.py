from pathlib import Path

import pytest

from edge_agent.errors import ConfigurationError
from edge_agent.inference.places import SYSTEM_FOLDER, Place, pull_folder, search_places, user_folder


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


def test_a_named_folder_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_folder().mkdir(parents=True)
    assert search_places(tmp_path) == (Place("models-dir", tmp_path),)
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(tmp_path))
    assert search_places(None) == (Place("models-dir", tmp_path),)


def test_otherwise_the_users_folder_then_the_systems_as_far_as_they_are_there(tmp_path: Path) -> None:
    system = tmp_path / "system"
    assert search_places(None, system) == ()
    system.mkdir()
    assert search_places(None, system) == (Place("system", system),)
    user_folder().mkdir(parents=True)
    assert search_places(None, system) == (Place("user", user_folder()), Place("system", system))


def test_a_folder_that_is_none_is_named_by_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"--models-dir \(or models\.dir\): got"):
        search_places(tmp_path / "gone")
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(tmp_path / "gone"))
    with pytest.raises(ConfigurationError, match=r"^\$NIGHTJAR_MODELS_DIR: got"):
        search_places(None)


def test_what_is_pulled_is_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pull_folder(None, is_root=True) == SYSTEM_FOLDER
    own = pull_folder(None, is_root=False)
    own.mkdir(parents=True)
    assert own in [place.path for place in search_places(None)]
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(tmp_path))
    assert pull_folder(None, is_root=True) == tmp_path
    assert pull_folder(tmp_path / "named", is_root=False) == tmp_path / "named"


def test_without_a_home_setting_it_is_below_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert user_folder() == Path("/home/someone/.local/share/nightjar/models")
