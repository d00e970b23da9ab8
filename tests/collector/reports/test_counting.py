"""What a report counts."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.reports.counting import count, percentile, wilson
from collector.reports.records import Attached, CountedAlert, Facts, ListInForce, LookAlike, Scans, Sheet

AT_NS = 1_795_256_000_000_000_000
ALERT = CountedAlert(
    id=1,
    agency="springfield",
    device="lpr-1",
    camera="north",
    list="stolen",
    category="stolen-vehicle",
    rule="exact",
    probability=0.97,
    canary=False,
    covert=False,
    historical=False,
    raised_at_ns=AT_NS,
    acknowledged_at_ns=None,
    unsupported=False,
    recalled=False,
    disposition=None,
    record=None,
    outcome=None,
)
ALERTS = [
    replace(ALERT, disposition="confirmed", acknowledged_at_ns=AT_NS + 10**9, record="active", outcome="arrest"),
    replace(ALERT, id=2, disposition="confirmed", acknowledged_at_ns=AT_NS + 2 * 10**9, outcome="recovered"),
    replace(ALERT, id=3, disposition="misread", rule="likely", probability=0.6, acknowledged_at_ns=AT_NS + 90 * 10**9),
    replace(ALERT, id=4, disposition="stale-entry", camera="south", record="cleared"),
    replace(ALERT, id=5, disposition="no-action", unsupported=True),
    replace(ALERT, id=6, list="amber", historical=True, recalled=True, acknowledged_at_ns=AT_NS + 10**15),
    replace(ALERT, id=7, canary=True, disposition="misread", list="canaries", category="canary"),
    replace(ALERT, id=8, disposition="wrong-state", probability=None),
]
FACTS = Facts(
    scans=[Scans("springfield", "lpr-1", "north", 900), Scans("springfield", "lpr-1", "south", 100)],
    alerts=ALERTS,
    attached={1: Attached(suppressed=3, trail=1), 3: Attached(suppressed=2), 7: Attached(suppressed=9)},
    lists=[ListInForce("stolen", True, 5_000, 4), ListInForce("quiet", False, 10, 0)],
    look_alikes=[LookAlike(1, "stolen", "jane", 3, AT_NS, AT_NS + 10**18, None, 17, 5)],
)


def sheet(name: str, facts: Facts = FACTS) -> Sheet:
    return next(one for one in count(facts, str) if one.name == name)


def rows(name: str, facts: Facts = FACTS) -> list[dict[str, Any]]:
    found = sheet(name, facts)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_totals() -> None:
    totals = dict(sheet("totals").rows)
    assert totals["scans"] == 1_000
    assert totals["alerts"] == 7
    assert totals["hits"] == 13
    assert totals["hits suppressed"] == 5
    assert totals["alerts historical"] == totals["alerts recalled"] == 1
    assert totals["alerts taken back by a later revision"] == 1
    assert totals["alerts of canary entries, left out everywhere else"] == 1
    assert (totals["closed confirmed"], totals["closed misread"], totals["still open"]) == (2, 1, 1)
    assert (totals["acknowledged, live alerts"], totals["not acknowledged, live alerts"]) == (3, 3)
    assert totals["seconds to acknowledge, half within"] == 2.0
    assert totals["seconds to acknowledge, 95 % within"] == 90.0
    assert (totals["record active"], totals["record cleared"], totals["record not-run"]) == (1, 1, 0)
    assert (totals["field arrest"], totals["field recovered"]) == (1, 1)


def test_what_statutes_ask_for() -> None:
    assert rows("statute") == [
        _statute("stolen", 5_000, 4, alerts=6, confirmed=2, non_correlating=3, undecided=1, arrests=1),
        _statute("quiet", 10, 0),
        # A list that is gone by now, of which there were alerts.
        _statute("amber", None, None, alerts=1, undecided=1),
        _statute("all lists", 5_010, None, alerts=7, confirmed=2, non_correlating=3, undecided=2, arrests=1),
    ]


def _statute(name: str, entries: int | None, versions: int | None, **counts: int) -> dict[str, Any]:
    nothing = {"alerts": 0, "confirmed": 0, "non_correlating": 0, "undecided": 0, "arrests": 0}
    return {"list": name, "entries": entries, "versions": versions, "plates_read": 1_000, **nothing, **counts}


def test_precision_is_of_verdicts_of_substance() -> None:
    stolen = next(one for one in rows("lists") if one["list"] == "stolen")
    assert (stolen["confirmed"], stolen["misread"], stolen["no_action"], stolen["open"]) == (2, 1, 1, 0)
    assert stolen["precision"] == 0.4  # 2 of 2 + 1 + 1 + 1
    assert stolen["plate_right"] == 0.6
    assert stolen["precision_low"] < 0.4 < stolen["precision_high"]
    quiet = next(one for one in rows("lists") if one["list"] == "quiet")
    assert (quiet["alerts"], quiet["precision"], quiet["precision_low"]) == (0, None, None)


def test_cameras_that_only_read_are_there_too() -> None:
    north, south = rows("cameras")
    assert (north["scans"], north["alerts"], north["hits"]) == (900, 6, 12)
    assert (south["scans"], south["alerts"], south["alerts_per_1000_scans"]) == (100, 1, 10.0)
    (silent,) = rows("cameras", replace(FACTS, alerts=[], scans=FACTS.scans[:1]))
    assert (silent["alerts"], silent["alerts_per_1000_scans"]) == (0, 0.0)
    (unknown,) = rows("cameras", replace(FACTS, scans=[], alerts=ALERTS[:1]))
    assert unknown["alerts_per_1000_scans"] is None


def test_rules_and_bands_of_probability() -> None:
    assert {one["rule"]: one["alerts"] for one in rows("rules")} == {"exact": 6, "likely": 1, "pattern": 0}
    bands = {(one["from"], one["to"]): one["alerts"] for one in rows("probabilities")}
    assert bands == {(0.5, 0.8): 1, (0.95, 0.99): 5, (None, None): 1}
    certain = replace(FACTS, alerts=[replace(ALERT, probability=1.0)])
    assert rows("probabilities", certain)[0]["from"] == 0.99


def test_misreads_and_look_alikes_are_named_by_number() -> None:
    assert [one["alert"] for one in rows("misreads")] == [3, 8]
    (look_alike,) = rows("look_alikes")
    assert (look_alike["author"], look_alike["passes"], look_alike["demoted"]) == ("jane", 17, 5)


def test_canaries_count_nowhere() -> None:
    without = replace(FACTS, alerts=[one for one in ALERTS if not one.canary])
    for name in ("statute", "cameras", "lists", "categories", "rules", "probabilities", "misreads"):
        assert sheet(name).rows == sheet(name, without).rows


def test_nothing_is_counted_as_nothing() -> None:
    empty = Facts([], [], {}, [], [])
    totals = dict(sheet("totals", empty).rows)
    assert totals["scans"] == totals["alerts"] == 0
    assert totals["seconds to acknowledge, half within"] is None


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilsons_interval_solves_its_equation(successes: int, more: int) -> None:
    of = successes + more
    interval = wilson(successes, of)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= successes / of <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            # The share lies just so many standard deviations of the bound away.
            assert abs(successes / of - bound) == pytest.approx(
                1.959964 * math.sqrt(bound * (1 - bound) / of), rel=1e-4
            )


def test_wilsons_interval_of_a_handful() -> None:
    assert wilson(0, 0) is None
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(one <= found for one in values if found is not None) >= share * len(values) - 1e-9


def test_a_misread_of_a_covert_entry_is_counted_and_not_named() -> None:
    covert = replace(FACTS, alerts=[*ALERTS, replace(ALERT, id=9, disposition="misread", covert=True)])
    assert rows("misreads", covert) == rows("misreads")
    assert {one["what"]: one["count"] for one in rows("totals", covert)}["closed misread"] == 2
