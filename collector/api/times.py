"""Nanoseconds as people and programs read them."""

from datetime import UTC, datetime

_MICROSECOND_NS = 1_000
_SECOND_US = 1_000_000


def rfc3339(utc_ns: int) -> str:
    """``utc_ns`` as ``2026-11-21T10:41:47.123456Z``: always microseconds, cut off rather than rounded."""
    seconds, microseconds = divmod(utc_ns // _MICROSECOND_NS, _SECOND_US)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{microseconds:06d}Z"


def milliseconds(duration_ns: int) -> float:
    """``duration_ns`` in milliseconds, to the microsecond."""
    return round(duration_ns / 1_000_000, 3)
