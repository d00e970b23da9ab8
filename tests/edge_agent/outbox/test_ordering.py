"""PROTOCOL's order of sending."""

import sqlite3
from contextlib import closing

from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.sending import Urgency
from edge_wire.messages import Command, Part, Stream, Wanted

S = 1_000_000_000


async def test_shots_live_reads_asked_media_reports_backlog_newest_first_other_media(device):
    async with device.outbox(live_for_s=60) as outbox:
        await device.ack_open(outbox)
        files = [EvidenceFile(Part.CROP, b"asked")]
        old = [await outbox.put_with_files(Entry(device.read(1, crop=b"asked"), device.captured()), files)]
        files = [EvidenceFile(Part.CROP, b"not asked")]
        old.append(await outbox.put_with_files(Entry(device.read(2, crop=b"not asked"), device.captured()), files))
        old_shot = await outbox.put(device.shot(), device.captured())
        old_clip = await outbox.put(device.clip(3, clip=b"c", recording=b"r"), device.captured())
        device.clock.advance(61 * S)
        live = await device.put(outbox, 3, 4)
        new_shot = await outbox.put(device.shot(), device.captured())
        await outbox.enqueue_statement()
        asked = device.read(1, crop=b"asked").crop_sha256
        await outbox.send_media(Command(1, "send_media", outbox.epoch, track=1, wanted=(Wanted(Part.CROP, asked),)))

        rows = await device.waiting(outbox)
        assert [row.urgency for row in rows] == [
            Urgency.SHOT,
            Urgency.SHOT,
            Urgency.SHOT,
            Urgency.LIVE_READ,
            Urgency.LIVE_READ,
            Urgency.ASKED_MEDIA,
            Urgency.REPORT,
            Urgency.BACKLOG,
            Urgency.BACKLOG,
            Urgency.OTHER_MEDIA,
        ]
        assert [row.identity for row in rows[:3]] == [new_shot, old_clip, old_shot]
        assert [row.identity for row in rows[3:5]] == live
        assert device.message(rows[5]).body.content == b"asked"
        assert [row.identity for row in rows[7:9]] == old[::-1]


async def test_the_wall_clock_changes_no_order(device):
    """PROTOCOL invariant 7: no promise depends on a device's wall clock."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        first = await device.put(outbox, 1)
        device.clock.now_utc_ns -= 3600 * S
        second = await device.put(outbox, 2)
        assert [row.identity for row in await device.waiting(outbox)] == first + second


async def test_ordinary_rows_take_no_more_than_their_room(device):
    async with device.outbox(live_for_s=60) as outbox:
        await device.ack_open(outbox)
        old = await device.put(outbox, 1, 2, 3)
        device.clock.advance(61 * S)
        live = await device.put(outbox, 4, 5, 6)
        rows = await outbox.pending(5, 1, ())
        assert [row.identity for row in rows] == [*live, old[2]]
        assert [row.identity for row in await outbox.pending(2, 2, ())] == live[:2]
        under_way = [row.number for row in rows]
        assert [row.identity for row in await outbox.pending(5, 5, under_way)] == [old[1], old[0]]


async def test_an_older_epoch_waits_for_its_own_open_and_no_other(device):
    async with device.outbox() as outbox:
        first = outbox.epoch
        await device.put(outbox, 1)
    async with device.outbox() as outbox:
        await device.put(outbox, 2)
        opens = await device.waiting(outbox)
        assert [row.identity.epoch for row in opens] == [first, outbox.epoch]
        outbox.published(row.identity for row in opens)
        await outbox.acked(device.ack(outbox.epoch, Stream.REPORT, (1, 1)))
        assert [row.identity.epoch for row in await device.waiting(outbox)] == [first, outbox.epoch]
        assert [row.urgency for row in await device.waiting(outbox)] == [Urgency.OPEN, Urgency.LIVE_READ]
        await outbox.acked(device.ack(first, Stream.REPORT, (1, 1)))
        assert {row.identity.epoch for row in await device.waiting(outbox)} == {first, outbox.epoch}


async def test_what_is_next_is_found_by_the_index_alone_however_much_waits(device):
    """Only rows that are handed out are looked at: not those under way, nor those of an epoch that must wait."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1)
        seen = []
        await outbox._reader.set_trace_callback(seen.append)  # the seam: SQLite tells of each statement
        await outbox.pending(200, 160, ())
        await outbox._reader.set_trace_callback(None)
    with closing(sqlite3.connect(device.settings.database)) as database:
        for statement in seen:
            plan = [step for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert any("rows USING INDEX pending_in_order" in step for step in plan)
            assert not any("TEMP B-TREE" in step or step.startswith("SCAN rows") for step in plan)
            code = [row[1:3] for row in database.execute(f"EXPLAIN {statement}")]
            assert "DeferredSeek" in [name for name, _ in code], "the row itself is read last"
    assert len(seen) == 7
