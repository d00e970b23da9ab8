"""Cameras: RTSP over TCP or UDP, and USB (V4L2), through PyAV.

When a frame was exposed is ``camera_clock``'s matter. Where the camera's own clock cannot be believed it is worked out
from the arrival, so whoever iterates must take frames as they come and drop what it has no time for; frames that wait
in the network's buffers would arrive with a wrong time. Torn pictures are not given out (``decoding``).

Opening and reading have deadlines, so that a dead camera is a ``SourceError`` and not a thread that hangs; ``frames``
may then be iterated again. Two waits know no deadline: for a name's address, and for a USB camera that stays plugged in
and sends nothing; ``condition`` tells the latter. Iterated by one thread; ``close``, ``condition`` and ``timing`` may
come from any.
"""

from __future__ import annotations

import itertools
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import structlog
from av.codec.hwaccel import HWAccel

from edge_agent.errors import SourceError
from edge_agent.records import CaptureTime, Frame
from edge_agent.sources.camera_clock import CameraClock, KnownCamera, TimeSource
from edge_agent.sources.condition import Condition
from edge_agent.sources.decoding import AUTO, SOFTWARE, WholePictures, hardware_decoder
from edge_agent.sources.picture import lazy_frame
from edge_agent.sources.usb import device_of, is_usb
from edge_wire.clock import Clock
from edge_wire.yaml_config import without_secrets as without_secrets

# Encoder, network and decoder of common IP cameras take 100 to 400 ms together; a USB camera is one exposure away.
RTSP_LATENCY_NS = 250_000_000
USB_LATENCY_NS = 50_000_000
DEFAULT_TIMEOUT_S = 5.0
# A stream is joined between two key frames, and nothing can be decoded before the next; few space them further.
_FIRST_PICTURE_S = 30.0
# A decoder holds back at most 16 pictures (H.264 and H.265); what it has not given out by then it never will.
_PICTURES_UNDER_WAY = 32
# Room for a key frame that arrives at once; the kernel gives less where net.core.rmem_max says so.
_UDP_ROOM_BYTES = 4 << 20
# The decoder of H.264 says which pictures are torn; JPEG's are whole or dropped. That of H.265 mends in silence: with
# one packet in 33 lost, 9 to 63 % of what it gave out was torn, while it refused all that it can notice.
_TEARS_ARE_NOTICED = frozenset({"h264", "mjpeg"})
# Where Debian, Ubuntu and Alpine keep theirs; OpenSSL names a folder there, and FFmpeg wants a file.
_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# Each connection is a scene of its own, also when a source is opened anew for it.
_SCENES = itertools.count()
_log = structlog.get_logger()


def is_live(url: str) -> bool:
    """Whether ``url`` goes on for ever, and is not a file that ends."""
    return "://" in url or is_usb(url)


