"""Incidents over a real store: what devices heard is put together, placed and alerted, in whatever order it came."""

import asyncio
import math
import random
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from collector.domain import Stage, Support
from collector.incidents import following
from collector.incidents.following import IncidentFollower
from collector.incidents.rules import Rules
from collector.locate.projection import LocalFrame
from collector.store import feed, incidents, queries, tables
from collector.store.feed import FeedKind
from edge_wire.messages import Offset, Position

S = 1_000_000_000
PLACE = (20.0, 30.0)
FRAME = LocalFrame(40.7, -74.0)


def off_m(incident: Any, place: tuple[float, float] = PLACE) -> float:
    x_m, y_m = FRAME.to_local(incident.location.latitude, incident.location.longitude)
    return float(((x_m - place[0]) ** 2 + (y_m - place[1]) ** 2) ** 0.5)


async def test_a_round_that_six_heard_is_one_located_incident_and_one_alert(street: Any) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0, street.devices))
    await street.look()
    incident = await street.incident()
    assert (incident.stage, incident.revision, incident.rounds, incident.fire) == (Stage.LOCATED, 1, 1, "single")
    assert off_m(incident) < 5
    assert abs(incident.at_ns - street.begin_ns) < 20_000_000
    assert [one.used for one in incident.sensors] == [True] * 6
    assert [one.distance_m for one in incident.sensors] == sorted(one.distance_m for one in incident.sensors)
    assert sorted(shot for one in incident.sensors for shot in one.shots) == [1, 2, 3, 4, 5, 6]
    assert {shot.incident_id for shot in await street.shots()} == {incident.id}
    (alert,) = await street.alerts()
    assert (alert.about, alert.support, alert.historical) == (incident, Support.RAISED, False)
    assert alert.why[0] == "6 devices heard 1 round."
    assert "alerts from 0.95" in alert.why[1]
    assert incident.alert_from == 0.95
    assert street.asked == [(incident.id, (1, 2, 3, 4, 5, 6))]
    async with street.store.read() as tx:
        told = [(row.kind, row.ref) for row in await feed.after(tx, 0)]
    assert told[-2:] == [(FeedKind.INCIDENT, "1"), (FeedKind.ALERT, "1")]


async def test_it_is_made_of_the_first_and_gets_better_with_each_that_comes(street: Any) -> None:
    await street.corners()
    known = []
    for arrival in street.shot(PLACE, 0, ["ear-3", "ear-5", "ear-4", "ear-2", "ear-1", "ear-6"]):
        await street.take(arrival)
        await street.look()
        known.append(await street.incident())
    assert {one.id for one in known} == {1}
    assert [one.revision for one in known] == [1, 2, 3, 4, 5, 6]
    assert [one.region.kind for one in known] == ["zone", "band", "ellipse", "ellipse", "ellipse", "ellipse"]
    assert [one.stage for one in known] == [Stage.RAW, Stage.RAW, *[Stage.LOCATED] * 4]
    (alert,) = await street.alerts()
    assert alert.support in (Support.RAISED, Support.STRENGTHENED)
    # Of each shot once.
    assert sorted(shot for _, shots in street.asked for shot in shots) == [1, 2, 3, 4, 5, 6]
    async with street.store.read() as tx:
        revisions = await queries.incident_revisions(tx, 1)
    assert [(one.revision, one.stage) for one in revisions] == [(one.revision, one.stage) for one in known]
    assert [len(one.known["sensors"]) for one in revisions] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_arrival_does_not_matter(street: Any, seed: int) -> None:
    await street.corners()
    said = [
        arrival
        for place, at_s in ((PLACE, 0.0), (PLACE, 0.4), (PLACE, 0.8), ((-40.0, -60.0), 60.0))
        for arrival in street.shot(place, at_s, street.devices)
    ]
    order = random.Random(seed)
    order.shuffle(said)
    street.clock.advance(70 * S)
    while said:
        portion = [said.pop() for _ in range(min(len(said), order.randint(1, 5)))]
        await street.take(*portion)
        await street.look()
    first, second = sorted(await street.incidents(), key=lambda one: one.at_ns)
    assert (first.rounds, second.rounds) == (3, 1)
    assert off_m(first) < 5
    assert off_m(second, (-40.0, -60.0)) < 5
    shots = [shot for one in (first, second) for sensor in one.sensors for shot in sensor.shots]
    assert sorted(shots) == list(range(1, 25))
    assert sorted(alert.about.id for alert in await street.alerts()) == sorted((first.id, second.id))


