"""Outbox and uplink against a real mosquitto with the production configuration, and a collector of thirty lines."""

import asyncio
import hashlib
import io
import os
import shutil
import socket
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import paho.mqtt.client as paho
import pytest
import soundfile
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion
from private_broker import PrivateBroker
from slow_link import SlowLink
from soaking.link import FaultyLink

from edge_agent.app import Agent
from edge_agent.config import AgentConfig
from edge_agent.outbox import Entry, EvidenceFile, Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.uplink import (
    Fault,
    LinkError,
    Uplink,
    UplinkSettings,
    UplinkState,
    check_ack_round_trip,
    check_broker,
)
from edge_agent.uplink.link import open_link
from edge_wire import codec, cose, topics
from edge_wire.clock import SystemClock
from edge_wire.messages import (
    Ack,
    Command,
    DownHeader,
    Health,
    Media,
    Offset,
    Part,
    PixelBox,
    PlateRead,
    Position,
    Presence,
    ShotArrival,
    ShotClip,
    Verdict,
    Wanted,
)
from edge_wire.timing import TIMING_LIMIT_NS, timing_error_ns
from edge_wire.topics import Channel, Topic

DEVICE, AGENCY = "trailer-1", "pd"

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed: run ./scripts/setup",
)


class Collector:
    """Acks every sequenced message at once unless told otherwise; remembers what came. paho's thread owns it."""

    def __init__(self, broker):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.messages = []
        self.envelopes = []
        self.acking = True
        self._connection = None
        self.ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        context = ssl.create_default_context(cafile=str(broker.authority))
        context.load_cert_chain(*broker.collector)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, client_id="collector-test")
        self._client.tls_set_context(context)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe(
            [
                (topics.subscription(channel), paho.SubscribeOptions(qos=1))
                for channel in Channel
                if channel.direction == topics.Direction.UP
            ]
        )
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(self.ready.set)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def _on_message(self, client, userdata, message):
        channel = topics.parse(message.topic).channel
        up = codec.decode_up(cose.parse(message.payload).payload)
        self.messages.append((channel, up, message.retain))
        self.envelopes.append(message.payload)
        if up.header.sequence is None:
            return
        if not self.acking:
            return
        self._connection = connection = codec.decode_connection(message.properties.CorrelationData)
        header = up.header
        ack = Ack(header.epoch, header.stream, ((header.sequence, header.sequence),), Verdict.STORED, bytes(16))
        payload = codec.encode(DownHeader(*connection, DEVICE, 1), ack)
        envelope = cose.sign(payload, self.key, cose.external_aad(DEVICE, Channel.ACK))
        client.publish(str(Topic(AGENCY, DEVICE, Channel.ACK)), envelope, qos=1)

    def bodies(self, kind):
        return [up.body for _, up, _ in self.messages if isinstance(up.body, kind)]

    def sent(self, kind):
        """Bodies by their headers."""
        return [(up.header, up.body) for _, up, _ in self.messages if isinstance(up.body, kind)]

    def command(self, command):
        payload = codec.encode(DownHeader(*self._connection, DEVICE, 1), command)
        envelope = cose.sign(payload, self.key, cose.external_aad(DEVICE, Channel.COMMAND))
        self._client.publish(str(Topic(AGENCY, DEVICE, Channel.COMMAND)), envelope, qos=1)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def shot(number):
    return ShotArrival("m1", "d1", number, (("gunshot", 0.9),), "m", -100, -900, False, 48_000)


def read(track, crop):
    slots, digest = ((("A", 0.9),),), hashlib.sha256(crop).digest()
    box = PixelBox(1, 2, 30, 40)
    return PlateRead(track, 0, False, "ABC1234", slots, "none", "north", "lpr", "d1", bytes(32), digest, box, 0.8, 3)


