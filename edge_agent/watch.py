"""One camera or microphone at work: opened, iterated, reopened for ever if it is live, and how it is.

Two threads a source. One iterates the source; the other takes what comes and drives the stage, so that the stage's
deadlines pass also while nothing comes. Where only the newest picture counts, one item stands between them and gives
way to the next, counted; elsewhere a few stand there and the source waits: sound with holes in it has wrong times.

Everything that the stage hands out goes through ``deliver``, called by the second thread; it returns when the outbox
has it.

A source that breaks off is opened again for ever, at growing intervals, and says since when and when next. One that
goes on but cannot be believed (a frozen or black picture, readings at an impossible rate, a dead input, a clock that is
too far off) is ``doubtful``; it is worked on as before.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import structlog

from edge_agent.errors import SourceError
from edge_wire.clock import Clock

_ROOM_TO_WAIT = 4
_TICK_S = 0.1
_LEAVE_AFTER_S = 2.0
_LONGEST_WAIT_S = 60.0
_REASON_LENGTH = 200  # what health carries
_RATE_OVER_NS = 1_000_000_000

_Item = TypeVar("_Item")
_Out = TypeVar("_Out")
_In = TypeVar("_In", contravariant=True)
_Given = TypeVar("_Given", covariant=True)
log = structlog.get_logger()


class Stage(Protocol[_In, _Given]):
    """What turns frames into reads, or blocks into shots."""

    def observe(self, item: _In, /) -> Sequence[_Given]:
        """Take one frame or block; return what is to be sent now."""
        ...

    def tick(self, now_boot_ns: int, /) -> Sequence[_Given]:
        """Return what is due by the clock."""
        ...

    def close(self) -> Sequence[_Given]:
        """Return what was still open."""
        ...


@dataclass(frozen=True, slots=True)
class Source(Generic[_Item]):
    """A source once opened.

    Attributes:
        items: iterates it; called once.
        close: lets the iteration end soon; called from any thread, perhaps twice.
        condition: why what it gives cannot be believed although it gives something; empty if it can. Called from the
            stage's thread.
    """

    items: Callable[[], Iterator[_Item]]
    close: Callable[[], None]
    condition: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class WatchState:
    """How a source is.

    Attributes:
        state: connecting, ok, doubtful, failed or ended.
        reason: why it is doubtful or failed, for people; of a live source also when it is tried again.
        rate_hz: items a second that came since it was last asked, over a second at least.
        dropped: items since the start that gave way to newer ones because there was no time for them.
    """

    state: str
    reason: str
    rate_hz: float
    dropped: int


class Watch(Generic[_Item, _Out]):
    """Keeps one source going until it ends or ``close`` is called.

    Args:
        name: the camera's or microphone's id, for the log.
        open_source: opens it, each time anew.
        stage: what its items go through.
        deliver: takes what the stage hands out.
        live: whether it is reopened for ever when it breaks off.
        newest_only: whether an item that the stage had no time for gives way to the next one.
        clock: for rates and deadlines.
        changed: called, from any thread, when the state changes.
        crashed: called with an error that nobody expected; the source is over, and the agent should stop loudly.
        doubt: why what the stage makes of it cannot be believed; empty if it can. Called from the stage's thread.
        first_wait_s: before a live source is opened again; doubled up to a minute while nothing comes.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Source[_Item]],
        stage: Stage[_Item, _Out],
        deliver: Callable[[Sequence[_Out]], None],
        *,
        live: bool,
        newest_only: bool,
        clock: Clock,
        changed: Callable[[], None],
        crashed: Callable[[BaseException], None],
        doubt: Callable[[], str] = lambda: "",
        first_wait_s: float = 1.0,
    ) -> None:
        self._name = name
        self._open = open_source
        self._stage = stage
        self._deliver = deliver
        self._live = live
        self._newest_only = newest_only
        self._clock = clock
        self._changed = changed
        self._crashed = crashed
        self._doubt = doubt
        self._first_wait_s = first_wait_s
        self._items: queue.Queue[_Item | None] = queue.Queue(1 if newest_only else _ROOM_TO_WAIT)
        self._all_taken = False
        self._came = False  # whether the source that is open has given anything
        self._closing = threading.Event()
        self._leave_at_s: float | None = None
        self._source: Source[_Item] | None = None
        self._lock = threading.Lock()
        self._state, self._reason, self._broken = "connecting", "", False
        self._count = self._dropped = 0
        self._counted_ns = clock.boot_ns()
        self._rate_hz: float | None = None
        self._threads = [
            threading.Thread(target=self._supervise, args=(self._iterate,), name=f"{name}-source", daemon=True),
            threading.Thread(target=self._supervise, args=(self._drive,), name=f"{name}-stage", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Let the source end; what the stage still holds is delivered. Returns at once."""
        self._leave_at_s = time.monotonic() + _LEAVE_AFTER_S
        self._closing.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.close()

    def join(self) -> None:
        """Wait until everything has been delivered.

        A source that does not let go within two seconds of ``close`` is left behind: FFmpeg may be opening it, looking
        up its name, or waiting for a USB camera that stays silent.
        """
        source, stage = self._threads
        source.join(None if self._leave_at_s is None else max(0.0, self._leave_at_s - time.monotonic()))
        if source.is_alive():
            log.warning("source left behind", source=self._name)
            self._items.put(None)
        stage.join()

    @property
    def ended(self) -> bool:
        """Whether both threads are done."""
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def condition(self) -> tuple[str, str]:
        """Its state, and why it is doubtful or failed, as ``state`` has them; for whoever does not count."""
        with self._lock:
            return self._state, self._reason

    def state(self) -> WatchState:
        """How it is; the rate is counted from the last call that was a second ago or more."""
        with self._lock:
            now_ns = self._clock.boot_ns()
            # Health goes out at each change too: of a few milliseconds a rate would be chance.
            if now_ns - self._counted_ns >= _RATE_OVER_NS or self._rate_hz is None:
                self._rate_hz = self._count * 1e9 / max(1, now_ns - self._counted_ns)
                self._count, self._counted_ns = 0, now_ns
            return WatchState(self._state, self._reason, self._rate_hz, self._dropped)

    def _say(self, state: str, reason: str = "") -> None:
        with self._lock:
            if self._broken:
                return  # what follows a crash does not hide it
            same = (self._state, self._reason) == (state, reason)
            self._state, self._reason = state, reason
        if not same:
            self._tell(state, reason)

    def _judge(self) -> None:
        """Say whether what comes can be believed, as long as something comes."""
        with self._lock:
            if self._source is None or self._state not in ("ok", "doubtful"):
                return
            condition, before = self._source.condition, self._state
        reason = (condition() or self._doubt())[:_REASON_LENGTH]
        with self._lock:
            if self._state != before:
                return  # it broke off meanwhile
            # The reason may count seconds; a new one alone is no news.
            self._state, self._reason = "doubtful" if reason else "ok", reason
            same = self._state == before
        if not same:
            self._tell("doubtful" if reason else "ok", reason)

    def _tell(self, state: str, reason: str) -> None:
        say = log.warning if state in ("failed", "doubtful") else log.info
        say("source", source=self._name, state=state, reason=reason, dropped=self._dropped)
        self._changed()

    def _supervise(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's last resort: without it the error would be lost
            reason = f"{type(error).__name__}: {error}"
            with self._lock:
                self._state, self._reason, self._broken = "failed", reason, True
            self.close()
            try:
                self._crashed(error)
                self._tell("failed", reason)
            finally:  # also where nothing can be logged any more
                while work == self._drive and not self._all_taken:
                    self._all_taken = self._items.get() is None  # the other thread must not wait for ever for room

    def _iterate(self) -> None:
        attempt, wait_s, since_utc_ns = 0, 0.0, self._clock.utc_ns()
        try:
            while not self._closing.is_set():
                self._came = False
                reason = "the stream ended" if self._live else ""
                try:
                    self._iterate_once()
                except SourceError as error:
                    reason = str(error)
                if self._closing.is_set():
                    reason = ""
                if not reason or not self._live:
                    self._say("failed" if reason else "ended", reason)
                    return
                if self._came:
                    attempt, since_utc_ns = 0, self._clock.utc_ns()
                attempt += 1
                wait_s = self._first_wait_s if attempt == 1 else min(2 * wait_s, _LONGEST_WAIT_S)
                self._say("failed", _trying_again(reason, wait_s, attempt, since_utc_ns))
                self._closing.wait(wait_s)
        finally:
            self._items.put(None)

    def _iterate_once(self) -> None:
        """Open and iterate until it ends."""
        source = self._open()
        with self._lock:
            self._source = source
        try:
            for item in source.items():
                if self._closing.is_set():
                    break
                if not self._came:
                    self._came = True
                    self._say("ok")
                self._hand_over(item)
        finally:
            source.close()
            with self._lock:
                self._source = None

    def _hand_over(self, item: _Item) -> None:
        with self._lock:
            self._count += 1
        while True:
            try:
                self._items.put(item, block=not self._newest_only)
                return
            except queue.Full:
                try:
                    self._items.get_nowait()
                except queue.Empty:
                    continue
                with self._lock:
                    self._dropped += 1

    def _drive(self) -> None:
        while True:
            try:
                item = self._items.get(timeout=_TICK_S)
            except queue.Empty:
                self._send(self._stage.tick(self._clock.boot_ns()))
                self._judge()
                continue
            if item is None:
                self._all_taken = True
                break
            self._send(self._stage.observe(item))
            self._judge()
        self._send(self._stage.close())

    def _send(self, out: Sequence[_Out]) -> None:
        if out:
            self._deliver(out)


def _trying_again(reason: str, wait_s: float, attempt: int, since_utc_ns: int) -> str:
    """Return ``reason`` with what is done about it, the latter never cut off."""
    since = datetime.fromtimestamp(since_utc_ns // 1_000_000_000, UTC)
    then = f"; trying again in {wait_s:g} s (attempt {attempt}, since {since:%Y-%m-%d %H:%M} UTC)"
    return reason.rstrip(".")[: _REASON_LENGTH - len(then)] + then
