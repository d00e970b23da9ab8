"""What goes in comes out once, signed, in order, and leaves only on the collector's word."""

import asyncio
import fcntl
import hashlib
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Entry, EvidenceFile, OutboxSettings, is_held
from edge_agent.outbox.lock import FolderLock
from edge_agent.sending import AckFinding, Identity, Urgency
from edge_wire import codec, cose
from edge_wire.messages import (
    KIND_OF,
    Health,
    LossRecord,
    Open,
    Part,
    PlateRead,
    Presence,
    Resend,
    Statement,
    Stream,
    Verdict,
)
from edge_wire.topics import Channel


async def identities(device, outbox):
    return [row.identity for row in await device.waiting(outbox)]


async def test_a_new_outbox_holds_its_open_signed_by_the_device_key(device):
    async with device.outbox() as outbox:
        (row,) = await device.waiting(outbox)
        assert row.identity == Identity(outbox.epoch, Stream.REPORT, 1)
        assert (row.urgency, row.channel) == (Urgency.OPEN, Channel.REPORT)
        device.verify(row, device.key.public_key)
        body = device.message(row).body
        assert body == outbox.opened_as
        assert (body.previous, body.previous_last, body.corrupt) == (None, (), False)


async def test_nothing_else_of_an_epoch_is_offered_before_its_open_is_acked(device):
    async with device.outbox() as outbox:
        (read,) = await device.put(outbox, 1)
        assert [r.urgency for r in await device.waiting(outbox)] == [Urgency.OPEN]
        assert not outbox.open_acked
        await device.ack_open(outbox)
        assert outbox.open_acked
        assert await identities(device, outbox) == [read]


async def test_rows_are_signed_by_the_epochs_key_for_their_own_channel(device):
    async with device.outbox() as outbox:
        await device.put(outbox, 1)
        await device.ack_open(outbox)
        (row,) = await device.waiting(outbox)
        key = cose.load_spki(outbox.opened_as.public_key)
        device.verify(row, key)
        message = device.message(row)
        assert message.body.track == 1
        assert message.header.captured_at_ns == device.clock.utc_ns()
        with pytest.raises(cose.SignatureError):
            cose.verify(cose.parse(row.envelope), key, cose.external_aad("trailer-1", Channel.MEDIA))


async def test_each_stream_counts_from_one(device):
    async with device.outbox() as outbox:
        first, second = await device.put(outbox, 1, 2)
        shot = await outbox.put(device.shot(), device.captured())
        assert [first.sequence, second.sequence, shot.sequence] == [1, 2, 3]
        await outbox.enqueue_statement()
        await device.ack_open(outbox)
        statement = next(r for r in await device.waiting(outbox) if r.identity.stream == Stream.REPORT)
        assert statement.identity.sequence == 2


async def test_what_is_put_at_once_shares_a_commit_and_still_gets_its_own_identity(device):
    async with device.outbox() as outbox:
        stored = await asyncio.gather(*(outbox.put(device.read(n), device.captured()) for n in range(1, 101)))
        assert sorted(i.sequence for i in stored) == list(range(1, 101))
        await device.ack_open(outbox)
        tracks = {row.identity: device.message(row).body.track for row in await device.waiting(outbox)}
        assert [tracks[i] for i in stored] == list(range(1, 101))


async def test_put_all_is_one_transaction(device):
    async with device.outbox() as outbox:
        stored = await outbox.put_all([Entry(device.read(n), device.captured()) for n in (1, 2, 3)])
        assert [i.sequence for i in stored] == [1, 2, 3]
        with pytest.raises(OutboxError, match="track"):
            await outbox.put_all([Entry(device.read(4), device.captured()), Entry(device.read(-1), device.captured())])
        assert (await device.put(outbox, 5))[0].sequence == 4


@pytest.mark.parametrize(
    "body",
    [Health(1, 1, 1, 1, None, 1, "ntp", (), (), "1"), Presence(1, True, "")],
)
async def test_what_has_no_stream_is_not_stored(device, body):
    async with device.outbox() as outbox:
        with pytest.raises(OutboxError, match="not sequenced"):
            await outbox.put(body, device.captured())


