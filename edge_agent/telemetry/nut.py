"""A client of Network UPS Tools' line protocol, as far as reading a UPS takes it: ``LIST VAR`` over TCP.

Invariants:

- Whatever stands at the other end, an exchange ends within its time-out, in a bounded amount of memory, with the
  variables or with ``UpsError``; an answer that is not understood is an error, never an empty UPS.
- Nothing is logged in and nothing is set: reading needs no password in NUT, and no right beyond reading is asked for.

The protocol is RFC 9271. Ours and not a package: aionut 4.3 lets ``IndexError``, ``UnicodeDecodeError`` and
``LimitOverrunError`` out at answers that are malformed or cut off, and takes escaped quotes for text; PyNUT blocks.
Used by one task on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from edge_agent.errors import AgentError

DEFAULT_PORT = 3493
_LINE_BYTES = 4_096
_MOST_LINES = 1_000
_ADDRESS = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]{1,64})@(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]{1,253})(:(?P<port>[0-9]{1,5}))?"
)
_VARIABLE = re.compile(r'VAR (?P<ups>\S+) (?P<name>\S+) "(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_MEANINGS = {
    "UNKNOWN-UPS": "that upsd knows no UPS of this name; `upsc -l` lists those it knows",
    "DATA-STALE": "its driver hears nothing from the UPS; look at the cable and at `upsdrvctl`",
    "DRIVER-NOT-CONNECTED": "its driver does not run; start it with `upsdrvctl start`",
    "ACCESS-DENIED": "that upsd does not let this machine read",
}


class UpsError(AgentError):
    """A UPS could not be asked; transient: asked again."""


@dataclass(frozen=True, slots=True)
class UpsAddress:
    """Which UPS of which upsd: what NUT writes as ``name@host:port``."""

    name: str
    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> UpsAddress:
        """Read ``NAME@HOST`` or ``NAME@HOST:PORT``; an IPv6 address in brackets.

        Raises:
            ValueError: it is neither; the text says what was expected.
        """
        match = _ADDRESS.fullmatch(text)
        port = int(match["port"] or DEFAULT_PORT) if match else 0
        if match is None or not 1 <= port <= 65_535:
            raise ValueError("NAME@HOST or NAME@HOST:PORT as NUT writes it, such as ups@localhost")
        return cls(match["name"], match["host"].strip("[]"), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}@{host}" + ("" if self.port == DEFAULT_PORT else f":{self.port}")


class UpsConnection:
    """One connection to upsd. Use ``async with await UpsConnection.open(…)``; after an ``UpsError`` open another.

    Args:
        address: which UPS.
        reader: from upsd; its limit bounds a line.
        writer: to upsd.
        timeout_s: for each exchange as a whole.
    """

    def __init__(
        self, address: UpsAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float
    ) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s

    @classmethod
    async def open(cls, address: UpsAddress, timeout_s: float = 5.0) -> Self:
        """Connect.

        Raises:
            UpsError: nobody answers there within ``timeout_s``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection(address.host, address.port, limit=_LINE_BYTES)
        except TimeoutError as error:
            raise UpsError(f"{address}: no answer for {timeout_s:g} s; is that host up?") from error
        except (OSError, UnicodeError) as error:
            raise UpsError(f"{address}: cannot be reached ({error}); does upsd run there?") from error
        return cls(address, reader, writer, timeout_s)

    async def variables(self) -> Mapping[str, str]:
        """Return everything that upsd knows of the UPS, by NUT's names.

        Raises:
            UpsError: it did not answer, or not with that.
        """
        ups = self._address.name
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(f"LIST VAR {ups}\n".encode("ascii"))
                await self._writer.drain()
                return await self._read_list(ups)
        except TimeoutError as error:
            raise UpsError(f"{self._address}: upsd stopped answering for {self._timeout_s:g} s") from error
        except asyncio.LimitOverrunError as error:
            raise UpsError(
                f"{self._address}: got a line of over {_LINE_BYTES} bytes, expected NUT's protocol"
            ) from error
        except asyncio.IncompleteReadError as error:
            raise UpsError(f"{self._address}: upsd closed the connection in the middle of an answer") from error
        except UnicodeDecodeError as error:
            raise UpsError(f"{self._address}: got bytes that are no text, expected NUT's protocol") from error
        except OSError as error:
            raise UpsError(f"{self._address}: the connection to upsd broke: {error}") from error

    async def close(self) -> None:
        """Let go of the connection, whatever state it is in."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read_list(self, ups: str) -> Mapping[str, str]:
        first = await self._line()
        if first != f"BEGIN LIST VAR {ups}":
            raise self._refused(first)
        found: dict[str, str] = {}
        for _ in range(_MOST_LINES):
            line = await self._line()
            if line == f"END LIST VAR {ups}":
                return found
            match = _VARIABLE.fullmatch(line)
            if match is None or match["ups"] != ups:
                raise UpsError(f"{self._address}: got {line[:80]!r}, expected a variable of {ups}")
            found[match["name"]] = _ESCAPED.sub(r"\1", match["value"])
        raise UpsError(f"{self._address}: got over {_MOST_LINES} variables, expected those of one UPS")

    async def _line(self) -> str:
        return (await self._reader.readuntil(b"\n")).decode("utf-8").rstrip("\r\n")

    def _refused(self, line: str) -> UpsError:
        word, _, code = line.partition(" ")
        if word != "ERR":
            return UpsError(f"{self._address}: got {line[:80]!r}, expected NUT's protocol; is that upsd's port?")
        return UpsError(
            f"{self._address}: upsd answers {code[:40]}: {_MEANINGS.get(code.split(' ')[0], 'see its log')}"
        )
