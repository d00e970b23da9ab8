"""Outbox and uplink against a real mosquitto with the production configuration, and a collector of thirty lines."""

import asyncio
import hashlib
import io
import shutil
import socket
import ssl
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

from edge_agent.app import Agent
from edge_agent.config import AgentConfig
from edge_agent.outbox import Outbox, OutboxSettings
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
    """Acks every sequenced message at once; remembers what came. paho's thread owns it."""

    def __init__(self, broker):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.messages = []
        self.envelopes = []
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


class Site:
    def __init__(self, folder, broker, collector_key):
        pinned = folder / "collector-key.pem"
        pinned.write_bytes(
            collector_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        files = broker.client(DEVICE)
        self.clock = SystemClock()
        self.device_key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        self.outbox_settings = OutboxSettings(folder / "outbox", DEVICE)
        self.settings = UplinkSettings(
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

    @asynccontextmanager
    async def opened(self):
        async with await Outbox.open(self.outbox_settings, self.device_key, self.clock) as outbox:
            yield outbox

    @asynccontextmanager
    async def running(self, outbox, connect=open_link):
        uplink = Uplink(self.settings, outbox, self.clock, connect=connect)
        task = asyncio.create_task(uplink.run())
        try:
            yield uplink
        finally:
            uplink.stop()
            await task

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
        links[0]._client.socket().shutdown(socket.SHUT_RDWR)  # no port of ours can break a connection; a network can
        await until(lambda: Presence(1, False, "connection lost") in collector.bodies(Presence))
        await until(lambda: Presence(2, True, "") in collector.bodies(Presence))


async def test_a_device_that_was_removed_is_not_served(tmp_path, broker, collector):
    site = Site(tmp_path, broker, collector.key)
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await until(lambda: uplink.status.state == UplinkState.WORKING)
        await asyncio.to_thread(broker.remove_device, DEVICE)
        await until(lambda: uplink.status.fault in (Fault.AUTH, Fault.ACL))


async def test_without_a_collector_pubacks_say_that_nobody_listens(tmp_path, broker):
    site = Site(tmp_path, broker, ec.generate_private_key(ec.SECP256R1()))
    async with site.opened() as outbox, site.running(outbox) as uplink:
        await until(lambda: uplink.status.counts.get("puback_no_subscribers"))
        assert uplink.status.state == UplinkState.CONNECTED
        assert not outbox.open_acked


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
