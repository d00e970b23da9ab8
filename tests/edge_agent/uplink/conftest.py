"""A broker and a collector in memory, in front of a real outbox, and the uplink between them."""

import asyncio
import hashlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning.device_key import FileDeviceKey
from edge_agent.records import CaptureTime
from edge_agent.uplink import LinkError, Uplink, UplinkSettings
from edge_agent.uplink.carried import Carried
from edge_agent.uplink.link import Inbound, Puback
from edge_wire import codec, cose, topics
from edge_wire.messages import Ack, DownHeader, Health, PixelBox, PlateRead, Verdict
from edge_wire.topics import Channel

DEVICE, AGENCY = "trailer-1", "pd"


def make_certificate(folder):
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files in a new folder."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DEVICE)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(pem)
    return folder / "certificate.pem", folder / "key.pem"


class FakeLink:
    """One connection to ``World``."""

    dropped = 0

    def __init__(self, world, will):
        self.world = world
        self.receive_maximum = world.receive_maximum
        self.will = will
        self.numbers = 0
        self.incoming = asyncio.Queue()
        self.published = []
        self.closed = False
        self.lost = None

    def publish(self, message):
        if self.lost:
            raise self.lost
        self.numbers += 1
        self.published.append(message)
        if message.qos and self.world.puback is not None:
            self.incoming.put_nowait(Puback(self.numbers, self.world.puback))
        self.world.received(self, message)
        return self.numbers

    async def receive(self):
        item = await self.incoming.get()
        if isinstance(item, LinkError):
            raise item
        return item

    def carried(self):
        return self.world.carried

    async def close(self):
        self.closed = True

    def lose(self, error):
        self.lost = error
        self.incoming.put_nowait(error)

    def deliver(self, envelope, channel=Channel.ACK, device=DEVICE):
        self.incoming.put_nowait(Inbound(f"nightjar/v1/{AGENCY}/{device}/down/{channel}", envelope))


class World:
    """The far side: every link, and a collector that acks what it gets unless told otherwise."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.links = []
        self.failures = []
        self.puback = 0
        self.receive_maximum = 1_000
        self.acking = True
        self.store = bytes(16)
        self.carried = Carried()

    async def connect(self, settings, will):
        if self.failures:
            raise self.failures.pop(0)
        self.links.append(FakeLink(self, will))
        return self.links[-1]

    @property
    def link(self):
        return self.links[-1]

    def messages(self, link=None):
        """What was published over the last link: channel, decoded message."""
        if not self.links:
            return []
        return [
            (topics.parse(m.topic).channel, codec.decode_up(cose.parse(m.payload).payload))
            for m in (link or self.link).published
        ]

    def bodies(self, kind, link=None):
        return [message.body for _, message in self.messages(link) if isinstance(message.body, kind)]

    def received(self, link, message):
        header = codec.decode_header(cose.parse(message.payload).payload)
        if self.acking and header.sequence is not None:
            link.deliver(self.down(self.ack(header)))

    def ack(self, header, *, verdict=Verdict.STORED):
        return Ack(header.epoch, header.stream, ((header.sequence, header.sequence),), verdict, self.store)

    def down(self, body, *, channel=Channel.ACK, device=DEVICE, header_device=DEVICE, connection=None, key=None):
        """A signed message to the device; each argument can make it the wrong one."""
        epoch, number = connection or codec.decode_connection(self.link.published[-1].correlation)
        payload = codec.encode(DownHeader(epoch, number, header_device, 1), body)
        return cose.sign(payload, key or self.key, cose.external_aad(device, channel))


class Site:
    """A device with an outbox and an uplink into ``world``."""

    def __init__(self, tmp_path, clock):
        self.clock = clock
        self.world = World()
        self.tmp_path = tmp_path
        self.device_key = FileDeviceKey(ec.generate_private_key(ec.SECP256R1()))
        self.healths = 0
        self.commands = []
        pinned = tmp_path / "collector.pem"
        pinned.write_bytes(
            self.world.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        certificate, key = make_certificate(tmp_path / "device")
        self.settings = UplinkSettings(
            "broker.test",
            8883,
            certificate,
            certificate,
            key,
            DEVICE,
            AGENCY,
            (pinned,),
            reconnect_min_s=0.001,
            reconnect_max_s=0.01,
            status_path=tmp_path / "uplink.json",
        )

    async def health(self):
        self.healths += 1
        return Health(self.uplink.status.connection, 1, 2, 3, None, 4, "ntp", (), (), "0.1")

    async def take_command(self, command):
        self.commands.append(command)

    @asynccontextmanager
    async def running(self, settings=None):
        """The uplink at work; stopped at the end of the block."""
        outbox_settings = OutboxSettings(self.tmp_path / "outbox", DEVICE)
        async with await Outbox.open(outbox_settings, self.device_key, self.clock) as outbox:
            self.outbox = outbox
            self.uplink = Uplink(
                settings or self.settings,
                outbox,
                self.clock,
                self.health,
                on_command=self.take_command,
                connect=self.world.connect,
            )
            self.task = asyncio.create_task(self.uplink.run())
            try:
                yield self
            finally:
                self.uplink.stop()
                await asyncio.gather(self.task, return_exceptions=True)
        if not self.task.cancelled():
            self.task.result()

    async def until(self, predicate):
        """Let everything run until ``predicate()`` holds."""
        async with asyncio.timeout(5):
            while not predicate():  # noqa: ASYNC110  # it waits for other tasks' progress, which sets no event
                await asyncio.sleep(0.001)  # not 0: spinning would starve the threads that it waits for

    async def until_pending(self, count):
        async with asyncio.timeout(5):
            while (await self.outbox.state()).pending != count:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.001)  # not 0: spinning would starve the threads that it waits for

    async def until_quiet(self):
        """Until the Open and the connection's Statement are acked and nothing is under way."""
        await self.until(lambda: self.outbox.open_acked)
        await self.until_pending(0)
        await self.until(lambda: self.uplink.status.under_way == 0)

    def read(self, track, crop=b"crop"):
        return PlateRead(
            track=track,
            revision=0,
            final=False,
            text="ABC1234",
            slots=((("A", 0.9),),),
            calibration="none",
            camera="north",
            role="lpr",
            deployment="d1",
            frame_sha256=bytes(32),
            crop_sha256=hashlib.sha256(crop).digest(),
            box=PixelBox(1, 2, 30, 40),
            detection_score=0.8,
            frames=3,
        )

    def captured(self):
        return CaptureTime(self.clock.utc_ns(), self.clock.boot_ns(), 1_000)

    async def put(self, *tracks):
        return [await self.outbox.put(self.read(track), self.captured()) for track in tracks]


@pytest.fixture
def site(tmp_path, clock):
    return Site(tmp_path, clock)
