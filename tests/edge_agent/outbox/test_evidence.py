"""Pictures and clips: on disk before their rows, sent or kept, and gone oldest first."""

import asyncio
import hashlib

import aiosqlite
import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.outbox.evidence import Evidence
from edge_agent.sending import Urgency
from edge_wire.messages import Command, Media, Part, Stream, Wanted


async def keep(device, outbox, track, crop, frame):
    entry = Entry(device.read(track, crop=crop, frame=frame), device.captured())
    files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
    return await outbox.put_with_files(entry, files)


async def media(device, outbox):
    rows = [row for row in await device.waiting(outbox) if row.identity.stream == Stream.MEDIA]
    return [(row.urgency, device.message(row).body) for row in rows]


def ask(epoch, part, content, track=1):
    return Command(1, "send_media", epoch, track=track, wanted=(Wanted(part, hashlib.sha256(content).digest()),))


async def test_the_crop_goes_with_its_read_and_the_frame_stays(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 5, b"crop", b"frame")
        sha256 = hashlib.sha256(b"crop").digest()
        expected = Media(Part.CROP, sha256, 0, 4, b"crop", outbox.epoch, track=5)
        assert await media(device, outbox) == [(Urgency.OTHER_MEDIA, expected)]
        evidence = Evidence(device.settings.evidence)
        assert evidence.read(sha256) == b"crop"
        assert evidence.read(hashlib.sha256(b"frame").digest()) == b"frame"


async def test_a_revision_with_the_same_crop_sends_it_once(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 1, b"crop", b"frame")
        await keep(device, outbox, 1, b"crop", b"frame")
        assert len(await media(device, outbox)) == 1


async def test_a_frame_is_sent_in_parts_when_it_is_asked_for(device):
    frame = bytes(range(256)) * 200
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 1, b"crop", frame)
        await outbox.send_media(ask(outbox.epoch, Part.FRAME, frame))
        parts = [body for urgency, body in await media(device, outbox) if urgency == Urgency.ASKED_MEDIA]
        assert [len(part.content) for part in parts] == [24_576, 24_576, 2_048]
        assert b"".join(part.content for part in parts) == frame
        assert {part.total for part in parts} == {51_200}


async def test_asking_again_while_it_waits_sends_nothing_twice(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 1, b"crop", b"frame")
        for _ in range(2):
            await outbox.send_media(ask(outbox.epoch, Part.CROP, b"crop"))
        ((urgency, _),) = await media(device, outbox)
        assert urgency == Urgency.ASKED_MEDIA


async def test_a_crop_that_was_acked_is_sent_anew_when_it_is_asked_for(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 1, b"crop", b"frame")
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.MEDIA, (1, 1)))
        await outbox.send_media(ask(outbox.epoch, Part.CROP, b"crop"))
        ((urgency, body),) = await media(device, outbox)
        assert (urgency, body.content) == (Urgency.ASKED_MEDIA, b"crop")


@pytest.mark.parametrize("how", ["never held", "bytes changed"])
async def test_what_is_not_held_is_answered_so(device, how):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        if how == "bytes changed":
            await keep(device, outbox, 1, b"crop", b"frame")
            Evidence(device.settings.evidence).path(hashlib.sha256(b"frame").digest()).write_bytes(b"forged")
        await outbox.send_media(ask(outbox.epoch, Part.FRAME, b"frame"))
        answer = next(body for urgency, body in await media(device, outbox) if urgency == Urgency.ASKED_MEDIA)
        assert (answer.total, answer.content, answer.sha256) == (0, b"", hashlib.sha256(b"frame").digest())


