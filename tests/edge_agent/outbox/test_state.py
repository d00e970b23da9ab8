"""What ``edge-agent outbox`` and doctor read, beside a running agent and without one."""

import json

import pytest
import typer
from typer.testing import CliRunner

from edge_agent.commands.outbox import outbox as outbox_command
from edge_agent.errors import OutboxError
from edge_agent.outbox import is_held, read_state
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