# Seconds by which each trailer's link was late, and how many alerts came of it when an incident was whatever fitted.
@pytest.mark.parametrize(
    "late_s",
    [
        pytest.param((5.74, 5.69, 0.34, 0.51, 5.01, 4.42), id="three"),
        pytest.param((4.76, 4.93, 2.91, 1.57, 0.0, 3.98), id="three with the nearest first"),
        pytest.param((11.58, 0.14, 8.83, 1.9, 11.84, 0.2), id="four"),
    ],
)
async def test_a_shooting_alerts_once_however_late_the_links_of_some_are(
    street: Any, live_fire: Any, late_s: tuple[float, ...]
) -> None:
    said = []
    for (name, ((x_m, y_m, up_m), sounds)), late in zip(live_fire.items(), late_s, strict=True):
        await street.device(name, (x_m, y_m))
        where = Offset(round(1_000 * x_m), round(1_000 * y_m), round(1_000 * up_m))
        for number, (at_s, snr) in enumerate(sounds, start=1):
            arrival = street.arrival(name, at_s, 0.99, offset=where, snr_cdb=10 * snr, round=number)
            said.append((at_s + 1.3 + late, name, arrival))
    for at_s, name, arrival in sorted(said, key=lambda one: one[0]):
        street.clock.advance(street.begin_ns + round(at_s * S) - street.clock.utc_ns())
        await street.take((name, arrival))
        await street.look()
        assert len(await street.alerts()) <= 1
    street.clock.advance(20 * S)
    await street.look()
    incident = await street.incident()
    assert (incident.rounds, incident.confidence) == (3, "high")
    assert off_m(incident, (0.0, 0.0)) < 25
    (alert,) = await street.alerts()
    assert (alert.about.id, alert.support) == (incident.id, Support.STRENGTHENED)


async def test_what_comes_late_revises_its_incident_and_makes_no_second_one(street: Any) -> None:
    await street.corners()
    said = street.shot(PLACE, 0, street.devices)
    await street.take(*said[:4])
    await street.look()
    street.clock.advance(600 * S)
    await street.look()
    before = await street.incident()
    await street.take(*said[4:])
    await street.look()
    after = await street.incident()
    assert (before.id, before.stage, len(before.sensors)) == (1, Stage.LOCATED, 4)
    assert (after.id, after.stage, len(after.sensors)) == (1, Stage.REVISED, 6)
    assert [one.device for one in before.silent] == ["ear-5", "ear-6"] or len(before.silent) == 2
    assert after.silent == ()
    (alert,) = await street.alerts()
    assert (alert.id, alert.support, alert.historical) == (1, Support.STRENGTHENED, False)


async def test_looking_again_and_restarting_change_nothing(street: Any) -> None:
    await street.corners()
    for arrival in street.shot(PLACE, 0, street.devices):
        await street.take(arrival)
        # Each look by another follower: what the one before had not noted is looked at again.
        await street.look(street.new_follower())
    street.clock.advance(10 * S)
    await street.look()
    before = await street.incident()
    async with street.store.read() as tx:
        last = await feed.last(tx)
    async with street.store.write() as tx:
        await tx.execute(tables.incident_cursor.update().values(number=0))
    await street.look(street.new_follower())
    assert await street.incident() == before
    async with street.store.read() as tx:
        assert await feed.last(tx) == last


