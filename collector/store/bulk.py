"""Many rows into one table: one statement, written once a dialect, and rows as tuples.

For what every message of a device leaves behind. SQLAlchemy's own way with many rows makes a mapping of each and asks
every column how it is to be bound: of all that a message costs the collector that was the largest part.

SQLite is given the statement and the rows; PostgreSQL one array a column (``unnest``), since a server that is given
rows one by one does for each what it would do for all of them.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Compiled, Dialect, String, Table, Text, bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

# SQLite allows 32,766 variables a statement; this stays far below, whatever else a statement carries.
CHUNK = 1_000
_ID = "id_"
_Written = tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]
"""A statement, and what brings a row into its order."""


class Bulk:
    """Rows of some columns of one table.

    Values are bound as they are: JSON columns take text (``backends.to_json``), everything else what the driver takes.

    Args:
        table: where to.
        columns: their names, in the order in which rows give their values; two at least.
    """

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = tuple(columns)
        self._insertion = functools.cache(self._write_insertion)
        self._insertion_of_arrays = functools.cache(self._write_insertion_of_arrays)
        self._change = functools.cache(self._write_change)

    async def insert(self, tx: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in their order."""
        if tx.dialect.name == "postgresql":
            for at in range(0, len(rows), CHUNK):
                columns = tuple(map(list, zip(*rows[at : at + CHUNK], strict=True)))
                await tx.exec_driver_sql(self._insertion_of_arrays(tx.dialect), columns)
            return
        await _execute(tx, self._insertion, rows)

    async def update(self, tx: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Change rows by their ``id``, which stands behind the values of each."""
        await _execute(tx, self._change, rows)

    def _write_insertion(self, dialect: Dialect) -> _Written:
        return _written(insert(self._table).compile(dialect=dialect, column_keys=self._columns), self._columns)

    def _write_insertion_of_arrays(self, dialect: Dialect) -> str:
        quoted = dialect.identifier_preparer.quote
        names = ", ".join(map(quoted, self._columns))
        # Texts as such: a cast to a length would cut what is too long, where the column refuses it.
        kinds = [self._table.c[name].type for name in self._columns]
        types = [(Text() if isinstance(kind, String) else kind).compile(dialect) for kind in kinds]
        arrays = ", ".join(f"CAST(${number} AS {kind}[])" for number, kind in enumerate(types, 1))
        # Ordered, or nothing says in which order rows are numbered.
        select = f"SELECT {names} FROM unnest({arrays}) WITH ORDINALITY AS given ({names}, nth) ORDER BY nth"  # noqa: S608 - names of our own tables
        return f"INSERT INTO {quoted(self._table.name)} ({names}) {select}"

    def _write_change(self, dialect: Dialect) -> _Written:
        changed: dict[str, ColumnElement[Any]] = {name: bindparam(name) for name in self._columns}
        statement = update(self._table).where(self._table.c.id == bindparam(_ID)).values(changed)
        return _written(statement.compile(dialect=dialect), (*self._columns, _ID))


def _written(compiled: Compiled, names: tuple[str, ...]) -> _Written:
    assert isinstance(compiled, SQLCompiler)
    # The statement names columns as the table has them.
    order = [names.index(name) for name in compiled.positiontup or ()]
    if sorted(order) != list(range(len(names))):
        raise ValueError(f"got columns {names}, the statement has {compiled.positiontup}")
    return str(compiled), operator.itemgetter(*order)


async def _execute(tx: AsyncConnection, write: Callable[[Dialect], _Written], rows: Sequence[tuple[Any, ...]]) -> None:
    for at in range(0, len(rows), CHUNK):
        statement, in_order = write(tx.dialect)
        await tx.exec_driver_sql(statement, [in_order(row) for row in rows[at : at + CHUNK]])
