"""A TLS socket that takes publishes out of what arrives, and leaves everything else to the MQTT client that reads it.

Nearly all that a collector receives is publishes of one form: no property but correlation data. Those are cut out of
the stream here, many at once; paho takes five times as long for one (bench/ingest.py), most of it for properties that
are not there. Publishes of any other form, and whatever is malformed, stay in the stream, so paho has the last word.

For one reading thread, and only by ``recv``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple

_AT_ONCE_BYTES = 16_384  # A TLS record.
# Then the client has its turn: it writes only between two reads.
_RECORDS = 100
_PUBLISH, _RETAIN = 0x30, 0x01
_CORRELATION_DATA = 0x09


class Publish(NamedTuple):
    """One publish: where, what, its correlation data, whether it was retained, its number (0 at QoS 0) and its QoS."""

    topic: str
    payload: bytes
    correlation: bytes | None
    retained: bool
    number: int
    qos: int


class PublishSocket(ssl.SSLSocket):
    """Gives publishes to ``on_publishes``, in their order, and everything else to its reader."""

    on_publishes: Callable[[Sequence[Publish]], object]
    _unfinished = b""
    _others = b""

    def recv(self, buflen: int = _AT_ONCE_BYTES, flags: int = 0) -> bytes:
        """As for any socket that does not block, but without publishes."""
        if not self._others:
            self._receive(flags)
        given, self._others = self._others[:buflen], self._others[buflen:]
        return given

    def pending(self) -> int:
        """How many bytes can be had without waiting for the network."""
        return len(self._others) + super().pending()

    def _receive(self, flags: int) -> None:
        publishes: list[Publish] = []
        try:
            for _ in range(_RECORDS):
                received = super().recv(_AT_ONCE_BYTES, flags)
                if not received:
                    return
                self._others, self._unfinished = take_publishes(self._unfinished + received, publishes)
                if self._others:
                    return
        finally:
            if publishes:
                self.on_publishes(publishes)
        raise ssl.SSLWantReadError


def take_publishes(received: bytes, publishes: list[Publish]) -> tuple[bytes, bytes]:
    """Take what came so far apart.

    Args:
        received: whole packets, and perhaps the beginning of another.
        publishes: gets those in it.

    Returns:
        Everything else that is whole, and what is not yet.
    """
    others, at, end = b"", 0, len(received)
    while end - at >= 2:
        body, size_bytes, shift = at + 1, 0, 0
        while True:
            if body == end:
                return others, received[at:]
            digit = received[body]
            size_bytes |= (digit & 0x7F) << shift
            body, shift = body + 1, shift + 7
            if digit < 0x80:
                break
            if shift > 21:
                # No length has five digits: the reader says so.
                return others + received[at:], b""
        after = body + size_bytes
        if after > end:
            break
        publish = _publish(received[at], received[body:after]) if received[at] & 0xF0 == _PUBLISH else None
        if publish is None:
            others += received[at:after]
        else:
            publishes.append(publish)
        at = after
    return others, received[at:]


def _publish(head: int, body: bytes) -> Publish | None:
    """Read a PUBLISH (MQTT 5, 3.3) of the usual form; None for any other."""
    qos = head >> 1 & 3
    ends = 2 + int.from_bytes(body[:2], "big")
    properties = ends + (2 if qos else 0)
    if qos > 1 or properties >= len(body):
        return None
    payload = properties + 1 + body[properties]
    correlation = None
    if body[properties]:
        correlation = body[properties + 4 : payload]
        expected = bytes((3 + len(correlation) & 0x7F, _CORRELATION_DATA)) + len(correlation).to_bytes(2, "big")
        if body[properties : properties + 4] != expected or payload > len(body):
            return None
    try:
        topic = body[2:ends].decode()
    except UnicodeDecodeError:
        return None
    return Publish(topic, body[payload:], correlation, bool(head & _RETAIN), int.from_bytes(body[ends:properties]), qos)