async def test_a_file_that_the_read_does_not_name_is_refused(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        with pytest.raises(OutboxError, match="CROP"):
            await outbox.put_with_files(
                Entry(device.read(crop=b"mine"), device.captured()), [EvidenceFile(Part.CROP, b"another")]
            )
        assert await device.waiting(outbox) == []


async def test_the_quota_removes_the_oldest_files_that_no_pending_row_needs(device):
    async with device.outbox(evidence_quota_bytes=250) as outbox:
        await device.ack_open(outbox)
        evidence = Evidence(device.settings.evidence)
        contents = [bytes([n]) * 100 for n in range(4)]
        await keep(device, outbox, 1, contents[0], contents[1])
        await keep(device, outbox, 2, contents[2], contents[3])
        held = [evidence.read(hashlib.sha256(content).digest()) is not None for content in contents]
        # Crops wait to be sent, so the frames go, although the first crop is older.
        assert held == [True, False, True, False]
        assert (await outbox.state()).files_bytes == 200


async def test_files_that_a_crash_left_without_a_row_are_adopted(device):
    async with device.outbox():
        pass
    evidence = Evidence(device.settings.evidence)
    sha256, _ = evidence.keep(b"left over")
    half = evidence.path(sha256).with_name("half.partial")
    half.write_bytes(b"half")
    async with device.outbox() as outbox:
        assert (await outbox.state()).files_bytes == 9
        assert not half.exists()
        await device.ack_open(outbox)
        await outbox.send_media(ask(outbox.epoch, Part.FRAME, b"left over"))
        ((_, body),) = await media(device, outbox)
        assert body.content == b"left over"


async def test_what_others_put_between_the_files_is_left_alone(device):
    async with device.outbox():
        pass
    evidence = Evidence(device.settings.evidence)
    ours = evidence.path(evidence.keep(b"ours")[0])
    theirs = [
        device.settings.evidence / ".DS_Store",
        ours.with_name(".nfs0001"),
        ours.with_name("ff" * 32 if ours.parent.name != "ff" else "00" * 32),
        device.settings.evidence / "lost+found" / "1",
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"theirs")
    async with device.outbox() as outbox:
        assert (await outbox.state()).files_bytes == len(b"ours")
    assert all(path.read_bytes() == b"theirs" for path in theirs)


def in_the_way(path):
    """Put something at ``path`` that can neither be read nor be deleted as a file, not even by root."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("broken", ["file", "database"])
async def test_a_read_is_kept_though_older_files_cannot_be_deleted(device, broken):
    async with device.outbox(evidence_quota_bytes=250) as outbox:
        await device.ack_open(outbox)
        contents = [bytes([n]) * 100 for n in range(4)]
        await keep(device, outbox, 1, contents[0], contents[1])
        if broken == "file":
            in_the_way(Evidence(device.settings.evidence).path(hashlib.sha256(contents[1]).digest()))
        else:
            async with aiosqlite.connect(device.settings.database) as database:
                await database.execute(
                    "CREATE TRIGGER stuck BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
                )
                await database.commit()
        await outbox.wait_for_rows()
        identity = await keep(device, outbox, 2, contents[2], contents[3])
        assert identity in [row.identity for row in await device.waiting(outbox)]
        async with asyncio.timeout(5):
            await outbox.wait_for_rows()


async def test_a_file_that_cannot_be_read_is_not_called_gone(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep(device, outbox, 1, b"crop", b"frame")
        in_the_way(Evidence(device.settings.evidence).path(hashlib.sha256(b"frame").digest()))
        with pytest.raises(OutboxError, match="could not be read"):
            await outbox.send_media(ask(outbox.epoch, Part.FRAME, b"frame"))
        assert [body.part for _, body in await media(device, outbox)] == [Part.CROP]


async def test_no_statement_of_a_put_looks_through_all_rows(device):
    async with device.outbox() as outbox:
        seen = []
        await outbox._opened.database.set_trace_callback(seen.append)  # the seam: SQLite tells of each statement
        await keep(device, outbox, 1, b"crop", b"frame")
        await outbox._opened.database.set_trace_callback(None)
        statements = [statement for statement in seen if statement.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert any("file" in statement for statement in statements)
        assert device.scans(statements) == []
