from typing import Any

import pytest

from collector.config import HotlistEntries
from collector.hotlists import entering
from collector.hotlists.entering import Wanted
from collector.store import feeds
from collector.store.users import Role


async def test_what_hotlists_want_is_for_those_who_keep_them(desk: Any) -> None:
    async with desk.store.write() as tx:
        await feeds.hold(tx, feed="f", name="stolen", source="s.csv", sha256=bytes(32), rows=3, why="w", at_ns=10**9)
    async with desk.client(Role.HOTLIST_MANAGER) as client:
        answer = await client.get("/api/hotlists/attention")
    assert answer.status_code == 200
    [one] = answer.json()["attention"]
    assert one.pop("text").startswith("Snapshot 1 of feed f (s.csv) is not in force: w.")
    assert one == {
        "subject": "snapshot-waits",
        "urgent": True,
        "list": "stolen",
        "since": "1970-01-01T00:00:01.000000Z",
        "due": None,
        "entry": None,
        "snapshot": 1,
        "feed": "f",
    }


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR, Role.INTEGRATION])
async def test_others_are_not_told(desk: Any, role: Role) -> None:
    async with desk.client(role) as client:
        assert (await client.get("/api/hotlists/attention")).status_code == 403


async def test_a_supervisor_reviews_what_somebody_else_has_added(desk: Any) -> None:
    async def added(case: str, who: str) -> int:
        wanted = Wanted("7ABC123", "TX", "stolen", case, "Sgt. Diaz", list="fresh")
        done = await entering.add(desk.store, wanted, HotlistEntries(), search_days=0, who=who, at_ns=10**18)
        return done.entry.id

    first, second = await added("1", "cli:ann"), await added("2", "cli:ann")
    async with desk.client(Role.SUPERVISOR) as client:
        approved = (await client.post(f"/api/hotlists/entries/{first}/approve")).json()
        rejected = (await client.post(f"/api/hotlists/entries/{second}/reject", json={"reason": "no case"})).json()
        gone = await client.post(f"/api/hotlists/entries/{second}/approve")
        name = approved["reviewed_by"]
        own = await client.post(f"/api/hotlists/entries/{await added('3', f'cli:{name}')}/approve")
    assert approved == {"entry": first, "stands": True, "reviewed_by": name, "recalled": []}
    assert rejected == {"entry": second, "stands": False, "reviewed_by": name, "recalled": []}
    assert (gone.status_code, own.status_code) == (404, 403)
    assert "somebody else is to review it" in own.json()["detail"]


async def test_a_delivery_is_decided_about_once(desk: Any) -> None:
    async with desk.store.write() as tx:
        await feeds.hold(tx, feed="f", name="stolen", source="s.csv", sha256=bytes(32), rows=3, why="w", at_ns=10**9)
    async with desk.client(Role.HOTLIST_MANAGER) as client:
        refused = await client.post("/api/hotlists/snapshots/1/refuse")
        again = await client.post("/api/hotlists/snapshots/1/approve")
    assert refused.json() == {"snapshot": 1, "feed": "f", "list": "stolen", "state": "refused"}
    assert again.status_code == 409
    assert "is refused by" in again.json()["detail"]
