import json
from typing import Any

from sqlalchemy import insert
from typer.testing import CliRunner

from collector.commands.ledger import app
from collector.store import ledger, tables
from collector.store.database import Store
from collector.store.ledger import StatementRow
from edge_wire.messages import Header, Statement, Stream, StreamState


async def fill(store: Store, make: Any, *sequences: int) -> None:
    await make.device().enrol(store)
    said = Statement((StreamState(7, Stream.DETECTION, 9, 0, 0),))
    async with store.write() as tx:
        await tx.execute(
            insert(tables.identity),
            [
                {"device": "lpr-1", "epoch": 7, "stream": 1, "sequence": one, "digest": bytes(32), "verdict": 1}
                for one in sequences
            ],
        )
        await ledger.note_streams(
            tx, [StatementRow("lpr-1", Header(7, 0, 0, 0, Stream.REPORT, 1), said, make.now_ns)], {}
        )


async def run(store_url: str, *arguments: str) -> Any:
    import asyncio

    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--store", store_url])


async def test_the_ledger_names_what_is_missing_and_exits_with_1(store: Store, store_url: str, make: Any) -> None:
    """PROTOCOL invariant 4: what is neither stored, dead-lettered nor lost is named."""
    await fill(store, make, 1, 2, 3, 6, 8)
    shown = await run(store_url)
    assert shown.exit_code == 1
    assert "missing 4-5, 7" in " ".join(shown.stdout.split())
    told = await run(store_url, "--device", "lpr-1", "--json")
    assert told.exit_code == 1
    (detection,) = [one for one in map(json.loads, told.stdout.splitlines()) if one["stream"] == "detection"]
    assert (detection["verdict"], detection["missing"], detection["gaps"]) == (
        "missing",
        [[4, 5], [7, 7]],
        [[4, 5], [7, 7]],
    )


async def test_a_complete_ledger_exits_with_0(store: Store, store_url: str, make: Any) -> None:
    await fill(store, make, *range(1, 9))
    shown = await run(store_url)
    assert (shown.exit_code, "complete" in shown.stdout) == (0, True)


async def test_a_device_that_there_is_not_is_a_usage_error(store: Store, store_url: str) -> None:
    result = await run(store_url, "--device", "lpr-9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "collector device list" in result.stderr