async def test_what_could_not_be_kept_is_looked_at_again(street: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0, street.devices))
    keep = incidents.keep

    class PowerCutError(Exception):
        pass

    async def fail_after_keeping(*arguments: Any) -> None:
        await keep(*arguments)
        raise PowerCutError

    monkeypatch.setattr(incidents, "keep", fail_after_keeping)
    with pytest.raises(PowerCutError):
        await street.look()
    monkeypatch.undo()
    assert await street.incidents() == []
    await street.look(street.new_follower())
    assert len(await street.alerts()) == 1


async def test_two_agencies_hear_two_incidents(street: Any) -> None:
    await street.corners("ear-1", "ear-2", "ear-3")
    await street.device("theirs", (0.0, 0.0), agency="shelbyville")
    await street.take(*street.shot(PLACE, 0, street.devices))
    await street.look()
    assert [(one.agency, len(one.sensors)) for one in await street.incidents()] == [
        ("shelbyville", 1),
        ("springfield", 3),
    ]


async def test_fireworks_raise_no_alert(street: Any) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0, street.devices, probability=0.1))
    await street.look()
    street.clock.advance(10 * S)
    await street.look()
    incident = await street.incident()
    assert incident.probability < 0.2
    assert incident.location is not None
    assert await street.alerts() == []
    assert street.asked == []


async def test_what_one_heard_of_six_waits_for_the_others_and_is_not_believed(street: Any) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0, ["ear-3"], probability=0.7))
    await street.look()
    first = await street.incident()
    assert await street.alerts() == []
    street.clock.advance(10 * S)
    await street.look()
    settled = await street.incident()
    assert len(settled.silent) == 5
    assert settled.probability < first.probability
    assert all(0 < one.expected <= 1 for one in settled.silent)
    assert await street.alerts() == []
    async with street.store.read() as tx:
        assert await incidents.settling(tx, street.clock.utc_ns(), 9) == ([], None)


async def test_who_is_alone_alerts_at_once(street: Any) -> None:
    await street.corners("ear-3")
    await street.take(*street.shot(PLACE, 0, ["ear-3"]))
    await street.look()
    (alert,) = await street.alerts()
    assert alert.about.location is None
    assert alert.about.region.kind == "zone"


@pytest.mark.parametrize("how", ["offline", "deaf", "revoked"])
async def test_who_could_not_have_heard_it_is_not_waited_for(street: Any, how: str) -> None:
    await street.corners("ear-3")
    await street.device("ear-4", (-145.0, 140.0), listening=False)
    if how == "deaf":
        await street.be_well("ear-4", "failed")
    elif how == "revoked":
        await street.be_well("ear-4")
        async with street.store.write() as tx:
            await tx.execute(tables.device.update().where(tables.device.c.id == "ear-4").values(status="revoked"))
    await street.take(*street.shot(PLACE, 0, ["ear-3"]))
    await street.look()
    assert len(await street.alerts()) == 1
    assert (await street.incident()).silent == ()


async def test_an_arrival_that_is_not_timed_well_says_what_and_not_where(street: Any) -> None:
    await street.corners()
    said = street.shot(PLACE, 0, ["ear-1", "ear-2", "ear-3", "ear-4"])
    said += street.shot(PLACE, 0.03, ["ear-5"], clock_error_ns=30_000_000)
    await street.take(*said)
    await street.look()
    incident = await street.incident()
    untimed = next(one for one in incident.sensors if one.device == "ear-5")
    assert (untimed.used, untimed.residual_ms) == (False, None)
    assert "clock" in untimed.why
    assert off_m(incident) < 5
    assert [shot.locates for shot in await street.shots()] == [True] * 4 + [False]
    assert "ear-5/mast" in incident.probability_why[0]


async def test_a_device_whose_clock_is_an_hour_slow_belongs_by_its_boot_clock_and_does_not_locate(street: Any) -> None:
    await street.corners("ear-1", "ear-2", "ear-3", "ear-4")
    said = street.shot(PLACE, 0, ["ear-1", "ear-2", "ear-3"])
    slow = street.arrival("ear-4", 0.6 - 3_600, captured_boot_ns=street.make.boot_ns + 600_000_000)
    street.clock.advance(S)
    await street.take(*said, ("ear-4", slow))
    await street.look()
    incident = await street.incident()
    assert {one.device: one.used for one in incident.sensors}["ear-4"] is False
    assert not incident.historical


