"""Fixtures that more than one room's tests share."""

import os
from pathlib import Path

import pytest
from support import FakeClock


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


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
