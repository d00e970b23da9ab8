"""The recipe's parts that need no training, and what ships with the two files."""

import csv
import hashlib
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_agent.gunshots.features import WINDOW_SAMPLES

FOLDER = Path(__file__).parents[2] / "models" / "gunshot"
FILES = ("gunshot", "gunshot-research")


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("corpus")


@pytest.fixture
def augment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("augment")


@pytest.mark.parametrize(
    ("label", "name", "kind"),
    [
        ("1", "MG-42", "gunshot"),
        ("0", "Fireworks", "fireworks"),
        ("0", "jackhammer", "impulsive"),
        ("0", "Glassbreaking", "impulsive"),
        ("0", "street_music", "background"),
    ],
)
def test_rows_get_their_class(corpus: ModuleType, label: str, name: str, kind: str) -> None:
    assert corpus.CLASSES[corpus.kind_of(label, name)] == kind


def test_whole_firing_positions_are_held_out(corpus: ModuleType, tmp_path: Path) -> None:
    header = "clip,file,start_s,duration_s,label,source,split,dataset,cls"
    rows = [f"{p}/{i},{p}.flac,{i},2.0,{i % 2},{p},{p},live_fire,x" for p in ("FP9", "FP1", "FP4") for i in range(4)]
    (tmp_path / "windows.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    recordings = corpus.read_live_fire(tmp_path)
    assert len(recordings) == 12
    assert {(r.path.stem, r.fold) for r in recordings} == {("FP1", 0), ("FP4", 1), ("FP9", 2)}
    assert all(r.clean and (r.onset_s == 0.5) == (r.kind == corpus.GUNSHOT) for r in recordings)


def test_a_clips_split_is_its_fold(corpus: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "clip,label,dataset,cls,source,split,duration_s,licence,clean,author,source_url\n"
        "a.ogg,1,x,gunshot,s,3,4.0,CC0,1,,\nb.ogg,0,x,dog,t,1,4.0,CC-BY-NC,0,,\n",
        encoding="utf-8",
    )
    assert [(r.fold, r.clean) for r in corpus.read_clips(tmp_path)] == [(3, True), (1, False)]


@pytest.mark.parametrize("shot", [True, False])
def test_variations_stay_sound_and_come_again(augment: ModuleType, shot: bool) -> None:
    sound = np.random.default_rng(1).standard_normal(7000).astype(np.float32) * 0.1
    window = augment.window_at(sound, -3000, np.random.default_rng(2))
    assert window.shape == (WINDOW_SAMPLES,)
    np.testing.assert_array_equal(window[3000:10_000], sound)
    for seed in range(40):
        once, again = (augment.vary(window, [window[::-1]], shot, np.random.default_rng(seed)) for _ in range(2))
        assert once.shape == (WINDOW_SAMPLES,)
        assert np.isfinite(once).all()
        assert np.abs(once).max() <= 1
        np.testing.assert_array_equal(once, again)


def test_the_loudest_onset_is_found(augment: ModuleType) -> None:
    sound = np.random.default_rng(3).standard_normal(36_000).astype(np.float32) * 0.01
    sound[20_000:21_000] += 0.5 * np.random.default_rng(4).standard_normal(1000).astype(np.float32)
    assert augment.loudest_onset(sound) == pytest.approx(20_000, abs=240)


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_is_small_and_the_card_names_its_digest(name: str) -> None:
    content = (FOLDER / f"{name}.onnx").read_bytes()
    assert len(content) <= 1_000_000
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "card.md").read_text(encoding="utf-8")


def test_every_clean_recording_is_attributed(assets: Path) -> None:
    with (assets / "data/audio/clips/manifest.csv").open(newline="", encoding="utf-8") as file:
        clean = {(r["author"], r["source_url"]) for r in csv.DictReader(file) if r["clean"] == "1"}
    with (FOLDER / "ATTRIBUTION.csv").open(newline="", encoding="utf-8") as file:
        told = {(r["author"], r["source"]) for r in csv.DictReader(file)}
    assert clean <= told
