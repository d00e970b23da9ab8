"""A second person looks at what one person did: at entries made by hand, and at deliveries that were held back.

Whoever reviews an entry is a user of the collector who supervises, and is not one of those who made it, edited it or
asked for it: not their account, by ``sudo`` or not, nor anybody whose user name has a word in common with the name of
one of them, or ends with one (``mdiaz``). Accents and ranks do not count. That a person has two users, or an account
that says nothing of its user's name, cannot be seen from here.
"""

from __future__ import annotations

import re
import unicodedata

from collector.domain.hotlists import Entry
from collector.errors import ConfigurationError, ConflictError, NotFoundError, PermissionDeniedError
from collector.hotlists.entering import Withdrawn, end
from collector.store import audit, feeds, hand_entries
from collector.store.database import Store, Transaction
from collector.store.feeds import Snapshot, SnapshotState
from collector.store.users import Role

REVIEWS = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
"""Who may review what others have entered."""
# A letter alone is an initial.
_WORD = re.compile(r"[^\W_]{2,}")
# Of fewer letters too many names end with another: `Adrian` and `Ian`.
_LEAST_ENDING = 4
_RANK = re.compile(
    "agent|asst|capt|captain|chief|cmdr|col|colonel|commander|constable|corporal|cpl|cpt|dep|deputy|det|detective|"
    "director|dispatcher|insp|inspector|inv|investigator|lieutenant|lt|ltc|maj|major|marshal|miss|mr|mrs|ms|ofc|ofcr|"
    "off|officer|patrol|patrolman|pfc|po|ptl|ranger|sergeant|sgt|sheriff|special|supervisor|supt|superintendent|"
    "tpr|trooper"
)
_BY_SUDO = re.compile(r"cli:.* \(sudo (?P<name>.+)\)")


def person(who: str) -> str:
    """Return the name of whoever is behind an account of the audit log: ``cli:root (sudo ann)`` is ``ann``."""
    by_sudo = _BY_SUDO.fullmatch(who)
    return (by_sudo["name"] if by_sudo else who.removeprefix("cli:")).casefold()


def same_person(one: str, other: str) -> bool:
    """Whether two accounts, or an account and a name, may be one person's: ``mdiaz`` and ``Sgt. Díaz``."""
    first, second = person(one), person(other)
    return first == second or any(_meet(word, with_) for word in _words(first) for with_ in _words(second))


async def approve(store: Store, entry_id: int, *, who: str, at_ns: int) -> Entry:
    """Let an entry stand. Again changes nothing: the first one's name and time stay.

    Raises:
        NotFoundError: no such entry is in force.
        ConflictError: it comes from a file.
        PermissionDeniedError: whoever asks does not supervise, or has made it, edited it or asked for it.
        StoreError: nothing has changed.
    """
    async with store.write() as tx:
        entry = await _to_review(tx, entry_id, who)
        if entry.reviewed_by is None:
            await hand_entries.reviewed(tx, entry_id, who, at_ns)
            detail = {"list": entry.list, "added_by": entry.added_by}
            await audit.record(tx, who=who, action="hotlist.approve", subject=str(entry_id), detail=detail, at_ns=at_ns)
        found = await hand_entries.one_in_force(tx, entry_id)
        assert found is not None, "nobody else writes meanwhile"
        return found


async def reject(store: Store, entry_id: int, why: str, *, who: str, at_ns: int) -> Withdrawn:
    """End an entry that should not have been made, and recall its open alerts.

    Raises:
        NotFoundError: no such entry is in force.
        ConfigurationError: nobody says why.
        ConflictError: it comes from a file, or was reviewed already: then it is withdrawn instead.
        PermissionDeniedError: whoever asks does not supervise, or has made it, edited it or asked for it.
        StoreError: nothing has changed.
    """
    if not why.strip():
        raise ConfigurationError("--reason: got nothing, expected why it is rejected")
    async with store.write() as tx:
        entry = await _to_review(tx, entry_id, who)
        if entry.reviewed_by is not None:
            raise ConflictError(f"entry {entry_id}: was reviewed by {entry.reviewed_by}; withdraw it if it is wrong")
        return await end(tx, entry, "withdraw", f"The entry was rejected at review: {why.strip()}", who, at_ns)


async def decide(store: Store, snapshot_id: int, *, approved: bool, who: str, at_ns: int) -> Snapshot:
    """Decide about a delivery that was held back; an approved one is put in force by the serving collector.

    Raises:
        NotFoundError: there is no such number.
        ConflictError: it does not wait any more.
        StoreError: nothing has changed.
    """
    now = SnapshotState.APPROVED if approved else SnapshotState.REFUSED
    async with store.write() as tx:
        before = await feeds.snapshot(tx, snapshot_id)
        if before is None:
            raise NotFoundError(f"snapshot {snapshot_id}: there is no such snapshot")
        if not await feeds.decide(tx, snapshot_id, SnapshotState.WAITING, now, who, at_ns):
            by = f" by {before.decided_by}" if before.decided_by else ""
            raise ConflictError(f"snapshot {snapshot_id}: is {before.state}{by}; expected one that waits")
        detail = {"feed": before.feed, "list": before.list, "rows": before.rows, "sha256": before.sha256.hex()}
        action = f"hotlist.snapshot.{'approve' if approved else 'refuse'}"
        await audit.record(tx, who=who, action=action, subject=str(snapshot_id), detail=detail, at_ns=at_ns)
        after = await feeds.snapshot(tx, snapshot_id)
        assert after is not None, "nobody removes one"
        return after


async def _to_review(tx: Transaction, entry_id: int, who: str) -> Entry:
    entry = await hand_entries.one_in_force(tx, entry_id)
    if entry is None:
        raise NotFoundError(f"entry {entry_id}: no such entry is in force; `collector hotlist review` lists those due")
    if not entry.added_by:
        raise ConflictError(f"entry {entry_id}: comes from a file; only what people add is reviewed")
    name = person(who)
    if await hand_entries.role_of(tx, name) not in REVIEWS:
        raise PermissionDeniedError(
            f"entry {entry_id}: is reviewed by a supervisor, and {name!r} is no user of the collector with that role "
            "(collector user list); whoever made it may withdraw it"
        )
    if any(same_person(who, one) for one in await hand_entries.made_and_asked_for(tx, entry)):
        # What a covert entry says is for those it names.
        by = f"for {entry.requester}" if entry.covert_to is None else "for somebody"
        raise PermissionDeniedError(
            f"entry {entry_id}: was added by {entry.added_by} {by}, and {name!r} may be one of those who made, edited "
            "or asked for it; somebody else is to review it"
        )
    return entry


def _words(name: str) -> set[str]:
    # Of an address only what is before the @: everybody of an agency shares the rest.
    decomposed = unicodedata.normalize("NFKD", name.partition("@")[0])
    words = set(_WORD.findall("".join(one for one in decomposed if not unicodedata.combining(one))))
    # Whoever is called Major has nothing else.
    return {one for one in words if not _RANK.fullmatch(one)} or words


def _meet(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _LEAST_ENDING and long.endswith(short))
