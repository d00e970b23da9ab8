"""Runs a network on input made here: does it answer in the form that its part must have, and what does it take?

No picture and no sound is needed, so that a device can be told to be well before a camera hangs on it. The input is
the same every time: a seeded pattern. Right answers are no matter here; that is for the photographs of docs/plates.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.errors import ModelError
from edge_agent.inference.providers import Provider
from edge_agent.inference.session import UNUSABLE, open_session, provider_of, usable_threads

_SUM_TOLERANCE = 0.02  # quantised softmax outputs are off by less
_AGREE_WITHIN = 0.05
_FREE_SIZE = 200  # frames of two seconds of sound: only mn04's trunk leaves more than the batch free
_TYPES: Mapping[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
_WARM_UP_RUNS = 3
_LEAST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a network takes.

    Attributes:
        provider: what it really ran on.
        threads: how many cores a run could use.
        batch: inputs a run.
        runs: how many were measured.
        p50_ms: the median of a run.
        p95_ms: one run in twenty took longer.
        cpu_ms: processor time of a run, all cores together, on average; what others on the machine do does not matter.
    """

    provider: Provider
    threads: int
    batch: int
    runs: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float


def check_network(path: Path, part: str, *, provider: Provider = Provider.AUTO) -> Provider:
    """Run the network at ``path`` once and hold its answer to what ``part`` must give.

    On an accelerator it is run on the CPU as well, and distributions must agree: a driver that computes nonsense
    starts without complaint.

    Args:
        path: an ONNX file.
        part: ``detector``, ``ocr``, ``classifier``, ``trunk`` or ``head``, as the manifest calls it.
        provider: what to run it on.

    Returns:
        What it ran on.

    Raises:
        ModelError: it does not run, or its answer is not of the form; the text says what came.
    """
    session = open_session(path, provider=provider)
    ran_on = provider_of(session)
    answer = _answer(path, session)
    _judge(path, part, answer)
    if ran_on is not Provider.CPU and part != "detector":  # what is left after suppression may come in any order
        compare(path, ran_on, answer, _answer(path, open_session(path, provider=Provider.CPU)))
    return ran_on


def compare(
    path: Path, ran_on: Provider, answer: Sequence[NDArray[np.float32]], reference: Sequence[NDArray[np.float32]]
) -> None:
    """Hold an accelerator's distributions to those of the CPU.

    Raises:
        ModelError: they differ by more than rounding can explain.
    """
    same_form = [array.shape for array in answer] == [array.shape for array in reference]
    apart = max(float(np.abs(a - b).max()) for a, b in zip(answer, reference, strict=True)) if same_form else np.inf
    if apart > _AGREE_WITHIN:
        raise ModelError(
            f"{path}: on {ran_on} its probabilities differ by {apart:.2f} from the CPU's, expected at most "
            f"{_AGREE_WITHIN}. Update the accelerator's driver, or choose the provider cpu."
        )


