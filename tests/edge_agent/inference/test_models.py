import hashlib
import re
from pathlib import Path

import pytest

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference import models as models_module
from edge_agent.inference.manifest import load_manifest, packaged_folder
from edge_agent.inference.models import resolve_gunshot, resolve_part, resolve_plates, resolve_set

PARTS = ("detector", "ocr", "ocr-config")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Shelf:
    """A packaged folder with a manifest of its own, and files that match it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._manifest = ""

    def content(self, set_name: str, part: str) -> bytes:
        return f"{set_name} {part}".encode()

    def name(self, set_name: str, part: str) -> str:
        return f"{set_name}-{part}.{'yaml' if part == 'ocr-config' else 'onnx'}"

    def declare(self, set_name: str, rank: int, kind: str = "plates", parts: tuple[str, ...] = PARTS) -> None:
        self._manifest += f'[[sets]]\nname = "{set_name}"\nkind = "{kind}"\nrank = {rank}\n'
        self._manifest += 'licence = "MIT"\nsource = "a test"\n'
        for part in parts:
            digest = hashlib.sha256(self.content(set_name, part)).hexdigest()
            self._manifest += f'[[sets.files]]\npart = "{part}"\nfile = "{self.name(set_name, part)}"\n'
            self._manifest += f'sha256 = "{digest}"\nsize_bytes = 1\nsource = "a test"\n'
        (self.folder / "manifest.toml").write_text(self._manifest, encoding="utf-8")

    def put(self, folder: Path, set_name: str, *parts: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts or PARTS:
            (folder / self.name(set_name, part)).write_bytes(self.content(set_name, part))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Stand-in for the installed models; there is no other way to have two installations in one test run."""
    shelf = Shelf(tmp_path / "packaged")
    monkeypatch.setattr(models_module, "packaged_folder", lambda: shelf.folder)
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    shelf.declare("old", 10)
    shelf.declare("new", 20)
    return shelf


