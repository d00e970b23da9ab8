"""Killed between any two writes, corrupt, deleted, set back: what was reported as stored is there, or is named."""

import shutil
from dataclasses import replace

import aiosqlite
import pytest

from edge_agent.errors import ConfigurationError, OutboxError
from edge_agent.outbox import Outbox, OutboxSettings, journal
from edge_agent.sending import Identity, Urgency
from edge_wire.messages import LastSequence, Resend, Stream


def corrupt(path):
    content = bytearray(path.read_bytes())
    content[100:] = bytes(len(content) - 100)
    path.write_bytes(content)


async def test_a_kill_between_any_two_writes_of_a_put_loses_nothing_that_was_reported(device, tmp_path):
    """Each snapshot is what a kill just before that SQL statement would leave; the last, just after the put."""
    snapshots, reported = [], []

    def crash_point(statement):
        # Not -shm: it is memory shared between processes, gone with the last of them.
        target = tmp_path / f"crash-{len(snapshots)}"
        shutil.copytree(device.folder, target, ignore=shutil.ignore_patterns("*-shm"))
        snapshots.append((target, statement.split()[0], list(reported)))

    async with device.outbox(journal_block=2) as outbox:
        await device.ack_open(outbox)
        await outbox._opened.database.set_trace_callback(
            crash_point
        )  # the seam: SQLite tells of each statement before it runs
        for track in range(1, 5):
            reported += await device.put(outbox, track)
        crash_point("after")
        epoch = outbox.epoch
    assert {"UPDATE", "INSERT", "COMMIT"} <= {word for _, word, _ in snapshots}
    for folder, _, expected in snapshots:
        settings = OutboxSettings(folder, "trailer-1")
        bound = journal.read(settings.journal)[-1].reserved_to[Stream.DETECTION]
        async with await Outbox.open(settings, device.key, device.clock) as reopened:
            found = [row.identity for row in await device.waiting(reopened) if row.urgency != Urgency.OPEN]
            assert found[: len(expected)] == expected
            assert [i.sequence for i in found] == list(range(1, len(found) + 1))
            assert dict(reopened.opened_as.previous_last)[Stream.DETECTION] == len(found) <= bound
            assert reopened.opened_as.previous == epoch
            assert not reopened.opened_as.corrupt


async def test_what_was_not_committed_is_not_there_and_its_sequence_is_free(device):
    async with device.outbox() as outbox:
        epoch = outbox.epoch
    database = await aiosqlite.connect(device.settings.database)
    await database.execute("UPDATE counters SET next_sequence = 9 WHERE epoch = ? AND stream = 1", (epoch,))
    await database.close()  # as a kill before COMMIT
    async with device.outbox() as outbox:
        assert outbox.opened_as.previous_last[0] == LastSequence(Stream.DETECTION, 0)


@pytest.mark.parametrize("damage", ["corrupt", "deleted"])
async def test_a_lost_database_begins_an_epoch_that_states_the_bound(device, damage):
    async with device.outbox(journal_block=10) as outbox:
        lost = outbox.epoch
        (unacked,) = await device.waiting(outbox)
        await device.put(outbox, *range(1, 13))
    if damage == "corrupt":
        corrupt(device.settings.database)
    else:
        device.settings.database.unlink()
    async with device.outbox() as outbox:
        body = outbox.opened_as
        assert (body.previous, body.corrupt) == (lost, True)
        bound = dict(body.previous_last)
        # Twelve were committed: a block of ten, and when that was not enough another from the one that needed it.
        assert bound == {Stream.DETECTION: 21, Stream.MEDIA: 10, Stream.REPORT: 10}
        # The collector has never seen that epoch's Open: the journal's copy brings it back, as it was signed.
        back, new = await device.waiting(outbox)
        assert (back.identity, back.envelope) == (unacked.identity, unacked.envelope)
        assert new.identity == Identity(outbox.epoch, Stream.REPORT, 1)
        await device.ack_open(outbox)
        await outbox.enqueue_statement()
        (statement,) = await device.waiting(outbox)
        assert {s.epoch for s in device.message(statement).body.streams} == {outbox.epoch}
    aside = device.folder / "outbox.db.corrupt-1"
    assert aside.exists() == (damage == "corrupt")


async def test_a_second_damaged_database_does_not_replace_the_first(device):
    for _ in range(2):
        async with device.outbox():
            pass
        device.settings.database.write_bytes(b"no database at all" * 100)
    async with device.outbox() as outbox:
        assert outbox.opened_as.corrupt
    assert (device.folder / "outbox.db.corrupt-2").read_bytes() == (device.folder / "outbox.db.corrupt-1").read_bytes()


async def test_a_database_older_than_the_journal_was_set_back(device, tmp_path):
    async with device.outbox():
        pass
    backup = tmp_path / "backup.db"
    shutil.copy(device.settings.database, backup)
    async with device.outbox() as outbox:
        newest = outbox.epoch
        await device.put(outbox, 1)
    shutil.copy(backup, device.settings.database)
    async with device.outbox() as outbox:
        assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (newest, True)


async def test_a_missing_journal_is_made_again(device):
    async with device.outbox() as outbox:
        before = outbox.epoch
    device.settings.journal.write_bytes(b"nonsense")
    async with device.outbox() as outbox:
        assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (before, False)
    assert journal.read(device.settings.journal)[-1].epoch == outbox.epoch


