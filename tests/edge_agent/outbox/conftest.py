"""A device with its outbox folder, and messages to put into it."""

import hashlib
import importlib.util
import sqlite3
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.sending import Urgency
from edge_wire import codec, cose
from edge_wire.messages import Ack, LossRecord, PixelBox, PlateRead, ShotArrival, ShotClip, Stream, Verdict
from edge_wire.packing import ranges_of


class SetDisk:
    """The ``Disk`` port: as much room as is said."""

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes

    def free_bytes(self, folder) -> int:
        return self.left_bytes


class Device:
    """One device: its key, its clock, its folder, and outboxes opened in it one after another."""

    store = bytes(16)
    disk: SetDisk | None = None

    def __init__(self, folder, clock) -> None:
        self.key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        self.clock = clock
        self.folder = folder
        self.settings = OutboxSettings(folder, "trailer-1", ballast_bytes=0, free_floor_bytes=0)

    def outbox(self, **changes) -> AbstractAsyncContextManager[Outbox]:
        """An outbox opened here, closed again at the end of the block."""

        @asynccontextmanager
        async def opened():
            async with await Outbox.open(replace(self.settings, **changes), self.key, self.clock, self.disk) as outbox:
                yield outbox

        return opened()

    def set_free(self, left_bytes: int) -> None:
        """From now on the file system has so much left, whatever is written."""
        if self.disk is None:
            self.disk = SetDisk(left_bytes)
        self.disk.left_bytes = left_bytes

    def captured(self) -> CaptureTime:
        return CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 1_000)

    @staticmethod
    def read(track: int = 1, *, crop: bytes = b"crop", frame: bytes = b"frame") -> PlateRead:
        return PlateRead(
            track=track,
            revision=0,
            final=False,
            text="ABC1234",
            slots=((("A", 0.9), ("4", 0.05)),),
            calibration="none",
            camera="north",
            role="lpr",
            deployment="d1",
            frame_sha256=hashlib.sha256(frame).digest(),
            crop_sha256=hashlib.sha256(crop).digest(),
            box=PixelBox(1, 2, 30, 40),
            detection_score=0.8,
            frames=3,
        )

    @staticmethod
    def shot() -> ShotArrival:
        return ShotArrival(
            microphone="m1",
            deployment="d1",
            onset_error_ns=1_000_000,
            classes=(("gunshot", 0.97),),
            model="m",
            peak_cdbfs=-120,
            rms_cdbfs=-900,
            clipped=False,
            rate_hz=48_000,
        )

    @staticmethod
    def clip(*arrivals: int, clip: bytes, recording: bytes) -> ShotClip:
        hashes = [hashlib.sha256(content).digest() for content in (clip, recording)]
        return ShotClip("m1", ranges_of(arrivals), *hashes, 4_000)

    async def put(self, outbox, *tracks: int):
        return [await outbox.put(self.read(track), self.captured()) for track in tracks]

    @staticmethod
    async def waiting(outbox, room: int = 1_000):
        return list(await outbox.pending(room, room, ()))

    async def publish(self, outbox):
        rows = await self.waiting(outbox)
        outbox.published(row.identity for row in rows)
        return rows

    def ack(self, epoch, stream, *ranges, verdict=Verdict.STORED, store_id=None) -> Ack:
        return Ack(epoch, stream, ranges, verdict, store_id or self.store)

    async def ack_open(self, outbox) -> None:
        """Have every waiting Open acked, so that the rest may go."""
        for row in await self.waiting(outbox):
            if row.urgency != Urgency.OPEN:
                continue
            outbox.published([row.identity])
            outcome = await outbox.acked(self.ack(row.identity.epoch, Stream.REPORT, (1, 1)))
            assert outcome.settled == (row.identity,)

    @staticmethod
    def message(row):
        return codec.decode_up(cose.parse(row.envelope).payload)

    def scans(self, statements) -> list[str]:
        """How SQLite would go through all rows, where it would, other than by an index that holds what is asked for."""
        with closing(sqlite3.connect(self.settings.database)) as database:
            plans = [
                step
                for statement in statements
                for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
            ]
        return [step for step in plans if step.startswith("SCAN rows") and "COVERING INDEX" not in step]

    async def told_lost(self, outbox) -> list[LossRecord]:
        """The loss records that wait."""
        bodies = [self.message(row).body for row in await self.waiting(outbox, 100_000)]
        return [body for body in bodies if isinstance(body, LossRecord)]

    async def kinds(self, outbox) -> list[str]:
        """What waits, by the names of the messages."""
        return [type(self.message(row).body).__name__ for row in await self.waiting(outbox, 100_000)]

    def verify(self, row, key: ec.EllipticCurvePublicKey) -> None:
        cose.verify(cose.parse(row.envelope), key, cose.external_aad(self.settings.device, row.channel))


@pytest.fixture
def device(tmp_path, clock) -> Device:
    return Device(tmp_path / "outbox", clock)


@pytest.fixture(scope="session")
def crashes():
    """The module beside this one, listening."""
    spec = importlib.util.spec_from_file_location("outbox_crashes_fixture", Path(__file__).with_name("crashes.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.watch()
    return module
