"""Fixtures that more than one room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from support import FakeClock

if TYPE_CHECKING:
    from demo_media import Footage


def assets_folder() -> Path | None:
    """The folder of sample data and weights: ``$NIGHTJAR_ASSETS``, else ``shared`` beside the checkout."""
    named = os.environ.get("NIGHTJAR_ASSETS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    return None if named == "" or not folder.is_dir() else folder


@pytest.fixture(scope="session")
def assets() -> Path:
    folder = assets_folder()
    if folder is None:
        pytest.skip("no assets: set NIGHTJAR_ASSETS to the folder that holds data/ and weights/")
    return folder


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> "Footage":
    """What the demo renders where no assets are: a few seconds' work, and the same each time."""
    from demo_media import rendered

    return rendered(tmp_path_factory.mktemp("footage"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command under test sets up the log for the stderr that it was given, which is closed when its test is over."""
    yield
    structlog.reset_defaults()
