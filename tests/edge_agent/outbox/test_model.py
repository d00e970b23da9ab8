"""The outbox against a model in memory, killed between any two writes, its pages spoilt: nothing is lost unnamed."""

import asyncio
import contextlib
import hashlib
import importlib.util
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support import FakeClock

from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxDamagedError
from edge_agent.sending import Identity, Urgency
from edge_wire import codec, cose
from edge_wire.messages import Ack, Command, LossRecord, Open, Part, PlateRead, Resend, Stream, Verdict, Wanted
from edge_wire.packing import ranges_of


def _beside(name):
    """Load a module of this folder: tests are no package."""
    spec = importlib.util.spec_from_file_location(f"outbox_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


Device = _beside("conftest").Device
crashes = _beside("crashes")

HOUR_NS = 3600 * 10**9
PAGE = 4096
kill_at = st.none() | st.integers(0, 40)


class OutboxMachine(RuleBasedStateMachine):
    """One device and its collector.

    ``kept``: every row that was committed, with its bytes: those whose put returned, and those found after a kill.
    ``stored``: what the collector has. ``told``: loss records that were in the outbox at any time. ``bounds``: for an
    epoch whose database was damaged, up to where its Open says that rows may be unknown.
    """

    def __init__(self) -> None:
        super().__init__()
        crashes.watch()
        self.place = Path(tempfile.mkdtemp(prefix="outbox-model-"))
        self.device = Device(self.place / "outbox", FakeClock())
        self.device.settings = replace(self.device.settings, journal_block=3, keep_stored_h=1)
        self.runner = asyncio.Runner()
        self.outbox: Outbox | None = None
        self.track = 0
        self.kills = 0
        self.kept: dict[Identity, bytes] = {}
        self.stored: set[Identity] = set()
        self.told: dict[Identity, LossRecord] = {}
        self.bounds: dict[tuple[int, int], int] = {}
        self.unbounded = False
        self.open()

    # What is done.

    @rule(count=st.integers(1, 30), shots=st.booleans(), at=kill_at)
    def put(self, count, shots, at):
        entries = [Entry(self.device.shot() if shots else self.read(), self.device.captured()) for _ in range(count)]
        self.do(lambda: self.outbox.put_all(entries), at)

    @rule(size=st.integers(1, 40_000), at=kill_at)
    def put_picture(self, size, at):
        read = self.read()
        crop, frame = [(read.track.to_bytes(4, "big") + part) * (size // 5 + 1) for part in (b"c", b"f")]
        read = replace(read, crop_sha256=hashlib.sha256(crop).digest(), frame_sha256=hashlib.sha256(frame).digest())
        files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
        self.do(lambda: self.outbox.put_with_files(Entry(read, self.device.captured()), files), at)

    @rule(room=st.integers(1, 60), skip=st.integers(1, 5), dead=st.booleans(), at=kill_at)
    def deliver(self, room, skip, dead, at):
        rows = self.run(self.outbox.pending(room, room, ()))
        self.outbox.published(row.identity for row in rows)
        got = [row for number, row in enumerate(rows) if row.urgency == Urgency.OPEN or number % skip == 0]
        self.stored.update(row.identity for row in got)
        # A dead-lettered row is the collector's too; a dead-lettered Open is refused by the device.
        verdict = Verdict.DEAD_LETTERED if dead and not any(row.urgency == 0 for row in got) else Verdict.STORED

        async def ack():
            for epoch, stream in dict.fromkeys(row.identity[:2] for row in got):
                sequences = [row.identity.sequence for row in got if row.identity[:2] == (epoch, stream)]
                await self.outbox.acked(Ack(epoch, stream, ranges_of(sequences), verdict, bytes(16)))

        self.do(ack, at)

    @rule(number=st.integers(0, 20), at=kill_at)
    def refuse(self, number, at):
        rows = self.run(self.outbox.pending(30, 30, ()))
        if rows:
            row = rows[number % len(rows)]
            self.outbox.published([row.identity])
            self.do(lambda: self.outbox.refused(hashlib.sha256(row.envelope).digest()), at)

    @rule(number=st.integers(0, 50), at=kill_at)
    def ask_again(self, number, at):
        stored = sorted(self.stored)
        if stored:
            epoch, stream, sequence = stored[number % len(stored)]
            self.do(lambda: self.outbox.resend(Resend(epoch, stream, ((sequence, sequence + 3),))), at)

    @rule(number=st.integers(0, 50), part=st.sampled_from([Part.CROP, Part.FRAME]), at=kill_at)
    def ask_for_a_picture(self, number, part, at):
        reads = [codec.decode_up(cose.parse(e).payload).body for i, e in self.kept.items() if i.stream == 1]
        reads = [body for body in reads if isinstance(body, PlateRead)]
        if reads:
            read = reads[number % len(reads)]
            wanted = (Wanted(part, read.crop_sha256 if part == Part.CROP else read.frame_sha256),)
            command = Command(1, "send_media", self.outbox.epoch, track=read.track, wanted=wanted)
            self.do(lambda: self.outbox.send_media(command), at)

    @rule(at=kill_at)
    def state(self, at):
        self.do(self.outbox.enqueue_statement, at)

    @rule(hours=st.sampled_from([0.1, 1, 30]), at=kill_at)
    def purge(self, hours, at):
        self.device.clock.advance(round(hours * HOUR_NS))
        self.do(self.outbox.purge, at)

    @rule(kilobytes=st.integers(60, 400), at=kill_at)
    def squeeze(self, kilobytes, at):
        self.outbox._house._settings = replace(self.device.settings, quota_bytes=kilobytes << 10)  # the seam
        self.do(self.outbox.make_room, at)

    @rule(count=st.integers(1, 3), at=kill_at)
    def fail_before_a_commit(self, count, at):
        self.outbox.note_uncommitted(2, count)
        self.do(self.outbox.make_room, at)

    @rule(at=kill_at)
    def open_anew(self, at):
        self.run(self.outbox.close())
        self.open(at)

    @rule(at=kill_at)
    def reboot(self, at):
        """Another boot id, and a clock that begins again."""
        self.run(self.outbox.close())
        with closing(sqlite3.connect(self.device.settings.database)) as database, database:
            database.execute("UPDATE facts SET value = x'00' WHERE name = 'boot_id'")
        self.device.clock.now_boot_ns = 5
        self.open(at)

    @rule(page=st.integers(0, 400), at=kill_at)
    def spoil_a_page(self, page, at):
        """Of the database of an agent that is not running, every page of which is in the file itself."""
        self.run(self.outbox.close())
        path = self.device.settings.database
        with path.open("r+b") as file:
            file.seek(page % (path.stat().st_size // PAGE) * PAGE)
            file.write(b"\xff" * PAGE)
        self.open(at)

    @rule(page=st.integers(2, 400))
    def spoil_a_page_under_it(self, page):
        with closing(sqlite3.connect(self.device.settings.database)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        path = self.device.settings.database
        pages = path.stat().st_size // PAGE
        with path.open("r+b") as file:
            file.seek((page % pages or 1) * PAGE if pages > 1 else 0)
            file.write(b"\xff" * PAGE)
        with contextlib.suppress(OutboxDamagedError):
            self.run(self.outbox._opened.database.execute("PRAGMA shrink_memory"))
            self.run(self.outbox._reader.execute("PRAGMA shrink_memory"))
            self.run(self.outbox.pending(1_000, 1_000, ()))
        self.run(self.outbox.close())
        self.open()

    # What must hold.

    @invariant()
    def nothing_is_lost_unnamed_and_no_identity_names_two_payloads(self):
        rows = self.rows()
        for identity, (_, envelope) in rows.items():
            assert self.kept.setdefault(identity, envelope) == envelope, "an identity names two payloads"
            body = codec.decode_up(cose.parse(envelope).payload).body
            if isinstance(body, LossRecord):
                self.told[identity] = body
            if isinstance(body, Open) and body.corrupt:
                self.unbounded |= body.previous is None or not body.previous_last
                for stream, last in body.previous_last:
                    self.bounds[body.previous, stream] = last
        lost = {
            Identity(record.lost_epoch, record.lost_stream, sequence)
            for record in self.told.values()
            for first, last in record.ranges
            for sequence in range(first, last + 1)
        }
        pending = {identity for identity, (state, _) in rows.items() if state == 0}
        assert not {i for i in pending & lost if i not in self.stored}, "named lost, and yet waiting"
        for identity in self.kept.keys() - pending - self.stored - lost:
            bound = self.bounds.get(identity[:2], 0)
            assert self.unbounded or identity.sequence <= bound, f"{identity} is neither here nor there nor named"

    def teardown(self):
        self.run(self.outbox.close())
        self.runner.close()
        shutil.rmtree(self.place)

    # How.

    def read(self):
        self.track += 1
        return self.device.read(self.track)

    def run(self, coroutine):
        async def awaited():
            return await coroutine

        return self.runner.run(awaited())

    def rows(self):
        """Every row of the database, with its state; rows whose bytes changed on the disk are found first."""
        self.run(self.outbox.pending(10_000, 10_000, ()))
        with closing(sqlite3.connect(self.device.settings.database)) as database:
            found = database.execute("SELECT epoch, stream, sequence, state, digest, envelope FROM rows").fetchall()
        return {
            Identity(epoch, Stream(stream), sequence): (state, envelope)
            for epoch, stream, sequence, state, digest, envelope in found
            if hashlib.sha256(envelope).digest() == digest
        }

    def do(self, work, at):
        """Do it, and be killed at the ``at``-th write of it; or just after, when there are not so many."""
        if at is None:
            self.run(work())
            return
        with self.crash(at) as crash:
            self.run(work())
            crash.happen()
        self.run(self.outbox.close())
        self.come_back(crash)

    def open(self, at=None):
        if at is None:
            self.outbox = self.run(Outbox.open(self.device.settings, self.device.key, self.device.clock))
            return
        with self.crash(at) as crash:
            self.outbox = self.run(Outbox.open(self.device.settings, self.device.key, self.device.clock))
            crash.happen()
        self.run(self.outbox.close())
        self.come_back(crash)

    def crash(self, at):
        self.kills += 1
        if not self.outbox._closed:
            self.run(
                self.outbox._opened.database.set_trace_callback(crashes.statement)
            )  # the seam: SQLite tells of each
        return crashes.Crash(self.device.folder, at, self.place / f"left-{self.kills}")

    def come_back(self, crash):
        shutil.rmtree(self.device.folder)
        crash.left.rename(self.device.folder)
        self.open()


OutboxMachine.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class TestAgainstTheModel(OutboxMachine.TestCase):
    """PROTOCOL invariant 1, 2 and 4, whatever is done in whatever order, killed between any two writes."""
