"""The client of upsd: what it makes of real answers, and that nothing at the other end can hold it up or fill it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from edge_agent.telemetry.nut import UpsAddress, UpsConnection, UpsError

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b'BEGIN LIST VAR ups\nVAR ups ups.status "OL"\nVAR ups ups.mfr "a \\"b\\" \\\\ c"\nEND LIST VAR ups\n'


@asynccontextmanager
async def upsd(answer: Answer) -> AsyncIterator[UpsAddress]:
    """Something at a port that is, or is not, an upsd."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield UpsAddress("ups", "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def saying(answer: bytes, *, then_stay: bool = True) -> Answer:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        if then_stay:
            await reader.read()

    return answer_once


async def ask(answer: Answer, timeout_s: float = 5.0) -> dict[str, str]:
    async with upsd(answer) as address, await UpsConnection.open(address, timeout_s) as connection:
        return dict(await connection.variables())


async def test_variables_are_read_with_their_escapes() -> None:
    assert await ask(saying(GOOD)) == {"ups.status": "OL", "ups.mfr": 'a "b" \\ c'}


async def test_one_connection_serves_many_readings() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(GOOD)
            await writer.drain()

    async with upsd(answer) as address, await UpsConnection.open(address) as connection:
        assert [len(await connection.variables()) for _ in range(3)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"ERR UNKNOWN-UPS\n", "UNKNOWN-UPS: that upsd knows no UPS of this name; `upsc -l`"),
        (b"ERR DATA-STALE\n", "DATA-STALE: its driver hears nothing"),
        (b"ERR DRIVER-NOT-CONNECTED\n", "DRIVER-NOT-CONNECTED: its driver does not run"),
        (b"ERR ACCESS-DENIED\n", "does not let this machine read"),
        (b"ERR SOMETHING-NEW with more\n", "SOMETHING-NEW with more: see its log"),
        (b"SSH-2.0-OpenSSH_9.2p1\n", "is that upsd's port"),
        (b"\n", "is that upsd's port"),
        (b"BEGIN LIST VAR other\n", "is that upsd's port"),
        (b"BEGIN LIST VAR ups\nVAR ups\n", "expected a variable of ups"),
        (b'BEGIN LIST VAR ups\nVAR ups ups.status "OL\n', "expected a variable of ups"),
        (b'BEGIN LIST VAR ups\nVAR other ups.status "OL"\n', "expected a variable of ups"),
        (b'BEGIN LIST VAR ups\nVAR ups x "\xff"\n', "bytes that are no text"),
        (b"x" * 100_000, "a line of over 4096 bytes"),
        (b"BEGIN LIST VAR ups\n" + b'VAR ups x "y"\n' * 1_001, "over 1000 variables"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_says_what_came(answer: bytes, said: str) -> None:
    with pytest.raises(UpsError, match=r"^ups@") as caught:
        await ask(saying(answer))
    assert said in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"BEGIN LIST VAR ups\n", b'BEGIN LIST VAR ups\nVAR ups ups.status "O'])
async def test_a_connection_that_ends_in_the_middle_is_an_error(answer: bytes) -> None:
    with pytest.raises(UpsError, match=r"in the middle of an answer|broke"):
        await ask(saying(answer, then_stay=False))


@pytest.mark.parametrize("answer", [b"", b"BEGIN LIST VAR ups\n"])
async def test_one_that_stalls_is_given_up_after_the_time_out(answer: bytes) -> None:
    with pytest.raises(UpsError, match=r"stopped answering for 0\.05 s"):
        await ask(saying(answer), timeout_s=0.05)


async def test_one_that_drips_is_given_up_too() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"BEGIN LIST VAR ups\n")
        while not reader.at_eof():
            writer.write(b'VAR ups x "y"\n')
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(UpsError, match="stopped answering"):
        await ask(drip, timeout_s=0.1)


async def test_nobody_there_is_an_error_that_says_so() -> None:
    async with upsd(saying(b"")) as address:
        pass
    with pytest.raises(UpsError, match="does upsd run there"):
        await UpsConnection.open(address)
    with pytest.raises(UpsError, match="cannot be reached"):
        await UpsConnection.open(UpsAddress("ups", "no..host"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ups@localhost", UpsAddress("ups", "localhost", 3493)),
        ("rack-1.a@192.0.2.7:3500", UpsAddress("rack-1.a", "192.0.2.7", 3500)),
        ("ups@[::1]:3500", UpsAddress("ups", "::1", 3500)),
    ],
)
def test_an_address_is_read_as_nut_writes_it(text: str, address: UpsAddress) -> None:
    assert UpsAddress.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "ups", "@host", "ups@", "ups@host:0", "ups@host:65536", "ups@a b", "u\nps@host"])
def test_what_is_no_address_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="NAME@HOST"):
        UpsAddress.parse(text)
