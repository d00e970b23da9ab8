import asyncio
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

MS_NS = 1_000_000
CROP = b"\xff\xd8\xff crop"
CROP_SHA = sha256(CROP).hexdigest()


async def test_an_alert_is_told_as_the_contract_says(desk: Any, clock: Any) -> None:
    now_ns = clock.utc_ns()
    async with desk.client(Role.OPERATOR) as client:
        answer = await client.get("/api/alerts/1")
        listed = await client.get("/api/alerts", params={"state": "new"})
    read = {
        "id": 1,
        "device": "lpr-1",
        "agency": "pd",
        "camera": "north",
        "role": "lpr",
        "pair": None,
        "lane": 2,
        "direction": "N",
        "face": "rear",
        "deployment": "d1",
        "track": 9,
        "revision": 0,
        "final": False,
        "text": "7ABC123",
        "slots": [[["7", 0.9], ["1", 0.05]], [["A", 0.5]]],
        "confidence": 0.45,
        "region": "US-TX",
        "regions": [["US-TX", 0.9]],
        "captured_at": rfc3339(now_ns - 400 * MS_NS),
        "clock_error_ms": 1.5,
        "received_at": rfc3339(now_ns),
        "latency_ms": 500.0,
        "frames": 5,
        "crop": CROP_SHA,
        "crop_here": True,
        "frame": "11" * 32,
        "frame_here": False,
        "overview": {"camera": "north-colour", "sha256": "22" * 32, "offset_ms": -40.0, "here": False},
        "travel": "receding",
        "marks": ["infrared", "two-line"],
        "vehicle": {"body": "pickup", "colour": None, "make": None},
        "site": "5th-and-main",
        "passage": None,
    }
    alert = {
        "id": 1,
        "kind": "hit",
        "state": "new",
        "support": "raised",
        "raised_at": rfc3339(now_ns + 12_345_678),
        "latency_ms": 512.346,
        "rule": "exact",
        "why": ["every character is the same"],
        "entry": {
            "plate": "7ABC123",
            "region": "US-TX",
            "list": "stolen",
            "version": 1,
            "reason": "stolen vehicle",
            "severity": "high",
            "notes": "",
            "is_pattern": False,
            "category": "other",
            "case_number": "",
            "reference": "",
            "owner": "",
            "vehicle": {"make": "", "model": "", "colour": "", "year": None},
            "handling": "",
            "expires_at": None,
            "covert": False,
        },
        "historical": False,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "probability": 0.97,
        "match": {
            "calibrated": True,
            "threshold": 0.3,
            "alignment": [{"read": "7", "read_p": 0.9, "entry": "7", "entry_p": 0.9, "step": "same"}],
            "otherwise": [["1ABC123", 0.05]],
            "revision": 0,
            "list_version": 1,
            "list_age_s": 3_600.0,
            "matcher": "m2",
        },
        "soundings": 1,
        "escalate_at": rfc3339(now_ns + 132_345_678_000),
        **dict.fromkeys(("escalated_at", "recalled_at", "recalled_why", "disposition", "closed_by", "closed_at")),
        **dict.fromkeys(("image_check", "record_check", "field_outcome", "confirm_by", "ask")),
        "muted": False,
        "notified": [],
        "site": "5th-and-main",
        "trail": [
            {
                "read": 1,
                "part": "raised",
                "device": "lpr-1",
                "camera": "north",
                "site": "5th-and-main",
                "at": rfc3339(now_ns - 500 * MS_NS),
                "probability": 0.97,
                "supports": True,
                "latitude": 40.7,
                "longitude": -74.0,
                "direction": "N",
                "distance_m": None,
            }
        ],
        "suppressed": 0,
        "confirmed": False,
        "read": read,
        "incident": None,
    }
    told = answer.json()
    assert told.pop("hand_off").startswith("NOT CONFIRMED: nobody has asked its source.")
    attached_at = rfc3339(now_ns + 12_345_678)
    assert told.pop("reads") == [
        {"part": "raised", "attached_at": attached_at, "probability": 0.97, "supports": True, "read": read}
    ]
    assert told.pop("changes") == [{"id": 1, "at": attached_at, "who": None, "action": "raised", "detail": {"read": 1}}]
    assert told == alert
    (one,) = listed.json()["alerts"]
    assert {name: value for name, value in one.items() if name != "hand_off"} == alert


