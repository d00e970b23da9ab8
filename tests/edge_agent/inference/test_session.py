import os
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.inference.providers import Provider, runtime_distributions
from edge_agent.inference.session import available_providers, open_session, provider_for, provider_of, usable_threads


def test_runs_a_network_on_the_cpu(tiny_models) -> None:
    session = open_session(tiny_models(rows=[(1, 2, 3, 4, 0.5)]).detector, provider=Provider.CPU)
    (rows,) = session.run(None, {"images": np.zeros((1, 3, 64, 64), np.float32)})
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert rows.tolist() == [[0, 1, 2, 3, 4, 0, 0.5]]


def test_threads_are_bounded(tiny_models) -> None:
    options = open_session(tiny_models().detector, threads=2).get_session_options()
    cores = len(os.sched_getaffinity(0))
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (min(2, cores), 1)


@pytest.mark.parametrize("content", [b"", b"not a network", b"truncated"])
def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path, tiny_models, content: bytes) -> None:
    path = tmp_path / "detector.onnx"
    path.write_bytes(tiny_models().detector.read_bytes()[:100] if content == b"truncated" else content)
    with pytest.raises(ModelError, match=r"detector\.onnx.*copy it again and compare its SHA-256"):
        open_session(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: no such file"):
        open_session(tmp_path / "gone.onnx")


def test_threads_are_never_more_than_the_cores(tiny_models) -> None:
    cores = len(os.sched_getaffinity(0))
    assert usable_threads(10_000) == cores
    assert usable_threads(0) == 1
    assert open_session(tiny_models().detector, threads=10_000).get_session_options().intra_op_num_threads == cores


def test_auto_is_the_fastest_there_is_and_the_cpu_always_is(tiny_models) -> None:
    available = available_providers()
    assert available[-1] is Provider.CPU
    assert provider_of(open_session(tiny_models().ocr)) in available
    assert provider_for(tiny_models().ocr) in available


@pytest.mark.parametrize("named", [Provider.CUDA, Provider.OPENVINO])
def test_a_named_provider_is_refused_where_it_is_not_there(tiny_models, named: Provider) -> None:
    if named in available_providers():
        pytest.skip(f"this installation has {named}")
    with pytest.raises(ModelError, match=rf"got {named}, expected auto or .*cpu.*scripts/setup --accelerator {named}"):
        open_session(tiny_models().ocr, provider=named)


def test_one_distribution_brings_onnx_runtime() -> None:
    assert len(runtime_distributions()) == 1
    assert runtime_distributions()[0].startswith("onnxruntime")
