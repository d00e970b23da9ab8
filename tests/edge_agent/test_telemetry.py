"""ONNX Runtime tells its vendor about its use and leaves a device id under ~/.cache, unless it is told not to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
from pathlib import Path
{first}
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {{"images": np.zeros((1, 3, 64, 64), np.float32)}})
"""


def files_left(home: Path, network: Path, first: str) -> list[str]:
    """Run a network in a process of its own with ``home``; return the files that it left there."""
    home.mkdir()
    # In continuous integration (CI is set) ONNX Runtime keeps quiet by itself, which would prove nothing.
    unset = ("CI", "ORT_DISABLE_TELEMETRY")
    environment = {k: v for k, v in os.environ.items() if k not in unset and not k.startswith("XDG_")}
    # Whatever it wants to send must not leave this machine, even from a test: port 9 of loopback answers nobody.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    subprocess.run(
        [sys.executable, "-c", RUN.format(first=first), str(network)],
        env={**environment, **nowhere, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        timeout=60,
    )
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_running_a_network_leaves_nothing_in_the_home(tmp_path: Path, tiny_models) -> None:
    assert files_left(tmp_path / "home", tiny_models().detector, "import edge_agent.inference.session") == []


def test_without_our_switch_a_device_id_would_appear(tmp_path: Path, tiny_models) -> None:
    left = files_left(tmp_path / "home", tiny_models().detector, "")
    if not left:
        pytest.skip("this build of ONNX Runtime (before 1.29, or not for Linux) leaves no device id")
    assert any("deviceid" in name for name in left), left
