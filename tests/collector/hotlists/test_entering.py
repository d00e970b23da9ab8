import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import select

from collector.config import HotlistEntries
from collector.domain.hotlists import Vehicle
from collector.errors import ConfigurationError, NotFoundError, StoreRefusedError
from collector.hotlists import entering
from collector.hotlists.entering import HOUR_NS, Edited, Wanted, checked
from collector.store import hand_entries, hotlist_history, hotlists, tables
from collector.store.entries import EntryRow
from collector.store.users import Role, Users

ENTRIES = HotlistEntries()


async def test_an_entry_ends_by_itself_and_is_to_be_reviewed(desk: Any) -> None:
    done = await desk.adds("7abc-123", category="stolen-vehicle")
    one, now_ns = done.entry, desk.clock.utc_ns()
    assert (one.plate, one.region, one.is_pattern, one.list, one.category) == (
        "7ABC123",
        "US-TX",
        False,
        "local",
        "stolen-vehicle",
    )
    assert (one.case_number, one.requester, one.added_by, one.added_at_ns) == ("26-118", "Sgt. Diaz", "cli:ann", now_ns)
    assert (one.expires_ns, one.review_due_ns) == (now_ns + 72 * HOUR_NS, now_ns + 8 * HOUR_NS)
    async with desk.store.read() as tx:
        audited = (await tx.execute(select(tables.audit))).all()
    assert audited[-1].action == "hotlist.add"
    assert audited[-1].detail["plate"] == "7ABC123"


async def test_a_plate_that_is_added_is_live_within_five_seconds(desk: Any) -> None:
    following = asyncio.create_task(desk.live.follow(desk.rematch))
    async with asyncio.timeout(5):
        done = await desk.adds()
        while desk.live.matcher.generation < done.version:  # noqa: ASYNC110 - tells nobody when it changes
            await asyncio.sleep(0.01)
    await desk.sees("7ABC123", captured_at_ns=desk.make.now_ns)
    desk.live.stop()
    await following
    [alert] = await desk.alerts()
    assert (alert.about.entry.id, alert.historical) == (done.entry.id, False)


async def test_patterns_and_any_state(desk: Any) -> None:
    done = await desk.adds("7ab?1*", state="any")
    assert (done.entry.plate, done.entry.region, done.entry.is_pattern) == ("7AB?1*", None, True)
    await desk.live.load()
    await desk.sees("7ABC123", "8ABC123")
    assert [alert.about.read.text for alert in await desk.alerts()] == ["7ABC123"]


async def test_everything_that_is_wrong_is_said_at_once() -> None:
    wanted = Wanted(
        "*", "XX", " ", "", "", category="fancy", list="", expires_ns=5, covert_to=("",), notes="a\0", severity="s" * 17
    )
    with pytest.raises(ConfigurationError) as error:
        checked(wanted, ENTRIES, "cli:ann", 10)
    said = str(error.value).splitlines()
    assert len(said) == 11
    for begins in ("pattern '*'", "--state: got 'XX'", "--list", "--reason", "--case", "--requester", "--severity"):
        assert any(line.startswith(begins) for line in said), begins
    for part in (
        "--notes: holds a NUL",
        "--category: got 'fancy'",
        "--covert-to",
        "expiry: got a time before it begins",
    ):
        assert any(part in line for line in said), part


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"plate": "A"}, "plate: got 'A', expected 2 to 12"),
        ({"state": ""}, "--state: got nothing, expected `any`"),
        ({"expires_ns": 366 * 24 * HOUR_NS}, "got more than 8760 hours"),
        ({"expires_ns": 10, "effective_ns": 20}, "before it begins"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], said: str) -> None:
    wanted = {"plate": "7ABC123", "state": "TX", "reason": "r", "case": "c", "requester": "q"} | more
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        checked(Wanted(**wanted), ENTRIES, "cli:ann", 5)


async def test_the_same_entry_twice_is_refused_and_another_case_is_not(desk: Any) -> None:
    await desk.adds()
    with pytest.raises(StoreRefusedError, match="7ABC123"):
        await desk.adds()
    await desk.adds(case="26-119")


async def test_a_covert_entry_is_for_users_that_there_are_and_the_audit_log_does_not_say_what_it_is(desk: Any) -> None:
    with pytest.raises(ConfigurationError, match="got ghost, expected users that there are"):
        await desk.adds(covert_to=("ghost",))
    await Users(desk.store, desk.clock).add("boss", Role.SUPERVISOR, None, by="cli:test")
    done = await desk.adds(covert_to=("boss",), case="26-999", requester="Det. Poe")
    assert done.entry.covert_to == ("boss",)
    edited = await entering.edit(desk.store, 1, Edited(notes="n"), ENTRIES, who="cli:ann", at_ns=desk.clock.utc_ns())
    await entering.withdraw(desk.store, edited.entry.id, "7ABC123 was arrested", who="cli:ann", at_ns=7)
    async with desk.store.read() as tx:
        audit = tables.audit.c
        audited = (await tx.execute(select(audit.action, audit.detail).where(audit.action.like("hotlist.%")))).all()
    assert [one.action for one in audited] == ["hotlist.add", "hotlist.edit", "hotlist.withdraw"]
    assert all(one.detail["covert"] for one in audited)
    for word in ("7ABC123", "TX", "26-999", "Poe"):
        assert word not in str([one.detail for one in audited])


