"""What needs one place runs in one collector of those that share a store: in the one that holds the lease.

Invariants:
    - At most one holder writes under a lease. Its transactions begin by looking at the lease and keep it from moving
      until they commit (``Held.write``): whoever has lost it writes nothing more, however late it finds out (fencing).
    - A lease lasts for three seconds by the database's clock and is renewed every second. When its holder is killed,
      another has it within four; one that ends in order hands it over at once.
    - If the database's clock is set back, a lease that nobody renews still ends: whoever wants it also counts the
      seconds by its own clock.

A store in one file has one collector. It takes the lease when it starts, whoever held it, and renews nothing; if
another takes it away, two were started on one file, and the earlier one ends with an error that says so.

Owned by one task for each lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy import BigInteger, ColumnElement, cast, extract, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import ConfigurationError, StoreError
from collector.store import tables
from collector.store.database import Store
from collector.store.feed import FeedSignal

LASTS_S = 3.0
RENEWED_EVERY_S = 1.0
_LASTS_NS = round(LASTS_S * 1_000_000_000)
_POLL_S = 0.5
_JULIAN_EPOCH = 2_440_587.5
_log = structlog.get_logger(__name__)


class LeaseLostError(StoreError):
    """Another collector holds the lease now; nothing was written."""


class Held:
    """The store as the holder of a lease writes it; for whoever does not care, the store itself.

    Attributes:
        committed: the store's.
    """

    def __init__(self, store: Store, name: str, holder: bytes) -> None:
        self.committed: FeedSignal = store.committed
        self._store = store
        self._name = name
        self._holder = holder

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction that only reads, as ``Store.read``."""
        return self._store.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write, as ``Store.write``, while the lease is held.

        Raises:
            LeaseLostError: it is not; nothing was written.
            StoreError: as for ``Store.write``.
            StoreRefusedError: as for ``Store.write``.
        """
        lease = tables.lease
        async with self._store.write() as tx:
            # For share: it cannot move before this transaction ends.
            held = select(lease.c.holder).where(lease.c.name == self._name).with_for_update(read=True)
            if (await tx.execute(held)).scalar_one_or_none() != self._holder:
                raise LeaseLostError(f"store {self._store.where}: the lease of {self._name} is another collector's now")
            yield tx


class Leased:
    """Runs some work wherever its lease is held.

    Args:
        store: where the lease is.
        name: of the lease.
        work: begins the work anew each time that the lease is held, and is cancelled when it is not; it writes only
            through what it is given, and ends only by an error.
    """

    def __init__(self, store: Store, name: str, work: Callable[[Held], Awaitable[None]]) -> None:
        self._store = store
        self._name = name
        self._work = work
        self._holder = secrets.token_bytes(16)
        self._stopping = asyncio.Event()
        # What is seen of another's lease, and since when it has not changed, by our own clock.
        self._seen: tuple[bytes, int] | None = None
        self._seen_since_s = 0.0

    async def follow(self) -> None:
        """Work while the lease is held, wait for it while it is not, until ``stop``.

        Raises:
            ConfigurationError: two collectors were started on a store that serves one.
        """
        while not self._stopping.is_set():
            if await self._tried(self._take):
                _log.info("lease_held", lease=self._name)
                await self._work_until_lost()
            else:
                await self._pause(_POLL_S)

    def stop(self) -> None:
        """Let ``follow`` end, and hand the lease over."""
        self._stopping.set()

    async def _work_until_lost(self) -> None:
        work = asyncio.ensure_future(self._work(Held(self._store, self._name, self._holder)))
        stopping = asyncio.create_task(self._stopping.wait())
        held: bool | None = True
        try:
            while held is not False and not self._stopping.is_set() and not work.done():
                await asyncio.wait({work, stopping}, timeout=RENEWED_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                # While the store is away nobody else can take it either.
                held = await self._tried(self._renew)
        finally:
            stopping.cancel()
            work.cancel()
            outcome = (await asyncio.gather(work, return_exceptions=True))[0]
        if isinstance(outcome, Exception):
            raise outcome
        if held is False:
            self._lost()
        else:
            await self._tried(self._release)

    def _lost(self) -> None:
        # Whoever is about to end may well be relieved already.
        if not self._store.shared and not self._stopping.is_set():
            raise ConfigurationError(
                f"store {self._store.where}: another collector was started on it; a file serves one, several share a "
                "PostgreSQL database (docs/postgresql.md)"
            )
        _log.warning("lease_lost", lease=self._name)

    async def _tried(self, attempt: Callable[[], Awaitable[bool]]) -> bool | None:
        """Return what an attempt came to, None if the store did not answer."""
        try:
            return await attempt()
        except StoreError as error:
            _log.warning("lease_not_asked_for", lease=self._name, error=str(error))
            return None

    async def _take(self) -> bool:
        lease = tables.lease
        async with self._store.read() as tx:
            row = (await tx.execute(select(lease.c.holder, lease.c.until_ns).where(lease.c.name == self._name))).first()
        if row is None:
            # Alone: of several that have started at once the first inserts it.
            async with self._store.write() as tx:
                if (await tx.execute(select(lease.c.name).where(lease.c.name == self._name))).first() is None:
                    await tx.execute(insert(lease).values(name=self._name, holder=bytes(16), until_ns=0))
        async with self._store.write_apart() as tx:
            return await self._put(tx, self._is_free(tx, None if row is None else (row.holder, row.until_ns)))

    def _is_free(self, tx: AsyncConnection, seen: tuple[bytes, int] | None) -> ColumnElement[bool]:
        if not self._store.shared:
            return true()
        lease = tables.lease
        ended = lease.c.until_ns < _now_ns(tx)
        now_s = asyncio.get_running_loop().time()
        if seen is None or seen != self._seen:
            self._seen, self._seen_since_s = seen, now_s
            return ended
        if now_s - self._seen_since_s < LASTS_S + RENEWED_EVERY_S:
            return ended
        return or_(ended, (lease.c.holder == seen[0]) & (lease.c.until_ns == seen[1]))

    async def _renew(self) -> bool:
        lease = tables.lease
        if not self._store.shared:
            async with self._store.read() as tx:
                held = select(lease.c.holder).where(lease.c.name == self._name)
                return bool((await tx.execute(held)).scalar_one_or_none() == self._holder)
        async with self._store.write_apart() as tx:
            return await self._put(tx, lease.c.holder == self._holder)

    async def _release(self) -> bool:
        lease = tables.lease
        async with self._store.write_apart() as tx:
            ours = (lease.c.name == self._name) & (lease.c.holder == self._holder)
            return bool((await tx.execute(update(lease).where(ours).values(until_ns=0))).rowcount)

    async def _put(self, tx: AsyncConnection, where: ColumnElement[bool]) -> bool:
        lease = tables.lease
        ours = {"holder": self._holder, "until_ns": _now_ns(tx) + _LASTS_NS}
        done = await tx.execute(update(lease).where(lease.c.name == self._name, where).values(ours))
        return bool(done.rowcount)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _now_ns(tx: AsyncConnection) -> ColumnElement[int]:
    """The database's clock: collectors on different machines have different ones."""
    if tx.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()) * 1_000_000_000, BigInteger)
    return cast((func.julianday("now") - _JULIAN_EPOCH) * 86_400_000, BigInteger) * 1_000_000
