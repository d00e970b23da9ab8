import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from models.plate_rendering import fonts

ROOT = Path(__file__).parents[2]


LOCKS = ("requirements.lock", "requirements.cuda.lock", "requirements.openvino.lock")
RUNTIMES = {"none": "onnxruntime", "cuda": "onnxruntime-gpu", "openvino": "onnxruntime-openvino"}


def locked_names() -> set[str]:
    return set(locked("requirements.lock"))


def locked(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_packages_and_hashes_only(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
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


@pytest.mark.parametrize("lock", ["requirements.cuda.lock", "requirements.openvino.lock"])
def test_an_accelerators_lock_changes_nothing_but_the_runtime(lock: str) -> None:
    main = locked("requirements.lock")
    assert {name: version for name, version in locked(lock).items() if name in main} == {
        name: main[name] for name in locked(lock) if name in main
    }, "run scripts/lock"
    assert "onnxruntime" not in locked(lock)
    assert set(RUNTIMES.values()) & set(locked(lock))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, but for ONNX Runtime; its ``uv`` writes down what it is told and does as if."""
    root = tmp_path / "checkout"
    (root / "scripts").mkdir(parents=True)
    for name in (*LOCKS, "pyproject.toml", "scripts/setup"):
        shutil.copy(ROOT / name, root / name)
    (root / "collector/console/dist").mkdir(parents=True)
    (root / "collector/console/dist/index.html").write_text("<html>")
    tools, venv = root / ".venv/bin", root / ".venv"
    packages = venv / "lib/python3/site-packages"
    tools.mkdir(parents=True)
    packages.mkdir(parents=True)
    script(tools / "python", f'exec {shlex.quote(sys.executable)} "$@"')
    script(tools / "pip", "")
    script(tools / "uv", UV)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = f"{venv}\n{version}\n".encode() + b"".join(
        (root / name).read_bytes() for name in ("requirements.lock", "pyproject.toml", "scripts/setup")
    )
    (venv / ".dependencies").write_text(f"{hashlib.sha256(asked).hexdigest()}  -\n")
    (venv / ".console").write_text(f"{hashlib.sha256(b'').hexdigest()}  -\n")
    (root / "broker").mkdir()
    script(root / "broker/mosquitto", "echo mosquitto version 2.0.11")
    return root


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


UV = r"""
bin=$(dirname "$0") packages=$(dirname "$0")/../lib/python3/site-packages
echo "$*" >>"$bin/told"
case "$1 $2" in
  "pip uninstall") for name in "${@:5}"; do rm -r "$packages/${name//-/_}"-*.dist-info; done ;;
  "pip install")
    sed -n 's/^\(onnxruntime[a-z-]*\)==\([^ ]*\).*/\1 \2/p' "${@: -1}" | while read -r name version; do
      mkdir "$packages/${name//-/_}-$version.dist-info"
    done ;;
esac
"""


def set_up(checkout: Path, *arguments: str) -> str:
    path = f"{checkout / 'broker'}:{os.environ['PATH']}"
    ran = subprocess.run(
        [checkout / "scripts/setup", *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def runtimes(checkout: Path) -> list[str]:
    found = (checkout / ".venv/lib/python3/site-packages").glob("onnxruntime*.dist-info")
    return sorted(path.name.partition("-")[0].replace("_", "-") for path in found)


def test_an_accelerator_replaces_the_wheel_stays_and_goes_again(checkout: Path) -> None:
    for accelerator in ("none", "openvino", "cuda", "none"):
        assert f"(accelerator: {accelerator})" in set_up(checkout, "--accelerator", accelerator)
        assert runtimes(checkout) == [RUNTIMES[accelerator]]
        assert "installing" not in set_up(checkout), "nothing to do the second time"
    told = (checkout / ".venv/bin/told").read_text()
    assert "--require-hashes --no-deps" in told


def test_two_wheels_at_once_are_mended(checkout: Path) -> None:
    set_up(checkout, "--accelerator=openvino")
    (checkout / ".venv/lib/python3/site-packages/onnxruntime-1.31.1.dist-info").mkdir()
    assert "removing onnxruntime" in set_up(checkout)
    assert runtimes(checkout) == ["onnxruntime-openvino"]


PYTHON = r"""
case "$1 $2" in
  "-m venv") mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
  "-m pip") echo "$*" >>"$(dirname "$0")/told" ;;
  *) exec {real} "$@" ;;
esac
"""


def test_training_gets_an_environment_of_its_own_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = tuple(f"models/{name}/requirements.txt" for name in ("plate_ocr", "plate_detector", "gunshot"))
    for recipe in recipes:
        (checkout / recipe).parent.mkdir(parents=True)
        shutil.copy(ROOT / recipe, checkout / recipe)
    script(checkout / "python", PYTHON.replace("{real}", shlex.quote(sys.executable)))
    script(checkout / "broker/dpkg-query", "")
    monkeypatch.setenv("PYTHON", str(checkout / "python"))

    assert "installing PyTorch" in set_up(checkout, "--for-training")
    assert "installing" not in set_up(checkout, "--for-training"), "nothing to do the second time"
    (checkout / recipes[0]).write_text("torch==0\n")
    assert "installing PyTorch" in set_up(checkout, "--for-training"), "another recipe"

    told = (checkout / ".training/bin/told").read_text()
    assert all(f"--requirement={recipe}" in told for recipe in recipes)
    assert not (checkout / ".venv/bin/told").exists(), "the product's environment is left alone"


@pytest.mark.parametrize("other", [["--for-tests"], ["--accelerator", "cuda"]])
def test_training_goes_with_nothing_else(other: list[str]) -> None:
    refused = subprocess.run(
        [ROOT / "scripts/setup", "--for-training", *other], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "expected it alone" in refused.stderr


def test_every_font_that_plates_are_drawn_with_is_installed_for_training() -> None:
    setup = (ROOT / "scripts/setup").read_text()
    listed = re.findall(r"^  fonts=\((.*)\)$", setup, re.MULTILINE)
    assert [set(names.split()) for names in listed] == [set(fonts.missing(Path("nowhere")).values())]


@pytest.mark.parametrize("arguments", [["--accelerator", "abacus"], ["--accelerator"], ["--accelerator="]])
def test_an_unknown_accelerator_is_a_usage_error(arguments: list[str]) -> None:
    refused = subprocess.run([ROOT / "scripts/setup", *arguments], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "expected cuda, openvino or none" in refused.stderr
