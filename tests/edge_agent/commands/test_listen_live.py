"""``listen --live``: a sound card through the fake port, and recordings, as JSON and on a terminal."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from edge_agent.commands.listen import listen
from edge_agent.commands.listen_live import hear_live
from edge_agent.diagnostics.live_sound import Meter, Second
from edge_agent.errors import SourceError
from edge_agent.records import HeardShot
from edge_agent.sources.microphone import MicrophoneSource
from edge_agent.sources.sound_cards import OnBlock

RATE_HZ = 16_000


def bangs(at_s: list[float], seconds: float, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    samples = np.random.default_rng(1).standard_normal(round(seconds * rate_hz)) * 0.001
    for first in (round(s * rate_hz) for s in at_s):
        length = round(0.1 * rate_hz)
        decay = np.exp(-np.arange(length) / (0.02 * rate_hz))
        samples[first : first + length] += np.random.default_rng(7).uniform(-0.5, 0.5, length) * decay
    return samples.astype(np.float32)


class SureClassifier:
    """The ``ShotClassifier`` port: everything is a gunshot."""

    name = "sure"

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        return {"gunshot": 0.9, "background": 0.1}


class FakeCard:
    """A sound card that has delivered everything before anybody waits for it, and then falls silent."""

    rate_hz = RATE_HZ

    def __init__(self, samples: NDArray[np.float32], clock) -> None:
        self._samples, self._clock = samples, clock
        self.closed = 0

    def open(self, device: str | None, block_s: float, on_block: OnBlock) -> "FakeCard":
        size = round(block_s * RATE_HZ)
        for first in range(0, len(self._samples), size):
            self._clock.advance(100_000_000)
            on_block(self._samples[first : first + size, None], 0.1, False)
        return self

    def close(self) -> None:
        self.closed += 1


def test_pains_24_a_sound_card_is_shown_until_it_falls_silent(clock) -> None:
    """pains-24: what is it hearing? Level, floor, top labels, and the shots; also those still waiting at the end."""
    card = FakeCard(bangs([1.0, 3.9], 4.5), clock)
    source = MicrophoneSource("m", "usb", clock, open_stream=card.open, silent_after_s=0.01)
    shown: list[Meter | Second | HeardShot] = []
    with pytest.raises(SourceError, match="no sound from usb"):
        hear_live(source, SureClassifier(), 0.5, shown.append)
    assert card.closed == 1
    assert len([one for one in shown if isinstance(one, Meter)]) == 45
    seconds = [one for one in shown if isinstance(one, Second)]
    assert [list(second.top) for second in seconds] == [["gunshot", "background"]] * 4
    assert all(second.floor_dbfs is not None for second in seconds)
    assert [round(one.at_s, 2) for one in shown if isinstance(one, HeardShot)] == [1.0, 3.9]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(listen)
    return app


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "street.wav", bangs([1.5], 4.0), RATE_HZ)
    return tmp_path / "street.wav"


def test_pains_24_a_recording_as_json_has_a_line_a_second_and_one_a_shot(app: typer.Typer, recording: Path) -> None:
    """pains-24."""
    arguments = [str(recording), "--live", "--pace", "fast", "--threshold", "0", "--json"]
    result = CliRunner().invoke(app, arguments)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    levels = [line for line in lines if line["kind"] == "level"]
    assert [line["at_s"] for line in levels] == [1.0, 2.0, 3.0, 4.0]
    for line in levels:
        assert line["clip"] == str(recording)
        assert sum(line["top"].values()) == pytest.approx(1, abs=1e-3)
        assert line["level_dbfs"] < line["peak_dbfs"] <= 0
        assert line["heard_ms"] > 0
        assert line["shown_ms"] > 0
        assert line["condition"] == ""
    shots = [line for line in lines if line["kind"] == "shot"]
    assert [round(line["shot"]["at_s"], 1) for line in shots] == [1.5]
    assert shots[0]["captured_at"].endswith("Z")
    assert {"error_s", "score", "wave", "burst", "marks"} <= shots[0]["shot"].keys()


def test_without_a_terminal_people_get_the_shots(app: typer.Typer, recording: Path) -> None:
    result = CliRunner().invoke(app, [str(recording), "--live", "--pace", "fast", "--threshold", "0"])
    assert result.exit_code == 0
    assert "not a terminal: shots only; --json has levels too" in result.stderr
    assert "1.500 s" in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_what_cannot_be_played_costs_only_itself(app: typer.Typer, recording: Path) -> None:
    arguments = [str(recording.parent / "gone.wav"), str(recording), "--live", "--pace", "fast", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "no such file" in result.stderr
    assert "sources that could not be read: 1" in result.stderr
    assert any(json.loads(line)["kind"] == "level" for line in result.stdout.splitlines())
    alone = CliRunner().invoke(app, [str(recording.parent / "gone.wav"), "--live"])
    assert (alone.exit_code, "no such file" in alone.stderr) == (2, True)


def test_a_sound_card_is_listened_to_alone(app: typer.Typer, recording: Path) -> None:
    result = CliRunner().invoke(app, ["device:usb", str(recording)])
    assert result.exit_code == 2
    assert "got device:usb and others, expected one sound card, or recordings" in result.stderr


PROGRAM = "import sys; from edge_agent.cli import main; sys.argv = ['edge-agent', 'listen', *sys.argv[1:]]; main()"


def test_on_a_terminal_ctrl_c_ends_the_picture_and_gives_the_cursor_back(recording: Path) -> None:
    """pains-24: the picture is drawn within the first second; it plays in real time until somebody has seen enough."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, str(recording), "--live"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as listening:
        os.close(theirs)
        text = b""
        while b"sounds like" not in text:
            text += os.read(ours, 65_536)
        listening.send_signal(signal.SIGINT)
        while True:
            try:
                read = os.read(ours, 65_536)
            except OSError:  # EIO: the other end is closed
                break
            if not read:
                break
            text += read
    os.close(ours)
    assert listening.returncode == 130
    assert b"Traceback" not in text
    assert b"dBFS, where it is quietest" in text
    assert text.rindex(b"\x1b[?25h") > text.rindex(b"\x1b[?25l")
