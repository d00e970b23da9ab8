"""What the uplink publishes and when, and whose word it takes for what."""

import asyncio
import hashlib
from dataclasses import replace

import aiosqlite
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import ConfigurationError
from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.sending import Identity
from edge_agent.uplink import Fault, LinkError, Uplink, UplinkState, read_status
from edge_agent.uplink.checks import check_ack_round_trip
from edge_agent.uplink.uplink import pause_s
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import (
    Ack,
    Command,
    Health,
    LossRecord,
    Media,
    Open,
    Part,
    PlateRead,
    Presence,
    Refused,
    Resend,
    Statement,
    Stream,
    Verdict,
    Wanted,
)
from edge_wire.topics import Channel

S = 1_000_000_000


def lost():
    return LinkError(Fault.LOST, "cut")


async def test_the_open_goes_alone_and_everything_else_after_its_ack(site):
    site.world.acking = False
    async with site.running():
        await site.put(1)
        await site.until(lambda: site.world.links and site.world.link.published)
        await site.until(lambda: site.uplink.status.state == UplinkState.CONNECTED)
        ((channel, message),) = site.world.messages()
        assert (channel, type(message.body)) == (Channel.REPORT, Open)
        site.world.acking = True
        site.world.link.deliver(site.world.down(site.world.ack(message.header)))
        await site.until(lambda: site.world.bodies(Health) and site.world.bodies(PlateRead))
        assert site.uplink.status.state == UplinkState.WORKING
        (birth,) = site.world.bodies(Presence)
        assert (birth.connection, birth.online) == (1, True)
        await site.until_pending(0)


async def test_topic_quality_and_correlation_of_each_message(site):
    async with site.running():
        await site.put(1)
        await site.until(lambda: site.world.bodies(Health) and site.world.bodies(PlateRead))
        epoch = site.outbox.epoch
        for message in site.world.link.published:
            agency, device, up, channel = message.topic.removeprefix("nightjar/v1/").split("/")
            assert (agency, device, up) == ("pd", "trailer-1", "up")
            assert message.qos == (0 if channel == "health" else 1)
            assert message.retain == (channel == "presence")
            assert codec.decode_connection(message.correlation) == (epoch, 1)


async def test_pains_20_the_will_is_signed_retained_and_names_the_connection(site):
    """PAINS 20: whoever vanishes leaves word of it at the broker."""
    async with site.running():
        await site.until(lambda: site.world.links)
        will = site.world.link.will
        envelope = cose.parse(will.payload)
        key = cose.load_spki(site.outbox.opened_as.public_key)
        cose.verify(envelope, key, cose.external_aad("trailer-1", Channel.PRESENCE))
        body = codec.decode_up(envelope.payload).body
        assert (body, will.retain) == (Presence(1, False, "connection lost"), True)


async def test_each_connection_has_a_statement_and_its_own_number(site):
    async with site.running():
        await site.until(lambda: site.world.bodies(Statement))
        site.world.link.lose(lost())
        await site.until(lambda: len(site.world.links) == 2 and site.world.bodies(Statement))
        assert codec.decode_connection(site.world.link.published[0].correlation)[1] == 2
        assert site.world.bodies(Presence)[0].connection == 2
        assert site.world.links[0].closed


async def test_a_new_connection_sends_what_is_unacked_again_byte_for_byte(site):
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        await site.put(1, 2)
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 2)
        before = [m.payload for m in site.world.link.published if "detection" in m.topic]
        site.world.acking = True
        site.world.link.lose(lost())
        await site.until(lambda: len(site.world.links) == 2 and len(site.world.bodies(PlateRead)) == 2)
        assert [m.payload for m in site.world.link.published if "detection" in m.topic] == before
        await site.until_pending(0)


async def test_no_more_than_the_window_is_under_way(site):
    async with site.running(replace(site.settings, window=10)):
        await site.until_quiet()
        site.world.acking = False
        await site.put(*range(1, 31))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 10)
        site.clock.advance(S)
        header = site.world.messages()[-1][1].header
        site.world.link.deliver(site.world.down(site.world.ack(header)))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 11)
        assert site.uplink.status.under_way == 10


async def test_a_broker_with_a_smaller_receive_maximum_gets_no_more(site):
    site.world.receive_maximum = 3
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        await site.put(*range(1, 9))
        await site.until(lambda: site.uplink.status.under_way == 3)
        assert len(site.world.bodies(PlateRead)) == 3