async def test_what_is_heard_where_nobody_knows_is_an_incident_without_a_place(street: Any) -> None:
    await street.device("ear-9", None)
    await street.take(("ear-9", street.arrival("ear-9", 0)))
    await street.look()
    incident = await street.incident()
    assert (incident.location, incident.region, incident.confidence) == (None, None, None)
    assert incident.sensors[0].latitude is None
    assert len(await street.alerts()) == 1


async def test_an_old_shot_raises_a_historical_alert_and_nobody_is_held_silent(street: Any) -> None:
    await street.corners()
    said = street.shot(PLACE, 0, ["ear-1", "ear-2", "ear-3"])
    street.clock.advance(600 * S)
    await street.take(*said)
    await street.look()
    (alert,) = await street.alerts()
    assert alert.historical
    assert alert.about.historical
    assert alert.about.silent == ()


async def test_an_unknown_age_is_labelled(street: Any) -> None:
    await street.device("ear-3", (150.0, 125.0), listening=False)
    await street.take(("ear-3", street.arrival("ear-3", -9_000, clock_error_ns=1 << 62)))
    await street.look()
    (alert,) = await street.alerts()
    assert not alert.historical
    assert any("Age unknown" in sentence for sentence in alert.why)


async def test_incidents_that_turn_out_to_be_one_keep_the_number_of_the_larger(street: Any) -> None:
    # East and west are too far apart to hear the same, as far as anybody knows; who comes late stands between them.
    street.rules = Rules(audible_m=100.0)
    street.follower = street.new_follower()
    for name, place in {
        "west": (-103.0, 0.0),
        "west-2": (-102.0, 30.0),
        "east": (103.0, 0.0),
        "mid": (0.0, 0.0),
    }.items():
        await street.device(name, place)
    said = street.shot((5.0, 25.0), 0, ["west", "west-2", "east", "mid"])
    await street.take(*said[:3])
    await street.look()
    assert sorted(len(one.sensors) for one in await street.incidents()) == [1, 2]
    await street.take(said[3])
    await street.look()
    street.clock.advance(10 * S)
    await street.look()
    incident = await street.incident()
    assert sorted(one.device for one in incident.sensors) == ["east", "mid", "west", "west-2"]
    async with street.store.read() as tx:
        (gone,) = [one for one in (await queries.incidents_by_id(tx, [1, 2])).values() if one.id != incident.id]
    assert (gone.merged_into, gone.rounds, gone.sensors) == (incident.id, 0, ())
    for alert in await street.alerts():
        if alert.about.id == gone.id:
            assert alert.support is Support.UNSUPPORTED
            assert alert.why[-1].endswith(f"its shots belong to incident {incident.id}.")


async def test_an_arrival_that_the_store_refuses_keeps_no_other_waiting(street: Any) -> None:
    await street.corners()
    said = street.shot(PLACE, 0, street.devices)
    absurd = street.arrival("ear-1", 0, captured_boot_ns=0)
    far_off = street.devices["ear-2"].publish(street.make.shot(), captured_at_ns=2**63 - 1, captured_boot_ns=0)
    await street.take(("ear-2", far_off), ("ear-1", absurd), *said[:3])
    await street.take(("ear-2", far_off), *said[3:])
    with structlog.testing.capture_logs() as logs:
        await street.look()
    located = [one for one in await street.incidents() if one.location is not None]
    assert len(located) == 1
    assert len(located[0].sensors) == 6
    left_out = [line["shot"] for line in logs if line["event"] == "shot_left_out_of_incidents"]
    assert left_out in ([], [[1]])


