"""Clips of shots: found for each of their arrivals, with room of their own, and gone in time."""

import hashlib

import aiosqlite
import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.outbox.evidence import Evidence
from edge_agent.sending import Urgency
from edge_wire.messages import Command, Part, ShotClip, Stream, Wanted

HOUR_NS = 3600 * 10**9
OGG, FLAC = b"OggS" + bytes(96), b"fLaC" + bytes(196)


def sha256(content):
    return hashlib.sha256(content).digest()


async def keep_clip(device, outbox, *arrivals, clip=OGG, recording=FLAC):
    entry = Entry(device.clip(*arrivals, clip=clip, recording=recording), device.captured())
    return await outbox.put_with_files(entry, [EvidenceFile(Part.CLIP, clip), EvidenceFile(Part.RECORDING, recording)])


async def keep_read(device, outbox, track, crop, frame):
    files = [EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)]
    return await outbox.put_with_files(Entry(device.read(track, crop=crop, frame=frame), device.captured()), files)


def held(device, *contents):
    evidence = Evidence(device.settings.evidence)
    return [evidence.read(sha256(content)) == content for content in contents]


async def media(device, outbox):
    rows = [row for row in await device.waiting(outbox) if row.identity.stream == Stream.MEDIA]
    return [(row.urgency, device.message(row).body) for row in rows]


async def settle_media(device, outbox):
    rows = await device.publish(outbox)
    for row in rows:
        if row.identity.stream == Stream.MEDIA:
            one = (row.identity.sequence,) * 2
            await outbox.acked(device.ack(outbox.epoch, Stream.MEDIA, one))


