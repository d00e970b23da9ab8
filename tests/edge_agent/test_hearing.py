"""From a detector to the outbox: shots, then their clip; the clock's fitness; and no other sound anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from structlog.testing import capture_logs
from support import FakeClock

from edge_agent.config import Place
from edge_agent.gunshots.clips import ClipSettings
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.hearing import ShotsKept, ShotStage
from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import AudioBlock, CaptureTime, HeardShot, KeptClip, SampleTiming
from edge_agent.sending import Identity
from edge_wire.messages import Part, Position, ShotArrival, ShotClip, Stream

RATE_HZ = 16_000
BEGAN = CaptureTime(1_795_256_000_000_000_000, 5_000_000_000, 1_000_000)
GOOD, POOR = SampleTiming(1_000_000, 0, "kernel"), SampleTiming(30_000_000, 0, "kernel")


class Gun:
    """The ``ShotClassifier`` port: everything is a shot."""

    name = "gun"

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        return {"gunshot": 0.9, "background": 0.1}


def street(shots_s: Sequence[float], seconds: float) -> NDArray[np.float32]:
    """Noise with bangs in it."""
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 0.003, round(seconds * RATE_HZ))
    length = round(0.15 * RATE_HZ)
    bang = rng.uniform(-1, 1, length) * np.exp(-np.arange(length) / (0.02 * RATE_HZ))
    bang[0] = 1.0
    for at_s in shots_s:
        samples[round(at_s * RATE_HZ) :][:length] += 0.5 * bang
    return samples.astype(np.float32)


def blocks(
    samples: NDArray[np.float32], error_ns: int = BEGAN.error_ns, timing: SampleTiming = GOOD
) -> list[AudioBlock]:
    step = RATE_HZ // 10
    return [
        AudioBlock(
            "mast",
            samples[first : first + step],
            RATE_HZ,
            CaptureTime(BEGAN.utc_ns, BEGAN.boot_ns, error_ns).shifted(first * 1_000_000_000 // RATE_HZ),
            0,
            timing=timing,
        )
        for first in range(0, len(samples), step)
    ]


class Kept:
    """Stands in for the outbox: hands out sequences, and refuses those that a test says."""

    def __init__(self, refuse: Callable[[int], bool] = lambda number: False) -> None:
        self.entries: list[Entry] = []
        self.files: list[Sequence[EvidenceFile]] = []
        self._refuse = refuse
        self._tried = 0

    def keep(self, entry: Entry, files: Sequence[EvidenceFile]) -> Identity | None:
        self._tried += 1
        if self._refuse(self._tried):
            return None
        self.entries.append(entry)
        self.files.append(files)
        return Identity(7, Stream.DETECTION, 100 + self._tried)


def played(kept: Kept, samples: NDArray[np.float32], place: Place | None = None) -> list[ShotArrival | ShotClip]:
    stage = ShotStage(ShotDetector(Gun(), 0.5, ClipSettings(1.0, 3.0)))
    shots = ShotsKept(kept.keep, "main-st", place)
    for block in blocks(samples):
        shots.deliver(stage.observe(block))
        shots.deliver(stage.tick(0))
    shots.deliver(stage.close())
    return [entry.body for entry in kept.entries if isinstance(entry.body, ShotArrival | ShotClip)]


def test_pains_23_a_shot_goes_at_once_and_its_clip_follows_and_names_it() -> None:
    """pains-23: the clip's arrivals are the identities under which the outbox has the shots."""
    kept = Kept()
    place = Place(lat=40.4, lon=-80, error_m=2)
    one, two, clip = played(kept, street([2.0, 2.6], 8), place)
    assert isinstance(one, ShotArrival)
    assert isinstance(two, ShotArrival)
    assert isinstance(clip, ShotClip)
    assert clip.arrivals == ((101, 102),)
    assert clip.microphone == one.microphone == "mast"
    assert [list(files) for files in kept.files[:2]] == [[], []]
    opus, flac = kept.files[2]
    assert (opus.part, flac.part) == (Part.CLIP, Part.RECORDING)
    assert clip.clip_sha256 == hashlib.sha256(opus.content).digest()
    assert clip.recording_sha256 == hashlib.sha256(flac.content).digest()
    assert one.position == Position(404_000_000, -800_000_000, 200)
    assert (one.fit_error_ns, one.clock_source, one.round, two.round) == (GOOD.fit_error_ns, "kernel", 1, 2)
    assert kept.entries[2].captured.utc_ns < kept.entries[0].captured.utc_ns, "that of the clip's first sample"


