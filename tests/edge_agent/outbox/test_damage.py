"""Corrupt while it is used, at its end, in one row, in its journal: nothing is passed over in silence."""

import asyncio
import hashlib
import shutil
import sqlite3
from contextlib import closing

import pytest

from edge_agent.errors import OutboxError
from edge_agent.outbox import Condition, Outbox, OutboxDamagedError, aside, journal, read_state, wal
from edge_agent.outbox.salvage import salvage
from edge_agent.sending import Identity, Urgency
from edge_wire.messages import KIND_OF, PlateRead, Resend, Stream

PAGE = 4096


async def put_many(device, outbox, first, last):
    return [identity for track in range(first, last + 1) for identity in await device.put(outbox, track)]


def checkpoint(device):
    with closing(sqlite3.connect(device.settings.database)) as database:
        assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def pages_of(device, table):
    with closing(sqlite3.connect(device.settings.database)) as database:
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
        return [number for (number,) in database.execute(query, (table,))]


def spoil(path, page):
    """Overwrite a page as a failing card does."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def killed(device, tmp_path):
    """What a kill leaves of the folder, put in the place of the folder itself; not -shm, which is memory."""
    copy = tmp_path / "killed"
    shutil.copytree(device.folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    return copy


def put_back(device, copy):
    shutil.rmtree(device.folder)
    copy.rename(device.folder)


class TestWhileRunning:
    @pytest.fixture
    async def damaged(self, device):
        """An outbox with many rows, one page of which is spoilt under it, and whose own cache has forgotten it."""
        async with device.outbox(journal_block=10) as outbox:
            await device.ack_open(outbox)
            put = await put_many(device, outbox, 1, 200)
            checkpoint(device)
            leaves = pages_of(device, "rows")
            spoil(device.settings.database, leaves[len(leaves) // 2])
            await outbox._opened.database.execute(
                "PRAGMA shrink_memory"
            )  # the seam: as if other pages had pushed it out
            await outbox._reader.execute("PRAGMA shrink_memory")
            yield outbox, put

    async def test_it_says_so_and_keeps_nothing_more(self, device, damaged):
        outbox, _ = damaged
        broken = asyncio.create_task(outbox.wait_until_broken())
        with pytest.raises(OutboxDamagedError):
            await device.waiting(outbox, 1_000)
        assert isinstance(await broken, OutboxDamagedError)
        for _ in range(2):
            with pytest.raises(OutboxDamagedError, match="nothing was stored"):
                await device.put(outbox, 201)
            with pytest.raises(OutboxDamagedError):
                await device.waiting(outbox)
        assert outbox.uncommitted == {KIND_OF[PlateRead]: 2}
        assert device.settings.damage.exists()

    async def test_opened_anew_it_states_the_bound_and_sends_what_can_still_be_read(self, device, damaged):
        """PROTOCOL invariant 4: every committed row is pending, or inside a stated bound."""
        outbox, put = damaged
        before = {row.identity: row.envelope for row in await outbox.pending(20, 20, ())}
        with pytest.raises(OutboxDamagedError):
            await device.waiting(outbox, 1_000)
        old, uncommitted = outbox.epoch, outbox.uncommitted
        await outbox.close()
        async with device.outbox(journal_block=10) as outbox:
            for kind, count in uncommitted.items():
                outbox.note_uncommitted(kind, count)
            told = outbox.opened_as
            assert (told.previous, told.corrupt) == (old, True)
            assert dict(told.previous_last)[Stream.DETECTION] >= 200
            assert (await outbox.state()).conditions == (Condition.SET_ASIDE,)
            assert (device.folder / "outbox.db.corrupt-1").exists()
            assert not device.settings.damage.exists()
            await device.ack_open(outbox)
            back = [row for row in await device.waiting(outbox, 1_000) if row.identity.epoch == old]
            assert 150 < len(back) < 200
            assert {row.identity for row in back} < {*put, Identity(old, Stream.REPORT, 1)}
            assert all(before.get(row.identity, row.envelope) == row.envelope for row in back)
            await device.put(outbox, 500)
            acked = await device.publish(outbox)
            (run,) = {(row.identity.sequence,) * 2 for row in acked[:1]}
            settled = await outbox.acked(device.ack(acked[0].identity.epoch, acked[0].identity.stream, run))
            assert settled.settled == (acked[0].identity,)

    async def test_health_finds_it_too(self, device, damaged):
        outbox, _ = damaged
        index = pages_of(device, "pending_in_order")
        spoil(device.settings.database, index[0])
        with pytest.raises(OutboxDamagedError):
            await outbox.state()
        assert isinstance(await outbox.wait_until_broken(), OutboxDamagedError)

    async def test_an_error_that_is_no_damage_ends_nothing(self, device):
        async with device.outbox() as outbox:
            with closing(sqlite3.connect(device.settings.database)) as other, other:
                other.execute("CREATE TRIGGER stuck BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'stuck'); END")
            with pytest.raises(OutboxError) as raised:
                await device.put(outbox, 1)
            assert not isinstance(raised.value, OutboxDamagedError)
            with closing(sqlite3.connect(device.settings.database)) as other, other:
                other.execute("DROP TRIGGER stuck")
            await device.put(outbox, 2)

    async def test_a_fault_of_ours_is_told_too_and_nobody_waits_for_ever(self, device):
        async def fault():
            raise RuntimeError("a fault")

        async with device.outbox() as outbox:
            with pytest.raises(OutboxError, match="nothing was stored"):
                await outbox._writer.run(fault)  # the seam: whatever the writing task is given
            assert "a fault" in str(await outbox.wait_until_broken())
            with pytest.raises(OutboxError, match="a fault"):
                await device.put(outbox, 1)
            with pytest.raises(RuntimeError, match="a fault"):
                await outbox.close()

    async def test_a_mark_that_a_kill_left_is_obeyed_though_the_quick_check_finds_nothing(self, device):
        async with device.outbox() as outbox:
            await device.put(outbox, 1)
            old = outbox.epoch
        device.settings.damage.touch()
        async with device.outbox() as outbox:
            assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (old, True)
            await device.ack_open(outbox)
            assert [row.identity.epoch for row in await device.waiting(outbox)] == [old]
        async with device.outbox() as outbox:
            assert not outbox.opened_as.corrupt


class TestKilledWhileSettingAside:
    """A kill between any two writes of the opening that sets a damaged database aside costs none of its rows."""

    async def test_every_row_is_still_put_back(self, device, tmp_path, crashes):
        async with device.outbox() as outbox:
            await put_many(device, outbox, 1, 20)
        async with device.outbox() as outbox:
            put = await put_many(device, outbox, 21, 40)
            copy = killed(device, tmp_path)  # with a log, which belongs to the database
        put_back(device, copy)
        device.settings.damage.touch()  # met while running; every row can be read all the same
        begins, count = tmp_path / "begins", 0
        shutil.copytree(device.folder, begins)
        while True:
            shutil.rmtree(device.folder)
            shutil.copytree(begins, device.folder)
            left_at = tmp_path / f"left-{count}"
            with crashes.Crash(device.folder, count, left_at) as crash:
                async with device.outbox():
                    pass
            if crash.left is None:
                break
            shutil.rmtree(device.folder)
            shutil.move(left_at, device.folder)
            async with device.outbox() as outbox:
                await device.ack_open(outbox)
                waiting = [row.identity for row in await device.waiting(outbox)]
                detections = [identity for identity in waiting if identity.stream == Stream.DETECTION]
                assert len(detections) == 40, f"write {count}"
                assert set(put) <= set(detections)
                assert outbox.opened_as.previous is not None
                assert not device.settings.damage.exists()
            count += 1
        assert count > 8


class TestOlderEpochs:
    async def test_what_was_pending_of_them_is_back_or_named(self, device):
        """PROTOCOL invariant 4: also of epochs that the new Open does not bound."""
        epochs = []
        for first in (1, 101):
            async with device.outbox() as outbox:
                await device.ack_open(outbox)
                await put_many(device, outbox, first, first + 99)
                await device.publish(outbox)
                await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 10)))
                epochs.append(outbox.epoch)
        async with device.outbox() as outbox:
            epochs.append(outbox.epoch)
        leaves = pages_of(device, "rows")
        for page in leaves[2:5]:
            spoil(device.settings.database, page)
        async with device.outbox() as outbox:
            assert outbox.opened_as.previous == epochs[-1]
            await device.ack_open(outbox)
            back = {row.identity for row in await device.waiting(outbox, 1_000)}
            told = await device.told_lost(outbox)
            assert {record.reason for record in told} == {"corrupt"}
            lost = {
                Identity(record.lost_epoch, record.lost_stream, sequence)
                for record in told
                for first, last in record.ranges
                for sequence in range(first, last + 1)
            }
            assert lost
            assert not lost & back
            expected = {Identity(epoch, Stream.DETECTION, n) for epoch in epochs[:2] for n in range(11, 101)}
            assert lost | {row for row in back if row.epoch in epochs[:2]} == expected
        async with device.outbox() as outbox:
            assert not outbox.opened_as.corrupt

    async def test_what_was_acked_is_held_on_for_a_collector_that_goes_back_in_time(self, device):
        """PROTOCOL invariant 4: after a damage, too, what can be read comes back and what cannot is named."""
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 1, 100)
            await device.publish(outbox)
            await outbox.acked(device.ack(outbox.epoch, Stream.DETECTION, (1, 100)))
            old = outbox.epoch
        spoil(device.settings.database, pages_of(device, "rows")[4])
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            assert [row for row in await device.waiting(outbox, 1_000) if row.identity.epoch == old] == []
            (told,) = await device.told_lost(outbox)
            lost = {n for first, last in told.ranges for n in range(first, last + 1)}
            assert (told.lost_epoch, told.lost_stream, told.reason) == (old, Stream.DETECTION, "corrupt")
            assert 0 < len(lost) < 20
            assert await outbox.resend(Resend(old, Stream.DETECTION, ((1, 100),))) == 100 - len(lost)
            assert await outbox.resend(Resend(old, Stream.REPORT, ((1, 1),))) == 1
            first, *_ = await device.waiting(outbox, 1_000)
            assert first.identity == Identity(old, Stream.REPORT, 1)

    async def test_when_nothing_can_be_read_all_of_it_is_named(self, device):
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 1, 5)
            old = outbox.epoch
        async with device.outbox():
            pass
        device.settings.database.write_bytes(b"\xff" * 8 * PAGE)
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            (told,) = await device.told_lost(outbox)
            assert (told.lost_epoch, told.lost_stream, told.ranges) == (old, Stream.DETECTION, ((1, 5),))

    def test_a_file_that_is_no_database_has_no_rows(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"nothing" * 1000)
        assert list(salvage(path)) == []


class TestTail:
    async def fill(self, device, tmp_path):
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            checkpoint(device)
            await put_many(device, outbox, 1, 30)
            epoch, copy = outbox.epoch, killed(device, tmp_path)
        put_back(device, copy)
        return epoch, device.folder / "outbox.db-wal"

    async def test_after_a_kill_the_log_is_whole_and_the_last_sequences_are_exact(self, device, tmp_path):
        epoch, log = await self.fill(device, tmp_path)
        assert wal.last_commit(log) > 30
        async with device.outbox() as outbox:
            assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (epoch, False)
            assert dict(outbox.opened_as.previous_last)[Stream.DETECTION] == 30
            assert (await outbox.state()).conditions == ()

    @pytest.mark.parametrize("where", [0.5, 0.999])
    async def test_damaged_it_is_kept_and_the_bound_is_stated(self, device, tmp_path, where):
        """PROTOCOL invariant 4: SQLite forgets what comes after a bad frame without a word; the Open says "corrupt"."""
        epoch, log = await self.fill(device, tmp_path)
        content = bytearray(log.read_bytes())
        content[int(len(content) * where)] ^= 0xFF
        log.write_bytes(content)
        async with device.outbox() as outbox:
            told = outbox.opened_as
            assert (told.previous, told.corrupt) == (epoch, True)
            assert dict(told.previous_last)[Stream.DETECTION] >= 30
            assert (await outbox.state()).conditions == (Condition.TAIL_LOST,)
            assert (device.folder / "outbox.db-wal.corrupt-1").read_bytes() == content
            await device.ack_open(outbox)
            left = [row.identity for row in await device.waiting(outbox) if row.identity.epoch == epoch]
            assert 0 < len(left) < 30
            assert [identity.sequence for identity in left] == list(range(1, len(left) + 1))

    async def test_an_opening_that_failed_half_way_does_not_make_it_forgotten(self, device, tmp_path, monkeypatch):
        """Closing the database in order deletes its log, and with that what showed the damage."""
        epoch, log = await self.fill(device, tmp_path)
        content = bytearray(log.read_bytes())
        content[-1] ^= 0xFF
        log.write_bytes(content)

        def refuse(*_):
            raise OSError("the TPM is busy")

        with monkeypatch.context() as busy:
            busy.setattr(type(device.key), "sign", refuse)
            with pytest.raises(OutboxError, match="the TPM is busy"):
                await Outbox.open(device.settings, device.key, device.clock)
        assert not log.exists()
        async with device.outbox() as outbox:
            assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (epoch, True)
            assert dict(outbox.opened_as.previous_last)[Stream.DETECTION] >= 30
        async with device.outbox() as outbox:  # and it is said once
            assert not outbox.opened_as.corrupt

    async def test_a_log_that_is_found_damaged_again_and_again_is_kept_once(self, device, tmp_path):
        _, log = await self.fill(device, tmp_path)
        assert aside.copy_log(log) == aside.copy_log(log)
        assert len(list(device.folder.glob("*.corrupt-*"))) == 1

    async def test_what_is_no_frame_at_all_counts_as_one_that_was(self, device, tmp_path):
        epoch, log = await self.fill(device, tmp_path)
        content = log.read_bytes()
        log.write_bytes(content[: -2 * (PAGE + 24)] + bytes(range(256)) * ((2 * (PAGE + 24)) // 256 + 1))
        async with device.outbox() as outbox:
            assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (epoch, True)

    async def test_what_is_left_over_from_before_the_log_was_begun_anew_is_no_damage(self, device, tmp_path):
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            await put_many(device, outbox, 1, 30)
            with closing(sqlite3.connect(device.settings.database)) as database:
                database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            await device.put(outbox, 31)
            copy = killed(device, tmp_path)
        put_back(device, copy)
        async with device.outbox() as outbox:
            assert not outbox.opened_as.corrupt
            assert dict(outbox.opened_as.previous_last)[Stream.DETECTION] == 31

    async def test_without_a_journal_no_bound_is_made_up(self, device, tmp_path):
        epoch, log = await self.fill(device, tmp_path)
        content = bytearray(log.read_bytes())
        content[-1] ^= 0xFF
        log.write_bytes(content)
        device.settings.journal.unlink()
        async with device.outbox() as outbox:
            told = outbox.opened_as
            assert (told.previous, told.previous_last, told.corrupt) == (epoch, (), True)

    async def test_what_was_never_committed_is_no_damage(self, device, tmp_path):
        _, log = await self.fill(device, tmp_path)
        content = log.read_bytes()
        log.write_bytes(content[: -PAGE // 2])  # cut within the frame that commits: a kill while it was written
        async with device.outbox() as outbox:
            assert not outbox.opened_as.corrupt

    @pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 32])
    def test_a_log_that_holds_nothing(self, tmp_path, content):
        path = tmp_path / "log"
        assert wal.last_commit(path) == 0
        path.write_bytes(content)
        assert wal.last_commit(path) == 0

    def test_a_log_whose_header_is_gone_held_something(self, tmp_path):
        path = tmp_path / "log"
        path.write_bytes(bytes(32 + 24 + PAGE))
        assert wal.last_commit(path) == 1


class TestOneRow:
    async def test_a_row_that_changed_on_the_disk_is_named_and_not_sent_for_ever(self, device):
        async with device.outbox() as outbox:
            await device.ack_open(outbox)
            first, second = await device.put(outbox, 1, 2)
            self.flip(device, "sequence = 1 AND stream = 1")
            assert [row.identity for row in await device.waiting(outbox)][:1] == [second]
            (told,) = await device.told_lost(outbox)
            assert (told.reason, told.lost_stream, told.ranges) == ("corrupt", Stream.DETECTION, ((1, 1),))
            assert first not in [row.identity for row in await device.waiting(outbox)]
            state = await outbox.state()
            assert (state.lost, state.parked) == ({"corrupt": 1}, 1)

    async def test_an_open_comes_back_from_the_journal(self, device):
        async with device.outbox() as outbox:
            (before,) = await device.waiting(outbox)
            self.flip(device, "urgency = 0")
            assert await device.waiting(outbox) == []
            assert await device.waiting(outbox) == [before]
            assert (await outbox.state()).lost == {}

    async def test_an_older_epochs_open_comes_back_after_another_start(self, device):
        async with device.outbox() as outbox:
            (before,) = await device.waiting(outbox)
        self.flip(device, "urgency = 0")
        async with device.outbox() as outbox:  # must not take the changed bytes over into the journal
            await device.waiting(outbox)
            assert before.envelope in [row.envelope for row in await device.waiting(outbox)]

    async def test_an_open_that_nobody_has_takes_its_epoch_along_and_all_of_it_is_named(self, device):
        async with device.outbox() as outbox:
            old = outbox.epoch
            await device.put(outbox, 1, 2)
        self.flip(device, "urgency = 0")
        device.settings.journal.unlink()
        async with device.outbox() as outbox:
            await outbox.wait_for_rows()
            assert [row.identity.epoch for row in await device.waiting(outbox)] == [outbox.epoch]
            await outbox.wait_for_rows()  # the loss records
            await device.ack_open(outbox)
            assert old not in [row.identity.epoch for row in await device.waiting(outbox)]
            told = {(lost.lost_stream, lost.ranges, lost.reason) for lost in await device.told_lost(outbox)}
            assert told == {(Stream.DETECTION, ((1, 2),), "corrupt"), (Stream.REPORT, ((1, 1),), "corrupt")}
            assert (await outbox.state()).lost == {"corrupt": 3}

    @staticmethod
    def flip(device, where):
        with closing(sqlite3.connect(device.settings.database)) as database, database:
            (envelope,) = database.execute(f"SELECT envelope FROM rows WHERE {where}").fetchone()
            database.execute(f"UPDATE rows SET envelope = ? WHERE {where}", (bytes([envelope[0] ^ 1]) + envelope[1:],))


class TestJournal:
    async def test_a_corrupt_journal_is_set_aside_and_made_anew(self, device):
        async with device.outbox() as outbox:
            before = outbox.epoch
            await device.put(outbox, 1)
        content = bytearray(device.settings.journal.read_bytes())
        content[20] ^= 0xFF
        device.settings.journal.write_bytes(content)
        async with device.outbox() as outbox:
            assert (outbox.opened_as.previous, outbox.opened_as.corrupt) == (before, False)
            assert dict(outbox.opened_as.previous_last)[Stream.DETECTION] == 1
            assert (await outbox.state()).conditions == (Condition.JOURNAL_SET_ASIDE,)
            assert (device.folder / "outbox.journal.corrupt-1").read_bytes() == content
            assert journal.read(device.settings.journal)[-1].epoch == outbox.epoch

    async def test_both_corrupt_states_that_no_bound_is_known_and_sends_what_can_be_read(self, device):
        async with device.outbox() as outbox:
            await put_many(device, outbox, 1, 50)
            old = outbox.epoch
        spoil(device.settings.database, pages_of(device, "rows")[3])
        device.settings.journal.write_bytes(b"nonsense")
        async with device.outbox() as outbox:
            told = outbox.opened_as
            assert (told.previous, told.previous_last, told.corrupt) == (None, (), True)
            state = await outbox.state()
            assert state.conditions == (Condition.SET_ASIDE, Condition.JOURNAL_SET_ASIDE)
            await device.ack_open(outbox)
            waiting = [row for row in await device.waiting(outbox) if row.identity.epoch == old]
            (lost,) = await device.told_lost(outbox)  # the rows of the page, between those that can be read
            assert len(waiting) + sum(last - first + 1 for first, last in lost.ranges) == 50

    async def test_one_of_the_first_version_is_still_read(self, device):
        device.folder.mkdir()
        epochs = [[7, [10, 20, 30], b"open"]]
        body = journal.cbor2.dumps([1, epochs], canonical=True)
        device.settings.journal.write_bytes(body + hashlib.sha256(body).digest())
        (read,) = journal.read(device.settings.journal)
        assert (read.epoch, list(read.reserved_to.values()), list(read.held_from.values())) == (
            7,
            [10, 20, 30],
            [1, 1, 1],
        )


class TestOpens:
    async def test_an_open_stays_as_long_as_anything_of_its_epoch_and_can_be_asked_for(self, device):
        async with device.outbox(keep_stored_h=0) as outbox:
            await device.ack_open(outbox)
            old = outbox.epoch
            await device.put(outbox, 1)
        async with device.outbox(keep_stored_h=0) as outbox:
            await outbox.purge()
            await device.ack_open(outbox)
            assert await outbox.resend(Resend(old, Stream.REPORT, ((1, 1),))) == 1
            # Nothing else of that epoch goes before its Open is acked anew.
            assert [row.urgency for row in await device.waiting(outbox)] == [Urgency.OPEN]
            assert await outbox.resend(Resend(outbox.epoch, Stream.REPORT, ((1, 1),))) == 1
            assert not outbox.open_acked
            await device.ack_open(outbox)
            assert outbox.open_acked
            await device.publish(outbox)
            await outbox.acked(device.ack(old, Stream.DETECTION, (1, 1)))
            await outbox.purge()
            assert await outbox.resend(Resend(old, Stream.REPORT, ((1, 1),))) == 0
        assert [stream.epoch for stream in read_state(device.folder, device.clock).streams if stream.epoch == old] == []
