"""Ingest without a broker: a real store, a recording link, hotlists as given."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Table, select

from collector.alerts.raising import Raising
from collector.ingest.downlink import Downlink
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.pipeline import Pipeline
from collector.ingest.received import Received
from collector.match.matcher import Matcher
from collector.store.database import Store
from edge_wire import codec, cose, topics
from edge_wire.codec import DownMessage
from edge_wire.messages import Ack, Command, Refused, Verdict


@dataclass
class RecordingLink:
    """The broker's side: what was confirmed and what was sent, in order."""

    published: list[tuple[str, bytes]] = field(default_factory=list)
    confirmed: list[Received] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))
        self.order.append("publish")

    def confirm(self, batch: Iterable[Received]) -> None:
        self.confirmed += batch
        self.order.append("confirm")


class Bench:
    """An ingest pipeline and what came out of it."""

    def __init__(self, store: Store, folder: Path, clock: Any) -> None:
        self.store = store
        self.link = RecordingLink()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.matcher: Any = Matcher()
        self.listing: Any = None
        self.pictures = PictureFolder(folder / "pictures")
        self.intake = Intake(store, MediaIntake(self.pictures), lambda: Raising(self.matcher), clock.utc_ns, 120)
        downlink = Downlink(self.link, self.key, store.store_id, clock.utc_ns)
        self.pipeline = Pipeline(store, self.intake, downlink, self.link, clock.utc_ns)

    async def settle(self, *batch: Received) -> None:
        await self.pipeline.settle(batch)

    def sent(self) -> list[DownMessage]:
        """What was sent to devices since the last call, verified as a device would."""
        sent = []
        for topic, envelope in self.link.published:
            to = topics.parse(topic)
            parsed = cose.parse(envelope)
            cose.verify(parsed, self.key.public_key(), cose.external_aad(to.device, to.channel))
            message = codec.decode_down(parsed.payload)
            assert message.header.device == to.device
            sent.append(message)
        self.link.published.clear()
        return sent

    def acked(self) -> dict[tuple[int, int], dict[Verdict, tuple[tuple[int, int], ...]]]:
        """Ranges acked since the last call, by epoch and stream and verdict; commands and refusals are dropped."""
        found: dict[tuple[int, int], dict[Verdict, tuple[tuple[int, int], ...]]] = {}
        for message in self.sent():
            if isinstance(message.body, Ack):
                assert message.body.store_id == self.store.store_id
                found.setdefault((message.body.of_epoch, message.body.stream), {})[message.body.verdict] = (
                    message.body.ranges
                )
        return found

    def commands(self) -> list[Command]:
        return [message.body for message in self.sent() if isinstance(message.body, Command)]

    def refusals(self) -> list[Refused]:
        return [message.body for message in self.sent() if isinstance(message.body, Refused)]

    async def rows(self, table: Table) -> list[Any]:
        async with self.store.read() as tx:
            return list(await tx.execute(select(table)))


@pytest.fixture
async def bench(store: Store, tmp_path: Path, clock: Any, make: Any, listing: Any) -> AsyncIterator[Bench]:
    clock.now_utc_ns = make.now_ns + 10_000_000
    bench = Bench(store, tmp_path, clock)
    bench.listing = listing
    yield bench
    bench.pipeline.close()
