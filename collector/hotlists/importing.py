"""Puts a new version of a hotlist in force: all of it or none, while the collector goes on.

What the file says is compared with what is in force, and only what differs is written. An import that fails or is
stopped changes nothing: what it has written is in force in no version, and is cleared away by itself or, where it was
killed or the disk is full, by the serving collector (``leftovers``) or the next import of the list. Entries that people
made by hand are none of a file's business and stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from collector.errors import ConfigurationError, NotFoundError, StoreError, StoreRefusedError
from collector.hotlists.comparing import Difference, Digests, difference
from collector.hotlists.reading import HotlistFile
from collector.hotlists.room import check_room
from collector.hotlists.times import utc_text
from collector.store import alerts, audit, drafts, hotlist_history, hotlists
from collector.store.database import Store, Transaction
from collector.store.drafts import Draft
from collector.store.entries import key_of
from collector.store.hotlists import Made
from collector.store.unlisted import unlisted

_CHUNK = 10_000
_MAX_NAME = 64
_ATTEMPTS = 5
_Item = TypeVar("_Item")
Progress = Callable[[int, int], None]
Also = Callable[[Transaction, int], Awaitable[None]]


def _silent(_done: int, _of: int) -> None:
    """Tell nobody."""


async def _nothing(_tx: Transaction, _version: int) -> None:
    """Do no more."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new version changed.

    Attributes:
        version: the list's version now.
        added: entries that were not there.
        changed: entries of which something differs.
        removed: entries that are no longer there.
        unchanged: the others.
        by_hand: those of the others that people made, which no file changes.
        recalled: how many open alerts were of entries that are no longer there, and say so now.
    """

    version: int
    added: int
    changed: int
    removed: int
    unchanged: int
    by_hand: int = 0
    recalled: int = 0


async def import_hotlist(
    store: Store,
    file: HotlistFile,
    *,
    name: str,
    source: str,
    who: str,
    at_ns: int,
    written_at_ns: int | None = None,
    criminal_justice: bool | None = None,
    despite: Sequence[str] = (),
    progress: Progress = _silent,
    also: Also = _nothing,
) -> Changes:
    """Make ``file`` the list ``name``, as a new version.

    A file that changes nothing makes a new version too: it says that the list was confirmed.

    Args:
        store: where to.
        file: what the list is from now on, beside what was entered by hand.
        name: the list.
        source: the file's name, for the record.
        who: who does it, for the audit log.
        at_ns: UTC.
        written_at_ns: UTC, when the file was last written, for later ones to be newer; None where nobody knows.
        criminal_justice: whether the list comes from a criminal-justice system; None for what it was before.
        despite: what was doubtful about it (``judging``), which somebody has approved; for the audit log.
        progress: told how many rows of how many are written.
        also: what else to do in the transaction that puts the version in force.

    Raises:
        ConfigurationError: the name cannot be a list's.
        StoreRefusedError: another import of this list came between; nothing has changed.
        NoRoomError: the disk has no room for it; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    check_name(name)
    made = Made(
        action="approved" if despite else "import",
        by=who,
        at_ns=at_ns,
        source=source,
        source_sha256=file.sha256,
        confirmed_at_ns=at_ns,
        written_at_ns=written_at_ns,
        rejected=len(file.rejected),
    )
    return await _make(store, _OfFile(file), name, made, criminal_justice, despite, progress, also)


