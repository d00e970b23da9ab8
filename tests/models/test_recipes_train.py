"""The recipes' own tests, in the environment that recipes are run in: PyTorch is no part of the product's."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAINING = ROOT / ".training/bin/python"
FILES = sorted(ROOT.glob("tests/models/*/test_training.py"))


def test_every_recipe_is_here() -> None:
    assert {file.parent.name for file in FILES} == {"gunshot", "plate_detector", "plate_ocr"}


@pytest.mark.skipif(not TRAINING.exists(), reason="no training environment: ./scripts/setup --for-training")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_recipe_trains_and_goes_on(file: Path) -> None:
    # Neither the product's pytest settings nor the folder's conftest.py, which leaves these files out.
    command = [TRAINING, "-m", "pytest", "-q", "--config-file=/dev/null", f"--rootdir={ROOT}", "--noconftest", file]

    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "skipped" not in ran.stdout
