"""What hotlists want of people: entries to review or about to end, deliveries held back or missed, lists grown old.

One table of what is so now, made anew from the store and the settings each time: the commands, the log and the API
show the same. Nothing of it names the plate of a covert entry. The first half is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from collector.config import HotlistFeed, Hotlists
from collector.domain.hotlists import Entry
from collector.errors import StoreError
from collector.hotlists.entering import HOUR_NS
from collector.store import feeds, hand_entries
from collector.store.database import Transaction
from collector.store.feeds import FeedStanding, Snapshot, SnapshotState
from collector.store.following import Followed

_log = structlog.get_logger(__name__)
EVERY_S = 15.0
# Of the time that an entry was meant to last: one for six hours is not about to end all the while.
_LAST_PART = 0.25
_Key = tuple["Subject", str, int | None, int | None, str | None]


class Subject(StrEnum):
    """What wants attention."""

    REVIEW_DUE = "review-due"
    REVIEW_OVERDUE = "review-overdue"
    EXPIRES_SOON = "expires-soon"
    SNAPSHOT_WAITS = "snapshot-waits"
    DELIVERY_MISSED = "delivery-missed"
    FEED_FAILS = "feed-fails"
    LIST_OLD = "list-old"


URGENT = frozenset({Subject.REVIEW_OVERDUE, Subject.SNAPSHOT_WAITS, Subject.DELIVERY_MISSED, Subject.LIST_OLD})
"""What somebody has to act on now; the rest is for the shift."""


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that wants attention.

    Attributes:
        subject: what.
        list: the hotlist concerned.
        text: what is to be done, in a sentence.
        since_ns: UTC, since when it is so.
        due_ns: by when it is to be done; None where that is now.
        entry: the entry's number, if it is about one.
        snapshot: the held delivery's number, if it is about one.
        feed: the feed, if it is about one.
    """

    subject: Subject
    list: str
    text: str
    since_ns: int
    due_ns: int | None = None
    entry: int | None = None
    snapshot: int | None = None
    feed: str | None = None

    @property
    def urgent(self) -> bool:
        """Whether somebody has to act on it now."""
        return self.subject in URGENT

    @property
    def key(self) -> _Key:
        """What makes it the same thing the next time that one looks."""
        return self.subject, self.list, self.entry, self.snapshot, self.feed


def of_entries(entries: Sequence[Entry], settings: Hotlists, now_ns: int) -> Iterator[Attention]:
    """Yield what entries made by hand want."""
    for one in entries:
        # What a covert entry says is for those whom it names; others have its number, and who made it.
        covert = one.covert_to is not None
        what = "a covert entry" if covert else f"{one.plate} ({one.region or 'any state'}), case {one.case_number}"
        for_whom, by_whom = ("", "") if covert else (f" for {one.requester}", f" by {one.requester}")
        due_ns = one.review_due_ns
        if one.reviewed_by is None and due_ns is not None:
            overdue = now_ns > due_ns
            yield Attention(
                Subject.REVIEW_OVERDUE if overdue else Subject.REVIEW_DUE,
                one.list,
                f"Entry {one.id}: {what}, added by {one.added_by}{for_whom}, "
                f"{'was to be' if overdue else 'is to be'} reviewed by somebody else within the shift.",
                due_ns if overdue else one.added_at_ns,
                due_ns,
                entry=one.id,
            )
        if one.expires_ns is not None:
            lasts_ns = one.expires_ns - max(one.added_at_ns, one.effective_ns or 0)
            before_ns = min(round(settings.entries.remind_before_h * HOUR_NS), round(lasts_ns * _LAST_PART))
            if one.expires_ns - before_ns <= now_ns:
                yield Attention(
                    Subject.EXPIRES_SOON,
                    one.list,
                    f"Entry {one.id}: {what}, ends soon; edit its expiry if it is still wanted{by_whom}.",
                    one.expires_ns - before_ns,
                    one.expires_ns,
                    entry=one.id,
                )


def of_snapshots(snapshots: Sequence[Snapshot]) -> Iterator[Attention]:
    """Yield the deliveries that wait for somebody."""
    for one in snapshots:
        if one.state is SnapshotState.WAITING:
            yield Attention(
                Subject.SNAPSHOT_WAITS,
                one.list,
                f"Snapshot {one.id} of feed {one.feed} ({one.source}) is not in force: {one.why}. Look at it, then "
                f"`collector hotlist review --snapshot {one.id} --approve` or `--refuse`.",
                one.at_ns,
                snapshot=one.id,
                feed=one.feed,
            )


