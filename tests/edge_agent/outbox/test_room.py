"""What goes when room is short: in order, named, and never more than needed."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing

import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Condition, Entry, EvidenceFile, read_state
from edge_agent.outbox.disk import Ballast, FileSystem
from edge_agent.outbox.evidence import Evidence
from edge_agent.outbox.losses import MAX_RANGES, Lost, Reason, loss_records
from edge_agent.sending import Identity
from edge_wire.messages import KIND_OF, Command, Health, Media, Part, PlateRead, ShotArrival, Statement, Stream, Wanted
from edge_wire.packing import ranges_of

KB = 1024
SECOND = 1_000_000_000


def sha256(content):
    return hashlib.sha256(content).digest()


def picture(number, size=8 * KB):
    return number.to_bytes(2, "big") * (size // 2)


async def put_many(device, outbox, count, body=None):
    body = body or device.read
    entries = [Entry(body(track) if body == device.read else body(), device.captured()) for track in range(count)]
    return await outbox.put_all(entries)


async def keep_picture(device, outbox, track, *, crop=None, frame=None):
    crop, frame = crop or picture(track), frame or picture(track + 1000)
    files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
    return await outbox.put_with_files(Entry(device.read(track, crop=crop, frame=frame), device.captured()), files)


async def ask(outbox, track, part, content):
    wanted = (Wanted(part, sha256(content)),)
    await outbox.send_media(Command(1, "send_media", outbox.epoch, track=track, wanted=wanted))


async def settle(device, outbox, stream, *ranges):
    await device.publish(outbox)
    await outbox.acked(device.ack(outbox.epoch, stream, *ranges))


def held(device, *contents):
    evidence = Evidence(device.settings.evidence)
    return [evidence.read(sha256(content)) is not None for content in contents]


def named(records, stream):
    """The sequences that loss records name, each of which they may name only once."""
    sequences = [
        sequence
        for record in records
        if record.lost_stream == stream
        for first, last in record.ranges
        for sequence in range(first, last + 1)
    ]
    assert len(sequences) == len(set(sequences))
    return sorted(sequences)


class TestQuota:
    async def test_stored_rows_go_first_and_without_a_loss_record(self, device):
        async with device.outbox(quota_bytes=400 * KB) as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 500)
            await settle(device, outbox, Stream.DETECTION, (1, 500))
            waiting = await put_many(device, outbox, 500)
            await outbox.make_room()
            state = await outbox.state()
            assert state.bytes <= 400 * KB
            assert 0 < state.stored < 500
            assert state.lost == {}
            assert [row.identity for row in await device.waiting(outbox)] == list(waiting)

    async def test_unsent_reads_go_oldest_first_named_by_few_loss_records(self, device):
        """PROTOCOL invariant 2: an unsent row is deleted only in the transaction that records its loss.

        PROTOCOL invariant 4: every committed row is pending, or lost and named.
        """
        async with device.outbox(quota_bytes=600 * KB) as outbox:
            await device.ack_open(outbox)
            put = await put_many(device, outbox, 2_000)
            await outbox.make_room()
            told = await device.told_lost(outbox)
            lost = named(told, Stream.DETECTION)
            kept = [row.identity for row in await device.waiting(outbox, 5_000) if row.identity.stream == 1]
            assert lost == list(range(1, len(lost) + 1))
            assert kept == list(put[len(lost) :])
            assert len(told) <= 3
            assert {(record.reason, record.lost_epoch) for record in told} == {("evicted", outbox.epoch)}
            assert sum(count for record in told for _, count in record.lost_kinds) == len(lost)
            state = await outbox.state()
            assert (state.lost, state.bytes <= 600 * KB) == ({"evicted": len(lost)}, True)
            assert Condition.EVICTING in state.conditions

    async def test_it_does_so_by_itself_while_detections_come(self, device):
        async with device.outbox(quota_bytes=600 * KB) as outbox:
            await device.ack_open(outbox)
            for _ in range(12):
                await put_many(device, outbox, 200)
            async with asyncio.timeout(10):
                while (await outbox.state()).bytes > 600 * KB:
                    await outbox.wait_for_rows()  # the loss records: what evicts by itself wakes the uplink too
            assert (await outbox.state()).lost["evicted"] > 1_000

    async def test_frames_crops_reports_reads_shots_in_this_order(self, device):
        async with device.outbox(quota_bytes=100_000 * KB) as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 20, device.shot)
            for track in range(20):
                await keep_picture(device, outbox, track)
            await ask(outbox, 0, Part.FRAME, picture(1000))
            for _ in range(20):
                await outbox.enqueue_statement()
            house, gone = outbox._house, []  # the seam: the quota, lowered step by step
            for kilobytes in range(900, 40, -10):
                house._settings = outbox._settings.__class__(
                    device.folder, "trailer-1", quota_bytes=kilobytes * KB, ballast_bytes=0, free_floor_bytes=0
                )
                await outbox.make_room()
                kinds = await device.kinds(outbox)
                frames = sum(held(device, *(picture(track + 1000) for track in range(20))))
                parts = [device.message(row).body for row in await device.waiting(outbox, 5_000)]
                parts = [body.part for body in parts if isinstance(body, Media)]
                crops = sum(held(device, *(picture(track) for track in range(20))))
                left = {
                    "frames": frames + parts.count(Part.FRAME),
                    "crops": crops + parts.count(Part.CROP),
                    "reports": kinds.count("Statement"),
                    "reads": kinds.count("PlateRead"),
                    "shots": kinds.count("ShotArrival"),
                }
                gone += [name for name, count in left.items() if count == 0 and name not in gone]
                # Nothing of a rank goes before all of the rank before it.
                full = {"frames": 21, "crops": 40, "reports": 20, "reads": 20, "shots": 20}
                touched = [name for name, count in left.items() if count < full[name]]
                assert touched == list(full)[: len(touched)]
                assert set(touched[:-1]) <= set(gone)
            assert gone == ["frames", "crops", "reports", "reads", "shots"]
            told = await device.told_lost(outbox)
            assert named(told, Stream.DETECTION) == list(range(1, 41))
            assert named(told, Stream.MEDIA) == list(range(1, 22))
            assert named(told, Stream.REPORT) == list(range(2, 22))
            kinds = dict.fromkeys((PlateRead, ShotArrival, Media), 0)
            for kind in kinds:
                kinds[kind] = sum(dict(record.lost_kinds).get(KIND_OF[kind], 0) for record in told)
            assert kinds == {PlateRead: 20, ShotArrival: 20, Media: 21}

    async def test_neither_loss_records_nor_opens_go_whatever_the_quota(self, device):
        async with device.outbox() as outbox:
            old = outbox.epoch
            await put_many(device, outbox, 300)
        async with device.outbox(quota_bytes=1) as outbox:
            await put_many(device, outbox, 300)
            for _ in range(3):
                await outbox.make_room()
            opens = await device.waiting(outbox)
            assert [row.identity for row in opens] == [Identity(e, Stream.REPORT, 1) for e in (old, outbox.epoch)]
            await device.ack_open(outbox)
            told = await device.told_lost(outbox)
            assert {record.lost_epoch for record in told} == {old, outbox.epoch}
            assert (await outbox.state()).lost == {"evicted": 600}
            assert await device.kinds(outbox) == ["LossRecord"] * len(told)
            assert Condition.OVER_QUOTA in (await outbox.state()).conditions

    async def test_the_wall_clock_decides_nothing(self, device):
        """PROTOCOL invariant 7: no promise depends on a device's wall clock."""
        async with device.outbox(quota_bytes=600 * KB) as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 1_000)
            device.clock.now_utc_ns -= 86_400 * SECOND
            await put_many(device, outbox, 1_000)
            await outbox.make_room()
            lost = named(await device.told_lost(outbox), Stream.DETECTION)
            assert len(lost) > 100
            assert lost == list(range(1, len(lost) + 1))

    async def test_an_ack_for_a_row_that_was_evicted_meanwhile_still_frees_its_place_in_the_window(self, device):
        async with device.outbox(quota_bytes=600 * KB) as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 2_000)
            published = await device.waiting(outbox, 100)
            outbox.published(row.identity for row in published)
            oldest = await outbox.pending(5_000, 5_000, ())
            outbox.published(row.identity for row in oldest)
            await outbox.make_room()
            outcome = await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1)))
            assert outcome.settled == (Identity(outbox.epoch, Stream.DETECTION, 1),)

    async def test_who_looks_from_outside_sees_the_same(self, device):
        async with device.outbox(quota_bytes=600 * KB) as outbox:
            await put_many(device, outbox, 2_000)
            await outbox.make_room()
            seen = read_state(device.folder, device.clock)
            assert (seen.quota_bytes, seen.lost, seen.conditions) == (
                600 * KB,
                (await outbox.state()).lost,
                (Condition.EVICTING,),
            )
            device.clock.advance(601 * SECOND)
            assert read_state(device.folder, device.clock).conditions == ()


