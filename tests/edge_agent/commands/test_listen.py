import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from edge_agent.commands.listen import listen

RATE_HZ = 16_000


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(listen)
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "a.wav", rng.standard_normal(3 * RATE_HZ) * 0.01, RATE_HZ)
    soundfile.write(folder / "silent.flac", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(folder / "clipped.ogg", np.sign(rng.standard_normal(RATE_HZ)) * 0.9999, RATE_HZ)
    return folder


def run(app: typer.Typer, *arguments: object) -> tuple[int, list[dict[str, object]]]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("model", ["gunshot", "gunshot-research"])
def test_one_line_a_recording_named_as_given(app: typer.Typer, folder: Path, model: str) -> None:
    code, lines = run(app, folder, folder / "a.wav", "--model", model)
    assert code == 0
    assert [line["clip"] for line in lines] == [
        str(folder / name) for name in ("a.wav", "clipped.ogg", "silent.flac", "a.wav")
    ]
    for line in lines:
        assert set(line) == {"clip", "score", "shots", "ms"}
        assert 0 <= line["score"] <= 1


def test_what_cannot_be_read_costs_only_itself(app: typer.Typer, folder: Path) -> None:
    (folder / "broken.wav").write_bytes(b"RIFF")
    code, lines = run(app, folder, folder / "absent.wav")
    assert code == 1
    assert {Path(str(line["clip"])).name for line in lines if "error" in line} == {"broken.wav", "absent.wav"}
    assert "No such file" in str(next(line["error"] for line in lines if str(line["clip"]).endswith("absent.wav")))
    assert len(lines) == 5


def test_an_empty_folder_costs_only_itself(app: typer.Typer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    code, lines = run(app, tmp_path / "none", folder / "a.wav")
    assert code == 1
    assert [set(line) for line in lines] == [{"clip", "error"}, {"clip", "score", "shots", "ms"}]
    assert lines[0]["clip"] == str(tmp_path / "none")
    assert "no recordings" in str(lines[0]["error"])


def test_a_wrong_models_folder_is_named_by_where_it_stands(
    app: typer.Typer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(folder / "gone"))
    result = CliRunner().invoke(app, [str(folder)])
    assert result.exit_code == 2
    assert result.stderr.startswith("$NIGHTJAR_MODELS_DIR: got")


def test_people_get_a_table(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, [str(folder / "a.wav")])
    assert result.exit_code == 0
    assert "no shot" in result.stdout


def test_a_police_live_fire_recording_is_heard(app: typer.Typer, assets: Path) -> None:
    folder = assets / "data/audio/live_fire/FP1/test_001"
    code, lines = run(app, *sorted(folder.glob("*.flac")))
    assert code == 0
    assert sum(bool(line["shots"]) for line in lines) >= len(lines) / 2
    for line in lines:
        assert all(shot["score"] <= line["score"] for shot in line["shots"])
