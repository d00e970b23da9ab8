"""PROTOCOL's order of sending."""

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
