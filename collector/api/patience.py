"""How long a client may take to ask, and how many connections one address may hold.

uvicorn waits for ever for the end of a request, and counts the connections that make it wait: a few hundred of them,
without any login, would leave no room for anybody. Owned by the event loop.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.config import is_loopback


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of a client who asks within a time, and does not take every connection that there is.

    Between two requests on one connection uvicorn's own limit holds.

    Attributes:
        request_within_s: from the beginning of a connection, or the first byte of a later request, to its last byte.
        most_of_one_address: connections; this machine's own addresses may have more, for a proxy may speak from there.
    """

    request_within_s: ClassVar[float] = 10.0
    most_of_one_address: ClassVar[int] = 100
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """Take a connection, unless its address has enough of them."""
        super().connection_made(transport)
        if self.client is not None and not is_loopback(self.client[0]):
            addresses = [one.client[0] for one in self.connections if isinstance(one, H11Protocol) and one.client]
            if addresses.count(self.client[0]) > self.most_of_one_address:
                transport.abort()
                return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if asked:
            self._rest()
        elif self._impatience is None:
            self._impatience = self.loop.call_later(self.request_within_s, self.transport.abort)

    def _rest(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