def of_feeds(
    settings: Sequence[HotlistFeed], standings: Mapping[str, FeedStanding], now_ns: int
) -> Iterator[Attention]:
    """Yield feeds that deliver nothing, or fail."""
    for one in settings:
        standing = standings.get(one.name)
        if standing is None:
            continue
        last_ns = standing.delivered_at_ns or standing.known_since_ns
        missed_ns = last_ns + round(one.expected_every_h * HOUR_NS)
        if now_ns > missed_ns:
            came = "since it was set up" if standing.delivered_at_ns is None else f"for {_hours(now_ns - last_ns)}"
            yield Attention(
                Subject.DELIVERY_MISSED,
                one.list,
                f"Feed {one.name} has delivered nothing {came}; expected every {one.expected_every_h:g} h.",
                missed_ns,
                feed=one.name,
            )
        if standing.problem:
            yield Attention(
                Subject.FEED_FAILS,
                one.list,
                f"Feed {one.name} fails: {standing.problem}",
                standing.problem_since_ns or now_ns,
                feed=one.name,
            )


def of_lists(confirmed_at_ns: Mapping[str, int], settings: Hotlists, now_ns: int) -> Iterator[Attention]:
    """Yield lists that their sources have not confirmed for longer than they may."""
    for name, at_ns in confirmed_at_ns.items():
        rules = settings.rules(name)
        soft_h, hard_h = rules.soft_age_h, rules.hard_age_h
        past_h = next((one for one in (hard_h, soft_h) if one is not None and now_ns - at_ns > one * HOUR_NS), None)
        if past_h is None:
            continue
        then = "every alert says so"
        if past_h == hard_h:
            then = "it no longer alerts" if rules.hard_policy == "stop" else "its alerts are labelled expired"
        yield Attention(
            Subject.LIST_OLD,
            name,
            f"List {name} was last confirmed {_hours(now_ns - at_ns)} ago, which is more than {past_h:g} h: {then}.",
            at_ns + round(past_h * HOUR_NS),
        )


async def attention(tx: Transaction, settings: Hotlists, now_ns: int) -> list[Attention]:
    """Return all that wants attention now: what is urgent first, then by how long it has been so.

    Args:
        tx: one transaction.
        settings: of hotlists.
        now_ns: UTC.
    """
    waiting = await feeds.snapshots(tx, [SnapshotState.WAITING])
    found = [
        *of_entries(await hand_entries.by_hand(tx), settings, now_ns),
        *of_snapshots(waiting),
        *of_feeds(settings.feeds, await feeds.standings(tx), now_ns),
        *of_lists(await feeds.confirmed_at_ns(tx), settings, now_ns),
    ]
    return sorted(found, key=lambda one: (not one.urgent, one.since_ns, one.key[0], one.entry or 0))


async def follow(store: Followed, settings: Hotlists, utc_ns: Callable[[], int], *, every_s: float = EVERY_S) -> None:
    """Say in the log what begins to want attention, and what no longer does, until cancelled."""
    told: dict[_Key, Attention] = {}
    while True:
        try:
            async with store.read() as tx:
                now = {one.key: one for one in await attention(tx, settings, utc_ns())}
        except StoreError as error:
            _log.error("attention_not_looked_for", error=str(error), again_in_s=every_s)
        else:
            for key, one in now.items():
                if key not in told:
                    say = _log.warning if one.urgent else _log.info
                    say("hotlists_want_attention", **_told(one))
            for key, one in told.items():
                if key not in now:
                    _log.info("hotlists_attended_to", **_told(one))
            told = dict(now)
        await asyncio.sleep(every_s)


def _told(one: Attention) -> dict[str, object]:
    """What the log says: of an entry its number, for plates and names do not belong there."""
    about = {"what": one.text} if one.entry is None else {"entry": one.entry}
    return {"subject": str(one.subject), "list": one.list, **about}


def _hours(duration_ns: int) -> str:
    return f"{duration_ns / HOUR_NS:.1f} h"
