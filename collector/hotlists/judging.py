"""Whether a file may take the place of a list by itself, or somebody has to look at it first.

A truncated file looks like a list from which most was removed: taken at its word it would un-list every stolen car.
One that is cut off a little shorter each time would do so bit by bit, so it is also compared with the most that the
list had lately.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collector.config import HotlistFeed, Hotlists
from collector.hotlists.times import utc_text
from collector.store import feeds, hotlist_history
from collector.store.database import Transaction
from collector.store.hotlist_history import Largest
from collector.store.hotlists import WHOLE

_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """By how much a list may shrink unseen.

    Attributes:
        shrink_percent: a file with so many percent fewer entries is doubtful.
        shrink_days: fewer than the list has, and than the most that it had in so many days.
    """

    shrink_percent: float = HotlistFeed.model_fields["shrink_percent"].default
    shrink_days: float = HotlistFeed.model_fields["shrink_days"].default


def limits_of(settings: Hotlists, name: str) -> Limits:
    """Return those of a list: its feed's, if it has one."""
    feed = next((one for one in settings.feeds if one.list == name), None)
    return Limits() if feed is None else Limits(feed.shrink_percent, feed.shrink_days)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a list holds from its files, before a new one.

    Attributes:
        entries: so many by now.
        largest: the version of the last days that held the most.
    """

    entries: int
    largest: Largest | None = None


async def standing_of(tx: Transaction, name: str, limits: Limits, now_ns: int) -> Standing:
    """Return what a list holds, and held at most in the days that count.

    Args:
        tx: a reading transaction.
        name: the list.
        limits: how many days count.
        now_ns: UTC.
    """
    since_ns = now_ns - round(limits.shrink_days * _DAY_NS)
    largest = await hotlist_history.largest(tx, name, since_ns) if limits.shrink_days else None
    return Standing(await feeds.file_entries(tx, name), largest)


def shrinking(rows: int, standing: Standing, limits: Limits) -> Iterator[str]:
    """Yield why a file with so many entries may be cut off; nothing if it is not much smaller."""
    least = 1 - limits.shrink_percent / 100
    most = standing.largest
    if rows == 0:
        yield f"it is empty, and the list has {standing.entries} entries"
    elif rows < standing.entries * least:
        yield (
            f"it has {rows} entries, {1 - rows / standing.entries:.0%} fewer than the list, which has "
            f"{standing.entries}: was it cut off on its way?"
        )
    elif most is not None and rows < most.entries * least:
        yield (
            f"it has {rows} entries, {1 - rows / most.entries:.0%} fewer than version {most.version} of "
            f"{utc_text(most.at_ns)}, which had {most.entries}: does the list lose some with every file?"
        )


async def not_newer(tx: Transaction, name: str, sha256: bytes, written_at_ns: int) -> tuple[str, ...]:
    """Return why a file that somebody imports is not newer than the list; nothing if it may be.

    The file of the version in force is not doubtful: somebody says that it still holds, or reads it anew.

    Args:
        tx: a reading transaction.
        name: the list.
        sha256: of the file.
        written_at_ns: UTC, when it was last written.
    """
    whole = [one for one in await hotlist_history.versions(tx, name) if one.made.action in WHOLE]
    if not whole or whole[0].made.source_sha256 == sha256:
        return ()
    last = whole[0]
    same = next((one for one in whole if one.made.source_sha256 == sha256), None)
    if same is not None:
        return (f"it is not newer: it is the file of version {same.number}, and version {last.number} came after that",)
    last_ns = last.made.written_at_ns
    if last_ns is not None and written_at_ns < last_ns:
        return (
            f"it is not newer: it was last written {utc_text(written_at_ns)}, and the last one {utc_text(last_ns)}",
        )
    return ()