class LiveSource:
    """One camera.

    Args:
        camera: id that the frames carry.
        url: ``rtsp://…``, or what ``usb.is_usb`` knows.
        clock: when frames arrive.
        transport: ``tcp`` or ``udp``, for ``rtsp://``; ``rtsps://`` is always TCP, and so is a codec whose decoder does
            not notice what UDP loses.
        ca: certificate (PEM) of a ``rtsps://`` camera, or of the authority that signed it; None: the system's.
        decoder: ``auto``, ``software`` or a kind of FFmpeg's, such as ``cuda``.
        known: what earlier connections to this camera found out, and where this one notes what it finds.
        latency_ns: how long before its arrival a frame was exposed; None: the constant of its kind above.
        timeout_s: how long opening, and waiting for the next frame, may take.

    Attributes:
        time_source: whose clock the latest capture time came from.
        time_reason: why, for people.
        decoder: what decodes: ``software`` or a kind of hardware.
        transport: what the latest connection goes over: ``tcp``, ``udp`` or ``usb``.
    """

    stills = False

    def __init__(
        self,
        camera: str,
        url: str,
        clock: Clock,
        *,
        transport: str = "tcp",
        ca: Path | None = None,
        decoder: str = AUTO,
        known: KnownCamera | None = None,
        latency_ns: int | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._camera = camera
        self._url = url
        self._clock = clock
        self._usb = is_usb(url)
        self._tls = url.startswith("rtsps://")
        self._udp = transport == "udp" and not self._tls
        self._ca = ca
        self._wanted_decoder = decoder
        self._known = known if known is not None else KnownCamera()
        self._latency_ns = latency_ns if latency_ns is not None else USB_LATENCY_NS if self._usb else RTSP_LATENCY_NS
        self._timeout_s = timeout_s
        self._first_picture_s = max(timeout_s, _FIRST_PICTURE_S)
        self._closed = threading.Event()
        self._times = self._new_times()
        self._condition = Condition()
        self._heard_ns = clock.boot_ns()
        self.decoder = SOFTWARE
        self.transport = transport

    @property
    def time_source(self) -> TimeSource:
        """Whose clock the latest capture time came from."""
        return self._times.source

    @property
    def time_reason(self) -> str:
        """Why."""
        return self._times.reason

    def timing(self) -> str:
        """Say in one line where capture times come from, and why from there."""
        return f"{self._times.source}: {self._times.reason}"

    def condition(self) -> str:
        """Say why the pictures that come cannot be believed, or that none comes any more; empty if all is well."""
        silent_s = (self._clock.boot_ns() - self._heard_ns) / 1e9
        if silent_s > 2 * self._timeout_s:
            return f"silent: no picture for {silent_s:.0f} s, and the camera does not let go"
        return self._condition.text()

    def frames(self) -> Iterator[Frame]:
        """Yield whole frames as they arrive, in capture order within a scene; each call begins a new scene.

        Raises:
            SourceError: the camera cannot be opened, broke off, gave nothing for ``timeout_s``, or nothing that can be
                decoded (30 s until the first picture).
        """
        shown = without_secrets(self._url)
        scene = next(_SCENES)
        self._times, self._condition = self._new_times(), Condition()
        came_ns = self._heard_ns = self._clock.boot_ns()
        latest_ns: int | None = None
        under_way: dict[int | None, CaptureTime] = {}
        reason = "ended its stream"
        try:
            with self._open() as container:
                if self._closed.is_set():
                    return  # while it was being opened: the first packet may be a deadline away
                stream = container.streams.video[0]
                whole = WholePictures(self._condition.lost)
                for packet in container.demux(stream):
                    arrived = CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), self._clock.error_ns())
                    if self._closed.is_set():
                        return
                    came_ns = arrived.boot_ns
                    captured = self._times.captured(arrived, _media_ns(packet), _reported_utc_ns(packet))
                    under_way[packet.pts] = captured
                    if len(under_way) > _PICTURES_UNDER_WAY:
                        del under_way[next(iter(under_way))]
                    decoded = whole.decoded
                    pictures = whole.of(packet)
                    if whole.decoded > decoded:
                        self._heard_ns = arrived.boot_ns
                    elif self._waited(self._heard_ns, self._timeout_s if decoded else self._first_picture_s):
                        reason = "sends nothing that can be decoded"
                        break
                    for picture in pictures:
                        exposed = under_way.pop(picture.pts, captured)
                        if latest_ns is not None and exposed.boot_ns <= latest_ns:
                            scene = next(_SCENES)  # another clock is used from here on: no track bears time going back
                        latest_ns = exposed.boot_ns
                        frame = lazy_frame(picture, self._camera, exposed, scene)
                        self._condition.saw(frame.luma, key_frame=picture.key_frame, boot_ns=arrived.boot_ns)
                        yield frame
                        came_ns = self._heard_ns = self._clock.boot_ns()
        except IndexError:
            reason = "sends no video"
        except av.FFmpegError as error:
            # FFmpeg reports its deadline as whatever it was doing at that moment.
            silent = f"gave nothing for {self._timeout_s:g} s"
            reason = silent if self._waited(came_ns, self._timeout_s) else f"cannot be read ({error.strerror})"
        if self.decoder != SOFTWARE and latest_ns is None and len(under_way) == _PICTURES_UNDER_WAY:
            self._known.software_only = True
            _log.warning("hardware decoding gives nothing", camera=self._camera, decoder=self.decoder, next=SOFTWARE)
        if not self._closed.is_set():
            # Outside the handlers: FFmpeg's own message repeats the URL with its password, and a chained error would
            # carry that into logs.
            certificate = ", certificate (`ca`)" if self._tls else ""
            check = f"Check its address{certificate}, credentials, power and network."
            raise SourceError(f"{shown}: the camera {reason}. {check}")

    def close(self) -> None:
        """Let ``frames`` end at the next frame or deadline."""
        self._closed.set()

    def _new_times(self) -> CameraClock:
        return CameraClock(self._camera, self._known, self._latency_ns)

    def _waited(self, since_boot_ns: int, seconds: float) -> bool:
        # Nine tenths: FFmpeg's deadline and this clock need not agree to the millisecond.
        return self._clock.boot_ns() - since_boot_ns >= 0.9e9 * seconds

    def _open(self) -> av.container.InputContainer:
        if self._usb:
            self.transport = "usb"
            return self._open_url(device_of(self._url), {}, "v4l2")
        self.transport = "udp" if self._udp and not self._known.tcp_only else "tcp"
        # Unbuffered: what FFmpeg receives while it finds out the format would come out late, with a wrong time.
        # Video alone: beside sound, FFmpeg moves the media clock when sender reports come.
        # Nobody asks for the frame rate: finding it out would cost a second of each connection.
        options = {"fflags": "nobuffer", "allowed_media_types": "video", "fpsprobesize": "0"}
        options |= {"rtsp_transport": self.transport, "buffer_size": str(_UDP_ROOM_BYTES)}
        if self._tls:
            # FFmpeg does not look at certificates unless told to, and would give the password to whoever answers.
            options |= {"tls_verify": "1", "ca_file": str(self._ca) if self._ca else _system_authorities()}
        container = self._open_url(self._url, options)
        codecs = {stream.codec_context.name for stream in container.streams.video[:1]}
        if self.transport == "udp" and codecs - _TEARS_ARE_NOTICED:
            container.close()
            self._known.tcp_only = True
            _log.warning(
                "tcp instead of udp: torn pictures would not be noticed", camera=self._camera, codec=codecs.pop()
            )
            return self._open()
        return container

    def _open_url(self, url: str, options: dict[str, str], kind: str | None = None) -> av.container.InputContainer:
        # Hardware shows what it makes of a torn picture without saying that it is torn.
        unfit = self._known.software_only or (self.transport == "udp" and self._wanted_decoder == AUTO)
        hardware, complaint = hardware_decoder(SOFTWARE if unfit else self._wanted_decoder)
        if complaint:
            _log.warning("decoding in software", camera=self._camera, reason=complaint)
        accelerator = None if hardware == SOFTWARE else HWAccel(hardware)
        timeout = (self._timeout_s, self._timeout_s)
        # Cameras name their streams in whatever encoding they were set up in.
        container = av.open(
            url, format=kind, options=options, timeout=timeout, hwaccel=accelerator, metadata_errors="replace"
        )
        self.decoder = SOFTWARE
        for stream in container.streams.video[:1]:
            stream.codec_context.thread_count = 1  # by default one a core: four cameras would start dozens
            self.decoder = hardware if stream.codec_context.is_hwaccel else SOFTWARE
        return container


def _system_authorities() -> str:
    # OpenSSL looks at $SSL_CERT_FILE, as everything else here does.
    return ssl.get_default_verify_paths().cafile or _SYSTEM_AUTHORITIES


def _media_ns(packet: av.Packet) -> int | None:
    """Where a packet stands on the camera's media clock."""
    return None if packet.pts is None else int(packet.pts * packet.time_base * 1_000_000_000)


def _reported_utc_ns(packet: av.Packet) -> int | None:
    """UTC by the camera's clock, which FFmpeg works out for each packet once a sender report came."""
    if not packet.has_sidedata("prft"):
        return None
    # struct AVProducerReferenceTime: int64 microseconds since 1970, int flags.
    (utc_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return int(utc_us) * 1_000
