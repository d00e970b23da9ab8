"""What has changed state, told once each, and not more often than somebody can read.

A thing (a camera, the outbox, the power) is in one state at a time. Invariants:

- The first change of a thing is told at once. What changes again soon after waits: for ten seconds, then for twice as
  long each time, up to ten minutes, and from the beginning again once it has been still for twice that long. What is
  told then is the state of that moment, with how often it changed meanwhile, and nothing if it is back where it was. So
  a camera that flaps all day makes some 150 rows, and not 20,000.
- What is urgent (the power ends, the agent stops) does not wait.
- A change that could not be told, because the outbox cannot be written, is tried again for as long as it takes. One
  that was over before that worked is told as over: with the state that nobody heard of as the state before.

Memory is one entry a thing. Belongs to the event loop; ``run`` is one task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from edge_agent.errors import AgentError
from edge_agent.records import CaptureTime
from edge_wire.clock import Clock

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 600.0
_TRY_AGAIN_S = 10.0
_REASON_LENGTH = 200
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateChange:
    """One change, to be told.

    Attributes:
        subject: what kind of thing: camera, microphone, outbox, power, clock, disk, data-plan, agent.
        ref: which one, where there are several.
        state: how it is since ``at``.
        before: the state that was told last, None at first.
        reason: why, for people; at most 200 characters.
        at: when it changed.
    """

    subject: str
    ref: str | None
    state: str
    before: str | None
    reason: str
    at: CaptureTime


@dataclass(slots=True)
class _Thing:
    state: str
    reason: str
    at: CaptureTime
    told: str | None = None
    turns: int = 0  # changes since it was told
    missed: str | None = None  # a state that nobody heard of, and why
    missed_reason: str = ""
    urgent: bool = False
    told_ns: int | None = None
    not_before_ns: int = 0
    pause_s: float = FIRST_PAUSE_S

    @property
    def untold(self) -> bool:
        return self.state != self.told or self.missed is not None


class Changes:
    """Takes states as they are seen, and tells changes.

    Args:
        tell: puts one into the outbox; raises ``AgentError`` if that fails.
        clock: the machine's clocks.
    """

    def __init__(self, tell: Callable[[StateChange], Awaitable[object]], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._things: dict[tuple[str, str | None], _Thing] = {}
        self._noted = asyncio.Event()
        self._closing = False

    def note(self, subject: str, ref: str | None, state: str, reason: str = "", *, urgent: bool = False) -> None:
        """Note how a thing is now; nothing happens if it was in that state already, whatever the reason.

        Args:
            subject: what kind of thing it is.
            ref: which one, where there are several.
            state: how it is.
            reason: why, for people.
            urgent: tell it without waiting, however often it has changed.
        """
        at = CaptureTime(self._clock.utc_ns(), self._clock.boot_ns(), self._clock.error_ns())
        thing = self._things.get((subject, ref))
        if thing is None:
            self._things[subject, ref] = _Thing(state, reason, at, urgent=urgent)
        elif thing.state == state:
            thing.urgent |= urgent and thing.untold
        else:
            thing.state, thing.reason, thing.at, thing.urgent = state, reason, at, urgent
            thing.turns += 1
        self._noted.set()

    async def run(self) -> None:
        """Tell what is due, until ``close``; then everything that is untold, once, whatever was to be waited for."""
        while not self._closing:
            self._noted.clear()
            wait_s = await self.tell_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._noted.wait()
        for thing in self._things.values():
            thing.not_before_ns = 0
        await self.tell_due()

    def close(self) -> None:
        """Let ``run`` end. Not by cancelling it: a change that is just being written would be told twice."""
        self._closing = True
        self._noted.set()

    async def tell_due(self) -> float | None:
        """Tell what is due now; return the seconds until something else is, None if nothing waits."""
        now_ns = self._clock.boot_ns()
        for (subject, ref), thing in list(self._things.items()):
            if thing.untold and (thing.urgent or thing.not_before_ns <= now_ns):
                await self._tell_one(subject, ref, thing)
        due_ns = min((thing.not_before_ns for thing in self._things.values() if thing.untold), default=None)
        return None if due_ns is None else max(0.0, (due_ns - self._clock.boot_ns()) / 1e9)

    async def _tell_one(self, subject: str, ref: str | None, thing: _Thing) -> None:
        change = StateChange(subject, ref, thing.state, _before(thing), _reason(thing), thing.at)
        turns = thing.turns
        try:
            await self._tell(change)
        except AgentError as error:
            thing.not_before_ns, thing.urgent = self._clock.boot_ns() + round(_TRY_AGAIN_S * 1e9), False
            if thing.missed is None:
                _log.error("a change could not be told yet", thing=subject, ref=ref, state=change.state, why=str(error))
                since = datetime.fromtimestamp(change.at.utc_ns // 1_000_000_000, UTC)
                thing.missed = change.state
                why = f": {change.reason}" if change.reason else ""
                thing.missed_reason = f"{change.state} from {since:%H:%M} UTC{why}"
            return
        # It may have changed while it was being written; that counts from here.
        thing.told, thing.turns = change.state, thing.turns - turns
        thing.missed, thing.missed_reason, thing.urgent = None, "", thing.urgent and thing.turns > 0
        self._pause(thing)

    def _pause(self, thing: _Thing) -> None:
        now_ns = self._clock.boot_ns()
        still_s = None if thing.told_ns is None else (now_ns - thing.told_ns) / 1e9
        calm = still_s is None or still_s >= 2 * thing.pause_s
        thing.pause_s = FIRST_PAUSE_S if calm else min(2 * thing.pause_s, LONGEST_PAUSE_S)
        thing.told_ns, thing.not_before_ns = now_ns, now_ns + round(thing.pause_s * 1e9)


def _before(thing: _Thing) -> str | None:
    return thing.told if thing.missed in (None, thing.state) else thing.missed


def _reason(thing: _Thing) -> str:
    said = [thing.reason] if thing.reason else []
    if thing.missed not in (None, thing.state):
        said.append(f"could not be told at the time: {thing.missed_reason}")
    if thing.turns > 1:
        said.append(f"changed {thing.turns} times since it was told last")
    return "; ".join(said)[:_REASON_LENGTH]
