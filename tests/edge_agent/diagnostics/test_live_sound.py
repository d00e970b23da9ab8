"""What a microphone hears at the moment: levels, noise floor, classes whatever the gate says, shots."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from edge_agent.diagnostics.live_sound import LiveSound, Meter, Second
from edge_agent.diagnostics.live_sound_view import LiveSoundView, drawn
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.records import AudioBlock, CaptureTime, HeardShot

RATE_HZ = 16_000
BLOCK = 1_600


class SureClassifier:
    """The ``ShotClassifier`` port: says the same of everything, in an order of its own, and counts."""

    name = "sure"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        self.asked.append(len(samples))
        return {"background": 0.07, "gunshot": 0.9, "fireworks": 0.03}


def blocks_of(samples: NDArray[np.float32], scene: int = 0) -> Iterator[AudioBlock]:
    for first in range(0, len(samples), BLOCK):
        at_ns = first * 1_000_000_000 // RATE_HZ
        yield AudioBlock("m", samples[first : first + BLOCK], RATE_HZ, CaptureTime(at_ns, at_ns, 0), scene)


def noise(seconds: float, level: float = 0.001) -> NDArray[np.float32]:
    return (np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)) * level).astype(np.float32)


@pytest.fixture
def classifier() -> SureClassifier:
    return SureClassifier()


@pytest.fixture
def sound_of(classifier: SureClassifier) -> Callable[..., LiveSound]:
    def make(condition: str = "", cpu_ns: Callable[[], int] = lambda: 0) -> LiveSound:
        return LiveSound(ShotDetector(classifier, 0.5, clips=None), classifier, lambda: condition, cpu_ns)

    return make


def told(sound: LiveSound, samples: NDArray[np.float32], scene: int = 0) -> list[Meter | Second | HeardShot]:
    return [one for block in blocks_of(samples, scene) for one in sound.hear(block)]


def test_pains_24_a_quiet_street_has_top_labels_every_second(sound_of, classifier: SureClassifier) -> None:
    """pains-24: "What is it hearing?" has an answer although nothing leapt out of the noise."""
    seconds = [one for one in told(sound_of(), noise(3.5)) if isinstance(one, Second)]
    assert [second.at_s for second in seconds] == [1.0, 2.0, 3.0]
    assert all(list(second.top) == ["gunshot", "background", "fireworks"] for second in seconds)
    # The first second alone, then always the last two: the window that the classifier was made for.
    assert classifier.asked == [RATE_HZ, 2 * RATE_HZ, 2 * RATE_HZ]


def test_levels_and_the_peak_that_is_held(sound_of) -> None:
    samples = noise(6.0, 0.0)
    samples[round(1.05 * RATE_HZ)] = -0.5
    meters = [one for one in told(sound_of(), samples) if isinstance(one, Meter)]
    assert len(meters) == 60
    assert meters[9].peak_dbfs == -120.0
    assert meters[10].peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert meters[10].level_dbfs == pytest.approx(-6.02 - 10 * np.log10(BLOCK), abs=0.01)
    held = [meter.at_s for meter in meters if meter.held_dbfs > -10]
    assert (held[0], held[-1]) == (pytest.approx(1.1), pytest.approx(4.1))


def test_the_noise_floor_is_the_detectors(sound_of) -> None:
    meter = told(sound_of(), noise(5.0, 0.01))[-1]
    assert isinstance(meter, Meter)
    assert meter.floor_dbfs == pytest.approx(-40, abs=3)


def test_shots_come_as_they_are_told_and_the_last_ones_at_the_end(sound_of) -> None:
    sound, samples = sound_of(), noise(4.2)
    for at_s in (1.0, 3.8):
        first, length = round(at_s * RATE_HZ), round(0.1 * RATE_HZ)
        bang = np.random.default_rng(7).uniform(-0.5, 0.5, length) * np.exp(-np.arange(length) / (0.02 * RATE_HZ))
        samples[first : first + length] += bang.astype(np.float32)
    shots = [one for one in told(sound, samples) if isinstance(one, HeardShot)]
    assert [round(shot.at_s, 2) for shot in shots] == [1.0]
    assert [round(shot.at_s, 2) for shot in sound.finish()] == [3.8]


def test_a_new_scene_begins_at_zero(sound_of) -> None:
    sound = sound_of()
    told(sound, noise(2.5, 0.5))
    meters = [one for one in told(sound, noise(0.2, 0.001), scene=1) if isinstance(one, Meter)]
    assert [meter.at_s for meter in meters] == [pytest.approx(0.1), pytest.approx(0.2)]
    assert meters[-1].held_dbfs < -40


def test_what_it_costs_is_told_apart(sound_of) -> None:
    """Listening, and the view's own asking: the clock moves by 1 ms each time that it is looked at."""
    ticks = iter(range(0, 10**9, 1_000_000))
    seconds = [one for one in told(sound_of(cpu_ns=lambda: next(ticks)), noise(2.0)) if isinstance(one, Second)]
    assert [second.heard_ms for second in seconds] == [pytest.approx(10.0), pytest.approx(10.0)]  # ten blocks of 1 ms
    assert [second.shown_ms for second in seconds] == [pytest.approx(1.0), pytest.approx(1.0)]


def test_what_the_source_doubts_is_told(sound_of) -> None:
    second = next(one for one in told(sound_of("input 2 of 2 is dead"), noise(1.0)) if isinstance(one, Second))
    assert second.condition == "input 2 of 2 is dead"


METER = Meter(at_s=12.3, level_dbfs=-34.1, peak_dbfs=-30.0, held_dbfs=-20.3, floor_dbfs=-52.0)
SECOND = Second(12.0, -34.0, -20.3, -52.0, {"background": 0.93, "impulsive": 0.05}, "clipping", 0.42, 1.37)


def text_of(meter: Meter, second: Second | None) -> str:
    console = Console(width=120, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(drawn("street, gunshot from 81% on", meter, second))
    return captured.get()


def test_pains_24_the_picture_shows_what_it_thinks_it_hears() -> None:
    """pains-24."""
    text = text_of(METER, SECOND)
    for wanted in (
        "street, gunshot from 81% on  12.3 s",
        "-34.1 dBFS, peak -20.3",
        "-52.0 dBFS, where it is quietest",
        "93.0% background",
        "5.0% impulsive",
        "clipping",
        "0.4 ms of computing a second",
        "and 1.4 ms for 'sounds like', for this view only",
    ):
        assert wanted in text


def test_the_meter_is_a_bar_with_floor_and_peak() -> None:
    bar = next(line for line in text_of(METER, None).splitlines() if line.startswith("level"))
    cells = bar.split()[1]
    assert (len(cells), cells.count("╎"), cells.count("│")) == (45, 1, 1)
    assert cells.index("╎") < cells.rindex("█") < cells.index("│")
    silent = text_of(Meter(0.1, -120.0, -120.0, -120.0, None), None)
    assert "█" not in silent


def test_the_view_keeps_the_shots_and_draws_the_rest_anew() -> None:
    console = Console(width=120, color_system=None, force_terminal=True, force_interactive=True)
    with console.capture() as captured, LiveSoundView(console, "street") as view:
        view.show(SECOND)
        view.show(METER)
        view.say("12.345 s a shot [bold]as it is[/bold]")
    text = captured.get()
    assert "12.345 s a shot [bold]as it is[/bold]" in text
    assert "93.0% background" in text
    assert text.endswith("\x1b[?25h")  # the cursor is given back
