"""Routes: which alerts go to whom."""

from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from collector.alerts.sending.areas import Area
from collector.alerts.sending.hours import Hours, Window
from collector.alerts.sending.records import AlertFacts, Listed, Occasion, Sighting
from collector.alerts.sending.routes import Route, routed

NOW_NS = 1_795_256_000_000_000_000  # 2026-11-21T10:13:20Z
CALLS = frozenset({"raised", "trail", "escalated", "recalled", "unsupported", "closed"})
FIRST = Sighting("springfield", "lpr-1", "north", "main-street", NOW_NS, 39.8, -89.65, "N", "7ABC123", "US-TX")
LISTED = Listed(
    list="stolen",
    criminal_justice=False,
    plate="7ABC123",
    region="US-TX",
    category="stolen-vehicle",
    severity="high",
    reason="stolen 2026-11-01",
    notes="",
    handling="",
    reference="V123",
    case_number="",
    vehicle={"make": "Honda"},
    covert_to=None,
)
HIT = AlertFacts(5, "new", "raised", False, NOW_NS, False, False, None, "exact", 0.98, (), LISTED, FIRST, FIRST)
SHOT = replace(HIT, listed=None, rule=None, first=replace(FIRST, device=None, camera=None, text=None))


def wants(facts: AlertFacts = HIT, action: str = "raised", *, told: bool = False, **conditions: Any) -> bool:
    route = Route("one", CALLS, people=("jane",), **conditions)
    return route.wants(Occasion(1, facts.id, action, NOW_NS), facts, told=told)


def test_a_route_without_conditions_takes_everything() -> None:
    assert wants()
    assert wants(SHOT)


@pytest.mark.parametrize(
    ("condition", "holds", "does_not"),
    [
        ("lists", "stolen", "wanted"),
        ("categories", "stolen-vehicle", "gang"),
        ("severities", "high", "low"),
        ("agencies", "springfield", "shelbyville"),
        ("cameras", "lpr-1/north", "lpr-1/south"),
        ("cameras", "lpr-1", "lpr-2"),
        ("about", "hit", "shot"),
    ],
)
def test_each_condition_holds_by_itself(condition: str, holds: str, does_not: str) -> None:
    assert wants(**{condition: frozenset({holds})})
    assert wants(**{condition: frozenset({holds, does_not})})
    assert not wants(**{condition: frozenset({does_not})})


def test_all_conditions_hold_together() -> None:
    assert wants(lists=frozenset({"stolen"}), severities=frozenset({"high"}))
    assert not wants(lists=frozenset({"stolen"}), severities=frozenset({"low"}))


def test_what_is_asked_of_entries_takes_no_shots() -> None:
    assert not wants(SHOT, lists=frozenset({"stolen"}))
    assert wants(SHOT, agencies=frozenset({"springfield"}))
    assert not wants(SHOT, cameras=frozenset({"lpr-1"}))


def test_an_area_is_where_the_device_stands() -> None:
    area = Area.of([(39, -90), (40, -90), (40, -89), (39, -89)])
    assert wants(area=area)
    assert not wants(replace(HIT, first=replace(FIRST, longitude=-88.0)), area=area)
    assert not wants(replace(HIT, first=replace(FIRST, latitude=None, longitude=None)), area=area)
    # An escalation is for those where the vehicle is by then.
    gone_on = replace(HIT, latest=replace(FIRST, longitude=-88.0))
    assert wants(gone_on, area=area)
    assert not wants(gone_on, "escalated", area=area)


def test_a_further_site_is_judged_by_the_read_that_saw_it_there() -> None:
    there = replace(FIRST, agency="shelbyville", device="lpr-3", camera="south", longitude=-88.0)
    gone_on = replace(HIT, latest=replace(FIRST, device="lpr-4", longitude=-87.0))
    step = Occasion(7, HIT.id, "trail", NOW_NS, there)
    for condition in (
        {"area": Area.of([(39, -88.5), (40, -88.5), (40, -87.5), (39, -87.5)])},
        {"agencies": frozenset({"shelbyville"})},
        {"cameras": frozenset({"lpr-3/south"})},
    ):
        route = Route("one", CALLS, people=("jane",), **condition)
        assert route.wants(step, gone_on, told=False)
        assert not route.wants(replace(step, seen=gone_on.latest), gone_on, told=False)


def test_hours_are_those_of_the_change() -> None:
    assert wants(hours=Hours(UTC, (Window.parse("10:00-11:00"),)))
    assert not wants(hours=Hours(UTC, (Window.parse("11:00-10:00"),)))


def test_what_is_too_old_is_asked_for() -> None:
    assert not wants(replace(HIT, historical=True))
    assert wants(replace(HIT, historical=True), historical=True)


def test_what_became_of_it_is_for_those_who_were_told() -> None:
    never = Hours(UTC, (Window.parse("11:00-11:01"),))
    for action in ("recalled", "unsupported", "closed", "trail", "escalated"):
        assert wants(action=action, told=True, hours=never)
        assert not wants(action=action, hours=never)
    assert not wants(action="recalled")
    assert wants(action="escalated")
    assert not wants(action="image-check", told=True)


def test_a_covert_entry_goes_to_those_whom_it_names_and_a_route_does() -> None:
    covert = replace(HIT, listed=replace(LISTED, covert_to=("jane", "joe")))
    route = Route("one", CALLS, people=("jane", "ann"), targets=("webhook:cad", "email:a@pd.example"))
    occasion = Occasion(1, 5, "raised", NOW_NS)
    assert routed([route], occasion, covert, ()) == [("one", "person:jane")]
    assert routed([replace(route, people=())], occasion, covert, ()) == []
    nobody = replace(HIT, listed=replace(LISTED, covert_to=()))
    assert routed([route], occasion, nobody, ()) == []


def test_each_target_of_a_route_is_told_once() -> None:
    route = Route("one", CALLS, people=("jane", "jane"), targets=("webhook:cad", "webhook:cad"))
    two = replace(route, name="two", people=())
    found = routed([route, two], Occasion(1, 5, "raised", NOW_NS), HIT, ())
    assert found == [("one", "person:jane"), ("one", "webhook:cad"), ("two", "webhook:cad")]


def test_an_occasion_is_told_from_every_other() -> None:
    keys = [Occasion(one, 5, "trail", NOW_NS).key for one in (3, 4)]
    assert keys == ["trail 3", "trail 4"]
    assert Occasion(3, 5, "raised", NOW_NS).key == "raised"
    assert len(Occasion(10**12, 5, "confirmation-due", NOW_NS).key) <= 32
