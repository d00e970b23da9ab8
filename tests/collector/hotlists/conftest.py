"""A collector without a broker: what devices send is stored and matched, single entries are made and searched for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support import FakeClock

from collector.alerts.raising import Raising
from collector.alerts.rematching import rematch
from collector.config import HotlistEntries
from collector.domain import Alert
from collector.hotlists import entering
from collector.hotlists.back_search import BackSearcher
from collector.hotlists.entering import Entered, Wanted
from collector.hotlists.live import LiveMatcher
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.received import Received
from collector.ingest.verdicts import VerifyingKey, judge
from collector.match.policy import Policy
from collector.store import back_searches, queries
from collector.store.back_searches import BackSearch
from collector.store.database import Store
from collector.store.users import Role, Users
from edge_wire import cose

HOUR_NS = 3_600 * 10**9


class Desk:
    """Somebody who enters plates, while a device sends reads."""

    def __init__(self, store: Store, clock: FakeClock, make: Any, folder: Path) -> None:
        self.store, self.clock, self.make = store, clock, make
        self.device = make.device()
        self.keys: dict[tuple[str, bytes], VerifyingKey] = {}
        self.live = LiveMatcher(store)
        self.asked: list[str] = []
        self.intake = Intake(
            store, MediaIntake(PictureFolder(folder)), lambda: Raising(self.live.matcher), clock.utc_ns, 120
        )

    async def start(self) -> None:
        device = await self.device.enrol(self.store)
        self.keys = {
            (device.id, cose.key_id(key.public_key())): VerifyingKey(key.public_key(), epoch)
            for key, epoch in ((device.key, None), (device.epoch_key, 7))
        }
        await self.commit(device.open())

    async def commit(self, *received: Received) -> None:
        await self.intake.commit([judge(one, self.keys) for one in received])

    async def sees(self, *plates: str, first_track: int = 1, **header: Any) -> None:
        """Reads of these plates come, a track each, an hour old unless said otherwise."""
        header = {"captured_at_ns": self.make.now_ns - HOUR_NS, "captured_boot_ns": self.make.boot_ns} | header
        await self.commit(
            *(self.device.read(text, track=first_track + at, p=0.998, **header) for at, text in enumerate(plates))
        )

    def wanted(self, plate: str = "7ABC123", **more: Any) -> Wanted:
        said = {"state": "TX", "reason": "stolen", "case": "26-118", "requester": "Sgt. Diaz"} | more
        return Wanted(plate, **said)

    async def adds(self, plate: str = "7ABC123", *, days: float = 0, who: str = "cli:ann", **more: Any) -> Entered:
        return await entering.add(
            self.store,
            self.wanted(plate, **more),
            HotlistEntries(),
            search_days=days,
            who=who,
            at_ns=self.clock.utc_ns(),
        )

    async def knows(self, *names: str, role: Role = Role.SUPERVISOR) -> None:
        """These are users of the collector."""
        for name in names:
            await Users(self.store, self.clock).add(name, role, None, by="cli:test")

    def searcher(self, store: Any = None, portion: int = 10) -> BackSearcher:
        async def ask(device: str) -> None:
            self.asked.append(device)

        return BackSearcher(
            store or self.store, Policy(), lambda matcher: Raising(matcher), ask, self.clock.utc_ns, portion=portion
        )

    async def search(self, number: int | None) -> BackSearch:
        assert number is not None
        async with self.store.read() as tx:
            found = await back_searches.search(tx, number)
        assert found is not None
        return found

    async def rematch(self) -> None:
        await self.live.load()
        await rematch(self.store, Raising(self.live.matcher), self.clock.utc_ns)

    async def alerts(self) -> Sequence[Alert]:
        async with self.store.read() as tx:
            return await queries.alerts(tx, limit=100)


@pytest.fixture
async def desk(store: Store, clock: FakeClock, make: Any, tmp_path: Path) -> Desk:
    desk = Desk(store, clock, make, tmp_path / "pictures")
    await desk.start()
    return desk
