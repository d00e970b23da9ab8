"""A TCP link that can be spoilt: what lies between a trailer and the broker, or between the broker and a collector.

``FaultyLink`` listens on loopback and passes on what comes. Faults are attributes that hold until they are taken back:

    cut         connections are reset, new ones too: the modem has no network
    silent      nothing passes and nobody is told; connections of that time stay dead for ever: half-open
    stalled     nothing passes until it ends, then everything does: a long queue in the network
    latency_s   everything arrives so much later, in each direction
    deaf        what comes from the far side is thrown away: acks and PUBACKs are lost, what we send arrives

Ownership: one thread with an event loop of its own; attributes may be set and ``reset`` called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_PORTION_BYTES = 16_384
_QUEUED_PORTIONS = 64
_POLL_S = 0.01
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class _Connection:
    task: asyncio.Task[None] | None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    dead: bool = False


class FaultyLink:
    """A link to ``host:port``. Use ``with FaultyLink(…) as link`` and connect to ``link.port``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-link", daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.cut = False
        self.silent = False
        self.stalled = False
        self.deaf = False
        self.latency_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self) -> None:
        """Reset every connection, as a network does that has forgotten them."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def heal(self) -> None:
        """Take back every fault; what went dead in a silent time stays so."""
        self.cut = self.silent = self.stalled = self.deaf = False
        self.latency_s = 0.0

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def _end(self) -> None:
        self._server.close()
        self._reset_all()
        while rest := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            if connection.task is not None:
                connection.task.cancel()

    async def _accept(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        connection = _Connection(asyncio.current_task(), [near])
        self._connections.add(connection)
        carrying: list[asyncio.Task[None]] = []
        # A target that does not listen is told to us as it would be: by a reset.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self.cut:
                far_reader, far = await asyncio.open_connection(*self._target)
                connection.writers.append(far)
                _without_delay(near)
                _without_delay(far)
                for source, sink, towards_us in ((near_reader, far, False), (far_reader, near, True)):
                    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_PORTIONS)
                    carrying.append(asyncio.create_task(self._take(source, queue)))
                    carrying.append(asyncio.create_task(self._deliver(connection, queue, sink, towards_us=towards_us)))
                # Nobody here half-closes: the end of one direction is that of the other.
                await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        self._connections.discard(connection)
        for writer in connection.writers:
            _reset(writer)

    async def _take(self, source: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes]]) -> None:
        while portion := await source.read(_PORTION_BYTES):
            await waiting.put((self._loop.time() + self.latency_s, portion))
        await waiting.put((0.0, b""))
        await asyncio.Event().wait()  # for ever: the end is delivered behind what is still on its way

    async def _deliver(
        self,
        connection: _Connection,
        waiting: asyncio.Queue[tuple[float, bytes]],
        sink: asyncio.StreamWriter,
        *,
        towards_us: bool,
    ) -> None:
        while True:
            due_s, portion = await waiting.get()
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            while self.stalled:  # noqa: ASYNC110 - set from other threads, and a hundredth of a second is soon enough
                await asyncio.sleep(_POLL_S)
            if self.silent:
                connection.dead = True
            if connection.dead:
                # An end that nobody hears of either: the other side waits for ever.
                continue
            if not portion:
                return
            if self.cut:
                raise ConnectionResetError
            if not (towards_us and self.deaf):
                sink.write(portion)
                await sink.drain()


def _without_delay(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
