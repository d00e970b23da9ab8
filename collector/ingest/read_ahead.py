"""A TLS socket for a reader that asks for single bytes, as paho does for the head of every packet.

Each read of a TLS socket gives up the interpreter's lock, and a thread that wants it back waits for whoever has it: of
all that a message cost on the network's thread this was a good part.
"""

from __future__ import annotations

import ssl

_AT_ONCE_BYTES = 16_384


class ReadAheadSocket(ssl.SSLSocket):
    """Reads what has arrived at once, and hands it on from memory. For one reading thread, and only by ``recv``."""

    _held = b""
    _at = 0

    def recv(self, buflen: int = _AT_ONCE_BYTES, flags: int = 0) -> bytes:
        """As for any socket."""
        if self._at == len(self._held):
            self._held, self._at = super().recv(max(buflen, _AT_ONCE_BYTES), flags), 0
        begins = self._at
        self._at = min(begins + buflen, len(self._held))
        return self._held[begins : self._at]

    def pending(self) -> int:
        """How many bytes can be had without waiting for the network."""
        return len(self._held) - self._at + super().pending()