async def test_invariant_2_a_puback_is_no_ack(site):
    """PROTOCOL invariant 2: a row leaves only on a verified ack, and the broker's word is none."""
    site.world.acking = False
    async with site.running():
        await site.until(lambda: site.world.links and site.world.link.published)
        await site.until(lambda: site.world.link.incoming.empty())
        assert (await site.outbox.state()).pending >= 1
        assert not site.outbox.open_acked


async def test_invariant_6_only_the_collectors_word_for_this_connection_changes_anything(site):
    """PROTOCOL invariants 2 and 6: forged, misaddressed, another connection's, replayed: none of it takes a row."""
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        (identity,) = await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        link, world = site.world.link, site.world
        ack = Ack(identity.epoch, Stream.DETECTION, ((1, 1),), Verdict.STORED, world.store)
        epoch = identity.epoch
        good = world.down(ack)
        forged = bytearray(good)
        forged[-1] ^= 1
        wrong = {
            "bad_signature": [
                bytes(forged),
                world.down(ack, device="trailer-2"),
                world.down(ack, channel=Channel.COMMAND),
            ],
            "unknown_key": [world.down(ack, key=ec.generate_private_key(ec.SECP256R1()))],
            "other_device": [world.down(ack, header_device="trailer-2")],
            "other_connection": [world.down(ack, connection=(epoch, 2)), world.down(ack, connection=(epoch + 1, 1))],
            "wrong_channel": [world.down(Command(1, "send_media"))],
        }
        for reason, envelopes in wrong.items():
            for envelope in envelopes:
                link.deliver(envelope)
            count = len(envelopes)
            await site.until(lambda r=reason, n=count: site.uplink.status.counts.get(f"ignored_{r}") == n)
        link.deliver(good, device="trailer-2")
        await site.until(lambda: site.uplink.status.counts.get("ignored_other_topic") == 1)
        link.deliver(good[:20])
        await site.until(lambda: site.uplink.status.counts.get("ignored_truncated") == 1)
        assert [row.identity for row in await site.outbox.pending(9, 9, ())] == [identity]

        link.lose(lost())
        await site.until(lambda: len(world.links) == 2 and world.bodies(PlateRead))
        world.link.deliver(good)  # replayed: it was good, on the connection before
        await site.until(lambda: site.uplink.status.counts.get("ignored_other_connection") == 3)
        assert identity in [row.identity for row in await site.outbox.pending(9, 9, ())]
        world.link.deliver(world.down(ack))
        await site.until(lambda: site.uplink.status.counts["acked"] >= 3)
        assert identity not in [row.identity for row in await site.outbox.pending(9, 9, ())]


async def test_an_ack_beyond_the_counter_is_counted_and_not_obeyed(site):
    """PROTOCOL invariant 6: an ack for what was never assigned is a reported protocol error and settles nothing."""
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        (identity,) = await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        beyond = Ack(identity.epoch, Stream.DETECTION, ((1, 2),), Verdict.STORED, site.world.store)
        site.world.link.deliver(site.world.down(beyond))
        await site.until(lambda: site.uplink.status.counts.get("finding_beyond_counter") == 1)
        assert any("never assigned" in text for text in site.uplink.status.conditions)
        assert [row.identity for row in await site.outbox.pending(9, 9, ())] == [identity]


async def test_a_refused_row_is_parked_and_its_loss_record_sent(site):
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        envelope = next(m.payload for m in site.world.link.published if "detection" in m.topic)
        site.world.link.deliver(site.world.down(Refused(hashlib.sha256(envelope).digest(), "bad_signature")))
        await site.until(lambda: site.world.bodies(LossRecord))
        assert site.world.bodies(LossRecord)[0].ranges == ((1, 1),)
        assert site.uplink.status.counts["refused"] == 1


async def test_resend_publishes_again_what_was_acked(site):
    async with site.running():
        (identity,) = await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        await site.until_pending(0)
        resend = Resend(identity.epoch, Stream.DETECTION, ((1, 1),))
        site.world.link.deliver(site.world.down(resend))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 2)


