"""The devices of ``bench/ingest.py``: what they send was signed before anything is timed."""

import asyncio
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from collector.fleet.devices import add_device
from collector.store.database import Store
from edge_wire import codec, cose
from edge_wire.clock import SystemClock
from edge_wire.messages import Header, Open, PixelBox, PlateRead, Stream
from edge_wire.topics import Channel, Topic

AGENCY, EPOCH = "bench", 7
DEVICES = tuple(f"bench-{number}" for number in range(1, 5))


class Signed(msgspec.Struct):
    """One envelope, and where its device publishes it."""

    device: str
    topic: str
    sequence: int
    envelope: bytes


def keep(file: Path, signed: list[Signed]) -> Path:
    """Write envelopes into a file, for another process."""
    file.write_bytes(msgspec.msgpack.encode(signed))
    return file


def kept(file: Path) -> list[Signed]:
    return msgspec.msgpack.decode(file.read_bytes(), type=list[Signed])


class Fleet:
    """Devices that take turns.

    Attributes:
        openings: the Open of each.
    """

    def __init__(self) -> None:
        self._clock = clock = SystemClock()
        self._keys = {device: ec.generate_private_key(ec.SECP256R1()) for device in DEVICES}
        self._epoch_keys = {device: ec.generate_private_key(ec.SECP256R1()) for device in DEVICES}
        self._reads: list[Signed] = []
        self.openings: list[Signed] = []
        for device in DEVICES:
            body = Open(cose.spki(self._epoch_keys[device].public_key()), bytes(16), clock.boot_ns(), clock.utc_ns())
            self.openings.append(self._signed(device, Stream.REPORT, 1, body, self._keys[device]))

    def reads(self, count: int) -> list[Signed]:
        """Return the first ``count`` reads of all devices together."""
        for at in range(len(self._reads), count):
            device, sequence = DEVICES[at % len(DEVICES)], 1 + at // len(DEVICES)
            one = self._signed(device, Stream.DETECTION, sequence, _a_read(sequence), self._epoch_keys[device])
            self._reads.append(one)
        return self._reads[:count]

    def enrol(self, url: str) -> None:
        """Make a store that knows the devices."""
        asyncio.run(self._enrol(url))

    async def _enrol(self, url: str) -> None:
        store = await Store.open(url)
        for device in DEVICES:
            await add_device(store, device, AGENCY, self._keys[device].public_key(), who="cli:bench", at_ns=1)
        await store.close()

    def _signed(
        self, device: str, stream: Stream, sequence: int, body: Open | PlateRead, key: ec.EllipticCurvePrivateKey
    ) -> Signed:
        channel = Channel.REPORT if stream is Stream.REPORT else Channel.DETECTION
        header = Header(EPOCH, self._clock.utc_ns(), self._clock.boot_ns(), 1_000, stream, sequence)
        envelope = cose.sign(codec.encode(header, body), key, cose.external_aad(device, channel))
        return Signed(device, str(Topic(AGENCY, device, channel)), sequence, envelope)


def _a_read(track: int) -> PlateRead:
    """A read as the vote leaves it: seven slots of up to five candidates, about 400 bytes signed."""
    text = f"{track % 10_000_000:07d}"
    slots = tuple(
        ((c, 0.93), ("B", 0.03), ("R", 0.01), ("H", 0.005), ("N", 0.003))[: 2 + at % 4] for at, c in enumerate(text)
    )
    box = PixelBox(100, 200, 220, 240)
    regions = (("US-TX", 0.9), ("US-OK", 0.05))
    digests = (track.to_bytes(32, "big"), (track + 1).to_bytes(32, "little"))
    return PlateRead(track, 0, True, text, slots, "plates-eu-us", "north", "lpr", "d1", *digests, box, 0.9, 5, regions)