class Site:
    def __init__(self, folder, broker, collector_key, **changes):
        self.healths = 0
        pinned = folder / "collector-key.pem"
        pinned.write_bytes(
            collector_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        files = broker.client(DEVICE)
        self.clock = SystemClock()
        self.device_key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        self.outbox_settings = OutboxSettings(folder / "outbox", DEVICE, ballast_bytes=0)
        settings = UplinkSettings(
            broker.host,
            broker.port,
            broker.authority,
            files.certificate,
            files.key,
            DEVICE,
            AGENCY,
            (pinned,),
            reconnect_min_s=0.05,
            reconnect_max_s=0.2,
        )
        self.settings = replace(settings, **changes)

    async def health(self):
        """As an agent says how its link stands."""
        self.healths += 1
        status = self.uplink.status
        return Health(
            status.connection, 1, 2, 3, None, 4, "ntp", (), (), "0.1", link=str(status.state), unacked_s=self.healths
        )

    @asynccontextmanager
    async def opened(self):
        async with await Outbox.open(self.outbox_settings, self.device_key, self.clock) as outbox:
            yield outbox

    @asynccontextmanager
    async def running(self, outbox, connect=open_link):
        self.uplink = uplink = Uplink(self.settings, outbox, self.clock, self.health, connect=connect)
        task = asyncio.create_task(uplink.run())
        try:
            yield uplink
        finally:
            uplink.stop()
            await task

    async def put_crops(self, outbox, *tracks, size_bytes=20_000):
        """Reads with crops, as a camera makes them."""
        for track in tracks:
            crop = os.urandom(size_bytes)
            now = CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 1_000)
            body = read(track, crop)
            await outbox.put_with_files(Entry(body, now), [EvidenceFile(Part.CROP, crop)])

    async def put(self, outbox, *numbers):
        now = CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 1_000)
        return [await outbox.put(shot(n), now) for n in numbers]


async def until(predicate):
    async with asyncio.timeout(15):
        while not predicate():  # noqa: ASYNC110  # it waits for a broker and another thread, which set no event
            await asyncio.sleep(0.005)


async def until_empty(outbox):
    async with asyncio.timeout(15):
        while (await outbox.state()).pending:  # noqa: ASYNC110  # likewise
            await asyncio.sleep(0.01)


@pytest.fixture
def broker(tmp_path):
    with PrivateBroker(tmp_path / "broker", devices=[DEVICE]) as broker:
        yield broker


@pytest.fixture
async def collector(broker):
    collector = Collector(broker)
    async with asyncio.timeout(10):
        await collector.ready.wait()
    yield collector
    await asyncio.to_thread(collector.close)