async def test_invariant_1_sequences_are_never_reused_even_when_the_table_is_empty(device):
    """PROTOCOL invariant 1: no identity ever names two payloads."""
    async with device.outbox(keep_stored_h=0) as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1, 2)
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 2)))
        with sqlite3.connect(device.settings.database) as database:
            assert database.execute("SELECT count(*) FROM rows WHERE stream = 1").fetchone() == (0,)
        database.close()
        assert (await device.put(outbox, 3))[0].sequence == 3


async def test_invariant_1_every_opening_is_another_epoch_with_another_key(device):
    """PROTOCOL invariant 1: no identity ever names two payloads, not even of a cloned card."""
    seen = set()
    for _ in range(3):
        async with device.outbox() as outbox:
            seen.add((outbox.epoch, outbox.opened_as.public_key))
    assert len({epoch for epoch, _ in seen}) == len({key for _, key in seen}) == 3
    assert all(0 <= epoch < 1 << 63 for epoch, _ in seen)


async def test_invariant_1_rows_of_an_older_epoch_are_sent_as_they_were_signed(device):
    """PROTOCOL invariant 1: what is sent again is byte for byte what was signed."""
    async with device.outbox() as outbox:
        old = outbox.epoch
        await device.put(outbox, 1, 2)
        await device.ack_open(outbox)
        before = {row.identity: row.envelope for row in await device.waiting(outbox)}
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        assert {row.identity: row.envelope for row in await device.waiting(outbox)} == before
        assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (old, False)
        assert [tuple(last) for last in outbox.opened_as.previous_last] == [(1, 2), (2, 0), (3, 1)]


async def test_invariant_2_row_deleted_only_after_verified_ack(device):
    """PROTOCOL invariant 2: a row is deleted only after an ack that names it.

    Its verification is the uplink's; here: only what was published and exists leaves, and only by name.
    """
    async with device.outbox(keep_stored_h=0) as outbox:
        await device.ack_open(outbox)
        stored = await device.put(outbox, 1, 2, 3)
        unpublished = await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 3)))
        assert unpublished.settled == ()
        assert await identities(device, outbox) == stored
        await device.publish(outbox)
        outcome = await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1), (3, 3)))
        assert outcome.settled == (stored[0], stored[2])
        assert await identities(device, outbox) == [stored[1]]


async def test_invariant_2_an_ack_beyond_the_counter_changes_nothing_and_is_reported(device):
    """PROTOCOL invariant 2, and invariant 6 as far as it is the outbox's: such an ack changes nothing."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        stored = await device.put(outbox, 1, 2)
        await device.publish(outbox)
        outcome = await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 3)))
        assert (outcome.settled, outcome.finding) == ((), AckFinding.BEYOND_COUNTER)
        outcome = await outbox.acked(device.ack(7, Stream.DETECTION, (1, 1)))
        assert outcome.finding is AckFinding.UNKNOWN_EPOCH
        assert await identities(device, outbox) == stored


async def test_invariant_2_a_refused_row_leaves_with_the_loss_record_that_names_it(device):
    """PROTOCOL invariant 2: a row leaves in the transaction that records its loss."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        (read,) = await device.put(outbox, 1)
        (row,) = await device.publish(outbox)
        assert await outbox.refused(bytes(32)) is None
        refusal = await outbox.refused(hashlib.sha256(row.envelope).digest())
        assert (refusal.identity, refusal.parked) == (read, True)
        (left,) = await device.waiting(outbox)
        assert device.message(left).body == LossRecord(
            outbox.epoch, Stream.DETECTION, ((1, 1),), "refused", ((KIND_OF[PlateRead], 1),)
        )
        assert (await outbox.state()).parked == 1
        # A loss record is never lost in turn: refused itself, it is kept and tried again.
        await device.publish(outbox)
        kept = await outbox.refused(hashlib.sha256(left.envelope).digest())
        assert (kept.identity, kept.parked) == (left.identity, False)
        assert await identities(device, outbox) == [left.identity]


