"""Shot incidents as the API has them, their sound, and what people may do with them."""

import json
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from collector.alerts.rules import Rules
from collector.api.composing import compose
from collector.api.times import rfc3339
from collector.store import feed, tables
from collector.store.feed import FeedKind
from collector.store.users import Role

S_NS = 1_000_000_000
CLIP = b"OggS clip"
RECORDING = b"fLaC recording"
CLIP_SHA, RECORDING_SHA = sha256(CLIP).hexdigest(), sha256(RECORDING).hexdigest()
OUTLINE = [[40.70018, -74.0002], [40.7001, -74.0001], [40.70002, -74.0002]]
KNOWN: dict[str, Any] = {
    "at_ns": 0,
    "rounds": 2,
    "fire": "burst",
    "probability": 0.97,
    "probability_why": ["Heard as a gunshot by lpr-1/mast 0.97."],
    "confidence": "low",
    "latitude": 40.7001,
    "longitude": -74.0002,
    "ellipses": [[4.4, 2.0, 31.0], [9.1, 4.2, 31.0]],
    "twin": [40.7002, -74.0001],
    "region": {"kind": "ellipse", "outline": OUTLINE},
    "sensors": [
        {
            "device": "lpr-1",
            "microphone": "mast",
            "latitude": 40.7005,
            "longitude": -74.0,
            "used": True,
            "why": None,
            "residual_ms": 1.2,
            "arrivals": [1],
            "distance_m": 48.3,
        }
    ],
    "silent": [{"device": "ear-5", "latitude": 40.703, "longitude": -74.002, "expected": 0.8}],
    "historical": False,
}
LOCATION = {
    "latitude": 40.7001,
    "longitude": -74.0002,
    "error_m": 9.1,
    "ellipse50": {"semi_major_m": 4.4, "semi_minor_m": 2.0, "azimuth_deg": 31.0},
    "ellipse95": {"semi_major_m": 9.1, "semi_minor_m": 4.2, "azimuth_deg": 31.0},
}


@pytest.fixture
async def shot(desk: Any, clock: Any) -> Any:
    """The desk with an incident of its shot: alerted, with a read nearby, its clip not yet here."""
    now_ns = clock.utc_ns()
    known = KNOWN | {"at_ns": now_ns - S_NS}
    async with desk.store.write() as tx:
        made = {"id": 7, "agency": "pd", "stage": "located", "revision": 1, "made_at_ns": now_ns, "listening": []}
        await tx.execute(insert(tables.incident).values(**made, **known, alert_from=0.6))
        await tx.execute(
            insert(tables.incident_revision).values(
                incident_id=7, revision=1, stage="located", at_ns=now_ns, known=known
            )
        )
        clip = {"clip_sha256": bytes.fromhex(CLIP_SHA), "recording_sha256": bytes.fromhex(RECORDING_SHA)}
        await tx.execute(update(tables.shot).values(incident_id=7, **clip, clip_ms=4_000))
        await tx.execute(
            insert(tables.alert).values(
                id=2,
                incident_id=7,
                why=["1 device heard 2 rounds, burst fire."],
                support="raised",
                state="new",
                historical=False,
                raised_at_ns=now_ns + S_NS,
            )
        )
        held = {"until_ns": now_ns + 86_400 * S_NS, "provisional": True, "distance_m": 120.4, "offset_ns": 14 * S_NS}
        await tx.execute(insert(tables.hold).values(read_id=1, incident_id=7, **held))
        await feed.append_all(tx, [(FeedKind.INCIDENT, 7), (FeedKind.ALERT, 2)])
    return desk


