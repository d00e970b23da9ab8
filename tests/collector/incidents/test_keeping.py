"""When an incident alerts, and what later revisions make of its alert."""

from dataclasses import replace
from typing import Any

import pytest

from collector.domain import Support
from collector.incidents.judging import Judged
from collector.incidents.keeping import _stand, alike, why
from collector.incidents.records import Known, Standing

SENSOR: dict[str, Any] = {"device": "ear-1", "microphone": "mast", "distance_m": 48.3, "arrivals": [1]}
KNOWN = Known(
    at_ns=1_795_256_000_000_000_000,
    rounds=2,
    fire="burst",
    probability=0.8,
    probability_why=["Heard as a gunshot by ear-1/mast 0.80."],
    confidence="medium",
    latitude=40.7001,
    longitude=-74.0002,
    ellipses=[[4.4, 2.0, 31.0], [9.1, 4.2, 31.0]],
    twin=None,
    region={"kind": "ellipse", "outline": [[40.70018, -74.0002], [40.7001, -74.0001]]},
    sensors=[SENSOR],
    silent=[],
    historical=False,
)
SETTLED = Judged(KNOWN, at_worst=0.8, devices=3, settles_at_ns=None)
RAISED = Standing(Support.RAISED, ("because",), 4)


@pytest.mark.parametrize(
    ("judged", "alerts"),
    [
        (SETTLED, True),
        (replace(SETTLED, settles_at_ns=1), True),
        (replace(SETTLED, settles_at_ns=1, at_worst=0.4), False),
        (replace(SETTLED, settles_at_ns=1, devices=1), False),
        (replace(SETTLED, devices=1), True),
        (replace(SETTLED, known=replace(KNOWN, probability=0.49), at_worst=0.49), False),
        (replace(SETTLED, known=replace(KNOWN, probability=None), at_worst=None), False),
    ],
)
def test_a_sure_one_alerts_at_once_and_a_doubtful_one_when_nobody_can_tell_any_more(
    judged: Judged, alerts: bool
) -> None:
    assert (_stand(None, None, judged, 0.5) is not None) is alerts


@pytest.mark.parametrize(
    ("before", "now", "support"),
    [
        ({"probability": 0.7}, {}, Support.STRENGTHENED),
        ({"sensors": []}, {}, Support.STRENGTHENED),
        ({"latitude": None}, {"probability": 0.7}, Support.STRENGTHENED),
        ({"probability": 0.9}, {}, Support.RAISED),
        ({}, {"latitude": None, "probability": 0.9}, Support.RAISED),
        ({}, {"probability": 0.3}, Support.UNSUPPORTED),
        ({}, {"probability": None}, Support.UNSUPPORTED),
    ],
)
def test_what_comes_later_strengthens_an_alert_or_leaves_it_unsupported(
    before: dict[str, Any], now: dict[str, Any], support: Support
) -> None:
    judged = replace(SETTLED, known=replace(KNOWN, **now))
    standing = _stand(RAISED, replace(KNOWN, **before), judged, 0.5)
    assert standing is not None
    assert (standing.support, standing.alert_id) == (support, 4)


def test_no_longer_supported_is_said_once_and_may_be_taken_back() -> None:
    down = replace(SETTLED, known=replace(KNOWN, probability=0.2))
    unsupported = _stand(RAISED, KNOWN, down, 0.5)
    assert unsupported is not None
    assert unsupported.why == ("because", "No longer supported: gunfire with 0.20 now; alerts from 0.50.")
    assert _stand(unsupported, down.known, down, 0.5) is unsupported
    again = _stand(unsupported, replace(KNOWN, probability=0.9), SETTLED, 0.5)
    assert again is not None
    assert again.support is Support.RAISED


def test_an_alert_says_how_many_heard_what_how_sure_and_where() -> None:
    assert why(KNOWN, 0.5) == (
        "1 device heard 2 rounds, burst fire.",
        "Gunfire with 0.80 from all sensors together; alerts from 0.50.",
        "Located to 9 m (95 %), confidence medium.",
    )
    nowhere = replace(KNOWN, latitude=None, ellipses=None, rounds=1, fire="single")
    for region, said in (
        ({"kind": "band"}, "along a band"),
        ({"kind": "zone"}, "anywhere within earshot"),
        (None, "Nobody knows where"),
    ):
        sentences = why(replace(nowhere, region=region), 0.5)
        assert sentences[0] == "1 device heard 1 round."
        assert said in sentences[2]
    doubtful = replace(KNOWN, twin=[40.0, -74.0], silent=[{"device": "ear-5"}, {"device": "ear-6"}])
    assert "a second place" in why(doubtful, 0.5)[3]
    assert why(doubtful, 0.5)[4] == "Within earshot, and heard nothing: ear-5, ear-6."


def test_what_differs_in_the_last_digits_is_the_same() -> None:
    assert alike(
        KNOWN,
        replace(
            KNOWN, latitude=40.7001000009, at_ns=KNOWN.at_ns + 1_000, ellipses=[[4.41, 2.0, 31.0], [9.1, 4.2, 31.0]]
        ),
    )
    assert alike(KNOWN, replace(KNOWN, sensors=[SENSOR | {"distance_m": 48.31}]))
    for changed in (
        {"latitude": 40.70011},
        {"latitude": None},
        {"probability": 0.81},
        {"rounds": 3},
        {"confidence": "high"},
        {"historical": True},
        {"sensors": [SENSOR | {"arrivals": [1, 2]}]},
        {"sensors": []},
        {"region": None},
        {"at_ns": KNOWN.at_ns + 1_000_000},
    ):
        assert not alike(KNOWN, replace(KNOWN, **changed)), changed
