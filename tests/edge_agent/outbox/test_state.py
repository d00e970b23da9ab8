"""What ``edge-agent outbox`` and doctor read, beside a running agent and without one."""

import json
import os
import sqlite3
from contextlib import closing, contextmanager

import pytest
import typer
from typer.testing import CliRunner

from edge_agent.commands.outbox import outbox as outbox_command
from edge_agent.errors import OutboxError
from edge_agent.outbox import Entry, is_held, read_state
from edge_agent.outbox.state import _read
from edge_wire.clock import SystemClock
from edge_wire.messages import Stream


async def test_depth_age_epoch_and_sequences(device):
    async with device.outbox() as outbox:
        await device.ack_open(outbox)
        await device.put(outbox, 1, 2)
        device.clock.advance(5 * 10**9)
        state = read_state(device.folder, device.clock)
        assert (state.epoch, state.open_acked, state.running) == (outbox.epoch, True, True)
        assert (state.pending, state.stored, state.parked, state.oldest_s) == (2, 1, 0, 5.0)
        assert [(s.stream, s.next_sequence, s.pending, s.lowest_pending) for s in state.streams] == [
            (Stream.DETECTION, 3, 2, 1),
            (Stream.MEDIA, 1, 0, 0),
            (Stream.REPORT, 2, 0, 0),
        ]
    assert not is_held(device.folder)
    assert not read_state(device.folder, device.clock).running


async def test_older_epochs_come_after_the_newest(device):
    async with device.outbox() as outbox:
        await device.put(outbox, 1)
    async with device.outbox() as outbox:
        state = await outbox.state()
        assert state.streams[0].epoch == outbox.epoch
        assert [s.pending for s in state.streams] == [0, 0, 1, 1, 0, 1]


def test_no_outbox_says_where_it_looked(tmp_path, clock):
    with pytest.raises(OutboxError, match="there is no outbox"):
        read_state(tmp_path, clock)
    assert not is_held(tmp_path)


@contextmanager
def nobody():
    """What follows runs without a right to anything that is not everybody's."""
    before = os.geteuid()
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
async def test_another_users_outbox_says_who_may_look(device):
    async with device.outbox():
        pass
    with nobody(), pytest.raises(OutboxError, match="run this as the agent's user, or with sudo"):
        read_state(device.folder, device.clock)
    with nobody(), pytest.raises(OutboxError, match="run this as the agent's user, or with sudo"):
        is_held(device.folder)


def test_a_place_that_cannot_be_looked_at_is_named(tmp_path, clock):
    folder = tmp_path / ("x" * 300)
    with pytest.raises(OutboxError, match="File name too long"):
        read_state(folder, clock)
    with pytest.raises(OutboxError, match="File name too long"):
        is_held(folder)


async def test_it_is_counted_from_indexes_and_not_from_the_rows(device):
    async with device.outbox() as outbox:
        await device.put(outbox, 1)
        seen = []
        with closing(sqlite3.connect(device.settings.database)) as database:
            database.set_trace_callback(seen.append)
            _read(database, device.folder, device.clock, 0)
            database.set_trace_callback(None)
        statements = [statement for statement in seen if "rows" in statement]
        assert statements
        assert device.scans(statements) == []


class TestCommand:
    @pytest.fixture
    def run(self):
        app = typer.Typer()
        app.command()(outbox_command)
        return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])

    async def test_json_has_the_fields_that_others_parse(self, run, device):
        async with device.outbox() as outbox:
            await device.put(outbox, 1)
            result = run("--folder", device.folder, "--json")
            assert result.exit_code == 0
            shown = json.loads(result.stdout)
            assert (shown["depth"], shown["epoch"]) == (2, outbox.epoch)
            assert shown["sequences"]["detection"] == {"next": 2, "pending": 1, "lowest_pending": 1}

    async def test_room_losses_and_what_is_wrong_are_told(self, run, device):
        device.clock.now_boot_ns = SystemClock().boot_ns()  # the command asks the real one
        async with device.outbox(quota_bytes=300_000) as outbox:
            entries = [Entry(device.read(track), device.captured()) for track in range(1_000)]
            await outbox.put_all(entries)
            await outbox.make_room()
            told = json.loads(run("--folder", device.folder, "--json").stdout)
            assert (told["quota_bytes"], told["floor_reached"], told["conditions"]) == (300_000, False, ["evicting"])
            assert 0 < told["bytes"] <= 300_000
            assert told["lost"] == {"evicted": (await outbox.state()).lost["evicted"]}
            words = run("--folder", device.folder).stdout
            assert f"{told['lost']['evicted']:,} evicted" in words
            assert "bytes of 300,000" in words
            assert "WRONG: evicting" in words

    async def test_a_person_reads_it_in_words(self, run, device):
        async with device.outbox() as outbox:
            result = run("--folder", device.folder)
            assert result.exit_code == 0
            assert str(outbox.epoch) in result.stdout
            assert "1 waiting" in result.stdout

    def test_none_there_is_a_usage_error(self, run, tmp_path):
        result = run("--folder", tmp_path)
        assert result.exit_code == 2
        assert str(tmp_path) in result.stderr
