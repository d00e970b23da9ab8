from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.inference.session import open_session


def test_runs_a_network_on_the_cpu(tiny_models) -> None:
    session = open_session(tiny_models(rows=[(1, 2, 3, 4, 0.5)]).detector)
    (rows,) = session.run(None, {"images": np.zeros((1, 3, 64, 64), np.float32)})
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert rows.tolist() == [[0, 1, 2, 3, 4, 0, 0.5]]


def test_threads_are_bounded(tiny_models) -> None:
    options = open_session(tiny_models().detector, threads=2).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


@pytest.mark.parametrize("content", [b"", b"not a network", b"truncated"])
def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path, tiny_models, content: bytes) -> None:
    path = tmp_path / "detector.onnx"
    path.write_bytes(tiny_models().detector.read_bytes()[:100] if content == b"truncated" else content)
    with pytest.raises(ModelError, match=r"detector\.onnx.*copy it again and compare its SHA-256"):
        open_session(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: no such file"):
        open_session(tmp_path / "gone.onnx")
