import csv
import hashlib
import inspect
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from demo_street import PASSINGS, write_clip
from typer.testing import CliRunner, Result

from edge_agent.commands.read import read
from edge_agent.plates.reader import DEFAULT_PAD


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("b.jpg", "a.jpg"):
        cv2.imwrite(str(folder / name), np.full((64, 64, 3), (90, 120, 200), np.uint8))
    return folder


@pytest.fixture(autouse=True)
def no_models_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(read)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def trusted(tiny) -> list[str]:
    files = (tiny.detector, tiny.ocr, tiny.ocr_config)
    digests = [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
    return ["--models-dir", str(tiny.folder), *(a for d in digests for a in ("--trust-digest", d))]


def test_json_has_one_line_an_image(photographs: Path, tiny_models) -> None:
    tiny = tiny_models(rows=[(8, 24, 40, 36, 0.9)], text="ABC1234", regions={"US-TX": 0.97, "Unknown": 0.03})
    result = run(photographs / "a.jpg", "--json", *trusted(tiny))
    (line,) = result.stdout.splitlines()
    record = json.loads(line)
    assert result.exit_code == 0
    assert record.pop("ms") > 0
    (plate,) = record.pop("plates")
    assert record == {"image": "a.jpg", "rejected": []}
    assert 0.8 < plate.pop("confidence") < 1
    characters = plate.pop("characters")
    assert "".join(c["character"] for c in characters) == "ABC1234"
    assert 0.9 < characters[0]["probability"] < 1
    assert set(characters[0]) == {"character", "probability", "runner_up", "runner_up_probability"}
    assert plate == {
        "text": "ABC1234",
        "box": [8, 24, 40, 36],
        "region": "US-TX",
        "score": 0.9,
        "marks": ["blurred", "small"],
        "calibration": "raw-" + hashlib.sha256(tiny.ocr.read_bytes()).hexdigest()[:8],
    }


def test_without_a_region_it_is_null_and_without_plates_the_list_is_empty(photographs: Path, tiny_models) -> None:
    tiny = tiny_models()
    record = json.loads(run(photographs / "a.jpg", "--json", *trusted(tiny)).stdout)
    assert record["plates"][0]["region"] is None
    tiny = tiny_models(rows=[])
    assert json.loads(run(photographs / "a.jpg", "--json", *trusted(tiny)).stdout)["plates"] == []


def test_lettering_is_listed_apart_with_the_reason(photographs: Path, tiny_models) -> None:
    """pains-02, pains-08"""
    tiny = tiny_models(rows=[(8, 24, 40, 36, 0.45)], text="C00D")
    record = json.loads(run(photographs / "a.jpg", "--json", *trusted(tiny)).stdout)
    assert record["plates"] == []
    assert record["rejected"][0]["text"] == "C00D"
    assert "badge" in record["rejected"][0]["reason"]
    assert "no plate: lettering or a badge" in run(photographs / "a.jpg", *trusted(tiny)).stdout


def test_the_least_sure_character_is_shown(photographs: Path, assets: Path) -> None:
    """pains-03: an average hides one bad character; the product shows that there is one, and the line which it is."""
    name = "wts-lg-000089.jpg"  # far: YF2U68, whose last character may be a B
    picture = assets / "data" / "plates" / "us-dev" / name
    (line,) = run(picture, "--json", "--models-dir", assets / "weights").stdout.splitlines()
    plate = json.loads(line)["plates"][0]
    weakest = min(plate["characters"], key=lambda c: c["probability"])
    average = sum(c["probability"] for c in plate["characters"]) / len(plate["characters"])
    assert plate["confidence"] <= weakest["probability"] < average
    assert {c["character"] for c in plate["characters"] if c["runner_up"] in ("8", "B")} & {"8", "B"}
    shown = run(picture, "--models-dir", assets / "weights").stdout
    place = plate["characters"].index(weakest) + 1
    assert f"least sure: {weakest['character']} at {place}, {weakest['probability']:.1%}" in shown
    assert f"else {weakest['runner_up']}" in shown
    assert "small" in shown


def test_folders_are_read_in_order(photographs: Path, tiny_models) -> None:
    lines = run(photographs, "--json", *trusted(tiny_models())).stdout.splitlines()
    assert [json.loads(line)["image"] for line in lines] == ["a.jpg", "b.jpg"]


def test_an_unreadable_file_costs_only_itself(photographs: Path, tiny_models) -> None:
    (photographs / "aa.jpg").write_bytes(b"torn")
    result = run(photographs, photographs / "gone.jpg", "--json", *trusted(tiny_models()))
    records = {r["image"]: r for r in map(json.loads, result.stdout.splitlines())}
    assert list(records) == ["a.jpg", "aa.jpg", "b.jpg", "gone.jpg"]
    assert "no picture" in records["aa.jpg"]["error"]
    assert "plates" not in records["aa.jpg"]
    assert "No such file" in records["gone.jpg"]["error"]
    assert records["b.jpg"]["plates"]
    assert result.exit_code == 1


def test_people_get_a_table(photographs: Path, tiny_models) -> None:
    tiny = tiny_models(rows=[(8, 24, 40, 36, 0.9), (8, 40, 40, 52, 0.9)])
    lines = run(photographs / "a.jpg", *trusted(tiny)).stdout.splitlines()
    assert lines[0].startswith("a.jpg ")
    assert all("ABC123" in line for line in lines)
    assert len(lines) == 2


def test_without_models_it_exits_3_with_the_remedy(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    result = run(photographs, "--models-dir", tmp_path / "bare", "--model", "reference")
    assert result.exit_code == 3
    assert "sha256" in result.stderr
    assert "--models-dir" in result.stderr
    assert result.stdout == ""


def test_a_damaged_model_exits_3(photographs: Path, tiny_models) -> None:
    tiny = tiny_models()
    tiny.ocr.write_bytes(tiny.ocr.read_bytes()[:80])
    result = run(photographs, *trusted(tiny))
    assert result.exit_code == 3
    assert "own_ocr.onnx" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--pad", "0.51", "x.jpg"], ["--trust-digest", "zz", "x.jpg"], ["--nope"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_set_that_nobody_knows_exits_2(photographs: Path) -> None:
    result = run(photographs, "--model", "loud")
    assert result.exit_code == 2
    assert "models.plates (--model): got 'loud', expected one of" in result.stderr


def test_an_empty_folder_costs_only_itself(photographs: Path, tmp_path: Path, tiny_models) -> None:
    (tmp_path / "none").mkdir()
    result = run(tmp_path / "none", photographs / "a.jpg", "--json", *trusted(tiny_models()))
    empty, full = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1
    assert set(empty) == {"image", "error"}
    assert empty["image"] == "none"
    assert "no pictures in it" in empty["error"]
    assert full["plates"]


def test_photographs_below_a_folder_are_read(photographs: Path, tiny_models) -> None:
    lines = run(photographs.parent, "--json", *trusted(tiny_models())).stdout.splitlines()
    assert {"a.jpg", "b.jpg"} <= {json.loads(line)["image"] for line in lines}


def test_a_path_that_cannot_be_looked_at_is_no_traceback(tiny_models) -> None:
    result = run("x" * 300, "--json", *trusted(tiny_models()))
    assert result.exit_code == 1
    assert "File name too long" in json.loads(result.stdout)["error"]


def test_a_wrong_models_folder_is_named_by_where_it_stands(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(tmp_path / "gone"))
    result = run(photographs)
    assert result.exit_code == 2
    assert result.stderr.startswith("$NIGHTJAR_MODELS_DIR: got")


def test_help_has_examples() -> None:
    assert "edge-agent read car.jpg" in run("--help").stdout


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the demo's street, each with another vehicle; nothing of it was photographed."""
    folder = tmp_path_factory.mktemp("street")
    write_clip(folder / "street.avi")
    clip = cv2.VideoCapture(str(folder / "street.avi"))
    for number, passing in zip((24, 48, 66, 84, 102), PASSINGS, strict=True):
        clip.set(cv2.CAP_PROP_POS_FRAMES, number)
        cv2.imwrite(str(folder / f"{passing.text}.jpg"), clip.read()[1])
    return folder


def test_the_packaged_models_read_rendered_plates(street: Path) -> None:
    """Without assets and without internet: what comes with the installation reads plates."""
    result = run(*sorted(street.glob("*.jpg")), "--json", "--model", "nightjar")
    records = list(map(json.loads, result.stdout.splitlines()))
    assert result.exit_code == 0
    wanted = {passing.text: passing.region for passing in PASSINGS}
    regions = {p["text"]: p["region"] for record in records for p in record["plates"][:1]}
    assert len(records) == len(wanted)
    right = [text for text in wanted if text in regions]
    assert len(right) >= len(wanted) - 1
    assert all(regions[text] in (wanted[text], wanted[text].partition("-")[0], None) for text in right)


def test_real_plates_are_read(assets: Path) -> None:
    folder = assets / "data" / "plates" / "eu-dev"
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:5]
    result = run(*(folder / row["image"] for row in rows), "--json", "--models-dir", assets / "weights")
    read_texts = [{p["text"] for p in json.loads(line)["plates"]} for line in result.stdout.splitlines()]
    assert sum(row["text"] in texts for row, texts in zip(rows, read_texts, strict=True)) >= 4


def test_the_default_padding_is_the_readers() -> None:
    """The command states it itself, because importing the reader takes most of a second."""
    assert inspect.signature(read).parameters["pad"].default == DEFAULT_PAD