async def test_an_incident_is_told_as_the_contract_says(shot: Any, clock: Any) -> None:
    now_ns = clock.utc_ns()
    async with shot.client(Role.OPERATOR) as client:
        told = (await client.get("/api/incidents/7")).json()
        listed = (await client.get("/api/incidents")).json()
        read = (await client.get("/api/reads")).json()["reads"][0]
    assert told == {
        "id": 7,
        "stage": "located",
        "revision": 1,
        "agency": "pd",
        "at": rfc3339(now_ns - S_NS),
        "rounds": 2,
        "fire": "burst",
        "probability": 0.97,
        "probability_why": ["Heard as a gunshot by lpr-1/mast 0.97."],
        "confidence": "low",
        "location": LOCATION,
        "twin": {"latitude": 40.7002, "longitude": -74.0001},
        "region": {"kind": "ellipse", "outline": OUTLINE},
        "sensors": [
            {
                **KNOWN["sensors"][0],
                "clip": CLIP_SHA,
                "clip_here": False,
                "recording": RECORDING_SHA,
                "recording_here": False,
            }
        ],
        "silent": KNOWN["silent"],
        "verdict": None,
        "verdict_due_at": rfc3339(now_ns + 61 * S_NS),
        "reads": [
            {
                "read": read,
                "distance_m": 120.4,
                "offset_s": 14.0,
                "held_until": rfc3339(now_ns + 86_400 * S_NS),
                "hold": "provisional",
            }
        ],
        "alert": 2,
        "alert_from": 0.6,
        "historical": False,
        "merged_into": None,
    }
    assert listed == {"incidents": [told]}


async def test_its_alert_stands_in_the_same_queue_and_is_acknowledged_the_same_way(shot: Any, clock: Any) -> None:
    now_ns = clock.utc_ns()
    async with shot.client(Role.OPERATOR) as client:
        incident = (await client.get("/api/incidents/7")).json()
        newest, hit = (await client.get("/api/alerts")).json()["alerts"]
        acknowledged = (await client.post("/api/alerts/2/acknowledge")).json()
        left = (await client.get("/api/alerts", params={"state": "new"})).json()["alerts"]
    assert newest == {
        "id": 2,
        "kind": "shot",
        "state": "new",
        "support": "raised",
        "raised_at": rfc3339(now_ns + S_NS),
        "latency_ms": 2_000.0,
        "rule": None,
        "why": ["1 device heard 2 rounds, burst fire."],
        "entry": None,
        "historical": False,
        "acknowledged_by": None,
        "acknowledged_at": None,
        **dict.fromkeys(("probability", "match", "escalate_at", "escalated_at", "recalled_at", "recalled_why")),
        **dict.fromkeys(("disposition", "closed_by", "closed_at", "image_check", "record_check", "field_outcome")),
        **dict.fromkeys(("confirm_by", "ask", "site")),
        "soundings": 1,
        "muted": False,
        "notified": [],
        "trail": [],
        "suppressed": 0,
        "confirmed": False,
        "hand_off": newest["hand_off"],
        "read": None,
        "incident": incident,
    }
    assert newest["hand_off"].startswith("NOT CONFIRMED: heard by sensors only.\nAlert 2: 2 rounds at ")
    assert (hit["kind"], hit["incident"]) == ("hit", None)
    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "operator")
    assert [alert["id"] for alert in left] == [1]


async def test_what_is_not_known_is_null(shot: Any) -> None:
    async with shot.store.write() as tx:
        unknown = ("probability", "confidence", "latitude", "longitude", "ellipses", "twin", "region")
        await tx.execute(update(tables.incident).values(dict.fromkeys(unknown)))
        await tx.execute(update(tables.shot).values(clip_sha256=None, recording_sha256=None))
    async with shot.client(Role.AUDITOR) as client:
        told = (await client.get("/api/incidents/7")).json()
    fields = ("probability", "confidence", "location", "twin", "region")
    assert [told[name] for name in fields] == [None] * 5
    assert [told["sensors"][0][name] for name in ("clip", "recording")] == [None] * 2


