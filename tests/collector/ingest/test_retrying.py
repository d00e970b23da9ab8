"""A dead letter that is tried again beside collectors that are at work."""

import asyncio
from typing import Any

from sqlalchemy import text, update

from collector.ingest.retrying import Retried, Retrying
from collector.store import dead_letters, tables, turns

STORES = ("postgresql",)  # SQLite has one writer at a time


async def test_turns_are_taken_in_the_order_in_which_everybody_takes_them(bench: Any, make: Any, clock: Any) -> None:
    """Who holds an entry's turn and wants the letters' never waits for somebody who holds these and wants that."""
    bench.matcher = await bench.listing.put("7ABC123")
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    await set_status(bench, "revoked")
    await bench.settle(device.read())
    await set_status(bench, "enrolled")
    async with bench.store.read() as tx:
        letter = await dead_letters.letter(tx, 1)
    assert letter is not None
    retrying = Retrying(bench.store, bench.intake, clock, "cli:test")
    async with bench.store.write_of(["lpr-2"]) as tx:
        await turns.of_entries(tx, ["stolen/7ABC123"])
        trying = asyncio.create_task(retrying.retry(letter))
        async with asyncio.timeout(20):
            while not (await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar_one():
                pass
        await turns.of_letters(tx)
    assert await trying == Retried(1, stored=True)
    assert len(await bench.rows(tables.alert)) == 1


async def set_status(bench: Any, status: str) -> None:
    async with bench.store.write() as tx:
        await tx.execute(update(tables.device).values(status=status))