class TestFloor:
    async def test_below_the_floor_pictures_and_reports_go_but_no_detection(self, device):
        device.set_free(1000 * KB)
        async with device.outbox(free_floor_bytes=500 * KB) as outbox:
            await device.ack_open(outbox)
            for track in range(5):
                await keep_picture(device, outbox, track)
            await put_many(device, outbox, 5, device.shot)
            await outbox.enqueue_statement()
            assert (await outbox.state()).conditions == ()
            device.set_free(100 * KB)
            await outbox.make_room()
            kinds = await device.kinds(outbox)
            assert (kinds.count("PlateRead"), kinds.count("ShotArrival")) == (5, 5)
            assert set(kinds) == {"PlateRead", "ShotArrival", "LossRecord"}
            assert not any(held(device, *(picture(track) for track in (0, 1, 2, 3, 4, 1000, 1004))))
            state = await outbox.state()
            assert state.floor_reached
            assert Condition.SCARCE in state.conditions
            assert named(await device.told_lost(outbox), Stream.MEDIA) == [1, 2, 3, 4, 5]

    async def test_no_more_goes_than_the_floor_needs(self, device):
        device.set_free(1000 * KB)
        async with device.outbox(free_floor_bytes=500 * KB) as outbox:
            await device.ack_open(outbox)
            for track in range(10):
                await keep_picture(device, outbox, track)
            device.set_free(490 * KB)
            outbox._house._disk = Refilling(device.disk, device.settings.evidence)
            await outbox.make_room()
            frames = sum(held(device, *(picture(track + 1000) for track in range(10))))
            assert (frames, all(held(device, *(picture(track) for track in range(10))))) == (8, True)

    async def test_pages_that_are_free_go_back_to_the_file_system(self, device):
        device.set_free(10_000 * KB)
        async with device.outbox(free_floor_bytes=500 * KB, keep_stored_h=1) as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 3_000)
            rows = await outbox.pending(5_000, 5_000, ())
            outbox.published(row.identity for row in rows)
            await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 3_000)))
            before = await outbox.state()
            device.set_free(0)
            await outbox.make_room()
            after = await outbox.state()
            assert device.settings.database.stat().st_size == after.bytes < before.bytes - 300 * KB
            assert after.lost == {}


