"""An application over a real store with one of everything in it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import insert, select

from collector.api.app import create_app
from collector.api.passwords import Passwords
from collector.incidents.rules import Rules
from collector.incidents.verdicts import Verdicts
from collector.store import feed, tables
from collector.store.database import Store
from collector.store.feed import FeedKind
from collector.store.users import CredentialKind, Role, Users

PASSWORD = "correct horse battery"
CROP = b"\xff\xd8\xff crop"
YEAR_NS = 365 * 86_400 * 1_000_000_000


class Folder:
    """The pictures port over a plain folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: bytes) -> Path:
        return self.folder / sha256.hex()


@dataclass
class Desk:
    """The application and what a test needs around it; ``tokens`` has one for each role, named like it."""

    app: FastAPI
    store: Store
    users: Users
    pictures: Folder
    tokens: dict[Role, str]
    verdicts: Verdicts
    asked: list[int] = field(default_factory=list)
    hearing: bool = True

    def client(self, role: Role | None = None, address: str = "203.0.113.7") -> httpx.AsyncClient:
        headers = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        transport = httpx.ASGITransport(self.app, client=(address, 50_000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://desk.test", headers=headers)

    async def audited(self) -> list[tuple[str, str, str]]:
        async with self.store.read() as tx:
            rows = await tx.execute(select(tables.audit).order_by(tables.audit.c.number))
            return [(row.who, row.action, row.subject) for row in rows]


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def desk(store: Store, tmp_path: Path, clock: Any, passwords: Passwords) -> Desk:
    users = Users(store, clock)
    tokens = {}
    for role in Role:
        await users.add(role.value, role, await passwords.hashed(PASSWORD), by="test")
        tokens[role] = await users.issue(role.value, CredentialKind.TOKEN, "test", YEAR_NS, by="test")
    pictures = Folder(tmp_path)
    asked: list[int] = []

    async def ask(incident_id: int, _: Collection[int] | None) -> None:
        asked.append(incident_id)

    desk = Desk(FastAPI(), store, users, pictures, tokens, Verdicts(store, Rules(), ask), asked)
    desk.app = create_app(
        store,
        users,
        store.committed,
        pictures,
        None,
        clock,
        secure=False,
        hearing=lambda: desk.hearing,
        verdicts=desk.verdicts,
        passwords=passwords,
    )
    await seed(store, clock.utc_ns())
    return desk


async def seed(store: Store, now_ns: int) -> None:
    """One device, read, entry, alert, shot and crop; all of them were captured 400 ms before ``now_ns``."""
    captured_at_ns = now_ns - 400_000_000
    crop = sha256(CROP).digest()
    async with store.write() as tx:
        await tx.execute(
            insert(tables.device).values(
                id="lpr-1", agency="pd", site="5th-and-main", status="enrolled", added_at_ns=captured_at_ns
            )
        )
        await tx.execute(
            insert(tables.device_link).values(
                device="lpr-1",
                epoch=1,
                connection=1,
                online=True,
                reason="",
                heard_at_ns=now_ns,
                health={
                    "disk_free": 7,
                    "sources": [
                        {
                            "id": "north",
                            "kind": "camera",
                            "state": "doubtful",
                            "reason": "black for 60 s",
                            "rate_mhz": 25_000,
                        }
                    ],
                    "skipped": [["north", 12]],
                },
                health_at_ns=now_ns,
            )
        )
        await tx.execute(
            insert(tables.message),
            [
                {
                    "id": number,
                    "device": "lpr-1",
                    "epoch": 1,
                    "stream": 1,
                    "sequence": number,
                    "kind": 2,
                    "envelope": b"",
                    "received_at_ns": now_ns,
                }
                for number in (1, 2)
            ],
        )
        await tx.execute(
            insert(tables.read).values(
                id=1,
                device="lpr-1",
                epoch=1,
                track=9,
                agency="pd",
                message_id=1,
                revision=0,
                final=False,
                text="7ABC123",
                slots=[[["7", 0.9], ["1", 0.05]], [["A", 0.5]]],
                regions=[["US-TX", 0.9]],
                calibration="none",
                camera="north",
                role="lpr",
                pair=None,
                lane=2,
                direction="N",
                face="rear",
                deployment="d1",
                box=[1, 2, 3, 4],
                detection_score=0.9,
                frames=5,
                crop_sha256=crop,
                frame_sha256=b"\x11" * 32,
                captured_at_ns=captured_at_ns,
                captured_boot_ns=1,
                clock_error_ns=1_500_000,
                first_readable_ns=-100_000_000,
                received_at_ns=now_ns,
                matched_version=1,
                travel="receding",
                marks=["infrared", "two-line"],
                overview_camera="north-colour",
                overview_sha256=b"\x22" * 32,
                overview_offset_ns=-40_000_000,
                vehicle_body="pickup",
                site="5th-and-main",
                passed_at_ns=captured_at_ns - 100_000_000,
            )
        )
        await tx.execute(
            insert(tables.media_file).values(
                sha256=crop, device="lpr-1", part=1, epoch=1, track=9, total_bytes=len(CROP), complete=True
            )
        )
        await tx.execute(
            insert(tables.hotlist).values(
                name="stolen", version=1, imported_at_ns=1, imported_by="test", source="x", source_sha256=b"\0" * 32
            )
        )
        await tx.execute(
            # Numbered by the database, as those that a test adds.
            insert(tables.hotlist_entry).values(
                list="stolen",
                plate="7ABC123",
                region="US-TX",
                reason="stolen vehicle",
                severity="high",
                notes="",
                first_version=1,
            )
        )
        await tx.execute(
            insert(tables.alert).values(
                id=1,
                read_id=1,
                entry_id=1,
                list_version=1,
                rule="exact",
                why=["every character is the same"],
                support="raised",
                state="new",
                historical=False,
                raised_at_ns=now_ns + 12_345_678,
                revision=0,
                probability=0.97,
                match={
                    "probability": 0.97,
                    "calibrated": True,
                    "threshold": 0.3,
                    "alignment": [["7", 0.9, "7", 0.9, "same"]],
                    "otherwise": [["1ABC123", 0.05]],
                    "list_version": 1,
                    "list_age_ns": 3_600 * 10**9,
                    "matcher": "m2",
                },
                site="5th-and-main",
                passed_at_ns=captured_at_ns - 100_000_000,
                escalate_at_ns=now_ns + 132_345_678_000,
            )
        )
        await tx.execute(
            insert(tables.alert_read).values(
                alert_id=1,
                read_id=1,
                part="raised",
                site="5th-and-main",
                passed_at_ns=captured_at_ns - 100_000_000,
                probability=0.97,
                supports=True,
                latitude=40.7,
                longitude=-74.0,
                direction="N",
                attached_at_ns=now_ns + 12_345_678,
            )
        )
        await tx.execute(
            insert(tables.alert_change).values(
                alert_id=1, at_ns=now_ns + 12_345_678, who="", action="raised", detail={"read": 1}
            )
        )
        await tx.execute(
            insert(tables.shot).values(
                id=1,
                device="lpr-1",
                epoch=1,
                sequence=2,
                agency="pd",
                message_id=2,
                microphone="mast",
                deployment="d1",
                classes=[["gunshot", 0.97], ["firework", 0.02]],
                model="m",
                peak_cdbfs=-123,
                rms_cdbfs=-2_000,
                clipped=False,
                captured_at_ns=captured_at_ns,
                captured_boot_ns=1,
                clock_error_ns=3_000_000,
                onset_error_ns=4_000_000,
                received_at_ns=now_ns,
            )
        )
        await feed.append_all(
            tx,
            [
                (FeedKind.DEVICE, "lpr-1"),
                (FeedKind.READ, 1),
                (FeedKind.ALERT, 1),
                (FeedKind.SHOT, 1),
                (FeedKind.PICTURE, f"lpr-1/{crop.hex()}"),
            ],
        )
