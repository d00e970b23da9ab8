"""Puts a new version of a hotlist in force: all of it or none, while the collector goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from collector.errors import ConfigurationError, StoreRefusedError
from collector.hotlists.csv_file import HotlistFile
from collector.store import audit, hotlists
from collector.store.database import Store
from collector.store.hotlists import Draft, EntryRow

_CHUNK = 10_000
_MAX_NAME = 64
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new version changed.

    Attributes:
        version: the list's version now; as before when nothing was different.
        added: entries that were not there.
        changed: entries whose reason, severity or notes differ.
        removed: entries that are no longer there.
        unchanged: the others.
    """

    version: int
    added: int
    changed: int
    removed: int
    unchanged: int


async def import_hotlist(
    store: Store,
    file: HotlistFile,
    *,
    name: str,
    source: str,
    content: bytes,
    who: str,
    at_ns: int,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Changes:
    """Make ``file`` the list ``name``, as a new version.

    A file that changes nothing makes a new version too: it says that the list was confirmed.

    Args:
        store: where to.
        file: what the list is from now on.
        name: the list.
        source: the file's name, for the record.
        content: its bytes, of which the digest is kept.
        who: who does it, for the audit log.
        at_ns: UTC.
        progress: told how many rows of how many are written.

    Raises:
        ConfigurationError: the name cannot be a list's.
        StoreRefusedError: another import of this list came between; nothing has changed.
        StoreError: the store cannot be reached; nothing has changed.
    """
    if not name.strip() or len(name) > _MAX_NAME:
        raise ConfigurationError(f"--list: got {name!r}, expected 1 to {_MAX_NAME} characters")
    async with store.write() as tx:
        draft = await hotlists.begin_draft(tx, name)
    # What is in force only changes by an import that this draft would not survive.
    async with store.read() as tx:
        before = await hotlists.entries(tx, name)
    after = {entry.key: entry for entry in file.entries}
    added = [entry for key, entry in after.items() if key not in before]
    changed = [entry for key, entry in after.items() if key in before and before[key][1] != entry]
    removed = [number for key, (number, _) in before.items() if key not in after]
    ended = removed + [before[entry.key][0] for entry in changed]
    begun = added + changed
    await _write_draft(store, draft, begun, ended, progress)
    async with store.write() as tx:
        version = await hotlists.publish(
            tx,
            draft,
            at_ns=at_ns,
            by=who,
            source=source,
            source_sha256=hashlib.sha256(content).digest(),
        )
        if version is None:
            raise _overtaken(draft)
        unchanged = len(after) - len(added) - len(changed)
        changes = Changes(version, len(added), len(changed), len(removed), unchanged)
        detail = {
            "version": version,
            "source": source,
            "added": changes.added,
            "changed": changes.changed,
            "removed": changes.removed,
            "rejected": len(file.bad),
        }
        await audit.record(tx, who=who, action="hotlist.import", subject=name, detail=detail, at_ns=at_ns)
    return changes


async def _write_draft(
    store: Store,
    draft: Draft,
    begun: Sequence[EntryRow],
    ended: Sequence[int],
    progress: Callable[[int, int], None],
) -> None:
    done, of = 0, len(begun) + len(ended)
    # Nobody sees a draft, so nobody waits for it.
    for additions in _chunks(begun):
        async with store.write_of(()) as tx:
            if not await hotlists.is_open(tx, draft):
                raise _overtaken(draft)
            await hotlists.draft_additions(tx, draft, additions)
        done += len(additions)
        progress(done, of)
    for endings in _chunks(ended):
        async with store.write_of(()) as tx:
            if not await hotlists.is_open(tx, draft):
                raise _overtaken(draft)
            await hotlists.draft_endings(tx, draft, endings)
        done += len(endings)
        progress(done, of)


def _overtaken(draft: Draft) -> StoreRefusedError:
    return StoreRefusedError(
        f"hotlist {draft.name}: another import of it came between; nothing was changed, run it again"
    )


def _chunks(items: Sequence[_Item]) -> list[Sequence[_Item]]:
    return [items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK)]