async def test_invariant_6_an_ack_replayed_after_a_resend_settles_nothing(site):
    """PROTOCOL invariants 2 and 6: what was asked for again, an old ack of this connection cannot take."""
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        (identity,) = await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        ack = site.world.down(Ack(identity.epoch, Stream.DETECTION, ((1, 1),), Verdict.STORED, site.world.store))
        site.world.link.deliver(ack)
        await site.until_pending(0)
        site.world.link.deliver(site.world.down(Resend(identity.epoch, Stream.DETECTION, ((1, 1),))))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 2)
        site.world.link.deliver(ack)
        await site.until(lambda: site.uplink.status.counts.get("ignored_repeated") == 1)
        assert [row.identity for row in await site.outbox.pending(9, 9, ())] == [identity]


async def test_invariant_2_an_ack_for_what_was_not_published_settles_nothing(site):
    """PROTOCOL invariant 2: the ack of a collector that guesses takes no row that is still to be sent."""
    async with site.running(replace(site.settings, window=10)):
        await site.until_quiet()
        site.world.acking = False
        identities = await site.put(*range(1, 31))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 10)
        whole = Ack(identities[0].epoch, Stream.DETECTION, ((1, 30),), Verdict.STORED, site.world.store)
        site.world.link.deliver(site.world.down(whole))
        await site.until(lambda: len(site.world.bodies(PlateRead)) == 20)
        assert (await site.outbox.state()).pending == 20


async def test_commands_reach_the_outbox_or_the_callback_once(site):
    async with site.running():
        await site.until(lambda: site.outbox.open_acked)
        read = Entry(site.read(1), site.captured())
        await site.outbox.put_with_files(read, [EvidenceFile(Part.CROP, b"crop")])
        await site.until(lambda: len(site.world.bodies(Media)) == 1)
        await site.until_pending(0)
        wanted = (Wanted(Part.CROP, read.body.crop_sha256),)
        command = Command(1, "send_media", site.outbox.epoch, track=1, wanted=wanted)
        envelope = site.world.down(command, channel=Channel.COMMAND)
        for _ in range(2):
            site.world.link.deliver(envelope, Channel.COMMAND)
        await site.until(lambda: site.uplink.status.counts.get("ignored_repeated") == 1)
        await site.until(lambda: len(site.world.bodies(Media)) == 2)
        other = Command(2, "restart")
        site.world.link.deliver(site.world.down(other, channel=Channel.COMMAND), Channel.COMMAND)
        await site.until(lambda: site.commands == [other])


@pytest.mark.parametrize(
    ("code", "count", "words"),
    [
        (0x10, "puback_no_subscribers", "no collector listens"),
        (0x87, "puback_not_authorised", "does not let us publish"),
        (0x97, "puback_failed", "0x97"),
    ],
)
async def test_pains_20_puback_failures_are_told_apart(site, code, count, words):
    """PAINS 20: what the broker takes and gives to nobody, or refuses, is not taken for published."""
    site.world.acking, site.world.puback = False, code
    async with site.running():
        await site.until(lambda: site.uplink.status.counts.get(count))
        assert site.uplink.status.state == UplinkState.CONNECTED
        assert words in site.uplink.status.reason


async def test_pains_20_connected_without_acks_is_a_state_of_its_own(site):
    """PAINS 20: connected is never taken for working."""
    async with site.running():
        await site.until(lambda: site.uplink.status.state == UplinkState.WORKING)
        await site.until(lambda: site.uplink.status.under_way == 0)
        site.world.acking = False
        await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        site.clock.advance(10 * S)
        status = site.uplink.status
        assert (status.state, status.last_ack_age_s, status.unacked_s) == (UplinkState.UNACKED, 10.0, 10.0)
        assert "not acked" in status.reason


async def test_pains_20_silence_and_its_end_send_health_at_once(site):
    """PAINS 20: whoever looks at the device's health sees that nothing is acked, and when it is again."""
    async with site.running(replace(site.settings, unacked_after_s=5.0)):
        await site.until_quiet()
        await site.until(lambda: site.healths == 1)
        site.world.acking = False
        await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        site.clock.advance(5 * S)
        await site.put(2)  # any wake-up will do; on a real clock the sender's own alarm is one
        await site.until(lambda: site.healths == 2)
        assert site.uplink.status.state == UplinkState.UNACKED
        await site.until(lambda: read_status(site.settings.status_path).state == UplinkState.UNACKED)
        site.world.acking = True
        site.world.received(site.world.link, site.world.link.published[-2])
        await site.until(lambda: site.healths == 3)
        assert site.uplink.status.state == UplinkState.WORKING


