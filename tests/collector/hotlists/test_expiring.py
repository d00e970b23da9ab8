import asyncio
import contextlib
from typing import Any

from sqlalchemy import select

from collector.hotlists import entering, expiring
from collector.store import hand_entries, hotlists, tables
from collector.store.entries import EntryRow

HOUR_NS = 3_600 * 10**9


async def in_force(desk: Any) -> list[str]:
    async with desk.store.read() as tx:
        return [one.plate for one in await hand_entries.by_hand(tx)]


async def test_what_has_expired_is_ended_and_its_alerts_say_so(desk: Any) -> None:
    now_ns = desk.clock.utc_ns()
    await desk.adds("7ABC123", expires_ns=now_ns + HOUR_NS)
    await desk.adds("8ABC123", expires_ns=now_ns + 2 * HOUR_NS)
    await desk.live.load()
    await desk.sees("7ABC123", "8ABC123")
    assert await expiring.expire(desk.store, now_ns + HOUR_NS - 1) == []
    [done] = await expiring.expire(desk.store, now_ns + HOUR_NS)
    assert done.entry.plate == "7ABC123"
    assert await in_force(desk) == ["8ABC123"]
    recalled = {alert.about.read.text: alert.recalled for alert in await desk.alerts()}
    assert recalled["8ABC123"] is None
    assert recalled["7ABC123"].why == "The entry has expired."
    async with desk.store.read() as tx:
        version = (await tx.execute(select(tables.hotlist_version).filter_by(version=done.version))).one()
        audited = (await tx.execute(select(tables.audit).filter_by(action="hotlist.expire"))).one()
    assert (version.action, version.by, version.removed) == ("expire", "", 1)
    assert (audited.who, audited.subject) == ("collector", str(done.entry.id))


async def test_what_a_file_says_of_expiry_stays_with_the_file(desk: Any) -> None:
    async with desk.store.write() as tx:
        row = EntryRow("AA11", None, expires_ns=5)
        await hotlists.change(tx, "stolen", add=[row], action="add", by="t", source="t", at_ns=1)
    assert await expiring.expire(desk.store, desk.clock.utc_ns()) == []


async def test_it_runs_by_itself(desk: Any) -> None:
    await desk.adds(expires_ns=desk.clock.utc_ns() + 1)
    desk.clock.advance(HOUR_NS)
    following = asyncio.create_task(expiring.follow(desk.store, desk.clock.utc_ns))
    async with asyncio.timeout(10):
        seen = desk.store.committed.count
        while await in_force(desk):
            await desk.store.committed.changed(seen)
            seen = desk.store.committed.count
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def test_open_alerts_of_what_has_expired_by_its_file_say_so_once(desk: Any) -> None:
    now_ns = desk.clock.utc_ns()
    async with desk.store.write() as tx:
        rows = [EntryRow("7ABC123", None, expires_ns=now_ns + HOUR_NS), EntryRow("8DEF456", None)]
        await hotlists.change(tx, "stolen", add=rows, action="add", by="t", source="t", at_ns=1)
    await desk.live.load()
    await desk.sees("7ABC123", "8DEF456")
    assert await expiring.recall_unlisted(desk.store, now_ns) == []
    [alert] = await expiring.recall_unlisted(desk.store, now_ns + HOUR_NS)
    assert {one.id: one.about.entry.plate for one in await desk.alerts() if one.recalled} == {alert: "7ABC123"}
    assert await expiring.recall_unlisted(desk.store, now_ns + HOUR_NS) == []


async def test_by_an_entry_that_had_just_ended_no_alert_stays_unrecalled(desk: Any) -> None:
    done = await desk.adds("7ABC123")
    await desk.live.load()
    await entering.withdraw(desk.store, done.entry.id, "recovered", who="cli:ann", at_ns=desk.clock.utc_ns())
    # A collector that has not heard of it yet.
    await desk.sees("7ABC123")
    raised = [one.id for one in await desk.alerts()]
    assert await expiring.recall_unlisted(desk.store, desk.clock.utc_ns()) == raised
