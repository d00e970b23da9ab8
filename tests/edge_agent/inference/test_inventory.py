import hashlib
from pathlib import Path

from edge_agent.inference.inventory import State, take_inventory
from edge_agent.inference.manifest import Measured, ModelFile, ModelSet
from edge_agent.inference.places import Place


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


DETECTOR = ModelFile("detector", "d.onnx", sha256(b"detector"), "a test")
NEW = ModelFile("detector", "new.onnx", None, "a test", url="https://example.com/new.onnx")
SETS = (
    ModelSet("known", "plates", 2, "MIT", "a test", {"detector": DETECTOR}),
    ModelSet("published", "plates", 1, "MIT", "a test", {"detector": NEW}),
)


def states(folder: Path, trusted: frozenset[str] = frozenset()) -> dict[str, State]:
    inventory = take_inventory(SETS, [Place("user", folder)], trusted)
    return {found.path.name: found.state for found in inventory.found}


def test_each_file_is_what_the_manifest_and_a_person_make_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "renamed.onnx").write_bytes(b"detector")
    (tmp_path / "d.onnx").write_bytes(b"cut sh")
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    (tmp_path / "other.onnx").write_bytes(b"other")
    (tmp_path / "new.onnx.untrusted").write_bytes(b"new")
    (tmp_path / "half.onnx.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_bytes(b"notes")
    assert states(tmp_path, frozenset({sha256(b"mine"), sha256(b"new")})) == {
        "renamed.onnx": State.GOOD,
        "d.onnx": State.DAMAGED,
        "mine.onnx": State.TRUSTED,
        "other.onnx": State.UNKNOWN,
        "new.onnx.untrusted": State.UNTRUSTED,
    }


def test_a_set_is_complete_when_each_file_may_be_run(tmp_path: Path) -> None:
    known, published = SETS
    (tmp_path / "new.onnx").write_bytes(b"new")
    assert not take_inventory(SETS, [Place("user", tmp_path)]).is_complete(published)
    trusting = take_inventory(SETS, [Place("user", tmp_path)], {sha256(b"new")})
    assert trusting.is_complete(published)
    assert not trusting.is_complete(known)
    assert trusting.part_of(trusting.found[0]) == "detector"


def test_a_file_in_two_places_is_told_in_their_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "d.onnx").write_bytes(b"detector")
    inventory = take_inventory(SETS, [Place("user", tmp_path / "b"), Place("packaged", tmp_path / "a")])
    assert [found.place.kind for found in inventory.of(DETECTOR)] == ["user", "packaged"]


def measured_set(name: str, rank: int, reads: float) -> ModelSet:
    file = ModelFile("ocr", f"{name}.onnx", sha256(name.encode()), "a test")
    return ModelSet(name, "plates", rank, "MIT", "a test", {"ocr": file}, Measured("", "", {"us-dev": reads}, {}))


def test_a_set_that_reads_more_is_told_if_it_is_there(tmp_path: Path) -> None:
    """pains-15: a smaller model that is silently worse."""
    sets = (measured_set("small", 3, 0.7), measured_set("large", 2, 0.9), measured_set("largest", 1, 0.95), *SETS)
    for name in ("small", "large"):
        (tmp_path / f"{name}.onnx").write_bytes(name.encode())
    inventory = take_inventory(sets, [Place("user", tmp_path)])
    assert inventory.better_than("small") == sets[1]
    assert inventory.better_than("large") is None
    assert inventory.better_than("known") is None
    assert [inventory.set_of(found) for found in inventory.found] == [sets[1], sets[0]]