async def test_shots_and_devices_are_told_as_the_contract_says(desk: Any, clock: Any) -> None:
    now_ns = clock.utc_ns()
    async with desk.client(Role.OPERATOR) as client:
        shots = (await client.get("/api/shots")).json()
        devices = (await client.get("/api/devices")).json()
    assert shots == {
        "shots": [
            {
                "id": 1,
                "device": "lpr-1",
                "agency": "pd",
                "microphone": "mast",
                "captured_at": rfc3339(now_ns - 400 * MS_NS),
                "error_ms": 5.0,
                "timing": "classification only",
                "probability": 0.97,
                "classes": [["gunshot", 0.97], ["firework", 0.02]],
                "peak_dbfs": -1.23,
                "rms_dbfs": -20.0,
                "snr_db": None,
                "wave": "unknown",
                "burst": None,
                "round": None,
                "rounds": None,
                "fire": None,
                "marks": [],
                "incident": None,
                "clip": None,
                "clip_here": False,
                "recording": None,
                "recording_here": False,
                "received_at": rfc3339(now_ns),
                "latency_ms": 400.0,
            }
        ]
    }
    assert [device["id"] for device in devices["devices"]] == ["lpr-1"]


async def test_pages_and_filters(desk: Any) -> None:
    async with desk.client(Role.AUDITOR) as client:
        assert (await client.get("/api/alerts", params={"before": 1})).json() == {"alerts": []}
        assert (await client.get("/api/alerts", params={"state": "acknowledged"})).json() == {"alerts": []}
        assert len((await client.get("/api/reads", params={"plate": "7abc-123"})).json()["reads"]) == 1
        assert (await client.get("/api/reads", params={"plate": "8ABC123"})).json() == {"reads": []}


@pytest.mark.parametrize(
    "path",
    [
        "/api/alerts?limit=0",
        "/api/alerts?limit=501",
        "/api/alerts?state=gone",
        "/api/alerts?before=99999999999999999999",
        "/api/alerts/99999999999999999999",
        "/api/alerts/x",
        "/api/pictures/..%2f..%2fetc%2fpasswd",
        "/api/pictures/" + "A" * 64,
        "/api/stream?after=-1",
        "/api/stream?after=99999999999999999999",
    ],
)
async def test_what_is_no_parameter_is_refused_in_one_sentence(desk: Any, path: str) -> None:
    async with desk.client(Role.OPERATOR) as client:
        answer = await client.get(path)
    assert answer.status_code in (404, 422)
    assert isinstance(answer.json()["detail"], str)


async def test_the_first_who_acknowledges_stays_and_only_that_is_a_change(desk: Any, clock: Any) -> None:
    async with desk.client(Role.OPERATOR) as operator, desk.client(Role.SUPERVISOR) as supervisor:
        before = len(await desk.audited())
        first = await operator.post("/api/alerts/1/acknowledge")
        clock.advance(5_000 * MS_NS)
        second = await supervisor.post("/api/alerts/1/acknowledge")
        missing = await operator.post("/api/alerts/2/acknowledge")
    assert first.json()["state"] == "acknowledged"
    assert first.json()["acknowledged_by"] == "operator"
    assert second.json() == first.json()
    assert missing.status_code == 404
    assert (await desk.audited())[before:] == [("operator", "alert.acknowledge", "1")]
    async with desk.store.read() as tx:
        rows = (await tx.execute(select(tables.feed).order_by(tables.feed.c.number))).all()
    assert [(row.kind, row.ref) for row in rows[5:]] == [("alert", "1")]


