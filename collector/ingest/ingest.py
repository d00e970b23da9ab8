"""The ingest room as ``app.py`` sees it: given a store and a broker, it runs until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping

from cryptography.hazmat.primitives.asymmetric import ec

from collector.ingest import interpreter
from collector.ingest.downlink import Downlink
from collector.ingest.inbox import Inbox
from collector.ingest.intake import Intake
from collector.ingest.link import BrokerLink, BrokerSettings
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.pipeline import Pipeline
from collector.ingest.received import Received
from collector.ports import Raiser
from collector.store.database import Store
from edge_wire.clock import Clock

# PROTOCOL: an ack is at most so many rows behind its commit. Small batches are dear: a transaction has some twenty
# statements, whatever its size.
_MOST = 500
# Bounds what one transaction writes to files, and so how long it holds the store.
_MOST_BYTES = 1 << 20
_STOP_S = 5.0


class Ingest:
    """Takes what devices send, for as long as it runs.

    A batch is whatever came while the one before was committed, up to ``_MOST`` messages or 1 MiB: an idle collector
    answers each message at once, a busy one shares its commits. A full batch is verified while the one before it
    waits for the disk. What is in hand is bounded by two batches and the inbox, however long the store is away; the
    broker has the rest.

    Args:
        store: where to.
        broker: where from.
        key: signs acks and commands; devices pin it.
        pictures: where files go.
        clock: the machine's clocks.
        raising: gives the ``Raiser`` of the hotlists in force.
        historical_after_s: a read older than this when it arrives is historical.

    Raises:
        ConfigurationError: a certificate or key for the broker cannot be read.
    """

    def __init__(
        self,
        store: Store,
        broker: BrokerSettings,
        key: ec.EllipticCurvePrivateKey,
        pictures: PictureFolder,
        clock: Clock,
        raising: Callable[[], Raiser],
        historical_after_s: int = 120,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._subscribed = asyncio.Event()
        self._inbox = Inbox(loop, plenty=_MOST)
        self._link = BrokerLink(
            broker, self._inbox, clock, on_subscribed=lambda: loop.call_soon_threadsafe(self._subscribed.set)
        )
        self._pipeline = Pipeline(
            store,
            Intake(store, MediaIntake(pictures), raising, clock.utc_ns, historical_after_s),
            Downlink(self._link, key, store.store_id, clock.utc_ns),
            self._link,
            clock.utc_ns,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def hearing(self) -> bool:
        """Whether what devices say can arrive: the broker is connected and has taken every subscription."""
        return self._link.subscribed

    @property
    def counts(self) -> Mapping[str, int]:
        """What came of the publishes so far, by a short stable word."""
        return {**self._pipeline.counts, "not_sent": self._link.dropped}

    def start(self) -> asyncio.Task[None]:
        """Connect, and go on trying; returns the task, which ends only by ``stop`` or with what went wrong.

        Tunes the interpreter of this process for what ingest does (``interpreter``).
        """
        interpreter.tune()
        self._link.open()
        self._task = asyncio.create_task(self._run(), name="ingest")
        return self._task

    async def wait_until_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has taken every subscription for the first time; whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._subscribed.wait()
        return self._subscribed.is_set()

    async def ask_for_missing(self, device: str) -> None:
        """Ask a device for the files of its alerts, when an alert was raised elsewhere than in ingest."""
        await self._pipeline.ask_for_missing(device)

    async def ask_for_sound(self, incident_id: int, shot_ids: Collection[int] | None) -> None:
        """Ask for what has not come of the sound of an incident; see ``collector.ports.AskForSound``."""
        await self._pipeline.ask_for_sound(incident_id, shot_ids)

    async def stop(self) -> None:
        """Finish the batch in hand and disconnect; what was not confirmed comes again at the next start."""
        self._inbox.close()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=_STOP_S)
            if not done:
                # It waits for a store that cannot be reached.
                self._task.cancel()
                await asyncio.wait([self._task])
        await asyncio.to_thread(self._link.close)
        self._pipeline.close()

    async def _run(self) -> None:
        settling: asyncio.Task[None] | None = None
        try:
            while batch := await self._next(settling):
                judged = await self._pipeline.judge(batch)
                if settling is not None:
                    await settling
                settling = asyncio.create_task(self._pipeline.settle_judged(judged))
            if settling is not None:
                await settling
        finally:
            if settling is not None:
                settling.cancel()

    async def _next(self, settling: asyncio.Task[None] | None) -> list[Received]:
        """Take a batch when there are many, or the one before is settled: what is small then need not wait."""
        if settling is not None:
            many = asyncio.create_task(self._inbox.wait_for_many())
            await asyncio.wait({many, settling}, return_when=asyncio.FIRST_COMPLETED)
            many.cancel()
            if settling.done():
                settling.result()
        return await self._inbox.take(_MOST, _MOST_BYTES)
