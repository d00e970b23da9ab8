"""The stream that consoles follow: server-sent events (WHATWG HTML, 9.2) over the feed.

Invariants:
    - A client at feed number n is sent every later change that it may see, in order of the numbers; it names
      the last number that it saw when it comes back, and loses and doubles nothing.
    - What is sent is the object as it is at that moment, so of several changes of one object in a batch only the
      last is sent.
    - A client costs one batch of memory at most: the next one is fetched when the last has been taken by its socket.
    - A client that is sent nothing knows from the heartbeats whether anything could have come.
    - A stream ends with the credential that opened it, at the latest one heartbeat later, and when the server ends.

Composed messages are kept, each with who may see it, for the other clients, who want the same ones a moment later: a
message made for number n shows its object as of n or later, which is all that is promised. Owned by the event loop.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from typing import Final

import structlog

from collector.alerts.rules import Rules
from collector.api.composing import Composed, compose, last_of_each
from collector.api.permissions import STREAMED
from collector.api.schema import Heartbeat
from collector.api.times import rfc3339
from collector.errors import AuthenticationError, StoreError
from collector.store import feed
from collector.store.database import Store
from collector.store.feed import FeedRow, FeedSignal
from collector.store.users import Principal, Users
from edge_wire.clock import Clock

HEARTBEAT_S: Final = 5.0
# Another process (a command) may write too, and its commits do not wake anybody here.
POLL_S: Final = 1.0
_BATCH_ROWS: Final = 100
_MOST_KEPT: Final = 1_000
_RETRY_MS: Final = 1_000

_log = structlog.get_logger()


class Streams:
    """All streams of one server.

    Attributes:
        open: how many clients follow now.
    """

    def __init__(
        self,
        store: Store,
        users: Users,
        signal: FeedSignal,
        clock: Clock,
        hearing: Callable[[], bool],
        rules: Rules,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        poll_s: float = POLL_S,
    ) -> None:
        self.open = 0
        self._store = store
        self._users = users
        self._signal = signal
        self._clock = clock
        self._hearing = hearing
        self._rules = rules
        self._heartbeat_s = heartbeat_s
        self._poll_s = poll_s
        self._stopped = False
        self._composed: OrderedDict[int, Composed] = OrderedDict()
        self._fetched: tuple[int, list[FeedRow]] = (0, [])
        self._turn = asyncio.Lock()

    def stop(self) -> None:
        """End every stream, and each that is opened later, as soon as its client has taken what was sent."""
        self._stopped = True
        self._signal.notify()

    async def first(self, after: int | None) -> int:
        """The feed number to begin behind: ``after``, else now.

        A number that the feed has not reached is from before the store went back in time; what it said then is no
        longer so, and following begins now.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._store.read() as tx:
            last = await feed.last(tx)
        return last if after is None else min(after, last)

    async def follow(self, principal: Principal, cursor: int) -> AsyncGenerator[str, None]:
        """Yield what is sent to one client, until its credential or the server ends."""
        self.open += 1
        try:
            async with contextlib.aclosing(self._messages(principal, cursor)) as messages:
                async for message in messages:
                    yield message
        except AuthenticationError:
            return
        except StoreError as error:
            # The client comes back by itself, to the same place.
            _log.warning("stream ended: the store does not answer", user=principal.name, reason=str(error))
        finally:
            self.open -= 1

    async def _messages(self, principal: Principal, cursor: int) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        # An id without data tells a client where it stands without saying anything: one that is cut off before the
        # first message comes back to this place.
        yield f"retry: {_RETRY_MS}\nid: {cursor}\n\n{self._heartbeat()}"
        heartbeat_at_s = loop.time() + self._heartbeat_s
        while not self._stopped:
            seen = self._signal.count
            messages, reached = await self._batch(cursor, principal)
            if messages:
                yield messages
            if loop.time() >= heartbeat_at_s:
                principal = await self._users.confirm(principal)
                yield self._heartbeat()
                heartbeat_at_s = loop.time() + self._heartbeat_s
            if reached == cursor:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(self._poll_s, heartbeat_at_s - loop.time())):
                        await self._signal.changed(seen)
            cursor = reached

    async def _batch(self, cursor: int, principal: Principal) -> tuple[str, int]:
        # One at a time: of many clients that wake together the first composes, the others find it done.
        async with self._turn:
            rows = await self._rows_after(cursor)
            wanted = last_of_each(row for row in rows if principal.role in STREAMED[row.kind])
            missing = [row for row in wanted if row.number not in self._composed]
            if missing:
                self._composed |= await compose(self._store, missing, self._rules)
            composed = [self._composed[row.number] for row in wanted]
            messages = "".join(one.text for one in composed if one.sight.allows(principal.name, principal.role))
            while len(self._composed) > _MOST_KEPT:
                self._composed.popitem(last=False)
        return messages, rows[-1].number if rows else cursor

    async def _rows_after(self, cursor: int) -> list[FeedRow]:
        # What once stood behind a number always will: the feed only grows. That nothing does is no such fact.
        behind, rows = self._fetched
        if behind != cursor or not rows:
            async with self._store.read() as tx:
                rows = await feed.after(tx, cursor, _BATCH_ROWS)
            self._fetched = (cursor, rows)
        return rows

    def _heartbeat(self) -> str:
        beat = Heartbeat(at=rfc3339(self._clock.utc_ns()), ingest="connected" if self._hearing() else "disconnected")
        return f"event: heartbeat\ndata: {beat.model_dump_json()}\n\n"
