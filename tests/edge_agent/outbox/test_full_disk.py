"""A file system that is really full: a tmpfs of a few megabytes, filled by somebody else."""

import shutil
import subprocess

import aiosqlite
import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Condition, Entry, EvidenceFile, OutboxFullError, OutboxSettings
from edge_wire.messages import KIND_OF, Part, PlateRead, ShotArrival, Stream

MB = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={12 * MB}", "none", folder], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"needs the right to mount a tmpfs (run as root): {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def crowded(device, small_disk):
    """A device whose outbox lies on that file system, with a megabyte of ballast."""
    device.folder = small_disk / "outbox"
    device.settings = OutboxSettings(device.folder, "trailer-1", ballast_bytes=MB, free_floor_bytes=0)
    return device


def fill(folder, leave_bytes=0):
    """Take what is free, as a log that has run wild does."""
    with (folder / "log").open("ab", buffering=0) as file:
        left = shutil.disk_usage(folder).free - leave_bytes
        while left > 0:
            left -= file.write(b"x" * min(left, 64 * 1024))


async def put_until_it_fails(device, outbox):
    put = []
    for track in range(100_000):
        try:
            put += await device.put(outbox, track)
        except OutboxFullError:
            return put
    raise AssertionError("the disk never got full")


async def keep_picture(device, outbox, track):
    crop, frame = [bytes([track % 251, part]) * 10_000 for part in (1, 2)]
    files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
    return await outbox.put_with_files(Entry(device.read(track, crop=crop, frame=frame), device.captured()), files)


async def test_pains_16_a_full_disk_is_said_counted_and_survived(crowded, small_disk):
    """PAINS 16: the daemon silently stops queueing (openalpr#572).

    Here a put on a full disk fails aloud or makes room for itself, whatever could not be kept is counted and told, and
    what was kept before is intact; when there is room again everything goes on by itself.
    """
    async with crowded.outbox(ballast_bytes=0) as outbox:  # nothing helps: no ballast, and nothing that may go
        await crowded.ack_open(outbox)
        put = await crowded.put(outbox, *range(20))
        before = {row.identity: row.envelope for row in await crowded.waiting(outbox)}
        fill(small_disk)
        outbox._house.relieve = refuse  # the seam: as if not even a DELETE could be written
        put += await put_until_it_fails(crowded, outbox)
        with pytest.raises(OutboxFullError, match=r"nothing was stored: (database or disk is full|.*No space left)"):
            await outbox.put(crowded.shot(), crowded.captured())
        del outbox._house.relieve
        assert outbox.uncommitted == {KIND_OF[PlateRead]: 1, KIND_OF[ShotArrival]: 1}
        state = await outbox.state()
        assert state.lost == {"uncommitted": 2}
        assert Condition.NOT_KEPT in state.conditions

        (small_disk / "log").unlink()
        put.append(await outbox.put(crowded.shot(), crowded.captured()))
        await outbox.make_room()
        (told,) = await crowded.told_lost(outbox)
        assert (told.reason, told.uncommitted) == ("discarded", 2)
        rows = {row.identity: row.envelope for row in await crowded.waiting(outbox, 100_000)}
        assert {identity for identity in rows if identity.stream == Stream.DETECTION} == set(put)
        assert before.items() <= rows.items()
        assert (await outbox.state()).conditions == ()


async def test_files_of_what_was_not_kept_take_no_room(device):
    async with device.outbox() as outbox:
        await keep_picture(device, outbox, 1)
        async with aiosqlite.connect(device.settings.database) as database:
            await database.execute("CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'full'); END")
            await database.commit()
            held = {path for path in device.settings.evidence.rglob("*") if path.is_file()}
            with pytest.raises(OutboxError, match="full"):
                await keep_picture(device, outbox, 2)
            await database.execute("DROP TRIGGER full")
            await database.commit()
        assert {path for path in device.settings.evidence.rglob("*") if path.is_file()} == held
        await keep_picture(device, outbox, 2)


async def refuse(seen, wanted_bytes):
    raise OutboxFullError("the outbox could not be written, nothing was stored: database or disk is full")


async def test_the_ballast_makes_a_delete_possible_and_detections_go_on(crowded, small_disk):
    async with crowded.outbox() as outbox:
        await crowded.ack_open(outbox)
        for track in range(30):
            await keep_picture(crowded, outbox, track)
        fill(small_disk)
        assert shutil.disk_usage(small_disk).free == 0
        put = [await outbox.put(crowded.shot(), crowded.captured()) for _ in range(400)]
        assert len({identity.sequence for identity in put}) == 400
        state = await outbox.state()
        assert outbox.uncommitted == {}
        kept = [row.identity for row in await crowded.waiting(outbox, 10_000)]
        assert set(put) <= set(kept)
        kinds = await crowded.kinds(outbox)
        assert (kinds.count("PlateRead"), kinds.count("ShotArrival")) == (30, 400)
        # Pictures made the room, and what of them had not been sent is named.
        assert state.files_bytes < 30 * 40_000
        lost = [record for record in await crowded.told_lost(outbox) if record.reason == "evicted"]
        assert {record.lost_stream for record in lost} <= {Stream.MEDIA}

        (small_disk / "log").unlink()
        await outbox.make_room()
        state = await outbox.state()
        assert Condition.DISK_FULL not in state.conditions
        assert crowded.settings.ballast.stat().st_blocks * 512 >= MB
        assert set(put) <= {row.identity for row in await crowded.waiting(outbox, 10_000)}


async def test_a_disk_that_is_full_for_a_moment_costs_nothing_that_waits(crowded, small_disk):
    async with crowded.outbox() as outbox:
        await crowded.ack_open(outbox)
        put = await crowded.put(outbox, *range(100))
        for track in range(100, 110):
            put.append(await keep_picture(crowded, outbox, track))
        before = {row.identity for row in await crowded.waiting(outbox)}
        fill(small_disk)
        put += await crowded.put(outbox, *range(200, 260))
        (small_disk / "log").unlink()
        await outbox.make_room()
        state = await outbox.state()
        assert (state.lost, state.conditions) == ({}, ())
        assert before | set(put) <= {row.identity for row in await crowded.waiting(outbox)}


async def test_when_nothing_else_is_left_the_oldest_reads_go_and_are_named(crowded, small_disk):
    """PROTOCOL invariant 4: on a full disk too every committed row is pending, or lost and named."""
    async with crowded.outbox() as outbox:
        await crowded.ack_open(outbox)
        put = await outbox.put_all([Entry(crowded.read(track), crowded.captured()) for track in range(1_500)])
        put = list(put)
        fill(small_disk)
        for track in range(1_500, 6_500, 50):
            entries = [Entry(crowded.read(track + n), crowded.captured()) for n in range(50)]
            put += await outbox.put_all(entries)
        rows = await crowded.waiting(outbox, 100_000)
        pending = {row.identity.sequence for row in rows if row.identity.stream == Stream.DETECTION}
        told = await crowded.told_lost(outbox)
        lost = {n for record in told for first, last in record.ranges for n in range(first, last + 1)}
        assert lost
        assert pending.isdisjoint(lost)
        assert pending | lost == {identity.sequence for identity in put} == set(range(1, 6_501))
        assert max(lost) < min(pending)
        assert (await outbox.state()).lost == {"evicted": len(lost)}


async def test_an_outbox_opens_on_a_full_disk_with_what_the_ballast_gives_back(crowded, small_disk):
    async with crowded.outbox() as outbox:
        await crowded.ack_open(outbox)
        put = await crowded.put(outbox, *range(50))
    fill(small_disk)
    async with crowded.outbox() as outbox:
        assert not outbox.opened_as.corrupt
        await crowded.ack_open(outbox)
        assert {row.identity for row in await crowded.waiting(outbox)} == set(put)
        await crowded.put(outbox, 51)


async def test_one_that_cannot_open_at_all_says_why(crowded, small_disk):
    crowded.folder.mkdir()
    fill(small_disk)
    with pytest.raises(OutboxError, match=r"No space left|disk is full|unable to open|I/O error"):
        async with crowded.outbox():
            pass


async def test_half_a_file_does_not_keep_the_disk_full(crowded, small_disk):
    async with crowded.outbox(ballast_bytes=0) as outbox:
        await crowded.ack_open(outbox)
        fill(small_disk, leave_bytes=30_000)
        crop, frame = b"c" * 10_000, b"f" * 8 * MB
        files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
        with pytest.raises(OutboxFullError, match="could not be kept"):
            await outbox.put_with_files(Entry(crowded.read(1, crop=crop, frame=frame), crowded.captured()), files)
        assert not list(crowded.settings.evidence.rglob("*.partial"))
        assert shutil.disk_usage(small_disk).free > 0