@pytest.mark.parametrize(
    ("position", "offset"),
    [
        (Position(407_000_000, -740_000_000, 2**62), None),
        (Position(407_000_000, -740_000_000, 50), Offset(2**62, 0, 0)),
        (Position(900_000_000, 1_800_000_000, 50), Offset(0, -(2**62), 2**62)),
    ],
)
async def test_a_device_in_an_absurd_place_keeps_nobody_from_being_located(
    street: Any, position: Position, offset: Offset | None
) -> None:
    await street.corners("ear-1", "ear-2", "ear-3", "ear-4")
    await street.device("lost", None)
    await street.be_well("lost", position=position, offset=offset)
    absurd = street.arrival("lost", 0.4, position=position, offset=offset)
    await street.take(*street.shot(PLACE, 0, ["ear-1", "ear-2", "ear-3", "ear-4"]), ("lost", absurd))
    street.clock.advance(10 * S)
    await street.look()
    located = [one for one in await street.incidents() if one.location is not None]
    assert [len(one.sensors) for one in located] == [4]
    assert {one.device for one in located[0].silent} == set()


async def test_an_arrival_of_which_nothing_can_be_computed_is_left_out(
    street: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await street.corners()
    changes = following.changes

    def stumble(near: Any, now_ns: int, rules: Rules) -> Any:
        if any(shot.id == 2 for shot in near.shots):
            raise ZeroDivisionError
        return changes(near, now_ns, rules)

    monkeypatch.setattr(following, "changes", stumble)
    await street.take(*street.shot(PLACE, 0, street.devices))
    with structlog.testing.capture_logs() as logs:
        await street.look()
    assert [line["shot"] for line in logs if line["event"] == "shot_left_out_of_incidents"] == [[2]]
    incident = await street.incident()
    assert sorted(shot for one in incident.sensors for shot in one.shots) == [1, 3, 4, 5, 6]


async def test_an_incident_that_cannot_be_judged_again_is_looked_at_once(
    street: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0, ["ear-1", "ear-2"], probability=0.3))
    await street.look()

    def stumble(near: Any, now_ns: int, rules: Rules) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(following, "changes", stumble)
    street.clock.advance(10 * S)
    await street.look()
    assert not await street.follower.look()