async def test_pains_20_an_alarm_of_its_own_tells_of_silence(site):
    """PAINS 20: nothing else has to happen for silence to be noticed."""
    site.world.acking = False
    site.clock = SystemClock()
    async with site.running(replace(site.settings, unacked_after_s=0.2)):
        await site.until(lambda: site.uplink.status.state == UplinkState.UNACKED)
        await site.until(lambda: read_status(site.settings.status_path).state == UplinkState.UNACKED)


@pytest.mark.parametrize("fault", [Fault.DNS, Fault.TCP, Fault.TLS, Fault.AUTH, Fault.ACL])
async def test_failures_are_told_apart_and_tried_again(site, fault):
    site.world.failures = [LinkError(fault, f"{fault} failed")] * 3
    seen = []
    connect = site.world.connect

    async def watched(settings, will):
        seen.append((site.uplink.status.state, codec.decode_up(cose.parse(will.payload).payload).body.connection))
        return await connect(settings, will)

    site.world.connect = watched
    async with site.running():
        await site.until(lambda: site.uplink.status.state == UplinkState.WORKING)
        assert site.uplink.status.counts[f"failed_{fault}"] == 3
        await site.until_quiet()
        assert len(site.world.bodies(Statement)) == 1  # what was only tried leaves none behind
        assert seen == [(UplinkState.CONNECTING, n) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (6, 1.0, 32.0), (7, 1.0, 60.0), (10_000, 0.0, 30.0)],
)
def test_the_wait_between_attempts_doubles_up_to_its_longest_and_half_of_it_is_chance(site, failures, chance, seconds):
    settings = replace(site.settings, reconnect_min_s=1.0, reconnect_max_s=60.0)
    assert pause_s(settings, failures, chance) == seconds


async def test_health_goes_out_at_once_when_something_changed(site):
    async with site.running():
        await site.until(lambda: site.healths == 1)
        site.uplink.health_changed()
        await site.until(lambda: len(site.world.bodies(Health)) == 2)


async def test_stopping_says_goodbye_and_disconnects(site):
    async with site.running():
        await site.until(lambda: site.world.bodies(Presence))
    assert site.world.bodies(Presence)[-1] == Presence(1, False, "shutdown")
    assert site.world.link.published[-1].retain
    assert site.world.link.closed
    assert site.uplink.status.state == UplinkState.DISCONNECTED


async def test_the_last_word_is_the_one_that_was_asked_for(site):
    async with site.running():
        await site.until(lambda: site.world.bodies(Presence))
        site.uplink.stop("power lost: shutting down")
        await site.task
    assert site.world.bodies(Presence)[-1] == Presence(1, False, "power lost: shutting down")


async def test_before_the_last_word_a_statement_says_that_nothing_is_left(site):
    async with site.running():
        await site.put(1)
        await site.until_quiet()
        site.uplink.stop()
        await site.task
        assert (await site.outbox.state()).pending == 0
    *_, statement, last = [message.body for _, message in site.world.messages()]
    assert isinstance(last, Presence)
    assert isinstance(statement, Statement)
    assert {state.pending for state in statement.streams} == {0}


async def test_being_cancelled_says_goodbye_too(site):
    async with site.running():
        await site.until(lambda: site.world.bodies(Presence))
        site.task.cancel()
        await asyncio.gather(site.task, return_exceptions=True)
    assert site.world.bodies(Presence)[-1] == Presence(1, False, "shutdown")
    assert site.world.link.closed


async def test_stopping_while_nothing_answers_returns(site):
    site.world.failures = [LinkError(Fault.TCP, "nobody there")] * 10_000
    async with site.running(replace(site.settings, reconnect_min_s=3600, reconnect_max_s=3600)):
        await site.until(lambda: site.uplink.status.fault == Fault.TCP)
    assert read_status(site.settings.status_path).reason == "nobody there"


async def test_stopping_does_not_wait_for_an_attempt_to_connect(site):
    abandoned = asyncio.Event()

    async def connect(settings, will):
        try:
            await asyncio.Event().wait()
        finally:
            abandoned.set()

    site.world.connect = connect
    async with site.running():
        await site.until(lambda: site.uplink.status.state == UplinkState.CONNECTING)
        site.uplink.stop()
        site.uplink.stop()  # as when Ctrl-C comes first and the agent's own end second
        async with asyncio.timeout(5):
            await site.task
    assert abandoned.is_set()
    assert read_status(site.settings.status_path).reason == "stopped"


