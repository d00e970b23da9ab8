"""Alerts as rows, without reads that devices sent or a matcher that found them, for tests of what comes afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store import feed, tables
from collector.store.feed import FeedKind

NOW_NS = 1_795_256_000_000_000_000
_SECOND_NS = 1_000_000_000


async def hotlist(tx: AsyncConnection, name: str = "stolen", **columns: Any) -> None:
    """A list with one version."""
    values = {
        "name": name,
        "version": 1,
        "imported_at_ns": NOW_NS,
        "imported_by": "cli:test",
        "source": "stolen.csv",
        "source_sha256": bytes(32),
        "criminal_justice": False,
    }
    await tx.execute(insert(tables.hotlist).values(values | columns))


async def entry(tx: AsyncConnection, list_: str = "stolen", **columns: Any) -> int:
    """An entry of a list that is there; its number."""
    values = {
        "list": list_,
        "plate": "7ABC123",
        "region": "US-TX",
        "reason": "stolen 2026-11-01",
        "severity": "high",
        "notes": "",
        "first_version": 1,
        "category": "stolen-vehicle",
        "vehicle": {"make": "Honda"},
    }
    made = await tx.execute(insert(tables.hotlist_entry).values(values | columns).returning(tables.hotlist_entry.c.id))
    return int(made.scalar_one())


async def read(tx: AsyncConnection, track: int, **columns: Any) -> int:
    """A read of a track; its number."""
    device = str(columns.get("device", "lpr-1"))
    message = {
        "device": device,
        "epoch": 7,
        "stream": 1,
        "sequence": track,
        "kind": 1,
        "envelope": b"",
        "received_at_ns": NOW_NS,
    }
    made = await tx.execute(insert(tables.message).values(message).returning(tables.message.c.id))
    values = {
        "device": device,
        "epoch": 7,
        "track": track,
        "agency": "springfield",
        "message_id": made.scalar_one(),
        "revision": 0,
        "final": True,
        "text": "7ABC123",
        "slots": [],
        "regions": [["US-TX", 0.9]],
        "calibration": "none",
        "camera": "north",
        "role": "lpr",
        "deployment": "d1",
        "box": [1, 2, 3, 4],
        "detection_score": 0.9,
        "frames": 3,
        "crop_sha256": bytes(32),
        "frame_sha256": bytes(32),
        "captured_at_ns": NOW_NS,
        "captured_boot_ns": 0,
        "clock_error_ns": 0,
        "first_readable_ns": 0,
        "received_at_ns": NOW_NS,
        "matched_version": 1,
        "site": "main-street",
        "passed_at_ns": NOW_NS,
        "direction": "N",
    }
    made = await tx.execute(insert(tables.read).values(values | columns).returning(tables.read.c.id))
    return int(made.scalar_one())


async def alert(
    tx: AsyncConnection,
    read_id: int,
    entry_id: int,
    *,
    place: tuple[float, float] | None = (39.8, -89.65),
    raised: bool = True,
    **columns: Any,
) -> int:
    """An alert of a read; its number. ``raised``: with the change that says so, and the feed's row."""
    values = {
        "read_id": read_id,
        "entry_id": entry_id,
        "list_version": 1,
        "rule": "exact",
        "why": ["7ABC123 is on stolen"],
        "support": "raised",
        "state": "new",
        "historical": False,
        "raised_at_ns": NOW_NS,
        "probability": 0.98,
    }
    made = await tx.execute(insert(tables.alert).values(values | columns).returning(tables.alert.c.id))
    alert_id = int(made.scalar_one())
    await attach(tx, alert_id, read_id, "raised", place)
    if raised:
        await change(tx, alert_id, "raised")
    return alert_id


async def shot_alert(tx: AsyncConnection, place: tuple[float, float] | None = (39.8, -89.65)) -> int:
    """An alert of a shot incident; its number."""
    incident: dict[str, Any] = {
        "agency": "springfield",
        "stage": "located",
        "revision": 1,
        "at_ns": NOW_NS,
        "rounds": 3,
        "fire": "burst",
        "probability": 0.97,
        "probability_why": [],
        "latitude": place and place[0],
        "longitude": place and place[1],
        "sensors": [],
        "silent": [],
        "alert_from": 0.95,
        "historical": False,
        "made_at_ns": NOW_NS,
        "listening": [],
    }
    made = await tx.execute(insert(tables.incident).values(incident).returning(tables.incident.c.id))
    values = {
        "incident_id": made.scalar_one(),
        "why": ["three sensors"],
        "support": "raised",
        "state": "new",
        "historical": False,
        "raised_at_ns": NOW_NS,
    }
    raised = await tx.execute(insert(tables.alert).values(values).returning(tables.alert.c.id))
    alert_id = int(raised.scalar_one())
    await change(tx, alert_id, "raised")
    return alert_id


async def attach(
    tx: AsyncConnection, alert_id: int, read_id: int, part: str, place: tuple[float, float] | None = None, **more: Any
) -> None:
    """Attach a read to an alert."""
    table = tables.read
    row = (await tx.execute(select(table.c.site, table.c.passed_at_ns).where(table.c.id == read_id))).one()
    values: dict[str, Any] = {
        "alert_id": alert_id,
        "read_id": read_id,
        "part": part,
        "site": row.site,
        "passed_at_ns": row.passed_at_ns,
        "probability": 0.98,
        "latitude": place and place[0],
        "longitude": place and place[1],
        "supports": True,
        "attached_at_ns": NOW_NS,
    }
    await tx.execute(insert(tables.alert_read).values(values | more))


async def change(tx: AsyncConnection, alert_id: int, action: str, **more: Any) -> None:
    """Something changes on an alert, as those who change it say."""
    values: dict[str, Any] = {"alert_id": alert_id, "at_ns": NOW_NS, "who": "", "action": action, "detail": {}}
    await tx.execute(insert(tables.alert_change).values(values | more))
    await feed.append(tx, FeedKind.ALERT, alert_id)


async def set_alert(tx: AsyncConnection, alert_id: int, columns: Mapping[str, Any]) -> None:
    """Set columns of an alert."""
    await tx.execute(update(tables.alert).where(tables.alert.c.id == alert_id).values(dict(columns)))


def at_s(seconds: float) -> int:
    """Return so many seconds after ``NOW_NS``."""
    return NOW_NS + round(seconds * _SECOND_NS)
