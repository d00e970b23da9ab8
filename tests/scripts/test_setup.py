import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def locked_names() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_the_lock_names_packages_and_hashes_only() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    strange = [line for line in lines if not re.match(r"[a-z0-9-]+==[^/@]+$|    (--hash=sha256:[0-9a-f]{64}|#)", line)]
    assert not strange, "an index or an address is everybody's own affair: run scripts/lock"
    assert not [line for line in lines if "://" in line]


def test_the_lock_has_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[^a-zA-Z0-9._-]", requirement)[0].lower().replace("_", "-") for requirement in asked}
    assert not names - locked_names(), "run scripts/lock"


def test_the_lock_has_what_setting_up_needs() -> None:
    # uv installs the rest; hatchling and editables build the project itself, without a second download.
    assert {"uv", "hatchling", "editables"} <= locked_names()


@pytest.mark.parametrize("script", ["setup", "test"])
def test_help_says_how_to_use_it(script: str) -> None:
    shown = subprocess.run([ROOT / "scripts" / script, "--help"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(f"Usage: ./scripts/{script} ")
    assert shown.stderr == ""


def test_an_unknown_option_is_a_usage_error() -> None:
    refused = subprocess.run([ROOT / "scripts" / "setup", "--fast"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "got --fast" in refused.stderr
