"""What comes in from the broker, before anybody believes it."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from edge_wire import codec
from edge_wire.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Received:
    """One publish, as the broker delivered it.

    Attributes:
        topic: where it was published.
        payload: the envelope's bytes.
        correlation: MQTT 5 correlation data: which connection the device published it over.
        retained: whether the broker kept it from before we subscribed.
        received_at_ns: UTC when it came.
        received_boot_ns: CLOCK_BOOTTIME of this machine at the same instant.
        ticket: what the link needs to confirm it to the broker.
    """

    topic: str
    payload: bytes
    correlation: bytes | None
    retained: bool
    received_at_ns: int
    received_boot_ns: int
    ticket: object = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes as received."""
        return hashlib.sha256(self.payload).digest()

    @property
    def connection(self) -> tuple[int, int] | None:
        """Epoch and number of the connection that it says it came over (unsigned); None if it does not say."""
        return None if self.correlation is None else _connection(self.correlation)


@functools.lru_cache(maxsize=10_000)
def _connection(correlation: bytes) -> tuple[int, int] | None:
    try:
        return codec.decode_connection(correlation)
    except DecodeError:
        return None
