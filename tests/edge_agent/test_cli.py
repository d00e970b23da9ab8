"""``check-config`` says what ``run`` would refuse, and ends with 2."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from edge_agent.cli import app

CONFIG = """
device: {id: trailer-07, agency: pd, deployment: main-st, key: any.pem, certificate: any.pem}
broker: {host: broker.example, ca: any.pem, collector_keys: [any.pem]}
models: {dir: models}
cameras:
  - {id: north-1, url: road}
  - {id: north-2, url: "rtsp://admin:secret@camera/1"}
microphones:
  - {id: mast, source: bang.wav}
  - {id: roof, source: device}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all that ``CONFIG`` names."""
    for name in ("models", "road", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "any.pem").touch()
    cv2.imwrite(str(tmp_path / "road" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    soundfile.write(tmp_path / "bang.wav", np.zeros(8000), 8000)
    return tmp_path


def check(folder: Path, text: str = CONFIG) -> tuple[int, list[str]]:
    path = folder / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["check-config", str(path), "--json"])
    said = json.loads(result.stdout)
    assert said["ok"] == (not said["findings"])
    return result.exit_code, said["findings"]


def test_a_good_configuration_whatever_the_working_directory(folder: Path) -> None:
    assert check(folder) == (0, [])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("key: any.pem", "key: gone.pem"), "device.key: got {folder}/gone.pem, expected a file that exists"),
        (("dir: models", "dir: gone"), "models.dir: got {folder}/gone, expected a folder that exists"),
        (("url: road", "url: gone.mp4"), "cameras[0].url: {folder}/gone.mp4: no such file or folder"),
        (("url: road", "url: empty"), "cameras[0].url: {folder}/empty: no pictures in it"),
        (("bang.wav", "gone.wav"), "microphones[0].source: {folder}/gone.wav: no such file or folder"),
        (("bang.wav", "empty"), "microphones[0].source: {folder}/empty: holds no recordings"),
        # As for a key in a folder that this user may not look into; tests may run as root, who may look anywhere.
        (("key: any.pem", "key: " + "x" * 300), "cannot be looked at (File name too long); run as the agent's user"),
    ],
)
def test_what_run_would_refuse_is_a_finding(folder: Path, wrong: tuple[str, str], said: str) -> None:
    code, findings = check(folder, CONFIG.replace(*wrong))
    assert code == 2
    assert len(findings) == 1
    assert said.format(folder=folder) in findings[0]
    written = next(n for n, line in enumerate(CONFIG.replace(*wrong).splitlines(), 1) if wrong[1] in line)
    assert findings[0].startswith(f"agent.yaml:{written}: ")


def test_a_refused_address_is_shown_without_its_password(folder: Path) -> None:
    code, [finding] = check(folder, CONFIG.replace("rtsp://", "http://"))
    assert code == 2
    assert "agent.yaml:7: cameras[1].url" in finding
    assert "secret" not in finding


@pytest.mark.parametrize("imported", ["structlog", "edge_agent.commands.listen", "edge_agent.gunshots.opening"])
def test_ctrl_c_while_something_is_imported_ends_with_130_and_no_traceback(imported: str) -> None:
    program = (
        "import sys\n"
        "from edge_agent.cli import main\n"
        "class CtrlC:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {imported!r}: raise KeyboardInterrupt\n"
        f"assert {imported!r} not in sys.modules\n"
        "sys.meta_path.insert(0, CtrlC())\n"
        "sys.argv = ['edge-agent', 'listen', 'a.wav']\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_no_command_pays_for_what_another_one_needs() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from edge_agent.cli import app\n"
        "assert CliRunner().invoke(app, ['listen', '--help']).exit_code == 0\n"
        "slow = {'yaml', 'cryptography', 'aiosqlite', 'onnxruntime', 'scipy', 'cv2'}\n"
        "print(*sorted(slow & sys.modules.keys()))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"