class Refilling:
    """A file system that has what it is said to have, and what was deleted of some files since."""

    def __init__(self, disk, folder) -> None:
        self.disk, self.folder = disk, folder
        self.before = self.size()

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def free_bytes(self, folder) -> int:
        return self.disk.left_bytes + self.before - self.size()


class TestBallast:
    async def test_it_takes_blocks_and_comes_and_goes_with_the_room(self, device):
        async with device.outbox(ballast_bytes=256 * KB):
            found = device.settings.ballast.stat()
            assert (found.st_size, found.st_blocks * 512 >= 256 * KB, found.st_mode & 0o777) == (256 * KB, True, 0o600)
        async with device.outbox(ballast_bytes=0):
            assert not device.settings.ballast.exists()

    def test_it_is_not_made_where_it_would_fill_the_disk(self, tmp_path):
        ballast = Ballast(tmp_path / "ballast", 100 * KB)
        assert not ballast.make(100 * KB, 1)
        assert not ballast.held
        assert ballast.make(101 * KB, 1 * KB)
        assert ballast.held
        assert ballast.release()
        assert not ballast.release()

    def test_a_file_of_the_right_length_with_a_hole_in_it_is_none(self, tmp_path):
        path = tmp_path / "ballast"
        with path.open("wb") as file:
            file.truncate(100 * KB)
        ballast = Ballast(path, 100 * KB)
        assert not ballast.held
        assert ballast.make(1 << 30, 0)
        assert path.stat().st_blocks * 512 >= 100 * KB

    def test_what_is_free_is_asked_of_the_file_system(self, tmp_path):
        assert FileSystem().free_bytes(tmp_path) > 0

    async def test_without_it_the_disk_counts_as_full(self, device):
        device.set_free(100 * KB)
        async with device.outbox(ballast_bytes=256 * KB) as outbox:
            assert Condition.DISK_FULL in (await outbox.state()).conditions
            device.set_free(1 << 30)
            await outbox.make_room()
            assert (await outbox.state()).conditions == ()