async def test_an_incident_takes_so_many_shots_and_no_more(street: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_MOST_OF_ONE", 4)
    await street.corners("ear-3")
    for at in range(7):
        await street.take(*street.shot(PLACE, float(at), ["ear-3"]))
        await street.look()
        street.clock.advance(S)
    assert [one.rounds for one in await street.incidents()] == [4, 3]


async def test_a_full_incident_that_waits_for_the_others_still_alerts(
    street: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_MOST_OF_ONE", 2)
    street.rules = Rules(alert_from=0.3)
    follower = street.new_follower()
    await street.corners("ear-1", "ear-2")
    await street.take(*street.shot(PLACE, 0, ["ear-1"]), *street.shot(PLACE, 1, ["ear-1"]))
    await street.look(follower)
    assert not await street.alerts()
    street.clock.advance(20 * S)
    await street.look(follower)
    assert len(await street.alerts()) == 1


async def test_a_device_that_raves_keeps_nobody_elses_shots_from_being_located(
    street: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_MOST_OF_DEVICE", 3)
    monkeypatch.setattr(following, "_MOST_AROUND", 12)
    await street.corners("ear-1", "ear-2", "ear-3", "ear-4")
    await street.take(*(one for at in range(15) for one in street.shot((900.0, 900.0), 0.1 * at, ["ear-4"])))
    with structlog.testing.capture_logs() as logs:
        await street.look()
    assert sum(line["of"] for line in logs if line["event"] == "shots_left_out_of_incidents") == 12
    await street.take(*street.shot(PLACE, 1.0, ["ear-1", "ear-2", "ear-3"]))
    await street.look()
    located = [one for one in await street.incidents() if one.location is not None]
    assert [{sensor.device for sensor in one.sensors if sensor.used} for one in located] == [
        {"ear-1", "ear-2", "ear-3"}
    ]


async def test_one_device_is_one_witness_however_many_microphones_it_says_it_has(street: Any) -> None:
    await street.corners("ear-1")
    for at, place in enumerate(((-150, -120), (140, -130), (150, 125), (-145, 140), (0, 210), (-220, 10))):
        said = {"microphone": f"m{at}", "offset": Offset(1_000 * place[0], 1_000 * place[1], 6_000)}
        await street.take(("ear-1", street.arrival("ear-1", math.dist(PLACE, place) / 340.3, 0.9, **said)))
    await street.look()
    incident = await street.incident()
    assert incident.location is not None
    assert incident.confidence == "low"
    assert incident.probability == pytest.approx(0.9, abs=0.01)


async def test_live_arrivals_go_before_a_backlog_and_none_of_it_is_passed_over(
    street: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PORTION", 2)
    await street.corners("ear-3")
    for at in range(4):
        await street.take(*street.shot(PLACE, -7_200.0 + 60 * at, ["ear-3"]))
    await street.take(*street.shot(PLACE, -1.0, ["ear-3"]))
    follower = street.new_follower()
    await follower.look()
    assert max(one.at_ns for one in await street.incidents()) > street.begin_ns - 10 * S
    while await follower.look():
        pass
    assert len(await street.incidents()) == 5


async def test_it_follows_until_it_is_stopped_and_looks_again_when_nobody_can_tell_any_more(street: Any) -> None:
    await street.corners()
    follower = street.new_follower()
    task = asyncio.create_task(follower.follow())
    async with asyncio.timeout(20):
        await street.take(*street.shot(PLACE, 0, ["ear-1", "ear-3"]))
        while not await street.incidents():
            await street.store.committed.changed(street.store.committed.count)
        street.clock.advance(10 * S)
        while len((await street.incident()).silent) < 4:
            await street.store.committed.changed(street.store.committed.count)
    follower.stop()
    await task


async def test_how_far_it_has_looked_is_noted_from_time_to_time(street: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_NOTED_EVERY", 3)
    await street.corners("ear-1", "ear-2", "ear-3")
    await street.look()
    async with street.store.read() as tx:
        assert await incidents.looked_at(tx) >= await feed.last(tx) - 3
        assert (await tx.execute(select(func.count()).select_from(tables.incident))).scalar_one() == 0


async def test_the_threshold_in_force_stays_with_its_incident(street: Any) -> None:
    await street.corners("ear-1", "ear-2", "ear-3")
    said = street.shot(PLACE, 0, street.devices)
    await street.take(*said[:2])
    await street.look()
    street.rules = Rules(alert_from=0.99)
    stricter: IncidentFollower = street.new_follower()
    await street.take(said[2])
    await street.look(stricter)
    assert (await street.incident()).alert_from == 0.95
    await street.take(*street.shot(PLACE, 100, street.devices))
    await street.look(stricter)
    assert [one.alert_from for one in await street.incidents()] == [0.95, 0.99]


async def test_beside_one_that_has_alerted_what_may_be_the_same_waits_for_the_links_and_then_alerts(
    street: Any,
) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0.0, street.devices))
    await street.look()
    (first,) = await street.alerts()
    # Of another sound two tell, and the other four listen no more; without the first it would alert at once.
    for name in ("ear-3", "ear-4", "ear-5", "ear-6"):
        await street.be_well(name, "failed")
    street.clock.advance(5 * S)
    await street.take(*street.shot((-40.0, -60.0), 4.0, ("ear-1", "ear-2"), 0.99))
    for wait_s in (0, 19):
        street.clock.advance(wait_s * S)
        await street.look()
        assert await street.alerts() == [first]
    street.clock.advance(2 * S)
    await street.look()
    assert len(await street.incidents()) == len(await street.alerts()) == 2


async def test_one_that_is_placed_well_waits_for_nobody(street: Any) -> None:
    await street.corners()
    await street.take(*street.shot(PLACE, 0.0, street.devices))
    await street.look()
    await street.take(*street.shot((-40.0, -60.0), 4.0, street.devices))
    await street.look()
    assert len(await street.alerts()) == 2
