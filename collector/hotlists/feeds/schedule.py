"""When a feed's source is asked next. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collector.config import HotlistFeed

_SECOND_NS = 1_000_000_000
_FOLDER_EVERY_S = 10.0
_SERVER_EVERY_S = 3_600.0
# After a failure a source is asked again sooner than a daily schedule would, and less and less often.
_FIRST_BACK_OFF_S = 30.0
_LONGEST_BACK_OFF_S = 3_600.0


def next_ns(feed: HotlistFeed, tried_at_ns: int | None, failures: int) -> int:
    """Return from when on a source is to be asked, UTC.

    Args:
        feed: its schedule.
        tried_at_ns: when it was last asked; None if never, then it is due.
        failures: how many tries in a row have failed.
    """
    if tried_at_ns is None:
        return 0
    scheduled_ns = _scheduled_ns(feed, tried_at_ns)
    if not failures:
        return scheduled_ns
    back_off_s = min(_LONGEST_BACK_OFF_S, _FIRST_BACK_OFF_S * 2.0 ** min(failures - 1, 20))
    again_ns = tried_at_ns + round(back_off_s * _SECOND_NS)
    # What is asked every ten seconds is asked less often while it fails; what is asked once a day, more often.
    return max(again_ns, scheduled_ns) if _every_s(feed) < _FIRST_BACK_OFF_S else min(again_ns, scheduled_ns)


def _scheduled_ns(feed: HotlistFeed, tried_at_ns: int) -> int:
    if not feed.at:
        return tried_at_ns + round(_every_s(feed) * _SECOND_NS)
    tried = datetime.fromtimestamp(tried_at_ns / _SECOND_NS, UTC)
    midnight = tried.replace(hour=0, minute=0, second=0, microsecond=0)
    times = [midnight + timedelta(days=day, hours=int(at[:2]), minutes=int(at[3:])) for day in (0, 1) for at in feed.at]
    return round(min(time for time in times if time > tried).timestamp()) * _SECOND_NS


def _every_s(feed: HotlistFeed) -> float:
    if feed.at:
        return 86_400.0 / len(feed.at)
    if feed.every_s is not None:
        return feed.every_s
    return _FOLDER_EVERY_S if feed.folder is not None else _SERVER_EVERY_S