async def roll_back(
    store: Store, *, name: str, version: int, who: str, at_ns: int, progress: Progress = _silent
) -> Changes:
    """Make a new version of a list that holds what an earlier one held.

    Entries that people made or withdrew by hand stay as they are now: a file that went wrong is what this undoes.

    Args:
        store: where.
        name: the list.
        version: one of its versions.
        who: who does it, for the audit log.
        at_ns: UTC.
        progress: told how many rows of how many are written.

    Raises:
        NotFoundError: there is no such list, or it never had that version.
        StoreRefusedError: another import of this list came between; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    async with store.read() as tx:
        known = {one.number: one.made for one in await hotlist_history.versions(tx, name)}
        if version not in known:
            has = f"has versions {_range(known)}" if known else "is not there, or has no version to return to"
            raise NotFoundError(f"hotlist {name}: got version {version}, but it {has} (collector hotlist show {name})")
        numbers, digests = await digests_at(tx, name, version, by_hand=False)
    made = Made(
        action="rollback",
        by=who,
        at_ns=at_ns,
        source=f"version {version}: {known[version].source}",
        source_sha256=known[version].source_sha256,
        confirmed_at_ns=known[version].confirmed_at_ns,
        written_at_ns=known[version].written_at_ns,
    )
    return await _make(store, _OfVersion(numbers, digests), name, made, None, (), progress, _nothing)


def check_name(name: str) -> None:
    """Refuse what cannot be a list's name.

    Raises:
        ConfigurationError: it is empty or too long, or nobody could see or type it.
    """
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable() or name != name.strip():
        raise ConfigurationError(
            f"--list: got {name!r}, expected 1 to {_MAX_NAME} characters that can be seen, without spaces about them"
        )


class _Target(Protocol):
    """What a list is to hold."""

    digests: Digests
    counts: NDArray[np.bool_]

    def chosen(self, which: NDArray[np.bool_]) -> Iterator[Any]:
        """Yield those where ``which`` is true."""
        ...

    async def write(self, tx: Transaction, draft: Draft, some: Sequence[Any]) -> None:
        """Write some of those into a draft."""
        ...


class _OfFile:
    """What a file says."""

    def __init__(self, file: HotlistFile) -> None:
        self.digests, self.counts, self.chosen = file.digests, file.counts, file.chosen

    async def write(self, tx: Transaction, draft: Draft, some: Sequence[Any]) -> None:
        await drafts.add(tx, draft, some)


class _OfVersion:
    """What an earlier version held."""

    def __init__(self, numbers: NDArray[np.int64], digests: Digests) -> None:
        self.digests, self.counts = digests, np.ones(len(digests), bool)
        self._numbers = numbers

    def chosen(self, which: NDArray[np.bool_]) -> Iterator[Any]:
        return iter(self._numbers[which].tolist())

    async def write(self, tx: Transaction, draft: Draft, some: Sequence[Any]) -> None:
        await drafts.copy(tx, draft, some)


async def _make(
    store: Store,
    target: _Target,
    name: str,
    made: Made,
    criminal_justice: bool | None,
    despite: Sequence[str],
    progress: Progress,
    also: Also,
) -> Changes:
    """Make a version that holds ``target``; tries again when single entries changed, or its draft was given up."""
    for _ in range(_ATTEMPTS):
        await clear_away(store, name)
        async with store.write() as tx:
            draft = await drafts.begin(tx, name)
        try:
            return await _attempt(store, target, draft, made, criminal_justice, despite, progress, also)
        except _OvertakenError:
            async with store.read() as tx:
                since = await hotlist_history.versions(tx, name, above=draft.base)
                begun = await drafts.is_being_written(tx, name)
            imports = [one for one in since if one.made.action in hotlists.WHOLE]
            if imports or begun:
                raise _overtaken(name, imports[0] if imports else None) from None
        except BaseException:
            # Where this is killed instead, or the disk is full, `leftovers` does it, or the next import.
            with contextlib.suppress(StoreError):
                await asyncio.shield(clear_away(store, name, draft))
            raise
    raise StoreRefusedError(
        f"hotlist {name}: it was changed by others {_ATTEMPTS} times while it was written; nothing was changed, "
        "run it again"
    )


async def _attempt(
    store: Store,
    target: _Target,
    draft: Draft,
    made: Made,
    criminal_justice: bool | None,
    despite: Sequence[str],
    progress: Progress,
    also: Also,
) -> Changes:
    # What is in force only changes by something that this draft would not survive.
    async with store.read() as tx:
        numbers, before = await digests_at(tx, draft.name, draft.base, by_hand=False)
        by_hand = await hotlist_history.count_at(tx, draft.name, draft.base, by_hand=True)
    differs = await asyncio.to_thread(difference, before, target.digests, target.counts)
    await check_room(store, int(np.count_nonzero(differs.begin)), int(np.count_nonzero(differs.end)))
    await _write_draft(store, draft, target, differs, numbers, progress)
    made = dataclasses.replace(
        made,
        added=differs.added,
        changed=differs.changed,
        removed=differs.removed,
        unchanged=differs.unchanged + by_hand,
    )
    async with store.write() as tx:
        version = await drafts.publish(tx, draft, made, criminal_justice=criminal_justice)
        if version is None:
            raise _OvertakenError
        # Whoever has been sent after the vehicle is to hear that it is no longer listed.
        why = f"No longer on {draft.name} since version {version} ({made.source})."
        recalled = await alerts.recall(tx, await unlisted(tx, draft.name), why=why, at_ns=made.at_ns, who=made.by)
        detail: dict[str, Any] = {
            "version": version,
            "source": made.source,
            "added": made.added,
            "changed": made.changed,
            "removed": made.removed,
            "rejected": made.rejected,
            "recalled": recalled,
        }
        if despite:
            detail["despite"] = list(despite)
        action = "rollback" if made.action == "rollback" else "import"
        await audit.record(
            tx, who=made.by, action=f"hotlist.{action}", subject=draft.name, detail=detail, at_ns=made.at_ns
        )
        await also(tx, version)
    return Changes(version, made.added, made.changed, made.removed, made.unchanged, by_hand, len(recalled))


async def digests_at(
    tx: Transaction, name: str, version: int, *, by_hand: bool | None = None
) -> tuple[NDArray[np.int64], Digests]:
    """Return ids and digests of what a list held at a version.

    Args:
        tx: a reading transaction.
        name: the list.
        version: one of its versions.
        by_hand: only of entries that were made by hand, or only of others; None for all.
    """
    numbers: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    digests = Digests()
    async for portion in hotlist_history.values_at(tx, name, version, by_hand=by_hand):
        numbers.append(np.fromiter((row[0] for row in portion), np.int64, len(portion)))
        for row in portion:
            values = row[1:]
            digests.note(key_of(values), values)
    return np.concatenate(numbers), digests


async def _write_draft(
    store: Store,
    draft: Draft,
    target: _Target,
    differs: Difference,
    numbers: NDArray[np.int64],
    progress: Progress,
) -> None:
    done, of = 0, int(np.count_nonzero(differs.begin)) + int(np.count_nonzero(differs.end))
    # Nobody sees a draft, so nobody waits for it.
    for additions in _chunks(target.chosen(differs.begin)):
        async with store.write_of(()) as tx:
            if not await drafts.is_open(tx, draft):
                raise _OvertakenError
            await target.write(tx, draft, additions)
        done += len(additions)
        progress(done, of)
    for endings in _chunks(numbers[differs.end].tolist()):
        async with store.write_of(()) as tx:
            if not await drafts.is_open(tx, draft):
                raise _OvertakenError
            await drafts.end(tx, draft, endings)
        done += len(endings)
        progress(done, of)


async def clear_away(store: Store, name: str, only: Draft | None = None) -> bool:
    """Clear away what earlier imports of the list have left, in transactions that nobody has to wait for.

    Args:
        store: where.
        name: the list.
        only: the draft that is given up, so that another's is let be; None for whichever there is.

    Returns:
        Whether something was there to clear away that nobody writes.
    """
    async with store.read() as tx:
        if not await drafts.is_drafting(tx, name):
            return False
    async with store.write() as tx:
        await drafts.close(tx, name, only)
        # Another may have cleared it away meanwhile, or begun anew.
        if await drafts.is_being_written(tx, name) or not await drafts.is_drafting(tx, name):
            return False
    after: int | None = 0
    while after is not None:
        async with store.write() as tx:
            after = await drafts.clear_closed(tx, name, after, _CHUNK)
    return True


class _OvertakenError(Exception):
    """Something else has made a version of the list, or begun one."""


def _overtaken(name: str, by: hotlist_history.Version | None) -> StoreRefusedError:
    if by is None:
        return StoreRefusedError(
            f"hotlist {name}: another import of it began meanwhile and goes first; nothing was changed, run it "
            "again if it is the newer"
        )
    return StoreRefusedError(
        f"hotlist {name}: another import of it came between: version {by.number} of {by.made.source} by {by.made.by}, "
        f"{utc_text(by.made.at_ns)}; nothing was changed, run it again if it is the newer"
    )


def _range(versions: Iterable[int]) -> str:
    shown = sorted(versions)
    return ", ".join(map(str, shown)) if len(shown) <= 10 else f"{shown[0]} … {', '.join(map(str, shown[-8:]))}"


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, _CHUNK)):
        yield some
