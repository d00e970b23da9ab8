"""What people say of alerts through the API, and who sees covert ones."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from collector.store import feed, tables
from collector.store.feed import FeedKind
from collector.store.users import Role


async def make_covert(desk: Any, *names: str) -> None:
    async with desk.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(covert_to=list(names)))


async def test_an_alert_from_acknowledged_to_closed_with_its_three_facts(desk: Any) -> None:
    async with desk.client(Role.OPERATOR) as client:
        await client.post("/api/alerts/1/acknowledge")
        checks = {"plate": "match", "state": "match", "vehicle": "cannot-tell"}
        await client.post("/api/alerts/1/image-check", json=checks)
        stopped = (await client.post("/api/alerts/1/field-outcome", json={"outcome": "stopped"})).json()
        active = await client.post("/api/alerts/1/record-check", json={"status": "active", "reference": "H-17"})
        closed = (await client.post("/api/alerts/1/close", json={"disposition": "confirmed", "note": "done"})).json()
        again = await client.post("/api/alerts/1/close", json={"disposition": "misread"})
        full = (await client.get("/api/alerts/1")).json()
        listed = (await client.get("/api/alerts", params={"state": "closed"})).json()["alerts"]
    told = active.json()
    assert stopped["confirm_by"] is not None
    assert (stopped["confirmed"], told["confirmed"]) == (False, True)
    assert stopped["hand_off"].startswith("NOT CONFIRMED")
    assert (told["confirm_by"], told["record_check"]["reference"]) == (None, "H-17")
    assert told["hand_off"].startswith("Record ACTIVE: operator asked its source")
    assert (closed["state"], closed["disposition"], closed["closed_by"]) == ("closed", "confirmed", "operator")
    assert again.status_code == 409
    assert again.json()["detail"] == "alert 1: operator has closed it as confirmed; reopen it first"
    assert [(one["who"], one["action"]) for one in full["changes"]] == [
        (None, "raised"),
        ("operator", "acknowledged"),
        ("operator", "image-check"),
        ("operator", "field-outcome"),
        ("operator", "record-check"),
        ("operator", "closed"),
    ]
    assert [one["id"] for one in listed] == [1]


async def test_after_recovered_it_asks_and_somebody_elses_entry_is_muted(desk: Any) -> None:
    async with desk.client(Role.OPERATOR) as client:
        early = await client.post("/api/alerts/1/mute")
        recovered = (await client.post("/api/alerts/1/field-outcome", json={"outcome": "recovered"})).json()
        muted = (await client.post("/api/alerts/1/mute")).json()
    assert early.status_code == 409
    assert recovered["ask"] == "mute"
    assert (muted["muted"], muted["ask"]) == (True, None)


async def test_only_supervisors_reopen_and_exclude(desk: Any) -> None:
    exclusion = {"true_plate": "7ABC128", "reason": "it is an 8", "days": 10}
    async with desk.client(Role.OPERATOR) as operator, desk.client(Role.SUPERVISOR) as supervisor:
        await operator.post("/api/alerts/1/close", json={"disposition": "misread"})
        assert (await operator.post("/api/alerts/1/exclusion", json=exclusion)).status_code == 403
        assert (await supervisor.post("/api/alerts/1/exclusion", json=exclusion)).status_code == 200
        reopened = (await supervisor.post("/api/alerts/1/reopen", json={"note": "wrong one"})).json()
    assert (reopened["state"], reopened["disposition"]) == ("acknowledged", None)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("close", {"disposition": "boring"}),
        ("close", {}),
        ("image-check", {"plate": "match"}),
        ("record-check", {"status": "active", "reference": "x" * 101}),
        ("field-outcome", {"outcome": "stopped", "priority": "soon"}),
        ("exclusion", {"true_plate": "A1", "reason": "r", "days": 0}),
    ],
)
async def test_what_is_no_such_word_is_refused(desk: Any, path: str, body: dict[str, Any]) -> None:
    async with desk.client(Role.SUPERVISOR) as client:
        assert (await client.post(f"/api/alerts/1/{path}", json=body)).status_code == 422


async def test_alerts_are_found_by_list_severity_and_site(desk: Any) -> None:
    async with desk.client(Role.OPERATOR) as client:
        for asked, found in (
            ({"list": "stolen"}, 1),
            ({"list": "wanted"}, 0),
            ({"severity": "high"}, 1),
            ({"severity": "low"}, 0),
            ({"site": "5th-and-main"}, 1),
            ({"site": "9th", "list": "stolen"}, 0),
        ):
            assert len((await client.get("/api/alerts", params=asked)).json()["alerts"]) == found, asked


async def test_a_covert_alert_is_in_the_lists_and_the_stream_of_those_it_names_only(desk: Any) -> None:
    await make_covert(desk, "supervisor")
    async with desk.client(Role.ADMINISTRATOR) as administrator, desk.client(Role.SUPERVISOR) as supervisor:
        assert (await administrator.get("/api/alerts")).json() == {"alerts": []}
        assert (await administrator.get("/api/alerts", params={"list": "stolen"})).json() == {"alerts": []}
        assert (await administrator.get("/api/alerts/1")).status_code == 404
        for path in ("acknowledge", "mute"):
            assert (await administrator.post(f"/api/alerts/1/{path}")).status_code == 404
        assert [one["id"] for one in (await supervisor.get("/api/alerts")).json()["alerts"]] == [1]
        assert (await supervisor.get("/api/alerts/1")).json()["entry"]["covert"] is True
    told = {role: await streamed(desk, role) for role in (Role.ADMINISTRATOR, Role.SUPERVISOR)}
    assert "alert" not in told[Role.ADMINISTRATOR]
    # Everything else comes as before: what the camera read is no secret.
    assert told[Role.SUPERVISOR] == sorted([*told[Role.ADMINISTRATOR], "alert"])


async def streamed(desk: Any, role: Role) -> list[str]:
    """Return the kinds that a user is sent of all that the feed has."""
    principal = await desk.users.identify(desk.tokens[role])
    async with desk.store.read() as tx:
        expected = {str(row.kind) for row in await feed.after(tx, 0)}
    assert str(FeedKind.ALERT) in expected
    messages = desk.app.state.streams.follow(principal, 0)
    await anext(messages)
    batch = await anext(messages)
    await messages.aclose()
    for line in batch.splitlines():
        if line.startswith("data: "):
            json.loads(line.removeprefix("data: "))
    return sorted(line.removeprefix("event: ") for line in batch.splitlines() if line.startswith("event: "))


async def test_pages_are_full_although_some_alerts_are_not_to_be_seen(desk: Any) -> None:
    async with desk.store.write() as tx:
        entry = (await tx.execute(tables.hotlist_entry.select())).one()._mapping
        alert = (await tx.execute(tables.alert.select())).one()._mapping
        for number in range(2, 7):
            names = ["nobody"] if number % 2 else None
            await tx.execute(tables.hotlist_entry.insert().values({**entry, "id": number, "covert_to": names}))
            await tx.execute(tables.alert.insert().values({**alert, "id": number, "entry_id": number}))
    async with desk.client(Role.OPERATOR) as client:
        first = (await client.get("/api/alerts", params={"limit": 2})).json()["alerts"]
        rest = (await client.get("/api/alerts", params={"limit": 2, "before": 4})).json()["alerts"]
    assert ([one["id"] for one in first], [one["id"] for one in rest]) == ([6, 4], [2, 1])


async def test_what_no_store_can_keep_is_refused_and_not_called_a_broken_store(desk: Any) -> None:
    given = {"true_plate": "7ABC128", "reason": "it is\0an 8", "days": 10}
    async with desk.client(Role.SUPERVISOR) as client:
        await client.post("/api/alerts/1/close", json={"disposition": "misread"})
        answers = [
            await client.get("/api/alerts", params={"list": "a\0b"}),
            await client.post("/api/alerts/1/exclusion", json=given),
        ]
    assert [one.status_code for one in answers] == [422, 422]