async def test_an_edit_takes_its_place_and_is_to_be_reviewed_again(desk: Any) -> None:
    before = (await desk.adds()).entry
    async with desk.store.write() as tx:
        await hand_entries.reviewed(tx, before.id, "cli:ben", 5)
    desk.clock.advance(HOUR_NS)
    now_ns = desk.clock.utc_ns()
    edited = Edited(reason="armed", expires_ns=now_ns + HOUR_NS, vehicle=Vehicle(make="Ford"), case="26-200")
    after = (await entering.edit(desk.store, before.id, edited, ENTRIES, who="cli:cat", at_ns=now_ns)).entry
    assert after.id != before.id
    assert (after.reason, after.vehicle.make, after.expires_ns) == ("armed", "Ford", now_ns + HOUR_NS)
    assert (after.case_number, after.reference) == ("26-200", before.reference)
    assert (after.requester, after.added_by, after.reviewed_by) == (before.requester, "cli:cat", None)
    assert after.review_due_ns == now_ns + 8 * HOUR_NS
    with pytest.raises(NotFoundError, match=f"entry {before.id}: no such entry is in force"):
        await entering.edit(desk.store, before.id, edited, ENTRIES, who="cli:cat", at_ns=now_ns)
    with pytest.raises(ConfigurationError, match="--reason: got nothing"):
        await entering.edit(desk.store, after.id, Edited(reason=" "), ENTRIES, who="cli:cat", at_ns=now_ns)


async def test_withdrawing_recalls_the_open_alerts_also_those_of_before_an_edit(desk: Any) -> None:
    before = (await desk.adds()).entry
    await desk.live.load()
    await desk.sees("7ABC123")
    after = await entering.edit(
        desk.store, before.id, Edited(notes="n"), ENTRIES, who="cli:cat", at_ns=desk.clock.utc_ns()
    )
    with pytest.raises(ConfigurationError, match="--reason: got nothing"):
        await entering.withdraw(desk.store, after.entry.id, " ", who="cli:ann", at_ns=7)
    done = await entering.withdraw(desk.store, after.entry.id, "recovered", who="cli:ann", at_ns=7)
    [alert] = await desk.alerts()
    assert done.recalled == (alert.id,)
    assert alert.recalled is not None
    assert (alert.recalled.at_ns, alert.recalled.why) == (7, "The entry was withdrawn: recovered")
    # From then on it raises nothing.
    await desk.live.load()
    await desk.sees("7ABC123", first_track=9)
    assert len(await desk.alerts()) == 1


async def test_what_came_from_a_file_is_not_edited_here(desk: Any) -> None:

    async with desk.store.write() as tx:
        version = await hotlists.change(
            tx, "stolen", add=[EntryRow("AA11", None)], action="add", by="t", source="t", at_ns=1
        )
        [number] = await hand_entries.begun_with(tx, "stolen", version)
    with pytest.raises(ConfigurationError, match="comes from a file"):
        await entering.edit(desk.store, number, Edited(notes="n"), ENTRIES, who="cli:cat", at_ns=5)
    assert (await entering.withdraw(desk.store, number, "wrong", who="cli:ann", at_ns=7)).recalled == ()


async def test_an_entry_that_a_file_also_has_can_be_edited_and_withdrawn(desk: Any) -> None:
    one = (await desk.adds(list="stolen")).entry
    async with desk.store.write() as tx:
        # As an import puts it beside the entry by hand.
        of_file = EntryRow("7ABC123", "US-TX", reference="26-118")
        await hotlists.change(tx, "stolen", add=[of_file], action="add", by="t", source="t", at_ns=1)
    with pytest.raises(StoreRefusedError, match="is on it already"):
        await desk.adds(list="stolen")
    after = await entering.edit(
        desk.store, one.id, Edited(notes="n"), ENTRIES, who="cli:ann", at_ns=desk.clock.utc_ns()
    )
    assert (after.entry.notes, after.entry.id != one.id) == ("n", True)
    await entering.withdraw(desk.store, after.entry.id, "recovered", who="cli:ann", at_ns=7)
    async with desk.store.read() as tx:
        left = [each async for portion in hotlist_history.find(tx, plates=["7ABC123"], ended=False) for each in portion]
    assert [each.entry.added_by for each in left] == [""]
    # Nor is what a file has in the way of somebody who enters it.
    assert (await desk.adds(list="stolen")).entry.added_by == "cli:ann"