@pytest.mark.parametrize("how", ["refused", "dead-lettered"])
async def test_a_rejected_open_stays_and_is_tried_again(device, how):
    async with device.outbox() as outbox:
        (row,) = await device.publish(outbox)
        if how == "refused":
            assert not (await outbox.refused(hashlib.sha256(row.envelope).digest())).parked
        else:
            rejected = device.ack(outbox.epoch, Stream.REPORT, (1, 1), verdict=Verdict.DEAD_LETTERED)
            assert (await outbox.acked(rejected)).finding is AckFinding.OPEN_REJECTED
        assert await identities(device, outbox) == [row.identity]
        assert not outbox.open_acked


async def test_acked_rows_stay_for_keep_stored_h_and_come_back_when_asked_for(device):
    async with device.outbox(keep_stored_h=1) as outbox:
        await device.ack_open(outbox)
        stored = await device.put(outbox, 1, 2, 3)
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 2)))
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (3, 3), verdict=Verdict.DEAD_LETTERED))
        assert await device.waiting(outbox) == []
        assert await outbox.resend(Resend(outbox.epoch, Stream.DETECTION, ((2, 900),))) == 2
        assert await identities(device, outbox) == stored[1:]
        # They were published before, but not since: an old ack must not take them away.
        assert (await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 3)))).settled == ()
        device.clock.advance(3600 * 10**9)
        await outbox.purge()
        assert await outbox.resend(Resend(outbox.epoch, Stream.DETECTION, ((1, 1),))) == 0
        assert (await outbox.state()).pending == 2


async def test_a_statement_says_what_each_stream_holds_just_before_it(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1, 2, 3)
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1)))
        await outbox.enqueue_statement()
        await outbox.enqueue_statement()
        first, second = [r for r in await device.waiting(outbox) if r.identity.stream == Stream.REPORT]
        assert [tuple(s)[1:] for s in device.message(first).body.streams] == [(1, 4, 2, 2), (2, 1, 0, 0), (3, 2, 0, 0)]
        assert device.message(second).body.streams[2][2:] == (3, 1, 2)


async def test_a_statement_without_room_for_every_epoch_leaves_out_those_with_nothing_pending(device):
    async with device.outbox() as outbox:
        await device.put(outbox, 1, 2, 3)
        old = outbox.epoch
    async with device.outbox() as outbox:
        with closing(sqlite3.connect(device.settings.database)) as database, database:
            for epoch in range(1, 206):
                database.execute("INSERT INTO epochs (epoch) VALUES (?)", (epoch,))
                database.executemany("INSERT INTO counters VALUES (?, ?, 1)", [(epoch, stream) for stream in Stream])
        await device.ack_open(outbox)
        await outbox.enqueue_statement()
        (body,) = [b for r in await device.waiting(outbox) if isinstance(b := device.message(r).body, Statement)]
        assert (old, Stream.DETECTION, 4, 3, 1) in [tuple(stream) for stream in body.streams]


async def test_invariant_6_a_refusal_of_what_was_never_published_changes_nothing(device):
    """PROTOCOL invariant 6: nothing that was not asked for changes a device."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1)
        (row,) = await device.waiting(outbox)
        assert await outbox.refused(hashlib.sha256(row.envelope).digest()) is None
        assert await identities(device, outbox) == [row.identity]


async def test_another_store_is_told_what_is_held_and_the_old_ones_acks_count_no_more(device):
    """PROTOCOL invariant 6: what is meant for another time changes nothing."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1, 2)
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1), store_id=b"B" * 16))
        waiting = await device.waiting(outbox)
        assert isinstance(device.message(waiting[-1]).body, Statement)
        late = await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (2, 2)))
        assert (late.settled, late.finding) == ((), AckFinding.SUPERSEDED_STORE)


async def test_acks_of_two_stores_that_come_together_leave_the_later_store_in_force(device):
    """PROTOCOL invariant 6: they share a commit, and yet the old store's word does not count after the new one's."""
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1, 2, 3)
        await device.publish(outbox)
        new, old, newer = await asyncio.gather(
            outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1), store_id=b"B" * 16)),
            outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (2, 2))),
            outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (3, 3), store_id=b"B" * 16)),
        )
        assert [len(new.settled), old.finding, len(newer.settled)] == [1, AckFinding.SUPERSEDED_STORE, 1]
        statements = [r for r in await device.waiting(outbox) if isinstance(device.message(r).body, Statement)]
        assert len(statements) == 1
        later = await outbox.acked(device.ack(outbox.epoch, Stream.REPORT, (1, 1), store_id=b"B" * 16))
        assert later.finding is None


