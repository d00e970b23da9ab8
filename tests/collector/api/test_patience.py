"""The protocol over real sockets on this machine, but for the peer's address."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from collector.api.patience import PatientProtocol

# What these ask of the store, its own tests ask on both databases.
STORES = ("sqlite",)

REQUEST = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"
BODIED = b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 5\r\n\r\nhe"


class Hasty(PatientProtocol):
    request_within_s = 0.05


class Transport(asyncio.Transport):
    """A connection from elsewhere, as far as the protocol looks at it."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 50_000), "sockname": ("192.0.2.1", 443)})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


async def slow(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answers in two parts, the second long after a request would have had to be complete."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    gone = asyncio.Event()
    asyncio.get_running_loop().call_later(3 * Hasty.request_within_s, gone.set)
    await gone.wait()
    await send({"type": "http.response.body", "body": b"two"})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(slow, log_config=None, ws="none", lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hasty(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("beginning", [b"", REQUEST[:9], BODIED])
async def test_a_request_that_does_not_end_is_cut_off(beginning: bytes) -> None:
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(beginning)
        assert await reader.read() == b""


async def test_an_answer_may_take_longer_and_so_may_the_one_after_it() -> None:
    async with connected() as (reader, writer), asyncio.timeout(10):
        for _ in range(2):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"onetwo")).startswith(b"HTTP/1.1 200")


async def test_a_second_request_that_does_not_end_is_cut_off_too() -> None:
    async with connected() as (reader, writer), asyncio.timeout(10):
        writer.write(REQUEST)
        await reader.readuntil(b"onetwo")
        writer.write(REQUEST[:9])
        assert await reader.read() == b""


@pytest.mark.parametrize(("address", "refused"), [("203.0.113.7", True), ("127.0.0.1", False)])
async def test_one_address_does_not_take_every_connection(address: str, refused: bool) -> None:
    config = uvicorn.Config(slow, log_config=None, ws="none", lifespan="off")
    state = ServerState()
    transports = [Transport(address) for _ in range(PatientProtocol.most_of_one_address + 1)]
    other = Transport("203.0.113.8")
    protocols = [PatientProtocol(config, state, {}) for _ in range(len(transports) + 1)]
    for protocol, transport in zip(protocols, [*transports, other], strict=True):
        protocol.connection_made(transport)
    assert [one.aborted for one in transports] == [False] * PatientProtocol.most_of_one_address + [refused]
    assert not other.aborted
    for protocol in protocols:
        protocol.connection_lost(ConnectionResetError())
