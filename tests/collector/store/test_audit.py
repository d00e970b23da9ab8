import pytest
from sqlalchemy import delete, select, update

from collector.errors import StoreError
from collector.store import audit, tables
from collector.store.database import Store


async def _rows(store: Store) -> list[tuple[str, str, str, object, int]]:
    async with store.read() as tx:
        rows = (await tx.execute(select(tables.audit).order_by(tables.audit.c.number))).all()
    return [(row.who, row.action, row.subject, row.detail, row.at_ns) for row in rows]


async def _one_row(store: Store) -> None:
    async with store.write() as tx:
        await audit.record(tx, who="ada", action="user.add", subject="bob", detail={"role": "auditor"}, at_ns=7)


async def test_a_row_says_who_did_what_to_what_and_when(store: Store) -> None:
    await _one_row(store)
    assert await _rows(store) == [("ada", "user.add", "bob", {"role": "auditor"}, 7)]


async def test_a_row_is_not_there_without_its_change(store: Store) -> None:
    async def break_off() -> None:
        async with store.write() as tx:
            await audit.record(tx, who="ada", action="user.add", subject="bob", detail={}, at_ns=7)
            raise LookupError

    with pytest.raises(LookupError):
        await break_off()
    assert await _rows(store) == []


async def test_rows_can_neither_be_altered_nor_removed(store: Store) -> None:
    await _one_row(store)
    with pytest.raises(StoreError, match="append-only"):
        async with store.write() as tx:
            await tx.execute(update(tables.audit).values(who="nobody"))
    with pytest.raises(StoreError, match="append-only"):
        async with store.write() as tx:
            await tx.execute(delete(tables.audit))
    assert await _rows(store) == [("ada", "user.add", "bob", {"role": "auditor"}, 7)]