def test_best_complete_set_of_the_folder_wins(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shelf.put(own, "old")
    shelf.put(own, "new", "ocr")
    assert resolve_plates(own).set_name == "old"
    shelf.put(own, "new")
    assert resolve_plates(own).set_name == "new"


def test_one_folder_a_model_is_found_too(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "own"
    for part in PARTS:
        shelf.put(own / part, "new", part)
    found = resolve_plates(own)
    assert found.detector == own / "detector" / "new-detector.onnx"
    assert found.ocr_sha256 == sha256(found.ocr)


def test_files_are_known_by_digest_not_by_name(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shelf.put(own, "new")
    (own / "new-detector.onnx").rename(own / "renamed.onnx")
    assert resolve_plates(own).detector == own / "renamed.onnx"


def test_what_the_folder_lacks_comes_from_the_package(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(shelf.folder, "new")
    own = tmp_path / "own"
    shelf.put(own, "old", "detector")
    found = resolve_plates(own)
    assert found.detector == own / "old-detector.onnx"
    assert found.ocr == shelf.folder / "new-ocr.onnx"
    assert found.ocr_config == shelf.folder / "new-ocr-config.yaml"
    assert found.set_name == "old+new"


def test_without_a_folder_the_package_serves(shelf: Shelf) -> None:
    shelf.put(shelf.folder / "plates", "old")
    assert resolve_plates().set_name == "old"


def test_the_variable_names_the_default_folder(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put(tmp_path / "own", "new")
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(tmp_path / "own"))
    assert resolve_plates().detector.parent == tmp_path / "own"


def test_a_known_name_with_another_digest_refuses(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shelf.put(own, "new")
    (own / "old-ocr.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"old-ocr\.onnx: got SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        resolve_plates(own)


def test_a_damaged_packaged_file_refuses(shelf: Shelf) -> None:
    shelf.put(shelf.folder, "new")
    (shelf.folder / "new-detector.onnx").write_bytes(b"cut short")
    with pytest.raises(ModelError, match=r"new-detector\.onnx: got SHA-256"):
        resolve_plates()


def test_an_unknown_file_is_not_run_but_its_digest_is_offered(shelf: Shelf, tmp_path: Path, tiny_models) -> None:
    shelf.put(shelf.folder, "new")
    tiny = tiny_models()
    with pytest.raises(ModelError, match=f"--trust-digest {sha256(tiny.detector)}"):
        resolve_plates(tiny.folder)


def test_unknown_files_beside_a_complete_set_are_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shelf.put(own, "new")
    (own / "sounds.onnx").write_bytes(b"not for plates")
    assert resolve_plates(own).set_name == "new"


def test_a_trusted_detector_of_ones_own_replaces_the_packaged_one(shelf: Shelf, tmp_path: Path, tiny_models) -> None:
    shelf.put(shelf.folder, "new")
    own = tmp_path / "own"
    own.mkdir()
    detector = tiny_models().detector.rename(own / "mine.onnx")
    found = resolve_plates(own, [sha256(detector).upper()])
    assert (found.detector, found.ocr) == (detector, shelf.folder / "new-ocr.onnx")
    assert found.set_name == "new+own"


def test_a_whole_trusted_set_needs_nothing_else(shelf: Shelf, tiny_models) -> None:
    tiny = tiny_models()
    files = (tiny.detector, tiny.ocr, tiny.ocr_config)
    found = resolve_plates(tiny.folder, [sha256(f) for f in files])
    assert (found.detector, found.ocr, found.ocr_config) == files
    assert found.set_name == "own"


def test_trust_must_name_a_file_that_is_there(shelf: Shelf, tiny_models) -> None:
    with pytest.raises(ConfigurationError, match=r"no \.onnx or \.yaml file"):
        resolve_plates(tiny_models().folder, ["0" * 64])
    with pytest.raises(ConfigurationError, match="expected a SHA-256 of 64 hex digits"):
        resolve_plates(tiny_models().folder, ["abc"])
    with pytest.raises(ConfigurationError, match="--models-dir"):
        resolve_plates(None, ["0" * 64])


def test_a_trusted_network_of_another_kind_is_refused(shelf: Shelf, tmp_path: Path, write_network) -> None:
    path = write_network("sounds.onnx", (1, 64))
    with pytest.raises(ModelError, match="neither a plate detector"):
        resolve_plates(path.parent, [sha256(path)])


def test_without_models_the_message_says_how_to_get_them(shelf: Shelf) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_plates()
    text = str(caught.value)
    for part in PARTS:
        assert shelf.name("new", part) in text
        assert hashlib.sha256(shelf.content("new", part)).hexdigest() in text
    assert "--models-dir" in text
    assert "NIGHTJAR_MODELS_DIR" in text


def test_a_folder_that_is_none_is_named(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"--models-dir \(or models\.dir\): got {re.escape(str(tmp_path / 'gone'))}"
    ):
        resolve_plates(tmp_path / "gone")


def test_a_folder_that_cannot_be_looked_at_is_no_traceback(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a folder of model files"):
        resolve_plates(tmp_path / ("x" * 300))


def test_gunshot_sets_by_name(shelf: Shelf, tmp_path: Path) -> None:
    shelf.declare("gunshot", 10, "gunshot", ("classifier",))
    with pytest.raises(ModelError, match=r"gunshot-classifier\.onnx  sha256"):
        resolve_gunshot("gunshot")
    shelf.put(shelf.folder / "gunshot", "gunshot", "classifier")
    assert resolve_gunshot("gunshot") == {"classifier": shelf.folder / "gunshot" / "gunshot-classifier.onnx"}
    shelf.put(tmp_path / "own", "gunshot", "classifier")
    assert resolve_gunshot("gunshot", tmp_path / "own")["classifier"].parent == tmp_path / "own"


def test_a_trunk_from_a_folder_and_a_head_from_the_box(shelf: Shelf, tmp_path: Path) -> None:
    shelf.declare("gunshot-mn04", 5, "gunshot", ("trunk", "head"))
    own = tmp_path / "own"
    shelf.put(shelf.folder, "gunshot-mn04", "head")
    with pytest.raises(ModelError, match=r"(?s)Missing:\n  gunshot-mn04-trunk\.onnx .*models pull gunshot-mn04 --from"):
        resolve_gunshot("gunshot-mn04")
    with pytest.raises(ModelError, match=r"gunshot-mn04-trunk\.onnx"):
        resolve_part("gunshot-mn04", "trunk")
    shelf.put(own, "gunshot-mn04", "trunk")
    assert resolve_gunshot("gunshot-mn04", own) == {
        "trunk": own / "gunshot-mn04-trunk.onnx",
        "head": shelf.folder / "gunshot-mn04-head.onnx",
    }
    assert resolve_part("gunshot-mn04", "trunk", own) == own / "gunshot-mn04-trunk.onnx"
    with pytest.raises(ModelError, match="'gunshot-mn04': has no ear; it has trunk, head"):
        resolve_part("gunshot-mn04", "ear")


def test_an_unknown_or_wrong_set_is_named(shelf: Shelf) -> None:
    shelf.put(shelf.folder, "new")
    with pytest.raises(ModelError, match=r"'loud': not in .* it has new, old"):
        resolve_set("loud")
    with pytest.raises(ModelError, match="'new': got kind plates, expected a set of kind gunshot"):
        resolve_gunshot("new")


def test_a_set_of_plates_by_name(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(shelf.folder, "old")
    shelf.put(shelf.folder, "new", "detector")
    assert resolve_plates(name="old").set_name == "old"
    with pytest.raises(ModelError, match=r"(?s)set 'new' is incomplete; .*new-ocr\.onnx  sha256"):
        resolve_plates(name="new")
    shelf.declare("gunshot", 10, "gunshot", ("classifier",))
    for name in ("gone", "gunshot"):
        with pytest.raises(ConfigurationError, match=rf"models\.plates \(--model\): got '{name}', .* new, old\."):
            resolve_plates(name=name)


def test_a_named_set_is_taken_from_the_folder_and_the_package_together(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(shelf.folder, "new")
    shelf.put(shelf.folder, "old", "ocr", "ocr-config")
    own = tmp_path / "own"
    shelf.put(own, "old", "detector")
    shelf.put(own, "new")
    assert resolve_plates(own, name="old").set_name == "old"
    assert resolve_plates(own).set_name == "new"


def test_the_best_set_wins_wherever_it_lies_unless_a_folder_is_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = tmp_path / "home" / "nightjar" / "models"
    shelf.put(pulled, "old")
    shelf.put(shelf.folder, "new")
    assert resolve_plates().set_name == "new"
    assert resolve_plates(pulled).set_name == "old"
    monkeypatch.setenv("NIGHTJAR_MODELS_DIR", str(pulled))
    assert resolve_plates().set_name == "old"


def test_what_was_pulled_into_the_users_folder_is_found_without_further_options(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(tmp_path / "home" / "nightjar" / "models", "new")
    assert resolve_plates().detector.parent == tmp_path / "home" / "nightjar" / "models"


def test_a_file_that_nobody_pinned_runs_only_with_trust(shelf: Shelf, tmp_path: Path, tiny_models) -> None:
    own = tmp_path / "own"
    own.mkdir()
    detector = tiny_models().detector.rename(own / "published.onnx")
    text = (shelf.folder / "manifest.toml").read_text()
    text += '[[sets]]\nname = "published"\nkind = "plates"\nrank = 99\nlicence = "MIT"\nsource = "a test"\n'
    text += '[[sets.files]]\npart = "detector"\nfile = "published.onnx"\nsource = "a test"\n'
    (shelf.folder / "manifest.toml").write_text(text)
    shelf.put(shelf.folder, "new")
    with pytest.raises(ModelError, match=f"--trust-digest {sha256(detector)}"):
        resolve_plates(own)
    assert resolve_plates(own, [sha256(detector)]).detector == detector


def test_a_manifest_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    text = '[[sets]]\nname = "x"\nkind = "plates"\nrank = 1\nlicence = "MIT"\nsource = "a test"\n'
    text += '[[sets.files]]\npart = "detector"\nfile = "../../etc/passwd"\nsource = "a test"\n'
    (tmp_path / "manifest.toml").write_text(text)
    with pytest.raises(ModelError, match="expected a name without folders"):
        load_manifest(tmp_path)


def test_what_was_measured_of_a_set_is_read_and_compared(tmp_path: Path) -> None:
    text = ""
    for name, read in {"a": "{ here = 0.9, there = 0.5 }", "b": "{ here = 0.8, elsewhere = 1.0 }", "c": "{}"}.items():
        text += (
            f'[[sets]]\nname = "{name}"\nkind = "plates"\nrank = 1\nlicence = "MIT"\nsource = "a test"\nfiles = []\n'
        )
        text += f'[sets.measured]\non = "2026-11-21"\nhow = "a command"\nread = {read}\n'
    (tmp_path / "manifest.toml").write_text(text)
    a, b, c = (s.measured for s in load_manifest(tmp_path))
    assert a is not None and b is not None and c is not None  # noqa: PT018 -- for the type checker
    assert (a.on, a.how, a.read["there"], a.found, a.recall) == ("2026-11-21", "a command", 0.5, {}, {})
    assert b.behind(a) == pytest.approx(0.1)
    assert a.behind(b) == pytest.approx(-0.1)
    assert a.behind(c) == 0
    (tmp_path / "manifest.toml").write_text(text.replace("0.9", "90.0"))
    with pytest.raises(ModelError, match=r"got 90\.0, expected a share"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.toml").write_text(text.replace("read =", "guessed ="))
    with pytest.raises(ModelError, match="guessed"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("text", ["sets = 3", "[[sets]]\nname = 'x'", "not toml ["])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="not a model manifest"):
        load_manifest(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_manifest(tmp_path / "gone")


def test_the_real_manifest_names_the_reference_set_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = {s.name: s for s in load_manifest(packaged_folder())}
    assert set(sets["reference"].files) == set(PARTS)
    assert all(re.fullmatch("[0-9a-f]{64}", f.sha256 or "0" * 64) for s in sets.values() for f in s.files.values())
    plates = [s for s in sets.values() if s.kind == "plates"]
    assert [s.name for s in plates if any(f.sha256 is None for f in s.files.values())] == ["fast-alpr"]


def test_the_gunshot_sets_say_how_well_they_hear_and_who_may_use_them() -> None:
    sets = {s.name: s for s in load_manifest(packaged_folder()) if s.kind == "gunshot"}
    assert set(sets) == {"gunshot", "gunshot-research", "gunshot-mn04"}
    assert "not for commercial or government use" in sets["gunshot-research"].licence
    there = [f for s in sets.values() for f in s.files.values() if (packaged_folder() / "gunshot" / f.name).is_file()]
    assert {f.name for f in there} >= {"gunshot.onnx", "gunshot-research.onnx"}
    assert all(f.sha256 == sha256(packaged_folder() / "gunshot" / f.name) for f in there)
    assert sets["gunshot-mn04"].files["trunk"] not in there  # somebody else's, and never in the repository
    for name in ("gunshot", "gunshot-research"):
        measured = sets[name].measured
        assert measured is not None
        assert measured.recall.keys() == measured.recall_tenth.keys() >= {"general", "clean", "live-fire"}
        assert "fireworks" in measured.false_alarms


def test_what_comes_with_the_installation_reads_plates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh machine without internet has a complete set, the project's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    found = resolve_plates(name="nightjar")
    assert all(path.is_relative_to(packaged_folder()) for path in (found.detector, found.ocr, found.ocr_config))
    assert sum(path.stat().st_size for path in (found.detector, found.ocr)) < 6_000_000


def test_the_published_weights_are_the_reference_set(assets: Path) -> None:
    assert resolve_plates(assets / "weights").set_name == "reference"
