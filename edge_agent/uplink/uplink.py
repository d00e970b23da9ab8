"""The uplink's task: one connection after the other, for ever, with a wait in between that grows."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from edge_agent.errors import OutboxError
from edge_agent.sending import Outgoing
from edge_agent.uplink.data_use import DataMeter
from edge_agent.uplink.files import check_files
from edge_agent.uplink.link import Connect, Link, LinkError, Outbound, open_link
from edge_agent.uplink.record import Record
from edge_agent.uplink.session import MakeHealth, Session
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.status import DataUse, Fault, PlanLevel, UplinkState, UplinkStatus, write_status
from edge_agent.uplink.traffic import DOWN, OVERHEAD
from edge_agent.uplink.verify import Verifier, load_collector_keys
from edge_wire.clock import Clock
from edge_wire.messages import Command

_log = structlog.get_logger(__name__)
_STATUS_EVERY_S = 5.0


def pause_s(settings: UplinkSettings, failures: int, chance: float) -> float:
    """Return how long to wait after so many failures in a row; ``chance`` is between 0 and 1.

    Half of it is left to chance: a thousand devices that lost one broker must not come back in the same second.
    """
    longest_s = min(settings.reconnect_min_s * 2.0 ** min(failures - 1, 20), settings.reconnect_max_s)
    return longest_s * (0.5 + chance / 2)


class Uplink:
    """Empties an outbox through one connection at a time. ``run`` it in one task.

    Args:
        settings: where to connect and as whom.
        outgoing: the outbox.
        clock: the machine's clocks.
        health: makes the body of a health message; None sends none.
        on_command: told of each verified command other than ``send_media``, which goes to the outbox.
        on_data_plan: told how much of the data plan is used when that reaches another level, and the level before.
        connect: opens a connection.

    Raises:
        ConfigurationError: a certificate or key cannot be loaded; see ``check_files``.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        outgoing: Outgoing,
        clock: Clock,
        health: MakeHealth | None = None,
        *,
        on_command: Callable[[Command], Awaitable[None]] | None = None,
        on_data_plan: Callable[[DataUse, PlanLevel], None] | None = None,
        connect: Connect = open_link,
    ) -> None:
        self._settings = settings
        self._outgoing = outgoing
        self._clock = clock
        self._health = health
        self._on_command = on_command
        self._on_data_plan = on_data_plan
        self._connect = connect
        check_files(settings)
        self._keys = load_collector_keys(settings.collector_key_paths)
        self._meter = DataMeter(settings.data_use_path, settings.monthly_bytes, settings.billing_day, clock)
        self._record = Record(outgoing.epoch, clock, settings.unacked_after_s, self._meter)
        self._session: Session | None = None
        self._last_word = "shutdown"
        self._stopping = asyncio.Event()
        self._attempt: asyncio.Timeout | None = None
        self._health_changed = asyncio.Event()

    @property
    def status(self) -> UplinkStatus:
        """How the uplink stands now."""
        return self._record.status

    def stop(self, last_word: str = "shutdown") -> None:
        """Let ``run`` say goodbye and return; an attempt to connect is given up. Call it from the loop.

        Args:
            last_word: why, as the last Presence of this device says it.
        """
        if self._stopping.is_set():
            return
        self._last_word = last_word
        self._stopping.set()
        if self._attempt is not None:
            self._attempt.reschedule(asyncio.get_running_loop().time())

    def health_changed(self) -> None:
        """Send health now, because something in it changed."""
        self._health_changed.set()

    async def wait_until_working(self) -> None:
        """Return once the collector has acked on some connection."""
        await self._record.worked.wait()

    async def run(self) -> None:
        """Keep the link up until ``stop``, or until cancelled; either way the broker hears that we go."""
        keeper = asyncio.create_task(self._keep_status_file(), name="uplink-status")
        failures = 0
        try:
            while not self._stopping.is_set():
                acks_before = self._record.counts["acks"]
                try:
                    await self._run_connection()
                except (LinkError, OutboxError) as error:
                    # Whoever got through starts over; whoever connects and breaks goes on backing off.
                    failures = 1 if self._record.counts["acks"] > acks_before else failures + 1
                    fault = error.fault if isinstance(error, LinkError) else Fault.OUTBOX
                    if isinstance(error, LinkError):
                        self._meter.add(OVERHEAD, error.carried.up_bytes)
                        self._meter.add(DOWN, error.carried.down_bytes)
                    self._record.counts[f"failed_{fault}"] += 1
                    self._record.show(UplinkState.DISCONNECTED, str(error), fault)
                    await self._pause(failures)
        finally:
            self._record.stopped()
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._save_meter(self._meter.snapshot())
            await self._write_status()

    async def _run_connection(self) -> None:
        settings, record = self._settings, self._record
        record.show(UplinkState.CONNECTING, f"connecting to {settings.host}:{settings.port}")
        record.connection = self._outgoing.begin_connection()
        session = Session(
            settings,
            self._outgoing,
            self._clock,
            record,
            Verifier(self._keys, settings.device, self._outgoing.epoch, record.connection),
            health=self._health,
            health_changed=self._health_changed,
            on_command=self._on_command,
            meter=self._meter,
            last_word=lambda: self._last_word,
        )
        link = await self._open_link(session.will())
        if link is None:
            return
        try:
            record.counts["connections"] += 1
            record.show(UplinkState.CONNECTED, "connected, the collector has not acked yet")
            self._session = session
            await session.run(link, self._stopping)
        finally:
            self._session = record.window = None
            await link.close()
            session.measure(ended=True)

    async def _open_link(self, will: Outbound) -> Link | None:
        """Connect, however long that takes; None if ``stop`` came first."""
        try:
            async with asyncio.timeout(None) as self._attempt:
                return await self._connect(self._settings, will)
        except TimeoutError:
            return None
        finally:
            self._attempt = None

    async def _pause(self, failures: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s(self._settings, failures, random.random())):
                await self._stopping.wait()

    async def _keep_status_file(self) -> None:
        while True:
            self._record.changed.clear()
            if self._session is not None:
                self._session.measure()
            self._tell_of_data_plan()
            if (content := self._meter.due()) is not None:
                await self._save_meter(content)
            await self._write_status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STATUS_EVERY_S):
                    await self._record.changed.wait()

    def _tell_of_data_plan(self) -> None:
        use = self._meter.use()
        before = self._meter.level_before(use.level)
        if before is None or {before, use.level} == {PlanLevel.NONE, PlanLevel.OK}:
            return
        log = _log.warning if use.alarm else _log.info
        log("data plan", level=str(use.level), used_bytes=use.used_bytes, monthly_bytes=use.monthly_bytes)
        if self._on_data_plan is not None:
            self._on_data_plan(use, before)

    async def _save_meter(self, content: bytes) -> None:
        try:
            await asyncio.to_thread(self._meter.save, content)
        except OSError as error:
            _log.warning("what the link used could not be saved", error=str(error))

    async def _write_status(self) -> None:
        path = self._settings.status_path
        if path is None:
            return
        try:
            await asyncio.to_thread(write_status, path, self.status)
        except OSError as error:
            _log.warning("status of the uplink could not be written", file=str(path), error=str(error))
