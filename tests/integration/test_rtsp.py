"""Cameras over a real RTSP server: capture times against the truth, damage, loss, and a server that is killed.

Each picture of ``rtsp_server.py`` carries the microsecond of its making, on the clock that this test has too. So what a
capture time says is compared with what the picture says.
"""

import itertools
import re
import signal
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import eventually

from edge_agent.errors import SourceError
from edge_agent.records import Frame
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.live import RTSP_LATENCY_NS, LiveSource
from edge_agent.watch import Source, Watch
from edge_wire.clock import SystemClock

PROGRAM = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings are for Debian's Python
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
)
ELEMENTS = "appsrc x264enc x265enc jpegenc rtph264pay rtph265pay rtpjpegpay identity rtpbin"
PROBE = f"""
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(map(Gst.ElementFactory.find, "{ELEMENTS}".split()))
"""
BARS, BAR_PX = 64, 10
MS = 1_000_000


class HastyClock(SystemClock):
    """Its boot clock runs ten times as fast, so that what takes 30 s is seen in 3."""

    def boot_ns(self) -> int:
        return 10 * super().boot_ns()


class Server:
    """The program above on a port of its own, started and killed at will."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        # Its complaints (of a lossy pipe that has no payload type) are of no interest unless it does not start.
        with tempfile.TemporaryFile("w+") as complaints:
            command = [SYSTEM_PYTHON, str(PROGRAM), str(self.port)]
            self._running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
            assert self._running.stdout is not None
            if self._running.stdout.readline() != "ready\n":
                complaints.seek(0)
                pytest.fail(f"the RTSP server did not start: {complaints.read()}")

    def kill(self) -> None:
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.communicate()
            self._running = None

    def url(self, mount: str) -> str:
        return f"rtsp://user:secret@127.0.0.1:{self.port}/{mount}"


@pytest.fixture(scope="session")
def gstreamer() -> None:
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON} to run the RTSP server with")
    probe = subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True, text=True, timeout=60, check=False)
    if probe.returncode:
        pytest.skip(f"no RTSP server to test with: apt-get install {PACKAGES}")


@pytest.fixture(scope="module")
def server(gstreamer: None) -> Iterator[Server]:
    running = Server()
    running.start()
    yield running
    running.kill()


def drawn_us(luma: NDArray[np.uint8]) -> int:
    """When the picture was made, by its own bars."""
    bars = luma[8:24].mean(axis=0).reshape(BARS, BAR_PX)[:, 3:7].mean(axis=1) > 128
    return sum(int(bar) << i for i, bar in enumerate(bars))


def off_ms(frame: Frame) -> float:
    """How far a capture time is off."""
    return frame.captured.utc_ns / 1e6 - drawn_us(frame.luma) / 1e3


def cameras_error_ns(frame: Frame) -> int:
    """What a capture time may be off beside this machine's clock, which is the truth here."""
    return frame.captured.error_ns - SystemClock().error_ns() + MS


def is_torn(frame: Frame) -> bool:
    """Whether the sliding texture, which is the same in all lines, differs between them."""
    texture = frame.luma[40:].astype(np.int16)
    return bool((np.abs(texture - np.median(texture, axis=0)).mean(axis=1) > 25).any())


def watch_for(source: LiveSource, frames: int, until_source: str | None = None) -> list[Frame]:
    """Take so many frames; with ``until_source`` count from when capture times come from there."""
    taken: list[Frame] = []
    for n, frame in enumerate(source.frames()):
        if until_source is None or source.time_source == until_source:
            _ = frame.luma
            taken.append(frame)
        if len(taken) == frames:
            break
        assert n < 400, f"capture times come from {source.timing()}"
    source.close()
    return taken


@pytest.mark.parametrize(
    ("mount", "transport"),
    [("moving", "tcp"), ("moving", "udp"), ("moving-h265", "tcp"), ("moving-jpeg", "udp")],
)
def test_capture_times_from_sender_reports_are_the_truth(server: Server, mount: str, transport: str) -> None:
    source = LiveSource("cam", server.url(mount), SystemClock(), transport=transport)
    frames = watch_for(source, 30, until_source="rtcp")
    assert source.transport == transport
    off = [off_ms(frame) for frame in frames]
    print(f"{mount} over {transport}: off by {statistics.median(off):.2f} ms (median), {source.timing()}")
    assert statistics.median(map(abs, off)) < 5
    assert max(map(abs, off)) < 60  # one frame at most
    assert all(abs(x) * MS <= cameras_error_ns(frame) for x, frame in zip(off, frames, strict=True))
    assert re.fullmatch(r"rtcp: frames arrive after exposure by \d+ ms", source.timing())
    assert frames[0].image.shape == (360, 640, 3)
    assert not any(is_torn(frame) for frame in frames)


def test_a_camera_whose_clock_is_an_hour_fast_is_timed_by_arrival_and_says_so(server: Server) -> None:
    source = LiveSource("cam", server.url("ahead"), SystemClock())
    frames = watch_for(source, 110)[-20:]
    assert source.time_source == "arrival"
    assert re.fullmatch(r"the camera's clock is ahead of this device's by 3,(599|600)\.\d s", source.time_reason)
    off = [off_ms(frame) for frame in frames]
    print(f"by arrival: off by {statistics.median(off):.1f} ms (median)")
    # The camera takes 150 ms and FFmpeg one frame to see that another is complete; 250 ms are presumed.
    assert max(map(abs, off)) * MS <= RTSP_LATENCY_NS
    assert all(abs(x) * MS <= cameras_error_ns(frame) for x, frame in zip(off, frames, strict=True))


