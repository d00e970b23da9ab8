"""Fixtures that more than one room's tests share."""

import os
from pathlib import Path

import pytest


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


class FakeClock:
    """The ``Clock`` port, moved by hand."""

    def __init__(self) -> None:
        self.now_utc_ns = 1_795_256_000_000_000_000
        self.now_boot_ns = 1_000_000_000_000
        self.now_error_ns = 1_000_000

    def utc_ns(self) -> int:
        return self.now_utc_ns

    def boot_ns(self) -> int:
        return self.now_boot_ns

    def error_ns(self) -> int:
        return self.now_error_ns

    def advance(self, by_ns: int) -> None:
        self.now_utc_ns += by_ns
        self.now_boot_ns += by_ns


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
