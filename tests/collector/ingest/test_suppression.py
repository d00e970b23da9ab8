"""Reads of one entry that are one alert, and those that are not: suppressed at a site, trailed over several."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.alerts.rules import Rules
from collector.domain import AlertState, Part, Support
from collector.store import alert_changes, cases, feed, queries, tables

S = 1_000_000_000
MIN = 60 * S
E7 = 10_000_000


@pytest.fixture
async def street(bench: Any, make: Any) -> Any:
    """Two devices at one site and one at another, a kilometre north, that look for one plate."""
    bench.matcher = await bench.listing.put("7ABC123")
    bench.devices = {}
    for name, site, latitude in (("lpr-1", "5th", 40.0), ("lpr-2", "5th", 40.0), ("lpr-3", "9th", 40.009)):
        device = make.device(name)
        await device.enrol(bench.store)
        bench.devices[name] = device
        await bench.settle(device.open())
        position = {"latitude_e7": round(latitude * E7), "longitude_e7": -74 * E7, "error_cm": 300}
        async with bench.store.write() as tx:
            await tx.execute(update(tables.device).where(tables.device.c.id == name).values(site=site))
            link = tables.device_link
            await tx.execute(update(link).where(link.c.device == name).values(health={"position": position}))
    bench.tracks = 0
    return bench


async def drive(street: Any, make: Any, *passes: tuple[str, int], last: Any = None, **more: Any) -> None:
    """Let the vehicle pass devices, each so many seconds after now, in batches of their own; `last`: its last slot."""
    for name, after_s in passes:
        street.tracks += 1
        body = replace(make.plate_read(track=street.tracks, **more), direction="N")
        if last is not None:
            body = replace(body, slots=(*body.slots[:-1], last))
        moment = {"captured_at_ns": make.now_ns + after_s * S, "captured_boot_ns": make.boot_ns + after_s * S}
        received = street.devices[name].publish(body, **moment)
        at = {"received_at_ns": received.received_at_ns + after_s * S}
        boot = {"received_boot_ns": received.received_boot_ns + after_s * S}
        await street.settle(replace(received, **at, **boot))


async def revise(street: Any, make: Any, name: str, track: int, text: str, revision: int = 1) -> None:
    await street.settle(street.devices[name].publish(make.plate_read(text, track, revision)))


async def alerts_of(street: Any) -> list[Any]:
    async with street.store.read() as tx:
        return await queries.alerts(tx)


async def actions(street: Any, alert_id: int) -> list[str]:
    async with street.store.read() as tx:
        return [one.action for one in await alert_changes.of_alert(tx, alert_id)]


async def test_further_reads_at_the_site_are_attached_without_a_sound(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-2", 30), ("lpr-1", 590), ("lpr-2", 1_180))
    (alert,) = await alerts_of(street)
    assert (alert.suppressed, alert.soundings, len(alert.trail)) == (3, 1, 1)
    async with street.store.read() as tx:
        attached = await queries.reads_of_alert(tx, alert.id)
    assert [(one.part, one.read.device) for one in attached] == [
        (Part.RAISED, "lpr-1"),
        (Part.SUPPRESSED, "lpr-2"),
        (Part.SUPPRESSED, "lpr-1"),
        (Part.SUPPRESSED, "lpr-2"),
    ]
    assert await actions(street, alert.id) == ["raised"]


async def test_what_is_suppressed_is_told_and_its_pictures_are_asked_for(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0))
    street.sent()
    async with street.store.read() as tx:
        before = await feed.last(tx)
    await drive(street, make, ("lpr-2", 30))
    (command,) = street.commands()
    assert command.name == "send_media"
    async with street.store.read() as tx:
        told = [(str(row.kind), row.ref) for row in await feed.after(tx, before)]
    assert told == [("read", "2"), ("alert", "1")]


async def test_after_the_time_of_suppression_the_same_site_alerts_anew(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-1", 601))
    assert [one.suppressed for one in await alerts_of(street)] == [0, 0]


async def test_another_site_moves_the_alert_and_it_sounds_again(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-3", 90), ("lpr-3", 100), ("lpr-2", 300))
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.suppressed) == (3, 1)
    assert [(one.site, one.part, one.direction) for one in alert.trail] == [
        ("5th", Part.RAISED, "N"),
        ("9th", Part.TRAIL, "N"),
        ("5th", Part.TRAIL, "N"),
    ]
    assert [one.passed_at_ns - alert.trail[0].passed_at_ns for one in alert.trail] == [0, 90 * S, 300 * S]
    assert alert.trail[0].distance_m is None
    assert alert.trail[1].distance_m == pytest.approx(999, abs=2)
    assert await actions(street, alert.id) == ["raised", "trail", "trail"]


async def test_a_trail_goes_on_for_hours_and_not_for_ever(street: Any, make: Any) -> None:
    hour = 3_600
    await drive(street, make, ("lpr-1", 0), ("lpr-3", 11 * hour), ("lpr-1", 22 * hour), ("lpr-3", 35 * hour))
    newer, older = await alerts_of(street)
    assert ([one.site for one in older.trail], [one.site for one in newer.trail]) == (["5th", "9th", "5th"], ["9th"])


async def test_another_entry_or_another_list_is_another_alert(street: Any, make: Any) -> None:
    await street.listing.put("7ABC123", name="wanted")
    street.matcher = await street.listing.put("7ABC124")
    await drive(street, make, ("lpr-1", 0))
    await drive(street, make, ("lpr-1", 5), text="7ABC124")
    assert sorted((one.about.entry.list, one.about.entry.plate) for one in await alerts_of(street)) == [
        ("stolen", "7ABC123"),
        ("stolen", "7ABC124"),
        ("wanted", "7ABC123"),
    ]


async def test_of_a_pattern_each_vehicle_is_an_alert_of_its_own(street: Any, make: Any) -> None:
    street.matcher = await street.listing.put("7AB*", is_pattern=True)
    street.matcher.listed = [one for one in street.matcher.listed if one.is_pattern]
    for name, after_s, text in (("lpr-1", 0, "7AB0123"), ("lpr-2", 60, "7ABX199"), ("lpr-3", 90, "7ABO123")):
        await drive(street, make, (name, after_s), text=text)
    newer, older = await alerts_of(street)
    assert ([one.site for one in older.trail], [one.site for one in newer.trail]) == (["5th", "9th"], ["5th"])


async def test_the_same_entry_in_a_newer_version_is_the_same_alert(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0))
    street.matcher = await street.listing.put("8XYZ999")
    await drive(street, make, ("lpr-1", 60))
    (alert,) = await alerts_of(street)
    assert alert.suppressed == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"reason": "stolen vehicle, armed"}),
        # Else whoever may not know of it would see where it passes, or nobody but those who did would hear of it.
        ({}, {"covert_to": ["ada"]}),
        ({"covert_to": ["ada"]}, {}),
    ],
)
async def test_what_is_said_anew_of_an_entry_is_never_suppressed_by_what_was_said_before(
    street: Any, make: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    async with street.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(**before or {"notes": "-"}))
    await drive(street, make, ("lpr-1", 0))
    street.matcher.listed.clear()
    street.matcher = await street.listing.put("7ABC123", **after)
    street.matcher.listed = street.matcher.listed[-1:]
    await drive(street, make, ("lpr-1", 60), ("lpr-2", 90), ("lpr-3", 120))
    newer, older = await alerts_of(street)
    assert (newer.suppressed, [one.site for one in newer.trail]) == (1, ["5th", "9th"])
    assert (older.suppressed, [one.site for one in older.trail]) == (0, ["5th"])
    assert newer.about.entry.reason == after.get("reason", "stolen vehicle")
    assert newer.about.entry.covert_to == (None if "covert_to" not in after else ("ada",))


@pytest.mark.parametrize("what", ["plate", "state"])
async def test_behind_a_vehicle_that_people_saw_to_be_another_the_wanted_one_alerts(
    street: Any, make: Any, what: str
) -> None:
    await drive(street, make, ("lpr-1", 0))
    check = {"plate": "match", "state": "match", "vehicle": "match", "by": "ada", "at_ns": 1, what: "mismatch"}
    async with street.store.write() as tx:
        await tx.execute(update(tables.alert).values(image_check=check))
    await drive(street, make, ("lpr-2", 60))
    newer, older = await alerts_of(street)
    assert (newer.soundings, newer.suppressed, older.suppressed) == (1, 0, 0)


@pytest.mark.parametrize(
    "done",
    [
        {"state": "closed", "disposition": "no-action", "closed_by": "ada", "closed_at_ns": 1},
        {"recalled_at_ns": 1, "recalled_why": "withdrawn"},
        {"support": "unsupported"},
    ],
)
async def test_nothing_is_attached_to_what_is_done_with(street: Any, make: Any, done: dict[str, Any]) -> None:
    await drive(street, make, ("lpr-1", 0))
    async with street.store.write() as tx:
        await tx.execute(update(tables.alert).values(**done))
    await drive(street, make, ("lpr-2", 10))
    newer, older = await alerts_of(street)
    assert (newer.state, newer.suppressed, older.suppressed) == (AlertState.NEW, 0, 0)


async def test_historical_reads_and_live_ones_never_belong_to_one_alert(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0))
    old = {"captured_at_ns": make.now_ns - 300 * S, "captured_boot_ns": make.boot_ns - 300 * S}
    device = street.devices["lpr-1"]
    await street.settle(device.publish(make.health()))
    for track in (8, 9):
        await street.settle(device.read(track=track, **old))
    older_kind, live = await alerts_of(street)
    assert (older_kind.historical, older_kind.suppressed, older_kind.escalate_at_ns) == (True, 1, None)
    assert (live.historical, live.suppressed) == (False, 0)
    assert live.escalate_at_ns == live.raised_at_ns + 120 * S


async def test_matching_again_attaches_nothing_twice(street: Any, make: Any, clock: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-2", 30), ("lpr-3", 60))
    before = await alerts_of(street)
    async with street.store.write() as tx:
        await tx.execute(
            insert(tables.match_pending), [{"read_id": one, "historical": False, "age_note": None} for one in (1, 2, 3)]
        )
    assert await rematch(street.store, Raising(street.matcher), clock.utc_ns) == set()
    assert await alerts_of(street) == before
    assert len(await street.rows(tables.alert_read)) == 3


async def test_what_a_later_revision_takes_back_is_said_of_the_read_and_in_the_end_of_the_alert(
    street: Any, make: Any
) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-3", 60))
    await revise(street, make, "lpr-1", 1, "7ABC128")
    (alert,) = await alerts_of(street)
    assert (alert.support, [one.site for one in alert.trail]) == (Support.RAISED, ["9th"])
    assert "A later revision of the first read reads 7ABC128; another read still supports it." in alert.why
    await revise(street, make, "lpr-3", 2, "7ABC128")
    (alert,) = await alerts_of(street)
    assert (alert.support, [(one.site, one.supports) for one in alert.trail]) == (Support.UNSUPPORTED, [("5th", False)])
    assert await actions(street, alert.id) == ["raised", "trail", "read-unsupported", "unsupported"]


async def test_a_surer_read_strengthens_the_alert_that_it_belongs_to(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), p=0.9)
    await drive(street, make, ("lpr-2", 5))
    (alert,) = await alerts_of(street)
    assert alert.support is Support.STRENGTHENED
    assert alert.why[-1] == "Read 2 of the same entry is surer: 93%."


async def test_a_muted_entry_alerts_again_with_the_next_version_of_its_list(street: Any, make: Any) -> None:
    key = cases.EntryKey("stolen", "7ABC123", "US-TX", "")
    async with street.store.write() as tx:
        await tx.execute(insert(tables.mute).values(**key._asdict(), list_version=1, by="ada", at_ns=1))
    await drive(street, make, ("lpr-1", 0))
    assert await alerts_of(street) == []
    street.matcher.generation = 2
    await drive(street, make, ("lpr-1", 10))
    assert len(await alerts_of(street)) == 1


def test_the_time_of_suppression_is_a_setting() -> None:
    assert Rules(suppress_within_s=60).suppress_within_ns == MIN


LIKELY = (("X", 0.6), ("3", 0.38))


async def look(street: Any, state: str = "acknowledged") -> None:
    async with street.store.write() as tx:
        await tx.execute(update(tables.alert).values(state=state))


@pytest.mark.parametrize(("state", "soundings"), [("new", 1), ("acknowledged", 2)])
async def test_what_is_exact_after_people_looked_at_what_was_likely_calls_again_and_once(
    street: Any, make: Any, state: str, soundings: int
) -> None:
    """While nobody has looked it rings anyway."""
    await drive(street, make, ("lpr-1", 0), text="7ABC12X", last=LIKELY)
    await look(street, state)
    await drive(street, make, ("lpr-2", 5), ("lpr-1", 10), ("lpr-2", 15))
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.suppressed, alert.support) == (soundings, 3, Support.STRENGTHENED)
    assert await actions(street, alert.id) == ["raised", "strengthened"]


async def test_who_has_looked_at_an_exact_read_is_not_called_by_a_surer_one(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), p=0.9)
    await look(street)
    await drive(street, make, ("lpr-2", 5))
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.support) == (1, Support.STRENGTHENED)


async def test_a_revision_calls_whoever_has_looked_as_a_further_read_does(street: Any, make: Any) -> None:
    for track, name in ((1, "lpr-1"), (2, "lpr-2")):
        await drive(street, make, (name, track), text="7ABC12X", last=LIKELY)
    await look(street)
    await revise(street, make, "lpr-2", 2, "7ABC123")
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.why[-1]) == (2, "Read 2 of the same entry is surer: 93%.")
    # The other camera says the same now: no news.
    await revise(street, make, "lpr-1", 1, "7ABC123")
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.support) == (2, Support.STRENGTHENED)


async def test_what_people_have_stood_down_from_calls_again_when_it_is_supported_again(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), text="7ABC12X", last=LIKELY)
    await look(street)
    await revise(street, make, "lpr-1", 1, "7ABC128")
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.support) == (1, Support.UNSUPPORTED)
    await revise(street, make, "lpr-1", 1, "7ABC123", 2)
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.support) == (2, Support.RAISED)


async def test_a_historical_alert_does_not_call_whoever_has_looked(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), text="7ABC12X", last=LIKELY)
    async with street.store.write() as tx:
        await tx.execute(update(tables.alert).values(state="acknowledged", historical=True))
        await tx.execute(insert(tables.match_pending), [{"read_id": 1, "historical": True, "age_note": "old"}])
    await revise(street, make, "lpr-1", 1, "7ABC123")
    (alert,) = await alerts_of(street)
    assert (alert.soundings, alert.support) == (1, Support.STRENGTHENED)


async def test_what_was_taken_back_is_no_place_where_the_vehicle_was(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-3", 60))
    await revise(street, make, "lpr-3", 2, "7ABC128")
    (alert,) = await alerts_of(street)
    assert [one.site for one in alert.trail] == ["5th"]
    async with street.store.read() as tx:
        assert [one.id for one in await queries.alerts(tx, queries.Wanted(site="5th"))] == [alert.id]
        assert await queries.alerts(tx, queries.Wanted(site="9th")) == []
    # Where it truly stands next it is not suppressed by where it never was, nor called a move where it was all along.
    await drive(street, make, ("lpr-2", 90), ("lpr-3", 120))
    (alert,) = await alerts_of(street)
    assert ([one.site for one in alert.trail], alert.suppressed, alert.soundings) == (["5th", "9th"], 1, 3)
    assert alert.trail[1].distance_m == pytest.approx(999, abs=2)


async def test_a_place_stays_on_the_trail_while_any_read_there_supports_it(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0), ("lpr-3", 60), ("lpr-3", 90), ("lpr-3", 95))
    await revise(street, make, "lpr-3", 2, "7ABC128")
    (alert,) = await alerts_of(street)
    assert [(one.site, one.read_id, one.part) for one in alert.trail] == [
        ("5th", 1, Part.RAISED),
        ("9th", 3, Part.SUPPRESSED),
    ]


async def end_entry(street: Any, version: int = 2) -> None:
    """Withdraw the entry where the matcher does not know of it yet."""
    async with street.store.write() as tx:
        await tx.execute(update(tables.hotlist_entry).values(end_version=version))
        await tx.execute(update(tables.hotlist).values(version=version))


async def test_a_matcher_that_is_a_version_behind_raises_nothing_for_what_was_withdrawn(
    street: Any, make: Any, clock: Any
) -> None:
    await end_entry(street)
    await drive(street, make, ("lpr-1", 0))
    assert await alerts_of(street) == []
    # The read waits for the matcher of today, and so meets what has taken the entry's place, if anything has.
    assert [one.read_id for one in await street.rows(tables.match_pending)] == [1]
    newer = await street.listing.put("7ABC123", reason="armed", first_version=2)
    async with street.store.write() as tx:
        await tx.execute(update(tables.hotlist).values(version=2))
    newer.listed, newer.generation = newer.listed[-1:], 2
    await rematch(street.store, Raising(newer), clock.utc_ns)
    (alert,) = await alerts_of(street)
    assert alert.about.entry.reason == "armed"


async def test_an_alert_that_there_was_is_revised_after_its_entry_has_ended(street: Any, make: Any) -> None:
    await drive(street, make, ("lpr-1", 0))
    await end_entry(street)
    await revise(street, make, "lpr-1", 1, "7ABC128")
    (alert,) = await alerts_of(street)
    assert alert.support is Support.UNSUPPORTED