def test_the_latency_that_was_measured_serves_the_next_connection(server: Server) -> None:
    known = KnownCamera()
    frames: list[Frame] = []
    # No latency is presumed: when the camera's clock has verified, frames are suddenly 200 ms older.
    source = LiveSource("cam", server.url("moving"), SystemClock(), known=known, latency_ns=0)
    for frame in source.frames():
        frames.append(frame)
        if source.time_source == "rtcp" and len(frames) > 20:
            break
        assert len(frames) < 400
    assert known.latency_ns is not None
    assert 150 * MS <= known.latency_ns <= 400 * MS
    for before, after in itertools.pairwise(frames):
        assert before.captured.boot_ns < after.captured.boot_ns or before.scene < after.scene
    source = LiveSource("cam", server.url("ahead"), SystemClock(), known=known)
    off = [off_ms(frame) for frame in watch_for(source, 40)]
    print(f"by arrival with the latency measured: off by {statistics.median(off):.1f} ms (median)")
    assert abs(statistics.median(off)) < 60


def test_torn_pictures_are_counted_and_not_given_out(server: Server) -> None:
    source = LiveSource("cam", server.url("lossy"), SystemClock(), transport="udp")
    torn = 0
    # Which packets are lost is chance: ten of a hundred pictures are, sooner or later.
    for n, frame in enumerate(source.frames()):
        torn += is_torn(frame)
        if n >= 60 and source.condition().startswith("corrupt: "):
            break
        assert n < 600, f"no loss was noticed; {source.condition()}"
    print(f"{torn} of {n + 1} torn; {source.condition()}")
    assert torn <= 1 + n // 60


def test_a_codec_whose_tears_nobody_would_notice_goes_over_tcp(server: Server) -> None:
    known = KnownCamera()
    source = LiveSource("cam", server.url("moving-h265"), SystemClock(), transport="udp", known=known)
    assert len(watch_for(source, 2)) == 2
    assert (source.transport, known.tcp_only) == ("tcp", True)


@pytest.mark.parametrize(("mount", "said"), [("frozen", "frozen: the same picture for"), ("black", "black: no light")])
def test_a_stream_that_shows_nothing_new_is_recognised(server: Server, mount: str, said: str) -> None:
    source = LiveSource("cam", server.url(mount), HastyClock(), timeout_s=60)
    for n, _ in enumerate(source.frames()):
        if source.condition():
            break
        assert n < 200
    source.close()
    assert source.condition().startswith(said)


def test_software_decodes_where_there_is_no_such_hardware(server: Server) -> None:
    source = LiveSource("cam", server.url("moving"), SystemClock(), decoder="vaapi")
    assert len(watch_for(source, 3)) == 3
    assert source.decoder in ("software", "vaapi")


class Counter:
    """A stage that counts scenes and frames."""

    def __init__(self) -> None:
        self.scenes: dict[int, int] = {}

    def observe(self, frame: Frame) -> Sequence[Frame]:
        self.scenes[frame.scene] = self.scenes.get(frame.scene, 0) + 1
        return ()

    def tick(self, now_boot_ns: int) -> Sequence[Frame]:
        return ()

    def close(self) -> Sequence[Frame]:
        return ()


@pytest.mark.usefixtures("gstreamer")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pains_17_a_camera_that_is_killed_and_comes_back_is_read_again_and_both_are_said(transport: str) -> None:
    """pains-17: killed in mid-stream and started again, without a restart of ours."""
    server, stage, clock, known = Server(), Counter(), SystemClock(), KnownCamera()
    said: list[tuple[str, str]] = []
    crashes: list[BaseException] = []

    def open_again() -> Source[Frame]:
        source = LiveSource("cam", server.url("moving"), clock, transport=transport, known=known, timeout_s=3)
        return Source(source.frames, source.close)

    def changed() -> None:
        state = watch.state()
        said.append((state.state, state.reason))

    watch = Watch(
        "cam",
        open_again,
        stage,
        lambda _: None,
        live=True,
        newest_only=True,
        clock=clock,
        changed=changed,
        crashed=crashes.append,
        first_wait_s=0.2,
    )
    server.start()
    watch.start()
    try:
        eventually(lambda: sum(stage.scenes.values()) > 10)
        before = set(stage.scenes)
        server.kill()
        eventually(lambda: watch.state().state == "failed")
        server.start()
        eventually(lambda: watch.state().state == "ok" and stage.scenes.keys() > before, within_s=30)
    finally:
        watch.close()
        server.kill()
        watch.join()
    assert not crashes
    states = [state for state, _ in said]
    assert states.index("ok") < states.index("failed") < len(states) - 1 - states[::-1].index("ok")
    failures = [reason for state, reason in said if state == "failed"]
    assert failures
    assert all(f"rtsp://127.0.0.1:{server.port}: the camera " in reason for reason in failures)
    assert not any("secret" in reason for reason in failures)


def test_a_password_stays_out_of_what_is_said(server: Server) -> None:
    with pytest.raises(SourceError, match=rf"^rtsp://127\.0\.0\.1:{server.port}: the camera cannot be read") as caught:
        next(LiveSource("cam", server.url("gone"), SystemClock()).frames())
    assert "secret" not in str(caught.value)