async def test_the_store_is_remembered_over_openings(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        assert await device.waiting(outbox) == []


async def test_unsequenced_messages_carry_the_epoch_and_its_signature(device):
    async with device.outbox() as outbox:
        envelope = cose.parse(outbox.sign(Presence(3, True, "")))
        key = cose.load_spki(outbox.opened_as.public_key)
        cose.verify(envelope, key, cose.external_aad("trailer-1", Channel.PRESENCE))
        message = codec.decode_up(envelope.payload)
        assert (message.header.epoch, message.header.sequence, message.body.connection) == (outbox.epoch, None, 3)


async def test_one_agent_per_outbox(device):
    async with device.outbox():
        with pytest.raises(OutboxError, match="another agent"):
            async with device.outbox():
                pass
    async with device.outbox():
        pass


def test_who_only_asks_keeps_no_agent_from_starting(tmp_path):
    asking = os.open(tmp_path / "outbox.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_SH)
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(FolderLock, tmp_path)
        wait([starting], timeout=0.1)  # as long as somebody asks, it goes on trying
        os.close(asking)
        lock = starting.result()
    assert is_held(tmp_path)
    lock.release()
    assert not is_held(tmp_path)


async def test_its_files_are_their_owners_alone(device):
    device.folder.mkdir(mode=0o755)
    device.settings.database.touch(mode=0o644)
    async with device.outbox() as outbox:
        await outbox.put_with_files(
            Entry(device.read(), device.captured()),
            [EvidenceFile(Part.CROP, b"crop"), EvidenceFile(Part.FRAME, b"frame")],
        )
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in device.folder.rglob("*") if path.is_file()}
    assert {"outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.journal", "outbox.lock"} < modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(device.folder.stat().st_mode) == 0o700


async def test_a_closed_outbox_says_that_it_stores_nothing(device):
    async with device.outbox() as outbox:
        pass
    with pytest.raises(OutboxError, match="closed"):
        await outbox.put(device.read(), device.captured())


async def test_wait_for_rows_returns_after_a_put(device):
    async with device.outbox() as outbox:
        await outbox.wait_for_rows()
        waiter = asyncio.create_task(outbox.wait_for_rows())
        await asyncio.sleep(0)
        assert not waiter.done()
        await device.put(outbox, 1)
        await waiter


def test_settings_name_the_files_of_the_folder(tmp_path):
    settings = OutboxSettings(tmp_path, "d")
    assert settings.database.parent == settings.journal.parent == settings.evidence.parent == tmp_path


def test_the_first_row_of_an_epoch_is_an_open():
    assert KIND_OF[Open] == 1  # the queries of ``ordering`` and the gate rest on Open being urgency 0, sequence 1


class TestCancelled:
    """A connection that breaks cancels whoever waits for a commit; the commit goes on, and memory follows it."""

    async def test_an_ack_that_was_being_written_counts(self, device):
        async with device.outbox() as outbox:
            await device.publish(outbox)
            following = asyncio.create_task(outbox.acked(device.ack(outbox.epoch, Stream.REPORT, (1, 1))))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert following.cancelled()
            await outbox.enqueue_statement()  # behind it in the queue
            assert outbox.open_acked
            assert [row.urgency for row in await device.waiting(outbox)] == [Urgency.REPORT]

    async def test_what_could_not_be_kept_is_told_once(self, device):
        async with device.outbox() as outbox:
            outbox.note_uncommitted(KIND_OF[PlateRead], 3)
            telling = asyncio.create_task(outbox._house.tell_uncommitted())  # the seam: what the housekeeping does
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        assert outbox.uncommitted == {}
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            assert [lost.uncommitted for lost in await device.told_lost(outbox)] == [3]
