"""The sender in front of an outbox of which each answer is known."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edge_agent.sending import Identity, PendingRow, Urgency
from edge_agent.uplink.data_use import DataMeter
from edge_agent.uplink.link import Puback
from edge_agent.uplink.pace import IN_HAND_BYTES
from edge_agent.uplink.record import Record
from edge_agent.uplink.sender import Sender
from edge_wire.messages import Ack, Stream, Verdict
from edge_wire.topics import Channel

EPOCH = 7


def row(number, urgency=Urgency.BACKLOG, size_bytes=400):
    identity = Identity(EPOCH, Stream.DETECTION, number)
    return PendingRow(number, identity, urgency, Channel.DETECTION, bytes(size_bytes))


class Rows:
    """The part of ``Outgoing`` that the sender uses."""

    def __init__(self, rows):
        self.rows = list(rows)
        self.asked = []

    async def pending(self, room, ordinary_room, without):
        self.asked.append((room, ordinary_room))
        left = sorted((row for row in self.rows if row.number not in without), key=lambda row: row.urgency)
        live = [row for row in left if row.urgency.live][:room]
        return live + [row for row in left if not row.urgency.live][: min(ordinary_room, room - len(live))]

    def published(self, identities):
        pass


class SilentLink:
    """A broker that confirms nothing by itself."""

    receive_maximum = 1_000

    def __init__(self):
        self.published = []

    def publish(self, message):
        self.published.append(message)
        return len(self.published)


@asynccontextmanager
async def sending(site, rows):
    link = SilentLink()
    record = Record(EPOCH, site.clock)
    meter = DataMeter(None, None, 1, site.clock, "a")
    sender = Sender(site.settings, rows, site.clock, record, meter, link, b"c", lambda: None)
    task = asyncio.create_task(sender.run())
    try:
        yield sender, link, record
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_row_that_left_the_outbox_otherwise_gives_its_place_back_with_its_ack(site):
    """Evicted while under way: the ack settles nothing, and the row must not be sent again for ever."""
    async with sending(site, Rows([row(1), row(2), row(3)])) as (sender, link, record):
        await site.until(lambda: len(link.published) == 3)
        sender.acked(Ack(EPOCH, Stream.DETECTION, ((1, 2),), Verdict.STORED, bytes(16)), [row(2).identity])
        assert len(record.window) == 1
        sender.acked(Ack(EPOCH, Stream.DETECTION, ((3, 3),), Verdict.STORED, bytes(16)), [])
        assert (len(record.window), sender.idle) == (0, True)


async def test_with_all_in_hand_it_waits_for_the_broker_and_does_not_spin(site):
    live = [row(n, Urgency.SHOT, 2_000) for n in range(1, 41)]
    rows = Rows([*live, *(row(n) for n in range(100, 110))])
    async with sending(site, rows) as (sender, link, _):
        await site.until(lambda: len(link.published) == 40)
        assert sum(len(message.payload) for message in link.published) > IN_HAND_BYTES
        asked = len(rows.asked)
        sender.wake()
        await site.until(lambda: len(rows.asked) > asked)
        await asyncio.sleep(0.05)
        assert len(rows.asked) == asked + 1
        for number in range(1, 41):
            sender.confirmed(Puback(number, 0))
        await site.until(lambda: len(link.published) == 50)


@pytest.mark.parametrize("size_bytes", [200, 20_000])
async def test_no_more_is_read_from_the_disk_than_may_be_handed_over(site, size_bytes):
    rows = Rows([row(n, Urgency.OTHER_MEDIA, size_bytes) for n in range(1, 500)])
    async with sending(site, rows) as (sender, link, _):
        for confirmed in range(1, 60):
            await site.until(lambda n=confirmed: len(link.published) >= n)
            sender.confirmed(Puback(confirmed, 0))
        await site.until(lambda: len(link.published) >= 60)
        if size_bytes == 20_000:
            assert max(ordinary for _, ordinary in rows.asked[4:]) <= 8
        else:
            assert len(rows.asked) < 30


async def test_a_thousand_large_pictures_do_not_keep_metered_from_small_ones(site):
    site.settings = replace(site.settings, metered=True)
    large = [row(n, Urgency.OTHER_MEDIA, 9_000) for n in range(1, 501)]
    rows = Rows([*large, row(900, Urgency.OTHER_MEDIA, 4_000)])
    async with sending(site, rows) as (_, link, record):
        await site.until(lambda: len(link.published) == 1)
        assert len(link.published[0].payload) == 4_000
        assert len(record.window) == 1