class TestUncommitted:
    async def test_what_could_not_be_stored_is_told_with_the_next_record_that_can_be_written(self, device):
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            outbox.note_uncommitted(KIND_OF[ShotArrival], 2)
            with closing(sqlite3.connect(device.settings.database)) as other, other:
                other.execute("CREATE TRIGGER stuck BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'stuck'); END")
            for _ in range(3):
                with pytest.raises(OutboxError, match="stuck"):
                    await device.put(outbox, 1)
                with pytest.raises(OutboxError, match="stuck"):
                    await outbox.make_room()
            state = await outbox.state()
            assert (state.lost, state.conditions) == ({"uncommitted": 5}, (Condition.NOT_KEPT,))
            assert outbox.uncommitted == {KIND_OF[PlateRead]: 3, KIND_OF[ShotArrival]: 2}
            with closing(sqlite3.connect(device.settings.database)) as other, other:
                other.execute("DROP TRIGGER stuck")
            await outbox.make_room()
            await outbox.make_room()
            (told,) = await device.told_lost(outbox)
            assert (told.ranges, told.reason, told.lost_stream, told.uncommitted) == (
                (),
                "discarded",
                Stream.DETECTION,
                5,
            )
            assert dict(told.lost_kinds) == {KIND_OF[PlateRead]: 3, KIND_OF[ShotArrival]: 2}
            state = await outbox.state()
            assert (state.lost, state.conditions, outbox.uncommitted) == ({"uncommitted": 5}, (), {})

    async def test_it_is_told_at_the_end_at_the_latest(self, device):
        async with device.outbox() as outbox:
            outbox.note_uncommitted(KIND_OF[PlateRead])
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            assert [record.uncommitted for record in await device.told_lost(outbox)] == [1]

    async def test_what_the_collector_could_not_read_is_counted_too(self, device):
        async with device.outbox() as outbox:
            with pytest.raises(OutboxError):
                await outbox.put(device.read(-1), device.captured())
            with pytest.raises(OutboxError):
                await outbox.put_with_files(
                    Entry(device.read(crop=b"mine"), device.captured()), [EvidenceFile(Part.CROP, b"another")]
                )
            assert outbox.uncommitted == {KIND_OF[PlateRead]: 2}

    @pytest.mark.parametrize("kind", [KIND_OF[Health], 99])
    async def test_what_is_never_stored_is_refused(self, device, kind):
        async with device.outbox() as outbox:
            with pytest.raises(ValueError, match=f"got {kind}"):
                outbox.note_uncommitted(kind)

    async def test_what_is_no_detection_is_no_loss(self, device):
        async with device.outbox() as outbox:
            for body in (Health(1, 1, 1, 1, None, 1, "ntp", (), (), "1"), Statement(((-1, 1, 1, 1, 1),))):
                with pytest.raises(OutboxError):
                    await outbox.put(body, device.captured())
            assert outbox.uncommitted == {}


class TestCrops:
    @pytest.mark.parametrize(("most", "sent"), [(None, 2), (4_096, 1), (0, 0)])
    async def test_a_crop_above_the_limit_waits_until_it_is_asked_for(self, device, most, sent):
        small, large = picture(1, 4 * KB), picture(2, 5 * KB)
        async with device.outbox(crops_up_to_bytes=most) as outbox:
            await device.ack_open(outbox)
            await keep_picture(device, outbox, 1, crop=small)
            await keep_picture(device, outbox, 2, crop=large)
            assert (await device.kinds(outbox)).count("Media") == sent
            assert held(device, small, large) == [True, True]
            await ask(outbox, 2, Part.CROP, large)
            bodies = [device.message(row).body for row in await device.waiting(outbox)]
            assert large in [body.content for body in bodies if isinstance(body, Media)]


class TestLossRecords:
    def test_rows_are_named_by_ranges_and_counted_by_kind(self):
        lost = [Lost(Identity(7, Stream.DETECTION, n), 2 + n % 2) for n in (1, 2, 3, 9)]
        (record,) = loss_records(lost, Reason.EVICTED)
        assert (record.ranges, record.lost_kinds) == (((1, 3), (9, 9)), ((2, 1), (3, 3)))

    def test_so_many_holes_that_they_do_not_fit_make_more_records(self):
        sequences = range(1, 4 * MAX_RANGES, 2)
        lost = [Lost(Identity(7, Stream.DETECTION, n), 2) for n in sequences]
        records = list(loss_records(lost, Reason.EVICTED))
        assert len(records) == 2
        assert [run for record in records for run in record.ranges] == list(ranges_of(sequences))
