"""The two stores as the driver holds them: where they are, how they are spoilt, and what they hold at the end.

Questions are plain SQL that both understand, straight to the database and past the collector's own code: the verdict
must not rest on what it judges.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from private_postgresql import PrivatePostgresql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

DISK = "disk"
"""In the run's folder: what the collectors' data lies on."""

DATA = f"{DISK}/collector"
"""In the run's folder: the collectors' ``data_dir``."""


class Database(Protocol):
    """One store of the run. Methods block; any thread may call them."""

    kind: str
    """``sqlite`` or ``postgresql``."""
    collectors: int
    """How many collectors may work on it."""

    @property
    def url(self) -> str:
        """As the collector's configuration has it."""
        ...

    def lock(self, seconds: float) -> None:
        """Keep every writer out for so long."""
        ...

    def lose(self, seconds: float, *, in_order: bool) -> None:
        """Be away for so long, stopped in order or as by a power cut; only a server can."""
        ...

    def clear(self) -> None:
        """Be empty and new, for a backup to be restored into; what lies in the collectors' folder is not its own."""
        ...

    def __enter__(self) -> Self:
        """Make it ready."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        ...


class SqliteDatabase:
    """The embedded store, a file in the collector's folder."""

    kind = "sqlite"
    collectors = 1

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / DATA / "collector.db"

    @property
    def url(self) -> str:
        """As the collector's configuration has it."""
        return f"sqlite+aiosqlite:///{self.path}"

    def lock(self, seconds: float) -> None:
        """Hold ``BEGIN EXCLUSIVE`` for so long."""
        with closing(sqlite3.connect(self.path, timeout=10.0, isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            database.execute("ROLLBACK")

    def lose(self, seconds: float, *, in_order: bool) -> None:
        """A file does not go away under who has it open."""
        raise NotImplementedError

    def clear(self) -> None:
        """It lies in the collectors' folder, and goes with it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing of it runs."""


class PostgresqlDatabase:
    """A server of the run's own, and two collectors on it."""

    kind = "postgresql"
    collectors = 2

    def __init__(self) -> None:
        self._server = PrivatePostgresql()
        self._name = "nightjar"

    @property
    def url(self) -> str:
        """As the collector's configuration has it."""
        return self._server.url(self._name)

    def lock(self, seconds: float) -> None:
        """Hold the tables that every batch writes to, for so long."""
        self._server.sql(
            f"LOCK TABLE identity, message IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds:.3f})", self._name
        )

    def lose(self, seconds: float, *, in_order: bool) -> None:
        """Be away for so long, stopped in order or as by a power cut."""
        (self._server.stop if in_order else self._server.kill)()
        time.sleep(seconds)
        self._server.start()

    def clear(self) -> None:
        """Begin a new database under the same name."""
        self._server.drop(self._name)
        self._server.create(self._name)

    def __enter__(self) -> Self:
        self._server.start()
        self._server.create(self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and remove everything that it wrote."""
        self._server.close()


def ask(database: Database, question: str, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
    """Return the rows that a SELECT finds."""

    async def answer() -> Sequence[Any]:
        engine = create_async_engine(database.url)
        try:
            async with engine.connect() as connection:
                return (await connection.execute(text(question), dict(values or {}))).fetchall()
        finally:
            await engine.dispose()

    return asyncio.run(answer())
