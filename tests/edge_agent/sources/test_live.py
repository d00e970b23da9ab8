"""A camera's connection at its edges: no key frame for long, silence that nobody reports, closing while it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import av
import numpy as np
import pytest
from support import FakeClock

from edge_agent.errors import SourceError
from edge_agent.sources import live
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.live import LiveSource

STEP_NS = 40_000_000


@dataclass
class Packet:
    """One of a stream at 25 pictures a second."""

    number: int
    clock: FakeClock
    error: av.FFmpegError | None
    time_base: Fraction = Fraction(1, 25)

    @property
    def pts(self) -> int:
        return self.number

    def has_sidedata(self, kind: str) -> bool:
        return False

    def decode(self) -> list[av.VideoFrame]:
        self.clock.advance(STEP_NS)
        if self.error is not None:
            raise self.error
        picture = av.VideoFrame.from_ndarray(np.full((48, 64), 90, np.uint8), format="gray")
        picture.pts = self.number
        return [picture]


@dataclass
class Camera:
    """As much of PyAV's container as is used; ``error`` says which packets cannot be decoded, and how."""

    clock: FakeClock
    error: Callable[[int], av.FFmpegError | None]
    packets: int = 10_000
    opened_with: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        codec = SimpleNamespace(name="h264", is_hwaccel=False, thread_count=0)
        self.streams = SimpleNamespace(video=[SimpleNamespace(codec_context=codec)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def demux(self, stream: object) -> Iterator[Packet]:
        for number in range(self.packets):
            yield Packet(number, self.clock, self.error(number))

    def open(self, url: str, **options: object) -> Self:
        self.opened_with = {"url": url, **options}
        return self


def refused() -> av.FFmpegError:
    return av.error.InvalidDataError(1094995529, "no key frame yet")


def connected(monkeypatch: pytest.MonkeyPatch, camera: Camera, url: str = "rtsp://cam/1", **options) -> LiveSource:
    monkeypatch.setattr(live.av, "open", camera.open)
    return LiveSource("cam", url, camera.clock, **{"decoder": "software", **options})


def test_a_key_frame_may_be_longer_in_coming_than_a_dead_camera_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is joined in its middle; some cameras send a key frame every 10 or 20 s."""
    clock = FakeClock()
    began_ns = clock.boot_ns()
    source = connected(monkeypatch, Camera(clock, lambda n: refused() if n < 500 else None))
    next(source.frames())
    assert 19e9 < clock.boot_ns() - began_ns < 21e9


def test_a_stream_of_which_nothing_can_be_decoded_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    began_ns = clock.boot_ns()
    source = connected(monkeypatch, Camera(clock, lambda n: refused()))
    with pytest.raises(SourceError, match="cam: the camera sends nothing that can be decoded"):
        next(source.frames())
    assert 20e9 < clock.boot_ns() - began_ns < 31e9


def test_once_pictures_came_their_absence_is_noticed_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    frames = connected(monkeypatch, Camera(clock, lambda n: None if n < 25 else refused())).frames()
    for _ in range(25):
        next(frames)
    began_ns = clock.boot_ns()
    with pytest.raises(SourceError, match="sends nothing that can be decoded"):
        next(frames)
    assert clock.boot_ns() - began_ns < 6e9


def test_a_connection_that_breaks_while_packets_come_is_not_called_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Camera):
        def demux(self, stream: object) -> Iterator[Packet]:
            yield from super().demux(stream)
            raise av.error.ConnectionResetError(104, "Connection reset by peer")

    camera = Broken(FakeClock(), lambda n: refused(), packets=300)
    with pytest.raises(SourceError, match=r"cannot be read \(Connection reset by peer\)"):
        next(connected(monkeypatch, camera).frames())


def test_a_decoder_that_fails_in_its_own_way_is_left_for_software(monkeypatch: pytest.MonkeyPatch) -> None:
    """What accelerators say when they cannot go on is no ``InvalidDataError``."""
    known, clock = KnownCamera(), FakeClock()
    camera = Camera(clock, lambda n: av.error.ExternalError(-542398533, "a driver's own error"))
    camera.streams.video[0].codec_context.is_hwaccel = True
    monkeypatch.setattr(live, "hardware_decoder", lambda wanted: ("cuda", ""))
    monkeypatch.setattr(live, "HWAccel", lambda kind: kind)
    with pytest.raises(SourceError, match="sends nothing that can be decoded"):
        next(connected(monkeypatch, camera, decoder="cuda", known=known).frames())
    assert known.software_only


def test_a_camera_that_falls_silent_inside_of_a_call_without_deadline_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """pains-17: V4L2 waits for ever for a camera that stays plugged in and sends nothing."""
    clock = FakeClock()
    source = connected(monkeypatch, Camera(clock, lambda n: None))
    frames = source.frames()
    next(frames)
    assert source.condition() == ""
    clock.advance(13_000_000_000)
    assert source.condition() == "silent: no picture for 13 s, and the camera does not let go"
    next(frames)
    assert source.condition() == ""


def test_a_source_that_is_closed_while_it_opens_waits_for_no_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opening(Camera):
        def open(self, url: str, **options: object) -> Self:
            source.close()
            return self

        def demux(self, stream: object) -> Iterator[Packet]:
            pytest.fail("the first packet may be a deadline away")

    source = connected(monkeypatch, Opening(FakeClock(), lambda n: None))
    assert list(source.frames()) == []


@pytest.mark.parametrize("ca", [None, Path("/etc/nightjar/camera.pem")])
def test_certificates_are_looked_at_over_tls(monkeypatch: pytest.MonkeyPatch, ca: Path | None) -> None:
    camera = Camera(FakeClock(), lambda n: None)
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    next(connected(monkeypatch, camera, "rtsps://cam/1", ca=ca).frames())
    options = camera.opened_with["options"]
    assert isinstance(options, dict)
    assert (options["tls_verify"], options["ca_file"]) == ("1", str(ca or __file__))
    plain = Camera(FakeClock(), lambda n: None)
    next(connected(monkeypatch, plain, "rtsp://cam/1").frames())
    assert "tls_verify" not in str(plain.opened_with)
