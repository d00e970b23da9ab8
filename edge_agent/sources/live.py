"""Cameras: RTSP over TCP, and USB (V4L2), through PyAV.

A camera's own timestamps are not trusted yet: a frame counts as captured at its arrival less an assumed latency, with
an error as large as that latency. So whoever iterates must take frames as they come and drop what it has no time for;
frames that wait in the network's buffers would arrive with a wrong time.

Opening and reading have deadlines, so that a dead camera is a ``SourceError`` and not a thread that hangs; ``frames``
may then be iterated again. Iterated by one thread; ``close`` may come from any.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from edge_agent.errors import SourceError
from edge_agent.records import CaptureTime, Frame
from edge_agent.sources.decoding import decoded
from edge_wire.clock import Clock
from edge_wire.yaml_config import without_secrets as without_secrets

# Encoder, network and decoder of common IP cameras take 100 to 400 ms together; a USB camera is one exposure away.
RTSP_LATENCY_NS = 250_000_000
USB_LATENCY_NS = 50_000_000
DEFAULT_TIMEOUT_S = 5.0
# Each connection is a scene of its own, also when a source is opened anew for it.
_SCENES = itertools.count()


class LiveSource:
    """One camera.

    Args:
        camera: id that the frames carry.
        url: ``rtsp://…``, or ``/dev/videoN``.
        clock: when frames arrive.
        latency_ns: how long before its arrival a frame was exposed; None: the constant of its kind above.
        timeout_s: how long opening, and waiting for the next frame, may take.
    """

    stills = False

    def __init__(
        self,
        camera: str,
        url: str,
        clock: Clock,
        *,
        latency_ns: int | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._camera = camera
        self._url = url
        self._clock = clock
        self._usb = url.startswith("/dev/")
        self._latency_ns = latency_ns if latency_ns is not None else USB_LATENCY_NS if self._usb else RTSP_LATENCY_NS
        self._timeout_s = timeout_s
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they arrive; each time it is called a new scene begins.

        Raises:
            SourceError: the camera cannot be opened, broke off, or gave nothing for ``timeout_s``.
        """
        shown = without_secrets(self._url)
        if self._usb and not Path(self._url).exists():
            raise SourceError(f"{shown}: no such device; ls /dev/video* lists the cameras that are plugged in.")
        scene = next(_SCENES)
        heard_ns = self._clock.boot_ns()
        try:
            with self._open() as container:
                for frame in decoded(container.demux(container.streams.video[0])):
                    arrived = CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), self._clock.error_ns())
                    if self._closed.is_set():
                        return
                    if frame is None:
                        if self._waited(heard_ns):
                            break
                        continue
                    exposed = arrived.shifted(-self._latency_ns)
                    captured = CaptureTime(exposed.utc_ns, exposed.boot_ns, arrived.error_ns + self._latency_ns)
                    image = np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
                    yield Frame(self._camera, image, captured, scene)
                    heard_ns = self._clock.boot_ns()
            reason = "sends nothing that can be decoded" if self._waited(heard_ns) else "ended its stream"
        except IndexError:
            reason = "sends no video"
        except av.FFmpegError as error:
            # FFmpeg reports its deadline as whatever it was doing at that moment.
            silent = f"gave nothing for {self._timeout_s:g} s"
            reason = silent if self._waited(heard_ns) else f"cannot be read ({error.strerror})"
        if not self._closed.is_set():
            # Outside the handlers: FFmpeg's own message repeats the URL with its password, and a chained error would
            # carry that into logs.
            raise SourceError(f"{shown}: the camera {reason}. Check its address, credentials, power and network.")

    def close(self) -> None:
        """Let ``frames`` end at the next frame or deadline."""
        self._closed.set()

    def _waited(self, since_boot_ns: int) -> bool:
        # Nine tenths: FFmpeg's deadline and this clock need not agree to the millisecond.
        return self._clock.boot_ns() - since_boot_ns >= 0.9e9 * self._timeout_s

    def _open(self) -> av.container.InputContainer:
        timeout = (self._timeout_s, self._timeout_s)
        if self._usb:
            return av.open(self._url, format="v4l2", timeout=timeout)
        # Interleaved over TCP: on a lossy radio link UDP gives torn pictures, which read as wrong characters.
        # Unbuffered: what FFmpeg receives while it finds out the format would come out late, with a wrong time.
        return av.open(self._url, options={"rtsp_transport": "tcp", "fflags": "nobuffer"}, timeout=timeout)
