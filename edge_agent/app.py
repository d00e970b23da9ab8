"""The composition root of the edge agent: joins what the rooms make, and decides when it begins and ends.

    camera -> source thread -> stage thread -> read -> outbox -> uplink ~~> collector
    microphone -> source thread -> stage thread -> shot, then its clip -> outbox

Threads read sources and run networks; one asyncio loop owns the outbox and the uplink. A read or a shot counts as
taken when ``Outbox.put_with_files`` has returned, and its thread waits for that.

An agent runs until it is asked to stop. Three things interrupt it without ending it:

- The outbox cannot be written for a while (a full disk): each detection that it does not take is counted by it, and
  told in a loss record as soon as one can be written. Sources, networks and uplink go on.
- The outbox is damaged: everything is put away in order, and opened anew. That sets the damaged database aside and
  begins an epoch whose Open states the bound. Detections in between are carried over as counted.
- The power is about to end: everything is put away in order, the last word says so, and the agent stands by. When the
  machine does not go down after all and the power is back, it begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import Enum, auto
from importlib.metadata import version

import structlog

from edge_agent.bodies import as_change
from edge_agent.config import AgentConfig
from edge_agent.errors import OutboxError
from edge_agent.opening import outbox_settings, uplink_settings
from edge_agent.outbox import Entry, EvidenceFile, Outbox
from edge_agent.provisioning import device_key
from edge_agent.reporting import Reporter, Watched
from edge_agent.sending import Identity
from edge_agent.telemetry.changes import Changes, StateChange
from edge_agent.telemetry.machine import Machine
from edge_agent.telemetry.nut import UpsAddress
from edge_agent.telemetry.power import PowerState, PowerWatch
from edge_agent.uplink import Uplink, UplinkState, check_files
from edge_agent.watching import Watching
from edge_wire.clock import Clock, SystemClock

POWER_LOST = "power lost: shutting down"
"""The last word where the UPS says that the power is about to end; any other end in order says ``shutdown``."""

_POLL_S = 0.2
_LOOK_S = 5.0
_DRAIN_S = 1.0
_DRAIN_POWER_S = 3.0  # of the ten seconds between upsmon's word and switching off; the goodbye may take two
_OPEN_AGAIN_AFTER_S = 1.0
_BACK_UNHEARD_AFTER_S = 300.0
log = structlog.get_logger()


class _End(Enum):
    """Why an epoch ended."""

    ASKED = auto()
    PLAYED = auto()
    POWER = auto()
    DAMAGED = auto()


class Agent:
    """One running agent. ``run`` returns when it is asked to stop, or when ``once`` and everything was sent.

    Args:
        config: what to watch and where to send.
        clock: where times come from.
        machine: what is told of the machine.
        config_sha256: of the configuration file's bytes.

    Raises:
        ModelError: a network that is needed is not there.
        ConfigurationError: a file that the configuration names is not there.
    """

    def __init__(
        self,
        config: AgentConfig,
        clock: Clock | None = None,
        *,
        machine: Machine | None = None,
        config_sha256: bytes | None = None,
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._machine = machine or Machine()
        self._began_boot_ns = self._clock.boot_ns()
        # All of this before the outbox is opened: an agent that cannot start makes no epoch.
        self._watching = Watching(config, self._clock)
        self._software = self._watching.software(config_sha256)
        check_files(uplink_settings(config))
        self._key = device_key.load(config.device.key)
        self._crash: BaseException | None = None
        self._stop = False
        self._was_open = False
        self._woken = asyncio.Event()
        self._news: Callable[[], None] = lambda: None
        self._unkept: Mapping[int, int] = {}
        self._sources: dict[str, Watched] = {}
        ups = config.power.ups
        self._power = None if ups is None else PowerWatch(UpsAddress.parse(ups), self._power_changed)

    @property
    def failed_sources(self) -> list[str]:
        """The sources that have failed and are not being opened again."""
        watches = [(name, source.watch) for name, source in self._sources.items()]
        return [name for name, watch in watches if watch.ended and watch.condition[0] == "failed"]

    def stop(self) -> None:
        """Let ``run`` end in order. Call it from the loop."""
        self._stop = True
        self._woken.set()

    async def run(self, *, once: bool = False) -> None:
        """Watch, store and send.

        Args:
            once: end when every source has ended and the collector has acknowledged everything.

        Raises:
            OutboxError: the outbox cannot be opened, or broke while recordings were played ``once``.
            Exception: whatever broke a stage, after everything else was put away in order.
        """
        async with self._power_watched():
            while (end := await self._run_epoch(once=once)) in (_End.POWER, _End.DAMAGED):
                if end is _End.POWER:
                    await self._stand_by()
                else:
                    self._woken.clear()
                    await self._wait_for_wake(_OPEN_AGAIN_AFTER_S)
                if self._stop:
                    break
        if self._crash is not None:
            raise self._crash

    async def _run_epoch(self, *, once: bool) -> _End:
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._news)

        def crashed(error: BaseException) -> None:
            self._crash = error
            loop.call_soon_threadsafe(self.stop)
            log.critical("a stage broke", error=repr(error))

        outbox = await self._open_outbox()
        async with outbox:
            for kind, count in self._unkept.items():
                outbox.note_uncommitted(kind, count)

            async def tell(change: StateChange) -> None:
                await outbox.put(as_change(change), change.at)
                uplink.health_changed()  # what floods no rows floods no health either

            changes = Changes(tell, self._clock)
            uplink = Uplink(uplink_settings(self._config), outbox, self._clock, lambda: reporter.health())
            self._sources = self._watching.watches(
                lambda entry, files: self._keep(loop, outbox, entry, files), changed, crashed
            )
            reporter = Reporter(
                self._config,
                self._clock,
                self._machine,
                self._software,
                outbox,
                lambda: uplink.status,
                self._sources,
                self._power,
                changes,
                self._began_boot_ns,
            )
            self._news = reporter.look_now
            changes.note("agent", None, "started", f"nightjar {version('nightjar')}")
            sending = asyncio.create_task(uplink.run(), name="uplink")
            reporting = asyncio.create_task(reporter.run(), name="reporting")
            telling = asyncio.create_task(changes.run(), name="changes")
            broken = asyncio.create_task(outbox.wait_until_broken(), name="outbox-broken")
            tasks = (sending, reporting, telling, broken)
            for task in tasks:
                task.add_done_callback(lambda _: self._woken.set())
            end = _End.ASKED
            try:
                for source in self._sources.values():
                    source.watch.start()
                end = await self._wait(outbox, broken, tasks, once=once)
            finally:
                self._news = lambda: None
                reporting.cancel()
                broken.cancel()
                await asyncio.gather(reporting, return_exceptions=True)
                if end in (_End.POWER, _End.PLAYED):
                    await reporter.look()  # what has ended it may be too new to have been seen
                await self._close_sources()
                changes.note("agent", None, "stopping", self._why(end), urgent=True)
                changes.close()
                await asyncio.gather(telling, broken, return_exceptions=True)
                await self._drain(outbox, uplink, end)
                uplink.stop(self._last_word(end))
                await sending
            for task in (reporting, telling):
                if not task.cancelled():
                    task.result()
        # What this outbox could not even record as lost; the next one does.
        self._unkept = dict(outbox.uncommitted)
        if end is _End.DAMAGED and once:
            raise broken.result()
        return end

    async def _open_outbox(self) -> Outbox:
        """Open it; once it was open, as long as it takes: what could not be kept meanwhile is known in here alone.

        Raises:
            OutboxError: it cannot be opened, and was not before or need not be any more.
        """
        while True:
            try:
                outbox = await Outbox.open(outbox_settings(self._config), self._key, self._clock)
            except OutboxError as error:
                if not self._was_open or self._stop:
                    raise
                log.error("the outbox cannot be opened again yet", why=str(error))
                self._woken.clear()
                await self._wait_for_wake(_LOOK_S)
            else:
                self._was_open = True
                return outbox

    async def _wait(
        self, outbox: Outbox, broken: asyncio.Task[OutboxError], tasks: Sequence[asyncio.Task[object]], *, once: bool
    ) -> _End:
        """Return once there is a reason to end."""
        while True:
            self._woken.clear()
            if broken.done():
                log.error("the outbox is damaged and will be opened anew", why=str(broken.result()))
                return _End.DAMAGED
            if self._stop or any(task.done() for task in tasks):
                return _End.ASKED
            if self._power is not None and self._power.ending:
                return _End.POWER
            played = once and all(source.watch.ended for source in self._sources.values())
            if played and (await outbox.state()).pending == 0:
                return _End.PLAYED
            await self._wait_for_wake(_POLL_S if once else None)

    async def _wait_for_wake(self, within_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()

    async def _close_sources(self) -> None:
        for source in self._sources.values():
            source.watch.close()
        for source in self._sources.values():
            await asyncio.to_thread(source.watch.join)

    async def _drain(self, outbox: Outbox, uplink: Uplink, end: _End) -> None:
        """Let what was told last be sent, as far as there is time."""
        limit_s = {_End.PLAYED: None, _End.POWER: _DRAIN_POWER_S, _End.ASKED: _DRAIN_S, _End.DAMAGED: 0.0}[end]
        if limit_s == 0.0 or (limit_s is not None and uplink.status.state is not UplinkState.WORKING):
            return
        with contextlib.suppress(TimeoutError, OutboxError):
            async with asyncio.timeout(limit_s):
                while (await outbox.state()).pending and not (end is _End.PLAYED and self._interrupted):
                    self._woken.clear()
                    await self._wait_for_wake(_POLL_S)

    @property
    def _interrupted(self) -> bool:
        return self._stop or (self._power is not None and self._power.ending)

    def _last_word(self, end: _End) -> str:
        if self._power is not None and self._power.ending:
            return POWER_LOST
        return "restarting: the outbox was damaged" if end is _End.DAMAGED else "shutdown"

    def _why(self, end: _End) -> str:
        if self._crash is not None:
            return f"a stage broke: {self._crash!r}"
        return "everything was played" if end is _End.PLAYED else self._last_word(end)

    def _keep(
        self, loop: asyncio.AbstractEventLoop, outbox: Outbox, entry: Entry, files: Sequence[EvidenceFile]
    ) -> Identity | None:
        """Wait until the outbox has it; one that it cannot take is counted by it, and the next one is tried."""
        try:
            return asyncio.run_coroutine_threadsafe(outbox.put_with_files(entry, files), loop).result()
        except OutboxError as error:
            log.error("a detection was not kept", error=str(error))
        return None

    def _power_changed(self) -> None:
        self._news()
        self._woken.set()

    @contextlib.asynccontextmanager
    async def _power_watched(self) -> AsyncIterator[None]:
        """Keep asking the UPS, if one is named."""
        if self._power is None:
            yield
            return
        task = asyncio.create_task(self._power.run(), name="power")
        task.add_done_callback(lambda _: self.stop())  # only by a fault of ours
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _stand_by(self) -> None:
        """Return when the power is back, or when asked to stop.

        A UPS that cannot be asked any more is waited for for five minutes: either the machine is off by then, or it
        runs on, and then it should watch.
        """
        assert self._power is not None, "without a UPS no power ends"
        log.warning("standing by until the power is back", ups=self._config.power.ups)
        unheard_since_ns: int | None = None
        while not self._stop:
            self._woken.clear()
            now_ns = self._clock.boot_ns()
            state = self._power.reading.state
            unheard_since_ns = (unheard_since_ns or now_ns) if state is PowerState.UNKNOWN else None
            unheard_ns = now_ns - (unheard_since_ns or now_ns)
            if state is PowerState.LINE or unheard_ns > _BACK_UNHEARD_AFTER_S * 1e9:
                log.info("beginning anew", power=str(state))
                return
            await self._wait_for_wake(_LOOK_S)
