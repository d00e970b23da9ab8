"""A program, not a test: an RTSP server whose pictures say when they were made. Run by the system's Python.

    /usr/bin/python3 rtsp_server.py PORT

Each picture carries the UTC microseconds of its making as 64 black and white bars, so that whoever decodes it can tell
how far its capture time is off. It goes to the encoder ``DELAY_S`` later, as in a camera that takes its time, and
sender reports speak of its making. One mount a kind of camera:

    /moving  /moving-h265  /moving-jpeg   a texture that slides by
    /ahead   its clock is an hour fast
    /frozen  the same picture again and again        /black  no light
    /lossy   one packet in 200 is lost
"""

import collections
import random
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, GObject, Gst, GstRtspServer  # noqa: E402 - its versions come first

Gst.init(None)  # before a class of its own is made of one of its

WIDTH, HEIGHT, RATE_HZ = 640, 360, 20
BARS, BAR_PX, BAR_LINES = 64, 10, 32
DELAY_S = 0.15
NTP_OF_1970_S = 2_208_988_800
HOUR_S = 3600

X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 option-string=slices=2"
H264 = f"{X264} bitrate=2000 ! rtph264pay name=pay0 pt=96"
LOSSY = f"{X264} bitrate=2000 ! rtph264pay pt=96 mtu=600 ! identity name=pay0 drop-probability=0.005"
# At a fixed quality a standing picture is coded the same again and again, as by a camera whose encoder hangs.
FIXED = f"{X264} pass=quant quantizer=24 ! rtph264pay name=pay0 pt=96"
H265 = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=20 bitrate=2000 ! rtph265pay name=pay0 pt=96"
JPEG = "jpegenc ! rtpjpegpay name=pay0 pt=26"


class Texture:
    """Pictures as I420 bytes."""

    def __init__(self) -> None:
        chance = random.Random(1)
        self._line = bytes(chance.randrange(40, 200) for _ in range(2 * WIDTH))

    def moving(self) -> bytes:
        now_us = time.time_ns() // 1000
        bars = b"".join((b"\xeb" if now_us >> i & 1 else b"\x10") * BAR_PX for i in range(BARS))
        at = now_us // 5000 % WIDTH
        return bars * BAR_LINES + self._line[at : at + WIDTH] * (HEIGHT - BAR_LINES) + b"\x80" * (WIDTH * HEIGHT // 2)

    def frozen(self) -> bytes:
        return self._line[:WIDTH] * HEIGHT + b"\x80" * (WIDTH * HEIGHT // 2)

    def black(self) -> bytes:
        return b"\x10" * (WIDTH * HEIGHT) + b"\x80" * (WIDTH * HEIGHT // 2)


class Media(GstRtspServer.RTSPMedia):
    """Sender reports speak of capture, by the pipeline's clock."""

    def do_setup_rtpbin(self, rtpbin: Gst.Element) -> bool:
        rtpbin.set_property("rtcp-sync-send-time", False)
        rtpbin.set_property("ntp-time-source", 3)  # the pipeline's clock, so that it may be wrong
        return True


def ntp_clock(ahead_s: int) -> Gst.Clock:
    clock = GObject.new(Gst.SystemClock, name=f"ahead-{ahead_s}", clock_type=Gst.ClockType.REALTIME)
    clock.set_calibration(0, (NTP_OF_1970_S + ahead_s) * Gst.SECOND, 1, 1)
    return clock


def factory(coder: str, picture, ahead_s: int = 0) -> GstRtspServer.RTSPMediaFactory:
    caps = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={RATE_HZ}/1"
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( appsrc name=camera is-live=true format=time block=false caps={caps} ! {coder} )")
    made.set_shared(True)
    made.set_media_gtype(Media)
    made.set_clock(ntp_clock(ahead_s))

    def feed(source: Gst.Element) -> None:
        began_s, waiting = time.monotonic(), collections.deque()
        for i in range(sys.maxsize):
            time.sleep(max(0.0, began_s + i / RATE_HZ - time.monotonic()))
            clock = source.get_clock()
            if clock is None:
                continue
            waiting.append((time.monotonic(), clock.get_time() - source.get_base_time(), picture()))
            while waiting and time.monotonic() - waiting[0][0] >= DELAY_S:
                _, at_ns, pixels = waiting.popleft()
                buffer = Gst.Buffer.new_wrapped(pixels)
                buffer.pts, buffer.duration = at_ns, Gst.SECOND // RATE_HZ
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return

    def begin(_factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("camera")
        threading.Thread(target=feed, args=(source,), daemon=True).start()

    made.connect("media-configure", begin)
    return made


def main() -> None:
    texture = Texture()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    mounts = server.get_mount_points()
    mounts.add_factory("/moving", factory(H264, texture.moving))
    mounts.add_factory("/moving-h265", factory(H265, texture.moving))
    mounts.add_factory("/moving-jpeg", factory(JPEG, texture.moving))
    mounts.add_factory("/ahead", factory(H264, texture.moving, HOUR_S))
    mounts.add_factory("/frozen", factory(FIXED, texture.frozen))
    mounts.add_factory("/black", factory(FIXED, texture.black))
    mounts.add_factory("/lossy", factory(LOSSY, texture.moving))
    if not server.attach(None):
        sys.exit(f"port {sys.argv[1]} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
