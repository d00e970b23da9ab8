"""Stored reads and the alerts that they raise, without a device."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import insert

from collector.alerts.raising import Raising
from collector.alerts.rules import Rules
from collector.domain import Age, Alert
from collector.match.records import Seen
from collector.ports import Passed
from collector.store import queries, tables
from collector.store.database import Store

S = 1_000_000_000


@dataclass
class Street:
    """Lets vehicles pass: each read is stored, and raises what it raises."""

    store: Store
    listing: Any
    now_ns: int
    rules: Rules
    matcher: Any = None
    reads: int = 0

    async def list_plate(self, *plates: str, **more: Any) -> None:
        self.matcher = await self.listing.put(*plates, **more)

    async def drive(self, text: str = "7ABC123", *, site: str = "5th", after_s: float = 0, **more: Any) -> Any:
        """One read of a plate; return what came of it."""
        self.reads += 1
        at_ns = self.now_ns + round(after_s * S)
        slots = tuple(((character, 0.99),) for character in text)
        made = Passed(
            read_id=self.reads,
            before=None,
            revisions=(Seen(text, slots, ()),),
            late=(),
            revision=0,
            age=Age(False, None),
            camera=f"{site}-1/north",
            site=site,
            passed_at_ns=at_ns,
        )
        passed = replace(made, **more)
        async with self.store.write() as tx:
            await self._store(tx, passed, text)
            return await Raising(self.matcher, self.rules).raise_and_revise(tx, [passed], at_ns)

    async def alert(self, alert_id: int = 1) -> Alert:
        async with self.store.read() as tx:
            return (await queries.alerts_by_id(tx, [alert_id]))[alert_id]

    async def alerts(self) -> list[Alert]:
        async with self.store.read() as tx:
            return await queries.alerts(tx)

    async def _store(self, tx: Any, passed: Passed, text: str) -> None:
        number, at_ns = passed.read_id, passed.passed_at_ns
        message = {"device": passed.device, "epoch": 1, "stream": 1, "sequence": number, "kind": 2, "envelope": b""}
        await tx.execute(insert(tables.message).values(id=number, **message, received_at_ns=at_ns))
        slots = [[[character, p] for character, p in slot] for slot in passed.revisions[-1].slots]
        await tx.execute(
            insert(tables.read).values(
                id=number,
                device=passed.device,
                epoch=1,
                track=number,
                agency="pd",
                message_id=number,
                revision=0,
                final=False,
                text=text,
                slots=slots,
                regions=[],
                calibration="none",
                camera="north",
                role="lpr",
                deployment="d1",
                box=[1, 2, 3, 4],
                detection_score=0.9,
                frames=5,
                crop_sha256=bytes(32),
                frame_sha256=bytes(32),
                captured_at_ns=at_ns,
                captured_boot_ns=1,
                clock_error_ns=1,
                first_readable_ns=0,
                received_at_ns=at_ns,
                matched_version=1,
                site=passed.site,
                passed_at_ns=at_ns,
            )
        )


@pytest.fixture
def street(store: Store, listing: Any, make: Any) -> Street:
    return Street(store, listing, make.now_ns, Rules())


@pytest.fixture
def street_of() -> Any:
    """Makes a street over a store that the test opened itself."""
    return Street
