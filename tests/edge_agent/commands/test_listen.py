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
        assert set(line) == {"clip", "score", "shots", "top", "condition", "ms"}
        assert 0 <= line["score"] <= 1


def test_pains_24_every_recording_says_what_it_sounds_like(app: typer.Typer, folder: Path) -> None:
    """pains-24: "What is it hearing?" The labels of the window likeliest to hold a gunshot, likeliest first."""
    _, lines = run(app, folder)
    for line in lines:
        assert set(line["top"]) == {"gunshot", "fireworks", "impulsive", "background"}
        assert list(line["top"].values()) == sorted(line["top"].values(), reverse=True)
        assert line["top"]["gunshot"] == line["score"]
    shown = CliRunner().invoke(app, [str(folder / "a.wav")]).stdout
    likeliest = max(lines[0]["top"], key=lines[0]["top"].__getitem__)
    assert f"{likeliest} {lines[0]['top'][likeliest]:.0%}" in shown


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
    assert [set(line) for line in lines] == [
        {"clip", "error"},
        {"clip", "score", "shots", "top", "condition", "ms"},
    ]
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
        for shot in line["shots"]:
            assert set(shot) == SHOT_KEYS
            assert 0 < shot["error_s"] < 0.1
            assert 1 <= shot["round"] <= shot["rounds"]


SHOT_KEYS = {
    "at_s",
    "error_s",
    "score",
    "kind",
    "snr_db",
    "wave",
    "others",
    "burst",
    "round",
    "rounds",
    "fire",
    "marks",
}


def test_a_file_of_ones_own_is_run_on_that_persons_word(app: typer.Typer, folder: Path, sound_networks) -> None:
    code, lines = run(app, folder / "a.wav", "--model-file", sound_networks.student("own.onnx"))
    assert code == 0
    assert sum(lines[0]["top"].values()) == pytest.approx(1, abs=1e-3)
    told = " ".join(CliRunner().invoke(app, ["--help"]).stdout.replace("│", " ").split())
    assert "that the file may be run is your word" in told


def test_a_head_of_ones_own_gets_the_trunk_from_the_models_folder(
    app: typer.Typer, folder: Path, assets: Path, sound_networks
) -> None:
    code, lines = run(app, folder / "a.wav", "--model-file", sound_networks.head(), "--models-dir", assets / "weights")
    assert (code, len(lines)) == (0, 1)


def test_the_third_choice_without_its_trunk_exits_3_with_the_remedy(
    app: typer.Typer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    result = CliRunner().invoke(app, [str(folder), "--model", "gunshot-mn04"])
    assert result.exit_code == 3
    assert "mn04_as.onnx  sha256 0a33217c" in result.stderr
    assert "edge-agent models pull gunshot-mn04 --from FOLDER" in result.stderr


def test_a_name_and_a_file_at_once_are_refused(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, [str(folder), "--model", "gunshot", "--model-file", "own.onnx"])
    assert result.exit_code == 2
    assert "expected one of them" in result.stderr


def test_a_missing_model_file_exits_3(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, [str(folder), "--model-file", str(folder / "gone.onnx")])
    assert (result.exit_code, "gone.onnx: no such file" in result.stderr) == (3, True)
