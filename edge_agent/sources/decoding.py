"""Frames out of packets, past those that cannot be decoded.

A camera is joined in the middle of its stream: until its next key frame, up to some seconds later, decoders refuse what
comes. A damaged packet in a recording costs the frames that need it, not the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import av


class Packet(Protocol):
    """What a demuxer yields."""

    def decode(self) -> list[av.VideoFrame]:
        """Return the frames that this packet completes."""
        ...


def decoded(packets: Iterable[Packet]) -> Iterator[av.VideoFrame | None]:
    """Yield the frames of ``packets`` in order, and None for each packet that cannot be decoded."""
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            yield None
        else:
            yield from frames
