"""What reading plates costs, beside what it could cost at least.

    .venv/bin/python bench/plates.py --assets ../shared [--only a|b|c|d] [--quick] [--json]

a  Frames a second of the whole stage (gate, conversion to BGR, detector, OCR, tracks, votes, JPEG) on a busy 1080p
   road, beside ONNX Runtime alone on the very same tensors: each frame goes through the stage, then the inputs that its
   networks were given go through the same sessions again. In CPU time of the thread; with decoding and without.
b  CPU time a second of video, decoding included, of an idle road and of a busy one, through source, watch and stage;
   after the first two seconds.
c  Four 1080p cameras in real time on two cores: what comes, what is read, what is dropped, how late a frame is read;
   once with four busy roads, once with one busy and three idle.
d  Memory over an hour of looped video: 90,000 frames at 640 x 360 through source, watch and stage with a reader that
   costs nothing and finds a new vehicle every four seconds; then 1080p with the real networks, for minutes of video.
   RSS is sampled; its slope is taken over the second half, when the heap has seen its peaks.

The roads are made by ``roads.py`` of the photographs in ASSETS/data/plates/train-boxes/ro-mit, the networks are those
in ASSETS/weights. CPU time and ratios within one run mean something on a machine that does other things too; ``c`` is
in real time and needs it idle.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from roads import FPS, write_road

from edge_agent.inference.models import resolve_plates
from edge_agent.plates.motion import MotionGate
from edge_agent.plates.reader import NetworkPlateReader
from edge_agent.plates.stage import PlateStage
from edge_agent.ports import PlateReader
from edge_agent.records import Box, Frame, PlateCandidate, Reading, VotedRead
from edge_agent.sources.pacing import Pace
from edge_agent.sources.video import VideoSource, open_frame_source
from edge_agent.turns import ReaderInTurns, Turns
from edge_agent.watch import Source, Watch
from edge_wire.clock import SystemClock

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
SAMPLE_EVERY = 1_000
CLOCK = SystemClock()


@dataclasses.dataclass(frozen=True, slots=True)
class Overhead:
    """Part a: milliseconds of CPU a frame."""

    frames: int
    bare_ms: float
    stage_ms: float
    decoding_ms: float
    runs_a_frame: float

    @property
    def overhead(self) -> float:
        """What the stage costs on top of its networks, as a fraction; decoding excluded."""
        return self.stage_ms / self.bare_ms - 1

    @property
    def overhead_with_decoding(self) -> float:
        """The same, decoding included."""
        return (self.stage_ms + self.decoding_ms) / self.bare_ms - 1


@dataclasses.dataclass(frozen=True, slots=True)
class IdleCost:
    """Part b: milliseconds of CPU a second of video, of all threads."""

    idle_ms: float
    busy_ms: float
    decoding_ms: float
    idle_share_read: float
    busy_share_read: float
    gate_ms_a_frame: float

    @property
    def idle_to_busy(self) -> float:
        """An idle road's cost as a fraction of a busy one's."""
        return self.idle_ms / self.busy_ms


@dataclasses.dataclass(frozen=True, slots=True)
class CameraRate:
    """Part c: one camera."""

    camera: str
    came_hz: float
    read_hz: float
    unchanged_hz: float
    dropped: int
    late_ms_p50: float
    late_ms_p95: float


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """Part d: resident memory in MiB."""

    what: str
    frames: int
    reads: int
    first_mib: float
    last_mib: float
    slope_mib_an_hour: float


class RecordingSession(onnxruntime.InferenceSession):  # type: ignore[misc]  # it ships no types
    """A session that keeps what it was asked, so that the same can be asked again without us."""

    asked: list[tuple[RecordingSession, Any, Any]] = []  # noqa: RUF012 - one list for all sessions, in order

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:
        """Run, and remember."""
        RecordingSession.asked.append((self, output_names, input_feed))
        return super().run(output_names, input_feed, run_options)

    def run_bare(self, output_names: Any, input_feed: Any) -> None:
        """Run, and that is all."""
        super().run(output_names, input_feed)


class CountingReader:
    """Counts what is read, by no means else than asking the reader."""

    def __init__(self, reader: PlateReader) -> None:
        self._reader = reader
        self.read_count = 0

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        """Read."""
        self.read_count += 1
        return self._reader.read(image)


class PassingReader:
    """Costs nothing and finds a new vehicle that crosses the picture in forty of every hundred frames."""

    def __init__(self) -> None:
        self._frames = 0
        self._rng = np.random.default_rng(0)
        self._text = "ABC1234"

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        """Return the vehicle's plate, if one is there."""
        at = self._frames % 100
        self._frames += 1
        if at == 0:
            self._text = "".join(ALPHABET[i] for i in self._rng.integers(0, 36, 7))
        if at >= 40:
            return ()
        slots = np.full((9, len(ALPHABET)), 0.002, np.float32)
        for i, character in enumerate(self._text.ljust(9, "_")):
            slots[i, ALPHABET.index(character)] = self._rng.uniform(0.7, 0.95)
        slots /= slots.sum(axis=1, keepdims=True)
        x = 10 + at * (image.shape[1] - 120) // 40
        box = Box(x, image.shape[0] // 2, x + 80, image.shape[0] // 2 + 24)
        return (PlateCandidate(box, 0.9, Reading(ALPHABET, "_", slots, {"US-TX": 0.8}, "bench")),)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def say(text: str, end: str = "\n") -> None:
    print(f"\r\x1b[K{text}" if sys.stderr.isatty() else text, end=end if sys.stderr.isatty() else "\n", file=sys.stderr)


def open_video(path: Path, camera: str, pace: Pace = Pace.FAST) -> VideoSource:
    return open_frame_source(path, camera=camera, clock=CLOCK, pace=pace)


def networks(assets: Path) -> NetworkPlateReader:
    return NetworkPlateReader(resolve_plates(assets / "weights", ()))


def watched(
    name: str,
    open_source: Callable[[], Source[Frame]],
    reader: PlateReader,
    *,
    newest_only: bool = False,
    seen: Callable[[Frame], None] = lambda _: None,
    reads: Counter[str] | None = None,
) -> Watch[Frame, VotedRead]:
    """One camera as the agent drives it; ``seen`` is told each frame when the stage is done with it."""
    stage = PlateStage(reader, CLOCK, gate=MotionGate)

    class Seen:
        def observe(self, frame: Frame) -> Sequence[VotedRead]:
            out = stage.observe(frame)
            seen(frame)
            return out

        tick, close = stage.tick, stage.close

    def deliver(out: Sequence[VotedRead]) -> None:
        if reads is not None:
            reads[name] += len(out)

    def crashed(error: BaseException) -> None:
        say(f"{name}: {error!r}")

    return Watch(
        name, open_source, Seen(), deliver, live=False, newest_only=newest_only, clock=CLOCK, changed=lambda: None,
        crashed=crashed,
    )  # fmt: skip


def played(path: Path, camera: str, times: int = 1, pace: Pace = Pace.FAST) -> Callable[[], Source[Frame]]:
    """Open ``path`` as one source that plays it so many times, in one scene."""

    def open_source() -> Source[Frame]:
        playing: list[VideoSource] = []

        def frames() -> Iterator[Frame]:
            for _ in range(times):
                playing[:] = [open_video(path, camera, pace)]
                yield from playing[0].frames()

        def close() -> None:
            for one in playing:
                one.close()

        return Source(frames, close)

    return open_source


def overhead(busy: Path, assets: Path) -> Overhead:
    """Part a."""
    plain = onnxruntime.InferenceSession
    onnxruntime.InferenceSession = RecordingSession
    try:
        reader = networks(assets)
    finally:
        onnxruntime.InferenceSession = plain
    stage = PlateStage(reader, CLOCK, gate=MotionGate)
    frames, runs, bare_s, stage_s, decoding_s = 0, 0, 0.0, 0.0, 0.0
    source = open_video(busy, "a").frames()
    warm_up = FPS
    while True:
        began_s = time.thread_time()
        frame = next(source, None)
        decoded_s = time.thread_time()
        if frame is None:
            break
        RecordingSession.asked.clear()
        before_s = time.thread_time()
        stage.observe(frame)
        observed_s = time.thread_time()
        asked = list(RecordingSession.asked)
        again_s = time.thread_time()
        for session, outputs, given in asked:
            session.run_bare(outputs, given)
        ended_s = time.thread_time()
        warm_up -= 1
        if warm_up < 0 and asked:
            frames, runs = frames + 1, runs + len(asked)
            decoding_s += decoded_s - began_s
            stage_s += observed_s - before_s
            bare_s += ended_s - again_s
        if frames % 25 == 0:
            say(f"a: {frames} frames", end="")
    each = 1e3 / max(1, frames)
    return Overhead(frames, bare_s * each, stage_s * each, decoding_s * each, runs / max(1, frames))


def idle_cost(idle: Path, busy: Path, seconds: float, assets: Path) -> IdleCost:
    """Part b."""
    reader = CountingReader(networks(assets))

    def cost_s(path: Path) -> tuple[float, int]:
        began = [0.0, 0, 0]  # CPU seconds, readings and frames

        def seen(_: Frame) -> None:
            began[2] += 1
            if began[2] == warm_up:  # a scene's first frames are all read, until the gate knows it
                began[:2] = cpu_s(), reader.read_count

        watch = watched("b", played(path, "b"), reader, seen=seen)
        watch.start()
        watch.join()
        return cpu_s() - began[0], reader.read_count - int(began[1])

    warm_up = 2 * FPS
    seconds -= warm_up / FPS
    spent = {"idle": 0.0, "busy": 0.0}
    read = {"idle": 0, "busy": 0}
    rounds = 2
    for number in range(rounds):
        for what, path in (("idle", idle), ("busy", busy)):
            say(f"b: round {number + 1} of {rounds}, {what}", end="")
            took_s, count = cost_s(path)
            spent[what] += took_s
            read[what] += count
    began_s = cpu_s()
    frames = sum(1 for _ in open_video(idle, "b").frames())
    decoding_s = (cpu_s() - began_s) / frames * FPS
    gate, one = MotionGate(), next(open_video(idle, "b").frames())
    began_s = time.thread_time()
    for _ in range(200):
        gate.changed(one)
    gate_s = (time.thread_time() - began_s) / 200
    each = 1e3 / (rounds * seconds)
    share = 1 / (rounds * (frames - warm_up))
    return IdleCost(
        spent["idle"] * each, spent["busy"] * each, decoding_s * 1e3,
        read["idle"] * share, read["busy"] * share, gate_s * 1e3,
    )  # fmt: skip


def four_cameras(roads: Sequence[Path], seconds: float, assets: Path) -> list[CameraRate]:
    """Part c."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:2])
    shared = ReaderInTurns(networks(assets), Turns(2))
    shared.read(np.zeros((1080, 1920, 3), np.uint8))
    names = [f"cam-{n + 1}" for n in range(len(roads))]
    readers = {name: CountingReader(shared) for name in names}
    late_ms: dict[str, list[float]] = {name: [] for name in names}
    looked: Counter[str] = Counter()

    def seen(frame: Frame) -> None:
        looked[frame.camera] += 1
        late_ms[frame.camera].append((CLOCK.boot_ns() - frame.captured.boot_ns) / 1e6)

    watches = {
        name: watched(name, played(road, name, pace=Pace.REALTIME), readers[name], newest_only=True, seen=seen)
        for name, road in zip(names, roads, strict=True)
    }
    began_s = time.monotonic()
    for watch in watches.values():
        watch.start()
    while any(not watch.ended for watch in watches.values()):
        time.sleep(1)
        say(f"c: {time.monotonic() - began_s:.0f} of {seconds:.0f} s", end="")
    took_s = time.monotonic() - began_s
    os.sched_setaffinity(0, cores)
    rates = []
    for name, watch in watches.items():
        dropped, read = watch.state().dropped, readers[name].read_count
        p50, p95 = np.percentile(late_ms[name], [50, 95])
        came_hz, unchanged_hz = (looked[name] + dropped) / took_s, (looked[name] - read) / took_s
        rates.append(CameraRate(name, came_hz, read / took_s, unchanged_hz, dropped, float(p50), float(p95)))
    return rates


def memory(what: str, path: Path, times: int, reader: PlateReader, total: int) -> Memory:
    """Part d, one row."""
    samples: list[tuple[int, float]] = []
    seen = Counter[str]()
    reads = Counter[str]()

    def sample(_: Frame) -> None:
        seen["frames"] += 1
        if seen["frames"] % min(SAMPLE_EVERY, total // 50) == 0:
            samples.append((seen["frames"], rss_mib()))
            say(f"d: {what}: {seen['frames']} of {total} frames, {samples[-1][1]:.1f} MiB", end="")

    watch = watched("d", played(path, "d", times), reader, seen=sample, reads=reads)
    watch.start()
    watch.join()
    settled = samples[len(samples) // 2 :]
    slope, _ = np.polyfit([n for n, _ in settled], [mib for _, mib in settled], 1)
    an_hour = float(slope) * FPS * 3600
    return Memory(what, seen["frames"], reads["d"], settled[0][1], settled[-1][1], an_hour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--only", choices="abcd", help="one part alone")
    parser.add_argument("--seconds", type=float, default=24.0, help="how long the roads of a, b and c are")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it works")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    seconds = 4.0 if options.quick else options.seconds
    hour = 9_000 if options.quick else 90_000
    parts = options.only or "abcd"
    found: dict[str, Any] = {}
    photographs = options.assets / "data/plates/train-boxes/ro-mit"
    with tempfile.TemporaryDirectory() as name:
        idle, busy, small = (Path(name) / f"{what}.mp4" for what in ("idle", "busy", "small"))
        say("making the roads", end="")
        if set(parts) & set("bc"):
            write_road(idle, photographs, busy=False, seconds=seconds)
        write_road(busy, photographs, busy=True, seconds=seconds)
        if "a" in parts:
            found["a"] = overhead(busy, options.assets)
        if "b" in parts:
            found["b"] = idle_cost(idle, busy, seconds, options.assets)
        if "c" in parts:
            found["c: four busy roads"] = four_cameras([busy] * 4, seconds, options.assets)
            found["c: one busy road, three idle"] = four_cameras([busy, idle, idle, idle], seconds, options.assets)
        if "d" in parts:
            write_road(small, photographs, busy=True, seconds=seconds, size_px=(640, 360))
            times = round(hour / (seconds * FPS))
            looped = memory("an hour, no networks", small, times, PassingReader(), hour)
            real = memory("networks, 1080p", busy, 8, networks(options.assets), round(8 * seconds * FPS))
            found["d"] = [looped, real]
    say("", end="")
    if options.json:
        print(json.dumps({part: as_plain(value) for part, value in found.items()}, indent=1))
    else:
        for part, value in found.items():
            tell(part, value)


def as_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [as_plain(one) for one in value]
    plain = dataclasses.asdict(value)
    computed = {k: getattr(value, k) for k, v in vars(type(value)).items() if isinstance(v, property)}
    return plain | computed


def tell(part: str, value: Any) -> None:
    print(part)
    for one in value if isinstance(value, list) else [value]:
        figures = as_plain(one)
        print("  " + "  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
