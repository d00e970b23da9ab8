"""What is asked of a table with millions of rows is looked up, not looked for."""

from typing import Any

import pytest
from sqlalchemy import Connection, event

from collector.domain import Identity
from collector.store import intake, ledger, reads
from collector.store.database import Store, Transaction
from edge_wire.messages import Verdict

STORES = ("sqlite",)
# Many streams, numbers far apart: one message of each of many devices, as in a fleet.
KEYS = [(f"lpr-{device}", 7, 1 + number % 3, number * number) for device in range(40) for number in range(1, 13)]


async def identities(tx: Transaction) -> None:
    await intake.known_identities(tx, [Identity(*key) for key in KEYS])


async def tracks(tx: Transaction) -> None:
    await reads.rows_of_tracks(tx, [(device, epoch, number) for device, epoch, _, number in KEYS])


async def keys(tx: Transaction) -> None:
    await intake.signing_keys(tx, [(device, bytes([number % 256])) for device, _, _, number in KEYS])


async def states(tx: Transaction) -> None:
    await ledger._stream_states(tx, [(device, epoch + number, stream) for device, epoch, stream, number in KEYS])


@pytest.mark.parametrize("look_up", [identities, tracks, keys, states])
async def test_no_batch_reads_a_whole_table(store: Store, look_up: Any) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    async with store.read() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", note)
        await look_up(tx)
        event.remove(tx.sync_connection, "before_cursor_execute", note)
        for statement, parameters in asked:
            plan = [row.detail for row in await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not [step for step in plan if step.startswith("SCAN")], statement
    assert asked


async def test_what_is_asked_for_is_found_however_many_and_far_apart(store: Store) -> None:
    rows = [(Identity(*key), intake.Known(bytes(32), Verdict.STORED)) for key in KEYS]
    async with store.write() as tx:
        await intake.keep_identities(tx, rows)
    async with store.read() as tx:
        found = await intake.known_identities(tx, [identity for identity, _ in rows[::2]])
        assert {identity for identity, _ in rows[::2]} <= found.keys()
        assert await intake.known_identities(tx, []) == {}
