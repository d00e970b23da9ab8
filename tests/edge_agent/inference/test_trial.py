from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.inference.manifest import packaged_folder
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import open_session
from edge_agent.inference.trial import check_network, compare, memory_of, pattern, time_network


def test_networks_that_answer_in_their_form_pass(tiny_models) -> None:
    """pains-25: a module that fails its own sample says so before a camera hangs on it."""
    tiny = tiny_models()
    assert check_network(tiny.detector, "detector") is Provider.CPU
    assert check_network(tiny.ocr, "ocr") is Provider.CPU


def test_a_network_that_answers_otherwise_is_named_with_what_came(tiny_models, write_network) -> None:
    """pains-25."""
    tiny = tiny_models()
    with pytest.raises(
        ModelError, match=r"own_ocr\.onnx: answers a pattern with \[1, 8, 37\], expected a plate detector"
    ):
        check_network(tiny.ocr, "detector")
    with pytest.raises(ModelError, match=r"expected a plate OCR's 1 x slots x alphabet"):
        check_network(tiny.detector, "ocr")
    with pytest.raises(ModelError, match=r"expected a classifier's probabilities"):
        check_network(tiny.detector, "classifier")
    assert check_network(write_network("sounds.onnx", (1, 64)), "classifier") is Provider.CPU


def test_a_trunk_and_a_head_are_held_to_their_own_forms(sound_networks) -> None:
    """pains-25."""
    assert check_network(sound_networks.trunk(), "trunk") is Provider.CPU
    assert check_network(sound_networks.head(), "head") is Provider.CPU
    with pytest.raises(ModelError, match=r"\[1, 527\], \[1, 384\], expected a classifier's probabilities"):
        check_network(sound_networks.trunk(), "classifier")
    with pytest.raises(ModelError, match=r"expected a trunk's probabilities and embedding"):
        check_network(sound_networks.head(), "trunk")


def test_an_answer_that_is_no_number_is_named(tiny_models) -> None:
    tiny = tiny_models(rows=[(1, 2, 3, 4, float("nan"))])
    with pytest.raises(ModelError, match="no numbers"):
        check_network(tiny.detector, "detector")


def test_an_accelerator_that_computes_nonsense_is_named() -> None:
    """pains-25: it starts without complaint, and reads rubbish."""
    right = [np.full((1, 8, 37), 1 / 37, np.float32)]
    compare(Path("o.onnx"), Provider.CUDA, [right[0] + 0.01], right)
    with pytest.raises(
        ModelError, match=r"o\.onnx: on cuda its probabilities differ by 0\.50 .* choose the provider cpu"
    ):
        compare(Path("o.onnx"), Provider.CUDA, [right[0] + 0.5], right)
    with pytest.raises(ModelError, match="differ by inf"):
        compare(Path("o.onnx"), Provider.CUDA, [right[0][:, :4]], right)


def test_the_pattern_fits_each_input_and_is_the_same_every_time(tiny_models) -> None:
    session = open_session(tiny_models().ocr)
    given = pattern(session, batch=3)["input"]
    assert (given.shape, given.dtype) == ((3, 16, 32, 3), np.uint8)
    assert np.array_equal(given, pattern(session, batch=3)["input"])


def test_timing_is_per_run_and_says_what_it_ran_on(tiny_models) -> None:
    def clock() -> Iterator[int]:
        yield 0  # measuring ends half a second later
        for run in range(5):
            yield from (run * 100_000_000, run * 100_000_000 + (run + 1) * 1_000_000)
        yield 500_000_000

    ticks = clock()
    timing = time_network(
        tiny_models().ocr, provider=Provider.AUTO, threads=1, batch=4, for_s=0.5, clock_ns=lambda: next(ticks)
    )
    assert (timing.provider, timing.threads, timing.batch) == (Provider.CPU, 1, 4)
    assert timing.runs == 5
    assert (timing.p50_ms, timing.p95_ms) == (3.0, pytest.approx(4.8))


def test_a_network_of_a_fixed_batch_keeps_it(tiny_models) -> None:
    assert time_network(tiny_models().detector, provider=Provider.CPU, threads=1, batch=8, for_s=0).batch == 1


def test_memory_is_what_the_network_takes_beside_the_runtime(tiny_models) -> None:
    large = np.full((100_000, 37), 1 / 37, np.float32)
    tiny = tiny_models(columns=large)
    assert large.nbytes < memory_of(tiny.ocr, provider=Provider.CPU, threads=1) < 20 * large.nbytes
    tiny.ocr.write_bytes(b"torn")
    with pytest.raises(ModelError, match="not a network"):
        memory_of(tiny.ocr, provider=Provider.CPU, threads=1)


def test_the_shipped_gunshot_networks_pass() -> None:
    for name in ("gunshot", "gunshot-research"):
        assert check_network(packaged_folder() / "gunshot" / f"{name}.onnx", "classifier") in Provider


def test_the_shipped_plate_networks_pass() -> None:
    packaged = packaged_folder()
    for part in ("detector", "ocr"):
        assert check_network(packaged / f"plate_{part}" / f"plate_{part}.onnx", part) in Provider


def test_the_reference_networks_pass(assets: Path) -> None:
    parts = {"yolo-v9-t-416-license-plates-end2end1": "detector", "cct_xs_v2_global": "ocr", "mn04_as": "trunk"}
    for name, part in parts.items():
        assert check_network(assets / "weights" / f"{name}.onnx", part) in Provider
