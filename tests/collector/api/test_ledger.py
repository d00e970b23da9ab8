from typing import Any

import pytest
from sqlalchemy import insert

from collector.store import tables
from collector.store.users import Role


@pytest.fixture
async def some_missing(desk: Any) -> None:
    async with desk.store.write() as tx:
        await tx.execute(
            insert(tables.identity),
            [
                {"device": "lpr-1", "epoch": 1, "stream": 1, "sequence": n, "digest": bytes(32), "verdict": 1}
                for n in (1, 2, 5)
            ],
        )
        await tx.execute(
            insert(tables.stream_state).values(
                device="lpr-1",
                epoch=1,
                stream=1,
                redelivered=4,
                stated_next=7,
                stated_pending=1,
                stated_lowest=6,
                stated_at_ns=1_795_256_000_000_000_000,
            )
        )


@pytest.mark.usefixtures("some_missing")
async def test_the_ledger_names_what_is_missing(desk: Any) -> None:
    async with desk.client(Role.AUDITOR) as client:
        answer = await client.get("/api/ledger", params={"device": "lpr-1"})
        everything = await client.get("/api/ledger")
    assert answer.status_code == 200
    assert everything.json() == answer.json()
    (stream,) = answer.json()["streams"]
    assert (stream["device"], stream["epoch"], stream["stream"]) == ("lpr-1", "1", "detection")
    assert (stream["first"], stream["last"], stream["received"], stream["redelivered"]) == (1, 5, 3, 4)
    assert (stream["verdict"], stream["missing"], stream["in_flight"]) == ("missing", [[3, 4]], 1)
    assert stream["stated"] == {"next": 7, "pending": 1, "lowest_pending": 6, "at": "2026-11-21T10:13:20.000000Z"}


async def test_there_is_no_ledger_of_a_device_that_there_is_not(desk: Any) -> None:
    async with desk.client(Role.SUPERVISOR) as client:
        assert (await client.get("/api/ledger", params={"device": "lpr-9"})).status_code == 404


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.HOTLIST_MANAGER, Role.INTEGRATION])
async def test_what_was_lost_is_for_those_who_answer_for_it(desk: Any, role: Role) -> None:
    async with desk.client(role) as client:
        assert (await client.get("/api/ledger")).status_code == 403
