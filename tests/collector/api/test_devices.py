"""How devices are, as the API tells it: the whole report, in people's units, and what changed."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from collector.api.times import rfc3339
from collector.ingest.presence import plain
from collector.store import tables
from collector.store.changes import keep_changes
from collector.store.users import Role
from edge_wire.messages import Change, DataUse, Header, Health, Power, SourceState, Stream

MS_NS = 1_000_000
WHOLE = Health(
    connection=3,
    uptime_s=60,
    outbox_pending=12,
    outbox_oldest_s=340,
    last_ack_s=7,
    disk_free_bytes=10**9,
    clock_source="kernel",
    sources=(SourceState("north", "camera", "ok", "", 25_000),),
    models=(("plates", "us"), ("gunshots", "gunshot"), ("gunshots", "gunshot-mn04")),
    version="0.1.0",
    skipped=(("north", 12),),
    link="unacked",
    unacked_s=31,
    outbox_bytes=5_000_000,
    temperature_mc=61_500,
    power=Power("battery", 64, 0, 12_650, 1_800),
    model_digests=(("plates detector", b"\x11" * 32),),
    config_sha256=b"\x22" * 32,
    inference_us=(("north", 18_250),),
    data_use=DataUse(850, 1_000, 1_400),
    versions=(("python", "3.11.2"),),
    lost=(("evicted", 40), ("refused", 1)),
    metered=True,
)


async def put_health(desk: Any, health: object, *, online: bool = True, reason: str = "") -> None:
    async with desk.store.write() as tx:
        link = tables.device_link
        await tx.execute(
            update(link).where(link.c.device == "lpr-1").values(health=health, online=online, reason=reason)
        )


async def asked(desk: Any, path: str, role: Role = Role.OPERATOR) -> Any:
    async with desk.client(role) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_device_is_told_as_the_contract_says(desk: Any, clock: Any) -> None:
    now_ns = clock.utc_ns()
    health = {**plain(WHOLE), "captured_boot_ns": 5, "clock_error_ns": 1_500_000}
    await put_health(desk, health)
    (device,) = (await asked(desk, "/api/devices"))["devices"]
    assert device == await asked(desk, "/api/devices/lpr-1")
    assert device == {
        "id": "lpr-1",
        "agency": "pd",
        "site": "5th-and-main",
        "status": "enrolled",
        "link": "online",
        "last_heard_at": rfc3339(now_ns),
        "last_word": None,
        "health": health,
        "sources": [
            {
                "id": "north",
                "kind": "camera",
                "state": "ok",
                "reason": "",
                "rate_hz": 25.0,
                "skipped": 12,
                "inference_ms": 18.25,
            }
        ],
        "report": {
            "at": rfc3339(now_ns),
            "uptime_s": 60,
            "uplink": {"state": "unacked", "unacked_s": 31, "last_ack_s": 7, "metered": True},
            "outbox": {
                "pending": 12,
                "oldest_s": 340,
                "bytes": 5_000_000,
                "lost": {"evicted": 40, "refused": 1},
            },
            "power": {
                "source": "battery",
                "charge_percent": 64,
                "input_v": 0.0,
                "battery_v": 12.65,
                "runtime_s": 1_800,
            },
            "data_plan": {"used_bytes": 850, "monthly_bytes": 1_000, "forecast_bytes": 1_400, "alarm": True},
            "temperature_c": 61.5,
            "disk_free_bytes": 10**9,
            "clock_source": "kernel",
            "clock_error_ms": 1.5,
            "version": "0.1.0",
            "versions": {"python": "3.11.2"},
            "models": [["plates", "us"], ["gunshots", "gunshot"], ["gunshots", "gunshot-mn04"]],
            "model_digests": {"plates detector": "11" * 32},
            "config_sha256": "22" * 32,
        },
    }


async def test_what_an_older_device_does_not_say_is_null(desk: Any) -> None:
    report = (await asked(desk, "/api/devices/lpr-1"))["report"]
    assert (report["power"], report["data_plan"], report["temperature_c"]) == (None, None, None)
    assert report["outbox"] == {"pending": 0, "oldest_s": 0, "bytes": None, "lost": {}}
    assert report["uplink"]["state"] is None


async def test_a_device_that_was_never_heard_has_no_report(desk: Any) -> None:
    async with desk.store.write() as tx:
        await tx.execute(
            insert(tables.device).values(id="new", agency="pd", site="new", status="enrolled", added_at_ns=1)
        )
    device = await asked(desk, "/api/devices/new")
    assert (device["link"], device["health"], device["report"], device["last_word"]) == (
        "never heard",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("online", "reason", "said"),
    [
        (False, "power lost: shutting down", "power lost: shutting down"),
        (False, "", None),
        (True, "", None),
    ],
)
async def test_a_device_that_is_gone_has_a_last_word(desk: Any, online: bool, reason: str, said: str | None) -> None:
    await put_health(desk, None, online=online, reason=reason)
    assert (await asked(desk, "/api/devices/lpr-1"))["last_word"] == said


async def tell(desk: Any, *bodies: Change) -> None:
    async with desk.store.write() as tx:
        rows = [
            ("lpr-1", 1, Header(7, at * MS_NS, at, 0, Stream.REPORT, at), body)
            for at, body in enumerate(bodies, start=1)
        ]
        assert await keep_changes(tx, rows) == ({"lpr-1"} if bodies else set())


async def test_changes_are_told_newest_first_and_by_page(desk: Any, clock: Any) -> None:
    await tell(
        desk,
        Change("camera", "ok", "", id="north"),
        Change("camera", "failed", "no route to host", id="north", before="ok"),
        Change("power", "battery", "", before="line"),
    )
    changes = (await asked(desk, "/api/devices/lpr-1/changes", Role.AUDITOR))["changes"]
    assert [(one["subject"], one["state"]) for one in changes] == [
        ("power", "battery"),
        ("camera", "failed"),
        ("camera", "ok"),
    ]
    assert changes[1] == {
        "id": changes[1]["id"],
        "subject": "camera",
        "ref": "north",
        "state": "failed",
        "before": "ok",
        "reason": "no route to host",
        "at": rfc3339(2 * MS_NS),
        "received_at": rfc3339(clock.utc_ns()),
    }
    page = (await asked(desk, f"/api/devices/lpr-1/changes?limit=1&before={changes[0]['id']}"))["changes"]
    assert page == [changes[1]]
    await tell(desk)


@pytest.mark.parametrize("path", ["/api/devices/lpr-2", "/api/devices/lpr-2/changes"])
async def test_a_device_that_is_not_there_is_404(desk: Any, path: str) -> None:
    async with desk.client(Role.OPERATOR) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "device lpr-2: there is no such device"})


@pytest.mark.parametrize("path", ["/api/devices/LPR", "/api/devices/lpr-1/changes?limit=0"])
async def test_what_can_name_nothing_is_refused(desk: Any, path: str) -> None:
    async with desk.client(Role.OPERATOR) as client:
        assert (await client.get(path)).status_code == 422