async def test_a_verdict_takes_the_place_of_the_one_before_and_says_how_long_it_took(shot: Any, clock: Any) -> None:
    clock.advance(31 * S_NS)
    async with shot.client(Role.OPERATOR) as client:
        first = await client.post("/api/incidents/7/verdict", json={"verdict": "other", "what": "nail gun"})
        clock.advance(10 * S_NS)
        second = await client.post("/api/incidents/7/verdict", json={"verdict": "gunshot"})
        revisions = (await client.get("/api/incidents/7/revisions")).json()["revisions"]
    assert first.status_code == 200
    assert first.json()["verdict"] == {
        "verdict": "other",
        "what": "nail gun",
        "by": "operator",
        "at": rfc3339(clock.utc_ns() - 10 * S_NS),
        "after_s": 30.0,
    }
    told = second.json()
    assert (told["stage"], told["revision"], told["verdict"]["verdict"]) == ("reviewed", 3, "gunshot")
    assert (told["reads"][0]["hold"], told["reads"][0]["held_until"]) == (
        "confirmed",
        rfc3339(clock.utc_ns() + 30 * 86_400 * S_NS),
    )
    assert [(one["revision"], one["stage"]) for one in revisions] == [(1, "located"), (2, "reviewed"), (3, "reviewed")]
    assert revisions[1]["known"] == {"verdict": "other", "what": "nail gun", "by": "operator"}
    assert (revisions[0]["known"]["location"], revisions[0]["known"]["rounds"]) == (LOCATION, 2)
    assert "latitude" not in revisions[0]["known"]
    async with shot.store.read() as tx:
        rows = await tx.execute(select(tables.audit).where(tables.audit.c.subject == "7"))
        assert [(row.who, row.action, row.detail) for row in rows] == [
            ("operator", "incident.verdict", {"verdict": "other", "what": "nail gun"}),
            ("operator", "incident.verdict", {"verdict": "gunshot", "what": None}),
        ]
        told_of = [(row.kind, row.ref) for row in await feed.after(tx, 7)]
    assert told_of == [(FeedKind.INCIDENT, "7"), (FeedKind.ALERT, "2")] * 2


@pytest.mark.parametrize(
    "said",
    [
        {"verdict": "other"},
        {"verdict": "other", "what": " "},
        {"verdict": "other", "what": "x" * 201},
        {"verdict": "thunder"},
        {"verdict": "gunshot", "sure": True},
        {},
    ],
)
async def test_what_is_no_verdict_is_refused(shot: Any, said: dict[str, Any]) -> None:
    async with shot.client(Role.OPERATOR) as client:
        answer = await client.post("/api/incidents/7/verdict", json=said)
        assert answer.status_code == 422
        assert isinstance(answer.json()["detail"], str)
        assert (await client.get("/api/incidents/7")).json()["verdict"] is None


async def test_who_looks_may_not_judge_and_only_supervisors_ask_for_recordings(shot: Any) -> None:
    async with shot.client(Role.AUDITOR) as auditor, shot.client(Role.OPERATOR) as operator:
        assert (await auditor.post("/api/incidents/7/verdict", json={"verdict": "unsure"})).status_code == 403
        assert (await operator.post("/api/incidents/7/recordings")).status_code == 403
    assert shot.asked == []
    async with shot.client(Role.SUPERVISOR) as supervisor:
        answer = await supervisor.post("/api/incidents/7/recordings")
    assert (answer.status_code, answer.json()["id"]) == (202, 7)
    assert shot.asked == [7]
    assert (await shot.audited())[-1] == ("supervisor", "incident.recordings", "7")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/incidents/9"),
        ("GET", "/api/incidents/9/revisions"),
        ("POST", "/api/incidents/9/recordings"),
        ("POST", "/api/incidents/9/verdict"),
        ("GET", "/api/clips/" + "0" * 64),
    ],
)
async def test_what_is_not_there_is_not_found(shot: Any, method: str, path: str) -> None:
    async with shot.client(Role.ADMINISTRATOR) as client:
        answer = await client.request(method, path, json={"verdict": "unsure"} if path.endswith("verdict") else None)
    assert answer.status_code == 404


