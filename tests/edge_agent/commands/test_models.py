import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import eventually

from edge_agent import cli
from edge_agent.commands import models as models_command
from edge_agent.commands import models_pull, models_trial
from edge_agent.inference import models as models_room
from edge_agent.inference.manifest import load_manifest, packaged_folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(part: str, path: Path, *, url: str = "", pinned: bool = True) -> str:
    text = f'[[sets.files]]\npart = "{part}"\nfile = "{path.name}"\nsource = "a test"\n'
    if pinned:
        text += f'sha256 = "{sha256(path.read_bytes())}"\nsize_bytes = {path.stat().st_size}\n'
    return text + (f'url = "{url}"\n' if url else "")


def head(name: str, rank: int, kind: str = "plates") -> str:
    return f'[[sets]]\nname = "{name}"\nkind = "{kind}"\nrank = {rank}\nlicence = "MIT"\nsource = "a test"\n'


class Bench:
    """A device with two sets: ``tiny``, whose files nobody publishes, and ``published``, whose detector has no pin."""

    def __init__(self, folder: Path, tiny, shop) -> None:
        self.packaged, self.stick, self.home = (
            folder / "packaged",
            tiny.folder,
            folder / "share" / "nightjar" / "models",
        )
        self.tiny, self.shop = tiny, shop
        (self.packaged / "plate_calibration").mkdir(parents=True)
        (self.packaged / "plate_calibration" / "parameters.toml").touch()
        shop.content = tiny.detector.read_bytes()
        published = folder / "detector.onnx"
        published.write_bytes(shop.content + b"")
        files = [("detector", tiny.detector), ("ocr", tiny.ocr), ("ocr-config", tiny.ocr_config)]
        text = head("tiny", 2) + "".join(entry(part, path) for part, path in files)
        text += head("published", 1) + entry("detector", published, url=shop.url, pinned=False)
        (self.packaged / "manifest.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def device(tmp_path: Path, tiny_models, shop, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, tiny_models(), shop)
    for module in (models_command, models_pull, models_trial, models_room):
        monkeypatch.setattr(module, "packaged_folder", lambda: bench.packaged)
    monkeypatch.setattr(models_pull.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    return bench


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run ``edge-agent models …``: exit code, standard output, standard error."""

    def go(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-agent", "models", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def test_what_is_pulled_from_a_folder_is_found_without_further_options(device: Bench, run) -> None:
    assert run("list", "--json")[0] == 0
    code, out, _ = run("pull", "--from", device.stick)
    assert (code, out.count("installed: ")) == (0, 3)
    listed = json.loads(run("list", "--json")[1])
    assert listed["in_use"]["plates"]["set"] == "tiny"
    assert listed["in_use"]["plates"]["provider"]["ocr"] in listed["providers"]
    assert listed["places"][0] == {"kind": "user", "path": str(device.home)}
    assert device.shop.asked == []
    assert run("pull", "tiny", "--from", device.stick)[1].count("already there: ") == 3


def test_an_unpublished_set_is_not_connected_for(device: Bench, run) -> None:
    code, _, err = run("pull", "tiny")
    assert code == 2
    assert "edge-agent models pull tiny --from FOLDER" in err
    assert device.shop.asked == []


def test_an_unpinned_file_is_shown_and_needs_trust(device: Bench, run) -> None:
    digest = sha256(device.shop.content)
    # The same bytes as the pinned detector, so that the set is complete once they are trusted under their other name.
    code, out, err = run("pull", "--json")
    assert code == 1
    assert json.loads(out)["outcome"] == "waiting"
    assert f"fetching {device.shop.url}" in err
    waiting = device.home / "detector.onnx.untrusted"  # named in whole: it is to be removed if it is another file
    assert f"{waiting}  {len(device.shop.content):,} bytes  SHA-256 {digest}" in err
    assert err.splitlines()[-1] == f"edge-agent models pull published --trust-digest {digest}"
    code, _, err = run("pull", "published", "--trust-digest", digest)
    assert code == 0
    assert len(device.shop.asked) == 1
    assert f"--trust-digest {digest}, or that digest in models.trust_digests" in err
    assert (device.home / "detector.onnx").read_bytes() == device.shop.content


def test_a_fetch_that_fails_exits_1_and_says_what_to_do(device: Bench, run) -> None:
    device.shop.statuses = [404]
    code, out, err = run("pull", "published")
    assert (code, out) == (1, "")
    assert "says 404" in err
    assert "--from FOLDER" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pull", "loud"], "SET: got 'loud', expected one of tiny, published"),
        (["pull", "--from", "/nowhere"], "--from: got /nowhere, expected a folder"),
        (["pull", "--trust-digest", "zz"], "expected a SHA-256 of 64 hex digits"),
        (["pull", "tiny", "--from", ".", "--to", "/dev/null/x"], "Choose another folder with --to"),
        (["verify", "loud"], "SET: got 'loud', expected some of tiny, published"),
        (["list", "--models-dir", "/nowhere"], "expected a folder of model files"),
        (["bench", "--provider", "abacus"], "abacus"),
    ],
)
def test_wrong_usage_exits_2_with_what_was_expected(device: Bench, run, arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_a_folder_without_a_whole_set_is_named(device: Bench, run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run("pull", "--from", tmp_path / "empty")
    assert code == 2
    assert f"complete in {tmp_path / 'empty'}" in err
    code, _, err = run("pull", "tiny", "--from", tmp_path / "empty")
    assert code == 1
    assert err.count("has no such model") == 3


def test_people_see_each_set_and_what_is_missing(device: Bench, run) -> None:
    (device.stick / "other.onnx").write_bytes(b"other")
    code, out, _ = run("list", "--models-dir", device.stick)
    assert code == 0
    assert "tiny" in out
    assert f"good, models-dir: {device.tiny.ocr}" in out
    assert "missing; `edge-agent models pull` can fetch it" in out
    assert f"{sha256(b'other')}  {device.stick / 'other.onnx'}" in out
    assert "calibration raw-" in out
    code, out, _ = run("list")
    assert (code, "none: no plate models" in out) == (0, True)


def test_a_damaged_file_is_listed_as_such_and_nothing_would_be_used(device: Bench, run) -> None:
    device.tiny.ocr.write_bytes(b"cut sh")
    code, out, _ = run("list", "--models-dir", device.stick)
    assert code == 0
    assert f"damaged, models-dir: {device.tiny.ocr}" in out
    assert f"plates       none: {device.tiny.ocr}: got SHA-256" in out


def test_the_calibration_of_the_ocr_in_use_is_named(device: Bench, run) -> None:
    digest = sha256(device.tiny.ocr.read_bytes())
    listed = json.loads(run("list", "--models-dir", device.stick, "--json")[1])
    assert listed["in_use"]["plates"]["calibration"] == f"raw-{digest[:8]}"


def test_whole_models_verify(device: Bench, run) -> None:
    """pains-25: a device is told to be well before a camera hangs on it."""
    code, out, err = run("verify", "tiny", "--models-dir", device.stick, "--json")
    lines = {Path(line["path"]).name: line for line in map(json.loads, out.splitlines())}
    assert (code, err) == (0, "")
    assert lines["own_detector.onnx"]["ran_on"] == "cpu"
    assert lines["own_ocr.yaml"] | {"path": ""} == {
        "path": "",
        "part": "ocr-config",
        "sha256": sha256(device.tiny.ocr_config.read_bytes()),
        "state": "good",
        "ran_on": None,
        "problem": None,
    }


def test_what_is_wrong_is_named_with_its_fix(device: Bench, run) -> None:
    """pains-25."""
    device.tiny.ocr.write_bytes(device.tiny.ocr.read_bytes()[:100])
    code, out, err = run("verify", "tiny", "--models-dir", device.stick)
    assert code == 1
    assert f"FAILED  {device.tiny.ocr}: got SHA-256" in out
    assert "edge-agent models pull tiny --from FOLDER" in out
    assert "set 'tiny' is incomplete: own_ocr.onnx missing" in err
    assert f"ok      {device.tiny.detector} (runs on cpu)" in out


def test_a_network_that_does_not_run_fails_even_with_the_right_digest(device: Bench, run) -> None:
    """pains-25."""
    torn = device.stick / "torn.onnx"
    torn.write_bytes(b"no network")
    text = head("torn", 1, "gunshot") + entry("classifier", torn)
    (device.packaged / "manifest.toml").write_text(text, encoding="utf-8")
    code, out, _ = run("verify", "torn", "--models-dir", device.stick)
    assert code == 1
    assert "not a network that ONNX Runtime" in out


def test_unknown_files_are_told_and_trusted_ones_are_tried(device: Bench, run) -> None:
    (device.packaged / "manifest.toml").write_text(head("tiny", 2) + entry("ocr", device.tiny.ocr), encoding="utf-8")
    digest = sha256(device.tiny.detector.read_bytes())
    code, out, _ = run("verify", "--models-dir", device.stick)
    assert (code, f"{device.tiny.detector}: unknown; not run without --trust-digest {digest}" in out) == (0, True)
    code, out, _ = run("verify", "--models-dir", device.stick, "--trust-digest", digest)
    assert (code, f"ok      {device.tiny.detector} (runs on cpu)" in out) == (0, True)


def test_bench_measures_each_network_once_on_one_core_and_on_several(device: Bench, run) -> None:
    code, out, _ = run("bench", "--models-dir", device.stick, "--seconds", 0.01, "--batch", 2, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    several = sorted({1, min(len(os.sched_getaffinity(0)), os.cpu_count() or 1)})
    assert [(Path(line["path"]).name, line["threads"], line["batch"]) for line in lines] == [
        (name, threads, batch) for name, batch in (("own_detector.onnx", 1), ("own_ocr.onnx", 2)) for threads in several
    ]
    assert all(0 < line["p50_ms"] <= line["p95_ms"] and line["provider"] == "cpu" for line in lines)
    assert all(line["memory_bytes"] >= 0 and line["accuracy"] is None for line in lines)
    shown = run("bench", "--models-dir", device.stick, "--seconds", 0.01)[1]
    assert "own_ocr.onnx" in shown
    assert "not measured" in shown


def measured(read: float, found: float) -> str:
    shares = f"read = {{ us-dev = {read} }}\nfound = {{ us-dev = {found} }}\n"
    return f'[sets.measured]\non = "2026-11-21"\nhow = "a command"\n{shares}'


def test_bench_and_list_tell_how_well_a_network_does_and_warn_of_a_worse_one(device: Bench, run) -> None:
    """pains-15: a smaller model that is silently worse."""
    manifest = device.packaged / "manifest.toml"
    text = manifest.read_text().replace(head("tiny", 2), head("tiny", 2) + measured(0.75, 0.9))
    manifest.write_text(text, encoding="utf-8")
    arguments = ("bench", "--models-dir", device.stick, "--seconds", 0.01, "--threads", 1)
    code, out, err = run(*arguments, "--json")
    detector, ocr = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (detector["accuracy"], ocr["accuracy"]) == ({"us-dev": 0.9}, {"us-dev": 0.75})
    assert (ocr["set"], ocr["measured_on"], ocr["measured_by"]) == ("tiny", "2026-11-21", "a command")
    assert "us-dev 75.0%" in run(*arguments)[1]
    (device.stick / "larger.yaml").write_text(device.tiny.ocr_config.read_text() + "# larger\n", encoding="utf-8")
    text += head("larger", 1) + entry("detector", device.tiny.detector) + entry("ocr", device.tiny.ocr)
    text += entry("ocr-config", device.stick / "larger.yaml") + measured(0.85, 0.9)
    manifest.write_text(text, encoding="utf-8")
    for command in (arguments, ("list", "--models-dir", device.stick)):
        code, out, err = run(*command)
        assert code == 0
        assert (
            "warning: tiny would be used, but larger is here and reads more plates (us-dev 85.0% beside 75.0%)" in err
        )
    assert "reads us-dev 85.0% of the plates exactly" in out


def gunshot_figures() -> str:
    figures = 'on = "2026-11-21"\nhow = "a command"\nrecall = { general = 0.62, live-fire = 0.95 }\n'
    figures += "recall_tenth = { general = 0.25, live-fire = 0.85 }\nfalse_alarms = { fireworks = 0.14 }\n"
    return f"[sets.measured]\n{figures}"


@pytest.fixture
def ear(device: Bench, sound_networks) -> Path:
    """The device's box holds a student and a head; the stick the trunk that goes with the head."""
    student, head, trunk = sound_networks.student(), sound_networks.head(), sound_networks.trunk()
    text = head_of("gunshot", student=student) + head_of("gunshot-mn04", trunk=trunk, head=head)
    manifest = device.packaged / "manifest.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + text, encoding="utf-8")
    for path in (student, head):
        path.rename(device.packaged / path.name)
    return Path(trunk.rename(device.stick / trunk.name))


def head_of(name: str, **files: Path) -> str:
    parts = {"student": "classifier"}
    text = head(name, 1, "gunshot") + gunshot_figures()
    return text + "".join(entry(parts.get(part, part), path) for part, path in files.items())


def test_the_trunk_is_pulled_from_a_folder_and_its_head_is_in_the_box(device: Bench, ear: Path, run) -> None:
    code, _, err = run("pull", "gunshot-mn04")
    assert code == 2
    assert "nobody publishes\n  trunk.onnx" in err
    assert "head.onnx" not in err
    assert "edge-agent models pull gunshot-mn04 --from FOLDER" in err
    code, out, err = run("pull", "gunshot-mn04", "--from", ear.parent)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"installed: {device.home / 'trunk.onnx'} ({ear.stat().st_size:,} bytes)",
        f"already there: {device.packaged / 'head.onnx'} ({(device.packaged / 'head.onnx').stat().st_size:,} bytes)",
    ]
    assert device.shop.asked == []
    listed = {line["set"]: line for line in json.loads(run("list", "--json")[1])["sets"]}
    assert listed["gunshot-mn04"]["complete"]
    assert listed["gunshot-mn04"]["measured"]["recall"] == {"general": 0.62, "live-fire": 0.95}


def test_how_well_the_gunshot_sets_hear_is_shown(device: Bench, ear: Path, run) -> None:
    code, out, _ = run("list")
    told = "  hears general 62.0%, live-fire 95.0% of the gunshots when 1 % of other sounds pass, general 25.0%, "
    told += "live-fire 85.0% when 0.1 % do; of fireworks 14.0% pass then (2026-11-21)"
    assert (code, out.count(told)) == (0, 2)
    assert "gunshot      gunshot, classifier on cpu" in out
    code, out, _ = run("bench", "gunshot", "gunshot-mn04", "--models-dir", device.stick, "--seconds", 0.01, "--json")
    lines = {line["part"]: line for line in map(json.loads, out.splitlines())}
    assert (code, set(lines)) == (0, {"classifier", "trunk", "head"})
    assert all(line["accuracy"] == {"general": 0.62, "live-fire": 0.95} for line in lines.values())
    assert lines["trunk"]["set"] == "gunshot-mn04"
    assert run("verify", "gunshot", "gunshot-mn04", "--models-dir", device.stick)[0] == 0


def test_bench_without_networks_exits_3(device: Bench, run) -> None:
    code, _, err = run("bench")
    assert (code, "no networks to measure" in err) == (3, True)


def test_ctrl_c_leaves_a_part_that_the_next_pull_goes_on_with(device: Bench, run) -> None:
    device.shop.cuts, device.shop.stalls = [100], True
    program = (
        "import pathlib, sys\n"
        "from edge_agent.commands import models_pull\n"
        "from edge_agent.cli import main\n"
        f"models_pull.packaged_folder = lambda: pathlib.Path({str(device.packaged)!r})\n"
        f"sys.argv = ['edge-agent', 'models', 'pull', 'published', '--to', {str(device.home)!r}]\n"
        "main()\n"
    )
    part = device.home / "detector.onnx.part"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as pulling:
        eventually(lambda: part.is_file() and part.stat().st_size == 100)
        pulling.send_signal(signal.SIGINT)
        _, err = pulling.communicate(timeout=15)
    assert pulling.returncode == 130
    assert b"Traceback" not in err
    device.shop.stalls = False
    run("pull", "published", "--to", device.home)
    assert device.shop.asked[-1][1] == "bytes=100-"
    assert (device.home / "detector.onnx.untrusted").read_bytes() == device.shop.content


def test_the_addresses_are_those_of_the_libraries_whose_files_they_are() -> None:
    from fast_plate_ocr.inference.hub import AVAILABLE_ONNX_MODELS
    from open_image_models.detection.core.hub import DETECTION_MODELS

    upstream = {spec.url for spec in DETECTION_MODELS.values()}
    upstream |= {url for urls in AVAILABLE_ONNX_MODELS.values() for url in urls}
    sets = load_manifest(packaged_folder())
    named = {file.url for s in sets for file in s.files.values() if file.url}
    assert named <= upstream
    assert any(s.is_published and s.kind == "plates" for s in sets)
