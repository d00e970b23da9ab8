"""The account of an ack's way: what its stages come to is the whole way, and the start does not count."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def acks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    return importlib.import_module("ingest_acks")


def test_stages_come_to_the_whole_way_and_the_start_does_not_count(acks: ModuleType, tmp_path: Path) -> None:
    def batch(at: float, envelopes: list[bytes]) -> object:
        rows = [(one, at + 0.001) for one in envelopes]
        return acks.Batch(rows, at + 0.003, at + 0.004, at + 0.006, at + 0.010, at + 0.011, {"lpr-1": at + 0.012})

    (tmp_path / "collector").write_bytes(msgspec.msgpack.encode([batch(0.0, [b"cold"]), batch(5.0, [b"a", b"b"])]))
    rows = [
        acks.Row("lpr-1", b"cold", 0.0, 0.0, 0.9),
        acks.Row("lpr-1", b"a", 5.0, 0.0001, 5.013),
        acks.Row("lpr-1", b"b", 5.0, 0.0, 5.015),
    ]
    (tmp_path / "device").write_bytes(msgspec.msgpack.encode(rows))
    found = acks.account(tmp_path / "device", tmp_path / "collector", 5.0)
    assert (found["rows"], found["batches"]) == (2, 1)
    assert found["max_ms"] == pytest.approx(15)
    assert sum(found["mean_ms"].values()) == pytest.approx(14)
    assert list(found["mean_ms"].values()) == pytest.approx([1, 4, 1, 4, 1, 1, 2])
    assert found["commit_ms"]["p50"] == pytest.approx(1)
    assert found["sender_late_p99_ms"] == pytest.approx(0.1)
