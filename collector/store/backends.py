"""What the two databases do differently when a store is opened, written and fails: nothing beyond this room sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine


class Backend(Protocol):
    """One store's database.

    Attributes:
        where: which store, as errors name it; without user and password.
        one_writer: whether writers of this program must take turns before they begin a transaction.
        writing: execution options of a transaction that may write.
        writing_briskly: those of one whose statements are all short.
        reading: those of one that only reads.
    """

    where: str
    one_writer: bool
    writing: Mapping[str, Any]
    writing_briskly: Mapping[str, Any]
    reading: Mapping[str, Any]

    def make(self) -> None:
        """Make what must be there before anybody connects, and close it to others.

        Raises:
            ConfigurationError: that cannot be done.
        """
        ...

    def expect(self) -> None:
        """Look whether there is something to read, without making it.

        Raises:
            ConfigurationError: there is nothing.
        """
        ...

    def engine(self, *, to_read: bool, patient: bool = False) -> AsyncEngine:
        """Return an engine, which connects when it is first used.

        Args:
            to_read: only to read.
            patient: a statement may take as long as it likes (a migration).

        Raises:
            ConfigurationError: a certificate that it needs cannot be read.
        """
        ...

    def classed(self, error: Exception) -> Exception | None:
        """Return what callers are to see of an error of the database; None if it is none of its errors, or a bug."""
        ...


def to_json(value: object) -> str:
    """Write a JSON column; several times as fast as the standard library."""
    return msgspec.json.encode(value).decode()


def from_json(text: str | bytes) -> Any:
    """Read a JSON column."""
    return msgspec.json.decode(text)