async def test_doctor_reads_the_status_of_the_running_agent(site):
    async with site.running():
        await site.until(lambda: site.uplink.status.state == UplinkState.WORKING)
        await site.until(lambda: read_status(site.settings.status_path).state == UplinkState.WORKING)
        status = read_status(site.settings.status_path)
        assert (status.epoch, status.connection) == (site.outbox.epoch, 1)
        assert status.ack_round_trip_ms is not None
    assert read_status(site.settings.status_path).state == UplinkState.DISCONNECTED


async def test_the_ack_round_trip_check_measures_or_says_how_far_it_got(site):
    async with site.running():
        site.uplink.stop()
        await site.task
        settings = replace(site.settings, status_path=None)
        took_ms = await check_ack_round_trip(settings, site.outbox, site.clock, connect=site.world.connect)
        assert took_ms >= 0
    other = type(site)(site.tmp_path, site.clock)
    other.world.acking = False
    async with other.running():
        other.uplink.stop()
        await other.task
        settings = replace(other.settings, status_path=None)
        with pytest.raises(LinkError, match="has not acked"):
            await check_ack_round_trip(settings, other.outbox, other.clock, 0.2, other.world.connect)


async def test_without_a_collector_key_no_ack_could_be_believed(site, tmp_path):
    async with site.running():
        for paths, words in (
            ((), "at least one"),
            ((tmp_path / "absent.pem",), "No such file"),
            ((tmp_path / "outbox" / "outbox.db",), "PEM public key"),
        ):
            with pytest.raises(ConfigurationError, match=words):
                Uplink(replace(site.settings, collector_key_paths=paths), site.outbox, site.clock)


def test_identities_are_plain_tuples():
    assert Identity(1, Stream.REPORT, 2) == (1, 3, 2)


async def test_an_outbox_that_cannot_be_written_is_still_emptied_of_what_it_holds(site):
    """An ack that cannot be written changes nothing: its row stays, goes again, and is acked again."""
    async with site.running():
        await site.until_quiet()
        site.world.acking = False
        (identity,) = await site.put(1)
        await site.until(lambda: site.world.bodies(PlateRead))
        async with aiosqlite.connect(site.tmp_path / "outbox" / "outbox.db") as database:
            for verb in ("INSERT", "UPDATE"):
                await database.execute(
                    f"CREATE TRIGGER full_{verb} BEFORE {verb} ON rows BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
            await database.commit()
            site.world.acking = True
            site.world.link.lose(lost())
            await site.until(lambda: len(site.world.links) == 2 and site.world.bodies(PlateRead))
            await site.until(lambda: site.uplink.status.counts.get("outbox_failed", 0) >= 2)
            assert [row.identity for row in await site.outbox.pending(9, 9, ())] == [identity]
            for verb in ("INSERT", "UPDATE"):
                await database.execute(f"DROP TRIGGER full_{verb}")
            await database.commit()
        site.clock.advance(3 * S)
        site.uplink.health_changed()
        await site.put(2)
        await site.until_pending(0)


async def test_an_outbox_that_cannot_be_read_ends_the_connection_with_a_word(site):
    """The link is closed in order, so the broker drops the will: unsaid, the device would stay online for ever."""
    async with site.running():
        await site.until(lambda: site.world.bodies(Presence))
        link = site.world.link
        site.world.failures = [LinkError(Fault.TCP, "nobody there")] * 10_000
        async with aiosqlite.connect(site.tmp_path / "outbox" / "outbox.db") as database:
            await database.execute("ALTER TABLE rows RENAME TO gone")
            await database.commit()
            site.uplink._session._sender.wake()  # the seam: as when rows are added, which is not possible any more
            await site.until(lambda: link.closed)
            assert not site.world.bodies(Presence, link)[-1].online
            await database.execute("ALTER TABLE gone RENAME TO rows")
            await database.commit()


async def test_messages_that_nobody_took_in_time_are_counted(site):
    async with site.running():
        await site.until_quiet()
        site.world.link.dropped = 7
        await site.put(1)
        await site.until(lambda: site.uplink.status.counts.get("dropped_unread") == 7)


async def test_a_status_file_that_cannot_be_written_stops_nothing(site):
    nowhere = site.tmp_path / "absent" / "file.json"
    async with site.running(replace(site.settings, status_path=nowhere, data_use_path=nowhere)):
        await site.put(1)
        await site.until_quiet()