def test_a_shot_is_told_although_the_microphone_falls_silent_with_it() -> None:
    stage = ShotStage(ShotDetector(Gun(), 0.5, ClipSettings(1.0, 3.0)))
    for block in blocks(street([2.0], 2.3)):
        assert not stage.observe(block)
        assert not stage.tick(block.captured.boot_ns)
    silent_boot_ns = BEGAN.boot_ns + 2_300_000_000
    assert not stage.tick(silent_boot_ns)
    shot, clip = stage.tick(silent_boot_ns + 3_000_000_000)
    assert isinstance(shot, HeardShot)
    assert isinstance(clip, KeptClip)
    assert clip.shots == (shot.number,)
    assert not stage.tick(silent_boot_ns + 3_100_000_000)
    assert not stage.close()


def test_a_shot_that_the_outbox_refused_is_not_in_its_clip() -> None:
    *_, clip = played(Kept(lambda number: number == 1), street([2.0, 2.6], 8))
    assert isinstance(clip, ShotClip)
    assert clip.arrivals == ((102, 102),)


def test_a_clip_of_which_no_shot_was_kept_is_dropped() -> None:
    with capture_logs() as logs:
        assert played(Kept(lambda number: number <= 2), street([2.0, 2.6], 8)) == []
    assert "a clip was dropped" in logs[-1]["event"]


def test_what_is_remembered_of_shots_is_bounded() -> None:
    kept = Kept()
    shots = ShotsKept(kept.keep, "main-st", None)
    (shot,) = [s for b in blocks(street([2.0], 6)) for s in DETECTOR.hear(b) if isinstance(s, HeardShot)]
    for number in range(5_000):
        shots.deliver([type(shot)(**{**fields_of(shot), "number": number})])
    with capture_logs():
        shots.deliver([KeptClip("mast", BEGAN, (0, 1), 4_000, b"opus", b"flac")])
        shots.deliver([KeptClip("mast", BEGAN, (0, 4_999), 4_000, b"opus", b"flac")])
    clips = [entry.body for entry in kept.entries if isinstance(entry.body, ShotClip)]
    assert [clip.arrivals for clip in clips] == [((5_100, 5_100),)]


DETECTOR = ShotDetector(Gun(), 0.5, None)


def fields_of(shot: HeardShot) -> dict[str, object]:
    return {name: getattr(shot, name) for name in HeardShot.__slots__}


@pytest.mark.parametrize(
    ("error_ns", "timing", "doubt"),
    [
        (1_000_000, GOOD, ""),
        (
            1_000_000,
            POOR,
            "clock not good enough for location: 30 ms; takes part in classification only; "
            "`edge-agent doctor` says what to do",
        ),
        (
            16_000_000_000,
            GOOD,
            "clock not good enough for location: 16 s; takes part in classification only; "
            "`edge-agent doctor` says what to do",
        ),
    ],
)
def test_a_clock_that_is_not_good_enough_is_told_after_a_few_seconds(
    error_ns: int, timing: SampleTiming, doubt: str
) -> None:
    stage = ShotStage(ShotDetector(Gun(), 0.5, None))
    heard = blocks(street([], 6), error_ns, timing)
    for block in heard[:50]:
        stage.observe(block)
        assert stage.doubt() == "", "a sample clock needs its first second"
    for block in heard[50:]:
        stage.observe(block)
    assert stage.doubt() == doubt
    stage.observe(blocks(street([], 0.1))[0])
    assert stage.doubt() == ""


def test_nothing_but_the_clips_of_shots_is_written_anywhere(tmp_path: Path, clock: FakeClock) -> None:
    """Privacy by construction: a minute of street with one shot leaves the four seconds around it, and no more."""
    samples = street([30.0], 60)
    settings = OutboxSettings(tmp_path / "data" / "outbox", "trailer-1", ballast_bytes=0)

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        async with await Outbox.open(settings, key, clock) as outbox:

            def keep(entry: Entry, files: Sequence[EvidenceFile]) -> Identity:
                return asyncio.run_coroutine_threadsafe(outbox.put_with_files(entry, files), loop).result()

            def stage_thread() -> None:
                stage, shots = ShotStage(ShotDetector(Gun(), 0.5)), ShotsKept(keep, "main-st", None)
                for block in blocks(samples):
                    shots.deliver(stage.observe(block))
                shots.deliver(stage.close())

            await asyncio.to_thread(stage_thread)

    asyncio.run(listen())
    files = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    sounds = [content for path, content in files.items() if "evidence" in path.parts]
    assert sorted(content[:4] for content in sounds) == [b"OggS", b"fLaC"]
    (recording,) = [content for content in sounds if content.startswith(b"fLaC")]
    heard, rate_hz = soundfile.read(io.BytesIO(recording), dtype="float32")
    assert (rate_hz, len(heard)) == (RATE_HZ, 4 * RATE_HZ)
    first = int(np.abs(samples).argmax() - np.abs(heard).argmax())
    assert abs(first - 29 * RATE_HZ) < RATE_HZ // 100
    np.testing.assert_allclose(heard, samples[first:][: len(heard)], atol=1e-3)
    others = sum(len(content) for path, content in files.items() if "evidence" not in path.parts)
    assert others < 300_000, "an outbox of three rows; a minute of sound takes megabytes"