def time_network(
    path: Path,
    *,
    provider: Provider,
    threads: int,
    batch: int = 1,
    for_s: float = 1.0,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Timing:
    """Measure how long one run of the network at ``path`` takes.

    Args:
        path: an ONNX file.
        provider: what to run it on.
        threads: upper bound of cores that a run may use.
        batch: inputs a run, where the network takes any number; otherwise its own number is used.
        for_s: seconds to measure; at least five runs are.
        clock_ns: the clock, nanoseconds.

    Raises:
        ModelError: it does not run.
    """
    session = open_session(path, threads=threads, provider=provider)
    given = pattern(session, batch)
    for _ in range(_WARM_UP_RUNS):
        _run(path, session, given)
    took_ns: list[int] = []
    cpu_began_ns = time.process_time_ns()
    until_ns = clock_ns() + round(for_s * 1e9)
    while len(took_ns) < _LEAST_RUNS or clock_ns() < until_ns:
        began_ns = clock_ns()
        session.run(None, given)
        took_ns.append(clock_ns() - began_ns)
    cpu_ms = (time.process_time_ns() - cpu_began_ns) / 1e6 / len(took_ns)
    p50_ms, p95_ms = (float(ms) for ms in np.percentile(np.array(took_ns) / 1e6, [50, 95]))
    inputs = len(next(iter(given.values())))
    return Timing(provider_of(session), usable_threads(threads), inputs, len(took_ns), p50_ms, p95_ms, cpu_ms)


def memory_of(path: Path, *, provider: Provider, threads: int, batch: int = 1) -> int:
    """Measure how many bytes of memory the network at ``path`` takes at most, opened and run in a program of its own.

    ONNX Runtime itself is not counted: it is there once, however many networks are. Neither is an accelerator's memory.

    Args:
        path: an ONNX file.
        provider: what to run it on.
        threads: upper bound of cores that a run may use.
        batch: inputs a run, where the network takes any number.

    Raises:
        ModelError: it does not run, or that program was ended from outside.
    """
    # Spawned, not forked: a fork begins with all that this program holds already.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        try:
            return alone.submit(_grown_bytes, path, provider, threads, batch).result()
        except BrokenProcessPool as error:
            raise ModelError(
                f"{path}: the program that measured its memory was ended; is there enough of it?"
            ) from error


def _grown_bytes(path: Path, provider: Provider, threads: int, batch: int) -> int:
    before_bytes = _memory_bytes("VmRSS")
    session = open_session(path, threads=threads, provider=provider)
    given = pattern(session, batch)
    for _ in range(_WARM_UP_RUNS):
        _run(path, session, given)
    return max(_memory_bytes("VmHWM") - before_bytes, 0)


def _memory_bytes(name: str) -> int:
    """A line of proc(5)'s status of this program: ``VmRSS`` is what it holds now, ``VmHWM`` what it held at most."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def pattern(session: onnxruntime.InferenceSession, batch: int = 1) -> dict[str, NDArray[np.generic]]:
    """Return seeded input for each of a network's inputs; of the sizes that are free, the first is ``batch``.

    Raises:
        ModelError: an input is of a kind that no network of ours has.
    """
    given: dict[str, NDArray[np.generic]] = {}
    for wanted in session.get_inputs():
        if wanted.type not in _TYPES:
            raise ModelError(f"input {wanted.name}: got {wanted.type}, expected {' or '.join(_TYPES)}.")
        shape = [n if isinstance(n, int) else batch if i == 0 else _FREE_SIZE for i, n in enumerate(wanted.shape)]
        values = np.random.default_rng(4).random(shape, dtype=np.float32)
        given[wanted.name] = (values * 255).astype(np.uint8) if wanted.type == "tensor(uint8)" else values
    return given


def _answer(path: Path, session: onnxruntime.InferenceSession) -> Sequence[NDArray[np.float32]]:
    return _run(path, session, pattern(session))


def _run(
    path: Path, session: onnxruntime.InferenceSession, given: Mapping[str, NDArray[np.generic]]
) -> Sequence[NDArray[np.float32]]:
    try:
        answer: Sequence[NDArray[np.float32]] = session.run(None, dict(given))
    except UNUSABLE as error:
        reason = str(error).splitlines()[0][:200]
        raise ModelError(f"{path}: starts, but does not run on {provider_of(session)} ({reason}).") from error
    return answer


def _judge(path: Path, part: str, answer: Sequence[NDArray[np.float32]]) -> None:
    shapes = ", ".join(str(list(array.shape)) for array in answer)
    if not all(np.isfinite(array).all() for array in answer):
        raise ModelError(f"{path}: its answer {shapes} holds values that are no numbers. Copy the file again.")
    if part == "detector":
        good, expected = answer[0].shape[-1] == 7, "a plate detector's rows of 7"
    elif part == "ocr":
        slots = next((array for array in answer if array.ndim == 3), None)
        good = slots is not None and bool((np.abs(slots.sum(axis=-1) - 1) <= _SUM_TOLERANCE).all())
        expected = "a plate OCR's 1 x slots x alphabet, each slot's probabilities adding up to 1"
    elif part == "trunk":
        good = len(answer) == 2 and _are_probabilities(answer[0]) and answer[1].ndim == 2
        expected = "a trunk's probabilities and embedding"
    else:
        good, expected = all(map(_are_probabilities, answer)), "a classifier's probabilities"
    if not good:
        raise ModelError(f"{path}: answers a pattern with {shapes}, expected {expected}.")


def _are_probabilities(array: NDArray[np.float32]) -> bool:
    return bool(((array >= 0) & (array <= 1 + _SUM_TOLERANCE)).all())