async def test_acknowledging_at_the_same_moment_writes_one_audit_row(desk: Any) -> None:
    before = len(await desk.audited())
    async with desk.client(Role.OPERATOR) as client:
        answers = await asyncio.gather(*(client.post("/api/alerts/1/acknowledge") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await desk.audited()) == before + 1


async def test_a_picture_comes_once_it_is_here_and_may_be_kept_by_the_browser(desk: Any) -> None:
    async with desk.client(Role.OPERATOR) as client:
        assert (await client.get(f"/api/pictures/{CROP_SHA}")).status_code == 404
        desk.pictures.path(bytes.fromhex(CROP_SHA)).write_bytes(CROP)
        answer = await client.get(f"/api/pictures/{CROP_SHA}")
    assert answer.content == CROP
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_only_jpegs_are_pictures(desk: Any) -> None:
    desk.pictures.path(b"\0" * 32).write_bytes(b"<script>alert(1)</script>")
    async with desk.client(Role.OPERATOR) as client:
        assert (await client.get("/api/pictures/" + "00" * 32)).status_code == 404


async def test_a_picture_that_cannot_be_read_is_no_missing_one(desk: Any) -> None:
    desk.pictures.path(b"\0" * 32).mkdir()
    async with desk.client(Role.OPERATOR) as client:
        assert (await client.get("/api/pictures/" + "00" * 32)).status_code == 503


async def _join(desk: Any) -> None:
    """A second camera's read of the same vehicle, and the passage of both."""
    async with desk.store.write() as tx:
        seed = (await tx.execute(select(tables.read))).one()._mapping
        other = {**seed, "id": 2, "track": 10, "camera": "south", "text": "7ABC128", "overview_sha256": None}
        await tx.execute(insert(tables.read).values(other))
        await tx.execute(update(tables.read).values(passage_id=4))
        at_ns = seed["passed_at_ns"]
        shown = {"first_at_ns": at_ns, "last_at_ns": at_ns + MS_NS, "text": "7ABC123", "confidence": 0.45, "reads": 2}
        await tx.execute(insert(tables.passage).values(id=4, site="5th-and-main", agency="pd", **shown))
        left = shown | {"reads": 0}
        await tx.execute(insert(tables.passage).values(id=5, site="5th-and-main", agency="pd", **left))
        await feed.append(tx, FeedKind.PASSAGE, 4)


async def test_a_passage_is_told_with_its_reads(desk: Any, clock: Any) -> None:
    await _join(desk)
    at_ns = clock.utc_ns() - 500 * MS_NS
    async with desk.client(Role.OPERATOR) as client:
        listed = (await client.get("/api/passages")).json()["passages"]
        shown = (await client.get("/api/passages/4")).json()
        assert (await client.get("/api/passages", params={"plate": "7abc-128"})).json()["passages"] == [shown]
        assert (await client.get("/api/passages", params={"plate": "KGV5501"})).json() == {"passages": []}
        assert (await client.get("/api/passages", params={"before": 4})).json() == {"passages": []}
        assert (await client.get("/api/passages/5")).json()["reads"] == []
        assert (await client.get("/api/passages/6")).status_code == 404
        alert = (await client.get("/api/alerts/1")).json()
    assert listed == [shown]
    reads = shown.pop("reads")
    assert [(read["id"], read["camera"], read["passage"]) for read in reads] == [(1, "north", 4), (2, "south", 4)]
    assert (reads[1]["overview"], alert["read"]["passage"]) == (None, 4)
    assert shown == {
        "id": 4,
        "site": "5th-and-main",
        "agency": "pd",
        "text": "7ABC123",
        "confidence": 0.45,
        "first_at": rfc3339(at_ns),
        "last_at": rfc3339(at_ns + MS_NS),
        "cameras": 2,
    }


async def test_the_stream_tells_of_passages(desk: Any) -> None:
    await _join(desk)
    async with desk.store.read() as tx:
        (row,) = [row for row in await feed.after(tx, 0) if row.kind is FeedKind.PASSAGE]
    message = (await compose(desk.store, [row], Rules()))[row.number].text
    assert message.startswith(f"id: {row.number}\nevent: passage\ndata: ")
    assert [read["id"] for read in json.loads(message.split("data: ")[1])["reads"]] == [1, 2]
