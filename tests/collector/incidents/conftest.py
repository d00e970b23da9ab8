"""A street with microphones over a real store: what they hear is signed, taken in and followed as it would be."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from collector.domain import Alert, Incident, Shot
from collector.incidents.following import IncidentFollower
from collector.incidents.rules import Rules
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.verdicts import VerifyingKey, judge
from collector.ports import Alerted
from collector.store import queries
from collector.store.database import Store
from edge_wire import cose
from edge_wire.messages import Offset, Position, ShotClip, SourceState

S = 1_000_000_000
SOUND_MPS = 340.3
ORIGIN = Position(407_000_000, -740_000_000, 50)
# Six microphones about a block.
CORNERS = {
    "ear-1": (-150.0, -120.0),
    "ear-2": (140.0, -130.0),
    "ear-3": (150.0, 125.0),
    "ear-4": (-145.0, 140.0),
    "ear-5": (0.0, 210.0),
    "ear-6": (-220.0, 10.0),
}

# Three rounds of a live-fire test (FP1/test_001) as our classifier tells of them from its recordings: of each sensor
# where it stood, in metres, and when it heard what it took for a shot, and 10 times by how many dB; echoes among them.
LIVE_FIRE = {
    "trailer-1": ((-175.2, -279.7, -32.2), ((3.384, 348), (4.488, 236), (5.657, 220), (6.925, 64))),
    "trailer-2": ((-289.8, 75.0, 5.9), ((3.290, 342), (4.393, 270), (5.562, 256), (7.255, 84))),
    "trailer-3": ((203.3, -69.3, -22.7), ((3.019, 305), (4.122, 265), (5.290, 267))),
    "trailer-4": (
        (293.8, -280.1, -15.8),
        ((3.607, 206), (4.138, 76), (4.710, 141), (5.241, 49), (5.879, 102), (6.410, 53)),
    ),
    "trailer-5": ((35.0, 30.5, -43.1), ((2.544, 279), (3.647, 193), (4.816, 194))),
    "trailer-6": ((-107.9, 365.6, 28.4), ((3.546, 186), (4.650, 136), (5.818, 115))),
}


class NoHotlists:
    generation = 0

    async def raise_and_revise(self, tx: Any, passed: Any, at_ns: int) -> Any:
        return Alerted((), ())


@dataclass
class Street:
    """Devices, what they say, and the incidents that come of it.

    Attributes:
        asked: incidents of which the sound of some shots was asked for.
    """

    store: Store
    clock: Any
    make: Any
    folder: Path
    rules: Rules = field(default_factory=Rules)
    devices: dict[str, Any] = field(default_factory=dict)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    asked: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin_ns = self.make.now_ns
        self.intake = Intake(self.store, MediaIntake(PictureFolder(self.folder)), NoHotlists, self.clock.utc_ns, 120)
        self.follower = self.new_follower()

    def new_follower(self) -> IncidentFollower:
        return IncidentFollower(self.store, self.clock, self.rules, self.ask)

    async def ask(self, incident_id: int, shot_ids: Collection[int] | None) -> None:
        self.asked.append((incident_id, tuple(sorted(shot_ids or ()))))

    async def device(
        self, name: str, place: tuple[float, float] | None, *, agency: str = "springfield", listening: bool = True
    ) -> Any:
        """Enrol a device at so many metres east and north of the origin; ``listening`` if its health says so."""
        device = self.devices[name] = self.make.device(id=name, agency=agency)
        if place is not None:
            self.places[name] = place
        await device.enrol(self.store)
        await self.say(device, device.open())
        if listening:
            await self.be_well(name)
        return device

    async def corners(self, *names: str) -> None:
        for name in names or CORNERS:
            await self.device(name, CORNERS[name])

    async def be_well(self, name: str, state: str = "ok", **changes: Any) -> None:
        device = self.devices[name]
        place = self.places.get(name)
        known = {} if place is None else {"position": ORIGIN, "offset": offset(place)}
        sources = (SourceState("mast", "microphone", state, "", 10_000),)
        # The next one, or it would be older than what is known.
        self.clock.advance(1_000)
        health = replace(self.make.health(), sources=sources, **(known | changes))
        since_ns = self.clock.utc_ns() - self.begin_ns
        made = {"captured_at_ns": self.clock.utc_ns(), "captured_boot_ns": self.make.boot_ns + since_ns}
        await self.say(device, self.at(device.publish(health, **made)))

    async def say(self, device: Any, *received: Any) -> None:
        keys = {
            (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
            for key, epoch in ((device.key, None), (device.epoch_key, 7))
        }
        await self.intake.commit([judge(one, keys) for one in received])

    def at(self, received: Any) -> Any:
        """The same, received now."""
        since_ns = self.clock.utc_ns() - self.begin_ns
        return replace(
            received,
            received_at_ns=self.begin_ns + since_ns,
            received_boot_ns=self.make.boot_ns + since_ns,
        )

    def arrival(self, name: str, at_s: float, probability: float = 0.95, **changes: Any) -> Any:
        """A device's word for a sound that reached it so many seconds after the beginning; sent, not yet taken in."""
        device, place = self.devices[name], self.places.get(name)
        known = {} if place is None else {"position": ORIGIN, "offset": offset(place)}
        classes = (("gunshot", probability), ("fireworks", round(1 - probability, 6)))
        body = replace(self.make.shot(), classes=classes, snr_cdb=2_000, wave="muzzle-blast", **known)
        header = {key: changes.pop(key) for key in ("clock_error_ns", "captured_boot_ns") if key in changes}
        at_ns = round(at_s * S)
        made = {"captured_at_ns": self.begin_ns + at_ns, "captured_boot_ns": self.make.boot_ns + at_ns} | header
        return device.publish(replace(body, **changes), **made)

    def shot(
        self,
        place: tuple[float, float],
        at_s: float,
        heard_by: Iterable[str],
        probability: float = 0.95,
        **changes: Any,
    ) -> list[tuple[str, Any]]:
        """What ``heard_by`` say of a round fired at a place; in the order of the names."""
        return [
            (name, self.arrival(name, at_s + math.dist(place, self.places[name]) / SOUND_MPS, probability, **changes))
            for name in heard_by
        ]

    async def take(self, *arrivals: tuple[str, Any]) -> None:
        """Take arrivals in as they come now."""
        for name, received in arrivals:
            await self.say(self.devices[name], self.at(received))

    async def look(self, follower: IncidentFollower | None = None) -> None:
        while await (follower or self.follower).look():
            pass

    async def clip(self, name: str, runs: Sequence[tuple[int, int]], sha256: bytes = b"\1" * 32) -> Any:
        device = self.devices[name]
        body = ShotClip("mast", tuple(runs), sha256, bytes(reversed(sha256)), 4_000)
        received = self.at(device.publish(body))
        await self.say(device, received)
        return received

    async def incidents(self) -> list[Incident]:
        """All that have shots, in the order in which they were made."""
        async with self.store.read() as tx:
            return list(reversed(await queries.incidents(tx)))

    async def incident(self) -> Incident:
        """The only one."""
        (one,) = await self.incidents()
        return one

    async def alerts(self) -> list[Alert]:
        async with self.store.read() as tx:
            return list(reversed(await queries.alerts(tx)))

    async def shots(self) -> list[Shot]:
        async with self.store.read() as tx:
            return list(reversed(await queries.shots(tx)))


def offset(place: tuple[float, float]) -> Offset:
    return Offset(round(1_000 * place[0]), round(1_000 * place[1]), 6_000)


@pytest.fixture
async def street(store: Store, clock: Any, make: Any, tmp_path: Path) -> Street:
    clock.now_utc_ns = make.now_ns
    return Street(store, clock, make, tmp_path / "files")


@pytest.fixture(scope="session")
def live_fire() -> Any:
    """By device: where it stood, and what it heard when."""
    return LIVE_FIRE
