"""Whole pictures out of packets, and which decoder makes them.

A camera is joined in the middle of its stream: until its next key frame, up to some seconds later, decoders refuse what
comes. A packet that is lost or damaged later tears the picture, and every later one that refers to it; decoders mend
that with what they guess, and a guess reads as wrong characters. So from a torn picture on nothing is given out until
the next key frame, or for 250 pictures where a stream refreshes itself without key frames.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

SOFTWARE = "software"
AUTO = "auto"
_LONGEST_WAIT_PICTURES = 250


class Packet(Protocol):
    """What a demuxer yields."""

    def decode(self) -> list[av.VideoFrame]:
        """Return the frames that this packet completes."""
        ...


class WholePictures:
    """Decodes the packets of one connection or file, in order.

    Args:
        lost: is told each picture that came and is not given out, once the stream has been joined.

    Attributes:
        decoded: how many pictures came so far, whole or not.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._joined = False
        self._torn = False
        self._waited = 0
        self.decoded = 0

    def of(self, packet: Packet) -> list[av.VideoFrame]:
        """Return the whole pictures that ``packet`` completes; none, if it cannot be decoded."""
        try:
            pictures = packet.decode()
        except av.FFmpegError:  # also what an accelerator that gives up calls an error of its own
            self._tear()
            return []
        self.decoded += len(pictures)
        return [picture for picture in pictures if self._is_whole(picture)]

    def _is_whole(self, picture: av.VideoFrame) -> bool:
        if picture.is_corrupt:
            self._tear()
            return False
        if self._torn and not picture.key_frame and self._waited < _LONGEST_WAIT_PICTURES:
            self._count()
            return False
        self._joined, self._torn = True, False
        return True

    def _tear(self) -> None:
        if not self._torn:
            self._torn, self._waited = True, 0
        self._count()

    def _count(self) -> None:
        self._waited += 1
        if self._joined:
            self._lost()


@functools.cache
def hardware_decoder(wanted: str) -> tuple[str, str]:
    """Find a decoder of this machine: what FFmpeg was built with and can be opened here.

    Args:
        wanted: ``auto``, ``software``, or a kind of FFmpeg's, such as ``cuda``.

    Returns:
        Its kind, or ``software``; and why what was wanted by name is not used, for people.
    """
    if wanted == SOFTWARE:
        return SOFTWARE, ""
    built = hwdevices_available()
    if wanted != AUTO and wanted not in built:
        return SOFTWARE, f"{wanted}: this build of FFmpeg has {', '.join(built) or 'none'}"
    for kind in built if wanted == AUTO else [wanted]:
        try:
            if av.CodecContext.create("h264", "r", hwaccel=HWAccel(kind)).is_hwaccel:
                return kind, ""
        except av.FFmpegError:
            continue
    return SOFTWARE, "" if wanted == AUTO else f"{wanted}: there is none that can be opened on this machine"