async def test_what_is_put_arrives_signed_and_leaves_the_outbox_on_the_collectors_ack(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await site.put(outbox, *range(1, 301))
        await until_empty(outbox)
        assert uplink.status.state == UplinkState.WORKING
        assert sorted(body.onset_error_ns for body in collector.bodies(ShotArrival)) == list(range(1, 301))
        assert uplink.status.counts.get("resent", 0) == 0
        channel, first, _ = collector.messages[0]
        assert (channel, first.header.sequence) == (Channel.REPORT, 1)
        assert first.body == outbox.opened_as
    await until(lambda: Presence(1, False, "shutdown") in collector.bodies(Presence))


async def test_a_broker_that_is_killed_costs_nothing(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await until(lambda: uplink.status.state == UplinkState.WORKING)
        await asyncio.to_thread(broker.kill)
        await site.put(outbox, *range(1, 51))
        await until(lambda: uplink.status.fault in (Fault.TCP, Fault.LOST, Fault.TLS))
        await asyncio.to_thread(broker.start)
        await until_empty(outbox)
        assert {body.onset_error_ns for body in collector.bodies(ShotArrival)} == set(range(1, 51))
        assert uplink.status.connection >= 2
        assert len(set(collector.envelopes)) >= 50


async def test_a_cut_connection_is_declared_dead_by_its_will_and_its_successor_lives(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    links = []

    async def connect(settings, will):
        links.append(await open_link(settings, will))
        return links[-1]

    async with site.opened() as outbox, site.running(outbox, connect):
        await until(lambda: Presence(1, True, "") in collector.bodies(Presence))
        unanswered_ms = links[0]._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert unanswered_ms == 30_000
        links[0]._client.socket().shutdown(socket.SHUT_RDWR)  # no port of ours can break a connection; a network can
        await until(lambda: Presence(1, False, "connection lost") in collector.bodies(Presence))
        await until(lambda: Presence(2, True, "") in collector.bodies(Presence))


async def test_a_device_that_was_removed_is_not_served(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await until(lambda: uplink.status.state == UplinkState.WORKING)
        await asyncio.to_thread(broker.remove_device, DEVICE)
        await until(lambda: uplink.status.fault in (Fault.AUTH, Fault.ACL))


async def test_pains_20_without_a_collector_pubacks_say_that_nobody_listens(tmp_path, broker):
    """PAINS 20: the broker takes what it has nobody to give to, and says so in its PUBACK; we say so too."""
    site = Site(tmp_path, broker, ec.generate_private_key(ec.SECP256R1()))
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await until(lambda: uplink.status.counts.get("puback_no_subscribers"))
        assert uplink.status.state == UplinkState.CONNECTED
        assert not outbox.open_acked


async def test_pains_20_a_collector_that_hangs_makes_the_link_unacked_and_its_end_leaves_a_will(
    tmp_path, broker, collector
):
    """PAINS 20: "connected", but nothing is stored: said within seconds, in health too; and there is a last will."""
    with FaultyLink(broker.host, broker.port) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, unacked_after_s=0.5)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            await until(lambda: uplink.status.state == UplinkState.WORKING and not uplink.status.under_way)
            await until(lambda: collector.bodies(Health))
            collector.acking = False
            await site.put(outbox, 1)
            await until(lambda: collector.bodies(ShotArrival))
            await until(lambda: uplink.status.state == UplinkState.UNACKED)
            assert uplink.status.unacked_s >= 0.5
            assert (await outbox.state()).pending >= 1
            await until(lambda: collector.bodies(Health)[-1].link == "unacked")
            collector.acking = True
            await until(lambda: collector.bodies(Health)[-1].link == "working")  # the row's own back-off mends it
            await until_empty(outbox)
            link.cut = True
            link.reset()
            await until(lambda: Presence(1, False, "connection lost") in collector.bodies(Presence))
            await until(lambda: uplink.status.state == UplinkState.DISCONNECTED)
            link.heal()
            await until(lambda: uplink.status.state == UplinkState.WORKING)
            await until(lambda: Presence(uplink.status.connection, True, "") in collector.bodies(Presence))


async def test_a_link_that_goes_half_open_is_noticed_and_replaced(tmp_path, broker, collector):
    """Nothing comes any more and nobody says so: the keep-alive does."""
    with FaultyLink(broker.host, broker.port) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, keepalive_s=1, unacked_after_s=0.3)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            await until(lambda: uplink.status.state == UplinkState.WORKING and not uplink.status.under_way)
            link.silent = True
            await site.put(outbox, *range(1, 51))
            await until(lambda: uplink.status.state == UplinkState.UNACKED)
            await until(lambda: uplink.status.fault == Fault.LOST)
            link.heal()
            await until_empty(outbox)
            assert sorted({body.onset_error_ns for body in collector.bodies(ShotArrival)}) == list(range(1, 51))


async def test_three_tenths_of_a_second_each_way_cost_time_and_little_else(tmp_path, broker, collector):
    with FaultyLink(broker.host, broker.port) as link:
        link.latency_s = 0.3
        site = Site(tmp_path, broker, collector.key, port=link.port)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            await site.put(outbox, *range(1, 61))
            await until_empty(outbox)
            assert uplink.status.ack_round_trip_ms >= 600
            assert uplink.status.state == UplinkState.WORKING
            assert uplink.status.connection == 1
            # None on a machine that has time; a test machine that is slow to ack may see a row's first back-off pass.
            assert uplink.status.counts.get("resent", 0) <= 60


async def test_a_stall_ends_with_everything_there(tmp_path, broker, collector):
    with FaultyLink(broker.host, broker.port) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, unacked_after_s=0.5)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            await until(lambda: uplink.status.state == UplinkState.WORKING and not uplink.status.under_way)
            link.stalled = True
            await site.put(outbox, *range(1, 101))
            await until(lambda: uplink.status.state == UplinkState.UNACKED)
            link.stalled = False
            await until_empty(outbox)
            assert uplink.status.connection == 1
            assert {body.onset_error_ns for body in collector.bodies(ShotArrival)} == set(range(1, 101))
            assert len(collector.bodies(ShotArrival)) <= 100 + uplink.status.counts.get("resent", 0)


async def test_resets_lose_nothing(tmp_path, broker, collector):
    with FaultyLink(broker.host, broker.port) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            for first in range(1, 251, 50):
                await site.put(outbox, *range(first, first + 50))
                before = uplink.status.connection
                link.reset()
                await until(lambda b=before: uplink.status.connection > b)
            await until_empty(outbox)
            assert sorted({body.onset_error_ns for body in collector.bodies(ShotArrival)}) == list(range(1, 251))


async def test_acks_that_are_lost_come_again(tmp_path, broker, collector):
    with FaultyLink(broker.host, broker.port) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, unacked_after_s=0.3, keepalive_s=1)
        async with site.opened() as outbox, site.running(outbox) as uplink:
            await until(lambda: uplink.status.state == UplinkState.WORKING and not uplink.status.under_way)
            link.deaf = True
            await site.put(outbox, *range(1, 21))
            await until(lambda: len(collector.bodies(ShotArrival)) == 20)
            await until(lambda: uplink.status.state != UplinkState.WORKING)
            link.heal()
            await until_empty(outbox)
            await until(lambda: uplink.status.state == UplinkState.WORKING)


