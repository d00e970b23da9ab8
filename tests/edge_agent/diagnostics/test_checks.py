"""Each check measures, holds to its limit, and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.diagnostics.checks import (
    Verdict,
    check_camera,
    check_clock,
    check_disk,
    check_microphone,
    check_models,
    check_outbox,
    check_position,
    check_power,
    check_provider,
    check_runtime,
)
from edge_agent.errors import ModelError, SourceError
from edge_agent.inference.providers import Provider
from edge_agent.records import AudioBlock, CaptureTime, Frame, SampleTiming
from edge_agent.telemetry.nut import UpsError
from edge_agent.telemetry.power import PowerReading, PowerState
from edge_agent.watch import Source
from edge_wire.clock import KernelDiscipline

NOW = CaptureTime(1, 1, 1)


def camera(image: NDArray[np.uint8] | None) -> Source[Frame]:
    frames = [] if image is None else [Frame("c", image, NOW, 0)]
    return Source(lambda: iter(frames), lambda: None)


def microphone(samples: NDArray[np.float32] | None) -> Source[AudioBlock]:
    blocks = [] if samples is None else [AudioBlock("m", samples, 48_000, NOW, 0)]
    return Source(lambda: iter(blocks), lambda: None)


def broken() -> Iterator[Frame]:
    raise SourceError("rtsp://c: no answer within 5 s")


@pytest.mark.parametrize(
    ("discipline", "verdict"),
    [
        (KernelDiscipline(True, 1_000_000), Verdict.OK),
        (KernelDiscipline(True, 30_000_000), Verdict.WARN),
        (KernelDiscipline(False, 16_000_000_000), Verdict.WARN),
    ],
)
def test_clock(discipline: KernelDiscipline, verdict: Verdict) -> None:
    check = check_clock(discipline)
    assert check.verdict is verdict
    assert (check.fix == "") == (verdict is Verdict.OK)


def test_disk_is_measured_where_the_outbox_will_lie(tmp_path: Path) -> None:
    check = check_disk(tmp_path / "not" / "there" / "yet")
    assert str(tmp_path) in check.measured
    assert "GB free" in check.measured


def test_models_are_named_or_their_remedy_is_given() -> None:
    assert check_models(lambda: "plates: reference").measured == "plates: reference"

    def missing() -> str:
        raise ModelError("no plate models: detector missing.\nPut them there.")

    check = check_models(missing)
    assert (check.verdict, check.fix) == (Verdict.FAIL, "Put them there.")


@pytest.mark.parametrize(
    ("distributions", "verdict"),
    [
        (["onnxruntime"], Verdict.OK),
        (["onnxruntime", "onnxruntime-gpu"], Verdict.FAIL),
        ([], Verdict.FAIL),
    ],
)
def test_two_builds_of_onnx_runtime_are_told_with_the_fix(distributions: list[str], verdict: Verdict) -> None:
    check = check_runtime(distributions)
    assert check.verdict is verdict
    assert all(name in check.measured for name in distributions)
    assert ("scripts/setup --accelerator" in check.fix) == (verdict is Verdict.FAIL)


@pytest.mark.parametrize(
    ("asked", "used", "verdict"),
    [
        (Provider.AUTO, Provider.CUDA, Verdict.OK),
        (Provider.AUTO, Provider.CPU, Verdict.WARN),
        (Provider.CPU, Provider.CPU, Verdict.OK),
    ],
)
def test_what_networks_run_on_is_told(asked: Provider, used: Provider, verdict: Verdict) -> None:
    check = check_provider(asked, (Provider.CUDA, Provider.CPU), lambda: {"detector": used, "ocr": used})
    assert (check.verdict, check.measured) == (verdict, f"detector on {used}, ocr on {used}")
    assert ("verify --provider cuda" in check.fix) == (verdict is Verdict.WARN)


def test_a_named_provider_that_is_not_there_fails() -> None:
    def refused() -> dict[str, Provider]:
        raise ModelError("models.provider: got cuda, expected auto or cpu")

    check = check_provider(Provider.CUDA, (Provider.CPU,), refused)
    assert (check.verdict, "got cuda" in check.measured) == (Verdict.FAIL, True)


def test_a_camera_with_a_picture_is_good() -> None:
    image = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    check = check_camera("c", "rtsp://c", lambda: camera(image))
    assert check.verdict is Verdict.OK
    assert "1280 × 720" in check.measured


@pytest.mark.parametrize(
    ("image", "verdict", "word"),
    [
        (np.zeros((4, 4, 3), np.uint8), Verdict.WARN, "black"),
        (np.full((4, 4, 3), 120, np.uint8), Verdict.WARN, "blank"),
        (None, Verdict.FAIL, "rtsp://c"),
    ],
)
def test_a_camera_that_shows_nothing(image: NDArray[np.uint8] | None, verdict: Verdict, word: str) -> None:
    check = check_camera("c", "rtsp://c", lambda: camera(image))
    assert check.verdict is verdict
    assert word in check.fix


def test_a_missing_camera_fails_with_its_reason() -> None:
    check = check_camera("c", "rtsp://c", lambda: Source(broken, lambda: None))
    assert check.verdict is Verdict.FAIL
    assert "no answer" in check.measured


@pytest.mark.parametrize(
    ("level", "verdict"), [(0.0, Verdict.FAIL), (0.01, Verdict.OK), (1.0, Verdict.WARN), (None, Verdict.FAIL)]
)
def test_a_microphone_is_neither_dead_nor_overdriven(level: float | None, verdict: Verdict) -> None:
    samples = None if level is None else np.full(48_000, level, np.float32)
    assert next(check_microphone("m", "device", lambda: microphone(samples))).verdict is verdict


def test_a_sound_card_that_is_not_there_is_told_with_what_is() -> None:
    def gone() -> Iterator[AudioBlock]:
        raise SourceError("sound card 'USB PnP': not there; check the cable. Inputs: 0: HDA Intel (2 in, 48000 Hz).")

    (check,) = check_microphone("m", "device:USB PnP", lambda: Source(gone, lambda: None))
    assert (check.verdict, "0: HDA Intel" in check.measured) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("clock_ms", "timing", "verdict", "fix"),
    [
        (3, SampleTiming(4_000_000, 0, "kernel"), Verdict.OK, ""),
        (0, SampleTiming(0, 0, "recording"), Verdict.OK, ""),
        (16_000, SampleTiming(0, 0, "recording"), Verdict.WARN, "starts_at"),
        (16_000, SampleTiming(4_000_000, 0, "unsynchronised"), Verdict.WARN, "see the check of the clock"),
        (15, SampleTiming(16_000_000, 0, "kernel"), Verdict.WARN, "unevenly"),
    ],
)
def test_whether_a_microphone_can_take_part_in_pinpointing(
    clock_ms: int, timing: SampleTiming, verdict: Verdict, fix: str
) -> None:
    """By the time of what was heard last: a sample clock needs a second or two."""
    samples = np.full(4_800, 0.01, np.float32)
    times = [CaptureTime(1, 1, error_ns) for error_ns in (90_000_000, clock_ms * 1_000_000)]
    blocks = [AudioBlock("m", samples, 48_000, time, 0, timing=timing) for time in times]
    sound, check = check_microphone("m", "device", lambda: Source(lambda: iter(blocks), lambda: None))
    assert sound.verdict is Verdict.OK
    assert (check.name, check.verdict) == ("microphone m time", verdict)
    assert f"within {clock_ms}.0 ms" in check.measured
    assert fix in check.fix
    assert bool(check.fix) == bool(fix)


@pytest.mark.parametrize(
    ("error_m", "verdict", "word"),
    [(0.5, Verdict.OK, ""), (30.0, Verdict.WARN, "aerial picture"), (None, Verdict.WARN, "device.position")],
)
def test_where_a_microphone_stands(error_m: float | None, verdict: Verdict, word: str) -> None:
    check = check_position("m", error_m)
    assert check.verdict is verdict
    assert word in check.fix


@pytest.mark.parametrize(
    ("pending", "oldest_s", "parked", "verdict"),
    [(0, None, 0, Verdict.OK), (3, 2.0, 0, Verdict.OK), (3, 3600.0, 0, Verdict.WARN), (0, None, 1, Verdict.WARN)],
)
def test_an_outbox_that_does_not_empty(pending: int, oldest_s: float | None, parked: int, verdict: Verdict) -> None:
    assert check_outbox(pending, oldest_s, parked).verdict is verdict


@pytest.mark.parametrize(
    ("reading", "verdict", "measured"),
    [
        (PowerReading(PowerState.LINE, charge_percent=97), Verdict.OK, "line, 97 % charged"),
        (PowerReading(PowerState.LINE, "battery to be replaced"), Verdict.OK, "line, battery to be replaced"),
        (PowerReading(PowerState.BATTERY), Verdict.WARN, "battery"),
        (PowerReading(PowerState.UNKNOWN, "the UPS has no ups.status"), Verdict.WARN, "unknown, the UPS has no"),
    ],
)
def test_a_ups_is_held_to_line_power(reading: PowerReading, verdict: Verdict, measured: str) -> None:
    check = check_power("ups@host", lambda: reading)
    assert (check.name, check.verdict) == ("ups ups@host", verdict)
    assert check.measured.startswith(measured)


def test_a_ups_that_does_not_answer_fails_with_the_reason() -> None:
    def read() -> PowerReading:
        raise UpsError("ups@host: cannot be reached; does upsd run there?")

    check = check_power("ups@host", read)
    assert (check.verdict, check.measured) == (Verdict.FAIL, "ups@host: cannot be reached; does upsd run there?")
    assert "docs/power.md" in check.fix