async def test_pains_23_clip_and_recording_are_found_for_each_arrival_that_shares_them(device):
    """pains-23: from the detection to its audio, by identity and by hash, whichever round of the burst one holds."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        shots = [await outbox.put(device.shot(), device.captured()) for _ in range(3)]
        arrivals = [shot.sequence for shot in shots]
        await keep_clip(device, outbox, *arrivals)
        (told,) = [
            body for row in await device.waiting(outbox) if isinstance(body := device.message(row).body, ShotClip)
        ]
        assert told.arrivals == ((arrivals[0], arrivals[-1]),)
        assert await media(device, outbox) == [], "no sound leaves before it is asked for"
        for arrival in arrivals:
            wanted = (Wanted(Part.CLIP, told.clip_sha256), Wanted(Part.RECORDING, told.recording_sha256))
            await outbox.send_media(Command(1, "send_media", outbox.epoch, sequence=arrival, wanted=wanted))
            answers = await media(device, outbox)
            assert [(b.part, b.content, b.sequence, b.of_epoch) for _, b in answers] == [
                (Part.CLIP, OGG, arrival, outbox.epoch),
                (Part.RECORDING, FLAC, arrival, outbox.epoch),
            ]
            assert {urgency for urgency, _ in answers} == {Urgency.ASKED_MEDIA}
            await settle_media(device, outbox)


async def test_a_clip_that_is_not_the_one_named_is_refused(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        entry = Entry(device.clip(1, clip=OGG, recording=FLAC), device.captured())
        for part in (Part.CLIP, Part.RECORDING):
            with pytest.raises(OutboxError, match=part.name):
                await outbox.put_with_files(entry, [EvidenceFile(part, b"another")])
        assert await device.waiting(outbox) == []


async def test_frames_do_not_push_out_clips_nor_clips_frames(device):
    async with device.outbox(evidence_quota_bytes=250, clip_quota_bytes=350) as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        crops, frames = [[bytes([n]) * 50 for n in range(first, first + 4)] for first in (0, 10)]
        for track, (crop, frame) in enumerate(zip(crops, frames, strict=True)):
            await keep_read(device, outbox, track, crop, frame)
        assert held(device, OGG, FLAC) == [True, True]
        assert held(device, *frames) == [False, False, False, True]
        clips = [(b"OggS" + bytes([n]) * 96, b"fLaC" + bytes([n]) * 196) for n in range(2)]
        for number, (clip, recording) in enumerate(clips):
            await keep_clip(device, outbox, 2 + number, clip=clip, recording=recording)
        assert held(device, OGG, FLAC, *clips[0], *clips[1]) == [False, False, False, False, True, True]
        assert held(device, frames[3]) == [True]


async def test_clips_expire_and_frames_do_not(device):
    async with device.outbox(keep_clips_h=72) as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        await keep_read(device, outbox, 1, b"crop", b"frame")
        device.clock.advance(72 * HOUR_NS - 1)
        await outbox.purge()
        assert held(device, OGG, FLAC, b"frame") == [True, True, True]
        device.clock.advance(1)
        await outbox.purge()
        assert held(device, OGG, FLAC, b"frame") == [False, False, True]
        assert not Evidence(device.settings.evidence).path(sha256(FLAC)).exists()
        assert (await outbox.state()).files_bytes == len(b"crop") + len(b"frame")
        asked = Command(1, "send_media", outbox.epoch, sequence=1, wanted=(Wanted(Part.CLIP, sha256(OGG)),))
        await outbox.send_media(asked)
        answer = next(body for _, body in await media(device, outbox) if body.part == Part.CLIP)
        assert (answer.total, answer.content) == (0, b"")


async def test_with_0_clips_stay_until_their_room_is_needed(device):
    async with device.outbox(keep_clips_h=0) as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        device.clock.advance(10_000 * HOUR_NS)
        await outbox.purge()
        assert held(device, OGG, FLAC) == [True, True]


async def test_clips_keep_their_age_over_a_reboot_and_expire_at_the_next_start(device):
    async with device.outbox(keep_clips_h=2) as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        device.clock.advance(HOUR_NS)
        await outbox.purge()
    async with aiosqlite.connect(device.settings.database) as database:
        await database.execute("UPDATE facts SET value = x'00' WHERE name = 'boot_id'")
        await database.commit()
    device.clock.now_boot_ns = 5
    async with device.outbox(keep_clips_h=2) as outbox:
        device.clock.advance(HOUR_NS * 9 // 10)
        await outbox.purge()
        assert held(device, OGG, FLAC) == [True, True]
        device.clock.advance(HOUR_NS // 10)
    async with device.outbox(keep_clips_h=2):
        assert held(device, OGG, FLAC) == [False, False]


async def test_an_expired_clip_that_cannot_be_deleted_stops_nothing(device):
    async with device.outbox(keep_clips_h=1) as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        path = Evidence(device.settings.evidence).path(sha256(OGG))
        path.unlink()
        path.mkdir()  # neither to be read nor to be deleted as a file, not even by root
        device.clock.advance(HOUR_NS)
        await outbox.purge()
        await device.put(outbox, 1)


async def test_sound_that_lost_its_row_is_known_by_its_first_bytes_and_expires_too(device):
    async with device.outbox():
        pass
    evidence = Evidence(device.settings.evidence)
    for content in (OGG, FLAC, b"frame"):
        evidence.keep(content)
    async with device.outbox(keep_clips_h=1) as outbox:
        device.clock.advance(HOUR_NS)
        await outbox.purge()
        assert held(device, OGG, FLAC, b"frame") == [False, False, True]


async def test_an_outbox_of_the_first_layout_goes_on_with_its_files(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await keep_clip(device, outbox, 1)
        await keep_read(device, outbox, 1, b"crop", b"frame")
        (identity,) = await device.put(outbox, 2)
    async with aiosqlite.connect(device.settings.database) as database:
        await database.executescript(
            "DROP INDEX kept_by_part; DROP TABLE losses; ALTER TABLE rows DROP COLUMN part; "
            "ALTER TABLE files DROP COLUMN part; DROP INDEX pending_in_order; "
            "DROP INDEX kept; ALTER TABLE files DROP COLUMN share; ALTER TABLE files DROP COLUMN kept_boot_ns; "
            "PRAGMA user_version = 1;"
        )
    async with device.outbox(keep_clips_h=1) as outbox:
        await device.ack_open(outbox)
        assert identity in [row.identity for row in await device.waiting(outbox)]
        assert held(device, OGG, FLAC, b"frame") == [True, True, True]
        device.clock.advance(HOUR_NS)
        await outbox.purge()
        assert held(device, OGG, FLAC, b"frame") == [False, False, True]