@pytest.mark.parametrize("metered", [False, True])
async def test_a_hits_crop_is_there_within_3_s_at_1_mbit_behind_a_backlog(tmp_path, broker, collector, metered):
    """The backlog alone is 24 s of that link, and the crop is the last of it."""
    with SlowLink(broker.host, broker.port, 1_000) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, metered=metered)
        async with site.opened() as outbox:
            await site.put_crops(outbox, *range(150))
            async with site.running(outbox):
                await until(lambda: len(collector.bodies(Media)) >= 5 or (metered and collector.bodies(PlateRead)))
                await until(lambda: len(collector.bodies(PlateRead)) == 150)
                hit = next(body for body in collector.bodies(PlateRead) if body.track == 149)
                wanted = (Wanted(Part.CROP, hit.crop_sha256),)
                asked_s = time.monotonic()
                collector.command(Command(1, "send_media", outbox.epoch, track=149, wanted=wanted))
                await until(lambda: hit.crop_sha256 in {media.sha256 for media in collector.bodies(Media)})
                assert time.monotonic() - asked_s < 3.0
                assert len(collector.bodies(Media)) < 100


async def test_a_cap_is_kept_and_a_shot_overtakes_what_it_holds_back(tmp_path, broker, collector):
    kbps, crops = 1_600, 30
    with SlowLink(broker.host, broker.port, 100_000) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port, max_kbps=kbps)
        async with site.opened() as outbox:
            await site.put_crops(outbox, *range(crops))
            began_s = time.monotonic()
            async with site.running(outbox) as uplink:
                await until(lambda: len(collector.bodies(Media)) >= crops // 2)
                put_s = time.monotonic()
                await site.put(outbox, 1)
                await until(lambda: collector.bodies(ShotArrival))
                assert time.monotonic() - put_s < 1.0
                assert len(collector.bodies(Media)) < crops
                await until_empty(outbox)
                took_s = time.monotonic() - began_s
                carried_bytes = link.carried_bytes
                counted = uplink.status.bytes_by_kind
    # One bucket, a second's worth, is full at the start.
    assert counted["crop"] > crops * 20_000
    assert counted["crop"] * 8 / 1000 <= kbps * (took_s + 1)
    assert carried_bytes > counted["crop"]


async def test_what_is_counted_is_what_was_carried(tmp_path, broker, collector):
    """Beside what the proxy saw there are only TCP/IP headers, of which loopback's large packets have few."""
    with SlowLink(broker.host, broker.port, 100_000) as link:
        site = Site(tmp_path, broker, collector.key, port=link.port)
        async with site.opened() as outbox:
            async with site.running(outbox) as uplink:
                await site.put_crops(outbox, *range(20))
                await site.put(outbox, *range(1, 101))
                await until_empty(outbox)
            counted = uplink.status.bytes_by_kind
            carried_bytes = link.carried_bytes
    assert carried_bytes < sum(counted.values()) < 1.25 * carried_bytes
    assert set(counted) == {"open", "statement", "plate-read", "crop", "shot", "presence", "health", "overhead", "down"}
    assert counted["crop"] == pytest.approx(20 * 20_330, rel=0.02)


async def test_doctor_measures_the_broker_and_the_ack(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    measured = await check_broker(site.settings)
    assert measured.tls_version == "TLSv1.3"
    assert 0 < measured.tls_ms < measured.mqtt_ms
    async with site.opened() as outbox:
        assert await check_ack_round_trip(site.settings, outbox, site.clock) > 0


async def test_failures_are_told_apart(tmp_path, broker):
    site = Site(tmp_path, broker, ec.generate_private_key(ec.SECP256R1()))
    stranger = PrivateBroker(tmp_path / "stranger", devices=[DEVICE])
    foreign = stranger.client(DEVICE)
    cases = {
        Fault.DNS: replace(site.settings, host="no-such-host.invalid"),
        Fault.TCP: replace(site.settings, port=stranger.port),
        Fault.TLS: replace(site.settings, ca_path=stranger.authority),
    }
    for fault, settings in cases.items():
        with pytest.raises(LinkError) as caught:
            await check_broker(settings)
        assert caught.value.fault == fault
    with pytest.raises(LinkError) as caught:
        await check_broker(replace(site.settings, cert_path=foreign.certificate, key_path=foreign.key))
    assert caught.value.fault == Fault.TLS


def street(path, shots_s, seconds, rate_hz=16_000):
    """Write a quiet street with bangs in it, which the packaged model finds likely enough."""
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 0.003, seconds * rate_hz)
    length = round(0.15 * rate_hz)
    bang = rng.uniform(-1, 1, length) * np.exp(-np.arange(length) / (0.02 * rate_hz))
    for at_s in shots_s:
        samples[round(at_s * rate_hz) :][:length] += 0.5 * bang
    soundfile.write(path, samples, rate_hz)
    return samples


async def test_pains_23_from_a_shot_to_its_clip_and_its_recording_by_identity_and_hash(tmp_path, broker, collector):
    """pains-23: a real agent hears a recording; what it answers for each arrival is what its clip named."""
    street(tmp_path / "street.flac", [8.0, 8.6, 20.0], 30)
    pinned, files = tmp_path / "collector-key.pem", broker.client(DEVICE)
    pinned.write_bytes(
        collector.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    config = AgentConfig.model_validate(
        {
            "data_dir": tmp_path / "data",
            "device": {
                "id": DEVICE,
                "agency": AGENCY,
                "deployment": "main-st",
                "key": files.key,
                "certificate": files.certificate,
                "position": {"x_m": 12.5, "y_m": -3, "origin": {"lat": 40.44, "lon": -80}, "error_m": 0.5},
            },
            "broker": {"host": broker.host, "port": broker.port, "ca": broker.authority, "collector_keys": [pinned]},
            "microphones": [
                {
                    "id": "mast",
                    "source": str(tmp_path / "street.flac"),
                    "pace": "fast",
                    "starts_at": "2026-11-21T10:00:00Z",
                    "threshold": 1e-6,
                }
            ],
        }
    )
    agent = Agent(config)
    running = asyncio.create_task(agent.run())
    try:
        await until(lambda: len(collector.bodies(ShotClip)) >= 2 or running.done())
        shots = {header.sequence: (header, arrival) for header, arrival in collector.sent(ShotArrival)}
        clips = collector.sent(ShotClip)
        held = [sequence for _, clip in clips for first, last in clip.arrivals for sequence in range(first, last + 1)]
        assert sorted(held) == sorted(shots), "each arrival is in one clip"
        for number, (header, clip) in enumerate(clips):
            assert header.epoch == shots[held[0]][0].epoch
            for sequence in (clip.arrivals[0][0], clip.arrivals[-1][1]):
                wanted = (Wanted(Part.CLIP, clip.clip_sha256), Wanted(Part.RECORDING, clip.recording_sha256))
                before = len(collector.bodies(Media))
                collector.command(Command(number, "send_media", header.epoch, sequence=sequence, wanted=wanted))
                pieces = []

                def complete(before=before, pieces=pieces):
                    pieces[:] = collector.bodies(Media)[before:]
                    whole = {piece.sha256: piece.total for piece in pieces}
                    return len(whole) == 2 and sum(len(piece.content) for piece in pieces) == sum(whole.values())

                await until(complete)
                assert {(piece.sequence, piece.of_epoch) for piece in pieces} == {(sequence, header.epoch)}
                for part, sha256 in wanted:
                    own = sorted((p for p in pieces if p.sha256 == sha256), key=lambda piece: piece.offset)
                    content = b"".join(piece.content for piece in own)
                    assert {piece.part for piece in own} == {part}
                    assert hashlib.sha256(content).digest() == sha256
                    sound, rate_hz = soundfile.read(io.BytesIO(content))
                    assert len(sound) / rate_hz == pytest.approx(clip.duration_ms / 1000, abs=0.05)
        began_ns = 1_795_255_200_000_000_000
        arrived_s = sorted((header.captured_at_ns - began_ns) / 1e9 for header, _ in shots.values())
        assert [at_s for at_s in (8.0, 8.6, 20.0) if not any(abs(at_s - a) < 0.01 for a in arrived_s)] == []
        for header, arrival in shots.values():
            assert (arrival.position, arrival.offset) == (
                Position(404_400_000, -800_000_000, 50),
                Offset(12_500, -3_000, 0),
            )
            assert (arrival.clock_source, arrival.fit_error_ns, header.clock_error_ns) == ("recording", 0, 0)
            assert timing_error_ns(header, arrival) < TIMING_LIMIT_NS
        await until(lambda: collector.bodies(Health))
        health = collector.bodies(Health)[-1]
        assert (health.position, health.offset) == (Position(404_400_000, -800_000_000, 50), Offset(12_500, -3_000, 0))
    finally:
        agent.stop()
        await running