async def test_pages_go_by_id_and_pass_over_what_went_into_another(shot: Any) -> None:
    async with shot.store.write() as tx:
        seven = (await tx.execute(select(tables.incident))).one()._mapping
        await tx.execute(insert(tables.incident).values({**seven, "id": 8}))
        await tx.execute(insert(tables.incident).values({**seven, "id": 9, "merged_into": 8}))
    async with shot.client(Role.OPERATOR) as client:
        listed = (await client.get("/api/incidents")).json()["incidents"]
        older = (await client.get("/api/incidents", params={"before": 8, "limit": 1})).json()["incidents"]
        gone = (await client.get("/api/incidents/9")).json()
    assert [one["id"] for one in listed] == [8, 7]
    assert [one["id"] for one in older] == [7]
    assert gone["merged_into"] == 8


async def test_the_stream_tells_of_incidents(shot: Any) -> None:
    async with shot.store.read() as tx:
        rows = {row.kind: row for row in await feed.after(tx, 5)}
    messages = await compose(shot.store, list(rows.values()), Rules())
    incident = messages[rows[FeedKind.INCIDENT].number].text
    assert incident.startswith("id: 6\nevent: incident\ndata: ")
    alert = json.loads(messages[rows[FeedKind.ALERT].number].text.split("data: ")[1])
    assert alert["incident"] == json.loads(incident.split("data: ")[1])


async def test_a_page_of_ours_may_play_clips(shot: Any) -> None:
    async with shot.client(Role.OPERATOR) as client:
        answer = await client.get("/api/incidents")
    assert "media-src 'self';" in answer.headers["content-security-policy"]


async def test_only_sound_is_a_clip_and_sound_is_no_picture(shot: Any) -> None:
    shot.pictures.path(b"\0" * 32).write_bytes(b"\xff\xd8\xff picture")
    shot.pictures.path(bytes.fromhex(CLIP_SHA)).write_bytes(CLIP)
    async with shot.client(Role.OPERATOR) as client:
        assert (await client.get("/api/clips/" + "00" * 32)).status_code == 404
        assert (await client.get(f"/api/pictures/{CLIP_SHA}")).status_code == 404


async def test_pains_23_from_the_incident_to_the_shot_to_exactly_its_sound(shot: Any) -> None:
    """No id links a detection to its audio elsewhere; here a detection names the hash of the sound that it came of."""
    shot.pictures.path(bytes.fromhex(CLIP_SHA)).write_bytes(CLIP)
    shot.pictures.path(bytes.fromhex(RECORDING_SHA)).write_bytes(RECORDING)
    async with shot.store.write() as tx:
        for part, content in ((3, CLIP), (5, RECORDING)):
            file = {"sha256": sha256(content).digest(), "device": "lpr-1", "part": part, "epoch": 1, "sequence": 2}
            await tx.execute(insert(tables.media_file).values(**file, total_bytes=len(content), complete=True))
    async with shot.client(Role.OPERATOR) as client:
        (sensor,) = (await client.get("/api/incidents/7")).json()["sensors"]
        heard = {one["id"]: one for one in (await client.get("/api/shots")).json()["shots"]}[sensor["arrivals"][0]]
        clip = await client.get(f"/api/clips/{heard['clip']}")
        recording = await client.get(f"/api/clips/{heard['recording']}")
    assert (heard["incident"], heard["device"], heard["microphone"]) == (7, sensor["device"], sensor["microphone"])
    assert (sensor["clip"], sensor["recording"]) == (heard["clip"], heard["recording"])
    assert all(one[name] for one in (sensor, heard) for name in ("clip_here", "recording_here"))
    assert (sha256(clip.content).hexdigest(), clip.headers["content-type"]) == (heard["clip"], "audio/ogg")
    assert (sha256(recording.content).hexdigest(), recording.headers["content-type"]) == (
        heard["recording"],
        "audio/flac",
    )
    assert clip.headers["cache-control"] == "private, max-age=31536000, immutable"