async def test_neither_database_nor_journal_can_be_read(device):
    async with device.outbox():
        pass
    corrupt(device.settings.database)
    device.settings.journal.unlink()
    async with device.outbox() as outbox:
        assert (outbox.opened_as.previous, outbox.opened_as.previous_last, outbox.opened_as.corrupt) == (None, (), True)


async def test_a_newer_agents_outbox_is_left_alone(device):
    async with device.outbox():
        pass
    async with aiosqlite.connect(device.settings.database) as database:
        await database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="newer agent"):
        async with device.outbox():
            pass
    assert not list(device.folder.glob("*.corrupt-*"))


async def test_a_folder_that_cannot_be_used_is_named(device):
    device.folder.parent.mkdir(exist_ok=True)
    device.folder.write_bytes(b"a file")
    with pytest.raises(OutboxError, match="outbox: cannot be used"):
        async with device.outbox():
            pass


async def test_a_journal_that_cannot_be_opened_is_named(device):
    device.settings.journal.mkdir(parents=True)
    with pytest.raises(OutboxError, match=r"outbox\.journal: cannot be used: Is a directory"):
        async with device.outbox():
            pass


async def test_a_failed_commit_stores_nothing_and_says_so(device):
    async with device.outbox() as outbox:
        await device.put(outbox, 1)
        async with aiosqlite.connect(device.settings.database) as database:
            await database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
            await database.commit()
            with pytest.raises(OutboxError, match="disk full"):
                await device.put(outbox, 2)
            await database.execute("DROP TRIGGER full")
            await database.commit()
        (identity,) = await device.put(outbox, 3)
        assert identity.sequence == 2


async def test_settled_rows_keep_their_age_over_a_reboot(device):
    hour_ns = 3600 * 10**9
    async with device.outbox(keep_stored_h=2) as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1)
        await device.publish(outbox)
        await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 1)))
        device.clock.advance(hour_ns)
        await outbox.purge()
        old = outbox.epoch
    async with aiosqlite.connect(device.settings.database) as database:
        await database.execute("UPDATE facts SET value = x'00' WHERE name = 'boot_id'")
        await database.commit()
    device.clock.now_boot_ns = 5
    async with device.outbox(keep_stored_h=2) as outbox:
        device.clock.advance(hour_ns * 9 // 10)
        await outbox.purge()
        assert (await outbox.state()).stored == 2
        device.clock.advance(hour_ns // 10)
        await outbox.purge()
        assert await outbox.resend(Resend(old, Stream.DETECTION, ((1, 1),))) == 0


async def test_a_reboot_makes_backlog_of_what_waits_and_writes_no_row_again(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        before = await device.put(outbox, 1, 2, 3)
    async with aiosqlite.connect(device.settings.database) as database:
        await database.execute("UPDATE facts SET value = x'00' WHERE name = 'boot_id'")
        await database.execute("CREATE TRIGGER still BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'written'); END")
        await database.commit()
    device.clock.now_boot_ns = 5
    async with device.outbox() as outbox:
        async with aiosqlite.connect(device.settings.database) as database:
            await database.execute("DROP TRIGGER still")
            await database.commit()
        await device.ack_open(outbox)
        live = await device.put(outbox, 4)
        rows = await device.waiting(outbox)
        assert [row.identity for row in rows] == [*live, *before[::-1]]
        assert [row.urgency for row in rows] == [Urgency.LIVE_READ] + [Urgency.BACKLOG] * 3
        assert 120 <= (await outbox.state()).oldest_s < 121


class TestJournal:
    def epochs(self, **reserved):
        return (journal.JournalEpoch(7, dict.fromkeys(Stream, 10), b"open"),)

    def test_a_block_is_on_disk_before_it_is_used(self, tmp_path):
        path = tmp_path / "j"
        kept = journal.Journal(path, self.epochs(), 10)
        kept.write()
        assert kept.covers({Stream.MEDIA: 10})
        assert not kept.covers({Stream.MEDIA: 11})
        kept.reserve({Stream.MEDIA: 11})
        (read,) = journal.read(path)
        assert read.reserved_to == {Stream.DETECTION: 10, Stream.MEDIA: 21, Stream.REPORT: 10}
        assert (read.epoch, read.open_envelope) == (7, b"open")

    def test_only_so_many_epochs_are_kept(self, tmp_path):
        path = tmp_path / "j"
        # Envelopes as large as those of Opens: what is written must also be taken for a journal again.
        epochs = tuple(replace(*self.epochs(), open_envelope=bytes(450)) for _ in range(1_200))
        journal.Journal(path, epochs, 10).write()
        assert len(journal.read(path)) == 1_000

    @pytest.mark.parametrize("cut", [0, 1, 10, -1])
    def test_half_a_journal_is_none(self, tmp_path, cut):
        path = tmp_path / "j"
        journal.Journal(path, self.epochs(), 10).write()
        path.write_bytes(path.read_bytes()[:cut])
        assert journal.read(path) is None

    def test_no_journal_is_none(self, tmp_path):
        assert journal.read(tmp_path / "j") is None
